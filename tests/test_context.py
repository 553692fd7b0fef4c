import textwrap

import d2lhelpers
from d2lhelpers import context
from d2lhelpers.context import contexts_for, contexts_of, explain_context, move_to, try_all_gpus, try_gpu

import mxnet as mx
import pytest


@pytest.fixture(autouse=True)
def no_wish(monkeypatch):
    monkeypatch.delenv("D2LHELPERS_DEVICE", raising=False)
    forget = context._failure_on.cache_clear
    forget()
    yield
    forget()


@pytest.fixture
def gpus(monkeypatch):
    """Stands in for a machine with GPUs: how many MXNet sees, and which of them compute."""

    def pretend(count, broken=()):
        monkeypatch.setattr(mx.context, "num_gpus", lambda: count)
        monkeypatch.setattr(context, "_gpu_computes", lambda i: i < count and i not in broken)

    return pretend


def test_on_this_machine_every_context_computes(capfd):
    for ctx in [try_gpu(), *try_all_gpus()]:
        assert mx.nd.ones(2, ctx=ctx).sum().asscalar() == 2
    assert len(try_all_gpus()) == max(1, mx.context.num_gpus())
    assert explain_context().startswith(f"{try_gpu()}: ")
    assert capfd.readouterr() == ("", "")


def test_a_gpu_that_is_counted_but_fails_is_not_chosen_and_not_heard(monkeypatch, capfd):
    if mx.runtime.Features().is_enabled("CUDA"):
        return  # there a GPU that is counted computes
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 1)
    assert try_gpu() == mx.cpu() and try_all_gpus() == [mx.cpu()]
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def ending(monkeypatch, tmp_path):
    """A machine whose GPU ends a process as the given statement does."""

    def pretend(statement):
        (tmp_path / "mxnet").mkdir()
        (tmp_path / "mxnet/__init__.py").write_text(STAND_IN + textwrap.indent(statement, "        "))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(mx.context, "num_gpus", lambda: 1)
        monkeypatch.setattr(mx.runtime.Features, "is_enabled", lambda self, name: True)

    return pretend


STAND_IN = """
import os, sys, time
from unittest import mock
gpu = int
class nd:
    zeros = mock.Mock()
    def ones(shape, ctx):
"""
ABORTED = """
os.write(2, b"terminate called after throwing an instance of 'dmlc::Error'\\n")
os.write(2, b"  what():  [05:33:14] stream_gpu-inl.h:133: Check failed: err == 0 : Create cublas handle failed\\n")
os.abort()
"""


@pytest.mark.parametrize(
    "capability, known",
    [
        ((8, 9), ""),
        ((9, 0), " (its compute capability is 9.0, and MXNet's wheels are made for 5.0 to 8.9)"),
        ((12, 0), " (its compute capability is 12.0, and MXNet's wheels are made for 5.0 to 8.9)"),
        ((3, 7), " (its compute capability is 3.7, and MXNet's wheels are made for 5.0 to 8.9)"),
    ],
)
def test_a_gpu_on_which_mxnet_aborts_is_named_with_the_reason(ending, monkeypatch, capability, known, capfd):
    ending(ABORTED)
    monkeypatch.setattr(context, "_capability", lambda i: capability)
    why = "a first computation on gpu(0) failed: Check failed: err == 0 : Create cublas handle failed" + known
    assert try_gpu() == mx.cpu() and explain_context() == f"cpu(0): {why}"
    monkeypatch.setenv("D2LHELPERS_DEVICE", "gpu")
    with pytest.raises(RuntimeError) as error:
        try_gpu()
    assert str(error.value) == f"D2LHELPERS_DEVICE=gpu forces gpu(0), but {why}: unset it or set it to cpu."
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "statement, why",
    [
        ("time.sleep(600)", "it had not ended after 1 seconds"),
        ("os.kill(os.getpid(), 9)", "exit status -9"),
        ("print(3.0); sys.exit()", "the answer 3.0 instead of 9.0"),
        ("sys.exit('no such device')", "no such device"),
        (
            "sys.exit('Name: Check failed: err == 0 (209 vs. 0) : no image')",
            "Check failed: err == 0 (209 vs. 0) : no image",
        ),
    ],
)
def test_another_failure_of_a_gpu_is_named_too(ending, monkeypatch, statement, why):
    ending(statement)
    monkeypatch.setattr(context, "_PATIENCE", 1)
    monkeypatch.setattr(context, "_capability", lambda i: (8, 0))
    assert explain_context() == f"cpu(0): a first computation on gpu(0) failed: {why}"


def test_a_gpu_is_tried_once_and_not_as_part_of_a_launch(ending, monkeypatch, tmp_path):
    ending(
        f"open({str(tmp_path / 'tried')!r}, 'a').write(os.environ.get('DMLC_ROLE', 'no part')); print(9.0); sys.exit()"
    )
    monkeypatch.setenv("DMLC_ROLE", "server")
    assert [try_gpu(), try_gpu(), *try_all_gpus()] == [mx.gpu(0)] * 3
    assert (tmp_path / "tried").read_text() == "no part"


def test_the_first_gpu_by_default_and_another_by_its_number(gpus):
    gpus(2)
    assert (try_gpu(), try_gpu(1), try_gpu(2)) == (mx.gpu(0), mx.gpu(1), mx.cpu())
    assert try_all_gpus() == [mx.gpu(0), mx.gpu(1)]
    gpus(2, broken=[0])
    assert try_gpu() == mx.cpu() and try_all_gpus() == [mx.gpu(1)]


def test_without_a_gpu_there_is_always_the_cpu(gpus):
    gpus(0)
    assert try_gpu() == mx.cpu() and try_all_gpus() == [mx.cpu()]


@pytest.mark.parametrize(
    "wish, first, third, every",
    [
        ("cpu", mx.cpu(), mx.cpu(), [mx.cpu()]),
        ("CPU ", mx.cpu(), mx.cpu(), [mx.cpu()]),
        ("gpu", mx.gpu(0), mx.gpu(2), [mx.gpu(0), mx.gpu(1), mx.gpu(2)]),
        ("gpu:1", mx.gpu(1), mx.gpu(1), [mx.gpu(1)]),
    ],
)
def test_the_variable_forces(gpus, monkeypatch, wish, first, third, every):
    gpus(3)
    monkeypatch.setenv("D2LHELPERS_DEVICE", wish)
    assert (try_gpu(), try_gpu(2), try_all_gpus()) == (first, third, every)
    assert "forced by D2LHELPERS_DEVICE" in explain_context()


@pytest.mark.parametrize("function", [try_gpu, try_all_gpus, explain_context])
@pytest.mark.parametrize("wish, number", [("gpu", 0), ("gpu:3", 3)])
def test_a_forced_gpu_that_is_not_there_is_an_error(gpus, monkeypatch, function, wish, number):
    gpus(0)
    monkeypatch.setenv("D2LHELPERS_DEVICE", wish)
    with pytest.raises(RuntimeError, match=rf"forces gpu\({number}\), but .* unset it or set it to cpu"):
        function()


@pytest.mark.parametrize("wish", ["tpu", "gpu:", "gpu:-1", "cpu:0", "1"])
def test_a_wish_that_is_none_is_refused(monkeypatch, wish):
    monkeypatch.setenv("D2LHELPERS_DEVICE", wish)
    with pytest.raises(ValueError, match="must be cpu, gpu or gpu:N"):
        try_gpu()


@pytest.mark.parametrize("number", [-1, 1.0, "0", None, True])
def test_what_is_no_number_of_a_gpu_is_refused(number):
    for function in (try_gpu, explain_context):
        with pytest.raises(ValueError, match=f"a GPU's number must be a whole number of at least 0, not {number!r}"):
            function(number)


def test_the_reason_tells_a_cpu_build_from_a_missing_gpu(gpus, monkeypatch):
    gpus(1, broken=[0])

    class Features:
        def __init__(self, cuda):
            self.cuda = cuda

        def is_enabled(self, name):
            assert name == "CUDA"
            return self.cuda

    monkeypatch.setattr(mx.runtime, "Features", lambda: Features(False))
    assert "CPU build" in explain_context()
    monkeypatch.setattr(mx.runtime, "Features", lambda: Features(True))
    monkeypatch.setattr(context, "_failure_on", lambda i: "no memory")
    monkeypatch.setattr(context, "_capability", lambda i: (8, 6))
    assert explain_context() == "cpu(0): a first computation on gpu(0) failed: no memory"
    assert "MXNet sees 1 GPU, so there is no gpu(4)" in explain_context(4)


def dense(**options):
    net = mx.gluon.nn.Dense(1)
    net.initialize(**options)
    return net


def test_a_network_is_where_all_its_parameters_are():
    assert contexts_of(dense(ctx=mx.cpu(1))) == [mx.cpu(1)]
    assert contexts_of(dense(ctx=[mx.cpu(2), mx.cpu(1)])) == [mx.cpu(2), mx.cpu(1)]
    assert contexts_of(mx.gluon.nn.Flatten()) == contexts_of(len) == []
    parts = mx.gluon.nn.Sequential()
    parts.add(dense(ctx=[mx.cpu(0), mx.cpu(1), mx.cpu(2)]), dense(ctx=[mx.cpu(2), mx.cpu(1)]))
    assert contexts_of(parts) == [mx.cpu(1), mx.cpu(2)]
    apart = mx.gluon.nn.Sequential()
    apart.add(dense(ctx=mx.cpu(1)), dense(ctx=mx.cpu(2)))
    assert contexts_of(apart) == [mx.cpu(1)]


def test_every_parameter_must_be_initialised():
    net = mx.gluon.nn.Sequential()
    net.add(dense(), mx.gluon.nn.Dense(1))
    with pytest.raises(RuntimeError, match=f"{net[1].weight.name} is not initialised: call net.initialize"):
        contexts_of(net)


def test_the_caller_says_where_to_run_among_the_networks_contexts():
    net = dense(ctx=[mx.cpu(0), mx.cpu(1)])
    assert contexts_for(net, None, "ctx") == [mx.cpu(0), mx.cpu(1)]
    assert contexts_for(net, mx.cpu(1), "ctx") == contexts_for(net, [mx.cpu(1)], "ctx") == [mx.cpu(1)]
    assert contexts_for(len, (mx.cpu(3), mx.cpu(2)), "ctx") == [mx.cpu(3), mx.cpu(2)]
    with pytest.raises(
        ValueError, match=r"parameters are on \[cpu\(0\), cpu\(1\)\], and ctx is cpu\(2\): leave ctx out"
    ):
        contexts_for(net, mx.cpu(2), "ctx")


@pytest.mark.parametrize("wrong", ["cpu", 0, [], [mx.cpu(), "cpu"], [mx.cpu(0), mx.cpu(0)], {mx.cpu(0)}])
def test_what_is_no_context_is_refused(wrong):
    with pytest.raises(ValueError, match="ctx must be an mx.Context or a list of different ones, not .*: give for"):
        contexts_for(dense(), wrong, "ctx")


def test_a_gpu_that_mxnet_does_not_see_is_refused(gpus):
    gpus(1)
    assert contexts_for(len, mx.gpu(0), "ctx") == [mx.gpu(0)]
    with pytest.raises(ValueError, match=r"context names gpu\(1\), but .*: give try_gpu\(\)"):
        contexts_for(len, mx.gpu(1), "context")


def test_move_to_takes_both_kinds_of_arrays():
    moved = move_to(mx.cpu(1), mx.nd.ones(2), mx.np.ones(2))
    assert [array.ctx for array in moved] == [mx.cpu(1)] * 2
    assert [type(array) for array in moved] == [mx.nd.NDArray, mx.np.ndarray]


def test_names_at_the_top_are_the_same():
    assert d2lhelpers.try_gpu is try_gpu

"""MXNet behind `compat`. Each case runs in an interpreter of its own, since MXNet can be imported only once."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from .data.tiny import IDX_NAMES, Mirror, idx_set, write

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]


def run(code, *options, **variables):
    """Run code in a fresh interpreter without the thread settings of this one; returns (stdout, stderr, status)."""
    import os

    ours = ("OMP_NUM_THREADS", "MXNET_CPU_TEMP_COPY")
    environment = {k: v for k, v in os.environ.items() if k not in ours and not k.startswith("PYTEST")}
    environment.update(variables)
    command = [sys.executable, *options, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    return done.stdout, done.stderr, done.returncode


def test_mxnet_computes_and_its_start_is_silent():
    code = """
        import d2lhelpers
        import mxnet as mx
        print(mx.__version__, float(mx.nd.ones((2, 3)).sum().asscalar()), mx.np.ones(2).sum())
    """
    assert run(code, "-W", "error") == ("1.9.1 6.0 2.0\n", "", 0)


def test_without_it_mxnet_does_not_import():
    """The reason for `compat`; if this ever passes unaided, the module can go."""
    assert run("import mxnet")[2] != 0


def test_numpy_stays_as_it_was():
    code = """
        import types
        import numpy
        before = {k: v for k, v in vars(numpy).items() if not isinstance(v, types.ModuleType)}
        import d2lhelpers
        import mxnet.gluon.contrib
        import mxnet.test_utils
        after = {k: v for k, v in vars(numpy).items() if not isinstance(v, types.ModuleType)}
        assert before.keys() == after.keys(), before.keys() ^ after.keys()
        assert all(before[k] is after[k] for k in before)
        import sys
        assert sys.modules["numpy"] is numpy and "distutils" not in sys.modules
        print("same")
    """
    assert run(code)[0] == "same\n"


@pytest.mark.parametrize("first", ["import numpy", "import mxnet_user", "pass"])
def test_nothing_is_imported_before_it_is_used(first, tmp_path):
    (tmp_path / "mxnet_user.py").write_text("")
    code = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        {first}
        before = set(sys.modules)
        import d2lhelpers
        print("mxnet" in sys.modules, "numpy" in set(sys.modules) - before)
    """
    assert run(code)[0] == "False False\n"


def test_a_second_install_and_one_after_mxnet_do_nothing():
    code = """
        import sys, types
        mxnet = sys.modules["mxnet"] = types.ModuleType("mxnet")
        finders = list(sys.meta_path)
        import os
        import d2lhelpers
        print(sys.meta_path == finders, "OMP_NUM_THREADS" in os.environ)
        del sys.modules["mxnet"]
        d2lhelpers.compat.install()
        d2lhelpers.compat.install()
        print(len(sys.meta_path) - len(finders), os.environ["OMP_NUM_THREADS"])
    """
    assert run(code)[0] == "True False\n1 1\n"


@pytest.mark.parametrize(("name", "ours"), [("OMP_NUM_THREADS", "1"), ("MXNET_CPU_TEMP_COPY", "16")])
def test_the_users_number_of_threads_and_of_pieces_of_scratch_memory_stays(name, ours):
    code = f"import d2lhelpers, os; print(os.environ[{name!r}])"
    assert run(code)[0] == f"{ours}\n"
    assert run(code, **{name: "2"})[0] == "2\n"


def test_where_mxnet_is_missing_one_sentence_says_how_to_install_it():
    code = """
        import sys
        import d2lhelpers
        sys.path[:] = [p for p in sys.path if "site-packages" not in p]
        try:
            import mxnet
        except ModuleNotFoundError as error:
            print(error.name, error)
    """
    out = run(code)[0]
    assert out.startswith("mxnet MXNet is not installed: install it with `pip install --no-deps mxnet==1.9.1`")
    assert out.count("\n") == 1


def test_a_failing_start_is_not_hushed():
    code = """
        import os, d2lhelpers
        try:
            with d2lhelpers.compat.quiet():
                os.write(2, b"the reason\\n")
                raise OSError
        except OSError:
            os.write(2, b"after\\n")
    """
    assert run(code)[1] == "the reason\nafter\n"


def test_tuple_parameters_may_hold_numpy_integers():
    code = """
        import d2lhelpers
        import numpy as np
        import mxnet as mx
        two, one = np.int64(2), np.int32(1)
        x = mx.nd.ones((one, one, 3, 3))
        weight = mx.nd.ones((1, 1, 2, 2))
        print(mx.nd.Convolution(x, weight, mx.nd.zeros(1), kernel=(two, 2), num_filter=one).shape)
        print(mx.nd.reshape(x, shape=tuple(np.array([9, 1]))).shape, mx.nd.zeros(np.shape(np.eye(2))).shape)
        y = mx.sym.Pooling(mx.sym.var("x"), kernel=(two, two), stride=(one, one))
        print(y.infer_shape(x=(1, 1, 3, 3))[1])
        net = mx.gluon.nn.Conv2D(np.int64(2), (np.int64(3), 3))
        net.initialize()
        net.hybridize()
        print(net(x).shape)
    """
    assert run(code) == ("(1, 1, 2, 2)\n(9, 1) (2, 2)\n[(1, 1, 2, 2)]\n(1, 2, 1, 1)\n", "", 0)


def test_mx_np_where_numpy_changed():
    code = """
        import d2lhelpers
        import numpy as onp
        import mxnet as mx
        mx.npx.set_np()
        np = mx.np
        a = np.array([[2.0, 1.0], [1.0, 3.0]])
        q, r = np.linalg.qr(a)
        print(type(q).__module__, bool(abs(np.dot(q, r) - a).max() < 1e-6))
        print(type(onp.linalg.qr(onp.eye(2))).__name__ in ("QRResult", "tuple"), len(onp.unique(onp.eye(2))))
        print(np.pad(np.ones((1, 1)), ((1, 1), (0, 0))).shape, np.product(a), np.round_(np.array([1.4])))
        print(np.in1d(np.array([1, 2]), np.array([2])), np.trapz(np.array([0.0, 1.0])), np.msort(np.array([2, 1])))
        print(onp.any(np.array([0, 1])), onp.prod(a), np.array([1], dtype=np.bool_).dtype == onp.bool_, np.inf, np.PINF)
        try:
            np.npv(0.1, [1, 2])
        except NotImplementedError as error:
            print(error)
    """
    out, err, status = run(code, "-W", "ignore::DeprecationWarning")  # NumPy's own, of 2.0 to 2.3: trapz, in1d
    assert (err, status) == ("", 0)
    assert out.splitlines() == [
        "mxnet.numpy True",
        "True 2",
        "(3, 1) 6.0 [1.]",
        "[False  True] 0.5 [1. 2.]",
        "True 6.0 True inf inf",
        "NumPy removed its financial functions: use numpy_financial.npv instead of npv",
    ]


def test_recordio_packs_array_labels():
    code = """
        import d2lhelpers
        from mxnet import recordio
        header, content = recordio.unpack(recordio.pack((0, [1.0, 2.5], 7, 0), b"bytes"))
        print(header.label.tolist(), header.id, content)
    """
    assert run(code, "-W", "error") == ("[1.0, 2.5] 7 b'bytes'\n", "", 0)


def test_a_spawned_child_has_the_same_mxnet(tmp_path):
    script = tmp_path / "spawning.py"
    script.write_text(
        textwrap.dedent(
            """
            import d2lhelpers
            import multiprocessing
            import mxnet as mx

            def total(n):
                return float(mx.nd.ones(n).sum().asscalar())

            if __name__ == "__main__":
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    print(pool.map(total, [3, 4]))
            """
        )
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[3.0, 4.0]\n", "")


def test_sources_and_tracebacks_still_name_mxnets_files():
    code = """
        import inspect
        import d2lhelpers
        import mxnet as mx
        print(mx.gluon.nn.__file__.endswith("nn/__init__.py"), "class Dense" in inspect.getsource(mx.gluon.nn.Dense))
    """
    assert run(code)[0] == "True True\n"


def test_d2l_computes():
    code = """
        import d2lhelpers
        from d2l import mxnet as d2l
        print(d2l.__name__, d2l.try_gpu(), d2l.try_all_gpus())
    """
    assert run(code)[0].startswith("d2l.mxnet cpu(0)")


def test_equal_arrays_are_equal_to_numpy():
    code = """
        import d2lhelpers
        import mxnet as mx, numpy as np
        a = mx.nd.array([[1, 2], [3, 4]])
        print(np.array_equal(a, a), mx.test_utils.same(a, a), np.array_equal(a, a + 1), bool(np.all(a == a)))
        print(np.asarray(a).dtype, np.asarray(a, dtype="int64").dtype, np.asarray(mx.np.ones(2)).sum())
        with mx.autograd.record():
            try:
                np.exp(a)
            except TypeError as error:
                print(error)
    """
    out, err, status = run(code, "-W", "error")
    assert (err, status) == ("", 0)
    lines = out.splitlines()
    assert lines[:2] == ["True True False True", "float32 int64 2.0"] and "no gradient would be recorded" in lines[2]


def test_metrics_count_beyond_float32():
    code = """
        import d2lhelpers
        import mxnet as mx
        for name in ("Loss", "MSE", "MAE"):
            metric = getattr(mx.metric, name)()
            for value in (2.0**24, 1.0):
                values = mx.nd.array([[value]])
                root = values.sqrt() if name == "MSE" else values
                metric.update(*([None, [values]] if name == "Loss" else [[values * 0], [root]]))
            print(metric.sum_metric)
    """
    assert run(code, "-W", "error") == ("16777217.0\n" * 3, "", 0)


def test_every_size_may_be_a_numpy_integer(tmp_path):
    (tmp_path / "a.csv").write_text("1,2,3,4,5,6\n")
    code = f"""
        import d2lhelpers
        import mxnet as mx, numpy as np
        from mxnet.gluon import nn
        n = np.int64
        for net, shape in ((nn.Dense(n(3)), (4, 6)), (nn.Conv2D(n(3), n(2), in_channels=n(2)), (1, 2, 4, 4))):
            net.initialize()
            net.hybridize()
            print(net(mx.nd.ones(shape)).shape)
        print(mx.sym.var("x", shape=(n(2), 3)).infer_shape()[1])
        rows = mx.io.CSVIter(data_csv={str(tmp_path / "a.csv")!r}, data_shape=tuple(np.array([2, 3])), batch_size=1)
        print(rows.next().data, mx.nd.moveaxis(mx.nd.ones((2, 3)), 0, 1).shape)
        in_mxnet = vars(mx.symbol.symbol)["__builtins__"]["str"]
        assert isinstance("x", in_mxnet) and issubclass(str, in_mxnet) and in_mxnet(b"x", "ascii") == "x"
    """
    out, err, status = run(code, "-W", "error")
    assert (err, status) == ("", 0)
    assert out.split("\n")[:3] == ["(4, 3)", "(1, 3, 3, 3)", "[(2, 3)]"] and "<NDArray 1x2x3 @cpu(0)>" in out


def test_a_number_of_samples_may_be_a_numpy_integer():
    code = """
        import d2lhelpers
        import mxnet as mx, numpy as np
        n = np.int64(3)
        draws = mx.np.random
        for a in (draws.normal(size=n), draws.uniform(0, np.float64(1), n), draws.randint(0, n, size=n)):
            print(a.shape, end=" ")
        print(draws.gamma(2, size=n).shape, draws.choice(n, size=n).shape, mx.npx.random.bernoulli(0.5, size=n).shape)
        mx.npx.set_np()
        print(mx.sym.np.random.normal(size=n).infer_shape()[1], mx.npx.random.normal_n(0, 1, batch_shape=n).shape)
    """
    assert run(code, "-W", "error") == (f"{'(3,) ' * 5}(3,)\n[(3,)] (3,)\n", "", 0)


@pytest.mark.parametrize("method", ["fork", "forkserver"])  # the default before Python 3.14, and since
def test_a_data_loader_has_workers(method):
    code = f"""
        import multiprocessing
        import d2lhelpers
        from mxnet import gluon, nd
        if __name__ == "__main__":
            multiprocessing.set_start_method({method!r})
            dataset = gluon.data.ArrayDataset(nd.arange(6).reshape((6, 1)), nd.arange(6))
            for X, y in gluon.data.DataLoader(dataset, batch_size=4, num_workers=2):
                print(X.shape, y.sum().asscalar())
    """
    assert run(code) == ("(4, 1) 6.0\n(2, 1) 9.0\n", "", 0)


PUBLISHED_FIRST_STEP = """
    import d2lhelpers
    from d2l import mxnet as d2l
    from mxnet import gluon
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    for X, y in test_iter:
        print(X.shape, y[:4].asnumpy())
        break
    print(len(gluon.data.vision.MNIST(train=False)), len(train_iter))
    del train_iter, test_iter  # MXNet's loaders cannot end their workers while Python 3.9 itself ends
"""


@pytest.mark.data("fashion-mnist")
@pytest.mark.data("mnist")
def test_the_published_first_step_takes_the_verified_data_and_writes_nothing(tmp_path):
    expected = "(256, 1, 28, 28) [9 2 1 1]\n10000 235\n"
    assert run(PUBLISHED_FIRST_STEP, MXNET_HOME=str(tmp_path)) == (expected, "", 0)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


SMALL_SET = """
    import dataclasses, os
    import d2lhelpers
    from d2lhelpers.data.registry import DATA_SETS
    from tests.data.tiny import described, idx_set
    entry = described("fashion-mnist", idx_set(1)[0])
    DATA_SETS["fashion-mnist"] = dataclasses.replace(entry, mirrors=(os.environ["MIRROR"],))
    from mxnet.gluon.data.vision import FashionMNIST
    try:
        print(len(FashionMNIST(*ROOT)))
    except ValueError as error:
        print(type(error).__name__, error)
"""


@pytest.fixture
def mirror():
    server = Mirror()
    yield server
    server.close()


def small_set(mirror, home, *root):
    code = SMALL_SET.replace("ROOT", repr(list(root)))
    return run(code, MXNET_HOME=str(home), MIRROR=mirror.url("a"), D2LHELPERS_DATA="", no_proxy="127.0.0.1")


def test_a_mirror_that_answers_with_a_web_page_destroys_nothing(tmp_path, mirror):
    page = b"<html>all is well</html>"
    mirror.files = {f"/a/{name}": page for name in IDX_NAMES}
    files, folder = idx_set(1)[0], tmp_path / "datasets" / "fashion-mnist"
    write(folder, files)
    assert small_set(mirror, tmp_path) == ("7\n", "", 0) and mirror.asked == []
    (folder / IDX_NAMES[0]).unlink()
    assert "DataNotFoundError" in "".join(map(str, small_set(mirror, tmp_path))) and mirror.asked
    assert not (folder / IDX_NAMES[0]).exists() and (folder / IDX_NAMES[1]).read_bytes() == files[IDX_NAMES[1]]


def test_a_root_of_the_callers_comes_first_and_is_never_replaced(tmp_path, mirror):
    files, mine = idx_set(1)[0], tmp_path / "mine"
    mirror.files = {f"/a/{name}": data for name, data in files.items()}
    write(mine, files)
    assert small_set(mirror, tmp_path / "home", str(mine)) == ("7\n", "", 0) and mirror.asked == []
    (mine / IDX_NAMES[0]).write_bytes(b"mine")
    out, _, _ = small_set(mirror, tmp_path / "home", str(mine))
    assert out.startswith("DataCorruptError") and "it is left as it is: move it away, or name another root" in out
    assert (mine / IDX_NAMES[0]).read_bytes() == b"mine" and mirror.asked == []
    # What it lacks is found or fetched where it belongs; the caller's folder is not written.
    (mine / IDX_NAMES[0]).unlink()
    assert small_set(mirror, tmp_path / "home", str(mine)) == ("7\n", "", 0)
    assert not (mine / IDX_NAMES[0]).exists() and (tmp_path / "home/datasets/fashion-mnist" / IDX_NAMES[0]).exists()

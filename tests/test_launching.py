"""Several workers train as one does, and a part that ends badly ends all of a launch and leaves no process."""

import asyncio
import contextlib
import gc
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

from d2lhelpers import launching
from d2lhelpers.launching import launch

import numpy as np
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "d2lhelpers", "launch"]
MARK = "MARK_OF_A_TEST"
LONG = 300  # seconds: only where something hangs

TRAIN = """
import os, sys
import d2lhelpers
import mxnet as mx, numpy as np
from mxnet.gluon import nn

contexts, batch_size, num_samples = int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
rng = np.random.default_rng(0)
y = rng.integers(0, 4, num_samples)
X = rng.standard_normal((4, 1, 12, 12))[y] + 0.5 * rng.standard_normal((num_samples, 1, 12, 12))
d2lhelpers.seed_everything(3)
net = nn.HybridSequential()
net.add(nn.Conv2D(8, 3, activation="relu"), nn.MaxPool2D(2), nn.Dense(16, activation="relu"), nn.Dense(4))
net.initialize(mx.init.Xavier(), ctx=[mx.cpu(i) for i in range(contexts)])
batches = d2lhelpers.ArrayIterator(X, y, batch_size, shuffle=True)
found = [d2lhelpers.fit(net, batches, batches, 1, lr=0.1) for _ in range(2)]
weights = [p.data(mx.cpu(0)).asnumpy().ravel() for p in net.collect_params().values()]
np.savez(f"{sys.argv[1]}/{os.environ.get('D2LHELPERS_WORKER', 'alone')}.npz", weights=np.concatenate(weights),
    history=[each.loss + each.train_accuracy + each.test_accuracy for each in found])
"""
MEET = """
import os, sys, time
import d2lhelpers
from d2lhelpers.workers import workers

print("met", workers().count, "as", os.getpid(), flush=True)
"""
WAIT = f"{MEET}\ntime.sleep({LONG})"


@pytest.fixture
def variables():
    """The environment of a launch, with a mark that all its processes inherit."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "nbtolerance")])
    variables = {**os.environ, "PYTHONPATH": path, MARK: uuid.uuid4().hex}
    yield variables
    for process in left(variables):  # of a test that has failed
        process.kill()


def started(words, program, variables, before=()):
    program = [] if program is None else ["--", sys.executable, "-c", *program]
    return subprocess.Popen(
        [*before, *COMMAND, *words, *program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=variables,
        # A shell starts what runs in the background deaf to Ctrl-C: these tests, perhaps, but not this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def left(variables):
    """The processes of a launch that are there: its mark is in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == variables[MARK] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def numbers_of(words, *arguments, tmp_path, variables):
    """Train; returns what each worker saved."""
    folder = tmp_path / uuid.uuid4().hex
    folder.mkdir()
    program = [sys.executable, "-c", TRAIN, str(folder), *map(str, arguments)]
    command = [*COMMAND, *words, "--", *program] if words else program
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=LONG)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert left(variables) == []
    return [np.load(path) for path in sorted(folder.iterdir())]


# After 40 steps the largest difference of a weight was 1.8e-7, that of a mean loss 4e-9.
ROUNDING = 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_workers", "num_servers", "contexts", "batch_size", "num_samples"),
    [(2, 1, 1, 30, 20 * 30 - 7), (3, 2, 1, 31, 19 * 31 + 4), (2, 1, 2, 3, 20 * 3)],
    ids=["two", "three", "two of two devices, where a worker has one sample"],
)
def test_workers_take_the_steps_of_one(
    tmp_path, num_workers, num_servers, contexts, batch_size, num_samples, variables
):
    (alone,) = numbers_of([], 1, batch_size, num_samples, tmp_path=tmp_path, variables=variables)
    words = ["--workers", str(num_workers), "--servers", str(num_servers)]
    together = numbers_of(words, contexts, batch_size, num_samples, tmp_path=tmp_path, variables=variables)
    assert len(together) == num_workers
    for each in together:
        assert (each["weights"] == together[0]["weights"]).all() and (each["history"] == together[0]["history"]).all()
        np.testing.assert_allclose(each["weights"], alone["weights"], rtol=0, atol=ROUNDING)
        np.testing.assert_allclose(each["history"], alone["history"], rtol=0, atol=ROUNDING)


def met(process, count=1):
    """The process ids of workers, once they have met."""
    return [int(re.search(r"met \d+ as (\d+)$", process.stdout.readline())[1]) for _ in range(count)]


def role_of(process):
    return process.environ().get("DMLC_ROLE")


def ended(process, variables):
    """The exit status and what was said, once a launch is over: no process of it is left."""
    _, said = process.communicate(timeout=LONG)
    assert left(variables) == []
    return process.returncode, said


@pytest.mark.slow
@pytest.mark.parametrize("role", ["worker", "server", "scheduler"])
def test_a_part_that_is_killed_ends_all_of_it(role, variables):
    process = started(["--workers", "2"], [WAIT], variables)
    met(process, 2)
    next(part for part in left(variables) if role_of(part) == role).kill()
    status, said = ended(process, variables)
    name = "scheduler" if role == "scheduler" else f"{role} [01]"
    assert re.fullmatch(f"the launch has ended: {name} was killed by SIGKILL.\n", said)
    assert status == (128 + signal.SIGKILL if role == "worker" else 1)


@pytest.mark.slow
@pytest.mark.parametrize("number, expected", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_launch_that_is_told_to_end_leaves_nothing(number, expected, variables):
    process = started(["--workers", "2"], [WAIT], variables)
    met(process, 2)
    process.send_signal(number)
    _, said = process.communicate(timeout=LONG)
    psutil.wait_procs(left(variables), timeout=LONG)
    assert process.returncode == expected and said == ("stopped\n" if number == signal.SIGINT else "")
    assert left(variables) == []


@pytest.mark.slow
def test_a_worker_that_throws_ends_all_of_it_and_its_lines_bear_its_name(variables):
    program = f"{MEET}\nif os.environ['D2LHELPERS_WORKER'] == '1': sys.exit('no more')\ntime.sleep({LONG})"
    process = started(["--workers", "2"], [program], variables)
    met(process, 2)
    assert ended(process, variables) == (
        1,
        "worker 1 | no more\nthe launch has ended: worker 1 ended with exit status 1.\n",
    )


@pytest.mark.slow
def test_a_program_that_needs_no_others_and_one_that_is_none(variables):
    process = started(["--workers", "2"], ["print('a\\nb', end='')"], variables)
    out, said = process.communicate(timeout=LONG)
    assert (process.returncode, said, left(variables)) == (0, "", [])
    assert sorted(out.splitlines()) == ["worker 0 | a", "worker 0 | b", "worker 1 | a", "worker 1 | b"]
    done = subprocess.run(
        [*COMMAND, "--workers", "1", "--", "/nowhere"], capture_output=True, text=True, env=variables, timeout=LONG
    )
    assert done.returncode == 127 and done.stderr.splitlines() == [
        "worker 0 | /nowhere cannot be started (No such file or directory).",
        "the launch has ended: worker 0 ended with exit status 127.",
    ]


@pytest.fixture
def machines():
    """Two machines, each a prefix of commands, and the address of the first.

    Two network namespaces joined by a pair of virtual interfaces where that is allowed, else this machine twice.
    """
    names = [f"launch-{uuid.uuid4().hex[:6]}" for _ in range(2)]
    cables = [f"v{name[-6:]}" for name in names]
    address = "10.213.77.1"

    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    with contextlib.ExitStack() as stack:
        try:
            for name in names:
                ip("netns", "add", name)
                stack.callback(ip, "netns", "delete", name)
            ip("link", "add", cables[0], "netns", names[0], "type", "veth", "peer", cables[1], "netns", names[1])
            for i, (name, cable) in enumerate(zip(names, cables), 1):
                ip("-n", name, "address", "add", f"10.213.77.{i}/24", "dev", cable)
                ip("-n", name, "link", "set", "lo", "up")
                ip("-n", name, "link", "set", cable, "up")
        except (OSError, subprocess.CalledProcessError):
            stack.close()
            yield [[], []], "127.0.0.1"
            return
        yield [["ip", "netns", "exec", name] for name in names], address


def on_two(machines, program, variables):
    """Scheduler, server and a worker on the first machine, a worker on the second."""
    (first, second), address = machines
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    words = ["--workers", "2", "--scheduler", f"{address}:{port}", "--role"]
    parts = [started([*words, role], None, variables, first) for role in ("scheduler", "server")]
    return [*parts, *(started([*words, "worker"], program, variables, where) for where in (first, second))]


@pytest.mark.slow
def test_two_machines_train_as_one(machines, tmp_path, variables):
    (alone,) = numbers_of([], 1, 30, 600, tmp_path=tmp_path, variables=variables)
    (tmp_path / "two").mkdir()
    parts = on_two(machines, [TRAIN, str(tmp_path / "two"), "1", "30", "600"], variables)
    assert [(part.communicate(timeout=LONG)[1], part.returncode) for part in parts] == [("", 0)] * 4
    for path in (tmp_path / "two").iterdir():
        np.testing.assert_allclose(np.load(path)["weights"], alone["weights"], rtol=0, atol=ROUNDING)
    assert left(variables) == []


@pytest.mark.slow
@pytest.mark.parametrize("what", ["the worker", "its keeper", "its machine"])
def test_a_worker_that_is_lost_on_another_machine_ends_all_of_it(machines, what, variables):
    parts = on_two(machines, [WAIT], variables)
    (worker,) = met(parts[3])
    met(parts[2])
    keeper = psutil.Process(worker).parent()
    if what == "the worker":
        os.kill(worker, signal.SIGKILL)
    else:  # a machine that is silent without having said anything
        keeper.send_signal(signal.SIGKILL if what == "its keeper" else signal.SIGSTOP)
    how = "was killed by SIGKILL" if what == "the worker" else "cannot be reached any more"
    for part in parts[:3]:
        _, said = part.communicate(timeout=LONG)
        assert re.fullmatch(f"the launch has ended: worker [01]( on 10.213.77.2)? {how}.\n", said)
        assert part.returncode != 0
    if what == "its machine":
        keeper.send_signal(signal.SIGCONT)
    parts[3].communicate(timeout=LONG)
    psutil.wait_procs(left(variables), timeout=LONG)
    assert left(variables) == []


def test_the_end_of_a_connection_is_not_heard_of_once_nobody_waits_for_it():
    complaints = []

    async def end_at_the_same_moment():
        asyncio.get_running_loop().set_exception_handler(lambda loop, about: complaints.append(about))
        reader = asyncio.StreamReader()
        async with launching._awaited("status", reader) as status:
            await asyncio.sleep(0)
            reader.feed_eof()
        return status.cancelled()

    assert asyncio.run(end_at_the_same_moment()) and complaints == []


@pytest.mark.filterwarnings("error")
def test_a_process_that_is_told_twice_to_end_leaves_nothing_open(capsys):
    async def told_twice():
        command = ["sh", "-c", f"echo up; exec sleep {LONG}"]
        running = asyncio.ensure_future(launching._run("worker 0", command, {}))
        while capsys.readouterr().out != "worker 0 | up\n":
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return running.cancelled()

    assert asyncio.run(told_twice()) and psutil.Process().children() == []
    gc.collect()


@pytest.mark.slow
def test_a_worker_says_that_it_waits_for_another(variables):
    wait = f"import os, time\nif os.environ['D2LHELPERS_WORKER'] == '1': time.sleep({LONG})\n"
    impatient = "import d2lhelpers\nfrom d2lhelpers import workers\nworkers._PATIENCE = 1\nworkers.workers()"
    process = started(["--workers", "2"], [wait + impatient], variables)
    assert process.stderr.readline() == (
        "worker 0 | has waited 1 seconds for the other parts of the launch: they have not come to their first fit yet, "
        "or a firewall is between the machines.\n"
    )
    process.terminate()
    ended(process, variables)


@pytest.mark.slow
def test_who_does_not_come_is_waited_for_only_so_long(variables):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    words = ["--workers", "2", "--scheduler", address, "--limit", "1", "--role"]
    status, said = ended(started([*words, "worker"], [WAIT], variables), variables)
    assert status == 1 and said == (
        f"the launch has ended: no scheduler answered at {address} within 1 seconds: start it there with --role "
        "scheduler, or correct the address.\n"
    )
    status, said = ended(started([*words, "scheduler"], None, variables), variables)
    assert status == 1 and said == (
        "the launch has ended: only 0 of 1 servers and 0 of 2 workers came within 1 seconds: start the others, or look "
        "at them.\n"
    )


@pytest.mark.slow
def test_nothing_listens_on_other_interfaces(variables):
    process = started(["--workers", "1"], [WAIT], variables)
    met(process)
    connections = [each for part in left(variables) for each in part.net_connections()]
    listening = {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    process.terminate()
    ended(process, variables)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_workers": 0}, "the number of workers must be a whole number of at least 1, not 0"),
        ({"num_servers": -1}, "the number of servers must be"),
        ({"time_limit": 0}, "the time limit must be a finite number above 0, not 0"),
        ({"command": []}, "a worker needs a program: write it after --"),
        ({"role": "worker"}, "go together: give both"),
        ({"scheduler": "a:1"}, "go together: give both"),
        ({"scheduler": "a:1", "role": "boss"}, "role must be one of 'scheduler', 'server', 'worker', not 'boss'"),
        *[
            ({"scheduler": scheduler, "role": "server"}, "must be given as HOST:PORT, not ")
            for scheduler in ("a", "a:", ":1", "a:b", "a:0", "a:65536")
        ],
    ],
)
def test_what_cannot_be_launched_is_said(change, message):
    with pytest.raises(ValueError, match=message) as raised:
        launch(**{"command": ["true"], "num_workers": 2, **change})
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")


def test_a_scheduler_that_cannot_listen_where_it_should(capsys):
    assert launch([], 1, scheduler="203.0.113.1:9091", role="scheduler") == 1
    said = capsys.readouterr().err
    assert said.startswith("the launch has ended: the scheduler cannot listen at 203.0.113.1:9091 (")

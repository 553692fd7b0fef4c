"""How fast a LeNet trains on Fashion-MNIST: the tutorial's loop, ``fit``, and other libraries, on the same cores.

Prints tables and saves them in ``benchmarks/results/lenet_speed.json``, from which notebook 11 and the README are made.

Method: each way (``lenet_ways.py``) is a process of its own, since the number of threads must be chosen before a
library starts. All ways of a part are started first, and do one round's work one after the other while the others
sleep; so a slow moment of the machine meets all. Times are those one waits (not processor time, which hides what
waiting for another thread costs): medians over the rounds. A ratio is taken within a round, and its lowest and highest
value are given with its median. In the busy part one more process spins on one core.

What is not installed (the extra ``bench``) is said, and its rows are missing.

    python benchmarks/lenet_speed.py [--tiny] [--part PART] [--output FILE]
"""

import argparse
import contextlib
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from machine import describe_machine
from medians import rounded, with_range

RESULTS = Path(__file__).parent / "results" / "lenet_speed.json"
FULL = {
    **{"images": 60000, "few": 15360, "test": 10000, "batch": 256, "rounds": 3, "sizes": [16, 64, 256, 1024]},
    "peers": {"images": 2560, "rounds": 9},  # short pieces in many rounds: what the machine does meanwhile meets all
}
TINY = {
    **{"images": 512, "few": 512, "test": 300, "batch": 256, "rounds": 1, "sizes": [256]},
    "peers": {"images": 512, "rounds": 1},
}


# The processes.


class Worker:
    """A process that does one way's tasks when asked."""

    def __init__(self, way, threads=1, cores=None, **environment):
        """Start it, with so many threads; on these cores only, if some are named."""
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), **environment}
        self.settings = None
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("lenet_ways.py")), way],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=cores and (lambda: os.sched_setaffinity(0, cores)),
        )

    def do(self, task):
        """One task: its seconds, its value, the peak of memory."""
        asked = json.dumps([task, self.settings])
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{asked}\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            command = f"echo {shlex.quote(asked)} | {shlex.join(self.process.args)}"
            raise RuntimeError(f"the process of {task!r} ended: run {command} to see why")
        return json.loads(line)

    def __enter__(self):
        """Nothing to do: it runs."""
        return self

    def __exit__(self, *_):
        """End it."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Pool(contextlib.ExitStack):
    """The processes, started when they are first needed, and kept."""

    def __init__(self):
        """Start none."""
        super().__init__()
        self._started = {}

    def workers(self, ways, settings):
        """The processes of some ways, by name, with the settings of their next tasks."""
        found = {}
        for name, (way, options) in ways.items():
            key = json.dumps([way, options])
            if key not in self._started:
                self._started[key] = self.enter_context(Worker(way, **options))
            found[name] = self._started[key]
            found[name].settings = settings
        return found


def interleaved(started, tasks, rounds):
    """The answers by task and by process, a list over the rounds; one round before them warms up."""
    answers = {task: {name: [] for name in started} for task in tasks}
    for round_number in range(rounds + 1):
        for task in tasks:
            for name, worker in started.items():
                answer = worker.do(task)
                if round_number > 0:
                    answers[task][name].append(answer)
    return answers


def seconds(answers):
    """Median seconds by process."""
    return {name: rounded(statistics.median(a["seconds"] for a in given)) for name, given in answers.items()}


def ratio(answers, slow, fast):
    """How many times longer one takes than the other, within a round: median, lowest, highest."""
    return with_range([a["seconds"] / b["seconds"] for a, b in zip(answers[slow], answers[fast])])


# The parts of the report.

NAIVE = {"MXNET_ENGINE_TYPE": "NaiveEngine"}
TUTORIAL, FIT, FIT_2, HALVES = "tutorial", "fit", "fit, 2 OpenMP threads", "halves in 2 contexts"
OURS = (FIT, FIT_2, HALVES)
PYTORCH = {
    f"PyTorch{layout}, {threads} thread{'s' * (threads > 1)}": (way, {"threads": threads})
    for threads in (1, 2)
    for layout, way in (("", "pytorch"), (" channels_last", "pytorch_channels_last"))
}
WAYS = {
    TUTORIAL: ("tutorial", {}),
    FIT: ("ours", {}),
    FIT_2: ("ours", {"threads": 2, **NAIVE}),
    HALVES: ("halves", {}),
    **(PYTORCH if find_spec("torch") else {}),
}

PEERS = {
    "PyTorch channels_last": ("torch", "pytorch_channels_last"),
    "torch.compile": ("torch", "pytorch_compiled"),
    "TensorFlow": ("tensorflow", "in_tensorflow"),
    "JAX": ("jax", "in_jax"),
}


def best_of_pytorch(answers, threads):
    """The name of PyTorch's faster layout with so many threads; None where PyTorch is not there."""
    names = [name for name, (_, options) in PYTORCH.items() if options["threads"] == threads and name in answers]
    return min(names, key=lambda name: seconds(answers)[name]) if names else None


def against_pytorch(answers):
    """The ratios to PyTorch's best with as many threads."""
    pairs = [(FIT, 1), (FIT_2, 2), (HALVES, 2)]
    found = {name: best_of_pytorch(answers, threads) for name, threads in pairs}
    return {f"{name} / {best}": ratio(answers, name, best) for name, best in found.items() if best}


def epochs(settings, pool):
    """One epoch, all ways."""
    started = pool.workers(WAYS, settings)
    answers = interleaved(started, ["epoch"], settings["rounds"])["epoch"]
    repeats = {name: len({started[name].do("repeat")["value"] for _ in range(3)}) == 1 for name in OURS}
    ratios = {f"{TUTORIAL} / {name}": ratio(answers, TUTORIAL, name) for name in OURS}
    return {"seconds": seconds(answers), "ratios": {**ratios, **against_pytorch(answers)}, "repeats": repeats}


def busy(settings, pool):
    """The same with one core kept busy by another process, and fewer images."""
    settings = {**settings, "images": settings["few"]}
    started = pool.workers({name: way for name, way in WAYS.items() if name != TUTORIAL}, settings)
    quiet = interleaved(started, ["epoch"], settings["rounds"])["epoch"]
    # It ends by itself, should this process be killed.
    spinning = subprocess.Popen(
        [sys.executable, "-c", "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"]
    )
    try:
        loaded = interleaved(started, ["epoch"], settings["rounds"])["epoch"]
    finally:
        spinning.kill()
        spinning.wait()
    before, after = seconds(quiet), seconds(loaded)
    return {
        "images": settings["images"],
        "quiet": before,
        "busy": after,
        "to one thread, quiet": {name: rounded(after[name] / before[FIT]) for name in after if "PyTorch" not in name},
        "to itself, quiet": {name: rounded(after[name] / before[name]) for name in after},
    }


def data(settings, pool):
    """Reading: a pass over the training images, the first batch, the peak of memory; and the test accuracy."""
    started = pool.workers({name: WAYS[name] for name in (TUTORIAL, FIT)}, settings)
    memory = {name: worker.do("pass")["megabytes"] for name, worker in started.items()}
    answers = interleaved(started, ["first batch", "pass", "evaluate"], settings["rounds"])
    unpacking = [started[FIT].do("unpack")["seconds"] for _ in range(settings["rounds"])]
    report = {
        task: {"seconds": seconds(given), "ratio": ratio(given, TUTORIAL, FIT)} for task, given in answers.items()
    }
    megabytes = {name: round(value) for name, value in memory.items()}
    return {**report, "unpacking gzip": rounded(statistics.median(unpacking)), "megabytes": megabytes}


def scaling(settings, pool):
    """Milliseconds for 256 images by the size of the minibatch, by the number of images, by threads."""
    report = {}

    def per_256(ways, images, batch):
        started = pool.workers(ways, {**settings, "images": images, "batch": batch})
        answers = interleaved(started, ["epoch"], settings["rounds"])["epoch"]
        return {name: rounded(1000 * 256 / images * value) for name, value in seconds(answers).items()}

    some = {name: WAYS[name] for name in (FIT, FIT_2, *(name for name in PYTORCH if "last" in name)) if name in WAYS}
    report["batch size"] = {size: per_256(some, settings["few"], size) for size in settings["sizes"]}
    counts = [settings["few"] // 2**k for k in range(len(settings["sizes"]))]
    report["images"] = {count: per_256({FIT: WAYS[FIT]}, count, settings["batch"]) for count in counts}
    return report


ALONE = """
import sys, types, warnings
import numpy
present = numpy.__getattr__
def any_name(name):  # a name that NumPy has dropped is anything: enough for the wheel to be imported at all
    try:
        return present(name)
    except AttributeError:
        return float
numpy.__getattr__ = any_name
versions = types.ModuleType("distutils.version")
versions.LooseVersion = versions.StrictVersion = str
sys.modules.update({"distutils": types.ModuleType("distutils"), "distutils.version": versions})
warnings.simplefilter("ignore")
import mxnet
"""
IMPORTS = {"mxnet": ALONE, "d2lhelpers, mxnet": "import d2lhelpers\nimport mxnet"}


def start(settings, pool):
    """The import of MXNet with d2lhelpers before it, and alone."""
    answers = {name: [] for name in IMPORTS}
    for _ in range(settings["rounds"] + 1):
        for name, code in IMPORTS.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
            answers[name].append({"seconds": time.perf_counter() - begin})
    answers = {name: given[1:] for name, given in answers.items()}
    return {"seconds": seconds(answers), "ratio": ratio(answers, "d2lhelpers, mxnet", "mxnet")}


def ladder(settings, pool):
    """What each change of the graph gives, in milliseconds a step; and the operators, each run for itself."""
    settings = {**settings, "images": settings["few"]}
    names = ["layer by layer", "one static graph", "ReLU behind the pooling", "channels in blocks of 16"]
    profiled = {"MXNET_EXEC_BULK_EXEC_MAX_NODE_TRAIN": "1"}
    started = pool.workers({"graphs": ("graphs", {}), "profile": ("graphs", profiled)}, settings)
    answers = interleaved({"graphs": started["graphs"]}, names, settings["rounds"])
    per_step = 1000 * settings["batch"] / settings["images"]
    steps = {name: rounded(per_step * seconds(given)["graphs"]) for name, given in answers.items()}
    operators = {name: started["profile"].do(f"profile {name}")["value"] for name in (names[1], names[3])}
    return {"milliseconds a step": steps, "operators, milliseconds a step": operators}


def peers(settings, pool):
    """Milliseconds a step against other libraries: on one core that no way can leave, and on two."""
    settings = {**settings, **settings["peers"]}
    missing = {name: f"{module} is not installed" for name, (module, _) in PEERS.items() if not find_spec(module)}
    report = {"skipped": missing}
    cores = sorted(os.sched_getaffinity(0))
    one, two = {"cores": cores[-1:]}, {"cores": cores[-2:], "threads": 2}
    pinned = {FIT: (WAYS[FIT][0], one)}
    shared = {name: WAYS[name] for name in (FIT_2, HALVES)}
    for title, ours, options in (("one core", pinned, one), ("two cores", shared, two)):
        theirs = {name: (way, options) for name, (_, way) in PEERS.items() if name not in missing}
        answers = interleaved(pool.workers({**ours, **theirs}, settings), ["epoch"], settings["rounds"])["epoch"]
        per_step = 1000 * settings["batch"] / settings["images"]
        report[title] = {
            "milliseconds a step": {name: rounded(per_step * value) for name, value in seconds(answers).items()},
            "ratios": {f"{a} / {b}": ratio(answers, a, b) for a in ours for b in theirs},
        }
    return report


PARTS = {
    "start": start,
    "data": data,
    "epoch": epochs,
    "ladder": ladder,
    "busy": busy,
    "scaling": scaling,
    "peers": peers,
}


def show(report):
    """Print the report as lines."""
    for part, machine in report["machines"].items():
        print(f"{part}:", ", ".join(f"{name} {value}" for name, value in machine.items()))

    def lines(value, indent):
        for name, inner in value.items():
            if isinstance(inner, dict) and not {"median", "range"} <= set(inner):
                print(f"{' ' * indent}{name}")
                lines(inner, indent + 2)
            elif isinstance(inner, dict):
                print(
                    "{}{:<{}} {:g} ({:g}-{:g})".format(
                        " " * indent, name, 60 - indent, inner["median"], *inner["range"]
                    )
                )
            else:
                print(f"{' ' * indent}{name:<{60 - indent}} {inner}")

    lines({part: report[part] for part in PARTS if part in report}, 0)


def version_of(module):
    """The version of an installed package; TensorFlow's wheel without CUDA has another name than its module."""
    with contextlib.suppress(PackageNotFoundError):
        return version(module)
    return version(f"{module}-cpu")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="few images, to see that it works")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the tables are saved")
    parser.add_argument("--part", choices=PARTS, help="measure only this and leave the rest of the file as it is")
    arguments = parser.parse_args()
    settings = TINY if arguments.tiny else FULL
    report = json.loads(arguments.output.read_text(encoding="utf-8")) if arguments.part else {}
    report["settings"] = settings
    others = {name: version_of(name) for name in ("torch", "tensorflow", "jax") if find_spec(name)}
    with Pool() as pool:
        for part in [arguments.part] if arguments.part else PARTS:
            report.setdefault("machines", {})[part] = {**describe_machine(), **others}
            report[part] = PARTS[part](settings, pool)
            arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    show(report)


if __name__ == "__main__":
    main()

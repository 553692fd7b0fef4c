"""For the unit tests and the notebooks that nbval runs alike.

Missing data is said, and in CI it is a failure; of two processes each begins with the longest files.
"""

import functools
import json
import os
import tempfile

import pytest

pytest_plugins = ["pytester"]


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "data(name): needs this real data set; skipped, with what to do, where it is not"
    )
    # As when the notebooks are recorded: nothing of the user's IPython.
    folder = tempfile.TemporaryDirectory(prefix="ipython-")
    config.add_cleanup(folder.cleanup)
    os.environ["IPYTHONDIR"] = folder.name
    os.environ["NBTOLERANCE_MPLBACKEND"] = "module://nbtolerance.outlines"  # text drawn as in the record


def _wanted_data(item):
    """The data sets that a test or a notebook's cell needs."""
    names = {marker.args[0] for marker in item.iter_markers("data")}
    if item.path.suffix == ".ipynb":
        with open(item.path, encoding="utf-8") as source:
            names.update(json.load(source)["metadata"].get("d2lhelpers", {}).get("data", []))
    return names


@functools.cache
def _why_missing(name):
    """Why a data set cannot be had, and what to do; None if it can, or if it is there but wrong: a test finds that."""
    from d2lhelpers import data

    try:
        data.ensure(name)
    except data.DataNotFoundError as error:
        return str(error)
    except data.DataCorruptError:
        pass
    return None


def pytest_collection_modifyitems(config, items):
    for item in items:
        for reason in filter(None, map(_why_missing, sorted(_wanted_data(item)))):
            item.add_marker(pytest.mark.skip(reason=reason))
    if hasattr(config, "workerinput"):  # pytest-xdist hands files out in this order
        saved = config.rootpath / "benchmarks" / "results" / "suite.json"
        seconds = json.loads(saved.read_text(encoding="utf-8"))["make test"]["parts"]
        items.sort(key=lambda item: -seconds.get(item.nodeid.partition("::")[0], 0))


def _skips(config):
    """Reason and file of everything that was skipped."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    return sorted({(report.nodeid.split("::")[0], report.longrepr[2].replace("Skipped: ", "")) for report in reports})


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if os.environ.get("CI") and not hasattr(session.config, "workerinput") and _skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    skips = _skips(config)
    if skips:
        in_ci = bool(os.environ.get("CI"))
        colour = {"red": True} if in_ci else {"yellow": True}
        title = "not run, which is a failure in CI" if in_ci else "not run on this machine"
        terminalreporter.section(title, **colour)
        for path, reason in skips:
            terminalreporter.line(f"{path}: {reason}", **colour)

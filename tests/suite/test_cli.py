import os
import re
import subprocess
import sys
from pathlib import Path

from d2lhelpers import data, libraries
from d2lhelpers.suite import cli, doctor
from d2lhelpers.suite.cli import main
from d2lhelpers.suite.doctor import Line, packages_that_differ, print_lines

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_help_is_everywhere(capsys):
    for words in [
        [],
        ["doctor"],
        ["data"],
        ["data", "status"],
        ["data", "fetch"],
        ["run"],
        ["site"],
        ["record"],
        ["status"],
    ]:
        with pytest.raises(SystemExit) as stop:
            main([*words, "--help"])
        assert stop.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: d2lhelpers{' ' if words else ''}{' '.join(words)} [-h]")


def test_it_runs_as_a_module_and_as_a_script():
    module = [sys.executable, "-m", "d2lhelpers", "--help"]
    script = [os.path.join(os.path.dirname(sys.executable), "d2lhelpers"), "--help"]
    outputs = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in (module, script)
    ]
    assert outputs[0] == outputs[1] != ""


def shell(line, **variables):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[:1]), **variables}
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


COMMAND = f"{sys.executable} -m d2lhelpers data status"


def test_who_reads_may_stop_reading(tmp_path):
    assert shell(f"({COMMAND}; echo $? >&2) | true", MXNET_HOME=str(tmp_path))[2] in ("0\n", "141\n")
    status, out, err = shell(f"{COMMAND} | head -1", MXNET_HOME=str(tmp_path))
    assert (status, err) == (0, "") and len(out.splitlines()) == 1


def test_what_cannot_be_written_is_said_in_a_sentence(tmp_path):
    status, _, err = shell(f"{COMMAND} > /dev/full", MXNET_HOME=str(tmp_path))
    assert status == 1 and err == "the output cannot be written (No space left on device): make room there\n"
    assert shell(f"{COMMAND} >&-", MXNET_HOME=str(tmp_path))[::2] == (0, "")
    assert shell(f"{COMMAND} >&- 2>&-", MXNET_HOME=str(tmp_path))[0] == 0


def test_a_folder_that_is_gone_or_cannot_be_is_no_full_disk(tmp_path):
    command = f"{sys.executable} -m d2lhelpers status --notebooks"
    status, _, err = shell(f"mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir ../gone && {command} nb")
    assert status == 1 and err.endswith("this folder cannot be used (No such file or directory): go elsewhere\n")
    status, _, err = shell(f"{command} {'a' * 300}")
    if sys.version_info < (3, 14):
        assert status == 1 and err.endswith("aaa cannot be used (File name too long): go elsewhere\n")
    else:  # `Path.glob` finds nothing there, and raises nothing
        assert status == 2 and err.endswith("aaa, found none; name their folder with --notebooks\n")


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}])
def test_a_terminal_that_cannot_show_a_character_gets_its_number(tmp_path, variables):
    (tmp_path / "Größe").mkdir()
    variables["D2LHELPERS_DATA"] = str(tmp_path / "Größe")
    status, out, err = shell(COMMAND, PYTHONCOERCECLOCALE="0", **variables)
    assert status == 0 and err == "" and ("Gr\\xf6\\xdfe" in out or "Gr\\udcc3" in out)


@pytest.mark.parametrize(
    "variables, named",
    [
        ({"OMP_NUM_THREADS": "9" * 19}, "OMP_NUM_THREADS"),
        ({"MXNET_CPU_WORKER_NTHREADS": "x"}, "MXNET_CPU_WORKER_NTHREADS='x'"),
        ({"MXNET_ENGINE_TYPE": "junk"}, "MXNET_ENGINE_TYPE='junk': expected NaiveEngine, ThreadedEngine or"),
    ],
)
def test_the_doctor_names_variables_at_which_mxnet_ends(tmp_path, variables, named):
    status, out, err = shell(f"{sys.executable} -m d2lhelpers doctor", MXNET_HOME=str(tmp_path), **variables)
    assert status == 1 and named in out and "Traceback" not in err  # libgomp may say something of its own


def test_data_beside_a_checkout_are_used_unless_others_are_named(tmp_path, monkeypatch):
    checkout, folder = tmp_path / "project", tmp_path / "shared" / "datasets"
    checkout.mkdir()
    folder.mkdir(parents=True)
    monkeypatch.delenv("D2LHELPERS_DATA", raising=False)
    cli.use_neighbouring_data(checkout)
    assert "D2LHELPERS_DATA" not in os.environ, "no checkout: a folder of site-packages, say"
    (checkout / "pyproject.toml").touch()
    cli.use_neighbouring_data(checkout)
    assert os.environ.pop("D2LHELPERS_DATA") == str(folder)
    monkeypatch.setenv("D2LHELPERS_DATA", "elsewhere")
    cli.use_neighbouring_data(checkout)
    assert os.environ["D2LHELPERS_DATA"] == "elsewhere"


@pytest.fixture
def no_data(tmp_path, monkeypatch):
    """No data anywhere, and none beside the checkout."""
    monkeypatch.delenv("D2LHELPERS_DATA", raising=False)
    monkeypatch.setenv("MXNET_HOME", str(tmp_path))
    monkeypatch.setattr(cli, "use_neighbouring_data", lambda: None)


def test_data_that_are_not_there_are_no_failure(no_data, capsys):
    assert main(["data", "status"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[:2] for line in out.splitlines()] == [["NONE", name] for name in data.DATA_SETS]
    assert "run `python -m d2lhelpers data fetch fashion-mnist`" in out


def test_data_that_are_wrong_are(no_data, tmp_path, capsys):
    folder = tmp_path / "datasets" / "mnist"
    folder.mkdir(parents=True)
    for file in data.DATA_SETS["mnist"].files:
        (folder / file.name).write_bytes(b"no images")
    assert main(["data", "status"]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.split()[1] == "mnist"]
    assert line.startswith("FAIL") and data.DATA_SETS["mnist"].files[0].name in line


def test_a_named_root_that_is_not_there_fails(no_data, monkeypatch, capsys):
    monkeypatch.setenv("D2LHELPERS_DATA", "/nowhere")
    assert main(["data", "status"]) == 1
    assert capsys.readouterr().out.startswith("FAIL  data  $D2LHELPERS_DATA names /nowhere, which does not exist")


def test_an_unknown_data_set_is_named(no_data, capsys):
    assert main(["data", "fetch", "imagenet"]) == 1
    assert "imagenet" in capsys.readouterr().err


def test_the_doctor_finds_this_environment_well(no_data, capsys):
    assert main(["doctor"]) == 0
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines()}
    assert list(lines) == ["Python", "packages", "system", "MXNet", "device", "threads", "memory", *data.DATA_SETS]
    assert "1.9.1" in lines["MXNet"] and "OMP_NUM_THREADS=" in lines["threads"] and "cpu(0)" in lines["device"]


def test_the_doctor_tells_how_many_notebooks_fit_into_memory(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert doctor._free_megabytes() > 0
    for free, verdict, end in (
        (5000, "OK", "1,100 MB each"),
        (2300, "NONE", "`make run JOBS=2`, or close other programs"),
    ):
        monkeypatch.setattr(doctor, "_free_megabytes", lambda free=free: free)
        line = doctor._memory()
        assert line.verdict == verdict and line.text.startswith(f"{free:,} MB free; `run` executes 4 notebooks")
        assert line.text.endswith(end)


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5", ""])
def test_jobs_are_a_whole_number(number, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", f"--jobs={number}"])
    assert stop.value.code == 2
    assert f"expected how many notebooks run at a time, such as 2, got {number!r}" in capsys.readouterr().err


def test_the_doctor_fails_on_a_forced_gpu_that_is_not_there(no_data, monkeypatch, capsys):
    monkeypatch.setenv("D2LHELPERS_DEVICE", "gpu:7")
    assert main(["doctor"]) == 1
    assert "FAIL  device" in capsys.readouterr().out


@pytest.mark.parametrize("threads", ["two", "2,1", "0", ""])
def test_the_doctor_names_threads_that_mxnet_cannot_read(no_data, monkeypatch, capsys, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert f"OMP_NUM_THREADS={threads!r}: expected a whole number" in out
    assert "FAIL  threads" in out and "MXNet" not in out  # MXNet would end the process


def test_the_doctor_asks_for_missing_system_libraries(no_data, monkeypatch, capsys):
    monkeypatch.setattr(libraries, "complaint", lambda: "Install libgomp.so.1.")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"FAIL  system +Install libgomp\.so\.1\.$", out, re.MULTILINE)
    assert [line.split()[1] for line in out.splitlines()] == ["Python", "packages", "system", "threads"]


def test_the_doctor_names_a_missing_installation(no_data, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_installed", lambda name: None)
    assert main(["doctor"]) == 1
    assert "d2lhelpers is not installed in it; pip install" in capsys.readouterr().out


def test_ctrl_c_is_no_traceback(no_data, monkeypatch, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "fetch", interrupted)
    assert main(["data", "fetch", "mnist"]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_packages_are_compared_with_the_lock(tmp_path, monkeypatch):
    lock = tmp_path / "requirements.lock"
    lines = ["mxnet==1.9.1", "tqdm==0.0.1 ; python_version >= '3'", "other==1.0 ; python_version < '3'", "no-such==2"]
    lock.write_text("# head\n" + "".join(f"{line} \\\n    --hash=sha256:00\n" for line in lines))
    installed = {"mxnet": "1.9.1", "tqdm": "4.66"}
    monkeypatch.setattr(doctor, "_installed", installed.get)
    assert packages_that_differ(lock) == ["tqdm is 4.66, locked is 0.0.1", "no-such is missing, locked is 2"]
    installed.update({"mxnet": None, "mxnet-cu112": "1.9.1"})
    assert "mxnet" not in " ".join(packages_that_differ(lock)), "a CUDA build takes MXNet's place"
    del installed["mxnet-cu112"]
    assert "mxnet is missing, locked is 1.9.1" in packages_that_differ(lock)


def test_one_fail_decides_the_exit_status(capsys):
    assert print_lines([Line("OK", "a", "fine"), Line("NONE", "long name", "absent")]) == 0
    assert print_lines([Line("OK", "a", "fine"), Line("FAIL", "b", "broken")]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "OK    a          fine"

"""The system libraries that MXNet's wheel needs: what is asked for, and what is put beside it."""

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from d2lhelpers import libraries

import mxnet
import pytest

MXNET = Path(mxnet.__file__).resolve().parent
LACKING = {"libgomp.so.1", "libquadmath.so.0"}


@pytest.fixture
def bare(monkeypatch):
    """A system without two of the libraries, and with MXNet not yet installed."""
    monkeypatch.setattr(libraries, "_loads", lambda name: name not in LACKING)
    monkeypatch.setattr(libraries.PathFinder, "find_spec", lambda name: None)


def test_the_list_is_what_loading_mxnet_maps():
    code = f"""
        import ctypes, json
        def mapped():
            return {{line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}}
        before = mapped()
        ctypes.CDLL({str(MXNET / "libmxnet.so")!r})
        print(json.dumps([sorted(mapped() - before), sorted(mapped())]))
    """
    command = [sys.executable, "-S", "-c", textwrap.dedent(code)]
    new, all_of_them = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert str(MXNET / "libmxnet.so") in new
    listed = {name.split(".so")[0] for name in libraries._PACKAGES}
    put_beside = {str(MXNET / name) for name in libraries._BROUGHT}
    elsewhere = {Path(path).name.split(".so")[0] for path in new if Path(path).parent != MXNET or path in put_beside}
    assert elsewhere <= listed | {"libc", "libm", "libdl", "librt", "libpthread"}
    assert listed <= {Path(path).name.split(".so")[0] for path in all_of_them}


def test_nothing_is_missing_here():
    assert libraries.complaint() is None


def test_missing_libraries_are_asked_for_in_one_sentence(bare):
    assert libraries.complaint() == (
        "MXNet needs libgomp.so.1, missing on this system: as root, `apt update && apt install libgomp1` (Debian, "
        "Ubuntu), `dnf install libgomp` (Fedora, RHEL) or `apk add libgomp` (Wolfi)."
    ), "libquadmath.so.0 will be put beside MXNet when that is installed"


def test_what_was_not_put_beside_an_installed_mxnet_is_asked_for(bare, monkeypatch, tmp_path):
    place = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(libraries.PathFinder, "find_spec", lambda name: place)
    said = libraries.complaint()
    assert said.startswith("MXNet needs libgomp.so.1 and libquadmath.so.0, missing on this system")
    assert "`apt update && apt install libgomp1 libquadmath0`" in said and "`dnf install libgomp libquadmath`" in said
    for name in LACKING:
        (tmp_path / name).touch()
    assert libraries.complaint() is None


@pytest.mark.parametrize(
    "answer, message",
    [
        (None, "glibc, and this system has another (Alpine: musl)"),
        (ValueError(), "glibc, and this system has another (Alpine: musl)"),
        (AttributeError(), "glibc, and this system has another (Alpine: musl)"),
        ("musl 1.2.5", "glibc, and this system has another (Alpine: musl)"),
        ("glibc 2.17", "This system's C library is glibc 2.17, and the packages need 2.28 or newer"),
    ],
)
def test_another_c_library_is_the_reason_given(monkeypatch, answer, message):
    def confstr(name):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(libraries.os, "confstr", confstr)
    said = libraries.complaint()
    assert message in said and "container" in said


@pytest.mark.parametrize("version", ["2.28", "2.41", "2.100", "3.0"])
def test_glibc_is_compared_as_numbers(monkeypatch, version):
    monkeypatch.setattr(libraries.os, "confstr", lambda name: f"glibc {version}")
    assert libraries.complaint() is None


def site_packages(folder):
    (folder / "mxnet").mkdir()
    (folder / "scipy.libs").mkdir()
    (folder / "scipy.libs/libquadmath-96973f99.so.0.0.0").write_text("the library")
    (folder / "scipy.libs/libgfortran-040039e1.so.5.0.0").write_text("another")
    return folder


def test_what_a_wheel_holds_is_put_beside_mxnet(bare, tmp_path):
    libraries.put_beside(site_packages(tmp_path))
    assert [path.name for path in (tmp_path / "mxnet").iterdir()] == ["libquadmath.so.0"]
    assert (tmp_path / "mxnet/libquadmath.so.0").read_text() == "the library"


def test_nothing_is_put_where_the_system_has_it(tmp_path):
    libraries.put_beside(site_packages(tmp_path))
    assert list((tmp_path / "mxnet").iterdir()) == []


def test_nothing_is_put_where_no_wheel_holds_it(bare, tmp_path):
    (tmp_path / "mxnet").mkdir()
    libraries.put_beside(tmp_path)
    assert list((tmp_path / "mxnet").iterdir()) == []


def test_a_wheel_of_the_lock_holds_what_is_put_beside_mxnet(bare, tmp_path):
    """With the packages installed here, MXNet loads the library that was put beside it."""
    folder = tmp_path / "mxnet"
    folder.mkdir()
    for path in [*MXNET.glob("*.so*"), *MXNET.parent.glob("*.libs")]:
        if path.name not in libraries._BROUGHT:
            (folder if path.parent == MXNET else tmp_path).joinpath(path.name).symlink_to(path)
    libraries.put_beside(tmp_path)
    code = f"""
        import ctypes
        ctypes.CDLL({str(folder / "libmxnet.so")!r})
        print(open("/proc/self/maps").read())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert str(folder / "libquadmath.so.0") in done.stdout


@pytest.mark.parametrize("error", ["OSError('libgomp.so.1: cannot open')", "ImportError('NumPy: libstdc++.so.6')"])
def test_importing_mxnet_asks_for_what_is_missing(tmp_path, error):
    code = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from d2lhelpers import libraries
        libraries.complaint = lambda: SAID
        try:
            import mxnet
        except (ImportError, OSError) as error:
            print(type(error).__name__, error)
    """
    (tmp_path / "mxnet").mkdir()
    (tmp_path / "mxnet/__init__.py").write_text(f"raise {error}")

    def said(sentence):
        command = [sys.executable, "-c", textwrap.dedent(code).replace("SAID", repr(sentence))]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said("Install it.") == "ImportError Install it.\n"
    assert said(None).startswith(error.partition("(")[0]), "another reason stays what it is"


PACKAGES = (
    "'nvidia-cudnn-cu11<9' nvidia-cublas-cu11 nvidia-cuda-nvrtc-cu11 nvidia-cuda-runtime-cu11 nvidia-cufft-cu11 "
    "nvidia-curand-cu11 nvidia-cusolver-cu11 nvidia-cusparse-cu11 nvidia-nccl-cu11 nvidia-nvtx-cu11"
)


@pytest.mark.parametrize(
    "library, said",
    [
        (
            "libcudnn.so.8",
            "needs libcudnn.so.8 (CUDA 11 and cuDNN 8, whatever the driver's own CUDA is): `pip install",
        ),
        ("libnvrtc.so.11.2", f"`pip install --no-deps {PACKAGES}`."),
        (
            "libcuda.so.1",
            "needs libcuda.so.1, which comes with NVIDIA's driver and is missing here: install the driver",
        ),
    ],
)
def test_what_a_gpu_wheel_lacks_is_asked_for(library, said):
    error = OSError(f"{library}: cannot open shared object file: No such file or directory")
    assert said in libraries.cuda_complaint(error)


@pytest.mark.parametrize("error", ["libgfortran.so.3: cannot open shared object file", "libcudnn.so.8: file too short"])
def test_of_another_library_nothing_is_said(error):
    assert libraries.cuda_complaint(OSError(error)) is None


@pytest.fixture
def gpu_wheel(tmp_path):
    """A site-packages with a GPU wheel of MXNet whose library needs two others, of which NVIDIA's packages hold one."""
    source = tmp_path / "empty.c"
    source.touch()
    for name, needs in [("libcudart.so.11.0", ""), ("libcudnn.so.8", ""), ("libmxnet.so", "cudart.so.11.0 cudnn.so.8")]:
        folder = tmp_path / ("mxnet" if name == "libmxnet.so" else f"nvidia/{name.partition('.')[0]}/lib")
        folder.mkdir(parents=True)
        linked = [str(path) for need in needs.split() for path in tmp_path.glob(f"nvidia/*/lib/lib{need}")]
        options = ["-shared", "-fPIC", "-Wl,--no-as-needed", f"-Wl,-soname,{name}"]
        subprocess.run(["cc", *options, str(source), *linked, "-o", str(folder / name)], check=True)
    (tmp_path / "mxnet/__init__.py").write_text(
        "import ctypes, os\nfrom unittest import mock\nnd = mock.Mock()\n"
        "ctypes.CDLL(os.path.join(os.path.dirname(__file__), 'libmxnet.so'))"
    )
    (tmp_path / "mxnet_cu117-1.9.1.dist-info").mkdir()
    return tmp_path


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here to make the libraries with")
def test_a_gpu_wheel_finds_cuda_in_nvidias_packages(gpu_wheel):
    def said():
        code = f"import sys; sys.path.insert(0, {str(gpu_wheel)!r}); import d2lhelpers, mxnet; print('loaded')"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        return (done.stdout or done.stderr.splitlines()[-1]).strip()

    assert said() == "loaded"
    shutil.rmtree(gpu_wheel / "nvidia/libcudnn")
    assert said().startswith("ImportError: This MXNet is a GPU build and needs libcudnn.so.8 (CUDA 11")
    (gpu_wheel / "mxnet_cu117-1.9.1.dist-info").rename(gpu_wheel / "mxnet-1.9.1.dist-info")
    assert "needs libcudart.so.11.0" in said(), "nothing of NVIDIA's is loaded for a CPU build"

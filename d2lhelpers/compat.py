"""The one place that knows that MXNet 1.9.1 is old.

``import d2lhelpers`` calls ``install``, which prepares the interpreter so that a later ``import mxnet`` works on every
Python and NumPy this project supports. Nothing is imported here and NumPy is not touched: MXNet's own modules are
executed with an ``import`` statement of their own, through which they see a NumPy that still has the names of 2022.

What MXNet misses was read off its sources and its own unit tests:

- names removed from NumPy in 1.24 (``bool``, ``int``), 2.0 (``PINF``, ``sometrue``, ...) and 2.4 (``in1d``, ``trapz``);
- ``distutils.version``, removed from Python in 3.12;
- operator parameters are sent to C++ as text, and since NumPy 2.0 a tuple of NumPy integers reads ``(np.int64(2), 2)``;
- since NumPy 2.2 nobody can tell whether ``np.int64(3) == ()``, which ``mx.np.random`` asks of each size;
- ``numpy.linalg.qr`` and its like return named tuples since 1.25, which MXNet cannot build from a list;
- ``ndarray.tostring``, gone in NumPy 2.3, was used by ``mxnet.recordio.pack`` and ``pack_img``;
- ``scipy.sparse.csr``, deprecated since SciPy 1.8, is looked up whenever an array is made;
- without ``NDArray.__array__`` NumPy takes an array of MXNet for one object: ``np.array_equal(a, a)`` was False;
- since NumPy 2.0 a float32 added to a Python float stays a float32, in which MXNet's metrics lost what they counted;
- ``numpy.core``, deprecated since NumPy 2.0, is looked up by ``mx.nd.moveaxis``;
- since Python 3.14 processes are started by a server, which cannot hand arrays of MXNet to a data loader's workers.

One thing is not about age: MXNet's ``MNIST`` and ``FashionMNIST`` replace a file that they do not know by a download
before they look at what came, and know an older Fashion-MNIST only. Here they take the data that ``d2lhelpers.data``
finds, fetches and verifies, so that ``d2l.load_data_fashion_mnist`` works and overwrites nothing.
"""

import builtins
import contextlib
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import types
import warnings

__all__ = ["install", "quiet"]


def _removed_numpy_names(numpy):
    """The names that MXNet 1.9.1 asks NumPy for and that some supported NumPy no longer has."""

    # New function objects: MXNet keys a table by function, and the functions these once aliased are keys of their own.
    def sometrue(*args, **kwargs):
        return numpy.any(*args, **kwargs)

    def product(*args, **kwargs):
        return numpy.prod(*args, **kwargs)

    def round_(*args, **kwargs):
        return numpy.round(*args, **kwargs)

    def msort(a):
        return numpy.sort(a, axis=0)

    def in1d(ar1, ar2, assume_unique=False, invert=False):
        return numpy.isin(numpy.ravel(ar1), ar2, assume_unique=assume_unique, invert=invert)

    def trapz(y, x=None, dx=1.0, axis=-1):
        return numpy.trapezoid(y, x=x, dx=dx, axis=axis)

    def financial(name):
        def gone(*args, **kwargs):
            raise NotImplementedError(
                f"NumPy removed its financial functions: use numpy_financial.{name} instead of {name}"
            )

        return gone

    names = {
        "bool": bool,
        "int": int,
        "PZERO": 0.0,
        "NZERO": -0.0,
        "PINF": float("inf"),
        "NINF": float("-inf"),
        "Inf": float("inf"),
        "NAN": float("nan"),
        "NaN": float("nan"),
        "alltrue": numpy.all,
        "msort": msort,
        "sometrue": sometrue,
        "product": product,
        "round_": round_,
        "in1d": in1d,
        "trapz": trapz,
        "compat": types.SimpleNamespace(basestring=str),
    }
    if hasattr(numpy.lib, "array_utils"):  # since NumPy 2.0, where numpy.core warns
        numeric = types.SimpleNamespace(normalize_axis_tuple=numpy.lib.array_utils.normalize_axis_tuple)
        names["core"] = types.SimpleNamespace(numeric=numeric)
    names.update((name, financial(name)) for name in ("mirr", "npv", "pmt", "ppmt", "pv", "rate"))
    return names


class _WithOldNames(types.ModuleType):
    """A module as MXNet's code sees it: a few names of ours, the rest its own."""

    def __init__(self, module, old_names):
        super().__init__(module.__name__, f"{module.__name__} with the names that MXNet 1.9.1 asks for.")
        self.__dict__.update(_module=module, **old_names)

    def __getattr__(self, name):
        value = self.__dict__[name] = getattr(self.__dict__["_module"], name)  # kept: looked up at every step
        return value

    def __dir__(self):
        return dir(self.__dict__["_module"])


def _numpy_with_old_names(numpy):
    names = _removed_numpy_names(numpy)
    missing = {name: value for name, value in names.items() if name not in vars(numpy) or name == "core"}
    return _WithOldNames(numpy, missing)


class _LooseVersion(tuple):
    """Stands in for ``distutils.version``, which MXNet uses to compare NumPy's version with a constant."""

    def __new__(cls, text):
        numbers = []
        for part in text.split("."):
            digits = "".join(c for c in part if c.isdigit())
            numbers.append(int(digits) if part[:1].isdigit() else 0)
        return super().__new__(cls, numbers)


_DISTUTILS_VERSION = types.ModuleType("distutils.version")
vars(_DISTUTILS_VERSION).update(LooseVersion=_LooseVersion, StrictVersion=_LooseVersion)


def _plain(value):
    """NumPy's single numbers, also those in tuples and lists, as Python's."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(_plain, value)) if type(value) in (tuple, list) else tuple(map(_plain, value))
    is_number = hasattr(value, "item") and type(value).__module__ == "numpy" and value.shape == ()
    return value.item() if is_number else value


def _parameter_text(value):
    """``str`` for operator parameters: a tuple of NumPy integers reads like a tuple of Python's."""
    return str(_plain(value) if isinstance(value, (tuple, list)) else value)


class _ParameterStr(type(str)):  # type: ignore[misc]
    """``str`` that is ``_parameter_text`` when it is called, and itself wherever else it stands."""

    def __call__(cls, *args, **kwargs):
        return _parameter_text(*args) if len(args) == 1 and not kwargs else str(*args, **kwargs)

    def __instancecheck__(cls, instance):
        return isinstance(instance, str)

    def __subclasscheck__(cls, subclass):
        return issubclass(subclass, str)


_str = _ParameterStr("str", (str,), {})


def _mend_ndarray(module):
    def __array__(self, dtype=None, copy=None):
        """Values for NumPy, as a copy. Not while gradients are recorded: NumPy's functions would leave none."""
        if copy is False:
            raise ValueError("the values of an NDArray are always copied for NumPy: leave copy=False out")
        if sys.modules["mxnet"].autograd.is_recording():
            raise TypeError(
                "NumPy cannot compute with an NDArray under autograd.record(), as no gradient would be recorded: use a "
                "function of mx.nd, or call asnumpy() yourself"
            )
        values = self.asnumpy()
        return values if dtype is None else values.astype(dtype)

    module.NDArray.__array__ = __array__


def _mend_metric(module):
    numpy = module.numpy

    def added_up(name):
        def get(self):
            return self.__dict__[name]

        def store(self, value):
            self.__dict__[name] = numpy.float64(value) if isinstance(value, numpy.floating) else value

        return property(get, store)

    for name in ("sum_metric", "global_sum_metric"):
        setattr(module.EvalMetric, name, added_up(name))


def _mend_vision_datasets(module):
    download = module.download

    def verified_or_downloaded(url, path=None, **options):
        *_, name, file_name = url.split("/")
        if name not in ("mnist", "fashion-mnist"):
            return download(url, path=path, **options)
        from .data.download import verified_file  # MXNet is imported without looking for data

        default = os.path.expanduser(os.path.join(module.base.data_dir(), "datasets", name))
        return str(verified_file(name, file_name, None if path == default else path))

    module.download = verified_or_downloaded


def _mend_recordio(module):
    numpy = module.np

    class OldArray(numpy.ndarray):  # type: ignore[name-defined]
        def tostring(self):
            return self.tobytes()

    def asarray(*args, **kwargs):
        return numpy.asarray(*args, **kwargs).view(OldArray)

    module.np = _WithOldNames(numpy, {"asarray": asarray})
    if module.cv2 is not None:
        imencode = module.cv2.imencode

        def imencode_to_old_array(*args, **kwargs):
            done, encoded = imencode(*args, **kwargs)
            return done, encoded.view(OldArray)

        module.cv2 = _WithOldNames(module.cv2, {"imencode": imencode_to_old_array})


def _mend_scipy_sparse(module):
    if module.spsp is not None:
        csr = types.SimpleNamespace(csr_matrix=module.spsp.csr_matrix)
        module.spsp = _WithOldNames(module.spsp, {"csr": csr})


def _mend_workers(module):
    multiprocessing = module.multiprocessing

    def get_context():
        chosen = multiprocessing.get_start_method(allow_none=True)
        return multiprocessing.get_context("fork" if chosen in (None, "forkserver") else chosen)

    def pool(*args, **kwargs):
        return get_context().Pool(*args, **kwargs)

    def process(*args, **kwargs):
        return get_context().Process(*args, **kwargs)

    module.multiprocessing = _WithOldNames(
        multiprocessing, {"get_context": get_context, "Pool": pool, "Process": process}
    )


def _mend_random(module):
    def with_plain_numbers(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            return function(*map(_plain, args), **dict(zip(kwargs, map(_plain, kwargs.values()))))

        return call

    for name in module.__all__:
        setattr(module, name, with_plain_numbers(getattr(module, name)))


def _mend_named_tuples(module):
    as_mx_np_array = module._as_mx_np_array

    def as_mx_np_array_of_plain_tuples(object, *args, **kwargs):
        return as_mx_np_array(tuple(object) if isinstance(object, tuple) else object, *args, **kwargs)

    module._as_mx_np_array = as_mx_np_array_of_plain_tuples


# What one MXNet module needs beyond the names: builtins for its code, or a change after it ran.
_BUILTINS_OF = {
    "mxnet._ctypes.ndarray": {"str": _str},
    "mxnet._ctypes.symbol": {"str": _str},
    "mxnet.io.io": {"str": _str},
    "mxnet.symbol.symbol": {"str": _str},
}
_AFTER = {
    "mxnet.gluon.data.dataloader": _mend_workers,
    "mxnet.gluon.data.vision.datasets": _mend_vision_datasets,
    "mxnet.metric": _mend_metric,
    "mxnet.ndarray.ndarray": _mend_ndarray,
    "mxnet.ndarray.numpy.random": _mend_random,
    "mxnet.ndarray.numpy_extension.random": _mend_random,
    "mxnet.ndarray.sparse": _mend_scipy_sparse,
    "mxnet.ndarray.utils": _mend_scipy_sparse,
    "mxnet.recordio": _mend_recordio,
    "mxnet.numpy.multiarray": _mend_named_tuples,
    "mxnet.symbol.numpy.random": _mend_random,
    "mxnet.symbol.numpy_extension.random": _mend_random,
}

_numpy_for_mxnet = None


def _import_for_mxnet(name, globals=None, locals=None, fromlist=(), level=0):
    """``__import__`` as MXNet's own modules use it."""
    global _numpy_for_mxnet
    if name == "distutils.version" and level == 0 and fromlist:
        return _DISTUTILS_VERSION
    module = builtins.__import__(name, globals, locals, fromlist, level)
    if level == 0 and module is sys.modules.get("numpy"):
        if _numpy_for_mxnet is None:
            _numpy_for_mxnet = _numpy_with_old_names(module)
        return _numpy_for_mxnet
    return module


class _Loader(importlib.abc.Loader):
    """Runs one of MXNet's modules with the ``import`` statement above."""

    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):  # get_source, get_filename, ... for inspect and tracebacks
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        name = module.__name__
        module.__dict__["__builtins__"] = {
            **vars(builtins),
            "__import__": _import_for_mxnet,
            **_BUILTINS_OF.get(name, {}),
        }
        if name != "mxnet":
            self._loader.exec_module(module)
            if name in _AFTER:
                _AFTER[name](module)
            return
        with quiet(), warnings.catch_warnings(), _missing_libraries_named():
            warnings.simplefilter("ignore")
            _load_cuda_for(module)
            self._loader.exec_module(module)
            module.nd.zeros(1).wait_to_read()  # the first allocation is when MXNet's log speaks


class _Finder(importlib.abc.MetaPathFinder):
    """Finds MXNet's modules where they are, and gives them the loader above."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] != "mxnet":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None and fullname == "mxnet":
            raise ModuleNotFoundError(
                "MXNet is not installed: install it with `pip install --no-deps mxnet==1.9.1` "
                "(Linux x86-64; for an NVIDIA GPU, mxnet-cu112 or mxnet-cu117 takes its place).",
                name="mxnet",
            )
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(spec.loader)
        return spec


@contextlib.contextmanager
def _missing_libraries_named():
    """Asks for the system libraries that are missing, where MXNet or NumPy could not be loaded for want of them."""
    try:
        yield
    except (ImportError, OSError) as error:
        from . import libraries

        complaint = libraries.complaint() or libraries.cuda_complaint(error)
        if complaint is None:
            raise
        raise ImportError(complaint, name="mxnet") from error


def _load_cuda_for(mxnet):
    from pathlib import Path

    from . import libraries

    libraries.load_cuda(Path(mxnet.__file__).parents[1])


@contextlib.contextmanager
def quiet():
    """Holds back what C++ code writes to file descriptor 2; shows it after all if the block fails."""
    try:
        saved = os.dup(2)
    except OSError:  # no standard error at all: nothing can be written to it
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


# An operator waits for the piece of scratch memory that it was given, and all contexts of the CPU share the pieces:
# MXNet's four are too few. Each piece grows to the largest that was asked of it: some 10 MB for the LeNet.
_VARIABLES = {"OMP_NUM_THREADS": "1", "MXNET_CPU_TEMP_COPY": "16"}

added_variables: dict[str, str] = {}
"""The environment variables that `install` has set, as the user had not, with their values."""


def install():
    """Make a later ``import mxnet`` work here. Does nothing where MXNet is already imported, or a second time.

    Also asks for one OpenMP thread (``OMP_NUM_THREADS=1``) where the user has asked for no number: the same numbers
    then come out whatever the number of cores, and training does not collapse when the machine is busy. And for 16
    pieces of scratch memory (``MXNET_CPU_TEMP_COPY``), so that several contexts of the CPU compute side by side.
    """
    if "mxnet" in sys.modules or any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    for name, value in _VARIABLES.items():
        if name not in os.environ:
            os.environ[name] = added_variables[name] = value
    sys.meta_path.insert(0, _Finder())

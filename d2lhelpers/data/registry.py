"""The data sets there are: their folders, files, checksums and mirrors.

Sources of the facts: sizes and SHA-256 of MNIST, Fashion-MNIST and the CIFAR-10 archive agree with the checksum lists
of TensorFlow Datasets (``tensorflow_datasets/url_checksums``); those of the CIFAR-10 batches are the ones that
torchvision for Ruby checks (``ankane/torchvision-ruby``). Folder and file names are those of MXNet's own data folder.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import DataNotFoundError

__all__ = ["DATA_SETS", "OLDER_FASHION_MNIST_SHA1", "DataFile", "DataSet", "data_set"]


@dataclass(frozen=True)
class DataFile:
    """One published file: its name, its size in bytes and its SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        name: The name that ``fetch`` takes.
        title: The name in sentences.
        folders: Where the files lie below a data root, best first; a download goes to the first.
        files: The files that make the set.
        mirrors: Addresses of the folder that holds ``files``, or ``archive`` where there is one; each ends in a slash.
        archive: The published archive, for a set that is published as one.
        archive_folder: The folder inside the archive that holds ``files``.
        archive_extras: What else the archive holds in that folder; never unpacked.
        cut_from: The set that this one is the beginning of, for a set that no mirror serves.
        has_stand_in: Whether drawn images can take its place (``synthetic``).
    """

    name: str
    title: str
    folders: tuple[str, ...]
    files: tuple[DataFile, ...]
    mirrors: tuple[str, ...] = ()
    archive: DataFile | None = None
    archive_folder: str = ""
    archive_extras: tuple[str, ...] = ()
    cut_from: str = ""
    has_stand_in: bool = False


# What MXNet's own mirror serves as Fashion-MNIST: the first publication, of 2017-08-26, whose duplicates the authors
# removed on 2017-08-31. The SHA-1s are those that MXNet's gluon.data.vision.FashionMNIST expects.
OLDER_FASHION_MNIST_SHA1 = {
    "0cf37b0d40ed5169c6b3aba31069a9770ac9043d": "train-images-idx3-ubyte.gz",
    "236021d52f1e40852b06a4c3008d8de8aef1e40b": "train-labels-idx1-ubyte.gz",
    "626ed6a7c06dd17c0eec72fa3be1740f146a2863": "t10k-images-idx3-ubyte.gz",
    "17f9ab60e7257a1620f4ad76bbbaf857c3920701": "t10k-labels-idx1-ubyte.gz",
}

_FASHION_MNIST = DataSet(
    name="fashion-mnist",
    title="Fashion-MNIST",
    has_stand_in=True,
    folders=("fashion-mnist",),
    files=(
        DataFile(
            "train-images-idx3-ubyte.gz", 26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        DataFile(
            "train-labels-idx1-ubyte.gz", 29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        DataFile(
            "t10k-images-idx3-ubyte.gz", 4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        DataFile("t10k-labels-idx1-ubyte.gz", 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
)

_MNIST = DataSet(
    name="mnist",
    title="MNIST",
    folders=("mnist",),
    files=(
        DataFile(
            "train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        DataFile(
            "train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        DataFile(
            "t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        DataFile("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
)

_CIFAR10 = DataSet(
    name="cifar10",
    title="CIFAR-10",
    folders=("cifar10", "cifar10/cifar-10-batches-bin", "cifar-10-batches-bin"),
    files=(
        DataFile("data_batch_1.bin", 30730000, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        DataFile("data_batch_2.bin", 30730000, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        DataFile("data_batch_3.bin", 30730000, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        DataFile("data_batch_4.bin", 30730000, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        DataFile("data_batch_5.bin", 30730000, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
        DataFile("test_batch.bin", 30730000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    ),
    mirrors=(
        "https://www.cs.toronto.edu/~kriz/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
        "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
    ),
    archive=DataFile(
        "cifar-10-binary.tar.gz", 170052171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    ),
    archive_folder="cifar-10-batches-bin",
    archive_extras=("batches.meta.txt", "readme.html"),
)

_CIFAR10_SAMPLE = DataSet(
    name="cifar-10-sample",
    title="CIFAR-10's sample",
    folders=("cifar-10-sample",),
    files=(
        DataFile("data_batch_1.bin", 12292000, "0993cf8b8e43bc207603aef9787006995746513f5e3fa5a52e06d1b069926330"),
        DataFile("test_batch.bin", 3073000, "8314c96d7cd65618193bab23acdd5d4c4af15bf6dd00a1781d55beedf3be1ef5"),
    ),
    cut_from="cifar10",  # the first 4,000 records of data_batch_1.bin and the first 1,000 of test_batch.bin
)

DATA_SETS = {entry.name: entry for entry in (_FASHION_MNIST, _MNIST, _CIFAR10, _CIFAR10_SAMPLE)}


def data_set(name: str) -> DataSet:
    """Return the entry of the data set called ``name``.

    Args:
        name: One of the keys of ``DATA_SETS``.

    Returns:
        The entry.

    Raises:
        DataNotFoundError: There is no data set of that name.
    """
    if not isinstance(name, str) or name not in DATA_SETS:
        raise DataNotFoundError(f"there is no data set called {name!r}; the names are {', '.join(DATA_SETS)}")
    return DATA_SETS[name]

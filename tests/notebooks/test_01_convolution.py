"""Notebook 01: what it shows, that it is right, and what a reader who changes it sees."""

import re

import d2lhelpers  # noqa: F401  first: makes MXNet importable

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd
from mxnet.gluon import nn

from .edited import NOTEBOOKS, executed, printed, recorded

NAME, SOLUTIONS = "01_convolution", "solutions/01_convolution_solutions"
TUTORIALS = {
    "T0": ["计算方法", "channel > 1", "输出 channel > 1", "padding & strides", "汇聚层 Pooling", "LeNet"],
    "T1": [
        "二维卷积",
        "卷积和互相关运算",
        "卷积个人实现",
        "自定义卷积层",
        "图像的物体边缘检测",
        "自定义卷积核的方式",
        "网络训练",
        "带padding卷积的个人实现",
        "带stride的巻积个人实现",
    ],
    "T2": ["动手学PyTorch(李沐)11: 卷积层", "填充和步幅(超参)", "互相关运算", "实现卷积层", "填充与步幅"],
    "T3": ["基本函数", "数值微分", "层", "im2col", "MNIST", "优化器", "Trainer", "卷积层, 池化层", "构建CNN"],
    "T4": [
        "步幅",
        "填充",
        "多通道卷积",
        "pytorch 卷积函数",
        "池化层",
        "CIFAR-10多分类",
        "构建网络",
        "训练模型",
    ],
}


def prose(notebook, cell_id):
    (source,) = (cell.source for cell in notebook.cells if cell.id == cell_id)
    return source


def headings(name):
    """The headings of a notebook, without a Chinese term in parentheses at their end."""
    text = "\n".join(cell.source for cell in recorded(name).cells if cell.cell_type == "markdown")
    return re.findall(r"^##+ (.+?)(?: \([^()\n]*[\u4e00-\u9fff][^()\n]*\))?$", text, re.MULTILINE)


def test_every_check_that_it_prints_holds():
    assert "False" not in printed(recorded(NAME))
    assert printed(recorded(NAME)).count("True") == 17
    assert "False" not in printed(recorded(SOLUTIONS))


def test_the_grey_sun_is_as_bright_as_the_prose_says():
    pixels = dict(re.findall(r"^(sun|sky) +\[(.+)\]$", printed(recorded(NAME), "channels-pixels"), re.MULTILINE))
    sun, sky = (np.mean([float(number) for number in pixels[name].split()]) for name in ("sun", "sky"))
    assert f"{sun:.2f} for the sun and {sky:.2f} for the sky" in prose(recorded(NAME), "channels-read")


def test_a_kernel_keeps_the_mean_by_its_sum():
    lines = printed(recorded(NAME), "kernels-means").splitlines()
    means = dict(re.fullmatch(r"(.+?) +mean +([\d.]+)", line).groups() for line in lines)
    assert means == {"picture": "0.58", "blur": "0.58", "vertical edges": "0.00", "sharpen": "0.58"}


def test_two_kernels_see_an_edge_in_every_direction():
    lines = printed(recorded(SOLUTIONS), "edge-strength").splitlines()
    one, two, four, root = (float(line.split()[-1]) for line in lines)
    assert one < 0.1 < 0.6 < two < 0.8 < four < 0.95 < 0.99 <= root


# The map.


def map_rows(text=None):
    """Its rows of three cells: section of the tutorial, notebook and section, what differs."""
    text = prose(recorded(NAME), "map") if text is None else text
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    return [row for row in rows if re.match(r"\**T\d", row[0]) and " | " not in row[2]]


@pytest.mark.parametrize("tutorial", TUTORIALS)
def test_the_map_leads_from_every_section_of_every_tutorial(tutorial):
    text, rows = prose(recorded(NAME), "map"), map_rows()
    assert re.search(rf"^\| {tutorial} \| .+ \| .+ \| Chinese, .+ \| .+ \|$", text, re.MULTILINE)
    sections = " ".join(section for section, *_ in rows if tutorial in section)
    described = " ".join(re.findall(rf"^\| {tutorial} \|.+$", text, re.MULTILINE))
    assert [each for each in TUTORIALS[tutorial] if each not in sections + described] == []


def test_the_map_leads_to_every_notebook():
    linked = set(re.findall(r"\]\(([^)]+\.ipynb)\)", prose(recorded(NAME), "map")))
    assert linked | {f"{NAME}.ipynb"} == {path.name for path in NOTEBOOKS.glob("*.ipynb")}


def test_the_sections_that_the_map_names_are_there():
    places = []
    for _, target, _ in map_rows():
        for place in re.finditer(r"(?:\]\(([^)]+)\.ipynb\)|\b(01))((?:, \*[^*]+\*)+)", target):
            places += [(place[1] or NAME, section) for section in re.findall(r"\*([^*]+)\*", place[3])]
    assert [(name, section) for name, section in places if section not in headings(name)] == []
    assert len(places) == sum(target.count("*") for _, target, _ in map_rows()) // 2 > 10


def test_the_readme_holds_the_same_map():
    readme = (NOTEBOOKS.parent / "README.md").read_text(encoding="utf-8").replace("](notebooks/", "](")
    assert map_rows(readme.replace(f"[01]({NAME}.ipynb)", "01")) == map_rows()


# The box: nd beside np and npx.


def test_the_box_says_how_nd_and_np_differ():
    X, x = nd.arange(9).reshape((3, 3)), mx.np.arange(9).reshape(3, 3)
    assert "<NDArray 3x3 @cpu(0)>" in str(X) and "NDArray" not in str(x)
    assert X.sum().shape == (1,) and X.sum().asscalar() == 36
    assert x.sum().shape == () and x.sum().item() == 36
    with pytest.raises(AttributeError):
        x.sum().asscalar()
    assert (X == X).dtype == np.float32 and (x == x).dtype == np.bool_
    assert type(X.as_np_ndarray()) is mx.np.ndarray and type(x.as_nd_ndarray()) is nd.NDArray
    assert (X.asnumpy() == x.asnumpy()).all()


def test_the_operators_of_the_box_are_the_same():
    X, W = nd.random.normal(shape=(2, 3, 6, 6)), nd.random.normal(shape=(4, 3, 3, 3))
    x, w = X.as_np_ndarray(), W.as_np_ndarray()
    options, window = {"kernel": (3, 3), "num_filter": 4}, {"kernel": (2, 2), "pool_type": "max"}
    matrix = W.reshape((4, -1))
    rows = nd.random.normal(shape=(5, 27))
    pairs = [
        (nd.Convolution(X, W, nd.zeros(4), **options), mx.npx.convolution(x, w, mx.np.zeros(4), **options)),
        (nd.Pooling(X, **window), mx.npx.pooling(x, **window)),
        (
            nd.FullyConnected(rows, matrix, nd.zeros(4), num_hidden=4),
            mx.npx.fully_connected(rows.as_np_ndarray(), matrix.as_np_ndarray(), mx.np.zeros(4), num_hidden=4),
        ),
    ]
    assert all((old.asnumpy() == new.asnumpy()).all() for old, new in pairs)


def test_set_np_switches_gluon_over():
    def layer():
        made = nn.Dense(2, in_units=3)
        made.initialize()
        return made

    assert layer()(nd.ones((1, 3))).shape == (1, 2)
    with pytest.raises(TypeError):
        layer()(mx.np.ones((1, 3)))
    mx.npx.set_np()
    try:
        assert layer()(mx.np.ones((1, 3))).shape == (1, 2)
        with pytest.raises(TypeError):
            layer()(nd.ones((1, 3)))
    finally:
        mx.npx.reset_np()


# A reader's edits.


@pytest.mark.slow
def test_other_pictures_kernels_and_sizes_work_and_a_wrong_function_is_seen(tmp_path):
    notebook = executed(
        tmp_path,
        NAME,
        ("seed = 1", "seed = 2"),
        ("height, width = 60, 80", "height, width = 24, 40"),
        ('"blur": np.ones((3, 3)) / 9,', '"blur": np.ones((5, 7)) / 35,\n    "copy": np.ones((1, 1)),'),
        ("nd.arange(18).reshape((1, 2, 3, 3))", "nd.arange(40).reshape((2, 2, 2, 5))"),
        ("weight = nd.arange(6).reshape((2, 3, 1, 1))", "weight = nd.arange(12).reshape((4, 3, 1, 1))"),
        ("bias=[0, 0]", "bias=[0, 0, 0, 0]"),
        ("N, C, H, W, filters = 4, 5, 6, 7, 3", "N, C, H, W, filters = 2, 3, 4, 5, 1"),
        ("window, W)", "window, W[:, :, :, ::-1])"),  # its kernels are mirrored
        twice=("operator-one-channel", "colours-operator", "bias-check", "numpy-table-check"),
    )
    assert re.search(r"copy +mean +0\.5", printed(notebook, "kernels-means"))
    assert " [400. 400." in printed(notebook, "bias-check")
    assert printed(notebook, "dense-rows") == "(40, 3) -> (40, 1)\n"
    symmetric = dict(line.split(" as above: ") for line in printed(notebook, "numpy-boat-check").splitlines())
    assert [name.strip() for name in symmetric] == ["blur", "copy", "vertical edges", "sharpen"]
    assert list(symmetric.values()) == ["True", "True", "False", "True"]
    _, *rows = printed(notebook, "numpy-table-check").splitlines()
    assert [row.split()[-2:] == ["True"] * 2 for row in rows] == [", 1, 1)   (2, 5" in row for row in rows]
    assert printed(notebook).count("False") == 1 + 2 * 4 * 2  # of the boat; of the table twice, but for its 1x1 kernel


@pytest.mark.slow
def test_the_solutions_can_be_changed(tmp_path):
    notebook = executed(
        tmp_path,
        SOLUTIONS,
        ("seed = 1", "seed = 3"),
        ("nn.Conv2D(channels=16, kernel_size=5)", "nn.Conv2D(channels=2, kernel_size=3)"),
        ("across = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]) / 3", "across = np.array([[-1, 0, 1]] * 3) / 3"),
        twice=("two-in-one-kernel",),
    )
    assert "multiplications 48600\n" in printed(notebook, "counting")  # 2·30·30 numbers of 27 products
    assert "False" not in printed(notebook)
    assert "directions: 1.00" in printed(notebook, "edge-strength").replace("direction:", "directions:")

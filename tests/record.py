"""What the source tutorials publish, as data.

One `Claim` is one published result. test_record.py asserts each claim twice: MXNet's operators, given the claim's
inputs, return what is expected; and the recorded outputs of the notebook named show it. So published = recorded =
recomputed.

To add a claim, append it to the list of its notebook. ``operator`` is the name of a function of test_record.py, which
is called with ``inputs`` and must return ``expected``; write a new one there where none fits. ``recorded`` are pieces
of text, each of which must stand in the output of one cell. Trained numbers have bounds instead: see `TRAINING`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SOURCES = {
    "T0": "an MXNet tutorial: convolution, pooling, a LeNet on Fashion-MNIST",
    "T1": "a PyTorch notebook on 2-D convolution",
    "T2": "d2l's lecture on the convolution layer, in PyTorch",
    "T3": "a CNN written from scratch in NumPy",
    "T4": "a CIFAR-10 classifier in PyTorch",
}


@dataclass(frozen=True)
class Claim:
    """One published result.

    Attributes:
        id: "R" and a number, with a word behind it where one result has several parts.
        source: key of `SOURCES`.
        says: the claim in words.
        notebook: the notebook whose recorded outputs show it, without ".ipynb".
        operator: name of the function in test_record.py that recomputes it.
        inputs: arguments of that function.
        expected: what it must return: the right result.
        recorded: texts that must stand in the notebook's recorded outputs.
        misprint: what the tutorial prints instead, where it is wrong.
    """

    id: str
    source: str
    says: str
    notebook: str
    operator: str
    inputs: dict
    expected: object
    recorded: tuple[str, ...]
    misprint: object = None


@dataclass(frozen=True)
class Training:
    """A published training run; ours must learn as well, and not suspiciously better.

    Attributes:
        id, source, says, notebook: as in `Claim`.
        epochs: (loss, train accuracy, test accuracy), one an epoch.
        line: how an epoch is printed: its number, loss, train accuracy, test accuracy.
        from_epoch: the first epoch whose accuracies are compared: before it chance rules.
        below, above: how far an accuracy may be below and above the published one.
        final_test: bounds of the last test accuracy. More is an alarm, too: wrong data.
    """

    id: str
    source: str
    says: str
    notebook: str
    epochs: tuple[tuple[float, float, float], ...]
    line: str
    from_epoch: int
    below: float
    above: float
    final_test: tuple[float, float]


def count_up(*shape):
    """0, 1, 2, ... in rows of the given shape."""
    return np.arange(np.prod(shape)).reshape(shape).tolist()


def prints(heading, values):
    """What ``print(heading, array)`` shows for an MXNet array of float32 on the CPU."""
    array = np.array(values, dtype="float32")
    return f"{heading} \n{array}\n<NDArray {'x'.join(map(str, array.shape))} @cpu(0)>\n"


def convolution(id, says, notebook, data, weight, expected, source="T0", recorded=None, **options):
    """A claim about ``nd.Convolution`` with zero bias."""
    if recorded is None:
        recorded = (prints("input :", data) + prints("weight :", weight) + prints("output :", expected),)
    inputs = {"data": data, "weight": weight, **options}
    return Claim(id, source, says, notebook, "convolution", inputs, expected, recorded)


def convolution_shape(id, source, recorded, size, expected, **options):
    """A claim about the height and width of a convolution's output for an 8x8 input."""
    says = f"8x8 with {options} gives {expected[0]}x{expected[1]}"
    inputs = {"size": size, **options}
    return Claim(id, source, says, "02_padding_and_stride", "convolution_shape", inputs, expected, (recorded,))


WORKED_INPUT = [[1, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]]
WORKED_KERNEL = [[2, 0, 1], [0, 1, 2], [1, 0, 2]]

CONVOLUTION = [
    convolution(
        "R01", "one channel", "01_convolution", count_up(1, 1, 3, 3), count_up(1, 1, 2, 2), [[[[19, 25], [37, 43]]]]
    ),
    convolution(
        "R02",
        "two channels, convolved, then added",
        "01_convolution",
        count_up(1, 2, 3, 3),
        count_up(1, 2, 2, 2),
        [[[[268, 296], [352, 380]]]],
    ),
    convolution(
        "R03",
        "three channels in, two out, 1x1",
        "01_convolution",
        count_up(1, 3, 3, 3),
        count_up(2, 3, 1, 1),
        [[[[45, 48, 51], [54, 57, 60], [63, 66, 69]], [[126, 138, 150], [162, 174, 186], [198, 210, 222]]]],
    ),
]

PADDING_AND_STRIDE = [
    convolution(
        "R04",
        "padding 1",
        "02_padding_and_stride",
        count_up(1, 1, 3, 3),
        count_up(1, 1, 2, 2),
        [[[[0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]]]],
        pad=(1, 1),
    ),
    convolution(
        "R05",
        "stride 2",
        "02_padding_and_stride",
        count_up(1, 1, 4, 4),
        count_up(1, 1, 2, 2),
        [[[[24, 36], [72, 84]]]],
        stride=(2, 2),
    ),
    Claim(
        "R10",
        "T1",
        "output size (i - k + p) / s + 1 with p the padding of both sides together, rounded down",
        "02_padding_and_stride",
        "sizes_by_total_padding",
        {"cases": [(8, 3, 2, 1), (8, 3, 2, 2), (8, 5, 4, 1), (8, 5, 2, 4), (7, 3, 0, 3)]},
        [8, 4, 8, 2, 2],
        (
            "    8      3     2        1      1         8      8\n",
            "    8      3     2        1      2         4      4\n",
            "    8      5     4        2      1         8      8\n",
            "    8      5     2        1      4         2      2\n",
            "    7      3     0        0      3         2      2\n",
        ),
    ),
    Claim(
        "R16",
        "T1",
        "np.pad of 2x8 by ((1, 1), (2, 2)) gives 4x12",
        "02_padding_and_stride",
        "padded_shape",
        {"array": count_up(2, 8), "pad_width": ((1, 1), (2, 2))},
        (4, 12),
        ("[ 0  0  8  9 10 11 12 13 14 15  0  0]\n", "\n(4, 12)\n"),
    ),
    convolution_shape(
        "R17", "T1", "3×3 kernel, pad=(1, 1)             (1, 1, 8, 8)\n", 8, (8, 8), kernel=(3, 3), pad=(1, 1)
    ),
    convolution_shape(
        "R18", "T1", prints("output :", [[[[12, 15], [12, 15]]]]), 8, (2, 2), kernel=(3, 5), pad=(0, 1), stride=(3, 4)
    ),
    Claim(
        "R18 crash",
        "T1",
        "the tutorial's own function ends in this error, because it computes a size with /",
        "02_padding_and_stride",
        "error_of_a_size_that_is_a_float",
        {"size": 8, "kernel": 3, "stride": 3},
        "'numpy.float64' object cannot be interpreted as an integer",
        ("TypeError: 'numpy.float64' object cannot be interpreted as an integer\n",),
    ),
    *(
        convolution_shape(
            f"R24 {number}",
            "T2",
            f"{kernel}   {pad}   {stride}   {expected}     {expected}\n",
            8,
            expected,
            kernel=kernel,
            pad=pad,
            stride=stride,
        )
        for number, (kernel, pad, stride, expected) in enumerate(
            [
                ((3, 3), (1, 1), (1, 1), (8, 8)),
                ((5, 3), (2, 1), (1, 1), (8, 8)),
                ((7, 5), (3, 2), (1, 1), (8, 8)),
                ((3, 3), (1, 1), (2, 2), (4, 4)),
                ((3, 5), (0, 1), (3, 4), (2, 2)),
            ],
            start=1,
        )
    ),
    *(
        convolution(
            f"R34 {name}",
            f"worked example, {name}",
            "02_padding_and_stride",
            [[WORKED_INPUT]],
            [[WORKED_KERNEL]],
            [[expected]],
            source="T3",
            recorded=(prints(heading, [[expected]]),),
            **options,
        )
        for name, heading, options, expected in [
            ("plain", "output :", {}, [[15, 16], [6, 15]]),
            (
                "padding 1",
                "padding 1, output :",
                {"pad": (1, 1)},
                [[7, 12, 10, 2], [4, 15, 16, 10], [10, 6, 15, 6], [8, 10, 4, 3]],
            ),
            (
                "padding 1, stride 3",
                "padding 1, stride 3, output :",
                {"pad": (1, 1), "stride": (3, 3)},
                [[7, 2], [8, 3]],
            ),
        ]
    ),
]

POOLING = [
    *(
        Claim(
            id,
            "T0",
            f"{kind} pooling, window 2",
            "03_pooling",
            "pooling",
            {"data": count_up(1, 1, 3, 3), "kernel": (2, 2), "pool_type": kind},
            [[expected]],
            (prints("data :", count_up(1, 1, 3, 3)) + prints(f"{kind} pool :", [[expected]]),),
        )
        for id, kind, expected in [("R06", "max", [[4, 5], [7, 8]]), ("R07", "avg", [[2, 3], [5, 6]])]
    ),
    Claim(
        "R35",
        "T3",
        "max pooling of the worked example, window 2, stride 2",
        "03_pooling",
        "pooling",
        {"data": [[WORKED_INPUT]], "kernel": (2, 2), "stride": (2, 2), "pool_type": "max"},
        [[[[2, 3], [3, 2]]]],
        (
            prints("data :", [[WORKED_INPUT]]) + prints("max pool :", [[[[2, 3], [3, 2]]]]),
            "printed, not in the image: [4, 5]\n",
        ),
        misprint=[[[[2, 3], [4, 5]]]],
    ),
]

# An image of 6x8 ones whose columns 2 to 5 are zero.
EDGE_IMAGE = [[1, 1, 0, 0, 0, 0, 1, 1]] * 6

LEARNING_A_KERNEL = [
    *(
        Claim(
            id,
            source,
            "cross-correlation by two loops",
            "04_learning_a_kernel",
            "cross_correlation",
            {"X": count_up(3, 3), "K": count_up(2, 2)},
            [[19, 25], [37, 43]],
            (prints("input :", count_up(3, 3)), prints("output :", [[19, 25], [37, 43]])),
        )
        for id, source in [("R11", "T1"), ("R21", "T2")]
    ),
    Claim(
        "R12",
        "T1",
        "convolution is cross-correlation with the kernel turned by 180 degrees",
        "04_learning_a_kernel",
        "cross_correlation",
        {"X": count_up(3, 3), "K": [[3, 2], [1, 0]]},
        [[5, 11], [23, 29]],
        (prints("turned :", [[3, 2], [1, 0]]) + prints("convolution :", [[5, 11], [23, 29]]),),
    ),
    Claim(
        "R14",
        "T1",
        "edges under (-1, 1)",
        "04_learning_a_kernel",
        "cross_correlation",
        {"X": EDGE_IMAGE, "K": [[-1, 1]]},
        [[0, -1, 0, 0, 0, 1, 0]] * 6,
        (prints("kernel (-1, 1) :", [[0, -1, 0, 0, 0, 1, 0]] * 6),),
    ),
    Claim(
        "R22",
        "T2",
        "edges under (1, -1): +1 where white turns black, -1 where black turns white",
        "04_learning_a_kernel",
        "cross_correlation",
        {"X": EDGE_IMAGE, "K": [[1, -1]]},
        [[0, 1, 0, 0, 0, -1, 0]] * 6,
        (prints("kernel (1, -1) :", [[0, 1, 0, 0, 0, -1, 0]] * 6),),
    ),
    Claim(
        "R22 transposed",
        "T2",
        "the transposed image has no edge for that kernel",
        "04_learning_a_kernel",
        "cross_correlation",
        {"X": np.transpose(EDGE_IMAGE).tolist(), "K": [[1, -1]]},
        np.zeros((8, 5)).tolist(),
        (prints("transposed image, kernel (1, -1) :", np.zeros((8, 5))),),
    ),
]

_MAX_POOL = (
    "MaxPool2D(size=(2, 2), stride=(2, 2), padding=(0, 0), "
    "ceil_mode=False, global_pool=False, pool_type=max, layout=NCHW)"
)
LENET_PRINTED = f"""\
Sequential(
  (0): Conv2D(None -> 20, kernel_size=(5, 5), stride=(1, 1), Activation(relu))
  (1): {_MAX_POOL}
  (2): Conv2D(None -> 50, kernel_size=(3, 3), stride=(1, 1), Activation(relu))
  (3): {_MAX_POOL}
  (4): Flatten
  (5): Dense(None -> 128, Activation(relu))
  (6): Dense(None -> 10, linear)
)
"""

LENET = [
    Claim(
        "R08 context",
        "T0",
        "the context without a GPU",
        "05_lenet_fashion_mnist",
        "context_without_a_gpu",
        {},
        "cpu(0)",
        ("context : cpu(0)\n",),
    ),
    Claim(
        "R08 network",
        "T0",
        "the network, printed before its first use",
        "05_lenet_fashion_mnist",
        "printed_lenet",
        {},
        LENET_PRINTED,
        (LENET_PRINTED,),
    ),
    Claim(
        "R08 parameters",
        "T0",
        "its number of parameters",
        "05_lenet_fashion_mnist",
        "lenet_parameters",
        {},
        170988,
        ("170,988",),
    ),
]

FROM_SCRATCH = [
    Claim(
        "R33",
        "T3",
        "a 1x3x7x7 input and a 5x5 window give a column matrix of shape (9, 75)",
        "06_layers_from_scratch",
        "column_matrix_shape",
        {"shape": (1, 3, 7, 7), "kernel": 5},
        (9, 75),
        ("(9, 75)\n",),
    ),
    Claim(
        "R37",
        "T3",
        "six optimisers are found by their names, and a wrong name gets the right ones in reply",
        "07_optimizers",
        "unknown_optimiser",
        {"name": "rmsprpo"},
        "unknown optimiser 'rmsprpo': choose one of sgd, momentum, nesterov, adagrad, rmsprop, adam",
        ("unknown optimiser 'rmsprpo': choose one of sgd, momentum, nesterov, adagrad, rmsprop, adam\n",),
    ),
]

# 09_cifar10: R40 to R43.
CIFAR10 = []

CLAIMS = [*CONVOLUTION, *PADDING_AND_STRIDE, *POOLING, *LEARNING_A_KERNEL, *LENET, *FROM_SCRATCH, *CIFAR10]

TRAINING = [
    Training(
        id="R09",
        source="T0",
        says="ten epochs of the LeNet on Fashion-MNIST, batch 256, SGD with learning rate 0.5",
        notebook="05_lenet_fashion_mnist",
        epochs=(
            (1.155733, 0.567287, 0.761133),
            (0.558990, 0.782680, 0.826172),
            (0.465726, 0.821543, 0.848633),
            (0.420673, 0.838697, 0.857227),
            (0.382026, 0.855740, 0.869824),
            (0.358218, 0.865320, 0.871094),
            (0.335073, 0.873648, 0.881641),
            (0.317190, 0.881250, 0.884863),
            (0.303633, 0.885882, 0.886133),
            (0.291287, 0.889993, 0.886719),
        ),
        line="Epoch %d. Loss : %f, Train acc : %f, Test acc : %f",
        from_epoch=2,
        below=0.02,
        above=0.06,
        final_test=(0.877, 0.94),
    ),
]

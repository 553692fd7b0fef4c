"""What the source tutorials publish, as data.

One `Claim` is one published result. test_published.py asserts each claim twice: MXNet's operators, given the claim's
inputs, return what is expected; and the recorded outputs of the notebook named show it. So published = recorded =
recomputed.

To add a claim, append it to the list of its notebook. ``operator`` is the name of a function of test_published.py,
which is called with ``inputs`` and must return ``expected``; write a new one there where none fits. ``recorded`` are
pieces of text, each of which must stand in the output of one cell. Trained numbers have bounds instead: `TRAINING`.
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
        operator: name of the function in test_published.py that recomputes it.
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
class Bounded:
    """One number of a training, which is not the same on every machine.

    Attributes:
        id, source, says, notebook: as in `Claim`.
        text: what stands before the number in the recorded output.
        bounds: the least and the greatest value that is right. Too good is an alarm, too.
    """

    id: str
    source: str
    says: str
    notebook: str
    text: str
    bounds: tuple[float, float]


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


LAYERS = (
    "Relu",
    "Sigmoid",
    "Affine",
    "SoftmaxWithLoss",
    "Dropout",
    "BatchNorm 2-D",
    "BatchNorm 4-D",
    "Convolution",
    "MaxPooling",
)

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
            "    8       3         2         1       1        8      8\n",
            "    8       3         2         1       2        4      4\n",
            "    8       5         4         2       1        8      8\n",
            "    8       5         2         1       4        2      2\n",
            "    7       3         0         0       3        2      2\n",
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
    Claim(
        "R20 layers",
        "T2",
        "a 224x224 picture under 5x5 kernels is down to 4x4 after 55 layers",
        "02_padding_and_stride",
        "layers_until_nothing_fits",
        {"size": 224, "kernel": 5},
        (55, 4),
        ("[16, 12, 8, 4]\n55 layers\n",),
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
    Claim(
        "R18 rounding",
        "T1",
        "np.round makes a third window of the 2.67 that fit",
        "02_padding_and_stride",
        "windows_that_fit",
        {"size": 8, "kernel": 3, "stride": 3},
        2,
        ("rounded [3. 2.]  right [2, 2]\n",),
        misprint=3,
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
    Claim(
        "R13",
        "T1",
        "a convolution layer of its own: a weight of the kernel's shape and one bias",
        "04_learning_a_kernel",
        "layer_with_bias",
        {"X": count_up(3, 3), "K": count_up(2, 2), "bias": 100},
        [[119, 125], [137, 143]],
        ("__main__ " + prints("output :", [[119, 125], [137, 143]]),),
    ),
    Claim(
        "R15",
        "T1",
        "a kernel learned in 50 epochs, learning rate 0.01, weight decay 0.1, from the start that fits its table",
        "solutions/04_learning_a_kernel_solutions",
        "learned_with_decay",
        {"start": (0.362136, 0.633088), "lr": 0.01, "weight_decay": 0.1, "num_epochs": 50},
        ([23.8259, 9.5828, 6.6669, 4.9749, 3.7512, 2.8428, 2.1634, 1.6526], (-0.9904, 0.9904)),
        (
            "    1    23.8259    23.8259\n",
            "    8     1.6526     1.6526\n",
            "published after 50 epochs: weight (-0.9904, 0.9904), bias -5.6e-06\n",
            "ours after 50 epochs     : weight (-0.9904, 0.9904), bias -5.6e-06\n",
        ),
    ),
    Claim(
        "R15 decay",
        "T1",
        "its kernel ends at (-0.9904, 0.9904), not at (-1, 1): the weight decay moves the optimum to 12/12.1",
        "04_learning_a_kernel",
        "optimum_under_decay",
        {"kernel": (-1, 1), "weight_decay": 0.1},
        (-0.99174, 0.99174, 0.0),
        (
            "published, after 50 epochs: weight (-0.9904, 0.9904)\n",
            "weight decay 0.1: weights -0.99174 0.99174, bias 0.00000\n",
        ),
    ),
    Claim(
        "R20",
        "T2",
        "small kernels and depth beat large kernels: three layers of 3x3 see as far as one of 7x7, with fewer weights",
        "10_deeper",
        "sight_and_weights",
        {"stacks": [[7], [3, 3, 3]], "channels": 16},
        [(7, 12544), (7, 6912)],
        (
            "one 7×7 sees 7 pixels a side: True\nthree 3×3 sees 7 pixels a side: True\n",
            "one 7×7   12,544 weights, ",
            "three 3×3  6,912 weights, ",
        ),
    ),
    Claim(
        "R23",
        "T2",
        "a 1x2 kernel without bias, learned in 10 steps with learning rate 0.03, comes close to (1, -1)",
        "04_learning_a_kernel",
        "learned_without_bias",
        {"start": (0.3, 0.1), "lr": 0.03, "num_steps": 10},
        (1.0, -1.0),
        ("CrossCorrelation2D loss 0.0464 [[ 1.01", "step 2, loss ", "step 10, loss 0.0"),
    ),
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
        "convolution is cross-correlation with the kernel rotated by 180 degrees",
        "04_learning_a_kernel",
        "cross_correlation",
        {"X": count_up(3, 3), "K": [[3, 2], [1, 0]]},
        [[5, 11], [23, 29]],
        (prints("rotated :", [[3, 2], [1, 0]]) + prints("convolution :", [[5, 11], [23, 29]]),),
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

CIFAR10_PRINTED = f"""\
HybridSequential(
  (0): Conv2D(None -> 8, kernel_size=(5, 5), stride=(1, 1), Activation(relu))
  (1): {_MAX_POOL}
  (2): Conv2D(None -> 16, kernel_size=(3, 3), stride=(1, 1), Activation(relu))
  (3): {_MAX_POOL}
  (4): Flatten
  (5): Dense(None -> 128, Activation(relu))
  (6): Dense(None -> 10, linear)
)
"""

# The same network as notebook 9 writes it: a class, whose dense layer flattens what comes in.
CNN_NET_PRINTED = f"""\
CNNNet(
  (conv1): Conv2D(None -> 8, kernel_size=(5, 5), stride=(1, 1), Activation(relu))
  (pool1): {_MAX_POOL}
  (conv2): Conv2D(None -> 16, kernel_size=(3, 3), stride=(1, 1), Activation(relu))
  (pool2): {_MAX_POOL}
  (fc1): Dense(None -> 128, Activation(relu))
  (fc2): Dense(None -> 10, linear)
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
        "R30 activations",
        "T3",
        "identity, step, sigmoid and ReLU at five points, with their gradients",
        "06_layers_from_scratch",
        "activations",
        {"x": [-2, -0.5, 0, 0.5, 2]},
        {
            "identity": [[-2, -0.5, 0, 0.5, 2], [1, 1, 1, 1, 1]],
            "step": [[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]],
            "sigmoid": [[0.1192, 0.3775, 0.5, 0.6225, 0.8808], [0.105, 0.235, 0.25, 0.235, 0.105]],
            "relu": [[0, 0, 0, 0.5, 2], [0, 0, 0, 1, 1]],
        },
        (
            "identity  [-2.  -0.5  0.   0.5  2. ]  slope [1. 1. 1. 1. 1.]\n",
            "step      [0. 0. 0. 1. 1.]  slope [0. 0. 0. 0. 0.]\n",
            "sigmoid   [0.1192 0.3775 0.5    0.6225 0.8808]  slope [0.105 0.235 0.25  0.235 0.105]\n",
            "relu      [0.  0.  0.  0.5 2. ]  slope [0. 0. 0. 1. 1.]\n",
        ),
    ),
    Claim(
        "R30 losses",
        "T3",
        "softmax of one row and of two, half the sum of squared errors (ours: their mean), cross-entropy with an index "
        "and with a one-hot label",
        "06_layers_from_scratch",
        "softmax_and_losses",
        {"odds": [1, 2, 5], "label": 2},
        {"softmax": [0.125, 0.25, 0.625], "half the sum": 0.1094, "mean": 0.0729, "index": 0.47, "one-hot": 0.47},
        (
            "[0.125 0.25  0.625]\n[0.125 0.25  0.625]\n[[0.125 0.25  0.625]\n [0.625 0.25  0.125]]\n",
            "cross-entropy      0.4700\none-hot            0.4700\n",
            "half the sum (T3)      0.1094\nthe mean (ours)        0.0729\n",
        ),
    ),
    Claim(
        "R31",
        "T3",
        "the gradient of a sum of squares at (3, 4) by central differences",
        "06_layers_from_scratch",
        "gradient_of_squares",
        {"point": [3.0, 4.0]},
        [6.0, 8.0],
        ("[6. 8.]\n",),
    ),
    Claim(
        "R32",
        "T3",
        "nine layers whose backward pass is the gradient of their forward pass",
        "06_layers_from_scratch",
        "layers_that_fail_their_gradient_check",
        {"layers": LAYERS},
        [],
        tuple(f"{name} " for name in LAYERS),
    ),
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
        "R36",
        "T3",
        "in MNIST's files images begin at byte 16 and labels at byte 8",
        "08_simple_convnet_mnist",
        "idx_offsets",
        {"images": (2, 28, 28), "labels": (3,)},
        (16, 8),
        (
            "[ 2051 60000    28    28] [ 2049 60000]\n",
            "(60000, 1, 28, 28) float32 0.0 1.0 (10000, 1, 28, 28)\n",
            "one-hot: 5 -> [0. 0. 0. 0. 0. 1. 0. 0. 0. 0.]\n",
        ),
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
    Claim(
        "R37 Nesterov",
        "T3",
        "two steps of Nesterov's momentum from 1: learning rate 0.1, momentum 0.5, gradient 2",
        "07_optimizers",
        "two_steps",
        {"name": "nesterov", "gradient": 2, "options": {"lr": 0.1, "momentum": 0.5}},
        [0.7, 0.35],
        ("right 0.700 0.350 ", "T3    0.650 0.275 "),
        misprint=[0.65, 0.275],
    ),
    Claim(
        "R20 jitter",
        "T2",
        "where a loss jitters: a larger batch calms it, and so does a lower learning rate, not a higher one",
        "07_optimizers",
        "jitter_of_a_noisy_bowl",
        {"changes": {"rate × 3": (3, 1), "rate / 3": (1 / 3, 1), "batch × 3": (1, 3)}},
        {"rate × 3": "more", "rate / 3": "less", "batch × 3": "less"},
        (
            "rate × 3: the validation loss jitters more\n",
            "rate / 3: the validation loss jitters less\n",
            "batch × 3: the validation loss jitters less\n",
        ),
        misprint={"rate × 3": "less", "rate / 3": "more", "batch × 3": "less"},
    ),
    Claim(
        "R20 grid search",
        "T2",
        "hyperparameters are found by grid search",
        "07_optimizers",
        "best_rate_of_a_grid",
        {"curvatures": (0.1, 4), "rates": (0.03, 0.1, 0.3, 1)},
        0.3,
        ("sgd       best rate 0.3 ", "momentum  best rate 0.1 ", "adagrad   best rate 0.1 "),
    ),
    Claim(
        "R38",
        "T3",
        "a trainer that counts by epochs: 2,050 samples in minibatches of 100 are 21 steps, the last with 50",
        "08_simple_convnet_mnist",
        "steps_of_a_trainer",
        {"num_samples": 2050, "batch_size": 100, "num_epochs": 5},
        (5, 105, 50),
        ("5 epochs, 105 steps, the last with 50\n",),
    ),
    Claim(
        "R39 parameters",
        "T3",
        "conv(30 filters 5x5) - relu - max pool 2 - affine 100 - relu - affine 10 on 28x28 images, and its parameters",
        "08_simple_convnet_mnist",
        "simple_conv_net",
        {},
        {"conv": 780, "relu1": 0, "pool": 0, "affine1": 432100, "relu2": 0, "affine2": 1010},
        ("parameters 780\n", "parameters 432100\n", "parameters 1010\n", "together 433890\n"),
    ),
]

# 09_cifar10: R40 to R43.
CIFAR10 = [
    Claim(
        "R40",
        "T4",
        "sixteen pixels to nine: a dense layer needs 144 weights where a 2x2 kernel needs 4",
        "09_cifar10",
        "weights_of_dense_and_convolution",
        {"size": 4, "kernel": 2},
        (144, 4),
        ("(9, 16) weights : 144\n", "(1, 1, 2, 2) weights : 4\n"),
    ),
    Claim(
        "R40 pooling",
        "T4",
        "maximum, average and global maximum over windows of 2x2, and ceil_mode, which keeps the last windows",
        "03_pooling",
        "poolings",
        {"data": count_up(1, 1, 5, 5)},
        {
            "max": [[[[6, 8], [16, 18]]]],
            "ceil": [[[[6, 8, 9], [16, 18, 19], [21, 23, 24]]]],
            "avg": [[[[3, 5], [13, 15]]]],
            "global": [[[[24]]]],
        },
        (
            prints("valid :", [[[[6, 8], [16, 18]]]]),
            prints("full :", [[[[6, 8, 9], [16, 18, 19], [21, 23, 24]]]]),
        ),
    ),
    Claim(
        "R41",
        "T4",
        "pixels are scaled to [-1, 1] by mean 0.5 and standard deviation 0.5; a minibatch has shape 4x3x32x32",
        "09_cifar10",
        "scaled_pixels",
        {"pixels": [0, 51, 255]},
        [-1.0, -0.6, 1.0],
        ("[-1.  -0.6  1. ]\n", "from -1.0 to 1.0\n", "minibatch : (4, 3, 32, 32) (4,)\n"),
    ),
    Claim(
        "R42 network",
        "T4",
        "the network, printed",
        "09_cifar10",
        "printed_cifar10_net",
        {},
        CIFAR10_PRINTED,
        (CNN_NET_PRINTED,),
    ),
    Claim(
        "R42 parameters",
        "T4",
        "its parameters by layer and in all",
        "09_cifar10",
        "cifar10_parameters",
        {},
        ([608, 1168, 73856, 1290], 76922),
        ("by layer : [608, 1168, 73856, 1290]\nnetwork  : 76922\n",),
    ),
    Claim(
        "R42 sizes",
        "T4",
        "its sizes, 32, 28, 14, 12, 6; the first four layers, a network of their own, end at 16 maps of 6x6",
        "09_cifar10",
        "cifar10_sizes",
        {},
        [28, 14, 12, 6],
        (
            "Conv2D     (4, 8, 28, 28)\n",
            "MaxPool2D  (4, 8, 14, 14)\n",
            "Conv2D     (4, 16, 12, 12)\n",
            "(4, 16, 6, 6)\n",
        ),
    ),
    Claim(
        "R43 by class",
        "T4",
        "its accuracy by class, 51 % of the dogs and 40 % of the trucks, is the 9 % it has overall",
        "09_cifar10",
        "mean_of_classes",
        {"by_class": {"dog": 0.51, "truck": 0.40}, "num_classes": 10},
        0.09,
        ("dog         0.51", "truck       0.40", "mean        0.09"),
    ),
]

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

BOUNDED = [
    Bounded(
        "R39 accuracy",
        "T3",
        "2,000 images of MNIST, 20 epochs, minibatches of 100, Adam with learning rate 0.001",
        "08_simple_convnet_mnist",
        "final test accuracy ",
        (0.90, 0.94),
    ),
    Bounded(
        "R39 all images",
        "T3",
        "the same network, one epoch over all 60,000 images",
        "08_simple_convnet_mnist",
        "test accuracy ",
        (0.96, 0.985),
    ),
    Bounded("R43 as published", "T4", "9 % of the test images, about chance", "09_cifar10", "here : ", (0.05, 0.15)),
    Bounded("R43 repaired", "T4", "the same network, trained rightly", "09_cifar10", "none : ", (0.46, 0.56)),
    Bounded(
        "R43 beyond",
        "T4",
        "the same size of network with flips, crops and batch normalisation",
        "09_cifar10",
        "with flips, crops and batch normalisation : ",
        (0.55, 0.68),
    ),
]

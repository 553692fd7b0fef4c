"""How long a convolution takes: Python loops, one matrix product, and MXNet's operator, side by side.

Prints a table and saves it in ``benchmarks/results/convolution.json``; notebook 04 shows the ratios.

Method: the three compute the same numbers (checked first). The clock is the processor time that this process takes,
with one thread for the arithmetic: on a quiet machine that is about the time one waits, and on a busy one it does not
count what other programs take. One round calls every way of every case, so that a slow moment meets all of them; in a
round a call is timed as often as fits 50 ms, at least once, and the median counts. Times are medians over the rounds,
ratios are taken within a round and reported with their quartiles. The loops are called on one channel of one image and
one kernel, and multiplied by the numbers of channels, images and kernels: each of those calls does the same work.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import time

from d2lhelpers.convolution import conv2d, corr2d
from d2lhelpers.seeding import seed_everything

import numpy as np
from machine import describe_machine
from medians import rounded, spread
from mxnet import nd

RESULTS = pathlib.Path(__file__).parent / "results" / "convolution.json"
WAYS = ["loops", "conv2d", "nd.Convolution"]
RATIOS = [("loops", "conv2d"), ("loops", "nd.Convolution"), ("conv2d", "nd.Convolution")]


class Case:
    """Random images and kernels of one size, and the three ways to convolve them."""

    def __init__(self, group, images, kernels, padding):
        """Draw the numbers: images of shape (N, C, H, W), kernels (O, C, h, w), zeros on each side."""
        self.group, self.padding = group, padding
        self.X, self.K = nd.random.normal(shape=images), nd.random.normal(shape=kernels)
        self.padded = nd.pad(self.X, mode="constant", pad_width=(0, 0, 0, 0, *[padding] * 4)) if padding else self.X

    def loops(self):
        """One channel of one image under one kernel."""
        return corr2d(self.padded[0, 0], self.K[0, 0])

    def conv2d(self):
        """All of it, by one matrix product."""
        return conv2d(self.X, self.K, padding=self.padding)

    def operator(self):
        """All of it, by MXNet."""
        return nd.Convolution(self.X, self.K, **self.sizes(self.K.shape[0]), no_bias=True)

    def sizes(self, num_filter):
        """What the operator is told besides the arrays."""
        return {"kernel": self.K.shape[2:], "num_filter": num_filter, "pad": (self.padding, self.padding)}

    def check(self):
        """The three agree; this also warms them up."""
        expected = self.operator().asnumpy()
        np.testing.assert_allclose(self.conv2d().asnumpy(), expected, rtol=1e-3, atol=1e-3)
        one = nd.Convolution(self.X[:1, :1], self.K[:1, :1], **self.sizes(1), no_bias=True)[0, 0]
        np.testing.assert_allclose(self.loops().asnumpy(), one.asnumpy(), rtol=1e-3, atol=1e-3)

    def seconds(self, patience):
        """One round: the time of each way."""
        return {
            "loops": self.X.shape[0] * self.K.shape[0] * self.K.shape[1] * typical(self.loops, patience),
            "conv2d": typical(self.conv2d, patience),
            "nd.Convolution": typical(self.operator, patience),
        }


def typical(function, patience):
    """Processor time of one call in seconds: the median of as many calls as patience, in seconds, allows."""
    times = []
    while sum(times) < patience:
        nd.waitall()
        start = time.process_time()
        function()
        nd.waitall()
        times.append(time.process_time() - start)
    return statistics.median(times)


def cases(tiny):
    if tiny:
        return [Case("target", (2, 2, 6, 6), (3, 2, 3, 3), 0), Case("image size", (2, 2, 4, 4), (3, 2, 3, 3), 1)]
    return [
        Case("target", (8, 16, 32, 32), (32, 16, 3, 3), 0),
        *(Case("kernel size", (8, 16, 32, 32), (32, 16, k, k), k // 2) for k in (1, 3, 5, 7, 9)),
        *(Case("image size", (8, 16, n, n), (32, 16, 3, 3), 1) for n in (8, 16, 32, 64)),
    ]


def measure(all_cases, rounds, patience):
    for case in all_cases:
        case.check()
    times = [[case.seconds(patience) for case in all_cases] for _ in range(rounds)]
    table = []
    for case, of_case in zip(all_cases, zip(*times)):
        milliseconds = {way: rounded(1000 * statistics.median(t[way] for t in of_case)) for way in WAYS}
        ratios = {f"{slow} / {fast}": spread([t[slow] / t[fast] for t in of_case]) for slow, fast in RATIOS}
        shapes = {"images": list(case.X.shape), "kernels": list(case.K.shape), "padding": case.padding}
        table.append({"group": case.group, **shapes, "milliseconds": milliseconds, "ratios": ratios})
    return table


def show(report):
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    print(
        f"milliseconds of processor time: medians of {report['rounds']} interleaved rounds; ratios: median (quartiles)"
    )
    columns = f"{'images':>12} {'kernels':>10} {'pad':>3}" + "".join(f"{way:>16}" for way in WAYS)
    print(columns + "".join(f"{f'{slow} / {fast}':>31}" for slow, fast in RATIOS))
    for row in report["cases"]:
        images, kernels = ("x".join(map(str, row[name])) for name in ("images", "kernels"))
        line = f"{images:>12} {kernels:>10} {row['padding']:>3}"
        line += "".join(f"{row['milliseconds'][way]:>16g}" for way in WAYS)
        for ratio in row["ratios"].values():
            line += "{:g} ({:g}-{:g})".format(ratio["median"], *ratio["quartiles"]).rjust(31)
        print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="sizes that take a second, to see that it works")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="where the table is saved")
    arguments = parser.parse_args()
    seed_everything(0)
    rounds, patience = (2, 0.001) if arguments.tiny else (11, 0.05)
    about = describe_machine()  # before the work, which counts as load
    report = {"machine": about, "rounds": rounds, "cases": measure(cases(arguments.tiny), rounds, patience)}
    show(report)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What batch normalisation, flips, crops and more images each add on the sample of CIFAR-10: the tables of notebook 09.

    python benchmarks/cifar10_ablation.py            27 runs, minutes to an hour; writes results/cifar10_ablation.json
    python benchmarks/cifar10_ablation.py --tiny     the same in seconds, on a few images; the numbers mean nothing

Every run is recorded as it came. The learning rate was chosen between 0.002 and 0.004 with everything switched on, by
three runs each on the first 3,500 training images, tested on the 500 others; steps and minibatch were set beforehand.
"""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path

from d2lhelpers.augmentation import random_crop, random_flip
from d2lhelpers.data import ArrayIterator, load_data_cifar10
from d2lhelpers.metrics import evaluate_accuracy
from d2lhelpers.networks import cifar10_net
from d2lhelpers.seeding import seed_everything
from d2lhelpers.training import fit

import mxnet as mx
from machine import describe_machine
from mxnet import gluon

RESULTS = Path(__file__).parent / "results" / "cifar10_ablation.json"

# name: batch normalisation, flip, crop
VARIANTS = {
    "plain": (False, False, False),
    "batch normalisation": (True, False, False),
    "flip": (False, True, False),
    "crop": (False, False, True),
    "flip and crop": (False, True, True),
    "all three": (True, True, True),
}
SETTINGS = {
    "seeds": [0, 1, 2],
    "sizes": [500, 1000, 2000, 4000],
    "test_images": 1000,
    "steps": 1890,
    "batch_size": 64,
    "learning_rate": 0.004,
    "padding": 4,
}
TINY = {**SETTINGS, "seeds": [0], "sizes": [20, 40], "test_images": 30, "steps": 4, "batch_size": 16}


def run(variant: str, num_images: int, seed: int, settings: dict) -> dict:
    """Train on the first ``num_images`` training images; returns the accuracies on them and on the test images."""
    batch_norm, flip, crop = VARIANTS[variant]
    batch_size, steps, lr = settings["batch_size"], settings["steps"], settings["learning_rate"]
    whole_train, whole_test = load_data_cifar10(batch_size, sample=True)
    X, y = whole_train.X[:num_images], whole_train.y[:num_images]
    X_test, y_test = whole_test.X[: settings["test_images"]], whole_test.y[: settings["test_images"]]
    changes = (random_flip,) * flip + (functools.partial(random_crop, padding=settings["padding"]),) * crop
    train_iter = ArrayIterator(X, y, batch_size, shuffle=True, transform=changes)

    seed_everything(seed)
    net = cifar10_net(batch_norm)
    net.initialize(mx.init.Xavier("uniform", "in", 1))
    net.hybridize(static_alloc=True, static_shape=True)
    # Every size gets the same number of steps, so a small set is seen more often.
    num_epochs = max(1, round(steps / len(train_iter)))
    schedule = mx.lr_scheduler.CosineScheduler(num_epochs * len(train_iter), base_lr=lr, final_lr=0)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": lr, "lr_scheduler": schedule})
    fit(net, train_iter, None, num_epochs, trainer=trainer)
    return {
        "variant": variant,
        "images": num_images,
        "seed": seed,
        "epochs": num_epochs,
        "train_accuracy": evaluate_accuracy(ArrayIterator(X, y, 500), net),
        "test_accuracy": evaluate_accuracy(ArrayIterator(X_test, y_test, 500), net),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="few images, few steps, one seed: tests the script only")
    parser.add_argument("--output", type=Path, help="where to write; by default beside this script, --tiny nowhere")
    options = parser.parse_args(arguments)
    settings = TINY if options.tiny else SETTINGS
    output = options.output or (None if options.tiny else RESULTS)

    *small_sizes, all_images = settings["sizes"]
    planned = [(variant, all_images) for variant in VARIANTS] + [("all three", size) for size in small_sizes]
    runs = []
    for variant, num_images in planned:
        for seed in settings["seeds"]:
            runs.append(run(variant, num_images, seed, settings))
            print("{variant:20} {images:5} images, seed {seed}: {test_accuracy:.3f}".format(**runs[-1]), flush=True)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        result = {"machine": describe_machine(), "settings": settings, "runs": runs}
        output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

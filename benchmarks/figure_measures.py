"""Which measure of likeness tells what a reader would see from what two machines draw differently?

Pairs of figures that are the same to a reader, and pairs that are not, each measured by nbtolerance and by what others
use: SSIM (scikit-image), its worst window, the share of pixels that pixelmatch marks, RMS (pytest-mpl and matplotlib's
own tests) and a perceptual hash (imagehash). A measure is of use where every same pair is below every other one: then a
bound can be put between them.

    pip install scikit-image pixelmatch imagehash
    python benchmarks/figure_measures.py
"""

import sys
from pathlib import Path

import imagehash
import matplotlib
import numpy as np
from PIL import Image
from pixelmatch.contrib.PIL import pixelmatch
from skimage.metrics import structural_similarity

from nbtolerance import figure_distance

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.nbtolerance.test_figures import CLASSES, COUNTS, confusion, curves, images, swapped, with_details


def with_settings(draw, **settings):
    with matplotlib.rc_context({name.replace("_", ".", 1): value for name, value in settings.items()}):
        return draw()


def noisy(picture):
    noise = np.random.RandomState(0).randint(-6, 7, np.shape(picture))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def shifted(picture):
    moved = Image.new("RGB", picture.size, "white")
    moved.paste(picture, (1, 0))
    return moved


def pairs():
    """Of each pair: whether it is the same to a reader, its name, and the two figures."""
    fewer = COUNTS - 300 * np.diag(np.eye(10)[3]).astype(int)
    exchanged = ("loss", "test accuracy", "train accuracy")
    return [
        (True, "other hinting", curves(), with_settings(curves, text_hinting="no_hinting")),
        (True, "no anti-aliasing of text", curves(), with_settings(curves, text_antialiased=False)),
        (True, "no snapping", curves(), with_settings(curves, path_snap=False)),
        (True, "noise of 2 %", curves(), noisy(curves())),
        (True, "curves shifted by a pixel", curves(), shifted(curves())),
        (True, "images shifted by a pixel", images(), shifted(images())),
        (False, "a curve moved by 0.02", curves(), curves(shift=0.02)),
        (False, "a curve missing", curves(), curves(without=2)),
        (False, "two names of the legend exchanged", curves(), curves(names=exchanged)),
        (False, "two colours exchanged", curves(), curves(colours=("C0", "C2", "C1"))),
        (False, "coat and shirt exchanged", confusion(), confusion(names=swapped(CLASSES, 4, 6))),
        (False, "one cell of a matrix", confusion(), confusion(counts=fewer)),
        (False, "a digit of the title", with_details(), with_details(title="accuracy 0.88")),
        (False, "a thin line", with_details(), with_details(line={"color": "C1", "linewidth": 0.5})),
    ]


def measures(a, b):
    """Each measure of a pair, as a distance."""
    arrays = [np.asarray(picture) for picture in (a, b)]
    mean, windows = structural_similarity(*arrays, channel_axis=2, full=True)
    return {
        "nbtolerance": figure_distance(a, b),
        "1 - SSIM": 1 - mean,
        "1 - SSIM, worst window": 1 - windows.min(),
        "pixelmatch, %": 100 * pixelmatch(a, b, threshold=0.1) / (a.width * a.height),
        "RMS": np.sqrt(np.mean((arrays[0].astype(float) - arrays[1]) ** 2)),
        "pHash": float(imagehash.phash(a) - imagehash.phash(b)),
    }


def main():
    rows = [(same, name, measures(a, b)) for same, name, a, b in pairs()]
    names = list(rows[0][2])
    print(f"| pair | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
    for same, name, found in rows:
        print(f"| {'same' if same else '**differs**'}: {name} | {' | '.join(f'{found[n]:.3g}' for n in names)} |")
    verdicts = []
    for measure in names:
        highest_same = max(found[measure] for same, _, found in rows if same)
        lowest_other = min(found[measure] for same, _, found in rows if not same)
        verdicts.append("**yes**" if highest_same < lowest_other else "no")
    print(f"| a bound fits between | {' | '.join(verdicts)} |")


if __name__ == "__main__":
    main()

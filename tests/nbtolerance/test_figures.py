import base64
import contextlib
import functools
import io

from d2lhelpers.data import mnist_arrays

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from nbformat.v4 import new_output
from PIL import Image

from nbtolerance import compare_outputs, figure_distance
from nbtolerance.figures import open_picture

CLASSES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
LOSS = np.array([1.16, 0.56, 0.47, 0.42, 0.38, 0.36, 0.34, 0.32, 0.30, 0.29])
COUNTS = np.random.RandomState(0).randint(0, 60, (10, 10)) + np.diag([800, 850, 780, 900, 820, 950, 700, 930, 960, 940])


def draw(paint, width=6, height=4):
    figure = Figure(figsize=(width, height))
    paint(figure)
    file = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(file, dpi=100)
    (picture,) = open_picture(file.getvalue())
    return picture


def curves(shift=0.0, names=("loss", "train accuracy", "test accuracy"), colours=("C0", "C1", "C2"), without=None):
    def paint(figure):
        axes = figure.subplots()
        for i, (name, colour) in enumerate(zip(names, colours)):
            values = [LOSS, 1 - LOSS / 2, 0.9 - LOSS / 3 + shift][i]
            axes.plot(np.arange(10) if i != without else [], values if i != without else [], color=colour, label=name)
        axes.set(xlabel="epoch", ylabel="value", title="LeNet on Fashion-MNIST", ylim=(0, 1.25))
        axes.grid()
        axes.legend()

    return draw(paint)


def confusion(names=CLASSES, counts=COUNTS):
    def paint(figure):
        axes = figure.subplots()
        axes.imshow(counts, cmap="Blues")
        axes.set_xticks(range(10), names, rotation=45, ha="right")
        axes.set_yticks(range(10), names)
        axes.set_title("Confusion matrix")
        figure.subplots_adjust(bottom=0.2)

    return draw(paint, 7, 6)


def images(order=range(8), titles=CLASSES):
    def paint(figure):
        for axes, number, title in zip(figure.subplots(2, 4).flat, order, titles):
            axes.imshow(np.random.RandomState(number).rand(7, 7).repeat(4, 0).repeat(4, 1), cmap="gray")
            axes.set_title(title)
            axes.axis("off")

    return draw(paint)


def swapped(names, i, j):
    names = list(names)
    names[i], names[j] = names[j], names[i]
    return names


FIGURES = {"curves": curves, "confusion": confusion, "images": images}
# From matplotlib 3.11 on the widths of hinted letters differ so much that a legend moves: see test_outlines.py.
NO_HINTING = [{"text.hinting": "no_hinting"}] if matplotlib.__version_info__ < (3, 11) else []


@functools.cache
def recorded_figure(name):
    return FIGURES[name]()


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    "settings",
    [
        {"text.hinting": "default"},
        {"text.hinting": "no_autohint"},
        *NO_HINTING,
        {"text.antialiased": False},
        {"path.snap": False},
        {"path.simplify": False},
    ],
    ids=lambda settings: "{}={}".format(*next(iter(settings.items()))),
)
def test_another_anti_aliasing_is_no_difference(name, settings):
    with matplotlib.rc_context(settings):
        new = FIGURES[name]()
    assert figure_distance(recorded_figure(name), new) == 0


@pytest.mark.parametrize("name", FIGURES)
def test_noise_and_a_shift_by_a_pixel_are_no_difference(name):
    recorded = recorded_figure(name)
    noise = np.random.RandomState(0).randint(-6, 7, np.shape(recorded))
    assert figure_distance(recorded, Image.fromarray((np.asarray(recorded) + noise).clip(0, 255).astype(np.uint8))) == 0
    for dx, dy in [(1, 0), (-1, 1)]:
        moved = Image.new("RGB", recorded.size, "white")
        moved.paste(recorded, (dx, dy))
        assert figure_distance(recorded, moved) == 0
    half = recorded.transform(
        recorded.size, Image.Transform.AFFINE, (1, 0, -0.5, 0, 1, -0.5), Image.Resampling.BILINEAR
    )
    half.paste(recorded.crop((0, 0, recorded.width, 2)))
    half.paste(recorded.crop((0, 0, 2, recorded.height)))
    assert figure_distance(recorded, half) == 0


@pytest.mark.parametrize(
    ("name", "change", "at_least"),
    [
        ("curves", {"without": 2}, 0.5),
        ("curves", {"without": 0}, 0.5),
        ("curves", {"names": ("loss", "test accuracy", "train accuracy")}, 0.05),
        ("curves", {"colours": ("C0", "C2", "C1")}, 0.5),
        ("curves", {"colours": ("C4", "C1", "C2")}, 0.3),
        ("curves", {"shift": 0.02}, 0.1),
        ("confusion", {"names": CLASSES[::-1]}, 0.3),
        ("confusion", {"names": swapped(CLASSES, 2, 3)}, 0.3),
        ("confusion", {"names": swapped(CLASSES, 4, 6)}, 0.05),  # coat and shirt: nearly as long
        ("confusion", {"counts": COUNTS.T[::-1]}, 0.5),
        ("confusion", {"counts": COUNTS - 300 * np.diag(np.eye(10)[3]).astype(int)}, 0.05),
        ("images", {"order": swapped(range(8), 2, 5)}, 0.3),
        ("images", {"order": range(1, 9)}, 0.3),
        ("images", {"titles": swapped(CLASSES, 2, 3)}, 0.05),
    ],
)
def test_what_a_reader_would_see_is_a_difference(name, change, at_least):
    assert at_least <= figure_distance(recorded_figure(name), FIGURES[name](**change)) <= 1


def with_details(style="--", line=None, title="accuracy 0.86", label="loss", number="30"):
    def paint(figure):
        axes = figure.subplots()
        axes.plot(LOSS, label=label)
        axes.plot([5, 9], [0.9, 0.9], style, color="C2")
        if line is not None:
            axes.plot(1 - LOSS, **line)
        axes.text(4, 1, number)
        axes.set(title=title, xlabel="epoch", ylabel=label, ylim=(0, 1.25))

    return draw(paint)


@pytest.mark.parametrize(
    "change",
    [
        {"style": "-"},
        {"title": "accuracy 0.88"},
        {"label": "lass"},
        {"number": "36"},
        {"line": {"color": "C1", "alpha": 0.4}},
        {"line": {"color": "C1", "linewidth": 0.5}},
        {"line": {"color": "C3", "linewidth": 1, "linestyle": ":"}},
        {"line": {"color": "lightgrey", "linestyle": "--"}},
    ],
    ids=lambda change: "-".join(map(str, change)),
)
def test_from_one_program_a_detail_counts_too(change):
    assert figure_distance(with_details(), with_details(**change)) > 0


def test_from_one_program_what_cannot_be_seen_does_not_count():
    recorded = recorded_figure("confusion")
    pixels = np.asarray(recorded) - 3 * (np.asarray(recorded) > 128)
    assert figure_distance(recorded, Image.fromarray(pixels.astype(np.uint8))) == 0


def test_the_farther_a_curve_moves_the_larger_the_distance():
    distances = [
        figure_distance(recorded_figure("curves"), curves(shift=shift)) for shift in (0, 0.01, 0.02, 0.04, 0.3)
    ]
    assert distances == sorted(distances) and distances[0] == 0 < 0.05 < distances[1] < 0.3 < 0.7 < distances[-1]


def test_other_size():
    assert figure_distance(Image.new("RGB", (9, 9)), Image.new("RGB", (9, 10))) == 1


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_may_be_cropped_a_pixel_more_or_less(name):
    recorded = recorded_figure(name)
    width, height = recorded.size
    for left, top, right, bottom in [(0, 1, width, height), (0, 0, width - 1, height), (-1, -1, width, height)]:
        cropped = Image.new("RGB", (right - left, bottom - top), "white")
        cropped.paste(recorded, (-left, -top))
        assert figure_distance(recorded, cropped) == figure_distance(cropped, recorded) == 0
    for left, top in [(2, 0), (0, 2), (-2, 0)]:
        cropped = Image.new("RGB", (width - left, height - top), "white")
        cropped.paste(recorded, (-left, -top))
        assert figure_distance(recorded, cropped) == 1


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (9, 1), (40, 3)])
def test_small_pictures(size):
    white = Image.new("RGB", size, "white")
    assert figure_distance(white, white.copy()) == 0
    assert figure_distance(white, Image.new("RGB", size, "black")) > 0


def output(picture, **options):
    file = io.BytesIO()
    picture.save(file, "png", **options)
    return [new_output("display_data", data={"image/png": base64.b64encode(file.getvalue()).decode()})]


def test_it_does_not_matter_which_picture_is_the_recorded_one():
    pairs = [(recorded_figure("curves"), curves(without=1)), (recorded_figure("images"), images(titles=CLASSES[::-1]))]
    for recorded, new in pairs:
        assert figure_distance(recorded, new) == figure_distance(new, recorded) > 0


def test_a_cell_may_widen_the_bound():
    recorded, new = output(recorded_figure("curves")), output(curves(shift=0.02))
    (difference,) = compare_outputs("plot()", recorded, new)
    assert "display_data 1 (image/png): the picture looks different, distance 0.1" in difference
    assert compare_outputs("# NBVAL_FIGURE: distance=0.3\nplot()", recorded, new) == []
    assert "0.1 allowed" in compare_outputs("# NBVAL_FIGURE: distance=0.1\nplot()", recorded, new)[0]


def test_pixels_count_and_not_bytes():
    picture = recorded_figure("curves")
    assert compare_outputs("", output(picture), output(picture, compress_level=0)) == []
    transparent = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    assert compare_outputs("", output(transparent), output(Image.new("RGB", (20, 20), "white"))) == []
    (difference,) = compare_outputs("", output(picture), output(picture.crop((0, 0, 600, 390))))
    assert "recorded 600x400 pixels, new 600x390" in difference


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_every_frame_of_an_animated_picture_counts(kind):
    def animated(*places):
        frames = [Image.new("RGB", (40, 40), "white") for _ in places]
        for frame, place in zip(frames, places):
            frame.paste("black", (place, 10, place + 8, 30))
        file = io.BytesIO()
        frames[0].save(file, kind, save_all=True, append_images=frames[1:])
        data = {f"image/{kind}": base64.b64encode(file.getvalue()).decode()}
        return [new_output("display_data", data=data)]

    recorded = animated(0, 10, 20)
    assert compare_outputs("", recorded, animated(0, 10, 20)) == []
    assert "looks different" in compare_outputs("", recorded, animated(0, 10, 30))[0]
    assert "recorded 3 frames, new 2" in compare_outputs("", recorded, animated(0, 10))[0]


def test_what_is_no_picture_is_a_difference():
    recorded = output(Image.new("RGB", (9, 9)))
    for text, sentence in {
        "AAAA": "expected the bytes of a picture",
        "A": "expected a picture in base64, got 'A'",
    }.items():
        (difference,) = compare_outputs("", recorded, [new_output("display_data", data={"image/png": text})])
        assert sentence in difference
    with pytest.raises(ValueError, match="expected the bytes of a picture"):
        open_picture(b"no picture")


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_a_picture_that_is_cut_off_anywhere_is_a_picture_or_said_to_be_none(kind):
    file, frames = io.BytesIO(), [Image.effect_noise((16, 16), sigma) for sigma in (30, 60)]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    for end in range(0, file.tell(), 3):
        with contextlib.suppress(ValueError):
            assert 1 <= len(open_picture(file.getvalue()[:end])) <= 2


def as_file(image, kind="png", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def differs(recorded, new):
    outputs = [
        [{"output_type": "display_data", "metadata": {}, "data": {"image/png": base64.b64encode(data).decode()}}]
        for data in (recorded, new)
    ]
    return bool(compare_outputs("", *outputs))


def test_16_bits_of_grey_are_16_bits():
    y, x = np.mgrid[:64, :96]
    across, down = (as_file(Image.fromarray((5000 + 200 * ramp).astype(np.uint16))) for ramp in (x, y))
    assert differs(across, down) and not differs(across, across)


def test_a_picture_is_turned_as_its_file_says():
    image = Image.fromarray(np.arange(60 * 60, dtype=np.uint8).reshape(60, 60))
    turned = image.getexif()
    turned[0x0112] = 3  # upside down
    for kind in ("png", "jpeg"):
        assert differs(as_file(image, kind), as_file(image, kind, exif=turned))
        assert not differs(as_file(image, kind, exif=turned), as_file(image, kind, exif=turned))


@pytest.mark.parametrize("options", [{"duration": 5000}, {"duration": 20, "loop": 3}])
def test_the_time_and_repetitions_of_an_animation_count(options):
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    animations = [
        as_file(frames[0], "gif", save_all=True, append_images=frames[1:], **{"loop": 0, **given})
        for given in ({"duration": 20}, options)
    ]
    assert differs(*animations) and not differs(animations[0], animations[0])


@pytest.mark.data("mnist")
def test_of_a_picture_of_few_pixels_each_counts():
    images = mnist_arrays()[2][:6].reshape(6, 28, 28)
    files = [as_file(Image.fromarray((image * 255).astype(np.uint8))) for image in images]
    found = [differs(a, b) for i, a in enumerate(files) for b in files[i + 1 :]]
    assert all(found)
    moved = np.roll(images[0], 1, axis=1)
    assert differs(files[0], as_file(Image.fromarray((moved * 255).astype(np.uint8))))


def test_a_large_picture_is_compared_smaller_and_a_huge_one_refused():
    page = Image.new("RGB", (2400, 1800), "white")
    drawn = page.copy()
    drawn.paste("black", (400, 400, 800, 460))
    assert figure_distance(page, drawn) > 0.3 and figure_distance(drawn, drawn.copy()) == 0
    with pytest.raises(ValueError, match="expected a picture of at most 60,000,000 pixels .*, got 1 of 9400x9400"):
        open_picture(as_file(Image.new("1", (9400, 9400))))

from d2lhelpers.plotting import plot_confusion_matrix, plot_curves, show_filters, show_images

import matplotlib
import mxnet as mx
import numpy as np
import pytest

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    matplotlib.pyplot.close("all")


def drawn(axis):
    """The picture on the axes, as it was given to matplotlib."""
    return np.asarray(axis.images[0].get_array())


@pytest.mark.parametrize("shape", [(5, 4, 6), (5, 1, 4, 6), (5, 3, 4, 6)])
def test_images_stand_in_order_with_their_titles(shape):
    images = np.random.default_rng(0).random(shape)
    axes = show_images(mx.nd.array(images), list("abcde"), num_cols=3, suptitle="all")
    assert axes.shape == (2, 3)
    for i, axis in enumerate(axes.flat[:5]):
        expected = images[i] if len(shape) == 3 else images[i].transpose(1, 2, 0).squeeze()
        np.testing.assert_allclose(drawn(axis), expected, atol=1e-6)
        assert axis.get_title() == "abcde"[i]
    assert not axes.flat[5].images and axes[0, 0].figure.get_suptitle() == "all"


def test_values_are_stretched_between_black_and_white():
    axes = show_images(np.array([[[-1.0, 0.0, 1.0, 3.0]]]), vmin=-1, vmax=1)
    assert drawn(axes[0, 0]).tolist() == [[0, 0.5, 1, 1]]
    assert axes[0, 0].images[0].get_clim() == (0, 1)


def test_filters_have_grey_for_zero_and_one_scale_for_all():
    weight = np.zeros((2, 2, 1, 2))
    weight[0, :, 0, 0], weight[1, :, 0, 1] = [1.0, 3.0], -4.0
    first, second = (drawn(axis).tolist() for axis in show_filters(mx.nd.array(weight)).flat)
    assert (first, second) == ([[0.75, 0.5]], [[0.5, 0.0]])
    assert drawn(show_filters(np.zeros((1, 1, 2, 2)))[0, 0]).tolist() == [[0.5, 0.5]] * 2


def test_curves_hold_their_points():
    axis = plot_curves([0, 1, 2], {"train": [3, 2, 1], "test": [3, 2.5, 2]}, "epoch", "loss", "A run")
    assert [line.get_xydata().tolist() for line in axis.lines] == [[[0, 3], [1, 2], [2, 1]], [[0, 3], [1, 2.5], [2, 2]]]
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_title()) == ("epoch", "loss", "A run")
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["train", "test"]
    assert all(float(tick).is_integer() for tick in axis.get_xticks())
    assert plot_curves([0.5, 1.5], {"one": [1, 2]}, "x", "y", "t").get_legend() is None
    assert plot_curves([0, 1], {"one": [0.4, 0.6]}, "x", "y", "t", ylim=(0, 1)).get_ylim() == (0, 1)
    later = plot_curves([0, 1], {"one": [0.4, 0.6]}, "x", "y", "t")
    later.plot([0, 1], [5, 5])
    assert later.get_ylim()[1] > 5  # the ordinate still follows what is drawn


def test_a_confusion_matrix_without_numbers():
    axis = plot_confusion_matrix(np.array([[3, 1], [0, 0]]), ["cat", "dog"], numbers=False)
    assert len(axis.texts) == 0 and axis.images[0].get_array().tolist() == [[0.75, 0.25], [0, 0]]


def test_a_confusion_matrix_is_in_fractions_of_the_true_class():
    axis = plot_confusion_matrix(np.array([[3, 1], [0, 0]]), ["cat", "dog"], "Pets")
    assert drawn(axis).tolist() == [[0.75, 0.25], [0, 0]]
    assert {(t.get_position(), t.get_text()) for t in axis.texts} == {((0, 0), "0.75"), ((1, 0), "0.25")}
    assert (
        [t.get_text() for t in axis.get_yticklabels()]
        == ["cat", "dog"]
        == [t.get_text() for t in axis.get_xticklabels()]
    )
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_title()) == ("predicted", "true", "Pets")


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: show_images(np.ones((2, 2))), r"not \(2, 2\)"),
        (lambda: show_images(np.ones((2, 2, 4, 4))), r"\(N, 3, H, W\) with N at least 1, not \(2, 2, 4, 4\)"),
        (lambda: show_images(np.ones((0, 4, 4))), r"not \(0, 4, 4\)"),
        (lambda: show_images(np.ones((2, 4, 4)), ["one"]), "2 images and 1 titles"),
        (lambda: show_images(np.ones((1, 4, 4)), 3), "titles must be texts, not 3"),
        (lambda: show_images(np.ones((1, 4, 4)), ["$\\frac{$"]), r"titles must be a text or a formula .* dollar sign"),
        (lambda: show_images(np.ones((1, 4, 4)), suptitle="$\\frac{$"), "suptitle must be a text or a formula"),
        (lambda: show_images(np.ones((1, 4, 4)), num_cols=0), "num_cols must be a whole number of at least 1, not 0"),
        (lambda: show_images("pictures"), "images must be an array of real numbers, not 'pictures'"),
        (lambda: show_images([[[1, 2], [3]]]), "images must be an array of real numbers"),
        (lambda: show_images(np.ones((1, 4, 4), complex)), "images must be an array of real numbers"),
        (lambda: show_images(np.full((1, 4, 4), np.nan)), "images must be finite numbers, and some are NaN"),
        (
            lambda: show_images(np.full((1, 4, 4), 255.0)),
            "numbers from 0 to 1, or whole ones to 255, .* not from 255 to",
        ),
        (lambda: show_images(-np.ones((1, 4, 4))), "not from -1 to -1: give both"),
        (lambda: show_images(np.full((1, 4, 4), 256)), "not from 256 to 256"),
        (lambda: show_images(np.ones((1, 4, 4)), vmin=1, vmax=1), "vmin, drawn black, must be below vmax, .* 1 and 1"),
        (lambda: show_images(np.ones((1, 4, 4)), vmax=np.nan), "vmax must be a finite number, not nan"),
        (lambda: show_images(np.ones((1, 4, 4)), vmin="0"), "vmin must be a finite number, not '0'"),
        (lambda: show_filters(np.ones((2, 4, 4))), r"num_filter, channels, kernel_h, kernel_w\), not \(2, 4, 4\)"),
        (lambda: show_filters(np.full((1, 1, 2, 2), np.inf)), "weight must be finite numbers"),
        (lambda: plot_curves([1], {}, "x", "y", "t"), "curves must map at least one name to numbers, not be {}"),
        (lambda: plot_curves([1], [1], "x", "y", "t"), r"not be \[1\]: give a dict"),
        (lambda: plot_curves([1], {"a": [1, 2]}, "x", "y", "t"), "the curve 'a' has 2 points and xs has 1"),
        (lambda: plot_curves([1], {"a": 1}, "x", "y", "t"), "the curve 'a' must be a list of numbers"),
        (lambda: plot_curves([1], {"a": ["b"]}, "x", "y", "t"), "the curve 'a' must be an array of real numbers"),
        (lambda: plot_curves([1, 2], {"a": [np.nan] * 2}, "x", "y", "t"), "at least one is finite, not "),
        (lambda: plot_curves([], {"a": []}, "x", "y", "t"), "xs must be a list of numbers"),
        (lambda: plot_curves([1], {"$\\frac{$": [1]}, "x", "y", "t"), "a curve's name must be a text or a formula"),
        (lambda: plot_curves([1], {"a": [1]}, "x", "$_$", "t"), "ylabel must be a text or a formula"),
        (lambda: plot_curves([1], {"a": [1]}, "x", "y", "t", ylim=1), "ylim must be two numbers, not 1"),
        (lambda: plot_curves([1], {"a": [1]}, "x", "y", "t", ylim=(0, np.nan)), "ylim's upper end must be a finite"),
        (lambda: plot_curves([1], {"a": [1]}, "x", "y", "t", ylim=(1, 1)), "ylim must be two different numbers"),
        (lambda: plot_confusion_matrix(np.ones((2, 2)), "abc"), r"must have shape \(3, 3\) for these names"),
        (lambda: plot_confusion_matrix([[1, -1], [0, 1]], "ab"), "counts of at least 0, not -1"),
        (lambda: plot_confusion_matrix([[1, np.nan], [0, 1]], "ab"), "matrix must be finite numbers"),
        (lambda: plot_confusion_matrix(np.ones((2, 2)), 2), "class_names must be texts, not 2"),
        (lambda: plot_confusion_matrix(np.ones((2, 2)), "ab", numbers="no"), "numbers must be True or False, not 'no'"),
    ],
)
def test_bad_input_is_refused_before_anything_is_drawn(call, message):
    with pytest.raises(ValueError, match=message) as raised:
        call()
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")
    assert matplotlib.pyplot.get_fignums() == []


def test_whole_numbers_up_to_255_are_bytes():
    picture = [[[0, 51], [255, 255]]]
    for images in (np.array(picture, np.uint8), mx.nd.array(picture, dtype="int32")):
        assert drawn(show_images(images)[0, 0]).tolist() == [[0, 0.2], [1, 1]]
    for images in (np.array([[[0, 1]]]), np.array([[[False, True]]]), np.array([[[0.0, 1.001]]])):
        assert drawn(show_images(images)[0, 0]).tolist() == [[0, 1]]


def test_curves_are_taken_from_mxnets_arrays_and_may_have_gaps():
    numbers = [mx.nd.array([1, 2, 3]), mx.np.array([1, 2, 3]), np.array([1, np.nan, 3])]
    axis = plot_curves(mx.nd.arange(3), dict(zip("abc", numbers)), "$x$", r"cost in \$", r"$\frac{1}{2}$ or $\frac{")
    assert [line.get_ydata().tolist()[::2] for line in axis.lines] == [[1, 3]] * 3
    axis.figure.canvas.draw()


def test_each_row_of_a_confusion_matrix_of_fractions_adds_up_to_one():
    axis = plot_confusion_matrix(mx.nd.array([[0.3, 0.1], [0.15, 0.45]]), ["cat", "dog"])
    np.testing.assert_allclose(drawn(axis), [[0.75, 0.25], [0.25, 0.75]], rtol=1e-6)

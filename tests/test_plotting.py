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
        (lambda: show_filters(np.ones((2, 4, 4))), r"num_filter, channels, kernel_h, kernel_w\), not \(2, 4, 4\)"),
        (lambda: plot_curves([1], {}, "x", "y", "t"), "holds no curve"),
        (lambda: plot_curves([1], {"a": [1, 2]}, "x", "y", "t"), "the curve 'a' has 2 points and xs has 1"),
        (lambda: plot_confusion_matrix(np.ones((2, 2)), "abc"), r"must have shape \(3, 3\) for these names"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

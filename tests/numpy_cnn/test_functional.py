from d2lhelpers.numpy_cnn import functional as F

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special

X = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])


@pytest.mark.parametrize(
    "function, expected",
    [
        (F.identity, X),
        (F.identity_grad, [1, 1, 1, 1, 1]),
        (F.step, [0, 0, 0, 1, 1]),
        (F.step_grad, [0, 0, 0, 0, 0]),
        (F.relu, [0, 0, 0, 0.5, 2]),
        (F.relu_grad, [0, 0, 0, 1, 1]),
        (F.sigmoid, special.expit(X)),
        (F.sigmoid_grad, special.expit(X) * special.expit(-X)),
    ],
)
def test_values(function, expected):
    np.testing.assert_allclose(function(X), expected, rtol=1e-14)


@pytest.mark.parametrize("name", ["identity", "step", "relu", "sigmoid"])
def test_gradient_is_the_slope(name):
    x = np.array([-3.0, -1.25, -0.1, 0.2, 1.0, 4.0])
    f, h = getattr(F, name), 1e-6
    np.testing.assert_allclose(getattr(F, name + "_grad")(x), (f(x + h) - f(x - h)) / (2 * h), atol=1e-9)


@pytest.mark.parametrize("name", [name for name in F.__all__ if name not in ("one_hot", "mean_squared_error")])
@pytest.mark.parametrize("dtype, kept", [("float32", "float32"), ("float64", "float64"), ("int32", "float64")])
def test_dtype_is_kept_and_the_argument_is_not_written_to(name, dtype, kept):
    x = np.array([[1, -2, 3], [0, 1, 0]], dtype=dtype)
    x.flags.writeable = False
    if name in ("cross_entropy", "softmax_loss"):
        t = np.array([2, 0])
        assert type(getattr(F, name)(np.abs(x), t)) is float
    else:
        y = getattr(F, name)(x)
        assert y.dtype == kept and y.shape == x.shape


def test_relu_grad_is_built_from_the_shape_and_not_from_the_values():
    assert F.relu_grad(np.array([1, 2, 3])).shape == (3,)


def test_sigmoid_does_not_overflow():
    np.testing.assert_array_equal(F.sigmoid(np.array([-1000.0, 1000.0])), [0.0, 1.0])
    np.testing.assert_allclose(F.sigmoid(np.float32([-80])), special.expit(np.float64([-80])), rtol=1e-5)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=2, max_side=6), elements=st.floats(-800, 800)))
def test_softmax_agrees_with_scipy(x):
    np.testing.assert_allclose(F.softmax(x), special.softmax(x, axis=-1), rtol=1e-12)
    np.testing.assert_allclose(F.log_softmax(x), special.log_softmax(x, axis=-1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(F.softmax(x).sum(axis=-1), 1)


def test_softmax_does_not_overflow():
    np.testing.assert_allclose(F.softmax([1000.0, 1000.0]), [0.5, 0.5])
    np.testing.assert_array_equal(F.log_softmax([1000.0, 0.0]), [0.0, -1000.0])


def test_mean_squared_error_is_twice_gluons_l2_loss(frozen):
    y, t = frozen(4, 3), frozen(4, 3)
    half = mx.gluon.loss.L2Loss()(mx.nd.array(y, dtype="float64"), mx.nd.array(t, dtype="float64")).mean().asscalar()
    assert F.mean_squared_error(y, t) == pytest.approx(2 * half)
    assert F.mean_squared_error([1, 2], [1, 4]) == 2.0
    with pytest.raises(ValueError, match="same shape"):
        F.mean_squared_error(np.zeros(3), np.zeros((3, 1)))


def test_cross_entropy_by_hand():
    y = np.array([[0.1, 0.6, 0.3], [0.2, 0.2, 0.6]])
    expected = -(np.log(0.6) + np.log(0.2)) / 2
    assert F.cross_entropy(y, [1, 0]) == pytest.approx(expected, abs=1e-6)
    assert F.cross_entropy(y[0], 1) == pytest.approx(-np.log(0.6), abs=1e-6)
    assert F.cross_entropy([0.0, 1.0], 0) == pytest.approx(-np.log(1e-7))


@pytest.mark.parametrize("loss", [F.cross_entropy, F.softmax_loss])
def test_labels_may_be_numbers_or_one_hot(loss, frozen):
    y, t = np.abs(frozen(5, 4)), np.array([0, 3, 2, 1, 3])
    assert loss(y, t) == loss(y, np.eye(4)[t]) == loss(y, t.astype("float32"))
    assert loss(y[0], t[0]) == loss(y[0], np.eye(4)[t[0]])


def test_softmax_loss_agrees_with_gluon_and_needs_no_epsilon(frozen):
    x, t = frozen(6, 10), np.array([1, 2, 3, 4, 5, 9])
    gluon = mx.gluon.loss.SoftmaxCrossEntropyLoss()(mx.nd.array(x, dtype="float64"), mx.nd.array(t, dtype="float64"))
    assert F.softmax_loss(x, t) == pytest.approx(gluon.mean().asscalar(), rel=1e-12)
    assert F.softmax_loss([0.0, 100.0], 0) == pytest.approx(100.0)


def test_one_hot():
    np.testing.assert_array_equal(F.one_hot([2, 0], 3), [[0, 0, 1], [1, 0, 0]])
    assert F.one_hot([2, 0], 3).dtype == np.float32


@pytest.mark.parametrize(
    "labels, message",
    [
        ([0, 3], r"labels must lie in 0\.\.2, got 0\.\.3"),
        ([-1, 0], r"labels must lie in 0\.\.2, got -1\.\.0"),
        ([0.5, 1], "not whole numbers"),
        ([float("nan"), 1], "not whole numbers"),
        (["a", "b"], "labels must be an array of real numbers"),
        ([0, 1, 2], r"labels of shape \(3,\) do not fit scores of shape \(2, 3\)"),
        ([[1, 0], [0, 1]], r"labels of shape \(2, 2\) do not fit"),
        ([[1, 0, 1], [0, 1, 0]], "add up to 1"),
        ([[2, -1, 0], [0, 1, 0]], "at least 0"),
    ],
)
def test_bad_labels(labels, message):
    for loss in (F.cross_entropy, F.softmax_loss):
        with pytest.raises(ValueError, match=message):
            loss(np.full((2, 3), 1 / 3), labels)


def test_bad_scores():
    with pytest.raises(ValueError, match=r"expected scores of shape \(C,\) or \(N, C\)"):
        F.softmax_loss(np.zeros((2, 3, 4)), np.zeros((2, 3), dtype=int))
    with pytest.raises(ValueError, match="x must be an array of real numbers"):
        F.relu(np.array([1j]))
    for array in (mx.nd.ones(2), mx.np.ones(2)):
        with pytest.raises(ValueError, match=r"expected a NumPy array, got MXNet's .*: call .asnumpy\(\)"):
            F.relu(array)


def test_float16_holds_the_results_and_wider_numbers_the_sums():
    scores = np.zeros((1, 100_000), np.float16)
    probabilities = F.softmax(scores)
    assert probabilities.dtype == np.float16 and probabilities.sum(dtype=np.float64) == pytest.approx(1, rel=0.01)
    assert F.log_softmax(scores)[0, 0] == pytest.approx(-np.log(100_000), rel=1e-3)
    assert F.softmax_loss(scores, [3]) == pytest.approx(np.log(100_000), rel=1e-3)
    assert F.mean_squared_error(np.float16([60_000]), np.float16([-60_000])) == 120_000**2


def test_many_classes_take_the_memory_of_their_rows_alone():
    rows = F.one_hot([0, 199_999], 200_000, np.int8)  # a unit matrix would take 40 GB
    assert rows.shape == (2, 200_000) and rows.sum() == rows[0, 0] + rows[1, -1] == 2
    assert F.one_hot(np.int64(1), 3).tolist() == [0, 1, 0] and F.one_hot([[2], [0]], 3).shape == (2, 1, 3)


@pytest.mark.parametrize("num_classes", [0, 2.0, "3", None])
def test_a_number_of_classes_is_whole(num_classes):
    with pytest.raises(ValueError, match="num_classes must be a whole number of at least 1"):
        F.one_hot([0], num_classes)

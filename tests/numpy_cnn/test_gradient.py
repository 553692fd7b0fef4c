from d2lhelpers.numpy_cnn import Affine, BatchNormalization, gradient, gradient_check
from d2lhelpers.numpy_cnn.gradient import layer_gradient_check, numerical_gradient, relative_error

import numpy as np
import pytest


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 1, 3, 2)])
def test_numerical_gradient_for_any_shape(shape, rng):
    x = np.asarray(rng.normal(size=shape))
    before = x.copy()
    g = numerical_gradient(lambda a: float((a**3).sum()), x)
    np.testing.assert_allclose(g, 3 * x**2, atol=1e-7)
    assert g.shape == shape
    np.testing.assert_array_equal(x, before)


def test_the_input_is_put_back_to_the_last_digit():
    x = np.array([1e-9, 1 / 3, 1e5 / 3])  # 1e-9 + h - h is not 1e-9
    before = x.copy()
    numerical_gradient(np.sum, x)
    np.testing.assert_array_equal(x, before)


def test_a_view_is_changed_in_place_where_it_lies(rng):
    whole = rng.normal(size=(4, 6))
    part = whole[::2, 1::2]
    g = numerical_gradient(lambda _: float((whole**2).sum()), part)  # f looks at the whole, not at its argument
    np.testing.assert_allclose(g, 2 * part, atol=1e-8)


def test_the_input_is_put_back_even_if_f_raises(rng):
    x = rng.normal(size=3)
    before = x.copy()

    def f(a):
        if a[1] != before[1]:
            raise ArithmeticError
        return 0.0

    with pytest.raises(ArithmeticError):
        numerical_gradient(f, x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("x", [np.arange(3), [1.0, 2.0], 3.0])
def test_only_arrays_of_floats_can_be_moved(x):
    with pytest.raises(ValueError, match="must be a NumPy array of float64"):
        numerical_gradient(np.sum, x)


def test_relative_error():
    assert relative_error([3.0, 4.0], [3.0, 4.0]) == 0
    assert relative_error([0.0], [0.0]) == 0
    assert relative_error([3e-9, 4e-9], [0.0, 0.0]) == 1
    assert relative_error([100.0], [101.0]) == pytest.approx(1 / 101)
    assert np.isnan(relative_error([np.nan], [1.0]))
    with pytest.raises(ValueError, match="same shape"):
        relative_error([1.0], [1.0, 2.0])


def test_gradient_check_reports_each_parameter(rng):
    arrays = {"a": rng.normal(size=3), "b": rng.normal(size=(2, 2))}
    gradients = {"a": 2 * arrays["a"], "b": np.ones((2, 2))}  # b's is wrong

    def loss():
        return float((arrays["a"] ** 2).sum() + 3 * arrays["b"].sum())

    errors = gradient_check(loss, arrays, gradients)
    assert errors["a"] < 1e-8 and errors["b"] == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="give both alike"):
        gradient_check(loss, arrays, {"a": gradients["a"]})


def test_layer_gradient_check_finds_a_wrong_backward_pass(rng):
    class Forgetful(Affine):
        def backward(self, dout):
            dx = super().backward(dout)
            self.grads["bias"] = np.zeros_like(self.grads["bias"])
            return dx

    errors = layer_gradient_check(Forgetful(rng.normal(size=(2, 3)), rng.normal(size=2)), rng.normal(size=(4, 3)))
    assert list(errors) == ["x", "weight", "bias"]
    assert errors["x"] < 1e-8 and errors["weight"] < 1e-8 and errors["bias"] == 1


def test_layer_gradient_check_leaves_the_layer_as_it_was(rng):
    layer = BatchNormalization(np.ones(3), np.zeros(3))
    layer_gradient_check(layer, rng.normal(size=(5, 3)) + 7)
    np.testing.assert_array_equal(layer.state["running_mean"], 0)


def test_the_module_names_what_it_offers():
    assert set(gradient.__all__) == {"gradient_check", "layer_gradient_check", "numerical_gradient", "relative_error"}

from d2lhelpers.numpy_cnn import OPTIMIZERS, SGD, Adam, Momentum, create_optimizer

import mxnet as mx
import numpy as np
import pytest

# Our name and options, Gluon's name and options. Where Gluon has epsilon inside the root it is 0 in both.
PAIRS = {
    "sgd": ({"lr": 0.1}, "sgd", {"learning_rate": 0.1}),
    "momentum": ({"lr": 0.1, "momentum": 0.8}, "sgd", {"learning_rate": 0.1, "momentum": 0.8}),
    "nesterov": ({"lr": 0.1, "momentum": 0.8}, "nag", {"learning_rate": 0.1, "momentum": 0.8}),
    "adagrad": ({"lr": 0.1, "epsilon": 0}, "adagrad", {"learning_rate": 0.1, "eps": 0}),
    "rmsprop": (
        {"lr": 0.1, "decay": 0.8, "epsilon": 0},
        "rmsprop",
        {"learning_rate": 0.1, "gamma1": 0.8, "epsilon": 0},
    ),
    "adam": ({"lr": 0.1}, "adam", {"learning_rate": 0.1}),
}


def test_all_six_are_compared():
    assert set(PAIRS) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", PAIRS)
def test_twenty_steps_agree_with_gluon(name, rng):
    options, gluon_name, gluon_options = PAIRS[name]
    params = {"a": rng.normal(size=(3, 4)).astype("float32"), "b": rng.normal(size=5).astype("float32")}
    theirs = {key: mx.gluon.Parameter(key, shape=array.shape) for key, array in params.items()}
    for key, parameter in theirs.items():
        parameter.initialize()
        parameter.set_data(mx.nd.array(params[key]))
    ours = create_optimizer(name, **options)
    trainer = mx.gluon.Trainer(list(theirs.values()), gluon_name, gluon_options)
    for _ in range(20):
        grads = {key: rng.normal(size=array.shape).astype("float32") for key, array in params.items()}
        ours.update(params, grads)
        for key, parameter in theirs.items():
            with mx.autograd.record():
                loss = (parameter.data() * mx.nd.array(grads[key])).sum()
            loss.backward()
        trainer.step(1)
    for key, array in params.items():
        assert array.dtype == "float32"
        np.testing.assert_allclose(array, theirs[key].data().asnumpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    "name, options, expected",
    [
        ("sgd", {"lr": 0.1}, [0.8, 0.6]),
        ("momentum", {"lr": 0.1, "momentum": 0.5}, [0.8, 0.5]),  # velocities -0.2, -0.3
        ("nesterov", {"lr": 0.1, "momentum": 0.5}, [0.7, 0.35]),  # 1 - 0.1 - 0.2, 0.7 - 0.15 - 0.2
        ("adagrad", {"lr": 0.1, "epsilon": 0}, [0.9, 0.9 - 0.1 / 2**0.5]),
        ("rmsprop", {"lr": 0.1, "decay": 0.75, "epsilon": 0}, [0.8, 0.8 - 0.1 / 0.4375**0.5]),
        ("adam", {"lr": 0.1, "epsilon": 0}, [0.9, 0.8]),  # equal gradients: steps of lr
    ],
)
def test_two_steps_by_hand(name, options, expected):
    params, optimizer = {"w": np.array([1.0])}, create_optimizer(name, **options)
    for value in expected:
        optimizer.update(params, {"w": np.array([2.0])})
        assert params["w"][0] == pytest.approx(value)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_change_in_place_and_gradients_do_not(name, dtype, frozen):
    optimizer = create_optimizer(name, lr=0.1)
    weight = frozen(3, dtype=dtype).copy()
    params, grads = {"w": weight}, {"w": frozen(3, dtype=dtype)}
    before = weight.copy()
    for _ in range(3):
        optimizer.update(params, grads)
    assert params["w"] is weight and weight.dtype == dtype and (weight != before).all()
    assert all(array.dtype == dtype for memory in optimizer._memory.values() for array in memory.values())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_valley_is_descended(name):
    options = {"adagrad": {"lr": 1.0}, "rmsprop": {"lr": 0.02}, "adam": {"lr": 0.3}}.get(name, {"lr": 0.05})
    params, optimizer = {"w": np.array([-7.0, 2.0])}, create_optimizer(name, **options)
    for _ in range(1000):
        optimizer.update(params, {"w": params["w"] * [0.1, 2.0]})
    assert np.abs(params["w"]).max() < 0.1


def test_each_parameter_has_a_memory_of_its_own():
    optimizer = Momentum(lr=1, momentum=0.5)
    params = {"a": np.zeros(1), "b": np.zeros(1)}
    for _ in range(2):
        optimizer.update(params, {"a": np.ones(1), "b": np.zeros(1)})
    assert params["a"] == -2.5 and params["b"] == 0


def test_adam_counts_updates_and_not_parameters():
    one, two = Adam(), Adam()
    a, b = {"x": np.ones(1)}, {"x": np.ones(1), "y": np.ones(1)}
    for step in range(5):
        one.update(a, {"x": np.full(1, step + 1.0)})
        two.update(b, {"x": np.full(1, step + 1.0), "y": np.ones(1)})
    assert a["x"] == b["x"]


@pytest.mark.parametrize("name", ["RMSprop", "rmsprop", "RMSPROP", "Adam"])
def test_capitals_do_not_matter(name):
    assert type(create_optimizer(name)).__name__.lower() == name.lower()


@pytest.mark.parametrize("name", ["rmsprpo", "", None])
def test_an_unknown_optimizer(name):
    with pytest.raises(
        ValueError, match="unknown optimiser .*: choose one of sgd, momentum, nesterov, adagrad, rmsprop"
    ):
        create_optimizer(name)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: SGD(lr=0), "lr must be a finite number above 0, not 0"),
        (lambda: SGD(lr=float("nan")), "lr must be a finite number above 0"),
        (lambda: Momentum(momentum=1), r"momentum must be .* at least 0 and below 1, not 1"),
        (lambda: Adam(beta2=-0.1), "beta2 must be"),
        (lambda: create_optimizer("rmsprop", decay=1.5), "decay must be"),
        (lambda: SGD(lr="0.1"), "lr must be a finite number above 0, not '0.1'"),
        (lambda: Adam(epsilon=-1), "epsilon must be a finite number of at least 0, not -1"),
        (lambda: create_optimizer("sgd", momentum=0.9), "SGD has no option momentum: choose of lr"),
        (lambda: SGD().update({"w": np.ones(2)}, {}), r"gradients are given for \[\], parameters for \['w'\]"),
        (lambda: SGD().update({"w": np.ones(2)}, {"w": np.ones(1)}), r"w has shape \(2,\) and its gradient \(1,\)"),
    ],
)
def test_bad_numbers(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_nothing_changes_if_one_shape_is_wrong():
    params = {"a": np.ones(2), "b": np.ones(2)}
    with pytest.raises(ValueError, match="must be alike"):
        SGD().update(params, {"a": np.ones(2), "b": np.ones(3)})
    assert (params["a"] == 1).all()

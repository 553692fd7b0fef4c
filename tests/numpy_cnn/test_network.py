import pickle
import subprocess
import sys
import zipfile

from d2lhelpers.numpy_cnn import (
    Affine,
    BatchNormalization,
    Dropout,
    Network,
    Relu,
    SimpleConvNet,
    gradient_check,
    relative_error,
)

import mxnet as mx
import numpy as np
import pytest

SMALL = {"input_shape": (1, 8, 8), "num_filters": 3, "kernel": 3, "hidden": 5, "num_classes": 4, "weight_std": 0.5}
NAMES = ["conv.weight", "conv.bias", "affine1.weight", "affine1.bias", "affine2.weight", "affine2.bias"]


@pytest.fixture
def net():
    return SimpleConvNet(**SMALL, seed=1, dtype=np.float64)


@pytest.fixture
def batch(rng):
    return rng.normal(size=(6, 1, 8, 8)), np.array([0, 1, 2, 3, 0, 1])


def test_the_published_network():
    net = SimpleConvNet()
    assert {name: array.shape for name, array in net.params.items()} == {
        "conv.weight": (30, 1, 5, 5),
        "conv.bias": (30,),
        "affine1.weight": (100, 4320),
        "affine1.bias": (100,),
        "affine2.weight": (10, 100),
        "affine2.bias": (10,),
    }
    assert sum(array.size for array in net.params.values()) == 433890
    assert net.params["affine1.weight"].std() == pytest.approx(0.01, rel=0.01)
    assert all((net.params[f"{layer}.bias"] == 0).all() for layer in ("conv", "affine1", "affine2"))
    assert {array.dtype for array in net.params.values()} == {np.dtype("float32")}


def test_back_propagation_agrees_with_numerical_gradients(net, batch):
    assert list(net.params) == NAMES
    errors = gradient_check(lambda: net.loss(*batch), net.params, net.gradient(*batch))
    assert max(errors.values()) < 1e-7, errors
    numerical = net.numerical_gradient(*batch)
    assert all(relative_error(numerical[name], gradient) < 1e-7 for name, gradient in net.gradient(*batch).items())


def test_back_propagation_agrees_with_gluon(net, batch, autograd):
    x, t = batch
    labels = mx.nd.array(t)

    def loss(x, w1, b1, w2, b2, w3, b3):
        h = mx.nd.relu(mx.nd.Convolution(x, w1, b1, kernel=(3, 3), num_filter=3))
        h = mx.nd.Pooling(h, kernel=(2, 2), stride=(2, 2))
        h = mx.nd.relu(mx.nd.FullyConnected(h, w2, b2, num_hidden=5))
        return mx.gluon.loss.SoftmaxCrossEntropyLoss()(mx.nd.FullyConnected(h, w3, b3, num_hidden=4), labels).mean()

    expected, (_, *gradients) = autograd(loss, None, x, *net.params.values())
    ours, grads = net.loss_and_gradient(x, t)
    assert ours == pytest.approx(expected.item(), rel=1e-10)
    for (name, gradient), theirs in zip(grads.items(), gradients):
        np.testing.assert_allclose(gradient, theirs, rtol=1e-7, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept_and_the_input_is_not_written_to(dtype, frozen):
    net = SimpleConvNet(**SMALL, dtype=dtype)
    x = frozen(5, 1, 8, 8, dtype=dtype)
    loss, grads = net.loss_and_gradient(x, [0, 1, 2, 3, 0])
    assert type(loss) is float and net.predict(x).dtype == dtype
    assert {array.dtype for array in (*grads.values(), *net.params.values())} == {np.dtype(dtype)}


def test_the_seed_decides_the_weights():
    one, same, other = (SimpleConvNet(**SMALL, seed=seed).params["conv.weight"] for seed in (1, 1, 2))
    assert (one == same).all() and (one != other).any()


def test_accuracy_looks_at_all_samples_and_divides_by_all(net, rng):
    x = rng.normal(size=(25, 1, 8, 8))
    t = net.predict(x).argmax(axis=1)
    assert net.accuracy(x, t, batch_size=10) == 1.0
    wrong = t.copy()
    wrong[-1] = (t[-1] + 1) % 4  # in the last, partial minibatch
    assert net.accuracy(x, wrong, batch_size=10) == 24 / 25
    assert net.accuracy(x, np.eye(4)[wrong], batch_size=10) == 24 / 25


def test_predictions_do_not_depend_on_the_minibatch(net, rng):
    x = rng.normal(size=(7, 1, 8, 8))
    for batch_size in (1, 3, 7, 100):
        np.testing.assert_allclose(net.predict(x, batch_size), net.forward(x), rtol=1e-12)


def test_parameters_are_the_layers_own_arrays(net, batch):
    before = net.loss(*batch)
    net.params["affine2.bias"] += [1.0, -1.0, 2.0, -2.0]
    assert net.loss(*batch) != before


def with_state(seed):
    rng = np.random.default_rng(seed)
    return Network(
        {
            "dense": Affine(rng.normal(size=(6, 4)), rng.normal(size=6)),
            "norm": BatchNormalization(np.ones(6), np.zeros(6)),
            "relu": Relu(),
            "drop": Dropout(0.5, seed=3),
            "out": Affine(rng.normal(size=(3, 6)), rng.normal(size=3)),
        }
    )


def test_layers_know_whether_the_network_trains(rng):
    net, x, t = with_state(0), rng.normal(size=(9, 4)) + 2, np.arange(9) % 3
    before = net.layers["norm"].state["running_mean"].copy()
    np.testing.assert_array_equal(net.predict(x), net.predict(x))
    net.accuracy(x, t)
    np.testing.assert_array_equal(net.layers["norm"].state["running_mean"], before)
    net.gradient(x, t)
    assert (net.layers["norm"].state["running_mean"] != before).all()


def test_a_saved_network_predicts_the_same(tmp_path, rng):
    net, x = with_state(0), rng.normal(size=(9, 4))
    net.gradient(x, np.arange(9) % 3)  # moves the running statistics
    net.save(tmp_path / "net.npz")
    other = with_state(1)
    arrays = other.params
    assert (other.predict(x) != net.predict(x)).any()
    other.load(tmp_path / "net.npz")
    np.testing.assert_array_equal(other.predict(x), net.predict(x))
    assert all(other.params[name] is array for name, array in arrays.items())  # in place


def test_loading_keeps_the_dtype_of_the_network(tmp_path, net):
    net.save(tmp_path / "net.npz")
    single = SimpleConvNet(**SMALL, dtype=np.float32)
    single.load(tmp_path / "net.npz")
    assert single.params["conv.weight"].dtype == np.float32
    np.testing.assert_allclose(single.params["conv.weight"], net.params["conv.weight"], rtol=1e-6)


def damaged(name, array):
    return lambda arrays: {**arrays, name: array}


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda arrays: {k: v for k, v in arrays.items() if k != "conv.bias"}, "build the network that was saved"),
        (damaged("extra", np.zeros(1)), "build the network that was saved"),
        (damaged("conv.bias", np.zeros(4)), r"conv.bias has shape \(4,\) in the file and \(3,\) in the network"),
        (
            damaged("conv.bias", np.array([1, 2, np.longdouble("1e400")])),
            "finite floats in float64: the file is damaged",
        ),
        (damaged("conv.bias", np.array([1, 2, np.nan])), "conv.bias in the file is not an array of finite floats"),
        (damaged("affine2.bias", np.arange(4)), "affine2.bias in the file is not an array of finite floats"),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(change, message, tmp_path, net):
    np.savez(tmp_path / "net.npz", **change({name: array + 1 for name, array in net.params.items()}))
    before = {name: array.copy() for name, array in net.params.items()}
    with pytest.raises(ValueError, match=message):
        net.load(tmp_path / "net.npz")
    for name, array in net.params.items():
        np.testing.assert_array_equal(array, before[name])


def test_a_number_too_large_for_the_networks_dtype_changes_nothing(tmp_path, net):
    single = SimpleConvNet(**SMALL, dtype=np.float32)
    before = {name: array.copy() for name, array in single.params.items()}
    net.params["affine2.bias"][0] = 1e300
    net.save(tmp_path / "net.npz")
    with pytest.raises(ValueError, match="affine2.bias in the file is not an array of finite floats in float32"):
        single.load(tmp_path / "net.npz")
    assert all((array == before[name]).all() for name, array in single.params.items())


def test_a_damaged_archive_changes_nothing(tmp_path, net):
    path = tmp_path / "net.npz"
    net.save(path)
    np.savez_compressed(tmp_path / "compressed.npz", **net.params)
    before = {name: array.copy() for name, array in net.params.items()}
    reasons = set()
    for data in (path.read_bytes(), (tmp_path / "compressed.npz").read_bytes()):
        for place in range(0, len(data), 7):
            path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
            try:
                net.load(path)  # a bit of, say, a date does no harm
            except ValueError as error:
                reasons.add(type(error.__cause__).__name__)
            assert all((array == before[name]).all() for name, array in net.params.items())
    assert {"BadZipFile", "error", "NotImplementedError"} <= reasons


def test_a_member_that_is_no_array_is_refused(tmp_path, net):
    np.savez(tmp_path / "net.npz", **{name: array for name, array in net.params.items() if name != "conv.bias"})
    with zipfile.ZipFile(tmp_path / "net.npz", "a") as archive:
        archive.writestr("conv.bias", "1 2 3")
    with pytest.raises(ValueError, match="conv.bias in the file is not an array of finite floats"):
        net.load(tmp_path / "net.npz")


def test_pickles_are_refused(tmp_path, net):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    with open(tmp_path / "params.pkl", "wb") as file:
        pickle.dump(Harm(), file)
    np.savez(tmp_path / "object.npz", **{**net.params, "conv.bias": np.array([Harm()], dtype=object)})
    with pytest.raises(ValueError, match="not an .npz archive"):
        net.load(tmp_path / "params.pkl")
    with pytest.raises(ValueError, match="allow_pickle=False"):
        net.load(tmp_path / "object.npz")
    assert not (tmp_path / "harm").exists()


def test_a_missing_file(tmp_path, net):
    with pytest.raises(FileNotFoundError):
        net.load(tmp_path / "nothing.npz")


@pytest.mark.parametrize(
    "x, t, message",
    [
        (np.full((2, 1, 8, 8), np.nan), [0, 1], "the input holds NaN or infinity"),
        (np.full((2, 1, 8, 8), np.inf), [0, 1], "the input holds NaN or infinity"),
        (np.zeros((0, 1, 8, 8)), [], "expected at least one sample"),
        (np.zeros((2, 8, 8)), [0, 1], r"expected images of shape \(N, 1, H, W\), got \(2, 8, 8\)"),
        (np.zeros((2, 3, 8, 8)), [0, 1], r"expected images of shape \(N, 1, H, W\)"),
        (np.zeros((2, 1, 9, 11)), [0, 1], "expected a minibatch .* with 27 numbers in each sample"),
        (np.zeros((2, 1, 8, 8)), [0, 4], r"labels must lie in 0\.\.3, got 0\.\.4"),
        (np.zeros((2, 1, 8, 8)), [0, 1, 2], "do not fit scores"),
    ],
)
def test_bad_input(net, x, t, message):
    for use in (net.gradient, net.loss, net.accuracy):
        with pytest.raises(ValueError, match=message):
            use(x, t)


def test_an_image_smaller_than_its_filters():
    with pytest.raises(ValueError, match="A kernel that spans 5 does not fit into an input of 4"):
        SimpleConvNet(input_shape=(1, 4, 4))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"input_shape": (28, 28)}, r"input_shape must be \(C, H, W\) of one image, got \(28, 28\)"),
        ({"input_shape": 28}, r"input_shape must be \(C, H, W\)"),
        ({"input_shape": (0, 8, 8)}, "each number of input_shape must be a whole number of at least 1, not 0"),
        ({"input_shape": (1, 8.0, 8)}, "each number of input_shape must be a whole number of at least 1, not 8.0"),
        ({"kernel": 2.5}, "kernel must be one whole number of at least 1"),
        ({"kernel": (3, 3, 3)}, "kernel must be one whole number of at least 1 or two"),
        ({"num_filters": 0}, "num_filters must be a whole number of at least 1, not 0"),
        ({"hidden": -1}, "hidden must be a whole number of at least 1, not -1"),
        ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
        ({"weight_std": -1}, "weight_std must be a finite number of at least 0, not -1"),
        ({"weight_std": "0.1"}, "weight_std must be a finite number of at least 0, not '0.1'"),
        ({"dtype": np.int32}, "dtype must be a floating-point type, not <class 'numpy.int32'>: give for example"),
        ({"dtype": "number"}, "dtype must be a floating-point type, not 'number'"),
        ({"num_classes": 10.0}, "num_classes must be a whole number of at least 1, not 10.0"),
    ],
)
def test_impossible_sizes(change, message):
    with pytest.raises(ValueError, match=message):
        SimpleConvNet(**{**SMALL, **change})


def test_minibatches_hold_at_least_one_sample(net, batch):
    for batch_size in (0, -1, 2.5):
        with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1"):
            net.accuracy(*batch, batch_size=batch_size)


def test_the_package_needs_numpy_alone():
    code = "import sys, d2lhelpers.numpy_cnn; print([m for m in ('mxnet', 'd2l', 'scipy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

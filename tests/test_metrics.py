from d2lhelpers.metrics import accuracy, accuracy_by_class, as_numpy, confusion_matrix, evaluate_accuracy

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import gluon


@pytest.fixture(params=["nd", "np"])
def array(request):
    """Makes arrays of either of MXNet's kinds; `mx.np` ones with and without its semantics switched on."""
    return getattr(mx, request.param).array


@pytest.fixture(params=[False, True])
def semantics(request):
    if request.param:
        mx.npx.set_np()
    yield
    mx.npx.reset_np()


TYPES = ["int32", "int64", "uint8", "float32", "float64"]


@pytest.mark.parametrize("dtype", TYPES)
def test_accuracy_by_hand(array, semantics, dtype):
    output = array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    found = accuracy(output, array([1, 0, 0], dtype=dtype))
    assert type(found) is float and found == 2 / 3


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 70), st.integers(0, 10**6))
def test_both_count_samples_as_brute_force_does(samples, classes, batch_size, seed):
    rng = np.random.default_rng(seed)
    output = rng.standard_normal((samples, classes)).astype(np.float32)
    label = rng.integers(0, classes, samples)
    expected = sum(max(range(classes), key=row.__getitem__) == y for row, y in zip(output, label)) / samples
    batches = [
        (mx.nd.array(output[i : i + batch_size]), mx.nd.array(label[i : i + batch_size], dtype="int32"))
        for i in range(0, samples, batch_size)
    ]
    assert accuracy(mx.nd.array(output), mx.nd.array(label)) == pytest.approx(expected, abs=1e-12)
    assert evaluate_accuracy(batches, lambda X: X) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int32"])
def test_samples_and_classes_are_counted_beyond_what_the_scores_type_can_hold(array, semantics, dtype):
    output = np.zeros((2501, 2100), np.int8)
    output[:, 2099] = 1  # float16 has no 2099 and no 2501
    label = np.full(2501, 2099)
    label[0] = 2100  # no class: counts as wrong
    assert accuracy(array(output, dtype=dtype), array(label, dtype="int32")) == 2500 / 2501


def test_a_small_last_batch_weighs_what_it_holds(array, semantics):
    right, wrong = array([[0.0, 1.0]] * 4), array([[1.0, 0.0]])
    batches = [(right, array([1, 1, 1, 1])), (wrong, array([1]))]
    assert evaluate_accuracy(batches, lambda X: X) == 0.8  # the mean of the batches' accuracies would be 0.5


@pytest.fixture
def waits(monkeypatch):
    counted = []
    for name in ("asnumpy", "asscalar", "wait_to_read"):
        original = getattr(mx.nd.NDArray, name)

        def spy(self, original=original, name=name):
            counted.append(name)
            return original(self)

        monkeypatch.setattr(mx.nd.NDArray, name, spy)
    return counted


def test_evaluation_waits_once(waits):
    batches = [(mx.nd.ones((2, 3)), mx.nd.zeros(2))] * 5
    assert evaluate_accuracy(batches, lambda X: X) == 1.0
    assert waits == ["asnumpy"]


def test_data_go_where_the_net_is_or_where_the_caller_says():
    seen = []

    class Spy(gluon.nn.Dense):
        def forward(self, x):
            seen.append(x.context)
            return super().forward(x)

    net = Spy(2)
    net.initialize(ctx=[mx.cpu(1), mx.cpu(2)])
    batches = [(mx.nd.ones((3, 4)), mx.nd.zeros(3))]
    evaluate_accuracy(batches, net)
    evaluate_accuracy(batches, net, mx.cpu(2))
    assert seen == [mx.cpu(1), mx.cpu(2)]


def test_an_uninitialised_net_is_named():
    with pytest.raises(RuntimeError, match="not initialised"):
        evaluate_accuracy([(mx.nd.ones((3, 4)), mx.nd.zeros(3))], gluon.nn.Dense(2))


def test_a_batch_of_numpys_arrays_is_refused():
    net = gluon.nn.Dense(2)
    net.initialize()
    with pytest.raises(ValueError, match="expected MXNet arrays, got ndarray"):
        evaluate_accuracy([(np.ones((3, 4), np.float32), np.zeros(3))], net)


@pytest.mark.parametrize("empty", [[], iter(())])
def test_an_empty_iterator_is_refused(empty):
    with pytest.raises(ValueError, match="yielded no batch"):
        evaluate_accuracy(empty, lambda X: X)


@pytest.mark.parametrize(
    "output, label, message",
    [
        (mx.nd.ones((3, 2)), mx.nd.ones(2), "3 rows and label 2"),
        (mx.nd.ones(3), mx.nd.ones(3), r"not \(3,\) and \(3,\)"),
        (mx.nd.ones((3, 2)), mx.nd.ones((3, 1)), r"not \(3, 2\) and \(3, 1\)"),
        (mx.nd.ones((1, 2, 2)), mx.nd.ones(1), r"not \(1, 2, 2\)"),
        (np.ones((3, 2)), mx.nd.ones(3), "must be MXNet arrays .* not ndarray and NDArray"),
        (mx.nd.ones((3, 2)), [0, 1, 1], "NDArray and list"),
    ],
)
def test_bad_pairs_are_refused(output, label, message):
    with pytest.raises(ValueError, match=message):
        accuracy(output, label)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.integers(1, 50), st.integers(0, 10**6))
def test_confusion_matrix_as_brute_force_counts(classes, samples, seed):
    rng = np.random.default_rng(seed)
    label, prediction = rng.integers(0, classes, (2, samples))
    expected = [[sum((label == i) & (prediction == j)) for j in range(classes)] for i in range(classes)]
    matrix = confusion_matrix(mx.nd.array(label), list(prediction), classes)
    assert matrix.tolist() == expected
    recalls = accuracy_by_class(label, prediction, classes)
    for number in range(classes):
        of_class = label == number
        expected = (prediction[of_class] == number).mean() if of_class.any() else np.nan
        np.testing.assert_equal(recalls[number], expected)


@pytest.mark.parametrize(
    "label, prediction, message",
    [
        ([0, 1], [0], "2 labels and 1 predictions"),
        ([], [], "0 labels and 0 predictions"),
        ([0, 3], [0, 1], "label must hold class numbers from 0 to 2, not 3"),
        ([0, 1], [0, -1], "prediction must hold class numbers from 0 to 2, not -1"),
        ([0.5], [0], "not 0.5"),
        ([[0]], [0], r"must have shape \(samples,\), not \(1, 1\)"),
    ],
)
def test_bad_class_numbers_are_refused(label, prediction, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(label, prediction, 3)


def test_no_sample_is_refused():
    mx.npx.set_np()
    try:
        with pytest.raises(ValueError, match=r"shape \(0, 2\): there is nothing to count"):
            accuracy(mx.np.ones((0, 2)), mx.np.ones(0))
    finally:
        mx.npx.reset_np()


def test_as_numpy(array):
    for values in (array([[1.0, 2.0]]), [[1.0, 2.0]], np.array([[1.0, 2.0]])):
        assert type(as_numpy(values)) is np.ndarray and as_numpy(values).tolist() == [[1.0, 2.0]]

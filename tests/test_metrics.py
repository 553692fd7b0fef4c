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


def test_a_row_that_holds_nan_is_no_hit(array, semantics):
    nan = float("nan")
    output = array([[nan, nan], [nan, 1], [1, nan], [2, 1], [-np.inf, 0]])
    assert accuracy(output, array([0, 0, 0, 0, 1])) == 2 / 5
    assert accuracy(output, array([1, 1, 1, 1, 0])) == 0


def test_nothing_is_recorded_and_the_network_predicts_whatever_goes_on_outside():
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dropout(0.9), gluon.nn.Dense(2))
    net.initialize()
    batches = [(mx.nd.random.normal(shape=(50, 4)), mx.nd.zeros(50))]
    expected = evaluate_accuracy(batches, net)
    with mx.autograd.record():
        assert [evaluate_accuracy(batches, net) for _ in range(3)] == [expected] * 3
        assert mx.autograd.is_recording() and mx.autograd.is_training()
        outputs = []
        evaluate_accuracy(batches, lambda X: outputs.append(net(X)) or outputs[0])
    with pytest.raises(mx.MXNetError):
        outputs[0].backward()  # not recorded


def test_data_go_where_the_net_is_or_where_the_caller_says():
    seen = []

    class Spy(gluon.nn.Dense):
        def forward(self, x):
            seen.append(x.context)
            return super().forward(x)

    net = Spy(2)
    net.initialize(ctx=mx.cpu(1))
    batches = [(mx.nd.ones((3, 4)), mx.nd.zeros(3))]
    evaluate_accuracy(batches, net)
    net.collect_params().reset_ctx([mx.cpu(1), mx.cpu(2)])
    evaluate_accuracy(batches, net, mx.cpu(2))
    evaluate_accuracy(batches, lambda X: seen.append(X.context) or X, mx.cpu(3))
    assert seen == [mx.cpu(1), mx.cpu(2), mx.cpu(3)]


def test_an_uninitialised_net_is_named():
    with pytest.raises(RuntimeError, match="not initialised"):
        evaluate_accuracy([(mx.nd.ones((3, 4)), mx.nd.zeros(3))], gluon.nn.Dense(2))


def test_a_batch_of_numpys_arrays_is_refused():
    net = gluon.nn.Dense(2)
    net.initialize()
    with pytest.raises(ValueError, match="expected MXNet arrays, got ndarray"):
        evaluate_accuracy([(np.ones((3, 4), np.float32), np.zeros(3))], net)


X, y = mx.nd.ones((4, 3)), mx.nd.array([0, 1, 2, 0], dtype="int32")


@pytest.mark.parametrize(
    ("iterator", "message"),
    [
        (mx.io.NDArrayIter(X, y, 2), r"must yield pairs \(X, y\), and NDArrayIter does not: give ArrayIterator"),
        (X, r"must yield minibatches \(X, y\), not be "),
        (None, r"must yield minibatches \(X, y\), not be None"),
        ("Xy", r"must yield minibatches \(X, y\), not be 'Xy'"),
        ([X], r"must yield pairs \(X, y\), not "),
        ([(X, y, y)], r"must yield pairs \(X, y\), not "),
        (iter([(X, None)]), "expected MXNet arrays, got NoneType"),
        ([(X, mx.nd.one_hot(y, 3))], r"not \(4, 3\): give y.argmax\(axis=1\) of one-hot rows"),
        ([(X, y.reshape((4, 1)))], r"one class number a sample, not \(4, 1\): reshape it"),
        (iter([(X, y[:2])]), r"2 rows for 2 labels, not \(4, 3\): check that X and y are of one length"),
    ],
)
def test_what_are_no_minibatches_is_refused(iterator, message):
    with pytest.raises(ValueError, match=message) as raised:
        evaluate_accuracy(iterator, lambda X: X)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (5, "net must be a Gluon block or a function, not 5"),
        (lambda X: (X, X), "must return one array .* not a tuple"),
        (lambda X: X.sum(axis=1), r"not \(4,\)"),
        (lambda X: mx.nd.dot(X, X), r"X of mx.nd arrays of shape \(4, 3\) and dtype float32"),
        (lambda X: mx.np.dot(X, X), "the network does not take minibatches"),
    ],
)
def test_what_gives_no_scores_is_refused(net, message):
    with pytest.raises(ValueError, match=message) as raised:
        evaluate_accuracy([(X, y)], net)
    assert "\n" not in str(raised.value)


def test_an_error_of_the_networks_own_is_left_alone():
    with pytest.raises(TypeError, match="my own"):
        evaluate_accuracy([(X, y)], lambda X: (_ for _ in ()).throw(TypeError("my own")))


@pytest.mark.parametrize("context", ["cpu", 0, mx.cpu(1), [mx.cpu(0), mx.cpu(1)]])
def test_a_context_where_the_network_is_not_is_refused(context):
    net = gluon.nn.Dense(2)
    net.initialize()
    with pytest.raises(ValueError, match="context (must be|is) "):
        evaluate_accuracy([(X, y)], net, context)


def test_yes_and_no_are_labels_too():
    mx.npx.set_np()
    try:
        scores = mx.np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
        assert evaluate_accuracy([(scores, mx.np.array([2, 0, 3]) > 1)], lambda X: X) == 2 / 3
    finally:
        mx.npx.reset_np()


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

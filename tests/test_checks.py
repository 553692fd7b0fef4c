import fractions

from d2lhelpers.checks import as_numpy, flag, number, one_of, pair, real_numbers, shown, whole

import mxnet as mx
import numpy as np
import pytest


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_a_whole_number_comes_back_as_pythons(value):
    number = whole(value, "size", 1)
    assert number == 3 and type(number) is int


@pytest.mark.parametrize("value", [0, -1, 2.0, np.float32(2), "2", None, True, np.True_, [2], fractions.Fraction(2)])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ValueError) as raised:
        whole(value, "size", 1, example=28)
    assert str(raised.value) == f"size must be a whole number of at least 1, not {value!r}: give for example 28."


def test_a_range_has_both_its_ends():
    assert [whole(value, "seed", 2, most=5) for value in (2, 5)] == [2, 5]
    for value in (1, 6):
        with pytest.raises(ValueError, match=f"must be a whole number from 2 to 5, not {value}: give for example 2"):
            whole(value, "seed", 2, most=5)


@pytest.mark.parametrize("value", [(2, 3), [2, 3], np.array([2, 3]), (np.int64(2), np.uint8(3))])
def test_two_whole_numbers_are_a_pair(value):
    assert pair(value, "stride", 1) == (2, 3) and all(type(number) is int for number in pair(value, "stride", 1))


def test_one_whole_number_is_a_pair():
    assert pair(2, "stride", 1) == pair(np.array(2), "stride", 1) == (2, 2)


@pytest.mark.parametrize("value", [0, (2, 0), (2,), (2, 3, 4), (2, 3.0), 2.5, "23", None, np.ones((2, 2), int), {2, 3}])
def test_what_is_no_pair_is_refused(value):
    with pytest.raises(ValueError, match="stride must be one whole number of at least 1 or two .* example \\(1, 1\\)"):
        pair(value, "stride", 1)


def test_a_choice_is_one_of_those_that_are_named():
    one_of("max", "kind", ("max", "avg"))
    with pytest.raises(ValueError, match="kind must be one of 'max', 'avg', not 'min': choose one"):
        one_of("min", "kind", ("max", "avg"))


def test_what_is_shown_in_a_sentence_is_short_and_on_one_line():
    assert shown(np.eye(2)) == "array([[1., 0.], [0., 1.]])"
    assert len(shown(np.zeros(10**6))) <= 60 and len(shown("x" * 10**6)) == 60


@pytest.mark.parametrize("make", [mx.nd.array, mx.np.array, np.array, list])
def test_every_kind_of_array_becomes_numpys(make):
    array = as_numpy(make([1.0, 2.0]))
    assert type(array) is np.ndarray and array.tolist() == [1, 2]


@pytest.mark.parametrize("value", [2, 2.0, np.float16(2), np.int64(2), fractions.Fraction(2)])
def test_a_finite_number_comes_back_as_pythons_float(value):
    assert number(value, "lr", above=0) == 2 and type(number(value, "lr")) is float


@pytest.mark.parametrize("value", [np.nan, np.inf, "2", None, True, np.True_, [2.0], 2j, np.array([2.0])])
def test_what_is_no_finite_number_is_refused(value):
    with pytest.raises(ValueError) as raised:
        number(value, "lr", above=0)
    assert str(raised.value) == f"lr must be a finite number above 0, not {value!r}: give for example 0.1."


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "words"),
    [
        ({"least": 0, "below": 1}, (0, 0.5), (-0.1, 1), "at least 0 and below 1"),
        ({"above": 0, "most": 1}, (0.5, 1), (0, 1.1), "above 0 and at most 1"),
        ({}, (-1e300, 1e300), (np.inf,), ", not inf"),
    ],
)
def test_a_number_has_its_range(bounds, inside, outside, words):
    assert [number(value, "x", **bounds) for value in inside] == list(inside)
    for value in outside:
        with pytest.raises(ValueError, match=words):
            number(value, "x", **bounds)


def test_a_flag_is_true_or_false():
    assert flag(True, "on") is flag(np.True_, "on") is True and flag(False, "on") is False
    for value in (0, 1, None, "no", []):
        with pytest.raises(ValueError, match="on must be True or False, not "):
            flag(value, "on")


def test_real_numbers_are_booleans_integers_and_floats():
    for values in ([True], [1], [1.5], np.float16([1]), mx.nd.ones(2), 3, []):
        assert type(real_numbers(values, "X")) is np.ndarray
    for values in (
        ["1"],
        [1j],
        [None],
        [[1], [1, 2]],
        np.array(["2026"], "datetime64"),
        [2**70],
        "12",
    ):
        with pytest.raises(
            ValueError, match="X must be an array of real numbers, not .*: give it as one NumPy or MXNet"
        ):
            real_numbers(values, "X")

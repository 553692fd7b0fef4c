import fractions

from d2lhelpers.checks import as_numpy, one_of, pair, shown, whole

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

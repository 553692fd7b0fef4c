from d2lhelpers.augmentation import random_crop, random_flip
from d2lhelpers.seeding import seed_everything

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))
KINDS = {"numpy": np.asarray, "nd": mx.nd.array, "np": mx.np.array}


def images(shape, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 1, shape).astype(np.float32)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SHAPES, st.integers(0, 10**6))
def test_each_image_is_itself_or_its_mirror_image(shape, seed):
    X = images(shape, seed)
    flipped = random_flip(X, np.random.default_rng(seed))
    assert flipped.shape == X.shape and flipped.dtype == X.dtype
    for before, after in zip(X, flipped):
        assert np.array_equal(after, before) or np.array_equal(after, before[:, :, ::-1])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SHAPES, st.integers(0, 5), st.integers(0, 10**6))
def test_each_image_is_moved_by_at_most_the_padding(shape, padding, seed):
    X = images(shape, seed)
    height, width = shape[2:]
    cropped = random_crop(X, padding, np.random.default_rng(seed))
    assert cropped.shape == X.shape and cropped.dtype == X.dtype
    for before, after in zip(X, cropped):
        padded = np.zeros((shape[1], height + 2 * padding, width + 2 * padding), np.float32)
        padded[:, padding : padding + height, padding : padding + width] = before
        candidates = (
            padded[:, row : row + height, column : column + width]
            for row in range(2 * padding + 1)
            for column in range(2 * padding + 1)
        )
        assert any(np.array_equal(after, candidate) for candidate in candidates)


def test_half_of_the_images_are_mirrored_each_by_its_own_chance():
    X = images((2000, 1, 1, 2))
    mirrored = (random_flip(X, np.random.default_rng(1)) != X).any(axis=(1, 2, 3))
    assert mirrored.mean() == pytest.approx(0.5, abs=0.05)
    assert np.corrcoef(mirrored[:-1], mirrored[1:])[0, 1] == pytest.approx(0, abs=0.1)


def test_every_place_is_cut_out_about_equally_often_and_rows_do_not_follow_columns():
    X = np.zeros((9000, 1, 3, 3), np.float32)
    X[:, :, 1, 1] = 1
    places = random_crop(X, 1, np.random.default_rng(2)).reshape(9000, 9).argmax(axis=1)
    assert np.bincount(places, minlength=9) / 9000 == pytest.approx(np.full(9, 1 / 9), abs=0.02)


def test_no_padding_changes_nothing():
    X = images((3, 3, 5, 4))
    assert np.array_equal(random_crop(X, 0), X)


@pytest.mark.parametrize("change", [random_flip, random_crop])
@pytest.mark.parametrize("kind", KINDS)
def test_an_array_of_each_kind_comes_back_as_that_kind_and_is_left_as_it_was(change, kind):
    X = images((6, 3, 8, 7))
    given_array = KINDS[kind](X.copy())
    changed = change(given_array, rng=np.random.RandomState(3))
    assert type(changed) is type(given_array) and changed.dtype == np.float32
    left, got = (array if kind == "numpy" else array.asnumpy() for array in (given_array, changed))
    assert np.array_equal(left, X)
    assert np.array_equal(got, change(X, rng=np.random.RandomState(3)))
    assert not np.array_equal(got, X)


def test_a_device_and_integer_pixels_are_kept():
    X = mx.nd.array(images((4, 3, 6, 6)) * 255, ctx=mx.cpu(1), dtype="uint8")
    changed = random_crop(random_flip(X))
    assert changed.context == mx.cpu(1) and changed.dtype == np.uint8


@pytest.mark.parametrize("change", [random_flip, random_crop])
def test_the_seed_fixes_what_is_drawn(change):
    X = images((20, 3, 6, 6))
    seed_everything(4)
    first, second = change(X), change(X)
    seed_everything(4)
    assert np.array_equal(change(X), first) and not np.array_equal(first, second)


@pytest.mark.parametrize("change", [random_flip, random_crop])
@pytest.mark.parametrize("shape", [(3, 4, 4), (4, 4)])
def test_another_rank_is_refused(change, shape):
    with pytest.raises(ValueError, match=r"images must have shape \(N, C, H, W\), not \("):
        change(np.zeros(shape, np.float32))


@pytest.mark.parametrize("change", [random_flip, random_crop])
@pytest.mark.parametrize("rng", [0, 7, "seed"])
def test_a_seed_is_no_generator(change, rng):
    with pytest.raises(ValueError, match=f"rng must be one of NumPy's generators, not {rng!r}: pass np.random.default"):
        change(images((2, 1, 4, 4)), rng=rng)


@pytest.mark.parametrize("padding", [-1, 1.5, "4", None, True])
def test_a_padding_that_is_no_number_of_pixels_is_refused(padding):
    with pytest.raises(ValueError, match=f"padding must be a whole number of at least 0, not {padding!r}"):
        random_crop(np.zeros((1, 1, 4, 4)), padding)

from decimal import Decimal

import pytest

from nbtolerance import Bound, MarkerError, Markers, parse_markers


def test_no_marker():
    assert parse_markers("") == parse_markers("x = 1  # tolerance, figure it out\n%time\n") == Markers()


def test_every_form():
    source = (
        "# NBVAL_TOLERANCE: rtol=1e-3 atol=0.02\n"
        '# NBVAL_TOLERANCE on lines with "Epoch 0": atol=.4\n'
        '# NBVAL_TOLERANCE on lines with "Epoch 1.": rtol=2\n'
        "# NBVAL_FIGURE: distance=0.1\n"
        "fit()"
    )
    zero = Decimal(0)
    assert parse_markers(source) == Markers(
        Bound(Decimal("0.001"), Decimal("0.02")),
        (Bound(zero, Decimal("0.4"), "Epoch 0"), Bound(Decimal(2), zero, "Epoch 1.")),
        0.1,
    )


def test_a_marker_in_a_string_is_none():
    assert parse_markers('text = """\n# NBVAL_TOLERANCE: atol=0.1\n"""') == Markers()


@pytest.mark.parametrize(
    "source",
    [
        "# NBVAL_IGNORE_OUTPUT",
        "# NBVAL_CHECK_OUTPUT",
        "# NBVAL_RAISES_EXCEPTION",
        "# NBVAL_SKIP",
        "# NBVAL compares this cell",
        "# the tolerance: atol=0.1",
        "# figure: distance=2",
    ],
)
def test_other_comments_are_none_of_ours(source):
    assert parse_markers(source) == Markers()


@pytest.mark.parametrize(
    "line",
    [
        "# NBVAL_TOLERANCE",
        "# NBVAL_TOLERANCE:",
        "# NBVAL_TOLERANCE: ",
        "# NBVAL_TOLERANCE: 0.1",
        "# NBVAL_TOLERANCE: tol=0.1",
        "# NBVAL_TOLERANCE: atol=0.1 and more",
        "# NBVAL_TOLERANCE: atol=0.1, rtol=0.1",
        "# NBVAL_TOLERANCE: atol=0.1 atol=0.2",
        "# NBVAL_TOLERANCE: atol = 0.1",
        "# NBVAL_TOLERANCE: atol=-0.1",
        "# NBVAL_TOLERANCE: atol=nan",
        "# NBVAL_TOLERANCE: atol=٠.٥",
        "# NBVAL_TOLERANCE: atol=inf",
        "# NBVAL_TOLERANCE: atol=0.1.2",
        "# NBVAL_TOLERANCE: atol=1e",
        "# NBVAL_TOLERANCE: ATOL=0.1",
        "# NBVAL_TOLERANCE: distance=0.1",
        "# NBVAL_TOLERANCE on lines with Epoch: atol=0.1",
        '# NBVAL_TOLERANCE on lines with "": atol=0.1',
        '# NBVAL_TOLERANCE on line with "Epoch": atol=0.1',
        '# NBVAL_TOLERANCE on lines with "Epoch" atol=0.1',
        "# NBVAL_TOLERENCE: atol=0.1",
        "# NBVAL_TOLERANCES: atol=0.1",
        "# NVBAL_TOLERANCE: atol=0.1",
        "# NBVAL TOLERANCE: atol=0.1",
        "# NBVAL-TOLERANCE: atol=0.1",
        "# NBVALTOLERANCE: atol=0.1",
        "# NBVAL_ATOL: 0.1",
        "# nbval_tolerance: atol=0.1",
        "# Nbval_Tolerance: atol=0.1",
        "#NBVAL_TOLERANCE: atol=0.1",
        "## NBVAL_TOLERANCE: atol=0.1",
        "# NBVAL_FIGURE",
        "# NBVAL_FIGURE: 0.1",
        "# NBVAL_FIGURE: atol=0.1",
        "# NBVAL_FIGURE: distance=-1",
        "# NBVAL_FIGURE: distance=5",
        "# NBVAL_FIGURE: distance=1.0001",
        "# NBVAL_FIGURE: distance=1e1",
        "# NBVAL_FIGURE: distance=nan",
        "# NBVAL_FIGUR: distance=0.1",
        '# NBVAL_FIGURE on lines with "a": distance=0.1',
        "# nbval_ignore_output",
        "    # NBVAL_TOLERANCE: atol=0.1",
        "x = 1  # NBVAL_TOLERANCE: atol=0.1",
        "%%bash\n# NBVAL_TOLERENCE: atol=0.1\necho 'unclosed",
        "%%bash\n# NB_VAL_TOLERANCE: atol=0.1\necho 'unclosed",
    ],
)
def test_a_malformed_marker_is_an_error_that_quotes_it(line):
    with pytest.raises(MarkerError, match="NBVAL") as error:
        parse_markers(f"def f():\n    return 1\n{line}\n" if line.startswith("    ") else line)
    quoted = line.splitlines()[-1 if "bash" not in line else 1]
    assert quoted[quoted.index("#") :].strip() in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        "# NBVAL_TOLERANCE: atol=0.1",
        '# NBVAL_TOLERANCE on lines with "Epoch 0": atol=0.1',
        "# NBVAL_FIGURE: distance=0.1",
    ],
)
def test_a_marker_given_twice_is_an_error(line):
    parse_markers(line)
    with pytest.raises(MarkerError, match="expected one"):
        parse_markers(f"{line}\nprint()\n{line}")


def test_a_distance_goes_from_0_to_1():
    assert [parse_markers(f"# NBVAL_FIGURE: distance={bound}").figure for bound in (0, "0.5", 1)] == [0, 0.5, 1]
    with pytest.raises(MarkerError, match="expected distance=<number, from 0 to 1> .* got 'distance=5'"):
        parse_markers("# NBVAL_FIGURE: distance=5")
    with pytest.raises(MarkerError, match="expected rtol=<number, 0 or more> and/or atol=<number, 0 or more> "):
        parse_markers("# NBVAL_TOLERANCE: atol=nan")
    assert parse_markers("# NBVAL_TOLERANCE: rtol=5").tolerance.rtol == 5


def test_bounds_add_up_as_in_numpy():
    bound = Bound(Decimal("0.01"), Decimal("0.02"))
    assert bound.allowed(Decimal(-3)) == Decimal("0.05")
    assert str(bound) == "rtol=0.01 atol=0.02"


def test_metadata_say_the_same_as_comments():
    stated = {"rtol": 1e-3, "atol": 0.02, "lines": {"Epoch 0": {"atol": 0.4}, "Epoch 1.": {"rtol": 2}}, "figure": 0.1}
    source = (
        "# NBVAL_TOLERANCE: rtol=0.001 atol=0.02\n"
        '# NBVAL_TOLERANCE on lines with "Epoch 0": atol=0.4\n'
        '# NBVAL_TOLERANCE on lines with "Epoch 1.": rtol=2\n'
        "# NBVAL_FIGURE: distance=0.1\n"
    )
    assert parse_markers("fit()", {"nbtolerance": stated, "tags": []}) == parse_markers(source)
    assert parse_markers("fit()", {"nbtolerance": {"figure": "size"}}) == Markers(figure="size")
    assert parse_markers("fit()", {"tags": []}) == parse_markers("fit()", {}) == Markers()
    assert parse_markers("", {"nbtolerance": {"atol": 1e-7}}).tolerance.atol == Decimal("1e-7")


@pytest.mark.parametrize(
    "stated",
    [
        {},
        [],
        None,
        "atol=0.1",
        {"tol": 0.1},
        {"atol": "0.1"},
        {"atol": True},
        {"atol": -0.1},
        {"atol": float("nan")},
        {"rtol": float("inf")},
        {"figure": 1.5},
        {"figure": "shape"},
        {"lines": ["Epoch 0"]},
        {"lines": {"Epoch 0": 0.4}},
        {"lines": {"Epoch 0": {}}},
        {"lines": {"": {"atol": 0.4}}},
        {"lines": {"Epoch 0": {"figure": 0.1}}},
    ],
)
def test_metadata_of_another_form_are_an_error(stated):
    with pytest.raises(MarkerError, match="expected metadata.nbtolerance like"):
        parse_markers("fit()", {"nbtolerance": stated})


def test_both_forms_in_one_cell_are_an_error():
    with pytest.raises(MarkerError, match="got both"):
        parse_markers("# NBVAL_TOLERANCE: atol=0.1\n0.5", {"nbtolerance": {"atol": 0.1}})

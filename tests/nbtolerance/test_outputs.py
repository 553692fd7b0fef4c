import base64
import io

import pytest
from nbformat.v4 import new_output
from PIL import Image

from nbtolerance import MarkerError, compare_outputs
from nbtolerance.text import read

ATOL = "# NBVAL_TOLERANCE: atol=0.02\n"


def stream(text, name="stdout"):
    return [new_output("stream", name=name, text=text)]


def html(text):
    return [new_output("display_data", data={"text/html": text})]


def agree(source, recorded, new):
    return not compare_outputs(source, recorded, new)


def agree_in_text(recorded, new, source=ATOL):
    # The general bound must bound something, or it is stale.
    return agree(source, stream(f"0.5\n{recorded}"), stream(f"0.5\n{new}"))


@pytest.mark.parametrize(
    ("recorded", "new", "expected"),
    [
        ("0.89", "0.91", True),  # binary floats deny it
        ("0.89", "0.87", True),
        ("0.89", "0.9100001", False),
        ("0.89", "0.8699999", False),
        ("0.89", "0.89000", True),
        ("-0.01", "0.01", True),
        ("loss: -0.01", "loss:  0.01", True),
        ("-0.5", "0.5", False),
        ("+0.5", "0.5", True),
        (".5", "0.51", True),
        ("1e-05", "2.5e-03", True),
        ("1.5e+10", "1.6e+10", False),
        ("1.5E-10", "0.0", True),
        ("1.0", "nan", False),
        ("nan", "1.0", False),
        ("nan", "nan", True),
        ("inf", "inf", True),
        ("inf", "-inf", False),
        ("-inf", "-inf", True),
        ("inf", "nan", False),
        ("1e+300", "inf", False),
        ("0.5", "1", False),  # an integer is another kind of thing
        ("1", "1.0", False),
        ("3", "4", False),
        ("-3", "3", False),
        ("60,000", "60,001", False),
        ("0.5%", "0.51%", True),
        ("(0.5, 1)", "(0.51, 1)", True),
        ("(0.5, 1)", "(0.51, 2)", False),
        ("x=0.5", "x=0.51", True),
        ("y=0.5", "x=0.5", False),
        ("0.5-0.7", "0.51-0.71", True),
        ("0.5-0.7", "0.5 0.7", False),
        ("0.5 0.7", "0.5", False),
        ("0.5", "0.5 0.7", False),
        ("a 0.5", "a 0.51 ", True),
        ("a b 0.5", "ab 0.5", False),
        ("a  b", "a b", False),  # no float that could have moved it
        ("a\tb", "a b", False),
        ("    a", "a", False),
        ("a ", "a", False),
        ("0.5\n0.7", "0.5 0.7", False),
        ("1.9.1", "1.9.2", False),
        ("v1.25", "v1.26", False),
        ("1.25rc1", "1.26rc1", False),
        ("127.0.0.1", "127.0.0.2", False),
        ("conv2.5", "conv2.51", False),
        ("3.20MB", "3.21MB", False),
        ("3.5ms", "3.51ms", False),
        ("1.5×", "1.51×", True),
        ("2e5", "2e6", False),  # a digest, perhaps; Python prints 200000.0
        ("12e45", "12e46", False),
        ("R01", "R02", False),
        ("fc_0.5", "fc_0.51", False),
        ("epoch 9.", "epoch 10.", False),
        ("[9. 1.]", "[9.01 1.  ]", True),
        ("array(19.)", "array(19.01)", True),
        ("array(19.)", "array(20.)", False),
        ("[(9., 1)]", "[(9.01, 1)]", True),
        ("[epoch 9.]", "[epoch 9.01]", False),
        ("[0, 1)\nEpoch 9.\n(0, 1]", "[0, 1)\nEpoch 9.01\n(0, 1]", False),
        ("[0, 1)\nEpoch 0.5\n(0, 1]", "[0, 1) Epoch 0.5 (0, 1]", False),
        ("[0, 1)\nEpoch 0.5\n(0, 1]", "[0, 1)\nEpoch 0.51\n(0, 1]", True),
        ("(0.5\n1]", "(0.5 1]", False),
        ("[(0.1, 0.2),\n (0.3, 0.4)]", "[(0.1, 0.2), (0.3, 0.4)]", True),
        ("[1 2\n 3]", "[1 2  3]", False),  # wraps follow floats, and here is none
        ("(1.5+2.5j)", "(1.51+2.49j)", True),
        ("(1.5+2.5j)", "(1.5+2.53j)", False),
        ("(1.5+2.5j)", "(1.5-2.5j)", False),
        ("(1.5+0.01j)", "(1.5-0.01j)", True),
        ("[1. +2.5e+00j 0. -1.0e-02j]", "[1.01+2.5e+00j 0.  +1.0e-02j]", True),
        ("[nan +1.j  0.+nanj]", "[nan +1.01j  0.01 +nanj]", True),
        ("[nan +1.j  0.+nanj]", "[nan +1.j  0.+1.j]", False),
        ("[0.5 +1.j   1.25-11.89j]", "[0.5 +1.j  1.25-11.9j ]", True),
        ("array(1.+2.j)", "array(1.01+2.01j)", True),
        ("2.5jk", "2.51jk", False),
        ("[0.1 0.2]", "[0.1 0.2 0.3]", False),
        ("[[0.1 ... 0.2]]", "[[0.1 ... 0.21]]", True),
        ("infinite, nano", "infinite, nana", False),
    ],
)
def test_floats_within_a_bound_and_nothing_else(recorded, new, expected):
    assert agree_in_text(recorded, new) is expected
    assert agree("", stream(recorded), stream(new)) is (recorded == new)


def test_arrays_as_mxnet_and_numpy_print_them():
    recorded = "\n[[[[-0.01  0.02]\n   [19.   25.  ]]]]\n<NDArray 1x1x2x2 @cpu(0)>"
    new = "\n[[[[ 0.005  0.02 ]\n   [19.     25.001]]]]\n<NDArray 1x1x2x2 @cpu(0)>"
    assert agree(ATOL, stream(recorded), stream(new))
    assert not agree(ATOL, stream(recorded), stream(new.replace("cpu", "gpu")))
    assert not agree(ATOL, stream(recorded), stream(new.replace("1x1x2x2", "1x1x4x1")))
    assert not agree(ATOL, stream(recorded), stream(new.replace("25.001", "25.021")))


def test_an_array_may_wrap_elsewhere_but_prose_may_not():
    wrapped = "[0.1 0.2\n 0.3 0.4]\nthe end"
    assert agree(ATOL, stream(wrapped), stream("[0.101 0.2 0.3\n 0.4]\nthe end"))
    assert agree(ATOL, stream(wrapped), stream("[0.1 0.2 0.3 0.4]\nthe end"))
    assert not agree(ATOL, stream(wrapped), stream("[0.1 0.2 0.3 0.4] the end"))
    assert not agree(ATOL, stream(wrapped), stream("[0.1 0.2] [0.3 0.4]\nthe end"))


def test_data_frames():
    plain = "    loss  epochs kind\na   0.51       1    a\n..   ...     ...  ...\nb  10.50       2  bcd"
    wider = "     loss  epochs kind\na   0.511       1    a\n..    ...     ...  ...\nb  10.500       2  bcd"
    assert agree(ATOL, stream(plain), stream(wider))
    assert not agree(ATOL, stream(plain), stream(wider.replace(" loss", "   loss")))
    assert not agree(ATOL, stream(plain), stream(plain.replace("  epochs", " epochs ")))
    assert not agree(ATOL, stream(plain), stream(wider.replace(" 1 ", " 3 ")))
    table = '<table border="1"><tr><td>{}</td><td>1</td></tr></table>'
    assert agree(ATOL, html(table.format("0.51")), html(table.format("0.52")))
    assert not agree(ATOL, html(table.format("0.51")), html(table.format("0.54")))
    assert not agree(ATOL, html(table.format("0.51")), html(table.format("0.51").replace(">1<", ">2<")))


def test_html_is_a_number_only_where_a_reader_sees_it():
    page = '<style>td {{ width: {0}; }}</style><td style="opacity: {1}">{2}</td>'
    recorded = html(page.format(0.5, 0.5, 0.5))
    assert agree(ATOL, recorded, html(page.format(0.5, 0.5, 0.51)))
    assert not agree(ATOL, recorded, html(page.format(0.51, 0.5, 0.5)))
    assert not agree(ATOL, recorded, html(page.format(0.5, 0.51, 0.5)))


def test_white_space_is_free_only_where_floats_change_its_width():
    recorded = "Sizes  of\tall:\n    8  9\n\nloss  0.50"
    assert agree(ATOL, stream(recorded), stream(recorded.replace("loss  0.50", "loss 0.511")))
    for old, new in [("Sizes  of", "Sizes of"), ("\tall", " all"), ("    8", "8"), ("8  9", "8 9"), (":", ": ")]:
        assert not agree(ATOL, stream(recorded), stream(recorded.replace(old, new)))
    page = "<p>a  b</p>\n<p>0.5</p>"
    assert not agree(ATOL, html(page), html(page.replace("a  b", "a b")))


LINES = '# NBVAL_TOLERANCE on lines with "Epoch 1": atol=0.4\n'


def test_a_line_has_its_own_bound():
    recorded = stream("Epoch 1. Loss 1.50\nEpoch 2. Loss 0.50\nEpoch 10. Loss 0.30")
    assert agree(ATOL + LINES, recorded, stream("Epoch 1. Loss 1.90\nEpoch 2. Loss 0.52\nEpoch 10. Loss 0.28"))
    assert not agree(ATOL + LINES, recorded, stream("Epoch 1. Loss 1.91\nEpoch 2. Loss 0.50\nEpoch 10. Loss 0.30"))
    assert not agree(ATOL + LINES, recorded, stream("Epoch 1. Loss 1.50\nEpoch 2. Loss 0.53\nEpoch 10. Loss 0.30"))
    # "Epoch 1" is not in "Epoch 10": whole words count.
    assert not agree(ATOL + LINES, recorded, stream("Epoch 1. Loss 1.50\nEpoch 2. Loss 0.50\nEpoch 10. Loss 0.33"))


@pytest.mark.parametrize(
    ("words", "line", "expected"),
    [
        ("lr 0", "lr 0: loss 0.5", True),
        ("lr 0", "lr 0.1: loss 0.5", False),
        ("lr 0", "lr 0,1: loss 0.5", False),
        ("Epoch 1", "Epoch 1. Loss 0.5", True),
        ("Epoch 1", "Epoch 1, loss 0.5", True),
        ("Epoch 1", "Epoch 1.5 loss 0.5", False),
        ("Epoch 1", "Epoch 1,000 loss 0.5", False),
        ("Epoch 1", "Epoch 1.", False),
        ("Epoch 1.", "Epoch 1. Loss 0.5", True),
        ("Epoch 1.", "Epoch 1.5 loss 0.5", False),
        ("1 loss", "after 1 loss 0.5", True),
        ("1 loss", "after 2.1 loss 0.5", False),
        ("1 loss", "after .1 loss 0.5", False),
        ("000 loss", "after 1,000 loss 0.5", False),
        ("1 loss", "a,1 loss 0.5", True),
        ("loss", "step 1,loss,0.5", True),
        ("Epoch 1", "2.Epoch 1 loss 0.5", True),
        ("conv", "conv.5 0.5", True),
        ("conv", "conv2 0.5", False),
        ("conv", "deconv 0.5", False),
    ],
)
def test_words_of_a_bound_are_no_part_of_a_longer_word_or_number(words, line, expected):
    recorded = stream(line)
    assert agree(f'# NBVAL_TOLERANCE on lines with "{words}": atol=5\n', recorded, recorded) is expected


def test_without_a_general_bound_the_other_lines_are_exact():
    recorded = stream("Epoch 1. Loss 1.50\nEpoch 2. Loss 0.50")
    assert agree(LINES, recorded, stream("Epoch 1. Loss 1.60\nEpoch 2. Loss 0.50"))
    assert not agree(LINES, recorded, stream("Epoch 1. Loss 1.50\nEpoch 2. Loss 0.51"))


def test_a_row_of_a_html_table_is_a_line():
    table = "<table>\n<tr>\n<th>Epoch 1</th>\n<td>{}</td>\n</tr>\n<tr>\n<th>Epoch 2</th>\n<td>{}</td>\n</tr>\n</table>"
    recorded = html(table.format(1.5, 0.5))
    assert agree(ATOL + LINES, recorded, html(table.format(1.8, 0.51)))
    assert not agree(ATOL + LINES, recorded, html(table.format(1.5, 0.6)))


@pytest.mark.parametrize(
    "page",
    [
        "<p>Epoch 1 loss {}</p>\n<p>Epoch 2 loss {}</p>",
        "<p>Epoch 1 loss {}<p>Epoch 2 loss {}",
        "Epoch <b>1</b> loss {}<br/>Epoch 2 loss {}",
        "<UL>\n<LI>Epoch 1 loss {}\n<LI>Epoch 2 loss {}\n</UL>",
        "<div>Epoch 1 loss {}</div><div>Epoch 2 loss {}</div>",
        "<pre>Epoch 1 loss <b>{}</b>\nEpoch 2 loss {}</pre>",
        "<table><tr><th>Epoch 1</th><td>{}</td></tr></table>best {}",
        "<table><tr><th>Epoch 1</th><td>{}</td></tr></table>\n<p>best {}</p>",
        "<table><tr><td>Epoch 1 loss {}<br>Epoch 2 loss {}</td></tr></table>",
        "<table><tr><td><p>Epoch 1</p></td>\n<td><p>{}</p></td></tr><tr><td>Epoch 2</td><td>{}</td></tr></table>",
    ],
)
def test_a_line_of_html_is_what_a_reader_sees(page):
    recorded = html(page.format(0.5, 0.5))
    assert agree(LINES, recorded, html(page.format(0.6, 0.5)))
    assert not agree(LINES, recorded, html(page.format(0.5, 0.6)))


def test_two_bounds_for_a_line_are_an_error():
    both = LINES + '# NBVAL_TOLERANCE on lines with "Loss": atol=0.4\n'
    with pytest.raises(MarkerError, match="expected one bound for each line"):
        compare_outputs(both, stream("Epoch 1. Loss 1.5"), stream("Epoch 1. Loss 1.5"))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (ATOL, "no float, 3 integers"),
        (ATOL, ""),
        (LINES, "Epoch 2. Loss 0.5"),
        (LINES, "Epoch 10. Loss 0.5"),
        (LINES, "Epoch 1 begins.\nLoss 0.5"),
        (ATOL + LINES, "Epoch 1. Loss 0.5"),  # nothing left for the general bound
        ("# NBVAL_FIGURE: distance=0.1", "0.5"),
    ],
)
def test_a_marker_that_bounds_nothing_is_a_difference(source, text):
    recorded = stream(text) if text else []
    (difference,) = compare_outputs(source, recorded, recorded)
    assert "correct or remove it" in difference


def test_outputs_that_came_or_went_or_changed_their_kind():
    shown = [new_output("display_data", data={"text/plain": "1"})]
    result = [new_output("execute_result", data={"text/plain": "1"})]
    for recorded, new in [([], shown), (shown, []), (shown, result), (shown, shown * 2), (shown, shown + stream("1"))]:
        assert "outputs differ in kind or number" in compare_outputs("", recorded, new)[0]
    assert compare_outputs("", stream("1"), stream("1", "stderr"))


def test_streams_are_compared_as_a_terminal_leaves_them():
    assert agree("", stream("a\n") + stream("b\n"), stream("a\nb\n"))
    assert agree("", stream("a") + stream("x", "stderr") + stream("b"), stream("x", "stderr") + stream("ab"))
    assert agree("", stream("10%\r100%\ndone"), stream("50%\r100%\ndone"))
    assert not agree("", stream("10%\r100%\ndone"), stream("10%\r90%\ndone"))
    assert agree("", stream("ab\b"), stream("a"))
    assert agree("", stream("hi\r\nyou\r\r\n"), stream("hi\nyou\n"))
    assert agree("", stream("10%\r100%\r"), stream("100%"))
    assert agree("", stream("10%\r100%\r\n"), stream("100%\n"))
    assert not agree("", stream("10%\r100%\r\n"), stream("10%\n"))
    # What is shorter leaves the end of what is longer.
    assert agree("", stream("Epoch 10/10\rdone\n"), stream("doneh 10/10\n"))
    assert not agree("", stream("loss 1.50\rdone"), stream("loss 9.99\rdone"))
    assert agree("", stream("abc\b\bX"), stream("aX")) and agree("", stream("abc\rX\bY"), stream("Ybc"))
    assert agree("", stream("100%\r\x1b[K1%"), stream("1%")) and agree("", stream("old\x1b[2K\rnew"), stream("new"))
    assert agree("", stream("\x1b[31mab\rc\x1b[0m"), stream("cb\x1b[0m"))
    # Of what is erased not even its length stays, but for the place of what comes after it.
    assert agree("", stream("step 9\x1b[2K\rnew"), stream("step 10\x1b[1K\rnew"))
    assert agree("", stream("ab\x1b[2Kc"), stream("  c")) and agree("", stream("abc\rd\x1b[1K"), stream("  c"))


def test_the_texts_of_one_cell_at_a_time_are_kept_in_memory():
    for cell in range(20):
        assert agree(ATOL, stream(f"cell {cell}: 0.5"), stream(f"cell {cell}: 0.51"))
    assert read.cache_info().currsize == 2


def test_a_coloured_float_is_a_float_and_a_colour_is_compared():
    green = "\x1b[92m{}\x1b[0m"
    assert agree(ATOL, stream(green.format(0.5)), stream(green.format(0.51)))
    assert not agree(ATOL, stream(green.format(0.5)), stream(green.format(0.53)))
    assert not agree(ATOL, stream(green.format(0.5)), stream("\x1b[91m0.5\x1b[0m"))


@pytest.mark.parametrize(
    ("recorded", "new"),
    [
        ("        train   test\nloss            0.50", "        train   test\nloss    0.50"),
        ("a  b   0.5\n   c   0.6", "a  b   0.5\nc      0.6"),
        ("net:\n  lr: 0.10", "net:\nlr: 0.10"),
        ("lr\t0.10", "lr 0.10"),
        ("acc 0.89", "acc ٠.٨٩"),
        ("acc 0.89", "acc ０.８９"),
        ("nan 0.5", "NaN 0.5"),
        ("inf 0.5", "Infinity 0.5"),
    ],
)
def test_what_no_width_has_moved_and_what_is_written_otherwise_is_found(recorded, new):
    assert not agree(ATOL, stream(recorded), stream(new))


def test_layout_that_the_width_of_floats_moves():
    array = "array([0.1, 0.1, 0.1], dtype=float32)"
    assert agree(ATOL, stream(array), stream("array([0.1000001, 0.1000001, 0.1000001],\n      dtype=float32)"))
    assert not agree(ATOL, stream(array), stream("array([0.1, 0.1, 0.1], dtype=float64)"))
    wide = "{'loss': [0.123, 0.1234567],\n 'accuracy': (0.5,\n  0.6)}"
    assert agree(ATOL, stream("{'loss': [0.123, 0.12], 'accuracy': (0.5, 0.6)}"), stream(wide))
    assert not agree(ATOL, stream("{'loss': [0.123, 0.12], 'accuracy': (0.5, 0.6)}"), stream(wide.replace("loss", "x")))


HOSTILE = ["<style>", "<script>", "<", "nan ", "\r", "\b", "[", "(0.5 ", "-", "1e+", "\x1b[", "1,234.5 "]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_is_compared(piece):
    # How its time grows is measured by benchmarks/comparison.py; were it with the square, this would take minutes.
    text = f"0.5\n{piece * 20_000}"
    for kind in (html, stream):
        assert compare_outputs(ATOL, kind(text), kind(f"{text}x"))
        assert not compare_outputs(ATOL, kind(text), kind(text))


def picture(size, colour):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "png")
    return [new_output("display_data", data={"image/png": base64.b64encode(file.getvalue()).decode()})]


def test_bounds_in_the_metadata_hold():
    bounds = {"nbtolerance": {"atol": 0.02, "lines": {"Epoch 0": {"atol": 0.4}}}}
    recorded = stream("Epoch 0. Loss 1.20\nEpoch 1. Loss 0.51\n")
    assert compare_outputs("fit()", recorded, stream("Epoch 0. Loss 1.50\nEpoch 1. Loss 0.53\n"), bounds) == []
    (difference,) = compare_outputs("fit()", recorded, stream("Epoch 0. Loss 1.50\nEpoch 1. Loss 0.54\n"), bounds)
    assert "0.03 apart, 0.02 allowed (atol=0.02)" in difference
    (stale,) = compare_outputs("fit()", stream("none"), stream("none"), {"nbtolerance": {"atol": 0.02}})
    assert "bounds no recorded float" in stale


def test_of_a_figure_bounded_by_its_size_only_that_is_compared():
    bounds = {"nbtolerance": {"figure": "size"}}
    white = picture((40, 30), "white")
    assert compare_outputs("show()", white, picture((40, 30), "black"), bounds) == []
    assert "recorded 40x30 pixels, new 40x31" in compare_outputs("show()", white, picture((40, 31), "white"), bounds)[0]
    large = picture((400, 300), "white")
    assert compare_outputs("show()", large, picture((400, 301), "black"), bounds) == []
    assert "recorded 400x300 pixels" in compare_outputs("show()", large, picture((400, 302), "white"), bounds)[0]
    assert compare_outputs("show()", white, [], bounds) != []
    broken = [new_output("display_data", data={"image/png": "bm8gcGljdHVyZQ=="})]
    assert "expected the bytes of a picture" in compare_outputs("show()", white, broken, bounds)[0]
    assert compare_outputs("show()", stream("text"), stream("text"), bounds) != []

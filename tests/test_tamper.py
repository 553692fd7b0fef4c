"""Nothing in a committed notebook can change unseen: every number, every word and every figure is tampered with.

No kernel runs: what is tested is how the plugin of nbval compares recorded and new outputs, under the markers
that the notebooks state.
"""

import base64
import collections
import copy
import decimal
import io
import json
import pathlib
import re

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageOps, ImageStat

from nbtolerance import compare_outputs, parse_markers

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(path for path in ROOT.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)

# This test's own idea of a float: between blanks, brackets and the like, a number with a point or a signed exponent.
WORD = re.compile(r"[^\s\[\](){},;:=|<>%'\"]+")
FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+)(e[+-]?\d+)?|[+-]?\d+e[+-]\d+|[+-]?(nan|inf)", re.IGNORECASE)


def floats(text):
    """(start, end) of each float of a plain text."""
    spans = []
    for word in WORD.finditer(text):
        body = word[0]
        in_array = text.rfind("[", 0, word.start()) > text.rfind("]", 0, word.start())
        if body.endswith(".") and not in_array:
            body = body[:-1]
        if FLOAT.fullmatch(body):
            spans.append((word.start(), word.start() + len(body)))
    return spans


def bound_of(text, start, markers):
    line = text[text.rfind("\n", 0, start) + 1 :].split("\n")[0]
    own = [bound for bound in markers.lines if re.search(rf"\b{re.escape(bound.line)}(\W|$)", line)]
    return own[0] if own else markers.tolerance


def moved_floats(number, allowed):
    """(text, whether it must be found) of floats just within and just beyond what is allowed."""
    value = decimal.Decimal(number)
    if value.is_nan():
        return [("0.5", True), ("inf", True)]
    if value.is_infinite():
        return [("nan", True), (format(-value).lower(), True), ("1e+300", True)]
    moved = []
    for direction in (-1, 1):
        if allowed:
            moved.append((value + direction * allowed * decimal.Decimal("0.9999"), False))
        step = allowed * decimal.Decimal("1.0001") or abs(value) * decimal.Decimal("1e-9") or decimal.Decimal("1e-12")
        moved.append((value + direction * step, True))
    texts = [(f"{number:f}", must_be_found) for number, must_be_found in moved]
    return [(text if "." in text else text + ".0", must_be_found) for text, must_be_found in texts] + [("nan", True)]


def other_letter(match):
    return chr(ord(match[0][0]) + (-1 if match[0][0] in "zZ" else 1)) + match[0][1:]


def tampered_texts(text, markers):
    """(kind, new text, whether it must be found) for every number and every word of a text."""
    bounds = {span: bound_of(text, span[0], markers) for span in floats(text)}
    within = {span: bound for span, bound in bounds.items() if bound is not None}
    for (start, end), bound in within.items():
        value = decimal.Decimal(text[start:end])
        allowed = bound.atol + bound.rtol * abs(value) if value.is_finite() else None
        for new, must_be_found in moved_floats(text[start:end], allowed):
            yield ("beyond" if must_be_found else "within"), text[:start] + new + text[end:], must_be_found
    taken = [range(*span) for span in within]
    for kind, pattern, change in [
        ("integer", r"\d+", lambda match: str(int(match[0]) + 1)),
        ("word", r"[^\W\d_]+", other_letter),
    ]:
        for match in re.finditer(pattern, text):
            if not any(match.start() in span for span in taken):
                kind_here = "exact float" if any(a <= match.start() < b for a, b in bounds) else kind
                yield kind_here, text[: match.start()] + change(match) + text[match.end() :], True


def tampered_pictures(picture):
    """(kind, new picture): a tile where most is drawn, made into what no reader would take for the same figure."""
    pixels = np.asarray(picture, dtype=np.int16)
    size = max(16, min(picture.size) // 4)
    tiles = [
        (left, top, left + size, top + size)
        for top in range(0, picture.height - size + 1, size)
        for left in range(0, picture.width - size + 1, size)
    ]

    def drawn(tile):
        part = pixels[tile[1] : tile[3], tile[0] : tile[2]]
        return np.abs(np.diff(part, axis=0)).sum() + np.abs(np.diff(part, axis=1)).sum()

    def coloured(tile):
        return np.ptp(pixels[tile[1] : tile[3], tile[0] : tile[2]], axis=2).sum()

    def with_tile(tile, content):
        changed = picture.copy()
        changed.paste(content, tile)
        return changed

    most = max(tiles, key=drawn)
    content = picture.crop(most)
    yield "blank tile", with_tile(most, Image.new("RGB", content.size, picture.getpixel((0, 0))))
    yield "inverted tile", with_tile(most, ImageOps.invert(content))
    yield "shifted tile", with_tile(most, Image.fromarray(np.roll(np.asarray(content), size // 2, axis=(0, 1))))
    yield "line through tile", with_tile(most, struck(content))
    other = max(tiles, key=lambda tile: ImageStat.Stat(ImageChops.difference(content, picture.crop(tile))).sum[0])
    swapped = with_tile(most, picture.crop(other))
    swapped.paste(content, other)
    yield "swapped tiles", swapped
    most = max(tiles, key=coloured)
    red, green, blue = picture.crop(most).split()
    if coloured(most) > 60 * size:
        yield "other colours", with_tile(most, Image.merge("RGB", (blue, red, green)))


def struck(content):
    content = content.copy()
    ImageDraw.Draw(content).line([(0, 0), content.size], fill=(220, 0, 120), width=3)
    return content


def representations(outputs):
    """(index of the output, path to a text or picture in it, MIME type)."""
    for i, output in enumerate(outputs):
        if output["output_type"] == "stream":
            yield i, ("text",), "text/plain"
        elif output["output_type"] == "error":
            yield from ((i, (key,), "text/plain") for key in ("ename", "evalue"))
        else:
            yield from ((i, ("data", mime), mime) for mime in output["data"])


def replaced(outputs, i, path, value):
    outputs = copy.deepcopy(outputs[:i]) + [copy.deepcopy(outputs[i])] + outputs[i + 1 :]
    place = outputs[i]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return outputs


def tampered_outputs(source, outputs):
    """(kind, new outputs, whether it must be found) for everything that a cell put out."""
    markers = parse_markers(source)
    for i, path, mime in representations(outputs):
        value = outputs[i][path[0]] if len(path) == 1 else outputs[i][path[0]][path[1]]
        value = "".join(value) if isinstance(value, list) else value
        if mime == "image/png":
            with Image.open(io.BytesIO(base64.b64decode(value))) as image:
                picture = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
            for kind, tampered in tampered_pictures(picture.convert("RGB")):
                file = io.BytesIO()
                tampered.save(file, "png", compress_level=1)
                yield kind, replaced(outputs, i, path, base64.b64encode(file.getvalue()).decode()), True
        else:
            assert mime == "text/plain", f"teach this test to tamper with {mime}"
            for kind, tampered, must_be_found in tampered_texts(value, markers):
                yield kind, replaced(outputs, i, path, tampered), must_be_found
        yield "left out", outputs[:i] + outputs[i + 1 :], True


def tamper(cells):
    """Tamper with every output of some code cells.

    Returns:
        tuple: found and tried by kind, and a line for each tampering that was not judged rightly.
    """
    found, tried, wrong = collections.Counter(), collections.Counter(), []
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        assert compare_outputs(source, cell["outputs"], copy.deepcopy(cell["outputs"])) == []
        for kind, outputs, must_be_found in tampered_outputs(source, cell["outputs"]):
            right = bool(compare_outputs(source, cell["outputs"], outputs)) is must_be_found
            tried[kind] += 1
            found[kind] += right
            if not right:
                wrong.append(f"cell {number} ({cell.get('id')}): {kind}")
    return found, tried, wrong


def told(name, found, tried):
    kinds = ", ".join(f"{kind} {found[kind]}/{tried[kind]}" for kind in sorted(tried))
    return f"{name}: {sum(found.values())} of {sum(tried.values())} judged rightly ({kinds})"


def code_cells(path):
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_of_a_notebook_can_change_unseen(path, capsys):
    found, tried, wrong = tamper(code_cells(path))
    with capsys.disabled():
        print(f"\n{told(path.name, found, tried)}", end=" ")
    assert not wrong, "\n".join(wrong)
    assert sum(tried.values()) > 0

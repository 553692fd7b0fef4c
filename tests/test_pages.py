import re
from pathlib import Path

from d2lhelpers.formulas import formula_html
from d2lhelpers.pages import Banner, IndexRow, Link, opening, write_index, write_page

import nbformat
import pytest
from nbformat import v4

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def size(svg):
    """Width, height and depth below the line of a formula, in em."""
    width, height, align = re.search(r"width:(.*?)em;height:(.*?)em;vertical-align:(.*?)em", svg).groups()
    return float(width), float(height), -float(align)


@pytest.mark.parametrize(
    "tex",
    [
        r"\left\lfloor \frac{n_h - k_h + 2p_h}{s_h} \right\rfloor + 1",
        r"Y_{i,j} = \sum_{a=0}^{k_h-1}\sum_{b=0}^{k_w-1} X_{i+a,\,j+b} K_{a,b}",
        r"\hat{y}_i = \operatorname{softmax}(\mathbf{o})_i, \quad \lvert x \rvert \le \frac12 \text{ or } x \ge 2",
        r"Y = X W^{\mathsf T} + \sqrt 2 \mathbf x",
        r"\theta \gets \theta - \eta\, \hat m / (\sqrt{\hat v} + \varepsilon)",
        r"X = \begin{bmatrix} 1 & 2 \\ 0 & \frac{1}{2} \end{bmatrix}, K = \begin{pmatrix} 1 \\ 2 \end{pmatrix}",
        r"\begin{aligned} a &= b \\ &= \begin{vmatrix} c & d \end{vmatrix} \end{aligned}",
        r"f(x) = \begin{cases} x & x > 0 \\ 0 & \text{otherwise} \end{cases}",
    ],
)
@pytest.mark.parametrize("display", [False, True])
def test_formulas_are_drawn(tex, display):
    svg = formula_html(tex, display)
    assert svg.startswith("<svg") and svg.endswith("</svg>") and "currentColor" in svg
    width, height, depth = size(svg)
    assert width > 1 and 0.5 < height < 6 and 0 < depth < height
    left, top, box_width, box_height = map(float, re.search('viewBox="(.*?)"', svg)[1].split())
    assert box_width / box_height == pytest.approx(width / height, rel=0.01)
    # Every point of the outline lies in the picture.
    numbers = [int(n) for n in re.findall(r"-?\d+", re.search(' d="(.*?)"', svg)[1])]
    assert all(left <= x <= left + box_width for x in numbers[::2])
    assert all(top <= y <= top + box_height for y in numbers[1::2])


def test_grids_grow_with_their_rows_and_columns():
    one, rows, columns = (
        size(formula_html(rf"\begin{{bmatrix}}{body}\end{{bmatrix}}")) for body in ("1", r"1\\2\\3", "1&2&3")
    )
    assert rows[1] > 2.5 * one[1] and rows[0] == one[0]
    assert columns[0] > 2.5 * one[0] and columns[1] == one[1]


def test_a_formula_that_cannot_be_drawn_is_shown_as_tex():
    assert formula_html(r"\nosuch{x} < 1") == r'<code class="formula">\nosuch{x} &lt; 1</code>'
    assert formula_html(r"\begin{tikzcd} a \end{tikzcd}").startswith("<code")
    assert formula_html("").startswith("<svg")


def test_every_formula_of_the_notebooks_can_be_drawn(tmp_path):
    shown_as_tex = {}
    for path in sorted(NOTEBOOKS.glob("**/[0-9]*.ipynb")):
        target = tmp_path / f"{path.stem}.html"
        notebook = nbformat.read(path, 4)
        notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        write_page(notebook, path, target, {}, tmp_path / "index.html")
        found = re.findall(r'<code class="formula">(.*?)</code>', target.read_text("utf-8"))
        shown_as_tex.update({path.name: found} if found else {})
    assert shown_as_tex == {}


@pytest.mark.parametrize(
    "source, expected",
    [
        ("# 1. A *title*\n\nOne sentence\nin two lines.\n\n**You will learn**\n\n- this", "One sentence in two lines."),
        ("# 1. A title\nOne sentence.\n- a list", "One sentence."),
        ("\n\n# 1. A title\n## Part", "## Part"),
        ("# 1. A title", ""),
    ],
)
def test_the_opening_gives_title_and_sentence(source, expected):
    title, sentence = opening(v4.new_notebook(cells=[v4.new_markdown_cell(source)]))
    assert title in ("1. A title", "1. A *title*") and sentence == expected


def test_a_notebook_without_an_opening_has_none():
    assert opening(v4.new_notebook()) == opening(v4.new_notebook(cells=[v4.new_code_cell("# 1")])) == ("", "")
    assert opening(v4.new_notebook(cells=[v4.new_markdown_cell("no title")])) == ("", "")


def test_a_page_is_whole_by_itself_and_links_to_the_other_pages(tmp_path):
    book = tmp_path / "book"
    (book / "solutions").mkdir(parents=True)
    (book / "README.md").write_text("read me")
    source = book / "01_a.ipynb"
    image = v4.new_output("display_data", {"image/png": PIXEL, "text/plain": "<Figure>"})
    markdown = (
        "# 1. A & B\n\nSee [two](02_b.ipynb#Part-two), [solutions](solutions/01_a_solutions.ipynb), [file](README.md), "
        "[web](https://example.org/02_b.ipynb), [here](#Part), [lost](lost.ipynb): $a < b_1$.\n\n$$\\frac{a}{b}$$\n\n"
        "| x | y |\n|---|--:|\n| 1 | 2 |\n"
    )
    nb = v4.new_notebook(
        cells=[
            v4.new_markdown_cell(markdown, id="opening"),
            v4.new_code_cell("x = '<b>'", id="show-it", outputs=[image], execution_count=1),
        ]
    )
    site = tmp_path / "site"
    pages = {
        (book / "02_b.ipynb").resolve(): site / "02_b.html",
        (book / "solutions" / "01_a_solutions.ipynb").resolve(): site / "solutions" / "01_a_solutions.html",
    }
    write_page(
        nb,
        source,
        site / "01_a.html",
        pages,
        site / "index.html",
        next=Link("2. B", "02_b.html"),
        banner=Banner("yellow", "Stand-in data.", "Not *real* <numbers>."),
    )
    html = (site / "01_a.html").read_text("utf-8")
    assert "<title>1. A &amp; B</title>" in html
    addresses = re.findall(r'href="(.*?)"', re.search("<main>.*</main>", html, re.DOTALL)[0])
    assert [address for address in addresses if not address.startswith("#1.")] == [
        "02_b.html#Part-two",
        "solutions/01_a_solutions.html",
        "../book/README.md",
        "https://example.org/02_b.ipynb",
        "#Part",
        "lost.ipynb",
    ]
    assert html.count('href="02_b.html" rel="next"') == 2 and 'rel="prev"' not in html
    assert html.count('href="index.html"') == 2
    assert '<p class="banner yellow" role="note"><strong>Stand-in data.</strong> Not <em>real</em>' in html
    assert len(re.findall('<svg[^>]* class="formula"', html)) == 2
    assert "$" not in re.sub("<style>.*?</style>", "", html, flags=re.DOTALL)
    assert 'alt="Figure: show it"' in html and f"data:image/png;base64,{PIXEL}" in html
    assert "&lt;b&gt;" in html and "<td" in html
    # Nothing is fetched: no scripts, no style sheets, no fonts or pictures from elsewhere.
    assert "<script" not in html and "<link" not in html and "url(" not in html and "@import" not in html
    assert all(address.startswith("data:") for address in re.findall(r'src="(.*?)"', html))
    assert nb.cells[1].metadata == {}  # the notebook is as it was


def test_a_page_in_a_folder_of_its_own_links_upwards(tmp_path):
    source = tmp_path / "book" / "solutions" / "01_a_solutions.ipynb"
    nb = v4.new_notebook(cells=[v4.new_markdown_cell("Back to [one](../01_a.ipynb)")])
    pages = {(tmp_path / "book" / "01_a.ipynb").resolve(): tmp_path / "site" / "01_a.html"}
    target = tmp_path / "site" / "solutions" / "01_a_solutions.html"
    write_page(nb, source, target, pages, tmp_path / "site" / "index.html")
    html = target.read_text("utf-8")
    assert 'Back to <a href="../01_a.html">' in html and 'href="../index.html"' in html
    assert "<title>01_a_solutions</title>" in html


def test_the_index_lists_title_sentence_solutions_seconds_and_result(tmp_path):
    rows = [
        IndexRow("1. A & B", "01.html", "One `sentence`: $x$.", "solutions/01.html", "1.2", "ok", "green"),
        IndexRow("2. B", "02.html", "", None, "–", "skipped: no data", "yellow"),
    ]
    write_index(tmp_path / "index.html", rows, "Run today", [Banner("yellow", "", "Stand-in data: ...")], ["Epoch 9."])
    html = (tmp_path / "index.html").read_text("utf-8")
    assert '<a class="title" href="01.html">1. A &amp; B</a>' in html
    assert "One <code>sentence</code>: <svg" in html and html.count("Solutions of the exercises") == 1
    results = re.findall('<span class="result (.*?)">(.*?)</span>', html)
    assert results == [("green", "ok"), ("yellow", "skipped: no data")]
    assert '<td class="number">1.2</td>' in html
    assert "Run today" in html and "Stand-in data: ..." in html and "<code>Epoch 9.</code>" in html

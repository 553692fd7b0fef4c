import re
from pathlib import Path

from d2lhelpers.suite.pages import Banner, IndexRow, Link, opening, write_index, write_page

import nbformat
import pytest
from nbformat import v4

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def shown(tmp_path, markdown):
    """The page of a notebook with one Markdown cell."""
    path, target = tmp_path / "01_a.ipynb", tmp_path / "a.html"
    write_page(v4.new_notebook(cells=[v4.new_markdown_cell(markdown)]), path, target, {}, tmp_path / "index.html")
    return target.read_text("utf-8")


def test_formulas_are_mathml(tmp_path):
    page = shown(tmp_path, "Inline $\\frac{n - k}{s}$, then\n\n$$\\left\\lfloor x_1 \\right\\rfloor$$")
    inline, block = re.findall(r'<math [^>]*display="(\w+)"[^>]*>(.*?)</math>', page)
    assert inline[0] == "inline" and "<mfrac>" in inline[1] and "<mi>n</mi>" in inline[1]
    assert block[0] == "block" and "<msub><mi>x</mi><mn>1</mn></msub>" in block[1] and "⌊" in block[1]


@pytest.mark.parametrize("environment", ["aligned", "bmatrix", "cases"])
def test_grids_have_rows_and_columns(tmp_path, environment):
    page = shown(tmp_path, rf"$$\begin{{{environment}}} a & b \\ c & d \end{{{environment}}}$$")
    assert (page.count("<mtr>"), page.count("<mtd")) == (2, 4)


@pytest.mark.parametrize("tex", [r"\nosuch{x} < 1", r"\frac{"])
def test_a_formula_that_is_not_understood_is_shown_as_tex(tmp_path, tex):
    assert f'<code class="formula">{tex.replace("<", "&lt;")}</code>' in shown(tmp_path, f"${tex}$")


@pytest.mark.parametrize(
    "tex, mathml",
    [
        (r"\ln 10", '<mi>ln</mi><mspace width="0.17em"></mspace><mn>10</mn>'),
        (
            r"\ln\operatorname{softmax}(x)",
            '<mi>ln</mi><mspace width="0.17em"></mspace><mi>softmax</mi><mo stretchy="false">(',
        ),
        (r"\max_i x", '<msub><mi>max</mi><mi>i</mi></msub><mspace width="0.17em"></mspace><mi>x</mi>'),
        ("v = -u", '<mo>=</mo><mo form="prefix">−</mo><mi>u</mi>'),
        ("(a) - b", "<mo>−</mo><mi>b</mi>"),
        (r"\infty", "<mi>∞</mi>"),
        ("f'", "<msup><mi>f</mi><mo>′</mo></msup>"),
    ],
)
def test_names_and_signs_of_a_formula_are_spaced_as_tex_does(tmp_path, tex, mathml):
    assert mathml in shown(tmp_path, f"${tex}$")


def test_what_belongs_together_is_not_divided_by_a_lines_end(tmp_path):
    page = shown(tmp_path, "for $x$ and $y$, `nd.array` and `nn.AdaptiveAvgPool2D(1)`")
    assert "</math> and <span" in page, "only the last formula is followed by a comma"
    assert re.search('<span class="whole"><math .*</math>,</span> <code class="whole">nd.array</code>', page)
    assert re.search("<code>nn.<wbr/?>AdaptiveAvgPool2D[(]<wbr/?>1[)]</code>", page)


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
    assert html.count("<math ") == 2
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
        IndexRow("1. A & B", "01.html", "One `sentence`: $x$.", "solutions/01.html", "3.0", "1.2", "ok", "green"),
        IndexRow("2. B", "02.html", "", None, "", "–", "skipped: no data", "yellow"),
    ]
    write_index(tmp_path / "index.html", rows, "Run today", [Banner("yellow", "", "Stand-in data: ...")], ["Epoch 9."])
    html = (tmp_path / "index.html").read_text("utf-8")
    assert '<a class="title" href="01.html">1. A &amp; B</a>' in html
    assert 'One <code class="whole">sentence</code>: <math' in html and html.count("Solutions of the exercises") == 1
    results = re.findall('<span class="result (.*?)">(.*?)</span>', html)
    assert results == [("green", "ok"), ("yellow", "skipped: no data")]
    assert '<td class="number">1.2</td>' in html
    assert "Run today" in html and "Stand-in data: ..." in html and "<code>Epoch 9.</code>" in html


@pytest.mark.parametrize(
    "sentence",
    [
        "<script>alert(1)</script>",
        '<img src="x" onerror="alert(1)">',
        "[x](javascript:alert(1))",
        "<style>body { display: none }</style>",
        "</table><h1>mine</h1>",
        "<title>",
        "<textarea>",
    ],
)
def test_nothing_of_a_notebooks_sentence_is_live_on_the_index(tmp_path, sentence):
    row = IndexRow("T", "t.html", sentence, None, "", "1.0", "ok", "green")
    write_index(tmp_path / "index.html", [row], "about", [], [])
    text = (tmp_path / "index.html").read_text("utf-8")
    body = text.split("<main", 1)[1]
    assert not re.search(r"<(script|img|style|h1>mine|title|textarea)|javascript:", body), body
    assert text.index("Content-Security-Policy") < text.index("<title>") and "script-src 'none'" in text

"""Web pages of notebooks and documents, and their index: each one file, readable without network and JavaScript.

The one script is the index page's search, which is not there without it. nbconvert turns the cells into HTML and
latex2mathml the formulas into MathML, which browsers draw by themselves; the page around them and the links between
pages are made here.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import jinja2
import latex2mathml.converter
import markupsafe
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from .files import write_text

__all__ = [
    "Banner",
    "Found",
    "IndexRow",
    "Link",
    "Section",
    "headings",
    "opening",
    "write_document",
    "write_index",
    "write_page",
]

_TEMPLATES = Path(__file__).parent / "templates"

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # nbconvert's advice (such as on missing image texts) is not for the reader


class Banner(NamedTuple):
    """A notice that cannot be overlooked. ``kind`` is ``yellow``, ``red`` or ``blue``; ``text`` is Markdown."""

    kind: str
    head: str
    text: str


class Link(NamedTuple):
    """A page's title and its address."""

    title: str
    address: str


class IndexRow(NamedTuple):
    """One notebook on the index page. ``sentence`` is Markdown; ``solutions`` an address or None; ``kind`` a colour.

    ``minutes`` is what the README says; ``seconds`` and ``result`` are those of a run, and empty where there was none.
    Links in the sentence are relative to ``source``.
    """

    title: str
    address: str
    sentence: str
    solutions: str | None
    minutes: str
    seconds: str
    result: str
    kind: str
    source: Path | None = None


class Section(NamedTuple):
    """A part of the index page below its table; ``text`` is Markdown."""

    title: str
    text: str


class Found(NamedTuple):
    """What the search can find: a text, what to know about it, and the address, relative to the index page."""

    text: str
    note: str
    address: str


def headings(page: Path, home: Path) -> list[Found]:
    """Read the headings that can be linked to from a page.

    Args:
        page: A page's file.
        home: The index page's file.

    Returns:
        Each heading with the page's title.
    """
    text = page.read_text("utf-8")
    title = _plain(text.partition("<title>")[2].partition("</title>")[0])
    found = re.findall(r'<h([1-6])[^>]* id="([^"]+)"[^>]*>(.*?)</h\1>', text, re.DOTALL)
    return [
        Found(_plain(re.sub(r'<a class="anchor-link".*', "", heading)), title, f"{_address(page, home)}#{name}")
        for _, name, heading in found
    ]


def _plain(text):
    return html.unescape(re.sub(r"<[^>]*>", "", text)).strip()


def opening(notebook: NotebookNode) -> tuple[str, str]:
    """Read title and first paragraph from a notebook's opening.

    Args:
        notebook: A notebook whose first cell is Markdown and begins ``# N. Title``, then a paragraph.

    Returns:
        The title as plain text and the paragraph as Markdown; each is empty where there is none.
    """
    if not notebook.cells or notebook.cells[0].cell_type != "markdown":
        return "", ""
    title, sentence = "", ""
    for block in re.split(r"\n\s*\n|\n(?=#)|(?<=\S)\n(?=[-*] )", notebook.cells[0].source):
        heading = re.match(r"\s*#\s+(.+)\n?", block)
        if heading and not title:
            title, block = re.sub(r"[*`_]", "", heading[1]).strip(), block[heading.end() :]
        if block.strip() and title:
            sentence = " ".join(block.split())
            break
    return title, sentence


def write_page(
    notebook: NotebookNode,
    source: Path,
    target: Path,
    pages: dict[Path, Path],
    home: Path,
    previous: Link | None = None,
    next: Link | None = None,
    banner: Banner | None = None,
) -> None:
    """Write a notebook as a web page.

    Args:
        notebook: The notebook with its outputs.
        source: Its file; links and images in it are relative to that.
        target: The page's file.
        pages: For each notebook file (resolved) that has a page, the page's file.
        home: The index page's file.
        previous: The page before this one.
        next: The page after this one.
        banner: A notice above the content.
    """
    exporter = _exporter(source, target, pages)
    body, _ = exporter.from_notebook_node(_with_image_texts(notebook))
    page = _template("page.html.j2").render(
        title=opening(notebook)[0] or source.stem,
        style=_style(),
        body=markupsafe.Markup(body),
        previous=previous,
        next=next,
        home=_address(home, target),
        banner=banner and banner._replace(text=_inline_html(banner.text)),
    )
    write_text(target, page)


def write_document(source: Path, target: Path, pages: dict[Path, Path], home: Path) -> None:
    """Write a Markdown file as a web page.

    Args:
        source: The file; links and images in it are relative to that. ``….zh-CN.md`` is in Chinese.
        target: The page's file.
        pages: For each file (resolved) that has a page, the page's file.
        home: The index page's file.
    """
    text = source.read_text("utf-8")
    heading = re.search(r"^# (.+)", text, re.MULTILINE)
    body = _markdown(text, source, _rewrite(source, target, pages))
    # Links to a section of a document name it as forges do, nbconvert names it in its own way.
    body = re.sub(r'(?<=<h\d id=")[^"]+|(?<=href="#)[^"]+(?=">&#182;)', lambda found: _forge_name(found[0]), body)
    page = _template("page.html.j2").render(
        title=heading[1] if heading else source.stem,
        language="zh-CN" if source.stem.endswith(".zh-CN") else "en",
        style=_style(),
        body=markupsafe.Markup(f'<div class="text_cell">{body}</div>'),
        home=_address(home, target),
    )
    write_text(target, page)


def write_index(
    target: Path,
    rows: list[IndexRow],
    about: str,
    notices: list[Banner],
    lines: list[str],
    introduction: str = "",
    sections: Sequence[Section] = (),
    source: Path = Path("README.md"),
    pages: dict[Path, Path] | None = None,
    entries: Sequence[Found] = (),
) -> None:
    """Write the index page.

    Args:
        target: The page's file.
        rows: One entry a notebook.
        about: One line on how the pages came to be.
        notices: What the reader must know first.
        lines: Lines of output to show below the table.
        introduction: What this is, as Markdown.
        sections: What follows the table.
        source: The file that links in introduction and sections are relative to.
        pages: For each file (resolved) that has a page, the page's file.
        entries: What the search finds; without any there is no search.
    """
    rewrite = _rewrite(source, target, pages or {})
    script = (_TEMPLATES / "search.js").read_text("utf-8")
    rows = [
        row._replace(sentence=_inline_html(row.sentence, _rewrite(row.source or source, target, pages or {})))
        for row in rows
    ]
    notices = [notice._replace(text=_inline_html(notice.text)) for notice in notices]
    page = _template("index.html.j2").render(
        style=_style(),
        rows=rows,
        about=about,
        notices=notices,
        lines=lines,
        introduction=markupsafe.Markup(_markdown(introduction, source, rewrite)),
        sections=[
            section._replace(text=markupsafe.Markup(_markdown(section.text, source, rewrite))) for section in sections
        ],
        timed=any(row.minutes for row in rows),
        ran=any(row.result for row in rows),
        entries=entries and markupsafe.Markup(json.dumps(entries, ensure_ascii=False).replace("<", "\\u003c")),
        script=markupsafe.Markup(script),
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    write_text(target, page)


def _address(target, page):
    return Path(os.path.relpath(target, page.parent)).as_posix()


def _formula(tex, display="inline"):
    """A formula as MathML; as its TeX source where latex2mathml does not know a command."""
    try:
        mathml = latex2mathml.converter.convert(tex.replace("{aligned}", "{align*}"), display=display)
    except Exception:  # each fault is an exception type of its own there, and all are faults of the formula
        mathml = "\\"
    if "\\" in mathml or "<mi>&</mi>" in mathml:
        return f'<code class="formula">{html.escape(tex)}</code>'
    return _spaced(mathml)


def _spaced(mathml):
    """MathML with the spaces that TeX would leave: latex2mathml does not tell names and signs from operators."""
    formula = ElementTree.fromstring(mathml.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', ""))
    for element in list(formula.iter()):
        if element.text == "∞":
            element.tag = "mi"
        elif element.text == "′":
            element.tag = "mo"
        elif element.tag == "mo" and re.fullmatch("[A-Za-z]{2,}", element.text or ""):
            element.tag = "mi"
    for row in list(formula.iter()):
        for before, element in zip(list(row), list(row)[1:]):
            if (before.tag, element.tag, element.text) == ("mo", "mo", "−") and before.text not in (")", "]", "|", "′"):
                element.set("form", "prefix")
            name = before[0] if before.tag in ("msub", "munder") else before
            is_name = name.tag == "mi" and re.fullmatch("[a-z]{2,}", name.text or "")
            if row.tag in ("mrow", "math", "mtd") and is_name and element.text != "(":
                row.insert(list(row).index(element), ElementTree.Element("mspace", width="0.17em"))
    return ElementTree.tostring(formula, encoding="unicode", short_empty_elements=False)


_SHORT = 16  # characters of code that a line's end does not divide


class _Renderer(IPythonRenderer):
    """Markdown with formulas as MathML and with links to notebooks turned into links to their pages."""

    rewrite = staticmethod(lambda address: address)

    def link(self, text, url, title=None):
        return super().link(text, self.rewrite(url), title)

    def codespan(self, text):
        code = super().codespan(text.replace("\\|", "|"))  # as a table needs it
        if len(text) <= _SHORT:
            return code.replace("<code>", '<code class="whole">')
        return re.sub(r"(?<=[_.(=])(?=\w)", "<wbr>", code)

    def inline_math(self, body):
        return _formula(body)

    def block_math(self, body):
        return f'<span class="display-formula" style="display:block">{_formula(body, "block")}</span>'

    def latex_environment(self, name, body):
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


def _rewrite(source, target, pages):
    """What turns an address in ``source`` into the one that its page needs."""

    def rewrite(address):
        parts = urlsplit(address)
        if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
            return address
        linked = (source.parent / unquote(parts.path)).resolve()
        page = pages.get(linked, linked if linked.exists() else None)
        if page is None:
            return address
        return _address(page, target) + (f"#{parts.fragment}" if parts.fragment else "")

    return rewrite


def _forge_name(heading):
    return re.sub(r"[^\w-]", "", unquote(html.unescape(heading)).lower())


def _markdown(text, source, rewrite, attachments=None):
    renderer = _Renderer(escape=False, attachments=attachments or {}, embed_images=True, path=str(source.parent))
    renderer.rewrite = rewrite
    page = MarkdownWithMath(renderer=renderer).render(text)
    return re.sub(
        r'(<math display="inline">(?:(?!</math>).)*</math>)([,.;:?!)]+)', r'<span class="whole">\1\2</span>', page
    )


def _exporter(source, target, pages):
    rewrite = _rewrite(source, target, pages)

    class Exporter(HTMLExporter):
        @jinja2.pass_context
        def markdown2html(self, context, text):
            return _markdown(text, source, rewrite, context.get("cell", {}).get("attachments"))

    return Exporter(template_name="basic", log=_log)


def _with_image_texts(notebook):
    """Give each figure a text for those who cannot see it: ``alt`` of its cell's metadata, else the cell's id."""
    notebook = NotebookNode({**notebook, "cells": [NotebookNode(cell) for cell in notebook.cells]})
    for cell in notebook.cells:
        if cell.cell_type == "code" and any("image/png" in output.get("data", {}) for output in cell.outputs):
            text = f"Figure: {cell.get('id', 'output').replace('-', ' ')}"
            cell["metadata"] = NotebookNode({"alt": text, **cell.metadata})
    return notebook


def _inline_html(markdown, rewrite=_Renderer.rewrite):
    # A notebook's sentence stands on a page that is not the notebook's: its HTML is text, its scripts no links.
    renderer = _Renderer(escape=True)
    renderer.rewrite = lambda address: rewrite(address) if urlsplit(address).scheme in ("", "http", "https") else "#"
    rendered = MarkdownWithMath(renderer=renderer).render(markdown).strip()
    return markupsafe.Markup(re.sub(r"^<p>|</p>$", "", rendered))


@functools.cache
def _template(name):
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True).get_template(name)


@functools.cache
def _style():
    css = (_TEMPLATES / "style.css").read_text("utf-8")
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    keep_ours = "pre, .highlight { background: none; } .highlight pre, .text_cell pre { background: var(--code); }"
    return markupsafe.Markup(f"{css}\n{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{keep_ours}")

"""The web pages under ``build/html``: notebooks, documents, index and API, after a run or from what is recorded."""

from __future__ import annotations

import copy
import enum
import importlib.util
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import nbformat

import nbtolerance
from nbtolerance.execution import code_cells
from nbtolerance.files import read_notebook

from ..data.registry import DATA_SETS
from .files import find_notebooks, write_text
from .needs import our_metadata
from .terminal import report_error

__all__ = ["Entry", "Site", "State", "build_site", "cannot_build", "last_lines", "seconds_shown", "versions"]

_DOCUMENTS = ("README.md", "README.zh-CN.md", "docs/*.md", "benchmarks/README.md", "CONTRIBUTING.md", "CHANGELOG.md")
_PLAIN_FILES = ("LICENSE", "NOTICE", "environment.yml")


class State(enum.Enum):
    """How a notebook of the spine fares: in words, and with which sign."""

    NOT_RUN = ("not run", None)
    RECORDED = ("recorded", None)
    SKIPPED = ("skipped", "yellow")
    OK = ("ok", "green")
    STAND_IN = ("ok, stand-in data", "yellow")
    FAILED = ("failed", "red")

    @property
    def words(self):
        """What a table says."""
        return self.value[0]

    @property
    def colour(self):
        """The colour of these words, or None."""
        return self.value[1]


@dataclass
class Entry:
    """One notebook of the spine, and how it fares."""

    path: Path
    notebook: nbformat.NotebookNode
    stand_in: bool = False
    seconds: float | None = None
    state: State = State.NOT_RUN
    detail: str = ""
    advice: str = ""

    @property
    def result(self):
        """The state in words, with its detail."""
        return f"{self.state.words}: {self.detail}" if self.detail else self.state.words


def build_site(notebooks_dir: str | os.PathLike, build_dir: str | os.PathLike) -> int:
    """Write all web pages from the recorded outputs; no notebook is executed.

    Args:
        notebooks_dir: The folder that holds the spine and ``solutions/``; the documents lie in the folder above it.
        build_dir: Where ``html/index.html`` and the rest go.

    Returns:
        The exit status: 0 where all pages were written, 1 where pdoc failed, 2 where there is no notebook, one cannot
        be read or nothing can be built.
    """
    try:
        spine, solutions = find_notebooks(notebooks_dir)
        entries = [Entry(path, read_notebook(path), state=State.RECORDED) for path in spine]
        for entry in entries:
            our_metadata(entry.notebook)  # of another form: said before anything is written
        site = Site(entries, {path: read_notebook(path) for path in solutions}, notebooks_dir, build_dir)
    except (FileNotFoundError, ValueError) as error:
        return report_error(error, 2)
    try:
        site.html.mkdir(parents=True, exist_ok=True)
        fault = site.write_api()
        site.write_pages("Built from the recorded outputs; nothing was run for it.")
    except OSError as error:
        return report_error(cannot_build(build_dir, error), 2)
    if fault:
        print(f"API pages: {fault}", file=sys.stderr)
    print(f"pages: {site.index}", flush=True)
    return 1 if fault and fault != _NO_PDOC else 0


def cannot_build(build_dir, error):
    """Say that the folder ``build_dir`` cannot be written to, as an error."""
    return OSError(f"expected a folder to build in, got {build_dir} ({error.strerror}): name another")


class Site:
    """What is written under ``build/``."""

    def __init__(self, entries, solutions, notebooks_dir, build_dir):
        """Plan which file has which page.

        Args:
            entries: The spine.
            solutions: The notebooks of solutions by their files.
            notebooks_dir: The folder of the spine; README and documents are looked for in the folder above it.
            build_dir: Where to write.
        """
        self.entries, self.solutions = entries, solutions
        self.root = Path(notebooks_dir).resolve().parent
        self.copies, self.html = Path(build_dir) / "notebooks", Path(build_dir) / "html"
        self.index = self.html / "index.html"
        self.readme = self.root / "README.md"
        text = self.readme.read_text("utf-8") if self.readme.is_file() else ""
        self.introduction, self.sections = _read_readme(text)
        self.minutes = _minutes(self.sections.get("The notebooks", ""))
        self.documents = [path for pattern in _DOCUMENTS for path in sorted(self.root.glob(pattern))]
        self.plain_files = [self.root / name for name in _PLAIN_FILES if (self.root / name).is_file()]
        self.pages = {entry.path.resolve(): self._page(entry.path) for entry in entries}
        self.pages.update((path.resolve(), self.html / "solutions" / f"{path.stem}.html") for path in solutions)
        for path in self.documents:
            self.pages[path.resolve()] = self.html / path.relative_to(self.root).with_suffix(".html")
        self.pages.update((path.resolve(), self.html / f"{path.stem}.txt") for path in self.plain_files)
        self.pages[Path(notebooks_dir).resolve() / "solutions"] = self.index  # each row has its link

    def _page(self, path):
        return self.html / f"{path.stem}.html"

    def write_copy(self, entry):
        """Write the executed copy, with its notice as a cell of its own."""
        notebook = copy.copy(entry.notebook)
        if entry.stand_in:
            notice = nbformat.v4.new_markdown_cell(f"> ⚠️ **{_STAND_IN_HEAD}** {_STAND_IN_TEXT}", id="stand-in-data")
            notebook.cells = [notice, *notebook.cells]
        write_text(self.copies / entry.path.name, nbformat.writes(notebook) + "\n")

    def write_api(self):
        """Write the API pages of both packages with pdoc; returns why there are none, or None."""
        if importlib.util.find_spec("pdoc") is None:
            return _NO_PDOC
        # In a process of its own: pdoc imports everything, MXNet included.
        options = [
            "--docformat",
            "google",
            "--no-search",
            "--no-show-source",
            "-t",
            str(Path(__file__).with_name("templates")),
        ]
        command = [sys.executable, "-m", "pdoc", *options, "-o", str(self.html / "api"), *_api_modules()]
        done = subprocess.run(command, capture_output=True, text=True)
        return (
            f"pdoc failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}" if done.returncode else None
        )

    def write_pages(self, about, notices=()):
        """Write every page: what was executed with its new outputs, the rest and the solutions with the recorded.

        Args:
            about: One line on how the pages came to be.
            notices: What the reader must know first, as Markdown.
        """
        from . import pages  # slow to import: after the kernels

        titles = [pages.opening(entry.notebook)[0] or entry.path.stem for entry in self.entries]
        links = [pages.Link(title, f"{entry.path.stem}.html") for title, entry in zip(titles, self.entries)]  # noqa: B905
        rows = []
        for i, entry in enumerate(self.entries):
            pages.write_page(
                entry.notebook,
                entry.path,
                self._page(entry.path),
                self.pages,
                self.index,
                previous=links[i - 1] if i else None,
                next=links[i + 1] if i + 1 < len(links) else None,
                banner=_banner(entry, pages.Banner),
            )
            solutions = [path for path in self.solutions if path.stem == f"{entry.path.stem}_solutions"]
            rows.append(
                pages.IndexRow(
                    title=titles[i],
                    address=links[i].address,
                    sentence=pages.opening(entry.notebook)[1],
                    solutions=f"solutions/{solutions[0].stem}.html" if solutions else None,
                    minutes=self.minutes.get(entry.path.name, ""),
                    seconds=_ran_or_not(entry, seconds_shown(entry)),
                    result=_ran_or_not(entry, entry.result),
                    kind=entry.state.colour or "",
                    source=entry.path,
                )
            )
        up = [link._replace(address=f"../{link.address}") for link in links]
        after = {f"{entry.path.stem}_solutions": i for i, entry in enumerate(self.entries)}
        for path, notebook in self.solutions.items():
            i = after.get(path.stem, len(up))  # between its notebook and the next one
            pages.write_page(
                notebook,
                path,
                self.pages[path.resolve()],
                self.pages,
                self.index,
                previous=up[i] if i < len(up) else None,
                next=up[i + 1] if i + 1 < len(up) else None,
            )
        for path in self.documents:
            pages.write_document(path, self.pages[path.resolve()], self.pages, self.index)
        for path in self.plain_files:
            write_text(self.pages[path.resolve()], path.read_text("utf-8"))
        pages.write_index(
            self.index,
            rows,
            about=about,
            notices=[pages.Banner("yellow", "", notice) for notice in notices],
            lines=last_lines(self.entries),
            introduction=self.introduction,
            sections=[
                pages.Section(title, text)
                for title, text in {
                    "The map": self.sections.get("The map", ""),
                    "Where the data came from": _data_sources(),
                    "Further pages": self._further_pages(),
                }.items()
                if text
            ],
            source=self.readme,
            pages=self.pages,
            entries=self._entries(pages),
        )

    def _entries(self, pages):
        """What the search finds: the terms of the glossary, then the headings of all pages."""
        written = [page for page in self.pages.values() if page.suffix == ".html" and page != self.index]
        written += sorted((self.html / "api").rglob("*.html"))
        glossary, terms = self.root / "docs" / "glossary.md", []
        rows = re.findall(_TERM, glossary.read_text("utf-8") if glossary.is_file() else "", re.MULTILINE)
        for english, chinese, sentence, notebook in rows:
            page = self.pages.get((glossary.parent / notebook).resolve(), self.pages[glossary.resolve()])
            terms.append(pages.Found(f"{english} {chinese}", sentence, page.relative_to(self.html).as_posix()))
        return terms + [entry for page in dict.fromkeys(written) for entry in pages.headings(page, self.index)]

    def _further_pages(self):
        """A list of the documents and of the API pages, as Markdown with links relative to the README."""
        lines = []
        for path in self.documents:
            heading = re.search(r"^# (.+)", path.read_text("utf-8"), re.MULTILINE)
            name = path.relative_to(self.root).as_posix()
            lines.append(f"- [{heading[1] if heading else path.stem}]({name}) (`{name}`)")
        if (self.html / "api" / "index.html").is_file():
            lines.append("- [The API of both packages](api/index.html)")
        return "\n".join(lines)


_TERM = r"^\| *([^|]+?) *\| *([^|]+?) *\| *([^|]+?) *\| *\[\d+\]\(([^)]+)\) *\|$"  # a row of the glossary
_NO_PDOC = "skipped, no pdoc"
_STAND_IN_HEAD = "Stand-in data."
_STAND_IN_TEXT = (
    "This run lacked the real images: those below are drawn ones of the same shape and classes. The numbers are not "
    "those of the real data and compare with nothing published, and what the text says about them may not hold."
)


def _api_modules():
    """Both packages and the modules right below them, but what looks after this repository."""
    modules = []
    for package in (Path(__file__).parents[1], Path(nbtolerance.__file__).parent):
        below = [path.stem for path in package.glob("[!_]*.py")]
        below += [path.parent.name for path in package.glob("*/__init__.py")]
        modules += [package.name, *(f"{package.name}.{name}" for name in sorted(below))]
    return [name for name in modules if name != "d2lhelpers.suite"]


def _read_readme(text):
    """The first three sentences of a README, and its sections by their titles."""
    top, *parts = re.split(r"^## +", text, flags=re.MULTILINE)
    sections = {title.strip(): body.strip() for title, _, body in (part.partition("\n") for part in parts)}
    paragraphs = [block for block in re.split(r"\n\s*\n", top) if block.strip() and block.strip()[0] not in "#["]
    sentences = re.split(r"(?<=\.)\s+", paragraphs[0].strip()) if paragraphs else []
    return " ".join(sentences[:3]), sections


def _minutes(table):
    """The minutes of each notebook, by its file's name: the last column of the README's table."""
    return dict(re.findall(r"^\| *\[[^\]]*\]\(notebooks/([^)]+)\).*\| *([\d.]+) *\|$", table, re.MULTILINE))


def _data_sources():
    """A list of the data sets with the servers that they are downloaded from, as Markdown."""
    lines = []
    for data_set in DATA_SETS.values():
        if data_set.cut_from:
            lines.append(f"- {data_set.title}: the beginning of {DATA_SETS[data_set.cut_from].title}")
        else:
            servers = ", ".join(f"[{urlsplit(address).netloc}]({address})" for address in data_set.mirrors)
            lines.append(f"- {data_set.title}: {servers}")
    return "\n".join([*lines, "", "Every file is checked by SHA-256 before it is used."])


def _banner(entry, banner):
    if entry.state in (State.OK, State.RECORDED):
        return None
    if entry.state is State.STAND_IN:
        return banner("yellow", _STAND_IN_HEAD, _STAND_IN_TEXT)
    if entry.state is State.FAILED:
        return banner(
            "red", "This run failed:", f"{entry.detail}. What follows was not run, and shows recorded outputs."
        )
    why = entry.advice or entry.detail
    head = f"{entry.state.words.capitalize()}{':' if why else '.'}"
    return banner("blue", head, f"{why}. " * bool(why) + "The outputs on this page are the recorded ones.")


def _ran_or_not(entry, text):
    """What the index says of a run: nothing where there was none."""
    return "" if entry.state is State.RECORDED else text


def versions():
    """What a run depends on most, with versions."""
    found = [f"Python {platform.python_version()}"]
    for title, names in {"MXNet": ("mxnet", "mxnet-cu117", "mxnet-cu112"), "NumPy": ("numpy",)}.items():
        for name in names:
            try:
                found.append(f"{title} {metadata.version(name)}")
                break
            except metadata.PackageNotFoundError:
                continue
    return ", ".join(found)


def seconds_shown(entry):
    """How long a notebook ran, as a table shows it."""
    return "–" if entry.seconds is None else f"{entry.seconds:.1f}"


def last_lines(entries):
    """What sums up the notebooks: the last line of the cell that their metadata name, under its title."""
    lines = []
    for entry in entries:
        shows = our_metadata(entry.notebook).get("shows")
        if shows and entry.state in (State.OK, State.STAND_IN, State.RECORDED):
            outputs = [o for cell in code_cells(entry.notebook) if cell.id == shows["cell"] for o in cell.outputs]
            printed = "".join(output.get("text", "") for output in outputs).splitlines()
            stand_in = " (stand-in data)" if entry.stand_in else ""
            lines += [f"{shows['title']}: {line}{stand_in}" for line in printed[-1:]]
    return lines

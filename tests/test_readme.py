"""The README in English and in Chinese: the same commands, links, figures and rows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENGLISH, CHINESE = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md"))


def blocks(text):
    return re.findall(r"```\w+\n.*?```", text, re.DOTALL)


def links(text):
    return sorted(link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("README"))


def rows(text):
    """Of each table: how many columns each row has."""
    return [line.count("|") for line in text.splitlines() if line.startswith("|")]


def figures(text):
    """The numbers in prose and tables, each as often as it comes; those in words are nobody's business."""
    prose = re.sub(r"```.*?```|\]\([^)]*\)", "", text, flags=re.DOTALL)
    return sorted(re.findall(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w])", prose))


@pytest.mark.parametrize("what", [blocks, links, rows, figures], ids=lambda what: what.__name__)
def test_both_say_the_same(what):
    assert what(ENGLISH) == what(CHINESE) != []


def test_a_difference_would_be_found():
    assert rows(ENGLISH.replace("| fit | 6.8 s |\n", "")) != rows(CHINESE)
    assert figures(ENGLISH.replace("12.6", "12.5")) != figures(CHINESE)
    assert links(ENGLISH.replace("(LICENSE)", "(LICENCE)")) != links(CHINESE)
    assert blocks(ENGLISH.replace("make run  ", "make  run")) != blocks(CHINESE)


def test_each_points_to_the_other():
    assert "(README.zh-CN.md)" in ENGLISH and "(README.md)" in CHINESE

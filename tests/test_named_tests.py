"""compat/README.md and faults.md name tests for each row of their tables; each of them must exist."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README, FAULTS = ROOT / "compat/README.md", ROOT / "tests/faults.md"
NAMED = re.compile(r"`(tests/[\w./-]+\.py)::(\w+)`")
WAITS = re.compile(r"waits for agents")
SECTIONS = {README: ("## Bad input", "## Differences"), FAULTS: ()}
# the cases of the fault catalogue and of the threat model that are answered for so far: letter -> its numbers
CASES = {
    "A": [*range(1, 10)],
    "B": [*range(1, 12)],
    "C": [*range(1, 13)],
    "D": [*range(1, 16)],
    "E": [*range(1, 16), 18],
    "F": [*range(1, 17)],
    "G": [*range(1, 5), 7],
    "H": [1, 9, 10],
    "S": [*range(1, 12), 17, 18],
}


def rows(page: Path) -> list[list[str]]:
    """The cells of each row of the Markdown tables of a page's sections, without their headings; () are all."""
    out: list[list[str]] = []
    section, in_table = "", False
    for line in page.read_text().splitlines():
        section = line.strip() if line.startswith("## ") else section
        if in_table and line.startswith("|") and (section in SECTIONS[page] or not SECTIONS[page]):
            out.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        in_table = line.startswith("|---") or (in_table and line.startswith("|"))
    return out


@cache
def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def missing(named: Collection[tuple[str, str]]) -> list[str]:
    """Those of the (file, function) that do not exist."""
    known = {path: functions_of(ROOT / path) if (ROOT / path).is_file() else set() for path, _ in named}
    return [f"{path}::{name}" for path, name in named if name not in known[path]]


@pytest.mark.parametrize("page", SECTIONS, ids=lambda page: page.name)
def test_every_row_names_a_test(page: Path) -> None:
    found = rows(page)
    assert len(found) > 20
    for row in found:
        assert NAMED.search(row[-1]) or (page == FAULTS and WAITS.fullmatch(row[-1])), row
        rest = NAMED.sub("", row[-1])
        assert not (WAITS.sub("", rest) if page == FAULTS else rest).strip(" ,;"), row


@pytest.mark.parametrize("page", SECTIONS, ids=lambda page: page.name)
def test_every_named_test_exists(page: Path) -> None:
    named = NAMED.findall(page.read_text())
    assert named and missing(named) == []


def test_every_case_has_one_row() -> None:
    wanted = {f"{letter}{n}": 1 for letter, numbers in CASES.items() for n in numbers}
    assert Counter(row[0] for row in rows(FAULTS)) == wanted

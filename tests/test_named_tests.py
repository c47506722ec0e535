"""compat/README.md names a test for each row of its tables; each of them must exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "compat/README.md"
NAMED = re.compile(r"`(tests/[\w./-]+\.py)::(\w+)`")
SECTIONS = ("## Bad input", "## Differences")


def rows(text: str) -> list[str]:
    """The rows of the Markdown tables of our sections, without their headings."""
    out: list[str] = []
    section = ""
    for line in text.splitlines():
        section = line.strip() if line.startswith("## ") else section
        if section in SECTIONS and line.startswith("|"):
            out.append(line)
        elif out and out[-1]:
            out.append("")  # the end of a table
    tables = "\n".join(out).split("\n\n")
    return [row for table in tables for row in table.strip().split("\n")[2:]]


def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_row_names_a_test() -> None:
    found = rows(README.read_text())
    assert len(found) > 20
    for row in found:
        last = row.rstrip().removesuffix("|").rpartition("|")[2]
        assert NAMED.search(last), row
        assert not NAMED.sub("", last).strip(" ,;"), row


def test_every_named_test_exists() -> None:
    named = NAMED.findall(README.read_text())
    assert named
    missing = [f"{path}::{name}" for path, name in named if not (ROOT / path).is_file()]
    missing += [f"{p}::{name}" for p, name in named if (ROOT / p).is_file() and name not in functions_of(ROOT / p)]
    assert missing == []

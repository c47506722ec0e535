"""The README's commands run, and its map names what is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_map_names_every_file_and_no_other() -> None:
    block = re.search(r"## The map\n.*?```\n(.*?)```", README, re.S)
    assert block, "README.md has a section `## The map` with one fenced block"
    named = set()
    for line in block[1].splitlines():
        if line.startswith("tbdx/"):
            folder, *names = line.split("  ")[0].split()
            named |= {f"{folder}/{n}.py" for n in names}
    there = {p.relative_to(ROOT).as_posix() for p in (ROOT / "tbdx").glob("*/*.py") if p.name != "__init__.py"}
    assert named == there


def test_the_top_level_is_the_fixed_one() -> None:
    fixed = {"pyproject.toml", "tbdx", "compat", "hooks", "tests", "fixtures", "README.md", "LICENSE"}
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in listed.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= fixed

"""The README's commands run as pasted, and its map names what is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from conftest import Clone, git

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_map_names_every_file_and_no_other() -> None:
    block = re.search(r"## The map\n.*?```\n(.*?)```", README, re.S)
    assert block, "README.md has a section `## The map` with one fenced block"
    named = re.findall(r"^(tbdx/\S+\.py)", block[1], re.M)
    there = sorted(
        p.relative_to(ROOT).as_posix() for p in (ROOT / "tbdx").rglob("*.py") if len(p.read_text().split("\n")) > 3
    )
    assert sorted(named) == there


def test_the_commands_run_as_pasted(bare_git: Clone, tmp_path: Path) -> None:
    origin = tmp_path / "origin.git"
    git(tmp_path, "init", "-q", "--bare", str(origin))
    bare_git.git("remote", "add", "origin", str(origin))
    blocks = re.findall(r"```sh\n(.*?)```", README, re.S)
    assert len(blocks) >= 3
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    script = "set -euo pipefail\n" + "\n".join(blocks)
    done = subprocess.run(["bash", "-c", script], cwd=bare_git.path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The final text" in bare_git.run("list", "--all").out
    assert bare_git.json("stats")["active"] == 0


def test_the_set_up_lines_are_two(bare_git: Clone) -> None:
    """One installs and runs the demo, one installs the test extra and runs the tests."""
    lines = [b.strip() for b in re.findall(r"```\n(.*?)```", README, re.S)[:2]]
    assert all("\n" not in line for line in lines)
    assert lines[0].endswith("tbdx demo") and "-m pytest" in lines[1] and "[test]" in lines[1]


def test_the_top_level_is_the_fixed_one() -> None:
    fixed = {"pyproject.toml", "tbdx", "compat", "hooks", "tests", "fixtures", "README.md", "LICENSE"}
    listed = git(ROOT, "ls-files")
    top = {line.split("/")[0] for line in listed.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= fixed

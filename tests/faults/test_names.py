"""Names and paths inside of issues lead nowhere: they are texts, and files are named by us alone (faults.md S1, B6)."""

from __future__ import annotations

import os
from pathlib import Path

from conftest import Clone
from damage import put_issue, ulid
from kernel.test_sync import Clones, settle, sync

NAMES = (
    "../../../../escaped",
    "/tmp/escaped",
    "..",
    ".",
    "/",
    "-rf",
    "a/../../b",
    "..\\..\\escaped",
    "C:\\escaped",
    "con",
    "nul.md",
    "~/escaped",
    "$HOME/escaped",
    "file:///etc/passwd",
    "%2e%2e%2fescaped",
    "..\u2215escaped",
    "\uff0e\uff0e/escaped",
    ".git/hooks/pre-commit",
    ".tbd/config.yml",
    "x" * 300,
)


def outside(root: Path) -> set[str]:
    """All that lies beside the clones' own git folders and the remote."""
    return {
        str(Path(folder, name))
        for folder, folders, names in os.walk(root)
        if "/.git" not in folder and "/origin.git" not in folder
        for name in (*folders, *names)
    }


def published(clone: Clone) -> list[str]:
    return clone.git("ls-tree", "-r", "--name-only", "tbd-sync").splitlines()


def test_names_that_lead_elsewhere_are_texts_through_edits_merges_and_copies(clones: Clones, tmp_path: Path) -> None:
    a, b = clones
    ids = []
    for n, name in enumerate(NAMES, 1):
        paths = {"spec_path": name, "docs": [{"path": name}], "extensions": {name: {name: 1}}, name: "base"}
        ids.append(put_issue(a, n, name[:200], labels=[name[:64]], parent_id=f"is-{ulid(999)}", **paths))
    sync(a, b)
    (tmp_path / "secret").write_text("SECRET")
    before = outside(tmp_path)
    for clone in clones:
        for of, name in zip(ids, NAMES, strict=True):
            path = clone.data / "issues" / f"{of}.md"
            text = path.read_text().replace(": base", f": by {clone.path.name}").replace(": 1\n", ": 2\n", 1)
            path.write_text(text)
            assert clone.run("update", of, "--title", f"{clone.path.name} {name}"[:200]).code == 0
    sync(a, b)
    settle(a, b)
    for argv in (
        ["list", "--specs"],
        ["list", "--long"],
        ["attic", "list"],
        ["show", *ids],
        ["doctor"],
        ["search", ".."],
    ):
        assert "SECRET" not in a.run(*argv).out
    assert a.run("save", "--dir", "../saved").code == 0 and a.json("attic", "list")
    made = {path for path in outside(tmp_path) - before if not path.startswith(f"{tmp_path}/saved")}
    assert made <= {str(a.path / ".tbd/state.yml"), str(b.path / ".tbd/state.yml")}, made
    files = published(a)
    assert len({path.lower() for path in files}) == len(files)
    for path in files:
        assert path.startswith(".tbd/data-sync/") and path.isascii() and ".." not in path and len(path) < 250, path

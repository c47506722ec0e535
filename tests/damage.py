"""What the tests of bad input share: snapshots, the shape of errors, issue files made by hand."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from conftest import Clone, Result

ISSUE = """\
---
type: is
id: {id}
title: {title}
kind: task
status: open
priority: 2
version: 1
labels: []
dependencies: []
created_at: 2025-01-01T00:00:00.000Z
updated_at: 2025-01-01T00:00:00.000Z
---
"""


def ulid(n: int) -> str:
    """The n-th id for issues made by hand; they sort by n."""
    from tbdx.core.ids import ulid as made

    return made(1_700_000_000_000, n)


def put_issue(repo: Clone, n: int, title: str = "by hand", **fields: Any) -> str:
    """Write an issue file as another program would, without a row in ids.yml; its internal id."""
    from tbdx.core import codec

    internal = f"is-{ulid(n)}"
    issue = codec.parse(ISSUE.format(id=internal, title="x")) | {"title": title, **fields}
    (repo.data / "issues" / f"{internal}.md").write_text(codec.render(issue))
    return internal


def snapshot(*roots: Path) -> dict[str, bytes | str]:
    """Every file below the roots with its bytes, links and other things by what they are; the cache is left out."""
    out: dict[str, bytes | str] = {}
    for root in roots:
        for folder, folders, names in os.walk(root):
            if folder.endswith("/.git/tbdx"):
                folders[:] = [name for name in folders if name != "cache"]
            for name in (*names, *folders):
                path = os.path.join(folder, name)
                mode = os.lstat(path).st_mode
                if stat.S_ISREG(mode):
                    out[path] = Path(path).read_bytes()
                else:
                    out[path] = os.readlink(path) if stat.S_ISLNK(mode) else f"{stat.S_IFMT(mode):o}"
    return out


def kept(repo: Clone) -> dict[str, bytes | str]:
    """The issues and settings of a clone, all their bytes; the epoch file and the lock folder are not among them."""
    return snapshot(repo.data, repo.path / ".tbd")


def one_error(done: Result) -> dict[str, Any]:
    """The error of a JSON-mode run: the last line of stderr. Before it only notices and warnings, on stdout nothing."""
    assert done.out == "", done
    rows = [json.loads(line) for line in done.err.splitlines()]
    assert rows, done
    assert all(set(row) <= {"notice", "warning"} for row in rows[:-1]), rows
    assert isinstance(rows[-1].get("error"), str) and rows[-1]["error"], rows
    return dict(rows[-1])


def refused(repo: Clone, *argv: str, code: int, says: str, before: dict[str, bytes | str] | None = None) -> str:
    """Both forms of a command line that must be refused: exit code, words, nothing on stdout, nothing written.

    Gives what the text form said on stderr.
    """
    before = kept(repo) if before is None else before
    text = repo.run(*argv)
    assert (text.code, text.out) == (code, ""), (argv, text)
    assert says in text.err and "Traceback" not in text.err, (argv, text)
    assert text.err.split(":")[0].splitlines()[-1].lower() == "error" or "\nError: " in text.err, (argv, text)
    as_json = repo.run("--json", *argv)
    assert as_json.code == code, (argv, as_json)
    said = one_error(as_json)
    assert says.lower() in said["error"].lower(), (argv, said)
    assert said["code"] and said["code"] != "unexpected", (argv, said)
    assert kept(repo) == before, argv
    return text.err

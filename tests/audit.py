"""An independent look at a sync branch: which merges lost a value? It reads git and YAML, and knows no code of tbdx.

For every merge commit and every issue that both sides changed since their base: each value that a side gave a field
must be in the merged file, or in an attic file of that commit, or be what the other side gave too. Of texts each line
that a side put in must be in the merged text, or its whole text in the attic.

    python tests/audit.py REPOSITORY [BRANCH]
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

ISSUES, ATTIC = ".tbd/data-sync/issues/", ".tbd/data-sync/attic/"
COUNTERS = ("version", "updated_at")
Issue = dict[str, Any]


class Branch:
    """A branch of a repository, read with git alone."""

    def __init__(self, repo: Path, branch: str = "tbd-sync") -> None:
        self.repo, self.branch = repo, branch

    def git(self, *args: str) -> str:
        done = subprocess.run(["git", *args], cwd=self.repo, capture_output=True, check=True)
        return done.stdout.decode("utf-8", "replace")

    def merges(self, since: str | None = None) -> list[list[str]]:
        """[commit, parent, parent] of each merge, the oldest first."""
        more = [f"^{since}"] if since else []
        return [
            r.split()
            for r in self.git("rev-list", "--merges", "--parents", "--reverse", self.branch, *more).splitlines()
        ]

    def files(self, commit: str, folder: str) -> dict[str, str]:
        """path -> blob."""
        rows = self.git("ls-tree", "-r", commit, folder).splitlines()
        return {row.split("\t")[1]: row.split()[2] for row in rows}

    def text(self, blob: str | None) -> str | None:
        return None if blob is None else self.git("cat-file", "blob", blob)

    def lost_in(self, commit: str, one: str, other: str) -> list[tuple[str, str, Any]]:
        """(issue, field, value) of what a merge lost."""
        bases = subprocess.run(["git", "merge-base", one, other], cwd=self.repo, capture_output=True, text=True).stdout
        trees = [self.files(c, ISSUES) if c else {} for c in (bases.split("\n")[0], one, other, commit)]
        kept = self.attic(commit)
        out = []
        for path in sorted({*trees[1], *trees[2]}):
            blobs = [tree.get(path) for tree in trees]
            if blobs[1] == blobs[2] or blobs[0] in blobs[1:3] or not path.endswith(".md"):
                continue
            name = path[len(ISSUES) : -3]
            was, a, b, merged = (parse(self.text(blob)) for blob in blobs)
            for side, rest in ((a, b), (b, a)):
                for field, value in side.items():
                    if not stands(
                        field, value, was.get(field), rest.get(field), merged.get(field), kept.get((name, field), [])
                    ):
                        out.append((name, field, value))
        return out

    def attic(self, commit: str) -> dict[tuple[str, str], list[Any]]:
        """(issue, field) -> lost values."""
        out: dict[tuple[str, str], list[Any]] = {}
        for path, blob in self.files(commit, ATTIC).items():
            if path.endswith(".yml") and path.count("/") == ATTIC.count("/"):
                entry = yaml.load(self.text(blob) or "", Loader=yaml.BaseLoader)
                value = json.loads(entry["lost_value"]) if entry["lost_value"] else None
                out.setdefault((entry["entity_id"], entry["field"]), []).append(plain(value))
        return out


def parse(text: str | None) -> Issue:
    """Fields as strings and lists and mappings of them; {} for no issue."""
    if text is None or not text.startswith("---\n"):
        return {}
    head, _, body = text[4:].partition("\n---\n")
    fields = yaml.load(head, Loader=yaml.BaseLoader) or {}
    description, _, notes = body.partition("## Notes\n")
    return fields | {"description": description.strip(), "notes": notes.strip()}


def plain(value: Any) -> Any:
    """A JSON value as BaseLoader reads it."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value if isinstance(value, str) else json.dumps(value)


def stands(field: str, value: Any, was: Any, other: Any, merged: Any, kept: list[Any]) -> bool:
    if field in COUNTERS or value in (was, other, merged) or value in kept or value in ("", "null", []):
        return True
    if isinstance(value, list) and isinstance(merged, list):
        known = [*merged, *(was or []), *(m for lost in kept if isinstance(lost, list) for m in lost)]
        gone = [m for m in was or [] if m not in (other or [])]
        return all(m in known or m in gone for m in value)
    if isinstance(value, dict) and isinstance(merged, dict):
        return all(
            any(part.get(k) == v for part in (merged, was or {}, *kept) if isinstance(part, dict))
            for k, v in value.items()
        )
    if field in ("description", "notes"):
        old, text = Counter((was or "").split("\n")), Counter((merged or "").split("\n"))
        return not (Counter(value.split("\n")) - old) - text
    return False


def main() -> None:
    found = Branch(Path(sys.argv[1]), *sys.argv[2:3])
    merges = found.merges()
    lost = {row[0]: found.lost_in(*row) for row in merges}
    for commit, values in lost.items():
        for issue, field, value in values:
            print(f"{commit[:10]} lost {field} of {issue}: {json.dumps(value, ensure_ascii=False)[:120]}")
    print(f"{len(merges)} merges, {sum(map(len, lost.values()))} values lost")
    sys.exit(any(lost.values()))


if __name__ == "__main__":
    main()

"""Showing single issues."""

from __future__ import annotations

import os

from tbdx.core.codec import render
from tbdx.core.entity import in_json_order
from tbdx.core.snapshot import rows
from tbdx.errors import BadFile, NotFound
from tbdx.kernel import Kernel
from tbdx.store import entities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tbdx.core.snapshot import Columns

    Issue = dict[str, Any]


def show(k: Kernel, texts: Sequence[str], *, ignore_missing: bool = False) -> tuple[list[Issue], list[str]]:
    """(the issues, the ids that nothing was found for)."""
    picks = k.pick(texts, ignore_missing=ignore_missing)
    try:
        found = [k.read(internal)[0] for _, internal in picks if internal]
    except BadFile as e:
        raise Damaged(e, _last_good(k, e.path))
    return found, [text for text, internal in picks if internal is None]


class Damaged(BadFile):
    """An issue's file cannot be used; `last_good` is what the sync branch last had of it, None when it has nothing."""

    def __init__(self, e: BadFile, last_good: Issue | None) -> None:
        hint = "what follows is its last good version on the sync branch" if last_good else e.hint
        super().__init__(e.reason, path=e.path, line=e.line, hint=hint)
        self.last_good = last_good


def _last_good(k: Kernel, path: str) -> Issue | None:
    from tbdx.core import codec
    from tbdx.core.merge import ISSUES
    from tbdx.errors import TbdxError

    name = path.rpartition("/")[2]
    try:
        tip = k.git.branch_tip(k.config.branch)
        for blob in k.git.versions(tip, ISSUES + name) if tip else []:
            try:
                return codec.parse(codec.decode(k.git.blobs([blob])[blob]), name[:-3])
            except BadFile:
                continue
    except TbdxError:  # without git there is no other version
        return None
    return None


def parent_of(k: Kernel, issue: Issue) -> Issue | None:
    """The parent, where there is one that can be read."""
    if not issue.get("parent_id"):
        return None
    try:
        return k.read(issue["parent_id"])[0]
    except (NotFound, BadFile):
        return None


def comments(k: Kernel, issues: Sequence[Issue]) -> dict[str, list[Issue]]:
    """issue id -> the messages to it, in order. Where there is no message at all this costs next to nothing."""
    ids = [issue["id"] for issue in issues]
    if not any(map(os.path.isdir, entities.folders(k.repo, "message"))):
        return {}
    from tbdx.kernel.commented import has_comments

    if not has_comments(k, ids):
        return {}
    from tbdx.kernel.mailbox import comments

    return comments(k, ids)


def as_json(k: Kernel, issue: Issue) -> Issue:
    """An issue as `show --json` gives it."""
    return in_json_order(issue) | {"displayId": k.display(issue["id"])}


def as_text(k: Kernel, issue: Issue, at: Columns) -> str:
    """An issue's file as people read it: `priority: P2`, and what it blocks and is blocked by as comments."""
    text = plain(issue)
    notes = ""
    if issue["dependencies"]:
        notes += f"# Blocks: {', '.join(k.display(d['target']) for d in issue['dependencies'])}\n"
    above = [shown for shown, targets in zip(at["shown"], at["blocks"], strict=True) if issue["id"] in targets]
    if above:
        notes += f"# Blocked by: {', '.join(above)}\n"
    return text.replace("\ndependencies:", f"\n{notes}dependencies:", 1)


def plain(issue: Issue) -> str:
    """An issue's file with its priority as people write it."""
    priority = issue["priority"]
    return render(issue).replace(f"\npriority: {priority}\n", f"\npriority: P{priority}\n", 1).rstrip("\n")


def children(at: Columns, issue: Issue) -> list[Issue]:
    """The issues whose parent this is, in the order of its hints."""
    rank = {child: n for n, child in enumerate(issue.get("child_order_hints") or [])}
    below = rows(at, [n for n, parent in enumerate(at["parent_id"]) if parent == issue["id"]])
    return sorted(below, key=lambda i: rank.get(i["id"], len(rank)))

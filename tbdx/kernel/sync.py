"""Exchanging the sync branch with a remote: commit what is pending, fetch, merge, publish, and read it back.

The order under the lock is objects, worktree files, the worktree's index, the branch; a kill anywhere leaves a state
that the next sync finishes. The network is used only while the lock is free. A file that cannot be read as an issue
is withheld by name, and the others go out.
"""

from __future__ import annotations

import contextlib
import os
import time

from tbdx.core import attic, codec, merge
from tbdx.errors import BadFile, Invalid, NotPublished, Sync, TbdxError
from tbdx.errors import Git as GitError
from tbdx.kernel import Kernel
from tbdx.kernel.worktree import is_ours, populate
from tbdx.store import entities, files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    T = TypeVar("T")

BUDGET_S = 60.0  # how long a sync goes on trying when others publish at the same moment
TRIES = 20
_KINDS = {"A": "new", "M": "updated", "T": "updated", "D": "deleted"}


class Report:
    """What a sync did: counts of files, conflicts, and the files it withheld."""

    def __init__(self) -> None:
        self.sent = {"new": 0, "updated": 0, "deleted": 0}
        self.received = {"new": 0, "updated": 0, "deleted": 0}
        self.conflicts: list[tuple[str, str]] = []  # (issue, field), each in the attic
        self.withheld: dict[str, str] = {}  # path -> why
        self.local_only = False

    def add(self, more: Report) -> None:
        """Count what a further step did as well."""
        for counts, further in ((self.sent, more.sent), (self.received, more.received)):
            for name, n in further.items():
                counts[name] += n
        self.conflicts += more.conflicts
        self.withheld |= more.withheld

    def as_json(self) -> dict[str, Any]:
        count = len(self.conflicts)
        out: dict[str, Any] = {
            "summary": {"sent": self.sent, "received": self.received, "conflicts": count},
            "conflicts": count,
        }
        if self.conflicts:
            out["lost"] = [{"id": issue, "field": field} for issue, field in self.conflicts]
        if self.withheld:
            out["withheld"] = [{"path": path, "reason": why} for path, why in sorted(self.withheld.items())]
        return out | ({"localOnly": True} if self.local_only else {})


def sync(k: Kernel, *, push: bool = True, pull: bool = True) -> Report:
    """Exchange everything; the report tells what happened, and returning means that the remote has been read back.

    With only one of `push` and `pull`, one direction, and never a merge. Raises NotPublished when the work is kept
    here but the remote does not have it; Sync and GitError as they say.
    """
    k.open()
    report = Report()
    git, config = k.git, k.config
    with k.writing():
        _check_branch(k)
        head = commit_pending(k, report)
    if not git.has_remote(config.remote):
        report.local_only = True
        return report
    started, tries = time.monotonic(), 0
    while True:
        tip = _asked(k, report, git.fetch)
        if tip != head and pull and tip is not None and not git.is_ancestor(tip, head):
            with k.writing():
                head = integrate(k, tip, report, may_merge=push)
        if not push:
            return report
        if tip == head:
            return report
        taken, why = _asked(k, report, git.push, head)
        if taken:
            shown = _asked(k, report, git.published)
            if shown == head or (shown and git.commit_of(shown) and git.is_ancestor(head, shown)):
                return report
            why = "behind"  # somebody rewrote the branch in the same moment: look again
        if why != "behind" and _asked(k, report, git.published) == tip:
            raise _kept(k, report, f"{config.remote} refused: {why}", permanent=True)
        if not pull:
            raise Sync(f"{config.remote} has changes that are not here yet", hint="tbdx sync merges and publishes")
        tries += 1
        if tries >= TRIES or time.monotonic() - started > BUDGET_S:
            raise _kept(k, report, f"others kept publishing first, {tries} times", permanent=False)
        time.sleep(min(2.0, 0.05 * 2 ** min(tries, 5)) * (0.5 + k.entropy(1)[0] / 255))


def _asked(k: Kernel, report: Report, ask: Callable[..., T], *more: str) -> T:
    """Ask the remote; when it cannot be reached everything is kept here."""
    try:
        return ask(k.config.remote, k.config.branch, *more)
    except GitError as e:
        raise _kept(k, report, e.message, permanent=False)


class Kept(NotPublished):
    """Committed here, not published; `report` is what was done, `permanent` whether trying again is of no use."""

    def __init__(self, message: str, report: Report, unpushed: int, *, permanent: bool, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.report, self.unpushed, self.permanent = report, unpushed, permanent
        self.saved: int | None = None  # issues copied to the outbox

    def as_json(self) -> dict[str, Any]:
        """tbd's shape of a sync whose push failed."""
        return self.report.as_json() | {
            "pushFailed": True,
            "pushError": self.message,
            "unpushedCommits": self.unpushed,
            "errorType": "permanent" if self.permanent else "transient",
            **({} if self.saved is None else {"savedToOutbox": self.saved}),
        }


def _kept(k: Kernel, report: Report, message: str, *, permanent: bool) -> Kept:
    tip = k.git.remote_tip(k.config.remote, k.config.branch)
    head = k.git.branch_tip(k.config.branch)
    unpushed = k.git.count(head, tip) if head and tip else 0
    hint = "everything is committed here; sync again when the remote takes it"
    return Kept(message, report, unpushed, permanent=permanent, hint=hint)


def _check_branch(k: Kernel) -> None:
    """The hidden worktree must be whole and on our branch before anything is committed from it."""
    on = k.git.worktree_branch() if k.git.worktree_git_dir() else None
    if on != k.config.branch:
        raise Sync(
            f"{k.repo.worktree} is not on branch {k.config.branch}",
            hint=f"move it aside and repeat the command: it is made anew from {k.config.branch}",
        )


# what is pending here


def pending(k: Kernel, head: str) -> tuple[dict[str, str], dict[str, str]]:
    """({path: 'A', 'M' or 'D'} of the worktree against the branch, {path: why} of what must not go out)."""
    entries = k.git.tree(head)
    tree = {path: blob for path, (mode, blob) in entries.items() if is_ours(path, mode)}
    changed: dict[str, str] = {}
    withheld: dict[str, str] = {}
    seen = set()
    for rel, odd in files.walk(k.repo.data):
        path = merge.DATA + rel
        if path not in entries and (rel.endswith((".tmp", ".temp")) or ".lock/" in rel):
            continue
        seen.add(path)
        if path in entries and path not in tree:
            continue  # git has something else than a plain file there, and it stays as it is
        if odd or not is_ours(path, "100644"):
            withheld[path] = odd or "not a name that tbdx writes"
            continue
        try:
            data = files.read(f"{k.repo.data}/{rel}", 64 * codec.LARGEST)
        except (FileNotFoundError, TbdxError):
            withheld[path] = "cannot be read"
            continue
        if blob_id(data, head) == tree.get(path):
            continue
        why = _damage(path, data)
        if why:
            withheld[path] = why
        else:
            changed[path] = "M" if path in tree else "A"
    return changed | dict.fromkeys(tree.keys() - seen, "D"), withheld


def blob_id(data: bytes, like: str) -> str:
    """The id git gives a blob, in the hash of the id `like`."""
    import hashlib

    made = hashlib.sha1 if len(like) == 40 else hashlib.sha256
    return made(b"blob %d\0" % len(data) + data).hexdigest()


def _damage(path: str, data: bytes) -> str | None:
    """Why an issue file must not be published, None when it may."""
    if not (path.startswith(merge.ISSUES) and path.endswith(".md")):
        return None
    try:
        codec.parse(codec.decode(data), path[len(merge.ISSUES) : -3])
    except BadFile as e:
        return e.message
    return None


def commit_pending(k: Kernel, report: Report) -> str:
    """Commit the worktree's changes to the branch, and give its tip. Called under the lock."""
    git = k.git
    head = git.branch_tip(k.config.branch)
    if head is None:
        raise Sync(f"branch {k.config.branch} is gone", hint="tbdx doctor")
    k.names.load()
    k.names.save()  # what was repaired
    changed, report.withheld = pending(k, head)
    gone = [p for p, kind in changed.items() if kind == "D" and p.startswith(merge.ISSUES)]
    if len(gone) > 1 and not entities.listing(k.repo):
        k.say("warn", "every issue file was gone from the worktree; they were brought back from the branch")
        populate(k, head)
        changed, report.withheld = pending(k, head)
    if not changed:
        return head
    kept = [p for p, kind in changed.items() if kind != "D"]
    blobs = git.hash_files([f"{k.repo.worktree}/{p}" for p in kept])
    tree: dict[str, str | None] = dict(zip(kept, blobs, strict=True))
    tree |= dict.fromkeys((p for p, kind in changed.items() if kind == "D"), None)
    stamp = k.now()[:19].replace(":", "-")
    count = len(changed)
    message = f"tbd sync: {stamp} ({count} file{'s' if count != 1 else ''})"
    new = git.commit_tree(head, tree, [head], message)
    git.reset_worktree_index(new)
    git.move_branch(k.config.branch, new, head)
    _count(report.sent, changed.values())
    return new


def _count(into: dict[str, int], letters: Any) -> None:
    for letter in letters:
        into[_KINDS[letter]] += 1


# what came


def integrate(k: Kernel, tip: str, report: Report, *, may_merge: bool) -> str:
    """Bring the remote's commit into the branch and the worktree; the new tip. Called under the lock.

    A person may save a file at any moment, lock or not: then it is committed first, and the merge is made again.
    """
    for _ in range(5):
        more = Report()
        head = commit_pending(k, more)
        report.add(more)
        try:
            return _integrate_once(k, head, tip, report, may_merge=may_merge)
        except _Moved:
            continue
    raise Sync("files keep changing while they are merged", hint="let the editor rest, then sync again")


class _Moved(Exception):
    """A file is not what was read a moment ago."""


def _integrate_once(k: Kernel, head: str, tip: str, report: Report, *, may_merge: bool) -> str:
    git = k.git
    if git.is_ancestor(tip, head):
        return head
    base = git.merge_base(head, tip)
    theirs = git.differing(base, tip) if base else dict.fromkeys(git.tree(tip), ("A", "100644"))
    if base == head:
        _apply(k, head, git.content(tip, theirs), theirs, report)
        new = tip
    elif not may_merge:
        raise Sync("both sides have changes; --pull only moves forward", hint="tbdx sync merges and publishes")
    else:
        new = _merge(k, base, head, tip, report)
    git.reset_worktree_index(new)
    git.move_branch(k.config.branch, new, head)
    _count(report.received, [letter for path, (letter, _) in theirs.items() if not path.startswith(attic.FOLDER)])
    return new


def _merge(k: Kernel, base: str | None, head: str, tip: str, report: Report) -> str:
    """Merge by our rules, write the worktree's files, and give the merge commit (or `tip` when it says it all)."""
    git = k.git
    paths = {*git.differing(head, tip)}
    was = git.content(base, paths) if base else {}
    ours, theirs = git.content(head, paths), git.content(tip, paths)
    tree = git.tree(head)

    def held(path: str) -> bytes | None:
        blob = tree[path][1] if path in tree and path not in paths else None
        return git.blobs([blob])[blob] if blob else None

    merged, losses = merge.merge_trees(was, ours, theirs, held)
    against_tip = {p: data for p, data in merged.items() if data != theirs.get(p) and is_ours(p, "100644")}
    written = [(p, data) for p, data in against_tip.items() if data is not None]
    blobs = dict(zip((p for p, _ in written), git.hash_all([data for _, data in written]), strict=True))
    against_head = {p: data for p, data in merged.items() if data != ours.get(p)}
    _apply(k, head, {p: d for p, d in against_head.items() if d is not None}, against_head, report)
    report.conflicts += conflicts_of(losses)
    if not against_tip:
        return tip
    message = "tbd sync: resolved merge conflicts" if losses else "tbd sync: merge remote changes"
    return git.commit_tree(tip, {p: blobs.get(p) for p in against_tip}, [head, tip], message)


def conflicts_of(losses: list[attic.Loss]) -> list[tuple[str, str]]:
    """(issue, field) of each loss; what moves with the status counts once, as `status`."""
    rows = [(loss.entity, "status" if loss.field in merge.STATE else loss.field) for loss in losses]
    return list(dict.fromkeys(rows))


def _apply(k: Kernel, head: str, new: Mapping[str, bytes], paths: Mapping[str, Any], report: Report) -> None:
    """Write the worktree's files, each only if it still holds what the branch says it does. Raises _Moved."""
    tree = k.git.tree(head)
    chosen = [p for p in paths if is_ours(p, "100644") and p not in report.withheld]
    for path in chosen:
        _check_unmoved(k, path, tree[path][1] if path in tree else None, new.get(path), head)
    for path in chosen:
        target = files.inside(k.repo.worktree, *path.split("/"))
        if path in new:
            files.make_folder(os.path.dirname(target))
            files.write(target, new[path], scratch=k.repo.scratch)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target)
    k.touch()


def _check_unmoved(k: Kernel, path: str, blob: str | None, new: bytes | None, head: str) -> None:
    try:
        data = files.read(files.inside(k.repo.worktree, *path.split("/")), 64 * codec.LARGEST)
    except FileNotFoundError:
        if blob is not None and new is not None:
            raise _Moved
        return
    except BadFile as e:
        raise Sync(e.message, hint="move it away, then sync again")
    if data != new and blob_id(data, head) != blob:
        raise _Moved


# what a sync would do


def status(k: Kernel) -> dict[str, Any]:
    """tbd's `sync --status`: local and remote changes, with the remote as it is now where it can be reached."""
    k.open()
    git, config = k.git, k.config
    head = git.branch_tip(config.branch) or ""
    changed, withheld = pending(k, head)
    tip = None
    if git.has_remote(config.remote):
        try:
            tip = git.fetch(config.remote, config.branch)
        except GitError as e:
            k.say("notice", f"{e.message}; compared with what was last fetched")
            tip = git.remote_tip(config.remote, config.branch)
    words = {"A": "new", "M": "modified", "D": "deleted"}
    local = [f"{words[kind]}: {path}" for path, kind in sorted(changed.items())]
    ahead = git.count(head, tip) if tip else 0
    behind = git.count(tip, head) if tip else 0
    return {
        "synced": not local and not withheld and tip is not None and ahead == behind == 0,
        "localChanges": local,
        "remoteChanges": git.titles(tip, head) if tip and behind else [],
        "syncBranch": config.branch,
        "remote": config.remote,
        "ahead": ahead,
        "behind": behind,
    }


def check_modes(opts: Mapping[str, Any]) -> None:
    """Refuse directions that contradict each other, as tbd does. Raises Invalid."""
    one_way = [f"--{n}" for n in ("push", "pull") if opts[n]]
    if len(one_way) > 1:
        raise Invalid("Use either --push or --pull; without them sync does both")
    other = [f"--{n}" for n in ("docs", "integrations") if opts[n]]
    if one_way and other:
        raise Invalid(f"{one_way[0]} is about issues and does not go with {other[0]}")

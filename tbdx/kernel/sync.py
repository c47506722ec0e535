"""Exchanging the sync branch with a remote: commit what is pending, fetch, merge, publish, and read it back.

The order under the lock is objects, worktree files, the worktree's index, the branch; a kill anywhere leaves a state
that the next sync finishes. The network is used only while the lock is free.
"""

from __future__ import annotations

import time

from tbdx.core import attic, lineage, merge
from tbdx.core.digest import blob_id
from tbdx.core.happened import conflicted
from tbdx.errors import BadFile, Invalid, NotPublished, Sync
from tbdx.errors import Git as GitError
from tbdx.kernel import Kernel, heal, pending
from tbdx.kernel.pending import MOST
from tbdx.kernel.worktree import is_ours, put
from tbdx.store import files
from tbdx.store.objects import PLAIN, STANDS_ON, Change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeVar

    T = TypeVar("T")

BUDGET_S = 60.0  # how long a sync goes on trying when others publish at the same moment,
TRIES = 20  # and how often at least
_TRIES = 5  # at one merge, when files change meanwhile
UNSHOWN = 5  # so many pushes that a remote takes and then does not show, and it is told
_KEPT = {
    "refused": "everything is committed here; where only some branches may be pushed, commit .tbd/workspaces/outbox to"
    " one of them and push that: any other clone's sync takes it in",
    "contended": "everything is committed here; sync again in a moment",
}
_KINDS = {"A": "new", "M": "updated", "T": "updated", "D": "deleted"}


class Report:
    """What a sync did: counts of files, conflicts, and the files it withheld."""

    def __init__(self) -> None:
        self.sent = {"new": 0, "updated": 0, "deleted": 0}
        self.received = {"new": 0, "updated": 0, "deleted": 0}
        self.conflicts: list[tuple[str, str]] = []  # (issue, field), each in the attic
        self.withheld: dict[str, str] = {}  # path -> why
        self.branches: dict[str, str] = {}  # every branch that the remote has, and its tip
        self.local_only = False
        self.events: int | None = None  # events that a bundle brought

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
        out |= {} if self.events is None else {"events": self.events}
        return out | ({"localOnly": True} if self.local_only else {})


class Kept(NotPublished):
    """Committed here, not published. `report` is what was done, `unpushed` how many commits the remote lacks.

    `reason`: 'refused' by the server, 'unreachable', 'timeout', or 'contended': others kept publishing first.
    """

    def __init__(self, message: str, report: Report, unpushed: int, *, reason: str, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.report, self.unpushed, self.reason = report, unpushed, reason
        self.saved: int | None = None  # issues copied to the outbox
        self.more: dict[str, Any] = {}  # what became of the events

    def facts(self) -> dict[str, object]:
        return {"reason": self.reason}

    def as_json(self) -> dict[str, Any]:
        """tbd's shape of a sync whose push failed."""
        return self.report.as_json() | {
            "pushFailed": True,
            "pushError": self.message,
            "unpushedCommits": self.unpushed,
            "errorType": "permanent" if self.reason == "refused" else "transient",
            "reason": self.reason,
            **({} if self.saved is None else {"savedToOutbox": self.saved}),
            **self.more,
        }


def sync(k: Kernel, *, push: bool = True, pull: bool = True) -> Report:
    """Exchange everything; the report tells what happened, and returning means that the remote has been read back.

    With only one of `push` and `pull`, one direction, and never a merge. Raises Kept when the work is kept here but
    the remote does not have it; Sync and GitError as they say.
    """
    k.open()
    report = Report()
    git, config = k.git, k.config
    with k.writing():
        head = begin(k, report)
    if not git.has_remote(config.remote):
        report.local_only = True
        if git.remotes():
            hint = f"tbdx config set sync.remote {git.remotes()[0]}"
            k.say("notice", f"no remote {config.remote} is configured here, but {', '.join(git.remotes())}: {hint}")
        return report
    seen = git.remote_tip(config.remote, config.branch)
    started, tries, unshown = time.monotonic(), 0, 0
    while True:
        tip = _tip(k, report, seen)
        if pull:
            for commit in (*_lost_by(k, seen, tip), tip):
                head = _bring(k, commit, report, may_merge=push) if commit not in (None, head) else head
        seen = tip
        if not push or tip == head:
            return report
        taken, why = _asked(k, report, git.push, config.remote, config.branch, head)
        if taken or why != "behind":
            shown = _asked(k, report, git.heads, config.remote, config.branch).get(config.branch)
            if shown == head or (shown and git.commit_of(shown) and git.is_ancestor(head, shown)):
                return report
            if not taken and shown == tip:
                raise _kept(k, report, f"{config.remote} refused: {why}", "refused")
            unshown += taken and shown == tip
            if unshown == UNSHOWN:
                raise _kept(k, report, f"{config.remote} took the push and does not show it", "refused")
        if not pull:
            raise Sync(f"{config.remote} has changes that are not here yet", hint="tbdx sync merges and publishes")
        tries += 1
        if tries >= TRIES and time.monotonic() - started > BUDGET_S:
            raise _kept(k, report, f"others kept publishing first, {tries} times", "contended")
        time.sleep(min(2.0, 0.05 * 2 ** min(tries, 5)) * (0.5 + k.entropy(1)[0] / 255))


def _tip(k: Kernel, report: Report, seen: str | None) -> str | None:
    """The remote's tip as it is now, its objects here."""
    git, remote, branch = k.git, k.config.remote, k.config.branch
    report.branches = _asked(k, report, git.heads, remote)
    tip = report.branches.get(branch)
    if tip is None or (tip == seen and git.commit_of(tip)):
        return tip
    _asked(k, report, git.fetch, remote, branch, tip)
    head = git.branch_tip(branch)
    if head and git.is_cut() and git.merge_base(head, tip) is None:
        _asked(k, report, git.deepen, remote, branch, seen)
    _asked(k, report, git.fetch_missing, remote, tip)
    return tip


def _lost_by(k: Kernel, seen: str | None, tip: str | None) -> Iterable[str]:
    """What the remote had when it was last fetched and has no more: it was rewound, deleted or forced elsewhere."""
    if seen is None or seen == tip or (tip is not None and k.git.is_ancestor(seen, tip)):
        return ()
    what = "was deleted on" if tip is None else "was rewound or rewritten on"
    k.say("warn", f"{k.config.branch} {what} {k.config.remote}: nothing is taken back, what it had is published again")
    with k.locked():
        heal.backup(k, seen)
    return (seen,)


def _bring(k: Kernel, tip: str | None, report: Report, *, may_merge: bool) -> str:
    """Bring a commit into the branch, if it is not there; the branch's tip."""
    head = k.git.branch_tip(k.config.branch)
    if head is not None and (tip is None or tip == head or k.git.is_ancestor(tip, head)):
        return head
    with k.writing():
        return integrate(k, tip or "", report, may_merge=may_merge)


def _asked(k: Kernel, report: Report, ask: Callable[..., T], *more: str | None) -> T:
    """Ask the remote; when it cannot be reached everything is kept here."""
    try:
        return ask(*more)
    except GitError as e:
        raise _kept(k, report, e.message, e.reason or "unreachable")


def _kept(k: Kernel, report: Report, message: str, reason: str) -> Kept:
    tip = k.git.remote_tip(k.config.remote, k.config.branch)
    head = k.git.branch_tip(k.config.branch)
    unpushed = k.git.count(head, tip) if head and tip else 0
    hint = _KEPT.get(reason, "everything is committed here; sync again when the remote can be reached")
    return Kept(message, report, unpushed, reason=reason, hint=hint)


def begin(k: Kernel, report: Report, tries: int = _TRIES) -> str:
    """Heal, commit what is pending, and finish what an earlier command began; the branch's tip. Called under the lock.

    What follows may note an intent of its own: by then none is left. Somebody who knows of no lock may move the branch
    meanwhile; then its files are not those of the worktree, which is healed again.
    """
    try:
        heal.worktree(k)
        heal.scratch(k)
        head = commit_pending(k, report)
    except GitError as e:
        if e.reason != "moved" or tries == 1:
            raise
        return begin(k, report, tries - 1)
    unfinished = heal.intent(k)
    return integrate(k, unfinished, report) if unfinished else head


def commit_pending(k: Kernel, report: Report) -> str:
    """Commit the worktree's changes to the branch, and give its tip. Called under the lock."""
    sent: list[str] = []
    head = pending.commit(k, report.withheld, sent)
    _count(report.sent, sent)
    return head


def _count(into: dict[str, int], letters: Iterable[str]) -> None:
    for letter in letters:
        into[_KINDS[letter]] += 1


# what came


def integrate(k: Kernel, tip: str, report: Report, *, may_merge: bool = True) -> str:
    """Bring a commit into the branch and the worktree; the new tip. Called under the lock.

    A person may save a file at any moment, lock or not: then it is committed first, and the merge is made again.
    """
    for n in range(_TRIES):
        try:
            head = commit_pending(k, report)
            head = _integrate_once(k, head, tip, report, may_merge=may_merge)
        except _Moved:
            continue
        except GitError as e:
            if e.reason not in ("moved", "") or n == _TRIES - 1:
                raise
            if e.reason == "moved":  # as after a kill here: what the files hold is kept, and comes in by another merge
                heal.intent_done(k)
                begin(k, report)
            continue  # as in `pending.commit`
        heal.intent_done(k)
        return head
    raise Sync("files keep changing while they are merged", hint="let the editor rest, then sync again")


class _Moved(Exception):
    """A file is not what it was a moment ago."""


def _integrate_once(k: Kernel, head: str, tip: str, report: Report, *, may_merge: bool) -> str:
    git = k.git
    base = git.merge_base(head, tip)
    if base == tip:
        return head
    tip = heal.what_came(k, base, tip) if base else tip
    theirs = git.differing(base, tip)
    if base == head:
        new, losses, files_of = tip, list[attic.Loss](), git.blobs(c.new for c in theirs.values() if c.new)
        changes = {path: files_of[c.new] if c.new else None for path, c in theirs.items()}
        was = {path: c.old for path, c in theirs.items()}
    elif not may_merge:
        raise Sync("both sides have changes; --pull only moves forward", hint="tbdx sync merges and publishes")
    else:
        new, changes, was, losses = _merge(k, base, head, tip, theirs)
    heal.note_intent(k, new)
    _apply(k, head, changes, was, report.withheld)
    git.set_worktree_index(new)
    git.move_refs({f"refs/heads/{k.config.branch}": (new, head), STANDS_ON: (new, "")})
    report.conflicts += conflicts_of(losses)
    k.happened += [conflicted(loss) for loss in losses]
    apart = theirs if base == head else git.differing(head, tip)  # else it is what was here already
    came = [path for path in theirs if path in apart and not path.startswith(attic.FOLDER)]
    _count(report.received, [theirs[path].letter for path in came])
    return new


def _merge(
    k: Kernel, base: str | None, head: str, tip: str, theirs: Mapping[str, Change]
) -> tuple[str, dict[str, bytes | None], dict[str, str | None], list[attic.Loss]]:
    """(the merge commit, or `tip` when it says it all; what changes against `head`; blobs there before; losses)."""
    git = k.git
    ours = git.differing(base, head)
    blobs: dict[str, tuple[str | None, str | None, str | None]] = {}
    for path in {*ours, *theirs}:
        a, b = ours.get(path), theirs.get(path)
        was = a.old if a else b.old if b else None
        three = was, a.new if a else was, b.new if b else was
        if three[1] != three[2]:
            blobs[path] = three
    data = git.blobs(blob for three in blobs.values() for blob in three if blob)
    x, y, z = ({p: data[blob] for p, three in blobs.items() if (blob := three[n])} for n in range(3))
    everything: dict[str, tuple[str, str]] = {}

    def held(path: str) -> bytes | None:
        if not everything:
            everything.update(git.tree(head))
        blob = everything[path][1] if path in everything and path not in blobs else None
        return git.blobs([blob])[blob] if blob else None

    merged, losses = lineage.merge(_history(k, base, head, tip, blobs), base or "", (head, tip), x, y, z, held)
    changes = {p: d for p, d in merged.items() if d != y.get(p) and is_ours(p, PLAIN)}
    was_here = {p: blobs[p][1] if p in blobs else None for p in changes}
    against_tip = {p: d for p, d in merged.items() if d != z.get(p) and is_ours(p, PLAIN)}
    written = {p: d for p, d in against_tip.items() if d is not None}
    stored = dict(zip(written, git.hash_all([*written.values()]), strict=True))
    whole = {p: stored.get(p) for p in against_tip}
    # what is no plain file is not ours to judge: it travels along
    whole |= {p: f"{c.mode} {c.id}" for p, c in ours.items() if c.new is None and c.letter != "D" and p not in theirs}
    if not whole:
        return tip, changes, was_here, losses
    message = "tbd sync: resolved merge conflicts" if losses else "tbd sync: merge remote changes"
    return git.commit_tree(tip, whole, [head, tip], message), changes, was_here, losses


def _history(k: Kernel, base: str | None, head: str, tip: str, paths: Mapping[str, Any]) -> list[Any]:
    """What `core.lineage` wants to know of the commits since `base`, for some paths."""
    if base is None:
        return []
    rows = k.git.history(base, head, tip)
    data = k.git.blobs(blob for *_, changed in rows for path, blob in changed.items() if blob and path in paths)
    return [
        (commit, parents, {p: data[blob] if blob else None for p, blob in changed.items() if p in paths})
        for commit, parents, changed in rows
    ]


def conflicts_of(losses: list[attic.Loss]) -> list[tuple[str, str]]:
    """(issue, field) of each loss; what moves with the status counts once, as `status`."""
    rows = [(loss.entity, "status" if loss.field in merge.STATE else loss.field) for loss in losses]
    return list(dict.fromkeys(rows))


def _apply(
    k: Kernel, like: str, new: Mapping[str, bytes | None], was: Mapping[str, str | None], withheld: Mapping[str, str]
) -> None:
    """Write the worktree's files, each only if it still is what the branch says it was. Raises _Moved."""
    chosen = [p for p in new if is_ours(p, PLAIN) and p not in withheld]
    # what lost comes first, a short id before its issue: a kill may come between
    chosen.sort(key=lambda path: (not path.startswith(attic.FOLDER), path != merge.NAMES))
    for path in chosen:
        _check_unmoved(k, path, was[path], new[path], like)
    for n, path in enumerate(chosen, 1):
        k.step("writing files", n, len(chosen))
        put(k, path, new[path])


def _check_unmoved(k: Kernel, path: str, blob: str | None, new: bytes | None, like: str) -> None:
    try:
        data = files.read(files.inside(k.repo.worktree, *path.split("/")), MOST)
    except FileNotFoundError:
        if blob is not None and new is not None:
            raise _Moved
        return
    except BadFile as e:
        raise Sync(e.message, hint="move it away, then sync again")
    if data != new and blob_id(data, like) != blob:
        raise _Moved


# what a sync would do


def status(k: Kernel) -> dict[str, Any]:
    """tbd's `sync --status`: local and remote changes, with the remote as it is now where it can be reached."""
    k.open()
    git, config = k.git, k.config
    head = git.branch_tip(config.branch) or ""
    found = pending.look(k, head)
    tip = None
    if git.has_remote(config.remote):
        tip = git.remote_tip(config.remote, config.branch)
        try:
            there = git.heads(config.remote, config.branch).get(config.branch)
            if there not in (None, tip):
                git.fetch(config.remote, config.branch, there or "")
            tip = there
        except GitError as e:
            k.say("notice", f"{e.message}; compared with what was last fetched")
    words = {"A": "new", "M": "modified", "D": "deleted"}
    local = [f"{words[kind]}: {path}" for path, kind in sorted(found.changed.items())]
    ahead = git.count(head, tip) if tip else 0
    behind = git.count(tip, head) if tip else 0
    return {
        "synced": not local and not found.withheld and tip is not None and ahead == behind == 0,
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

"""The coordination branch: every writer's journal, shared through the remote after the sync branch and apart from it.

It is never checked out. A sync brings what the remote has, puts this clone's own journals beside it, publishes, and
reads back. The branch is built under the coordination lock; the network is used while it is free.
"""

from __future__ import annotations

import os
import time
from zlib import crc32

from tbdx.core import chain, checkpoint, event, union
from tbdx.core.digest import hexdigest
from tbdx.core.union import place
from tbdx.errors import BadFile, NotPublished, Sync
from tbdx.errors import Git as GitError
from tbdx.kernel import Kernel
from tbdx.kernel.journal import clock, keep_clock, locked
from tbdx.kernel.worktree import move_aside
from tbdx.store import cache, files, journal
from tbdx.store import config as settings
from tbdx.store.objects import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tbdx.core.checkpoint import Checkpoint
    from tbdx.core.union import Tree

SETTLED = "coord.settled"  # the cache's note of a commit, and of the journals that it has whole
TRIES = 20
UNSHOWN = 5  # pushes that were taken and are not shown
BUDGET_S = 60.0


class Exchanged:
    """What a sync of events did: lines sent and received, and why they were not published."""

    def __init__(self, state: str) -> None:
        self.state = state  # 'off', 'local', 'synced', 'refused', 'unreachable', 'contended', 'failed'
        self.sent = self.received = 0
        self.error: str | None = None
        self.saved: int | None = None  # events copied to the outbox

    def as_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"state": self.state, "sent": self.sent, "received": self.received}
        out |= {"error": self.error} if self.error else {}
        return out | ({} if self.saved is None else {"savedToOutbox": self.saved})


class EventsKept(NotPublished):
    """The issues are out, or are kept for reasons of their own; the events are kept here. `done` says how far."""

    def __init__(self, done: Exchanged) -> None:
        hint = "the events are kept here; sync again later"
        if done.state == "refused":
            hint = (
                "the events are kept here; where only some branches may be pushed, commit .coord/outbox to one of them"
            )
        super().__init__(f"events are not published: {done.error}", hint=hint)
        self.done = done
        self.report: Any = None  # of the issues
        self.more: dict[str, Any] = {}

    def facts(self) -> dict[str, object]:
        return {"reason": self.done.state}


def publish(k: Kernel) -> Exchanged:
    """Exchange events alone, and return when the remote has them. Raises EventsKept, Sync."""
    k.open()
    done = exchange(k, None)
    if done.state == "off":
        raise NotPublished("events are not shared here", hint="tbdx coord on shares them")
    if done.state == "local":
        raise NotPublished(f"no remote {k.config.remote} is configured: the events are in this clone only")
    if done.error:
        raise EventsKept(done)
    return done


def exchange(k: Kernel, heads: Mapping[str, str] | None, *, push: bool = True, pull: bool = True) -> Exchanged:
    """Bring the remote's events, publish ours, and read them back. `heads`: the remote's branches, if just asked for.

    What cannot be published is told in the answer. Raises Sync for a branch that is something else.
    """
    settled = k.coordination
    if not settled.on:
        return Exchanged("off")
    if push:
        from tbdx.kernel.agents import flush_presence

        flush_presence(k)
    git, remote, branch = k.git, k.config.remote, settled.branch
    done = Exchanged("synced")
    if heads is not None and _is_settled(k, heads.get(branch)):
        return done
    taken = git.checked_out_at(branch)
    if taken:
        raise Sync(f"{branch}, the coordination branch, is checked out at {taken}", hint="switch to another one there")
    if not git.has_remote(remote):
        with locked(k):
            take_in(k, [], done)
        done.state = "local"
        return done
    seen = seen_tip(k)
    move_aside(k, f"{k.repo.common}/refs/remotes/{remote}/{branch}.lock")
    started, unshown = time.monotonic(), 0
    for tries in range(1, 10_000):
        try:
            tip = heads.get(branch) if heads is not None else git.heads(remote, branch).get(branch)
            heads = None
            if pull and tip and (tip != seen or git.commit_of(tip) is None):
                git.fetch(remote, branch, tip)
            with locked(k):
                size = _size(k)  # as it is before: what is written from here on is not settled
                head = take_in(k, [c for c in dict.fromkeys((seen, tip)) if c] if pull else [], done, seen)
            seen = tip
            if not push or head == tip or head is None:
                _settle(k, head, tip, size)
                return done
            accepted, why = git.push(remote, branch, head)
            if accepted or why != "behind":
                shown = git.heads(remote, branch).get(branch)
                if shown == head or (shown and git.commit_of(shown) and git.is_ancestor(head, shown)):
                    _settle(k, head, shown, size)
                    return done
                if not accepted and shown == tip:
                    return _kept(done, "refused", f"{remote} refused {branch}: {why}")
                unshown += accepted and shown == tip
                if unshown == UNSHOWN:
                    return _kept(done, "refused", f"{remote} took the push of {branch} and does not show it")
        except GitError as e:
            if e.reason == "moved" and tries == 1:  # somebody moved the branch who knows of no lock: look again
                continue
            if e.reason not in ("unreachable", "timeout"):
                raise
            return _kept(done, "unreachable", e.message)
        if not pull:
            return _kept(done, "contended", f"{remote} has events that are not here yet")
        if tries >= TRIES and time.monotonic() - started > BUDGET_S:
            break
        time.sleep(min(2.0, 0.05 * 2 ** min(tries, 5)) * (0.5 + k.entropy(1)[0] / 255))
    return _kept(done, "contended", f"others kept publishing first, {tries} times")


def _is_settled(k: Kernel, tip: str | None) -> bool:
    """Whether nothing has happened, here or there, since a sync ended with all at one commit."""
    try:
        noted = files.read(f"{k.repo.own}/cache/{SETTLED}", 200).decode("ascii", "replace")
    except (FileNotFoundError, BadFile):
        return False
    here = settings.ref(k.repo, f"refs/heads/{k.coordination.branch}")
    return tip is not None and tip == here == journal.taken(k.repo) and noted == f"{tip} {_size(k)}"


def _settle(k: Kernel, head: str | None, tip: str | None, size: str) -> None:
    """Note that all is at one commit, with so much in our own journals."""
    if head is not None and head == tip:
        journal.keep(k.repo, SETTLED, f"{head} {size}".encode())


def _size(k: Kernel) -> str:
    """What there is of our own journals, and of what was brought here, as a word."""
    seen, _ = cache.scan_below(journal.own(k.repo))
    return f"{crc32(repr(sorted(cache.by_name(seen.names, seen.stats).items())).encode()):08x}"


def seen_tip(k: Kernel) -> str | None:
    """The remote's tip as last fetched, None where that was something else than a coordination branch."""
    tip = k.git.remote_tip(k.config.remote, k.coordination.branch)
    try:
        tree_of(k, tip, "")
    except Sync:
        return None
    return tip


def _kept(done: Exchanged, state: str, error: str) -> Exchanged:
    done.state, done.error = state, error
    return done


# the branch


def tree_of(k: Kernel, commit: str | None, what: str) -> Tree:
    """path -> blob of a commit. Raises Sync when it has anything but what a coordination branch has."""
    if commit is None:
        return {}
    if commit in k.coord_trees:
        return k.coord_trees[commit]
    out: Tree = {}
    for path, (mode, blob) in k.git.tree(commit).items():
        if not path.startswith(union.TOP) or path.startswith(union.OUTBOX):
            raise Sync(
                f"{what} is not a coordination branch: it holds {path[:80]}",
                hint="name another one in .tbd/tbdx.yml: coordination_branch: tbd-coord",
            )
        if mode == PLAIN:
            out[path] = blob
    k.coord_trees[commit] = out
    return out


def take_in(
    k: Kernel,
    tips: list[str],
    done: Exchanged,
    seen: str | None = None,
    adopted: Mapping[str, bytes] | None = None,
) -> str | None:
    """Bring commits and this clone's own journals into the branch; its tip, None where there is nothing to have one.

    Called under the coordination lock. `seen` is the remote's tip as it was. Nothing that the branch ever had is
    dropped but what a checkpoint stands for.
    """
    git, branch = k.git, k.coordination.branch
    move_aside(k, f"{k.repo.common}/refs/heads/{branch}.lock")
    head = git.branch_tip(branch)
    trees = {c: tree_of(k, c, branch if c == head else f"{k.config.remote}/{branch}") for c in (head, seen, *tips) if c}
    local = trees[head] if head else {}
    merged, carried = dict(local), dict[str, bytes]()
    for tip in tips:
        merged, apart = union.merge(merged, trees[tip], trees.get(seen or "", {}), lambda blob: git.blobs([blob])[blob])
        for x in apart:
            k.say("warn", f"{branch}: {x.path} {x.why} on {k.config.remote}; both are kept")
            carried |= _carried(x.path, x.rest)
    contents = carried | _brought(k, merged) | dict(adopted or {})
    merged |= zip(contents, git.hash_all([*contents.values()]), strict=True)
    merged, base = _compacted(k, merged, [head, *tips])
    contents, apart_of = _ours(k, merged, local, base)
    merged |= zip(contents, git.hash_all([*contents.values()]), strict=True)
    parents = _heads(k, [head, *tips])
    new = _commit(k, parents, trees, merged)
    if new is not None and new != head:
        git.move_refs({f"refs/heads/{branch}": (new, head)})
    done.received += _take(k, new, head, local, merged, apart_of)
    for writer, path in journal.carried(journal.own(k.repo)):  # what the branch has needs no copy here
        if f"{union.CARRIED}{writer}/{os.path.basename(path)}" in merged:
            files.remove(path)
            files.remove(f"{path}.from")
    if tips and new:
        done.sent = _more_lines(k, merged, trees[tips[-1]])
    elif new:
        done.sent = _more_lines(k, merged, {})
    return new


def _heads(k: Kernel, commits: list[str | None]) -> list[str]:
    """Those of the commits that are in no other one's history, the remote's last."""
    out: list[str] = []
    for commit in dict.fromkeys(c for c in commits if c):
        if not any(k.git.is_ancestor(commit, other) for other in out):
            out = [other for other in out if not k.git.is_ancestor(other, commit)] + [commit]
    return out


def _commit(k: Kernel, parents: list[str], trees: Mapping[str, Tree], merged: Tree) -> str | None:
    """A commit of the merged tree; its only parent where that says it all."""
    was = trees[parents[-1]] if parents else {}
    if len(parents) < 2 and merged == was:
        return parents[0] if parents else None
    changes: dict[str, str | None] = {path: blob for path, blob in merged.items() if was.get(path) != blob}
    changes |= dict.fromkeys(was.keys() - merged.keys())
    count = f"{len(changes)} file{'s' if len(changes) != 1 else ''}"
    notes = "".join(f"\n{row}" for row in _marks(k, changes))
    return k.git.commit_apart(
        parents[-1] if parents else None,
        changes,
        parents,
        f"tbd coord: {count}\n{notes}" if notes else f"tbd coord: {count}",
    )


def _marks(k: Kernel, changes: Mapping[str, object]) -> list[str]:
    """A line for each carried file of a commit: which branch, commit and author it came from."""
    out = []
    for path in changes:
        if path.startswith(union.CARRIED):
            mark = f"{journal.own(k.repo)}/carried/{path.removeprefix(union.CARRIED)}.from"
            try:
                text = files.read(mark, 1000).decode("utf-8", "replace").strip()
            except (FileNotFoundError, BadFile):
                continue
            out.append(f"Carried: {path} from {text}")
    return out


def _carried(path: str, lines: bytes) -> dict[str, bytes]:
    """Lines of a journal that cannot stay in its file, as carried files: path -> content."""
    at = place(path)
    if at is None or at[0] == "checkpoint":
        return {}
    entries, _ = chain.parse(lines, at[1], path, True)
    runs = chain.pieces([(e.seq, e.raw) for e in entries], journal.SEAL)
    return {f"{union.CARRIED}{at[1]}/{chain.carried_name(*run)}": run[2] for run in runs}


def _brought(k: Kernel, merged: Tree) -> dict[str, bytes]:
    """What was imported here, or harvested, and the branch does not have yet."""
    out = {}
    for writer, path in journal.carried(journal.own(k.repo)):
        name = f"{union.CARRIED}{writer}/{os.path.basename(path)}"
        if name not in merged:
            out[name] = journal.read(path)
    return out


def _ours(k: Kernel, merged: Tree, local: Tree, base: Checkpoint) -> tuple[dict[str, bytes], set[str]]:
    """(path -> content of what our journals have beyond the branch, the writers of ours that are not ours alone).

    A journal of ours that the branch has more of, or otherwise, was written by another copy of this clone: it is
    retired, and its agent goes on in a new one.
    """
    folder, out, apart = journal.own(k.repo), dict[str, bytes](), set[str]()
    last_there: dict[str, int] = {}  # the first seq of the last segment that the branch has
    for at in filter(None, map(place, merged)):
        if at[0] == "journal":
            last_there[at[1]] = max(at[2], last_there.get(at[1], 0))
    for writer in journal.writers(folder):
        segments = journal.segments(folder, writer)
        paths = [union.journal_path(writer, first) for first, _ in segments]
        mine: dict[str, bytes] = {}
        for n, ((_, source), path) in enumerate(zip(segments, paths, strict=True)):
            there = merged.get(path)
            if there and there == local.get(path) and n < len(segments) - 2:
                continue
            if n + 1 < len(segments) and segments[n + 1][0] - 1 <= base.vector.get(writer, 0):
                continue
            data = journal.read(source)
            other = k.git.blobs([there])[there] if there else b""
            if data.startswith(other):
                if data != other:
                    mine[path] = data
                continue
            apart.add(writer)
            if not other.startswith(data):
                mine |= _carried(path, union.after_common(data, other))
        if last_there.get(writer, 0) > segments[-1][0]:
            apart.add(writer)
        lost = _overtaken(k, writer, local, base)
        if lost:
            apart.add(writer)
            mine = lost
        if writer in apart and not journal.is_retired(k.repo, writer):
            k.say("warn", f"another copy of this clone wrote as {writer}: a new journal is begun here")
            journal.retire(k.repo, writer)
        end = journal.end(folder, writer)
        if lost or not end or end.seq > base.vector.get(writer, 0):
            out |= mine
    return out, apart


def _overtaken(k: Kernel, writer: str, local: Tree, base: Checkpoint) -> dict[str, bytes]:
    """Lines of ours that were never published and whose seqs a checkpoint covers by now: another copy of this clone had
    the same. They are carried under the name of the fork that they are, which no checkpoint knows of."""
    covered = base.vector.get(writer, 0)
    known = max((point.vector.get(writer, 0) for point in _points(k, local).values()), default=0)
    if covered <= known:
        return {}
    there = [blob for path, blob in local.items() if (at := place(path)) and at[:2] == ("journal", writer)]
    published = max([known, *(_last_seq(k, blob) for blob in there)])
    entries = []
    for _, path in journal.segments(journal.own(k.repo), writer):
        entries += [e for e in chain.parse(journal.read(path), writer, path, True)[0] if e.seq > published]
    if not entries or entries[0].seq > covered:
        return {}
    fork = f"{writer}~{hexdigest(entries[0].raw)[:8]}"
    runs = chain.pieces([(e.seq, e.raw) for e in entries], journal.SEAL)
    return {f"{union.CARRIED}{fork}/{chain.carried_name(*run)}": run[2] for run in runs}


def _points(k: Kernel, tree: Tree) -> dict[str, Checkpoint]:
    """The checkpoints in a tree, by their paths; damaged ones are told."""
    names = [path for path in tree if path.startswith(union.CHECKPOINT)]
    data = k.git.blobs(tree[path] for path in names)
    found = {}
    for path in names:
        try:
            found[path] = checkpoint.parse(data[tree[path]], os.path.basename(path))
        except BadFile as e:
            k.say("warn", f"{path}: {e.message}; it is stepped over")
    return found


def _compacted(k: Kernel, merged: Tree, commits: list[str | None]) -> tuple[Tree, Checkpoint]:
    """(the tree without what its newest checkpoint stands for, that checkpoint).

    Where two stand for different things, what only the other one covers is brought back from history.
    """
    found = _points(k, merged)
    if not found:
        return merged, checkpoint.NONE
    base = checkpoint.newest(found.values())
    for path, other in found.items():
        if other is base:
            continue
        if not base.stands_for(other):
            merged = _before(k, path, commits) | merged
        merged.pop(path, None)
    for path in [p for p in merged if p.startswith(union.CHECKPOINT) and p not in found]:
        merged.pop(path)  # came back with the others
    return union.uncovered(merged, base.vector, lambda blob: _last_seq(k, blob)), base


def _last_seq(k: Kernel, blob: str) -> int:
    """The seq of the last line of a journal's file, 0 where that cannot be told."""
    text = k.git.blobs([blob])[blob].rstrip(b"\n").rpartition(b"\n")[2]
    try:
        return int(event.parse(text)["seq"])
    except BadFile:
        return 0


def _before(k: Kernel, path: str, commits: list[str | None]) -> Tree:
    """The tree from which a compaction made a checkpoint."""
    parent = k.git.parent_where_added(path, [c for c in commits if c])
    return tree_of(k, parent, k.coordination.branch) if parent else {}


def _more_lines(k: Kernel, new: Tree, old: Tree) -> int:
    """How many lines the files of one tree have more than those of another, where they differ."""
    pairs = [(blob, old.get(path)) for path, blob in new.items() if old.get(path) != blob and path.endswith(".jsonl")]
    data = k.git.blobs(x for pair in pairs for x in pair if x)
    return sum(data[a].count(b"\n") - (data[b].count(b"\n") if b else 0) for a, b in pairs)


# the branch's copy in the cache


def _take(k: Kernel, new: str | None, head: str | None, local: Tree, merged: Tree, apart: set[str]) -> int:
    """Put what others wrote where readers find it; how many lines came."""
    if new is None:
        return 0
    mine = set(journal.writers(journal.own(k.repo))) - apart
    was = local if head is not None and head == journal.taken(k.repo) else None
    wanted = {p: b for p, b in merged.items() if not ((at := place(p)) and at[0] == "journal" and at[1] in mine)}
    changed = {p: b for p, b in wanted.items() if was is None or was.get(p) != b or not os.path.lexists(_copy(k, p))}
    data = k.git.blobs(changed.values())
    files.make_folder(k.repo.scratch)
    latest = ""
    for path, blob in changed.items():
        files.make_folder(os.path.dirname(_copy(k, path)))
        files.write(_copy(k, path), data[blob], scratch=k.repo.scratch)
        latest = max(latest, _latest(k, data[blob]))
    for path in (was or {}).keys() - wanted.keys():
        files.remove(_copy(k, path), durable=False)
    if latest:
        keep_clock(k, max(latest, clock(k, k.now_ms(), None)))
    journal.keep(k.repo, journal.TAKEN, new.encode())
    others = {p: b for p, b in wanted.items() if p.endswith(".jsonl")}
    return _more_lines(k, others, local)


def _latest(k: Kernel, data: bytes) -> str:
    """The last event id in a file, when its time is not far ahead of the clock."""
    try:
        found = event.parse(data.rstrip(b"\n").rpartition(b"\n")[2])["event_id"]
    except BadFile:
        return ""
    return str(found) if found < event.least_id(k.now_ms() + event.AHEAD_MS) else ""


def _copy(k: Kernel, path: str) -> str:
    return f"{journal.branch_copy(k.repo)}/{path.removeprefix(union.TOP)}"


def rebuild(k: Kernel) -> None:
    """Put what the branch holds where readers find it: the cache was deleted, or a kill came between."""
    with locked(k):
        tip = k.git.branch_tip(k.coordination.branch)
        if tip:
            tree = tree_of(k, tip, k.coordination.branch)
            files.discard(journal.branch_copy(k.repo))
            _, base = _compacted(k, tree, [tip])
            _take(k, tip, None, {}, tree, _ours(k, tree, tree, base)[1])

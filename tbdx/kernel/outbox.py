"""Sync where pushing is not allowed: what a remote does not take is copied to an outbox that travels on a branch.

The outbox is tbd's workspace of that name, and a note of the commit that it was made against. With that note its files
are as good as a commit on that base, the same commit wherever it is made: an outbox met twice, in any order, in any
clone, is taken in once. Without it (a real tbd's) its issues are imported as from any copy.
"""

from __future__ import annotations

from tbdx.core import codec, merge
from tbdx.core.union import OUTBOX
from tbdx.errors import BadFile, TbdxError
from tbdx.errors import Git as GitError
from tbdx.kernel import Kernel, copies
from tbdx.kernel.pending import MOST, damage, is_immutable
from tbdx.kernel.sync import Kept, Report, integrate, sync
from tbdx.kernel.worktree import is_ours
from tbdx.store import cache, files
from tbdx.store.objects import PLAIN
from tbdx.store.worktree import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tbdx.kernel import coord

PLACE = ".tbd/workspaces/outbox/"
BRANCHES = 50  # other branches of the remote that one sync looks into
_LOOKED = "branches"  # the cache of what was looked into


def sync_after(k: Kernel) -> None:
    """What `settings.auto_sync` asks for after a command that changed something: what does not go out is only told."""
    from tbdx.kernel import coord

    try:
        report = sync(k)
        withheld = report.withheld
        events = coord.exchange(k, report.branches or None)
        if events.error:
            raise coord.EventsKept(events)
    except TbdxError as e:
        k.say("notice", f"auto_sync: {e.message}")
    else:
        for path, why in sorted(withheld.items()):
            k.say("warn", f"auto_sync: withheld {path}: {why}")


def sync_all(k: Kernel, *, push: bool, pull: bool, auto_save: bool, take_in: bool) -> tuple[Report, dict[str, Any]]:
    """(report, {importedFromOutbox: issues of our own outbox, harvested: [{branch, commit, issues, events}],
    coordination: what became of the events}) of a sync: first of the sync branch, then of the coordination branch.

    A remote that refuses or cannot be reached puts what it lacks into the outbox, and the error is raised on. A sync
    that went well takes outboxes in, our own and those on other branches of the remote, and publishes what they held.
    """
    from tbdx.kernel import carried, coord

    more: dict[str, Any] = {}
    failed: Kept | coord.EventsKept | None = None
    try:
        report = sync(k, push=push, pull=pull)
    except Kept as e:
        if auto_save and e.reason != "contended":
            from tbdx.kernel import exchange

            e.saved = exchange.save(k, outbox=True)["saved"]
        if e.reason != "refused":  # a server may refuse one branch and take the other
            raise
        failed, report = e, e.report
    if failed is None and take_in and push and pull:
        more = _take_outboxes(k, report)
    events = _exchange(k, report, push=push, pull=pull)
    if events.state == "refused" and auto_save:
        events.saved = carried.save_outbox(k)
    elif events.state == "synced" and push:
        carried.empty_outbox(k)
    if events.received and events.state == "synced" and push and pull and failed is None:
        repeats = _close_repeats(k)
        if repeats:
            report.add(sync(k))
            coord.exchange(k, None)
            more["repeats"] = [{"id": later, "duplicateOf": first} for later, first in repeats]
    if events.state != "off":
        more["coordination"] = events.as_json()
    if failed is None and events.error:
        failed = coord.EventsKept(events)
    if failed is not None:
        failed.report, failed.more = report, more
        raise failed
    return report, more


def _exchange(k: Kernel, report: Report, *, push: bool, pull: bool) -> coord.Exchanged:
    """What became of the events, also where their branch is something else: the issues are out all the same."""
    from tbdx.kernel import coord

    try:
        return coord.exchange(k, report.branches or None, push=push, pull=pull)
    except TbdxError as e:
        done = coord.Exchanged("failed")
        done.error = e.message
        return done


def _close_repeats(k: Kernel) -> list[tuple[str, str]]:
    from tbdx.kernel.work import close_repeats

    found = close_repeats(k)
    for later, first in found:
        k.say("notice", f"{later} was created under the same key as {first}: closed as its duplicate")
    return found


def _take_outboxes(k: Kernel, report: Report) -> dict[str, Any]:
    more: dict[str, Any] = {}
    head = k.git.branch_tip(k.config.branch)
    mine = _own(k)
    if mine and not report.local_only:
        found = _empty_own(k, mine, report)
        more |= {"importedFromOutbox": found} if found else {}
    harvested = _harvest(k, report)
    if harvested:
        more["harvested"] = harvested
    if k.git.branch_tip(k.config.branch) != head or k.wrote:
        report.add(sync(k))
    return more


def _own(k: Kernel) -> dict[str, bytes]:
    """The files of the outbox in the working tree, also of one that was half removed. What is no plain file there is
    stepped over."""
    root = f"{k.repo.root}/{PLACE.rstrip('/')}"
    out = {}
    for rel, odd in files.walk(root):
        if not odd:
            try:
                out[rel] = files.read(files.inside(root, *rel.split("/")), MOST)
            except (FileNotFoundError, TbdxError):
                continue
    return out if "base.yml" in out or _issues(out) else {}


def _empty_own(k: Kernel, held: Mapping[str, bytes], report: Report) -> int:
    """Take our own outbox in and remove it; how many issues it had."""
    from tbdx.kernel import exchange

    with k.writing():
        made = as_commit(k, held)
        if made is None:
            return int(exchange.import_workspace(k, outbox=True, clear=True)["imported"])
        integrate(k, made[0], report)
        _, path = copies.place(k, None, None, True)
        if made[1]:
            entries = [rel.removeprefix("attic/") for rel in held if rel.startswith("attic/")]
            issues = [rel[7:-3] for rel in _issues(held)]
            copies.emptied(k, copies.opened(k, path), issues, entries, _others(held))
            copies.Seen(k, path).forget()
        else:
            k.say("warn", "outbox is not cleared: not all of it could be imported")
        return len(_issues(held))


def as_commit(k: Kernel, held: Mapping[str, bytes]) -> tuple[str, bool] | None:
    """(a commit that holds an outbox's files on top of their base, whether all its issues could be taken).

    None when the outbox does not say what it was made against, or that commit is not here. `held`: path in the outbox
    -> content. Called under the lock.
    """
    git = k.git
    base = _base(k, held)
    if base is None:
        return None
    was, whole = git.content(base), True
    wanted: dict[str, bytes] = {}
    for rel, data in sorted(held.items()):
        path = merge.DATA + rel
        if rel == "mappings/ids.yml":
            data = merge.merge_names(was.get(path, b""), data, b"")
        elif rel in _issues(held):
            why = damage(path, data) if is_ours(path, PLAIN) else "not the name of an issue"
            if why:
                k.say("warn", f"{PLACE}{rel} is left there: {why}")
                whole = False
                continue
        elif rel.startswith(copies.OTHERS):
            why = damage(path, data) if is_ours(path, PLAIN) else "not a name that tbdx writes"
            if why:
                k.say("warn", f"{PLACE}{rel} is left there: {why}")
            if why or not k.coordination.on or (path in was and is_immutable(path)):
                continue
        elif not rel.startswith("attic/") or not is_ours(path, PLAIN) or path in was:
            continue
        if was.get(path) != data:
            wanted[path] = data
    if not wanted:
        return base, whole
    blobs = dict(zip(wanted, git.hash_all([*wanted.values()]), strict=True))
    then = identity("tbdx", "tbdx@localhost", f"@{git.date(base)} +0000")
    return git.commit_tree(base, blobs, [base], "tbd sync: from an outbox", author=then), whole


def _base(k: Kernel, held: Mapping[str, bytes]) -> str | None:
    key, _, commit = held.get("base.yml", b"").decode("utf-8", "replace").strip().partition(": ")
    if key != "commit" or not commit.isalnum():
        return None
    found = k.git.commit_of(commit)
    return found if found and merge.DATA + "meta.yml" in k.git.tree(found) else None


def _issues(held: Mapping[str, bytes]) -> list[str]:
    return [rel for rel in held if rel.startswith("issues/") and rel.endswith(".md")]


def _others(held: Mapping[str, bytes]) -> list[str]:
    """Agents, messages, artifacts."""
    return [rel for rel in held if rel.startswith(copies.OTHERS)]


# outboxes on other branches


def _harvest(k: Kernel, report: Report) -> list[dict[str, Any]]:
    """Take in the outboxes on the remote's other branches, each tip once; [{branch, commit, issues}] of those found.

    Nothing depends on it: a branch that cannot be fetched is told, and the next sync tries again.
    """

    git, remote = k.git, k.config.remote
    looked = _looked(k)
    shared = (k.config.branch, k.coordination.branch)
    tips = {b: tip for b, tip in sorted(report.branches.items()) if b not in shared and tip not in looked}
    tips = dict([*tips.items()][:BRANCHES])
    if not tips:
        return []
    try:
        found = git.look_into(remote, tips, PLACE)
        events = git.look_into(remote, tips, OUTBOX) if k.coordination.on else {}
    except GitError as e:
        k.say("notice", f"outboxes on other branches were not looked for: {e.message}")
        return []
    out = []
    for branch, held in found.items():
        if _issues(held) or _others(held):
            _take_in(k, held, report)
        came = _carried(k, events.get(branch, {}), branch, tips[branch])
        if _issues(held) or _others(held) or came:
            row = {"branch": branch, "commit": tips[branch], "issues": len(_issues(held))}
            more = {"others": len(_others(held)), "events": came}
            out.append(row | {name: n for name, n in more.items() if n})
            count = (len(_issues(held)), "issues"), (len(_others(held)), "other files"), (came, "events")
            what = [f"{n} {name}" for n, name in count if n]
            k.say("notice", f"{' and '.join(what)} taken in from the outbox on {remote}/{branch}")
    cache.write(k.repo, _LOOKED, [("tips", sorted(looked & {*report.branches.values()} | {*tips.values()}))])
    return out


def _carried(k: Kernel, held: Mapping[str, bytes], branch: str, tip: str) -> int:
    from tbdx.kernel import carried

    return carried.take_carried(k, held, branch, tip, k.git.author(tip, k.git.aside)) if held else 0


def _looked(k: Kernel) -> set[str]:
    """The tips of branches that were looked into."""
    kept = cache.opened(k.repo, _LOOKED)
    if kept is None:
        return set()
    try:
        return set(kept.get("tips"))
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    finally:
        kept.close()


def _take_in(k: Kernel, held: Mapping[str, bytes], report: Report) -> None:
    with k.writing():
        made = as_commit(k, held)
        if made is not None:
            integrate(k, made[0], report)
            return
    import hashlib

    from tbdx.kernel import exchange

    name = hashlib.sha256(repr(sorted(held.items())).encode()).hexdigest()[:16]
    folder = f"{k.repo.scratch}/outbox-{name}"  # the same for the same files, by which an import knows them again
    try:
        for rel, data in held.items():
            if rel.startswith(("issues/", "mappings/", "attic/")) and len(data) <= codec.LARGEST:
                target = files.inside(folder, *rel.split("/"))
                files.make_folder(target.rpartition("/")[0])
                files.write(target, data, durable=False)
        exchange.import_workspace(k, folder=folder)
    except BadFile as e:
        k.say("warn", e.message)
    finally:
        files.discard(folder)

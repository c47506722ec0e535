"""The snapshot of all issues: from the cache what is known to be unchanged, from the files all else.

What comes out is what reading every file would give, complaints included. A few changed issues are read again by every
command; when they are many, the cache is written anew.
"""

from __future__ import annotations

from tbdx.core import names, snapshot
from tbdx.core.snapshot import GROUPS
from tbdx.errors import BadFile, Disk
from tbdx.kernel import Kernel, skipping
from tbdx.store import cache, entities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tbdx.core.snapshot import Columns

    Bad = dict[str, tuple[str, int]]  # file name -> reason, line

MANY = 64  # changed issues from which on writing the cache costs less than reading them each time


def load(k: Kernel, *groups: str) -> Columns:
    """The columns of some groups, `hot` always among them, for every good issue; each bad file is said once."""
    k.open()
    groups = ("hot", *groups)
    seen = cache.scan(k.repo)
    kept = cache.opened(k.repo)
    if kept is not None:
        try:
            made = _from_cache(k, kept, seen, groups)
        except (ValueError, EOFError, TypeError, KeyError, IndexError):  # a damaged file, of an unknown form
            made = None
        finally:
            kept.close()
        if made is not None:
            return made
    return _anew(k, seen, snapshot.columns(), list(filter(entities.is_entity, seen.names)), {}, groups)


def _from_cache(k: Kernel, kept: cache.Kept, seen: cache.Seen, groups: tuple[str, ...]) -> Columns | None:
    """The columns with what has changed since; None when the cache does not fit this tracker."""
    prefix, ids, unnamed = kept.get("names")
    if prefix != k.config.prefix or not _still_named(ids, k.names.data, unnamed):
        return None
    bad: Bad = kept.get("bad")
    changed: list[str] = []
    gone: list[str] = []
    if not seen.is_as(kept.bytes("files")):
        listed, stats = kept.get("files")
        before, now = cache.by_name(listed, stats), cache.by_name(seen.names, seen.stats)
        changed = [name for name, status in now.items() if before.get(name) != status and entities.is_entity(name)]
        gone = [name for name in before if name not in now and entities.is_entity(name)]
    many = len(changed) + len(gone) > MANY
    at: Columns = {}
    for group in GROUPS if many else groups:
        at.update(zip(GROUPS[group], kept.get(group), strict=True))
    for name in gone:
        snapshot.drop(at, name[:-3])
        bad.pop(name, None)
    if many:
        return _anew(k, seen, at, changed, bad, groups)
    _read(k, at, changed, bad)
    _tell(k, bad)
    return at


def _still_named(then: bytes, now: bytes, unnamed: list[str]) -> bool:
    """Whether all that was named from `then` has the same name by `now`: at most rows were added, and for others."""
    if then == now:
        return True
    old, new = set(then.split(b"\n")), set(now.split(b"\n"))
    keys = [row.partition(b":")[0] for row in now.translate(None, b"\"'").split(b"\n")]
    if not old <= new or len(set(keys)) != len(keys):
        return False
    rows, said = names.parse(b"\n".join(new - old).decode("utf-8", "replace"))
    taken = {row[-26:] for row in old}
    return not said and all(of not in unnamed and of.encode() not in taken for _, of in rows)


def _read(k: Kernel, at: Columns, changed: list[str], bad: Bad) -> bool:
    """Bring the files of some issues into the columns, or why they cannot be; False when the next look may differ."""

    def display(internal: str) -> str:
        n, there = snapshot.place(at["id"], internal)
        return str(at["shown"][n]) if there else k.display(internal)

    sure = True
    for name in sorted(changed):
        bad.pop(name, None)
        try:
            issue = entities.parsed(f"{k.repo.issues}/{name}")
        except (FileNotFoundError, BadFile, Disk) as e:
            snapshot.drop(at, name[:-3])
            sure = sure and isinstance(e, BadFile)
            if not isinstance(e, FileNotFoundError):  # which is gone between the listing and the look
                bad[name] = (e.reason, e.line) if isinstance(e, BadFile) else (e.message, 0)
        else:
            snapshot.put(at, snapshot.cells(issue, display))
    return sure


def _anew(k: Kernel, seen: cache.Seen, at: Columns, changed: list[str], bad: Bad, groups: tuple[str, ...]) -> Columns:
    """Read what has changed, and write the cache, unless what was found may not last."""
    k.names.load()
    if _read(k, at, changed, bad) and not k.names.changed:
        short_of = k.names.short_of
        unnamed = [parent[3:] for parent in at["parent_id"] if parent and parent[3:] not in short_of]
        sections: list[tuple[str, object]] = [("names", (k.config.prefix, k.names.data, unnamed))]
        sections += [("files", (seen.names, seen.settled())), ("bad", bad)]
        sections += [(group, [at[name] for name in GROUPS[group]]) for group in GROUPS]
        cache.write(k.repo, sections)
    _tell(k, bad)
    return {name: at[name] for group in groups for name in GROUPS[group]}


def _tell(k: Kernel, bad: Bad) -> None:
    for name in sorted(bad):
        reason, line = bad[name]
        k.say("warn", skipping(BadFile(reason, path=name, line=line)))

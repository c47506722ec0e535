"""The snapshot of all issues: from the cache what is known to be unchanged, from the files all else.

What comes out is what reading every file would give, complaints included. A few changed issues are read again by every
command; when they are many, the cache is written anew.
"""

from __future__ import annotations

import marshal

from tbdx.core import names, snapshot
from tbdx.core.snapshot import GROUPS
from tbdx.errors import BadFile, Disk
from tbdx.kernel import Kernel, skipping
from tbdx.store import cache, entities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from tbdx.core.snapshot import Columns

    Change = tuple[str, dict[str, Any] | None]

PART = 1000  # issues in one part of the cache
MANY = 64  # changed issues from which on writing the cache costs less than reading them each time


def load(k: Kernel, *groups: str, ready_only: bool = False) -> Columns:
    """The columns of some groups, `hot` always among them, for every good issue; each bad file is said once.

    With `ready_only` the issues may be fewer: those of which `lists.ready` gives what it gives of all.
    """
    k.open()
    groups = ("ready" if ready_only and not groups else "hot", *groups)
    seen = cache.scan(k.repo.issues)
    kept = cache.opened(k.repo, "issues")
    if kept is not None:
        try:
            made = _from_cache(k, kept, seen, groups)
        except (OSError, ValueError):  # a damaged file
            made = None
        finally:
            kept.close()
        if made is not None:
            return made
    return _from_files(k, seen, groups)


def _from_files(k: Kernel, seen: cache.Seen, groups: tuple[str, ...]) -> Columns:
    """Every file read, and the cache written."""
    k.names.load()
    at, found = snapshot.columns(), Found({})
    _apply(at, _changes(k, at, filter(entities.is_entity, seen.names), found))

    def section(group: str) -> list[list[Any]]:
        wanted = group == "hot" or group in groups
        return [at[name] if wanted else at.pop(name) for name in GROUPS[group]]

    _write(k, seen, found, at, at["parent_id"], section)
    _tell(k, found.bad)
    return at


def _from_cache(k: Kernel, kept: cache.Kept, seen: cache.Seen, groups: tuple[str, ...]) -> Columns | None:
    """The columns with what has changed since; None when the cache does not fit this tracker."""
    settings, ids, unnamed = kept.get("names")
    if settings != _settings(k) or not _still_named(ids, k.names.data, unnamed):
        return None
    found = Found(kept.get("bad"))
    changed: list[str] = []
    gone: list[str] = []
    if not seen.is_as(b"".join(kept.parts("files"))):
        listed, stats = kept.get("files")
        before, now = cache.by_name(listed, stats), cache.by_name(seen.names, seen.stats)
        changed = [name for name, status in now.items() if before.get(name) != status and entities.is_entity(name)]
        gone = [name for name in before if name not in now and entities.is_entity(name)]

    def group_of(group: str) -> Columns:
        columns: Columns = {name: [] for name in GROUPS["hot" if group == "ready" else group]}
        for part in kept.parts(group):
            for column, more in zip(columns.values(), marshal.loads(part), strict=True):
                column += more
        return columns

    if groups == ("ready",):
        if not changed and not gone:
            _tell(k, found.bad)
            return group_of("ready")
        groups = ("hot",)
    at = group_of("hot")
    changes = list(_changes(k, at, changed, found))
    for name in gone:
        found.bad.pop(name, None)
        changes.append((name[:-3], None))
    old_ids = list(at["id"]) if changes else []
    _apply(at, changes)
    for group in groups[1:]:
        at |= _only(group, group_of(group), old_ids, changes)
    if len(changes) > MANY:

        def section(group: str) -> list[list[Any]]:
            here = at if group in groups else _only(group, group_of(group), old_ids, changes)
            return [here[name] for name in GROUPS[group]]

        more = at if "more" in groups else _only("more", group_of("more"), old_ids, changes)
        _write(k, seen, found, at, more["parent_id"], section)
    _tell(k, found.bad)
    return at


def _only(group: str, columns: Columns, old_ids: list[str], changes: list[Change]) -> Columns:
    """The columns of one group with some changes made, which need the ids that go with them."""
    if changes:
        columns = {"id": list(old_ids)} | columns
        _apply(columns, changes)
    return {name: columns[name] for name in GROUPS[group]}


def _settings(k: Kernel) -> tuple[str, str]:
    """What the cache depends on besides files."""
    return k.config.prefix, k.config.claimed_by


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


class Found:
    """Beside good issues: `bad`, file name -> (reason, line); `passing`, whether the next look may differ."""

    def __init__(self, bad: dict[str, tuple[str, int]]) -> None:
        self.bad = bad
        self.passing = False


def _changes(k: Kernel, at: Columns, changed: Iterable[str], found: Found) -> Iterator[Change]:
    """(id, its cells, None for no good issue) of each changed file."""
    ids, shown = at["id"], at["shown"]

    def display(internal: str) -> str:
        n, there = snapshot.place(ids, internal)
        return str(shown[n]) if there else k.display(internal)

    for name in sorted(changed):
        found.bad.pop(name, None)
        try:
            made = snapshot.cells(entities.parsed(f"{k.repo.issues}/{name}"), display)
        except (FileNotFoundError, BadFile, Disk) as e:
            made = None
            found.passing = found.passing or not isinstance(e, BadFile)
            if not isinstance(e, FileNotFoundError):  # which is gone between the listing and the look
                found.bad[name] = (e.reason, e.line) if isinstance(e, BadFile) else (e.message, 0)
        yield name[:-3], made


def _apply(at: Columns, changes: Iterable[Change]) -> None:
    for internal, made in changes:
        if made is None:
            snapshot.drop(at, internal)
        else:
            snapshot.put(at, made)


def _write(
    k: Kernel,
    seen: cache.Seen,
    found: Found,
    at: Columns,
    parents: list[str | None],
    section: Callable[[str], list[list[Any]]],
) -> None:
    """Write the cache, unless what was found may not last."""
    from tbdx.core import lists

    ids = at["id"]
    unnamed = [p[3:] for p in parents if p and not snapshot.place(ids, p)[1] and k.display(p) == p]
    if not found.passing and not k.names.changed:

        def sections() -> Iterator[tuple[str, object]]:
            yield "names", (_settings(k), k.names.data, unnamed)
            yield "bad", found.bad
            yield "files", (seen.names, seen.settled())
            for group in reversed(GROUPS):  # the largest first: one that is not wanted here is let go
                columns = section(group)
                for n in range(0, len(ids) or 1, PART):  # one part at least
                    yield group, [column[n : n + PART] for column in columns]

            which = sorted(lists.ready(at, claimed_by=k.config.claimed_by))
            free: Columns = {name: [at[name][n] for n in which] for name in GROUPS["hot"]}
            yield "ready", [*(free | {"blocks": [[] for _ in which]}).values()]

        cache.write(k.repo, "issues", sections())


def _tell(k: Kernel, bad: dict[str, tuple[str, int]]) -> None:
    for name in sorted(bad):
        reason, line = bad[name]
        k.say("warn", skipping(BadFile(reason, path=name, line=line)))

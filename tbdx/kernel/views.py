"""Views of what happened: folded from the newest checkpoint, or from a state of before that this clone kept.

Kept states are derived and never needed. One is good as long as all that is new sorts after it; that of yesterday, kept
further back, serves when something late arrives.
"""

from __future__ import annotations

import os
from marshal import dumps, loads

from tbdx.core import checkpoint, views
from tbdx.core.event import Fact
from tbdx.errors import BadFile
from tbdx.kernel import Kernel, log
from tbdx.store import cache, files, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from tbdx.core.checkpoint import Checkpoint
    from tbdx.kernel.log import Mark, Reading, Source

KEPT = ("views.near", "views.far")  # states in the cache, the newer one first,
BACK = (200, 20_000)  # and so many events before the last one when they are made
RENEW = 700  # so many events after the newer state, and a newer one is made
MANY = 1_000  # so many events, and the fast decoder is worth its import
KEEP_FROM = 512 * 1024  # bytes of journals; a state of fewer is folded anew each time
BATCH = 5_000
OF_ISSUES, OF_MESSAGES = ("work", "status"), ("inbox", "threads")  # views that look at files, too


def materialize(k: Kernel, view: str, at: str | None = None) -> views.View:
    """What a view says now, or said at a time or a cursor. Raises Usage, Gone."""
    check(view)
    k.open()
    if at is not None:
        from tbdx.kernel import past

        state, found = past.state_at(k, at)
    else:
        state = current(k, views.VIEWS[view])
        found = _issues(k) if view in OF_ISSUES else {}
    if view in OF_MESSAGES:
        from tbdx.kernel.mailbox import unannounced

        found = {} if at is not None else unannounced(k, state)
    elif view not in OF_ISSUES:
        found = {}
    return views.View(view, views.rows(view, state, found))


check = views.check


def _issues(k: Kernel) -> dict[str, Any]:
    from tbdx.core.snapshot import rows
    from tbdx.kernel.snapshot import load

    return {row["id"]: row for row in rows(load(k))}


def current(k: Kernel, parts: Iterable[str]) -> dict[str, Any]:
    """The state of some parts, all events taken in."""
    base, bound = checkpoint_of(k), k.coordination.require_bound
    found = log.sources(k)
    for name in KEPT:
        kept = cache.opened(k.repo, name)
        if kept is None:
            continue
        try:
            meta = kept.get("meta")
            if meta["base"] != [base.digest, bound]:
                continue
            new = _since(found, base, bound, meta)
            if new is None:
                continue
            facts, refused, readings = new
            renews = len(facts) > RENEW
            state = {part: kept.get(part) for part in (views.PARTS if renews else parts)}
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            continue
        finally:
            kept.close()
        return _go_on(k, state, found, readings, base, facts, refused, meta["refused"], renews=renews)
    return _whole(k, found, base, bound, parts)


def checkpoint_of(k: Kernel) -> Checkpoint:
    """The newest checkpoint that the coordination branch brought; `NONE` where there is none."""
    folder = f"{journal.branch_copy(k.repo)}/checkpoint"
    try:
        names = os.listdir(folder)
    except OSError:
        return checkpoint.NONE
    out = []
    for name in names:
        try:
            out.append(checkpoint.parse(files.read(f"{folder}/{name}", 1 << 30), name))
        except (BadFile, FileNotFoundError) as e:
            k.say("warn", f"{folder}/{name}: {e}; it is stepped over")
    return checkpoint.newest(out)


def _since(
    found: Mapping[str, Source], base: Checkpoint, bound: bool, meta: Mapping[str, Any]
) -> tuple[list[Fact], list[Fact], list[Reading]] | None:
    """(facts, refused ones) that a kept state lacks, and where they were read; None when it cannot be gone on from."""
    odd: dict[str, Source] = {}
    readings = []
    if not found.keys() >= meta["marks"].keys() | meta["sizes"].keys():
        return None
    for writer, source in found.items():
        if source.is_regular() and writer not in meta["sizes"]:
            readings.append(_reading(source, base, bound, meta["marks"].get(writer)))
        elif meta["sizes"].get(writer) == source.size():
            odd[writer] = source
        else:
            return None
    facts, refused = _assembled(odd, base, bound)
    facts = [f for f in facts if f.event_id > meta["until"]]
    try:
        for reading in readings:
            reading.many = len(facts) > MANY
            for some in reading:
                facts += some
                reading.many = len(facts) > MANY
    except log.Irregular:
        return None
    if any(f.event_id <= meta["until"] for f in facts):
        return None
    return views.in_order(facts), refused + [f for r in readings for f in r.refused], readings


def _reading(source: Source, base: Checkpoint, bound: bool, mark: Mark | None = None) -> Reading:
    known = base.state.get("log", {}).get("writers", {}).get(source.writer)
    return log.Reading(source, mark, base.vector.get(source.writer, 0), bound, known[0] if known else None)


def _go_on(
    k: Kernel,
    state: dict[str, Any],
    found: Mapping[str, Source],
    readings: list[Reading],
    base: Checkpoint,
    facts: list[Fact],
    refused: list[Fact],
    before: Mapping[str, Any],
    *,
    renews: bool,
) -> dict[str, Any]:
    """`before`: the rows of events that were refused up to the state."""
    if renews:
        until = facts[-BACK[0]].event_id
        views.fold(state, facts[: -BACK[0] + 1])
        _keep(k, KEPT[0], state, found, readings, base, until, {**before, **views.refusals(refused)})
        facts = facts[-BACK[0] + 1 :]
    views.fold(state, facts)
    return views.refuse(state, refused, before)


def _whole(
    k: Kernel, found: Mapping[str, Source], base: Checkpoint, bound: bool, parts: Iterable[str]
) -> dict[str, Any]:
    """The state from the checkpoint on; with many events, states are kept on the way."""
    sound = {w: s for w, s in found.items() if s.is_regular()}
    odd = {w: s for w, s in found.items() if w not in sound}
    cuts = _cuts(sound, base) if sum(s.size() for s in sound.values()) > KEEP_FROM else []
    while True:
        readings = [_reading(source, base, bound) for source in sound.values()]
        for reading in readings:
            reading.many = sum(s.size() for s in sound.values()) > KEEP_FROM
        rest, refused = _assembled(odd, base, bound)
        try:
            state = _merged(k, found, readings, rest, base, list(views.PARTS if cuts else parts), cuts)
        except log.Irregular as e:
            odd[e.args[0]] = sound.pop(e.args[0])
            continue
        views.refuse(state, refused + [f for r in readings for f in r.refused])
        damaged = sum(r.damaged for r in readings)
        if damaged:
            k.say("warn", f"{damaged} damaged lines of events were stepped over: tbdx ev verify names them")
        return state


def _merged(
    k: Kernel,
    found: Mapping[str, Source],
    readings: list[Reading],
    rest: list[Fact],
    base: Checkpoint,
    parts: list[str],
    cuts: list[str],
) -> dict[str, Any]:
    from heapq import merge

    state = start(base, parts)
    flows: list[Iterator[Fact]] = [_flow(r) for r in readings]
    last, batch = "", list[Fact]()
    left = list(cuts)
    for fact in merge(*flows, iter(rest), key=lambda f: (f.event_id, f.writer)):
        if fact.event_id == last:
            continue
        last = fact.event_id
        if last <= base.until and "log" in state:
            state["log"]["late"].append(last)
        if (left and last > left[0]) or len(batch) == BATCH:
            views.fold(state, batch)
            batch = []
            while left and last > left[0]:
                refused = views.refusals(f for r in readings for f in r.refused)
                _keep(k, KEPT[len(left) - 1], state, found, readings, base, left.pop(0), refused)
        batch.append(fact)
    views.fold(state, batch)
    return state


def start(base: Checkpoint, parts: Iterable[str]) -> dict[str, Any]:
    """A state to fold on: the checkpoint's, as a value of its own, or a new one."""
    return {part: loads(dumps(base.state[part])) if part in base.state else views.PARTS[part][0]() for part in parts}


def _flow(reading: Reading) -> Iterator[Fact]:
    try:
        for some in reading:
            yield from some
    except log.Irregular:
        raise log.Irregular(reading.writer)


def _assembled(odd: Mapping[str, Source], base: Checkpoint, bound: bool) -> tuple[list[Fact], list[Fact]]:
    """(facts in order, refused ones) of the writers whose lines have to be put together."""
    if not odd:
        return [], []
    from tbdx.core.chain import folded

    made = [log.chains(source, base.vector) for source in odd.values()]
    return folded({name: entries for chains in made for name, entries in chains.of.items()}, bound=bound)


def _cuts(sound: Mapping[str, Source], base: Checkpoint) -> list[str]:
    """The event ids up to which states are to be kept, the earlier first: BACK events before the end."""
    last: list[str] = []
    for source in sound.values():
        ids: list[str] = []
        for _, path in reversed(journal.segments(source.roots[0], source.writer)):
            made = [f.event_id for f in log.facts_of(journal.read(path), True) if not isinstance(f, BadFile)]
            ids = made + ids
            if len(ids) >= BACK[1]:
                break
        last += ids
    last.sort()
    return [last[-back] for back in reversed(BACK) if len(last) > 2 * back and last[-back] > base.until]


def _keep(
    k: Kernel,
    name: str,
    state: Mapping[str, Any],
    found: Mapping[str, Source],
    readings: list[Reading],
    base: Checkpoint,
    until: str,
    refused: Mapping[str, Any],
) -> None:
    """Keep a state in the cache; `until` is the last event that it holds, `refused` what no fold took."""
    marks = {r.writer: mark for r in readings if (mark := r.mark_at(until))}
    regular = {r.writer for r in readings}
    sizes = {writer: source.size() for writer, source in found.items() if writer not in regular}
    meta = {"base": [base.digest, k.coordination.require_bound], "until": until, "marks": marks, "sizes": sizes}
    meta["refused"] = dict(refused)
    cache.write(k.repo, name, [("meta", meta), *state.items()])

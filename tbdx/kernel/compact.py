"""Compaction: a checkpoint that stands for old events, in one commit on top; history keeps what it replaces.

It covers what no live writer can still come before: up to the least of the last events of the writers that are neither
retired nor silent for 30 days. A writer with a fork stays as it is: seqs alone do not tell its lines apart.
"""

from __future__ import annotations

from itertools import takewhile

from tbdx.core import chain, union, views
from tbdx.core.checkpoint import Checkpoint
from tbdx.core.event import base_writer, ms_of
from tbdx.errors import Invalid
from tbdx.kernel import Kernel, coord, journal
from tbdx.kernel.stream import everything
from tbdx.kernel.views import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SILENT_MS = 30 * 24 * 3600 * 1000


def compact(k: Kernel, *, dry: bool = False) -> dict[str, Any]:
    """{checkpoint, until, covered: events, writers, held_by, state}; nothing is published when nothing can be covered.

    Raises EventsKept when the remote does not take it: then the checkpoint is here, and the next sync publishes it.
    """
    k.open()
    if not k.coordination.on:
        raise Invalid("events are not shared here: there is nothing to compact", hint="tbdx coord on shares them")
    if not dry:
        done = coord.exchange(k, None)
        if done.error:
            raise coord.EventsKept(done)
    with journal.locked(k):
        if not dry:
            coord.take_in(k, [], coord.Exchanged("local"))  # what was written since, before it is covered
        made, answer = plan(k)
        if made is None or dry:
            return answer
        _store(k, made)
    journal.append(k, [{"type": "journal.checkpointed", "refs": {}, "body": {"checkpoint": made.digest}}])
    done = coord.exchange(k, None)
    if done.error:
        raise coord.EventsKept(done)
    return answer | {"state": done.state}


def plan(k: Kernel) -> tuple[Checkpoint | None, dict[str, Any]]:
    """(the checkpoint that may be made now, what it covers); None when it would cover nothing more."""
    base, made = everything(k)
    journals = {name: entries for chains in made for name, entries in chains.of.items() if entries}
    last = {name: max(e.event_id for e in entries) for name, entries in journals.items()}
    known = base.state.get("log", {}).get("writers", {})
    retired = {e.event["body"].get("replaces") for entries in journals.values() for e in entries}
    retired |= {*base.state.get("log", {}).get("retired", ())}
    live = [
        (event_id, name)
        for name, event_id in ({w: row[2] for w, row in known.items()} | last).items()
        if base_writer(name) not in retired and k.now_ms() - ms_of(event_id) < SILENT_MS
    ]
    until, held_by = min(live, default=(max(last.values(), default=""), ""))
    forked = {base_writer(name) for name in journals if name != base_writer(name)}
    whole = {name: entries for name, entries in journals.items() if base_writer(name) not in forked}
    below = {name: takewhile(lambda e: e.event_id <= until, entries) for name, entries in whole.items()}
    covered = {name: some for name, entries in below.items() if (some := list(entries))}  # a vector tells how far
    count = sum(map(len, covered.values()))
    answer: dict[str, Any] = {"checkpoint": None, "until": until or None, "covered": count, "writers": len(covered)}
    answer["held_by"] = held_by or None
    if not count or until <= base.until:
        return None, answer | {"covered": 0}
    facts, refused = chain.folded(covered, bound=k.coordination.require_bound)
    state = views.refuse(views.fold(start(base, views.PARTS), views.in_order(facts)), refused)
    late = [f.event_id for f in facts if f.event_id <= base.until]
    state["log"]["late"] += late
    vector = dict(base.vector) | {name: entries[-1].seq for name, entries in covered.items()}
    checkpoint = Checkpoint(until, vector, state)
    return checkpoint, answer | {"checkpoint": checkpoint.digest}


def _store(k: Kernel, made: Checkpoint) -> None:
    """Commit the checkpoint in the place of what it covers; the next exchange publishes it."""
    path = f"{union.CHECKPOINT}{made.digest}.json"
    coord.take_in(k, [], coord.Exchanged("local"), adopted={path: made.render()})

"""What happened, as a stream: events past a cursor, in total order, and the cursor that is past them.

A cursor is past an event when it has been given out, whatever way it came and whatever its journal is called by now. A
filter chooses what is shown and never moves a cursor differently.
"""

from __future__ import annotations

from tbdx.core import chain, cursor, event, views
from tbdx.core.chain import Chains, Entry, Problem
from tbdx.core.cursor import Cursor
from tbdx.errors import BadFile, Disk, Gone, NotFound
from tbdx.kernel import Kernel, log
from tbdx.kernel.journal import roots
from tbdx.kernel.views import checkpoint_of
from tbdx.store import files, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tbdx.core.checkpoint import Checkpoint


class Compacted(Gone):
    """The cursor is from before a compaction: `base` is what stands for what is gone, `cursor` goes on from there."""

    def __init__(self, base: Checkpoint, token: str) -> None:
        super().__init__("what the cursor is past was compacted", hint="take the checkpoint, and go on from its cursor")
        self.base, self.cursor = base, token

    def facts(self) -> dict[str, object]:
        return {"checkpoint": self.base.digest, "cursor": self.cursor}


def everything(k: Kernel) -> tuple[Checkpoint, list[Chains]]:
    """(the newest checkpoint, every journal after it)."""
    k.open()
    base = checkpoint_of(k)
    return base, [log.chains(source, base.vector) for source in log.sources(k).values()]


def since(k: Kernel, token: str | None, commit: str | None = None) -> tuple[list[Entry], Cursor]:
    """(the events past a cursor in total order, all where there is none; the cursor past them). Raises Compacted.

    `commit`: that of the sync branch which the cursor tells, where it is not to be the newest.
    """
    k.open()
    at = cursor.parse(token) if token else Cursor({})
    base = checkpoint_of(k)
    if token and at.checkpoint != base.digest and cursor.is_behind(at, base):
        raise Compacted(base, cursor.onto(at, base).token())
    if commit is None:
        commit = k.git.branch_tip(k.config.branch) or ""
    return cursor.past(_journals(k, at, base), at, base, commit)


def _journals(k: Kernel, at: Cursor, base: Checkpoint) -> Iterator[tuple[str, Chains]]:
    """(writer, its lines, or the end of them) of the journals that may have more than a cursor has seen."""
    places = at.by_writer()
    for writer, source in log.sources(k).items():
        mine = places.get(writer, {})
        if not _plain(source, mine, base):
            yield writer, log.chains(source, base.vector)
        elif not _ends_at(source, mine[writer]):
            end = cursor.rest(log.chains(source, base.vector, after=mine[writer][0]), writer, mine)
            yield writer, end or log.chains(source, base.vector)


def _plain(source: log.Source, mine: dict[str, chain.Position], base: Checkpoint) -> bool:
    """Whether a writer's lines came one way, and a cursor is past all of them up to one."""
    if not source.is_regular() or list(mine) != [source.writer]:
        return False
    last, _, ranges = mine[source.writer]
    return not ranges and last > base.vector.get(source.writer, 0)


def _ends_at(source: log.Source, place: chain.Position) -> bool:
    """Whether a journal's last line is the one that a cursor ends at: then it need not be read."""
    try:
        end = journal.end(source.roots[0], source.writer)
    except (BadFile, Disk):
        return False  # whoever reads it tells
    return end is not None and end.is_sound and (end.seq, f"{end.crc:08x}") == place[:2]


Shown = tuple[dict[str, "Any"], Entry | None, dict[str, "Any"]]  # an event, its line unless it is derived, its marks


def shown(k: Kernel, token: str | None, commit: str | None = None) -> tuple[list[Shown], Cursor]:
    """(what a stream shows past a cursor, in total order; the cursor past it). Raises Compacted.

    These are the events, and the changes that no event tells of, up to a commit of the sync branch if one is given.
    """
    from tbdx.kernel import derived

    entries, now = since(k, token, commit)
    agents = agents_of(k, {e.event["writer"] for e in entries})
    at = k.now_ms()
    rows: list[Shown] = [(e.event, e, marks(e, agents.get(e.event["writer"]), at)) for e in entries]
    before = cursor.parse(token).commit if token else ""
    rows += [(found, None, {}) for found in derived.since(k, before or None, now.commit or None)]
    return sorted(rows, key=lambda row: row[1].key() if row[1] else (row[0]["event_id"], "")), now


def marks(entry: Entry, agent: str | None, now_ms: int) -> dict[str, Any]:
    """What a reader should know of an event beyond its line."""
    out: dict[str, Any] = {}
    if not entry.own:
        out["unverified"] = True
    if entry.name != entry.event["writer"]:
        out["journal"] = entry.name
    if agent and entry.event["actor"]["agent_id"] != agent:
        out["unbound"] = True
    if event.ms_of(entry.event_id) > now_ms + event.AHEAD_MS:
        out["ahead_of_clock"] = True
    if entry.event["v"] != event.VERSION:
        out["unknown_version"] = True
    return out


def agents_of(k: Kernel, writers: set[str] | None = None) -> dict[str, str | None]:
    """writer -> the agent whose journal it is, of all writers or some."""
    found = log.sources(k) if writers is None or writers else {}
    some = {w: source.files() for w, source in found.items() if writers is None or w in writers}
    return {w: journal.agent_of(paths[0][0]) for w, paths in some.items() if paths}


def show(k: Kernel, event_id: str) -> list[dict[str, Any]]:
    """[{event, journal, path, line, …marks}] of an event, wherever it is. Raises NotFound."""
    _, made = everything(k)
    from tbdx.kernel.carried import came_from

    agents = agents_of(k)
    wanted = event_id.strip().upper()
    out = []
    for chains in made:
        for name, entries in chains.of.items():
            for e in entries:
                if e.event_id == wanted:
                    more = marks(e, agents.get(event.base_writer(name)), k.now_ms())
                    source = {} if e.own else {"carried_from": came_from(k, e.path)}
                    out.append({"event": e.event, "journal": name, "path": e.path, "line": e.number} | more | source)
    if not out:
        raise NotFound(f"event not found: {event_id}", hint="ev tail lists events")
    return out


def explain(k: Kernel, view: str, what: str) -> list[dict[str, Any]]:
    """The events behind a row of a view, in total order, each with why it was rejected if it was. Raises NotFound."""
    base, made = everything(k)
    key = what.removeprefix("is-") if view != "work" else (k.find(what) or what)
    entries = sorted((e for c in made for chain_ in c.of.values() for e in chain_), key=Entry.key)
    rejects = _rejects(k)
    out = []
    for e in entries:
        if key in (names := _about(view, e)) or what in names:
            row = {name: e.event[name] for name in ("event_id", "ts", "type", "writer", "seq")}
            row |= {"agent": e.event["actor"]["agent_id"], "body": e.event["body"]}
            if e.event_id in rejects:
                row["rejected"] = rejects[e.event_id]["reason"]
            if not e.own:
                row["unverified"] = True
            out.append(row)
    if not out:
        more = "; older ones were compacted" if base.vector else ""
        raise NotFound(f"no event is about {what}{more}")
    return out


def _about(view: str, e: Entry) -> set[object]:
    """What an event is about, as a view's rows are called."""
    agent, refs, body = e.event["actor"]["agent_id"], e.event["refs"], e.event["body"]
    if view in ("work", "rejects"):
        return {e.event_id, *refs.values()}
    if view in ("inbox", "threads"):
        ids = body.get("ids")
        marked = [x for x in (ids if isinstance(ids, list) else ()) if isinstance(x, str)]
        return {e.event_id, *refs.values(), *marked}
    return {e.event_id, agent, agent.removeprefix("agent:")}


def _rejects(k: Kernel) -> dict[str, Any]:
    from tbdx.kernel.views import current

    return views.rows("rejects", current(k, views.VIEWS["rejects"]))


def verify(k: Kernel) -> tuple[list[Problem], dict[str, int]]:
    """(everything that is not as it should be, {journals, events}): gaps, damage, forks, clocks, strangers."""
    _, made = everything(k)
    agents = agents_of(k)
    problems = []
    count = {"journals": 0, "events": 0}
    limit = k.now_ms() + event.AHEAD_MS
    for chains in made:
        problems += chains.problems
        for name, entries in chains.of.items():
            count["journals"] += 1
            count["events"] += len(entries)
            agent = agents.get(event.base_writer(name))
            for e in entries:
                said = []
                if event.ms_of(e.event_id) > limit:
                    said.append(("clock", f"event id {e.event_id} is of a time far ahead of this clock"))
                if agent and e.event["actor"]["agent_id"] != agent:
                    said.append(("unbound", f"its actor is {e.event['actor']['agent_id']}, its writer's agent {agent}"))
                if e.event["v"] != event.VERSION:
                    said.append(("version", f"version {e.event['v']} is not known: kept, and not folded"))
                wrong = event.lacking(e.event["type"], e.event["body"], e.event["refs"])
                if wrong:
                    said.append(("body", f"{e.event['type']}: {wrong}"))
                problems += [Problem(kind, name, e.path, e.number, text) for kind, text in said]
    for folder in roots(k):
        problems += _torn(folder)
    return problems + _strays(journal.own(k.repo)), count


def _strays(folder: str) -> list[Problem]:
    """What looks like a journal and has no name of one, as a file synchroniser leaves its copies."""
    known = {path for w in journal.writers(folder) for _, path in journal.segments(folder, w)}
    found = (rel for rel, _ in files.walk(folder) if rel.partition("/")[0] not in journal.BESIDE)
    text = "not the name of a journal: ev import takes in what it holds"
    return [
        Problem("stray", "", f"{folder}/{rel}", 0, text)
        for rel in found
        if rel.endswith(".jsonl") and f"{folder}/{rel}" not in known
    ]


def _torn(folder: str) -> list[Problem]:
    out = []
    for writer in journal.writers(folder):
        for _, path in journal.segments(folder, writer):
            torn = journal.end_of(path).torn
            if torn:
                out.append(Problem("torn", writer, path, 0, f"{torn} bytes after the last line: a write cut short"))
    return out

"""What happened, as a stream: events past a cursor, in total order, and the cursor that is past them.

A cursor is past an event when it has been given out, whatever way it came and whatever its journal is called by now. A
filter chooses what is shown and never moves a cursor differently.
"""

from __future__ import annotations

from tbdx.core import chain, cursor, event, views
from tbdx.core.chain import Chains, Entry, Problem
from tbdx.core.cursor import Cursor
from tbdx.errors import Gone, NotFound
from tbdx.kernel import Kernel, log
from tbdx.kernel.journal import roots
from tbdx.kernel.views import checkpoint_of
from tbdx.store import files, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
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


def since(k: Kernel, token: str | None) -> tuple[list[Entry], Cursor]:
    """(the events past a cursor in total order, all where there is none; the cursor past them). Raises Compacted."""
    k.open()
    at = cursor.parse(token) if token else Cursor({})
    base = checkpoint_of(k)
    if token and at.checkpoint != base.digest and _is_behind(at, base):
        places: dict[str, chain.Position] = {name: (seq, "", []) for name, seq in base.vector.items()}
        for name, place in at.journals.items():  # what was seen beyond the checkpoint stays seen
            beyond = [run for run in chain.runs_in(place) if run[1] > base.vector.get(name, 0)]
            if beyond:
                covered = base.vector.get(name, 0)
                places[name] = (covered, "", [(max(first, covered + 1), last, crc) for first, last, crc in beyond])
        raise Compacted(base, Cursor(places, base.digest, at.commit).token())
    out: list[Entry] = []
    places = {}
    for writer, source in log.sources(k).items():
        mine = {name: place for name, place in at.journals.items() if event.base_writer(name) == writer}
        made = _from(source, mine, base) or log.chains(source, base.vector)
        seen, missing = chain.consumed(made, mine)
        out += [e for entries in made.of.values() for e in entries if id(e) not in seen]
        places |= _places(made, mine, missing, base)
    for name, place in at.journals.items():  # what the cursor has seen and is not here stays seen
        places.setdefault(name, place)
    tip = k.git.branch_tip(k.config.branch) or ""
    shown: dict[str, Entry] = {}
    for entry in sorted(out, key=Entry.key):
        shown.setdefault(entry.event_id, entry)
    return list(shown.values()), Cursor(places, base.digest if base.vector else "", tip)


def derived_since(k: Kernel, token: str | None, now: Cursor) -> list[dict[str, Any]]:
    """The changes past a cursor that no event tells of, as derived events in total order; all where there is none."""
    from tbdx.kernel import derived

    return derived.since(k, cursor.parse(token).commit or None if token else None, now.commit or None)


def _from(source: log.Source, mine: dict[str, chain.Position], base: Checkpoint) -> Chains | None:
    """The end of a plain journal, from the line that a cursor ends at; None where all of it has to be read."""
    if not source.is_regular() or list(mine) != [source.writer]:
        return None
    last, crc, ranges = mine[source.writer]
    if ranges or last <= base.vector.get(source.writer, 0):
        return None
    made = log.chains(source, base.vector, after=last)
    main = made.of[source.writer]
    return made if len(made.of) == 1 and main and (main[0].seq, main[0].crc) == (last, crc) else None


def _is_behind(at: Cursor, base: Checkpoint) -> bool:
    """Whether a checkpoint covers anything that a cursor has not seen."""
    for name, seq in base.vector.items():
        place = at.journals.get(name, (0, "", []))
        first = place[2][0][0] if place[2] and name != event.base_writer(name) else 1  # a fork begins somewhere
        if chain.reach((max(place[0], first - 1), "", place[2])) < seq:
            return True
    return False


def _places(
    made: Chains, mine: dict[str, chain.Position], missing: dict[str, list[chain.Run]], base: Checkpoint
) -> dict[str, chain.Position]:
    """How far each journal of a writer is read now. `missing`: what was seen of it, and is not here."""
    out: dict[str, chain.Position] = {}
    for name in made.of.keys() | missing.keys():
        entries = made.of.get(name, [])
        covered = base.vector.get(name, None if name in made.parents else 0)
        if entries and name in mine and mine[name][:2] == (entries[0].seq, entries[0].crc):
            covered = entries[0].seq - 1  # only the end of it was read
        last, crc, runs = chain.position(chain.runs_of(entries), covered)
        gone = [run for run in missing.get(name, ()) if run[1] > base.vector.get(name, 0)]
        if entries or gone:
            out[name] = (last, crc, sorted({*runs, *gone}))
    return out


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


def agents_of(k: Kernel) -> dict[str, str | None]:
    """writer -> the agent whose journal it is."""
    return {w: journal.agent_of(s.files()[0][0]) for w, s in log.sources(k).items() if s.files()}


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

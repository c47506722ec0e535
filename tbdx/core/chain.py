"""The lines of one writer, from wherever they came: in order, and with a name for every fork.

A line belongs to the line before it, whose CRC it tells. Where two lines claim the same place, the one with the smaller
digest keeps the writer's name, and the other begins `<writer>~<digest8>`: a function of the set of lines alone, so that
every clone reads them alike. Nothing is dropped; what does not fit is told.
"""

from __future__ import annotations

from zlib import crc32

from tbdx.core import event
from tbdx.core.digest import hexdigest
from tbdx.errors import BadFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from tbdx.core.event import Fact

ROOT = "00000000"  # the prev of a first line


class Entry:
    """A line that is an event. `name` is the journal that it is read as; `own` whether its writer's own file has it."""

    __slots__ = ("crc", "event", "name", "number", "own", "path", "raw")

    def __init__(self, raw: bytes, found: dict[str, Any], path: str, number: int, own: bool) -> None:
        self.raw, self.event, self.path, self.number, self.own = raw, found, path, number, own
        self.name: str = found["writer"]
        self.crc = f"{crc32(raw):08x}"

    @property
    def seq(self) -> int:
        return int(self.event["seq"])

    @property
    def event_id(self) -> str:
        return str(self.event["event_id"])

    def key(self) -> tuple[str, str]:
        return self.event_id, self.name


class Problem:
    """Something that is not as it should be: `kind`, where, and in words."""

    __slots__ = ("kind", "number", "path", "text", "writer")

    def __init__(self, kind: str, writer: str, path: str, number: int, text: str) -> None:
        self.kind, self.writer, self.path, self.number, self.text = kind, writer, path, number, text

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "writer": self.writer, "path": self.path, "line": self.number, "reason": self.text}


def parse(data: bytes, writer: str, path: str, own: bool) -> tuple[list[Entry], list[Problem]]:
    """The events in the whole lines of a file, and its damaged lines."""
    entries, problems = [], []
    for number, raw in enumerate(data.split(b"\n")[:-1], 1):
        try:
            found = event.parse(raw)
            if found["writer"] != writer:
                raise BadFile(f"of another writer: {found['writer'][:60]}")
        except BadFile as e:
            problems.append(Problem("damaged", writer, path, number, e.reason))
            continue
        entries.append(Entry(raw, found, path, number, own))
    return entries, problems


class Chains:
    """The journals that one writer's lines make: `of` name -> entries in order; `parents` name of a fork -> the name
    and seq that it leaves from."""

    def __init__(self, writer: str) -> None:
        self.of: dict[str, list[Entry]] = {writer: []}
        self.parents: dict[str, tuple[str, int]] = {}
        self.problems: list[Problem] = []

    def told(self, kind: str, entry: Entry, text: str) -> None:
        self.problems.append(Problem(kind, entry.name, entry.path, entry.number, text))


def assemble(writer: str, entries: Iterable[Entry], covered: Mapping[str, int] | None = None) -> Chains:
    """Put a writer's lines in order. `covered`: name -> the seq up to which a checkpoint stands for them."""
    out = Chains(writer)
    start = (covered or {}).get(writer, 0)
    at = _candidates(entries)
    own_last = max((e.seq for lines in at.values() for e in lines if e.own), default=None)
    for seq in sorted(at):
        lines = at[seq]
        parents = {chain[-1].crc: name for name, chain in out.of.items() if chain and chain[-1].seq == seq - 1}
        if seq == 1:
            parents[ROOT] = writer
        taken = set()
        # first those that know their place, the smaller digest before the other
        for entry in sorted(lines, key=lambda e: (e.event["prev"] not in parents, hexdigest(e.raw))):
            name = parents.get(entry.event["prev"])
            if own_last is not None and seq > own_last and (name is None or out.of[name][-1].own):
                # what was only carried does not run ahead of its writer's own file; a fork of it is another journal
                out.told("ahead", entry, f"carried, and its writer's own journal ends at {own_last}: not counted yet")
                continue
            main = out.of[writer]
            if name is None and writer not in taken and (not main or main[-1].seq < seq):
                name = writer
                last = main[-1].seq if main else start
                if last < seq - 1:
                    out.told("gap", entry, f"seq {last + 1} to {seq - 1} are not here")
                elif main or seq == 1:
                    out.told("prev", entry, f"prev is {entry.event['prev'][:20]}, the line before is another one")
            elif name is None or name in taken:
                fork = f"{writer}~{hexdigest(entry.raw)[:8]}"
                out.parents[fork] = (name or writer, seq - 1)
                out.of[fork] = []
                out.told("fork", entry, f"two lines have seq {seq}; this one is read as {fork}")
                name = fork
            taken.add(name)
            entry.name = name
            out.of[name].append(entry)
    for chain in out.of.values():
        _check_clock(out, chain)
    return out


def _candidates(entries: Iterable[Entry]) -> dict[int, list[Entry]]:
    """seq -> its different lines; of equal ones that of the writer's own file."""
    at: dict[int, dict[bytes, Entry]] = {}
    for entry in sorted(entries, key=lambda e: not e.own):
        at.setdefault(entry.seq, {}).setdefault(entry.raw, entry)
    return {seq: list(lines.values()) for seq, lines in at.items()}


def _check_clock(out: Chains, chain: list[Entry]) -> None:
    last = ""
    for entry in chain:
        if entry.event_id <= last:
            out.told("clock", entry, f"event id {entry.event_id} is not above its predecessor's")
        else:
            last = entry.event_id


def folded(journals: Mapping[str, Iterable[Entry]], *, bound: bool) -> tuple[list[Fact], list[Fact]]:
    """(what folds take in total order, what they refuse: ids that are not above their predecessor's).

    `bound`: only events of a journal's own agent, the one of its first line, count.
    """
    facts, refused = [], []
    for name, entries in journals.items():
        last, agent = "", None
        for entry in entries:
            fact = event.Fact(entry.event)
            fact.writer = name
            agent = agent or fact.actor.agent_id
            if fact.event_id <= last:
                refused.append(fact)
                continue
            last = fact.event_id
            if event.is_folded(fact, agent, bound):
                facts.append(fact)
    return sorted(facts, key=lambda f: (f.event_id, f.writer)), refused


# runs of lines


def pieces(rows: list[tuple[int, bytes]], most: int) -> list[tuple[int, int, bytes]]:
    """(first seq, last seq, content) of the runs of lines that follow each other, none much beyond `most` bytes."""
    out: list[list[tuple[int, bytes]]] = []
    size = 0
    for seq, raw in sorted(rows):
        if not out or seq != out[-1][-1][0] + 1 or size > most:
            out.append([])
            size = 0
        out[-1].append((seq, raw))
        size += len(raw) + 1
    return [(run[0][0], run[-1][0], b"".join(raw + b"\n" for _, raw in run)) for run in out]


def carried_name(first: int, last: int, content: bytes) -> str:
    return f"{first}-{last}-{hexdigest(content)[:8]}.jsonl"


# cursors

Run = tuple[int, int, str]  # lines that follow each other, of so many seqs, and the CRC of the last one
Position = tuple[int, str, list[Run]]  # the last of those that follow from the first line on, its CRC; runs beyond


def runs_of(entries: Iterable[Entry]) -> list[Run]:
    """The runs of a journal: within one, each line is the one that the next names as before it."""
    out: list[Run] = []
    for e in entries:
        if out and e.seq == out[-1][1] + 1 and e.event["prev"] == out[-1][2]:
            out[-1] = (out[-1][0], e.seq, e.crc)
        else:
            out.append((e.seq, e.seq, e.crc))
    return out


def position(runs: list[Run], covered: int | None) -> Position:
    """Runs as a cursor has them; `covered` is what stands for all before the first line, None for a fork."""
    if covered is not None and runs and runs[0][0] == covered + 1:
        return runs[0][1], runs[0][2], runs[1:]
    return covered or 0, "", runs


def runs_in(place: Position) -> list[Run]:
    last, crc, ranges = place
    return [(1, last, crc), *ranges] if last else list(ranges)


def reach(place: Position) -> int:
    """The seq up to which a position has seen everything, as far as numbers tell."""
    last = place[0]
    for first, end, _ in sorted(place[2]):
        if first <= last + 1:
            last = max(last, end)
    return last


def consumed(chains: Chains, cursor: Mapping[str, Position]) -> tuple[set[int], dict[str, list[Run]]]:
    """(the ids (of the objects) of the entries that a cursor is past, name -> the runs whose last line is not here).

    A line tells which one is before it: so a run is known by its end, whatever its journal is called by now. What is
    not here any more, or not yet, is taken for what the journal of that name has.
    """
    lines = {(e.seq, e.crc): e for chain in chains.of.values() for e in chain}
    out: set[int] = set()
    missing: dict[str, list[Run]] = {}
    for name, place in cursor.items():
        for first, last, crc in runs_in(place):
            seq = last
            while seq >= first and (found := lines.get((seq, crc))):
                out.add(id(found))
                seq, crc = seq - 1, found.event["prev"]
            if seq == last:
                missing.setdefault(name, []).append((first, last, crc))
            if seq >= first:
                out |= _by_name(chains, name, first, seq, alone=not crc)
    return out, missing


def _by_name(chains: Chains, name: str, first: int, last: int, *, alone: bool) -> set[int]:
    out: set[int] = set()
    place = name if name in chains.of else event.base_writer(name)
    while place:
        out |= {id(e) for e in chains.of.get(place, ()) if first <= e.seq <= last}
        above = None if alone else chains.parents.get(place)
        place, last = (above[0], min(last, above[1])) if above else ("", 0)
    return out

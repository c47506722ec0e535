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
    at = _candidates(out, writer, list(entries))
    for seq in sorted(at):
        lines = at[seq]
        parents = {chain[-1].crc: name for name, chain in out.of.items() if chain and chain[-1].seq == seq - 1}
        if seq == 1:
            parents[ROOT] = writer
        taken = set()
        # first those that know their place, the smaller digest before the other
        for entry in sorted(lines, key=lambda e: (e.event["prev"] not in parents, digest(e.raw))):
            name = parents.get(entry.event["prev"])
            main = out.of[writer]
            if name is None and writer not in taken and (not main or main[-1].seq < seq):
                name = writer
                last = main[-1].seq if main else start
                if last < seq - 1:
                    out.told("gap", entry, f"seq {last + 1} to {seq - 1} are not here")
                elif main or seq == 1:
                    out.told("prev", entry, f"prev is {entry.event['prev'][:20]}, the line before is another one")
            elif name is None or name in taken:
                fork = f"{writer}~{digest(entry.raw)[:8]}"
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


def _candidates(out: Chains, writer: str, entries: list[Entry]) -> dict[int, list[Entry]]:
    """seq -> its different lines. What was only carried does not run ahead of a writer that has its own file."""
    own_last = max((e.seq for e in entries if e.own), default=None)
    at: dict[int, dict[bytes, Entry]] = {}
    for entry in sorted(entries, key=lambda e: not e.own):
        if own_last is not None and not entry.own and entry.seq > own_last:
            out.told("ahead", entry, f"carried, and its writer's own journal ends at {own_last}: not counted yet")
        else:
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


def digest(raw: bytes) -> str:
    return hexdigest(raw)


# cursors

Position = tuple[int, str, list[list[int]]]  # the last contiguous seq, the CRC of its line, ranges beyond a gap


def seen_of(chain: Iterable[int], contiguous: int) -> tuple[int, list[list[int]]]:
    """(the last contiguous seq from `contiguous` on, the ranges beyond it) of sorted seqs."""
    ranges: list[list[int]] = []
    for seq in chain:
        if not ranges and seq == contiguous + 1:
            contiguous = seq
        elif seq > contiguous:
            if ranges and ranges[-1][1] == seq - 1:
                ranges[-1][1] = seq
            else:
                ranges.append([seq, seq])
    return contiguous, ranges


def consumed(chains: Chains, cursor: Mapping[str, Position]) -> set[int]:
    """The ids (of the objects) of the entries that a cursor is past."""
    out: set[int] = set()
    for name, (last, crc, ranges) in cursor.items():
        at = name if name in chains.of else event.base_writer(name)
        for other, chain in chains.of.items():  # the fork that has the line has the cursor, whatever it is called now
            if any(e.seq == last and e.crc == crc for e in chain):
                at = other
        out |= {id(e) for e in chains.of.get(at, ()) if any(a <= e.seq <= b for a, b in ranges)}
        limit, place = last, at
        while place:
            out |= {id(e) for e in chains.of.get(place, ()) if e.seq <= limit}
            above = chains.parents.get(place)
            place, limit = (above[0], min(limit, above[1])) if above else ("", 0)
    return out

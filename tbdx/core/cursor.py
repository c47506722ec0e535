"""Cursors: opaque tokens that say what a reader has seen, whatever way it came, and what is past one.

Per journal the last contiguous seq with that line's CRC, and the same of ranges beyond a gap; the checkpoint it stands
on; the commit of the tracker. Every way that events come by has the same cursors, so that a reader may change from one
to another.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from bisect import bisect_left

from tbdx.core import chain
from tbdx.core.chain import Chains, Entry
from tbdx.core.event import base_writer
from tbdx.core.jsontext import dumps, loads
from tbdx.errors import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from tbdx.core.chain import Position, Run
    from tbdx.core.checkpoint import Checkpoint

PREFIX = "c1."
_URL = bytes.maketrans(b"+/", b"-_")
_PLAIN = bytes.maketrans(b"-_", b"+/")


class Cursor:
    def __init__(self, journals: dict[str, Position], checkpoint: str = "", commit: str = "") -> None:
        self.journals, self.checkpoint, self.commit = journals, checkpoint, commit

    def token(self) -> str:
        rows: list[Any] = [[name, *place] for name, place in sorted(self.journals.items())]
        data = dumps([rows, self.checkpoint, self.commit]).encode()
        return PREFIX + b2a_base64(data, newline=False).rstrip(b"=").translate(_URL).decode()

    def by_writer(self) -> dict[str, dict[str, Position]]:
        """Writer -> the places in its journal, and in those of its forks."""
        out: dict[str, dict[str, Position]] = {}
        for name, place in self.journals.items():
            out.setdefault(base_writer(name), {})[name] = place
        return out


def parse(token: str) -> Cursor:
    """The cursor of a token. Raises Usage for what is none."""
    try:
        if not token.startswith(PREFIX):
            raise ValueError
        data = token.removeprefix(PREFIX).encode().translate(_PLAIN)
        rows, checkpoint, commit = loads(a2b_base64(data + b"=" * (-len(data) % 4)).decode())
        journals: dict[str, Position] = {}
        for name, last, crc, ranges in rows:
            if not all(isinstance(n, int) for n in (last, *(x for run in ranges for x in run[:2]))):
                raise ValueError
            journals[str(name)] = (last, str(crc), [(a, b, str(end)) for a, b, end in ranges])
        return Cursor(journals, str(checkpoint), str(commit))
    except (ValueError, TypeError, Error, UnicodeError, RecursionError):
        raise Usage(f"not a cursor: {token[:60]}", hint="one is in the bookmark that ends every stream")


# what is past a cursor


def past(
    journals: Iterable[tuple[str, Chains]], at: Cursor, base: Checkpoint, commit: str
) -> tuple[list[Entry], Cursor]:
    """(the lines past a cursor in total order, each event once; the cursor past them).

    `journals`: (writer, its lines, or the end of them that `rest` gives) of those that may have more; the place in any
    other stays what it is. `base` stands for what was compacted, `commit` is the tracker's now.
    """
    out: list[Entry] = []
    places: dict[str, Position] = {}
    known = at.by_writer()
    for writer, made in journals:
        mine = known.get(writer, {})
        seen, missing = chain.consumed(made, mine)
        out += [e for entries in made.of.values() for e in entries if id(e) not in seen]
        places |= _places(made, mine, missing, base.vector)
    for name, place in at.journals.items():  # what the cursor has seen and is not here stays seen
        places.setdefault(name, place)
    shown: dict[str, Entry] = {}
    for entry in sorted(out, key=Entry.key):
        shown.setdefault(entry.event_id, entry)
    return list(shown.values()), Cursor(places, base.digest if base.vector else at.checkpoint, commit)


def rest(made: Chains, writer: str, mine: Mapping[str, Position]) -> Chains | None:
    """The end of a plain journal, from the line that a cursor ends at; None where all of it has to be looked at."""
    if list(made.of) != [writer] or list(mine) != [writer] or mine[writer][2]:
        return None
    last, crc, _ = mine[writer]
    main = made.of[writer]
    n = bisect_left(main, last, key=lambda e: e.seq)
    if n == len(main) or (main[n].seq, main[n].crc) != (last, crc):
        return None
    out = Chains(writer)
    out.of[writer] = main[n:]
    return out


def _places(
    made: Chains, mine: Mapping[str, Position], missing: Mapping[str, list[Run]], vector: Mapping[str, int]
) -> dict[str, Position]:
    """How far each journal of a writer is read now. `missing`: what was seen of it, and is not here."""
    out: dict[str, Position] = {}
    for name in made.of.keys() | missing.keys():
        entries, gone = made.of.get(name, []), missing.get(name, [])
        covered = vector.get(name, None if name in made.parents else 0)
        before = entries[0].seq - 1 if entries else 0
        if entries and name in mine and mine[name][:2] == (entries[0].seq, entries[0].crc):
            covered = before  # only the end of it was read
        elif (1, before, "") in gone:
            covered = before  # a checkpoint that is not here stands for what is before
        last, crc, runs = chain.position(chain.runs_of(entries), covered)
        lacking = [run for run in gone if run[1] > (vector.get(name, 0) if run[2] else last)]
        if entries or lacking:
            out[name] = (last, crc, sorted({*runs, *lacking}))
    return out


def without(at: Cursor, unseen: Iterable[Entry]) -> Cursor:
    """A cursor that `past` gave, as it was before the last of the lines that it is past."""
    places = dict(at.journals)
    for e in sorted(unseen, key=lambda e: -e.seq):
        last, crc, runs = places[e.name]
        if e.seq <= last:
            beyond = [(e.seq + 1, last, crc)] if e.seq < last else []
            last, crc, runs = e.seq - 1, e.event["prev"] if e.seq > 1 else "", [*beyond, *runs]
        else:
            first, end, end_crc = next(run for run in runs if run[0] <= e.seq <= run[1])
            parts = [(first, e.seq - 1, str(e.event["prev"])), (e.seq + 1, end, end_crc)]
            runs = sorted([run for run in runs if run != (first, end, end_crc)] + [p for p in parts if p[0] <= p[1]])
        places[e.name] = (last, crc, runs)
    return Cursor({n: p for n, p in places.items() if p[0] or p[2]}, at.checkpoint, at.commit)


def has_gap(at: Cursor) -> bool:
    """Whether a cursor knows of lines that it has not seen."""
    return any(
        place[2] and _reach(name, place) < max(run[1] for run in place[2]) for name, place in at.journals.items()
    )


def _reach(name: str, place: Position) -> int:
    """The seq up to which everything was seen; a fork begins somewhere."""
    first = place[2][0][0] if place[2] and name != base_writer(name) else 1
    return chain.reach((max(place[0], first - 1), "", place[2]))


# compaction


def is_behind(at: Cursor, base: Checkpoint) -> bool:
    """Whether a checkpoint covers anything that a cursor has not seen."""
    return any(_reach(name, at.journals.get(name, (0, "", []))) < seq for name, seq in base.vector.items())


def onto(at: Cursor, base: Checkpoint) -> Cursor:
    """A cursor that goes on from a checkpoint: what was seen beyond it stays seen."""
    places: dict[str, Position] = {name: (seq, "", []) for name, seq in base.vector.items()}
    for name, place in at.journals.items():
        covered = base.vector.get(name, 0)
        beyond = [run for run in chain.runs_in(place) if run[1] > covered]
        if beyond:
            places[name] = (covered, "", [(max(first, covered + 1), last, crc) for first, last, crc in beyond])
    return Cursor(places, base.digest, at.commit)

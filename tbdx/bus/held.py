"""Events that came one by one, as the journals that they make; by them it is known what a cursor is past.

All of them are held: a line that comes late, or a fork, is only known by those before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from tbdx.bus import Event, Page
from tbdx.core import chain, cursor, event
from tbdx.core.chain import Chains, Entry
from tbdx.core.checkpoint import NONE
from tbdx.core.cursor import Cursor


class Held:
    def __init__(self) -> None:
        self.journals: dict[str, Chains] = {}
        self.ids: set[str] = set()
        self.marked: dict[str, Event] = {}  # event id -> the event, where it came with marks

    def add(self, found: Event, line: bytes | None = None) -> bool:
        """Take an event that was made already, and its line where it came as one; False when it is known. Raises
        Invalid for one that is too long."""
        if found["event_id"] in self.ids:
            return False
        plain = event.unmarked(found)
        if line is None or plain is not found:
            line = event.render(plain)[:-1]
            plain = event.parse(line)  # nobody else has it
        if len(plain) < len(found):
            self.marked[found["event_id"]] = found
        self.ids.add(found["event_id"])
        self._put(Entry(line, plain, "", 0, True))
        return True

    def _put(self, entry: Entry) -> None:
        writer = entry.name
        made = self.journals.get(writer)
        if made is None or not _follows(made, writer, entry):
            before = [e for entries in made.of.values() for e in entries] if made else []
            made = chain.assemble(writer, _as_they_came([*before, entry]))
            self.journals[writer] = made
        else:
            made.of[writer].append(entry)

    def past(self, token: str | None) -> Page:
        at = cursor.parse(token) if token else Cursor({})
        entries, now = cursor.past(self._past(at), at, NONE, at.commit)
        rows: list[tuple[Event, Entry | None]] = [(self.marked.get(e.event_id, e.event), e) for e in entries]
        return Page(rows, now, not cursor.has_gap(now))

    def _past(self, at: Cursor) -> Iterator[tuple[str, Chains]]:
        """(writer, its lines, or the end of them) of the journals that may have more than a cursor has seen."""
        places = at.by_writer()
        for writer, made in self.journals.items():
            end = cursor.rest(made, writer, places.get(writer, {}))
            if end is None or len(end.of[writer]) > 1:
                yield writer, end or made


def _follows(made: Chains, writer: str, entry: Entry) -> bool:
    """Whether a line is the next one of a plain journal: then the others need not be looked at."""
    last = made.of[writer][-1] if list(made.of) == [writer] and made.of[writer] else None
    return last is not None and (last.seq + 1, last.crc) == (entry.seq, entry.event["prev"])


def _as_they_came(entries: list[Entry]) -> list[Entry]:
    """Lines without the names that they were read as: they may belong to another journal now."""
    return [Entry(e.raw, e.event, "", 0, True) for e in entries]

"""A recorded log of events folded in a fresh state: nothing of this clone is looked at."""

from __future__ import annotations

from tbdx.core import bulk, views
from tbdx.core.event import LONGEST, VERSION
from tbdx.errors import BadFile
from tbdx.kernel.views import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from tbdx.core.event import Fact

PIECE = 1 << 18  # bytes that are read at once: what is made of them stays in the processor's cache


def replay(pieces: Callable[[], Iterable[bytes]], view: str) -> tuple[views.View, list[dict[str, Any]]]:
    """(the view of a log, its problems as [{line, reason}]); `pieces` reads it from its beginning. Raises Usage.

    A log in total order, in which each writer's lines follow each other, is folded as it is read. Any other is read
    again as the journals that it is made of.
    """
    check(view)
    state = views.new(views.VIEWS[view])
    problems: list[dict[str, Any]] = []
    last, number, seqs = "", 0, dict[str, int]()
    for data in _whole_lines(pieces()):
        found = bulk.facts(data)
        facts = [f for f in found if not isinstance(f, BadFile)]
        if len(facts) < len(found):
            problems += _problems(found, number)
        number += len(found)
        if not _follow(facts, last, seqs):
            state, problems = _put_together(pieces(), view)
            break
        if facts:
            last = facts[-1].event_id
            views.fold(state, facts if {f.v for f in facts} == {VERSION} else [f for f in facts if f.v == VERSION])
    return views.View(view, views.rows(view, state)), problems


def _whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, cut after ends of lines; what is left of a line without its end comes last, with one."""
    rest: list[bytes] = []
    for piece in pieces:
        head, end, tail = piece.rpartition(b"\n")
        if end:
            yield b"".join([*rest, head, end])
            rest = [tail]
        else:
            rest.append(piece)
            if sum(map(len, rest)) > 2 * LONGEST:  # no event is so long: what it is does not matter
                rest = [b"".join(rest)[: LONGEST + 1]]
    if any(rest):
        yield b"".join(rest) + b"\n"


def _follow(facts: list[Fact], last: str, seqs: dict[str, int]) -> bool:
    ids = [f.event_id for f in facts]
    if not all(map(str.__lt__, [last, *ids], ids)):
        return False
    for f in facts:
        if f.seq <= seqs.get(f.writer, 0):
            return False
        seqs[f.writer] = f.seq
    return True


def _problems(found: list[Fact | BadFile], before: int) -> list[dict[str, Any]]:
    return [{"line": before + n, "reason": f.reason} for n, f in enumerate(found, 1) if isinstance(f, BadFile)]


def _put_together(pieces: Iterable[bytes], view: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(the state, the problems) of lines in any order, by the rules of `core.chain`."""
    from tbdx.core import chain, event

    by_writer: dict[str, list[chain.Entry]] = {}
    problems, number = [], 0
    for data in _whole_lines(pieces):
        for raw in data.split(b"\n")[:-1]:
            number += 1
            try:
                found = event.parse(raw)
            except BadFile as e:
                problems.append({"line": number, "reason": e.reason})
                continue
            by_writer.setdefault(found["writer"], []).append(chain.Entry(raw, found, "", number, True))
    journals: dict[str, list[chain.Entry]] = {}
    for writer, entries in by_writer.items():
        made = chain.assemble(event.base_writer(writer), entries)
        journals |= made.of
    facts, refused = chain.folded(journals, bound=False)
    return views.refuse(views.fold(views.new(views.VIEWS[view]), views.in_order(facts)), refused), problems

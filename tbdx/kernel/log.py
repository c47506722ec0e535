"""Reading what happened: every journal that this clone has, whole or from where it was left, in total order.

Most writers have one file, or a row of segments, each line following the one before: those are read from a mark on,
many lines at once. A writer whose lines came by several ways, or do not follow each other, is put together by
`core.chain`, which is slower and right in every case. Both read the same events.
"""

from __future__ import annotations

import os

from tbdx.core import chain, event
from tbdx.core.event import Fact, segment
from tbdx.errors import BadFile, Disk, Locked, Sync
from tbdx.kernel import Kernel
from tbdx.kernel.journal import roots
from tbdx.store import config as settings
from tbdx.store import journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from tbdx.core.chain import Chains, Entry, Problem


class Source:
    """Where a writer's lines are: the folders that have a journal of it, and the files that carried some."""

    __slots__ = ("carried", "roots", "writer")

    def __init__(self, writer: str) -> None:
        self.writer = writer
        self.roots: list[str] = []
        self.carried: list[str] = []

    def is_regular(self) -> bool:
        return len(self.roots) == 1 and not self.carried

    def size(self) -> int:
        return sum(_size(path) for path, _ in self.files())

    def files(self, after: int = 0) -> list[tuple[str, bool]]:
        """(path, whether it is the writer's own file); without those segments that end before a seq."""
        own: list[tuple[str, bool]] = []
        for root in self.roots:
            found = journal.segments(root, self.writer)
            nexts = [first for first, _ in found[1:]] + [after + 1]
            own += [(path, True) for (_, path), end in zip(found, nexts, strict=True) if end > after]
        return own + [(path, False) for path in self.carried]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def sources(k: Kernel) -> dict[str, Source]:
    """Every writer that anything here is of."""
    if k.coordination.on:
        tip = settings.ref(k.repo, f"refs/heads/{k.coordination.branch}")
        if tip is not None and tip != journal.taken(k.repo):
            from tbdx.kernel import coord

            try:
                coord.rebuild(k)
            except (Disk, Locked, Sync) as e:  # full, held, or something else: what is here can be read all the same
                k.say("warn", f"events of others are those of before: {e.message}")
    out: dict[str, Source] = {}
    for root in roots(k):
        for writer in journal.writers(root):
            out.setdefault(writer, Source(writer)).roots.append(root)
    for folder in (journal.own(k.repo), journal.branch_copy(k.repo)):
        for name, path in journal.carried(folder):
            writer = event.base_writer(name)
            out.setdefault(writer, Source(writer)).carried.append(path)
    return out


# one way: whole, with all that is odd


def chains(source: Source, covered: Mapping[str, int], after: int = 0) -> Chains:
    """A writer's lines, put together; damaged ones are among its problems. `after`: those below need not be read."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    for path, own in source.files(after):
        try:
            found, damaged = chain.parse(journal.read(path), source.writer, path, own)
        except (BadFile, Disk) as e:
            problems.append(chain.Problem("damaged", source.writer, path, 0, e.message))
            continue
        entries += found
        problems += damaged
    least = max(covered.get(source.writer, 0), after - 1)
    forks = _named_forks(entries)
    apart = {e.raw for some in forks.values() for e in some}
    rest = [e for e in entries if e.seq > least and e.raw not in apart]
    made = chain.assemble(source.writer, rest, {source.writer: least})
    for name, some in forks.items():
        made.of[name] = some
        made.parents[name] = (source.writer, some[0].seq - 1)
        made.told("fork", some[0], f"its seq had been compacted; it is read as {name}")
    made.problems = problems + made.problems
    return made


def _named_forks(entries: list[Entry]) -> dict[str, list[Entry]]:
    """name -> lines that are carried under a fork's name: they came after a compaction, which knows seqs alone."""
    out: dict[str, dict[bytes, Entry]] = {}
    for e in entries:
        name = os.path.basename(os.path.dirname(e.path))
        if not e.own and name.count("~") == 2:
            e.name = name
            out.setdefault(name, {}).setdefault(e.raw, e)
    return {name: sorted(some.values(), key=lambda e: e.seq) for name, some in out.items()}


# the other: from a mark on

Mark = list["Any"]  # [first seq of the segment, offset in it, seq, event id, agent]


class Irregular(Exception):
    """Lines that do not follow each other: `chain` has the word."""


class Reading:
    """The facts of one regular writer after a mark; when they have been taken, `mark` is where they end."""

    def __init__(self, source: Source, mark: Mark | None, covered: int, bound: bool, agent: str | None = None) -> None:
        self.writer, self.root, self.covered, self.bound = source.writer, source.roots[0], covered, bound
        self.mark: Mark = list(mark) if mark else [0, 0, covered, "", agent]
        self.many = False  # whether a thousand events and more are to be expected
        self.starts: list[tuple[Mark, int]] = []  # where each piece begins, and how many bytes it has
        self.refused: list[Fact] = []
        self.damaged = 0

    def __iter__(self) -> Iterator[list[Fact]]:
        for path, offset in self._pieces():
            data = journal.read(path, offset)
            if data:
                self.starts.append(([self.mark[0], offset, *self.mark[2:]], len(data)))
                yield self._take(data)
                self.mark[1] = offset + len(data)

    def mark_at(self, until: str) -> Mark | None:
        """The mark before the first event that folds take and that is later than `until`; None before the beginning."""
        if not self.starts:
            return list(self.mark) if self.mark[0] else None
        start, size = next(row for row in reversed(self.starts) if row[0][3] <= until)
        first, offset, seq, last, agent = start
        for line in journal.read(self._path(first), offset)[:size].split(b"\n")[:-1]:
            try:
                found = Fact(event.parse(line))
            except BadFile:
                found = None
            if found and found.writer == self.writer:
                if found.event_id > until:
                    break
                seq, last, agent = max(seq, found.seq), max(last, found.event_id), agent or found.actor.agent_id
            offset += len(line) + 1
        return [first, offset, seq, last, agent]

    def _pieces(self) -> Iterator[tuple[str, int]]:
        first, offset = self.mark[:2]
        if not first:
            for first, path in journal.segments(self.root, self.writer):
                self.mark[0] = first
                yield path, 0
            return
        yield self._path(first), offset
        while self.mark[1] >= journal.SEAL:
            later = [s for s in journal.segments(self.root, self.writer) if s[0] > self.mark[0]]
            if not later:
                return
            self.mark[:2] = later[0][0], 0
            yield later[0][1], 0

    def _path(self, first: int) -> str:
        return f"{self.root}/{segment(self.writer, first)}"

    def _take(self, data: bytes) -> list[Fact]:
        _, _, seq, last, agent = self.mark
        out = []
        for fact in facts_of(data, self.many):
            if isinstance(fact, BadFile) or fact.writer != self.writer:
                self.damaged += 1
                continue
            if fact.seq <= seq and fact.seq > self.covered:
                raise Irregular
            seq = max(seq, fact.seq)
            agent = agent or fact.actor.agent_id
            if fact.event_id <= last:
                self.refused.append(fact)
                continue
            last = fact.event_id
            if fact.seq > self.covered and event.is_folded(fact, agent, self.bound):
                out.append(fact)
        self.mark[2:] = seq, last, agent
        return out


def facts_of(data: bytes, many: bool) -> list[Fact | BadFile]:
    """For each line its event, or what is wrong with it. With `many` more the dear import pays."""
    if many:
        from tbdx.core import bulk

        return bulk.facts(data)
    out: list[Fact | BadFile] = []
    for line in data.split(b"\n")[:-1]:
        try:
            out.append(Fact(event.parse(line)))
        except BadFile as e:
            out.append(e)
    return out

"""A writer's lines put together: the same journals whatever came first, forks named alike, and nothing dropped."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from happening import crc, entry, line, made, writer
from tbdx.core import chain
from tbdx.core.digest import hexdigest

few = settings(max_examples=150, deadline=None, database=None, derandomize=True)
W = writer("a")


@st.composite
def histories(draw: Any) -> list[bytes]:
    """Lines of one writer: a tree of copies that went on apart, some prevs broken, some lines not here."""
    ends: list[tuple[int, str]] = [(0, chain.ROOT)]
    out: list[bytes] = []
    for n in range(draw(st.integers(1, 12))):
        seq, prev = draw(st.sampled_from(ends[-3:]))
        prev = draw(st.sampled_from([prev, prev, prev, "12345678"]))
        raw = line(made(W, seq + 1, draw(st.integers(0, 30)), prev=prev, body={"n": n}))
        out.append(raw)
        ends.append((seq + 1, crc(raw)))
    return [raw for raw in out if draw(st.integers(0, 5))]


def journals(made_: chain.Chains) -> dict[str, list[bytes]]:
    return {name: [e.raw for e in entries] for name, entries in made_.of.items() if entries}


def told(made_: chain.Chains) -> list[tuple[str, str, str]]:
    return sorted((p.kind, p.writer, p.text) for p in made_.problems)


def assembled(lines: Sequence[bytes], **more: Any) -> chain.Chains:
    return chain.assemble(W, [entry(raw) for raw in lines], **more)


@few
@given(histories(), st.randoms(use_true_random=False))
def test_any_order_and_duplication_of_lines_gives_the_same_journals(lines: list[bytes], chance: random.Random) -> None:
    again = lines + chance.sample(lines, len(lines) // 2)
    chance.shuffle(again)
    one, other = assembled(lines), assembled(again)
    assert journals(one) == journals(other) and one.parents == other.parents and told(one) == told(other)


@few
@given(histories())
def test_every_line_is_in_exactly_one_journal(lines: list[bytes]) -> None:
    found = [raw for rows in journals(assembled(lines)).values() for raw in rows]
    assert sorted(found) == sorted(set(lines))


@few
@given(histories())
def test_seqs_rise_in_every_journal_and_a_fork_is_told_and_begins_where_its_parent_was(lines: list[bytes]) -> None:
    made_ = assembled(lines)
    for name, entries in made_.of.items():
        seqs = [e.seq for e in entries]
        assert seqs == sorted(set(seqs)) and {e.name for e in entries} <= {name}
        if name != W:
            parent, after = made_.parents[name]
            assert entries[0].seq == after + 1 and name == f"{W}~{hexdigest(entries[0].raw)[:8]}"
            assert parent in made_.of
    assert sum(p.kind == "fork" for p in made_.problems) == len(made_.parents)


def follow(after: bytes | None, seq: int, ms: int, **more: Any) -> bytes:
    return line(made(W, seq, ms, prev=crc(after) if after else chain.ROOT, **more))


def test_of_two_lines_with_one_seq_the_smaller_digest_keeps_the_name_and_what_follows_goes_with_its_line() -> None:
    first = follow(None, 1, 0)
    left, right = (follow(first, 2, n) for n in (1, 2))
    small, large = sorted([left, right], key=hexdigest)
    after_small, after_large = follow(small, 3, 5), follow(large, 3, 6)
    made_ = assembled([after_large, large, first, after_small, small])
    fork = f"{W}~{hexdigest(large)[:8]}"
    assert journals(made_) == {W: [first, small, after_small], fork: [large, after_large]}
    assert made_.parents == {fork: (W, 1)}
    assert (
        told(made_) == [("fork", fork, f"two lines have seq 2; this one is read as {fork}")]
        or told(made_)[0][0] == "fork"
    )


def test_two_first_lines_are_a_fork_from_the_beginning() -> None:
    small, large = sorted((follow(None, 1, n) for n in (1, 2)), key=hexdigest)
    made_ = assembled([large, small])
    assert journals(made_) == {W: [small], f"{W}~{hexdigest(large)[:8]}": [large]}


def test_a_gap_and_a_broken_prev_are_told_and_the_lines_are_kept() -> None:
    first = follow(None, 1, 0)
    third = follow(b"lost", 3, 2)
    fourth = line(made(W, 4, 3, prev="12345678"))
    made_ = assembled([first, third, fourth])
    assert journals(made_) == {W: [first, third, fourth]}
    assert [(p.kind, p.text) for p in made_.problems] == [
        ("gap", "seq 2 to 2 are not here"),
        ("prev", "prev is 12345678, the line before is another one"),
    ]


def test_a_first_line_that_follows_nothing_here_is_told() -> None:
    assert [p.kind for p in assembled([line(made(W, 1, 0, prev="12345678"))]).problems] == ["prev"]
    assert [p.text for p in assembled([follow(b"x", 3, 0)]).problems] == ["seq 1 to 2 are not here"]


def test_after_a_checkpoint_a_journal_begins_where_that_ends() -> None:
    assert assembled([follow(b"covered", 6, 0)], covered={W: 5}).problems == []
    assert [p.kind for p in assembled([follow(b"covered", 8, 0)], covered={W: 5}).problems] == ["gap"]


def test_carried_lines_never_run_ahead_of_the_writers_own_file() -> None:
    rows = [follow(None, 1, 0)]
    for n in range(2, 5):
        rows.append(follow(rows[-1], n, n))
    own, carried = [entry(raw) for raw in rows[:2]], [entry(raw, own=False, path="c") for raw in rows]
    made_ = chain.assemble(W, carried + own)
    assert journals(made_) == {W: rows[:2]} and [e.own for e in made_.of[W]] == [True, True]
    assert [(p.kind, p.path) for p in made_.problems] == [("ahead", "c")] * 2
    assert journals(chain.assemble(W, carried)) == {W: rows}


def test_an_id_that_is_not_above_its_predecessors_is_told_and_folds_refuse_it() -> None:
    first = follow(None, 1, 5)
    second = follow(first, 2, 5, body={"n": 2})
    third = follow(second, 3, 4)
    fourth = follow(third, 4, 6)
    made_ = assembled([first, second, third, fourth])
    assert [(p.kind) for p in made_.problems] == ["clock", "clock"]
    facts, refused = chain.folded(made_.of, bound=False)
    assert [f.seq for f in facts] == [1, 4] and [f.seq for f in refused] == [2, 3]


def test_where_it_is_wanted_only_events_of_the_journals_own_agent_are_folded() -> None:
    first = follow(None, 1, 0)
    second = follow(first, 2, 1, agent="agent:b")
    third = follow(second, 3, 2, v=2)
    of = assembled([first, second, third]).of
    assert [[f.seq for f in chain.folded(of, bound=bound)[0]] for bound in (False, True)] == [[1, 2], [1]]


def test_the_lines_of_a_file_are_events_of_its_writer_or_told_with_their_number() -> None:
    good, other = follow(None, 1, 0), line(made(writer("b"), 1, 0))
    data = b"\n".join([good, b"{", other, b"", good]) + b"\ntorn"
    entries, problems = chain.parse(data, W, "p", True)
    assert [(e.raw, e.number) for e in entries] == [(good, 1), (good, 5)]
    assert [(p.kind, p.path, p.number) for p in problems] == [("damaged", "p", n) for n in (2, 3, 4)]
    assert problems[1].text == f"of another writer: {writer('b')}"
    assert problems[0].as_json()["line"] == 2


# cursors


def test_a_journal_is_told_as_runs_of_lines_that_follow_each_other() -> None:
    rows = [follow(None, 1, 0)]
    for n in range(2, 8):
        rows.append(follow(rows[-1], n, n))
    some = assembled([rows[n - 1] for n in (1, 2, 4, 5, 7)]).of[W]
    ends = [(1, 2, crc(rows[1])), (4, 5, crc(rows[4])), (7, 7, crc(rows[6]))]
    assert chain.runs_of(some) == ends
    assert chain.position(ends, 0) == (2, crc(rows[1]), ends[1:])
    assert chain.position(ends[1:], 3) == (5, crc(rows[4]), ends[2:])
    assert chain.position(ends[1:], 2) == (2, "", ends[1:]) and chain.position(ends, None) == (0, "", ends)
    assert chain.reach((3, "x", [(4, 5, "y"), (7, 9, "z")])) == 5


def test_a_cursor_that_saw_one_branch_of_a_fork_has_not_seen_the_other() -> None:
    first = follow(None, 1, 0)
    small, large = sorted((follow(first, 2, n) for n in (1, 2)), key=hexdigest)
    both = assembled([first, small, large])
    for seen in (small, large):  # also the one that was called by the writer's name before the other came
        ids, missing = chain.consumed(both, {W: (2, crc(seen), [])})
        assert not missing
        assert [e.raw for entries in both.of.values() for e in entries if id(e) not in ids] == [
            raw for raw in (small, large) if raw != seen
        ]

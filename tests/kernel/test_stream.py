"""Streams: a cursor is past what was shown, whatever way that came, and past nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from conftest import Clone, Result, some_of
from happening import crc, event_id, line, made, row, writer
from tbdx.core import chain
from tbdx.errors import Usage
from tbdx.kernel import stream, views
from tbdx.store import files, journal

VIEWS = ("work", "status", "rejects", "agents")


class Branch:
    """What a coordination branch would have brought, put where readers find it."""

    def __init__(self, clone: Clone) -> None:
        self.top = Path(journal.branch_copy(clone.kernel.repo))

    def write(self, of: str, lines: Iterable[bytes]) -> None:
        path = self.top / f"journal/{of}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(raw + b"\n" for raw in lines))

    def carry(self, of: str, lines: list[bytes]) -> None:
        rows = [(json.loads(raw)["seq"], raw) for raw in lines]
        for first, last, content in chain.pieces(rows, journal.SEAL):
            path = self.top / f"carried/{of}/{chain.carried_name(first, last, content)}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def clear(self) -> None:
        files.discard(str(self.top))


def digests(clone: Clone) -> dict[str, str]:
    return {view: views.materialize(clone.kernel, view).digest for view in VIEWS}


def tree(chance: random.Random, of: str) -> list[bytes]:
    """A writer's lines, with copies that went on apart; every event has an id of its own."""
    ends: list[tuple[int, str, int]] = [(0, chain.ROOT, 0)]
    out = []
    for n in range(chance.randint(2, 9)):
        seq, prev, ms = chance.choice(ends[-2:] if chance.random() < 0.8 else ends)
        ms += chance.randint(1, 40)
        given = made(of, seq + 1, ms, prev=prev, body={"n": n}) | {"event_id": event_id(ms, chance.getrandbits(40))}
        raw = line(given)
        out.append(raw)
        ends.append((seq + 1, crc(raw), ms))
    return out


@pytest.mark.parametrize("seed", some_of(range(60), 12))
def test_a_cursor_neither_skips_nor_repeats_whatever_comes_when(repo: Clone, seed: int) -> None:
    chance = random.Random(seed)
    branch, k = Branch(repo), repo.kernel
    of = [writer(name) for name in ("a", "b")]
    left = {w: tree(chance, w) for w in of}
    here: dict[str, list[bytes]] = {w: [] for w in of}
    shown: list[bytes] = []
    token: str | None = None
    while any(left.values()):
        for w in of:
            for raw in [raw for raw in left[w] if chance.random() < 0.4]:
                left[w].remove(raw)
                here[w].append(raw)
                branch.carry(w, [raw])
        entries, cursor = stream.since(k, token)
        assert [e.key() for e in entries] == sorted(e.key() for e in entries)
        shown += [e.raw for e in entries]
        token = cursor.token()
        assert sorted(shown) == sorted(raw for rows in here.values() for raw in rows), f"{seed}"
        assert stream.since(k, token)[0] == [] and stream.since(k, token)[1].token() == token
    assert sorted(e.raw for e in stream.since(k, None)[0]) == sorted(shown)


def test_a_filter_never_changes_the_cursor(repo: Clone) -> None:
    x = repo.create("one")
    repo.run("update", x, "--title", "two")
    plain, some, none = (
        repo.run("ev", "tail", *more).out.splitlines() for more in ((), ("--type", "*.created"), ("--agent", "nobody"))
    )
    assert plain[-1] == some[-1] == none[-1] and json.loads(plain[-1])["type"] == "bus.bookmark"
    assert [json.loads(r)["type"] for r in plain[:-1]] == ["work.created", "work.updated"]
    assert some[:-1] == plain[:1] and none[:-1] == []


def test_a_late_event_that_sorts_before_what_was_shown_is_shown(repo: Clone) -> None:
    a, b = writer("a"), writer("b")
    branch = Branch(repo)
    branch.write(a, row(a, (1_000, "x.y", {}), (2_000, "x.y", {})))
    first, cursor = stream.since(repo.kernel, None)
    branch.write(b, row(b, (500, "x.late", {})))
    second, cursor = stream.since(repo.kernel, cursor.token())
    assert len(first) == 2 and [e.event["type"] for e in second] == ["x.late"]
    assert stream.since(repo.kernel, cursor.token())[0] == []


def test_a_branch_that_was_rewritten_shows_again_nothing_that_was_shown(repo: Clone) -> None:
    a = writer("a")
    branch = Branch(repo)
    rows = row(a, *((n, "x.y", {}) for n in range(8)))
    shown: list[int] = []
    token: str | None = None
    # the end is gone, all is gone, the beginning is gone, and in the end everything is there and one more
    for some in (rows[:5], rows[:3], [], rows[5:7], rows[:2], rows):
        branch.clear()
        branch.write(a, some)
        entries, cursor = stream.since(repo.kernel, token)
        shown += [e.seq for e in entries]
        token = cursor.token()
    assert shown == [1, 2, 3, 4, 5, 6, 7, 8]


def test_one_event_that_came_by_two_ways_is_shown_once(repo: Clone) -> None:
    a = writer("a")
    branch = Branch(repo)
    rows = row(a, *((n, "x.y", {}) for n in range(4)))
    branch.carry(a, rows[1:3])
    first, cursor = stream.since(repo.kernel, None)
    branch.write(a, rows)
    second, cursor = stream.since(repo.kernel, cursor.token())
    assert [[e.seq for e in some] for some in (first, second)] == [[2, 3], [1, 4]]


def test_what_is_no_cursor_is_refused(repo: Clone) -> None:
    for text in ("x", "c1.", "c1.!!!", "c1.e30", "c1.W10"):
        with pytest.raises(Usage, match="not a cursor"):
            stream.since(repo.kernel, text)
    assert repo.run("ev", "tail", "--since", "x").code == 2


# compaction


def test_past_a_compaction_a_stream_ends_with_5_and_goes_on_from_its_bookmark(repo: Clone) -> None:
    x = repo.create("one")
    old = json.loads(repo.run("ev", "tail").out.splitlines()[-1])["body"]["cursor"]
    repo.run("update", x, "--title", "two")
    new = json.loads(repo.run("ev", "tail").out.splitlines()[-1])["body"]["cursor"]
    before = digests(repo)["work"]
    done = repo.json("ev", "compact")
    assert done["covered"] == 2 and digests(repo)["work"] == before
    at = repo.run("ev", "tail", "--since", old)
    rows = [json.loads(r) for r in at.out.splitlines()]
    assert at.code == 5 and [r["type"] for r in rows] == ["journal.checkpointed", "bus.bookmark"]
    assert rows[0]["body"]["checkpoint"] == done["checkpoint"] and "state" in rows[0]["body"]
    for cursor in (rows[1]["body"]["cursor"], new):  # what was covered had all been seen
        further = repo.run("ev", "tail", "--since", cursor)
        types = [json.loads(r)["type"] for r in further.out.splitlines()]
        assert further.code == 0 and types == ["journal.checkpointed", "bus.bookmark"]


def test_the_cursor_after_a_compaction_is_past_what_was_shown_beyond_it(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    a.json("sync"), b.json("sync")
    a.run("ev", "emit", "--type", "x.a1", "--as", "anna")
    b.run("ev", "emit", "--type", "x.b1", "--as", "bert")
    a.json("sync"), b.json("sync"), a.json("sync")
    token: str = stream.since(a.kernel, None)[1].token()
    a.run("ev", "emit", "--type", "x.a2", "--as", "anna")  # not seen, and covered
    b.run("ev", "emit", "--type", "x.b2", "--as", "bert")
    b.run("ev", "emit", "--type", "x.b3", "--as", "bert")
    a.json("sync"), b.json("sync"), a.json("sync")
    late = repo_cursor(a, token, skip={"x.a2"})
    done = b.json("ev", "compact")
    assert done["covered"], done
    a.json("sync")
    with pytest.raises(stream.Compacted) as e:
        stream.since(a.kernel, late)
    again = [entry.event["type"] for entry in stream.since(a.kernel, e.value.cursor)[0]]
    assert "x.b3" not in again


def repo_cursor(clone: Clone, token: str, skip: set[str]) -> str:
    """A cursor that has seen everything but some types."""
    from tbdx.core.cursor import Cursor, parse

    entries, now = stream.since(clone.kernel, token)
    places = dict(now.journals)
    for e in entries:
        if e.event["type"] in skip:
            places[e.name] = parse(token).journals[e.name]
    return Cursor(places, now.checkpoint, now.commit).token()


# export and import


def taken_in(clone: Clone, text: str) -> Result:
    file = clone.path.parent / "events.jsonl"
    file.write_text(text)
    return clone.run("ev", "import", str(file), "--json")


def test_what_is_exported_and_imported_in_a_fresh_clone_gives_the_same_digests(repo: Clone, at: Any) -> None:
    import shutil

    fresh = repo.path.parent / "fresh"
    shutil.copytree(repo.path, fresh, symlinks=True)
    for file in fresh.glob(".git/worktrees/*/gitdir"):
        file.write_text(file.read_text().replace(str(repo.path), str(fresh)))
    for file in fresh.glob(".git/tbd/*/.git"):
        file.write_text(file.read_text().replace(str(repo.path), str(fresh)))
    other = at(fresh)
    x = repo.create("a\u200bb é \u2028 ok")
    repo.run("ev", "emit", "--type", "x.y", "--body", '{"n": 1.50, "t": "\u202e"}')
    repo.run("close", x, "--reason", "done")
    out = repo.run("ev", "export").out
    assert taken_in(other, out).code == 0
    for view in ("status", "rejects", "agents"):
        mine, its = (views.materialize(c.kernel, view).rows for c in (repo, other))
        mine.pop("issues", None), its.pop("issues", None)
        assert mine == its
    assert [e.raw for e in stream.since(other.kernel, None)[0]] == [e.raw for e in stream.since(repo.kernel, None)[0]]
    assert stream.verify(other.kernel)[0] == []
    assert json.loads(taken_in(other, out).out) == {"imported": 0, "known": 3, "damaged": []}


def test_what_is_no_event_is_not_imported_and_is_told(repo: Clone) -> None:
    good = row(writer("z"), (1, "x.y", {}))[0].decode()
    done = taken_in(repo, f"{good}\n{{}}\n")
    assert done.code == 1 and json.loads(done.out)["damaged"] == [{"line": 2, "reason": "v: missing"}]
    assert taken_in(repo, "nothing\n").code == 2
    fork = good.replace(writer("z"), f"{writer('z')}~01234567")
    assert json.loads(taken_in(repo, f"{good}\n{fork}\n").out)["damaged"][0]["line"] == 2

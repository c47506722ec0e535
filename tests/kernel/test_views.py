"""Views of a clone: going on from a kept state is folding everything, whatever came, in whatever batches."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from conftest import Clone, some_of
from happening import ISSUE, act, crc, event_id, line, made, writer
from kernel.test_stream import VIEWS, Branch
from tbdx.core import chain
from tbdx.core import views as folds
from tbdx.kernel import stream, views
from tbdx.store import cache, files, journal

TYPES: list[tuple[str, dict[str, Any]]] = [
    ("work.created", {"title": "t"}),
    ("work.claimed", {}),
    ("work.released", {"reason": "r"}),
    ("work.closed", {"reason": "done"}),
    ("work.reopened", {}),
    ("agent.status", {"state": "s"}),
    ("x.y", {}),
]


class Writer:
    """A writer on another machine: lines, some of them damaged, with ids out of order, or of copies of it."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.name, self.chance = writer(name), chance
        self.lines: list[bytes] = []
        self.seq, self.prev, self.ms = 0, chain.ROOT, 0

    def goes_on(self, least_ms: int) -> None:
        chance = self.chance
        self.seq += 1
        self.ms = max(self.ms, least_ms) + chance.randint(1, 5)
        ms = self.ms if chance.random() < 0.95 else self.ms - 20  # an id that is not above its predecessor's
        type_, body = chance.choice(TYPES)
        refs = {"work_id": ISSUE[:-1] + chance.choice("abc")}
        agent = f"agent:{chance.choice([self.name[0]] * 9 + ['z'])}"
        given = made(self.name, self.seq, 0, type_, prev=self.prev, refs=refs, body=body, agent=agent)
        if chance.random() < 0.2:
            given["idempotency_key"] = chance.choice("kl")
        raw = line(given | {"event_id": event_id(ms, chance.getrandbits(40))})
        self.prev = crc(raw)
        self.lines.append(raw if chance.random() < 0.97 else raw[:-3])


def segmented(branch: Branch, w: Writer, seal: int) -> None:
    """The writer's file, in segments as `store.journal` makes them."""
    first, size, rows, out = 1, 0, list[bytes](), {}
    for seq, raw in enumerate(w.lines, 1):
        if size >= seal:
            out[first] = rows
            first, size, rows = seq, 0, []
        rows.append(raw)
        size += len(raw) + 1
    out[first] = rows
    for first, rows in out.items():
        path = branch.top / "journal" / (f"{w.name}.jsonl" if first == 1 else f"{w.name}/{first}.jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(raw + b"\n" for raw in rows))


def whole(clone: Clone) -> dict[str, Any]:
    """The state from nothing, nothing kept."""
    k = clone.kernel
    base, made_ = stream.everything(k)
    facts, refused = chain.folded({n: e for c in made_ for n, e in c.of.items()}, bound=k.coordination.require_bound)
    return folds.refuse(folds.fold(views.start(base, folds.PARTS), folds.in_order(facts)), refused)


def now(clone: Clone) -> dict[str, Any]:
    state = views.current(clone.kernel, folds.PARTS)
    return state


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that depends on how much there is, at a scale that a test reaches."""
    monkeypatch.setattr(views, "BACK", (3, 12))
    monkeypatch.setattr(views, "RENEW", 8)
    monkeypatch.setattr(views, "BATCH", 5)
    monkeypatch.setattr(views, "KEEP_FROM", 1_000)
    monkeypatch.setattr(views, "MANY", 4)
    monkeypatch.setattr(journal, "SEAL", 2_000)


@pytest.mark.parametrize("seed", some_of(range(48), 12))
def test_going_on_from_kept_states_is_folding_everything(repo: Clone, small: None, seed: int) -> None:
    chance = random.Random(seed)
    branch = Branch(repo)
    of = [Writer(name, chance) for name in "abc"]
    for step in range(10):
        least = max(w.ms for w in of) if chance.random() < 0.8 else 0
        for w in chance.sample(of, chance.randint(1, 3)):
            for _ in range(chance.randint(1, 9)):
                w.goes_on(least)
            segmented(branch, w, journal.SEAL)
        if chance.random() < 0.15:  # some of a writer's lines by another way, and a copy that went on apart
            w = chance.choice(of)
            copy = line(made(w.name, max(1, w.seq - 2), w.ms + 3, prev="87654321", body={"n": step}))
            branch.carry(w.name, [copy])
        if chance.random() < 0.2:
            kept = Path(repo.kernel.repo.own) / "cache" / chance.choice(views.KEPT)
            if kept.exists():
                damage = chance.choice(["gone", "short", "flipped"])
                data = bytearray(kept.read_bytes())
                data[len(data) // 2] ^= 1
                kept.unlink() if damage == "gone" else kept.write_bytes(data if damage == "flipped" else data[:-9])
        assert now(repo) == whole(repo), (seed, step)


def test_a_kept_state_is_used_and_reads_only_what_is_new(repo: Clone, small: None, monkeypatch: Any) -> None:
    branch, w = Branch(repo), Writer("a", random.Random(4))
    for _ in range(60):
        w.goes_on(0)
    segmented(branch, w, journal.SEAL)
    now(repo)
    w.goes_on(0)
    segmented(branch, w, journal.SEAL)
    monkeypatch.setattr(views, "_whole", None)
    assert now(repo) == whole(repo)


def test_a_damaged_last_line_of_a_sealed_segment_hides_no_later_one(repo: Clone, small: None) -> None:
    branch, w = Branch(repo), Writer("a", random.Random(1))
    for n in range(80):
        w.goes_on(0)
        if n % 2:
            w.lines[-1] = b"damaged" + b" " * 200
        if n > 10:
            segmented(branch, w, journal.SEAL)
            assert now(repo) == whole(repo), n


def test_journals_that_are_set_aside_are_in_no_view(repo: Clone, small: None) -> None:
    for n in range(30):
        repo.run("ev", "emit", "--type", "x.y", "--body", f'{{"n": {n}}}')
    assert now(repo)["log"]["types"] == {"x.y": 30}
    repo.run("coord", "off")
    repo.run("coord", "on")
    assert now(repo) == whole(repo) and now(repo)["log"]["types"] == {}


def test_the_cache_can_be_deleted_at_any_time(repo: Clone, small: None) -> None:
    for n in range(40):
        repo.run("ev", "emit", "--type", "x.y", "--body", f'{{"n": {n}}}')
        if n % 10 == 0:
            files.discard(f"{repo.kernel.repo.own}/cache")
    before = {view: views.materialize(repo.kernel, view).texts for view in VIEWS}
    files.discard(f"{repo.kernel.repo.own}/cache")
    assert {view: views.materialize(repo.kernel, view).texts for view in VIEWS} == before
    assert cache.opened(repo.kernel.repo, views.KEPT[0]) is not None


def test_compaction_changes_no_view(repo: Clone) -> None:
    x, y = repo.create("one"), repo.create("two")
    act(repo, "anna", "update", x, "--assignee", "me")
    act(repo, "bert", "close", x)
    repo.run("ev", "emit", "--type", "work.claimed", "--ref", "work_id=is-nobody", "--as", "bert")
    repo.run("ev", "emit", "--type", "work.claimed", "--ref", "work_id=is-nobody", "--as", "anna")
    act(repo, "anna", "update", y, "--title", "2")
    before = {view: views.materialize(repo.kernel, view).rows for view in VIEWS}
    done = act(repo, "anna", "ev", "compact")
    assert done["covered"] > 0
    after = {view: views.materialize(repo.kernel, view).rows for view in VIEWS}
    assert after["work"] == before["work"] and after["rejects"] == before["rejects"]
    assert after["status"]["types"].pop("journal.checkpointed") == 1
    assert after["status"]["types"] == before["status"]["types"]
    files.discard(f"{repo.kernel.repo.own}/cache")
    assert {view: views.materialize(repo.kernel, view).rows for view in ("work", "rejects")} == {
        view: before[view] for view in ("work", "rejects")
    }


# time travel, and why


def test_a_view_can_be_had_as_of_a_time_and_of_a_cursor(repo: Clone) -> None:
    x = repo.create("one")
    at_ms, cursor = repo.clock.at, stream.since(repo.kernel, None)[1].token()
    before = views.materialize(repo.kernel, "work")
    repo.clock.at += 5_000
    repo.run("close", x, "--reason", "done")
    from tbdx.core.times import iso

    assert views.materialize(repo.kernel, "work").digest != before.digest
    for view in ("rejects", "agents"):
        seen, then = (views.materialize(repo.kernel, view, at) for at in (cursor, iso(at_ms)))
        assert seen.texts == then.texts
    for at in (cursor, iso(at_ms)):
        rows = views.materialize(repo.kernel, "work", at).rows
        assert [(r["by"], r["events"]) for r in rows.values()] == [(r["by"], r["events"]) for r in before.rows.values()]
        assert views.materialize(repo.kernel, "status", at).rows["events"] == 1
    assert repo.run("materialize", "work", "--at", "yesterday").code == 2
    assert repo.run("materialize", "nothing").code == 2


def test_a_row_is_explained_by_its_events_in_order_and_by_why_they_were_rejected(repo: Clone) -> None:
    x = repo.create("one")
    internal = repo.kernel.need(x)
    for agent in ("anna", "bert"):
        repo.run("ev", "emit", "--type", "work.claimed", "--ref", f"work_id={internal}", "--as", agent)
    rows = stream.explain(repo.kernel, "work", x)
    assert [(r["type"], r.get("rejected")) for r in rows] == [
        ("work.created", None),
        ("work.claimed", None),
        ("work.claimed", "held by agent:anna"),
    ]
    assert [r["agent"] for r in stream.explain(repo.kernel, "agents", "bert")] == ["agent:bert"]
    assert [r["event_id"] for r in stream.explain(repo.kernel, "rejects", rows[2]["event_id"])] == [rows[2]["event_id"]]
    assert repo.run("materialize", "work", "--explain", "nothing").code == 1

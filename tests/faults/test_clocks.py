"""Wrong clocks, and chance that repeats itself: what knew of the other wins, and nothing is lost (faults.md G)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conftest import Clock, Clone
from kernel.test_sync import Clones, attic, data_files, fields, settle, sync
from tbdx.cli import common

DAY_MS = 86_400_000
SKEWS = [
    pytest.param(-3653 * DAY_MS, id="ten years slow"),
    pytest.param(DAY_MS, id="a day fast"),
    pytest.param(-DAY_MS, id="a day slow", marks=pytest.mark.long),
    pytest.param(3653 * DAY_MS, id="ten years fast", marks=pytest.mark.long),
]


@contextmanager
def off_by(clone: Clone, ms: int) -> Iterator[None]:
    """Commands given by a clone whose clock is wrong."""
    clone.clock.at += ms
    yield
    clone.clock.at -= ms


@pytest.mark.parametrize("skew", SKEWS)
def test_the_edit_that_knew_of_the_other_wins_whatever_the_clocks_say(clones: Clones, skew: int) -> None:
    a, b = clones
    x = a.create("0", "-d", "0")
    sync(a, b)
    seen = [fields(a, x)["updated_at"]]
    for n in range(1, 5):
        clone = (a, b)[n % 2]
        with off_by(clone, skew if clone is b else 0):
            clone.run("update", x, "--title", f"{n}", "--description", f"{n}", "--add-label", f"l{n}")
            sync(clone)
        sync(a, b)
        seen.append(fields(a, x)["updated_at"])
    settle(a, b)
    found = fields(b, x)
    assert (found["title"], found["description"], found["version"]) == ("4", "4", 5)
    assert found["labels"] == ["l1", "l2", "l3", "l4"] and seen == sorted(set(seen)) and attic(a, x) == {}


@pytest.mark.parametrize("skew", SKEWS)
def test_concurrent_edits_under_wrong_clocks_end_alike_and_the_loser_is_kept(clones: Clones, skew: int) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    a.run("update", x, "--title", "from a", "--priority", "0")
    with off_by(b, skew):
        b.run("update", x, "--title", "from b", "--add-label", "b")
        sync(*((a, b) if skew > 0 else (b, a)))
    settle(a, b)
    found = fields(a, x)
    assert (found["priority"], found["labels"]) == (0, ["b"]) and data_files(a) == data_files(b)
    assert {found["title"], attic(a, x)["title"]} == {"from a", "from b"}
    with off_by(b, skew):
        b.run("close", x)
        b.run("reopen", x)
    sync(b, a)
    assert fields(a, x)["status"] == "open" and not fields(a, x).get("closed_at")


def test_a_clock_that_steps_back_between_two_creates_harms_neither(clones: Clones) -> None:
    a, b = clones
    made = []
    for step in (0, -1, -DAY_MS, DAY_MS, 0, -3653 * DAY_MS):
        a.clock.at += step
        made.append(a.create(f"{len(made)}"))
    settle(a, b)
    for clone in clones:
        assert {clone.json("show", shown)["title"] for shown in made} == set("012345")
        assert len(clone.json("list")) == 6 == len(clone.json("ready"))


def test_a_clock_that_stands_still_and_chance_that_repeats_give_no_id_twice(
    repo: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeats = itertools.cycle([b"\0" * 16, b"\1" * 16])
    monkeypatch.setattr(common, "now_ms", lambda: 1_750_000_000_000)
    monkeypatch.setattr(common, "entropy", lambda n: next(repeats)[:n])
    made = [repo.json("create", f"{n}") for n in range(4)]
    for key in ("id", "internalId"):
        assert len({row[key] for row in made}) == 4
    assert {row["title"] for row in repo.json("list")} == set("0123")


def test_one_id_given_in_two_clones_loses_neither_issue(clones: Clones, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = clones
    sync(b)
    made = []
    for clone in clones:
        numbers = itertools.count()  # the same chance and the same moment in both
        monkeypatch.setattr(common, "now_ms", Clock())
        monkeypatch.setattr(common, "entropy", lambda n, numbers=numbers: bytes([next(numbers) % 256]) * n)
        made.append(clone.json("create", f"from {clone.path.name}", "-d", f"what {clone.path.name} says"))
    assert made[0]["internalId"] == made[1]["internalId"]
    monkeypatch.setattr(common, "now_ms", a.clock)
    monkeypatch.setattr(common, "entropy", a.entropy)
    settle(a, b)
    assert data_files(a) == data_files(b)
    for clone in clones:
        x = made[0]["id"]
        rows = clone.json("attic", "list", x)
        lost = [clone.json("attic", "show", x, row["timestamp"])["lost_value"] for row in rows]
        kept = json.dumps(clone.json("show", x))
        for name in ("a", "b"):
            assert f"what {name} says" in kept or any(f"what {name} says" in text for text in lost), rows

"""Recorded logs of events and what the views say of them: a folder of `fixtures/events` is a case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import ROOT, Clone

CASES = sorted(p for p in (ROOT / "fixtures/events").iterdir() if p.is_dir())
VIEWS = ("work", "status", "rejects", "agents")


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_a_recorded_log_gives_the_views_that_stand_beside_it(bare_git: Clone, case: Path) -> None:
    found = {view: bare_git.run("ev", "replay", str(case / "log.jsonl"), "--view", view, "--json") for view in VIEWS}
    damaged = {done.code for done in found.values()}
    assert damaged == ({1} if "damaged" in case.name else {0})
    assert {view: json.loads(done.out) for view, done in found.items()} == {
        view: json.loads((case / f"{view}.json").read_text()) for view in VIEWS
    }


def test_damaged_lines_are_told_with_their_number(bare_git: Clone) -> None:
    done = bare_git.run("ev", "replay", str(ROOT / "fixtures/events/damaged-lines/log.jsonl"))
    assert [row.split(": ")[0].rpartition(":")[2] for row in done.err.splitlines()] == ["2", "3", "5", "6", "7"]


def test_a_log_that_is_shuffled_and_has_lines_twice_says_what_it_says_in_order() -> None:
    for view in VIEWS:
        plain, shuffled = (
            json.loads((ROOT / f"fixtures/events/{name}/{view}.json").read_text())
            for name in ("plain-life", "shuffled-and-twice")
        )
        assert plain == shuffled

"""Input made to take for ever, or to nest beyond all bounds: it costs no more than other input (faults.md S4)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import Clone
from damage import put_issue
from kernel.test_attic import enter
from store.test_lock import hold

DEEP = "[" * 100_000
AT = "2025-03-01T00:00:00.000Z"


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < seconds


@pytest.mark.parametrize("wanted", ["(a+)+$", "(a|aa)+b", "a" * 20_000 + "b", "(.*)*x", "\\", "[", "aİ", "ǰ" * 50])
@pytest.mark.parametrize("letter", ["a", "İ", "ß", "aA"], ids=ascii)
def test_what_is_searched_for_is_text_and_no_pattern(repo: Clone, letter: str, wanted: str) -> None:
    put_issue(repo, 1, "long", description=letter * (50_000 // len(letter)))
    put_issue(repo, 2, wanted[:500])
    repo.json("list")
    with within(0.2):
        found = repo.json("search", wanted, "--field", "title")
        everywhere = repo.run("search", wanted)
    assert [row["title"] for row in found] == ([wanted] if len(wanted) <= 500 else []) and everywhere.code == 0


def test_lines_of_json_that_nobody_could_mean_stop_no_import(repo: Clone) -> None:
    good = json.dumps({"id": "bd-1", "title": "Good"})
    rows = [DEEP, '{"a":' * 100_000, '{"id": "bd-2", "title": "x", "notes": ' + DEEP, "9" * 100_000, "NaN", "1e999999"]
    rows += ['{"id": "bd-3", "title": "' + "x" * 5_000_000 + '"}', '{"id": "bd-4", "priority": ' + "9" * 5000 + "}"]
    (repo.path / "x.jsonl").write_text("\n".join([*rows, good]))
    with within(3):
        done = repo.run("import", "x.jsonl", "--json")
    assert [row["title"] for row in repo.json("list")] == ["Good"], done
    assert "unexpected" not in done.err and len(done.err) < 5000 and "x.jsonl" in done.err


def test_a_lost_value_that_nests_without_end_is_shown_and_not_restored(repo: Clone) -> None:
    one = put_issue(repo, 1, "One")
    enter(repo, one, AT, "title", DEEP)
    before = repo.file(one).read_bytes()
    with within(2):
        for argv in (["attic", "list"], ["attic", "show", one, AT], ["attic", "restore", one, AT]):
            done = repo.run(*argv)
            assert done.code in (0, 1) and "unexpected" not in done.err and "Traceback" not in done.err, argv
    assert repo.file(one).read_bytes() == before


def test_a_record_of_a_lock_that_nests_without_end_is_a_holder_of_no_name(repo: Clone) -> None:
    lock = Path(repo.kernel.repo.lock)
    hold(str(lock), pid=1)
    (lock / "owner/record").write_text(DEEP[:4000])
    done = repo.run("doctor", "--json")
    assert done.code in (0, 1) and "unexpected" not in done.err and "Traceback" not in done.err, done

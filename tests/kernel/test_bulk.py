"""close, reopen, start, pause, resume, and many ids at once: one lock, all checked before the first write."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import Clone
from tbdx.core import codec
from tbdx.store import files
from tbdx.store.lock import Lock

HINT = {"pending": True, "hint": "Run `tbd sync` to publish."}


def fields(repo: Clone, shown: str) -> dict[str, Any]:
    return codec.parse(repo.file(shown).read_text())


def data(repo: Clone) -> dict[str, bytes]:
    return {str(p.relative_to(repo.data)): p.read_bytes() for p in sorted(repo.data.rglob("*")) if p.is_file()}


def refused(repo: Clone, code: int, *argv: str) -> str:
    before = data(repo)
    done = repo.run(*argv)
    assert done.code == code and data(repo) == before, done
    return done.err


def summary(**counts: int) -> dict[str, int]:
    full = {"changed": 0, "skipped": 0, "missing": 0, "failed": 0} | counts
    return full | {"total": sum(full.values())}


# close and reopen


def test_a_close_writes_tbds_fields(repo: Clone) -> None:
    x = repo.create("T")
    assert repo.json("close", x, "--reason", "done") == {"id": x, "closed": True, "alreadyClosed": False}
    found = fields(repo, x)
    assert (found["status"], found["close_reason"], found["version"]) == ("closed", "done", 2)
    assert found["closed_at"] <= found["updated_at"]
    assert "\nresolution: null\nduplicate_of: null\n" in repo.file(x).read_text()


def test_closing_a_closed_issue_changes_nothing(repo: Clone) -> None:
    x = repo.create("T")
    repo.json("close", x)
    before = data(repo)
    assert repo.json("close", x, "--reason", "again") == {"id": x, "closed": True, "alreadyClosed": True}
    assert data(repo) == before


def test_a_reason_comes_from_stdin_and_from_a_file(repo: Clone) -> None:
    a, b, c = (repo.create(t) for t in "abc")
    repo.json("close", a, "--reason", "-", stdin="from stdin")
    (repo.path / "why").write_text("from a file")
    repo.json("close", b, "--reason-file", "why")
    repo.json("close", c, "--reason-file", "-", stdin="both ways")
    assert [fields(repo, x)["close_reason"] for x in (a, b, c)] == ["from stdin", "from a file", "both ways"]
    assert "not both" in refused(repo, 1, "close", a, "--reason", "x", "--reason-file", "why")


def test_how_it_was_closed_is_kept(repo: Clone) -> None:
    a, b, c, d = (repo.create(t) for t in "abcd")
    repo.json("close", a, "--as", "completed")
    repo.json("close", b, "--as", "canceled")
    repo.json("close", c, "--as", "duplicate", "--duplicate-of", d)
    assert [fields(repo, x)["resolution"] for x in (a, b, c)] == [None, "canceled", "duplicate"]
    assert fields(repo, c)["duplicate_of"] == repo.kernel.need(d)


def test_closing_ends_a_hold(repo: Clone) -> None:  # tbd.md §13b.9: mended
    x = repo.create("T")
    repo.json("pause", x, "--until", "2026-01-01")
    repo.json("close", x)
    found = fields(repo, x)
    assert (found["status"], found["hold"], found["hold_until"]) == ("closed", None, None)


WRONG_CLOSES = [
    (("--as", "done"), "Invalid resolution: done"),
    (("--as", "duplicate"), "go together"),
    (("--as", "canceled", "--duplicate-of", "OTHER"), "go together"),
    (("--as", "duplicate", "--duplicate-of", "test-zzzz"), "Invalid --duplicate-of ID"),
    (("--as", "duplicate", "--duplicate-of", "ID"), "duplicate of itself"),
]


def test_a_wrong_way_to_close_is_refused(repo: Clone) -> None:
    for argv, words in WRONG_CLOSES:
        ids = {"ID": repo.create("T"), "OTHER": repo.create("O")}
        assert words in refused(repo, 2, "close", ids["ID"], *(ids.get(a, a) for a in argv))


def test_a_reopened_issue_has_nulls_and_the_reason_in_its_notes(repo: Clone) -> None:
    x, y = repo.create("T"), repo.create("other")
    repo.json("update", x, "--notes", "before")
    repo.json("close", x, "--as", "duplicate", "--duplicate-of", y)
    assert repo.json("reopen", x, "--reason", "not so") == {"id": x, "reopened": True}
    found = fields(repo, x)
    names = ("closed_at", "close_reason", "resolution", "duplicate_of")
    assert found["status"] == "open" and [found[n] for n in names] == [None] * 4
    assert found["notes"] == "before\n\nReopened: not so"


def test_what_is_not_closed_cannot_be_reopened(repo: Clone) -> None:
    x = repo.create("T")
    assert f"Issue {x} is not closed (status: open)" in refused(repo, 1, "reopen", x)


# start, pause, resume


def test_start_claims_and_begins(repo: Clone) -> None:
    x = repo.create("T")
    repo.json("pause", x)
    assert repo.json("start", x, "--as", "Agent One") == {"claimed": [x], "skipped": [], "delegate": "agent-one"}
    found = fields(repo, x)
    assert (found["status"], found["delegate"], found["hold"]) == ("in_progress", "agent-one", None)
    began = found["started_at"]
    repo.json("update", x, "--status", "open", "--delegate", "")
    repo.json("start", x, "--as", "two")
    assert fields(repo, x)["started_at"] == began


def test_what_cannot_be_claimed_is_skipped_with_a_reason(repo: Clone) -> None:
    mine, theirs, closed = (repo.create(t) for t in "abc")
    repo.json("start", mine, "--as", "me")
    repo.json("start", theirs, "--as", "them")
    repo.json("close", closed)
    before = data(repo)
    said = repo.json("start", mine, theirs, closed, "--as", "me")
    assert said["claimed"] == [] and said["skipped"] == [
        {"id": mine, "reason": "already yours"},
        {"id": theirs, "reason": "already claimed by them"},
        {"id": closed, "reason": "closed — reopen it first"},
    ]
    assert data(repo) == before


def test_an_older_stamp_claims_by_assignee(repo: Clone) -> None:
    config = repo.path / ".tbd/config.yml"
    config.write_text(config.read_text().replace("tbd_format: f08", "tbd_format: f04"))
    x = repo.create("T")
    assert repo.json("start", x, "--as", "me") == {"claimed": [x], "skipped": [], "assignee": "me"}
    found = fields(repo, x)
    assert found["assignee"] == "me" and not {"delegate", "hold", "started_at"} & found.keys()
    for argv in (("pause", x), ("resume", x), ("close", x, "--as", "canceled"), ("close", x, "--duplicate-of", x)):
        assert "needs format f08" in refused(repo, 1, *argv)
    repo.json("close", x)
    assert not {"resolution", "duplicate_of"} & fields(repo, x).keys()


def test_pause_and_resume_leave_the_status_and_note_the_reason(repo: Clone) -> None:
    x = repo.create("T")
    repo.json("start", x)
    said = repo.json("pause", x, "--until", "2026-01-01", "--reason", "-", stdin="waiting")
    assert said == {
        "results": [{"id": x, "action": "updated", "ok": True}],
        "summary": summary(changed=1),
        "sync": HINT,
    }
    found = fields(repo, x)
    assert (found["status"], found["hold"], found["hold_until"]) == (
        "in_progress",
        "paused",
        "2026-01-01T00:00:00.000Z",
    )
    repo.json("resume", x, "--reason", "it came")
    found = fields(repo, x)
    assert (found["hold"], found["hold_until"]) == (None, None)
    assert found["notes"] == "Paused: waiting\n\nResumed: it came"


def test_pause_and_resume_skip_what_is_so_already(repo: Clone) -> None:
    paused, closed, free = (repo.create(t) for t in "abc")
    repo.json("pause", paused)
    repo.json("close", closed)
    rows = repo.json("pause", paused, closed)["results"]
    assert [r["skippedReason"] for r in rows] == ["already paused", "closed — reopen it first"]
    said = repo.json("resume", free)
    assert said["results"][0]["skippedReason"] == "not on hold" and said["sync"] == {"pending": False}
    assert "Invalid --until value" in refused(repo, 2, "pause", free, "--until", "x")


# many ids


def test_many_are_closed_in_the_order_given_each_once(repo: Clone) -> None:
    a, b, c = (repo.create(t) for t in "abc")
    repo.json("close", b)
    said = repo.json("close", c, b, a, c, repo.kernel.need(a))
    assert said["results"] == [
        {"id": c, "action": "closed", "ok": True},
        {"id": b, "action": "skipped", "ok": True, "skippedReason": "already closed"},
        {"id": a, "action": "closed", "ok": True},
    ]
    assert said["summary"] == summary(changed=2, skipped=1) and said["sync"] == HINT


def test_one_unknown_id_among_many_changes_nothing_and_all_are_named(repo: Clone) -> None:
    a = repo.create("a")
    for verb in ("close", "reopen", "start", "pause", "resume"):
        assert "Issue not found: test-zz1, test-zz2" in refused(repo, 1, verb, a, "test-zz1", "test-zz2")
    assert "Issue not found: zz" in refused(repo, 1, "update", a, "zz", "--priority", "1")


def test_unknown_ids_are_stepped_over_on_request(repo: Clone) -> None:
    a = repo.create("a")
    said = repo.json("update", a, "test-zz1", "--priority", "0", "--ignore-missing")
    assert said["results"] == [
        {"id": a, "action": "updated", "ok": True},
        {"id": "test-zz1", "action": "missing", "ok": False, "skippedReason": "not found"},
    ]
    assert said["summary"] == summary(changed=1, missing=1) and fields(repo, a)["priority"] == 0
    alone = repo.json("close", "test-zz1", "--ignore-missing")
    assert alone["summary"] == summary(missing=1) and alone["sync"] == {"pending": False}


def test_one_damaged_file_among_many_changes_nothing(repo: Clone) -> None:
    a, b = repo.create("a"), repo.create("b")
    repo.file(b).write_text("---\n[\n---\n")
    assert repo.file(b).name in refused(repo, 1, "close", a, b)


def test_one_wrong_change_among_many_changes_nothing(repo: Clone) -> None:
    a, b = repo.create("a"), repo.create("b")
    repo.json("close", b)
    assert "hold" in refused(repo, 1, "update", a, b, "--hold", "paused")


def test_several_take_only_what_makes_sense_for_several(repo: Clone) -> None:
    a, b = repo.create("a"), repo.create("b")
    for argv in (("--title", "x"), ("--status", "open"), ("-d", "x"), ("--parent", a)):
        assert "cannot be given to several" in refused(repo, 2, "update", a, b, *argv)
    assert "Nothing to change" in refused(repo, 2, "update", a, b)
    repo.json(
        *("update", a, b, "--priority", "0", "--assignee", "me", "--delegate", "you", "--type", "bug"),
        *("--add-label", "x", "--due", "2026-01-01", "--defer", "2026-01-01"),
    )
    for shown in (a, b):
        found = fields(repo, shown)
        assert (found["priority"], found["assignee"], found["kind"], found["labels"]) == (0, "me", "bug", ["x"])


def test_many_changes_take_the_lock_and_the_epoch_once(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [repo.create(f"{n}") for n in range(5)]
    epochs: list[str] = []
    write = files.write

    def watched(path: str, text: bytes, **more: Any) -> None:
        if path.endswith("data-sync.epoch"):
            epochs.append(text.decode().split(":")[0])
        write(path, text, **more)

    monkeypatch.setattr(files, "write", watched)
    repo.json("close", *ids)
    assert epochs == ["active", "quiescent"]


def test_a_dry_run_of_every_verb_writes_nothing(repo: Clone) -> None:
    a, b, closed = (repo.create(t) for t in "abc")
    repo.json("close", closed)
    before = data(repo)
    for argv in (
        ("close", a, b),
        ("reopen", closed),
        ("start", a),
        ("pause", a),
        ("resume", a),
        ("update", a, "--priority", "1"),
    ):
        said = repo.json(*argv, "--dry-run")
        assert said["dryRun"] is True and said["action"].startswith("Would "), said
    assert data(repo) == before


def test_text_output_names_what_changed_and_what_did_not(repo: Clone) -> None:
    a, b = repo.create("a"), repo.create("b")
    assert repo.run("close", a).out == f"✓ Closed {a}\n"
    assert repo.run("close", a).out == f"✓ Closed {a} (already closed)\n"
    done = repo.run("close", a, b)
    assert f"✓ Closed 1: {b}" in done.out and f"• {a}: already closed" in done.out
    assert repo.run("reopen", a, b, "--quiet").out == ""


def test_a_long_command_shows_that_it_lives(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [repo.create(f"{n}") for n in range(3)]
    touched: list[int] = []
    monkeypatch.setattr(Lock, "touch", lambda self: touched.append(1))
    repo.json("close", *ids)
    assert len(touched) == 3

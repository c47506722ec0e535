"""Creating and changing issues, on a real repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Clock, Clone
from tbdx.cli import common
from tbdx.core import codec
from tbdx.kernel import setup


def fields(repo: Clone, shown: str) -> dict[str, Any]:
    return codec.parse(repo.file(shown).read_text())


def data(repo: Clone) -> dict[str, bytes]:
    return {str(p.relative_to(repo.data)): p.read_bytes() for p in sorted(repo.data.rglob("*")) if p.is_file()}


def refused(repo: Clone, code: int, *argv: str, stdin: str = "") -> str:
    """A command that must fail and leave every file as it is; its words."""
    before = data(repo)
    done = repo.run(*argv, stdin=stdin)
    assert (done.code, done.out) == (code, ""), done
    assert data(repo) == before
    return done.err


def by_hand(repo: Clone, shown: str, old: str, new: str) -> str:
    """Edit an issue's file as a person would; its new text."""
    path = repo.file(shown)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path.read_text()


# create


def test_create_writes_file_and_short_id(repo: Clone) -> None:
    made = repo.json("create", "First", "-t", "bug", "-p", "P1", "-l", "x", "-d", "why")
    issue = fields(repo, made["id"])
    assert issue["title"] == "First" and issue["kind"] == "bug" and issue["priority"] == 1
    assert issue["labels"] == ["x"] and issue["description"] == "why" and issue["version"] == 1
    rows = (repo.data / "mappings/ids.yml").read_text()
    assert rows == f"{made['id'][5:]}: {made['internalId'][3:]}\n" or f'"{made["id"][5:]}"' in rows


def test_a_plain_create_writes_exactly_tbds_bytes(repo: Clone) -> None:
    made = repo.json("create", "colon: in title")
    text = repo.file(made["id"]).read_text()
    at = fields(repo, made["id"])["created_at"]
    assert set(made) == {"id", "internalId", "title"}
    assert text == (
        f'---\ntype: is\nid: {made["internalId"]}\ntitle: "colon: in title"\nkind: task\nstatus: open\npriority: 2\n'
        f"version: 1\nlabels: []\ndependencies: []\ncreated_at: {at}\nupdated_at: {at}\n---\n"
    )


def test_create_says_what_it_made(repo: Clone) -> None:
    done = repo.run("create", "T")
    assert done.code == 0 and done.out.startswith("✓ Created test-") and done.out.endswith(": T\n")
    assert repo.run("create", "T", "--quiet").out == ""


def test_create_takes_every_option(repo: Clone) -> None:
    x = repo.create(
        "T",
        *("--assignee", "me", "--delegate", "you", "--due", "2026-12-01T00:00:00Z"),
        *("--defer", "2026-11-01T00:00:00Z", "-l", "a", "-l", "b", "-l", "a"),
    )
    found = fields(repo, x)
    assert (found["assignee"], found["delegate"], found["labels"]) == ("me", "you", ["a", "b", "a"])
    assert (found["due_date"], found["deferred_until"]) == ("2026-12-01T00:00:00Z", "2026-11-01T00:00:00Z")


@pytest.mark.parametrize("argv", [("-d", "-"), ("-f", "-"), ("--file", "body.md")])
def test_a_description_comes_inline_from_a_file_or_from_stdin(repo: Clone, argv: tuple[str, ...]) -> None:
    (repo.path / "body.md").write_text("two\nlines\n")
    made = repo.json("create", "T", *argv, stdin="two\nlines\n")
    assert fields(repo, made["id"])["description"] == "two\nlines"


def test_a_title_that_begins_with_a_dash_needs_two_more(repo: Clone) -> None:
    assert repo.run("create", "-x y").code == 2
    assert repo.run("create", "--", "-x y").code == 0


WRONG_NEW = [
    ((" ",), 2, "Title cannot be empty"),
    ((), 2, "Title is required"),
    (("T" * 501,), 1, "title: Expected text of 1 to 500"),
    (("T", "-t", "story"), 2, "Invalid type: story"),
    (("T", "-p", "5"), 2, "Invalid priority: 5"),
    (("T", "--due", "2026-12-01"), 1, "due_date: Invalid datetime"),  # tbd.md §13b.3: kept
    (("T", "--defer", "soon"), 1, "deferred_until: Invalid datetime"),
    (("T", "--parent", "test-zzzz"), 2, "Invalid parent ID: test-zzzz"),
    (("T", "--depends-on", "test-zzzz"), 2, "Invalid --depends-on ID: test-zzzz"),
    (("T", "--spec", "no.md"), 2, "Invalid spec path: no.md"),
    (("T", "-d", "x", "-f", "y"), 1, "not both"),
    (("T", "-f", "nothing.md"), 1, "Failed to read --file"),
    (("T", "-d", "x" * 50_001), 1, "description"),
]


def test_create_refuses_what_is_wrong_and_writes_nothing(repo: Clone) -> None:
    for argv, code, words in WRONG_NEW:
        assert words in refused(repo, code, "create", *argv)


def test_a_dry_create_writes_nothing(repo: Clone) -> None:
    before = data(repo)
    assert repo.json("create", "T", "--dry-run", "-p", "1") == {
        "dryRun": True,
        "action": "Would create issue",
        "title": "T",
        "kind": "task",
        "priority": "1",
        "type": "task",
    }
    assert data(repo) == before


def test_create_from_a_file_takes_its_fields_and_body(repo: Clone) -> None:  # tbd.md §13b.2: mended
    (repo.path / "i.md").write_text(
        "---\ntitle: From file\nkind: bug\npriority: 0\nlabels: [a, b]\nstatus: bogus\n---\nWhy.\n\n## Notes\n\nN\n"
    )
    done = repo.run("create", "--from-file", "i.md", "--json")
    found = fields(repo, json.loads(done.out)["id"])
    assert (found["title"], found["kind"], found["priority"], found["labels"]) == ("From file", "bug", 0, ["a", "b"])
    assert (found["description"], found["notes"], found["status"]) == ("Why.", "N", "open")
    assert "status" in done.err  # what it says wrongly is told
    assert fields(repo, repo.create("Mine", "--from-file", "i.md"))["title"] == "Mine"
    refused(repo, 1, "create", "--from-file", "missing.md")


def test_a_parent_learns_of_a_new_child_and_hands_down_its_spec(repo: Clone) -> None:
    (repo.path / "docs").mkdir()
    (repo.path / "docs/plan.md").write_text("x")
    p = repo.create("P", "--spec", "docs/plan.md")
    a, b = repo.create("A", "--parent", p), repo.create("B", "--parent", p)
    found = fields(repo, p)
    assert found["child_order_hints"] == [repo.kernel.need(a), repo.kernel.need(b)] and found["version"] == 3
    assert fields(repo, a)["parent_id"] == found["id"] and fields(repo, a)["spec_path"] == "docs/plan.md"


def test_a_new_issue_waits_for_what_it_depends_on(repo: Clone) -> None:
    a, b = repo.create("A"), repo.create("B")
    x = repo.create("X", "--depends-on", a, "--depends-on", b, "--depends-on", a)
    edge = {"type": "blocks", "target": repo.kernel.need(x)}
    for blocker in (a, b):
        assert fields(repo, blocker)["dependencies"] == [edge] and fields(repo, blocker)["version"] == 2


def test_a_damaged_parent_or_blocker_is_said_and_nothing_is_written(repo: Clone) -> None:
    x = repo.create("X")
    repo.file(x).write_text("---\nid: [\n---\n")
    for option in ("--parent", "--depends-on"):
        assert repo.file(x).name in refused(repo, 1, "create", "T", option, x)


SPECS = [
    ("docs/plan.md", "docs/plan.md"),
    ("./docs/../docs/plan.md", "docs/plan.md"),
    ("plan.md", "docs/plan.md"),
    ("deep/other.md", "docs/deep/other.md"),
    ("twice.md", None),
    ("../outside.md", None),
    ("none.md", None),
]


def test_a_spec_is_found_in_the_project_and_kept_from_its_root(repo: Clone) -> None:
    for text, kept in SPECS:
        for rel in ("docs/plan.md", "docs/deep/other.md", "docs/a/twice.md", "docs/b/twice.md", "../outside.md"):
            (repo.path / rel).parent.mkdir(parents=True, exist_ok=True)
            (repo.path / rel).write_text("x")
        if kept is None:
            assert text in refused(repo, 2, "create", "T", "--spec", text)
        else:
            assert fields(repo, repo.create("T", "--spec", text))["spec_path"] == kept


def test_a_spec_is_taken_from_where_the_command_runs(repo: Clone) -> None:
    (repo.path / "docs").mkdir()
    (repo.path / "docs/plan.md").write_text("x")
    done = repo.run("create", "T", "--spec", "plan.md", "--json", cwd=repo.path / "docs")
    assert fields(repo, json.loads(done.out)["id"])["spec_path"] == "docs/plan.md"


# ids and times


def test_ids_grow_with_time_and_within_one_command(repo: Clone) -> None:
    ids = [repo.json("create", f"{n}")["internalId"] for n in range(4)]
    assert ids == sorted(ids)
    k = repo.kernel
    k.now_ms = lambda: 1_750_000_000_000
    fresh = [k.new_id() for _ in range(50)]
    assert fresh == sorted(set(fresh))
    k.now_ms = lambda: 1_600_000_000_000  # the clock goes back
    assert k.new_id() > fresh[-1]


def test_an_id_that_is_taken_is_tried_again(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:  # faults.md G3
    monkeypatch.setattr(common, "entropy", lambda n: b"\x07" * n)
    monkeypatch.setattr(common, "now_ms", lambda: 1_750_000_000_000)
    made = [repo.json("create", f"{n}") for n in range(4)]
    assert len({m["internalId"] for m in made}) == len({m["id"] for m in made}) == 4
    assert [fields(repo, m["id"])["title"] for m in made] == ["0", "1", "2", "3"]
    assert repo.run("list").err == ""  # no short id had to be repaired


def test_an_edit_is_later_than_what_it_edits_though_the_clock_went_back(repo: Clone) -> None:
    x = repo.create("T")
    before = fields(repo, x)["updated_at"]
    repo.clock.at -= 10 * 86_400_000
    repo.json("update", x, "--title", "U")
    first = fields(repo, x)["updated_at"]
    repo.json("update", x, "--title", "V")
    assert before < first < fields(repo, x)["updated_at"]


# update


def test_update_changes_one_field_and_counts_it(repo: Clone) -> None:
    x = repo.create("T", "-d", "body")
    before = fields(repo, x)
    assert repo.json("update", x, "--title", "U") == {"id": x, "updated": True}
    after = fields(repo, x)
    assert after["version"] == 2 and after["updated_at"] > before["updated_at"]
    assert {n for n in after if after[n] != before.get(n)} == {"title", "version", "updated_at"}


def test_update_takes_every_option(repo: Clone) -> None:
    x = repo.create("T", "-l", "old")
    repo.json(
        *("update", x, "--title", "U", "--status", "blocked", "--type", "epic", "--priority", "p0"),
        *("--assignee", "me", "--delegate", "you", "--hold", "paused", "-d", "D", "--notes", "N"),
        *("--due", "2026-12-01", "--defer", "2026-11-01 10:00", "--add-label", "new", "--remove-label", "old"),
    )
    found = fields(repo, x)
    wanted = {
        "title": "U",
        "status": "blocked",
        "kind": "epic",
        "priority": 0,
        "assignee": "me",
        "delegate": "you",
        "hold": "paused",
        "description": "D",
        "notes": "N",
        "due_date": "2026-12-01T00:00:00.000Z",
        "deferred_until": "2026-11-01T10:00:00.000Z",
        "labels": ["new"],
    }
    assert {n: found[n] for n in wanted} == wanted


def test_an_empty_text_clears_and_leaves_a_null(repo: Clone) -> None:
    x = repo.create("T", "-d", "D", "--assignee", "me", "--delegate", "you", "--due", "2026-12-01T00:00:00Z")
    repo.json("update", x, "--notes", "N", "--hold", "blocked")
    repo.json(
        *("update", x, "--assignee", "", "--delegate", "", "-d", "", "--notes", "", "--due", "", "--hold", "none"),
    )
    text = repo.file(x).read_text()
    assert all(f"\n{n}: null\n" in text for n in ("assignee", "delegate", "due_date", "hold"))
    assert text.endswith("\n---\n")


def test_a_description_and_notes_come_from_stdin_and_files(repo: Clone) -> None:
    x = repo.create("T")
    repo.json("update", x, "-d", "-", stdin="from stdin\n")
    (repo.path / "n.md").write_text("from a file\n")
    repo.json("update", x, "--notes-file", "n.md")
    found = fields(repo, x)
    assert (found["description"], found["notes"]) == ("from stdin", "from a file")
    refused(repo, 1, "update", x, "--notes", "a", "--notes-file", "n.md")


def test_an_update_without_options_still_counts(repo: Clone) -> None:  # tbd.md §13b.10: kept
    x = repo.create("T")
    assert repo.json("update", x) == {"id": x, "updated": True}
    assert fields(repo, x)["version"] == 2


def test_a_description_with_a_notes_heading_is_split_when_read(repo: Clone) -> None:  # tbd.md §13b.17: kept
    x = repo.create("T", "-d", "one\n\n## Notes\n\ntwo")
    assert (fields(repo, x)["description"], fields(repo, x)["notes"]) == ("one", "two")


def test_ids_yml_stands_in_string_order(repo: Clone) -> None:  # tbd.md §13b.16: kept
    for n in range(12):
        repo.create(f"{n}")
    keys = [line.split(":")[0].strip('"') for line in (repo.data / "mappings/ids.yml").read_text().splitlines()]
    assert keys == sorted(keys) and len(keys) == 12


def test_a_status_of_closed_sets_its_time_and_another_one_takes_it_away(repo: Clone) -> None:  # §13b.11: mended
    x = repo.create("T")
    repo.json("update", x, "--status", "closed")
    found = fields(repo, x)
    assert found["closed_at"] and found["close_reason"] is None and found["resolution"] is None
    repo.json("update", x, "--status", "in_progress")
    found = fields(repo, x)
    assert found["status"] == "in_progress" and found["closed_at"] is None and found["close_reason"] is None


def test_closing_by_status_ends_a_hold(repo: Clone) -> None:
    x = repo.create("T")
    repo.json("update", x, "--hold", "paused")
    repo.json("update", x, "--status", "closed")
    assert fields(repo, x)["hold"] is None


WRONG_CHANGES = [
    (("--title", " "), 2, "Title cannot be empty"),
    (("--status", "done"), 2, "Invalid status: done"),
    (("--type", "x"), 2, "Invalid type: x"),
    (("--priority", "x"), 2, "Invalid priority: x"),
    (("--hold", "x"), 2, "Invalid hold: x"),
    (("--due", "someday"), 2, "Invalid --due value: someday"),
    (("--defer", "2026-02-30"), 2, "Invalid --defer value"),
    (("--parent", "test-zzzz"), 2, "Invalid parent ID"),
    (("--child-order", "test-zzzz"), 1, "Issue not found: test-zzzz"),
    (("--from-file", "nothing"), 1, "Failed to read file"),
    (("--spec", "nothing.md"), 2, "Invalid spec path"),
]


def test_update_refuses_what_is_wrong_and_writes_nothing(repo: Clone) -> None:
    for argv, code, words in WRONG_CHANGES:
        x = repo.create("T")
        assert words in refused(repo, code, "update", x, *argv)


def test_a_hold_on_a_closed_issue_is_refused(repo: Clone) -> None:
    x = repo.create("T")
    repo.json("close", x)
    assert "hold" in refused(repo, 1, "update", x, "--hold", "paused")


def test_update_from_a_file_sets_its_fields_and_replaces_the_body(repo: Clone) -> None:
    x = repo.create("T", "-d", "old", "-l", "keep")
    repo.json("update", x, "--notes", "old notes")
    (repo.path / "i.md").write_text("---\ntitle: New\npriority: 9\nassignee: me\n---\nbody\n")
    done = repo.run("update", x, "--from-file", "i.md")
    found = fields(repo, x)
    assert (found["title"], found["assignee"], found["priority"]) == ("New", "me", 2) and "priority" in done.err
    assert found["description"] == "body" and "notes" not in found and found["labels"] == ["keep"]


def test_a_dry_update_says_what_it_would_do(repo: Clone) -> None:
    x = repo.create("T")
    before = data(repo)
    said = repo.json("update", x, "--priority", "P1", "--dry-run")
    assert said == {"dryRun": True, "action": "Would update issue", "id": x, "priority": 1}
    assert data(repo) == before


# parents


def test_a_new_parent_learns_of_the_child_and_the_old_one_forgets_it(repo: Clone) -> None:
    p, q = repo.create("P"), repo.create("Q")
    x = repo.create("X", "--parent", p)
    own = repo.kernel.need(x)
    repo.json("update", x, "--parent", q)
    assert fields(repo, p)["child_order_hints"] == [] and fields(repo, q)["child_order_hints"] == [own]
    repo.json("update", x, "--parent", "")
    assert fields(repo, q)["child_order_hints"] == [] and fields(repo, x)["parent_id"] is None


def test_an_old_parent_that_is_gone_or_damaged_does_not_stop_the_move(repo: Clone) -> None:
    for break_it in (lambda path: path.unlink(), lambda path: path.write_text("---\n[\n---\n")):
        p, q = repo.create("P"), repo.create("Q")
        x = repo.create("X", "--parent", p)
        break_it(repo.file(p))
        assert repo.run("update", x, "--parent", q).code == 0
        assert fields(repo, x)["parent_id"] == repo.kernel.need(q)


def test_an_issue_is_not_its_own_ancestor_and_the_ring_is_named(repo: Clone) -> None:
    a = repo.create("A")
    b = repo.create("B", "--parent", a)
    c = repo.create("C", "--parent", b)
    words = refused(repo, 2, "update", a, "--parent", c)
    assert f"{c} -> {b} -> {a}" in words
    assert "ancestor" in refused(repo, 2, "update", a, "--parent", a)


def test_parents_are_at_most_ten_deep(repo: Clone) -> None:
    at = repo.create("0")
    for n in range(1, 11):
        at = repo.create(f"{n}", "--parent", at)
    assert "10 deep" in refused(repo, 2, "create", "x", "--parent", at)
    x = repo.create("x")
    assert "10 deep" in refused(repo, 2, "update", x, "--parent", at)


def test_a_spec_spreads_to_children_that_had_none_or_the_same(repo: Clone) -> None:
    (repo.path / "docs").mkdir()
    for name in ("one.md", "two.md", "own.md"):
        (repo.path / f"docs/{name}").write_text("x")
    p = repo.create("P")
    bare, own = repo.create("bare", "--parent", p), repo.create("own", "--parent", p, "--spec", "docs/own.md")
    repo.json("update", p, "--spec", "docs/one.md")
    assert [fields(repo, x)["spec_path"] for x in (bare, own)] == ["docs/one.md", "docs/own.md"]
    repo.json("update", p, "--spec", "docs/two.md")
    assert [fields(repo, x)["spec_path"] for x in (bare, own)] == ["docs/two.md", "docs/own.md"]
    repo.json("update", p, "--spec", "")
    assert [fields(repo, x)["spec_path"] for x in (p, bare, own)] == [None, None, "docs/own.md"]


def test_a_child_without_a_spec_takes_its_new_parents(repo: Clone) -> None:
    (repo.path / "plan.md").write_text("x")
    p, x = repo.create("P", "--spec", "plan.md"), repo.create("X")
    repo.json("update", x, "--parent", p)
    assert fields(repo, x)["spec_path"] == "plan.md"


def test_the_order_of_children_is_set_and_cleared(repo: Clone) -> None:
    p = repo.create("P")
    a, b = repo.create("A", "--parent", p), repo.create("B", "--parent", p)
    repo.json("update", p, "--child-order", f"{b}, {a}")
    assert fields(repo, p)["child_order_hints"] == [repo.kernel.need(b), repo.kernel.need(a)]
    repo.json("update", p, "--child-order", "")
    assert fields(repo, p)["child_order_hints"] is None


# files edited by hand

HAND = "# why it is so\ntitle: 'T'  # short\n"


@pytest.mark.parametrize(
    "argv, changed",
    [
        (("update", "ID", "--priority", "0"), {"priority"}),
        (("label", "add", "ID", "x"), {"labels"}),
        (("close", "ID"), {"status", "closed_at", "close_reason", "resolution", "duplicate_of"}),
        (("start", "ID", "--as", "me"), {"status", "delegate", "hold", "hold_until", "started_at"}),
        (("pause", "ID"), {"hold", "hold_until"}),
        (("ref", "add", "ID", "https://example.com/x"), {"refs"}),
        (("doc", "add", "ID", "docs/x.md"), {"docs"}),
    ],
)
def test_a_file_edited_by_hand_keeps_what_was_not_changed(
    repo: Clone, argv: tuple[str, ...], changed: set[str]
) -> None:
    x = repo.create("T", "-d", "body")
    text = by_hand(repo, x, "title: T\n", HAND)
    text = by_hand(repo, x, "---\nbody\n", 'zz_mine: {a: 1, b: "two"}\n---\n\n  body   \n\n\n* odd\n')
    repo.json(*(x if a == "ID" else a for a in argv))
    after = repo.file(x).read_text()
    counted = changed | {"version", "updated_at"}
    kept = [line for line in text.splitlines() if line.split(":")[0] not in counted]
    left = [line for line in after.splitlines() if line.split(":")[0] not in counted and line[:2] != "  "]
    assert [line for line in kept if line[:2] != "  "] == left
    assert after.endswith('zz_mine: {a: 1, b: "two"}\n---\n\n  body   \n\n\n* odd\n') and HAND in after


def test_unknown_keys_and_their_order_survive(repo: Clone) -> None:
    x = repo.create("T")
    by_hand(repo, x, "dependencies: []\n", "dependencies: []\nzz:\n  b: 1\n  a:\n    - x\n")
    repo.json("update", x, "--title", "U")
    assert repo.file(x).read_text().endswith("zz:\n  b: 1\n  a:\n    - x\n---\n")


def test_line_ends_become_tbds_when_something_is_changed(repo: Clone) -> None:
    x = repo.create("T", "-d", "one\ntwo")
    path = repo.file(x)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert repo.json("show", x)["description"] == "one\ntwo"
    assert b"\r\n" in path.read_bytes()  # looking changes nothing
    repo.json("update", x, "--priority", "1")
    assert b"\r" not in path.read_bytes()


def test_what_clients_of_an_older_stamp_would_drop_is_refused_by_name(repo: Clone) -> None:
    config = repo.path / ".tbd/config.yml"
    config.write_text(config.read_text().replace("tbd_format: f08", "tbd_format: f04"))
    x = repo.create("T")
    for argv in (("--hold", "paused"), ("--delegate", "me")):
        assert "f08" in refused(repo, 1, "update", x, *argv)
    assert "delegate needs format f08" in refused(repo, 1, "create", "T", "--delegate", "me")
    assert repo.run("update", x, "--assignee", "me").code == 0


def test_a_short_id_asked_for_is_given_when_it_is_free(repo: Clone) -> None:
    k = repo.kernel
    with k.writing():
        assert k.give_short("is-01jxt7d5r0000000000000000a", "mine") == "mine"
        assert k.give_short("is-01jxt7d5r0000000000000000b", "mine") != "mine"
        assert k.give_short("is-01jxt7d5r0000000000000000c", "not/one") != "not/one"


def test_writers_tell_lock_free_readers(repo: Clone, at: Callable[[Path], Clone]) -> None:
    epoch = Path(repo.kernel.repo.shared) / "data-sync.epoch"
    k = repo.kernel
    with k.writing():
        during = epoch.read_text()
    assert during.startswith("active:") and epoch.read_text() == during.replace("active:", "quiescent:")
    before = epoch.read_text()
    repo.json("list")
    assert epoch.read_text() == before


def test_a_clock_of_its_own_serves_every_command(repo: Clone) -> None:
    assert isinstance(common.now_ms, Clock)
    x = repo.create("T")
    assert fields(repo, x)["created_at"].startswith("2025-06-15T")
    assert setup.config_get(repo.kernel, "display.id_prefix") == "test"

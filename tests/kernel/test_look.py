"""show, list, ready, blocked, stale, search, stats: what tbd prints, and nothing written."""

from __future__ import annotations

import json
from typing import Any

from conftest import Clone
from tbdx.core import codec


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def data(repo: Clone) -> dict[str, bytes]:
    return {str(p.relative_to(repo.data)): p.read_bytes() for p in sorted(repo.data.rglob("*")) if p.is_file()}


def set_by_hand(repo: Clone, shown: str, **changes: Any) -> None:
    path = repo.file(shown)
    issue = codec.parse(path.read_text())
    path.write_text(codec.render(issue | changes))


# show


def test_show_gives_the_issue_in_tbds_order_with_its_parent(repo: Clone) -> None:
    p = repo.create("P")
    x = repo.create("X", "--parent", p, "-d", "D", "-l", "l", "--assignee", "me")
    shown = repo.json("show", x)
    assert list(shown) == (
        "type id version created_at updated_at title kind status priority description assignee labels dependencies"
        " parent_id displayId parent"
    ).split(" ")
    assert shown["displayId"] == x and shown["parent"]["displayId"] == p and shown["parent"]["title"] == "P"
    assert "parent" not in repo.json("show", x, "--no-parent")


def test_show_of_several_is_a_list_without_parents(repo: Clone) -> None:
    p = repo.create("P")
    x = repo.create("X", "--parent", p)
    rows = repo.json("show", x, p, x)
    assert [r["displayId"] for r in rows] == [x, p] and "parent" not in rows[0]


def test_show_steps_over_unknown_ids_on_request(repo: Clone) -> None:
    x = repo.create("X")
    assert repo.json("show", "test-zzzz", "--ignore-missing") is None
    done = repo.run("show", x, "test-zzzz", "--ignore-missing", "--json")
    assert [r["displayId"] for r in json.loads(done.out)] == [x] and "Not found: test-zzzz" in done.err
    assert repo.run("show", x, "test-zzzz").code == 1


def test_show_prints_the_file_with_what_waits_for_what(repo: Clone) -> None:
    x, y = repo.create("X", "-d", "body"), repo.create("Y")
    repo.json("dep", "add", y, x)
    out = repo.run("show", x).out
    assert "\npriority: P2\n" in out and f"\n# Blocks: {y}\n" in out and out.endswith("\n---\nbody\n")
    assert f"# Blocked by: {x}" in repo.run("show", y).out


def test_show_gives_the_parent_below_and_the_children_in_order(repo: Clone) -> None:
    p = repo.create("P")
    a, b = repo.create("A", "--parent", p), repo.create("B", "--parent", p)
    repo.json("update", p, "--child-order", f"{b},{a}")
    assert "The parent of this bead is:\n---\n" in repo.run("show", a).out
    out = repo.run("show", p, "--show-order").out
    assert out.index(b) < out.index(a, out.index("Children"))
    assert "lines omitted" in repo.run("show", p, "--max-lines", "3").out


FORMS = ["{x}", "{X}", "{short}", "{internal}", "{ulid}", "other-{short}", " {x} "]


def test_an_issue_is_named_in_every_form_that_tbd_takes(repo: Clone) -> None:
    for form in FORMS:
        x = repo.create("X")
        internal = repo.kernel.need(x)
        text = form.format(x=x, X=x.upper(), short=x[5:], internal=internal, ulid="test-" + internal[3:])
        done = repo.run("show", text, "--json")
        assert json.loads(done.out)["displayId"] == x
        assert ("read as" in done.err) == text.startswith("other-")


def test_a_near_miss_is_answered_with_suggestions(repo: Clone) -> None:
    x = repo.create("X")
    wrong = x[:-1] + ("a" if x[-1] != "a" else "b")
    err = repo.run("show", wrong).err
    assert f"Issue not found: {wrong}" in err and f"Did you mean: {x}? (`tbd search <text>` finds" in err


def test_a_damaged_file_is_named_where_it_is_asked_for(repo: Clone) -> None:
    x = repo.create("X")
    repo.file(x).write_text(repo.file(x).read_text().replace("kind: task", "kind: story"))
    done = repo.run("show", x)
    assert done.code == 1 and f"{repo.file(x).name}:5" in done.err and "kind" in done.err


# list


def test_list_hides_closed_ones_unless_asked(repo: Clone) -> None:
    a, b = repo.create("a"), repo.create("b")
    repo.json("close", b)
    assert ids(repo.json("list")) == [a] and ids(repo.json("list", "--status", "closed")) == [b]
    assert ids(repo.json("list", "--all")) == [a, b]
    assert repo.json("list", "--all", "--count") == {"count": 2} and repo.run("list", "--count").out == "1\n"


def test_a_row_has_tbds_keys_in_tbds_order(repo: Clone) -> None:
    (repo.path / "s.md").write_text("x")
    p = repo.create("p")
    x = repo.create("x", "--parent", p, "-d", "D", "--assignee", "me", "--spec", "s.md")
    top, row = repo.json("list")
    assert (
        list(row) == "id internalId parentId priority status kind title description assignee labels spec_path".split()
    )
    assert row["parentId"] == p and row["id"] == x
    assert list(top)[-1] == "child_order_hints" and "parentId" not in top


def test_filters_are_joined(repo: Clone) -> None:
    p = repo.create("p")
    a = repo.create("a", "-t", "bug", "-p", "0", "-l", "x", "-l", "y", "--assignee", "me", "--parent", p)
    repo.create("b", "-t", "bug", "-p", "0", "-l", "x", "--assignee", "me", "--parent", p)
    argv = ("--type", "bug", "--priority", "P0", "--label", "x", "--label", "y", "--assignee", "me", "--parent", p)
    assert ids(repo.json("list", *argv)) == [a]


def test_what_no_issue_can_be_selects_nothing_or_everything_as_in_tbd(repo: Clone) -> None:  # §13b.19: kept
    x = repo.create("x")
    for argv in (("--status", "bogus"), ("--type", "bogus"), ("--parent", "test-zzzz")):
        assert repo.json("list", *argv) == []
    for argv in (("--priority", "bogus"), ("--sort", "bogus"), ("--limit", "0"), ("--limit", "x")):
        assert ids(repo.json("list", *argv)) == [x]


def test_deferred_ones_are_listed_and_those_before_a_date(repo: Clone) -> None:  # §13b.5: mended
    a = repo.create("a", "--defer", "2026-01-01T00:00:00Z")
    b = repo.create("b")
    repo.json("update", b, "--status", "deferred")
    assert ids(repo.json("list", "--deferred")) == [b]
    assert ids(repo.json("list", "--defer-before", "2026-01-02")) == [a]
    assert repo.json("list", "--defer-before", "2026-01-01") == []
    assert repo.run("list", "--defer-before", "x").code == 2


def test_the_order_is_as_asked_and_the_limit_cuts(repo: Clone) -> None:
    a, b, c = repo.create("a"), repo.create("b", "-p", "0"), repo.create("c")
    repo.json("update", a, "--title", "A")
    assert ids(repo.json("list")) == [b, a, c]
    assert ids(repo.json("list", "--sort", "created")) == [c, b, a]
    assert ids(repo.json("list", "--sort", "updated", "--limit", "2")) == [a, c]


def test_a_spec_selects_by_tail(repo: Clone) -> None:
    (repo.path / "docs").mkdir()
    (repo.path / "docs/s.md").write_text("x")
    x = repo.create("x", "--spec", "docs/s.md")
    repo.create("y")
    for wanted in ("docs/s.md", "s.md"):
        assert ids(repo.json("list", "--spec", wanted)) == [x]


def test_a_table_has_tbds_columns(repo: Clone) -> None:
    assert repo.run("list").out == "No issues found\n"
    x = repo.create("T", "-d", "one\ntwo")
    assert repo.run("list").out == (
        f"{'ID':<12}{'PRI':<5}{'STATUS':<16}TITLE\n{x:<12}P2   ○ open          [task] T\n\n1 issue(s)\n"
    )
    assert "      one\n      two\n" in repo.run("list", "--long").out


def test_a_tree_and_groups_by_spec(repo: Clone) -> None:
    (repo.path / "s.md").write_text("x")
    p = repo.create("P", "--spec", "s.md")
    a, b = repo.create("A", "--parent", p), repo.create("B", "--parent", p)
    lines = repo.run("list", "--pretty").out.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [[p, "P2"], ["├──", a], ["└──", b]]
    repo.create("other")
    out = repo.run("list", "--specs").out
    assert "s.md\n" in out and "(no spec)\n" in out and out.endswith("4 issue(s)\n")


def test_one_bad_file_does_not_hide_the_others_and_is_said_once(repo: Clone) -> None:
    x, y = repo.create("x"), repo.create("y")
    repo.file(y).write_bytes(b"\0" * 10)
    done = repo.run("list", "--json")
    assert ids(json.loads(done.out)) == [x]
    assert json.loads(done.err) == {"warning": f"Skipping invalid issue file: {repo.file(y).name}:1: NUL bytes"}
    assert repo.run("list").err == f"Skipping invalid issue file: {repo.file(y).name}:1: NUL bytes\n"
    assert repo.file(y).read_bytes() == b"\0" * 10


# what to do


def test_ready_leaves_out_what_is_claimed_held_deferred_or_waiting(repo: Clone) -> None:  # §13b.15: mended
    a, b, c, d, e = (repo.create(t) for t in "abcde")
    f = repo.create("f", "--defer", "2030-01-01T00:00:00Z")
    g = repo.create("g", "-d", "D", "-t", "bug", "--assignee", "me")
    repo.json("start", a)
    repo.json("pause", b)
    repo.json("close", c)
    repo.json("dep", "add", d, e)
    rows = repo.json("ready")
    assert ids(rows) == [e, g] and f not in ids(rows)
    assert list(rows[1]) == ["id", "priority", "status", "kind", "title", "description"]
    assert ids(repo.json("ready", "--type", "bug")) == [g] and ids(repo.json("ready", "--limit", "1")) == [e]
    assert repo.run("ready", "--type", "x").code == 2
    repo.json("close", e)
    assert d in ids(repo.json("ready"))
    assert "D" in repo.run("ready", "--long").out


def test_below_f08_a_claim_is_an_assignee(repo: Clone) -> None:
    repo.create("a", "--assignee", "me")
    b = repo.create("b")
    config = repo.path / ".tbd/config.yml"
    config.write_text(config.read_text().replace("tbd_format: f08", "tbd_format: f04"))
    assert ids(repo.json("ready")) == [b]


def test_blocked_names_the_blockers(repo: Clone) -> None:
    a = repo.create("a very long title of a blocker")
    b, c = repo.create("b"), repo.create("c")
    repo.json("dep", "add", b, a)
    repo.json("update", c, "--status", "blocked")
    rows = repo.json("blocked")
    assert [(r["id"], r["blockedBy"]) for r in rows] == [
        (b, [f"{a} ○ a very long title..."]),
        (c, ["(explicitly blocked)"]),
    ]
    assert ids(repo.json("blocked", "--limit", "1")) == [b]
    assert f"blocked by: {a}" in repo.run("blocked").out


def test_stale_counts_days_from_the_clock(repo: Clone) -> None:
    a, b = repo.create("a"), repo.create("b")
    set_by_hand(repo, a, updated_at="2025-06-01T00:00:00.000Z")
    assert repo.json("stale") == [{"id": a, "days": 14, "status": "open", "title": "a"}]
    assert ids(repo.json("stale", "--days", "0")) == [a, b] and repo.json("stale", "--days", "15") == []
    repo.json("close", b)
    assert ids(repo.json("stale", "--days", "0", "--status", "closed,open")) == [a, b]
    for argv in (("--days", "x"), ("--days", "-1"), ("--status", "x")):
        assert repo.run("stale", *argv).code == 2
    assert repo.run("stale").out.splitlines()[1].split() == [a, "14", "open", "a"]


def test_search_goes_over_all_issues_in_file_order(repo: Clone) -> None:
    a, b = repo.create("needle a", "-p", "4"), repo.create("b", "-d", "a Needle here")
    repo.json("close", a)
    rows = repo.json("search", "needle")
    assert [(r["id"], r["matchField"], r["match"]) for r in rows] == [
        (a, "title", "needle a"),
        (b, "description", "a Needle here"),
    ]
    assert ids(repo.json("search", "Needle", "--case-sensitive")) == [b]
    assert ids(repo.json("search", "needle", "--status", "open")) == [b]
    assert ids(repo.json("search", "needle", "--field", "title")) == [a]
    assert repo.json("search", "needle", "--field", "bogus") == []
    assert ids(repo.json("search", "needle", "--limit", "1")) == [a]
    assert 'No issues match "zzz"' in repo.run("search", "zzz").out
    assert repo.run("search", "needle").out.startswith("Found 2 results:\n\n")


def test_stats_are_counted_over_everything(repo: Clone) -> None:
    a = repo.create("a", "-t", "bug")
    repo.create("b", "-p", "0")
    repo.json("close", a)
    found = repo.json("stats")
    assert (found["total"], found["active"], found["closed"]) == (2, 1, 1)
    assert found["byKindClosed"]["bug"] == 1 and found["byPriorityActive"]["0"] == 1
    assert "in_progress" in repo.run("stats").out


def test_looking_writes_nothing_and_takes_no_lock(repo: Clone) -> None:
    x = repo.create("x")
    k = repo.kernel
    before = data(repo)
    with k.writing():  # somebody else is at it
        for argv in (("list",), ("show", x), ("ready",), ("blocked",), ("stale",), ("search", "x"), ("stats",)):
            assert repo.run(*argv).code == 0
    assert data(repo) == before

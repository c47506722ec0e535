"""Wrong ids and values, command by command: tbd's exit code and words, a suggestion, and nothing written."""

from __future__ import annotations

import itertools
import json

import pytest

from conftest import Clone
from damage import kept, one_error, refused

# every way to name one issue; ? stands for the id
ON_ONE_ID = (
    "show ?",
    "show ? --show-order",
    "update ? --priority 1",
    "start ?",
    "pause ?",
    "resume ?",
    "close ?",
    "reopen ?",
    "edit ?",
    "dep list ?",
    "dep add ? {b}",
    "dep add {b} ?",
    "dep remove ? {b}",
    "dep remove {b} ?",
    "label add ? x",
    "label remove ? x",
    "ref add ? https://example.com/1",
    "ref rm ? https://example.com/1",
    "doc add ? a.md",
    "doc rm ? a.md",
    "changes --since tbd-sync --bead ?",
    "update {a} --child-order {b},?",
    "wk get ?",
)


@pytest.fixture
def two(repo: Clone) -> tuple[Clone, str, str]:
    """A repository with two issues."""
    return repo, repo.create("First"), repo.create("Second")


def line(text: str, a: str, b: str, unknown: str = "") -> list[str]:
    return [word.format(a=a, b=b).replace("?", unknown) for word in text.split(" ")]


def test_an_unknown_id_is_an_error_and_nothing_is_written(two: tuple[Clone, str, str]) -> None:
    repo, a, b = two
    for text in ON_ONE_ID:
        said = refused(repo, *line(text, a, b, "test-zz99zz"), code=1, says="Issue not found: test-zz99zz")
        assert "Did you mean" not in said


def test_a_near_miss_is_suggested(two: tuple[Clone, str, str]) -> None:
    repo, a, b = two
    near = a[:-1] + ("0" if a[-1] != "0" else "1")
    for text in ("show ?", "close ?", "update ? --priority 1", "dep add {b} ?", "label add ? x"):
        said = refused(repo, *line(text, a, b, near), code=1, says=f"Issue not found: {near}")
        assert f"Did you mean: {a}? (`tbd search <text>` finds issues by content or ID)" in said


def test_an_unknown_id_as_an_option_is_a_wrong_value(two: tuple[Clone, str, str]) -> None:
    repo, a, b = two
    for text, says in (
        ("create New --parent ?", "Invalid parent ID: nope"),
        ("create New --depends-on {a} --depends-on ?", "Invalid --depends-on ID: nope"),
        ("update {a} --parent ?", "Invalid parent ID: nope"),
        ("close {a} --duplicate-of ?", "Invalid --duplicate-of ID: nope"),
    ):
        refused(repo, *line(text, a, b, "nope"), code=2, says=says)


IDS_THAT_LEAD_ELSEWHERE = (
    "../../../etc/passwd",
    "is-../../../../x",
    "test-../x",
    "/etc/passwd",
    "is-01aaaaaaaaaaaaaaaaaaaaaaa/",
    ".",
    "..",
    "",
    " ",
    "a\nb",
    "\x1b[31m",
    "is-" + "8" * 26,
    "x" * 5000,
    "%2e%2e%2f",
    "～",
    "İ",
)


def test_an_id_that_leads_elsewhere_is_only_unknown(two: tuple[Clone, str, str]) -> None:
    repo, before = two[0], kept(two[0])
    commands = ([["show"], []], [["close"], []], [["label", "add"], ["x"]])
    for text, (command, more) in itertools.product(IDS_THAT_LEAD_ELSEWHERE, commands):
        done = repo.run(*command, text, *more, "--json")
        assert done.code == 1, (text, done)
        said = one_error(done)
        assert said["code"] == "not_found" and said["error"].startswith("Issue not found: "), said
    assert kept(repo) == before


BAD_VALUES = (
    # create
    ("create", "Title is required"),
    ("create|", "Title cannot be empty"),
    ("create|   ", "Title cannot be empty"),
    ("create|New|--type|story", "Invalid type: story. Must be: bug, feature, task, epic, chore"),
    ("create|New|--priority|5", "Invalid priority: 5. Use P0-P4 or 0-4."),
    ("create|New|--priority|-1", "Invalid priority: -1"),
    ("create|New|--priority|high", "Invalid priority: high"),
    ("create|New|--spec|no/such.md", "Invalid spec path: no/such.md"),
    ("create|New|--spec|../../outside.md", "Invalid spec path: ../../outside.md"),
    # update
    ("update|{a}|--title|", "Title cannot be empty"),
    ("update|{a}|--status|doing", "Invalid status: doing"),
    ("update|{a}|--type|story", "Invalid type: story"),
    ("update|{a}|--priority|P9", "Invalid priority: P9"),
    ("update|{a}|--due|soon", "Invalid --due value: soon"),
    ("update|{a}|--due|2026-02-30", "Invalid --due value: 2026-02-30"),
    ("update|{a}|--defer|2026-13-01", "Invalid --defer value"),
    ("update|{a}|--hold|on", "Invalid hold: on. Expected blocked, paused, or none."),
    ("update|{a}|--parent|{a}", "cycle"),
    ("update|{a}|{b}|--title|x", "--title cannot be given to several issues"),
    ("update|{a}|{b}", "Nothing to change was given"),
    ("update|{a}|--spec|no.md", "Invalid spec path: no.md"),
    # links
    ("dep|add|{a}|{a}", "Issue cannot depend on itself"),
    ("label|add|{a}|", "A label cannot be empty"),
    ("ref|add|{a}|ftp://example.com/x", "Not an absolute http(s) URL"),
    ("ref|add|{a}|/pull/1", "Not an absolute http(s) URL"),
    ("ref|add|{a}|https://", "Not an absolute http(s) URL"),
    ("ref|add|{a}|https://a.example|https://b.example|--title|x", "--title goes with one item only"),
    ("doc|add|{a}|https://example.com/x.md", "Not a path"),
    ("doc|add|{a}|", "Not a path"),
    # bulk verbs
    ("close|{a}|--as|done", "Invalid resolution: done. Must be: completed, canceled, duplicate"),
    ("close|{a}|--as|duplicate", "--as duplicate and --duplicate-of <id> go together"),
    ("close|{a}|--duplicate-of|{a}", "An issue cannot be a duplicate of itself"),
    ("pause|{a}|--until|later", "Invalid --until value: later"),
    # queries
    ("list|--defer-before|soon", "Invalid --defer-before value: soon"),
    ("ready|--type|story", "Invalid type: story"),
    ("stale|--days|some", "Invalid days: some"),
    ("stale|--days|-1", "Invalid days: -1"),
    ("stale|--status|open,doing", "Invalid status: doing"),
    ("changes", "required option '--since <commit>' not specified"),
    ("changes|--since|tbd-sync|--all|--label|x", "do not go together"),
    ("sync|--push|--pull", "Use either --push or --pull"),
    ("sync|--push|--docs", "--push is about issues"),
    # attic, workspaces
    ("attic|list|--since|soon", "Invalid --since value: soon"),
    ("save", "Exactly one of --workspace, --dir and --outbox is needed"),
    ("save|--workspace|a|--outbox", "Exactly one of"),
    ("save|--workspace|../x", "Invalid workspace name: ../x"),
    ("save|--workspace|-x", "Invalid workspace name: -x"),
    ("save|--workspace|/x", "Invalid workspace name: /x"),
    ("save|--workspace|", "Invalid workspace name"),
    ("import|--workspace|..", "Invalid workspace name: .."),
    ("workspace|delete|..", "Invalid workspace name: .."),
    ("workspace|delete|a/b", "Invalid workspace name: a/b"),
    # settings
    ("config|get|no.such", "Unknown key: no.such"),
    ("config|set|no.such|1", "Unknown key: no.such"),
    ("config|set|display.id_prefix|1x", "Invalid prefix"),
    ("config|set|sync.branch|a..b", "Invalid sync.branch"),
    ("config|set|--|sync.branch|--upload-pack=x", "Invalid sync.branch"),
    ("config|set|sync.remote|ext::sh", "Invalid sync.remote"),
    ("init", "The --prefix option is required"),
    ("init|--prefix|Bad", "Invalid prefix format"),
    ("init|--prefix|../x", "Invalid prefix format"),
    ("init|--prefix|a", "Unusual prefix: a"),
    ("--color|sometimes|list", "--color takes auto, always or never"),
    ("wk|query|priority <", ""),
)


def test_a_wrong_value_exits_2_and_nothing_is_written(two: tuple[Clone, str, str]) -> None:
    repo, a, b = two
    for text, says in BAD_VALUES:
        refused(repo, *[word.format(a=a, b=b) for word in text.split("|")], code=2, says=says)


WRONG_ALL_THE_SAME = (
    ("create|New|--due|2026-12-01", "due_date: Invalid datetime"),
    ("create|New|--defer|tomorrow", "deferred_until: Invalid datetime"),
    ("create|" + "x" * 501, "title: Expected text of 1 to 500 characters"),
    ("create|New|-d|" + "x" * 50_001, "description: must be text of at most 50000 characters"),
    ("update|{a}|--notes|" + "x" * 50_001, "notes: must be text of at most 50000 characters"),
    ("create|New|-d|x|--file|y", "Use either --description or --file, not both."),
    ("create|New|--file|no-such-file", "Failed to read --file: no-such-file"),
    ("create|--from-file|no-such-file", "Failed to read file: no-such-file"),
    ("update|{a}|--from-file|no-such-file", "Failed to read file: no-such-file"),
    ("update|{a}|--notes-file|.", "Failed to read --notes-file"),
    ("close|{a}|--reason-file|no-such-file", "Failed to read --reason-file"),
    ("reopen|{a}", "is not closed (status: open)"),
    ("changes|--since|nonsense", "Invalid or missing commit nonsense"),
    ("changes|--since|--output=x", "Invalid or missing commit --output=x"),
    ("attic|show|{a}|never", "Attic entry not found"),
    ("attic|restore|{a}|never", "Attic entry not found"),
    ("attic|list|test-zz99zz", "Unknown issue ID: test-zz99zz"),
    ("workspace|delete|nope", "Workspace not found: nope"),
    ("import|no-such-file.jsonl", "no-such-file.jsonl"),
    ("init|--prefix|again", "tbd is already initialized in this directory"),
)


def test_what_cannot_be_done_exits_1_and_nothing_is_written(two: tuple[Clone, str, str]) -> None:
    repo, a, b = two
    for text, says in WRONG_ALL_THE_SAME:
        refused(repo, *[word.format(a=a, b=b) for word in text.split("|")], code=1, says=says)


def test_one_unknown_id_among_several_stops_all(two: tuple[Clone, str, str]) -> None:
    repo, a, b = two
    for command in ("close", "reopen", "start", "pause", "resume", "show", "update --priority 1"):
        verb, *more = command.split(" ")
        refused(repo, verb, a, "nope1", b, "nope2", *more, code=1, says="Issue not found: nope1, nope2")


def test_a_wrong_value_for_one_of_several_stops_all(two: tuple[Clone, str, str]) -> None:
    repo, a, b = two
    path = repo.file(b)
    path.write_text(path.read_text().replace("version: 1", "version: one"))
    refused(repo, "close", a, b, code=1, says="version: Expected a whole number")
    refused(repo, "update", a, b, "--priority", "0", code=1, says="version: Expected a whole number")
    refused(repo, "dep", "add", a, b, code=1, says="version: Expected a whole number")


def test_ignore_missing_steps_over_unknown_ids(two: tuple[Clone, str, str]) -> None:
    repo, a, b = two
    for verb, more, done in (("update", ["--priority", "0"], 2), ("pause", [], 2), ("resume", [], 2), ("close", [], 2)):
        answer = repo.json(verb, a, "nope", b, *more, "--ignore-missing")
        assert answer["summary"] == {"changed": done, "skipped": 0, "missing": 1, "failed": 0, "total": 3}, verb
        assert answer["results"][1] == {"id": "nope", "action": "missing", "ok": False, "skippedReason": "not found"}
    assert [x["displayId"] for x in repo.json("show", a, "nope", "--ignore-missing")] == [a]
    assert repo.json("show", "nope", "--ignore-missing") is None


USAGE = (
    "nonsense",
    "lst",
    "show",
    "update",
    "dep",
    "dep add",
    "dep nonsense x",
    "label add x",
    "create a b",
    "list --nonsense",
    "search",
    "attic show x",
    "config set x",
    "workspace delete",
    "wk get",
)


def test_a_wrong_command_line_exits_2_with_one_line_of_json(repo: Clone) -> None:
    before = kept(repo)
    for text in USAGE:
        plain = repo.run(*text.split(" "))
        assert (plain.code, plain.out) == (2, "") and plain.err and "Traceback" not in plain.err, (text, plain)
        done = repo.run(*text.split(" "), "--json")
        assert done.code == 2 and one_error(done)["code"] == "usage", text
    assert kept(repo) == before


def test_an_unknown_command_is_told_the_nearest(repo: Clone) -> None:
    assert "did you mean list" in repo.run("lst").err
    assert "'--priority'" in repo.run("list", "--priorty", "1").err


def test_notices_before_a_json_error_are_json_too(two: tuple[Clone, str, str]) -> None:
    repo, a, b = two
    (repo.data / "mappings/ids.yml").write_text("nonsense\n")
    done = repo.run("show", "test-nope", "--json")
    rows = [json.loads(x) for x in done.err.splitlines()]
    assert len(rows) > 1 and all("notice" in row for row in rows[:-1])
    assert one_error(done)["code"] == "not_found"

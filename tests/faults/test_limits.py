"""How much commands put into one issue (faults.md S18), and that a file which holds more is served all the same."""

from __future__ import annotations

import json
import re

import pytest

from conftest import Clone
from damage import kept, put_issue, refused, ulid
from kernel.test_sync import Clones, fields, settle, sync
from tbdx.core.entity import BODY_MAX, DEPENDENCIES_MAX, LABEL_MAX, LABELS_MAX, TITLE_MAX, overgrown


def labels(n: int) -> list[str]:
    return [f"l{i}" for i in range(n)]


def edges(n: int) -> list[dict[str, str]]:
    return [{"type": "blocks", "target": f"is-{ulid(1000 + i)}"} for i in range(n)]


def options(texts: list[str], option: str = "-l") -> list[str]:
    return [part for text in texts for part in (option, text)]


@pytest.mark.parametrize("option, most", [("--title", TITLE_MAX), ("--description", BODY_MAX), ("--notes", BODY_MAX)])
def test_a_text_may_be_as_long_as_its_limit_and_no_longer(repo: Clone, option: str, most: int) -> None:
    one = repo.create("One")
    for n in (most - 1, most):
        assert repo.run("update", one, option, "x" * n).code == 0
        assert len(repo.json("show", one)[option[2:]]) == n
    refused(repo, "update", one, option, "x" * (most + 1), code=1, says=f"{option[2:]}: ")


@pytest.mark.parametrize("n, code", [(LABELS_MAX - 1, 0), (LABELS_MAX, 0), (LABELS_MAX + 1, 1)])
def test_every_command_that_labels_stops_at_a_hundred(repo: Clone, n: int, code: int) -> None:
    one, two = repo.create("One"), repo.create("Two", *options(labels(n - 1)))
    note = repo.path / "note.md"
    note.write_text(f"---\ntitle: x\nlabels: [{', '.join(labels(n))}]\n---\n")
    text = repo.run("get", two, tool="wk").out.replace("labels:\n", "labels:\n  - another\n")
    for argv, stdin, tool in (
        (["create", "New", *options(labels(n))], "", "tbdx"),
        (["create", "--from-file", "note.md"], "", "tbdx"),
        (["update", one, *options(labels(n), "--add-label")], "", "tbdx"),
        (["update", two, "--add-label", "one more"], "", "tbdx"),
        (["label", "add", repo.create("Three", *options(labels(n - 1))), "one more"], "", "tbdx"),
        (["put", "-"], json.dumps({"title": "x", "labels": labels(n)}), "wk"),
        (["put", "-"], text.replace("version: 2", "version: 1"), "wk"),
    ):
        before = kept(repo)
        done = repo.run(*argv, stdin=stdin, tool=tool)
        assert done.code == code, (argv[:3], done)
        assert code == 0 or (kept(repo) == before and "labels: Expected at most 100" in done.err), argv[:3]


@pytest.mark.parametrize("n, code", [(LABEL_MAX - 1, 0), (LABEL_MAX, 0), (LABEL_MAX + 1, 1)])
def test_a_label_has_at_most_64_characters(repo: Clone, n: int, code: int) -> None:
    one = repo.create("One")
    text = "é" * n
    for argv in (["create", "New", "-l", text], ["update", one, "--add-label", text], ["label", "add", one, text]):
        before = kept(repo)
        done = repo.run(*argv)
        assert done.code == code, (argv, done)
        assert code == 0 or (kept(repo) == before and "labels: Expected texts of at most 64" in done.err), argv
        repo.run("label", "remove", one, text)


@pytest.mark.parametrize("n, code", [(DEPENDENCIES_MAX - 1, 0), (DEPENDENCIES_MAX, 0), (DEPENDENCIES_MAX + 1, 1)])
def test_an_issue_blocks_at_most_a_thousand_others(repo: Clone, n: int, code: int) -> None:
    full = [put_issue(repo, i, dependencies=edges(n - 1)) for i in (1, 2)]
    free, one = repo.create("Free"), repo.create("One")
    for argv in (["dep", "add", one, free, full[0]], ["create", "New", "--depends-on", free, "--depends-on", full[1]]):
        before = kept(repo)
        done = repo.run(*argv)
        assert done.code == code, (argv, done)
        assert code == 0 or (kept(repo) == before and "dependencies: Expected at most 1000" in done.err), argv
    text = json.dumps({"title": "x", "dependencies": edges(n)})
    assert repo.run("put", "-", tool="wk", stdin=text).code == code


def test_a_file_that_holds_more_is_read_and_edited_in_everything_else(repo: Clone) -> None:
    many, long = [*labels(LABELS_MAX + 50), "x" * 300], edges(DEPENDENCIES_MAX + 5)
    one, last = put_issue(repo, 1, labels=many, dependencies=long), put_issue(repo, 1000)
    for argv in (
        ["update", one, "--title", "U", "--priority", "0"],
        ["start", one],
        ["close", one],
        ["reopen", one],
        ["label", "add", one, many[0]],
        ["label", "remove", one, many[1]],
        ["dep", "add", last, one],
        ["dep", "remove", last, one],
    ):
        assert repo.run(*argv).code == 0, argv
    text = repo.run("get", one, tool="wk").out
    assert repo.run("put", "-", tool="wk", stdin=re.sub("title: .*", "title: V", text)).code == 0
    found = repo.json("show", one)
    assert (found["title"], found["labels"], found["dependencies"]) == ("V", [many[0], *many[2:]], long[1:])
    refused(repo, "label", "add", one, "new", code=1, says="labels: Expected at most 100, received 151")


def test_clones_that_each_stay_within_the_limit_meet_beyond_it(clones: Clones) -> None:
    a, b = clones
    x = a.create("T", *options(labels(60)))
    sync(a, b)
    for clone in clones:
        assert clone.run("update", x, *options([f"{clone.path.name}{n}" for n in range(40)], "--add-label")).code == 0
    settle(a, b)
    assert len(fields(a, x)["labels"]) == 140 and a.json("attic", "list") == []
    assert a.run("update", x, "--title", "U").code == 0
    settle(a, b)
    assert fields(b, x)["title"] == "U"


def test_what_was_there_is_not_held_against_a_change() -> None:
    old = {"labels": [*labels(120), "y" * 70], "dependencies": edges(1200)}
    assert overgrown(old, old) == [] == overgrown(old, {"labels": ["y" * 70], "dependencies": edges(2)})
    assert [name for name, _ in overgrown(old, old | {"labels": [*labels(119), "new"]})] == ["labels"]
    assert [name for name, _ in overgrown({}, old)] == ["labels", "labels", "dependencies"]

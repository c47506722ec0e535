"""Dependencies, labels, refs and docs of an issue."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import Clone, Result
from tbdx.core import codec
from tbdx.kernel.links import ref_kind

NOTHING = Result(0, "", "")


def fields(repo: Clone, shown: str) -> dict[str, Any]:
    return codec.parse(repo.file(shown).read_text())


def data(repo: Clone) -> dict[str, bytes]:
    return {str(p.relative_to(repo.data)): p.read_bytes() for p in sorted(repo.data.rglob("*")) if p.is_file()}


def refused(repo: Clone, code: int, *argv: str) -> str:
    before = data(repo)
    done = repo.run(*argv)
    assert done.code == code and data(repo) == before, done
    return done.err


# dependencies


def test_a_dependency_stands_on_the_blocker(repo: Clone) -> None:
    x, y = repo.create("x"), repo.create("y")
    assert repo.json("dep", "add", x, y) == {"issue": x, "dependsOn": y}
    assert fields(repo, y)["dependencies"] == [{"type": "blocks", "target": repo.kernel.need(x)}]
    assert fields(repo, x)["version"] == 1 and fields(repo, y)["version"] == 2
    assert repo.json("dep", "list", y) == {"blocks": [x], "blockedBy": []}
    assert repo.json("dep", "list", x) == {"blocks": [], "blockedBy": [y]}
    assert repo.json("dep", "remove", x, y) == {"issue": x, "removed": y}
    assert fields(repo, y)["dependencies"] == []


def test_what_is_so_already_prints_no_json(repo: Clone) -> None:  # tbd.md §13b.7: kept
    x, y = repo.create("x"), repo.create("y")
    assert repo.run("dep", "remove", x, y, "--json") == NOTHING
    repo.json("dep", "add", x, y)
    assert repo.run("dep", "add", x, y, "--json") == NOTHING
    assert f"{x} depends on {y} already" in repo.run("dep", "add", x, y).out
    assert fields(repo, y)["version"] == 2


def test_several_blockers_at_once(repo: Clone) -> None:
    x, a, b = (repo.create(t) for t in "xab")
    repo.json("dep", "add", x, b)
    assert repo.json("dep", "add", x, a, b) == {"issue": x, "dependsOn": [a, b], "added": 1, "existing": 1}
    said = repo.json("dep", "remove", x, a, b)
    assert said == {"issue": x, "removed": [a, b], "notPresent": []}


def test_an_issue_does_not_wait_for_itself_nor_in_a_ring(repo: Clone) -> None:  # tbd.md §13b.14: mended
    a, b, c = (repo.create(t) for t in "abc")
    assert "itself" in refused(repo, 2, "dep", "add", a, a)
    repo.json("dep", "add", b, a)
    repo.json("dep", "add", c, b)
    words = refused(repo, 2, "dep", "add", a, c)
    assert "cycle" in words and all(x in words for x in (a, b, c))


def test_a_ring_made_by_hand_does_not_keep_others_from_being_added(repo: Clone) -> None:
    a, b, c = (repo.create(t) for t in "abc")
    for one, other in ((a, b), (b, a)):
        path = repo.file(one)
        edge = f"dependencies:\n  - type: blocks\n    target: {repo.kernel.need(other)}\n"
        path.write_text(path.read_text().replace("dependencies: []\n", edge))
    assert repo.json("dep", "add", c, a)["issue"] == c


def test_unknown_and_damaged_blockers_change_nothing(repo: Clone) -> None:
    x, a, bad = (repo.create(t) for t in ("x", "a", "bad"))
    assert "Issue not found: test-zz1" in refused(repo, 1, "dep", "add", x, a, "test-zz1")
    repo.file(bad).write_text("---\n[\n---\n")
    assert repo.file(bad).name in refused(repo, 1, "dep", "add", x, a, bad)


def test_a_dependency_on_what_is_gone_is_still_listed(repo: Clone) -> None:
    x, y = repo.create("x"), repo.create("y")
    repo.json("dep", "add", x, y)
    repo.file(x).unlink()
    assert repo.json("dep", "list", y)["blocks"] == [x]


# labels


def test_labels_are_added_and_removed_and_all_are_echoed(repo: Clone) -> None:
    x = repo.create("x", "-l", "a")
    assert repo.json("label", "add", x, "a", "b", "b") == {"id": x, "addedLabels": ["a", "b", "b"]}
    assert fields(repo, x)["labels"] == ["a", "b"]
    assert repo.json("label", "remove", x, "a", "zz") == {"id": x, "removedLabels": ["a", "zz"]}
    assert fields(repo, x)["labels"] == ["b"]
    repo.json("label", "remove", x, "b")
    assert "\nlabels: []\n" in repo.file(x).read_text()


def test_nothing_to_do_for_labels_prints_no_json(repo: Clone) -> None:
    x = repo.create("x", "-l", "a", "-l", "a")
    assert repo.run("label", "add", x, "a", "--json") == NOTHING
    assert repo.run("label", "remove", x, "b", "--json") == NOTHING
    assert fields(repo, x)["version"] == 1


def test_adding_a_label_leaves_labels_that_stand_twice(repo: Clone) -> None:
    x = repo.create("x", "-l", "a", "-l", "a")
    repo.json("label", "add", x, "b")
    assert fields(repo, x)["labels"] == ["a", "a", "b"]


def test_an_empty_label_is_refused(repo: Clone) -> None:
    assert "cannot be empty" in refused(repo, 2, "label", "add", repo.create("x"), " ")


def test_labels_are_counted_over_all_issues(repo: Clone) -> None:
    x = repo.create("x", "-l", "a", "-l", "b")
    repo.create("y", "-l", "b", "-l", "c")
    repo.json("close", x)
    assert repo.json("label", "list") == [
        {"label": "b", "count": 2},
        {"label": "a", "count": 1},
        {"label": "c", "count": 1},
    ]
    assert repo.run("label", "list").out.splitlines()[0].split() == ["LABEL", "COUNT"]


# refs and docs


def test_refs_are_kept_in_tbds_order_and_kind(repo: Clone) -> None:
    x = repo.create("x")
    url = "https://example.com/o/r/pull/1"
    assert repo.json("ref", "add", x, url, "--title", "T") == {"id": x}
    (ref,) = fields(repo, x)["refs"]
    assert list(ref) == ["kind", "url", "at", "title"] and (ref["kind"], ref["url"], ref["title"]) == ("pr", url, "T")
    assert repo.run("ref", "add", x, url, "--json") == NOTHING
    repo.json("ref", "add", x, "http://a.example/issues/2", "http://a.example/x", "--kind", "other")
    assert [r["kind"] for r in fields(repo, x)["refs"]] == ["pr", "other", "other"]
    repo.json("ref", "rm", x, url, "http://a.example/x")
    repo.json("ref", "remove", x, "http://a.example/issues/2")
    assert "refs" not in fields(repo, x)
    assert repo.run("ref", "rm", x, url, "--json") == NOTHING


@pytest.mark.parametrize(
    "url, kind",
    [
        ("https://h/o/r/pull/12", "pr"),
        ("https://h/o/r/pull/12/files#d", "pr"),
        ("https://h/o/r/issues/3?x=/pull/1", "issue"),
        ("https://h/o/r/pull/x", "other"),
        ("https://h/", "other"),
    ],
)
def test_the_kind_of_a_page_is_seen_from_its_address(url: str, kind: str) -> None:
    assert ref_kind(url) == kind


def test_what_is_no_address_of_a_page_is_refused(repo: Clone) -> None:
    x = repo.create("x")
    for url in ("file:///etc/passwd", "example.com", "https://", "javascript:x", "http://a b", "http://a\x1b"):
        assert "Not an absolute" in refused(repo, 2, "ref", "add", x, url)
    assert "one item" in refused(repo, 2, "ref", "add", x, "http://a/1", "http://a/2", "--title", "T")


def test_documents_need_not_exist_but_must_be_paths(repo: Clone) -> None:
    x = repo.create("x")
    assert repo.json("doc", "add", x, "docs/none.md", "--role", "plan", "--title", "T") == {"id": x}
    assert fields(repo, x)["docs"] == [{"path": "docs/none.md", "role": "plan", "title": "T"}]
    assert repo.run("doc", "add", x, "docs/none.md", "--json") == NOTHING
    assert "Not a path" in refused(repo, 2, "doc", "add", x, "https://example.com/x")
    assert "one item" in refused(repo, 2, "doc", "add", x, "a", "b", "--title", "T")
    repo.json("doc", "rm", x, "docs/none.md")
    assert "docs" not in fields(repo, x)


def test_an_older_stamp_refuses_refs_and_docs_by_name(repo: Clone) -> None:
    x = repo.create("x")
    config = repo.path / ".tbd/config.yml"
    config.write_text(config.read_text().replace("tbd_format: f08", "tbd_format: f07"))
    for argv in (("ref", "add", x, "http://a/1"), ("ref", "rm", x, "u"), ("doc", "add", x, "p"), ("doc", "rm", x, "p")):
        assert f"{argv[0]} needs format f08" in refused(repo, 1, *argv)


def test_dry_runs_change_nothing(repo: Clone) -> None:
    x, y = repo.create("x", "-l", "a"), repo.create("y")
    before = data(repo)
    for argv in (
        ("dep", "add", x, y),
        ("label", "add", x, "b"),
        ("label", "remove", x, "a"),
        ("ref", "add", x, "http://a/1"),
        ("doc", "add", x, "p"),
    ):
        assert repo.json(*argv, "--dry-run")["dryRun"] is True
    assert data(repo) == before

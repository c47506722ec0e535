"""changes: what became of the issues between a commit of the sync branch and its tip."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import Clone


def tip(repo: Clone) -> str:
    return repo.git("rev-parse", "tbd-sync").strip()


def commit(repo: Clone) -> str:
    assert repo.run("sync").code == 0
    return tip(repo)


def changes(repo: Clone, since: str, *argv: str) -> list[tuple[str, str, list[str]]]:
    """[(id, change, fields)]; [] must come with exit 3."""
    done = repo.run("changes", "--since", since, *argv, "--json")
    found = json.loads(done.out)
    assert done.code == (0 if found["changes"] else 3), done
    assert (found["since"], found["tip"]) == (repo.git("rev-parse", since).strip(), tip(repo))
    return [(row["id"], row["change"], [f["field"] for f in row["fields"]]) for row in found["changes"]]


@pytest.fixture
def told(repo: Clone) -> tuple[Clone, str, dict[str, str]]:
    """A repository in which one issue was created, one updated and one deleted since a commit."""
    gone, edited = repo.create("gone", "-l", "x"), repo.create("edited", "-d", "one\ntwo\n")
    internal = repo.kernel.need(gone)
    since = commit(repo)
    repo.file(gone).unlink()
    repo.json("update", edited, "--title", "new", "-d", "one\n2\n", "--add-label", "y")
    made = repo.create("made", "-p", "0")
    commit(repo)
    return repo, since, {"gone": gone, "edited": edited, "made": made, "internal": internal}


def test_created_updated_and_deleted_are_told_in_id_order(told: tuple[Clone, str, dict[str, str]]) -> None:
    repo, since, ids = told
    rows = changes(repo, since)
    assert [(i, what) for i, what, _ in rows] == [
        (ids["gone"], "deleted"),
        (ids["edited"], "updated"),
        (ids["made"], "created"),
    ]
    assert rows[1][2] == ["title", "description", "labels"]
    assert changes(repo, since, "--all") == rows


def test_a_row_and_its_fields_have_tbds_keys(told: tuple[Clone, str, dict[str, str]]) -> None:
    repo, since, ids = told
    row = repo.json("changes", "--since", since, "--bead", ids["edited"])["changes"][0]
    assert list(row) == ["id", "internal_id", "title", "change", "fields"]
    title, description, labels = row["fields"]
    assert title == {"field": "title", "before": "edited", "after": "new"}
    assert labels == {"field": "labels", "before": [], "after": ["y"]}
    (hunk,) = description["hunks"]
    assert [(line["type"], line["text"]) for line in hunk["lines"]] == [
        ("context", "one"),
        ("remove", "two"),
        ("add", "2"),
    ]


SELECTORS = [
    (("--bead", "edited"), ["edited"]),
    (("--bead", "edited", "made"), ["edited", "made"]),
    (("--bead", "edited", "--bead", "made"), ["edited", "made"]),
    (("--label", "x"), ["gone"]),
    (("--label", "y"), ["edited"]),
    (("--label", "x", "--label", "y"), []),
    (("--status", "open"), ["gone", "edited", "made"]),
    (("--status", "closed"), []),
    (("--ready",), ["made"]),
    (("--spec", "x.md"), []),
]


def test_selectors_choose(told: tuple[Clone, str, dict[str, str]]) -> None:
    for argv, wanted in SELECTORS:
        repo, since, ids = told
        found = changes(repo, since, *(ids.get(a, a) for a in argv))
        assert [i for i, *_ in found] == [ids[name] for name in wanted]


def test_either_state_may_match(repo: Clone) -> None:
    x = repo.create("x")
    since = commit(repo)
    repo.json("close", x)
    commit(repo)
    for status in ("open", "closed"):
        assert [i for i, *_ in changes(repo, since, "--status", status)] == [x]
    assert changes(repo, since, "--ready") == []


def test_what_becomes_ready_because_its_blocker_was_closed_is_told_only_with_a_change_of_its_own(repo: Clone) -> None:
    x, y = repo.create("x"), repo.create("y")
    repo.json("dep", "add", x, y)
    since = commit(repo)
    repo.json("close", y)
    repo.json("update", x, "--priority", "0")
    commit(repo)
    assert [i for i, *_ in changes(repo, since, "--ready")] == [x]


def test_edits_that_no_sync_committed_are_not_seen(repo: Clone) -> None:
    x = repo.create("x")
    since = commit(repo)
    repo.json("update", x, "--title", "y")
    assert changes(repo, since) == []


def test_an_edit_of_version_and_unknown_keys_alone_is_no_change(repo: Clone) -> None:
    x = repo.create("x")
    since = commit(repo)
    repo.json("update", x)
    path = repo.file(x)
    path.write_text(path.read_text().replace("---\n", "---\n", 1).replace("\n---\n", "\nzz: 1\n---\n", 1))
    commit(repo)
    assert changes(repo, since) == []


def test_a_short_name_of_a_commit_and_a_damaged_issue_in_history(repo: Clone) -> None:
    x = repo.create("x")
    commit(repo)
    k = repo.kernel
    blob = k.git.hash_all([b"---\n[\n---\n"])[0]
    path = f".tbd/data-sync/issues/{k.need(x)}.md"
    bad = k.git.commit_tree(tip(repo), {path: blob}, [tip(repo)], "damaged")
    done = repo.run("changes", "--since", bad[:10], "--json")
    assert json.loads(done.out)["changes"][0]["change"] == "created"
    assert f"{k.need(x)}.md" in done.err


WRONG = [
    ((), 2),
    (("--since", "nothing"), 1),
    (("--since", "--all"), 1),
    (("--since", "HEAD~99"), 1),
    (("--since", "tbd-sync", "--all", "--ready"), 2),
    (("--since", "tbd-sync", "--bead", "X", "--label", "x"), 2),
    (("--since", "tbd-sync", "--bead", "zzzz"), 1),
]


def test_what_cannot_be_compared_is_refused(repo: Clone) -> None:
    for argv, code in WRONG:
        x = repo.create("x")
        commit(repo)
        assert repo.run("changes", *(x if a == "X" else a for a in argv)).code == code


def test_the_text_form_names_values_before_and_after(told: tuple[Clone, str, dict[str, Any]]) -> None:
    repo, since, ids = told
    done = repo.run("changes", "--since", since)
    assert f"{ids['edited']} [updated] new" in done.out and "title: edited -> new" in done.out
    assert "-two" in done.out and "+2" in done.out
    nothing = repo.run("changes", "--since", "tbd-sync")
    assert nothing.code == 3 and "No matching changes" in nothing.out + nothing.err

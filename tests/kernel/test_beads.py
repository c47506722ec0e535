"""Importing Beads' JSON Lines: dependencies and the prefix are kept, nothing is lost, no line stops the others."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from conftest import Clone
from tbdx.core import codec
from tbdx.errors import BadFile, NotFound
from tbdx.kernel import attic, beads, work

TIMES = {"created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-02T00:00:00Z"}


def write(repo: Clone, *lines: dict[str, Any] | str, name: str = "beads.jsonl") -> str:
    texts = [line if isinstance(line, str) else json.dumps({**TIMES, **line}) for line in lines]
    (repo.path / name).write_text("".join(text + "\n" for text in texts))
    return name


def issues(repo: Clone) -> dict[str, dict[str, Any]]:
    """By Beads' id."""
    found = [codec.parse(p.read_text(), p.stem) for p in (repo.data / "issues").glob("*.md")]
    return {i["extensions"]["beads"]["original_id"] if "extensions" in i else i["title"]: i for i in found}


def counts(imported: int, skipped: int, merged: int, total: int) -> dict[str, int]:
    return {"imported": imported, "skipped": skipped, "merged": merged, "total": total}


def warned(repo: Clone) -> list[str]:
    return [text for level, text in repo.said if level == "warn"]


def waits(own: str, on: str, kind: str = "blocks") -> dict[str, str]:
    return {"issue_id": own, "depends_on_id": on, "type": kind}


ONE = {"id": "bd-1", "title": "One", "issue_type": "bug", "priority": 1, "labels": ["x"], "notes": "n1"}
TWO = {"id": "bd-2", "title": "Two", "status": "done", "dependencies": [waits("bd-2", "bd-1")]}


def test_issues_come_in_with_their_short_ids_and_links_and_the_prefix_stays(repo: Clone) -> None:
    three = {"id": "bd-a.1", "title": "Dotted", "dependencies": [waits("bd-a.1", "bd-2", "parent-child")]}
    path = write(repo, ONE, TWO, "not json", three)
    assert beads.import_jsonl(repo.kernel, path) == counts(3, 0, 0, 3)
    found, k = issues(repo), repo.kernel
    assert [k.display(found[x]["id"]) for x in ("bd-1", "bd-2", "bd-a.1")] == ["test-1", "test-2", "test-a.1"]
    assert found["bd-1"]["dependencies"] == [{"type": "blocks", "target": found["bd-2"]["id"]}]
    assert found["bd-2"]["dependencies"] == [] and found["bd-2"]["closed_at"] is None
    assert found["bd-a.1"]["parent_id"] == found["bd-2"]["id"] and found["bd-1"]["parent_id"] is None
    assert found["bd-1"]["version"] == 1 and found["bd-1"]["updated_at"] == "2025-01-02T00:00:00.000Z"
    assert k.config.prefix == "test" and k.find("bd-1") == found["bd-1"]["id"]
    assert len(warned(repo)) == 1 and warned(repo)[0].startswith("beads.jsonl:3: not a JSON object")


def test_a_second_import_skips_and_merge_overwrites_with_a_new_version(repo: Clone) -> None:
    path = write(repo, ONE, TWO)
    beads.import_jsonl(repo.kernel, path)
    before = {p.name: p.read_bytes() for p in (repo.data / "issues").iterdir()}
    assert beads.import_jsonl(repo.kernel, path) == counts(0, 2, 0, 2)
    assert {p.name: p.read_bytes() for p in (repo.data / "issues").iterdir()} == before
    assert beads.import_jsonl(repo.kernel, path, merge=True) == counts(0, 0, 2, 2)
    found = issues(repo)
    assert [i["version"] for i in found.values()] == [2, 2]
    assert {i["updated_at"] for i in found.values()} == {"2025-01-02T00:00:00.000Z"}
    assert len(found["bd-1"]["dependencies"]) == 1 and attic.entries(repo.kernel) == []


def test_a_newer_line_is_merged_and_what_it_does_not_say_stays(repo: Clone) -> None:
    beads.import_jsonl(repo.kernel, write(repo, ONE))
    newer = {"id": "bd-1", "title": "One more", "status": "closed", "updated_at": "2025-01-05T00:00:00Z"}
    assert beads.import_jsonl(repo.kernel, write(repo, newer)) == counts(0, 0, 1, 1)
    issue = issues(repo)["bd-1"]
    assert (issue["title"], issue["status"], issue["version"]) == ("One more", "closed", 2)
    assert issue["notes"] == "n1" and issue["labels"] == ["x"]
    assert attic.entries(repo.kernel) == []


def test_merge_keeps_what_was_edited_here_in_the_attic(repo: Clone) -> None:
    path = write(repo, ONE)
    beads.import_jsonl(repo.kernel, path)
    here = issues(repo)["bd-1"]["id"]
    work.update(repo.kernel, [here], {"title": "Edited here", "hold": "paused"})
    edited_at = issues(repo)["bd-1"]["updated_at"]
    beads.import_jsonl(repo.kernel, path)
    assert issues(repo)["bd-1"]["title"] == "Edited here"
    beads.import_jsonl(repo.kernel, write(repo, {**ONE, "status": "closed"}), merge=True)
    issue = issues(repo)["bd-1"]
    assert issue["title"] == "One" and issue["version"] == 3 and issue["updated_at"] > edited_at
    assert issue["hold"] is None
    kept = attic.read_all(repo.kernel, str(repo.data))
    assert ("title", '"Edited here"') in [(e["field"], e["lost_value"]) for _, e in kept]
    assert ("hold", '"paused"') in [(e["field"], e["lost_value"]) for _, e in kept]


def test_an_edge_reaches_a_blocker_that_is_skipped(repo: Clone) -> None:
    beads.import_jsonl(repo.kernel, write(repo, ONE))
    answer = beads.import_jsonl(repo.kernel, write(repo, ONE, TWO))
    assert answer == counts(1, 1, 0, 2)
    found = issues(repo)
    assert found["bd-1"]["dependencies"] == [{"type": "blocks", "target": found["bd-2"]["id"]}]
    assert found["bd-1"]["version"] == 2


def test_merge_drops_an_edge_that_the_file_no_longer_has_and_keeps_our_own(repo: Clone) -> None:
    ours = work.create(repo.kernel, "Ours", {})["internalId"]
    beads.import_jsonl(repo.kernel, write(repo, ONE, TWO))
    from tbdx.kernel.links import blocks

    k, first = repo.kernel, issues(repo)["bd-1"]["id"]
    with k.writing():
        issue, text = k.read(first)
        k.save(text, issue, {"dependencies": [*issue["dependencies"], blocks(ours)]})
    beads.import_jsonl(repo.kernel, write(repo, ONE, {**TWO, "dependencies": []}), merge=True)
    assert issues(repo)["bd-1"]["dependencies"] == [{"type": "blocks", "target": ours}]


def test_a_short_id_that_is_taken_gives_way(repo: Clone) -> None:
    lines = [{"id": "bd-1", "title": "One"}, {"id": "xx-1", "title": "Other one"}, {"id": "bd-!?", "title": "Odd"}]
    assert beads.import_jsonl(repo.kernel, write(repo, *lines)) == counts(3, 0, 0, 3)
    shown = {own: repo.kernel.display(i["id"]) for own, i in issues(repo).items()}
    assert shown["bd-1"] == "test-1" and len(set(shown.values())) == 3
    assert sum("is taken here" in text for _, text in repo.said) == 2


def test_links_to_what_is_not_here_and_circles_of_parents_are_said(repo: Clone) -> None:
    lines = [
        {"id": "bd-1", "title": "1", "parent": "bd-2", "dependencies": [waits("bd-1", "bd-99")]},
        {"id": "bd-2", "title": "2", "parent": "bd-1", "dependencies": [waits("bd-2", "bd-1", "related")]},
        {"id": "bd-3", "title": "3", "parent": "bd-98"},
    ]
    assert beads.import_jsonl(repo.kernel, write(repo, *lines))["imported"] == 3
    found = issues(repo)
    assert found["bd-1"]["parent_id"] == found["bd-2"]["id"] and found["bd-2"]["parent_id"] is None
    assert [text.partition(": ")[0] for text in warned(repo)] == [f"beads.jsonl:{n}" for n in (1, 2, 2, 3)]


@pytest.mark.parametrize(
    "bad",
    [
        {"title": "x" * 501},
        {"title": "a\0b"},
        {"description": "x" * 50_001},
        {"description": "\ud800 alone"},
        {"assignee": "\0"},
    ],
)
def test_a_line_that_breaks_a_rule_is_said_and_the_rest_comes_in(repo: Clone, bad: dict[str, str]) -> None:
    path = write(repo, {"id": "bd-1", "title": "Bad", **bad}, {"id": "bd-2", "title": "Good"}, '{"id": "bd-3", "tit')
    answer = beads.import_jsonl(repo.kernel, path)
    assert answer["imported"] == 1 and list(issues(repo)) == ["bd-2"]
    assert [text.split(":")[1] for text in warned(repo)] == ["1", "3"]


def test_an_issue_that_is_damaged_here_is_not_imported_twice(repo: Clone) -> None:
    path = write(repo, ONE)
    beads.import_jsonl(repo.kernel, path)
    file = next((repo.data / "issues").glob("*.md"))
    file.write_text("---\n")
    assert beads.import_jsonl(repo.kernel, path, merge=True) == counts(0, 1, 0, 1)
    assert file.read_text() == "---\n" and len(list((repo.data / "issues").glob("*.md"))) == 1


def test_a_dry_import_counts_and_writes_nothing(repo: Clone) -> None:
    assert beads.import_jsonl(repo.kernel, write(repo, ONE, TWO), dry=True) == counts(2, 0, 0, 2)
    assert issues(repo) == {} and not (repo.data / "mappings/ids.yml").exists()


def test_the_same_id_twice_makes_one_issue(repo: Clone) -> None:
    path = write(repo, ONE, {**ONE, "title": "Later", "updated_at": "2025-02-01T00:00:00Z"})
    assert beads.import_jsonl(repo.kernel, path) == counts(1, 1, 0, 2)
    assert issues(repo)["bd-1"]["title"] == "Later"


def test_below_f08_only_old_keys_are_written(repo: Clone) -> None:
    from tbdx.core.entity import BODY, OLD_KEYS

    config = repo.path / ".tbd/config.yml"
    config.write_text(config.read_text().replace("tbd_format: f08", "tbd_format: f04"))
    beads.import_jsonl(repo.kernel, write(repo, ONE, TWO))
    assert {name for i in issues(repo).values() for name in i} <= OLD_KEYS | set(BODY)


def test_no_good_line_is_no_failure_and_complaints_have_an_end(repo: Clone) -> None:
    assert beads.import_jsonl(repo.kernel, write(repo, *["<<<<<<<"] * 1000)) == counts(0, 0, 0, 0)
    assert len(warned(repo)) == beads.MOST_SAID + 1


def test_files_that_are_none(repo: Clone, tmp_path: Path) -> None:
    for path in ("nope.jsonl", "", "a\0b"):
        with pytest.raises(NotFound, match="^File not found: "):
            beads.import_jsonl(repo.kernel, path)
    os.mkfifo(repo.path / "fifo")
    for path in ("fifo", "."):
        with pytest.raises(BadFile):
            beads.import_jsonl(repo.kernel, path)


def test_validate_tells_what_is_missing_and_what_differs(repo: Clone) -> None:
    (repo.path / ".beads").mkdir()
    three = {"id": "bd-3", "title": "Three", "parent": "bd-1"}
    path = write(repo, ONE, TWO, three, name=".beads/issues.jsonl")
    beads.import_jsonl(repo.kernel, path)
    assert beads.validate(repo.kernel, ".beads") == {"total": 3, "valid": True, "missing": [], "different": []}
    found = issues(repo)
    work.update(repo.kernel, [found["bd-1"]["id"]], {"title": "Other"})
    work.update(repo.kernel, [found["bd-3"]["id"]], {"parent": ""})
    write(repo, ONE, TWO, three, {"id": "bd-4", "title": "Four"}, name=".beads/issues.jsonl")
    assert beads.validate(repo.kernel, ".beads") == {
        "total": 4,
        "valid": False,
        "missing": [{"id": "bd-4", "line": 4}],
        "different": [
            {"id": "bd-1", "issue": "test-1", "fields": ["title"]},
            {"id": "bd-3", "issue": "test-3", "fields": ["parent_id"]},
        ],
    }
    with pytest.raises(NotFound):
        beads.validate(repo.kernel, "nowhere")

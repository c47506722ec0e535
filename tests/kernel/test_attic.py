"""Values that lost a merge: listed, shown, brought back; what is no entry is said and harms nothing."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from conftest import Clone
from tbdx.core import codec
from tbdx.errors import BadFile, Invalid, NotFound, TbdxError, Unknown
from tbdx.kernel import attic, work

AT = "2025-02-03T04:05:06.789Z"
LATER = "2025-02-03T04:05:06.790Z"


def make(repo: Clone, title: str = "R", **options: Any) -> str:
    return str(work.create(repo.kernel, title, options)["internalId"])


def enter(repo: Clone, internal: str, at: str, field: str, lost: str, winner: str = "remote") -> str:
    """An entry as tbd writes it, by hand."""
    loser = "local" if winner == "remote" else "remote"
    folder = repo.data / "attic"
    folder.mkdir(exist_ok=True)
    name = f"{internal}_{at.replace(':', '-')}_{field}.yml"
    (folder / name).write_text(
        f"entity_id: {internal}\ntimestamp: {at}\nfield: {field}\nlost_value: {json.dumps(lost)}\n"
        f"winner_source: {winner}\nloser_source: {loser}\ncontext:\n  local_version: 2\n  remote_version: 3\n"
        f"  local_updated_at: {at}\n  remote_updated_at: {at}\n"
    )
    return name


def read(repo: Clone, internal: str) -> dict[str, Any]:
    return codec.parse((repo.data / f"issues/{internal}.md").read_text(), internal)


def warned(repo: Clone) -> list[str]:
    return [text for level, text in repo.said if level == "warn"]


def test_entries_are_listed_newest_first_with_display_ids(repo: Clone) -> None:
    a = make(repo)
    enter(repo, a, AT, "description", '"lost text"')
    enter(repo, a, LATER, "labels", '["a"]', "local")
    shown = repo.kernel.display(a)
    assert attic.entries(repo.kernel) == [
        {"id": shown, "timestamp": LATER, "field": "labels", "winner": "local"},
        {"id": shown, "timestamp": AT, "field": "description", "winner": "remote"},
    ]


def test_a_list_can_be_of_one_issue_since_a_date_and_limited(repo: Clone) -> None:
    a, b = make(repo, "A"), make(repo, "B")
    enter(repo, a, "2024-01-01T00:00:00.000Z", "title", '"old"')
    enter(repo, a, AT, "title", '"x"')
    enter(repo, b, AT, "title", '"y"')
    k = repo.kernel
    assert [e["timestamp"] for e in attic.entries(k, k.display(a))] == [AT, "2024-01-01T00:00:00.000Z"]
    assert len(attic.entries(k, since="2025-01-01")) == 2
    assert len(attic.entries(k, limit=1)) == 1
    assert attic.entries(k, limit=0) == []
    with pytest.raises(Invalid):
        attic.entries(k, since="yesterday-ish")
    with pytest.raises(Invalid):
        attic.entries(k, limit=-1)


def test_an_empty_attic_is_an_empty_list(repo: Clone) -> None:
    assert attic.entries(repo.kernel) == []


@pytest.mark.parametrize("when", [AT, AT.replace(":", "-"), f"{AT}_description"])
def test_show_takes_the_time_and_the_form_in_file_names(repo: Clone, when: str) -> None:
    a = make(repo)
    enter(repo, a, AT, "description", '"lost text"')
    entry = attic.show(repo.kernel, a, when)
    assert list(entry) == [*attic.TEXTS, "context"] and entry["lost_value"] == '"lost text"'
    assert entry["context"] == {
        "local_version": 2,
        "remote_version": 3,
        "local_updated_at": AT,
        "remote_updated_at": AT,
    }


def test_a_time_without_an_entry_is_not_found(repo: Clone) -> None:
    a = make(repo)
    with pytest.raises(NotFound) as e:
        attic.show(repo.kernel, a, "1999-01-01")
    assert e.value.message == f"Attic entry not found: {repo.kernel.display(a)} at 1999-01-01"


def test_an_unknown_id_is_told_in_tbds_words_and_without_a_type(repo: Clone) -> None:
    for call in (attic.entries, lambda k, x: attic.show(k, x, AT), lambda k, x: attic.restore(k, x, AT)):
        with pytest.raises(Unknown) as e:
            call(repo.kernel, "test-zzzz9")
        assert e.value.message == 'Unknown issue ID: test-zzzz9. Short ID "zzzz9" not found in mapping.'
        assert e.value.type is None and e.value.exit_code == 1


def test_restore_swaps_the_values_and_raises_the_version(repo: Clone) -> None:
    a = make(repo, description="current text")
    enter(repo, a, AT, "description", '"lost text"')
    answer = attic.restore(repo.kernel, a, AT)
    assert answer == {"id": a, "display": repo.kernel.display(a), "field": "description", "restored": True}
    issue = read(repo, a)
    assert issue["description"] == "lost text" and issue["version"] == 2
    newest = attic.entries(repo.kernel)[0]
    entry = attic.show(repo.kernel, a, newest["timestamp"])
    assert entry["lost_value"] == '"current text"'
    assert (entry["winner_source"], entry["loser_source"]) == ("local", "remote")
    assert entry["context"]["local_version"] == 1 and entry["context"]["remote_version"] == 3
    attic.restore(repo.kernel, a, newest["timestamp"])
    assert read(repo, a)["description"] == "current text" and read(repo, a)["version"] == 3


def test_a_dry_restore_changes_nothing(repo: Clone) -> None:
    a = make(repo, description="current text")
    enter(repo, a, AT, "description", '"lost text"')
    answer = attic.restore(repo.kernel, a, AT, dry=True)
    assert answer["id"] == a and answer["field"] == "description" and not answer["restored"]
    assert read(repo, a)["version"] == 1 and len(attic.entries(repo.kernel)) == 1


def test_restoring_what_is_there_changes_nothing(repo: Clone) -> None:
    a = make(repo, description="same")
    enter(repo, a, AT, "description", '"same"')
    assert not attic.restore(repo.kernel, a, AT)["restored"]
    assert read(repo, a)["version"] == 1


def test_only_texts_can_be_restored(repo: Clone) -> None:
    a = make(repo)
    enter(repo, a, AT, "labels", '["a"]')
    with pytest.raises(Invalid, match="^Cannot restore field: labels$"):
        attic.restore(repo.kernel, a, AT)


def test_of_several_entries_of_one_time_the_text_is_restored(repo: Clone) -> None:
    a = make(repo)
    enter(repo, a, AT, "labels", '["a"]')
    enter(repo, a, AT, "notes", '"n"')
    assert attic.restore(repo.kernel, a, AT)["field"] == "notes"
    assert read(repo, a)["notes"] == "n"


@pytest.mark.parametrize(
    ("lost", "text"),
    [
        ('"json"', "json"),
        ("legacy plain text", "legacy plain text"),
        ("12345", "12345"),
        ("[1, 2]", "[1, 2]"),
        ("null", None),
        ("", None),
        ('"<deleted>"', None),
        ("[" * 100_000, "[" * 100_000),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_lost_value_is_read_as_json_else_as_it_stands(lost: str, text: str | None) -> None:
    assert attic.text_of(lost) == text


def test_a_lost_text_that_was_nothing_clears_the_field(repo: Clone) -> None:
    a = make(repo, description="now")
    enter(repo, a, AT, "description", "null")
    attic.restore(repo.kernel, a, AT)
    assert "description" not in read(repo, a)


def test_a_title_that_cannot_be_is_refused_before_anything_is_written(repo: Clone) -> None:
    a = make(repo)
    enter(repo, a, AT, "title", json.dumps("x" * 501))
    with pytest.raises(TbdxError):
        attic.restore(repo.kernel, a, AT)
    assert read(repo, a)["version"] == 1 and len(attic.entries(repo.kernel)) == 1


def test_damaged_entries_are_said_and_the_rest_is_listed(repo: Clone) -> None:
    a = make(repo)
    good = enter(repo, a, AT, "description", '"x"')
    folder = repo.data / "attic"
    text = (folder / good).read_text()
    (folder / "a.yml").write_text("entity_id: [1, 2\n")
    (folder / "b.yml").write_bytes(b"\0\0\0")
    (folder / "c.yml").write_bytes(text.encode() + b"\xff")
    (folder / "d.yml").write_text(text.replace(a, "../../etc/passwd"))
    (folder / "e.yml").write_text(text.replace(f"timestamp: {AT}", "timestamp: 2025"))
    (folder / "f.yml").write_text(text.replace("field: description", "field:\n  - x"))
    (folder / "g.yml").write_text('x: "\\ud800"\n' + text.replace("field: description", 'field: "\\ud800"'))
    (folder / "h.yml").symlink_to(folder / good)
    os.mkfifo(folder / "i.yml")
    (folder / "j.yml").mkdir()
    (folder / "k.yml").write_text("")
    assert len(attic.entries(repo.kernel)) == 1
    assert len(warned(repo)) == 11
    assert all(text.startswith("Skipping invalid attic entry: ") for text in warned(repo))


def test_an_odd_context_does_not_stop_a_restore(repo: Clone) -> None:
    a = make(repo)
    name = enter(repo, a, AT, "notes", '"n"')
    path = repo.data / "attic" / name
    head = path.read_text().partition("context:")[0].replace("winner_source: remote", "winner_source: elsewhere")
    for n, context in enumerate(("context: 5\n", "context:\n  remote_version: many\n  remote_updated_at: 3\n", "")):
        path.write_text(head.replace('n\\"', f'n{n}\\"') + context)
        assert attic.restore(repo.kernel, a, AT)["restored"]


def test_an_attic_that_is_a_link_is_not_followed(repo: Clone, tmp_path: Any) -> None:
    a = make(repo, description="now")
    enter(repo, a, AT, "description", '"x"')
    (repo.data / "attic").rename(tmp_path / "elsewhere")
    (repo.data / "attic").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadFile):
        attic.restore(repo.kernel, a, AT)
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


def test_an_entry_of_an_issue_that_is_gone_is_shown_and_not_restored(repo: Clone) -> None:
    a = make(repo)
    shown = repo.kernel.display(a)
    enter(repo, a, AT, "title", '"x"')
    (repo.data / f"issues/{a}.md").unlink()
    assert attic.show(repo.kernel, shown, AT)["field"] == "title"
    with pytest.raises(NotFound):
        attic.restore(repo.kernel, shown, AT)


def test_a_file_name_is_never_made_from_what_an_entry_says(repo: Clone) -> None:
    a, k = make(repo), repo.kernel
    with k.writing():
        text = attic.attic_entry(
            a, AT, "../../x", "v", {"version": 1, "updated_at": AT}, {"version": 1, "updated_at": AT}
        )
        assert attic.put(k, k.repo.data, a, AT, "../../x", text)
        assert not attic.put(k, k.repo.data, a, AT, "../../x", text)
        with pytest.raises(BadFile):
            attic.put(k, k.repo.data, "is-../../../../x", AT, "title", text)
    assert [p.name for p in (repo.data / "attic").iterdir() if "/" in p.name or ".." in p.name] == []

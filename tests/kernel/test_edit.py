"""`edit`: what a person types is checked, merged, and never lost. The editor is a function here."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone
from tbdx.core import codec
from tbdx.errors import BadFile, NotFound, TbdxError
from tbdx.kernel import edit as verb
from tbdx.store import files

Change = Callable[[str], str]


class Session:
    """An editor that changes the text as told, one function per round; the last one goes on."""

    def __init__(self, repo: Clone, *rounds: Change, code: int = 0) -> None:
        self.repo, self.rounds, self.code = repo, list(rounds), code
        self.shown: list[str] = []
        self.opened: list[str] = []
        self.paths: list[Path] = []

    def editor(self, path: str) -> int:
        text = Path(path).read_text()
        self.opened.append(text)
        self.paths.append(Path(path))
        change = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        Path(path).write_text(change(text))
        return self.code

    def edit(self, shown: str) -> dict[str, object]:
        return verb.edit(self.repo.kernel, shown, self.shown.append, self.editor)


def same(text: str) -> str:
    return text


def swap(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def scratch(repo: Clone) -> list[str]:
    return sorted(p.name for p in Path(repo.kernel.repo.scratch).iterdir())


def test_an_edit_is_saved_with_version_and_time_and_nothing_else(repo: Clone) -> None:
    shown = repo.create("First", "-d", "why")
    before = repo.file(shown).read_text()
    session = Session(repo, swap("title: First", "title: Better"))
    assert session.edit(shown) == {"id": shown, "updated": True}
    after = repo.file(shown).read_text()
    expected = before.replace("title: First", "title: Better").replace("version: 1", "version: 2")
    assert re.sub(r"updated_at: .*", "", after) == re.sub(r"updated_at: .*", "", expected)
    assert codec.parse(after)["updated_at"] > codec.parse(before)["updated_at"]
    assert session.opened == [before] and session.shown == []
    assert scratch(repo) == []


def test_the_file_has_the_issues_name_and_a_private_folder(repo: Clone) -> None:
    shown = repo.create("First")
    modes: list[int] = []

    def look(text: str) -> str:
        modes.append(session.paths[-1].parent.stat().st_mode & 0o777)
        return text

    session = Session(repo, look)
    assert session.edit(shown) == {"id": shown, "updated": False}
    assert session.paths[0].name == f"{shown}.md" and modes == [0o700]


def test_no_lock_is_held_while_the_editor_is_open(repo: Clone) -> None:
    shown = repo.create("First")

    def meanwhile(text: str) -> str:
        repo.create("Made meanwhile")
        return text

    assert Session(repo, meanwhile).edit(shown)["updated"] is False


@pytest.mark.parametrize("change", [same, lambda _: "", lambda _: " \n"])
def test_a_text_left_as_it_was_or_emptied_changes_nothing(repo: Clone, change: Change) -> None:
    shown = repo.create("First")
    before = repo.file(shown).read_bytes()
    assert Session(repo, change).edit(shown) == {"id": shown, "updated": False}
    assert repo.file(shown).read_bytes() == before
    assert scratch(repo) == []


def test_comments_and_quoting_of_the_person_keep_their_bytes(repo: Clone) -> None:
    shown = repo.create("First")
    Session(repo, swap("title: First", "# mind this\ntitle: 'Quoted, by hand'")).edit(shown)
    text = repo.file(shown).read_text()
    assert "# mind this\ntitle: 'Quoted, by hand'\n" in text and "version: 2\n" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (swap("priority: 2", "priority: 9"), r"test-\w+\.md:\d+: priority: .*received 9"),
        (swap("---\n", ""), r"test-\w+\.md:1: .*opening"),
        (swap("title: First", "title: First\ntitle: Again"), r"test-\w+\.md:5: title: given twice"),
        (swap("id: is-0", "id: is-1"), r"test-\w+\.md:3: id: "),
        (swap("created_at: 2", "created_at: 1"), r"test-\w+\.md:\d+: created_at: cannot be changed"),
        (swap("type: is", "type: other"), r"test-\w+\.md:2: type"),
        (swap("labels: []", "labels: []\nparent_id: is-01arz3ndektsv4rrffq69g5fav"), "not found"),
    ],
)
def test_an_invalid_save_is_explained_at_its_line_and_reopened(repo: Clone, change: Change, said: str) -> None:
    shown = repo.create("First")
    before = repo.file(shown).read_text()
    back = [repo.file(shown).read_bytes()]

    def mend(text: str) -> str:
        back.append(repo.file(shown).read_bytes())
        return before.replace("First", "Mended")

    session = Session(repo, change, mend)
    assert session.edit(shown)["updated"] is True
    assert re.search(said, session.shown[0]), session.shown
    assert session.opened[1] == change(before)  # what was typed is still there
    assert back[0] == back[1]
    assert repo.json("show", shown)["title"] == "Mended"


def test_an_issue_cannot_become_its_own_ancestor(repo: Clone) -> None:
    top = repo.create("Top")
    child = repo.create("Child", "--parent", top)
    session = Session(repo, swap("labels: []", f"labels: []\nparent_id: {repo.kernel.need(child)}"), lambda _: "")
    session.edit(top)
    assert "ancestor" in session.shown[0]


def test_an_invalid_text_that_is_not_mended_is_kept_and_taken_up_again(repo: Clone) -> None:
    shown = repo.create("First")
    before = repo.file(shown).read_bytes()
    with pytest.raises(TbdxError) as e:
        Session(repo, swap("priority: 2", "priority: 9"), same).edit(shown)
    assert e.value.exit_code == 1 and "priority" in e.value.message
    kept = Path(re.search(r"kept in (\S+)", str(e.value.hint))[1])  # type: ignore[index]
    assert "priority: 9" in kept.read_text() and f"tbdx edit {shown}" in str(e.value.hint)
    assert repo.file(shown).read_bytes() == before
    again = Session(repo, swap("priority: 9", "priority: 3"))
    assert again.edit(shown)["updated"] is True
    assert "earlier edit" in again.shown[0]
    assert repo.json("show", shown)["priority"] == 3
    assert scratch(repo) == []


def test_ten_invalid_saves_are_enough(repo: Clone) -> None:
    shown = repo.create("First")
    session = Session(repo, swap("title: First", "title: ''"), lambda text: text + "x")
    with pytest.raises(TbdxError, match="10 tries"):
        session.edit(shown)
    assert len(session.opened) == 10


def test_an_editor_that_fails_changes_nothing_and_loses_nothing(repo: Clone) -> None:
    shown = repo.create("First")
    with pytest.raises(TbdxError, match="exit code 1") as e:
        Session(repo, same, code=1).edit(shown)
    assert e.value.hint is None and scratch(repo) == []
    with pytest.raises(TbdxError) as e:
        Session(repo, swap("First", "Typed"), code=1).edit(shown)
    assert "kept in" in str(e.value.hint)
    assert repo.json("show", shown)["title"] == "First"
    assert Session(repo, same).edit(shown)["updated"] is True  # the kept text is good, and is saved now
    assert repo.json("show", shown)["title"] == "Typed"


def test_an_interrupt_keeps_what_was_typed(repo: Clone) -> None:
    shown = repo.create("First")

    def interrupted(path: str) -> int:
        Path(path).write_text(Path(path).read_text().replace("First", "Typed"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verb.edit(repo.kernel, shown, lambda _: None, interrupted)
    assert Session(repo, same).edit(shown)["updated"] is True
    assert repo.json("show", shown)["title"] == "Typed"


def test_a_concurrent_change_of_another_field_is_merged_in(repo: Clone) -> None:
    shown = repo.create("First")

    def other(text: str) -> str:
        repo.json("update", shown, "--priority", "0")
        return text.replace("First", "Mine")

    session = Session(repo, other)
    assert session.edit(shown)["updated"] is True
    issue = repo.json("show", shown)
    assert (issue["title"], issue["priority"], issue["version"]) == ("Mine", 0, 3)
    assert "both were merged" in session.shown[0]
    assert repo.json("attic", "list") == []


def test_a_concurrent_change_of_the_same_field_goes_to_the_attic(repo: Clone) -> None:
    shown = repo.create("First")

    def other(text: str) -> str:
        repo.json("update", shown, "--title", "Theirs")
        return text.replace("First", "Mine")

    session = Session(repo, other)
    session.edit(shown)
    titles = {repo.json("show", shown)["title"]}
    entries = list((repo.data / "attic").iterdir())
    assert len(entries) == 1 and "title" in entries[0].name and "title" in session.shown[0]
    titles |= {name for name in ("Mine", "Theirs") if name in entries[0].read_text()}
    assert titles == {"Mine", "Theirs"}


def test_the_same_change_made_by_another_is_no_change(repo: Clone) -> None:
    shown = repo.create("First")

    def other(text: str) -> str:
        repo.json("update", shown, "--title", "Same")
        return text.replace("First", "Same")

    assert Session(repo, other).edit(shown)["updated"] is False
    assert repo.json("show", shown)["version"] == 2


def test_an_issue_that_went_away_meanwhile_leaves_the_text(repo: Clone) -> None:
    shown = repo.create("First")
    path = repo.file(shown)

    def gone(text: str) -> str:
        path.unlink()
        return text.replace("First", "Mine")

    with pytest.raises(NotFound) as e:
        Session(repo, gone).edit(shown)
    assert "kept in" in str(e.value.hint)


def test_a_damaged_file_can_be_mended(repo: Clone) -> None:
    shown = repo.create("First")
    path = repo.file(shown)
    path.write_text(path.read_text().replace("priority: 2", "priority: 2\n<<<<<<< ours"))
    assert Session(repo, swap("<<<<<<< ours\n", "")).edit(shown)["updated"] is True
    issue = repo.json("show", shown)
    assert issue["title"] == "First" and issue["version"] == 2


def test_a_damaged_file_that_changed_meanwhile_is_not_overwritten(repo: Clone) -> None:
    shown = repo.create("First")
    path = repo.file(shown)
    good = path.read_text()
    path.write_text("broken\n")

    def other(_: str) -> str:
        path.write_text("broken differently\n")
        return good

    with pytest.raises(TbdxError, match="meanwhile") as e:
        Session(repo, other).edit(shown)
    assert path.read_text() == "broken differently\n" and "kept in" in str(e.value.hint)


def test_what_is_no_text_is_not_opened(repo: Clone) -> None:
    shown = repo.create("First")
    repo.file(shown).write_bytes(b"\0\0\0")
    session = Session(repo, same)
    with pytest.raises(BadFile):
        session.edit(shown)
    assert session.opened == []


def test_a_closed_status_brings_its_time_and_a_reopened_one_drops_it(repo: Clone) -> None:
    shown = repo.create("First")
    Session(repo, swap("status: open", "status: closed\nclose_reason: because")).edit(shown)
    issue = repo.json("show", shown)
    assert issue["closed_at"] and issue["close_reason"] == "because"
    Session(repo, swap("status: closed", "status: open")).edit(shown)
    issue = repo.json("show", shown)
    assert issue["closed_at"] is None and issue["close_reason"] is None


def test_a_key_that_clients_of_the_stamp_would_drop_is_refused(repo: Clone) -> None:
    shown = repo.create("First")
    config = Path(repo.kernel.repo.config)
    config.write_text(config.read_text().replace("tbd_format: f08", "tbd_format: f04"))
    session = Session(repo, swap("labels: []", "delegate: me\nlabels: []"), lambda _: "")
    session.edit(shown)
    assert "f04" in session.shown[0]


def test_the_editor_replacing_its_file_by_a_link_is_not_followed(repo: Clone, tmp_path: Path) -> None:
    shown = repo.create("First")

    def link(path: str) -> int:
        Path(path).unlink()
        Path(path).symlink_to(tmp_path / "elsewhere")
        return 0

    with pytest.raises(BadFile, match="symbolic link"):
        verb.edit(repo.kernel, shown, lambda _: None, link)


def test_a_disk_that_refuses_the_issue_keeps_the_text(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    from tbdx.errors import Disk
    from tbdx.store import entities

    shown = repo.create("First")

    def full(*_: object) -> None:
        raise Disk("cannot write: no space")

    with monkeypatch.context() as m, pytest.raises(Disk) as e:
        m.setattr(entities, "write", full)
        Session(repo, swap("First", "Typed")).edit(shown)
    kept = re.search(r"kept in (\S+)", str(e.value.hint))
    assert kept and b"Typed" in files.read(kept[1])

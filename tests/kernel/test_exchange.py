"""Saved copies: what a save holds, how it comes back, and which of two versions stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Clone, new_git
from killing import at as at_point
from killing import stopping
from tbdx.core import codec
from tbdx.errors import NotFound
from tbdx.kernel import attic, exchange, setup, work

ULID = "is-01hx5zzkbkactav9wevgemmvrz"


def make(repo: Clone, title: str, **options: Any) -> str:
    return str(work.create(repo.kernel, title, options)["internalId"])


def workspace(repo: Clone, name: str = "backup") -> Path:
    return repo.path / ".tbd/workspaces" / name


def issue_at(folder: Path, internal: str) -> dict[str, Any]:
    return codec.parse((folder / f"issues/{internal}.md").read_text(), internal)


def edit(folder: Path, internal: str, **fields: Any) -> None:
    """Change an issue's file as another clone's save would have left it."""
    path = folder / f"issues/{internal}.md"
    path.write_text(codec.render(codec.parse(path.read_text()) | fields))


def lost(repo: Clone) -> list[tuple[str, str]]:
    return [(e["field"], e["lost_value"]) for _, e in attic.read_all(repo.kernel, str(repo.data))]


def warned(repo: Clone) -> list[str]:
    return [text for level, text in repo.said if level == "warn"]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def files_of(repo: Clone) -> dict[str, bytes]:
    return tree(repo.data)


def test_a_save_holds_issues_and_short_ids_as_they_are(repo: Clone) -> None:
    a, b = make(repo, "W1"), make(repo, "W2")
    answer = exchange.save(repo.kernel, "backup")
    assert answer == {"saved": 2, "conflicts": 0, "target": "backup", "totalSource": 2, "filtered": False}
    assert list(answer) == ["saved", "conflicts", "target", "totalSource", "filtered"]
    there, here = tree(workspace(repo)), files_of(repo)
    assert sorted(there) == [f"issues/{a}.md", f"issues/{b}.md", "mappings/ids.yml"]
    assert all(there[name] == here[name] for name in there)
    assert exchange.workspaces(repo.kernel) == [
        {"name": "backup", "counts": {"open": 2, "in_progress": 0, "closed": 0, "total": 2}}
    ]


def test_an_import_of_an_older_copy_changes_nothing(repo: Clone) -> None:
    a = make(repo, "W1")
    make(repo, "W2")
    exchange.save(repo.kernel, "backup")
    work.update(repo.kernel, [a], {"title": "Changed after save"})
    before = files_of(repo)
    for _ in range(2):
        answer = exchange.import_workspace(repo.kernel, "backup")
        assert answer == {"imported": 2, "conflicts": 0, "source": "backup", "cleared": False}
        assert files_of(repo) == before


def test_a_missing_workspace_has_nothing_to_import(repo: Clone) -> None:
    answer = exchange.import_workspace(repo.kernel, "nope", clear=True)
    assert answer == {"imported": 0, "conflicts": 0, "source": "nope", "cleared": False}


def test_clear_removes_the_copy_and_delete_then_finds_none(repo: Clone) -> None:
    make(repo, "W1")
    exchange.save(repo.kernel, "backup")
    assert exchange.import_workspace(repo.kernel, "backup", clear=True)["cleared"]
    assert not workspace(repo).exists() and exchange.workspaces(repo.kernel) == []
    with pytest.raises(NotFound, match="^Workspace not found: backup$"):
        exchange.delete_workspace(repo.kernel, "backup")
    assert exchange.delete_workspace(repo.kernel, "backup", force=True) == {"name": "backup", "deleted": False}


def test_delete_removes_a_workspace_unless_dry(repo: Clone, tmp_path: Path) -> None:
    make(repo, "W1")
    exchange.save(repo.kernel, "backup")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("x")
    (workspace(repo) / "link").symlink_to(tmp_path / "mine")
    exchange.delete_workspace(repo.kernel, "backup", dry=True)
    assert workspace(repo).exists()
    assert exchange.delete_workspace(repo.kernel, "backup") == {"name": "backup", "deleted": True}
    assert not workspace(repo).exists() and (tmp_path / "mine/file").exists()


def test_a_copy_travels_to_another_clone_with_its_short_ids(
    repo: Clone, tmp_path: Path, at: Callable[[Path], Clone]
) -> None:

    a = make(repo, "W1", description="d")
    exchange.save(repo.kernel, folder=str(tmp_path / "copy"))
    other = at(new_git(tmp_path / "other"))
    setup.init(other.kernel, "else")
    answer = exchange.import_workspace(other.kernel, folder="../copy")
    assert answer == {"imported": 1, "conflicts": 0, "source": "../copy", "cleared": False}
    assert tree(other.data)[f"issues/{a}.md"] == files_of(repo)[f"issues/{a}.md"]
    assert other.kernel.display(a) == repo.kernel.display(a).replace("test", "else")
    assert tree(other.data)["mappings/ids.yml"] == files_of(repo)["mappings/ids.yml"]


def test_a_short_id_that_is_taken_gives_way(repo: Clone, tmp_path: Path) -> None:
    make(repo, "mine")
    row = (repo.data / "mappings/ids.yml").read_text().partition(":")[0].strip('"')
    folder = tmp_path / "copy"
    (folder / "issues").mkdir(parents=True)
    (folder / "mappings").mkdir()
    issue = codec.parse(next((repo.data / "issues").glob("*.md")).read_text()) | {"id": ULID}
    (folder / f"issues/{ULID}.md").write_text(codec.render(issue))
    (folder / "mappings/ids.yml").write_text(f"{row}: {ULID[3:]}\n<<<<<<< HEAD\n")
    assert exchange.import_workspace(repo.kernel, folder=str(folder))["imported"] == 1
    assert repo.kernel.display(ULID) not in (ULID, f"test-{row}")
    assert any("ids.yml:2" in text for text in warned(repo))


def test_the_later_side_stands_whole_and_what_it_overwrites_goes_to_the_attic(repo: Clone) -> None:
    a = make(repo, "Mine", label=("base",))
    exchange.save(repo.kernel, "backup")
    work.update(repo.kernel, [a], {"title": "Mine, later", "add_label": ("here",)})
    edit(workspace(repo), a, title="Theirs", labels=["base", "there"], version=3, updated_at="2030-01-01T00:00:00.000Z")
    answer = exchange.import_workspace(repo.kernel, "backup")
    assert answer["conflicts"] == 2
    assert issue_at(repo.data, a) == issue_at(workspace(repo), a)
    assert sorted(lost(repo)) == [("labels", '["base", "here"]'), ("title", '"Mine, later"')]
    assert {e["winner"] for e in attic.entries(repo.kernel)} == {"remote"}
    before = files_of(repo)
    assert exchange.import_workspace(repo.kernel, "backup")["conflicts"] == 0
    assert files_of(repo) == before


def test_an_older_copy_that_was_never_here_leaves_its_values_in_the_attic(repo: Clone) -> None:
    a = make(repo, "Base")
    exchange.save(repo.kernel, "backup")
    work.update(repo.kernel, [a], {"title": "Mine", "priority": "0"})
    edit(workspace(repo), a, title="Theirs", version=2, updated_at="2025-06-15T15:06:40.100Z")
    repo.clock.at += 1000
    work.update(repo.kernel, [a], {"title": "Mine"})
    mine = issue_at(repo.data, a)
    assert exchange.import_workspace(repo.kernel, "backup")["conflicts"] == 2
    assert issue_at(repo.data, a) == mine
    assert sorted(lost(repo)) == [("priority", "2"), ("title", '"Theirs"')]
    before = files_of(repo)
    assert exchange.import_workspace(repo.kernel, "backup", clear=True)["cleared"]
    assert files_of(repo) == before


def test_a_copy_that_moved_on_from_what_was_saved_here_overwrites_without_loss(repo: Clone) -> None:
    a = make(repo, "Base")
    exchange.save(repo.kernel, "backup")
    edit(workspace(repo), a, title="Edited there", version=2, updated_at="2030-01-01T00:00:00.000Z")
    assert exchange.import_workspace(repo.kernel, "backup")["conflicts"] == 0
    assert issue_at(repo.data, a)["title"] == "Edited there" and lost(repo) == []


def test_a_copy_that_the_sync_branch_holds_is_no_loss(clones: tuple[Clone, Clone]) -> None:
    from tbdx.kernel.sync import sync

    a, b = clones
    one = make(a, "Synced")
    exchange.save(a.kernel, folder=str(a.path.parent / "copy"))
    sync(a.kernel)
    sync(b.kernel)
    work.update(b.kernel, [one], {"title": "Later"})
    assert exchange.import_workspace(b.kernel, folder=str(a.path.parent / "copy"))["conflicts"] == 0
    assert lost(b) == [] and issue_at(b.data, one)["title"] == "Later"


def test_versions_of_one_instant_are_merged_and_the_loser_kept(repo: Clone) -> None:
    a = make(repo, "Base", label=("base",))
    exchange.save(repo.kernel, "backup")
    edit(repo.data, a, title="By hand here", labels=["base", "here"])
    edit(workspace(repo), a, title="By hand there", labels=["base", "there"])
    assert exchange.import_workspace(repo.kernel, "backup")["conflicts"] == 1
    issue = issue_at(repo.data, a)
    assert sorted(issue["labels"]) == ["base", "here", "there"] and issue["version"] == 2
    assert [field for field, _ in lost(repo)] == ["title"]
    assert {issue["title"], lost(repo)[0][1].strip('"')} == {"By hand here", "By hand there"}
    before = files_of(repo)
    assert exchange.import_workspace(repo.kernel, "backup")["conflicts"] == 0
    assert files_of(repo) == before


def test_an_edit_by_hand_outlives_the_copy_saved_before_it(repo: Clone) -> None:
    a = make(repo, "Base", label=("base",))
    exchange.save(repo.kernel, "backup")
    edit(repo.data, a, title="AAA by hand", labels=[])
    before = files_of(repo)
    assert exchange.import_workspace(repo.kernel, "backup")["conflicts"] == 0
    assert files_of(repo) == before


def test_a_version_number_never_goes_back(repo: Clone) -> None:
    a = make(repo, "Base")
    exchange.save(repo.kernel, "backup")
    for title in ("2", "3", "4"):
        work.update(repo.kernel, [a], {"title": title})
    edit(workspace(repo), a, title="There", version=2, updated_at="2030-01-01T00:00:00.000Z")
    exchange.import_workspace(repo.kernel, "backup")
    assert issue_at(repo.data, a)["version"] == 5 and issue_at(repo.data, a)["title"] == "There"
    before = files_of(repo)
    exchange.import_workspace(repo.kernel, "backup")
    assert files_of(repo) == before


def test_a_second_save_brings_the_copy_up_to_date_and_overwrites_no_later_one(repo: Clone) -> None:
    a, b = make(repo, "A"), make(repo, "B")
    exchange.save(repo.kernel, "backup")
    work.update(repo.kernel, [a], {"title": "A2"})
    edit(workspace(repo), b, title="B there", version=9, updated_at="2030-01-01T00:00:00.000Z")
    answer = exchange.save(repo.kernel, "backup")
    assert (answer["saved"], answer["conflicts"]) == (2, 0)
    assert issue_at(workspace(repo), a)["title"] == "A2" and issue_at(workspace(repo), b)["title"] == "B there"
    assert not (workspace(repo) / "attic").exists()
    work.update(repo.kernel, [b], {"title": "B here"})
    edit(repo.data, b, updated_at="2031-01-01T00:00:00.000Z")
    assert exchange.save(repo.kernel, "backup")["conflicts"] == 1
    assert [e["lost_value"] for _, e in attic.read_all(repo.kernel, str(workspace(repo)))] == ['"B there"']
    exchange.import_workspace(repo.kernel, "backup", clear=True)
    assert ("title", '"B there"') in lost(repo) and not workspace(repo).exists()


def test_dry_runs_change_nothing(repo: Clone) -> None:
    a = make(repo, "A")
    answer = exchange.save(repo.kernel, "backup", dry=True)
    assert answer["saved"] == 1 and not workspace(repo).exists()
    exchange.save(repo.kernel, "backup")
    edit(workspace(repo), a, title="There", version=2, updated_at="2030-01-01T00:00:00.000Z")
    here, there = files_of(repo), tree(workspace(repo))
    assert exchange.import_workspace(repo.kernel, "backup", clear=True, dry=True)["imported"] == 1
    assert files_of(repo) == here and tree(workspace(repo)) == there


def test_the_outbox_takes_what_the_remote_lacks(clones: tuple[Clone, Clone]) -> None:
    from tbdx.kernel.sync import sync

    a, _ = clones
    one = make(a, "Published")
    make(a, "Also published")
    sync(a.kernel)
    work.update(a.kernel, [one], {"title": "Changed"})
    new = make(a, "New")
    answer = exchange.save(a.kernel, outbox=True)
    assert answer == {"saved": 2, "conflicts": 0, "target": "outbox", "totalSource": 3, "filtered": True}
    assert sorted(p.stem for p in (workspace(a, "outbox") / "issues").iterdir()) == sorted([one, new])
    assert exchange.save(a.kernel, "some", updates_only=True)["saved"] == 2


def test_the_outbox_takes_all_where_there_is_no_remote_state(repo: Clone) -> None:
    make(repo, "A")
    assert exchange.save(repo.kernel, outbox=True)["saved"] == 1
    assert exchange.import_workspace(repo.kernel, outbox=True, clear=True)["source"] == "outbox"
    assert not workspace(repo, "outbox").exists()


def test_an_import_that_is_stopped_while_it_clears_the_copy_has_kept_its_short_ids(
    repo: Clone, tmp_path: Path, at: Callable[[Path], Clone]
) -> None:
    other = at(new_git(tmp_path / "other"))
    setup.init(other.kernel, "test")
    shown = other.create("T")
    other.run("save", "--dir", "../copy")
    with stopping(at_point("folder.remove", 1, "kill")) as stop:
        repo.run("import", "--dir", "../copy", "--clear-on-success")
    assert stop.dead and not list((tmp_path / "copy").rglob("*.md"))
    assert repo.json("show", shown)["title"] == "T"

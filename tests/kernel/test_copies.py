"""What a hostile or damaged copy can do, which is nothing: names, links, files that are none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from conftest import Clone
from tbdx.core import codec
from tbdx.errors import BadFile, Invalid
from tbdx.kernel import exchange, work


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


def warned(repo: Clone) -> list[str]:
    return [text for level, text in repo.said if level == "warn"]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def files_of(repo: Clone) -> dict[str, bytes]:
    return tree(repo.data)


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "../x", "A", "-a", "_a", "a.b", "a\0", "ä", "a b", "x" * 300])
def test_names_that_are_no_names_are_refused(repo: Clone, name: str) -> None:
    for call in (exchange.save, exchange.import_workspace, exchange.delete_workspace):
        with pytest.raises(Invalid):
            call(repo.kernel, name)
    assert not (repo.path / ".tbd/workspaces").exists()


def test_exactly_one_place_is_named(repo: Clone) -> None:
    for given in ({}, {"workspace": "a", "outbox": True}, {"workspace": "a", "folder": "b"}, {"folder": ""}):
        with pytest.raises(Invalid):
            exchange.save(repo.kernel, **given)  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        exchange.import_workspace(repo.kernel, folder=str(repo.data), clear=True)


@pytest.mark.parametrize("part", ["", "/issues", "/mappings", "/attic"])
def test_a_link_in_a_workspace_leads_nowhere(repo: Clone, tmp_path: Path, part: str) -> None:
    make(repo, "A")
    exchange.save(repo.kernel, "backup")
    outside = tmp_path / "outside"
    path = Path(f"{workspace(repo)}{part}")
    if path.exists():
        path.rename(outside)
    else:
        outside.mkdir()
    path.symlink_to(outside)
    before = tree(outside)
    for call in (exchange.save, exchange.import_workspace):
        with pytest.raises(BadFile):
            call(repo.kernel, "backup")
    assert exchange.workspaces(repo.kernel) == [] and warned(repo)
    if not part:
        with pytest.raises(BadFile):
            exchange.delete_workspace(repo.kernel, "backup", force=True)
    assert tree(outside) == before


def test_the_workspaces_folder_may_not_be_a_link(repo: Clone, tmp_path: Path) -> None:
    make(repo, "A")
    (tmp_path / "outside").mkdir()
    (repo.path / ".tbd/workspaces").symlink_to(tmp_path / "outside")
    for call in (lambda k: exchange.save(k, "x"), exchange.workspaces, lambda k: exchange.delete_workspace(k, "x")):
        with pytest.raises(BadFile):
            call(repo.kernel)
    assert list((tmp_path / "outside").iterdir()) == []


def test_damaged_files_of_a_copy_are_said_and_the_rest_comes_in(repo: Clone, tmp_path: Path) -> None:
    a = make(repo, "A")
    exchange.save(repo.kernel, "backup")
    issues = workspace(repo) / "issues"
    good = (issues / f"{a}.md").read_bytes()
    (issues / "is-01hx5zzkbkactav9wevgemmvrz.md").write_bytes(b"")
    (issues / "is-01hx5zzkbkbctav9wevgemmvrz.md").write_bytes(good)
    (issues / "is-01hx5zzkbkcctav9wevgemmvrz.md").symlink_to(tmp_path / "home/.gitconfig")
    (issues / "is-..md").write_bytes(good)
    os.mkfifo(issues / "is-01hx5zzkbkdctav9wevgemmvrz.md")
    (issues / "is-01hx5zzkbkectav9wevgemmvrz.md").mkdir()
    escaped = good.decode().replace(a, "is-01hx5zzkbkfctav9wevgemmvrz").replace("title: A", 'title: "\\ud800"')
    (issues / "is-01hx5zzkbkfctav9wevgemmvrz.md").write_text(escaped)
    (workspace(repo) / "mappings/ids.yml").unlink()
    (workspace(repo) / "mappings/ids.yml").symlink_to(tmp_path / "home/.gitconfig")
    work.update(repo.kernel, [a], {"title": "later"})
    answer = exchange.import_workspace(repo.kernel, "backup", clear=True)
    assert answer == {"imported": 1, "conflicts": 0, "source": "backup", "cleared": False}
    assert len([text for text in warned(repo) if "Skipping invalid issue file" in text]) == 7
    assert len(list((repo.data / "issues").glob("*.md"))) == 1 and (issues / f"{a}.md").exists()
    repo.said.clear()
    assert exchange.save(repo.kernel, "backup")["saved"] == 1
    assert (tmp_path / "home/.gitconfig").read_text().startswith("[user]")


def test_a_damaged_issue_of_ours_is_neither_saved_nor_overwritten(repo: Clone) -> None:
    a = make(repo, "A")
    make(repo, "B")
    exchange.save(repo.kernel, "backup")
    (repo.data / f"issues/{a}.md").write_text("---\ntype: is\n")
    answer = exchange.import_workspace(repo.kernel, "backup", clear=True)
    assert (answer["imported"], answer["cleared"]) == (1, False)
    assert (repo.data / f"issues/{a}.md").read_text() == "---\ntype: is\n"
    assert exchange.save(repo.kernel, "backup")["totalSource"] == 1
    assert issue_at(workspace(repo), a)["title"] == "A"


def test_clearing_a_folder_removes_the_copy_and_nothing_else(repo: Clone, tmp_path: Path) -> None:
    make(repo, "A")
    folder = tmp_path / "copy"
    exchange.save(repo.kernel, folder=str(folder))
    (folder / "thesis.txt").write_text("mine")
    (folder / "issues/notes.md").write_text("mine")
    assert exchange.import_workspace(repo.kernel, folder=str(folder), clear=True)["cleared"]
    assert sorted(tree(folder)) == ["issues/notes.md", "thesis.txt"]
    assert any("they stay" in text for level, text in repo.said if level == "notice")


def test_below_f08_a_copy_with_newer_fields_is_stepped_over(repo: Clone) -> None:
    a, b = make(repo, "A"), make(repo, "B")
    exchange.save(repo.kernel, "backup")
    edit(workspace(repo), a, hold="paused", version=2, updated_at="2030-01-01T00:00:00.000Z")
    config = repo.path / ".tbd/config.yml"
    config.write_text(config.read_text().replace("tbd_format: f08", "tbd_format: f04"))
    before = files_of(repo)
    answer = exchange.import_workspace(repo.kernel, "backup", clear=True)
    assert (answer["imported"], answer["cleared"]) == (1, False) and b in workspace(repo).joinpath(
        "issues"
    ).as_posix() + b
    assert files_of(repo) == before and any("f08" in text for text in warned(repo))


def test_the_list_names_what_is_no_workspace(repo: Clone) -> None:
    root = repo.path / ".tbd/workspaces"
    (root / "Odd Name").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "file").write_text("x")
    counts = {"open": 0, "in_progress": 0, "closed": 0, "total": 0}
    assert exchange.workspaces(repo.kernel) == [{"name": "empty", "counts": counts}]
    assert len(warned(repo)) == 2

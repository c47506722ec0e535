"""doctor on real repositories: one thing is damaged, one row says so, and nothing is changed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tbdx.core import codec, ids
from tbdx.errors import NotInitialized
from tbdx.kernel import Kernel, doctor, setup
from tbdx.store import entities

NOW = 1_800_000_000_000
TOP = Path(__file__).resolve().parents[2]
BUNDLE = Path(os.environ.get("TBDX_BUNDLE") or TOP.parent / "shared/data/tbd-sync.bundle").resolve()
AT = "2026-01-02T03:04:05.678Z"


class Place:
    """A repository in a folder of its own, and what doctor says of it."""

    def __init__(self, folder, home):
        self.root = str(folder)
        self.env = {"HOME": str(home), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
        self.env |= {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        folder.mkdir()
        self.git("init", "-q", ".")
        self.git("symbolic-ref", "HEAD", "refs/heads/main")

    def git(self, *args, at=None):
        done = subprocess.run(["git", *args], cwd=at or self.root, env=self.env, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def kernel(self):
        said = []
        k = Kernel(self.root, self.env, now_ms=lambda: NOW, say=lambda level, text: said.append(text))
        k.said = said
        return k

    def init(self):
        setup.init(self.kernel(), "test")
        return self

    @property
    def data(self):
        return Path(self.kernel().repo.data)

    @property
    def shared(self):
        return Path(self.kernel().repo.shared)

    def issue(self, n, **fields):
        """Write an issue by hand, with its row in ids.yml; the internal id."""
        internal = "is-" + ids.ulid(NOW - 10**9, n)
        base = {"type": "is", "id": internal, "title": f"issue {n}", "version": 1, "created_at": AT, "updated_at": AT}
        text = codec.render({**base, "kind": "task", "status": "open", "priority": 2, "labels": [], **fields})
        (self.data / f"issues/{internal}.md").write_text(text)
        with (self.data / "mappings/ids.yml").open("a") as f:
            f.write(f"n{n}: {internal[3:]}\n")
        return internal

    def commit(self):
        """Commit what is in the hidden worktree, as a sync does."""
        self.git("add", "-A", at=self.kernel().repo.worktree)
        self.git("commit", "-q", "-m", "save", at=self.kernel().repo.worktree)

    def examine(self):
        k = self.kernel()
        report = doctor.examine(k)
        assert k.said == []
        return report

    def row(self, name):
        report = self.examine()
        rows = [r for key in ("healthChecks", "integrationChecks", "tbdxChecks") for r in report[key]]
        return next(r for r in rows if r["name"] == name)

    def odd(self):
        """{name: status} of every row that is not ok, but for what every lone repository is warned of."""
        report = self.examine()
        usual = {"Remote sync branch", "Sync status", "Bytecode"}
        rows = report["healthChecks"] + report["tbdxChecks"]
        return {r["name"]: r["status"] for r in rows if r["status"] != "ok" and r["name"] not in usual}


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "a", tmp_path).init()


@pytest.fixture
def published(place, tmp_path):
    """The repository, in step with a bare remote."""
    place.issue(1)
    place.commit()
    place.git("init", "-q", "--bare", str(tmp_path / "origin.git"))
    place.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    place.git("push", "-q", "origin", "tbd-sync")
    return place


def snapshot(root):
    return {p: p.lstat().st_mtime_ns for p in Path(root).rglob("*") if not p.is_dir()}


def test_a_sound_repository_gives_the_recorded_rows(place):
    place.issue(1)
    recorded = json.loads((TOP / "fixtures/sessions/doctor.json").read_text())["steps"][1]["answer"]["json"]
    here = json.dumps(recorded).replace("<ROOT>/a", place.root).replace("<GIT>", place.git("version").split()[2])
    wanted, report = json.loads(here), place.examine()
    for key in ("healthChecks", "integrationChecks"):
        assert [r["name"] for r in report[key]] == [r["name"] for r in wanted[key]]
        for given, row in zip(report[key], wanted[key], strict=True):
            assert given | row == given
    for key in ("statusInfo", "statsInfo", "healthy"):
        assert report[key] == wanted[key]
    assert not doctor.failed(report)


def test_doctor_changes_nothing(place):
    place.issue(1, parent_id="is-" + "0" * 26)
    (place.data / "mappings/ids.yml").unlink()
    before = snapshot(place.root)
    place.examine()
    assert snapshot(place.root) == before


def test_doctor_does_not_make_a_missing_worktree(place):
    shutil.rmtree(place.kernel().repo.worktree)
    assert place.odd() == {"Issues directory": "warn", "Worktree": "warn"}
    assert place.row("Worktree")["message"] == "prunable"
    place.git("worktree", "prune")
    assert place.row("Worktree")["message"] == "missing"
    assert not os.path.exists(place.kernel().repo.worktree)
    assert place.examine()["statusInfo"] == {"gitBranch": "main", "worktreeHealthy": False}


def test_without_a_tracker_there_is_nothing_to_examine(tmp_path):
    with pytest.raises(NotInitialized):
        Place(tmp_path / "a", tmp_path).examine()


def test_an_old_git_is_an_error(place, tmp_path):
    real = shutil.which("git")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(f'#!/bin/sh\n[ "$*" = version ] && echo git version 2.24.4 || exec {real} "$@"\n')
    (tmp_path / "bin/git").chmod(0o755)
    place.env["PATH"] = f"{tmp_path}/bin:{place.env['PATH']}"
    assert place.odd() == {"Git version": "error"}
    assert place.row("Git version")["message"] == "2.24.4 is too old"


def test_without_git_the_rest_is_still_examined(place, tmp_path):
    place.issue(1, status="odd")
    place.env["PATH"] = str(tmp_path)
    odd = place.odd()
    assert odd["Git version"] == odd["Issue validity"] == "error"
    assert odd["Worktree"] == odd["Local sync branch"] == odd["Sync consistency"] == "warn"
    assert "git is not installed" in place.row("Git version")["message"]


def test_a_config_that_cannot_be_read_hides_nothing_else(place):
    config = Path(place.root, ".tbd/config.yml")
    text = config.read_text()
    config.write_text(text + "some_new_key:\n  a: 1\n")
    assert place.odd() == {}
    place.issue(1, status="odd")
    for bad in ("display: [\n", text.replace("f08", "f99"), text.replace("id_prefix: test", "id_prefix: A-")):
        config.write_text(bad)
        assert place.odd() == {"Config file": "error", "Issue validity": "error"}


def test_a_missing_issues_directory_is_an_error(place):
    shutil.rmtree(place.data / "issues")
    assert place.odd() == {"Issues directory": "error", "Worktree": "error"}


def test_a_link_in_place_of_the_issues_directory_is_named_and_not_followed(place, tmp_path):
    place.issue(1, status="odd")
    (place.data / "issues").rename(tmp_path / "elsewhere")
    (place.data / "issues").symlink_to(tmp_path / "elsewhere")
    row = place.row("Issues directory")
    assert row["status"] == "error"
    assert "symbolic link" in row["message"]
    assert place.examine()["statsInfo"]["total"] == 0
    assert place.row("Issue validity")["status"] == "ok"


def test_dangling_and_circular_dependencies_are_warned_of(place):
    gone = "is-" + ids.ulid(NOW, 99)
    one, two = ("is-" + ids.ulid(NOW - 10**9, n) for n in (1, 2))
    place.issue(1, dependencies=[{"type": "blocks", "target": x} for x in (gone, two)])
    place.issue(2, dependencies=[{"type": "blocks", "target": one}])
    row = place.row("Dependencies")
    assert row["status"] == "warn"
    assert row["details"] == [f"test-n1 -> {gone}", "test-n1 -> test-n2 -> test-n1"]


def test_a_cycle_of_parents_fails_the_examination(place):
    one, two = ("is-" + ids.ulid(NOW - 10**9, n) for n in (1, 2))
    place.issue(1, parent_id=two)
    place.issue(2, parent_id=one)
    assert place.row("Issue hierarchy")["details"] == ["test-n1 -> test-n2 -> test-n1"]
    assert doctor.failed(place.examine())


def test_ids_yml_is_looked_at_line_by_line(place):
    one, two = place.issue(1)[3:], place.issue(2)[3:]
    three = place.issue(3)
    text = f"<<<<<<< HEAD\nn1: {one}\n=======\nn1: {two}\n>>>>>>> theirs\nUPPER: {one}\n"
    (place.data / "mappings/ids.yml").write_text(text)
    found = {"ID mapping conflicts": "error", "ID mapping keys": "warn"}
    assert place.odd() == found | {"ID mapping coverage": "warn", "Unique IDs": "warn"}
    assert place.row("ID mapping conflicts")["details"] == ["ids.yml:1", "ids.yml:3", "ids.yml:5"]
    assert [x.split(": ")[0] for x in place.row("ID mapping keys")["details"]] == ["ids.yml:6"]
    assert [x.split(":")[0] for x in place.row("ID mapping coverage")["details"]] == [three]


def test_a_link_in_place_of_ids_yml_is_named(place, tmp_path):
    place.issue(1)
    (place.data / "mappings/ids.yml").rename(tmp_path / "ids.yml")
    (place.data / "mappings/ids.yml").symlink_to(tmp_path / "ids.yml")
    assert place.odd() == {"ID mapping keys": "warn", "ID mapping coverage": "warn", "Odd files": "warn"}


def test_a_foreign_file_name_and_a_temporary_file_are_warned_of(place):
    (place.data / "issues/todo.md").write_text("x\n")
    (place.data / "issues/notes.txt").write_text("x\n")
    (place.data / "issues/.x.tmp").write_text("x\n")
    assert place.odd() == {"Unique IDs": "warn", "Temp files": "warn"}


def test_each_invalid_issue_file_is_named_with_its_line(place):
    place.issue(1)
    two = place.issue(2, status="nonsense")
    path = place.data / f"issues/{place.issue(3)}.md"
    path.write_text(path.read_text().replace("kind:", "<<<<<<< HEAD\nkind:"))
    row = place.row("Issue validity")
    assert (row["status"], row["message"], len(row["details"])) == ("error", "2 invalid issue file(s)", 2)
    line = (place.data / f"issues/{two}.md").read_text().split("\n").index("status: nonsense") + 1
    assert row["details"][0].startswith(f"{two}.md:{line}: status: ")
    assert place.examine()["statsInfo"]["total"] == 1


def test_a_worktree_that_git_does_not_know_is_corrupted(place):
    (place.shared / "data-sync-worktree/.git").write_text("gitdir: /nowhere\n")
    assert place.odd() == {"Worktree": "error"}
    assert place.row("Worktree")["message"] == "corrupted"


def test_a_worktree_on_another_branch_or_commit_is_an_error(place):
    worktree = place.kernel().repo.worktree
    place.git("checkout", "-q", "-b", "other", at=worktree)
    assert place.odd() == {"Worktree": "error"}
    assert place.row("Worktree")["message"] == "on other, not on tbd-sync"
    place.issue(1)
    place.commit()
    assert place.odd() == {"Worktree": "error", "Sync consistency": "error"}
    place.git("checkout", "-q", "--detach", at=worktree)
    assert place.odd() == {"Worktree": "error", "Sync consistency": "error"}
    assert place.row("Worktree")["message"] == "on a detached HEAD, not on tbd-sync"


def test_an_unfinished_merge_is_warned_of(place):
    Path(place.kernel().git.worktree_git_dir(), "MERGE_HEAD").write_text("0" * 40)
    assert place.odd() == {"Sync consistency": "warn"}


def test_layout_yml_is_held_against_the_config(place):
    path = place.shared / "layout.yml"
    text = path.read_text()
    path.write_text(text.replace("f08", "f05"))
    assert place.row("Common-dir layout")["details"] == ["tbd_format: f05, expected f08"]
    assert place.odd() == {"Common-dir layout": "warn"}
    path.write_text(text.replace("f08", "f09"))
    assert place.odd() == {"Common-dir layout": "error"}
    path.write_text("a: [\n")
    assert place.odd() == {"Common-dir layout": "error"}
    path.unlink()
    assert place.odd() == {"Common-dir layout": "warn"}


def test_locks_that_cannot_be_made_are_an_error(place):
    shutil.rmtree(place.shared / "locks")
    assert place.odd() == {}
    assert not (place.shared / "locks").exists()
    (place.shared / "locks").write_text("in the way")
    assert place.odd() == {"Shared lock writability": "error"}


def test_lock_records_of_dead_processes_are_named_and_those_of_living_ones_not(place):
    def leave(name, pid):
        folder = place.shared / "locks" / name
        folder.mkdir(parents=True)
        record = {"version": 1, "token": "x", "host": os.uname().nodename, "pid": pid}
        (folder / "record").write_text(json.dumps(record))

    child = subprocess.Popen(["true"])
    child.wait()
    leave("data-sync.lock.owner-1", child.pid)
    leave("data-sync.lock.owner-2", os.getpid())
    leave("data-sync.lock.stale-3/owner", child.pid)
    for name, at_s in (("owner-4", NOW / 1000 - 7200), ("owner-5", NOW / 1000)):
        (place.shared / f"locks/data-sync.lock.{name}").mkdir()
        os.utime(place.shared / f"locks/data-sync.lock.{name}", (at_s, at_s))
    assert place.odd() == {"Abandoned lock records": "warn"}
    gone = f"process {child.pid} is gone"
    said = [f"owner-1: {gone}", f"stale-3: {gone}", "owner-4: no record, 2.0 h old"]
    assert sorted(place.row("Abandoned lock records")["details"]) == sorted(f"data-sync.lock.{x}" for x in said)


def test_issues_where_nothing_looks_are_found(place):
    one = place.issue(1)
    wrong = Path(place.root, ".tbd/data-sync/issues")
    wrong.mkdir(parents=True)
    shutil.copy(place.data / f"issues/{one}.md", wrong)
    assert place.odd() == {"Data location": "warn"}
    old = Path(place.root, ".tbd/data-sync-worktree/.tbd/data-sync/issues")
    old.mkdir(parents=True)
    lost = "is-" + ids.ulid(NOW, 7)
    (old / f"{lost}.md").write_text("---\n---\n")
    assert place.odd() == {"Data location": "error"}
    assert place.row("Data location")["details"] == [lost]


def test_a_missing_sync_branch_is_an_error_unless_the_remote_has_it(published):
    published.git("update-ref", "-d", "refs/heads/tbd-sync")
    assert published.odd()["Local sync branch"] == "warn"
    published.git("update-ref", "-d", "refs/remotes/origin/tbd-sync")
    assert published.odd()["Local sync branch"] == "error"


def test_a_published_repository_is_healthy(published):
    report = published.examine()
    assert published.odd() == {}
    assert published.row("Remote sync branch")["message"] == "origin/tbd-sync"
    assert (published.row("Sync status")["status"], report["statsInfo"]["remoteTotal"]) == ("ok", 1)
    assert report["healthy"]


def test_sync_status_tells_what_is_not_committed_not_pushed_not_merged(published):
    first = published.git("rev-parse", "tbd-sync")
    two = published.issue(2)
    (published.data / "meta.yml").unlink()
    row = published.row("Sync status")
    assert (row["status"], row["message"]) == ("warn", "3 file(s) changed and not committed")
    data = ".tbd/data-sync"
    changed = [f"new: {data}/issues/{two}.md", f"modified: {data}/mappings/ids.yml", f"deleted: {data}/meta.yml"]
    assert row["details"] == changed
    published.commit()
    (published.data / "issues/todo.md").write_text("x")
    assert published.row("Sync status")["message"] == "1 file(s) that sync leaves out, 1 commit(s) not pushed"
    assert published.row("Sync status")["details"][0].startswith(f"withheld: {data}/issues/todo.md: ")
    (published.data / "issues/todo.md").unlink()
    ahead = published.git("rev-parse", "tbd-sync")
    published.git("update-ref", "refs/remotes/origin/tbd-sync", ahead)
    published.git("update-ref", "refs/heads/tbd-sync", first)
    assert "1 commit(s) not merged" in published.row("Sync status")["message"]


def test_histories_without_a_common_commit_are_an_error(published):
    tree = published.git("rev-parse", "tbd-sync^{tree}")
    alien = published.git("commit-tree", tree, "-m", "alien")
    published.git("update-ref", "refs/remotes/origin/tbd-sync", alien)
    assert published.odd() == {}  # Sync status is left out there
    assert published.row("Sync status")["status"] == "error"


def test_nothing_published_and_nothing_to_publish(place):
    assert place.row("Sync status")["status"] == "ok"
    row = place.row("Remote sync branch")
    assert (row["status"], row["message"]) == ("warn", "origin/tbd-sync not found")


def test_a_clone_without_the_remotes_issues_is_warned_of(published):
    shutil.rmtree(published.data / "issues")
    (published.data / "issues").mkdir()
    assert published.odd() == {"Clone status": "warn"}


def test_a_clone_that_cuts_the_sync_branch_off_is_warned_of(published):
    first = published.git("rev-parse", "tbd-sync")
    other = published.git("commit-tree", published.git("rev-parse", "tbd-sync^{tree}"), "-m", "another branch")
    shallow = Path(published.root, ".git/shallow")
    shallow.write_text(f"{other}\n")
    assert published.odd() == {}
    shallow.write_text(f"{first}\n{other}\n")
    assert published.odd() == {"Clone status": "warn"}
    assert published.row("Clone status")["details"] == [first]


def test_odd_issues_are_named_in_rows_of_our_own(place):
    place.issue(1, status="closed")
    place.issue(2, closed_at=AT)
    place.issue(3, notes="a\n\n## Notes\n\nb")
    place.issue(4, extensions={"linear": {}})
    place.issue(5, updated_at="2030-01-01T00:00:00.000Z")
    (place.data / "bridge/linear/links").mkdir(parents=True)
    (place.data / "bridge/linear/links/.gitkeep").write_text("")
    names = ("Closing times", "Left from closing", "Notes sections", "Linear links", "Future times")
    assert place.odd() == dict.fromkeys(names, "warn")


def test_links_and_fifos_in_the_data_tree_are_named_and_left(place, tmp_path):
    os.mkfifo(place.data / "mappings/pipe")
    (place.data / "issues/sub").mkdir()
    (place.data / "attic").symlink_to(tmp_path)
    row = place.row("Odd files")
    assert row["details"] == ["attic: a symbolic link", "issues/sub: a folder", "mappings/pipe: a FIFO"]
    assert place.odd() == {"Odd files": "warn"}


def test_an_install_without_bytecode_is_told_and_is_not_the_repositorys_fault(place, monkeypatch):
    monkeypatch.setattr(entities.__spec__, "cached", "/nowhere/entities.pyc")
    row = place.row("Bytecode")
    assert "tbdx.store.entities" in row["details"]
    assert "no bytecode: this install costs more per call" in row["message"]


def test_agents_files_of_tbdx_serve_as_well_as_tbds(place):
    path = Path(place.root, ".agents/skills/tbdx/SKILL.md")
    path.parent.mkdir(parents=True)
    path.write_text("x")
    Path(place.root, "AGENTS.md").write_text("<!-- BEGIN TBDX -->\n")
    assert place.row("Portable Agent Skill")["status"] == place.row("AGENTS.md")["status"] == "ok"
    assert place.row("Codex hooks")["status"] == "warn"


def test_what_has_no_meaning_here_says_so(place):
    config = Path(place.root, ".tbd/config.yml")
    for name in ("Launcher fallback", "Actor axis"):
        assert place.row(name)["message"].startswith("not checked: ")
    config.write_text(config.read_text() + "integrations:\n  linear:\n    team: X\n")
    assert place.row("State resolution")["message"] == "not checked: tbdx runs no tracker bridge"
    assert place.row("Integrations")["message"] == "left to a real tbd: linear"


def test_a_repository_of_f03_is_looked_for_in_the_checkout(place):
    config = Path(place.root, ".tbd/config.yml")
    config.write_text(config.read_text().replace("f08", "f03"))
    place.git("worktree", "move", str(place.shared / "data-sync-worktree"), f"{place.root}/.tbd/data-sync-worktree")
    assert place.odd() == {}


@pytest.mark.skipif(not BUNDLE.exists(), reason="the tracker bundle is not here")
def test_of_a_live_project_exactly_what_is_odd_is_told(tmp_path):
    place = Place(tmp_path / "w", tmp_path)
    place.git("fetch", "-q", str(BUNDLE), "tbd-sync:tbd-sync")
    setup.init(place.kernel(), "tbd")
    found = ("Issue hierarchy", "Closing times", "Left from closing", "Notes sections", "Linear links")
    assert place.odd() == dict.fromkeys(found, "warn")
    assert [place.row(name)["message"] for name in found] == [
        "19 child hint(s) whose child names another parent or none",
        "14 closed issue(s) without closed_at",
        "1 issue(s) that are not closed but say when or why",
        "3 body(s) with two `## Notes`",
        "1 issue(s) with extensions.linear and no link file",
    ]
    assert [len(place.row(name)["details"]) for name in found] == [19, 14, 1, 3, 1]
    assert place.examine()["statsInfo"]["total"] == 1867

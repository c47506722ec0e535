"""Where a command runs: each place has its exit code and its words, and reading works where it can."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone, git, new_git
from damage import kept, one_error, snapshot

AtPath = Callable[[Path], Clone]
READS = (["list"], ["ready"], ["blocked"], ["stats"], ["stale"], ["search", "x"], ["label", "list"], ["config", "show"])
TBDX = [sys.executable, "-m", "tbdx"]


def process(cwd: Path, *argv: str, code: int = 0, **more: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*TBDX, *argv], cwd=cwd, capture_output=True, text=True, timeout=60, **more)  # type: ignore
    assert done.returncode == code and "Traceback" not in done.stderr, (argv, done)
    return done


def works(clone: Clone, cwd: Path | None = None) -> None:
    """Everything a person does first, from a folder."""
    made = json.loads(clone.run("create", "Made here", "--json", cwd=cwd).out)
    for argv in (["show", made["id"]], ["update", made["id"], "--priority", "1"], ["sync"], *READS):
        done = clone.run(*argv, cwd=cwd)
        assert done.code == 0, (argv, done)
    assert clone.run("doctor", cwd=cwd).code == 0
    status = json.loads(clone.run("status", "--json", cwd=cwd).out)
    assert status["initialized"] and status["worktree_healthy"], status


def test_no_repository(tmp_path: Path, at: AtPath) -> None:
    (tmp_path / "plain").mkdir()
    clone = at(tmp_path / "plain")
    for argv in (
        *READS,
        ["create", "x"],
        ["show", "x"],
        ["sync"],
        ["whoami", "--ensure-id"],
        ["doctor"],
        ["save", "--outbox"],
    ):
        done = clone.run(*argv, "--json")
        assert done.code == 1, (argv, done)
        said = one_error(done)
        assert said["code"] == "not_initialized" and "Not a tbd repository" in said["error"], (argv, said)
    done = clone.run("init", "--prefix", "test")
    assert done.code == 1 and "Not a git repository" in done.err
    assert json.loads(clone.run("status", "--json").out)["git_repository"] is False
    assert list((tmp_path / "plain").iterdir()) == []


def test_a_git_repository_without_a_tracker(bare_git: Clone) -> None:
    said = one_error(bare_git.run("list", "--json"))
    assert said["code"] == "not_initialized" and "tbdx init" in said["hint"]
    assert bare_git.run("status").code == 0
    (bare_git.path / ".tbd").mkdir()  # a bare .tbd does not count
    assert one_error(bare_git.run("list", "--json"))["code"] == "not_initialized"


def test_settings_without_git(repo: Clone) -> None:
    shutil.rmtree(repo.path / ".git")
    for argv in (["list"], ["create", "x"], ["sync"]):
        done = repo.run(*argv)
        assert done.code == 1 and "Not a git repository" in done.err, (argv, done)
    assert repo.run("status").code == 0


def test_a_bare_repository(tmp_path: Path, at: AtPath) -> None:
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    clone = at(tmp_path / "bare.git")
    before = snapshot(clone.path)
    for argv in (["init", "--prefix", "test"], ["list"], ["create", "x"]):
        done = clone.run(*argv)
        assert done.code == 1 and "bare git repository" in done.err, (argv, done)
    assert clone.run("status").code in (0, 1)
    assert snapshot(clone.path) == before


def test_inside_the_git_folder(repo: Clone) -> None:
    works(repo, repo.path / ".git")


def test_inside_the_git_folder_without_a_tracker(bare_git: Clone) -> None:
    done = bare_git.run("init", "--prefix", "test", cwd=bare_git.path / ".git")
    assert done.code == 1 and "Error: " in done.err, done
    assert not (bare_git.path / ".tbd").exists()


def test_a_detached_head(repo: Clone) -> None:
    repo.git("checkout", "-q", "--detach")
    works(repo)
    assert repo.json("status")["git_branch"] is None


def test_an_unborn_branch(tmp_path: Path, at: AtPath) -> None:
    clone = at(new_git(tmp_path / "young", commit=False))
    assert clone.run("init", "--prefix", "test").code == 0
    works(clone)
    assert clone.json("status")["git_branch"] == "main"


def test_a_subdirectory(repo: Clone) -> None:
    below = repo.path / "a/b"
    below.mkdir(parents=True)
    works(repo, below)
    (repo.path / "spec.md").write_text("x")
    assert repo.run("create", "x", "--spec", "../../spec.md", cwd=below).code == 0
    assert repo.json("list", "--spec", "spec.md")[0]["spec_path"] == "spec.md"


def test_init_from_a_subdirectory_is_at_the_top(bare_git: Clone) -> None:
    below = bare_git.path / "a/b"
    below.mkdir(parents=True)
    done = bare_git.run("init", "--prefix", "test", cwd=below)
    assert done.code == 0 and str(bare_git.path) in done.err
    works(bare_git, below)


def test_linked_worktrees_see_the_same_issues(repo: Clone, at: AtPath, tmp_path: Path) -> None:
    repo.git("add", ".tbd")
    repo.git("commit", "-qm", "tracker")
    one = repo.create("In the first")
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")
    linked = at(tmp_path / "linked")
    assert [row["id"] for row in linked.json("list")] == [one]
    two = linked.create("In the second")
    assert [row["id"] for row in repo.json("list")] == [one, two]
    works(linked)
    assert linked.kernel.repo.data == repo.kernel.repo.data


def test_a_submodule(repo: Clone, at: AtPath, tmp_path: Path) -> None:
    new_git(tmp_path / "library")
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "library"), "lib")
    repo.create("Of the whole")
    inner = at(repo.path / "lib")
    assert [row["title"] for row in inner.json("list")] == ["Of the whole"]  # as any folder below
    assert inner.run("init", "--prefix", "lib").code == 0
    assert inner.json("list") == []
    works(inner)
    assert [row["title"] for row in repo.json("list")] == ["Of the whole"]
    assert inner.git("status", "--porcelain", "--ignored").split() == ["??", ".tbd/"]


def test_a_separate_git_folder(tmp_path: Path, at: AtPath) -> None:
    (tmp_path / "work").mkdir()
    git(tmp_path, "init", "-q", "--separate-git-dir", str(tmp_path / "store"), "work")
    clone = at(tmp_path / "work")
    assert clone.run("init", "--prefix", "test").code == 0
    works(clone)
    assert (tmp_path / "store/tbd/data-sync-worktree").is_dir()


DROP = """import ctypes, os, sys
for capability in (1, 2, 3):
    ctypes.CDLL(None).prctl(24, capability)
os.execv(sys.argv[1], sys.argv[1:])"""


def as_ordinary(cwd: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """A command for which file modes count, root's too: without the capabilities to look past them."""
    line = [sys.executable, "-c", DROP, *TBDX, *argv] if os.geteuid() == 0 else [*TBDX, *argv]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_a_read_only_repository_can_be_read_and_refuses_writing(repo: Clone) -> None:
    one = repo.create("One")
    before = kept(repo)
    subprocess.run(["chmod", "-R", "a-w", str(repo.path)], check=True)
    try:
        for argv in (["list"], ["show", one], ["ready"], ["search", "One"], ["status"], ["dep", "list", one]):
            done = as_ordinary(repo.path, *argv)
            assert done.returncode == 0 and "Traceback" not in done.stderr, (argv, done)
        doctor = as_ordinary(repo.path, "doctor")
        assert doctor.returncode == 1 and "Shared lock writability" in doctor.stdout, doctor
        for argv in (["create", "Two"], ["close", one], ["sync"], ["config", "set", "sync.branch", "x"]):
            done = as_ordinary(repo.path, *argv, "--json")
            assert done.returncode == 1 and done.stdout == "", (argv, done)
            said = json.loads(done.stderr.splitlines()[-1])
            assert said["code"] == "disk" and "not writable" in said["hint"], (argv, said)
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(repo.path)], check=True)
    assert kept(repo) == before
    assert repo.run("create", "Two").code == 0


def test_a_folder_that_takes_no_tracker(bare_git: Clone) -> None:
    before = snapshot(bare_git.path)
    bare_git.path.chmod(0o555)
    try:
        done = as_ordinary(bare_git.path, "init", "--prefix", "test", "--json")
        assert done.returncode == 1 and json.loads(done.stderr)["code"] == "disk", done
    finally:
        bare_git.path.chmod(0o755)
    assert snapshot(bare_git.path) == before


def test_files_that_may_not_be_read_are_named(repo: Clone) -> None:
    one, two = repo.create("One"), repo.create("Two")
    path = repo.file(one)
    path.chmod(0)
    try:
        done = as_ordinary(repo.path, "list", "--json")
        assert done.returncode == 0 and [row["id"] for row in json.loads(done.stdout)] == [two]
        assert path.name in done.stderr and "Permission denied" in done.stderr
        done = as_ordinary(repo.path, "show", one)
        assert done.returncode == 1 and str(path) in done.stderr and "Traceback" not in done.stderr
    finally:
        path.chmod(0o644)


def test_without_home(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    works(repo)
    monkeypatch.setenv("HOME", "/no/such/home")
    works(repo)


def test_a_working_folder_that_is_gone(repo: Clone, tmp_path: Path) -> None:
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    for argv, code in ((["list"], 1), (["create", "x"], 1), (["status"], 1), (["--help"], 0), (["--version"], 0)):
        line = ["sh", "-c", script, "sh", *TBDX[:1], "-P", *TBDX[1:], *argv]
        done = subprocess.run(line, cwd=repo.path, capture_output=True, text=True, timeout=60)
        assert done.returncode == code and "Traceback" not in done.stderr, (argv, done)
        assert code == 0 or "Error: the working folder is gone" in done.stderr, (argv, done)


def test_without_git_on_the_path(repo: Clone, tmp_path: Path) -> None:
    one = repo.create("One")
    env = {**os.environ, "PATH": str(tmp_path / "home")}
    for argv in (["list"], ["show", one], ["ready"], ["create", "Two"], ["close", one]):
        process(repo.path, *argv, env=env)
    for argv in (["sync"], ["changes", "--since", "tbd-sync"]):
        done = process(repo.path, *argv, "--json", env=env, code=1)
        said = json.loads(done.stderr.splitlines()[-1])
        assert said["code"] == "git" and "git is not installed" in said["error"], said
    done = process(repo.path, "status", "--json", env=env, code=0)
    assert json.loads(done.stdout)["git_version_supported"] is False
    assert len(repo.json("list")) == 1


def closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("argv", [["list"], ["list", "--json"], ["--help"], ["list", "--help"], ["status"]])
def test_a_reader_that_has_gone_ends_the_command_quietly(repo: Clone, argv: list[str]) -> None:
    writing = closed_pipe()
    done = subprocess.run([*TBDX, *argv], cwd=repo.path, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, ""), done


def test_head_takes_one_line(repo: Clone) -> None:
    from damage import put_issue

    for n in range(300):
        put_issue(repo, n, "x" * 400)
    repo.create("So that the short ids last")
    done = subprocess.run(
        f"{' '.join(TBDX)} list | head -1", shell=True, cwd=repo.path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("ID") and done.stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_behind_stdout_is_an_error(repo: Clone) -> None:
    for argv in (["list"], ["list", "--json"], ["list", "--help"], ["create", "Made all the same", "--json"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([*TBDX, *argv], cwd=repo.path, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1 and "No space left on device" in done.stderr, (argv, done)
        assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, (argv, done)
        if "--json" in argv:
            assert json.loads(done.stderr)["code"] == "disk", done


def test_closed_streams_harm_nothing(repo: Clone) -> None:
    script = 'exec "$@" >&- 2>&- <&-'
    for argv in (["create", "One"], ["list"], ["list", "--json"], ["nonsense"], ["sync"]):
        done = subprocess.run(["sh", "-c", script, "sh", *TBDX, *argv], cwd=repo.path, timeout=60)
        assert done.returncode in (0, 1, 2), argv
    assert [row["title"] for row in repo.json("list")] == ["One"]
    assert repo.run("list").err == ""

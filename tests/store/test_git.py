"""Git by plumbing: what is meant happens, and nothing of the user's has a say."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from conftest import Clone, new_git
from conftest import git as run_git
from tbdx.errors import Git as GitError
from tbdx.store import git, process
from tbdx.store.git import Git
from tbdx.store.objects import PACK_FROM, words_of
from tbdx.store.worktree import SCAFFOLD


@pytest.fixture
def g(bare_git: Clone) -> Git:
    from tbdx.store.layout import Repo

    dot = str(bare_git.path / ".git")
    return Git(Repo(str(bare_git.path), dot, dot), os.environ)


def commit(g: Git, files: dict[str, bytes | None], parent: str | None = None, message: str = "m") -> str:
    kept = {p: d for p, d in files.items() if d is not None}
    blobs = dict(zip(kept, g.hash_all(list(kept.values())), strict=True))
    return g.commit_tree(parent, {p: blobs.get(p) for p in files}, [parent] if parent else [], message)


def test_the_first_commit_is_the_same_bytes_everywhere(g: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tbdx.store.layout import Repo

    one = g.first_commit()
    other = new_git(tmp_path / "other", commit=False)
    for key, value in {"user.name": "Another", "i18n.commitEncoding": "latin1", "core.autocrlf": "true"}.items():
        run_git(other, "config", key, value)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2001-01-01T00:00:00Z")
    there = Git(Repo(str(other), f"{other}/.git", f"{other}/.git"), os.environ)
    assert there.first_commit() == one
    assert g.ask("cat-file", "commit", one).decode().split("\n", 1)[1] == (
        "author tbdx <tbdx@localhost> 0 +0000\ncommitter tbdx <tbdx@localhost> 0 +0000\n\nInitialize tbd-sync branch\n"
    )
    assert g.content(one) == SCAFFOLD


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
def test_many_blobs_are_stored_in_one_pack(bare_git: Clone, tmp_path: Path, kind: str) -> None:
    from tbdx.store.layout import Repo

    if kind == "sha256":
        made = subprocess.run(["git", "init", "-q", "--object-format=sha256", "other"], cwd=tmp_path, check=False)
        if made.returncode:
            pytest.skip("this git has no sha256")
    dot = str((tmp_path / "other" if kind == "sha256" else bare_git.path) / ".git")
    g = Git(Repo(os.path.dirname(dot), dot, dot), os.environ)
    wanted = [b"x" * n + bytes([n % 256]) * (n * 37 % 5000) for n in range(PACK_FROM)] + [b"", b"", b"x" * 70_000]
    ids = g.hash_all(wanted)
    assert [g.blobs(ids)[i] for i in ids] == wanted and len(ids[0]) == (64 if kind == "sha256" else 40)
    assert len([*Path(dot, "objects/pack").glob("*.pack")]) == 1
    assert g.run("fsck", "--strict")[0] == 0


def test_an_unknown_branch_of_a_remote_is_none_and_an_unreachable_remote_an_error(g: Git, tmp_path: Path) -> None:
    run_git(tmp_path, "init", "-q", "--bare", "o.git")
    run_git(Path(g.repo.root), "remote", "add", "origin", str(tmp_path / "o.git"))
    assert g.heads("origin", "tbd-sync") == {} == g.heads("origin")
    one = commit(g, {"a": b"1"})
    assert g.push("origin", "tbd-sync", one) == (True, "")
    assert g.heads("origin", "tbd-sync") == {"tbd-sync": one} == g.heads("origin")
    g.fetch("origin", "tbd-sync", one)
    assert g.remote_tip("origin", "tbd-sync") == one
    with pytest.raises(GitError, match="did not send"):
        g.fetch("origin", "tbd-sync", "0" * 39 + "1")
    assert g.push("origin", "tbd-sync", commit(g, {"a": b"2"})) == (False, "behind")
    (tmp_path / "o.git").rename(tmp_path / "gone")
    for call in (
        lambda: g.fetch("origin", "x", "0" * 39 + "1"),
        lambda: g.push("origin", "x", one),
        lambda: g.heads("origin", "x"),
    ):
        with pytest.raises(GitError, match="cannot be reached"):
            call()


def test_the_environment_keeps_what_reaches_a_remote_and_drops_what_points_elsewhere() -> None:
    kept = {"GIT_SSH_COMMAND": "ssh -i key", "PATH": "/bin", "SSH_AUTH_SOCK": "s"}
    env = process.clean_env(kept | {"GIT_DIR": "x", "GIT_INDEX_FILE": "y", "GIT_CONFIG_COUNT": "1", "GIT_TRACE": "1"})
    assert {k: env[k] for k in kept} == kept
    assert not {"GIT_DIR", "GIT_INDEX_FILE", "GIT_CONFIG_COUNT", "GIT_TRACE"} & env.keys()
    assert (env["LC_ALL"], env["GIT_TERMINAL_PROMPT"], env["GIT_ASKPASS"]) == ("C", "0", "true")
    assert (env["SSH_ASKPASS"], env["SSH_ASKPASS_REQUIRE"]) == ("true", "never")


def test_every_variable_that_git_calls_local_is_dropped(g: Git) -> None:
    names = g.ask("rev-parse", "--local-env-vars").decode().split()
    assert len(names) > 10 and "x" not in process.clean_env(dict.fromkeys(names, "x")).values()


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    began = time.monotonic()
    script = f"sleep 30 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(GitError, match="took longer"):
        process.run(["sh", "-c", script], os.environ, cwd=str(tmp_path), limit_s=0.3)
    assert time.monotonic() - began < 5
    child = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 5
    while _runs(child) and time.monotonic() < until:
        time.sleep(0.01)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_without_git_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="not installed"):
        git.version({"PATH": str(tmp_path)})


def test_the_version_is_text_and_two_numbers() -> None:
    text, numbers = git.version(os.environ)
    assert numbers >= git.OLDEST and text.startswith(f"{numbers[0]}.{numbers[1]}")


@pytest.mark.parametrize(
    "said, words",
    [
        ("remote: no entry\nerror: failed to push\n", "no entry; failed to push"),
        ("hint: try this\nfatal: bad\n", "bad"),
        ("fatal: unable to access 'https://me:secret@host/x'", "unable to access 'https://host/x'"),
    ],
)
def test_a_servers_words_are_one_line_without_secrets(said: str, words: str) -> None:
    assert words_of(said) == words


def test_a_branch_that_the_user_has_checked_out_is_not_taken(repo: Clone) -> None:
    repo.git("worktree", "remove", "--force", repo.kernel.repo.worktree)
    repo.git("checkout", "-q", "tbd-sync")
    done = repo.run("list", cwd=repo.path)
    assert done.code == 1
    run_git(repo.path, "checkout", "-q", "main")


def test_the_repository_is_described(bare_git: Clone) -> None:
    assert git.describe(str(bare_git.path)) == {"branch": "main", "detached": False, "unborn": False, "remotes": []}
    bare_git.git("checkout", "-q", "--detach")
    assert git.describe(str(bare_git.path))["branch"] is None


@pytest.mark.parametrize("limits", [{"limit_s": 0.2}, {"limit_s": 9.0, "silent_s": 0.2}], ids=["all of it", "silence"])
def test_a_command_has_so_much_time(tmp_path: Path, limits: dict[str, float]) -> None:
    with pytest.raises(GitError) as e:
        process.run(["sleep", "2"], os.environ, cwd=str(tmp_path), **limits)  # type: ignore[arg-type]
    assert e.value.reason == "timeout"


def test_children_that_keep_a_commands_output_open_are_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    done = process.run(["sh", "-c", "sleep 3 & echo said"], os.environ, cwd=str(tmp_path), limit_s=9)
    assert done[:2] == (0, b"said\n") and time.monotonic() - began < 2.5


def test_no_filter_has_a_say_in_what_is_stored(g: Git) -> None:
    run_git(Path(g.repo.root), "config", "filter.change.clean", "tr a-z A-Z")
    run_git(Path(g.repo.root), "config", "core.autocrlf", "true")
    Path(g.repo.common, "info").mkdir(exist_ok=True)
    Path(g.repo.common, "info/attributes").write_text("* filter=change text=auto\n")
    (blob,) = g.hash_all([b"one\r\ntwo"])
    assert g.blobs([blob])[blob] == b"one\r\ntwo"


@pytest.fixture
def pushing(g: Git, tmp_path: Path) -> Git:
    """A git with a remote `origin`."""
    run_git(tmp_path, "init", "-q", "--bare", "origin.git")
    run_git(Path(g.repo.root), "remote", "add", "origin", str(tmp_path / "origin.git"))
    return g


def test_a_push_that_would_take_back_what_others_published_is_refused(pushing: Git) -> None:
    one = commit(pushing, {"a": b"1"})
    ours, theirs = (commit(pushing, {"a": data}, one) for data in (b"2", b"3"))
    assert pushing.push("origin", "x", theirs) == (True, "")
    assert pushing.push("origin", "x", ours) == (False, "behind")
    assert pushing.heads("origin") == {"x": theirs}


def test_a_push_asks_no_hook_even_where_no_setting_says_so(pushing: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    from tbdx.store import objects

    kept = (setting for setting in objects._QUIET if not setting.startswith("core.hooksPath"))
    monkeypatch.setattr(objects, "_SETTINGS", [part for setting in kept for part in ("-c", setting)])
    hook = Path(pushing.repo.common, "hooks/pre-push")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    one = commit(pushing, {"a": b"1"})
    assert pushing.push("origin", "x", one) == (True, "")


def test_a_push_is_not_signed_and_takes_no_tag_along(pushing: Git) -> None:
    where = Path(pushing.repo.root)
    one = commit(pushing, {"a": b"1"})
    run_git(where, "tag", "-a", "-m", "m", "v1", one)
    for key, value in {"push.gpgSign": "true", "push.followTags": "true", "push.pushOption": "x"}.items():
        run_git(where, "config", key, value)
    assert pushing.push("origin", "x", one) == (True, "")
    assert run_git(where, "ls-remote", "origin").count("\n") == 1


def test_a_command_has_no_terminal(tmp_path: Path) -> None:
    code, out, _ = process.run(["sh", "-c", "cat /proc/$$/stat"], os.environ, cwd=str(tmp_path), limit_s=9)
    pid, session = (out.decode().split()[n] for n in (0, 5))
    assert code == 0 and pid == session  # a session of its own has none

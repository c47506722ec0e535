"""Every format that tbdx serves, and how a tracker begins: the stamp and the settings keep their bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Clone, git, new_git
from damage import kept, one_error, snapshot
from killing import at as at_point
from killing import stopping
from tbdx.core import codec
from tbdx.core.entity import FIELDS, OLD_KEYS
from tbdx.errors import Git, TbdxError
from tbdx.kernel import setup

OLD = ("f03", "f04", "f05", "f06", "f07")
FIRST = "4283e4163716b30385787dae0e20b2b7ea713f7b"
At = Callable[[Path], Clone]


def config_of(stamp: str) -> str:
    """A config.yml as the tbd of that stamp writes it."""
    storage = "" if stamp == "f03" else "  storage: git-common-dir-v1\n"
    upgrades = "tbd_upgrades:\n  - version: 0.5.0\n" if stamp >= "f06" else ""
    return (
        f"tbd_format: {stamp}\ntbd_version: 0.2.3\n{upgrades}display:\n  id_prefix: test\n"
        f"sync:\n  branch: tbd-sync\n  remote: origin\n{storage}"
        "settings:\n  auto_sync: false\n  doc_auto_sync_hours: 24\n  use_gh_cli: true\n"
    )


def stamped(clone: Clone, stamp: str) -> Clone:
    (clone.path / ".tbd").mkdir()
    (clone.path / ".tbd/config.yml").write_text(config_of(stamp))
    (clone.path / ".tbd/.gitignore").write_text("data-sync-worktree/\n")
    return clone


@pytest.fixture
def pair(tmp_path: Path, at: At) -> Callable[[str], tuple[Clone, Clone]]:
    """Two clones of one remote whose settings carry a stamp; nobody has opened the tracker yet."""

    def make(stamp: str) -> tuple[Clone, Clone]:
        origin = bare(tmp_path)
        a = stamped(at(new_git(tmp_path / "a")), stamp)
        a.git("remote", "add", "origin", str(origin))
        a.git("add", ".tbd")
        a.git("commit", "-qm", "tracker")
        a.git("push", "-q", "origin", "main")
        git(tmp_path, "clone", "-q", str(origin), "b")
        return a, at(tmp_path / "b")

    return make


def bare(folder: Path) -> Path:
    git(folder, "init", "-q", "--bare", "origin.git")
    git(folder / "origin.git", "symbolic-ref", "HEAD", "refs/heads/main")
    return folder / "origin.git"


def file(repo: Clone, shown: str) -> Path:
    """The file of an issue, wherever the format keeps it."""
    k = repo.kernel
    internal = k.need(shown)
    return Path(k.repo.issues, f"{internal}.md")


def fields(repo: Clone, shown: str) -> dict[str, Any]:
    return codec.parse(file(repo, shown).read_text())


def test_the_keys_of_older_clients_are_those_of_tbds_table() -> None:
    listed = {*range(1, 9), 11, *range(13, 19), 21, 22, 23, 25, 26, 29}
    assert {name for n, (name, *_) in enumerate(FIELDS, 1) if n in listed} == OLD_KEYS
    assert len(FIELDS) == 29


@pytest.mark.parametrize("stamp", [*OLD, "f08"])
def test_each_format_is_read_and_written_and_stays(pair: Callable[[str], tuple[Clone, Clone]], stamp: str) -> None:
    a, b = pair(stamp)
    one = a.create("One", "-d", "Why.", "-p", "1")
    two = a.create("Two", "--parent", one, "--depends-on", one)
    assert a.run("sync").code == 0
    assert [row["id"] for row in b.json("list")] == [one, two]
    assert b.run("update", one, "--title", "Changed", "--add-label", "x", "--notes", "n").code == 0
    assert b.run("close", two, "--reason", "done").code == 0
    assert b.run("sync").code == 0
    assert a.run("sync").code == 0
    assert a.run("start", one, "--as", "bot").code == 0
    assert a.run("reopen", two).code == 0
    assert (a.run("sync").code, b.run("sync").code) == (0, 0)
    assert a.json("list", "--all") == b.json("list", "--all")
    assert file(a, one).read_bytes() == file(b, one).read_bytes()
    assert a.run("show", one).out == b.run("show", one).out
    for repo in (a, b):
        assert (repo.path / ".tbd/config.yml").read_text() == config_of(stamp)
        assert repo.git("status", "--porcelain") == ""
        old = repo.path / ".tbd/data-sync-worktree"
        assert old.is_dir() == (stamp == "f03")
        layout = repo.path / ".git/tbd/layout.yml"
        assert layout.exists() == (stamp != "f03")
        assert stamp == "f03" or f"tbd_format: {stamp}\n" in layout.read_text()
        for shown in (one, two):
            assert stamp == "f08" or set(fields(repo, shown)) <= OLD_KEYS | {"description", "notes"}
    claimed = "delegate" if stamp == "f08" else "assignee"
    assert fields(b, one)[claimed] == "bot"


@pytest.mark.parametrize("stamp", OLD)
def test_below_f08_commands_that_need_newer_keys_refuse_by_name(bare_git: Clone, stamp: str) -> None:
    repo = stamped(bare_git, stamp)
    one, two = repo.create("One"), repo.create("Two")
    refusals = {
        ("pause", one): "pause",
        ("pause", one, "--until", "2030-01-01", "--reason", "x"): "pause",
        ("resume", one): "resume",
        ("ref", "add", one, "https://example.com/pull/1"): "ref",
        ("ref", "rm", one, "https://example.com/pull/1"): "ref",
        ("doc", "add", one, "docs/x.md"): "doc",
        ("doc", "rm", one, "docs/x.md"): "doc",
        ("update", one, "--hold", "paused"): "--hold",
        ("update", one, two, "--hold", "blocked"): "--hold",
        ("update", one, "--hold", "none"): "--hold",
        ("update", one, "--delegate", "bot"): "--delegate",
        ("create", "Three", "--delegate", "bot"): "delegate",
        ("close", one, "--as", "completed"): "close --as",
        ("close", one, "--as", "canceled"): "close --as",
        ("close", one, "--as", "duplicate", "--duplicate-of", two): "close --as",
        ("close", one, "--duplicate-of", two): "close --duplicate-of",
    }
    before = kept(repo)
    for argv, name in refusals.items():
        done = repo.run(*argv, "--json")
        said = one_error(done)
        assert (done.code, said["code"]) == (1, "unsupported"), (argv, done)
        assert said["error"].startswith(f"{name} needs format f08; this repository is {stamp}"), argv
        assert kept(repo) == before, argv


def test_below_f08_a_claim_is_an_assignee(bare_git: Clone) -> None:
    repo = stamped(bare_git, "f04")
    one, two = repo.create("One"), repo.create("Two", "--assignee", "ann")
    assert [row["id"] for row in repo.json("ready")] == [one]
    assert repo.json("start", one, two, "--as", "bot")["claimed"] == [one]
    assert repo.json("start", one, "--as", "bot")["skipped"] == [{"id": one, "reason": "already yours"}]
    found = fields(repo, one)
    assert found["assignee"] == "bot" and found["status"] == "in_progress"
    assert set(found) <= OLD_KEYS


def test_below_f08_newer_keys_that_are_there_already_stay(bare_git: Clone) -> None:
    """A clone stamped f08 may share the branch: what it wrote is not ours to drop."""
    repo = stamped(bare_git, "f04")
    one = repo.create("One")
    path = file(repo, one)
    path.write_text(
        path.read_text().replace("labels: []", "delegate: bot\nlabels: []", 1).replace("\n---\n", "\nzz: 1\n---\n")
    )
    assert repo.run("update", one, "--priority", "0").code == 0
    found = fields(repo, one)
    assert (found["delegate"], found["zz"], found["priority"]) == ("bot", 1, 0)


@pytest.mark.parametrize("stamp", ["f09", "f10", "f99"])
@pytest.mark.parametrize("worktree", [True, False], ids=["with the worktree", "without it"])
def test_a_layout_of_newer_clients_refuses_writes(bare_git: Clone, stamp: str, worktree: bool) -> None:
    repo = stamped(bare_git, "f08")
    one = repo.create("One")
    layout = repo.path / ".git/tbd/layout.yml"
    layout.write_text(layout.read_text().replace("f08", stamp))
    if not worktree:
        repo.git("worktree", "remove", "--force", str(repo.path / ".git/tbd/data-sync-worktree"))
        repo.git("branch", "-qD", "tbd-sync")
    before = snapshot(repo.path)
    for argv in (("create", "Two"), ("update", one, "--priority", "0"), ("close", one), ("sync",), ("start", one)):
        done = repo.run(*argv, "--json")
        assert done.code == 1 and one_error(done)["code"] == "format", (argv, done)
        assert f"Config format '{stamp}'" in one_error(done)["error"]
        assert snapshot(repo.path) == before, argv
    assert repo.run("list").code == (0 if worktree else 1)
    assert snapshot(repo.path) == before


@pytest.mark.parametrize("text", ["", "\0", "- a\n", "tbd_format: [x]\n", "tbd_format: f04\n"])
def test_a_layout_that_says_nothing_newer_stops_nobody(bare_git: Clone, text: str) -> None:
    repo = stamped(bare_git, "f08")
    repo.create("One")
    (repo.path / ".git/tbd/layout.yml").write_text(text)
    repo.create("Two")
    assert len(repo.json("list")) == 2


# the first commit

VARIANTS: dict[str, tuple[str, dict[str, str]]] = {
    "a user": ("[user]\n\tname = Zoë Ünal\n\temail = z@example.com\n", {}),
    "no user": ("[user]\n\tuseConfigOnly = true\n", {}),
    "another encoding": ("[i18n]\n\tcommitEncoding = ISO-8859-1\n\tlogOutputEncoding = UTF-16\n", {}),
    "other line ends": ("[core]\n\tautocrlf = true\n\teol = crlf\n\tsafecrlf = true\n", {}),
    "attributes": ("[core]\n\tattributesFile = ~/attributes\n", {}),
    "signing": ("[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n[user]\n\tsigningKey = X\n", {}),
    "a template": ("[commit]\n\ttemplate = /nowhere/at/all\n\tcleanup = scissors\n\tverbose = true\n", {}),
    "hooks": ("[core]\n\thooksPath = ~/hooks\n", {}),
    "another branch": ("[init]\n\tdefaultBranch = trunk\n[push]\n\tdefault = nothing\n", {}),
    "file modes": ("[core]\n\tfileMode = false\n\tsymlinks = false\n\tquotePath = true\n\tcompression = 0\n", {}),
    "another language": ("", {"LANG": "tr_TR.UTF-8", "LC_ALL": "de_DE.ISO-8859-1", "LANGUAGE": "de"}),
    "another time zone": ("", {"TZ": "Asia/Kolkata"}),
    "names and dates": (
        "",
        {
            "GIT_AUTHOR_NAME": "x",
            "GIT_AUTHOR_EMAIL": "x@example.com",
            "GIT_AUTHOR_DATE": "2020-01-01T00:00:00+0500",
            "GIT_COMMITTER_NAME": "y",
            "GIT_COMMITTER_DATE": "2021-01-01T00:00:00-0500",
            "EMAIL": "y@example.com",
        },
    ),
    "another place": (
        "",
        {"GIT_DIR": "/nowhere", "GIT_INDEX_FILE": "/nowhere", "GIT_WORK_TREE": "/", "GIT_PREFIX": "x"},
    ),
    "settings by name": (
        "",
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "i18n.commitEncoding", "GIT_CONFIG_VALUE_0": "ISO-8859-1"},
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_first_commit_is_the_same_bytes_everywhere(
    bare_git: Clone, seal: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text, env = VARIANTS[name]
    home = Path(seal["HOME"])
    (home / ".gitconfig").write_text(text)
    (home / "attributes").write_text("* text eol=crlf\n*.yml filter=x\n")
    (home / "hooks").mkdir()
    for hook in ("pre-commit", "post-checkout", "reference-transaction", "post-index-change"):
        (home / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {home}/hook-ran\nexit 1\n")
        (home / "hooks" / hook).chmod(0o755)
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    assert bare_git.run("init", "--prefix", "test").code == 0
    for key in env:
        monkeypatch.delenv(key)
    assert bare_git.git("rev-parse", "tbd-sync").strip() == FIRST
    assert not (home / "hook-ran").exists()


def test_the_first_commit_is_tbds_scaffold(repo: Clone) -> None:
    assert repo.git("rev-parse", "tbd-sync").strip() == FIRST
    raw = repo.git("cat-file", "commit", "tbd-sync").partition("\n")[2]
    who = "tbdx <tbdx@localhost> 0 +0000"
    assert raw == f"author {who}\ncommitter {who}\n\nInitialize tbd-sync branch\n"
    files = {
        path: repo.git("show", f"tbd-sync:{path}")
        for path in repo.git("ls-tree", "-r", "--name-only", "tbd-sync").split()
    }
    assert files == {
        ".tbd/data-sync/issues/.gitkeep": "",
        ".tbd/data-sync/mappings/.gitattributes": "ids.yml merge=union\n",
        ".tbd/data-sync/mappings/.gitkeep": "",
        ".tbd/data-sync/meta.yml": "schema_version: 1\n",
    }


def test_two_inits_of_one_empty_remote_end_on_one_root(tmp_path: Path, at: At) -> None:
    origin = bare(tmp_path)
    a, b = at(new_git(tmp_path / "a")), at(new_git(tmp_path / "b"))
    for repo in (a, b):
        repo.git("remote", "add", "origin", str(origin))
        assert repo.run("init", "--prefix", "test").code == 0
        repo.create(f"From {repo.path.name}")
    for repo in (a, b, a):
        assert repo.run("sync").code == 0
    assert a.json("list") == b.json("list") and len(a.json("list")) == 2
    assert a.git("rev-list", "--max-parents=0", "tbd-sync").split() == [FIRST]


def test_two_inits_that_know_nothing_of_each_other_end_on_one_root(tmp_path: Path, at: At) -> None:
    a, b = at(new_git(tmp_path / "a")), at(new_git(tmp_path / "b"))
    for repo in (a, b):
        setup.init(repo.kernel, "test")
        repo.create(f"From {repo.path.name}")
    origin = bare(tmp_path)
    for repo in (a, b):
        repo.git("remote", "add", "origin", str(origin))
    for repo in (a, b, a):
        assert repo.run("sync").code == 0
    assert a.json("list") == b.json("list") and len(a.json("list")) == 2
    assert b.git("rev-list", "--max-parents=0", "tbd-sync").split() == [FIRST]


def test_a_branch_that_is_here_is_adopted(bare_git: Clone) -> None:
    setup.init(bare_git.kernel, "test")
    shown = bare_git.create("Kept")
    bare_git.run("sync")
    tip = bare_git.git("rev-parse", "tbd-sync")
    bare_git.git("worktree", "remove", "--force", str(bare_git.path / ".git/tbd/data-sync-worktree"))
    (bare_git.path / ".tbd/config.yml").unlink()
    for path in list((bare_git.path / ".tbd").iterdir()):
        path.unlink()
    (bare_git.path / ".tbd").rmdir()
    assert bare_git.run("init", "--prefix", "test").code == 0
    assert bare_git.git("rev-parse", "tbd-sync") == tip
    assert [row["id"] for row in bare_git.json("list")] == [shown]


@pytest.mark.parametrize("fetched", [True, False], ids=["fetched", "never fetched"])
def test_a_branch_of_the_remote_is_adopted(clones: tuple[Clone, Clone], tmp_path: Path, at: At, fetched: bool) -> None:
    a, _ = clones
    shown = a.create("Kept")
    a.run("sync")
    c = at(new_git(tmp_path / "c"))
    c.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    if fetched:
        c.git("fetch", "-q", "origin")
    assert c.run("init", "--prefix", "test").code == 0
    assert c.git("rev-parse", "tbd-sync") == a.git("rev-parse", "tbd-sync")
    assert [row["id"] for row in c.json("list")] == [shown]


def test_init_with_a_remote_out_of_reach_makes_nothing_and_works_later(bare_git: Clone, tmp_path: Path) -> None:
    """Whether the remote has a tracker is not known, so none is begun beside it."""
    bare_git.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    done = bare_git.run("init", "--prefix", "test", "--json")
    said = one_error(done)
    assert (done.code, said["code"]) == (1, "git")
    assert "remote origin cannot be reached" in said["error"] and "none is begun here" in said["error"]
    assert not (bare_git.path / ".tbd").exists()
    assert bare_git.git("branch", "--list", "tbd-sync") == ""
    assert "data-sync-worktree" not in bare_git.git("worktree", "list")
    bare(tmp_path)
    assert bare_git.run("init", "--prefix", "test").code == 0
    assert git(tmp_path / "origin.git", "rev-parse", "tbd-sync").strip() == FIRST


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("how", ["kill", "ENOSPC"])
def test_an_init_that_was_stopped_can_be_given_again(bare_git: Clone, n: int, how: str) -> None:
    with stopping(at_point("file.write", n, how)) as stop:
        bare_git.run("init", "--prefix", "test")
    assert stop.reached.count("file.write") == n
    assert bare_git.run("init", "--prefix", "test").code == 0 and bare_git.json("list") == []
    assert bare_git.run("init", "--prefix", "again").code == 1


def test_init_goes_on_from_what_was_last_fetched_when_the_remote_is_out_of_reach(
    clones: tuple[Clone, Clone], tmp_path: Path
) -> None:
    a, b = clones
    shown = a.create("Kept")
    a.run("sync")
    b.git("fetch", "-q", "origin")
    (tmp_path / "origin.git").rename(tmp_path / "gone.git")
    done = b.run("list", "--json")
    assert done.code == 0 and shown in done.out and "last fetched" in done.err


def test_a_branch_checked_out_by_its_user_is_not_taken(bare_git: Clone) -> None:
    bare_git.git("checkout", "-q", "-b", "tbd-sync")
    with pytest.raises(Git, match="checked out at"):
        setup.init(bare_git.kernel, "test")
    assert not (bare_git.path / ".tbd").exists()


@pytest.mark.parametrize("branch", ["-x", "a..b", "../x", "ext::sh -c x", "a b", ""])
def test_init_refuses_hostile_names(bare_git: Clone, branch: str) -> None:
    for option in ("--sync-branch", "--remote"):
        before = snapshot(bare_git.path)
        done = bare_git.run("init", "--prefix", "test", f"{option}={branch}")
        if branch:
            assert done.code == 2 and snapshot(bare_git.path) == before, (option, done)


def test_another_branch_and_remote_are_kept_in_the_settings(bare_git: Clone, tmp_path: Path) -> None:
    origin = bare(tmp_path)
    bare_git.git("remote", "add", "up", str(origin))
    assert bare_git.run("init", "--prefix", "test", "--sync-branch", "my/issues", "--remote", "up").code == 0
    bare_git.create("One")
    assert bare_git.run("sync").code == 0
    assert git(origin, "for-each-ref", "--format=%(refname)").split() == [
        "refs/heads/my/issues",
        "refs/heads/tbd-coord",
    ]
    with pytest.raises(TbdxError):
        setup.init(bare_git.kernel, "test")

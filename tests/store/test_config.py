"""`.tbd/config.yml`: which stamps are served, what a damaged one leads to, and edits that keep every other byte."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone, Result, some_of
from damage import snapshot
from tbdx.store import config as settings

GOOD = """\
# kept by hand
tbd_format: f08
tbd_version: "0.7.1"   # quoted
display: {id_prefix: test}   # the prefix

sync:
    branch:   tbd-sync
    remote: 'origin'  # é 🙂 where it goes
    storage: git-common-dir-v1
settings:
  auto_sync: false
  doc_auto_sync_hours: 24
  empty:
  flow: {name: x, list: [1, 2]}
  text: |-
    # no comment
    two lines
unknown:
    - a
    -   b
"""
COMMANDS = (("list",), ("create", "Not made"), ("sync",), ("config", "show"), ("config", "set", "sync.remote", "o"))


def write(repo: Clone, text: str | bytes) -> None:
    (repo.path / ".tbd/config.yml").write_bytes(text.encode() if isinstance(text, str) else text)


def everything(repo: Clone) -> dict[str, bytes | str]:
    """All that the clone holds, git's own files too."""
    return snapshot(repo.path)


def refuses(repo: Clone, *argv: str, says: str) -> Result:
    """The command fails with exit 1 and these words; nothing at all is written."""
    before = everything(repo)
    done = repo.run(*argv)
    assert done.code == 1 and done.out == "", (argv, done)
    assert says in done.err and "Traceback" not in done.err and "unexpected" not in done.err, (argv, done)
    as_json = repo.run(*argv, "--json")
    assert as_json.code == 1 and '"code":"unexpected"' not in as_json.err, (argv, as_json)
    assert everything(repo) == before, argv
    return done


@pytest.mark.parametrize("stamp", ["f01", "f02", None])
def test_an_older_stamp_is_refused_with_words(repo: Clone, stamp: str | None) -> None:
    write(repo, GOOD.replace("tbd_format: f08\n", f"tbd_format: {stamp}\n" if stamp else ""))
    for argv in COMMANDS[:4]:
        if argv[0] != "config":
            refuses(repo, *argv, says=f"Config format '{stamp or 'f01'}' is older than 'f03'")
    assert repo.run("status").code == 0


@pytest.mark.parametrize(
    "stamp", ["f09", "f10", "f99", "g1", "f8", "latest", "8", "[f08]", "{a: b}", "''", "f08x", "true"]
)
@pytest.mark.parametrize("worktree", [True, False], ids=["with the worktree", "without it"])
def test_a_newer_or_unknown_stamp_is_refused_before_anything_is_written(
    bare_git: Clone, stamp: str, worktree: bool
) -> None:
    if worktree:
        bare_git.run("init", "--prefix", "test")
    else:
        (bare_git.path / ".tbd").mkdir()
    write(bare_git, GOOD.replace("tbd_format: f08", f"tbd_format: {stamp}"))
    (bare_git.path / "x.jsonl").write_text('{"id": "a-1", "title": "x"}\n')
    for argv in (*COMMANDS[:3], ("show", "test-a"), ("import", "x.jsonl"), ("ready",), ("start", "test-a")):
        refuses(bare_git, *argv, says="This repository requires a newer version of tbd.")
    done = bare_git.run("list")
    assert "supports up to format 'f08'" in done.err
    assert bare_git.run("status").code == 0


DAMAGE: dict[str, str | bytes] = {
    "empty": b"",
    "NUL bytes": GOOD.replace("test", "te\0st"),
    "all NUL": b"\0" * 400,
    "not UTF-8": GOOD.encode().replace(b"test", b"te\xffst"),
    "UTF-16": GOOD.encode("utf-16"),
    "byte order mark": "\ufeff" + GOOD,
    "too large": GOOD + "# " + "x" * 11_000_000,
    "cut short": GOOD[: GOOD.index("id_prefix") + 4],
    "key twice": GOOD + "tbd_format: f08\n",
    "nested key twice": GOOD.replace("    remote: 'origin'", "    branch: other\n    remote: 'origin'"),
    "conflict markers": GOOD.replace("sync:\n", "<<<<<<< ours\nsync:\n=======\nsync:\n>>>>>>> theirs\n"),
    "a list": "- a\n- b\n",
    "a word": "hello\n",
    "tabs": GOOD.replace("    branch", "\tbranch"),
    "a tag that runs things": GOOD + "more: !!python/object/apply:os.system ['touch pwned']\n",
    "an unknown tag": GOOD + "more: !thing x\n",
    "laughs": GOOD + "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n",
    "two documents": GOOD + "---\n" + GOOD,
    "no display": GOOD.replace("display: {id_prefix: test}", "display: null"),
    "display a list": GOOD.replace("display: {id_prefix: test}", "display: [test]"),
    "no prefix": GOOD.replace("{id_prefix: test}", "{}"),
    "prefix a number": GOOD.replace("{id_prefix: test}", "{id_prefix: 5}"),
    "prefix empty": GOOD.replace("{id_prefix: test}", "{id_prefix: ''}"),
    "prefix a path": GOOD.replace("{id_prefix: test}", "{id_prefix: ../x}"),
    "sync a list": GOOD[: GOOD.index("sync:")] + "sync: [a]\n",
    "sync a word": GOOD[: GOOD.index("sync:")] + "sync: yes\n",
    "deep": GOOD + "deep: " + "[" * 500 + "]" * 500 + "\n",
}
NAMES = [
    *("-x", "--upload-pack=touch pwned", "a..b", "../x", "/tmp/x", "./x", "a/../b", "a/-b", "https://example.com/x"),
    *("ext::sh -c 'touch pwned'", "file:///x", "git@example.com:x", "a b", "a\\b", "x.lock", "a@{1}", "a^", "a~1", "*"),
    *("a?", "[a]", "a\x07b", "a\nb", "x/", ".hidden", "a//b", "a:b", "$(touch pwned)", "`touch pwned`", "5", "[a, b]"),
]


@pytest.mark.parametrize("name", some_of(DAMAGE, 2))
def test_a_damaged_config_is_named_and_nothing_is_written(repo: Clone, name: str) -> None:
    write(repo, DAMAGE[name])
    for argv in COMMANDS:
        if argv[:2] == ("config", "show") and name.startswith(("no ", "display", "prefix", "sync a")):
            continue
        refuses(repo, *argv, says=str(repo.path / ".tbd/config.yml"))
    assert repo.run("status").code == 0
    assert not list(repo.path.rglob("pwned"))


@pytest.mark.parametrize("key", ["branch", "remote"])
@pytest.mark.parametrize("name", some_of(NAMES, 2))
def test_a_hostile_branch_or_remote_is_refused_and_never_reaches_git(repo: Clone, key: str, name: str) -> None:
    import json

    written = name if name in ("5", "[a, b]") else json.dumps(name)
    old = {"branch": "branch:   tbd-sync", "remote": "remote: 'origin'"}[key]
    write(repo, GOOD.replace(old, f"{key}: {written}"))
    for argv in COMMANDS[:3]:
        refuses(repo, *argv, says=f"config.yml: sync.{key}: ")
    assert repo.run("status").code == 0
    assert not list(repo.path.parent.rglob("pwned"))


@pytest.mark.parametrize("key", ["sync.branch", "sync.remote"])
@pytest.mark.parametrize("name", ["a..b", "../x", "ext::sh -c 'touch pwned'", "https://example.com/x", "", "5"])
def test_a_hostile_name_cannot_be_set(repo: Clone, key: str, name: str) -> None:
    before = everything(repo)
    done = repo.run("config", "set", key, name)
    assert done.code == 2 and f"Invalid {key}" in done.err
    assert everything(repo) == before


def link(path: Path) -> None:
    (path.parent / "elsewhere").write_text(GOOD)
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "make", [link, lambda p: p.symlink_to("nowhere"), os.mkfifo, Path.mkdir], ids=["link", "dangling", "fifo", "folder"]
)
def test_what_is_no_file_is_not_followed(repo: Clone, make: Callable[[Path], None]) -> None:
    path = repo.path / ".tbd/config.yml"
    path.unlink()
    make(path)
    for argv in COMMANDS:
        refuses(repo, *argv, says=str(path))
    assert repo.run("status").code == 0


def test_a_linked_tbd_folder_is_not_followed(repo: Clone) -> None:
    (repo.path / ".tbd").rename(repo.path / "real")
    (repo.path / ".tbd").symlink_to("real")
    for argv in COMMANDS:
        refuses(repo, *argv, says=str(repo.path / ".tbd/config.yml"))


EDITS = [
    ("settings.auto_sync", "true", "auto_sync: false", "auto_sync: true"),
    ("settings.doc_auto_sync_hours", "0", "hours: 24", "hours: 0"),
    ("settings.empty", "x", "empty:", "empty: x"),
    ("settings.empty", "a: b", "empty:", 'empty: "a: b"'),
    ("settings.flow.name", "y", "name: x", "name: y"),
    ("settings.flow.name", "a, b}", "name: x", 'name: "a, b}"'),
    ("settings.text", "one\ntwo", "|-\n    # no comment\n    two lines", '"one\\ntwo"'),
    ("sync.remote", "upstream", "'origin'", "upstream"),
    ("sync.branch", "issues", "tbd-sync", "issues"),
    ("display.id_prefix", "proj", "id_prefix: test", "id_prefix: proj"),
    ("tbd_version", "0.8.0", '"0.7.1"', "0.8.0"),
    ("settings.auto_sync", "# x", "auto_sync: false", 'auto_sync: "# x"'),
    ("settings.auto_sync", "é 🙂", "auto_sync: false", "auto_sync: é 🙂"),
]


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(("key", "value", "old", "new"), EDITS)
def test_config_set_changes_one_value_and_no_other_byte(
    repo: Clone, ends: str, key: str, value: str, old: str, new: str
) -> None:
    write(repo, GOOD.replace("\n", ends))
    done = repo.run("config", "set", key, value)
    assert done.code == 0, done
    written = (repo.path / ".tbd/config.yml").read_bytes().decode()
    assert written == GOOD.replace(old, new, 1).replace("\n", ends)
    shown = repo.json("config", "get", key)["value"]
    assert shown == {"true": True, "0": 0}.get(value, value)
    rest = settings.parse(written.encode())
    assert settings.get(rest, "unknown") == ["a", "b"] and rest["settings"]["flow"]["list"] == [1, 2]


def test_config_set_refuses_what_is_no_single_setting(repo: Clone) -> None:
    write(repo, GOOD)
    before = everything(repo)
    for key in ("sync", "settings.flow", "unknown", "nowhere", "sync.nowhere", "tbd_format", "sync.branch.x", "", "."):
        assert repo.run("config", "set", key, "x").code == 2, key
    assert everything(repo) == before


def test_a_prefix_set_later_shows_in_every_id(repo: Clone) -> None:
    shown = repo.create("One")
    assert repo.run("config", "set", "display.id_prefix", "proj").code == 0
    assert [row["id"] for row in repo.json("list")] == [shown.replace("test-", "proj-")]

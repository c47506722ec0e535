"""The user's git settings, hooks, filters and ignore rules (faults.md E): under each of them, and under all, two clones
exchange edits and conflicts, and no part of the user's is run or changed.

A row of SETTINGS and a way to meet make a cell: `pytest --long` plays each, the plain run all rows at once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kernel.test_sync import Clones, attic, fields, of_the_user, origin, settle, sync

HOOKS = (
    "pre-commit commit-msg prepare-commit-msg post-commit post-checkout pre-push post-merge pre-merge-commit pre-rebase"
    " post-rewrite pre-auto-gc reference-transaction post-index-change fsmonitor-watchman sendemail-validate"
).split()
# {their} is a folder of the user's: hooks that fail, hooks and filters that hang, ignore rules, attributes
SETTINGS = {
    "E1 signing": """
        [commit] gpgSign = true
        [tag] gpgSign = true
        [push] gpgSign = if-asked
        [gpg] program = false
    """,
    "E1 signing with ssh": """
        [commit] gpgSign = true
        [gpg] format = ssh
        [user] signingKey = /nowhere
    """,
    "E2 line ends": """
        [core]
            autocrlf = true
            safecrlf = true
            eol = crlf
    """,
    "E3 hooks that fail": "[core] hooksPath = {their}/failing",
    "E3 hooks that hang": "[core] hooksPath = {their}/hanging",
    "E3 hooks of a template": "[init] templateDir = {their}/template",
    "E4 everything ignored": "[core] excludesFile = {their}/ignore",
    "E5 a filter that fails": """
        [core] attributesFile = {their}/attributes
        [filter "broken"]
            clean = false
            smudge = false
            required
    """,
    "E5 a filter that hangs": """
        [core] attributesFile = {their}/attributes
        [filter "broken"]
            clean = {their}/hang
            smudge = {their}/hang
            process = {their}/hang
            required
    """,
    "E5 large files elsewhere": """
        [core] attributesFile = {their}/attributes
        [filter "lfs"]
            clean = git-lfs clean -- %f
            smudge = git-lfs smudge -- %f
            process = git-lfs filter-process
            required
    """,
    "E5 drivers": """
        [core] attributesFile = {their}/attributes
        [merge "hang"] driver = {their}/hang %O %A %B
        [merge] default = hang
        [diff "hang"]
            command = {their}/hang
            textconv = {their}/hang
    """,
    "E6 no name": """
        [user]
            name =
            email =
            useConfigOnly = true
    """,
    "E6 a name of dots": '[user]\nname = ...\nemail = "<>"',
    "E7 file system monitor": """
        [core]
            fsmonitor = {their}/hang
            untrackedCache = true
            splitIndex = true
        [index] version = 4
        [feature] manyFiles = true
    """,
    "E8 looks": """
        [color] ui = always
        [core]
            pager = {their}/hang
            quotePath = true
        [pager]
            log = {their}/hang
            config = {their}/hang
        [status]
            short = true
            showUntrackedFiles = no
        [log]
            showSignature = true
            date = relative
            follow = true
            decorate = full
        [format] pretty = fuller
        [diff]
            external = {their}/hang
            noprefix = true
            mnemonicPrefix = true
            renames = copies
            orderFile = /nowhere
            submodule = log
        [i18n]
            commitEncoding = latin1
            logOutputEncoding = latin1
    """,
    "E9 fetching": """
        [fetch]
            prune = true
            pruneTags = true
            recurseSubmodules = true
            writeCommitGraph = true
            parallel = 4
            output = compact
            unpackLimit = 1
        [submodule] recurse = true
        [transfer] fsckObjects = true
        [protocol]
            version = 0
            allow = never
    """,
    "E9 merging": """
        [pull]
            rebase = true
            ff = only
        [merge]
            ff = only
            verifySignatures = true
            conflictStyle = diff3
        [branch]
            autoSetupMerge = false
            autoSetupRebase = always
        [rerere] enabled = true
    """,
    "E9 pushing": """
        [push]
            default = nothing
            followTags = true
            recurseSubmodules = check
            negotiate = true
            useForceIfIncludes = true
            autoSetupRemote = true
    """,
    "E9 push options": "[push] pushOption = anything",
    "E9 a mirror": """
        [remote "origin"]
            mirror = true
            fetch = +refs/*:refs/*
    """,
    "E9 refs elsewhere": """
        [remote "origin"]
            fetch = +refs/heads/*:refs/elsewhere/*
            push = refs/heads/*:refs/heads/elsewhere/*
            tagOpt = --tags
            prune = true
    """,
    "E10 bare repositories": "[safe] bareRepository = explicit",
    "E13 aliases": """
        [alias]
            commit = !false
            fetch = !false
            update-ref = !false
            hash-object = !false
    """,
    "E13 includes": """
        [include] path = /nowhere
        [includeIf "gitdir:/"] path = /nowhere
        [includeIf "onbranch:**"] path = {their}/never
    """,
    "E14 editing": """
        [core]
            editor = {their}/hang
            commentChar = t
            askPass = {their}/hang
        [commit]
            template = /nowhere
            verbose = true
            cleanup = scissors
        [help] autoCorrect = immediate
    """,
    "sparse": """
        [core]
            sparseCheckout = true
            sparseCheckoutCone = true
        [index] sparse = true
    """,
    "objects": """
        [core]
            compression = 0
            bigFileThreshold = 1
            fsync = none
            logAllRefUpdates = false
            sharedRepository = group
            commitGraph = false
            multiPackIndex = false
        [pack] writeReverseIndex = true
        [gc]
            auto = 1
            reflogExpire = now
        [receive] unpackLimit = 1
    """,
    "file systems": """
        [core]
            ignoreCase = true
            symlinks = false
            fileMode = false
            protectNTFS = true
            precomposeUnicode = true
            trustctime = false
            checkStat = minimal
    """,
    "traces": """
        [trace2]
            normalTarget = 2
            eventTarget = /nowhere/at/all
    """,
}


def script(path: Path, does: str) -> None:
    """A program of the user's that leaves a mark when it is run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\ntouch "{path.parent.parent}/${{0##*/}}.ran"\n{does}\n')
    path.chmod(0o755)


def settle_in(clones: Clones, *texts: str) -> Path:
    """Give both clones the settings, and what these speak of; the folder in which a program that runs leaves a mark."""
    their = clones[0].path.parent / "their"
    for name in HOOKS:
        script(their / "failing" / name, "exit 1")
        script(their / "hanging" / name, "exec sleep 60")
        script(their / "template/hooks" / name, "exit 1")
    script(their / "bin/hang", "exec sleep 60")
    (their / "hang").symlink_to(their / "bin/hang")
    (their / "ignore").write_text("*\n")
    row = "filter=broken text=auto eol=crlf diff=hang merge=hang working-tree-encoding=UTF-16 ident"
    (their / "attributes").write_text(f"* {row}\n*.yml filter=lfs diff=lfs -text\n")
    (their / "config").write_text("\n".join(texts).replace("{their}", str(their)))
    for clone in clones:
        with (clone.path / ".git/config").open("a") as f:
            f.write(f'[include]\n\tpath = "{their}/config"\n')
        if len(texts) > 1:
            (clone.path / ".git/info").mkdir(exist_ok=True)
            (clone.path / ".git/info/attributes").write_text((their / "attributes").read_text())
            (clone.path / ".git/info/exclude").write_text("*\n")
    return their


def there_and_back(clones: Clones) -> None:
    a, b = clones
    x = a.create("T", "-d", "line\nline")
    sync(a, b)
    b.run("update", x, "--priority", "0")
    sync(b, a)
    assert a.file(x).read_bytes() == b.file(x).read_bytes() and fields(a, x)["priority"] == 0
    assert b"\r" not in a.file(x).read_bytes()


def in_conflict(clones: Clones) -> None:
    a, b = clones
    x = a.create("T", "-l", "base")
    sync(a, b)
    a.run("update", x, "--title", "from a", "--add-label", "a")
    b.run("update", x, "--title", "from b", "--remove-label", "base")
    sync(a, b, a)
    for clone in clones:
        assert fields(clone, x)["labels"] == ["a"]
        assert {fields(clone, x)["title"], attic(clone, x)["title"]} == {"from a", "from b"}


def test_every_case_of_the_matrix_has_a_cell() -> None:
    elsewhere = {11, 12, 15}  # the caller's environment, and a hook that is not the user's: below
    assert {int(name[1:3]) for name in SETTINGS if name[0] == "E"} == set(range(1, 15)) - elsewhere


WAYS = {"there and back": there_and_back, "in conflict": in_conflict}


def live_with(clones: Clones, *texts: str, way: str) -> None:
    their = settle_in(clones, *texts)
    a, _ = clones
    before = of_the_user(a)
    WAYS[way](clones)
    assert of_the_user(a) == before
    assert [mark.name for mark in their.rglob("*.ran")] == []
    (their / "config").write_text("")  # what follows is git's own
    settle(*clones)


@pytest.mark.parametrize("way", WAYS)
def test_no_setting_of_the_users_matters(clones: Clones, way: str) -> None:
    live_with(clones, *SETTINGS.values(), way=way)


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_of_the_users_does_not_matter(clones: Clones, name: str, way: str) -> None:
    live_with(clones, SETTINGS[name], way=way)


def test_settings_that_git_itself_cannot_read_are_told_and_nothing_is_lost(clones: Clones) -> None:  # E13
    a, b = clones
    sync(a, b)
    their = settle_in(clones, "[broken")
    x = a.create("T")
    for argv in (["sync"], ["doctor", "--fix"], ["bundle", "create", "../x.bundle"]):
        done = a.run(*argv, "--json")
        said = json.loads(done.err.splitlines()[-1])
        assert done.code == 1 and said["code"] == "git" and "bad config line" in said["error"], (argv, done)
    assert a.json("show", x)["title"] == "T"
    (their / "config").write_text("")
    settle(a, b)
    assert b.json("show", x)["title"] == "T"


def test_a_repository_of_another_user_is_served(clones: Clones) -> None:  # E10
    a, b = clones
    sync(b)
    if os.geteuid() == 0:
        for path in (a.path, *a.path.rglob("*")):
            os.lchown(path, 12345, 12345)
    x = a.create("T")
    sync(a, b)
    b.run("update", x, "--title", "U")
    sync(b, a)
    assert fields(a, x)["title"] == "U" and a.run("doctor").code == 0 and a.run("status").code == 0


def test_other_languages_and_encodings_of_the_caller_make_no_difference(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:  # E11
    a, b = clones
    sync(a, b)
    for name, value in {"LANG": "de_DE.UTF-8", "LANGUAGE": "de:fr", "LC_ALL": "", "LC_MESSAGES": "de_DE"}.items():
        monkeypatch.setenv(name, value)
    in_conflict(clones)
    monkeypatch.setenv("LC_ALL", "C")
    x = a.create("Grüße 漢字")
    settle(a, b)
    assert fields(b, x)["title"] == "Grüße 漢字"
    origin(a).rename(origin(a).with_suffix(".gone"))
    assert json.loads(a.run("sync", "--json").out)["reason"] == "unreachable"


def test_traces_and_programs_of_the_environment_make_no_difference(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:  # E12
    a, b = clones
    their = settle_in(clones, "")
    programs = "GIT_EXTERNAL_DIFF GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_PAGER EDITOR VISUAL PAGER GIT_ASKPASS SSH_ASKPASS"
    for name in programs.split():
        monkeypatch.setenv(name, f"{their}/hang")
    for name in "GIT_TRACE GIT_TRACE_SETUP GIT_TRACE_PACKET GIT_TRACE2 GIT_TRACE2_EVENT GIT_CURL_VERBOSE".split():
        monkeypatch.setenv(name, "1")
    for way in WAYS.values():
        way(clones)
    assert "trace" not in a.run("sync").err and [*their.rglob("*.ran")] == []
    settle(a, b)


def test_a_hook_of_a_server_that_lets_no_ref_move_is_told_and_everything_is_kept(clones: Clones) -> None:  # E15
    a, b = clones
    sync(b)
    hook = origin(a) / "hooks/reference-transaction"
    script(hook, 'echo "closed for the night" >&2; exit 1')
    x = a.create("T")
    done = a.run("sync", "--json")
    said = json.loads(done.err.splitlines()[-1])
    assert done.code == 6 and said["code"] == "not_published" and "closed for the night" in done.err, done
    assert a.json("show", x)["title"] == "T"
    hook.unlink()
    settle(a, b)
    assert fields(b, x)["title"] == "T"


@pytest.mark.parametrize("when", ["prepared", "committed"])
def test_a_hook_of_the_users_that_lets_no_ref_move_is_not_run(clones: Clones, when: str) -> None:  # E15
    their = clones[0].path.parent / "their/hooks"
    script(their / "reference-transaction", f'[ "$1" != {when} ]')
    for clone in clones:
        clone.git("config", "core.hooksPath", str(their))
    for way in WAYS.values():
        way(clones)
    assert [*their.parent.rglob("*.ran")] == []
    settle(*clones)

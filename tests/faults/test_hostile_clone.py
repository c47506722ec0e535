"""A clone made by an attacker, and words typed by one: nothing of theirs is run (faults.md S6, S7, S8, D15)."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.test_untrusted_text import LINES
from conftest import Clone, git
from damage import snapshot
from kernel.test_sync import Clones, another, origin, settle, sync
from tbdx.cli.table import COMMANDS

At = Callable[[Path], Clone]
TBDX = [sys.executable, "-P", "-m", "tbdx"]
SETTINGS = """
hooks:
  post-checkout: touch {canary}
  pre-sync: touch {canary}
hooksPath: hooks
editor: touch {canary}
pager: touch {canary}
env:
  GIT_SSH_COMMAND: touch {canary}
  PATH: {folder}
runner:
  allow: [sh, -c, touch {canary}]
  command: touch {canary}
remote: "ext::sh -c touch% {canary}"
url: "ext::sh -c touch% {canary}"
trust: true
"""


def program(path: Path, canary: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n: >{canary}\n")
    path.chmod(0o755)


@pytest.fixture
def victim(clones: Clones, at: At, tmp_path: Path) -> tuple[Clone, Path]:
    """A fresh clone of what an attacker published on every branch; the file that is there once theirs is run."""
    a, b = clones
    canary = tmp_path / "canary"
    a.create("T")
    sync(a)
    place = a.path
    text = SETTINGS.format(canary=canary, folder=place)
    for name in ("config.yml", "tbdx.yml"):
        with (place / ".tbd" / name).open("a") as f:
            f.write(text)
    (place / ".tbd/state.yml").write_text(text)
    attributes = "* filter=x diff=x merge=x\n"
    modules = f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% {canary}\n\tupdate = !touch {canary}\n'
    for folder in (place, place / ".tbd"):
        (folder / ".gitattributes").write_text(attributes)
    (place / ".gitmodules").write_text(modules)
    for name in ("git", "python3", "sh", "ssh", "hooks/post-checkout", "hooks/pre-push", ".tbd/hooks/post-checkout"):
        program(place / name, canary)
    for name in ("tbdx", "json", "subprocess", "click", "sitecustomize", "encodings"):
        (place / f"{name}.py").write_text(f"open({str(canary)!r}, 'w')\n")
    inner = place / "inner"  # what git would take for a bare repository, with settings that run programs
    git(place, "init", "-q", "--bare", "inner")
    for name in ("objects", "refs"):
        (inner / name / "keep").write_text("")
    shutil.rmtree(inner / "hooks")
    program(inner / "hooks/post-checkout", canary)
    for key in ("core.fsmonitor", "core.pager", "core.sshCommand", "diff.external", "core.editor", "gpg.program"):
        git(place, "config", "-f", str(inner / "config"), key, f"touch {canary}")
    a.git("add", "-Af", ".")
    a.git("commit", "-qm", "hostile")
    a.git("push", "-q", "origin", "main")
    index = {"GIT_INDEX_FILE": str(place / ".git/hostile")}
    a.kernel.git.ask("read-tree", "tbd-sync", env=index)
    for mode, name, from_file in (
        ("100755", ".tbd/data-sync/hooks/post-checkout", "git"),
        ("100755", "hooks/post-checkout", "git"),
        ("100644", ".tbd/data-sync/.gitattributes", ".gitattributes"),
        ("100644", ".tbd/data-sync/issues/.gitattributes", ".gitattributes"),
        ("100644", ".tbd/data-sync/.gitmodules", ".gitmodules"),
        ("100644", ".gitattributes", ".gitattributes"),
        ("100644", ".gitmodules", ".gitmodules"),
    ):
        blob = a.git("rev-parse", f"main:{from_file}").strip()
        a.kernel.git.ask("update-index", "--add", "--cacheinfo", f"{mode},{blob},{name}", env=index)
    a.kernel.git.ask("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},x", env=index)
    tree = a.kernel.git.ask("write-tree", env=index).decode().strip()
    made = a.git("commit-tree", tree, "-p", "tbd-sync", "-m", "hostile").strip()
    a.git("push", "-q", "origin", f"{made}:refs/heads/tbd-sync")
    return another(a, at, "victim"), canary


LINES_OF_A_VICTIM = (
    ["list"],
    ["create", "Mine"],
    ["sync"],
    ["update", "ID", "--title", "U"],
    ["sync", "--status"],
    ["doctor"],
    ["doctor", "--fix"],
    ["status"],
    ["show", "ID"],
    ["changes", "--since", "tbd-sync~1"],
    ["bundle", "create", "../carried.bundle"],
    ["bundle", "apply", "../carried.bundle"],
    ["save", "--outbox"],
    ["attic", "list"],
    ["prime"],
    ["sync"],
)


def run(clone: Clone, argv: list[str], cwd: Path, before: list[str] | None = None) -> None:
    shown = [clone.json("list")[0]["id"] if word == "ID" else word for word in argv]
    line = [*(before or []), *TBDX, *shown]
    done = subprocess.run(line, cwd=cwd, capture_output=True, text=True, timeout=60, stdin=-3)
    assert done.returncode == 0 and "Traceback" not in done.stderr, (argv, done)


def test_nothing_that_a_clone_brings_is_run(victim: tuple[Clone, Path]) -> None:
    clone, canary = victim
    for argv in LINES_OF_A_VICTIM:
        run(clone, argv, clone.path)
        assert not canary.exists(), argv
    for argv in (["list"], ["create", "From inside"], ["sync"]):
        run(clone, argv, clone.path / "inner")
        assert not canary.exists(), argv
    clone.run("status", cwd=clone.path / "inner")
    assert not canary.exists()
    place = Path(clone.kernel.repo.worktree)
    assert not [p for p in place.rglob("*") if p.is_file() and os.access(p, os.X_OK)] and not (place / "x").exists()


def test_no_command_leaves_a_hook_or_a_setting_behind(victim: tuple[Clone, Path]) -> None:  # S8
    clone, _ = victim
    hooks = clone.path / ".git/hooks"
    before = snapshot(hooks), (clone.path / ".git/config").read_bytes()
    for argv in LINES_OF_A_VICTIM:
        run(clone, argv, clone.path)
    assert (snapshot(hooks), (clone.path / ".git/config").read_bytes()) == before
    own = clone.path / ".git/worktrees/data-sync-worktree"
    assert not (own / "hooks").exists() and not (own / "config.worktree").exists()


def can_trace() -> bool:
    return bool(shutil.which("strace")) and not subprocess.run(["strace", "-qq", "true"], stderr=-3).returncode


@pytest.mark.skipif(not can_trace(), reason="no strace here; the canary of the test before serves")
def test_only_git_and_python_are_run_in_a_hostile_clone(victim: tuple[Clone, Path], tmp_path: Path) -> None:
    clone, _ = victim
    log = tmp_path / "log"
    strace = ["strace", "-f", "-qq", "-s", "200", "-e", "trace=execve", "-e", "signal=none", "-o", str(log)]
    for argv in (["list"], ["create", "Mine"], ["sync"], ["doctor", "--fix"]):
        run(clone, argv, clone.path, strace)
        ran = re.findall(r'execve\("([^"]+)", \["[^"]*"(.*?)\].*\) = 0', log.read_text())
        assert ran and "python" in ran[0][0]
        for path, args in ran[1:]:
            name = os.path.basename(path)
            serves = name == "sh" and re.match(r', "-c", "git-(upload|receive)-pack ', args)  # a remote on this disk
            assert name == "git" or name.startswith("git-") or serves, (argv, path, args)
            assert not path.startswith(str(clone.path))


# words on the command line

WORDS = (
    "-oProxyCommand=touch canary",
    "--upload-pack=touch canary",
    "--receive-pack=touch canary;",
    "--exec=touch canary",
    "--output=canary",
    "-c core.sshCommand=touch canary",
    "ext::sh -c touch% canary",
    "fd::17",
    "$(touch canary)",
    "`touch canary`",
    "; touch canary",
    "| touch canary #",
    "& touch canary",
    "\n touch canary \n",
    "--config=core.pager=touch canary",
    "-u touch canary",
    "'; touch canary; '",
)


def test_no_word_on_a_command_line_is_taken_for_anything_else(
    clones: Clones, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    a, _ = clones
    x = a.create("T")
    sync(a)
    for name in ("canary.sh", "ext"):
        program(a.path / name, tmp_path / "canary")
    words = itertools.cycle(WORDS)
    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.setenv("TBD_AGENT", WORDS[0])
    for name, (_, _, arguments, options) in COMMANDS.items():
        base = LINES[name]
        if base is None or name == "init":
            continue
        for given in (["--", *(next(words) for _ in arguments)], [x, *(next(words) for _ in arguments[1:])]):
            a.run(*name.split(" "), *given)
        for _, ways, value, _ in options:
            if value:
                a.run(*name.split(" "), f"{ways[-1]}={next(words)}", *([x] if arguments else []))
    assert a.run("sync").code in (0, 1, 6)
    assert not [*tmp_path.rglob("canary")]


def test_a_hostile_base_of_an_outbox_and_names_of_branches_are_only_names(clones: Clones) -> None:
    a, b = clones
    sync(b)
    for word in ("--upload-pack=touch canary", "-x", "HEAD", "main", "$(touch canary)", "'1'", "^HEAD", "@{-1}"):
        place = a.path / ".tbd/workspaces/outbox"
        (place / "issues").mkdir(parents=True, exist_ok=True)
        (place / "base.yml").write_text(f"commit: {word}\n")
        (place / "issues" / b.file(b.create("Held")).name).write_bytes(b.file(b.json("list")[0]["id"]).read_bytes())
        done = a.run("sync")
        assert done.code in (0, 1) and "unexpected" not in done.err, done
    blob = git(origin(a), "rev-parse", "main").strip()
    for name in ("-upload-pack=x", "--exec=touch canary".replace(" ", ""), "a$(touch)b", "é`x`"):
        path = origin(a) / "refs/heads" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{blob}\n")
    settle(a, b)
    assert not [*a.path.parent.rglob("canary")]


@pytest.mark.parametrize("name", ["-x", "--upload-pack=touch canary", "ext::sh -c x", "a/../../b", "a b", "\x1b[2J"])
def test_a_hostile_name_in_the_settings_stops_every_command_before_git(clones: Clones, name: str) -> None:
    a, _ = clones
    a.create("T")
    config = a.path / ".tbd/config.yml"
    before = config.read_text()
    for key, old in (("branch", "tbd-sync"), ("remote", "origin")):
        config.write_text(before.replace(f"{key}: {old}", f"{key}: {json.dumps(name)}"))
        for argv in (["sync"], ["list"], ["create", "x"], ["doctor", "--fix"], ["bundle", "create", "../x"]):
            done = a.run(*argv)
            assert done.code == 1 and f"sync.{key}: " in done.err and "\x1b" not in done.err, (argv, done)
    config.write_text(before)
    assert not [*a.path.parent.rglob("canary")]

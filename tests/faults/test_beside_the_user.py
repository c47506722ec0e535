"""tbdx inside the user's git hooks, and beside the git commands that they run meanwhile (faults.md C11, E18, S9)."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone, git, new_git
from damage import snapshot
from kernel.test_sync import Clones, of_the_user, settle, start, sync

HOOKS = "pre-commit post-commit post-checkout pre-push post-rewrite post-merge".split()
HOOK = """\
#!/bin/sh
index=${GIT_INDEX_FILE:-$(git rev-parse --git-path index)}
before=$(cksum <"$index")
( HOSTILE
  PYTHON -m tbdx create "${0##*/}" && PYTHON -m tbdx sync
) >>LOG 2>&1 || echo "${0##*/} failed" >>LOG
[ "$before" = "$(cksum <"$index")" ] || echo "${0##*/}: another index" >>LOG
"""
# every variable that names a repository, as a hook may have it, led astray
LED_ASTRAY = """\
for name in $(git rev-parse --local-env-vars); do export $name=DECOY/.git; done
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=core.bare GIT_CONFIG_VALUE_0=broken GIT_NAMESPACE=x GIT_QUARANTINE_PATH=/x
export GIT_CONFIG_KEY_1=core.hooksPath GIT_CONFIG_VALUE_1=/nowhere GIT_EXTERNAL_DIFF=false GIT_TRACE=1
"""


def hooked(clone: Clone, before: str = "") -> Path:
    """Let every hook of a clone use the tracker; the file where they tell what went wrong."""
    log = clone.path.parent / "hooks.log"
    hooks = clone.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    text = HOOK.replace("HOSTILE", before).replace("PYTHON", sys.executable).replace("LOG", str(log))
    for name in HOOKS:
        (hooks / name).write_text(text)
        (hooks / name).chmod(0o755)
    return log


def work_with_git(place: Path) -> None:
    """What makes every hook run. Each command must succeed, and none may wait for long."""
    for line in (
        "echo 1 >>README.md; git commit -qam one",  # its index is index.lock
        "echo 2 >>README.md; git commit -q --amend -m again README.md",  # its index is one of its own
        "git checkout -qb side HEAD~1; echo 3 >other; git add other; git commit -qm two; git checkout -q -",
        "git merge -q --no-edit side",
        "git push -q origin HEAD:refs/heads/pushed",
    ):
        done = subprocess.run(["sh", "-ec", line], cwd=place, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (line, done)


@pytest.mark.parametrize("where, astray", [("first", True), ("linked", False)])
def test_every_hook_can_create_and_sync(clones: Clones, at: Callable[[Path], Clone], where: str, astray: bool) -> None:
    a, b = clones
    place = a.path
    if where == "linked":
        a.git("worktree", "add", "-q", "../linked", "-b", "topic")
        place = a.path.parent / "linked"
    decoy = new_git(a.path.parent / "decoy")
    before = snapshot(decoy)
    log = hooked(a, LED_ASTRAY.replace("DECOY", str(decoy)) if astray else "")
    work_with_git(place)
    said = log.read_text()
    assert "failed" not in said and "another index" not in said and "Traceback" not in said, said
    assert snapshot(decoy) == before
    settle(b, a)
    assert {row["title"] for row in b.json("list")} == set(HOOKS)
    assert git(place, "status", "--porcelain", "--untracked-files=no") == ""


USER = """\
n=0
while [ $n -lt ROUNDS ]; do
  n=$((n + 1)); echo $n >>README.md; git commit -qam "$n"; git status -s
  git checkout -qb t$n HEAD~1; git commit -q --allow-empty -m "t$n"; git rebase -q main
  git checkout -q main; git merge -q --ff-only t$n; git branch -qd t$n
done
"""


def beside(clones: Clones, rounds: int) -> None:
    """A person works with git as fast as they can while tbdx creates and syncs in the same clone."""
    a, b = clones
    sync(a, b)
    a.git("reset", "-q", "--hard")
    person = subprocess.Popen(
        ["sh", "-ec", USER.replace("ROUNDS", str(rounds))], cwd=a.path, stdout=-1, stderr=-1, text=True
    )
    made = 0
    while person.poll() is None and made < 200:
        b.create("from b")
        sync(b)
        for argv in (["create", "from a"], ["sync"]):
            child = start(a, *argv)
            said = child.communicate(timeout=60)
            assert child.returncode == 0, said
        made += 1
    said = person.communicate(timeout=120)
    assert person.returncode == 0 and "lock" not in said[1], said
    settle(a, b)
    assert len(b.json("list")) == 2 * made
    assert (a.path / "README.md").read_text().endswith(f"{rounds}\n")


def test_a_persons_git_commands_never_fail_beside_ours(clones: Clones) -> None:
    beside(clones, 15)


@pytest.mark.long
def test_a_persons_git_commands_never_fail_beside_ours_for_long(clones: Clones) -> None:
    beside(clones, 100)


def test_locks_that_the_users_git_holds_are_neither_waited_for_nor_touched(clones: Clones) -> None:  # and D14
    a, b = clones
    locks = [a.path / ".git" / name for name in ("index.lock", "HEAD.lock", "config.lock", "packed-refs.lock")]
    for lock in locks:
        lock.write_text("theirs")
    before = of_the_user(a)
    a.create("T")
    sync(a, b)
    b.create("U")
    sync(b, a)
    assert a.run("doctor", "--fix").code == 0 and len(a.json("list")) == 2
    assert of_the_user(a) == before and all(lock.read_text() == "theirs" for lock in locks)


def test_a_lock_of_gits_that_is_given_back_meanwhile_was_somebodys_and_is_left_to_them(clones: Clones) -> None:  # D14
    a, _ = clones
    sync(a)
    a.create("T")
    lock = a.path / ".git/worktrees/data-sync-worktree/index.lock"
    lock.write_bytes(b"theirs")
    given_back = threading.Timer(0.3, lock.unlink)
    given_back.start()
    sync(a)
    given_back.join()
    assert not [*(a.path / ".git/tbdx").glob("backup/index.lock*")] and not lock.exists()

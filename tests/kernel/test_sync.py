"""Sync through a bare remote: everything arrives, nothing is lost, and the user's repository is left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import Clone, Result, git, some_of
from killing import stopping
from tbdx.core import codec, lineage, merge
from tbdx.errors import Git as GitError
from tbdx.errors import NotPublished
from tbdx.kernel import pending
from tbdx.kernel import sync as verb

Clones = tuple[Clone, Clone]
OURS = ("tbd-sync", "tbd-coord")  # the branches that are not the user's
NONE = {"new": 0, "updated": 0, "deleted": 0}


def sync(*clones: Clone) -> dict[str, Any]:
    """Sync each clone in turn; the last one's report."""
    out: dict[str, Any] = {}
    for clone in clones:
        out = clone.json("sync")
    return out


def tip(clone: Clone) -> str:
    return clone.git("rev-parse", "refs/heads/tbd-sync").strip()


def tips(where: Path) -> str:
    """The tips of both of our branches; the coordination branch need not be there."""
    return git(where, "for-each-ref", "--format=%(refname) %(objectname)", *(f"refs/heads/{name}" for name in OURS))


def settle(*clones: Clone) -> None:
    """Sync until all have everything; then further syncs must make no commit, and all tips must be equal."""
    sync(*clones, *clones)
    before = [tips(c.path) for c in clones]
    sync(*clones, *clones)
    assert [tips(c.path) for c in clones] == before and len(set(before)) == 1
    assert tips(origin(clones[0])) == before[0]


def origin(clone: Clone) -> Path:
    return clone.path.parent / "origin.git"


def another(a: Clone, at: Callable[[Path], Clone], name: str) -> Clone:
    git(a.path.parent, "clone", "-q", str(origin(a)), name)
    return at(a.path.parent / name)


def fields(clone: Clone, shown: str) -> dict[str, Any]:
    return codec.parse(clone.file(shown).read_text())


def data_files(clone: Clone) -> dict[str, bytes]:
    return {str(p.relative_to(clone.data)): p.read_bytes() for p in sorted(clone.data.rglob("*")) if p.is_file()}


def attic(clone: Clone, shown: str) -> dict[str, str]:
    """field -> lost value, as `attic list` and `attic show` tell it."""
    out = {}
    for row in clone.json("attic", "list", shown):
        entry = clone.json("attic", "show", shown, f"{row['timestamp']}_{row['field']}")
        out[row["field"]] = json.loads(entry["lost_value"])
    return out


def of_the_user(clone: Clone) -> dict[str, Any]:
    """What a sync must leave alone in the user's repository: every file but those of our branches and tbd's own."""
    dot = clone.path / ".git"
    own = ("tbd", "tbdx", "objects", "worktrees")  # and refs/tbdx
    out: dict[str, Any] = {}
    for path in sorted(clone.path.rglob("*")):
        inside = path.relative_to(dot).parts if path.is_relative_to(dot) else ()
        of_ours = inside[:1] in [(o,) for o in own] or inside[:2] == ("refs", "tbdx") or path.name.startswith(OURS)
        if not path.is_file() or of_ours:
            continue
        out[str(path.relative_to(clone.path))] = path.read_bytes()
    refs = git(clone.path, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return out | {"refs": [r for r in refs if not any(name in r for name in (*OURS, "refs/tbdx/"))]}


def start(clone: Clone, *argv: str) -> subprocess.Popen[str]:
    """The real command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tbdx", *argv],
        cwd=clone.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def put_by(module: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that a module puts into the worktree from now on, in their order."""
    out: list[str] = []
    put = module.put

    def noting(k: Any, path: str, data: bytes | None) -> None:
        out.append(path)
        put(k, path, data)

    monkeypatch.setattr(module, "put", noting)
    return out


# there and back


def test_a_new_issue_goes_out_and_comes_in_by_fast_forward(clones: Clones) -> None:
    a, b = clones
    sync(b)
    x = a.create("from a")
    counts = {"sent": NONE | {"new": 2}, "received": NONE, "conflicts": 0}
    events = {"state": "synced", "sent": 1, "received": 0}
    assert sync(a) == {"summary": counts, "conflicts": 0, "coordination": events}
    assert sync(b)["summary"]["received"] == NONE | {"new": 2}
    assert fields(b, x) == fields(a, x)
    b.run("update", x, "--title", "from b")
    assert sync(b)["summary"]["sent"] == NONE | {"updated": 1}
    assert sync(a)["summary"]["received"] == NONE | {"updated": 1}
    assert fields(a, x)["title"] == "from b" and tip(a) == tip(b)
    settle(a, b)


def test_a_deleted_file_stays_deleted_everywhere(clones: Clones) -> None:
    a, b = clones
    x, y = a.create("gone"), a.create("here")
    sync(a, b)
    a.file(x).unlink()
    assert sync(a)["summary"]["sent"]["deleted"] == 1
    sync(b)
    assert {p.name for p in (b.data / "issues").glob("is-*")} == {b.file(y).name}


def test_a_worktree_from_which_every_issue_is_gone_is_no_mass_deletion(clones: Clones) -> None:
    a, b = clones
    made = [a.create(f"{n}") for n in range(3)]
    sync(a, b)
    for x in made:
        a.file(x).unlink()
    sync(a, b)
    for clone in clones:
        assert {fields(clone, x)["title"] for x in made} == {"0", "1", "2"}


def test_concurrent_edits_of_different_fields_are_both_kept(clones: Clones) -> None:
    a, b = clones
    x = a.create("T", "-l", "base")
    sync(a, b)
    a.run("update", x, "--title", "A", "--add-label", "a")
    b.run("update", x, "--priority", "0", "--remove-label", "base")
    sync(a)
    assert sync(b)["conflicts"] == 0
    settle(a, b)
    for clone in clones:
        found = fields(clone, x)
        assert (found["title"], found["priority"], found["labels"]) == ("A", 0, ["a"])
    assert a.json("attic", "list") == []


def test_of_concurrent_edits_of_one_field_the_loser_can_be_read_in_every_clone(
    clones: Clones, at: Callable[[Path], Clone]
) -> None:
    a, b = clones
    c = another(a, at, "c")
    x = a.create("T")
    sync(a, b, c)
    for n, clone in enumerate((a, b, c)):  # each later than the one before
        clone.run("update", x, "--title", f"title {n}")
    sync(c, a)
    report = sync(b)
    assert report["conflicts"] == 1 and report["lost"] == [{"id": b.kernel.need(x), "field": "title"}]
    settle(a, b, c)
    for clone in (a, b, c):
        assert fields(clone, x)["title"] == "title 2"
        lost = {
            json.loads(clone.json("attic", "show", x, row["timestamp"])["lost_value"])
            for row in clone.json("attic", "list", x)
        }
        assert lost == {"title 0", "title 1"}
    assert data_files(a) == data_files(b) == data_files(c)


def test_the_edit_that_knew_the_other_wins_whatever_the_clocks_say(clones: Clones) -> None:  # faults.md G1
    a, b = clones
    x = a.create("T")
    sync(a)
    a.clock.at -= 3 * 365 * 86_400_000
    sync(b)
    b.run("update", x, "--title", "by a clock of years ago")
    sync(b, a)
    assert fields(a, x)["title"] == "by a clock of years ago"
    issue = fields(a, x)
    assert issue["updated_at"] > issue["created_at"]


def test_a_close_and_an_edit_that_meet_leave_a_consistent_issue(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    a.run("close", x, "--reason", "done")
    b.run("update", x, "--status", "in_progress", "--title", "B")
    sync(a, b)
    settle(a, b)
    found = fields(a, x)
    assert found["status"] == "in_progress" and not found.get("closed_at") and found["title"] == "B"
    assert attic(b, x)["close_reason"] == "done" and attic(a, x)["status"] == "closed"


def test_an_edit_outlives_a_delete_in_both_clones(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    a.file(x).unlink()
    b.run("update", x, "--title", "still wanted")
    sync(a, b)
    settle(a, b)
    assert fields(a, x)["title"] == "still wanted" and a.json("attic", "list", x)


def test_one_short_id_given_in_two_clones_is_settled_alike(clones: Clones) -> None:
    a, b = clones
    x, y = a.kernel.need(a.create("from a")), b.kernel.need(b.create("from b"))
    for clone, internal in ((a, x), (b, y)):
        (clone.data / "mappings/ids.yml").write_text(f"same: {internal[3:]}\n")
    sync(a, b)
    settle(a, b)
    assert a.kernel.display(x) == b.kernel.display(x) == "test-same"
    assert a.kernel.display(y) == b.kernel.display(y) != "test-same"


def test_unknown_files_travel_byte_for_byte(clones: Clones) -> None:
    a, b = clones
    odd = {"bridge/links/x.yml": b"a: 1\r\n\xff\0", "bridge/notes.tmp.md": b"", "other/é ü.txt": b"1"}
    for rel, found in odd.items():
        (a.data / rel).parent.mkdir(parents=True, exist_ok=True)
        (a.data / rel).write_bytes(found)
    sync(a, b)
    assert {rel: (b.data / rel).read_bytes() for rel in odd} == odd
    settle(a, b)


def test_a_file_that_the_branch_has_under_a_temporary_name_is_not_taken_for_deleted(clones: Clones) -> None:
    a, b = clones
    a.create("x")
    sync(a, b)
    k = a.kernel
    blob = k.git.hash_all([b"kept"])[0]
    path = merge.DATA + "bridge/x.tmp"
    made = k.git.commit_tree(tip(a), {path: blob}, [tip(a)], "by another tool")
    a.git("push", "-q", "origin", f"{made}:refs/heads/tbd-sync")
    settle(a, b)
    assert path in k.git.tree(tip(b))


# topologies


def test_equal_trees_adopt_the_other_commit(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    text = a.file(x).read_text().replace("title: T", "title: U")
    for clone in clones:
        clone.file(x).write_text(text)
    sync(a, b)
    assert tip(a) == tip(b)
    settle(a, b)


def test_a_remote_branch_that_was_deleted_is_published_again(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    git(origin(a), "update-ref", "-d", "refs/heads/tbd-sync")
    sync(b, a)
    assert fields(a, x)["title"] == "T"
    settle(a, b)


def test_a_remote_branch_that_was_rewound_is_brought_forward_again(clones: Clones) -> None:
    a, b = clones
    before = tip(a)
    x = a.create("T")
    sync(a, b)
    git(origin(a), "update-ref", "refs/heads/tbd-sync", before)
    y = b.create("U")
    sync(b, a)
    settle(a, b)
    assert fields(a, y)["title"] == "U" and fields(b, x)["title"] == "T"


def test_unrelated_roots_are_joined(clones: Clones) -> None:
    a, b = clones
    x = a.create("kept here")
    sync(a, b)
    k = b.kernel
    blobs = k.git.hash_all([b"schema_version: 1\n", b.file(x).read_bytes().replace(b"kept here", b"from elsewhere")])
    paths = [merge.DATA + "meta.yml", f"{merge.ISSUES}{k.need(x)}.md"]
    root = k.git.commit_tree(None, dict(zip(paths, blobs, strict=True)), [], "another beginning")
    b.git("push", "-q", "--force", "origin", f"{root}:refs/heads/tbd-sync")
    sync(a, b)
    settle(a, b)
    titles = {fields(a, x)["title"], *(json.loads(e) for e in lost_values(a))}
    assert {"kept here", "from elsewhere"} <= titles


def lost_values(clone: Clone) -> Iterable[str]:
    from tbdx.core import loose

    for path in (clone.data / "attic").glob("*.yml"):
        yield loose.load_map(path.read_text())[0]["lost_value"]


def test_without_a_remote_everything_is_committed_and_it_says_local_only(repo: Clone) -> None:
    repo.create("T")
    done = repo.run("sync")
    assert done.code == 0 and "local only" in done.out.lower()
    report = repo.json("sync")
    assert report["localOnly"] is True
    assert "T" in repo.git("show", f"tbd-sync:{merge.ISSUES}{next((repo.data / 'issues').glob('is-*')).name}")


def test_an_unreachable_remote_leaves_everything_kept_and_committed(clones: Clones) -> None:
    a, b = clones
    sync(b)
    gone = origin(a).rename(origin(a).with_name("moved.git"))
    x = a.create("T")
    done = a.run("sync", "--json")
    report = json.loads(done.out)
    assert done.code == 6 and report["pushFailed"] is True and report["unpushedCommits"] == 1
    assert json.loads(done.err)["code"] == "not_published"
    assert fields(a, x)["title"] == "T" and not pending.look(a.kernel, tip(a)).changed
    gone.rename(origin(a))
    settle(a, b)
    assert fields(b, x)["title"] == "T"


def test_a_server_that_refuses_is_quoted_without_its_control_characters(clones: Clones) -> None:
    a, _ = clones
    a.create("T")
    hook = origin(a) / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nprintf 'not \\033[31mtoday\\033[0m\\n' >&2\nexit 1\n")
    hook.chmod(0o755)
    for argv in (("sync",), ("sync", "--json")):
        done = a.run(*argv)
        assert done.code == 6 and "\x1b" not in done.out + done.err
        assert "not " in done.err and "today" in done.err
    assert json.loads(done.out)["errorType"] == "permanent"
    hook.unlink()
    sync(a)


def test_push_alone_and_pull_alone_go_one_way(clones: Clones) -> None:
    a, b = clones
    x = a.create("from a")
    assert b.run("sync", "--pull").code == 0
    y = b.create("from b")
    assert a.run("sync", "--push", "--json") == Result(0, "", "")
    behind = b.run("sync", "--push")
    assert behind.code == 1 and "not here yet" in behind.err
    assert "only moves forward" in b.run("sync", "--pull").err
    settle(b, a)
    assert fields(a, y) and fields(b, x)
    assert a.run("sync", "--push", "--docs").code == 2 and a.run("sync", "--push", "--pull").code == 2


def test_status_tells_what_a_sync_would_exchange_and_changes_nothing(clones: Clones) -> None:
    a, b = clones
    sync(b)
    x = a.create("T")
    name = a.file(x).name
    before = tip(a)
    said = a.json("sync", "--status")
    assert said["localChanges"] == [f"new: {merge.ISSUES}{name}", f"new: {merge.NAMES}"]
    assert (said["synced"], said["ahead"], said["behind"], said["remote"]) == (False, 0, 0, "origin")
    assert tip(a) == before
    sync(a)
    assert a.json("sync", "--status")["synced"] is True
    behind = b.json("sync", "--status")
    assert behind["behind"] == 1 and len(behind["remoteChanges"]) == 1 and not behind["synced"]


def test_a_dry_run_of_sync_changes_nothing(clones: Clones) -> None:
    a, _ = clones
    a.create("T")
    before = tip(a)
    assert a.json("sync", "--dry-run")["dryRun"] is True
    assert tip(a) == before and git(origin(a), "rev-parse", "tbd-sync").strip() == before


# what must not go out


def test_a_damaged_file_is_withheld_by_name_and_the_others_go_out(clones: Clones) -> None:
    a, b = clones
    x, y = a.create("good"), a.create("bad")
    sync(a, b)
    a.run("update", x, "--title", "better")
    a.file(y).write_bytes(b"<<<<<<< HEAD\n")
    done = a.run("sync")
    assert done.code == 1 and a.file(y).name in done.err
    assert json.loads(a.run("sync", "--json").out)["withheld"][0]["path"].endswith(a.file(y).name)
    sync(b)
    assert fields(b, x)["title"] == "better" and fields(b, y)["title"] == "bad"
    b.run("update", y, "--priority", "0")
    sync(b)
    assert a.run("sync").code == 1 and a.file(y).read_bytes() == b"<<<<<<< HEAD\n"


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_what_is_no_plain_file_is_withheld_and_not_followed(clones: Clones, kind: str) -> None:
    a, b = clones
    a.create("T")
    path = a.data / "bridge/x.yml"
    path.parent.mkdir()
    if kind == "link":
        path.symlink_to("/etc/hostname")
    else:
        os.mkfifo(path)
    done = a.run("sync")
    assert done.code == 1 and "bridge/x.yml" in done.err
    sync(b)
    assert not (b.data / "bridge").exists()


def test_a_link_that_came_through_the_remote_is_not_written(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    k = a.kernel
    blob = k.git.hash_all([b"/etc/passwd"])[0]
    path = merge.DATA + "bridge/evil"
    index = f"{a.path}/.git/evil-index"
    env = {"GIT_INDEX_FILE": index}
    k.git.ask("read-tree", tip(a), env=env)
    k.git.ask("update-index", "--add", "--cacheinfo", f"120000,{blob},{path}", env=env)
    tree = k.git.ask("write-tree", env=env).decode().strip()
    made = a.git("commit-tree", tree, "-p", tip(a), "-m", "evil").strip()
    a.git("push", "-q", "origin", f"{made}:refs/heads/tbd-sync")
    b.run("update", x, "--title", "U")
    settle(b, a)
    assert not os.path.lexists(b.data / "bridge/evil")


def test_a_hand_edit_made_while_a_merge_is_on_is_not_overwritten(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    b.run("update", x, "--priority", "0")
    sync(b)
    a.run("update", x, "--title", "A")
    merge_trees = lineage.merge
    edits = ["by hand"]

    def while_merging(*args: Any) -> Any:
        if edits:
            path = a.file(x)
            path.write_text(path.read_text() + edits.pop() + "\n")
        return merge_trees(*args)

    monkeypatch.setattr(lineage, "merge", while_merging)
    sync(a)
    settle(a, b)
    for clone in clones:
        found = fields(clone, x)
        assert (found["title"], found["priority"], found["description"]) == ("A", 0, "by hand")


def test_of_what_a_sync_brings_the_attic_is_written_first_then_short_ids_then_issues(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    b.run("update", x, "--title", "from b")
    b.create("new")
    sync(b)
    a.run("update", x, "--title", "from a")
    written = put_by(verb, monkeypatch)
    sync(a)
    assert [path.split("/")[2] for path in written] == ["attic", "mappings", "issues"]


def test_a_file_that_is_damaged_between_the_look_and_the_commit_is_not_committed(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    x = a.create("T")
    store, done = pending._store, list[str]()

    def damaging(*args: Any) -> Any:
        if not done:
            done.append(a.file(x).read_text())
            a.file(x).write_text("half")
        return store(*args)

    monkeypatch.setattr(pending, "_store", damaging)
    assert a.run("sync").code == 1 and done
    assert a.file(x).name not in a.git("ls-tree", "-r", "--name-only", "tbd-sync")
    a.file(x).write_text(done[0])
    settle(a, b)
    assert fields(b, x)["title"] == "T"


def test_files_that_never_rest_end_the_sync_and_stay_as_they_are(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    b.run("update", x, "--priority", "0")
    sync(b)
    a.run("update", x, "--title", "A")
    merge_trees = lineage.merge
    numbers = iter(range(100))

    def while_merging(*args: Any) -> Any:
        path = a.file(x)
        path.write_text(path.read_text() + f"edit {next(numbers)}\n")
        return merge_trees(*args)

    monkeypatch.setattr(lineage, "merge", while_merging)
    done = a.run("sync")
    assert done.code == 1 and "keep changing" in done.err
    assert "edit 4" in a.file(x).read_text()
    monkeypatch.undo()


# the user's repository


def test_the_users_repository_is_byte_identical_before_and_after(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    (a.path / "staged.txt").write_text("1")
    a.git("add", "staged.txt")
    (a.path / "README.md").write_text("changed\n")
    a.git("stash", "push", "-q", "README.md")
    (a.path / "README.md").write_text("changed again\n")
    (a.path / "untracked").write_text("u")
    hook = a.path / ".git/hooks/post-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch ../ran\n")
    a.git("fetch", "-q", "origin", "main")
    b.run("update", x, "--title", "B")
    sync(b)
    a.run("update", x, "--title", "A")
    before = of_the_user(a)
    sync(a)
    settle(a, b)
    assert of_the_user(a) == before


def test_git_variables_in_the_environment_are_ignored(clones: Clones, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = clones
    sync(b)
    a.create("T")
    wrong = (
        "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_COMMON_DIR GIT_OBJECT_DIRECTORY GIT_NAMESPACE GIT_EXTERNAL_DIFF"
        " GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_QUARANTINE_PATH GIT_SHALLOW_FILE GIT_GRAFT_FILE GIT_EDITOR GIT_PREFIX"
    ).split()
    for name in wrong:
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("GIT_TRACE", "1")
    for name, value in (("COUNT", "1"), ("KEY_0", "core.bare"), ("VALUE_0", "broken")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert sync(a)["summary"]["sent"]["new"] == 2
    assert sync(b)["summary"]["received"]["new"] == 2


def test_sync_works_from_a_linked_worktree_and_a_subdirectory(clones: Clones, at: Callable[[Path], Clone]) -> None:
    a, b = clones
    a.git("worktree", "add", "-q", "../linked", "-b", "topic")
    linked = at(a.path.parent / "linked")
    (linked.path / "deep").mkdir()
    x = linked.create("from the linked one")
    index = (a.path / ".git/index").read_bytes()
    assert linked.run("sync", cwd=linked.path / "deep").code == 0
    sync(b)
    assert fields(b, x) == fields(a, x) and (a.path / ".git/index").read_bytes() == index


# races and kills


def race(a: Clone, at: Callable[[Path], Clone], n: int) -> None:
    others = [another(a, at, f"r{i}") for i in range(n)]
    with ThreadPoolExecutor(n) as pool:
        made = list(pool.map(lambda c: start(c, "create", f"by {c.path.name}", "--json").communicate()[0], others))
        ids = [json.loads(text)["internalId"] for text in made]
        running = [start(c, "sync") for c in others]
        ends = list(pool.map(lambda p: (*p.communicate(timeout=120), p.returncode), running))
    assert [code for *_, code in ends] == [0] * n, ends
    sync(a)
    assert {f"{i}.md" for i in ids} <= {p.name for p in (a.data / "issues").iterdir()}


def test_six_clones_that_publish_at_once_all_succeed(clones: Clones, at: Callable[[Path], Clone]) -> None:
    race(clones[0], at, 6)


@pytest.mark.long
def test_twelve_clones_that_publish_at_once_all_succeed(clones: Clones, at: Callable[[Path], Clone]) -> None:
    race(clones[0], at, 12)


def kill_syncs(clones: Clones, rounds: int) -> None:
    a, b = clones
    chance = random.Random(7)
    x = a.create("T")
    sync(a, b)
    began = time.monotonic()
    start(a, "sync").communicate(timeout=60)
    usual = time.monotonic() - began
    titles = set()
    for n in range(rounds):
        made = a.create(f"acknowledged {n}")
        a.run("update", x, "--title", f"title {n}")
        b.run("update", x, "--priority", str(n % 5), "--add-label", f"l{n}")
        sync(b)
        titles.add(made)
        running = start(a, "sync")
        time.sleep(chance.uniform(0.2, 1.3) * usual)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        began = time.monotonic()
        assert a.run("update", made, "--notes", "still here").code == 0
        assert time.monotonic() - began < 5
    settle(a, b)
    for clone in clones:
        assert all(fields(clone, made)["notes"] == "still here" for made in titles)
        found = fields(clone, x)
        assert found["title"] == f"title {rounds - 1}" and set(found["labels"]) == {f"l{n}" for n in range(rounds)}
    assert git(origin(a), "fsck", "--strict", "--no-dangling") == ""
    assert not pending.look(a.kernel, tip(a)).changed


def test_after_a_kill_the_next_sync_finishes_and_nothing_is_lost(clones: Clones) -> None:
    kill_syncs(clones, 3)


@pytest.mark.long
def test_after_many_kills_the_next_sync_finishes_and_nothing_is_lost(clones: Clones) -> None:
    kill_syncs(clones, 40)


@pytest.mark.parametrize("n", some_of(range(2, 20), 6))
def test_a_kill_while_files_are_written_loses_nothing_even_when_git_has_collected_its_garbage(
    clones: Clones, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    b.run("update", x, "--title", "from b")
    a.run("update", x, "--title", "from a")
    sync(a)
    apply, reached = verb._apply, [0]

    def applying(*args: Any) -> None:
        reached[0] = 1
        apply(*args)

    def wants(_: str) -> str:
        reached[0] += reached[0] > 0
        return "kill" if reached[0] == n + 1 else ""

    monkeypatch.setattr(verb, "_apply", applying)
    with stopping(wants) as stop:
        verb.sync(b.kernel)
    assert stop.dead
    b.git("gc", "-q", "--prune=now")
    settle(a, b)
    assert (fields(a, x)["title"], attic(a, x).get("title")) == ("from a", "from b")


def test_a_push_that_was_taken_although_it_seemed_to_fail_is_not_repeated(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    a.create("T")
    from tbdx.store.git import Git

    push = Git.push

    def lost_answer(self: Git, remote: str, branch: str, commit: str) -> tuple[bool, str]:
        push(self, remote, branch, commit)
        raise GitError("the connection broke")

    monkeypatch.setattr(Git, "push", lost_answer)
    assert a.run("sync").code == 6
    monkeypatch.setattr(Git, "push", push)
    before = tip(a)
    assert sync(a)["summary"]["sent"] == NONE and tip(a) == before
    settle(a, b)


def test_success_means_that_the_remote_was_read_back(clones: Clones, monkeypatch: pytest.MonkeyPatch) -> None:
    a, _ = clones
    a.create("T")
    from tbdx.store.git import Git

    monkeypatch.setattr(Git, "push", lambda *_: (True, ""))  # a server that says yes and does nothing
    monkeypatch.setattr(verb, "TRIES", 3)
    with pytest.raises(NotPublished):
        verb.sync(a.kernel)

"""Events between clones: through a remote, by bundle and by outbox, they come to one union and one state."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Clone, git, some_of
from happening import act
from kernel.test_stream import VIEWS
from tbdx.kernel import coord, stream, views
from tbdx.kernel import journal as saying
from tbdx.store import journal

Clones = tuple[Clone, Clone]
At = Callable[[Path], Clone]


def origin(clone: Clone) -> Path:
    return clone.path.parent / "origin.git"


def sync(*clones: Clone) -> None:
    for clone in clones:
        done = clone.run("sync", "--json")
        assert done.code == 0, done


def seen(clone: Clone) -> list[bytes]:
    return [e.raw for e in stream.since(clone.kernel, None)[0]]


def digests(clone: Clone) -> dict[str, str]:
    return {view: views.materialize(clone.kernel, view).digest for view in VIEWS}


def coord_branches(clone: Clone) -> list[str]:
    return [line for line in git(origin(clone), "for-each-ref", "--format=%(refname)").splitlines() if "coord" in line]


def emit(clone: Clone, agent: str, n: int = 0) -> None:
    done = clone.run("ev", "emit", "--type", "x.y", "--body", f'{{"n": {n}}}', "--as", agent)
    assert done.code == 0, done


def settle(*clones: Clone) -> None:
    sync(*clones, *clones)
    first = seen(clones[0])
    for clone in clones[1:]:
        assert seen(clone) == first
    assert len({tuple(digests(clone).items()) for clone in clones}) == 1


def another(a: Clone, at: At, name: str) -> Clone:
    git(a.path.parent, "clone", "-q", str(origin(a)), name)
    return at(a.path.parent / name)


def test_two_clones_that_work_offline_in_between_come_to_the_same_views_and_a_third_by_bundle(
    clones: Clones, at: At
) -> None:
    a, b = clones
    c = another(a, at, "c")
    git(c.path, "remote", "remove", "origin")
    sync(b)
    x = act(a, "anna", "create", "one")["id"]
    sync(a, b)
    y = act(b, "bert", "create", "two")["id"]
    act(b, "bert", "update", x, "--title", "by b")
    act(a, "anna", "update", x, "--status", "in_progress", "--assignee", "anna")
    act(a, "anna", "close", x, "--reason", "done")
    sync(a, b, a)
    act(a, "anna", "close", y, "--reason", "no")
    settle(a, b)
    a.run("bundle", "create", str(a.path.parent / "it.bundle"))
    done = c.run("bundle", "apply", str(a.path.parent / "it.bundle"))
    assert done.code == 0, done
    assert seen(c) == seen(a) and digests(c) == digests(a)
    marks = [json.loads(r) for r in c.run("ev", "tail").out.splitlines()[:-1]]
    assert all(row.get("unverified") or row.get("derived") for row in marks)
    said = git(c.path, "log", "--format=%B", "tbd-coord")
    assert "from it.bundle " in said and str(a.path.parent) not in said
    assert c.run("bundle", "apply", str(a.path.parent / "it.bundle")).code == 0 and digests(c) == digests(a)


def test_where_the_server_refuses_the_branch_another_clone_harvests_the_outbox(clones: Clones) -> None:
    a, b = clones
    sync(b)
    hook = origin(a) / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nwhile read o n ref; do case $ref in *coord*) echo no >&2; exit 1;; esac; done\n")
    hook.chmod(0o755)
    emit(a, "anna", 1)
    done = a.run("sync", "--json")
    assert done.code == 6, done
    held = [*(a.path / ".coord/outbox").rglob("*.jsonl")]
    assert len(held) == 1 and b'"n":1' in held[0].read_bytes()
    beside = a.path / ".coord/outbox/other~0123456789abc/1-1-01234567.jsonl"  # of who works on the same branch
    beside.parent.mkdir()
    beside.write_text("theirs\n")
    emit(a, "anna", 2)
    assert a.run("sync").code == 6 and beside.read_text() == "theirs\n"
    shutil.rmtree(beside.parent)
    git(a.path, "checkout", "-q", "-b", "session")
    git(a.path, "add", "-f", ".coord")
    git(a.path, "commit", "-qm", "outbox")
    git(a.path, "push", "-q", "origin", "session")
    commit = git(a.path, "rev-parse", "HEAD").strip()
    hook.unlink()
    sync(b)
    assert set(seen(a)) <= set(seen(b))
    shown = [json.loads(r) for r in b.run("ev", "tail", "--type", "x.y").out.splitlines()[:-1]]
    assert [row["unverified"] for row in shown] == [True, True]
    assert f"session {commit}" in git(origin(a), "log", "--format=%B", "tbd-coord")
    settle(a, b)
    assert not (a.path / ".coord").exists()


def test_in_a_repository_of_a_tbd_events_stay_until_sharing_is_turned_on(clones: Clones) -> None:
    a, b = clones
    for clone in clones:
        (clone.path / ".tbd/tbdx.yml").unlink()
    before = git(origin(a), "rev-parse", "tbd-sync").strip()
    old = a.create("one")
    assert a.json("coord", "status")["on"] is False and a.json("coord", "off")["changed"] is False
    sync(a)
    assert coord_branches(a) == [] and seen(a) != []
    changed = git(origin(a), "diff", "--name-only", before, "tbd-sync").splitlines()
    assert changed and all(p.startswith((".tbd/data-sync/issues/", ".tbd/data-sync/mappings/")) for p in changed)
    writers = set(journal.writers(journal.own(a.kernel.repo)))
    assert a.json("coord", "on") == {"on": True, "branch": "tbd-coord", "changed": True}
    assert a.json("coord", "on")["changed"] is False
    new = a.create("two")
    assert not writers & set(journal.writers(journal.own(a.kernel.repo)))
    sync(a)
    assert coord_branches(a) == ["refs/heads/tbd-coord"]
    b.run("coord", "on")
    sync(b)
    titles = [json.loads(raw)["body"].get("title") for raw in seen(b)]
    assert titles == ["two"] and seen(a) == seen(b) and old != new


def test_sharing_that_is_turned_off_and_on_again_loses_nothing_that_was_shared(clones: Clones) -> None:
    a, b = clones
    emit(a, "anna", 1)
    sync(a, b)
    shared = seen(a)
    a.run("coord", "off")
    emit(a, "anna", 2)
    a.run("coord", "on")
    assert seen(a) == shared
    emit(a, "anna", 3)
    settle(a, b)
    assert [json.loads(raw)["body"]["n"] for raw in seen(b)] == [1, 3]


# compaction


def test_two_compactions_of_the_same_write_the_same_bytes(clones: Clones) -> None:
    from tbdx.kernel import compact

    a, b = clones
    for n in range(3):
        emit(a, "anna", n), emit(b, "bert", n)
    settle(a, b)
    made = [compact.plan(clone.kernel)[0] for clone in clones]
    assert made[0] and made[1] and made[0].render() == made[1].render()


def test_a_dry_run_of_a_compaction_changes_nothing(clones: Clones) -> None:
    a, b = clones
    emit(a, "anna")
    settle(a, b)
    tip = a.git("rev-parse", "tbd-coord")
    assert a.json("ev", "compact", "--dry-run")["covered"] == 1
    assert a.git("rev-parse", "tbd-coord") == tip


def test_two_compactions_at_once_lose_nothing(clones: Clones) -> None:
    a, b = clones
    for n in range(3):
        emit(a, "anna", n), emit(b, "bert", n)
    settle(a, b)
    hook = origin(a) / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    for n, clone in enumerate(clones):
        emit(clone, ("anna", "bert")[n], 10 + n)
        clone.run("ev", "compact")
        emit(clone, ("anna", "bert")[n], 20 + n)
    hook.unlink()
    sync(a, b, a, b)
    assert digests(a) == digests(b) and seen(a) == seen(b)
    status = views.materialize(a.kernel, "status").rows
    assert status["types"]["x.y"] == 10


def test_compactions_that_meet_over_two_remotes_lose_nothing(clones: Clones, at: At) -> None:
    a, b = clones
    for n in range(3):
        emit(a, "anna", n), emit(b, "bert", n)
    settle(a, b)
    second = a.path.parent / "second.git"
    shutil.copytree(origin(a), second)
    git(b.path, "remote", "set-url", "origin", str(second))
    for n in range(2):
        emit(a, "anna", 10 + n), emit(b, "bert", 20 + n)
        a.clock.at += 31 * 86_400_000 * (n == 1)  # the other one is silent, as seen from here
        for clone, agent in ((a, "anna"), (b, "bert")):
            emit(clone, agent, 30 + n)
            assert clone.run("ev", "compact").code == 0
    git(b.path, "remote", "set-url", "origin", str(origin(a)))
    sync(a, b, a, b)
    assert digests(a) == digests(b) and seen(a) == seen(b)
    assert views.materialize(b.kernel, "status").rows["types"]["x.y"] == 6 + 8


def twin_of(a: Clone, at: At) -> Clone:
    twin = a.path.parent / "twin"
    shutil.copytree(a.path, twin, symlinks=True)
    for pattern in (".git/worktrees/*/gitdir", ".git/tbd/*/.git"):
        for path in twin.glob(pattern):
            path.write_text(path.read_text().replace(str(a.path), str(twin)))
    return at(twin)


def test_a_fork_outlives_a_compaction(clones: Clones, at: At) -> None:
    a, b = clones
    emit(a, "anna", 0)
    emit(b, "bert", 1)
    settle(a, b)
    t = twin_of(a, at)
    for n in range(3):
        emit(a, "anna", 10 + n), emit(t, "anna", 20 + n)
    sync(a, t, a, b)
    before = {view: views.materialize(b.kernel, view).rows for view in VIEWS}
    assert before["status"]["types"] == {"x.y": 8}
    assert b.json("ev", "compact")["covered"]
    emit(a, "anna", 30), emit(t, "anna", 40)
    settle(a, t, b)
    assert views.materialize(b.kernel, "status").rows["types"]["x.y"] == 10


def test_a_fork_whose_seqs_were_compacted_meanwhile_is_in_every_view_and_stream(clones: Clones, at: At) -> None:
    a, b = clones
    emit(a, "anna", 0), emit(b, "bert", 1)
    settle(a, b)
    t = twin_of(a, at)
    emit(t, "anna", 20), emit(t, "anna", 21)
    for n in range(3):
        emit(a, "anna", 10 + n)
    emit(b, "bert", 2)
    settle(a, b)
    assert b.json("ev", "compact")["covered"]
    sync(a)
    cursor = stream.since(b.kernel, None)[1].token()
    settle(t, a, b)
    for clone in (a, b, t):
        row = views.materialize(clone.kernel, "status").rows
        assert row["types"]["x.y"] == 8 and len(row["late"]) == 2, clone
    assert len({tuple(digests(clone).items()) for clone in (a, b, t)}) == 1
    late, at_end = stream.since(b.kernel, cursor)
    assert [e.event["body"]["n"] for e in late if e.event["type"] == "x.y"] == [20, 21]
    assert stream.since(b.kernel, at_end.token())[0] == []
    emit(t, "anna", 22)  # the twin goes on in a journal of its own
    settle(t, a, b)
    assert views.materialize(a.kernel, "status").rows["types"]["x.y"] == 9
    shutil.rmtree(b.path / ".git/tbdx/cache")
    assert digests(b) == digests(a)


def test_settings_of_ours_that_cannot_be_read_keep_events_here_and_stop_nothing_else(clones: Clones) -> None:
    a, _ = clones
    (a.path / ".tbd/tbdx.yml").write_bytes(b"\xff: [\n")
    made = a.run("create", "T")
    done = a.run("sync")
    assert made.code == done.code == 0 and "tbdx.yml" in done.err and "stay in this clone" in done.err
    assert git(origin(a), "for-each-ref", "refs/heads/tbd-coord") == "" and a.json("coord", "status")["on"] is False


def test_a_fork_that_is_longer_than_the_file_that_kept_the_path_is_read_alike(clones: Clones, at: At) -> None:
    a, b = clones
    emit(a, "anna", 0)
    settle(a, b)
    t = twin_of(a, at)
    emit(t, "anna", 1)
    for n in range(10, 14):
        emit(a, "anna", n)
    settle(t, a, b)  # the twin's one line keeps the path, four are carried
    for clone in (a, b, t):
        assert views.materialize(clone.kernel, "status").rows["types"]["x.y"] == 6, clone
    assert digests(a) == digests(b) == digests(t)


def test_what_is_written_while_a_sync_is_on_goes_out_with_the_next(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    emit(a, "anna", 0)
    take_in = coord.take_in

    def then_more(*args: Any, **more: Any) -> str | None:
        head = take_in(*args, **more)
        monkeypatch.setattr(coord, "take_in", take_in)
        saying.append(args[0], [{"type": "x.y", "refs": {}, "body": {"n": 1}}])
        return head

    monkeypatch.setattr(coord, "take_in", then_more)
    sync(a)
    sync(a, b)
    assert seen(a) == seen(b) and len(seen(b)) >= 2


# everything at once


@pytest.mark.parametrize("seed", some_of(range(5), 5))
def test_clones_with_partitions_heal_to_the_union_of_all_events(clones: Clones, at: At, seed: int) -> None:
    chance = random.Random(seed)
    a, b = clones
    all_ = [a, b, another(a, at, "c")]
    sync(*all_)
    said: list[str] = []
    for step in range(12):
        clone = chance.choice(all_)
        match chance.choice(["emit", "emit", "emit", "sync", "bundle", "compact", "create"]):
            case "emit":
                n = len(said)
                said.append(f'"n":{n}}}')
                emit(clone, chance.choice(["anna", "bert"]), n)
            case "create":
                clone.create(f"t{step}")
            case "sync":
                sync(clone)
            case "bundle":
                file = str(a.path.parent / f"{step}.bundle")
                clone.run("bundle", "create", file)
                assert chance.choice(all_).run("bundle", "apply", file).code == 0
            case "compact":
                assert clone.run("ev", "compact").code == 0
    sync(*all_, *all_, *all_)
    assert len({tuple(digests(clone).items()) for clone in all_}) == 1, seed
    for clone in all_:
        assert seen(clone) == seen(a)
        assert views.materialize(clone.kernel, "status").rows["types"].get("x.y", 0) == len(said), seed

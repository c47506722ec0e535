"""Journals and the coordination branch among crashes, copies, forgers and bad servers: nothing lost, nothing twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import START_MS, Clone, git, some_of
from kernel.test_sync import Clones, another, origin, settle, sync
from killing import Killed, stopping
from tbdx.store.git import Git

At = Callable[[Path], Clone]


def emit(clone: Clone, name: str, *more: str, agent: str = "one") -> dict[str, Any]:
    """The answer to an event that says `name`."""
    body = json.dumps({"state": name})
    line = ("ev", "emit", "--type", "agent.status", "--body", body, "--as", agent)
    return dict(clone.json(*line, *more))


def events(clone: Clone) -> list[dict[str, Any]]:
    done = clone.run("ev", "export")
    assert done.code == 0, done
    return [json.loads(line) for line in done.out.splitlines()]


def states(clone: Clone) -> list[str]:
    return [e["body"].get("state", "") for e in events(clone) if e["type"] != "journal.opened"]


def journals(clone: Clone) -> list[Path]:
    return sorted((clone.path / ".git/tbdx/journal").glob("*.jsonl"))


def digests(clone: Clone) -> list[str]:
    return [clone.json("materialize", view)["digest"] for view in ("work", "status", "agents", "rejects")]


def coord(where: Path) -> str:
    return git(where, "rev-parse", "refs/heads/tbd-coord").strip()


def rewritten(clone: Clone, change: Callable[[bytes], bytes | None], parent: bool = True) -> None:
    """Let the remote have the branch with its only journal changed, as a hand with git could."""
    tip = coord(origin(clone))
    (path,) = [p for p in git(origin(clone), "ls-tree", "-r", "--name-only", tip).split() if "/journal/" in p]
    index = {"GIT_INDEX_FILE": str(origin(clone) / "by-hand")}
    g = clone.kernel.git
    clone.git("fetch", "-q", "origin", "tbd-coord")
    g.ask("read-tree", tip, env=index)
    new = change(clone.kernel.git.ask("cat-file", "blob", f"{tip}:{path}"))
    if new is None:
        g.ask("update-index", "--force-remove", path, env=index)
    else:
        (blob,) = g.hash_all([new])
        g.ask("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=index)
    tree = g.ask("write-tree", env=index).decode().strip()
    made = g.ask("commit-tree", tree, "-m", "by hand", *(["-p", tip] if parent else [])).decode().strip()
    clone.git("push", "-q", "--force", "origin", f"{made}:refs/heads/tbd-coord")


# crashes


@pytest.mark.parametrize("published", [False, True], ids=["before the push", "after it"])
def test_a_sync_of_events_killed_around_its_push_is_finished_by_the_next(
    clones: Clones, monkeypatch: pytest.MonkeyPatch, published: bool
) -> None:  # A6, A7
    a, b = clones
    emit(a, "told")
    push, pushed = Git.push, list[str]()

    def killed(self: Git, remote: str, branch: str, head: str) -> tuple[bool, str]:
        if branch == "tbd-coord" and not published:
            raise Killed
        done = push(self, remote, branch, head)
        if branch == "tbd-coord":
            raise Killed
        return done

    def counted(self: Git, remote: str, branch: str, head: str) -> tuple[bool, str]:
        pushed.append(branch)
        return push(self, remote, branch, head)

    monkeypatch.setattr(Git, "push", killed)
    with stopping(lambda _: ""):
        a.run("sync")
    made = coord(a.path)
    monkeypatch.setattr(Git, "push", counted)
    sync(a)
    assert coord(a.path) == coord(origin(a)) == made and pushed == ["tbd-coord"] * (not published)
    settle(a, b)
    assert states(a) == states(b) == ["told"] and a.run("ev", "verify").code == 0


def test_success_means_that_the_events_were_read_back(clones: Clones, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = clones
    push = Git.push

    def swallowed(self: Git, remote: str, branch: str, head: str) -> tuple[bool, str]:
        return (True, "") if branch == "tbd-coord" else push(self, remote, branch, head)

    emit(a, "told")
    with monkeypatch.context() as m:
        m.setattr(Git, "push", swallowed)
        done = a.run("sync")
        assert done.code == 6 and "events are not published" in done.err, done
    settle(a, b)
    assert states(b) == ["told"]


# copies


def test_two_copies_of_a_journal_put_together_by_a_file_synchroniser_are_united(clones: Clones, at: At) -> None:  # B11
    a, b = clones
    emit(a, "before")
    copy = a.path.parent / "copy"
    shutil.copytree(a.path, copy, symlinks=True)
    there = at(copy)
    shutil.rmtree(copy / ".git/worktrees")
    emit(a, "here")
    emit(there, "there")
    emit(there, "there again")
    (mine,), (theirs,) = journals(a), journals(there)
    assert mine.name == theirs.name
    theirs.rename(mine.with_name(f"{mine.stem} (conflicted copy).jsonl"))
    done = a.run("ev", "verify")
    assert done.code == 1 and "(conflicted copy)" in done.out and "Traceback" not in done.err
    theirs = mine.with_name(f"{mine.stem} (conflicted copy).jsonl")
    theirs.rename(a.path / "found.jsonl")
    assert a.run("ev", "import", "found.jsonl").code == 0
    assert sorted(states(a)) == ["before", "here", "there", "there again"]
    done = a.run("ev", "verify")
    assert done.code == 1 and "fork" in done.out
    emit(a, "more")
    settle(a, b)
    assert sorted(states(a)) == ["before", "here", "more", "there", "there again"]
    assert states(a) == states(b) and digests(a) == digests(b)


def test_a_clone_restored_from_a_backup_goes_on_in_a_new_journal(clones: Clones) -> None:
    a, b = clones
    emit(a, "before")
    shutil.copytree(a.path, a.path.parent / "backup", symlinks=True)
    emit(a, "lost here")
    sync(a)
    writer = journals(a)[0].stem
    shutil.rmtree(a.path)
    (a.path.parent / "backup").rename(a.path)
    ack = emit(a, "after")
    assert (ack["writer"], ack["seq"]) == (writer, 2)  # it cannot know
    done = a.run("sync")
    assert done.code == 0 and "another copy of this clone wrote" in done.err
    assert emit(a, "anew")["writer"] != writer
    settle(a, b)
    assert states(a) == states(b) == ["before", "lost here", "after", "anew"]
    assert digests(a) == digests(b)
    done = b.run("ev", "verify")
    assert done.code == 1 and "fork" in done.out


# a hand in the branch, and servers


def _edited(data: bytes) -> bytes:
    return data.replace(b'"two"', b'"TWO"')


def _cut(data: bytes) -> bytes:
    return b"".join(data.splitlines(keepends=True)[:2])


def _reordered(data: bytes) -> bytes:
    return b"".join(reversed(data.splitlines(keepends=True)))


CHANGES: dict[str, Callable[[bytes], bytes | None]] = {
    "edited": _edited,
    "cut short": _cut,
    "reordered": _reordered,
    "emptied": lambda _: b"",
    "removed": lambda _: None,
    "not events": lambda _: b"<<<<<<< ours\n=======\n>>>>>>> theirs\n",
}


@pytest.mark.parametrize("change", some_of(CHANGES, 2))
def test_what_the_remote_edited_cut_or_rewrote_is_kept_and_told(clones: Clones, change: str) -> None:  # F16, S11
    a, b = clones
    for name in ("one", "two", "three"):
        emit(a, name)
    sync(a, b)
    mine = journals(a)[0].read_bytes()
    rewritten(a, CHANGES[change])
    said = b.run("sync").err
    assert git(
        origin(a), "grep", "-l", '"three"', "tbd-coord"
    )  # whoever has them brings them back, not the owner alone
    said += a.run("sync").err
    assert change == "removed" or "tbd-coord" in said or "another copy" in said, said
    assert "Traceback" not in said and journals(a)[0].read_bytes() == mine
    emit(a, "four")
    settle(a, b)
    for clone in clones:
        assert {"one", "two", "three", "four"} <= set(states(clone)), states(clone)
        if change == "edited":  # one event, with two lines that both say to be it
            assert "fork" in clone.run("ev", "verify").out and clone.git("grep", "-l", "TWO", "tbd-coord")
    assert states(a) == states(b) and digests(a) == digests(b)


@pytest.mark.parametrize("how", ["rewound", "deleted", "another root"])
def test_a_remote_whose_events_went_gets_them_again(clones: Clones, how: str) -> None:
    a, b = clones
    emit(a, "one")
    sync(a, b)
    first = coord(origin(a))
    emit(a, "two")
    emit(b, "three", agent="two")
    sync(a, b, a)
    if how == "rewound":
        git(origin(a), "update-ref", "refs/heads/tbd-coord", first)
    elif how == "deleted":
        git(origin(a), "update-ref", "-d", "refs/heads/tbd-coord")
    else:
        made = git(origin(a), "commit-tree", f"{first}^{{tree}}", "-m", "another root").strip()
        git(origin(a), "update-ref", "refs/heads/tbd-coord", made)
    emit(b, "four", agent="two")
    settle(b, a)
    assert states(a) == states(b) == ["one", "two", "three", "four"]
    c = git(origin(a), "log", "--format=%H", "tbd-coord").split()
    assert c and a.run("ev", "verify").code == b.run("ev", "verify").code == 0


@pytest.mark.parametrize("refused", ["tbd-coord", "tbd-sync"])
def test_a_server_that_refuses_one_branch_takes_the_other_and_each_is_told(clones: Clones, refused: str) -> None:
    a, b = clones
    sync(b)
    hook = origin(a) / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\n[ "$1" = refs/heads/{refused} ] || exit 0\necho "not $1" >&2\nexit 1\n')
    hook.chmod(0o755)
    a.create("T")
    done = a.run("sync", "--json")
    said, error = json.loads(done.out), json.loads(done.err.splitlines()[-1])
    assert done.code == 6 and f"not refs/heads/{refused}" in error["error"] and error["reason"] == "refused"
    kept = refused == "tbd-coord"
    assert said["coordination"]["state"] == ("refused" if kept else "synced")
    assert ("pushFailed" in said) is not kept
    sync(b)
    assert (len(b.json("list")), len(events(b))) == ((1, 0) if kept else (0, 1))
    assert (a.path / ".coord/outbox").exists() is kept and (a.path / ".tbd/workspaces/outbox").exists() is not kept
    hook.unlink()
    settle(a, b)
    assert len(b.json("list")) == len(events(b)) == 1
    assert not (a.path / ".coord").exists() and not (a.path / ".tbd/workspaces/outbox").exists()


def _holds_files(a: Clone) -> None:
    a.git("push", "-q", "origin", "main:refs/heads/tbd-coord")


def _checked_out(a: Clone) -> None:
    a.git("checkout", "-q", "-b", "tbd-coord")


@pytest.mark.parametrize("prepare", [_holds_files, _checked_out])
def test_a_coordination_branch_that_is_something_else_is_named_and_left(
    clones: Clones, prepare: Callable[[Clone], None]
) -> None:
    a, b = clones
    sync(b)
    prepare(a)
    was = git(origin(a), "for-each-ref", "refs/heads/main", "refs/heads/tbd-coord")
    a.create("T")
    done = a.run("sync")
    assert done.code == 6 and "tbd-coord" in done.err and "Traceback" not in done.err, done
    assert git(origin(a), "for-each-ref", "refs/heads/main", "refs/heads/tbd-coord") == was
    assert len(events(a)) == 1
    assert git(origin(a), "rev-parse", "tbd-sync") == a.git("rev-parse", "tbd-sync")  # the issues are out all the same
    with (a.path / ".tbd/tbdx.yml").open("a") as f:
        f.write("coordination_branch: our-events\n")
    assert a.run("sync").code == 0
    assert git(origin(a), "rev-parse", "our-events") == a.git("rev-parse", "our-events")


def test_settings_that_name_the_sync_branch_for_events_are_told_and_not_followed(clones: Clones) -> None:
    a, b = clones
    with (a.path / ".tbd/tbdx.yml").open("a") as f:
        f.write("coordination_branch: tbd-sync\n")
    a.create("T")
    done = a.run("sync")
    assert done.code == 0 and "cannot be one" in done.err
    assert set(git(origin(a), "ls-tree", "--name-only", "tbd-sync").split()) == {".tbd"}
    assert set(git(origin(a), "ls-tree", "--name-only", "tbd-coord").split()) == {".coord"}


# data


def garbage(whole: list[bytes]) -> dict[str, bytes]:
    """What may stand in a journal among good lines: name -> one line."""
    one = json.loads(whole[0])
    return {
        "unknown type": json.dumps(one | {"type": "future.thing", "event_id": "01JXT21Q000000000000000000"}).encode(),
        "a line of 5 MB": b'{"v":1,"x":"' + b"x" * 5_000_000 + b'"}',
        "not JSON": b'{"v":1,,}',
        "nested without end": b"[" * 100_000 + b"]" * 100_000,
        "objects without end": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "NaN": whole[0].replace(b'"v":1', b'"v":NaN'),
        "a big int": whole[0].replace(b'"seq":1,', b'"seq":' + b"9" * 5_000 + b","),
        "not UTF-8": whole[0].replace(b"one", b"\xff\xfe"),
        "a marker": b"<<<<<<< HEAD",
        "another marker": b"=======",
        "null": b"null",
        "nothing": b"",
        "a NUL": b"\0" * 100,
        "of another writer": json.dumps(one | {"writer": "other~0123456789abc"}).encode(),
    }


@pytest.mark.parametrize("where", ["in a fetched journal", "in our own"])
def test_garbage_in_a_journal_is_named_with_its_line_and_the_rest_is_applied(
    clones: Clones, where: str
) -> None:  # C5, C6, F15, S4
    a, b = clones
    for name in ("one", "two", "three"):
        emit(a, name)
    if where == "in a fetched journal":
        sync(a, b)
    reader = b if where == "in a fetched journal" else a
    folder = ".git/tbdx/cache/coord/journal" if reader is b else ".git/tbdx/journal"
    (path,) = (reader.path / folder).glob("one~*.jsonl")
    before = reader.json("materialize", "status")["rows"]
    whole = path.read_bytes().splitlines()
    bad = garbage(whole)
    data = b"\n".join([whole[0], *bad.values(), whole[2], whole[1], whole[1], whole[2]]) + b"\n"
    path.write_bytes(data)
    began = time.monotonic()
    done = reader.run("ev", "verify", "--json")
    assert done.code == 1 and "Traceback" not in done.err, done.err
    told = {row["line"] for row in map(json.loads, done.out.splitlines()) if row.get("path") == str(path)}
    lines = {name: 2 + n for n, name in enumerate(bad)}
    assert {name for name, n in lines.items() if n not in told} <= {"unknown type"}
    assert set(states(reader)) >= {"one", "two", "three"}
    after = reader.json("materialize", "status")["rows"]
    assert after.keys() >= before.keys()
    for view in ("work", "agents", "rejects"):
        assert reader.run("materialize", view).code == 0
    assert reader.run("ev", "tail").code == 0 and time.monotonic() - began < 10
    assert path.read_bytes() == data  # nothing is rewritten


def test_lines_twice_and_in_another_order_are_the_same_events(clones: Clones) -> None:  # C5
    a, b = clones
    for n in range(6):
        emit(a, f"s{n}", agent=("one", "two")[n % 2])
    lines = a.run("ev", "export").out.splitlines()
    mixed = "\n".join([*reversed(lines), *lines[::2], *lines]) + "\n"
    (b.path / "mixed.jsonl").write_text(mixed)
    assert b.json("ev", "import", "mixed.jsonl")["imported"] == 6
    assert b.json("ev", "import", "mixed.jsonl")["imported"] == 0
    assert states(b) == states(a) and digests(b) == digests(a)
    settle(b, a)
    assert states(b) == states(a) and digests(b) == digests(a) and len(states(a)) == 6


# clocks


def test_while_the_clock_steps_back_ids_and_seqs_still_grow(repo: Clone) -> None:  # G2
    acks = list[dict[str, Any]]()
    for at in (2_000_000, 0, 1_000_000, -500_000_000):
        repo.clock.at = START_MS + at
        acks += [emit(repo, "x"), emit(repo, "y")]
    assert [ack["seq"] for ack in acks] == [*range(1, 9)]
    ids = [ack["event_id"] for ack in acks]
    assert ids == sorted(set(ids))


def test_an_event_of_the_far_future_is_flagged_and_moves_no_clock(clones: Clones) -> None:  # G2
    a, b = clones
    now = a.clock.at
    a.clock.at = now + 3_600_000
    future = emit(a, "future")["event_id"]
    sync(a)
    a.clock.at = now
    sync(b)
    assert emit(b, "now", agent="two")["event_id"] < future
    rows = [json.loads(line) for line in b.run("ev", "tail").out.splitlines()]
    assert [row["event_id"] for row in rows if row.get("ahead_of_clock")] == [future]
    done = b.run("ev", "verify")
    assert done.code == 1 and "far ahead of this clock" in done.out
    assert set(states(b)) == {"future", "now"}


# keys, and forgers

KEYED = ["--idempotency-key", "k1"]


def test_the_same_key_twice_is_one_event_and_another_body_is_told(repo: Clone) -> None:  # H9
    first = emit(repo, "x", *KEYED)
    again = emit(repo, "x", *KEYED)
    assert again["duplicate"] and again["event_id"] == first["event_id"] and not first["duplicate"]
    done = repo.run("ev", "emit", "--type", "agent.status", "--body", '{"state":"y"}', "--as", "one", *KEYED)
    assert done.code == 0 and "used with another body" in done.err and states(repo) == ["x"]


def test_the_same_key_in_two_processes_at_once_is_one_event(repo: Clone) -> None:  # H9
    line = [sys.executable, "-m", "tbdx", "ev", "emit", "--type", "agent.status", "--body", '{"state":"x"}', *KEYED]
    started = [subprocess.Popen([*line, "--json"], cwd=repo.path, stdout=subprocess.PIPE) for _ in range(4)]
    acks = [json.loads(process.communicate(timeout=60)[0]) for process in started]
    assert len({ack["event_id"] for ack in acks}) == 1
    assert sorted(ack["duplicate"] for ack in acks) == [False, True, True, True] and states(repo) == ["x"]


def test_the_same_key_in_two_clones_counts_once_after_they_met(clones: Clones) -> None:  # H9
    a, b = clones
    first, second = emit(a, "x", *KEYED), emit(b, "x", *KEYED)
    settle(a, b)
    assert states(a) == states(b) == ["x", "x"] and digests(a) == digests(b)  # both are kept
    for clone in clones:
        ack = emit(clone, "x", *KEYED)
        assert ack["duplicate"] and ack["event_id"] == min(first["event_id"], second["event_id"])
    assert states(a) == states(b) == ["x", "x"]


def test_a_forged_actor_is_marked_and_where_it_is_wanted_not_followed(clones: Clones) -> None:  # S10
    a, b = clones
    x = a.create("T")
    emit(a, "honest")
    sync(a, b)

    def forged(data: bytes) -> bytes:
        last = json.loads(data.splitlines()[-1])
        from zlib import crc32

        more = last | {"seq": last["seq"] + 1, "prev": f"{crc32(data.splitlines()[-1]):08x}"}
        more |= {"event_id": last["event_id"][:-2] + "ZZ", "actor": {"agent_id": "agent:boss"}}
        more |= {"body": {"state": "forged"}}
        return data + json.dumps(more, separators=(",", ":")).encode() + b"\n"

    path = next((b.path / ".git/tbdx/cache/coord/journal").glob("one~*.jsonl"))
    path.write_bytes(forged(path.read_bytes()))
    rows = [json.loads(line) for line in b.run("ev", "tail").out.splitlines()]
    assert [row["body"].get("state") for row in rows if row.get("unbound")] == ["forged"]
    assert "unbound" in b.run("ev", "verify").out
    assert "boss" in json.dumps(b.json("materialize", "agents"))
    with (b.path / ".tbd/tbdx.yml").open("a") as f:
        f.write("require_bound: true\n")
    assert "boss" not in json.dumps(b.json("materialize", "agents")) and b.json("show", x)["title"] == "T"


def test_a_third_clone_has_everything_of_both(clones: Clones, at: At) -> None:
    a, b = clones
    emit(a, "one")
    emit(b, "two", agent="two")
    settle(a, b)
    c = another(a, at, "c")
    sync(c)
    assert states(c) == states(a) == ["one", "two"] and digests(c) == digests(a)

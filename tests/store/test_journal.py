"""Journals of this clone: one write a command, whole lines alone, no gaps in seqs, nothing acknowledged is lost."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from conftest import Clone
from killing import at as at_point
from killing import stopping
from tbdx.errors import BadFile, Disk, Locked
from tbdx.kernel import journal as verb
from tbdx.store import journal

PROCESSES, EACH = 16, 20


def folder(clone: Clone) -> Path:
    return clone.path / ".git/tbdx/journal"


def emit(clone: Clone, n: int = 1, *, size: int = 0, agent: str | None = None) -> list[dict[str, Any]]:
    """Journal so many events of `work.linked` in one go; what is acknowledged."""
    k = clone.kernel
    if agent:
        k.actor["name"] = agent
    body = {"url": "https://example.com/", "filler": "x" * size}
    return verb.append(k, [{"type": "work.linked", "refs": {"work_id": "is-x"}, "body": body} for _ in range(n)])


def files(clone: Clone) -> list[Path]:
    """The segments of the clone's only journal, in order."""
    (writer,) = journal.writers(str(folder(clone)))
    return [Path(path) for _, path in journal.segments(str(folder(clone)), writer)]


def chained(paths: list[Path]) -> list[dict[str, Any]]:
    """The events of a journal; each line follows the one before."""
    prev, last, out = "00000000", "", []
    for raw in b"".join(path.read_bytes() for path in paths).split(b"\n")[:-1]:
        event = json.loads(raw)
        assert (event["prev"], event["seq"]) == (prev, len(out) + 1) and event["event_id"] > last, event
        prev, last = f"{crc32(raw):08x}", event["event_id"]
        out.append(event)
    return out


def sound(clone: Clone) -> None:
    done = clone.run("ev", "verify")
    assert done.code == 0, done


def torn(clone: Clone) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder(clone).glob("torn/*/*"))]


# appending


def test_an_append_is_one_write_flushed_before_it_is_acknowledged(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    emit(repo)
    (path,) = files(repo)
    did = list[str]()
    write, fsync = os.write, os.fsync

    def writing(fd: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{fd}") == str(path):
            did.append(f"write {len(data.splitlines())} lines")
        return write(fd, data)

    def flushing(fd: int) -> None:
        if os.readlink(f"/proc/self/fd/{fd}") == str(path):
            did.append("flush")
        fsync(fd)

    monkeypatch.setattr(os, "write", writing)
    monkeypatch.setattr(os, "fsync", flushing)
    emit(repo, 5)
    assert did == ["write 5 lines", "flush"] and len(chained([path])) == 6


def test_a_segment_of_64_kib_is_sealed_and_later_ones_are_called_by_their_first_seq(repo: Clone) -> None:
    for _ in range(9):
        emit(repo, 5, size=5000)
    found = files(repo)
    events = chained(found)
    assert len(events) == 45 and len(found) > 2 and found[0].parent == folder(repo)
    for path in found[1:]:
        first = json.loads(path.read_bytes().partition(b"\n")[0])
        assert path.name == f"{first['seq']}.jsonl" and path.parent.name == first["writer"]
    assert all(path.stat().st_size >= journal.SEAL for path in found[:-1])
    sealed = [path.read_bytes() for path in found[:-1]]
    emit(repo, 30, size=5000)  # one batch over several segments
    assert [path.read_bytes() for path in found[:-1]] == sealed and len(chained(files(repo))) == 75
    sound(repo)


def test_an_event_longer_than_a_line_may_be_is_refused_and_nothing_is_written(repo: Clone) -> None:
    emit(repo)
    before = files(repo)[0].read_bytes()
    done = repo.run("ev", "emit", "--type", "x.y", "--body", "-", stdin=json.dumps({"text": "x" * 256 * 1024}))
    assert done.code == 2 and "262144 are the most" in done.err and files(repo)[0].read_bytes() == before


@pytest.mark.parametrize("at_its_beginning", [False, True], ids=["in a segment", "at a new one's beginning"])
def test_a_torn_line_is_no_event_is_told_and_is_moved_aside_by_the_next_append(
    repo: Clone, at_its_beginning: bool
) -> None:
    emit(repo, 3, size=24_000 if at_its_beginning else 0)
    with stopping(at_point("journal.torn", 1, "kill")) as stop:
        emit(repo)
    assert stop.dead
    assert len(files(repo)) == 1 + at_its_beginning
    left = files(repo)[-1].read_bytes().rpartition(b"\n")[2]
    assert left and len(repo.run("ev", "export").out.splitlines()) == 3
    done = repo.run("ev", "verify")
    assert done.code == 1 and "a write cut short" in done.out and str(files(repo)[-1]) in done.out
    assert [ack["seq"] for ack in emit(repo)] == [4]
    assert len(chained(files(repo))) == 4 and torn(repo) == [left]
    sound(repo)


@pytest.mark.parametrize("point", ["journal.append", "journal.torn", "journal.flush"])
def test_a_kill_in_an_agents_first_event_stops_no_later_one(repo: Clone, point: str) -> None:
    with stopping(at_point(point, 1, "kill")) as stop:
        emit(repo)
    assert stop.dead
    whole = point == "journal.flush"
    assert [ack["seq"] for ack in emit(repo)] == [1 + whole] and len(chained(files(repo))) == 1 + whole
    sound(repo)


def test_a_kill_before_the_first_line_of_a_segment_gives_no_seq_twice(repo: Clone) -> None:
    emit(repo, 3, size=24_000)
    (folder(repo) / files(repo)[0].stem).mkdir()
    (folder(repo) / files(repo)[0].stem / "4.jsonl").touch()
    assert [ack["seq"] for ack in emit(repo, 2)] == [4, 5] and len(chained(files(repo))) == 5
    sound(repo)


def test_the_move_of_a_torn_line_can_be_killed_at_any_step(repo: Clone) -> None:
    emit(repo)
    whole = files(repo)[0].read_bytes()
    for point in ("file.write", "file.flush", "file.replace", "journal.cut", "journal.append"):
        files(repo)[0].write_bytes(whole + b'{"v":1')
        with stopping(at_point(point, 1, "kill")) as stop:
            emit(repo)
        assert stop.dead and files(repo)[0].read_bytes() in (whole, whole + b'{"v":1'), point
        assert b'{"v":1' in [*torn(repo), files(repo)[0].read_bytes()[len(whole) :]]
    assert [ack["seq"] for ack in emit(repo)] == [2]
    sound(repo)


def test_after_a_damaged_last_line_its_owner_goes_on_in_a_new_journal(repo: Clone) -> None:
    emit(repo, 2)
    (path,) = files(repo)
    damaged = path.read_bytes()[:-20] + b"\n"
    path.write_bytes(damaged)
    (ack,) = emit(repo)
    assert (ack["seq"], ack["writer"]) != (3, path.stem) and path.read_bytes() == damaged
    assert any("damaged" in text and str(path) in text for _, text in repo.said)
    new = folder(repo) / f"{ack['writer']}.jsonl"
    opened, _ = chained([new])
    assert (opened["type"], opened["body"]) == ("journal.opened", {"replaces": path.stem})
    assert [a["writer"] for a in emit(repo)] == [new.stem]
    done = repo.run("ev", "verify")
    assert done.code == 1 and f"{path}:2" in done.out and len(repo.run("ev", "export").out.splitlines()) == 4


# disks that fail


@pytest.mark.parametrize("code", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("n", [1, 2, 3], ids=["at the first segment", "at the second", "at the third"])
@pytest.mark.parametrize("call", ["write", "fsync", "a part of a write"])
def test_a_failed_append_leaves_nothing_of_its_batch(
    repo: Clone, monkeypatch: pytest.MonkeyPatch, call: str, n: int, code: str
) -> None:
    emit(repo)
    before = {path: path.read_bytes() for path in folder(repo).rglob("*.jsonl")}
    with failing(monkeypatch, call, n, code), pytest.raises(Disk) as raised:
        emit(repo, 30, size=6000)
    assert os.strerror(getattr(errno, code)) in raised.value.message
    assert (raised.value.hint is not None) is (code == "ENOSPC")
    after = {path: path.read_bytes() for path in folder(repo).rglob("*.jsonl")}
    assert after.keys() == before.keys() and after == before
    assert [ack["seq"] for ack in emit(repo, 2)] == [2, 3] and len(chained(files(repo))) == 3
    sound(repo)


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, call: str, n: int, code: str) -> Iterator[None]:
    """At the n-th write or flush of a journal the disk fails."""
    name = "fsync" if call == "fsync" else "write"
    real: Callable[..., int] = getattr(os, name)
    count = [0]

    def fails(fd: int, *data: bytes) -> int:
        if "/journal/" in os.readlink(f"/proc/self/fd/{fd}") and os.readlink(f"/proc/self/fd/{fd}").endswith("jsonl"):
            count[0] += 1
            if count[0] == n:
                if call == "a part of a write":
                    real(fd, data[0][:100])
                raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))
        return real(fd, *data)

    with monkeypatch.context() as m:
        m.setattr(os, name, fails)
        yield
    assert count[0] >= n


def test_a_short_write_is_a_full_disk(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    emit(repo)
    before = files(repo)[0].read_bytes()
    write = os.write
    with monkeypatch.context() as m:
        m.setattr(os, "write", lambda fd, data: write(fd, data[:50]))
        with pytest.raises(Disk, match="No space left"):
            emit(repo)
    assert files(repo)[0].read_bytes() == before


def test_an_issue_whose_event_finds_no_room_is_changed_all_the_same_and_it_is_said(repo: Clone) -> None:
    with stopping(at_point("journal.append", 1, "ENOSPC")):
        done = repo.run("create", "T")
    assert done.code == 0 and "done, but not journaled" in done.err and len(repo.json("list")) == 1


def test_a_journal_that_is_a_link_is_neither_read_nor_written(repo: Clone, tmp_path: Path) -> None:
    emit(repo)
    (path,) = files(repo)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    done = repo.run("ev", "emit", "--type", "agent.session_started")
    assert done.code in (0, 1) and "Traceback" not in done.err
    assert (tmp_path / "elsewhere").read_bytes() == before
    assert repo.run("ev", "verify").code == 1


# many at once

MANY = """
import sys
from tbdx.cli import main
for n in range(int(sys.argv[1])):
    code = main.run("tbdx", ["ev", "emit", "--type", "work.linked", "--ref", "work_id=is-x", "--as", "one",
                    "--body", '{"url":"https://example.com/%s/%d"}' % (sys.argv[2], n), "--json"])
    assert code == 0
"""


def test_sixteen_processes_of_one_agent_write_one_journal_line_by_line(repo: Clone) -> None:
    line = [sys.executable, "-c", MANY, str(EACH)]
    started = [
        subprocess.Popen([*line, str(n)], cwd=repo.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for n in range(PROCESSES)
    ]
    acks = list[dict[str, Any]]()
    for process in started:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        acks += map(json.loads, out.splitlines())
    events = chained(files(repo))
    assert sorted(ack["seq"] for ack in acks) == [*range(1, PROCESSES * EACH + 1)]
    assert {(ack["seq"], ack["event_id"]) for ack in acks} == {(e["seq"], e["event_id"]) for e in events}
    assert len({e["body"]["url"] for e in events}) == PROCESSES * EACH
    assert subprocess.run([sys.executable, "-m", "tbdx", "ev", "verify"], cwd=repo.path).returncode == 0


def test_the_lock_is_waited_for_and_what_takes_too_long_is_told(repo: Clone) -> None:
    emit(repo)
    hold = "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, 2); print(flush=True); time.sleep(8)"
    line = [sys.executable, "-c", hold, str(repo.path / ".git/tbdx/coord.lock")]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        began = time.monotonic()
        with pytest.raises(Locked, match="another process writes events here") as raised:
            journal.Lock(repo.kernel.repo, wait_s=0.2).__enter__()
        assert raised.value.hint and time.monotonic() - began < 2
        threading.Timer(0.2, holder.kill).start()
        with journal.Lock(repo.kernel.repo, wait_s=20):  # the system unlocks it when its holder ends
            assert holder.wait() == -9
    assert [ack["seq"] for ack in emit(repo)] == [2]


def test_agents_of_one_slug_have_journals_of_their_own(repo: Clone) -> None:
    found = {agent: emit(repo, agent=agent)[0] for agent in ("A b", "a.b", "a/b")}
    assert {ack["seq"] for ack in found.values()} == {1} and len({ack["writer"] for ack in found.values()}) == 3
    assert {name.partition("~")[0] for name in journal.writers(str(folder(repo)))} == {"a-b"}
    assert [emit(repo, agent=agent)[0]["seq"] for agent in found] == [2, 2, 2]


def test_a_file_of_another_name_is_nobodys_journal(repo: Clone) -> None:
    emit(repo)
    for name in ("notes.jsonl", "a~b.jsonl", "x~0123456789abc.txt", ".x~0123456789abc.jsonl"):
        (folder(repo) / name).write_text("not an event\n")
    assert len(files(repo)) == 1 and len(repo.run("ev", "export").out.splitlines()) == 1
    done = repo.run("ev", "verify")
    assert done.code == 1 and done.out.count("not the name of a journal") == 3


def test_a_line_that_is_longer_than_the_tail_that_is_read_first_is_found_whole(repo: Clone) -> None:
    emit(repo, size=50_000)
    found = journal.end_of(str(files(repo)[0]))
    assert (found.seq, found.torn, found.is_sound) == (1, 0, True)
    with pytest.raises((BadFile, Disk)):
        journal.end_of(str(folder(repo)))

"""tbd's lock: one holder, dead ones broken at once, live ones waited for and named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from killing import at, stopping
from tbdx.errors import Disk, Locked
from tbdx.store import failpoint
from tbdx.store import lock as locks
from tbdx.store.lock import Lock

HOST = os.uname().nodename


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "locks/data-sync.lock")


def ended() -> int:
    """The id of a process that has ended."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def hold(path: str, *, age_s: float = 0, **record: Any) -> None:
    """A lock as another process would hold it."""
    os.makedirs(f"{path}/owner")
    Path(f"{path}/owner/record").write_text(json.dumps({"version": 1, "token": "t", "host": HOST} | record))
    os.utime(path, (time.time() - age_s,) * 2)


def leftovers(path: str) -> list[str]:
    return sorted(os.listdir(os.path.dirname(path)))


def test_the_record_says_who_holds_it_and_a_release_leaves_nothing(path: str) -> None:
    with Lock(path):
        record = json.loads(Path(f"{path}/owner/record").read_text())
        assert (record["version"], record["host"], record["pid"]) == (1, HOST, os.getpid())
        assert len(record["token"]) == 36
    assert leftovers(path) == []


def test_an_error_inside_releases_it(path: str) -> None:
    with pytest.raises(KeyError), Lock(path):
        raise KeyError
    assert leftovers(path) == []


def test_a_live_holder_is_waited_for_and_named(path: str) -> None:
    with Lock(path):
        began = time.monotonic()
        with pytest.raises(Locked, match=f"held by process {os.getpid()} on {HOST}"), Lock(path, wait_s=0.1):
            pass
        assert 0.1 <= time.monotonic() - began < 2
        assert leftovers(path) == ["data-sync.lock"]


def test_a_lock_released_meanwhile_is_taken(path: str) -> None:
    first = Lock(path)
    first.__enter__()
    timer = threading.Timer(0.1, first.__exit__)
    timer.start()
    with Lock(path, wait_s=10):
        pass
    timer.join()


def test_only_one_of_many_holds_it_at_a_time(path: str) -> None:
    inside: list[int] = []

    def work() -> None:
        with Lock(path):
            inside.append(1)
            assert len(inside) == 1
            time.sleep(0.002)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert leftovers(path) == []


def test_the_lock_of_a_dead_process_is_broken_at_once(path: str) -> None:
    hold(path, pid=ended(), boot=locks._boot_id(), started="1")
    began = time.monotonic()
    with Lock(path, wait_s=5):
        assert time.monotonic() - began < 1
    assert leftovers(path) == []


def test_a_process_id_that_came_round_again_is_not_the_holder(path: str) -> None:
    hold(path, pid=os.getpid(), boot=locks._boot_id(), started="1")
    with Lock(path, wait_s=1):
        pass


def test_a_holder_from_before_the_last_boot_is_dead(path: str) -> None:
    hold(path, pid=os.getpid(), boot="another", started=locks._started(os.getpid()))
    with Lock(path, wait_s=1):
        pass


def test_a_record_of_tbds_own_is_broken_only_after_its_time(path: str) -> None:
    hold(path, pid=ended(), age_s=60)
    with pytest.raises(Locked), Lock(path, wait_s=0.05):
        pass
    os.utime(path, (time.time() - locks.STALE_S - 5,) * 2)
    with Lock(path, wait_s=1):
        pass


@pytest.mark.parametrize("record", [{"host": "elsewhere", "pid": 1}, {"pid": os.getpid()}, {"pid": "x"}, {}])
def test_a_holder_that_may_live_is_never_broken_however_old(path: str, record: dict[str, Any]) -> None:
    hold(path, age_s=10 * locks.STALE_S, **record)
    with pytest.raises(Locked), Lock(path, wait_s=0.05):
        pass
    assert os.path.exists(f"{path}/owner/record")


@pytest.mark.parametrize("left", [b"", b"\0" * 150])
def test_a_record_that_a_power_loss_emptied_is_nobodys(path: str, left: bytes) -> None:
    hold(path)
    Path(f"{path}/owner/record").write_bytes(left)
    with Lock(path, wait_s=1):
        pass
    os.makedirs(path)  # and once more, between the election and the record
    os.makedirs(f"{path}.owner-x")
    Path(f"{path}.owner-x/record").write_bytes(left)
    with Lock(path, wait_s=1):
        pass
    assert leftovers(path) == []


def test_an_old_owner_file_of_tbd_is_understood(path: str) -> None:
    os.makedirs(path)
    Path(f"{path}/owner").write_text(json.dumps({"version": 1, "token": "t", "host": HOST, "pid": ended()}))
    os.utime(path, (1, 1))
    with Lock(path, wait_s=1):
        pass


def test_an_empty_lock_is_waited_for_until_it_is_old(path: str) -> None:
    os.makedirs(path)
    with pytest.raises(Locked, match="left no record"), Lock(path, wait_s=0.05):
        pass
    os.utime(path, (1, 1))
    with Lock(path, wait_s=1):
        pass


def test_one_killed_between_the_election_and_its_record_is_broken_at_once(path: str) -> None:
    os.makedirs(path)
    os.makedirs(f"{path}.owner-x")
    record = {"version": 1, "token": "x", "host": HOST, "pid": ended(), "boot": locks._boot_id(), "started": "1"}
    Path(f"{path}.owner-x/record").write_text(json.dumps(record))
    with Lock(path, wait_s=1):
        pass
    assert leftovers(path) == []


def test_the_record_of_one_who_waits_does_not_break_an_empty_lock(path: str) -> None:
    os.makedirs(path)
    os.makedirs(f"{path}.owner-x")
    Path(f"{path}.owner-x/record").write_text(json.dumps({"host": HOST, "pid": os.getpid()}))
    with pytest.raises(Locked), Lock(path, wait_s=0.05):
        pass


def test_the_record_of_a_waiter_that_was_killed_does_not_break_the_lock_of_an_old_tbd(path: str) -> None:
    """A tbd 0.2 holds the lock by an empty folder; a tbdx that waited for it leaves its record when it is killed."""
    os.makedirs(path)
    code = f"from tbdx.store.lock import Lock; Lock({path!r}).__enter__()"
    child = subprocess.Popen([sys.executable, "-c", code])
    until = time.monotonic() + 3
    while not any(Path(x).stat().st_mtime == 0 for x in locks.prepared_records(path)) and time.monotonic() < until:
        time.sleep(0.01)
    child.kill()
    child.wait()
    os.utime(path)
    assert locks.prepared_records(path)
    with pytest.raises(Locked), Lock(path, wait_s=0.2):
        pass
    assert os.path.isdir(path)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_one_that_fails_between_the_election_and_its_record_leaves_no_lock(path: str, error: BaseException) -> None:
    def fail(point: str) -> None:
        if point == "lock.own":
            raise error

    failpoint.hook = fail
    try:
        with pytest.raises((Disk, KeyboardInterrupt)), Lock(path):
            pass
    finally:
        failpoint.hook = None
    assert leftovers(path) == []


def test_an_interrupted_waiter_leaves_nothing(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    os.makedirs(path)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt), Lock(path):
        pass
    assert leftovers(path) == ["data-sync.lock"]


def test_what_is_no_folder_is_an_error_at_once(path: str) -> None:
    os.makedirs(os.path.dirname(path))
    Path(path).write_text("")
    with pytest.raises(Locked, match="not a folder"), Lock(path):
        pass


def test_a_lock_that_was_broken_and_taken_by_another_is_not_released(path: str) -> None:
    with Lock(path):
        os.rename(path, f"{path}.moved")
        hold(path, pid=os.getpid())
    assert json.loads(Path(f"{path}/owner/record").read_text())["token"] == "t"


def test_a_long_holder_shows_that_it_lives(path: str) -> None:
    with Lock(path) as lock:
        os.utime(path, (1, 1))
        lock.touch()
        assert os.stat(path).st_mtime == 1  # just taken: nothing to show yet
        lock.touched -= locks.TOUCH_S
        lock.touch()
        assert time.time() - os.stat(path).st_mtime < 60


def test_a_disk_that_fails_while_it_is_taken_leaves_nothing_that_looks_held(path: str) -> None:
    with stopping(at("lock.own", 1, "EIO")), pytest.raises(Disk), Lock(path):
        pass
    assert leftovers(path) == []
    with stopping(at("lock.clear", 1, "EIO")), Lock(path):  # and one that fails when all is done fails nothing
        pass


@pytest.mark.parametrize("n", range(1, 8))
def test_two_that_are_killed_one_after_the_other_leave_no_lock_that_nobody_can_break(path: str, n: int) -> None:
    with stopping(at("lock.own", 1, "kill")), Lock(path):
        pass
    with stopping(at("lock.clear", n, "kill")), Lock(path):
        pass
    with Lock(path, wait_s=0.5):
        pass


def test_a_fresh_lock_that_was_taken_for_an_orphan_is_taken_again(path: str) -> None:
    taken = []

    def wants(name: str) -> str:
        if name == "lock.own":
            taken.append(name)
            if len(taken) == 1:
                os.rmdir(path)
        return ""

    with stopping(wants), Lock(path, wait_s=0.5):
        assert len(taken) == 2 and os.path.isdir(f"{path}/owner")


def test_a_lock_that_changed_hands_before_it_was_broken_is_given_back(path: str) -> None:
    hold(path, pid=ended(), boot=locks._boot_id(), started="1")

    def change_hands(name: str) -> str:
        if name == "lock.break":
            os.rename(path, f"{path}.gone")
            hold(path, pid=os.getpid(), token="another")
        return ""

    with stopping(change_hands), pytest.raises(Locked), Lock(path, wait_s=0.05):
        pass
    assert json.loads(Path(f"{path}/owner/record").read_text())["token"] == "another"


@pytest.mark.parametrize("alive", [True, False])
def test_a_holder_in_another_namespace_of_processes_is_never_taken_for_dead(path: str, alive: bool) -> None:
    pid = os.getpid() if alive else ended()
    hold(path, pid=pid, boot=locks._boot_id(), started="1", ns="pid:[1]", age_s=10 * locks.STALE_S)
    with pytest.raises(Locked), Lock(path, wait_s=0.05):
        pass


def test_the_lock_of_a_dead_process_on_another_host_is_not_broken(path: str) -> None:
    hold(path, pid=ended(), host="elsewhere", boot=locks._boot_id(), started="1")
    with pytest.raises(Locked, match="on elsewhere"), Lock(path, wait_s=0.05):
        pass

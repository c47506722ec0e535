"""A stop at any failpoint, by a kill or by an error of the disk, costs nothing that was acknowledged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from conftest import Clone, some_of
from crash.test_registry import named_points
from crash.world import LIMIT_S, SCENARIOS, Clones, Scenario, World
from kernel.test_sync import settle
from killing import at, stopping

Record = Callable[[str, object], None]
WAYS = ("kill", "EIO", "ENOSPC")
THREE = {"one", "two", "three"}
# half a minute after the lock was taken; what a gc took just now; an append that failed
UNREACHED = {"lock.touch", "git.reflog", "journal.take_back"}
WHOLE = bool(os.environ.get("TBDX_CRASH_WHOLE"))  # every stop, as `run.py` wants it


def stopped(world: World, name: str, n: int, how: str) -> float | None:
    """Stop the command at the n-th time of a point, and check; see `World.check`."""
    world.restore()
    done = None
    with stopping(at(name, n, how)) as stop:
        done = world.command()
    assert name in stop.reached
    return world.check(None if stop.dead else done)


@pytest.mark.parametrize("scenario", SCENARIOS[::18], ids=lambda s: s.name)
def test_a_kill_at_some_points(clones: Clones, scenario: Scenario) -> None:
    """At every eighth of them, the first time or the last."""
    world, turn = World(clones, scenario), SCENARIOS.index(scenario)
    for i, (name, count) in enumerate([*world.points.items()][turn % 8 :: 8]):
        stopped(world, name, count if i % 2 else 1, "kill")


@pytest.mark.parametrize("scenario", some_of(["ev emit past a torn line", "ev emit into a new segment"], 2))
def test_a_stop_at_each_point_of_an_append(clones: Clones, scenario: str) -> None:
    """By a kill, or by an error of the disk."""
    world = World(clones, next(s for s in SCENARIOS if s.name == scenario))
    points = [name for name in world.points if name.startswith(("journal.", "coord."))]
    assert {"journal.append", "journal.torn", "journal.flush"} < set(points)
    for i, name in enumerate(points):
        stopped(world, name, 1, WAYS[i % 3])


def chosen(found: dict[str, int]) -> list[tuple[str, int, str]]:
    """Where to stop, and how: a kill at each point, the first time or the last, and at every fourth an error of the
    disk in between; or everything everywhere."""
    if WHOLE:
        return [(name, n, how) for name, count in found.items() for n in range(1, count + 1) for how in WAYS]
    kills = [(name, count if i % 2 else 1, "kill") for i, (name, count) in enumerate(found.items())]
    return kills + [(name, (n + 1) // 2, WAYS[1 + i % 2]) for i, (name, n) in enumerate([*found.items()][::4])]


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS if WHOLE else SCENARIOS[1::8], ids=lambda s: s.name)
def test_a_stop_at_each_point(clones: Clones, scenario: Scenario, record_property: Record) -> None:
    world = World(clones, scenario)
    stops, bad, took = chosen(world.points), list[str](), list[float]()
    for name, n, how in stops:
        try:
            took += [s for s in [stopped(world, name, n, how)] if s is not None]
        except AssertionError as e:
            bad.append(f"{name}:{n}={how}: {e}")
    record(record_property, f"failpoints: {scenario.name}", len(stops), bad, took)
    assert not bad, "\n".join(bad)


def record(record_property: Record, what: str, tried: int, bad: list[str], took: list[float]) -> None:
    """Figures for `run.py`."""
    row = {"what": what, "tried": tried, "survived": tried - len(bad), "ms": [t * 1000 for t in took]}
    record_property("figures", json.dumps(row))


@pytest.mark.long
def test_every_point_is_reached_by_some_scenario(clones: Clones) -> None:
    reached = {name for scenario in SCENARIOS for name in World(clones, scenario, checks=False).points}
    assert named_points() - reached == UNREACHED


# the real command line


def tbdx(clone: Clone, *argv: str, point: str = "") -> subprocess.CompletedProcess[str]:
    env = os.environ | ({"TBDX_FAILPOINT": point} if point else {})
    line = [sys.executable, "-m", "tbdx", *argv]
    return subprocess.run(line, cwd=clone.path, env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "point",
    ["lock.own", "file.torn:3", "file.link", "journal.torn", "git.update-index", "git.update-ref", "git.push:2"],
)
def test_a_real_kill_costs_nothing(clones: Clones, point: str) -> None:
    a, b = clones
    kept = a.create("acknowledged")
    argv = ("sync",) if point.startswith("git.") else ("create", "made")
    done = tbdx(a, *argv, point=f"{point}=kill")
    assert done.returncode == -signal.SIGKILL and done.stderr == ""
    began = time.monotonic()
    done = tbdx(a, "update", kept, "--notes", "still here")
    assert done.returncode == 0 and time.monotonic() - began < LIMIT_S, done
    assert THREE | {"acknowledged"} <= {row["title"] for row in a.json("list")} <= THREE | {"acknowledged", "made"}
    assert tbdx(a, "ev", "verify").returncode == 0
    settle(a, b)
    assert b.json("show", kept)["notes"] == "still here"


def test_a_real_error_of_the_disk_is_told(clones: Clones) -> None:
    done = tbdx(clones[0], "create", "made", "--json", point="file.flush=ENOSPC")
    said = json.loads(done.stderr)
    assert done.returncode == 1 and said["code"] == "disk" and "free some space" in said["hint"]
    assert {row["title"] for row in clones[0].json("list")} == THREE


@pytest.mark.parametrize("value", ["file.link", "file.link=no", "=kill", "file.link:x=EIO", ""])
def test_a_wrong_failpoint_is_a_usage_error(clones: Clones, value: str) -> None:
    env = os.environ | {"TBDX_FAILPOINT": value}
    line = [sys.executable, "-m", "tbdx", "list", "--json"]
    done = subprocess.run(line, cwd=clones[0].path, env=env, capture_output=True, text=True, timeout=60)
    said = json.loads(done.stderr)
    assert done.returncode == 2 and said["code"] == "usage" and "name[:n]=kill|EIO|ENOSPC" in said["error"]

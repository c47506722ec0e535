"""What was acknowledged outlives a power loss, and no power loss leaves what the next sync cannot use."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import pytest

from crash import power
from crash.test_points import WHOLE, Record, record
from crash.tracing import Tracer, needed
from crash.world import SCENARIOS, Clones, Scenario, World, same

FEW = 4  # losses after a command, or moments of it, unless every one is wanted
_BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
LOCAL = [_BY_NAME[x] for x in ("create", "create with relatives", "update", "close", "label add", "ev emit")]
SYNCS = [_BY_NAME[f"sync: {x}"] for x in ("commit", "fast-forward", "merge", "outbox on a branch", "events")]
SYNCS.append(_BY_NAME["the first command of a clone"])
T = TypeVar("T")
OURS = ("/.git/tbd/", "/.git/tbdx/", "/.tbd/")
SERVER = "origin.git"  # another machine: what the server flushes is its own affair


class Loss:
    """A command that was watched, and the disks that a power loss may leave of it."""

    def __init__(self, clones: Clones, scenario: Scenario, tmp_path: Path) -> None:
        self.world = World(clones, scenario)
        tracer = Tracer(self.world, tmp_path)
        self.world.restore()
        self.begin = self._tree()
        self.disk = power.Disk(self.world.root, self.begin)
        done = tracer.run(None, *power.OPTIONS)
        assert done and done.code == scenario.code, done
        power.replay(tracer.log.read_text(), self.disk)
        self.end = len(self.disk.events)
        assert self.disk.left(self.end, (), _all) == self._tree(), "the model does not know all that was done"

    def _tree(self) -> power.Tree:
        return power.tree_of(self.world.root, "home", "base", "begin")

    def at_the_end(self) -> dict[str, power.Tree]:
        """What may be left after the command's end: without all that was not flushed, and without each part of it
        alone; but git's names and the lock's are known to come in their order."""
        where = {n: self.disk.events[n].where for n in self.disk.unflushed()}
        lost = {n for n in where if SERVER not in where[n]}
        alone = [n for n in lost if any(part in where[n] for part in OURS) and "/locks/" not in where[n]]
        out = {"everything": self.disk.left(self.end, lost, _served)}
        out |= {where[n]: self.disk.left(self.end, {n}, _served) for n in alone}
        whole, flushed = (self.disk.left(self.end, (), kept) for kept in (_all, _served))
        torn = [path for path in whole if whole[path] != flushed[path]]
        return out | {path: whole | {path: flushed[path]} for path in torn}

    def moments(self) -> list[int]:
        """After each change of names."""
        return [n + 1 for n, event in enumerate(self.disk.events) if event.kind == "names"]

    def leave(self, left: power.Tree) -> None:
        """Put on the real disk what a power loss leaves."""
        self.world.restore()
        for path in sorted(self.begin.keys() - left.keys(), reverse=True):
            target = self.world.root / path
            target.rmdir() if path.endswith("/") else target.unlink()
        for path in sorted(path for path in left if left[path] != self.begin.get(path)):
            target = self.world.root / path
            if path.endswith("/"):
                target.mkdir()
            else:
                target.unlink(missing_ok=True)
                target.write_bytes(left[path])


def _all(_: str) -> bool:
    return True


def _served(path: str) -> bool:
    return path.startswith(SERVER)


def some(found: list[T]) -> list[T]:
    return found if WHOLE else found[:: max(1, len(found) // FEW)]


def after(loss: Loss) -> tuple[list[str], list[str]]:
    """(what was lost each time, what went wrong) of losses after the command's end: nothing acknowledged may go."""
    found, bad = loss.at_the_end(), list[str]()
    tried = some([*found])
    for what in tried:
        loss.leave(found[what])
        try:
            assert same(loss.world.files(), loss.world.after), "acknowledged and not there"
            loss.world.check(None)
        except AssertionError as e:
            bad.append(f"without {what}: {e}")
    return tried, bad


def during(loss: Loss) -> tuple[list[int], list[str]]:
    """(moments, what went wrong) of losses while the command runs: the next commands must heal them. The server goes on
    meanwhile, and lets its locks go."""
    moments, bad = some(loss.moments()), []
    for until in moments:
        left = loss.disk.left(until, (), _served)
        loss.leave({path: data for path, data in left.items() if not (_served(path) and path.endswith(".lock"))})
        try:
            loss.world.check(None)
        except AssertionError as e:
            bad.append(f"after {loss.disk.events[until - 1].where}: {e}")
    return moments, bad


@pytest.mark.parametrize("scenario", [LOCAL[0]], ids=lambda s: s.name)
def test_a_power_loss_takes_nothing_acknowledged_and_is_healed(
    clones: Clones, scenario: Scenario, tmp_path: Path
) -> None:
    needed()
    loss = Loss(clones, scenario, tmp_path)
    assert after(loss)[1] == during(loss)[1] == []


@pytest.mark.long
@pytest.mark.parametrize("scenario", (LOCAL + SYNCS)[:: 1 if WHOLE else 3], ids=lambda s: s.name)
def test_a_power_loss_in_any_command_takes_nothing_acknowledged_and_is_healed(
    clones: Clones, scenario: Scenario, tmp_path: Path, record_property: Record
) -> None:
    needed()
    loss = Loss(clones, scenario, tmp_path)
    for when, (tried, bad) in (("after", after(loss)), ("during", during(loss))):
        record(record_property, f"power loss {when} a command: {scenario.name}", len(tried), bad, [])
        assert not bad, "\n".join(bad)

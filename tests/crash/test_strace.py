"""Stopping the real command from outside, at any system call of it or of its git that changes anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crash.test_points import WHOLE, record
from crash.tracing import Stop, Tracer, needed
from crash.world import SCENARIOS, Clones, Scenario, World

ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EINTR")
FEW = 4  # stops of a scenario in the plain form
TRACED = [
    s for s in SCENARIOS if s.name in ("the first command of a clone", "create", "update", "sync: merge", "ev emit")
]


def stops(changes: list[tuple[int, str, int]], how: str) -> list[Stop]:
    """Every place where a command can be stopped; where git is killed, alone and with tbdx."""
    found = [Stop(call, name, n, how) for call, name, n in changes]
    if how != "signal=KILL":
        return found
    return [stop._replace(both=both) for stop in found for both in ((False, True) if stop.call else (False,))]


def spread(found: list[Stop], most: int, shift: int = 0) -> list[Stop]:
    """At most so many of them, at even distances."""
    stride = max(1, -(-len(found) // most))
    return found[shift % stride :: stride]


def stopped(tracer: Tracer, chosen: list[Stop]) -> tuple[list[str], list[float], int]:
    """(what went wrong, the seconds of each next command, how many stops were met)."""
    bad, took, hit = list[str](), list[float](), 0
    for stop in chosen:
        done = tracer.run(stop)
        hit += tracer.was_hit()
        try:
            took += [s for s in [tracer.world.check(done)] if s is not None]
        except AssertionError as e:
            bad.append(f"{stop}: {e}")
    return bad, took, hit


@pytest.mark.parametrize("scenario", TRACED[1::4], ids=lambda s: s.name)
def test_a_kill_at_some_system_calls(clones: Clones, scenario: Scenario, tmp_path: Path) -> None:
    needed()
    tracer = Tracer(World(clones, scenario), tmp_path)
    bad, _, hit = stopped(tracer, spread(stops(tracer.changes(), "signal=KILL"), FEW))
    assert not bad and hit > FEW / 2, (bad, hit)


@pytest.mark.long
@pytest.mark.parametrize("scenario", TRACED, ids=lambda s: s.name)
@pytest.mark.parametrize("how", ["signal=KILL", *(f"error={name}" for name in ERRORS)])
def test_a_stop_at_system_calls(
    clones: Clones, scenario: Scenario, how: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    needed()
    tracer = Tracer(World(clones, scenario), tmp_path)
    found = stops(tracer.changes(), how)
    most = len(found) if WHOLE else 10 if how == "signal=KILL" else 3
    chosen = spread(found, most, shift=len(how))
    bad, took, hit = stopped(tracer, chosen)
    record(record_property, f"system calls, {how}: {scenario.name}", len(chosen), bad, took)
    assert not bad, "\n".join(bad)
    assert hit > len(chosen) * 0.9, (hit, len(chosen))

"""tbdx answers the recorded sessions as the real tbd did, but for what compat/differences.yml lists."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from compat.play import Answer, Session, differences, load_known, load_sessions, play

TBDX = Path(sys.executable).parent / "tbdx"
KNOWN = load_known(Path(__file__).resolve().parents[2] / "compat" / "differences.yml")
SESSIONS = load_sessions()


@pytest.fixture(scope="module")
def plays(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[list[Answer]]]]:
    """The answers to come of every session that this run of pytest has selected; several are played at a time."""
    params = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    chosen = [p["session"] for p in params if isinstance(p.get("session"), Session)]
    pool = ThreadPoolExecutor()
    try:
        yield {session.name: pool.submit(play, TBDX, session) for session in chosen}
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.name)
def test_session(session: Session, plays: dict[str, Future[list[Answer]]]) -> None:
    assert TBDX.is_file(), f"tbdx is not installed beside {sys.executable}"
    found = differences(session, plays[session.name].result())
    listed = {step for name, step in KNOWN if name == session.name}
    unlisted = [f"step {step}: {text}" for step, text in found if step not in listed]
    assert not unlisted, "\n".join([session.name, *unlisted])
    assert {step for step, _ in found} == listed, "a listed difference does not occur"


def test_every_recorded_step_is_here() -> None:
    assert (len(SESSIONS), sum(len(session.steps) for session in SESSIONS)) == (40, 397)


def test_listed_differences_name_steps_that_exist() -> None:
    steps = {(session.name, number) for session in SESSIONS for number in range(1, len(session.steps) + 1)}
    assert set(KNOWN) <= steps

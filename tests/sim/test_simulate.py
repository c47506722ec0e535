"""Whatever a seed makes happen, nothing acknowledged is lost; and the simulator is one that can fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sim.simulate import run
from tbdx.core import merge
from tbdx.kernel import Kernel, heal, outbox, sync
from tbdx.store import lock


def play(seeds: range, real_every: int = 0) -> None:
    """Play seeds, some of them once more with a real git. A violation is told with the command that repeats it."""
    for seed in seeds:
        for real in (False, True) if real_every and seed % real_every == 0 else (False,):
            found = run(seed, real=real).violation
            assert not found, f"{found}\npython tests/sim/run.py --seed {seed}{' --real' * real} -v"


def test_nothing_is_lost_under_any_of_many_seeds() -> None:
    play(range(80))


def test_a_seed_goes_well_with_a_real_git_too() -> None:
    play(range(1), real_every=1)


@pytest.mark.long
@pytest.mark.parametrize("part", range(2))
def test_nothing_is_lost_under_any_of_very_many_seeds(part: int) -> None:
    play(range(part * 200, part * 200 + 200), real_every=100)


def test_a_seed_is_played_the_same_way_again() -> None:
    assert run(7) == run(7)


def believing(sync: Callable[..., Any]) -> Callable[..., Any]:
    """A sync for which a push that was taken is as good as one that was read back."""

    def believe(k: Kernel, **more: bool) -> Any:
        push = k.git.push

        def push_and_believe(remote: str, branch: str, commit: str) -> tuple[bool, str]:
            taken = push(remote, branch, commit)
            if taken[0]:
                k.git.heads = lambda *_: {branch: commit}  # type: ignore[method-assign]
            return taken

        k.git.push = push_and_believe  # type: ignore[method-assign]
        return sync(k, **more)

    return believe


@pytest.mark.parametrize(
    "where, name, instead, often",
    [
        (merge, "attic_files", lambda *_: {}, {}),
        (merge, "merge_names", lambda _, ours, __: ours, {}),
        (sync, "_check_unmoved", lambda *_: None, {"hand meanwhile": 0.6}),
        (outbox, "sync", believing(sync.sync), {"push not shown": 0.3}),
        (heal, "_stand_on", lambda *_: None, {"branch moved": 0.3}),
        (lock, "is_dead", lambda _: False, {"kill": 0.3}),
    ],
    ids=["attic", "short ids", "files that changed meanwhile", "reading back", "healing", "locks of the dead"],
)
def test_without_its_guards_it_would_be_seen(
    where: Any, name: str, instead: Any, often: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, instead)
    assert any(run(seed, often=often).violation for seed in range(60))

"""The clones that commands are stopped in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone, alone, make_clones, put_copy
from tbdx.kernel import work
from tbdx.kernel.sync import sync
from tbdx.store import entities, process


def _make(root: Path) -> None:
    make_clones(root)
    a, b = alone(root / "a"), alone(root / "b")
    made = {name: work.create(a, name, {})["internalId"] for name in ("one", "three", "two")}
    rows = "".join(f"{name}: {internal[3:]}\n" for name, internal in made.items())
    Path(entities.names_path(a.repo)).write_text(rows)
    sync(alone(root / "a"))
    sync(b)


@pytest.fixture
def clones(
    tmp_path: Path,
    at: Callable[[Path], Clone],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Clone, Clone]:
    """Two clones of one remote, both with the issues test-one, test-two and test-three; commits are of one moment."""
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setitem(process._SET, name, "@1750000000 +0000")
    put_copy("three", _make, tmp_path_factory, tmp_path)
    return at(tmp_path / "a"), at(tmp_path / "b")

"""The demo: it ends well, shows each command, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from conftest import Clone
from tbdx.cli import demo
from tbdx.errors import TbdxError


@pytest.fixture(autouse=True)
def scratch_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def scratch_of(tmp_path: Path) -> list[str]:
    return [name for name in os.listdir(tmp_path) if name.startswith("tbdx-demo-")]


def test_the_demo_plays_the_main_job_and_cleans_up(bare_git: Clone, tmp_path: Path) -> None:
    done = bare_git.run("demo")
    assert done.code == 0, done.err
    for line in ("agent-1$ tbdx init --prefix=demo", "agent-1$ tbdx sync", "agent-2$ tbdx sync", "agent-1$ tbdx attic"):
        assert line in done.out
    for line in ("agent-2$ tbdx msg ack ms-", "agent-2$ tbdx handoff demo-", "  | Those of the reader first."):
        assert line in done.out
    assert "Both clones hold the same 3 issues." in done.out
    assert scratch_of(tmp_path) == []
    assert bare_git.git("status", "--porcelain") == ""


def test_the_demo_in_json_is_one_document(bare_git: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_play", lambda stage: None)
    monkeypatch.setattr(demo, "_compare", lambda stage: 3)
    assert bare_git.json("demo") == {"ok": True, "steps": 0, "issues": 3}
    assert bare_git.run("demo", "--dry-run").out.startswith("[DRY-RUN]")


def test_a_step_that_fails_ends_the_demo_and_is_named(
    bare_git: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_play", lambda stage: stage.run("agent-1", "tbdx show nothing-here"))
    done = bare_git.run("demo", "--json")
    assert done.code == 1
    problem = json.loads(done.err)
    assert "agent-1$ tbdx show nothing-here" in problem["error"]
    assert scratch_of(tmp_path)[0] in problem["hint"]


def test_clones_that_differ_fail_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n, text in ((1, "one"), (2, "two")):
        place = tmp_path / f"agent-{n}/.git/tbd/data-sync-worktree/.tbd/data-sync/issues"
        place.mkdir(parents=True)
        (place / "is-x.md").write_text(text)
    stage = demo.Stage(str(tmp_path), lambda text: None)
    monkeypatch.setattr(stage, "run", lambda who, line: "the same")
    with pytest.raises(TbdxError, match="differ"):
        demo._compare(stage)


def test_the_demos_commands_see_nothing_of_the_users_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("TBD_AGENT", "somebody")
    stage = demo.Stage(str(tmp_path), lambda text: None)
    out = stage.quietly("agent-2", "env")
    assert "GIT_DIR" not in out and "TBD_AGENT=agent-2" in out and f"HOME={tmp_path}/home" in out

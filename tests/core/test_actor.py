"""Who acts: tbd's ladder of names."""

from __future__ import annotations

import pytest

from tbdx.core.actor import harness_of, identify, slug


def test_the_first_rung_that_has_a_name_gives_it() -> None:
    env = {"TBD_AGENT": "Env Name", "CLAUDECODE": "1"}
    rungs = [("Flag", "Session", env), (None, "Session", env), (None, "Session", {}), (None, None, {"CODEX_HOME": "x"})]
    found = [identify(e, "host", given=given, session=session) for given, session, e in rungs]
    assert [(f["name"], f["source"]) for f in found] == [
        ("flag", "flag"),
        ("env-name", "env"),
        ("session", "session"),
        ("codex@host", "derived"),
    ]
    assert list(found[0]) == ["name", "harness", "source"]


def test_a_name_of_which_nothing_is_left_is_stepped_over() -> None:
    assert identify({"TBD_AGENT": "!!!"}, "h", given="  ", session=None)["name"] == "unknown@h"


@pytest.mark.parametrize(
    "env, harness",
    [
        ({"CLAUDECODE": "1"}, "claude-code"),
        ({"CLAUDE_CODE_ENTRYPOINT": "cli"}, "claude-code"),
        ({"CURSOR_TRACE_ID": "x"}, "cursor"),
        ({"CODEX_SANDBOX": "x"}, "codex"),
        ({"GEMINI_CLI": "1"}, "gemini-cli"),
        ({"CODEX_HOME": "x", "CLAUDECODE": "1"}, "claude-code"),
        ({"CLAUDECODE": "", "CURSOR_X": ""}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_the_harness_is_seen_from_its_variables(env: dict[str, str], harness: str) -> None:
    assert harness_of(env) == harness


def test_the_model_is_named_where_it_is_known() -> None:
    env = {"ANTHROPIC_MODEL": "b", "TBD_AGENT_MODEL": "a"}
    assert identify(env, "h", given=None, session=None)["model"] == "a"
    assert "model" not in identify({"CODEX_MODEL": ""}, "h", given=None, session=None)


@pytest.mark.parametrize(
    "text, made",
    [
        ("Agent One", "agent-one"),
        ("--x--", "x"),
        ("a//b  c", "a-b-c"),
        ("me@host.example_1", "me@host.example_1"),
        ("Ünïcode", "n-code"),
        ("../../etc", "..-..-etc"),
        ("é", ""),
    ],
)
def test_a_name_becomes_a_slug(text: str, made: str) -> None:
    assert slug(text) == made

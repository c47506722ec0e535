"""The command line: global options, help, versions, exit codes, the two tools."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import Clone, Result
from tbdx import TBD_VERSION, __version__
from tbdx.cli.table import COMMANDS, ELSEWHERE, GLOBALS

ROOT = Path(__file__).parents[2]
WK = [name for name in COMMANDS if name.startswith("wk ")]


def test_the_version_is_tbds_alone_in_text_and_both_in_json(bare_git: Clone) -> None:
    assert bare_git.run("--version") == Result(0, f"{TBD_VERSION}\n", "")
    for argv in (("--version", "--json"), ("--json", "--version")):
        assert json.loads(bare_git.run(*argv).out) == {"tbd": TBD_VERSION, "tbdx": __version__}
    assert bare_git.run("--version", tool="wk").out == f"{TBD_VERSION}\n"


def test_no_command_is_help_and_exit_0(bare_git: Clone) -> None:
    done = bare_git.run()
    assert (done.code, done.err) == (0, "") and "Usage: tbdx" in done.out
    assert all(name.split(" ")[0] in done.out for name in COMMANDS)
    assert bare_git.run("--help").out == done.out


def test_every_command_has_help_with_all_it_takes(bare_git: Clone) -> None:
    for name, (_, about, arguments, options) in COMMANDS.items():
        done = bare_git.run(*name.split(" "), "--help")
        assert (done.code, done.err) == (0, ""), name
        said = " ".join(done.out.split())
        assert f"Usage: tbdx {name}" in said and about in said
        for _, ways, _, _ in options:
            assert all(way in said for way in ways), (name, ways)
        for argument in arguments:
            assert argument.rstrip("?.*").upper() in said
        assert all(ways[0] in said for _, ways, *_ in GLOBALS)


def test_every_row_of_the_table_names_a_function_that_is_there() -> None:
    for name, (target, *_) in COMMANDS.items():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(f"tbdx.cli.{module}"), function)), name


GROUPS = ["dep", "label", "ref", "doc", "attic", "workspace", "config", "shim", "wk"]


def test_a_group_alone_is_help_on_stderr(bare_git: Clone) -> None:
    for group in GROUPS:
        done = bare_git.run(group)
        assert done.code != 0 and done.out == "" and f"Usage: tbdx {group}" in done.err


@pytest.mark.parametrize("where", ["before", "after", "both"])
def test_global_options_stand_before_or_after_the_command(repo: Clone, where: str) -> None:
    repo.create("T", "-l", "x")
    for words in (["list"], ["label", "list"]):
        argv = {"before": ["--json", *words], "after": [*words, "--json"], "both": ["--json", *words, "--json"]}[where]
        done = repo.run(*argv)
        assert done.code == 0 and len(json.loads(done.out)) == 1


def test_a_global_option_stands_between_a_group_and_its_command(repo: Clone) -> None:
    repo.create("T", "-l", "x")
    assert json.loads(repo.run("label", "--json", "list").out) == [{"label": "x", "count": 1}]


def test_quiet_hides_success_and_notices_but_neither_results_nor_errors(repo: Clone) -> None:
    x = repo.create("T")
    assert repo.run("--quiet", "update", x, "--priority", "1") == Result(0, "", "")
    assert x in repo.run("list", "--quiet").out
    done = repo.run("close", "test-zzzz", "--quiet")
    assert done.code == 1 and "Issue not found" in done.err


def test_colour_is_as_asked_and_never_in_a_file(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.create("T")
    assert "\x1b[" in repo.run("list", "--color", "always").out
    assert "\x1b[" not in repo.run("list").out + repo.run("list", "--color", "never").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" in repo.run("--color=always", "list").out
    assert repo.run("list", "--color", "pink").code == 2


def test_debug_shows_internal_ids_beside_the_short_ones(repo: Clone) -> None:
    x = repo.create("T")
    assert f"{x} ({repo.kernel.need(x)})" in repo.run("list", "--debug").out.replace("  ", " ")


def test_a_usage_error_is_2_and_json_when_asked(repo: Clone) -> None:  # tbd.md §13b.8: mended
    for argv in (
        ("bogus",),
        ("list", "--bogus"),
        ("show",),
        ("dep", "bogus"),
        ("create", "a", "b"),
        ("list", "--limit"),
    ):
        done = repo.run(*argv)
        assert (done.code, done.out) == (2, "") and done.err.startswith("error: "), done
        said = json.loads(repo.run("--json", *argv).err)
        assert said["code"] == "usage" and said["type"] == "UsageError" and said["hint"]


def test_a_command_almost_right_gets_a_suggestion(repo: Clone) -> None:
    assert "did you mean close?" in repo.run("clsoe", "x").err


def test_commands_that_are_tbds_own_say_where_they_are(bare_git: Clone) -> None:
    for word in ELSEWHERE:
        done = bare_git.run(word)
        assert done.code == 2 and ELSEWHERE[word] in done.err


def test_exit_codes_tell_the_kinds_of_failure_apart(repo: Clone) -> None:
    x = repo.create("T")
    head = repo.git("rev-parse", "tbd-sync").strip()
    for code, argv in {
        0: ("list",),
        1: ("show", "test-zzzz"),
        2: ("update", x, "--priority", "9"),
        3: ("changes", "--since", head, "--all"),
    }.items():
        assert repo.run(*argv).code == code, argv


def test_outside_of_a_repository_it_says_what_to_do(bare_git: Clone) -> None:
    done = bare_git.run("list")
    assert done.code == 1 and "Not a tbd repository (run 'tbd setup --auto --prefix=<name>' first)" in done.err
    said = json.loads(bare_git.run("list", "--json").err)
    assert said["type"] == "NotInitializedError" and said["code"] == "not_initialized"


def test_an_error_in_json_is_one_line_with_its_kind(repo: Clone) -> None:
    for argv, kind in ((("show", "zz"), "NotFoundError"), (("create", " "), "ValidationError")):
        done = repo.run(*argv, "--json")
        assert done.out == "" and done.err.count("\n") == 1 and json.loads(done.err)["type"] == kind


def test_control_characters_are_shown_in_text_and_escaped_in_json(repo: Clone) -> None:
    repo.create("a\x1b[2Jb\u202ec\x9bd")
    for argv in (("list",), ("list", "--json"), ("list", "--pretty"), ("search", "a")):
        out = repo.run(*argv).out
        assert not set(out) & set("\x1b\u202e\x9b") and "\\x1b" in out or "\\u001b" in out
    assert repo.json("list")[0]["title"] == "a\x1b[2Jb\u202ec\x9bd"


def test_an_unexpected_failure_is_a_line_and_a_traceback_only_on_request(
    repo: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:

    def broken(*_: object) -> None:
        raise ZeroDivisionError("odd")

    from tbdx.core import lists

    monkeypatch.setattr(lists, "stats", broken)
    done = repo.run("stats")
    assert done.code == 1 and done.err.startswith("Error: ZeroDivisionError: odd")
    assert json.loads(repo.run("stats", "--json").err)["code"] == "unexpected"
    with pytest.raises(ZeroDivisionError):
        repo.run("stats", "--debug")


def test_an_interruption_is_130(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    from tbdx.core import lists

    monkeypatch.setattr(lists, "stats", interrupted)
    assert repo.run("stats").code == 130


def test_wk_is_a_tool_and_a_group_of_tbdx(repo: Clone) -> None:
    x = repo.create("T")
    for name in WK:
        word = name[3:]
        assert repo.run(word, "--help", tool="wk").out.startswith(f"Usage: wk {word}")
    for argv in (("get", x, "--json"), ("query", "title = T", "--json")):
        alone, below = repo.run(*argv, tool="wk"), repo.run("wk", *argv)
        assert alone == below and alone.code == 0 and alone.out.count("\n") == 1
    assert repo.run("list", tool="wk").code == repo.run("wk", "--json").code == 2


def test_two_dashes_end_the_options(repo: Clone) -> None:
    assert repo.run("create", "--json", "--", "--json").code == 0
    assert repo.json("list")[0]["title"] == "--json"


def test_a_reader_that_closes_the_pipe_ends_it_quietly(repo: Clone) -> None:
    for n in range(3):
        repo.create(f"{n}")
    script = f"{sys.executable} -m tbdx list; echo $? >&2"
    done = subprocess.run(["bash", "-c", f"({script}) | true"], cwd=repo.path, capture_output=True, text=True)
    assert done.stderr in ("0\n", "141\n"), done


@pytest.mark.parametrize("script", sorted((ROOT / "tbdx" / "bin").iterdir()), ids=lambda p: p.name)
def test_every_script_is_the_same_program(script: Path, repo: Clone) -> None:
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert shipped["shared-scripts"][f"tbdx/bin/{script.name}"] == script.name
    assert script.read_text().startswith("#!python\n") and os.access(script, os.X_OK)
    done = subprocess.run([sys.executable, script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{TBD_VERSION}\n"
    assert subprocess.run([sys.executable, script, "no-such"], capture_output=True).returncode == 2


def test_python_m_is_the_same_program(repo: Clone) -> None:
    done = subprocess.run([sys.executable, "-m", "tbdx", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{TBD_VERSION}\n"

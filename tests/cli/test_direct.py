"""The direct parser declines, or reads a command line exactly as click does."""

from __future__ import annotations

import random
from typing import Any

import click
import pytest

from tbdx.cli import direct, main
from tbdx.cli.table import COMMANDS, GLOBALS

WORDS = [
    "x",
    "test-ab12",
    "-",
    "--",
    "",
    "a b",
    "-x",
    "--json",
    "--no-such",
    "5",
    "-5",
    "é",
    "=",
    "--title=x",
    "--help",
]


def by_click(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What click makes of it: (target, options, globals), or None where it answers itself."""
    seen: list[Any] = []

    def record(target: str, opts: dict[str, Any], common: dict[str, Any]) -> int:
        seen.append((target, opts, common))
        return 0

    monkeypatch.setattr(main, "call", record)
    try:
        main._group("tbdx", COMMANDS, "").main(list(argv), prog_name="tbdx", standalone_mode=False)
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        return None
    return seen[0] if seen else None


def random_line(r: random.Random) -> list[str]:
    name = r.choice([*COMMANDS])
    _, _, arguments, options = COMMANDS[name]
    line: list[str] = []

    def some_globals() -> None:
        for _ in range(r.choice((0, 0, 0, 1, 2))):
            _, ways, value, _ = r.choice(GLOBALS)
            line.extend([ways[0], r.choice(("auto", "never"))] if value else [ways[0]])

    for word in name.split(" "):
        some_globals()
        line.append(word if r.random() > 0.02 else word[:-1])
    for _ in range(r.randint(0, 5)):
        kind = r.random()
        if kind < 0.45 and options:
            _, ways, value, _ = r.choice(options)
            way = r.choice(ways)
            if not value:
                line.append(way)
            elif r.random() < 0.4 and way.startswith("--"):
                line.append(f"{way}={r.choice(WORDS)}")
            else:
                line += [way, r.choice(WORDS)] if r.random() > 0.05 else [way]
        elif kind < 0.6:
            some_globals()
        else:
            line.append(r.choice(WORDS))
    if r.random() < 0.6:
        line += [r.choice(("one", "two", "-")) for _ in range(len(arguments))]
    return line


def check(count: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> int:
    r, taken = random.Random(seed), 0
    for _ in range(count):
        line = random_line(r)
        ours = direct.parse(line, COMMANDS)
        if ours is not None:
            taken += 1
            theirs = by_click(line, monkeypatch)
            assert theirs is not None, line
            target, opts, common = theirs
            assert ours[0] == target and ours[1] == opts, line
            assert {k: v or None for k, v in ours[2].items()} == {k: v or None for k, v in common.items()}, line
    return taken


def test_it_declines_or_agrees_with_click(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(2_000, 1, monkeypatch) > 400


@pytest.mark.long
def test_it_declines_or_agrees_with_click_on_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(20_000, 2, monkeypatch) > 4_000


@pytest.mark.parametrize(
    "line",
    [
        "ready",
        "ready --json",
        "--json list --all",
        "create Title -t bug --priority=1 -l a -l b --json",
        "show test-1",
        "close test-1 test-2 --reason done",
        "update test-1 --status in_progress",
        "dep add test-1 test-2",
        "sync",
        "wk get test-1",
    ],
)
def test_the_common_line_is_read_directly(line: str) -> None:
    assert direct.parse(line.split(" "), COMMANDS) is not None


@pytest.mark.parametrize("line", ["", "--help", "list --help", "--version", "nosuch", "list --bogus", "show", "dep"])
def test_the_unusual_line_is_left_to_click(line: str) -> None:
    assert direct.parse(line.split(" ") if line else [], COMMANDS) is None

"""The common, well-formed command line, read straight from the table: what agents type thousands of times.

It declines whatever is unusual (help, groups of short flags, anything wrong), and then click, built from the same
table, has the word. What it takes it reads exactly as click would; a test holds the two together.
"""

from __future__ import annotations

from tbdx.cli.table import GLOBALS, Option, Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# (what the row calls, its options by name, the global ones by name)
Parsed = tuple[str, dict[str, "Any"], dict[str, "Any"]]


def parse(argv: list[str], rows: dict[str, Row]) -> Parsed | None:
    """The call that a command line asks for, None when it is not plain enough to be read here."""
    common: dict[str, Any] = {name: None for name, *_ in GLOBALS}
    word = ""
    at = 0
    while True:  # the command's words, global options before each of them
        at = _options(argv, at, GLOBALS, common)
        if at < 0 or at == len(argv) or argv[at][:1] == "-":
            return None
        word = f"{word} {argv[at]}" if word else argv[at]
        at += 1
        if word in rows:
            break
        if not any(name.startswith(word + " ") for name in rows):
            return None
    target, _, arguments, options = rows[word]
    opts: dict[str, Any] = {}
    for name, _, value, _ in options:
        opts[name] = () if value[-1:] == "*" else None if value else False
    own = dict(opts)
    rest: list[str] = []
    table = (*options, *GLOBALS)
    while at < len(argv):
        token = argv[at]
        if token == "--":
            rest += argv[at + 1 :]
            break
        if token[:1] == "-" and token != "-":
            values: dict[str, Any] = {}
            at = _option(argv, at, table, values, own | opts)
            if at < 0:
                return None
            for name, value in values.items():
                (opts if name in own else common)[name] = value
        else:
            rest.append(token)
            at += 1
    return (target, opts, common) if _arguments(arguments, rest, opts) else None


def _options(argv: list[str], at: int, table: tuple[Option, ...], into: dict[str, Any]) -> int:
    """Read options from `at` on; where they end, or -1."""
    while 0 <= at < len(argv) and argv[at][:1] == "-" and argv[at] not in ("-", "--"):
        at = _option(argv, at, table, into, into)
    return at


def _option(argv: list[str], at: int, table: tuple[Option, ...], into: dict[str, Any], before: dict[str, Any]) -> int:
    """Read the option at `at`; where the next token is, or -1 for one that is not in the table or lacks its value."""
    way, equals, value = argv[at].partition("=") if argv[at][:2] == "--" else (argv[at], "", "")
    for name, ways, wants, _ in table:
        if way in ways:
            if not wants:
                into[name] = True
                return -1 if equals else at + 1
            if not equals:
                at += 1
                if at == len(argv):
                    return -1
                value = argv[at]
            into[name] = (*before[name], value) if wants[-1] == "*" else value
            return at + 1
    return -1


def _arguments(names: tuple[str, ...], given: list[str], into: dict[str, Any]) -> bool:
    """Share the positional arguments out; False when there are too few or too many."""
    for spec in names:
        name = spec.rstrip("?.*")
        if spec[-1] in ".*":
            into[name] = tuple(given)
            if not given and spec[-1] == ".":
                return False
            given = []
        elif given:
            into[name] = given[0]
            given = given[1:]
        elif spec[-1] == "?":
            into[name] = None
        else:
            return False
    return not given

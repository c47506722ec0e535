"""The entry points `tbdx`, `wk`, `ev` and `msg`: parse, call one function, turn every failure into a line and a code.

A plain command line is read directly, every other one by click commands made from the same table. The only catch-all.
"""

from __future__ import annotations

import gc
import os
import sys

from tbdx.cli.direct import parse
from tbdx.cli.output import Out, colour_wanted, leave
from tbdx.cli.table import COMMANDS, ELSEWHERE, GLOBALS, Option, Row
from tbdx.errors import TbdxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    import click

TOOLS = ("tbdx", "wk", "ev", "msg")
ABOUT = "Issues and coordination for agents and people, in git alone. A drop-in tbd."


def main(tool: str) -> NoReturn:
    """What the scripts run: `tool` is tbdx or a small tool, which is the same as `tbdx <tool>`. Ends the process."""
    gc.set_threshold(200_000)  # looking for cycles among ten thousand plain values is lost time
    _open_streams()
    leave(run(tool, sys.argv[1:]))


def _open_streams() -> None:
    """Where the caller closed one of the three, nothing stands in for it: else the next file we open would."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is fd


def run(tool: str, argv: list[str]) -> int:
    """Run one command line and give its exit code."""
    out = _first_out(argv)
    try:
        return _invoke(tool, argv, out)
    except TbdxError as e:
        return _report(e, out)
    except KeyboardInterrupt:
        out.error("Interrupted")
        return 130
    except Exception as e:
        if "--debug" in argv:
            raise
        what = e.strerror if isinstance(e, OSError) and e.strerror else f"{type(e).__name__}: {e}"
        path = f" ({e.filename})" if isinstance(e, OSError) and e.filename else ""
        if out.json:
            out.problem({"error": f"{what}{path}", "code": "unexpected"})
        else:
            out.error(f"Error: {what}{path}\n  --debug shows where")
        return 1


def _first_out(argv: list[str]) -> Out:
    """How to report until the options are parsed: as they seem to say."""
    before = argv[: argv.index("--")] if "--" in argv else argv
    return Out(json="--json" in before, quiet="--quiet" in before)


def _report(e: TbdxError, out: Out) -> int:
    if out.json:
        value: dict[str, Any] = {"error": e.message, "type": e.type, "code": e.code, "hint": e.hint}
        out.problem({k: v for k, v in value.items() if v is not None} | e.facts())
    else:
        out.error(f"Error: {e.message}" + (f"\n  {e.hint}" if e.hint else ""))
    return e.exit_code


def _invoke(tool: str, argv: list[str], out: Out) -> int:
    rows = (
        COMMANDS if tool == "tbdx" else {n[len(tool) + 1 :]: r for n, r in COMMANDS.items() if n.startswith(f"{tool} ")}
    )
    plain = parse(argv, rows)
    if plain:
        return call(*plain)
    import click

    group = _group(tool, rows, ABOUT if tool == "tbdx" else _GROUPS[tool])
    try:
        code = group.main(list(argv), prog_name=tool, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as e:
        if e.ctx and e.ctx.parent is None:
            out.text(e.ctx.get_help())
            return 0
        out.error(e.message)
        return 2
    except click.exceptions.Exit as e:
        return e.exit_code
    except click.UsageError as e:
        return _usage(e, out)
    except click.Abort:
        raise KeyboardInterrupt


def _usage(e: click.UsageError, out: Out) -> int:
    message = e.format_message().rstrip(".")
    message = message[:1].lower() + message[1:]
    where = e.ctx.command_path if e.ctx else "tbdx"
    if out.json:
        out.problem({"error": message, "type": "UsageError", "code": "usage", "hint": f"{where} --help"})
    else:
        out.error(f"error: {message}\n  {where} --help lists what it takes")
    return 2


def _group(name: str, rows: dict[str, Row], about: str) -> click.Group:
    """A click group whose commands are made from the table when they are asked for."""
    import click

    words = list(dict.fromkeys(row.split(" ")[0] for row in rows))

    class Lazy(click.Group):
        def list_commands(self, ctx: click.Context) -> list[str]:
            return words

        def get_command(self, ctx: click.Context, word: str) -> click.Command | None:
            if word in rows:
                return _command(word, rows[word])
            below = {full[len(word) + 1 :]: row for full, row in rows.items() if full.startswith(word + " ")}
            return _group(word, below, _GROUPS.get(word, "")) if below else None

        def resolve_command(
            self, ctx: click.Context, args: list[str]
        ) -> tuple[str | None, click.Command | None, list[str]]:
            word = args[0]
            if self.get_command(ctx, word) is None and not word.startswith("-"):
                near = _near(word, words)
                why = f": {ELSEWHERE[word]}" if word in ELSEWHERE and ctx.parent is None else near
                raise click.UsageError(f"unknown command '{word}'{why}", ctx)
            return super().resolve_command(ctx, args)

    params: list[click.Parameter] = _params((), GLOBALS)
    if name in TOOLS:
        params.append(click.Option(["--version"], is_flag=True, is_eager=True, help="print the version"))
    return Lazy(
        name,
        params=params,
        callback=_globals_first,
        invoke_without_command=name in TOOLS,
        no_args_is_help=True,
        help=about,
        add_help_option=False,
        epilog="Global options may stand before or after the command.",
    )


_GROUPS = {
    "dep": "What waits for what",
    "label": "Labels",
    "ref": "Links to pages",
    "doc": "Documents of an issue",
    "attic": "Values that lost a merge",
    "bundle": "The whole tracker in a file",
    "merge-driver": "Merging issues with plain git",
    "workspace": "Copies of issues in the working tree",
    "config": "Settings",
    "shim": "A tbd launcher",
    "wk": "Entities by id, by file and by query",
    "ev": "What happened: events, journals, views",
    "msg": "Messages: a mailbox for each agent",
    "artifact": "Files and links that work brings forth",
    "agent": "Agents: who they are, and what they are about",
    "coord": "Whether events are shared",
    "bus": "Events, whatever carries them",
}


def _near(word: str, words: list[str]) -> str:
    from tbdx.core.ids import suggest

    near = suggest(word, words)
    return f"; did you mean {', '.join(near)}?" if near else ""


def _globals_first(**values: Any) -> None:
    """Keep the global options given before the command; the command joins them with its own."""
    import click

    ctx = click.get_current_context()
    version = values.pop("version", False)
    ctx.obj = {k: v or (ctx.obj or {}).get(k) for k, v in values.items()}
    if version:
        from tbdx import TBD_VERSION, __version__

        out = Out(json=bool(ctx.obj["json"]))
        if out.json:
            out.data({"tbd": TBD_VERSION, "tbdx": __version__})
        else:
            out.text(TBD_VERSION)
        ctx.exit(0)
    if ctx.invoked_subcommand is None:
        if ctx.parent is not None:
            raise click.UsageError("missing command", ctx)
        Out().text(ctx.get_help())


def _command(name: str, row: Row) -> click.Command:
    import click

    target, about, arguments, options = row

    def callback(**values: Any) -> int:
        ctx = click.get_current_context()
        before = ctx.obj or {}
        common = {n: values.pop("g_" + n, None) or before.get(n) for n, *_ in GLOBALS}
        return call(target, values, common)

    own = {way for _, ways, *_ in options for way in ways}
    shared = tuple(("g_" + n, ways, value, text) for n, ways, value, text in GLOBALS if not own.intersection(ways))
    return click.Command(
        name,
        params=_params(arguments, (*options, *shared)),
        callback=callback,
        help=about,
        add_help_option=False,
    )


def _params(arguments: tuple[str, ...], options: tuple[Option, ...]) -> list[click.Parameter]:
    import click

    out: list[click.Parameter] = []
    for spec in arguments:
        name = spec.rstrip("?.*")
        many = spec.endswith(("...", "*"))
        out.append(click.Argument([name], required=not spec.endswith(("?", "*")), nargs=-1 if many else 1))
    for name, ways, value, text in options:
        flag = not value
        out.append(
            click.Option(
                [*ways, name],
                is_flag=flag,
                default=False if flag else None,
                multiple=value.endswith("*"),
                metavar=value.rstrip("*") or None,
                help=text,
            )
        )
    how = ["-h", "--help"]
    about = "show this message"
    out.append(click.Option(how, is_flag=True, is_eager=True, expose_value=False, callback=_show_help, help=about))
    return out


def _show_help(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        Out().text(ctx.get_help())
        ctx.exit(0)


def call(target: str, opts: dict[str, Any], common: dict[str, Any]) -> int:
    """Run the function that a row of the table names. `common` holds the global options."""
    from tbdx.cli.common import Call

    when = common.get("color") or "auto"
    if when not in ("auto", "always", "never"):
        from tbdx.errors import Usage

        raise Usage(f"--color takes auto, always or never, not {when}")
    out = Out(
        json=bool(common.get("json")),
        quiet=bool(common.get("quiet")),
        verbose=bool(common.get("verbose")),
        colour=colour_wanted(when, dict(os.environ)),
    )
    module, _, function = target.partition(":")
    run_it = getattr(__import__(f"tbdx.cli.{module}", fromlist=[function]), function)
    made = Call(opts, out, dry=bool(common.get("dry_run")), debug=bool(common.get("debug")))
    try:
        code = run_it(made)
        made.finish()
    finally:
        out.clear()
    return int(code or 0)

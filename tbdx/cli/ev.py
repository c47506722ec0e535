"""`ev`: what happened. Streams print one JSON object a line, and end with a bookmark that carries a cursor."""

from __future__ import annotations

import os

from tbdx.cli.common import Call
from tbdx.core.ids import is_internal
from tbdx.core.jsontext import dumps
from tbdx.errors import BadFile, Invalid, TbdxError, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from tbdx.core.views import View
    from tbdx.kernel.stream import Compacted

FORMATS = ("json", "text", "cloudevents")


def emit(c: Call) -> int:
    wait = c["wait"]
    if wait not in (None, "local", "pushed"):
        raise Usage(f"--wait takes local or pushed, not {wait}")
    if c["file"] not in (None, "-"):
        raise Usage("ev emit takes its event from options, or JSON Lines from -")
    if (c["file"] == "-") == (c["type"] is not None):
        raise Usage("either --type or - is wanted", hint="ev emit --type work.updated --ref work_id=ID --body '{…}'")
    if c["file"] == "-":
        return _emit_lines(c, wait)
    _acknowledge(c, [draft_of_options(c)], wait)
    return 0


def draft_of_options(c: Call) -> dict[str, Any]:
    """The draft that --type, --ref, --body and --idempotency-key make. Raises Usage, Invalid."""
    from tbdx.core.event import check_draft
    from tbdx.kernel import journal

    body = c["body"] if c["body"] is not None else "{}"
    if body == "-":
        from tbdx.cli.common import read_stdin

        body = read_stdin()
    draft = {"type": c["type"], "refs": _refs(c), "body": _object("--body", body)}
    if c["key"]:
        draft["idempotency_key"] = c["key"]
    check_draft(draft["type"], draft["refs"], draft["body"])
    if not c["allow_secret"]:
        journal.refuse_secrets(c.kernel, "events", dumps(draft))
    return draft


def _refs(c: Call) -> dict[str, str]:
    out = {}
    for text in c["ref"]:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise Usage(f"--ref takes NAME=ID, not {text}")
        out[name] = value
    return out


def _object(what: str, text: str) -> dict[str, Any]:
    from tbdx.core.event import parse_object

    try:
        return parse_object(text.encode("utf-8", "surrogateescape"))
    except BadFile as e:
        raise Invalid(f"{what}: {e.reason}")


def _emit_lines(c: Call, wait: str | None) -> int:
    """Events as they come on stdin; a bad line is told and stepped over."""
    from tbdx.kernel import journal

    bad = 0
    for lines in lines_in():
        drafts = []
        for number, line in lines:
            try:
                draft = journal.draft_of(line)
                if not c["allow_secret"]:
                    journal.refuse_secrets(c.kernel, "events", dumps(draft))
                drafts.append(draft)
            except (BadFile, Invalid) as e:
                bad += 1
                c.out.say("warn", f"line {number}: {e.message}")
        if drafts:
            _acknowledge(c, drafts, wait)
    return 1 if bad else 0


def lines_in() -> Iterator[list[tuple[int, bytes]]]:
    """(number, line) of the lines on stdin that are not blank, as many at once as come."""
    number, rest = 0, b""
    while True:
        data = os.read(0, 1 << 16)
        lines = (rest + data).split(b"\n")
        rest = lines.pop() if data else b""
        yield [(number + n, line) for n, line in enumerate(lines, 1) if line.strip()]
        number += len(lines)
        if not data:
            return


def _acknowledge(c: Call, drafts: list[dict[str, Any]], wait: str | None) -> None:
    from tbdx.kernel import journal

    k = c.kernel
    _ = k.config
    drafts = [journal.about(k, draft) for draft in drafts]
    if c.dry:
        return c.would("Would emit", events=len(drafts))
    acks = journal.append(k, drafts)
    failed: TbdxError | None = None
    if wait == "pushed":
        from tbdx.kernel import coord

        try:
            coord.publish(k)
            acks = [ack | {"durability": "pushed"} for ack in acks]
        except TbdxError as e:
            failed = e
    for ack in acks:
        if ack.get("conflict"):
            c.out.say("warn", f"that key was used with another body: {ack['event_id']} stands")
        if c.json or c["file"] == "-":
            c.out.data(ack, None)
        else:
            word = "Emitted before" if ack["duplicate"] else "Emitted"
            c.out.success(f"{word}: {ack['event_id']}, seq {ack['seq']}, {ack['durability']}")
    if failed:
        raise failed


def filters_of(c: Call) -> dict[str, tuple[str, ...]]:
    from tbdx.core.event import FILTERS

    out: dict[str, tuple[str, ...]] = {name: c[name] for name in FILTERS}
    if out["work"]:
        out["work"] = tuple(text if is_internal(text) else c.kernel.find(text) or text for text in out["work"])
    return out


def _format(c: Call) -> str:
    chosen = c["format"] or "json"
    if chosen not in FORMATS:
        raise Usage(f"--format takes {', '.join(FORMATS)}, not {chosen}")
    return str(chosen)


def tail(c: Call) -> int:
    from tbdx.core.event import bookmark, wanted
    from tbdx.kernel import stream

    form, filters = _format(c), filters_of(c)
    try:
        rows, cursor = stream.shown(c.kernel, c["since"])
    except stream.Compacted as e:
        tell_compacted(c, e)
        raise
    for found, entry, marks in rows:
        if wanted(found, filters):
            _print(c, found, entry.raw if entry else b"", form, marks)
    if form != "text":
        c.out.data(bookmark(cursor.token()), None)
    return 0


def tell_compacted(c: Call, e: Compacted) -> None:
    """Print what stands for what a cursor is behind, and the cursor that goes on from it."""
    from tbdx.core.event import bookmark

    body = {"checkpoint": e.base.digest, "until": e.base.until, "state": e.base.state}
    c.out.data({"type": "journal.checkpointed", "body": body}, None)
    c.out.data(bookmark(e.cursor), None)


def _print(c: Call, found: dict[str, Any], raw: bytes, form: str, marks: dict[str, Any]) -> None:
    if form == "cloudevents":
        from tbdx.core.cloudevents import to_cloud

        c.out.data(to_cloud(found, raw), None)
    elif form == "json":
        c.out.data(found | marks, None)
    else:
        from tbdx.cli.output import one_line

        work = found["refs"].get("work_id")
        about = c.kernel.display(work) if work and work.startswith("is-") else next(iter(found["refs"].values()), "")
        who = found["actor"]["agent_id"].removeprefix("agent:")
        title = found["body"].get("title") or found["body"].get("reason") or ""
        row = f"{found['ts'][:19]}  {found['type']:<16} {about:<12} {who}"
        c.out.text(one_line(f"{row}  {title}".rstrip()) + ("  " + ", ".join(marks) if marks else ""))


def show(c: Call) -> None:
    from tbdx.kernel import stream

    for found in stream.show(c.kernel, c["id"]):
        c.out.data(found, None if c.json else 2)


def schema(c: Call) -> None:
    from tbdx.core import event
    from tbdx.core import schema as made

    if c["type"] is not None:
        c.out.data(made.envelope() if c["type"] == "event" else made.schema(c["type"]), None if c.json else 2)
        return
    for name, (required, ref, does) in event.TYPES.items():
        body = [spec.partition(":")[0] for spec in required.split()]
        if c.json:
            c.out.data({"type": name, "required": body, "ref": ref or None, "does": does or None}, None)
        else:
            c.out.text(f"{name:<24}{', '.join(body):<44}{ref}".rstrip())


def export(c: Call) -> None:
    from tbdx.core.event import wanted
    from tbdx.kernel import stream

    filters = filters_of(c)
    form = _format(c)
    for entry in stream.since(c.kernel, None)[0]:
        if wanted(entry.event, filters):
            if form == "json":  # byte for byte: the next line tells this one's CRC
                c.out.line(entry.raw, entry.event)
            else:
                _print(c, entry.event, entry.raw, form, {})


def import_(c: Call) -> int:
    from tbdx.kernel import carried

    data = _input(c["file"])
    if c.dry:
        c.would("Would import events", lines=data.count(b"\n"))
        return 0
    done = carried.import_(c.kernel, data, c["file"])
    for row in done["damaged"]:
        c.out.say("warn", f"{c['file']}:{row['line']}: {row['reason']}; it is stepped over")
    if c.json:
        c.out.data(done, None)
    else:
        c.out.success(f"{done['imported']} events imported, {done['known']} were here already")
    return 1 if done["damaged"] else 0


def _input(path: str) -> bytes:
    return b"".join(_pieces(path, 1 << 20))


def _pieces(path: str, size: int) -> Iterator[bytes]:
    """A file, or stdin for `-`, in pieces. Raises TbdxError."""
    try:
        fd = 0 if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while data := os.read(fd, size):
                yield data
        finally:
            if fd:
                os.close(fd)
    except OSError as e:
        raise TbdxError(f"cannot read {path}: {e.strerror}")


def replay(c: Call) -> int:
    from tbdx.kernel import replay as verb

    view = c["view"] or "status"
    if c["file"] == "-":
        held = [_input("-")]
        made, problems = verb.replay(lambda: held, view)
    else:
        made, problems = verb.replay(lambda: _pieces(c["file"], verb.PIECE), view)
    for problem in problems:
        c.out.say("warn", f"{c['file']}:{problem['line']}: {problem['reason']}; it is stepped over")
    _view(c, made, list(made.rows))
    return 1 if problems else 0


def _view(c: Call, made: View, keys: list[str], shown: Callable[[str], str] = str) -> None:
    from tbdx.core.jsontext import safe

    if c.json:
        c.out.text(safe(made.as_json(keys)))
        return
    c.out.text(f"{made.name} {made.digest}")
    c.out.lines(f"{shown(key)}  {safe(made.texts[key])}" for key in keys)


def materialize(c: Call) -> None:
    from tbdx.kernel import views

    if c["explain"]:
        from tbdx.kernel import stream

        views.check(c["view"])
        for row in stream.explain(c.kernel, c["view"], c["explain"]):
            c.out.data(row, None)
        return
    made = views.materialize(c.kernel, c["view"], c["at"])
    keys = made.of(c["agent"]) if c["agent"] else list(made.rows)
    _view(c, made, keys, lambda key: c.kernel.display(key) if is_internal(key) else key)


def verify(c: Call) -> int:
    from tbdx.kernel import stream

    problems, count = stream.verify(c.kernel)
    for problem in problems:
        if c.json:
            c.out.data(problem.as_json(), None)
        else:
            where = f"{problem.path}:{problem.number}" if problem.number else problem.path
            c.out.text(f"{problem.kind}: {where}: {problem.text}")
    if c.json:
        c.out.data(count | {"problems": len(problems)}, None)
    else:
        found = f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
        c.out.success(f"{count['events']} events in {count['journals']} journals; {found}")
    return 1 if problems else 0

"""`msg`, and what is a message under another name: comment, handoff. With --json one object per line."""

from __future__ import annotations

from tbdx.cli.common import Call, limited, read_stdin
from tbdx.cli.output import one_line
from tbdx.errors import Invalid, Nothing, TbdxError, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Shown = dict[str, Any]


def send(c: Call) -> None:
    from tbdx.kernel import mail

    _sent(c, mail.send(c.kernel, c.opts | {"body": _text(c["body"], "--body")}, dry=c.dry))


def comment(c: Call) -> None:
    from tbdx.kernel import mail

    text = c.body(c["text"], c["file"], ("TEXT", "--file"))
    more = {"to": (f"work:{c['id']}",), "body": text}
    _sent(c, mail.send(c.kernel, c.opts | more, dry=c.dry))


def handoff(c: Call) -> None:
    from tbdx.kernel import handoff

    if not c["to"] or not c["summary"]:
        raise Usage("handoff needs --to agent:NAME and --summary TEXT")
    summary = _text(c["summary"], "--summary") or ""
    made = handoff.hand_over(c.kernel, c["id"], c["to"], summary, allow_secret=c["allow_secret"], dry=c.dry)
    if c.dry:
        return c.would("Would hand over", **made)
    _warn(c, made)
    c.done(made, f"Handed {made['id']} over to {made['to']}: {made['message_id']}")


def _text(given: str | None, option: str) -> str | None:
    """A text as typed, from `@FILE`, or from stdin for `-`. Raises TbdxError."""
    if given == "-":
        return read_stdin()
    if given is None or given[:1] != "@":
        return given
    try:
        with open(given[1:], "rb") as f:
            return f.read().decode()
    except (OSError, UnicodeDecodeError) as e:
        raise TbdxError(
            f"{option}: cannot read {given[1:]}: {getattr(e, 'strerror', None) or 'not UTF-8'}",
            hint=f"a text that begins with @ goes through stdin: {option} -",
        )


def _sent(c: Call, made: dict[str, Any]) -> None:
    if c.dry and "message_id" not in made:
        return c.would("Would send", **made)
    _warn(c, made)
    if c.json:
        c.out.data(made, None)
    else:
        word = "Sent before" if made["duplicate"] else "Sent"
        c.out.success(f"{word} {made['message_id']} to {', '.join(made['recipients']) or 'nobody'}")


def _warn(c: Call, made: dict[str, Any]) -> None:
    for who in made["unknown"]:
        c.out.say("warn", f"{who} is not known here; the message is kept for it")
    for who in made["retired"]:
        c.out.say("warn", f"{who} is retired; the message is kept for it")


def _reader(c: Call, *, marks: bool = False) -> str:
    """Whose mailbox it is: --me, else the actor's. An agent that is named acts. Raises Invalid."""
    from tbdx.core.address import parse
    from tbdx.core.mail import ALL

    k = c.kernel
    _ = k.config
    if not c["me"]:
        return k.me
    who = parse(c["me"])
    kind, _, name = who.partition(":")
    if kind == "agent":
        k.act_as(name)
    elif marks and kind != "human":
        raise Invalid(f"{who} reads nothing: an agent or a human does", hint="--me agent:NAME")
    elif who == ALL:
        raise Invalid("all have no mailbox", hint="msg list --all shows every message")
    return f"work:{k.need(name)}" if kind == "work" else who


def recv(c: Call) -> None:
    from tbdx.kernel import mailbox

    most = c["max_tokens"]
    if most is not None and not most.isdigit():
        raise Usage(f"--max-tokens takes a number, not {most}")
    reader = _reader(c)
    tokens = None if most is None else int(most)
    found, notices = mailbox.received(c.kernel, reader, unread=c["unread"], max_tokens=tokens)
    for row in found:
        _print(c, row)
    for row in notices:
        if c.json:
            c.out.data(row, None)
        else:
            about = next((row[name] for name in ("work_id", "message_id", "artifact_id") if name in row), None)
            about = f" of {_name(c, about)}" if about else ""
            c.out.text(f"{row['event_id']}  your {row['rejected']}{about} does not count: {one_line(row['reason'])}")
    if not found and not notices:
        raise Nothing(f"no {'unread ' if c['unread'] else ''}messages to {reader}")


def _name(c: Call, internal: str) -> str:
    return c.kernel.display(internal) if internal[:3] == "is-" else internal


def read(c: Call) -> None:
    from tbdx.kernel import mail

    _marked(c, "Read", mail.read(c.kernel, c["ids"], _reader(c, marks=True), dry=c.dry))


def ack(c: Call) -> None:
    from tbdx.kernel import mail

    _marked(c, "Acknowledged", mail.ack(c.kernel, c["ids"], _reader(c, marks=True), dry=c.dry))


def _marked(c: Call, word: str, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if c.json:
            c.out.data(row, None)
        elif c.dry and not row["already"]:
            c.out.text(f"[DRY-RUN] {word} {row['message_id']}")
        else:
            c.out.success(f"{word}{' before' if row['already'] else ''}: {row['message_id']}")


def thread(c: Call) -> None:
    from tbdx.kernel import mailbox

    for row in mailbox.thread(c.kernel, c["id"], _reader(c)):
        _print(c, row)


def list_(c: Call) -> None:
    from tbdx.kernel import mailbox

    found = mailbox.listed(c.kernel, _reader(c), c.opts | {"limit": limited(c["limit"])})
    if not found:
        raise Nothing("no such messages")
    _rows(c, found)


def search(c: Call) -> None:
    from tbdx.kernel import mailbox

    found, count = mailbox.search(c.kernel, " ".join(c["query"]), _reader(c), c.opts | {"limit": limited(c["limit"])})
    if not found:
        raise Nothing("no message has all of that")
    _rows(c, found)
    if len(found) < count:
        c.out.say("notice", f"the newest {len(found)} of {count}; --limit N shows more")


def _rows(c: Call, found: list[Shown]) -> None:
    for row in found:
        if c.json:
            c.out.data(row, None)
        else:
            c.out.text(_head(c, row))


def _print(c: Call, row: Shown) -> None:
    if c.json:
        c.out.data(row, None)
        return
    lines = [_head(c, row)]
    if row.get("work_id"):
        lines.append(f"  about {c.kernel.display(row['work_id'])}")
    c.out.text("\n".join([*lines, *text_of(row)]))


def comments_text(found: list[Shown]) -> str:
    """What was said about an issue, as `show` prints it."""
    rows = ((f"{row['sent_at'][:16].replace('T', ' ')}  {row['from']}  {row['message_id']}", row) for row in found)
    return "\n".join("\n".join([one_line(head), *text_of(row)]) for head, row in rows)


def text_of(row: Shown) -> list[str]:
    """The text of a message, each line marked as somebody's words; nobody can write what looks like another head."""
    if row["body"] is not None:
        return [f"  | {line}" for line in row["body"].split("\n")]
    if "body_ref" in row:
        return [f"  ({row['body_tokens']} tokens: {row['body_ref']})"]
    return [f"  {row['missing']}"]


def _head(c: Call, row: Shown) -> str:
    """One line of who, when and what; what is wrong with a message comes with it."""
    marks = [mark for name, mark in (("unread", "unread"), ("overdue", "OVERDUE")) if row.get(name)]
    if row.get("ack_required"):
        until = f" by {row['ack_by'][:16]}Z" if row.get("ack_by") else ""
        marks.append("acknowledged" if row.get("acked") else f"wants an ack{until}")
    marks += [f"{name}!" for name in ("unverified", "altered", "missing") if row.get(name)]
    marks += [f"claims to be from {row['forged']}!"] if row.get("forged") else []
    marks += [f"from the journal of {row['unbound']}!"] if row.get("unbound") else []
    marks += [f"owed by {', '.join(row['owing'])}"] if row.get("owing") else []
    importance = "" if row["importance"] == "normal" else f"{row['importance'].upper()} "
    to = ", ".join(f"work:{c.kernel.display(who[5:])}" if who[:8] == "work:is-" else who for who in row["to"])
    subject = f"  {row['subject']}" if row.get("subject") else ""
    said = f"  ({', '.join(marks)})" if marks else ""
    head = f"{row['message_id']}  {row['sent_at'][:16].replace('T', ' ')}  {importance}{row['from']} -> {to}{subject}"
    return one_line(head + said)

"""The mailbox as folds: which messages there are, who has not read them, who owes an acknowledgement.

Two parts of `core.views`. `mail` is what a reader needs at once: each message as one JSON text, parsed where it is
asked for, and indexes of what is unread and not acknowledged. `marks` is who read and acknowledged what, and when.

The first `msg.sent` of an id counts, and its actor is the sender, whatever the file says. A read or an acknowledgement
may come before the message that it is of.
"""

from __future__ import annotations

from tbdx.core.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from tbdx.core.event import Fact

    State = dict[str, Any]

ALL = "all"  # the address of everybody
# what is kept of a message, in this order: `ack_by` is "" where an acknowledgement is wanted without a time, else null
ROW = ("sent", "from", "to", "recipients", "thread_id", "reply_to", "work_id", "importance", "ack_by", "blob", "writer")


def new_mail() -> State:
    return {
        "messages": {},  # id -> JSON text of ROW; recipients are null where they are `to`
        "unread": {},  # agent -> {id}; under `all` every message to all
        "waiting": {},  # agent -> {id: ack_by}, acknowledgements that are owed
        "seen": {},  # agent -> {id: whether it was acknowledged}, of messages to all
        "early": {},  # id -> [[type, agent, event id]], of messages that are not known yet
        "bounced": {},  # id -> [[address, reason]]
        "works": {},  # issue -> [id], the messages about it
        "rejects": {},  # event id -> [type, agent, message id, why]
    }


def fold_mail(state: State, facts: Iterable[Fact]) -> None:
    for e in facts:
        if e.type[:4] != "msg.":
            continue
        agent = e.actor.agent_id
        if e.type == "msg.sent":
            why = _sent(state, e)
        elif e.type == "msg.read":
            why = _read(state, e, reader_of(e))
        elif e.type == "msg.acked":
            why = _acked(state, e.body.message_id, reader_of(e), e.event_id, agent)
        elif e.type == "msg.bounced":
            why = _bounced(state, e)
        else:
            continue
        if why is not None:
            about = e.refs.message_id or (e.body.message_id if isinstance(e.body.message_id, str) else None)
            state["rejects"][e.event_id] = [e.type, agent, about, why]


def reader_of(e: Fact) -> str:
    """Whose mark it is: its actor's, or a person's for whom it acted."""
    reader = e.body.reader
    return reader if isinstance(reader, str) and reader.startswith("human:") else e.actor.agent_id


def _sent(state: State, e: Fact) -> str | None:
    message, body = e.refs.message_id, e.body
    if not message:
        return "refs.message_id: missing"
    if message in state["messages"]:
        return f"sent before, by {loads(state['messages'][message])[1]}"
    to = _texts(body.to)
    if not to:
        return "body.to: missing"
    recipients = _texts(body.recipients) if body.recipients is not None else to
    ack_by = (body.ack_by if isinstance(body.ack_by, str) else "") if body.ack_required is True else None
    thread = e.refs.thread_id if isinstance(e.refs.thread_id, str) else None
    if thread == f"th-{message[3:]}" and not e.refs.reply_to:
        thread = None  # which is what it is read as: a mailbox of ten thousand is read by every command
    importance = body.importance if isinstance(body.importance, str) else "normal"
    reached = None if recipients == to else recipients
    row = [e.event_id, e.actor.agent_id, to, reached, thread, e.refs.reply_to, e.refs.work_id, importance]
    state["messages"][message] = dumps([*row, ack_by, body.blob, e.writer])
    for address in recipients:
        state["unread"].setdefault(address, {})[message] = None
        if ack_by is not None and address != ALL:
            state["waiting"].setdefault(address, {})[message] = ack_by
    if e.refs.work_id:
        state["works"].setdefault(e.refs.work_id, []).append(message)
    for type_, reader, event_id in state["early"].pop(message, ()):
        if type_ == "msg.read":
            _mark(state, message, reader, acked=False)
            continue
        why = _acked(state, message, reader, event_id, reader)
        if why is not None:
            state["rejects"][event_id] = [type_, reader, message, why]
    return None


def _read(state: State, e: Fact, reader: str) -> str | None:
    ids = e.body.ids
    if not isinstance(ids, list):
        return "body.ids: missing"
    for message in ids:
        if isinstance(message, str):
            if message in state["messages"]:
                _mark(state, message, reader, acked=False)
            else:
                state["early"].setdefault(message, []).append(["msg.read", reader, e.event_id])
    return None


def _acked(state: State, message: object, reader: str, event_id: str, agent: str) -> str | None:
    if not isinstance(message, str):
        return "body.message_id: missing"
    text = state["messages"].get(message)
    if text is None:
        state["early"].setdefault(message, []).append(["msg.acked", reader, event_id])
        return None
    recipients = row_of(state, message)["recipients"]
    if reader not in recipients and ALL not in recipients:
        return f"it is to {', '.join(recipients[:5])}, not to {reader}"
    _mark(state, message, reader, acked=True)
    return None


def _mark(state: State, message: str, reader: str, *, acked: bool) -> None:
    state["unread"].get(reader, {}).pop(message, None)
    if acked:
        state["waiting"].get(reader, {}).pop(message, None)
    if message in state["unread"].get(ALL, ()):
        seen = state["seen"].setdefault(reader, {})
        seen[message] = acked or seen.get(message, False)


def _bounced(state: State, e: Fact) -> str | None:
    message = e.refs.message_id
    if not message or e.body.reason is None:
        return f"{'body.reason' if message else 'refs.message_id'}: missing"
    to = e.body.to if isinstance(e.body.to, str) else ""
    rows = state["bounced"].setdefault(message, [])
    if [to, e.body.reason] not in rows:
        rows.append([to, e.body.reason])
    return None


def _texts(value: object) -> list[str]:
    return [x for x in value if isinstance(x, str)] if isinstance(value, list) else []


# marks: {message id: {agent: [event id of the first read, of the first acknowledgement]}}


def fold_marks(state: State, facts: Iterable[Fact]) -> None:
    for e in facts:
        if e.type == "msg.read" and isinstance(e.body.ids, list):
            ids, acks = e.body.ids, False
        elif e.type == "msg.acked":
            ids, acks = [e.body.message_id], True
        else:
            continue
        for message in ids:
            if isinstance(message, str):
                mark = state.setdefault(message, {}).setdefault(reader_of(e), [None, None])
                mark[0] = mark[0] or e.event_id
                if acks:
                    mark[1] = mark[1] or e.event_id


# asking

_INSIDE = ("ack_by", "writer")  # what a row of the inbox does not show as it is kept


def row_of(state: State, message: str) -> dict[str, Any]:
    """What is known of a message by its event, as ROW names it. Raises KeyError."""
    row = dict(zip(ROW, loads(state["messages"][message]), strict=True))
    return row if row["recipients"] is not None else row | {"recipients": row["to"]}


def unread_by(state: State, reader: str) -> dict[str, None]:
    """The ids of what a reader has not read, in no order; those to all are in it, but for its own."""
    out = dict(state["unread"].get(reader, {}))
    seen = state["seen"].get(reader, {})
    for message in state["unread"].get(ALL, ()):
        if message not in seen and loads(state["messages"][message])[1] != reader:
            out[message] = None
    return out


def comments(state: State, work: str) -> dict[str, dict[str, Any]]:
    """id -> row of the messages to an issue."""
    found = {message: row_of(state, message) for message in state["works"].get(work, ())}
    return {message: row for message, row in found.items() if f"work:{work}" in row["to"]}


def early_marks(state: State, what: str, reader: str) -> set[str]:
    """The types of events by which somebody marked what no event tells of here: a message that is a file alone so far,
    or the notice of a rejected event, which is read by that event's id."""
    return {type_ for type_, who, _ in state["early"].get(what, ()) if who == reader}


def is_to(row: Mapping[str, Any], reader: str) -> bool:
    """Whether a message is addressed to somebody, by name, by what was expanded, or as one of all."""
    if reader in row["recipients"] or reader in row["to"]:
        return True
    return ALL in row["recipients"] and row["from"] != reader and reader.startswith(("agent:", "human:"))


def is_acked(state: State, row: Mapping[str, Any], message: str, reader: str) -> bool:
    """Whether a reader owes no acknowledgement of a message any more."""
    if ALL in row["recipients"] and reader not in row["recipients"]:
        return bool(state["seen"].get(reader, {}).get(message, False))
    return message not in state["waiting"].get(reader, ())


def thread_of(message: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The thread of a message: its own word, else its parent's; a parent that has not arrived is taken for a first."""
    passed = set()
    while message in rows and message not in passed:
        passed.add(message)
        row = rows[message]
        if row["thread_id"]:
            return str(row["thread_id"])
        if not row["reply_to"]:
            break
        message = row["reply_to"]
    return f"th-{message.partition('-')[2]}"


# rows


def all_rows(state: State, files: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """id -> row of every message; `files`: fields of those whose event is not here."""
    out = {message: row_of(state, message) for message in state["messages"]}
    for message, fields in files.items():
        if message not in out:
            out[message] = row_of_file(fields)
    return {message: out[message] for message in sorted(out)}


def row_of_file(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a message by its file alone; `sent` is null."""
    row = {name: fields.get(name) for name in ROW} | {"importance": fields.get("importance", "normal")}
    return row | {"ack_by": (fields.get("ack_by") or "") if fields.get("ack_required") else None}


def inbox_rows(state: State, marks: State, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Message id -> what is known of it, and who read and acknowledged it."""
    rows = all_rows(state, files)
    out = {}
    for message, row in rows.items():
        shown = {name: value for name, value in row.items() if value is not None and name not in _INSIDE}
        shown["thread_id"] = thread_of(message, rows)
        if row["ack_by"] is not None:
            shown["ack_required"] = True
            if row["ack_by"]:
                shown["ack_by"] = row["ack_by"]
        if row["sent"] is None:
            shown["unverified"] = True
        mine = {who: mark for who, mark in sorted(marks.get(message, {}).items()) if is_to(row, who)}
        shown["read"] = {who: mark[0] for who, mark in mine.items()}
        shown["acked"] = {who: mark[1] for who, mark in mine.items() if mark[1]}
        if message in state["bounced"]:
            shown["bounced"] = dict(state["bounced"][message])
        out[message] = shown
    return out


def thread_rows(state: State, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Thread -> its messages in order, who takes part, what it is about, what is owed."""
    rows = all_rows(state, files)
    out: dict[str, Any] = {}
    for message, row in sorted(rows.items(), key=lambda kv: (kv[1]["sent"] or "~", kv[0])):
        thread = out.setdefault(
            thread_of(message, rows), {"messages": [], "participants": {}, "work_id": None, "waiting": {}}
        )
        thread["messages"].append(message)
        thread["participants"] |= dict.fromkeys([row["from"], *row["recipients"]])
        thread["work_id"] = thread["work_id"] or row["work_id"]
        owing = sorted(who for who in row["recipients"] if message in state["waiting"].get(who, ()))
        if owing:
            thread["waiting"][message] = owing
    for thread in out.values():
        thread["participants"] = sorted(thread["participants"])
    return dict(sorted(out.items()))

"""Messages: sent as a file that never changes and an event that says so; read and acknowledged by events of the reader.

The file comes first and the event after it, both before the answer. A message whose event failed to be written is taken
back; one whose event was lost in a crash is shown all the same, as unverified.
"""

from __future__ import annotations

import os

from tbdx.core import address, kinds, mail
from tbdx.core.ids import is_internal
from tbdx.core.times import is_instant
from tbdx.errors import BadFile, Invalid, NotFound, NotYours, TbdxError
from tbdx.kernel import Kernel, agents, journal
from tbdx.kernel.views import current
from tbdx.store import entities, files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Message = dict[str, Any]


class Letter:
    """A message that can be sent: its fields, who it is kept for although nobody may read it, its key."""

    def __init__(self, fields: Message) -> None:
        self.fields = fields
        self.unknown: list[str] = []  # nobody is known by that address
        self.retired: list[str] = []
        self.bounced: dict[str, str] = {}  # address -> why
        self.more: dict[str, Any] = {}  # idempotency_key and what was said under it


def send(k: Kernel, o: Mapping[str, Any], *, dry: bool = False) -> dict[str, Any]:
    """Send a message. `o`: to, cc (addresses as typed), subject, body, thread, work, reply_to, importance,
    ack_required, ack_by, key, allow_secret.

    {message_id, thread_id, event_id, to, recipients, unknown, retired, duplicate, durability}: `unknown` and `retired`
    name those for whom it is kept all the same. Raises Invalid, NotFound.
    """
    with k.writing():
        letter = prepare(k, o)
        if dry:
            return {name: letter.fields[name] for name in ("to", "recipients")} | {"unknown": letter.unknown}
        key = o.get("key")
        if key:
            letter.more = {"idempotency_key": key, "said": _said(letter.fields)}
            first = _sent_before(k, key, letter.more["said"])
            if first:
                return first
        return deliver(k, letter)


def prepare(k: Kernel, o: Mapping[str, Any]) -> Letter:
    """The letter that `o` asks for; nothing is written. Raises Invalid, NotFound."""
    sender = k.me
    letter = Letter(_draft(k, sender, o))
    fields = letter.fields
    if not o.get("allow_secret"):
        journal.refuse_secrets(k, "messages", fields.get("subject") or "", fields["body"])
    known = agents.registered(k)
    given = [*fields["to"], *fields["cc"]]
    about = {a: _concerned(k, a[5:]) for a in given if a[:5] == "work:"}
    fields["recipients"] = address.expand(given, known, sender, about)
    empty = [a for a in given if a[:5] in ("role:", "group") and not address.expand([a], known, sender, about)]
    letter.unknown = [*empty, *_unknown(k, fields["recipients"], known)]
    letter.retired = [a for a in fields["recipients"] if known.get(a, {}).get("retired_at")]
    letter.bounced = dict.fromkeys(empty, "nobody is in it")
    letter.bounced |= {who: f"retired at {known[who]['retired_at']}" for who in letter.retired}
    return letter


def deliver(k: Kernel, letter: Letter) -> dict[str, Any]:
    """Write the file and journal that it was sent: the answer of `send`. Raises TbdxError."""
    fields = letter.fields
    acks = _put(k, letter)
    return {
        "message_id": fields["id"],
        "thread_id": fields.get("thread_id") or f"th-{fields['reply_to'][3:]}",
        "event_id": acks[0]["event_id"],
        "to": fields["to"],
        "recipients": fields["recipients"],
        "unknown": letter.unknown,
        "retired": letter.retired,
        "duplicate": False,
        "durability": "local",
    }


def _draft(k: Kernel, sender: str, o: Mapping[str, Any]) -> Message:
    """The fields of a message, checked, but for its id and who gets it. Raises Invalid, NotFound."""
    parent = _parent(k, o.get("reply_to"))
    to, cc = ([_address(k, text) for given in o.get(name) or () for text in given.split(",")] for name in ("to", "cc"))
    if parent and not to:
        to = [parent["from"]] if parent.get("from") else []
    if not to:
        raise Invalid("nobody to send it to", hint="--to agent:NAME, role:NAME, group:NAME, human:NAME, work:ID or all")
    body = (o.get("body") or "").replace("\r\n", "\n").rstrip("\n")
    if not body.strip():
        raise Invalid("an empty message", hint="--body TEXT, --body @FILE, or --body - for stdin")
    if len(body) > kinds.MESSAGE_MAX:
        raise Invalid(
            f"a message of {len(body)} characters; {kinds.MESSAGE_MAX} are the most",
            hint="tbdx artifact add FILE keeps a long text; send its id",
        )
    commented = next((given[5:] for given in (*to, *cc) if given[:5] == "work:"), None)
    work = k.need(o["work"]) if o.get("work") else commented
    ack_by = o.get("ack_by")
    if ack_by and not is_instant(ack_by):
        raise Invalid(f"--ack-by takes an instant, not {ack_by[:60]}", hint="2026-01-17T12:00:00Z")
    importance = o.get("importance") or (parent or {}).get("importance") or "normal"
    if importance not in kinds.IMPORTANCE:
        raise Invalid(f"--importance takes {', '.join(kinds.IMPORTANCE)}, not {importance[:60]}")
    now = k.now()
    fields: Message = {"type": "ms", "id": k.new_id("ms"), "from": sender, "to": to, "cc": cc, "recipients": []}
    fields["subject"] = o.get("subject") or _re(parent)
    fields["thread_id"] = _thread(k, o.get("thread"), fields["id"], parent, commented)
    fields["reply_to"] = parent["id"] if parent else None
    fields["work_id"] = work or (parent or {}).get("work_id")
    fields["importance"] = importance
    fields["ack_required"] = bool(o.get("ack_required") or ack_by)
    fields |= {"ack_by": ack_by, "created_at": now, "body": body}
    wrong = kinds.problems(fields, "message")
    if wrong:
        raise Invalid("; ".join(f"{name}: {what}" for name, what in wrong))
    return {name: value for name, value in fields.items() if value is not None}


def _address(k: Kernel, text: str) -> str:
    found = address.parse(text)
    return f"work:{k.need(found[5:])}" if found[:5] == "work:" else found


def _parent(k: Kernel, text: str | None) -> Message | None:
    """The message that is replied to, {id} alone where it has not arrived. Raises Invalid."""
    if not text:
        return None
    internal = text.strip().lower()
    if not is_internal(internal, "ms"):
        raise Invalid(f"not a message's id: {text[:60]}", hint="msg list shows them")
    try:
        return entities.read_of(k.repo, internal, "message")[0]
    except NotFound:
        k.say("notice", f"{internal} has not arrived here; the reply joins its thread when it does")
    except BadFile as e:
        k.say("warn", e.message)
    return {"id": internal}


def _re(parent: Message | None) -> str | None:
    subject = (parent or {}).get("subject")
    if not subject:
        return None
    return (subject if subject[:3].lower() == "re:" else f"Re: {subject}")[: kinds.SUBJECT_MAX]


def _thread(k: Kernel, given: str | None, own: str, parent: Message | None, commented: str | None) -> str | None:
    """The thread of a new message: what is said, its parent's, that of the issue it comments on, a new one; None where
    only its parent could tell."""
    if given:
        text = given.strip()
        if is_internal(text.lower(), "ms"):
            found = _parent(k, text) or {}
            return found.get("thread_id") or f"th-{text.lower()[3:]}"
        if not kinds.is_thread(text):
            raise Invalid(f"not a thread's name: {given[:60]}", hint="printable characters without blanks")
        return text
    if parent:
        return parent.get("thread_id")
    return f"th-{(commented or own).partition('-')[2]}"


def _concerned(k: Kernel, internal: str) -> set[str]:
    """Who has to do with an issue: who made it, whose it is, who ever claimed it, who wrote of it."""
    issue = k.read(internal)[0]
    names = [issue.get(name) for name in ("created_by", "assignee", "delegate")]
    state = current(k, ("keys", "work", "mail"))
    item = state["work"]["items"].get(internal, {})
    names += [item.get("created_by"), *item.get("claimers", ())]
    names += [row["from"] for row in mail.comments(state["mail"], internal).values()]
    out = set()
    for name in names:
        who = name and f"agent:{name.removeprefix('agent:').lower()}"
        if who and address.is_address(who):
            out.add(who)
    return out


def _unknown(k: Kernel, recipients: Sequence[str], known: Mapping[str, Any]) -> list[str]:
    """The agents among recipients of whom nothing is known: not registered, and no event of theirs is here."""
    rest = [who for who in recipients if who[:6] == "agent:" and who not in known]
    told = agents.seen(k) if rest else {}
    return [who for who in rest if who not in told]


def _said(fields: Message) -> str:
    """What a message says, in 8 digits: by it a repeated key is known to come with something else."""
    from zlib import crc32

    from tbdx.core.jsontext import dumps

    names = ("to", "cc", "subject", "reply_to", "importance", "ack_required", "ack_by", "body")
    return f"{crc32(dumps([fields.get(name) for name in names]).encode()):08x}"


def _sent_before(k: Kernel, key: str, said: str) -> dict[str, Any] | None:
    """The answer to the first send with an idempotency key, None when there was none."""
    found = journal.used_key(k, "msg.sent", key)
    if found is None or not found[4]:
        return None
    row = mail.row_of(current(k, ("keys", "mail"))["mail"], found[4])
    if found[3] != said:
        k.say("warn", f"key {key} was used to send something else: {found[4]} stands")
    out = {"message_id": found[4], "thread_id": row["thread_id"], "event_id": found[0], "to": row["to"]}
    return out | {
        "recipients": row["recipients"],
        "unknown": [],
        "retired": [],
        "duplicate": True,
        "durability": "local",
    }


def _put(k: Kernel, letter: Letter) -> list[dict[str, Any]]:
    """Neither the file nor the event stays without the other."""
    fields = letter.fields
    try:
        data = agents.write_new(k, "message", fields)
        with journal.locked(k):  # whether the key is new was seen under tbd's lock, which all who send hold
            return journal.append_locked(k, _told(k, letter, data))
    except TbdxError:
        files.discard(entities.path_of(k.repo, fields["id"], "message"))
        raise


def _told(k: Kernel, letter: Letter, data: bytes) -> list[dict[str, Any]]:
    """The events of a message: that it was sent, and for whom it is only kept."""
    fields = letter.fields
    refs = {"message_id": fields["id"]}
    refs |= {name: fields[name] for name in ("thread_id", "reply_to", "work_id") if name in fields}
    body = {"to": [*fields["to"], *fields["cc"]], "recipients": fields["recipients"], "blob": k.blob(data.decode())}
    if body["to"] == body["recipients"]:
        del body["recipients"]
    body |= {"importance": fields["importance"]} if fields["importance"] != "normal" else {}
    body |= {name: fields[name] for name in ("ack_required", "ack_by") if fields.get(name)}
    drafts = [{"type": "msg.sent", "refs": refs, "body": body, **letter.more}]
    for who, reason in letter.bounced.items():
        drafts.append(
            {"type": "msg.bounced", "refs": {"message_id": fields["id"]}, "body": {"reason": reason, "to": who}}
        )
    return drafts


# reading and acknowledging


def read(k: Kernel, ids: Sequence[str], reader: str, *, dry: bool = False) -> list[dict[str, Any]]:
    """Mark messages, or notices of what was rejected, as read: [{message_id, already, event_id}]. Raises NotFound,
    NotYours, Invalid."""
    state = current(k, ("keys", "work", "mail"))
    wanted = [_checked(k, text, state) for text in dict.fromkeys(ids)]
    box = state["mail"]
    unread = mail.unread_by(box, reader)
    out = []
    fresh = []
    for internal in wanted:
        row = _row(k, box, internal)
        if row is not None and not mail.is_to(row, reader):
            raise NotYours(internal, row["recipients"], reader)
        is_known = internal in box["messages"]
        already = internal not in unread if is_known else bool(mail.early_marks(box, internal, reader))
        out.append({"message_id": internal, "already": already})
        if not already:
            fresh.append(internal)
    if fresh and not dry:
        ack = journal.append(k, [{"type": "msg.read", "refs": {}, "body": {"ids": fresh, **_for(k, reader)}}])[0]
        out = [row if row["already"] else row | {"event_id": ack["event_id"]} for row in out]
    return out


def ack(k: Kernel, ids: Sequence[str], reader: str, *, dry: bool = False) -> list[dict[str, Any]]:
    """Acknowledge messages, which reads them, too: [{message_id, already, event_id}]. Raises NotFound, NotYours,
    Invalid."""
    state = current(k, ("keys", "work", "mail", "marks"))
    wanted = [_checked(k, text, state) for text in dict.fromkeys(ids)]
    out, drafts = [], []
    for internal in wanted:
        row = _row(k, state["mail"], internal)
        if row is None:
            raise Invalid(f"{internal} is no message", hint="msg read takes notices of what was rejected")
        if not mail.is_to(row, reader):
            raise NotYours(internal, row["recipients"], reader)
        before = state["marks"].get(internal, {}).get(reader, [None, None])[1]
        out.append({"message_id": internal, "already": before is not None} | ({"event_id": before} if before else {}))
        if before is None:
            refs = {"message_id": internal}
            drafts.append({"type": "msg.acked", "refs": refs, "body": {"message_id": internal, **_for(k, reader)}})
    if not dry:
        made = iter(journal.append(k, drafts) if drafts else ())
        out = [row if row["already"] else row | {"event_id": next(made)["event_id"]} for row in out]
    return out


def _checked(k: Kernel, text: str, state: Mapping[str, Any]) -> str:
    """The id of a message, or of a rejected event, that is known here."""
    internal = text.strip().lower()
    if is_internal(internal, "ms"):
        if internal in state["mail"]["messages"] or os.path.lexists(entities.path_of(k.repo, internal, "message")):
            return internal
        raise NotFound(f"message not found: {text}", hint="msg list shows those that are here; sync brings others")
    event_id = internal.upper()
    if event_id in state["work"]["rejects"] or event_id in state["mail"]["rejects"]:
        return event_id
    raise NotFound(f"message not found: {text[:60]}", hint="msg list shows those that are here")


def _row(k: Kernel, box: Mapping[str, Any], internal: str) -> dict[str, Any] | None:
    """What is known of a message, by its event or by its file; None for a notice."""
    if internal in box["messages"]:
        return mail.row_of(dict(box), internal)
    if is_internal(internal, "ms"):
        return mail.row_of_file(entities.read_of(k.repo, internal, "message")[0])
    return None


def _for(k: Kernel, reader: str) -> dict[str, str]:
    return {"reader": reader} if reader.startswith("human:") else {}

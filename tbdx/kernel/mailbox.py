"""Looking at messages: what is there for a reader, threads, lists, search. Looking is not reading, and writes nothing.

What is shown of a message joins its file and its event, and says where the two do not agree: the sender is the actor of
the event, and its text is what had the blob that the event names.
"""

from __future__ import annotations

import marshal
import os

from tbdx.core import kinds, mail
from tbdx.core.event import ms_of
from tbdx.core.ids import is_internal, resolve
from tbdx.core.times import iso
from tbdx.errors import BadFile, Disk, Invalid, NotFound
from tbdx.kernel import Kernel, skipping
from tbdx.kernel.views import current
from tbdx.store import cache, entities, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Shown = dict[str, Any]

UNREADABLE = "(its text is not here yet: sync brings it)"
PER_TOKEN = 4  # characters of a text that make one token, for --max-tokens


class Box:
    """The mailbox of this clone: `rows` id -> what is known of a message, as `core.mail.ROW` names it."""

    def __init__(self, k: Kernel, *parts: str) -> None:
        k.open()
        self.k, self.state = k, current(k, ("keys", "mail", *parts))
        self.mail = self.state["mail"]
        self.alone = unannounced(k, self.state)
        self._writers: dict[str, str | None] = {}

    def ids(self) -> list[str]:
        """Every message, by the time at which it was made."""
        return sorted({*self.mail["messages"], *self.alone})

    def row(self, message: str) -> dict[str, Any]:
        """Raises KeyError for a message that is not here."""
        return mail.row_of(self.mail, message) if message in self.mail["messages"] else self.alone[message]

    def rows(self) -> dict[str, dict[str, Any]]:
        return {message: self.row(message) for message in self.ids()}

    def unread(self, reader: str) -> dict[str, None]:
        """Those that a reader has not read."""
        out = mail.unread_by(self.mail, reader)
        for message, row in self.alone.items():
            if mail.is_to(row, reader) and not mail.early_marks(self.mail, message, reader):
                out[message] = None
        return out

    def shown(self, message: str, reader: str | None = None) -> Shown:
        """A message with its text, as `msg recv --json` prints it; with a reader, what it is to them."""
        row = self.row(message)
        fields, said = self._file(message, row)
        out: Shown = {"message_id": message, "thread_id": row["thread_id"], "from": row["from"], "to": row["to"]}
        out |= {name: fields[name] for name in ("cc", "subject") if fields.get(name)}
        if row["recipients"] != row["to"]:
            out["recipients"] = row["recipients"]
        if out.get("cc"):
            out["to"] = [who for who in row["to"] if who not in out["cc"]] or row["to"]
        out["thread_id"] = row["thread_id"] or self.thread(message)
        out |= {name: row[name] for name in ("reply_to", "work_id") if row[name]}
        out["importance"] = row["importance"] if row["importance"] in kinds.IMPORTANCE else "normal"
        out["sent_at"] = fields.get("created_at") or iso(ms_of(row["sent"]))
        if row["ack_by"] is not None:
            out["ack_required"] = True
            out |= {"ack_by": row["ack_by"]} if row["ack_by"] else {}
        if reader is not None and mail.is_to(row, reader):
            out["unread"] = message in self.unread_of(reader)
            if row["ack_by"] is not None:
                out["acked"] = self.is_acked(message, row, reader)
                out["overdue"] = not out["acked"] and self.is_late(row)
        if message in self.mail["bounced"]:
            out["bounced"] = dict(self.mail["bounced"][message])
        return out | said | {"body": fields.get("body"), "trust": "untrusted"}

    def unread_of(self, reader: str) -> dict[str, None]:
        if self._unread is None or self._unread[0] != reader:
            self._unread = reader, self.unread(reader)
        return self._unread[1]

    _unread: tuple[str, dict[str, None]] | None = None

    def is_acked(self, message: str, row: Mapping[str, Any], reader: str) -> bool:
        if row["sent"] is None:
            return "msg.acked" in mail.early_marks(self.mail, message, reader)
        return mail.is_acked(self.mail, row, message, reader)

    def is_late(self, row: Mapping[str, Any]) -> bool:
        return bool(row["ack_by"]) and row["ack_by"] < self.k.now()

    def thread(self, message: str) -> str:
        """The thread that a message is in, by its parents where it does not say."""
        rows: dict[str, dict[str, Any]] = {}
        at: str | None = message
        while at and at not in rows and (at in self.mail["messages"] or at in self.alone):
            rows[at] = self.row(at)
            at = None if rows[at]["thread_id"] else rows[at]["reply_to"]
        return mail.thread_of(message, rows)

    def _file(self, message: str, row: Mapping[str, Any]) -> tuple[dict[str, Any], Shown]:
        """(what its file says, what is wrong with it)."""
        try:
            fields, text = entities.read_of(self.k.repo, message, "message")
        except NotFound:
            return {}, {"missing": UNREADABLE}
        except (BadFile, Disk) as e:
            self.k.say("warn", e.message)
            return {}, {"missing": f"({e.message})"}
        said: Shown = {}
        if row["sent"] is None:
            said["unverified"] = True  # a file that no event tells of
        elif row["blob"] and self.k.blob(text) != row["blob"]:
            said["altered"] = True
        if fields["from"] != row["from"]:
            said["forged"] = fields["from"]
        if row["sent"] is not None and self._agent_of(row["writer"]) not in (None, row["from"]):
            said["unbound"] = self._agent_of(row["writer"])
        return fields, said

    def _agent_of(self, writer: str) -> str | None:
        """Whose journal it is, by its first line."""
        if writer not in self._writers:
            from tbdx.core.event import base_writer
            from tbdx.kernel.journal import roots

            paths = [f"{folder}/{base_writer(writer)}.jsonl" for folder in roots(self.k)]
            self._writers[writer] = next(filter(None, map(journal.agent_of, paths)), None)
        return self._writers[writer]


def unannounced(k: Kernel, state: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """id -> row of the messages whose file is here and whose event is not, but for those that repeat a key."""
    known, out = state["mail"]["messages"], {}
    for folder in entities.folders(k.repo, "message"):
        try:
            names = [name for name in os.listdir(folder) if name[:-3] not in known]
        except FileNotFoundError:
            continue
        except OSError as e:
            raise Disk(f"cannot list {folder}: {e.strerror}")
        for name in sorted(n for n in names if is_internal(n[:-3], "ms") and n.endswith(".md")):
            try:
                out[name[:-3]] = mail.row_of_file(entities.parsed(f"{folder}/{name}", "message"))
            except FileNotFoundError:
                continue
            except (BadFile, Disk) as e:
                k.say("warn", skipping(e.at(f"{folder}/{name}")) if isinstance(e, BadFile) else e.message)
    if out:
        for row in state["keys"].values():
            for type_, _, about in row[5].values():
                if type_ == "msg.sent":
                    out.pop(about, None)
    return out


def received(
    k: Kernel, reader: str, *, unread: bool = False, max_tokens: int | None = None
) -> tuple[list[Shown], list[Shown]]:
    """(the messages to a reader, in the order in which they were sent; notices of what was rejected of theirs)."""
    box = Box(k, "work", "artifacts")
    if unread:
        ids: Iterable[str] = box.unread_of(reader)
    else:
        ids = (message for message in box.ids() if mail.is_to(box.row(message), reader))
    order = sorted(ids, key=lambda message: (box.row(message)["sent"] or "~", message))
    out = [box.shown(message, reader) for message in order]
    if max_tokens is not None:
        fit(out, max_tokens)
    return out, _notices(box, reader, unread=unread)


def _notices(box: Box, reader: str, *, unread: bool) -> list[Shown]:
    out = []
    for part, name in (("work", "work_id"), ("mail", "message_id"), ("artifacts", "artifact_id")):
        for event_id, (type_, agent, about, why) in box.state[part]["rejects"].items():
            is_read = bool(mail.early_marks(box.mail, event_id, reader))
            if agent == reader and not (unread and is_read):
                row = {"event_id": event_id, "rejected": type_, "reason": why, "unread": not is_read}
                out.append(row | ({name: about} if about else {}))
    return sorted(out, key=lambda row: str(row["event_id"]))


def fit(rows: list[Shown], max_tokens: int) -> None:
    """Leave out the texts that are beyond so many tokens: `body_ref` says how to get them."""
    left = max_tokens
    for row in rows:
        size = -(-len(row["body"] or "") // PER_TOKEN)
        if size <= left:
            left -= size
        else:
            row |= {"body": None, "body_ref": f"wk get {row['message_id']}", "body_tokens": size}


def thread(k: Kernel, text: str, reader: str) -> list[Shown]:
    """The messages of a thread in order. It is named by its id, by one of its messages, or by the issue that it is
    about. Raises NotFound."""
    box = Box(k)
    rows = box.rows()
    given = text.strip()
    wanted = given
    if is_internal(given.lower(), "ms") and given.lower() in rows:
        wanted = mail.thread_of(given.lower(), rows)
    elif not given.startswith("th-"):
        issue = resolve(given, k.names.ulid)
        wanted = f"th-{issue}" if issue else given
    found = [message for message in rows if mail.thread_of(message, rows) == wanted]
    if not found:
        raise NotFound(f"thread not found: {text[:60]}", hint="msg list shows the threads of messages")
    order = sorted(found, key=lambda message: (rows[message]["sent"] or "~", message))
    return [box.shown(message, reader) for message in order]


def listed(k: Kernel, reader: str, o: Mapping[str, Any]) -> list[Shown]:
    """Messages without their texts, the newest last. `o`: all, sent, unread, overdue, thread, work, importance, limit.

    Those of the reader, sent and received, unless `all`. `overdue`: an acknowledgement is owed by somebody and its time
    is over.
    """
    box = Box(k)
    importance = o.get("importance")
    if importance and importance not in kinds.IMPORTANCE:
        raise Invalid(f"--importance takes {', '.join(kinds.IMPORTANCE)}, not {importance[:60]}")
    work = k.need(o["work"]) if o.get("work") else None
    unread = box.unread_of(reader)
    out = []
    for message, row in box.rows().items():
        mine = row["from"] == reader
        if not (o.get("all") or mine or mail.is_to(row, reader)) or (o.get("sent") and not mine):
            continue
        if (o.get("unread") and message not in unread) or (work and row["work_id"] != work):
            continue
        if (o.get("overdue") and not _owing(box, message, row)) or (
            o.get("thread") and box.thread(message) != o["thread"]
        ):
            continue
        if not importance or row["importance"] == importance:
            out.append((message, row))
    out.sort(key=lambda pair: (pair[1]["sent"] or "~", pair[0]))
    shown = []
    for message, row in out[-o["limit"] :] if o.get("limit") else out:
        made = box.shown(message, reader)
        del made["body"]
        if o.get("overdue"):
            made["owing"] = _owing(box, message, row)
        shown.append(made)
    return shown


def _owing(box: Box, message: str, row: Mapping[str, Any]) -> list[str]:
    """Who has not acknowledged a message although its time is over."""
    if not box.is_late(row):
        return []
    return [who for who in row["recipients"] if not box.is_acked(message, row, who)]


def comments(k: Kernel, works: Iterable[str]) -> dict[str, list[Shown]]:
    """issue id -> the messages to it, in order."""
    box = Box(k)
    out = {}
    for work in works:
        found = mail.comments(box.mail, work)
        found |= {message: row for message, row in box.alone.items() if f"work:{work}" in row["to"]}
        order = sorted(found, key=lambda message: (found[message]["sent"] or "~", message))
        out[work] = [box.shown(message) for message in order]
    return out


# search

MANY = 64  # messages that the cache does not have, from which on it is written anew
SHOWN = 100  # hits that are shown, unless --limit says otherwise
PART = 1000  # texts in one part of the cache


def search(k: Kernel, query: str, reader: str, o: Mapping[str, Any]) -> tuple[list[Shown], int]:
    """(the newest messages in which every word of the query is, in any case, and "words in quotes" as they stand; how
    many there are). `o`: sender, thread, limit. Raises Invalid."""
    from tbdx.core.address import parse

    words = _words(query.casefold())
    if not words:
        raise Invalid("nothing to look for", hint="msg search 'build plan', or msg search '\"build plan\"'")
    sender = parse(o["sender"]) if o.get("sender") else None
    k.open()
    hits = []
    for n, folder in enumerate(entities.folders(k.repo, "message")):
        texts = _texts(k, folder, f"messages.{n}")
        hits += [internal for internal, text in texts.items() if all(word in text for word in words)]
    if not hits:
        return [], 0
    box = Box(k)
    here = [message for message in sorted(hits) if message in box.mail["messages"] or message in box.alone]
    if sender:
        here = [message for message in here if box.row(message)["from"] == sender]
    if o.get("thread"):
        here = [message for message in here if box.thread(message) == o["thread"]]
    shown = [box.shown(message, reader) for message in here[-(o.get("limit") or SHOWN) :]]
    return shown, len(here)


def _words(query: str) -> list[str]:
    """The words of a query; those in quotes are one."""
    out = []
    for n, part in enumerate(query.split('"')):
        out += [part] if n % 2 and part.strip() else part.split()
    return out


def _texts(k: Kernel, folder: str, name: str) -> dict[str, str]:
    """id -> text that is searched, of the messages in a folder: from the cache, and from the files what it lacks. As a
    message never changes, its name is all that is looked at."""
    known = _known(k, name)
    try:
        here = [file[:-3] for file in os.listdir(folder) if entities.is_entity(file, "ms")]
    except FileNotFoundError:
        return {}
    except OSError as e:
        raise Disk(f"cannot list {folder}: {e.strerror}")
    fresh = {
        internal: text for internal in here if internal not in known and (text := _searched(f"{folder}/{internal}.md"))
    }
    out = known if not fresh and len(known) == len(here) else {i: known.get(i) or fresh.get(i, "") for i in here}
    if len(fresh) > MANY:
        kept = [(internal, text) for internal, text in out.items() if text]
        parts = [("texts", kept[n : n + PART]) for n in range(0, len(kept), PART)]
        cache.write(k.repo, name, parts)
    return out


def _known(k: Kernel, name: str) -> dict[str, str]:
    """What the cache has; a name that is no more there is dropped by the next writing."""
    kept = cache.opened(k.repo, name)
    if kept is None:
        return {}
    try:
        return {internal: text for part in kept.parts("texts") for internal, text in marshal.loads(part)}
    except (OSError, ValueError, KeyError, EOFError, TypeError):
        return {}
    finally:
        kept.close()


def _searched(path: str) -> str:
    """What is searched of a message: who sent it, its subject, its text; nothing of a damaged one, which lists tell."""
    try:
        fields = entities.parsed(path, "message")
    except (FileNotFoundError, BadFile, Disk):
        return ""
    return f"{fields['from']}\n{fields.get('subject') or ''}\n{fields.get('body') or ''}".casefold()

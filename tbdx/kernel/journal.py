"""Saying what happened: events are made, stamped by the clock, and appended to the actor's journal in this clone.

An agent's events in one clone have one writer, minted when it first writes; all its processes share it under the
clone's coordination lock, which is always taken after tbd's.
"""

from __future__ import annotations

from zlib import crc32

from tbdx.core import event
from tbdx.core.event import AHEAD_MS, is_id, least_id
from tbdx.core.ids import is_internal
from tbdx.core.jsontext import dumps
from tbdx.errors import BadFile, Invalid
from tbdx.store import files, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tbdx.kernel import Kernel

    Draft = dict[str, Any]  # {type, refs, body, idempotency_key?} and what else a line is to carry
    Ack = dict[str, Any]


def append(k: Kernel, drafts: Sequence[Draft]) -> list[Ack]:
    """Journal events of this command's actor; [{event_id, seq, duplicate, durability, writer}], in the same order.

    A draft whose `idempotency_key` its agent has used for an event of the same type in the last 30 days makes none: the
    answer is the first one's, with `conflict` where that says something else. What is returned is on disk. Raises
    Invalid, Disk, Locked.
    """
    with locked(k):
        if not any(draft.get("idempotency_key") for draft in drafts):
            return append_locked(k, drafts)
        out: list[Ack] = []
        for draft in drafts:  # one by one, so that a later one finds an earlier one
            first = first_with(k, draft) if draft.get("idempotency_key") else None
            out += [first] if first else append_locked(k, [draft])
        return out


def refuse_secrets(k: Kernel, what: str, *texts: str) -> None:
    """Raises Invalid where a text looks like a secret. `what` is published with it: "events", "messages"."""
    from tbdx.core.secrets import spans

    for text in texts:
        found = spans(text, k.env)
        if found:
            raise Invalid(f"this looks like {found[0][2]}, and {what} are published", hint="--allow-secret takes it")


def hide_secrets(k: Kernel, draft: Draft) -> Draft:
    """The same without what looks like a secret: of an echo, which the one who writes did not ask for."""
    from tbdx.core.secrets import redacted, spans

    return redacted(draft, k.env) if spans(dumps(draft), k.env) else draft


class locked:  # reads as a verb: with locked(k)
    """Hold the clone's coordination lock; within it, again, is free. Taken after tbd's, where both are."""

    def __init__(self, k: Kernel) -> None:
        self.k = k
        self.own: journal.Lock | None = None

    def __enter__(self) -> None:
        if self.k.coord_lock is None:
            self.own = self.k.coord_lock = journal.Lock(self.k.repo)
            try:
                self.own.__enter__()
            except BaseException:
                self.k.coord_lock = None
                raise

    def __exit__(self, *error: object) -> None:
        if self.own is not None:
            self.k.coord_lock = None
            self.own.__exit__(*error)


def first_with(k: Kernel, draft: Draft) -> Ack | None:
    """The answer that was given for an idempotency key, if one was."""
    found = used_key(k, draft["type"], draft["idempotency_key"])
    if found is None:
        return None
    event_id, writer, seq, said, *_ = found
    ack = {"event_id": event_id, "seq": seq, "duplicate": True, "durability": "local", "writer": writer}
    return ack | ({} if said == (draft.get("said") or draft_digest(draft)) else {"conflict": True})


def used_key(k: Kernel, type_: str, key: str) -> list[Any] | None:
    """The row of `core.views` for the actor's idempotency key, None where it is new, or 30 days old."""
    from tbdx.core.views import KEY_MS, key_name
    from tbdx.kernel.views import current

    found = current(k, ("keys",))["keys"].get(key_name(f"agent:{k.actor['name']}", type_, key))
    return None if found is None or k.now_ms() - event.ms_of(found[0]) > KEY_MS else found


def append_locked(k: Kernel, drafts: Sequence[Draft]) -> list[Ack]:
    made = prepared(k, drafts)
    store(k, made)
    return made.acks


class Prepared:
    """Lines that can be appended to a writer's journal, which ends as `at` says, and the answers for their drafts."""

    def __init__(self, writer: str, at: journal.End | None, lines: list[bytes], acks: list[Ack], last: str) -> None:
        self.writer, self.at, self.lines, self.acks, self.last = writer, at, lines, acks, last


def prepared(k: Kernel, drafts: Sequence[Draft]) -> Prepared:
    """The lines of some drafts; nothing is written. Called under the lock."""
    agent = f"agent:{k.actor['name']}"
    writer, at, before = writer_of(k, agent)
    now, stamp = k.now_ms(), k.now()
    session = k.session
    actor = {"agent_id": agent} | ({"session_id": session} if session else {})
    head = {"v": event.VERSION, "event_id": "", "ts": stamp, "project": project(k), "type": "", "writer": writer}
    after, seq, prev = clock(k, now, at), at.seq if at else 0, at.crc if at else 0
    lines, out = [], []
    opening = [{"type": "journal.opened", "refs": {}, "body": {"replaces": before}}] if before else []
    for given in (*opening, *drafts):
        draft = given if "said" in given or "idempotency_key" not in given else given | {"said": draft_digest(given)}
        after = event.next_id(now, int.from_bytes(k.entropy(10), "big"), after)
        seq += 1
        made = head | {"event_id": after, "seq": seq, "prev": f"{prev:08x}", "actor": actor} | draft
        line = event.render(made)
        prev = crc32(line[:-1])
        lines.append(line)
        out.append({"event_id": after, "seq": seq, "duplicate": False, "durability": "local", "writer": writer})
    return Prepared(writer, at, lines, out[len(opening) :], after)


def store(k: Kernel, made: Prepared) -> None:
    """Append them, flushed. Called under the lock that was held since they were made."""
    keep_clock(k, made.last)  # first: after a kill in between another agent's next id must be later all the same
    journal.append(k.repo, made.writer, made.at, made.lines)


def about(k: Kernel, draft: Draft) -> Draft:
    """The draft with its issue named by the internal id, where it was given as people write it."""
    work = draft["refs"].get("work_id")
    if not work or is_internal(work):
        return draft
    k.open()
    return draft | {"refs": draft["refs"] | {"work_id": k.find(work) or work}}


def draft_of(line: bytes) -> Draft:
    """What to emit, from a line of JSON: type, refs, body, idempotency_key, and keys that are nobody's. Raises BadFile,
    Invalid."""
    found = event.parse_object(line)
    taken = [name for name in event.STAMPED if name in found]
    if taken:
        raise Invalid(f"{taken[0]} is set here", hint="ev import takes events that are made already")
    if len(line) > event.LONGEST - event.HEAD:
        raise Invalid(f"{len(line)} bytes; with what is added {event.LONGEST} are the most")
    draft = {"type": None, "refs": {}, "body": {}} | found
    event.check_draft(draft["type"], draft["refs"], draft["body"])
    if not isinstance(draft.get("idempotency_key", ""), str):
        raise Invalid("idempotency_key: a string is wanted")
    return draft


def draft_digest(draft: Draft) -> str:
    """What an event says, in 8 digits: by it a repeated key is known to come with another body."""
    return f"{crc32(dumps([draft['type'], draft['refs'], draft['body']]).encode()):08x}"


def writer_of(k: Kernel, agent: str) -> tuple[str, journal.End | None, str | None]:
    """(the writer of an agent in this clone, where its journal ends, the retired one that it follows).

    A new one where there is none that can go on.
    """
    repo, slug = k.repo, event.writer_slug(agent) + "~"
    folder, before = journal.own(repo), None
    for writer in journal.writers(folder):
        if not writer.startswith(slug):
            continue
        whose = journal.agent_of(f"{folder}/{writer}.jsonl")
        at = journal.end(folder, writer) if whose in (agent, None) else None
        if whose != agent and (whose or at is None or at.size or at.seq):
            continue  # where a crash came before the first line, it is nobody's yet
        if not journal.is_retired(repo, writer):
            if at is None or at.is_sound:
                return writer, at, None
            k.say("warn", f"the last line of {at.path} is damaged: {agent} goes on in a new journal")
            journal.retire(repo, writer)
        before = writer
    return event.new_writer(agent, k.entropy(9)), None, before


# the clock


def clock(k: Kernel, now_ms: int, at: journal.End | None) -> str:
    """The event id that the next one must be later than: of all that this clone has seen, unless its time is far ahead
    of the wall clock's, and of the journal's own last event in any case."""
    limit = least_id(now_ms + AHEAD_MS)
    seen = _kept_clock(k)
    if seen is None:
        ends = [journal.end(folder, w) for folder in roots(k) for w in journal.writers(folder)]
        seen = max((e.event_id for e in ends if e and is_id(e.event_id) and e.event_id < limit), default="")
    own = at.event_id if at and is_id(at.event_id) else ""
    return max(seen if seen < limit else "", own)


def roots(k: Kernel) -> tuple[str, str]:
    """The folders of journals: our own, and those that the coordination branch brought."""
    return journal.own(k.repo), f"{journal.branch_copy(k.repo)}/journal"


def _kept_clock(k: Kernel) -> str | None:
    try:
        text = files.read(f"{k.repo.own}/cache/clock", 64).decode("ascii", "replace")
    except (OSError, BadFile):
        return None
    return text if is_id(text) or text == "" else None


def keep_clock(k: Kernel, event_id: str) -> None:
    """Note the latest event that this clone has seen. It is worked out again where it is not there."""
    journal.keep(k.repo, "clock", event_id.encode())


# the project


def project(k: Kernel) -> str:
    """What the project is called: its remote, else what its settings say, else an id of this clone."""
    from tbdx.core.project import normalised

    url = k.git_settings.get(f"remote.{k.config.remote}.url")
    named = (normalised(url) if url else None) or k.coordination.project
    if named:
        return named
    path = f"{journal.own(k.repo)}/project"
    try:
        return files.read(path, 200).decode("utf-8", "replace").strip()
    except (FileNotFoundError, BadFile):
        made = f"uid:{k.entropy(8).hex()}"
        files.make_folder(journal.own(k.repo))
        files.write(path, f"{made}\n".encode(), scratch=k.repo.scratch)
        return made

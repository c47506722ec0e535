"""What is so, by what happened: every view is a fold of facts in their total order.

A fold is made of parts. A part is a plain value that `marshal` holds, and a function that takes one fact into it; a
view is rows made of parts, and of the issues' files for `work`. Neither knows the time. `fold` goes on from a state as
well as from nothing, so that a state can be kept and only what is new be folded.

Files are the truth for an issue: events add who did what, and why. An event tells the blob that it found (`was`) and
the one that it left (`blob`). Whether a transition holds is judged where the blob that it found is one that events told
of; any other blob says that the issue was changed without an event, and then the one who saw it is believed.
"""

from __future__ import annotations

from tbdx.core import mail
from tbdx.core.digest import hexdigest
from tbdx.core.event import KEY_DAYS, ms_of
from tbdx.core.jsontext import dumps
from tbdx.errors import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from tbdx.core.event import Fact

    State = dict[str, Any]

BLOBS = 16  # of so many states of an issue it is known that events told of them
KEY_MS = KEY_DAYS * 24 * 3600 * 1000


# work: {"items": {id: item}, "rejects": {event id: [type, agent, work id, why]}}


def _new_work() -> State:
    return {"items": {}, "rejects": {}}


def _item() -> State:
    return {
        "events": 0,
        "open": None,  # whether it is, None while no event told
        "created_by": None,
        "holder": None,
        "claimed_at": None,
        "claimers": [],  # all who ever held it
        "closed_by": None,
        "reason": None,
        "handed": None,  # [from, to, summary] of the last hand-over
        "links": [],
        "conflicts": [],
        "by": None,  # who did the last thing, and what
        "last": None,
        "blobs": {},  # those that events told of, the newest last
    }


def _fold_work(state: State, facts: Iterable[Fact]) -> None:
    items, rejects, ways = state["items"], state["rejects"], _WORK
    for e in facts:
        take = ways.get(e.type)
        if take is None:
            continue
        work, body, agent = e.refs.work_id, e.body, e.actor.agent_id
        item = items.get(work)
        if item is None:
            if not work:
                rejects[e.event_id] = [e.type, agent, None, "refs.work_id: missing"]
                continue
            item = items[work] = _item()
        blobs = item["blobs"]
        was = body.was
        why = take(item, e, body, agent, was is None or not blobs or was in blobs)
        if why is not None:
            rejects[e.event_id] = [e.type, agent, work, why]
            continue
        item["events"] += 1
        item["by"], item["last"] = agent, e.event_id
        blob = body.blob
        if blob:
            blobs[blob] = None
            if len(blobs) > BLOBS:
                del blobs[next(iter(blobs))]


def _created(item: State, e: Fact, body: Any, agent: str, judged: bool) -> str | None:
    if body.title is None:
        return "body.title: missing"
    if item["created_by"]:
        return f"created before, by {item['created_by']}"
    item["created_by"] = agent
    if item["open"] is None:
        item["open"] = True
    return None


def _updated(item: State, e: Fact, body: Any, agent: str, judged: bool) -> str | None:
    return "body.fields: missing" if body.fields is None else None


def _claimed(item: State, e: Fact, body: Any, agent: str, judged: bool) -> str | None:
    if judged and item["open"] is False:
        return f"closed, by {item['closed_by']}"
    if judged and item["holder"] not in (None, agent):
        return f"held by {item['holder']}"
    item["open"], item["holder"], item["claimed_at"] = True, agent, e.event_id
    if agent not in item["claimers"]:
        item["claimers"].append(agent)
    return None


def _released(item: State, e: Fact, body: Any, agent: str, judged: bool) -> str | None:
    if body.reason is None:
        return "body.reason: missing"
    if judged and item["holder"] != agent:
        return f"held by {item['holder']}" if item["holder"] else "not claimed"
    item["holder"] = item["claimed_at"] = None
    return None


def _handed_off(item: State, e: Fact, body: Any, agent: str, judged: bool) -> str | None:
    to = body.to
    if not isinstance(to, str) or body.summary is None:
        return f"body.{'summary' if isinstance(to, str) else 'to'}: missing"
    if judged and item["holder"] not in (None, agent):
        return f"held by {item['holder']}"
    if judged and item["open"] is False:
        return f"closed, by {item['closed_by']}"
    item["holder"], item["claimed_at"] = to, e.event_id
    if to not in item["claimers"]:
        item["claimers"].append(to)
    item["handed"] = [agent, to, body.summary]
    return None


def _closed(item: State, e: Fact, body: Any, agent: str, judged: bool) -> str | None:
    if judged and item["open"] is False:
        return f"closed before, by {item['closed_by']}"
    item["open"], item["closed_by"], item["reason"] = False, agent, body.reason
    return None


def _reopened(item: State, e: Fact, body: Any, agent: str, judged: bool) -> str | None:
    if judged and item["open"]:
        return "not closed"
    item["open"], item["closed_by"], item["reason"] = True, None, None
    item["holder"] = item["claimed_at"] = None
    return None


def _linked(item: State, e: Fact, body: Any, agent: str, judged: bool) -> str | None:
    if body.url is None:
        return "body.url: missing"
    if body.url not in item["links"]:
        item["links"].append(body.url)
    return None


def _conflicted(item: State, e: Fact, body: Any, agent: str, judged: bool) -> str | None:
    if body.field is None or body.attic is None:
        return f"body.{'field' if body.field is None else 'attic'}: missing"
    pair = [body.field, body.attic]
    if pair not in item["conflicts"]:
        item["conflicts"].append(pair)
    return None


_WORK: dict[str, Callable[[State, Fact, Any, str, bool], str | None]] = {
    "work.created": _created,
    "work.updated": _updated,
    "work.claimed": _claimed,
    "work.released": _released,
    "work.handed_off": _handed_off,
    "work.closed": _closed,
    "work.reopened": _reopened,
    "work.linked": _linked,
    "work.conflicted": _conflicted,
}


# log: {"types": {type: count}, "writers": {writer: [agent, seq, event id]}, "retired": [writer], "late": [event id]}


def _new_log() -> State:
    return {"types": {}, "writers": {}, "retired": [], "late": []}


def _fold_log(state: State, facts: Iterable[Fact]) -> None:
    types, writers = state["types"], state["writers"]
    for e in facts:
        kind = e.type
        types[kind] = types.get(kind, 0) + 1
        row = writers.get(e.writer)
        if row is None:
            row = writers[e.writer] = [e.actor.agent_id, 0, ""]
        if e.seq > row[1]:
            row[1] = e.seq
        row[2] = e.event_id
        if kind == "journal.opened" and e.body.replaces and e.body.replaces not in state["retired"]:
            state["retired"].append(e.body.replaces)


# agents: {agent: {"name", "state", "sessions": {session: [event id, writer]}, "events", "first", "last", "writers"}}


def _fold_agents(state: State, facts: Iterable[Fact]) -> None:
    for e in facts:
        agent = state.get(e.actor.agent_id)
        if agent is None:
            agent = {"name": None, "state": None, "sessions": {}, "events": 0, "first": e.event_id, "writers": {}}
            state[e.actor.agent_id] = agent
        agent["events"] += 1
        agent["last"] = e.event_id
        agent["writers"][e.writer] = None
        if e.type[:6] == "agent.":
            _told_of_itself(agent, e)


def _told_of_itself(agent: State, e: Fact) -> None:
    if e.type == "agent.registered":
        agent["name"] = e.body.name
    elif e.type == "agent.status":
        agent["state"] = e.body.state
    elif isinstance(e.actor.session_id, str):
        if e.type == "agent.session_started":
            agent["sessions"][e.actor.session_id] = [e.event_id, e.writer]
        elif e.type == "agent.session_ended":
            agent["sessions"].pop(e.actor.session_id, None)


# artifacts: {"made": {id: [event id, agent, writer, digest, media type, size, blob]}, "by": {id: what stands for it},
# "rejects": {event id: [type, agent, artifact id, why]}}


def _new_artifacts() -> State:
    return {"made": {}, "by": {}, "rejects": {}}


def _fold_artifacts(state: State, facts: Iterable[Fact]) -> None:
    for e in facts:
        if e.type[:9] != "artifact.":
            continue
        artifact, body = e.refs.artifact_id, e.body
        if e.type == "artifact.created":
            wrong = [n for n, kind in (("digest", str), ("media_type", str), ("size", int)) if not _is(body, n, kind)]
            before = state["made"].get(artifact)
            why = f"body.{wrong[0]}: missing" if wrong else f"created before, by {before[1]}" if before else None
            if artifact and not why:
                row = [e.event_id, e.actor.agent_id, e.writer, body.digest, body.media_type, body.size, body.blob]
                state["made"][artifact] = row
        elif e.type == "artifact.superseded":
            why = None if isinstance(body.by, str) else "body.by: missing"
            if artifact and not why:
                state["by"][artifact] = body.by
        else:
            continue
        if not artifact or why:
            state["rejects"][e.event_id] = [e.type, e.actor.agent_id, artifact, why or "refs.artifact_id: missing"]


def _is(body: Any, name: str, kind: type) -> bool:
    return isinstance(getattr(body, name), kind)


# keys: {"agent type key": [event id, writer, seq, what it said, what it is about, later]}, the first of each in total
# order; later: {event id: [type, agent, what it is about]} of those that came after it, and have no effect


def key_name(agent: str, type_: str, key: str) -> str:
    return f"{agent} {type_} {key}"


def _about(e: Fact) -> str | None:
    return e.refs.message_id or e.refs.artifact_id or e.refs.work_id


def _fold_keys(state: State, facts: list[Fact]) -> list[Fact]:
    """The facts without those that repeat a key."""
    repeats = set()
    for e in facts:
        key = e.idempotency_key
        if isinstance(key, str) and key:
            name = key_name(e.actor.agent_id, e.type, key)
            first = state.get(name)
            if first is None or ms_of(e.event_id) - ms_of(first[0]) > KEY_MS:
                state[name] = [e.event_id, e.writer, e.seq, e.said, _about(e), {}]
            else:
                first[5][e.event_id] = [e.type, e.actor.agent_id, _about(e)]
                repeats.add(e.event_id)
    return [e for e in facts if e.event_id not in repeats] if repeats else facts


# part -> (a new one, how it takes facts); `keys` comes first, and says which facts count for the others
PARTS: dict[str, tuple[Callable[[], State], Callable[[State, list[Fact]], Any]]] = {
    "keys": (dict, _fold_keys),
    "work": (_new_work, _fold_work),
    "log": (_new_log, _fold_log),
    "agents": (dict, _fold_agents),
    "mail": (mail.new_mail, mail.fold_mail),
    "marks": (dict, mail.fold_marks),
    "artifacts": (_new_artifacts, _fold_artifacts),
}
# view -> the parts that it is made of
VIEWS: dict[str, tuple[str, ...]] = {
    "work": ("keys", "work"),
    "inbox": ("keys", "work", "mail", "marks", "artifacts"),
    "threads": ("keys", "mail"),
    "agents": ("keys", "agents"),
    "status": ("keys", "log"),
    "rejects": ("keys", "work", "mail", "artifacts"),
}


def check(view: str) -> None:
    """Raises Usage for what is no view."""
    if view not in VIEWS:
        raise Usage(f"no view {view}", hint=f"there are {', '.join(VIEWS)}")


def new(parts: Iterable[str] = PARTS) -> State:
    """The state before anything happened."""
    return {part: PARTS[part][0]() for part in parts}


def fold(state: State, facts: list[Fact]) -> State:
    """The state after more facts, which come in total order, each once. `state` itself goes on."""
    facts = _fold_keys(state["keys"], facts) if "keys" in state else facts
    for part, value in state.items():
        if part != "keys":
            PARTS[part][1](value, facts)
    return state


def refusals(refused: Iterable[Fact]) -> State:
    """The rows of `rejects` for events that no fold takes, as their ids are not above their predecessors'."""
    why = "its event id is not above its predecessor's"
    return {f.event_id: [f.type, f.actor.agent_id, f.refs.work_id, why] for f in refused}


def refuse(state: State, refused: Iterable[Fact], before: Mapping[str, Any] | None = None) -> State:
    """The state with such events; `before`: rows of those that are not among them."""
    if "work" in state:
        state["work"]["rejects"].update({**(before or {}), **refusals(refused)})
    return state


def in_order(facts: list[Fact], after: str = "") -> list[Fact]:
    """Facts in total order, each event once."""
    ids = [e.event_id for e in facts]
    if all(map(str.__lt__, [after, *ids], ids)):
        return facts
    out: list[Fact] = []
    for e in sorted(facts, key=lambda e: (e.event_id, e.writer)):
        if e.event_id != after:
            out.append(e)
            after = e.event_id
    return out


# rows

_FROM_FILE = ("title", "status", "assignee", "delegate")
_FROM_EVENTS = ("created_by", "holder", "closed_by", "reason", "links", "conflicts")


def rows(view: str, state: State, files: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """A view as {key: row}, in the order of keys. `files`: id -> fields, of issues for `work` and `status`, of messages
    whose event is not here for `inbox` and `threads`."""
    return _ROWS[view](state, files or {})


def _work_rows(state: State, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    items = state["work"]["items"]
    out = {}
    for work in sorted(files.keys() | items.keys()):
        file, item = files.get(work), items.get(work)
        if file is not None:
            row: dict[str, Any] = {name: file.get(name) for name in _FROM_FILE}
        else:
            row = {"title": None, "status": None}
            if item and item["open"] is not None:
                row["status"] = "open" if item["open"] else "closed"
        row["file"] = file is not None
        if item:
            for name in _FROM_EVENTS:
                if item[name]:
                    row[name] = item[name]
            if item["handed"]:
                row["handed_off"] = dict(zip(("from", "to", "summary"), item["handed"], strict=True))
            row["by"], row["last"], row["events"] = item["by"], item["last"], item["events"]
        out[work] = row
    return out


def _status_rows(state: State, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    log = state["log"]
    count: dict[str, int] = {}
    for file in files.values():
        count[file["status"]] = count.get(file["status"], 0) + 1
    return {
        "events": sum(log["types"].values()),
        "issues": dict(sorted(count.items())),
        "late": log["late"],
        "retired": sorted(log["retired"]),
        "types": dict(sorted(log["types"].items())),
        "writers": {
            w: {"agent": agent, "seq": seq, "last": last} for w, (agent, seq, last) in sorted(log["writers"].items())
        },
    }


def _reject_rows(state: State, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    rows = dict(state["work"]["rejects"])
    for first, *_, later in state["keys"].values():
        rows |= {event: [*row, f"repeats {first}, under the same key"] for event, row in later.items()}
    names = ("type", "agent", "work_id", "reason")
    out = {event: dict(zip(names, row, strict=True)) for event, row in rows.items()}
    for part, about in (("mail", "message_id"), ("artifacts", "artifact_id")):
        names = ("type", "agent", about, "reason")
        out |= {event: dict(zip(names, row, strict=True)) for event, row in state[part]["rejects"].items()}
    return dict(sorted(out.items()))


def _inbox_rows(state: State, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Messages, and what was rejected: its author finds it here."""
    return mail.inbox_rows(state["mail"], state["marks"], files) | _reject_rows(state, {})


def _thread_rows(state: State, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return mail.thread_rows(state["mail"], files)


def _agent_rows(state: State, files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        agent: row | {"sessions": sorted(row["sessions"]), "writers": sorted(row["writers"])}
        for agent, row in sorted(state["agents"].items())
    }


_ROWS = {
    "work": _work_rows,
    "inbox": _inbox_rows,
    "threads": _thread_rows,
    "agents": _agent_rows,
    "status": _status_rows,
    "rejects": _reject_rows,
}


class View:
    """A view at one moment: its rows, in the order of their keys, and as JSON texts; clones compare the `digest`."""

    def __init__(self, name: str, rows: Mapping[str, Any]) -> None:
        self.name, self.rows = name, rows
        self.texts = {key: dumps(row) for key, row in rows.items()}
        self.digest = digest(self.texts)

    def of(self, agent: str) -> list[str]:
        """The keys of the rows that are an agent's, or name it as the one who holds, made, or did it."""
        wanted = (agent.removeprefix("agent:"), f"agent:{agent.removeprefix('agent:')}")
        named = ("agent", "holder", "created_by", "assignee", "delegate")

        def is_its(key: str, row: Any) -> bool:
            if key in wanted or not isinstance(row, dict):
                return key in wanted
            if "recipients" in row:
                return mail.is_to(row, wanted[1])
            return any(row.get(name) in wanted for name in named) or wanted[1] in row.get("participants", ())

        return [key for key, row in self.rows.items() if is_its(key, row)]

    def as_json(self, keys: Iterable[str] | None = None) -> str:
        """`{view, digest, rows}` as one JSON text, with all rows or some."""
        chosen = self.texts if keys is None else {key: self.texts[key] for key in keys}
        return f'{{"view":{dumps(self.name)},"digest":"{self.digest}","rows":{_object(chosen)}}}'


def digest(texts: Mapping[str, str]) -> str:
    """32 hex digits over the rows of a view."""
    return hexdigest(_object(texts).encode(errors="surrogatepass"))[:32]


def _object(texts: Mapping[str, str]) -> str:
    return "{" + ",".join([f"{dumps(key)}:{text}" for key, text in texts.items()]) + "}"

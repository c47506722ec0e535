"""Agents: who is known here, in what state, since when. A file for each long-lived identity, events for what it does.

An agent is its address, `agent:NAME` in lower case. Where two clones registered one name before they met, the file with
the smaller id speaks.
"""

from __future__ import annotations

from tbdx.core import address, kinds
from tbdx.core.event import ms_of
from tbdx.core.ids import ulid
from tbdx.core.jsontext import dumps, loads
from tbdx.core.times import iso
from tbdx.errors import BadFile, Disk, Invalid, NotFound
from tbdx.kernel import Kernel, journal, skipping
from tbdx.store import entities, files
from tbdx.store import journal as journals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Agent = dict[str, Any]

PRESENCE_MS = 60_000  # so often at most a state is written for others
_PRESENCE = "presence"  # the cache of states that this clone knows, and when each was journaled


def place(k: Kernel, kind: str) -> str:
    """The folder in which new entities of a kind are kept: shared, where coordination is on."""
    return entities.folder(k.repo, kind) if k.coordination.on else entities.local(k.repo, kind)


def registered(k: Kernel) -> dict[str, Agent]:
    """address -> the agent's entity, of all that are registered."""
    k.open()
    found, bad = entities.scan(k.repo, "agent")
    for problem in bad:
        k.say("warn", skipping(problem))
    out: dict[str, Agent] = {}
    for agent in sorted(found, key=lambda a: str(a["id"])):
        out.setdefault(f"agent:{agent['name'].lower()}", agent)
    return out


def seen(k: Kernel) -> dict[str, Any]:
    """address -> what events tell of an agent."""
    from tbdx.kernel.views import current

    found: dict[str, Any] = current(k, ("keys", "agents"))["agents"]
    return found


def register(
    k: Kernel, name: str | None, *, roles: Sequence[str] = (), groups: Sequence[str] = (), dry: bool = False
) -> tuple[Agent, bool]:
    """(the agent, whether it is new). One that is registered gets the roles and groups, and is no more retired.

    Raises Invalid for what is no name, and for one that differs from a known one by case.
    """
    name = k.actor["name"] if name is None else name.strip()
    who = f"agent:{address.checked(name)}"
    lists = {"roles": [address.checked(x) for x in roles], "groups": [address.checked(x) for x in groups]}
    more = _made_with(k)
    with k.writing():
        known = registered(k).get(who)
        if known is not None and known["name"] != name:
            raise Invalid(
                f"{known['name']} is registered, and {name} differs from it by case",
                hint=f"both are {who}; choose another name, or register {known['name']} again",
            )
        k.act_as(name)
        if known is not None:
            changes = more | {n: sorted({*known.get(n, ()), *v}) for n, v in lists.items() if v}
            return change(k, known, changes | {"retired_at": None}, dry=dry), False
        now = k.now()
        fields: Agent = {"type": "agid", "id": k.new_id("agid"), "version": 1, "name": name}
        fields |= more | {n: sorted(set(v)) for n, v in lists.items() if v} | {"created_at": now, "updated_at": now}
        if not dry:
            write_new(k, "agent", fields)
            k.happened.append({"type": "agent.registered", "refs": {"agent_id": fields["id"]}, "body": {"name": name}})
        return fields, True


def _made_with(k: Kernel) -> dict[str, str]:
    """The harness and the model, where they are known."""
    return {n: k.actor[n] for n in ("harness", "model") if k.actor.get(n, "unknown") != "unknown"}


def retire(k: Kernel, name: str, *, dry: bool = False) -> Agent:
    """Say that an agent is no more. Raises NotFound for one that is not registered."""
    with k.writing():
        agent = need(k, name)
        if agent.get("retired_at"):
            return agent
        if k.me == f"agent:{agent['name'].lower()}" and not dry:
            k.happened.append({"type": "agent.status", "refs": {"agent_id": agent["id"]}, "body": {"state": "retired"}})
        return change(k, agent, {"retired_at": k.now()}, dry=dry)


def need(k: Kernel, name: str) -> Agent:
    """The agent of a name or an address. Raises NotFound."""
    who = address.parse(name)
    found = registered(k).get(who)
    if found is None:
        raise NotFound(f"no agent is registered as {who}", hint="tbdx agent list shows those that are")
    return found


def change(k: Kernel, agent: Agent, fields: Mapping[str, Any], *, dry: bool = False) -> Agent:
    """Set fields of an agent, and take away those that are null. Called under the lock. Raises Invalid, Disk."""
    if all(agent.get(name) == value for name, value in fields.items()):
        return agent
    new = {name: value for name, value in (agent | dict(fields)).items() if value is not None}
    new |= {"version": agent["version"] + 1, "updated_at": k.next_time(agent["updated_at"])}
    data = encoded(new, "agent")
    if not dry:
        files.write(entities.path_of(k.repo, new["id"], "agent"), data, scratch=k.repo.scratch)
        k.wrote = True
    return new


def encoded(fields: Mapping[str, Any], kind: str) -> bytes:
    """The bytes of an entity's file. Raises Invalid where it breaks a rule, or could not be read back."""
    from tbdx.core import codec

    wrong = kinds.problems(dict(fields), kind)
    if wrong:
        raise Invalid("; ".join(f"{name}: {what}" for name, what in wrong))
    try:
        data = codec.encode(kinds.render(dict(fields), kind))
        kinds.parse(codec.decode(data), kind, fields["id"])
    except BadFile as e:
        raise Invalid(f"it cannot be kept: {e.reason}")
    return data


def write_new(k: Kernel, kind: str, fields: Mapping[str, Any]) -> bytes:
    """Write the file of a new entity; its bytes. Raises Invalid, Disk."""
    data = encoded(fields, kind)
    folder = place(k, kind)
    files.make_folder(folder)
    if not files.create(f"{folder}/{fields['id']}.md", data, scratch=k.repo.scratch):
        raise Disk(f"{fields['id']} is there already", hint="repeat the command")
    k.wrote = True
    if not k.coordination.on:
        k.say("notice", "coordination is off here: this stays in this clone (tbdx coord on shares what comes later)")
    return data


# sessions and presence


def start(k: Kernel, session: str | None) -> dict[str, Any]:
    """Begin a session of the actor: {agent_id, session_id, event_id}. A name given with --as is kept in state.yml."""
    from tbdx.kernel import setup

    _ = k.config
    k.given_session = session or k.session or f"sess:{ulid(k.now_ms(), int.from_bytes(k.entropy(10), 'big'))}"
    who = k.me
    if k.given_actor:
        setup.write_state(k, setup.read_state(k) | {"agent_name": k.actor["name"]})
    body = _made_with(k)
    ack = journal.append(k, [{"type": "agent.session_started", "refs": {}, "body": body}])[0]
    return {"agent_id": who, "session_id": k.given_session, "event_id": ack["event_id"]}


def end(k: Kernel, session: str | None) -> dict[str, Any]:
    """End a session of the actor, its last one in this clone unless it is named. Raises NotFound where it has none."""
    from tbdx.kernel import setup

    who = k.me
    open_ones = seen(k).get(who, {}).get("sessions", {})
    wanted = session or k.session
    if wanted is None:
        writer, at, _ = journal.writer_of(k, who)
        mine = [(started, name) for name, (started, of) in open_ones.items() if at and of == writer]
        wanted = max(mine)[1] if mine else None
    if wanted not in open_ones:
        raise NotFound(
            f"{who} has no session {wanted}" if wanted else f"{who} has no open session in this clone",
            hint=f"its open ones: {', '.join(open_ones)}" if open_ones else "tbdx agent start begins one",
        )
    k.given_session = wanted
    state = setup.read_state(k)
    if state.get("agent_name") == k.actor["name"]:
        setup.write_state(k, {name: value for name, value in state.items() if name != "agent_name"})
    ack = journal.append(k, [{"type": "agent.session_ended", "refs": {}, "body": {}}])[0]
    return {"agent_id": who, "session_id": wanted, "event_id": ack["event_id"]}


def set_status(k: Kernel, state: str, note: str | None) -> dict[str, Any]:
    """Say what the actor is about: {agent_id, state, written}. Others learn of it at most once a minute: what comes
    sooner is known in this clone, and goes out with the next sync after that. Raises Invalid."""
    _ = k.config
    who = k.me
    if not state.strip() or len(state) > 200 or not state.isprintable():
        raise Invalid("a state is one line of at most 200 characters", hint="tbdx agent status working")
    body = {"state": state} | ({"note": note} if note else {})
    known, now = _presence(k), k.now_ms()
    last = known.get(who) or {"body": None, "at": 0, "pending": False}
    is_due = now - last["at"] >= PRESENCE_MS
    if is_due:
        journal.append(k, [{"type": "agent.status", "refs": {}, "body": body}])
        known[who] = {"body": body, "at": now, "pending": False}
    elif body != last["body"]:
        known[who] = last | {"body": body, "pending": True}
    journals.keep(k.repo, _PRESENCE, dumps(known).encode())
    return {"agent_id": who, "state": state, "written": is_due}


def flush_presence(k: Kernel) -> None:
    """Journal the states that waited for their minute."""
    known, now = _presence(k), k.now_ms()
    due = {who: row for who, row in known.items() if row["pending"] and now - row["at"] >= PRESENCE_MS}
    for who, row in due.items():
        before = k.act_as(who.removeprefix("agent:"))
        journal.append(k, [{"type": "agent.status", "refs": {}, "body": row["body"]}])
        k.act_as(before)
        known[who] = row | {"at": now, "pending": False}
    if due:
        journals.keep(k.repo, _PRESENCE, dumps(known).encode())


def _presence(k: Kernel) -> dict[str, Any]:
    """agent -> {body, at, pending} of the last state; {} where it is not known."""
    try:
        found = loads(files.read(f"{k.repo.own}/cache/{_PRESENCE}").decode())
        return {who: row for who, row in found.items() if row.keys() == {"body", "at", "pending"}}
    except (FileNotFoundError, BadFile, Disk, ValueError, AttributeError):
        return {}


# looking


def listed(k: Kernel, *, retired: bool = False) -> list[dict[str, Any]]:
    """A row for each agent that is registered or has written anything, by name."""
    known, told, near = registered(k), seen(k), _presence(k)
    out = []
    for who in sorted({*known, *told}):
        row = _row(who, known.get(who), told.get(who), near.get(who))
        if retired or not row.get("retired_at"):
            out.append(row)
    return out


def shown(k: Kernel, name: str) -> dict[str, Any]:
    """What is known of one agent. Raises NotFound."""
    who = address.parse(name)
    known, told = registered(k).get(who), seen(k).get(who)
    if known is None and told is None:
        raise NotFound(f"nothing is known of {who}", hint="tbdx agent list shows the agents")
    return _row(who, known, told, _presence(k).get(who))


def _row(who: str, agent: Agent | None, told: Mapping[str, Any] | None, near: Mapping[str, Any] | None) -> Agent:
    row: Agent = {"agent_id": who, "name": who.partition(":")[2], "registered": agent is not None}
    if agent is not None:
        row |= {n: v for n, v in agent.items() if n not in ("type", "version")}
    state = (near["body"] if near else {}).get("state") or (told["state"] if told else None)
    row |= {"state": state} if state else {}
    if told is not None:
        row |= {"sessions": sorted(told["sessions"]), "last_seen": iso(ms_of(told["last"])), "events": told["events"]}
    return row

"""`tbdx agent`: who the agents are, their sessions, what they are about."""

from __future__ import annotations

from tbdx.cli.common import Call
from tbdx.cli.output import one_line
from tbdx.errors import Nothing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def register(c: Call) -> None:
    from tbdx.kernel import agents

    agent, is_new = agents.register(c.kernel, c["name"], roles=c["role"], groups=c["group"], dry=c.dry)
    who = f"agent:{agent['name'].lower()}"
    if c.dry:
        return c.would("Would register", agent_id=who)
    c.done({"agent_id": who, "created": is_new, **agent}, f"{'Registered' if is_new else 'Known as'} {who}")


def list_(c: Call) -> None:
    from tbdx.kernel import agents

    found = agents.listed(c.kernel, retired=c["all"])
    if c.json:
        c.out.data(found)
        return
    if not found:
        raise Nothing("no agents yet", hint="tbdx agent register makes one known")
    c.out.lines(_line(row) for row in found)


def _line(row: dict[str, Any]) -> str:
    more = [row["state"]] if row.get("state") else []
    more += [f"{len(row['sessions'])} open session{'s' * (len(row['sessions']) > 1)}"] if row.get("sessions") else []
    more += [f"role:{name}" for name in row.get("roles", ())] + [f"group:{name}" for name in row.get("groups", ())]
    more += ["retired"] if row.get("retired_at") else [] if row["registered"] else ["not registered"]
    seen = row.get("last_seen", "")[:16].replace("T", " ") or "never seen"
    return one_line(f"{row['agent_id']:<24}{seen:<18}{', '.join(more)}".rstrip())


def show(c: Call) -> None:
    from tbdx.core import canon
    from tbdx.kernel import agents

    k = c.kernel
    _ = k.config
    row = agents.shown(k, c["name"] or k.me)
    c.result(row, canon.dumps(row).rstrip("\n"))


def retire(c: Call) -> None:
    from tbdx.kernel import agents

    agent = agents.retire(c.kernel, c["name"], dry=c.dry)
    who = f"agent:{agent['name'].lower()}"
    if c.dry:
        return c.would("Would retire", agent_id=who)
    c.done({"agent_id": who, **agent}, f"{who} is retired; its mail is kept")


def start(c: Call) -> None:
    from tbdx.kernel import agents

    if c.dry:
        return c.would("Would begin a session")
    made = agents.start(c.kernel, c["session"])
    c.done(made, f"Session {made['session_id']} of {made['agent_id']}")
    c.out.notice(f"export TBDX_SESSION={made['session_id']} makes what follows part of it")


def end(c: Call) -> None:
    from tbdx.kernel import agents

    if c.dry:
        return c.would("Would end a session")
    made = agents.end(c.kernel, c["session"])
    c.done(made, f"Session {made['session_id']} of {made['agent_id']} has ended")


def status(c: Call) -> None:
    from tbdx.kernel import agents

    if c.dry:
        return c.would("Would set the state", state=c["state"])
    made = agents.set_status(c.kernel, c["state"], c["note"])
    later = "" if made["written"] else " (others learn of it with a sync after this minute)"
    c.done(made, f"{made['agent_id']}: {made['state']}{later}")

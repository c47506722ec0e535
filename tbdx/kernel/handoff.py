"""Handing work over: the claim, the event, and a message that says how it stands."""

from __future__ import annotations

from tbdx.core import address
from tbdx.errors import Held, Invalid
from tbdx.kernel import Kernel, agents, mail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def hand_over(
    k: Kernel, text: str, to: str, summary: str, *, allow_secret: bool = False, dry: bool = False
) -> dict[str, Any]:
    """Give an issue to an agent: {id, internalId, to, message_id, thread_id, event_id, unknown, retired}.

    The giver holds it, or nobody does. Raises NotFound, Invalid, Held.
    """
    who = address.parse(to)
    if not who.startswith("agent:"):
        raise Invalid(f"work is handed over to an agent, not to {who}", hint="--to agent:NAME")
    summary = summary.strip()
    if not summary:
        raise Invalid("a hand-over says how it stands", hint="--summary TEXT")
    name, me, field = who[6:], k.me, k.config.claimed_by
    with k.writing():
        internal = k.need(text)
        issue, source = k.read(internal)
        shown, holder = k.display(internal), issue.get(field)
        if issue["status"] == "closed":
            raise Invalid(f"{shown} is closed", hint=f"tbdx reopen {shown}")
        if holder and f"agent:{holder}" not in (me, who):
            raise Held(
                f"{shown} is {holder}'s",
                f"agent:{holder}",
                hint=f"ask them: msg send --to agent:{holder} --work {shown}",
            )
        if agents.registered(k).get(who, {}).get("retired_at"):
            raise Invalid(f"{who} is retired", hint="tbdx agent list shows who is not")
        o = {"to": (who,), "work": internal, "subject": f"Handed over: {issue['title']}"[:500], "body": summary}
        letter = mail.prepare(k, o | {"allow_secret": allow_secret})
        if dry:
            return {"id": shown, "to": who, "unknown": letter.unknown}
        before = len(k.happened)
        begun = {"started_at": issue.get("started_at") or k.now()} if k.config.keeps_new_keys else {}
        k.save(source, issue, {field: name, "status": "in_progress", **begun})
        told = k.happened[before]
        told |= {"type": "work.handed_off", "body": {"to": who, "summary": summary} | told["body"]}
        sent = mail.deliver(k, letter)
    return {"id": shown, "internalId": internal} | sent | {"to": who}

"""Whom a message is to: `agent:NAME`, `human:HANDLE`, `role:NAME`, `group:NAME`, `work:ID`, `all`.

A name is lower case, of letters, digits and `@._-`, as tbd's ladder makes them: two names that differ by case, by how
an accent is written, or by what stands between letters cannot both be one.
"""

from __future__ import annotations

from tbdx.core.actor import LONGEST, slug
from tbdx.core.ids import is_internal
from tbdx.core.mail import ALL
from tbdx.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Any

    Agents = Mapping[str, Mapping[str, Any]]

KINDS = ("agent", "human", "role", "group", "work")


def is_name(value: object) -> bool:
    """True for a name that may stand in an address, in any case."""
    return isinstance(value, str) and value[:1].isalnum() and len(value) <= LONGEST and slug(value) == value.lower()


def is_address(value: object) -> bool:
    """True for an address as it is kept: of lower case, an issue by its internal id."""
    if not isinstance(value, str):
        return False
    kind, colon, name = value.partition(":")
    if not colon:
        return value == ALL
    if kind == "work":
        return is_internal(name)
    return kind in KINDS and is_name(name) and name == name.lower()


def parse(text: str) -> str:
    """An address as people type it, as it is kept; a bare name is an agent's. `work:` is left as it was given.

    Raises Invalid for what no agent, role or group can be called.
    """
    text = text.strip()
    if text.lower() == ALL:
        return ALL
    kind, colon, name = text.partition(":")
    if not colon:
        kind, name = "agent", text
    kind = kind.lower()
    if kind not in KINDS:
        raise Invalid(f"not an address: {text[:80]}", hint=f"{', '.join(f'{k}:…' for k in KINDS)} and {ALL} are")
    if kind == "work":
        return f"work:{name}"
    return f"{kind}:{checked(name)}"


def checked(name: str) -> str:
    """A name in lower case. Raises Invalid, which says what would be one."""
    if is_name(name):
        return name.lower()
    near = slug(name)
    hint = "letters, digits and @ . _ - make a name" + (f": {near}" if is_name(near) else "")
    what = f"{len(name)} characters, {LONGEST} are the most" if len(name) > LONGEST else f"{name!r}"
    raise Invalid(f"not a name: {what}", hint=hint)


def expand(addresses: Iterable[str], agents: Agents, sender: str, about: Mapping[str, Collection[str]]) -> list[str]:
    """Who gets a message: agents and humans, and `all` where it is to all.

    `agents`: agent:NAME -> its entity, for roles and groups, in which the sender and those retired are left out;
    `about`: work address -> who has to do with that issue.
    """
    out: dict[str, None] = {}
    for given in addresses:
        kind, _, name = given.partition(":")
        found: Iterable[str] = (given,)
        if kind in ("role", "group"):
            live = (a for a, fields in agents.items() if not fields.get("retired_at"))
            found = sorted(a for a in live if name in [x.lower() for x in agents[a].get(f"{kind}s") or ()])
        elif kind == "work":
            found = sorted(about.get(given, ()))
        out |= dict.fromkeys(a for a in found if a != sender or a == given)
    return list(out)

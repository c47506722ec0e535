"""How the values meet that several versions gave one field. Pure, and the same whichever side is called ours.

A change is (value, version): `version` stands for whose it is, and changes come the latest first. What does not end
up in the result is handed to `lose(value, version)`.

    fixed      what was stands; where nothing was, as `later`
    later      the latest change
    lines      three-way on the lines of a text; where two edits of the same lines meet, the latest
    set        three-way on the members: what one added is there, what one removed is gone
    keyed:K    three-way on the records by their key K
    earliest   the smallest
    deep       three-way on nested mappings, key by key
"""

from __future__ import annotations

from tbdx.core import canon, diff
from tbdx.core.attic import DELETED
from tbdx.core.codec import BLANK
from tbdx.core.entity import BODY_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Change = tuple[Any, Any]
    Lose = Callable[[Any, Any], None]
    Edit = tuple[int, int, list[str]]  # lines old[start:end] became these

ABSENT: Any = object()


def changes(was: Any, values: Iterable[Change]) -> list[Change]:
    """Those of the values that differ from what was. A null where nothing was is no change beside a real one."""
    out = [(value, version) for value, version in values if not same(value, was)]
    return [c for c in out if not (_is_empty(was) and _is_empty(c[0]))] or out


def meet(rule: str, was: Any, changed: list[Change], lose: Lose) -> Any:
    """The value of a field after changes, one at least; ABSENT when it is gone. An edit outlives a deletion."""
    there = [c for c in changed if c[0] is not ABSENT]
    if not there:
        return ABSENT
    for value, version in changed:
        if value is ABSENT:
            lose(DELETED, version)
    distinct = [c for n, c in enumerate(there) if not any(same(c[0], d[0]) for d in there[:n])]
    first = distinct[0][0]
    if len(distinct) == 1:
        return first
    kinds = {type(value) for value, _ in distinct}
    if kinds == {list} and rule == "set":
        return _sets(was if isinstance(was, list) else [], distinct, lose)
    if kinds == {list} and rule.startswith("keyed:"):
        key = rule[6:]
        records = [(_by_key(value, key), version) for value, version in distinct]
        return [*maps(_by_key(was, key) if isinstance(was, list) else {}, records, lose, "later").values()]
    if kinds == {dict} and rule == "deep":
        return maps(was if isinstance(was, dict) else {}, distinct, lose, "deep")
    if kinds == {str} and rule == "lines":
        return _texts(was if isinstance(was, str) else "", distinct, lose)
    if rule == "fixed" and was is not ABSENT:
        first = was
    elif rule == "earliest":
        first = min((value for value, _ in distinct if isinstance(value, str)), default=first)
    for value, version in distinct:
        if not same(value, first) and not (value is None and rule in ("fixed", "earliest")):
            lose(value, version)
    return first


def maps(was: Mapping[str, Any], changed: list[Change], lose: Lose, rule: str) -> dict[str, Any]:
    """Mappings, key by key: those of what was in its order, then the others in theirs."""
    out = {}
    keys = dict.fromkeys(key for value, _ in changed for key in value)
    for key in [*(k for k in was if k in keys), *sorted(k for k in keys if k not in was)]:
        old = was.get(key, ABSENT)
        news = changes(old, [(value.get(key, ABSENT), version) for value, version in changed])
        value = meet(rule, old, news, _under(key, lose)) if news else old
        if value is not ABSENT:
            out[key] = value
    return out


def _under(key: str, lose: Lose) -> Lose:
    """Lose a value inside a mapping: it is kept with the key it stood at."""
    return lambda value, version: lose({key: value}, version)


def _sets(was: list[Any], changed: list[Change], lose: Lose) -> list[Any]:
    """What was and nobody removed, in the order that the latest gave it, if any did; then what was added, sorted."""
    sides = [({_name(m): m for m in value}, value, version) for value, version in changed]
    old = {_name(m): m for m in was}
    kept = dict.fromkeys(name for name in old if all(name in side for side, *_ in sides))
    orders = [([name for name in side if name in kept], value, version) for side, value, version in sides]
    moved = [order for order in orders if order[0] != [*kept]]
    for order, value, version in moved[1:]:
        if order != moved[0][0]:
            lose(value, version)
    added = {name: m for side, *_ in sides for name, m in side.items() if name not in old}
    return [old[name] for name in (moved[0][0] if moved else kept)] + [added[name] for name in sorted(added)]


def _name(member: Any) -> str:
    return member if isinstance(member, str) else canon.dumps({"": member})


def _by_key(records: list[Any], key: str) -> dict[str, Any]:
    """key -> record; of records with one key the second is `key#2`, so that a list with duplicates keeps them."""
    out: dict[str, Any] = {}
    for record in records:
        name, n = record[key], 1
        while name in out:
            n += 1
            name = f"{record[key]}#{n}"
        out[name] = record
    return out


def _texts(was: str, changed: list[Change], lose: Lose) -> str:
    text, lost = lines(was, [value for value, _ in changed])
    if len(text) > BODY_MAX:
        text, lost = changed[0][0], range(1, len(changed))
    for n in lost:
        lose(*changed[n])
    return text


def lines(was: str, texts: list[str]) -> tuple[str, Iterable[int]]:
    """(a text with the edits of all of `texts`, which of them have edits that are not in it). The latest come first.

    Edits of different lines all stand. Of two of the same lines the later one does; but what two put in at one place
    between lines both stays, the earlier first.
    """
    old = was.split("\n") if was else []
    taken: list[Edit] = []
    lost = []
    for n, text in enumerate(texts):
        new = text.split("\n") if text else []
        for a1, a2, b1, b2 in diff.edits(old, new):
            if not _take(taken, (a1, a2, new[b1:b2]), old):
                lost.append(n)
    out: list[str] = []
    at = 0
    for start, end, new in sorted(taken, key=lambda edit: edit[:2]):
        out += old[at:start] + new
        at = end
    return "\n".join(out + old[at:]).strip(BLANK), dict.fromkeys(lost)


def _take(taken: list[Edit], edit: Edit, old: list[str]) -> bool:
    """Add an edit to those that later texts made; False when one of them is of the same lines and does not say it."""
    start, end, new = edit
    for n, (s, e, later) in enumerate(taken):
        if start == end == s == e and old:
            if _holds(new, later):
                taken[n] = edit
            elif not _holds(later, new):
                taken[n] = (s, e, new + later)
            return True
        if (s < end and start < e) or (start == end == s == e):
            return s <= start and end <= e and bool(new) and _holds(later, new)
    taken.append(edit)
    return True


def _holds(whole: list[str], part: list[str]) -> bool:
    """Whether the lines of `part` stand in `whole`, in a row."""
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))


def _is_empty(value: Any) -> bool:
    return value is None or value is ABSENT


def same(a: Any, b: Any) -> bool:
    """Equal in value and in type, all the way down: 1 is not true."""
    if a is b or type(a) is not type(b):
        return a is b
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b) or (a != a and b != b)  # not a number is itself here

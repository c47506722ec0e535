"""How two versions of the tracker meet: `merge_trees(base, ours, theirs) -> (tree, losses)`, pure.

Nothing depends on which side is local, on a clock or on chance, so two clones that merge the same pair write the same
bytes. Each field's rule stands in `core.entity.FIELDS`:

    fixed      the base's value; without a base the earlier-created issue's
    later      the value of the side that was updated later; the other one is lost
    state      status, hold, closing and their companions move together, with the later side
    set        three-way on the members: what one side added is there, what one side removed is gone
    keyed:K    three-way on the records by their key K
    earliest   the smaller one; the other one is lost
    deep       three-way on nested mappings, key by key; an edit outlives a deletion
    version    max, and one more when the result is neither side's

A losing value is never dropped: it becomes a Loss, which the caller writes to the attic in the same commit.
"""

from __future__ import annotations

from tbdx.core import canon, codec
from tbdx.core.entity import BODY, FIELDS, in_file_order
from tbdx.core.ids import is_internal, is_key, is_ulid, repair
from tbdx.errors import BadFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Issue = dict[str, Any]
    Tree = Mapping[str, bytes]

DATA = ".tbd/data-sync/"
ISSUES = DATA + "issues/"
NAMES = DATA + "mappings/ids.yml"
ATTIC = DATA + "attic/"
DELETED = "<deleted>"
_RULES = {name: rule for name, _, _, rule in FIELDS} | dict.fromkeys(BODY, "later")
STATE = [name for name, rule in _RULES.items() if rule == "state"]
_ABSENT: Any = object()


class Loss:
    """A value that lost a merge. `winner` and `loser` are the two issues, `at` the loser's `updated_at`."""

    __slots__ = ("entity", "field", "loser", "value", "winner")

    def __init__(self, entity: str, field: str, value: Any, winner: Issue, loser: Issue) -> None:
        self.entity, self.field, self.value = entity, field, value
        self.winner, self.loser = winner, loser

    @property
    def at(self) -> str:
        return str(self.loser["updated_at"])


def merge_trees(
    base: Tree, ours: Tree, theirs: Tree, held: Callable[[str], bytes | None] = lambda _: None
) -> tuple[dict[str, bytes | None], list[Loss]]:
    """({path: merged bytes, None for gone}, losses), over the paths that any two of the three trees differ in.

    The three mappings hold those paths only; `held(path)` gives a file that both sides have alike, so that no new
    attic entry takes the place of an old one. A file that is not an issue and changed on both sides keeps the version
    with the greater bytes, and the other one is kept whole in `attic/conflicts/`.
    """
    out: dict[str, bytes | None] = {}
    losses: list[Loss] = []
    for path in sorted({*base, *ours, *theirs}):
        was, a, b = base.get(path), ours.get(path), theirs.get(path)
        if a in (b, was) or b == was:
            out[path] = b if a == was else a
        elif path == NAMES:
            out[path] = merge_names(was or b"", a or b"", b or b"")
        elif path.startswith(ISSUES) and path.endswith(".md"):
            _merge_issue_file(path, was, a, b, out, losses)
        else:
            _keep_both(path, a, b, out)
    return out | attic_files(losses, lambda path: out.get(path) or held(path)), losses


def _merge_issue_file(
    path: str, was: bytes | None, a: bytes | None, b: bytes | None, out: dict[str, bytes | None], losses: list[Loss]
) -> None:
    name = path[len(ISSUES) : -3]
    x, y, z = _read(name, was), _read(name, a), _read(name, b)
    if a is None or b is None:
        kept, data = (z, b) if a is None else (y, a)
        out[path] = data  # an edit outlives a deletion
        if kept:
            losses.append(Loss(name, "whole_issue", DELETED, kept, kept))
    elif y is None or z is None:
        if (y is None) == (z is None):
            _keep_both(path, a, b, out)
        else:  # the damaged one is kept aside, whole
            good, damaged = (a, b) if z is None else (b, a)
            out[path] = good
            out[_aside(path, damaged)] = damaged
    else:
        (late, data), (early, other) = sorted([(y, a), (z, b)], key=lambda s: (_rank(s[0]), s[1]), reverse=True)
        merged, lost = merge_issues(x, late, early)
        if _is_by_hand(other, early) and not _is_by_hand(data, late):
            out[path] = codec.rewrite(codec.decode(other), merged).encode()  # its comments and quotes are somebody's
        elif merged is late or merged is early:
            out[path] = data if merged is late else other
        else:
            out[path] = codec.rewrite(codec.decode(data), merged).encode()
        losses += lost


def _is_by_hand(data: bytes, issue: Issue) -> bool:
    return codec.render(issue).encode() != data


def _read(name: str, data: bytes | None) -> Issue | None:
    if data is None or not is_internal(name):
        return None
    try:
        return codec.parse(codec.decode(data), name)
    except BadFile:
        return None


def _keep_both(path: str, a: bytes | None, b: bytes | None, out: dict[str, bytes | None]) -> None:
    win, lose = (a, b) if b is None or (a is not None and a > b) else (b, a)
    out[path] = win
    if lose is not None:
        out[_aside(path, lose)] = lose


def _aside(path: str, data: bytes) -> str:
    """Where a whole file that lost is kept; named by its content."""
    import hashlib

    flat = path.removeprefix(DATA).replace("/", "__")
    return f"{ATTIC}conflicts/{flat}.{hashlib.sha256(data).hexdigest()[:8]}"


def merge_names(base: bytes, ours: bytes, theirs: bytes) -> bytes:
    """ids.yml: every row of all three; a short id given to two ULIDs is settled as everywhere (`ids.repair`)."""
    rows: set[tuple[str, str]] = set()
    for side in (base, ours, theirs):
        for line in side.decode("utf-8", "replace").split("\n"):
            short, _, of = line.replace('"', "").replace("'", "").partition(": ")
            if is_key(short) and is_ulid(of.strip()):
                rows.add((short, of.strip()))
    names, _ = repair(rows, ())
    return canon.dumps({short: names[short] for short in sorted(names)}).encode()


def merge_issues(base: Issue | None, a: Issue, b: Issue) -> tuple[Issue, list[Loss]]:
    """(the merged issue, losses). The result is `a` or `b` itself when it says the same as that one."""
    if base is None and a["created_at"] != b["created_at"]:
        win, lose = (a, b) if (a["created_at"], canonical(a)) < (b["created_at"], canonical(b)) else (b, a)
        return win, [Loss(win["id"], "whole_issue", codec.render(lose), win, lose)]
    late, early = (a, b) if _rank(a) >= _rank(b) else (b, a)
    base = base or {}
    losses: list[Loss] = []

    def lost(field: str, value: Any, side: Issue) -> None:
        losses.append(Loss(a["id"], field, value, late if side is early else early, side))

    def losing(field: str) -> Callable[[Any], None]:
        return lambda value: lost(field, value, early)

    def settled(field: str, value: Any, *sides: Issue) -> Any:
        for side in sides:
            if side.get(field) not in (None, value):
                lost(field, side[field], side)
        return value

    merged: Issue = {}
    state = _state_side(base, late, early)
    for name in dict.fromkeys((*late, *early)):
        rule = _RULES.get(name, "deep")
        was, x, y = (side.get(name, _ABSENT) for side in (base, late, early))
        if rule == "version":
            continue
        if rule == "state" and state is not None:
            value = state.get(name, _ABSENT)
            other = early if state is late else late
            passed = other.get(name, _ABSENT)
            if passed is not _ABSENT and passed is not None and passed not in (value, was):
                lost(name, passed, other)
        elif _same(x, y) or _same(y, was):
            value = x
        elif _same(x, was):
            value = y
        elif _is_empty(was) and (_is_empty(x) or _is_empty(y)):  # null where nothing was is no change
            value = y if _is_empty(x) else x
        elif rule == "fixed" and was is not _ABSENT:
            value = settled(name, was, late, early)
        elif rule == "earliest" and (isinstance(x, str) or isinstance(y, str)):
            value = settled(name, min(v for v in (x, y) if isinstance(v, str)), late, early)
        else:
            value = _meet(rule, name, was, x, y, losing(name))
        if value is not _ABSENT:
            merged[name] = value
    return _finish(merged, late, early), losses


def _finish(merged: Issue, late: Issue, early: Issue) -> Issue:
    """Give the merged fields their version and time; or the side itself that already says all of it."""
    newest = max(late["version"], early["version"])
    for side in (late, early):
        if side["version"] == newest and canonical(merged) == canonical(side):
            return side
    return merged | {"version": newest + 1, "updated_at": late["updated_at"]}


def _rank(issue: Issue) -> tuple[str, int, str]:
    """Which of two versions counts as later: by time, then by edits, then by content, so that there is no tie."""
    return (issue["updated_at"], issue["version"], canonical(issue))


def canonical(issue: Issue) -> str:
    """What an issue says, apart from its edit counter and time."""
    bare = {k: v for k, v in issue.items() if k not in ("version", "updated_at")}
    return canon.dumps(in_file_order(bare)) + codec.join_body(issue.get("description"), issue.get("notes"))


def _state_side(base: Issue, late: Issue, early: Issue) -> Issue | None:
    """The side whose status and companions stand: the only one to change them, else the later; None for neither."""
    changed = [s for s in (late, early) if any(not _same(s.get(n), base.get(n)) for n in STATE)]
    return changed[0] if changed else None


def _meet(rule: str, name: str, was: Any, late: Any, early: Any, lose: Callable[[Any], None]) -> Any:
    """The value of a field that both sides changed, each in its own way."""
    if rule == "set" and isinstance(late, list) and isinstance(early, list):
        return _meet_sets(was if isinstance(was, list) else [], late, early)
    if rule.startswith("keyed:") and isinstance(late, list) and isinstance(early, list):
        key = rule[6:]
        old, x, y = (_by_key(v, key) if isinstance(v, list) else {} for v in (was, late, early))
        return list(_meet_maps(old, x, y, lose, deep=False).values())
    if rule == "deep" and isinstance(late, dict) and isinstance(early, dict):
        return _meet_maps(was if isinstance(was, dict) else {}, late, early, lose, deep=True)
    if late is _ABSENT or early is _ABSENT:
        kept = early if late is _ABSENT else late
        lose(DELETED)
        return kept
    lose(early)
    return late


def _meet_sets(was: list[Any], late: list[Any], early: list[Any]) -> list[Any]:
    """The later side's order, then what the other added; a member that either side removed is gone."""
    kept = [m for m in late if m in early or m not in was]
    return _unique([*kept, *(m for m in early if m not in late and m not in was)])


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


def _unique(items: Iterable[Any]) -> list[Any]:
    out: list[Any] = []
    for item in items:
        if item not in out:
            out.append(item)
    return out


def _meet_maps(
    was: dict[str, Any], late: dict[str, Any], early: dict[str, Any], lose: Callable[[Any], None], *, deep: bool
) -> dict[str, Any]:
    out = {}
    for key in dict.fromkeys((*late, *early)):
        old, x, y = was.get(key, _ABSENT), late.get(key, _ABSENT), early.get(key, _ABSENT)
        if _same(x, y) or _same(y, old):
            value = x
        elif _same(x, old):
            value = y
        else:
            value = _meet("deep" if deep else "later", key, old, x, y, _under(key, lose))
        if value is not _ABSENT:
            out[key] = value
    return out


def _under(key: str, lose: Callable[[Any], None]) -> Callable[[Any], None]:
    """Lose a value inside a mapping: it is kept with the key it stood at."""
    return lambda value: lose({key: value})


def _is_empty(value: Any) -> bool:
    return value is None or value is _ABSENT


def _same(a: Any, b: Any) -> bool:
    """Equal in value and in type, all the way down: 1 is not true."""
    if a is b or type(a) is not type(b):
        return a is b
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


def attic_files(losses: Iterable[Loss], held: Callable[[str], bytes | None]) -> dict[str, bytes]:
    """path -> bytes of the attic entries for losses, in tbd's format; `remote` is the winner's side.

    `held(path)` is what stands there already: another entry is never written over.
    """
    out: dict[str, bytes] = {}
    for loss in losses:
        stem = f"{ATTIC}{loss.entity}_{loss.at.replace(':', '-')[:40]}_{file_part(loss.field)}"
        data = attic_entry(loss.entity, loss.at, loss.field, loss.value, loss.loser, loss.winner).encode()
        path, n = f"{stem}.yml", 1
        while (out.get(path) or held(path)) not in (None, data):
            path, n = f"{stem}.{n}.yml", n + 1
        out[path] = data
    return out


def file_part(field: str) -> str:
    """A field name as part of a file name: what a front matter calls its keys must not choose where we write."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in field)[:40]
    return safe if safe == field else f"{safe}-{sum(field.encode()) % 9973}"


def attic_entry(
    entity: str, at: str, field: str, lost: Any, loser: Issue, winner: Issue, *, winner_source: str = "remote"
) -> str:
    """One attic entry as tbd writes it. `lost` is kept as its JSON form; `local` is the side that lost."""
    import json

    sides = {"remote": winner, "local": loser} if winner_source == "remote" else {"remote": loser, "local": winner}
    return canon.dumps(
        {
            "entity_id": entity,
            "timestamp": at,
            "field": field,
            "lost_value": json.dumps(lost, ensure_ascii=False),
            "winner_source": winner_source,
            "loser_source": "local" if winner_source == "remote" else "remote",
            "context": {
                "local_version": sides["local"]["version"],
                "remote_version": sides["remote"]["version"],
                "local_updated_at": sides["local"]["updated_at"],
                "remote_updated_at": sides["remote"]["updated_at"],
            },
        }
    )

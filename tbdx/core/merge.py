"""How two versions of the tracker meet: `merge_trees(base, ours, theirs) -> (tree, losses)`, pure.

Nothing depends on which side is local, on a clock or on chance, so two clones that merge the same pair write the same
bytes. Each field's rule stands in `core.entity.FIELDS` and is explained in `core.meet`; two rules are of whole issues:

    state      status, hold, closing and their companions move together, with the version updated last
    version    max, and one more when the result is neither side's; `updated_at` is that of the later side

A losing value is never dropped: it becomes a Loss, and an attic entry in the merged tree.

A side may itself have been merged from several edits. If its mixture met the other side, the time of one edit would
speak for the values of another; so the caller gives the edits (`core.lineage`), and all of them meet at once. That
makes the order in which clones meet irrelevant.
"""

from __future__ import annotations

from functools import partial

from tbdx.core import attic, canon, codec
from tbdx.core.attic import DELETED, Loss, attic_files
from tbdx.core.entity import BODY, CONTENT, FIELDS, IMMUTABLE, in_file_order
from tbdx.core.ids import is_internal, is_key, is_ulid, repair
from tbdx.core.meet import ABSENT, changes, meet, same
from tbdx.core.times import to_ms
from tbdx.errors import BadFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Issue = dict[str, Any]
    Tree = Mapping[str, bytes]
    Files = dict[str, bytes | None]

DATA = ".tbd/data-sync/"
ISSUES = DATA + "issues/"
AGENTS = DATA + "agents/"
NAMES = DATA + "mappings/ids.yml"
RULES = {name: rule for name, _, _, rule in FIELDS} | dict.fromkeys(BODY, "lines")
STATE = [name for name, rule in RULES.items() if rule == "state"]
# any other Markdown file with front matter; its body stands under the empty key
OTHER_RULES = {"type": "fixed", "id": "fixed", "created_at": "fixed", "": "lines"}
OTHER_RULES |= dict.fromkeys(("version", "updated_at"), "version")


def merge_trees(
    base: Tree,
    ours: Tree,
    theirs: Tree,
    held: Callable[[str], bytes | None] = lambda _: None,
    made_of: Mapping[str, Sequence[bytes]] | None = None,
) -> tuple[Files, list[Loss]]:
    """({path: merged bytes, None for gone}, losses), over the paths that any two of the three trees differ in.

    The three mappings hold those paths only; `held(path)` gives a file that both sides have alike, so that no new
    attic entry takes the place of an old one; `made_of` the edits that the two versions of a path came from.
    Of what cannot be merged the greater content stands, and the other one is kept whole in `attic/conflicts/`.
    """
    out: Files = {}
    losses: list[Loss] = []
    displaced: list[tuple[str, bytes]] = []
    for path in sorted({*base, *ours, *theirs}):
        was, a, b = base.get(path), ours.get(path), theirs.get(path)
        if a in (b, was) or b == was:
            out[path] = b if a == was else a
        elif path == NAMES:
            out[path] = merge_names(was or b"", a or b"", b or b"")
        elif path.startswith(attic.FOLDER):
            _meet_in_attic(path, a, b, out, displaced)
        elif path[len(DATA) :].startswith(IMMUTABLE):
            _stand(path, _right(path, (a, b)) or was, (a, b), out)
        elif path.startswith(ISSUES) and path.endswith(".md"):
            _meet_issues(path, was, a, b, (made_of or {}).get(path, ()), out, losses)
        else:
            _meet_others(path, was, a, b, out)

    def there(path: str) -> bytes | None:
        return out.get(path) or held(path)

    out |= attic.placed(displaced, there)
    return out | attic_files(losses, there), losses


def _meet_issues(
    path: str,
    was: bytes | None,
    a: bytes | None,
    b: bytes | None,
    made_of: Sequence[bytes],
    out: Files,
    losses: list[Loss],
) -> None:
    """An edit outlives a deletion; of two versions of which one is damaged the good one stands."""
    name = path[len(ISSUES) : -3]
    x, y, z = (_read(name, data) for data in (was, a, b))
    if a is None or b is None:
        kept, out[path] = (z, b) if a is None else (y, a)
        if kept:
            losses.append(Loss(name, "whole_issue", DELETED, kept, kept))
        return
    if y is None or z is None:
        _stand(path, b if z else a if y else None, (a, b), out)
        return
    late, early = later_first([y, z])
    data, other = (a, b) if late is y else (b, a)
    edits = [edit for edit in (_read(name, data) for data in made_of) if edit]
    merged, lost = merge_issues(x, late, early, edits if len(edits) == len(made_of) else ())
    if _is_by_hand(other, early) and not _is_by_hand(data, late):
        data = codec.rewrite(codec.decode(other), merged).encode()  # its comments and quotes are somebody's
    elif merged is not late:
        data = codec.rewrite(codec.decode(data), merged).encode()
    if len(data) > codec.LARGEST:
        _stand(path, None, (a, b), out)
    else:
        out[path] = data
        losses += lost


def _meet_others(path: str, was: bytes | None, a: bytes | None, b: bytes | None, out: Files) -> None:
    """A file that is no issue: by its front matter and its body, where all three versions have them."""
    from tbdx.core import kinds

    x, y, z = (_split(data) if path.endswith(".md") else None for data in (was, a, b))
    if x is None or y is None or z is None:
        _stand(path, None, (a, b), out)
        return
    losers: list[Issue] = []
    sides = later_first([y, z])
    rules = kinds.rules("agent") if path.startswith(AGENTS) else OTHER_RULES
    merged = _finish(_fields(x, sides, rules, lambda _, __, loser: losers.append(loser)), *sides)
    chosen = (a if sides[0] is y else b) if merged is sides[0] else _join(merged)
    _stand(path, chosen, [data for data, side in ((a, y), (b, z)) if any(side is loser for loser in losers)], out)


def _right(path: str, sides: Sequence[bytes | None]) -> bytes | None:
    """Of an artifact's content that differs, the one that is what its name says: no other is that file's."""
    if not path[len(DATA) :].startswith(CONTENT):
        return None
    from tbdx.core import kinds

    name = path[len(DATA + CONTENT) :]
    return next((data for data in sides if data is not None and not kinds.content_problem(name, data)), None)


def _stand(path: str, chosen: bytes | None, others: Sequence[bytes | None], out: Files) -> None:
    """Let one content stand, the greatest unless it is chosen, and keep every other one whole."""
    import hashlib

    out[path] = win = chosen if chosen is not None else max(data for data in others if data is not None)
    flat = path.removeprefix(DATA).replace("/", "__")
    for data in others:
        if data not in (None, win):
            out[f"{attic.FOLDER}conflicts/{flat}.{hashlib.sha256(data).hexdigest()[:8]}"] = data


def _meet_in_attic(path: str, a: bytes | None, b: bytes | None, out: Files, displaced: list[tuple[str, bytes]]) -> None:
    """Two entries of one name: one gets another, unless they tell of one loss. What is in the attic stays there."""
    if a is None or b is None or attic.what(a) == attic.what(b):
        out[path] = max(data for data in (a, b) if data is not None)
    elif path.endswith(".yml"):
        out[path] = max(a, b)
        displaced.append((attic.stem_of(path), min(a, b)))
    else:
        _stand(path, None, (a, b), out)


def _is_by_hand(data: bytes, issue: Issue) -> bool:
    return codec.render(issue).encode() != data


def _read(name: str, data: bytes | None) -> Issue | None:
    if data is None or not is_internal(name):
        return None
    try:
        return codec.parse(codec.decode(data), name)
    except BadFile:
        return None


def _split(data: bytes | None) -> Issue | None:
    """The front matter of a file, its body under the empty key; None when it is not in the usual form."""
    if data is None:
        return None
    try:
        front, body = codec.split(codec.decode(data))
        fields = canon.loads(front)
    except (BadFile, canon.Declined):
        return None
    return None if "" in fields else fields | {"": body.strip(codec.BLANK)}


def _join(fields: Issue) -> bytes:
    front = canon.dumps({name: value for name, value in fields.items() if name})
    return f"---\n{front}---\n{fields['']}{chr(10) if fields[''] else ''}".encode()


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


def merge_issues(base: Issue | None, a: Issue, b: Issue, made_of: Sequence[Issue] = ()) -> tuple[Issue, list[Loss]]:
    """(the merged issue, losses). The result is the later side itself when that one says the same.

    `made_of` are the edits that the two came from, when they are not those two themselves. Without a base the
    earlier-created issue stands whole, if they were not created at one moment.
    """
    for one, other in ((a, b), (b, a)):
        if base is not None and same(one, base) and _version(other) >= _version(base):
            return other, []
    if base is None and a["created_at"] != b["created_at"]:
        win, other = sorted((a, b), key=lambda issue: (issue["created_at"], canonical(issue)))
        return win, [Loss(win["id"], "whole_issue", codec.render(other), win, other)]
    sides = later_first([a, b])
    versions = later_first(made_of) if made_of else sides
    losses: list[Loss] = []

    def note(field: str, value: Any, loser: Issue) -> None:
        winner = next(version for version in versions if version is not loser)
        losses.append(Loss(a["id"], field, value, winner, loser))

    return _finish(_fields(base or {}, versions, RULES, note), *sides), losses


def _fields(
    base: Issue, versions: list[Issue], rules: Mapping[str, str], lose: Callable[[str, Any, Issue], None]
) -> Issue:
    """Each field as the versions make it of the base, but for those that `_finish` gives. The latest version first."""
    out: Issue = {}
    names = dict.fromkeys(name for version in versions for name in version)
    state = [v for v in versions if any(not same(v.get(name), base.get(name)) for name in STATE)]
    for name in [*(n for n in base if n in names), *sorted(n for n in names if n not in base)]:
        rule = rules.get(name, "deep")
        was = base.get(name, ABSENT)
        if rule == "version":
            value = versions[0].get(name, ABSENT)  # a place in the order of keys
        elif rule == "state" and state:
            value = state[0].get(name, ABSENT)
            for version in state[1:]:
                passed = version.get(name)
                if passed is not None and not same(passed, was) and not same(passed, value):
                    lose(name, passed, version)
        else:
            changed = changes(was, [(version.get(name, ABSENT), version) for version in versions])
            value = meet(rule, was, changed, partial(lose, name)) if changed else was
        if value is not ABSENT:
            out[name] = value
    return out


def _finish(merged: Issue, late: Issue, early: Issue) -> Issue:
    """Give the merged fields their version and time; or the later side itself, when it already says all of it."""
    if _version(late) >= _version(early) and canonical(merged) == canonical(late):
        return late
    more = {"version": max(_version(late), _version(early)) + 1} if "version" in late or "version" in early else {}
    return merged | more | {name: late[name] for name in ("updated_at",) if name in late}


def _version(issue: Issue) -> int:
    found = issue.get("version")
    return found if isinstance(found, int) else 0


def later_first(versions: Sequence[Issue]) -> list[Issue]:
    """By time, then by edits, then by content, so that there is no tie."""
    ranks = [(to_ms(str(issue.get("updated_at"))) or 0, _version(issue)) for issue in versions]
    said = ["" if ranks.count(rank) == 1 else canonical(issue) for rank, issue in zip(ranks, versions, strict=True)]
    order = sorted(range(len(versions)), key=lambda n: (ranks[n], said[n]), reverse=True)
    return [versions[n] for n in order]


def canonical(issue: Issue) -> str:
    """What an issue says, apart from its edit counter and time."""
    bare = {k: issue[k] for k in sorted(issue) if k not in ("version", "updated_at")}
    return canon.dumps(in_file_order(bare)) + codec.join_body(issue.get("description"), issue.get("notes"))

"""What an issue is: its fields, their order, their rules.

One row per field drives the order in the file, the order in JSON, validation, what an older client would keep, and
(in `core.merge`) how two versions meet. An issue in memory is a plain dict of its front matter in file order, with
`description` and `notes` from the body; keys that no row knows travel along untouched.
"""

from __future__ import annotations

from tbdx.core.ids import is_internal
from tbdx.core.times import is_instant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

KINDS = ("bug", "feature", "task", "epic", "chore")
STATUSES = ("open", "in_progress", "blocked", "deferred", "closed")
PRIORITIES = (0, 1, 2, 3, 4)
HOLDS = ("blocked", "paused")
RESOLUTIONS = ("completed", "canceled", "duplicate")
TITLE_MAX = 500
BODY_MAX = 50_000
LABELS_MAX, LABEL_MAX, DEPENDENCIES_MAX = 100, 64, 1_000  # what commands add to; files may hold more
DEFAULTS = {"kind": "task", "status": "open", "priority": 2, "labels": [], "dependencies": []}

# A collection is a directory under data-sync and an id prefix; the code that reads and writes entity files asks only
# this table. The fields of issues are below, those of the others in `core.kinds`.
COLLECTIONS = {
    "issue": ("issues", "is"),
    "agent": ("agents", "agid"),
    "message": ("messages", "ms"),
    "artifact": ("artifacts", "ar"),
}
# folders whose files never change once they are written, by the kernel contract
IMMUTABLE = ("messages/", "artifacts/")
CONTENT = "artifacts/blobs/"  # what is in artifacts, each file named by the SHA-256 of its bytes

# (field, what it holds, True when clients below f08 keep it, how two changed values meet)
# In the order of the file. What it holds: see `CHECKS`; "!" it must be there, "?" it may be null.
# How they meet: see `core.meet`.
FIELDS: tuple[tuple[str, str, bool, str], ...] = (
    ("type", "type!", True, "fixed"),
    ("id", "issue!", True, "fixed"),
    ("title", "title!", True, "later"),
    ("kind", "kind", True, "later"),
    ("status", "status", True, "state"),
    ("priority", "priority", True, "later"),
    ("version", "count!", True, "version"),
    ("spec_path", "text?", True, "later"),
    ("docs", "docs", False, "keyed:path"),
    ("refs", "refs", False, "keyed:url"),
    ("assignee", "text?", True, "later"),
    ("delegate", "text?", False, "later"),
    ("labels", "texts", True, "set"),
    ("dependencies", "deps", True, "set"),
    ("parent_id", "issue?", True, "later"),
    ("child_order_hints", "issues?", True, "set"),
    ("due_date", "instant?", True, "later"),
    ("deferred_until", "instant?", True, "later"),
    ("hold", "hold?", False, "state"),
    ("hold_until", "instant?", False, "state"),
    ("created_by", "text?", True, "fixed"),
    ("created_at", "instant!", True, "fixed"),
    ("updated_at", "instant!", True, "version"),
    ("started_at", "instant?", False, "earliest"),
    ("closed_at", "instant?", True, "state"),
    ("close_reason", "text?", True, "state"),
    ("resolution", "resolution?", False, "state"),
    ("duplicate_of", "issue?", False, "state"),
    ("extensions", "map", True, "deep"),
)
ORDER = {row[0]: n for n, row in enumerate(FIELDS)}
BODY = ("description", "notes")
OLD_KEYS = frozenset(row[0] for row in FIELDS if row[2])

_HEAD = ("type", "id", "version", "created_at", "updated_at", "extensions")
JSON_ORDER = {name: n for n, name in enumerate((*_HEAD, "title", "kind", "status", "priority", *BODY))}
for _name, *_ in FIELDS:
    JSON_ORDER.setdefault(_name, len(JSON_ORDER))


def in_file_order(fields: dict[str, Any]) -> dict[str, Any]:
    """Front matter in tbd's order; unknown keys follow in the order they came. The body's two texts are left out."""
    known = [name for name, *_ in FIELDS if name in fields]
    return {
        **{name: fields[name] for name in known},
        **{name: value for name, value in fields.items() if name not in ORDER and name not in BODY},
    }


def in_json_order(issue: dict[str, Any]) -> dict[str, Any]:
    """An issue as `show --json` prints it."""
    return dict(sorted(issue.items(), key=lambda kv: JSON_ORDER.get(kv[0], 99)))


def blocks(target: str) -> dict[str, str]:
    return {"type": "blocks", "target": target}


def with_defaults(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with tbd's defaults for those that a hand-made file may leave out."""
    return fields | {k: v.copy() if isinstance(v, list) else v for k, v in DEFAULTS.items() if k not in fields}


def problems(issue: dict[str, Any]) -> list[tuple[str, str]]:
    """(field, what is wrong) for each rule that the issue breaks, in the table's order; [] for a good one."""
    out = [] if _is_sound(issue) else _field_problems(issue)
    for name in BODY:
        text = issue.get(name)
        if text is not None and (not isinstance(text, str) or len(text) > BODY_MAX):
            out.append((name, f"must be text of at most {BODY_MAX} characters"))
    return out or _together(issue)


def overgrown(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(field, what is wrong) where `new` adds to `old` ({} for nothing) more than commands give an issue.

    What was there already counts as it is: it came by hand or from elsewhere, and keeps no other change from being
    made. Both are good issues.
    """
    out = []
    for name, most, key in _MOST:
        now, before = new.get(name) or [], old.get(name) or []
        added = {*map(key, now)} - {*map(key, before)} if now != before else ()
        if added and len(now) > most:
            out.append((name, f"Expected at most {most}, received {len(now)}"))
        long = [text for text in added if len(text) > LABEL_MAX] if name == "labels" else []
        if long:
            out.append((name, f"Expected texts of at most {LABEL_MAX} characters, received {shown(min(long))}"))
    return out


def _is_sound(issue: dict[str, Any]) -> bool:
    """Whether every field is good on its own: the short way, for the ten thousand that are."""
    if not issue.keys() >= _REQUIRED:
        return False
    for name, value in issue.items():
        rule = _RULES.get(name)
        if rule is not None and not (value is None and rule[1]) and not rule[0](value):
            return False
    return True


def _field_problems(issue: dict[str, Any]) -> list[tuple[str, str]]:
    out = []
    for name, (is_good, may_be_null, complain) in _RULES.items():
        if name not in issue:
            if name in _REQUIRED:
                out.append((name, "Required"))
        elif not (issue[name] is None and may_be_null) and not is_good(issue[name]):
            out.append((name, f"{complain}, received {shown(issue[name])}"))
    return out


def _together(issue: dict[str, Any]) -> list[tuple[str, str]]:
    """The rules that span fields."""
    closed = issue.get("status", "open") == "closed"
    resolution, hold = issue.get("resolution"), issue.get("hold")
    out = []
    if resolution and not closed:
        out.append(("resolution", "resolution is only valid on a closed issue"))
    if (resolution == "duplicate") != bool(issue.get("duplicate_of")):
        out.append(("duplicate_of", "resolution duplicate and duplicate_of go together"))
    if hold and closed:
        out.append(("hold", "hold is only valid on work that is not closed"))
    if issue.get("hold_until") and hold != "paused":
        out.append(("hold_until", "hold_until needs hold: paused"))
    return out


def shown(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_title(value: Any) -> bool:
    return _is_text(value) and 1 <= len(value) <= TITLE_MAX


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_issues(value: Any) -> bool:
    return isinstance(value, list) and all(is_internal(x) for x in value)


def _is_deps(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    for x in value:
        if not isinstance(x, dict) or x.get("type") != "blocks" or not is_internal(x.get("target")):
            return False
    return True


def _is_records(value: Any, key: str) -> bool:
    return isinstance(value, list) and all(isinstance(x, dict) and isinstance(x.get(key), str) for x in value)


def _is_docs(value: Any) -> bool:
    return _is_records(value, "path")


def _is_refs(value: Any) -> bool:
    return _is_records(value, "url")


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


_ENUMS: dict[str, tuple[Any, ...]] = {
    "type": ("is",),
    "kind": KINDS,
    "status": STATUSES,
    "priority": PRIORITIES,
    "hold": HOLDS,
    "resolution": RESOLUTIONS,
}
CHECKS: dict[str, Callable[[Any], bool]] = {
    "issue": is_internal,
    "issues": _is_issues,
    "title": _is_title,
    "count": _is_count,
    "text": _is_text,
    "texts": _is_texts,
    "deps": _is_deps,
    "docs": _is_docs,
    "refs": _is_refs,
    "instant": is_instant,
    "map": _is_map,
}
EXPECTED = {
    "issue": "Expected is- and a ULID",
    "issues": "Expected a list of is- ids",
    "title": f"Expected text of 1 to {TITLE_MAX} characters",
    "count": "Expected a whole number from 0",
    "text": "Expected text",
    "texts": "Expected a list of texts",
    "deps": "Expected a list of {type: blocks, target: is-...}",
    "docs": "Expected a list of {path: ...}",
    "refs": "Expected a list of {kind, url}",
    "instant": "Invalid datetime: expected YYYY-MM-DDTHH:MM:SS.mmmZ",
    "map": "Expected a mapping",
}


def _member_of(options: tuple[Any, ...]) -> Callable[[Any], bool]:
    return lambda value: value in options and not isinstance(value, bool)


def _options(of: tuple[Any, ...]) -> str:
    return " | ".join(f"'{x}'" if isinstance(x, str) else str(x) for x in of)


_REQUIRED = {name for name, holds, *_ in FIELDS if holds[-1] == "!"}
for _kind, _of in _ENUMS.items():
    CHECKS[_kind] = _member_of(_of)
    EXPECTED[_kind] = f"Invalid enum value. Expected {_options(_of)}"
# field -> (its check, whether it may be null, what to say of a wrong value), in the table's order
_RULES = {
    name: (CHECKS[kind], holds[-1] == "?", EXPECTED[kind])
    for name, holds, *_ in FIELDS
    for kind in (holds.rstrip("!?"),)
}
# field -> how many of it commands give an issue, and what tells two of them apart
_MOST: tuple[tuple[str, int, Callable[[Any], str]], ...] = (
    ("labels", LABELS_MAX, str),
    ("dependencies", DEPENDENCIES_MAX, lambda edge: str(edge["target"])),
)

"""The attic: values that lost a merge, one file each, and the way back for those that are text.

What stands in an entry came with a clone, so nothing in it is believed: a file that is not an entry is said and
skipped, and the names of new files are made from checked parts only.
"""

from __future__ import annotations

import os

from tbdx.core import canon, ids
from tbdx.core.attic import DELETED, Loss, attic_entry, file_part
from tbdx.core.codec import decode
from tbdx.core.entity import BODY
from tbdx.core.times import is_instant, to_ms
from tbdx.core.typed import date_of
from tbdx.errors import BadFile, Disk, Invalid, NotFound, TbdxError, Unknown
from tbdx.kernel import Kernel, validate
from tbdx.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Issue = dict[str, Any]
    Entry = dict[str, Any]

RESTORABLE = ("title", *BODY)
TEXTS = ("entity_id", "timestamp", "field", "lost_value", "winner_source", "loser_source")
OTHER = {"local": "remote", "remote": "local"}


def entries(k: Kernel, text: str | None = None, since: str | None = None, limit: int | None = None) -> list[Entry]:
    """[{id, timestamp, field, winner}], newest first: of one issue, from `since` (a date as typed) on, `limit` at most.

    Raises Invalid for a date or a limit that is none, Unknown for an id that nothing has.
    """
    start = to_ms(date_of(since, "--since") or "") if since else None
    if limit is not None and limit < 0:
        raise Invalid(f"Invalid --limit value: {limit}. Expected a whole number from 0.")
    k.open()
    internal = _resolve(k, text) if text is not None else None
    return [
        {
            "id": k.display(e["entity_id"]),
            "timestamp": e["timestamp"],
            "field": e["field"],
            "winner": e["winner_source"],
        }
        for e in _newest_first(k, internal)
        if start is None or (to_ms(e["timestamp"]) or 0) >= start
    ][:limit]


def show(k: Kernel, text: str, at: str) -> Entry:
    """The entry of an issue at a time, tbd's keys in tbd's order. `at` is the time as an entry has it, or as its file
    name has it, and may go on with `_<field>` as that does. Raises Unknown, NotFound."""
    k.open()
    return _at(k, _resolve(k, text), at)[0]


def restore(k: Kernel, text: str, at: str, dry: bool = False) -> Entry:
    """Give a title, description or notes the value that was lost; the value that it had goes to the attic.

    {id: internal id, display, field, restored}: `restored` is False in a dry run, and when the issue has the value
    already. Of several entries of one time the first that can be restored counts. Raises Unknown, NotFound, Invalid.
    """
    with k.writing():
        internal = _resolve(k, text)
        found = _at(k, internal, at)
        entry = next((e for e in found if e["field"] in RESTORABLE), None)
        if entry is None:
            raise Invalid(f"Cannot restore field: {found[0]['field']}")
        field, value = entry["field"], text_of(entry["lost_value"])
        issue, source = k.read(internal)
        answer = {"id": internal, "display": k.display(internal), "field": field, "restored": False}
        if issue.get(field) == value:
            k.say("notice", f"{field} has that value already")
            return answer
        validate({**issue, field: value})
        if dry:
            return answer
        remote = {name[7:]: value for name, value in entry["context"].items() if name.startswith("remote_")}
        remote = {"version": remote.get("version", 0), "updated_at": remote.get("updated_at", entry["timestamp"])}
        side = OTHER.get(entry["winner_source"], "local")
        sides = (remote, issue) if side == "local" else (issue, remote)
        now = k.now()
        kept = attic_entry(internal, now, field, issue.get(field), *sides, winner_source=side)
        put(k, k.repo.data, internal, now, field, kept)
        k.save(source, issue, {field: value})
        return answer | {"restored": True}


def text_of(lost: str) -> str | None:
    """The text that an entry's `lost_value` stands for: its JSON form, else (legacy entries) as it stands."""
    import json

    try:
        value = json.loads(lost) if lost else None
    except (ValueError, RecursionError):
        value = lost
    if value in (None, "", DELETED):
        return None
    return value if isinstance(value, str) else lost


def overwritten(winner: Issue, loser: Issue) -> list[Loss]:
    """What of `loser` is nowhere in `winner`, when that one replaces it whole."""
    bare = {n: v for n, v in loser.items() if n not in ("version", "updated_at") and v not in (None, "", [], {})}
    return [Loss(loser["id"], n, v, winner, loser) for n, v in bare.items() if not _within(v, winner.get(n))]


def _within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return all(any(_within(x, y) for y in whole) for x in part)
    return type(part) is type(whole) and bool(part == whole)


def keep(k: Kernel, data: str, losses: Iterable[Loss], local: Issue) -> int:
    """Write losses to the attic of a data folder; how many were not there yet. `local` is this tracker's side."""
    new = 0
    for loss in losses:
        side = "local" if loss.winner is local else "remote"
        text = attic_entry(loss.entity, loss.at, loss.field, loss.value, loss.loser, loss.winner, winner_source=side)
        new += put(k, data, loss.entity, loss.at, loss.field, text)
    return new


def put(k: Kernel, data: str, entity: str, at: str, field: str, text: str) -> bool:
    """Write one entry under a free name; False when the attic has the value, with this time and field, already."""
    if not ids.is_internal(entity) or not is_instant(at):
        raise BadFile(f"{entity} at {at} is not an issue and a time")
    stem = f"{entity}_{at.replace(':', '-')}_{file_part(field)}"
    files.make_folder(files.inside(data, "attic"))
    lost, n = parse(text.encode())["lost_value"], 0
    while os.path.lexists(path := files.inside(data, "attic", f"{stem}.{n}.yml" if n else f"{stem}.yml")):
        try:
            if parse(files.read(path))["lost_value"] == lost:
                return False
        except TbdxError:
            pass  # whatever it is, it stays, and the entry gets another name
        n += 1
    files.write(path, text.encode(), scratch=k.repo.scratch)
    return True


def read_all(k: Kernel, data: str) -> list[tuple[str, Entry]]:
    """(file name, entry) of a data folder's attic in name order; what is not an entry is said. Raises BadFile, Disk."""
    folder = files.inside(data, "attic")
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".yml"))
    except FileNotFoundError:
        return []
    except OSError as e:
        raise Disk(f"cannot list {folder}: {e.strerror}")
    out = []
    for name in names:
        try:
            out.append((name, parse(files.read(f"{folder}/{name}"))))
        except FileNotFoundError:
            continue
        except BadFile as e:
            k.say("warn", f"Skipping invalid attic entry: {name}{f':{e.line}' if e.line else ''}: {e.reason}")
        except Disk as e:
            k.say("warn", f"Skipping invalid attic entry: {name}: {e.message}")
    return out


def parse(data: bytes) -> Entry:
    """An attic file's entry with tbd's keys in tbd's order; a context without meaning is empty. Raises BadFile."""
    text = decode(data)
    try:
        raw = canon.loads(text)
    except canon.Declined:
        from tbdx.core import loose

        raw = loose.load_map(text)[0]
    for name in TEXTS:
        if not isinstance(raw.get(name), str):
            raise BadFile(f"{name}: Expected text")
    if not ids.is_internal(raw["entity_id"]) or not is_instant(raw["timestamp"]):
        raise BadFile("entity_id, timestamp: Expected an issue's id and a time")
    entry = {name: raw[name] for name in TEXTS} | {"context": _context(raw.get("context"))}
    if any("\ud800" <= c <= "\udfff" for name in TEXTS for c in raw[name]):
        raise BadFile("is not valid UTF-8 text")
    return entry


def _context(raw: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in ("local_version", "remote_version"):
        value = raw.get(name) if isinstance(raw, dict) else None
        if isinstance(value, int) and not isinstance(value, bool):
            out[name] = value
    for name in ("local_updated_at", "remote_updated_at"):
        value = raw.get(name) if isinstance(raw, dict) else None
        if isinstance(value, str):
            out[name] = value
    return out


def _resolve(k: Kernel, text: str) -> str:
    """The internal id; unlike elsewhere the issue need not exist any more. Raises Unknown in tbd's words."""
    found = k.find(text)
    if found is None:
        of = ids.resolve(text, k.names.ulid_of.get)
        found = "is-" + of if of else None
    if found is None:
        short = ids.strip_prefix(text.strip().lower())
        raise Unknown(f'Unknown issue ID: {text}. Short ID "{short}" not found in mapping.')
    return found


def _newest_first(k: Kernel, internal: str | None) -> list[Entry]:
    found = [e for _, e in read_all(k, k.repo.data) if internal is None or e["entity_id"] == internal]
    return sorted(found, key=lambda e: to_ms(e["timestamp"]) or 0, reverse=True)


def _at(k: Kernel, internal: str, at: str) -> list[Entry]:
    """The entries of an issue at a time, one at least, in file-name order. Raises NotFound."""
    found = []
    for entry in _newest_first(k, internal):
        time = entry["timestamp"]
        forms = (time, time.replace(":", "-"))
        if at in forms or at in [f"{form}_{entry['field']}" for form in forms]:
            found.append(entry)
    if not found:
        hint = f"tbdx attic list {k.display(internal)} shows the times"
        raise NotFound(f"Attic entry not found: {k.display(internal)} at {at}", hint=hint)
    return found

"""Entities as wholes: `wk get`, `wk put`, `wk query`. One path for every collection; issues are the first."""

from __future__ import annotations

from tbdx.core import codec
from tbdx.core.entity import BODY, COLLECTIONS, in_json_order, with_defaults
from tbdx.core.ids import is_internal
from tbdx.core.query import compile_query
from tbdx.errors import BadFile, Invalid, Nothing, Stale
from tbdx.kernel import Kernel, validate
from tbdx.kernel.work import new_id, write_new

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Entity = dict[str, Any]

# set by the one who writes, never by the text that is put
_MANAGED = ("version", "updated_at")
_FIXED = ("id", "type", "created_at")


def get(k: Kernel, text: str) -> tuple[str, Entity]:
    """(the file's text, the entity). Raises NotFound, BadFile."""
    entity, source = k.read(k.need(text))
    return source, in_json_order(entity)


def query(k: Kernel, expr: str) -> list[Entity]:
    """Every entity for which the expression holds, in file-name order. Raises Usage, and Nothing when there is none."""
    holds = compile_query(expr)
    found = [in_json_order(entity) for entity in k.issues() if holds(entity)]
    if not found:
        raise Nothing("no entity matches")
    return found


def put(k: Kernel, data: bytes, *, if_version: str | None = None, dry: bool = False) -> dict[str, Any]:
    """Write an entity given as its file's text or as JSON. {id, internalId, version, created}.

    With an id it replaces that entity (`--if-version N` only while it has version N), without one it makes a new
    entity. Version and times are set here. Raises Invalid, Stale, NotFound.
    """
    given = _parse(data)
    wanted = _version(if_version)
    internal = given.get("id")
    if internal is None:
        return _make(k, given, wanted, dry=dry)
    kind = next((kind for kind, (_, prefix) in COLLECTIONS.items() if is_internal(internal, prefix)), None)
    if kind is None:
        raise Invalid(f"not an entity's id: {internal}")
    with k.writing():
        old, source = k.read(k.need(internal))
        if wanted is not None and old["version"] != wanted:
            raise Stale(
                f"{k.display(internal)} has version {old['version']}, not {wanted}", hint="wk get shows it as it is now"
            )
        moved = [name for name in _FIXED if name in given and given[name] != old[name]]
        if moved:
            raise Invalid(f"{', '.join(moved)} cannot be changed")
        base = {name: old[name] for name in (*_MANAGED, *_FIXED)}
        rest = {name: value for name, value in with_defaults(given).items() if name not in base}
        if base | rest == old:
            return _answer(k, old, created=False)
        k.check_keys(old, rest)
        _check(base | rest, old)
        same = {name: value for name, value in old.items() if name in base or name in rest}
        return _answer(k, old if dry else k.save(source, same, rest, was=old), created=False)


def _make(k: Kernel, given: Entity, wanted: int | None, *, dry: bool) -> dict[str, Any]:
    if wanted is not None:
        raise Invalid("--if-version needs an entity with an id")
    with k.writing():
        now = k.now()
        entity = with_defaults(given) | {"type": "is", "id": k.new_id(), "version": 1}
        entity |= {"created_at": now, "updated_at": now}
        k.check_keys({}, entity)
        _check(entity, {})
        if not dry:
            entity["id"] = new_id(k)
            write_new(k, entity)
        return _answer(k, entity, created=True)


def _check(entity: Entity, old: Entity) -> None:
    """Refuse what breaks a rule, and what could not be read back: too deep, or no clean text. Raises Invalid."""
    validate(entity, over=old)
    try:
        codec.parse(codec.decode(codec.encode(codec.render(entity))), entity["id"])
    except BadFile as e:
        raise Invalid(f"it could not be read back: {e.message}")


def _answer(k: Kernel, entity: Entity, *, created: bool) -> dict[str, Any]:
    internal = entity["id"]
    return {"id": k.display(internal), "internalId": internal, "version": entity["version"], "created": created}


def _version(text: str | None) -> int | None:
    if text is not None and not text.isdigit():
        raise Invalid(f"--if-version takes a number, not {text}")
    return None if text is None else int(text)


def _parse(data: bytes) -> Entity:
    """The fields in a Markdown file or a JSON object; `displayId` and `parent`, which show --json adds, are dropped."""
    try:
        text = codec.decode(data)
    except BadFile as e:
        raise Invalid(f"not an entity: {e.message}")
    if not text.lstrip().startswith("{"):
        return _parse_file(text)
    import msgspec

    try:
        found = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, RecursionError) as e:
        raise Invalid(f"not JSON: {e}")
    if not isinstance(found, dict):
        raise Invalid("not a JSON object")
    return {name: value for name, value in found.items() if name not in ("displayId", "parent")}


def _parse_file(text: str) -> Entity:
    from tbdx.core import loose

    try:
        front, body = codec.split(text)
        fields, _ = loose.load_map(front, first_line=2)
    except BadFile as e:
        raise Invalid(f"not an entity's file: {e.message}")
    description, notes = codec.split_body(body)
    return fields | {name: value for name, value in zip(BODY, (description, notes), strict=True) if value}

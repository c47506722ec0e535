"""Entities as wholes: `wk get`, `wk put`, `wk query`, of every collection.

Issues and agents are changed by what is put; messages and artifacts never change, and a new message is sent.
"""

from __future__ import annotations

from tbdx.core import codec, kinds
from tbdx.core.entity import BODY, COLLECTIONS, in_json_order, with_defaults
from tbdx.core.query import compile_query, kind_of
from tbdx.errors import BadFile, Invalid, Nothing, Stale
from tbdx.kernel import Kernel, skipping, validate
from tbdx.kernel.work import new_id, write_new
from tbdx.store import entities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Entity = dict[str, Any]

# set by the one who writes, never by the text that is put
_MANAGED = ("version", "updated_at")
_FIXED = ("id", "type", "created_at")


def get(k: Kernel, text: str) -> tuple[str, Entity]:
    """(the file's text, the entity). Raises NotFound, BadFile."""
    internal = text.strip().lower()
    kind = kinds.kind_of(internal)
    if kind in (None, "issue"):
        entity, source = k.read(k.need(text))
        return source, in_json_order(entity)
    k.open()
    entity, source = entities.read_of(k.repo, internal, kind)
    return source, entity


def query(k: Kernel, expr: str) -> list[Entity]:
    """Every entity for which the expression holds, by collection in file-name order. Raises Usage, and Nothing where
    there is none."""
    holds, wanted = compile_query(expr)
    found = [entity for kind in COLLECTIONS if kind in wanted for entity in _all(k, kind) if holds(entity)]
    if not found:
        raise Nothing("no entity matches")
    return [in_json_order(entity) if kind_of(entity) == "issue" else entity for entity in found]


def _all(k: Kernel, kind: str) -> list[Entity]:
    if kind == "issue":
        return k.issues()
    k.open()
    found, bad = entities.scan(k.repo, kind)
    for problem in bad:
        k.say("warn", skipping(problem))
    return found


def put(k: Kernel, data: bytes, *, if_version: str | None = None, dry: bool = False) -> dict[str, Any]:
    """Write an entity given as its file's text or as JSON. {id, internalId, version, created}.

    With an id it replaces that entity (`--if-version N` only while it has version N), without one it makes a new
    entity. Version and times are set here. Raises Invalid, Stale, NotFound.
    """
    given = _parse(data)
    wanted = _version(if_version)
    internal = given.get("id")
    kind = kind_of(given) if internal is None else kinds.kind_of(internal)
    if kind is None:
        raise Invalid(f"not an entity's id: {internal}")
    if kind != "issue":
        return _put_other(k, kind, given, wanted, dry=dry)
    if internal is None:
        return _make(k, given, wanted, dry=dry)
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


def _put_other(k: Kernel, kind: str, given: Entity, wanted: int | None, *, dry: bool) -> dict[str, Any]:
    if given.get("id") is None:
        if wanted is not None:
            raise Invalid("--if-version needs an entity with an id")
        return _make_other(k, kind, given, dry=dry)
    with k.writing():
        old, _ = entities.read_of(k.repo, given["id"], kind)
        version = old.get("version", 1)
        if wanted is not None and version != wanted:
            raise Stale(f"{old['id']} has version {version}, not {wanted}", hint="wk get shows it as it is now")
        rest = {n: v for n, v in given.items() if n not in _MANAGED}
        if rest != {n: v for n, v in old.items() if n not in _MANAGED}:
            if kind in kinds.NEVER_CHANGE:
                raise Invalid(f"{kind}s never change", hint="send or add another one")
            moved = [n for n in (*_FIXED, "name") if rest.get(n, old[n]) != old[n]]
            if moved:
                raise Invalid(f"{', '.join(moved)} cannot be changed")
            from tbdx.kernel import agents

            gone = dict.fromkeys(n for n in old if n not in rest and n not in (*_FIXED, *_MANAGED, "name"))
            version = agents.change(k, old, gone | rest, dry=dry)["version"]
        return {"id": old["id"], "internalId": old["id"], "version": version, "created": False}


def _make_other(k: Kernel, kind: str, given: Entity, *, dry: bool) -> dict[str, Any]:
    if kind == "message":
        from tbdx.kernel import mail

        names = {
            "to",
            "cc",
            "subject",
            "body",
            "importance",
            "ack_required",
            "ack_by",
            "reply_to",
            "thread_id",
            "work_id",
        }
        _only(given, names, "sent")
        o = given | {"thread": given.get("thread_id"), "work": given.get("work_id")}
        made = mail.send(k, o, dry=dry)
        internal = made.get("message_id", "")
    elif kind == "agent":
        from tbdx.kernel import agents

        _only(given, {"name", "roles", "groups"}, "registered")
        agent, _ = agents.register(
            k, given.get("name"), roles=given.get("roles", ()), groups=given.get("groups", ()), dry=dry
        )
        internal = agent["id"]
    else:
        raise Invalid("an artifact is added with its content", hint="tbdx artifact add FILE")
    return {"id": internal, "internalId": internal, "version": 1, "created": True}


def _only(given: Entity, names: set[str], done: str) -> None:
    """Refuse fields that are not given by the one who puts it, and values of another kind. Raises Invalid."""
    strange = sorted(given.keys() - names - {"type"})
    if strange:
        raise Invalid(f"{', '.join(strange)}: is set when it is {done}")
    for name, value in given.items():
        many = name in ("to", "cc", "roles", "groups")
        if many != isinstance(value, list) or not all(isinstance(x, str) for x in (value if many else ())):
            raise Invalid(f"{name}: {'a list of texts' if many else 'one value'} is wanted")
        if not many and name != "ack_required" and not isinstance(value, str):
            raise Invalid(f"{name}: text is wanted")


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
    if kind_of(fields) != "issue":
        return fields | ({"body": body.removesuffix("\n")} if body.strip() else {})
    description, notes = codec.split_body(body)
    return fields | {name: value for name, value in zip(BODY, (description, notes), strict=True) if value}

"""Changing issues: create, update, close, reopen, start, pause, resume, and their labels, dependencies, refs and docs.

Every verb takes the lock once, checks everything, and only then writes: a wrong id or value among many changes
nothing. A change raises the version by one and gives a later time; values that did not change keep their bytes.
"""

from __future__ import annotations

import os

from tbdx.core.entity import HOLDS, blocks
from tbdx.core.times import is_instant
from tbdx.core.typed import date_of, kind_of, priority_of, status_of, title_of
from tbdx.errors import BadFile, Disk, Invalid, NotFound, TbdxError
from tbdx.kernel import Kernel, validate
from tbdx.store import entities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Issue = dict[str, Any]
    # an issue that follows another one's change, and how
    Follow = tuple[str, Callable[[Issue], Mapping[str, Any]]]

DEEPEST = 10  # levels of parents


def spec_path(k: Kernel, text: str) -> str:
    """A spec file as kept in an issue: relative to the root, with slashes. Raises Invalid.

    A path is taken from where the command runs; one that is not there is looked for among docs/**/*.md, by its
    whole path, its tail, or its name.
    """
    from tbdx.core import lists

    root = k.repo.root
    path = os.path.normpath(os.path.join(k.cwd, text))
    if os.path.exists(path):
        rel = os.path.relpath(os.path.realpath(path), os.path.realpath(root))
        if rel.startswith(".."):
            raise Invalid(f"Spec path is outside the project: {text}")
        return rel.replace(os.sep, "/")
    found = []
    for folder, folders, names in os.walk(f"{root}/docs"):
        folders.sort()
        found += [os.path.relpath(f"{folder}/{n}", root).replace(os.sep, "/") for n in sorted(names) if n[-3:] == ".md"]
    hits = [p for p in found if p == text] or [p for p in found if lists.matches_spec(p, text)]
    if len(hits) != 1:
        why = f"several match: {', '.join(hits[:5])}" if hits else "no such file"
        raise Invalid(f"Invalid spec path: {text} ({why})")
    return hits[0]


def create(k: Kernel, title: str | None, o: Mapping[str, Any], *, dry: bool = False) -> dict[str, Any]:
    """Make an issue; `o` holds the options as typed. {id, internalId, title}; also links parent and blockers."""
    given = _from_file(k, o["from_file"]) if o.get("from_file") else {}
    if title is None and "title" not in given:
        raise Invalid("Title is required", hint='tbdx create "What is to be done"')
    fields: Issue = {"type": "is", "id": "", "title": title_of(given["title"] if title is None else title)}
    fields["kind"] = kind_of(o["type"]) if o.get("type") else given.get("kind", "task")
    fields["status"] = given.get("status", "open")
    fields["priority"] = priority_of(o["priority"]) if o.get("priority") else given.get("priority", 2)
    fields |= {"version": 1, "labels": [*given.get("labels", ()), *o.get("label", ())], "dependencies": []}
    fields |= {n: given[n] for n in ("description", "notes", "assignee", "delegate") if given.get(n)}
    fields |= {n: o[n] for n in ("description", "assignee", "delegate") if o.get(n)}
    for name, option in (("due_date", "due"), ("deferred_until", "defer")):
        value = o.get(option) or given.get(name)
        if value and not is_instant(value):
            raise TbdxError(f"{name}: Invalid datetime", hint="a full instant is wanted here: 2026-12-01T00:00:00Z")
        if value:
            fields[name] = value
    key = o.get("key")
    says = said_of(title, o) if key else ""
    with k.writing():
        if key:
            made = _made_before(k, key, says)
            if made:
                return made
        parent = _parent_for_new(k, o.get("parent") or given.get("parent_id"))
        waits_for = [k.needed(text, "--depends-on") for text in o.get("depends_on", ())]
        spec = o.get("spec") or given.get("spec_path")
        if spec or (parent and parent.get("spec_path")):
            fields["spec_path"] = spec_path(k, spec) if spec else parent["spec_path"] if parent else None
        if parent:
            fields["parent_id"] = parent["id"]
        now = k.now()
        fields |= {"created_at": now, "updated_at": now}
        if fields["status"] == "closed":
            fields |= {"closed_at": now, "close_reason": None}
        k.check_keys({}, fields)
        fields["id"] = "is-" + "0" * 26  # until it is known
        validate(fields, over={})
        for blocker in waits_for:
            found = k.read(blocker)[0]
            validate(found | {"dependencies": [*found["dependencies"], blocks(fields["id"])]}, over=found)
        if dry:
            return {}
        fields["id"] = new_id(k)
        if parent:  # the issue comes last: who sees it sees all that goes with it
            _change(k, parent["id"], lambda p: {"child_order_hints": _with(p.get("child_order_hints"), fields["id"])})
        for blocker in dict.fromkeys(waits_for):
            _change(k, blocker, lambda b: {"dependencies": _with(b["dependencies"], blocks(fields["id"]))})
        write_new(k, fields)
        if key:
            k.happened[-1] |= {"idempotency_key": key, "said": says}
        return {"id": k.display(fields["id"]), "internalId": fields["id"], "title": fields["title"]}


def said_of(title: str | None, o: Mapping[str, Any]) -> str:
    """What a create asks for, in 8 digits: by it a repeated key is known to come with something else."""
    from zlib import crc32

    from tbdx.core.jsontext import dumps

    return f"{crc32(dumps([title, *(o.get(name) for name in sorted(o) if name != 'key')]).encode()):08x}"


def _made_before(k: Kernel, key: str, says: str) -> dict[str, Any] | None:
    """The answer to the first create with an idempotency key, None when there was none."""
    from tbdx.kernel.journal import used_key

    found = used_key(k, "work.created", key)
    if found is None or not _is_good(k, found[4]):
        return None
    issue = k.read(found[4])[0]
    if found[3] != says:
        k.say("warn", f"key {key} was used to create something else: {k.display(issue['id'])} stands")
    return {"id": k.display(issue["id"]), "internalId": issue["id"], "title": issue["title"], "duplicate": True}


def close_repeats(k: Kernel) -> list[tuple[str, str]]:
    """Close what two clones created under one key before they met: [(the later one, the first one)], display ids."""
    from tbdx.kernel.bulk import close
    from tbdx.kernel.views import current

    out = []
    for row in current(k, ("keys",))["keys"].values():
        for _, _, later in row[5].values():
            first = row[4]
            if first and later and _is_good(k, first) and _is_good(k, later) and k.read(later)[0]["status"] != "closed":
                pair = k.display(later), k.display(first)
                how = {"duplicate_of": first} if k.config.keeps_new_keys else {"reason": f"duplicate of {pair[1]}"}
                close(k, [later], **how)
                out.append(pair)
    return out


def new_id(k: Kernel) -> str:
    """An id that no issue has, with a short one that is on disk before the issue is. Raises Disk."""
    for _ in range(5):
        internal = k.new_id()
        if not os.path.lexists(entities.path_of(k.repo, internal)):
            k.give_short(internal)
            k.names.save()
            return internal
    raise Disk("five new ids in a row were taken already", hint="is the clock standing still?")


def write_new(k: Kernel, fields: Issue) -> None:
    """Write the file of a new issue."""
    from tbdx.core import codec

    text = codec.render(fields)
    if not entities.create(k.repo, fields["id"], text):
        raise Disk(f"{fields['id']} is there already", hint="repeat the command")
    k.note(None, fields, None, text)


def _parent_for_new(k: Kernel, text: str | None) -> Issue | None:
    if not text:
        return None
    found = k.find(text)
    if found is None:
        raise Invalid(f"Invalid parent ID: {text}")
    chain = [found, *k.ancestors(found)]
    if len(chain) > DEEPEST:
        raise Invalid(f"Parents may be nested {DEEPEST} deep at most")
    return k.read(found)[0]


def _with(items: Sequence[Any] | None, item: Any) -> list[Any]:
    items = list(items or ())
    return items if item in items else [*items, item]


def _without(items: Sequence[Any] | None, item: Any) -> list[Any]:
    return [x for x in items or () if x != item]


def _change(k: Kernel, internal: str, change: Callable[[Issue], Mapping[str, Any]]) -> Issue:
    """Change one issue, if what comes out differs."""
    issue, text = k.read(internal)
    changes = change(issue)
    return k.save(text, issue, changes) if any(issue.get(n) != v for n, v in changes.items()) else issue


def _is_good(k: Kernel, internal: str) -> bool:
    """False for an issue that is gone or damaged; what it says cannot follow a change."""
    try:
        k.read(internal)
    except (NotFound, BadFile):
        return False
    return True


# update

BULK_OPTIONS = ("priority", "assignee", "delegate", "hold", "type", "add_label", "remove_label", "due", "defer")


def update(k: Kernel, ids: Sequence[str], o: Mapping[str, Any], *, dry: bool = False) -> dict[str, Any]:
    """Change fields; `o` holds the options that were given, as typed. '' clears where a value may be absent."""
    from tbdx.kernel.bulk import change_all

    given = {name: value for name, value in o.items() if value is not None and value != ()}
    ignore_missing = bool(given.pop("ignore_missing", False))
    changes = _typed(k, given)
    if len(dict.fromkeys(ids)) > 1:
        other = sorted(f"--{n.replace('_', '-')}" for n in given if n not in BULK_OPTIONS)
        if other or not given:
            allowed = ", ".join(f"--{n.replace('_', '-')}" for n in BULK_OPTIONS)
            raise Invalid(
                f"{', '.join(other)} cannot be given to several issues" if other else "Nothing to change was given",
                hint=f"for several issues: {allowed}",
            )
    with k.writing():
        picks = k.pick(ids, ignore_missing=ignore_missing)

        follow: list[Follow] = []

        def change(issue: Issue) -> Mapping[str, Any]:
            own, more = _update_of(k, issue, given, dict(changes))
            follow.extend(more)
            return own

        answer = change_all(k, picks, "updated", change, dry=dry, alone=lambda shown, _: {"id": shown, "updated": True})
        if not dry:
            for relative, what in follow:
                _change(k, relative, what)
        return answer


def _typed(k: Kernel, given: Mapping[str, Any]) -> dict[str, Any]:
    """The plain fields among the options, checked, before anything is read."""
    out: dict[str, Any] = {}
    if "title" in given:
        out["title"] = title_of(given["title"])
    if "status" in given:
        out["status"] = status_of(given["status"])
    if "type" in given:
        out["kind"] = kind_of(given["type"])
    if "priority" in given:
        out["priority"] = priority_of(given["priority"])
    out |= {n: given[n] or None for n in ("assignee", "delegate", "description", "notes") if n in given}
    if "due" in given:
        out["due_date"] = date_of(given["due"], "--due")
    if "defer" in given:
        out["deferred_until"] = date_of(given["defer"], "--defer")
    if "hold" in given:
        if given["hold"] not in (*HOLDS, "none", ""):
            raise Invalid(f"Invalid hold: {given['hold']}. Expected blocked, paused, or none.")
        k.needs_new_keys("--hold")
        out["hold"] = given["hold"] if given["hold"] in HOLDS else None
        out["hold_until"] = None
    if "delegate" in given:
        k.needs_new_keys("--delegate")
    if "spec" in given:
        out["spec_path"] = spec_path(k, given["spec"]) if given["spec"] else None
    if "from_file" in given:
        out |= {"description": None, "notes": None} | _from_file(k, given["from_file"])
    return out


def _update_of(
    k: Kernel, issue: Issue, given: Mapping[str, Any], changes: dict[str, Any]
) -> tuple[Mapping[str, Any], list[Follow]]:
    """(the changes for one issue with what goes with them, the relatives that follow)."""
    follow: list[Follow] = []
    if "hold_until" in changes and "hold_until" not in issue:
        del changes["hold_until"]
    if "status" in changes:
        from tbdx.kernel.bulk import closing_fields

        changes |= closing_fields(k, issue, changes["status"])
    added = [*issue["labels"], *given.get("add_label", ())]
    labels = _unique_minus(added, given.get("remove_label", ()), len(issue["labels"]))
    if labels != issue["labels"]:
        changes["labels"] = labels
    if "child_order" in given:
        texts = [x.strip() for x in given["child_order"].split(",") if x.strip()]
        changes["child_order_hints"] = [k.need(x) for x in texts] or None
    if "parent" in given or "parent_id" in changes:
        follow += _move(k, issue, given.get("parent", changes.get("parent_id") or ""), changes)
    if "spec_path" in changes and changes["spec_path"] != issue.get("spec_path"):
        follow += _spread_spec(k, issue, changes["spec_path"])
    return changes, follow


def _unique_minus(items: Sequence[str], removed: Sequence[str], old: int) -> list[str]:
    """`items` without the removed ones; of those after the `old` first, each is added once."""
    out: list[str] = []
    for n, item in enumerate(items):
        if item not in removed and (n < old or item not in out):
            out.append(item)
    return out


def _move(k: Kernel, issue: Issue, parent_text: str, changes: dict[str, Any]) -> list[Follow]:
    """Set or clear the parent: no cycles, not too deep; the new parent learns of the child, the old one forgets it."""
    old, own = issue.get("parent_id"), issue["id"]
    changes["parent_id"] = None
    follow: list[Follow] = []
    if parent_text:
        parent = k.find(parent_text)
        if parent is None:
            raise Invalid(f"Invalid parent ID: {parent_text}")
        chain = [parent, *k.ancestors(parent)]
        if own in chain:
            path = " -> ".join(k.display(x) for x in chain[: chain.index(own) + 1])
            raise Invalid(f"That parent would create a cycle ({path}). An issue cannot be its own ancestor.")
        if len(chain) > DEEPEST:
            raise Invalid(f"Parents may be nested {DEEPEST} deep at most")
        changes["parent_id"] = parent
        spec = k.read(parent)[0].get("spec_path")
        if spec and not issue.get("spec_path") and "spec_path" not in changes:
            changes["spec_path"] = spec
        follow.append((parent, lambda p: {"child_order_hints": _with(p.get("child_order_hints"), own)}))
    if old and old != changes["parent_id"] and _is_good(k, old):
        follow.append((old, lambda p: {"child_order_hints": _without(p.get("child_order_hints"), own)}))
    return follow


def _spread_spec(k: Kernel, parent: Issue, spec: str | None) -> list[Follow]:
    """Direct children whose spec was empty, or the old one, follow their parent's."""
    before = (None, parent.get("spec_path"))
    children = [i["id"] for i in k.issues() if i.get("parent_id") == parent["id"] and i.get("spec_path") in before]
    return [(child, lambda _: {"spec_path": spec}) for child in children]


def _from_file(k: Kernel, path: str) -> dict[str, Any]:
    """The fields that a person's Markdown file sets. What it says wrongly is told and left out. Raises TbdxError."""
    import frontmatter

    from tbdx.core import codec, loose

    class Handler(frontmatter.default_handlers.YAMLHandler):
        def load(self, fm: str, **_: object) -> dict[str, Any]:
            return loose.load_map(fm, first_line=2)[0]

    try:
        with open(os.path.join(k.cwd, path), "rb") as f:
            text = codec.decode(f.read(codec.LARGEST + 1))
    except OSError:
        raise TbdxError(f"Failed to read file: {path}")
    except BadFile as e:
        raise TbdxError(f"Failed to parse file: {path}: {e.reason}")
    try:
        codec.split(text)
        fields, body = frontmatter.parse(text, handler=Handler())
    except BadFile as e:
        raise TbdxError(f"Failed to parse file: {e.at(path).message}")
    description, notes = codec.split_body(body)
    out: dict[str, Any] = {}
    known = ("title", "status", "kind", "priority", "assignee", "delegate", "due_date", "deferred_until")
    from tbdx.core.entity import problems

    probe = {"type": "is", "id": "is-" + "0" * 26, "version": 1, "title": "x"}
    probe |= {"created_at": "2000-01-01T00:00:00.000Z", "updated_at": "2000-01-01T00:00:00.000Z"}
    for name in (*known, "parent_id", "spec_path", "labels"):
        if name in fields:
            wrong = [what for which, what in problems(probe | {name: fields[name]}) if which == name]
            if wrong and not (name == "parent_id" and isinstance(fields[name], str)):
                k.say("warn", f"{path}: {name}: {wrong[0]}; it is left as it was")
            else:
                out[name] = fields[name]
    return out | {n: v for n, v in (("description", description), ("notes", notes)) if v}

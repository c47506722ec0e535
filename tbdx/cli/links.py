"""Commands for what an issue is tied to: dependencies, labels, refs, docs."""

from __future__ import annotations

from tbdx.cli.common import Call
from tbdx.cli.output import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def dep_add(c: Call) -> None:
    _depend(c, remove=False)


def dep_remove(c: Call) -> None:
    _depend(c, remove=True)


def _depend(c: Call, *, remove: bool) -> None:
    from tbdx.kernel import links

    on = list(dict.fromkeys(c["depends_on"]))
    issue, changed, same = links.depend(c.kernel, c["issue"], on, remove=remove, dry=c.dry)
    if c.dry:
        c.would(f"Would {'remove' if remove else 'add'} dependency", issue=issue, dependsOn=changed)
    elif not changed and len(on) == 1:
        c.out.notice(f"{issue} does not depend on {same[0]}" if remove else f"{issue} depends on {same[0]} already")
    elif remove:
        value = changed[0] if len(on) == 1 else changed
        more = {} if len(on) == 1 else {"notPresent": same}
        c.done({"issue": issue, "removed": value} | more, f"{issue} no longer depends on {', '.join(changed) or 'any'}")
    else:
        counts = {} if len(on) == 1 else {"added": len(changed), "existing": len(same)}
        value = changed[0] if len(on) == 1 else changed + same
        c.done({"issue": issue, "dependsOn": value} | counts, f"{issue} now depends on {', '.join(changed + same)}")


def dep_list(c: Call) -> None:
    from tbdx.kernel import links

    found = links.dependencies(c.kernel, c["issue"])
    lines = [
        f"{word}: {', '.join(ids)}" for word, ids in zip(("Blocks", "Blocked by"), found.values(), strict=True) if ids
    ]
    c.result(found, "\n".join(lines) or "No dependencies")


def label_add(c: Call) -> None:
    _label(c, remove=False)


def label_remove(c: Call) -> None:
    _label(c, remove=True)


def _label(c: Call, *, remove: bool) -> None:
    from tbdx.kernel import links

    labels = list(c["labels"])
    shown, changed = links.label(c.kernel, c["id"], labels, remove=remove, dry=c.dry)
    word = "removed" if remove else "added"
    if c.dry:
        c.would(f"Would {word[:-2] if not remove else 'remove'} labels", id=shown, labels=labels)
    elif changed:
        c.done({"id": shown, f"{word}Labels": labels}, f"{shown}: {word} {', '.join(map(one_line, labels))}")
    else:
        c.out.notice(f"{shown}: nothing to {'remove' if remove else 'add'}")


def label_list(c: Call) -> None:
    from tbdx.kernel import lists

    counts = lists.label_counts(c.kernel)
    lines = [f"{one_line(label):<24}{n}" for label, n in counts]
    rows = [{"label": label, "count": n} for label, n in counts]
    c.result(rows, "\n".join([f"{'LABEL':<24}COUNT", *lines]) if lines else "No labels")


def ref_add(c: Call) -> None:
    _pages(c, "ref", "urls", remove=False, kind=c["kind"], title=c["title"])


def ref_rm(c: Call) -> None:
    _pages(c, "ref", "urls", remove=True, kind=None, title=None)


def doc_add(c: Call) -> None:
    _pages(c, "doc", "paths", remove=False, role=c["role"], title=c["title"])


def doc_rm(c: Call) -> None:
    _pages(c, "doc", "paths", remove=True, role=None, title=None)


def _pages(c: Call, what: str, name: str, *, remove: bool, **more: Any) -> None:
    from tbdx.kernel import links

    verb = getattr(links, what)
    shown, changed = verb(c.kernel, c["id"], list(c[name]), remove=remove, dry=c.dry, **more)
    word = "removed" if remove else "added"
    if c.dry:
        c.would(f"Would change {what}s", id=shown, **{name: list(c[name])})
    elif changed:
        c.done({"id": shown}, f"{shown}: {word} {', '.join(map(one_line, c[name]))}")
    else:
        c.out.notice(f"{shown}: nothing to {'remove' if remove else 'add'}")

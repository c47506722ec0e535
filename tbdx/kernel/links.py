"""What one issue is tied to: labels, dependencies, refs to pages, documents."""

from __future__ import annotations

from tbdx.core.entity import blocks
from tbdx.core.ids import is_internal
from tbdx.errors import Invalid
from tbdx.kernel import Kernel, validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


def _edit_list(
    k: Kernel, text: str, field: str, edit: Callable[[list[Any]], list[Any]], *, dry: bool
) -> tuple[str, bool]:
    """(display id, whether it changed) after editing one of an issue's lists; an emptied optional list is removed."""
    with k.writing():
        internal = k.need(text)
        issue, source = k.read(internal)
        before = list(issue.get(field) or ())
        after = edit(before)
        changed = after != before
        validate(issue | {field: after}, over=issue)
        if changed and not dry:
            if after or field == "labels":
                k.save(source, issue, {field: after})
            else:
                bare = {name: value for name, value in issue.items() if name != field}
                k.save(source, bare, {}, was=issue)
        return k.display(internal), changed


def label(k: Kernel, text: str, labels: Sequence[str], *, remove: bool, dry: bool = False) -> tuple[str, bool]:
    if not remove and any(not x.strip() for x in labels):
        raise Invalid("A label cannot be empty")

    def edit(before: list[Any]) -> list[Any]:
        if remove:
            return [x for x in before if x not in labels]
        return before + [x for x in dict.fromkeys(labels) if x not in before]

    return _edit_list(k, text, "labels", edit, dry=dry)


def ref(
    k: Kernel, text: str, urls: Sequence[str], *, kind: str | None, title: str | None, remove: bool, dry: bool = False
) -> tuple[str, bool]:
    """Add or remove links to pull requests, issues and other pages."""
    from tbdx.core.kinds import is_url

    k.needs_new_keys("ref")
    _one_title(urls, title)
    for url in urls:
        if not remove and not is_url(url):
            raise Invalid(f"Not an absolute http(s) URL: {url}")

    def edit(before: list[Any]) -> list[Any]:
        if remove:
            return [r for r in before if r["url"] not in urls]
        known = {r["url"] for r in before}
        new = [u for u in dict.fromkeys(urls) if u not in known]
        rows = [{"kind": kind or ref_kind(u), "url": u, "at": k.now()} for u in new]
        return before + [row | ({"title": title} if title else {}) for row in rows]

    return _edit_list(k, text, "refs", edit, dry=dry)


def ref_kind(url: str) -> str:
    """pr for `/pull/N`, issue for `/issues/N`, else other."""
    parts = url.split("?")[0].split("#")[0].split("/")
    for word, kind in (("pull", "pr"), ("issues", "issue")):
        if any(a == word and b.isdigit() for a, b in zip(parts, parts[1:], strict=False)):
            return kind
    return "other"


def doc(
    k: Kernel, text: str, paths: Sequence[str], *, role: str | None, title: str | None, remove: bool, dry: bool = False
) -> tuple[str, bool]:
    """Add or remove documents that belong to an issue; whether they exist is not asked."""
    k.needs_new_keys("doc")
    _one_title(paths, title)
    for path in paths:
        if not remove and ("://" in path or not path.strip()):
            raise Invalid(f"Not a path: {path}", hint="tbdx ref add keeps URLs")

    def edit(before: list[Any]) -> list[Any]:
        if remove:
            return [d for d in before if d["path"] not in paths]
        known = {d["path"] for d in before}
        more = {n: v for n, v in (("role", role), ("title", title)) if v}
        return before + [{"path": p} | more for p in dict.fromkeys(paths) if p not in known]

    return _edit_list(k, text, "docs", edit, dry=dry)


def _one_title(items: Sequence[str], title: str | None) -> None:
    if title and len(items) > 1:
        raise Invalid("--title goes with one item only")


def depend(
    k: Kernel, text: str, on: Sequence[str], *, remove: bool, dry: bool = False
) -> tuple[str, list[str], list[str]]:
    """(display id, blockers changed, blockers that were so already) of making an issue wait, or no longer wait."""
    with k.writing():
        issue = k.need(text)
        blockers = [found for _, found in k.pick(on) if found]
        if issue in blockers:
            raise Invalid("Issue cannot depend on itself")
        if not remove:
            _refuse_cycles(k, issue, blockers)
        edge = blocks(issue)
        changed, same = [], []
        read = {blocker: k.read(blocker) for blocker in blockers}  # a damaged one is said before anything is written
        for found, _ in read.values():
            if not remove:
                validate(found | {"dependencies": [*found["dependencies"], edge]}, over=found)
        for blocker, (found, source) in read.items():
            rest = [d for d in found["dependencies"] if d != edge]
            if (edge in found["dependencies"]) != remove:
                same.append(k.display(blocker))
                continue
            changed.append(k.display(blocker))
            if not dry:
                k.save(source, found, {"dependencies": rest if remove else [*rest, edge]})
        return k.display(issue), changed, same


def _refuse_cycles(k: Kernel, issue: str, blockers: Sequence[str]) -> None:
    """An issue cannot wait for what waits for it."""
    edges = {i["id"]: [d["target"] for d in i["dependencies"]] for i in k.issues()}
    for blocker in blockers:
        path = _path(edges, issue, blocker)
        if path:
            shown = " -> ".join(k.display(x) for x in [*path, issue])
            raise Invalid(f"That dependency would create a cycle ({shown}, each blocking the next)")


def _path(edges: Mapping[str, Sequence[str]], start: str, goal: str) -> list[str] | None:
    """A way along the edges, None when there is none."""
    came: dict[str, str] = {start: ""}
    queue = [start]
    for node in queue:
        if node == goal:
            path = [node]
            while came[path[0]]:
                path.insert(0, came[path[0]])
            return path
        for target in edges.get(node, ()):
            if target not in came and is_internal(target):
                came[target] = node
                queue.append(target)
    return None


def dependencies(k: Kernel, text: str) -> dict[str, list[str]]:
    """{blocks, blockedBy} as display ids."""
    internal = k.need(text)
    issue = k.read(internal)[0]
    from tbdx.kernel.snapshot import load

    at = load(k)
    return {
        "blocks": [k.display(d["target"]) for d in issue["dependencies"]],
        "blockedBy": [shown for shown, targets in zip(at["shown"], at["blocks"], strict=True) if internal in targets],
    }

"""Which edits a merged file was made of, from the history between two tips and their base.

A file that came out of a merge says when its last edit was, not when each of its values was written. To let every
value keep its own time, clones that meet look through merges at the edits below them, and let all of those meet. A
merge that is not what its edits make (a real tbd's, a person's) counts as an edit: it replaces what it merged.
"""

from __future__ import annotations

from tbdx.core.merge import ISSUES, merge_trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tbdx.core.attic import Loss

    # (commit, its parents, path -> content where it differs from the first parent's), parents before children
    Commit = tuple[str, Sequence[str], Mapping[str, bytes | None]]
    Tree = Mapping[str, bytes]
    Remake = Callable[[str, bytes | None, bytes | None, Sequence[bytes]], bytes | None]


def merge(
    history: Sequence[Commit],
    base: str,
    ends: tuple[str, str],
    was: Tree,
    ours: Tree,
    theirs: Tree,
    held: Callable[[str], bytes | None] = lambda _: None,
) -> tuple[dict[str, bytes | None], list[Loss]]:
    """`merge_trees` of the trees at two ends of a history, for what both changed by the edits that they were made of.

    `history` is what either end has and `base` has not.
    """

    def remake(path: str, a: bytes | None, b: bytes | None, edits: Sequence[bytes]) -> bytes | None:
        x, y, z = ({} if data is None else {path: data} for data in (was.get(path), a, b))
        return merge_trees(x, y, z, made_of={path: edits} if len(edits) > 2 else None)[0].get(path)

    contested = [p for p in ours if p.startswith(ISSUES) and p in theirs and len({was.get(p), ours[p], theirs[p]}) == 3]
    return merge_trees(was, ours, theirs, held, made_of(history, base, was, ends, contested, remake))


class Line:
    """The file at one commit: its content, the edits in it by commit, and those that later ones knew and replaced."""

    __slots__ = ("data", "edits", "replaced")

    def __init__(self, data: bytes | None, edits: dict[str, bytes | None], replaced: frozenset[str]) -> None:
        self.data, self.edits, self.replaced = data, edits, replaced


def made_of(
    history: Sequence[Commit],
    base: str,
    was: Mapping[str, bytes],
    ends: tuple[str, str],
    paths: Iterable[str],
    remake: Remake,
) -> dict[str, list[bytes]]:
    """path -> the contents that meet at the two ends; a path is left out where those are the ends themselves.

    `history` is what either end has and `base` has not, `was` the files at `base`; `remake(path, a, b, edits)` gives
    what a merge of contents a and b makes. Nothing is looked through where some of the history begins elsewhere.
    """
    known = {base, *(commit for commit, *_ in history)}
    begun_elsewhere = any(not parents or not known.issuperset(parents) for _, parents, _ in history)
    if begun_elsewhere or all(len(parents) < 2 for _, parents, _ in history):
        return {}
    out = {}
    for path in paths:
        lines = {base: Line(was.get(path), {}, frozenset())}
        for commit, parents, changed in history:
            lines[commit] = _next(commit, [lines[p] for p in parents], changed, path, remake)
        live = _live([lines[end] for end in ends])
        if live and len(live) > 2:
            out[path] = live
    return out


def _next(commit: str, parents: list[Line], changed: Mapping[str, bytes | None], path: str, remake: Remake) -> Line:
    data = changed.get(path, parents[0].data)
    edits = {c: d for parent in parents for c, d in parent.edits.items()}
    if len(parents) == 1:
        same = data == parents[0].data
    else:
        live = _live(parents)
        same = live is not None and data == remake(path, parents[0].data, parents[1].data, live)
    if same:
        return Line(data, edits, frozenset().union(*(parent.replaced for parent in parents)))
    return Line(data, edits | {commit: data}, frozenset(edits))


def _live(sides: list[Line]) -> list[bytes] | None:
    """The edits of several lines that none of them has replaced. None where one is a deletion, or where two have a
    common ancestor that is an edit itself: they were not made from the base, and must not meet as if they were."""
    replaced = frozenset().union(*(side.replaced for side in sides))
    if any(one.replaced & other.replaced for n, one in enumerate(sides) for other in sides[:n]):
        return None
    live = {c: d for side in sides for c, d in side.edits.items() if c not in replaced}
    contents = [data for data in live.values() if data is not None]
    return contents if len(contents) == len(live) else None

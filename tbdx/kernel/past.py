"""Time travel: the state of the views at a time, or as a reader with a cursor has seen it."""

from __future__ import annotations

from tbdx.core import chain, codec, cursor, event, merge, views
from tbdx.core.times import to_ms
from tbdx.errors import BadFile, Gone, Usage
from tbdx.kernel import Kernel
from tbdx.kernel.stream import everything
from tbdx.kernel.views import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tbdx.core.chain import Chains, Entry
    from tbdx.core.checkpoint import Checkpoint


def state_at(k: Kernel, at: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(state, issues by id) at an instant, or at a cursor. Raises Usage, and Gone for a time that was compacted."""
    base, made = everything(k)
    if at.startswith(cursor.PREFIX):
        place = cursor.parse(at)
        if base.vector and place.checkpoint != base.digest:
            raise Gone("what that cursor saw was compacted", hint="materialize without --at tells the present")
        entries = [e for c in made for e in _seen(c, place)]
        commit: str | None = place.commit or None
    else:
        ms = to_ms(at)
        if ms is None:
            raise Usage(f"--at takes an instant or a cursor, not {at[:60]}", hint="2026-01-17T00:58:12Z")
        limit = event.least_id(ms + 1)
        if base.vector and base.until >= limit:
            raise Gone("what happened until then was compacted", hint="materialize without --at tells the present")
        entries = [e for c in made for chain_ in c.of.values() for e in chain_ if e.event_id < limit]
        commit = k.git.commit_before(k.config.branch, ms // 1000)
    return _fold(k, base, entries), _issues(k, commit)


def _seen(made: Chains, place: cursor.Cursor) -> list[Entry]:
    ids, _ = chain.consumed(made, {n: p for n, p in place.journals.items() if event.base_writer(n) in made.of})
    return [e for entries in made.of.values() for e in entries if id(e) in ids]


def _fold(k: Kernel, base: Checkpoint, entries: list[Entry]) -> dict[str, Any]:
    by_name: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda e: e.seq):
        by_name.setdefault(entry.name, []).append(entry)
    facts, refused = chain.folded(by_name, bound=k.coordination.require_bound)
    return views.refuse(views.fold(start(base, views.PARTS), views.in_order(facts)), refused)


def _issues(k: Kernel, commit: str | None) -> dict[str, Any]:
    """The issues of a commit of the sync branch; {} where it is not known any more."""
    if commit is None or k.git.commit_of(commit) is None:
        return {}
    out = {}
    for path, data in k.git.content(commit).items():
        if path.startswith(merge.ISSUES) and path.endswith(".md"):
            try:
                issue = codec.parse(codec.decode(data), path[len(merge.ISSUES) : -3])
            except BadFile:
                continue  # told when it is listed
            out[issue["id"]] = issue
    return out

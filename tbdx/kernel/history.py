"""`changes`: what became of the issues between a commit of the sync branch and its tip."""

from __future__ import annotations

from tbdx.core import codec, lists, merge
from tbdx.core.diff import compare
from tbdx.core.snapshot import of as columns_of
from tbdx.errors import BadFile, Invalid, TbdxError, Usage
from tbdx.kernel import Kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Issue = dict[str, Any]


def changes(k: Kernel, o: Mapping[str, Any]) -> dict[str, Any]:
    """{since, tip, changes: [{id, internal_id, title, change, fields}]}; edits not committed by a sync are not seen."""
    if not o["since"]:
        raise Usage("required option '--since <commit>' not specified", hint="tbdx sync, then git rev-parse tbd-sync")
    kinds = [bool(o["bead"]), bool(o["label"] or o["spec"] or o["status"] or o["ready"]), bool(o["all"])]
    if sum(kinds) > 1:
        raise Invalid("--bead, --all and the other selectors do not go together")
    k.open()
    since, tip = k.git.commit_of(o["since"]), k.git.branch_tip(k.config.branch)
    if since is None or tip is None:
        raise TbdxError(f"Invalid or missing commit {o['since']}")
    paths = [p for p in k.git.differing(since, tip) if p.startswith(merge.ISSUES)]
    before, after = _issues(k, since, paths), _issues(k, tip, paths)
    wanted = _selector(k, o, since, tip)
    rows = []
    for internal, what, fields in compare(before, after):
        old, new = before.get(internal), after.get(internal)
        if wanted(internal, old, new):
            title = (new or old or {})["title"]
            row = {"id": k.display(internal), "internal_id": internal, "title": title, "change": what}
            rows.append(row | {"fields": fields})
    return {"since": since, "tip": tip, "changes": rows}


def _issues(k: Kernel, commit: str, paths: list[str] | None) -> dict[str, Issue]:
    """The good issues of a commit by id: those of the paths, or all."""
    if paths is None:
        paths = [p for p in k.git.tree(commit) if p.startswith(merge.ISSUES)]
    out = {}
    for path, data in (k.git.content(commit, paths) if paths else {}).items():
        try:
            issue = codec.parse(codec.decode(data), path[len(merge.ISSUES) : -3])
            out[issue["id"]] = issue
        except BadFile as e:
            k.say("warn", f"{commit[:9]}: {e.at(path).message}")
    return out


def _selector(k: Kernel, o: Mapping[str, Any], since: str, tip: str) -> Any:
    """(id, before, after) -> whether the change is asked for; either state may match."""
    beads = {k.need(text) for text in o["bead"]}
    newly_ready: set[str] = set()
    if o["ready"]:
        now = k.now()
        states = [columns_of(_issues(k, commit, None).values(), str) for commit in (since, tip)]
        ready = [{at["id"][n] for n in lists.ready(at, now=now)} for at in states]
        newly_ready = ready[1] - ready[0]

    def state(issue: Issue | None) -> bool:
        return issue is not None and (
            lists.labelled(issue, o["label"])
            and (not o["spec"] or lists.matches_spec(issue.get("spec_path"), o["spec"]))
            and (not o["status"] or issue["status"] == o["status"])
        )

    def chosen(internal: str, old: Issue | None, new: Issue | None) -> bool:
        if beads:
            return internal in beads
        return (state(old) or state(new)) and (not o["ready"] or internal in newly_ready)

    return chosen

"""What may be wrong with a tracker's data: pure checks over issues, short ids and the names of files.

A check takes a `Tracker` and gives `Finding`s, none when all is well; `row` makes of them what `doctor --json` prints.
What real trackers are full of is not odd and has no check: children missing from their parent's hints, ULIDs older
than `created_at`, short or dotted short ids, repeated titles, spec files that are gone, deferrals that are past.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from tbdx.core.ids import is_internal
from tbdx.core.lists import cycles
from tbdx.core.times import DAY_MS, to_ms
from tbdx.errors import BadFile, describe_bad

Issue = dict[str, Any]
Check = dict[str, Any]
GRAVITY = ("ok", "warn", "error")
A_FOLDER = "a folder"


class Finding(NamedTuple):
    """`status` is warn or error. warn: worth a look, everything works; error: something is lost, ignored or refused."""

    status: str
    message: str
    details: Sequence[str] = ()
    suggestion: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tracker:
    """What the data folder holds.

    issues: the good ones. bad: a complaint per issue file that is not one. rows: (short id, ULID) as ids.yml has them,
    garbage: a complaint for each other line, markers: the numbers of its lines that are conflict markers.
    files: (path below the data folder, what it is when it is not a plain file) of everything there.
    """

    issues: Sequence[Issue] = ()
    bad: Sequence[BadFile] = ()
    rows: Sequence[tuple[str, str]] = ()
    garbage: Sequence[str] = ()
    markers: Sequence[int] = ()
    files: Sequence[tuple[str, str | None]] = ()
    now_ms: int = 0
    display: Callable[[str], str] = str

    @cached_property
    def ids(self) -> frozenset[str]:
        """Every issue that has a file, a damaged one too: what names it does not dangle."""
        named = (path[7:-3] for path, _ in self.files if path.startswith("issues/") and path.endswith(".md"))
        return frozenset([i["id"] for i in self.issues] + [name for name in named if is_internal(name)])


def row(name: str, findings: Iterable[Finding], *, path: str | None = None, message: str | None = None) -> Check:
    """{name, status, message?, path?, details?, suggestion?}: the worst status, all that was found.

    `message` is what a check without findings says. tbd's key `fixable` is never there: nothing is fixed here.
    """
    found = sorted(findings, key=lambda f: -GRAVITY.index(f.status))
    out = {
        "name": name,
        "status": found[0].status if found else "ok",
        "message": "; ".join(f.message for f in found) or message,
        "path": path,
        "details": [line for f in found for line in f.details],
        "suggestion": "; ".join(f.suggestion for f in found if f.suggestion),
    }
    return {key: value for key, value in out.items() if value}


def listed(status: str, details: Collection[str], what: str, suggestion: str | None = None) -> list[Finding]:
    """One finding that counts its details; none when there are none."""
    return [Finding(status, f"{len(details)} {what}", list(details), suggestion)] if details else []


# what tbd checks too


def dependencies(t: Tracker) -> list[Finding]:
    """A cycle is only a warning: a real tbd accepts it, and every query ends."""
    edges = {i["id"]: [e["target"] for e in i["dependencies"]] for i in t.issues}
    lost = [f"{t.display(of)} -> {x}" for of, targets in edges.items() for x in targets if x not in t.ids]
    return [
        *listed("warn", lost, "dependency target(s) not found", "Run: tbdx edit ID to take them out of the blocker"),
        *listed("warn", loops(edges, t.display), "cycle(s) of dependencies", "Run: tbdx dep remove to break each"),
    ]


def hierarchy(t: Tracker) -> list[Finding]:
    parents = {i["id"]: i["parent_id"] for i in t.issues if i.get("parent_id")}
    good = {i["id"] for i in t.issues}
    lost = [f"{t.display(child)}: parent {of}" for child, of in parents.items() if of not in t.ids]
    gone, elsewhere = [], []
    for issue in t.issues:
        for child in issue.get("child_order_hints") or ():
            if child not in t.ids:
                gone.append(f"{t.display(issue['id'])}: child {child}")
            elif child in good and parents.get(child) != issue["id"]:
                of = parents.get(child)
                named = f"names {t.display(of)} as its parent" if of else "names no parent"
                elsewhere.append(f"{t.display(issue['id'])}: child {t.display(child)} {named}")
    chains = loops({child: [of] for child, of in parents.items()}, t.display)
    order = "Run: tbdx update PARENT --child-order to list its own children"
    return [
        *listed("error", chains, "cycle(s) of parents", "Run: tbdx update ID --parent ''"),
        *listed("warn", lost, "parent(s) not found", "Run: tbdx update ID --parent ''"),
        *listed("warn", gone, "child hint(s) without an issue", order),
        *listed("warn", elsewhere, "child hint(s) whose child names another parent or none", order),
    ]


def loops(edges: Mapping[str, Iterable[str]], display: Callable[[str], str]) -> list[str]:
    """`a -> b -> a` for each group of issues that reach each other: its shortest way round from its first member."""
    out = []
    for group in cycles(edges):
        came: dict[str, str] = {}
        queue, end = [group[0]], ""
        for node in queue:
            for target in sorted(set(edges.get(node, ())).intersection(group)):
                end = end or (node if target == group[0] else "")
                if target not in came:
                    came[target] = node
                    queue.append(target)
            if end:
                break
        way = [group[0], end]
        while way[-1] != group[0]:
            way.append(came[way[-1]])
        more = len(group) - len(set(way))
        out.append(" -> ".join(display(x) for x in reversed(way)) + (f" (and {more} more)" if more else ""))
    return out


def unique_ids(t: Tracker) -> list[Finding]:
    holders: dict[str, set[str]] = {}
    for short, of in t.rows:
        holders.setdefault(short, set()).add(of)
    twice = [f"{short}: {', '.join(sorted(of))}" for short, of in sorted(holders.items()) if len(of) > 1]
    inside = [path for path, _ in t.files if path.startswith("issues/") and path.lower().endswith(".md")]
    foreign = [path for path in inside if not (path.endswith(".md") and is_internal(path[7:-3]))]
    return [
        *listed("warn", twice, "short id(s) given twice", "The next change made with tbdx tells them apart for good"),
        *listed("warn", foreign, "file name(s) that are no issue id", "Name each is-<ulid>.md, in lower case"),
    ]


def mapping_conflicts(t: Tracker) -> list[Finding]:
    lines = [f"ids.yml:{n}" for n in t.markers]
    hint = "The next change made with tbdx unites both sides; a tbd reads nothing until then"
    return listed("error", lines, "line(s) of conflict markers in ids.yml", hint)


def mapping_keys(t: Tracker) -> list[Finding]:
    return listed("warn", t.garbage, "line(s) of ids.yml are no row", "The next change made with tbdx drops them")


def mapping_coverage(t: Tracker) -> list[Finding]:
    mapped = {of for _, of in t.rows}
    lost = [f"{of}: {t.display(of)} until it is kept" for of in sorted(t.ids) if of[3:] not in mapped]
    return listed("warn", lost, "issue(s) without a short id", "The next change made with tbdx keeps one for each")


def temp_files(t: Tracker) -> list[Finding]:
    left = [path for path, _ in t.files if path.endswith((".tmp", ".temp"))]
    return listed("warn", left, "temporary file(s) left behind", "Delete them when no tbd or tbdx is running")


def validity(t: Tracker) -> list[Finding]:
    bad = [describe_bad(e.path.rpartition("/")[2], e.line, e.reason) for e in t.bad]
    return listed("error", bad, "invalid issue file(s)", "Manually fix or delete invalid issue files")  # tbd's words


# what only we check


def closing_times(t: Tracker) -> list[Finding]:
    odd = [t.display(i["id"]) for i in t.issues if i["status"] == "closed" and not i.get("closed_at")]
    return listed("warn", odd, "closed issue(s) without closed_at")


def left_from_closing(t: Tracker) -> list[Finding]:
    odd = []
    for issue in t.issues:
        left = [name for name in ("closed_at", "close_reason") if issue.get(name)]
        if issue["status"] != "closed" and left:
            odd.append(f"{t.display(issue['id'])}: {issue['status']} with {' and '.join(left)}")
    return listed("warn", odd, "issue(s) that are not closed but say when or why")


def notes_sections(t: Tracker) -> list[Finding]:
    """The first `## Notes` divides the body, so a second one stands inside the notes."""
    odd = [
        t.display(i["id"])
        for i in t.issues
        if any(line.strip().lower() == "## notes" for line in i.get("notes", "").split("\n"))
    ]
    return listed("warn", odd, "body(s) with two `## Notes`")


def linear_links(t: Tracker) -> list[Finding]:
    files = {path for path, _ in t.files}
    if not any(path.startswith("bridge/linear/") for path in files):
        return []  # nobody keeps links here
    linked = [i["id"] for i in t.issues if "linear" in (i.get("extensions") or {})]
    odd = [t.display(of) for of in linked if f"bridge/linear/links/{of}.yml" not in files]
    return listed("warn", odd, "issue(s) with extensions.linear and no link file")


def future_times(t: Tracker) -> list[Finding]:
    """A clock that ran ahead wins every merge until the day comes; a day is left for time zones kept as UTC."""
    from ulid import ULID

    odd = []
    for issue in t.issues:
        times = {"id": ULID.from_str(issue["id"][3:].upper()).milliseconds, "updated_at": to_ms(issue["updated_at"])}
        late = [name for name, at_ms in times.items() if (at_ms or 0) > t.now_ms + DAY_MS]
        if late:
            odd.append(f"{t.display(issue['id'])}: {' and '.join(late)}")
    return listed("warn", odd, "issue(s) from the future", "Set the clock of the machine that wrote them")


def odd_files(t: Tracker) -> list[Finding]:
    """Links, FIFOs and the like, and folders where files belong: never followed, never opened, never synced."""
    odd = [f"{path}: {kind}" for path, kind in t.files if kind and (kind != A_FOLDER or _is_out_of_place(path))]
    return listed("warn", odd, "entry(s) of the data folder that are no plain file", "Look at each and move it away")


def _is_out_of_place(folder: str) -> bool:
    if folder.startswith("mappings/ids.yml.lock"):
        return False  # tbd's lock for ids.yml is a folder
    return folder.startswith(("issues/", "mappings/")) or folder.endswith((".md", ".yml"))

"""The main job on a tracker that real people wrote; skipped by name where its bundle is not at hand.

What tbdx answers is compared with what this file works out itself from the raw files, with ruamel and no tbdx code.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from conftest import Clone, git
from tbdx.cli import common
from tbdx.core import canon, codec

ROOT = Path(__file__).parent.parent.parent
BUNDLE = Path(os.environ.get("TBDX_BUNDLE") or ROOT.parent / "shared/data/tbd-sync.bundle").resolve()
ISSUES, BRIDGES = 1_867, 242

pytestmark = pytest.mark.skipif(not BUNDLE.exists(), reason="the tracker bundle is not here")

Raw = dict[str, dict[str, Any]]


def sealed(cwd: Path, *args: str, stdin: bytes = b"") -> bytes:
    """Git outside of a test, where the seal is not on yet."""
    env = {"PATH": os.environ["PATH"], "HOME": str(cwd), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
    return subprocess.run(["git", *args], cwd=cwd, env=env, input=stdin, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository made as the issue says, without its `tbdx init`."""
    path = tmp_path_factory.mktemp("real") / "w"
    path.mkdir()
    sealed(path, "init", "-q")
    sealed(path, "symbolic-ref", "HEAD", "refs/heads/main")
    sealed(path, "fetch", "-q", str(BUNDLE), "tbd-sync:tbd-sync")
    return path


@pytest.fixture
def real(built: Path, tmp_path: Path, at: Callable[[Path], Clone]) -> Clone:
    path = tmp_path / "w"
    git(tmp_path, "clone", "-q", "--shared", "--no-checkout", str(built), "w")
    git(path, "branch", "-q", "tbd-sync", "origin/tbd-sync")
    git(path, "remote", "remove", "origin")
    git(path, "symbolic-ref", "HEAD", "refs/heads/main")
    clone = at(path)
    made = clone.run("init", "--prefix", "tbd")
    assert made.code == 0, made
    return clone


def raw_files(clone: Clone) -> dict[str, bytes]:
    return {str(p.relative_to(clone.data)): p.read_bytes() for p in sorted(clone.data.rglob("*")) if p.is_file()}


def front(text: str) -> tuple[dict[str, Any], str]:
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    return YAML(typ="safe", pure=False).load(head + "\n"), body


@pytest.fixture(scope="module")
def raw(built: Path) -> Raw:
    """id -> front matter, with the body's text under `body`; times as the text that they are."""
    out: Raw = {}
    names = sealed(built, "ls-tree", "--name-only", "tbd-sync", ".tbd/data-sync/issues/").decode().split()
    listed = "".join(f"tbd-sync:{n}\n" for n in names if n.endswith(".md"))
    found = sealed(built, "cat-file", "--batch", stdin=listed.encode())
    at = 0
    while at < len(found):
        end = found.index(b"\n", at)
        size = int(found[at:end].split(b" ")[2])
        fields, body = front(found[end + 1 : end + 1 + size].decode())
        out[fields["id"]] = {"labels": [], "dependencies": []} | fields | {"body": body.strip()}
        at = end + size + 2
    return out


def waiting(raw: Raw) -> dict[str, list[str]]:
    """id -> its blockers that are not closed, in id order."""
    out: dict[str, list[str]] = {}
    for internal in sorted(raw):
        if raw[internal]["status"] != "closed":
            for edge in raw[internal]["dependencies"]:
                out.setdefault(edge["target"], []).append(internal)
    return out


def by_priority(raw: Raw, ids: list[str]) -> list[str]:
    return sorted(sorted(ids), key=lambda i: raw[i]["priority"])


def test_every_issue_parses_and_comes_back_as_the_same_bytes(real: Clone) -> None:
    declined = 0
    paths = sorted((real.data / "issues").glob("is-*.md"))
    assert len(paths) == ISSUES
    for path in paths:
        data = path.read_bytes()
        text = codec.decode(data)
        issue = codec.parse(text, path.name[:-3])
        assert codec.rewrite(text, issue).encode() == data, path.name
        try:
            canon.loads(codec.split(text)[0])
        except canon.Declined:
            declined += 1
    assert declined <= 10
    done = real.run("list", "--all", "--count")
    assert (done.out, done.err) == (f"{ISSUES}\n", "")


def test_lists_say_what_the_files_say(real: Clone, raw: Raw) -> None:
    all_rows = real.json("list", "--all")
    display = {row["internalId"]: row["id"] for row in all_rows}
    names = YAML(typ="safe", pure=False).load((real.data / "mappings/ids.yml").read_text())
    ours = {str(of): f"tbd-{short}" for short, of in sorted(names.items(), key=lambda r: str(r[0]), reverse=True)}
    assert display == {i: ours[i[3:]] for i in raw}
    assert [row["internalId"] for row in all_rows] == by_priority(raw, list(raw))
    for row in all_rows:
        was = raw[row["internalId"]]
        assert [row[n] for n in ("priority", "status", "kind", "title")] == [
            was[n] for n in ("priority", "status", "kind", "title")
        ]
        assert row["labels"] == was["labels"] and row.get("assignee") == was.get("assignee")
        assert row.get("spec_path") == (was.get("spec_path") or None)
        assert row.get("parentId") == (display.get(was["parent_id"]) if was.get("parent_id") else None)
    active = [i for i in raw if raw[i]["status"] != "closed"]
    assert [row["internalId"] for row in real.json("list")] == by_priority(raw, active)
    bugs = [i for i in active if raw[i]["kind"] == "bug"]
    assert [row["internalId"] for row in real.json("list", "--type", "bug")] == by_priority(raw, bugs)
    label = max({x for i in active for x in raw[i]["labels"]}, default=None)
    if label:
        rows = [row["internalId"] for row in real.json("list", "--label", label)]
        assert rows == by_priority(raw, [i for i in active if label in raw[i]["labels"]])
    parent = next(i for i in raw if any(raw[x].get("parent_id") == i for x in raw))
    rows = [row["internalId"] for row in real.json("list", "--all", "--parent", display[parent])]
    assert rows == by_priority(raw, [i for i in raw if raw[i].get("parent_id") == parent])
    newest = [row["internalId"] for row in real.json("list", "--all", "--sort", "created", "--limit", "20")]
    assert newest == sorted(sorted(raw), key=lambda i: str(raw[i]["created_at"]), reverse=True)[:20]

    held = waiting(raw)
    now = common.now_ms()
    assert now > 0
    ready = [
        i
        for i in raw
        if raw[i]["status"] == "open" and not raw[i].get("delegate") and not raw[i].get("hold") and i not in held
        if not (raw[i].get("deferred_until") and str(raw[i]["deferred_until"]) > "2025-06-15T15")
    ]
    assert [row["id"] for row in real.json("ready")] == [display[i] for i in by_priority(raw, ready)]
    stuck = [i for i in active if raw[i]["status"] == "blocked" or i in held]
    rows = real.json("blocked")
    assert [row["id"] for row in rows] == [display[i] for i in by_priority(raw, stuck)]
    by_display = {of: i for i, of in display.items()}
    for row in rows:
        above = [display[b] for b in held.get(by_display[row["id"]], [])]
        assert [text.split(" ")[0] for text in row["blockedBy"]] == (above or ["(explicitly"])

    counts = real.json("stats")
    assert (counts["total"], counts["active"]) == (len(raw), len(active))
    for name, number in counts["byStatus"].items():
        assert number == sum(raw[i]["status"] == name for i in raw)
    for name, number in counts["byKindClosed"].items():
        assert number == sum(raw[i]["kind"] == name and raw[i]["status"] == "closed" for i in raw)
    for name, number in counts["byPriorityActive"].items():
        assert number == sum(str(raw[i]["priority"]) == name for i in active)
    tally: dict[str, int] = {}
    for i in raw:
        for x in raw[i]["labels"]:
            tally[x] = tally.get(x, 0) + 1
    assert {row["label"]: row["count"] for row in real.json("label", "list")} == tally

    for word in ("sync", "the", "2026"):
        found = [row["id"] for row in real.json("search", word, "--field", "title")]
        assert found == [display[i] for i in sorted(raw) if word in raw[i]["title"].lower()]
    wide = {row["id"] for row in real.json("search", "worktree")}
    expected = {display[i] for i in raw if "worktree" in (raw[i]["title"] + raw[i]["body"]).lower()}
    assert expected <= wide

    linked = [i for i in sorted(raw) if raw[i]["dependencies"]][:5] + sorted(held)[:5]
    everyone = {i: [e["target"] for e in raw[i]["dependencies"]] for i in sorted(raw)}
    for i in linked:
        if i not in raw:
            continue
        said = real.json("dep", "list", display[i])
        assert said["blocks"] == [display.get(t, t) for t in everyone[i]]
        assert said["blockedBy"] == [display[b] for b, targets in everyone.items() if i in targets]
    step = max(1, len(raw) // 12)
    for i in sorted(raw)[::step]:
        shown = real.json("show", display[i])
        assert shown["displayId"] == display[i]
        for name, value in raw[i].items():
            if name != "body":
                assert plain(shown[name]) == plain(value), name
        body = shown.get("description", "") + shown.get("notes", "")
        assert body.replace("\n", "") == raw[i]["body"].replace("## Notes\n", "", 1).replace("\n", "")


def plain(value: Any) -> Any:
    """Times that ruamel made into objects, as text again, to the second."""
    if hasattr(value, "isoformat"):
        return value.isoformat()[:19].replace(" ", "T")
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return (
        value[:19] if isinstance(value, str) and len(value) == 24 and value[-1] == "Z" and value[10] == "T" else value
    )


def test_work_travels_to_a_second_clone_and_back_and_the_rest_stays(
    real: Clone, tmp_path: Path, at: Callable[[Path], Clone]
) -> None:
    before = raw_files(real)
    assert sum(p.startswith("bridge/") for p in before) == BRIDGES
    git(tmp_path, "init", "-q", "--bare", "origin.git")
    git(tmp_path / "origin.git", "symbolic-ref", "HEAD", "refs/heads/main")
    real.git("remote", "add", "origin", str(tmp_path / "origin.git"))
    real.git("add", ".tbd")
    real.git("commit", "-qm", "tracker")
    real.git("push", "-q", "origin", "main")
    one, two, three = (row["id"] for row in real.json("ready", "--limit", "3"))
    made = real.create("travels", "--parent", three)
    assert real.json("start", one, "--as", "a")["claimed"] == [one]
    real.json("sync")
    git(tmp_path, "clone", "-q", "origin.git", "b")
    b = at(tmp_path / "b")
    assert b.json("show", made)["title"] == "travels" and b.json("show", one)["delegate"] == "a"
    b.json("close", one, "--reason", "done there")
    b.json("update", two, "--add-label", "there")
    real.json("update", two, "--title", "changed here")
    b.json("sync")
    real.json("sync")
    b.json("sync")
    for clone in (real, b):
        assert clone.json("show", one)["close_reason"] == "done there"
        found = clone.json("show", two)
        assert found["title"] == "changed here" and "there" in found["labels"]
    touched = {f"issues/{real.kernel.need(x)}.md" for x in (one, two, three, made)} | {"mappings/ids.yml"}
    for clone in (real, b):
        after = raw_files(clone)
        assert {p: d for p, d in after.items() if p not in touched and not p.startswith("attic/")} == {
            p: d for p, d in before.items() if p not in touched and not p.startswith("attic/")
        }
        assert all(after[p] == d for p, d in before.items() if p.startswith(("attic/", "bridge/")))
    tips = {clone.git("rev-parse", "tbd-sync") for clone in (real, b)}
    real.json("sync")
    b.json("sync")
    assert tips == {clone.git("rev-parse", "tbd-sync") for clone in (real, b)} and len(tips) == 1

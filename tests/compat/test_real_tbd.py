"""A real tbd and tbdx on one repository: what the one does the other sees, and each waits for the other's lock.

A real tbd 0.2.x wants git 2.42 for a worktree that tbdx has made by then, so it gets a `git` that says it is newer.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import audit
from conftest import Clone, git, new_git
from tbdx.core import codec
from tbdx.core.entity import FIELDS, LABEL_MAX, OLD_KEYS
from tbdx.kernel import setup
from tbdx.store.lock import Lock

TBDX = str(Path(sys.executable).parent / "tbdx")
GIT = shutil.which("git")
CONFIG = """\
tbd_format: f04
tbd_version: 0.2.3
display:
  id_prefix: test
sync:
  branch: tbd-sync
  remote: origin
  storage: git-common-dir-v1
settings:
  auto_sync: false
  doc_auto_sync_hours: 24
  use_gh_cli: true
"""
NEWER_GIT = f"""\
#!/bin/sh
for arg in "$@"; do
  case $arg in
    version|--version) echo "git version 2.45.0"; exit 0 ;;
    push) if [ -e "$GATE" ]; then : > "$GATE.reached"; while [ -e "$GATE" ]; do sleep 0.05; done; fi ;;
  esac
done
exec {GIT} "$@"
"""


def real_tbd(variable: str, release: str) -> str | None:
    """The executable that the variable names, or `tbd` on PATH, if it is a real tbd of that release."""
    for exe in (os.environ.get(variable), shutil.which("tbd")):
        try:
            said = subprocess.run([exe or "", "--version", "--json"], capture_output=True, text=True, timeout=60).stdout
        except OSError:
            continue
        if said.startswith(release):  # a shim of ours answers with JSON
            return exe
    return None


OLD, NEW = real_tbd("TBDX_REAL_TBD", "0.2."), real_tbd("TBDX_REAL_TBD_NEW", "0.7.")
REAL = [
    pytest.param(
        ("f04", OLD),
        marks=pytest.mark.skipif(OLD is None, reason="needs a real tbd 0.2.x: set TBDX_REAL_TBD"),
        id="f04",
    ),
    pytest.param(
        ("f08", NEW),
        marks=pytest.mark.skipif(NEW is None, reason="needs a real tbd 0.7.x: set TBDX_REAL_TBD_NEW"),
        id="f08",
    ),
]


@dataclass
class Seat:
    """One tool at work in one clone."""

    exe: str
    at: Path
    env: dict[str, str]

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.exe, *argv],
            cwd=self.at,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *argv: str) -> str:
        """The output of a command that must succeed; tbdx keeps every byte of the settings."""
        before = self.config.read_bytes()
        child = self.start(*argv)
        out, err = child.communicate(timeout=120)
        assert child.returncode == 0, (self.exe, argv, out, err)
        assert "Skipping" not in err
        assert self.exe != TBDX or self.config.read_bytes() == before
        return out

    def json(self, *argv: str) -> Any:
        return json.loads(self.run(*argv, "--json"))

    def create(self, title: str, *more: str) -> str:
        return str(self.json("create", title, *more)["id"])

    @property
    def config(self) -> Path:
        return self.at / ".tbd/config.yml"

    @property
    def data(self) -> Path:
        return self.at / ".git/tbd/data-sync-worktree/.tbd/data-sync"

    def file(self, shown: str) -> Path:
        return self.data / "issues" / f"{self.json('show', shown)['id']}.md"


@dataclass
class Pair:
    """tbdx and a real tbd, in one clone or in two of one remote."""

    tbdx: Seat
    tbd: Seat
    stamp: str

    @property
    def apart(self) -> bool:
        return self.tbdx.at != self.tbd.at

    def meet(self, first: Seat) -> None:
        """Bring what `first` did to the other one."""
        if self.apart:
            for seat in (first, self.tbd if first is self.tbdx else self.tbdx):
                seat.run("sync", "--issues")

    def both(self, *argv: str) -> Any:
        """What both print alike, as JSON."""
        with ThreadPoolExecutor(2) as pool:
            ours, theirs = pool.map(lambda seat: seat.json(*argv), (self.tbdx, self.tbd))
        assert ours == theirs, argv
        return ours

    def agree(self, *shown: str) -> list[dict[str, Any]]:
        """Both see the same issues, and the stamp is what it was; the rows of `list --all`."""
        rows: list[dict[str, Any]] = self.both("list", "--all")
        for one in shown:
            self.both("show", one)
        for seat in (self.tbdx, self.tbd):
            assert f"tbd_format: {self.stamp}\n" in seat.config.read_text()
            assert f"tbd_format: {self.stamp}\n" in (seat.at / ".git/tbd/layout.yml").read_text()
        return rows


Seats = Callable[..., Pair]


@pytest.fixture
def seats(
    seal: dict[str, str], tmp_path: Path, at: Callable[[Path], Clone], request: pytest.FixtureRequest
) -> Iterator[Seats]:
    """Sets both tools to work: in one clone, or with `tbdx_in` a or b in two clones of one remote."""

    def sit(real: tuple[str, str], tbdx_in: str = "") -> Pair:
        stamp, exe = real
        origin = tmp_path / "origin.git"
        git(tmp_path, "init", "-q", "--bare", str(origin))
        git(origin, "symbolic-ref", "HEAD", "refs/heads/main")
        a = at(new_git(tmp_path / "a"))
        a.git("remote", "add", "origin", str(origin))
        if stamp == "f08":
            setup.init(a.kernel, "test")
        else:
            (a.path / ".tbd").mkdir()
            (a.path / ".tbd/config.yml").write_text(CONFIG)
        assert a.json("list") == []  # the worktree and layout.yml are tbdx's
        a.run("sync")
        if tbdx_in:
            a.git("add", ".tbd/config.yml")
            a.git("commit", "-qm", "tracker")
            a.git("push", "-q", "origin", "main")
            git(tmp_path, "clone", "-q", str(origin), "b")
        (tmp_path / "newer").mkdir()
        wrapper = tmp_path / "newer/git"
        wrapper.write_text(NEWER_GIT)
        wrapper.chmod(0o755)
        theirs = seal | {"PATH": f"{wrapper.parent}{os.pathsep}{seal['PATH']}", "GATE": str(tmp_path / "gate")}
        places = {"": ("a", "a"), "a": ("a", "b"), "b": ("b", "a")}[tbdx_in]
        ours = Seat(TBDX, tmp_path / places[0], dict(os.environ))
        return Pair(ours, Seat(exe, tmp_path / places[1], theirs), stamp)

    yield sit


@pytest.mark.parametrize("real", REAL)
@pytest.mark.parametrize(
    ("tbdx_in", "begins"),
    [("", "tbdx"), ("", "tbd"), ("a", "tbdx"), ("b", "tbd")],
    ids=["one clone, tbdx first", "one clone, tbd first", "tbdx began", "tbd began"],
)
def test_both_see_each_step_of_the_other(seats: Seats, real: tuple[str, str], tbdx_in: str, begins: str) -> None:
    pair = seats(real, tbdx_in)
    turns = itertools.cycle([pair.tbdx, pair.tbd] if begins == "tbdx" else [pair.tbd, pair.tbdx])

    def create(title: str, *more: str) -> str:
        actor = next(turns)
        shown = actor.create(title, *more)
        pair.meet(actor)
        pair.agree(shown)
        return shown

    def change(verb: str, *argv: str) -> None:
        actor = next(turns)
        actor.run(*verb.split(" "), *argv)
        pair.meet(actor)
        pair.agree(*(x for x in argv if x in (one, two)))

    one = create("One: first", "-t", "bug", "-p", "1", "-l", "x", "-d", "Why.\n\nMore.")
    two = create("Two", "--parent", one, "--assignee", "ann", "--due", "2030-01-01T00:00:00.000Z")
    change("update", one, "--title", "One, renamed", "--add-label", "yes", "--priority", "0")
    change("update", two, "--description", "New: text", "--notes", "- seen\n- done")
    change("label add", one, "12345")
    change("update", two, "--assignee", "bob", "--type", "feature")
    change("label remove", one, "x")
    change("dep add", two, one)
    change("update", two, "--status", "in_progress", "--defer", "2030-01-01T00:00:00.000Z")
    change("close", one, "--reason", "done: all of it")
    change("reopen", one, "--reason", "not all")
    change("update", two, "--assignee", "", "--parent", "")
    change("close", two)
    rows = {row["id"]: row for row in pair.agree(one, two)}
    assert rows[one]["title"] == "One, renamed" and sorted(rows[one]["labels"]) == ["12345", "yes"]
    assert rows[two]["status"] == "closed" and "parentId" not in rows[two]
    for seat in (pair.tbdx, pair.tbd):
        seat.run("sync", "--issues")
        assert '"synced": true' in seat.run("sync", "--status", "--issues", "--json")
    health = pair.tbd.json("doctor")["healthChecks"]
    assert [check for check in health if check["status"] != "ok"] == []


@pytest.mark.parametrize("real", REAL)
@pytest.mark.parametrize("merges", ["tbdx", "tbd"])
def test_edits_in_two_clones_meet_alike_whoever_merges(seats: Seats, real: tuple[str, str], merges: str) -> None:
    pair = seats(real, "a")
    later, first = (pair.tbdx, pair.tbd) if merges == "tbdx" else (pair.tbd, pair.tbdx)
    both, mine = first.create("Both edit it", "-l", "old"), first.create("One closes it", "-d", "Why.")
    pair.meet(first)
    first.run("update", both, "--title", "A new title", "--add-label", "from-first")
    first.run("close", mine, "--reason", "done")
    later.run("update", both, "--priority", "0", "--add-label", "from-later")
    later.run("update", mine, "--notes", "a note")
    fresh = later.create("Made meanwhile")
    first.run("sync", "--issues")
    later.run("sync", "--issues")
    first.run("sync", "--issues")
    rows = {row["id"]: row for row in pair.agree(both, mine, fresh)}
    assert (rows[both]["title"], rows[both]["priority"]) == ("A new title", 0)
    assert sorted(rows[both]["labels"]) == ["from-first", "from-later", "old"]
    assert rows[mine]["status"] == "closed" and len(rows) == 3


@pytest.mark.parametrize("real", REAL)
def test_the_keys_that_a_real_tbd_keeps_are_those_of_the_table(seats: Seats, real: tuple[str, str]) -> None:
    pair = seats(real)
    other = pair.tbdx.json("create", "Other")["internalId"]
    shown = pair.tbdx.create("All keys")
    path = pair.tbdx.file(shown)
    then = "2026-01-02T03:04:05.678Z"
    issue = codec.parse(path.read_text()) | {"kind": "bug", "status": "closed", "spec_path": "docs/x.md"}
    issue |= {
        "docs": [{"path": "docs/y.md"}],
        "refs": [{"kind": "pr", "url": "https://example.com/pull/1", "at": then}],
    }
    issue |= {"assignee": "ann", "delegate": "bot", "labels": ["x"], "created_by": "ann", "close_reason": "done"}
    issue |= {"dependencies": [{"type": "blocks", "target": other}], "parent_id": other, "child_order_hints": [other]}
    issue |= dict.fromkeys(("due_date", "deferred_until", "started_at", "closed_at"), then)
    issue |= {"hold": None, "hold_until": None, "resolution": "duplicate", "duplicate_of": other}
    issue |= {"extensions": {"mine": {"b": 1, "a": ["x", "y"]}}}
    assert {name for name, *_ in FIELDS} <= set(issue)
    path.write_text(codec.render(issue))
    pair.tbd.run("update", shown, "--priority", "4")
    kept = codec.parse(path.read_text())
    assert set(kept) == (OLD_KEYS if pair.stamp == "f04" else {name for name, *_ in FIELDS})
    same = set(kept) - {"priority", "version", "updated_at"}
    assert {name: kept[name] for name in same} == {name: issue[name] for name in same}
    pair.agree(shown)


@pytest.mark.parametrize("real", REAL)
def test_notes_without_a_description_are_read_as_notes_however_they_were_written(
    seats: Seats, real: tuple[str, str]
) -> None:
    pair = seats(real)
    by_us, by_them = pair.tbdx.create("By us"), pair.tbd.create("By them")
    pair.tbdx.run("update", by_us, "--notes", "a note")
    pair.tbd.run("update", by_them, "--notes", "a note")
    for shown in (by_us, by_them):
        for _ in range(2):  # 0.2.3 takes such notes for a description, and writes them as one
            issue = pair.tbdx.json("show", shown)
            assert issue["notes"] == "a note" and "description" not in issue
            pair.tbd.run("update", shown, "--priority", "0")


TEXTS = [
    *("yes", "2026-01-01", "12345", "null", "~", "0x1F", "1e3", ".5", "True", 'it\'s "quoted"', "a #b", "# hash first"),
    *("colon: in title", "ends with colon:", "{brace}", "[list]", "- dash", "? question", "| bar", "> more", "@at"),
    *(
        "`tick`",
        "%percent",
        "!tag",
        "&anchor",
        "*star",
        "'single'",
        '"double"',
        "back\\slash",
        "tab\tinside",
        "é 漢字 🙂",
    ),
    *(
        "=",
        "---",
        "...",
        "a" * 300,
        "word " * 60 + "end",
        "https://example.com/a?b=c#d",
        "\u2028 odd",
        "\u00a0 space",
        "-",
    ),
]


@pytest.mark.parametrize("real", REAL)
@pytest.mark.parametrize("writer", ["tbdx", "tbd"])
def test_a_rewrite_by_the_other_tool_changes_only_what_it_must(
    seats: Seats, real: tuple[str, str], writer: str
) -> None:
    pair = seats(real)
    first, second = (pair.tbdx, pair.tbd) if writer == "tbdx" else (pair.tbd, pair.tbdx)
    texts = [f" {text}" if text[0] == "-" else text for text in TEXTS]
    short = [text for text in texts if len(text) <= LABEL_MAX]
    shown = first.create("Labels of every kind", *(part for text in short for part in ("-l", text)))
    path = first.file(shown)  # a real tbd takes longer labels, and a file may hold them
    path.write_text(codec.render(codec.parse(path.read_text()) | {"labels": texts}))
    titled = [first.create(text) for text in TEXTS[:40:4] if text[0] != "-"]
    pair.agree(shown, *titled[:3])
    first.run("update", shown, "--description", "# Heading\n\n- a\n- b: c\n\n    code\n", "--notes", "---\nkey: value")
    before = first.file(shown).read_text().splitlines()
    second.run("update", shown, "--priority", "0")
    after = second.file(shown).read_text().splitlines()
    assert len(before) == len(after)
    changed = {line.partition(":")[0] for line, old in zip(after, before, strict=True) if line != old}
    assert changed == {"priority", "version", "updated_at"}
    pair.agree(shown)


@pytest.mark.parametrize("real", REAL)
def test_both_call_the_same_issues_ready(seats: Seats, real: tuple[str, str]) -> None:
    pair = seats(real)
    x, t = pair.tbdx, pair.tbd
    free, blocker, waits, begun, later = (
        s.create(f"Issue {n}", "-p", str(n % 3)) for n, s in enumerate((x, t, x, t, x))
    )
    t.run("dep", "add", waits, blocker)
    x.run("update", later, "--status", "deferred")
    if pair.stamp == "f04":  # at f08 a claim is a delegate, and 0.7.1 still leaves out what has an assignee
        assigned = t.create("Assigned", "--assignee", "ann")
        assert x.json("start", begun, "--as", "bot") == {"claimed": [begun], "skipped": [], "assignee": "bot"}
        assert [row["assignee"] for row in pair.both("list", "--status", "in_progress")] == ["bot"]
        assert assigned not in [row["id"] for row in pair.both("ready")]
    else:
        t.run("update", begun, "--status", "in_progress")
    assert {row["id"] for row in pair.both("ready")} == {free, blocker}
    t.run("close", blocker)
    assert {row["id"] for row in pair.both("ready")} == {free, waits}
    x.run("reopen", blocker)
    assert {row["id"] for row in pair.both("ready")} == {free, blocker}


@pytest.mark.parametrize("real", REAL)
def test_nothing_is_lost_when_both_write_at_once(seats: Seats, real: tuple[str, str]) -> None:
    pair = seats(real)
    children = [seat.start("create", f"Issue {n}") for n in range(5) for seat in (pair.tbdx, pair.tbd)]
    for child in children:
        assert child.communicate(timeout=120) and child.returncode == 0
    rows = pair.agree()
    assert sorted(row["title"] for row in rows) == sorted(f"Issue {n}" for n in (*range(5), *range(5)))
    assert len({row["id"] for row in rows}) == 10
    assert len((pair.tbdx.data / "mappings/ids.yml").read_text().splitlines()) == 10
    assert list((pair.tbdx.at / ".git/tbd/locks").iterdir()) == []


@pytest.mark.parametrize("real", REAL)
def test_a_real_tbd_waits_for_our_lock(seats: Seats, real: tuple[str, str]) -> None:
    pair = seats(real)
    lock = pair.tbdx.at / ".git/tbd/locks/data-sync.lock"
    with Lock(str(lock)):
        child = pair.tbd.start("create", "Waits")
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=2)
        assert list(pair.tbdx.data.glob("issues/*.md")) == []
        assert (lock / "owner/record").is_file()
    assert child.communicate(timeout=60) and child.returncode == 0
    assert [row["title"] for row in pair.agree()] == ["Waits"]


@pytest.mark.parametrize("real", REAL)
def test_tbdx_waits_for_the_lock_of_a_real_tbd(seats: Seats, real: tuple[str, str], tmp_path: Path) -> None:
    pair = seats(real)
    pair.tbd.run("create", "First")
    gate = tmp_path / "gate"
    gate.touch()  # its push stands still here, and it pushes under the lock
    syncing = pair.tbd.start("sync", "--issues")
    until = time.monotonic() + 60
    while not (tmp_path / "gate.reached").exists() and time.monotonic() < until:
        time.sleep(0.05)
    child = pair.tbdx.start("create", "Waits")
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(timeout=2)
    assert len(pair.tbdx.json("list")) == 1  # reading goes on
    gate.unlink()
    assert syncing.communicate(timeout=60) and syncing.returncode == 0
    assert child.communicate(timeout=60) and child.returncode == 0
    assert {row["title"] for row in pair.agree()} == {"First", "Waits"}


@pytest.mark.parametrize("real", REAL)
def test_of_concurrent_edits_tbdx_loses_nothing_and_each_merge_of_tbds_is_listed(
    seats: Seats, real: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Both sync one remote in turn; `audit` reads the merges that each made, with git alone."""
    pair = seats(real, "a")
    x, t = pair.tbdx, pair.tbd
    text = "one\ntwo\nthree"
    shown = [x.create(f"Issue {n}", "-l", "base", "-d", text) for n in range(3)]
    pair.meet(x)
    by: dict[str, list[list[str]]] = {"tbdx": [], "tbd": []}
    branch = audit.Branch(x.at)

    def sync(seat: Seat, name: str) -> None:
        before = audit.Branch(seat.at).git("rev-parse", "tbd-sync").strip()
        seat.run("sync", "--issues")
        by[name] += [row for row in audit.Branch(seat.at).merges(before) if row[0] not in theirs(seat)]

    def theirs(seat: Seat) -> set[str]:
        """The merges that the other one had made before."""
        return {row[0] for rows in by.values() for row in rows}

    for n in range(2):
        for seat, name in ((x, "tbdx"), (t, "tbd")):
            for k, issue in enumerate(shown):
                words = [text.replace("two", f"{name} {n}"), text.replace("one", f"{name} {n}"), f"{text}\n{name}"][k]
                seat.run("update", issue, "--title", f"{name} {n}", "--add-label", f"{name}{n}", "--description", words)
            seat.run("update", shown[n], "--remove-label", "base", "--priority", str(n if seat is x else 4 - n))
            seat.run("update", shown[2], "--assignee", name)
        first, second = ((x, "tbdx"), (t, "tbd")) if n else ((t, "tbd"), (x, "tbdx"))
        sync(*first)
        sync(*second)
        sync(*first)
    pair.agree(*shown)
    x.run("sync", "--issues")
    assert by["tbdx"] and by["tbd"], "each of them has merged"
    assert {row[0]: branch.lost_in(*row) for row in by["tbdx"]} == {row[0]: [] for row in by["tbdx"]}
    listed = {row[0]: branch.lost_in(*row) for row in by["tbd"]}
    assert {row[0] for row in branch.merges()} == {*listed, *(row[0] for row in by["tbdx"])}
    with capfd.disabled():
        for commit, lost in listed.items():
            print(
                f"\na merge of the real tbd, {commit[:10]}, lost {len(lost)} values: {sorted({f for _, f, _ in lost})}"
            )


@pytest.mark.parametrize("real", REAL)
def test_a_real_tbd_carries_agents_and_messages_along_untouched(seats: Seats, real: tuple[str, str]) -> None:
    pair = seats(real, "a")
    pair.tbdx.run("coord", "on")
    pair.tbdx.run("agent", "register", "ann", "--role", "tester")
    letter = pair.tbdx.json("msg", "send", "--to", "ben", "--subject", "Hello", "--body", "first\n\n---\nlast")[
        "message_id"
    ]
    one = pair.tbdx.create("One")
    pair.tbdx.run("sync")
    kept = {p.relative_to(pair.tbdx.data): p.read_bytes() for p in pair.tbdx.data.glob("[am][ge]*/*.md")}
    assert len(kept) == 2
    for n in range(2):
        pair.tbd.run("sync", "--issues")
        pair.tbd.run("update", pair.tbd.json("list")[0]["id"], "--priority", str(n))
        pair.tbd.run("sync", "--issues")
        pair.tbdx.run("update", one, "--title", f"One {n}")
        pair.tbdx.run("sync")
    tree = git(pair.tbd.at, "ls-tree", "-r", "--name-only", "origin/tbd-sync")
    for seat in (pair.tbdx, pair.tbd):
        assert {path: (seat.data / path).read_bytes() for path in kept} == kept
    assert all(f".tbd/data-sync/{path.as_posix()}" in tree for path in kept)
    assert pair.tbdx.json("msg", "recv", "--me", "ben")["message_id"] == letter

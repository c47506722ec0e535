"""What a sync costs: `python tests/bench/sync.py [--rounds N] [--tbd EXE]`.

CPU time, user and system, git's processes included, medians in ms, through a bare remote on the same disk; a real tbd
0.2.x, where one is given, on the same issues in the same run. The last row is wall time.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import corpus
from run import Subject

from tbdx.core import codec
from tbdx.core.times import iso

Issue = dict[str, Any]
NOTHING, ONE, THOUSAND, MERGE = "sync, nothing to do", "sync, 1 change", "sync, 1,000 changes", "merge of 1,000 edits"
RACE = "50 creates + 50 updates, 100 processes, 4 worktrees"
# (row, at so many issues): goal in ms of CPU; for the race in s of wall; None where the goal is a ratio to tbd
GOALS: dict[tuple[str, int], float | None] = {
    (NOTHING, 10_000): 100,
    (ONE, 10_000): 350,
    (THOUSAND, 1_000): None,
    (THOUSAND, 10_000): None,
    (MERGE, 1_000): 1_000,
    (RACE, 0): 15,
}
TBD_071 = {
    (NOTHING, 10_000): 1_336,
    (ONE, 10_000): 1_249,
    (THOUSAND, 1_000): 1_215,
    (THOUSAND, 10_000): 2_222,
    (MERGE, 1_000): 28_550,
    (RACE, 0): 57.6,
}


class Tracker:
    """A clone with N issues, at home with one tool, published to a bare remote; and how to change many of them."""

    def __init__(self, root: Path, tool: str, n: int, env: dict[str, str]) -> None:
        self.root, self.tool, self.env = root, tool, env
        self.made = corpus.issues(n)
        corpus.write_tracker(root / "a", self.made, tool, env)
        self.git(root, "init", "-q", "--bare", "o.git")
        self.git(root / "o.git", "symbolic-ref", "HEAD", "refs/heads/main")
        self.git(root / "a", "remote", "add", "origin", str(root / "o.git"))
        self.git(root / "a", "add", ".tbd")
        self.git(root / "a", "commit", "-qm", "tracker")
        self.git(root / "a", "push", "-q", "origin", "main")
        self.clone = self.subject("a")
        self.sync(self.clone)
        self.edits = 0

    def git(self, cwd: Path, *args: str) -> None:
        subprocess.run(["git", *args], cwd=cwd, env=self.env, check=True, capture_output=True)

    def subject(self, name: str) -> Subject:
        return Subject(self.tool, self.root / name, [], self.env)

    def other(self) -> Subject:
        """A second clone, which has everything."""
        self.git(self.root, "clone", "-q", "o.git", "b")
        subject = self.subject("b")
        self.sync(subject)
        return subject

    def edit(self, subject: Subject, count: int, field: str) -> None:
        """Change as many issues, as a command would."""
        self.edits += 1
        folder = subject.root / ".git/tbd/data-sync-worktree/.tbd/data-sync/issues"
        for issue in random.Random(1).sample(sorted(self.made.values(), key=lambda i: str(i["id"])), count):
            path = folder / f"{issue['id']}.md"
            old = codec.parse(path.read_text())
            now = iso(1_790_000_000_000 + self.edits * 1000)
            new = old | {field: f"{field} {self.edits}", "version": old["version"] + 1, "updated_at": now}
            path.write_text(codec.render(new))

    def sync(self, subject: Subject) -> float:
        os.chdir(subject.root)
        return subject.run("sync --issues")[0]


def single(root: Path, tool: str, n: int, rounds: int, env: dict[str, str]) -> dict[str, float]:
    tracker = Tracker(root, tool, n, env)
    ms: dict[str, list[float]] = {NOTHING: [], ONE: [], THOUSAND: []}
    tracker.sync(tracker.clone)
    for _ in range(rounds):
        time.sleep(0.05)
        ms[NOTHING].append(tracker.sync(tracker.clone))
        tracker.edit(tracker.clone, 1, "title")
        ms[ONE].append(tracker.sync(tracker.clone))
    for _ in range(max(1, rounds // 3)):
        tracker.edit(tracker.clone, 1_000, "title")
        ms[THOUSAND].append(tracker.sync(tracker.clone))
    return {name: statistics.median(values) for name, values in ms.items()}


def merge(root: Path, tool: str, rounds: int, env: dict[str, str]) -> float:
    """Both clones change each of 1,000 issues, in the same field and in another one; the second to sync merges."""
    tracker = Tracker(root, tool, 1_000, env)
    other = tracker.other()
    ms = []
    for _ in range(max(1, rounds // 3)):
        tracker.edit(other, 1_000, "title")
        tracker.edit(tracker.clone, 1_000, "title")
        tracker.edit(tracker.clone, 1_000, "assignee")
        tracker.sync(other)
        ms.append(tracker.sync(tracker.clone))
        tracker.sync(other)
    return statistics.median(ms)


def race(root: Path, tool: str, env: dict[str, str]) -> float:
    """Seconds until 100 processes in four worktrees of one clone have made 50 issues and noted 50 times on one."""
    tracker = Tracker(root, tool, 100, env)
    clone = tracker.clone.root
    places = [clone]
    for n in range(3):
        tracker.git(clone, "worktree", "add", "-q", f"../w{n}", "-b", f"w{n}")
        places.append(root / f"w{n}")
    shown = next(f"pf-{short}" for short, issue in tracker.made.items() if issue["status"] == "open")
    began = time.monotonic()
    lines = [("create", f"Issue {n}") for n in range(50)] + [("label", "add", shown, f"l{n}") for n in range(50)]
    random.Random(1).shuffle(lines)
    running = [
        subprocess.Popen([tool, *line], cwd=places[n % 4], env=env, stdout=-1, stderr=-1)
        for n, line in enumerate(lines)
    ]
    failed = [child.communicate()[1] for child in running if child.wait()]
    took = time.monotonic() - began
    if failed:
        sys.exit(f"{len(failed)} of 100 failed: {failed[0].decode()}")
    return took


def publish(root: Path, tool: str, env: dict[str, str], rounds: int) -> tuple[int, int, float]:
    """(syncs, how many failed, the 95th percentile of their seconds) of 12 clones that publish a new issue at once."""
    tracker = Tracker(root, tool, 100, env)
    clones = []
    for n in range(12):
        tracker.git(root, "clone", "-q", "o.git", f"c{n}")
        clones.append(tracker.subject(f"c{n}"))
        tracker.sync(clones[-1])
    took, failed = list[float](), 0
    for n in range(rounds):
        for clone in clones:
            os.chdir(clone.root)
            clone.run(f"create new{n}")
        began = time.monotonic()
        running = [
            subprocess.Popen([tool, "sync", "--issues"], cwd=clone.root, env=env, stdout=-3, stderr=-3)
            for clone in clones
        ]
        while running:
            ended = [child for child in running if child.poll() is not None]
            took += [time.monotonic() - began] * len(ended)
            failed += sum(child.returncode != 0 for child in ended)
            running = [child for child in running if child not in ended]
            time.sleep(0.005)
        for clone in (*clones, *clones):
            tracker.sync(clone)
    return len(took), failed, sorted(took)[int(len(took) * 0.95)]


def measure(tool: str, rounds: int, merges: bool) -> dict[tuple[str, int], float]:
    out: dict[tuple[str, int], float] = {}
    for n in (1_000, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve()
            found = single(root, tool, n, rounds, corpus.plain_env(root / "home"))
            out |= {(name, n): ms for name, ms in found.items()}
            os.chdir("/")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        out[RACE, 0] = race(root, tool, corpus.plain_env(root / "home"))
        if merges:
            out[MERGE, 1_000] = merge(root / "m", tool, rounds, corpus.plain_env(root / "home"))
        syncs, failed, p95 = publish(root / "p", tool, corpus.plain_env(root / "home"), 5 if merges else 1)
        print(f"{Path(tool).name}: 12 clones publish at once: {failed} of {syncs} syncs failed, p95 {p95:.1f} s wall")
        os.chdir("/")
    return out


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--tbd", default=os.environ.get("TBDX_REAL_TBD") or shutil.which("tbd"))
    given = options.parse_args()
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(Path(codec.__file__).parents[1])], check=False)
    ours = measure(corpus.TBDX, given.rounds, True)
    theirs = measure(given.tbd, min(3, given.rounds), False) if given.tbd else {}
    print("| | issues | goal | tbdx | tbd 0.2.3, this run | tbd 0.7.1, observed | tbdx / tbd 0.2.3 |")
    print("|---|---|---|---|---|---|---|")
    for key, goal in GOALS.items():
        unit, digits = ("s wall", 1) if key[0] == RACE else ("ms", 0)
        limit = f"{goal:,} {unit}" if goal else "0.75 x tbd"
        beside = f"{theirs[key]:,.{digits}f}" if key in theirs else "–"
        ratio = f"{ours[key] / theirs[key]:.2f}" if key in theirs else "–"
        size = f"{key[1]:,}" if key[1] else "–"
        print(
            f"| {key[0]} | {size} | {limit} | {ours[key]:,.{digits}f} {unit} | {beside} | {TBD_071[key]:,} | {ratio} |"
        )


if __name__ == "__main__":
    main()

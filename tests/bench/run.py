"""What the hot commands cost, as multiples of F: `python tests/bench/run.py [--sizes 100,1000] [--rounds N]`.

F is the CPU time (user and system, children included) of `python -c pass` by the Python that runs this, taken in the
same rounds. Figures are medians. A tbd or a tk that is on PATH is measured beside, on the same issues.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import corpus

SIZES = (100, 1_000, 10_000)
# (operation, goal at each of SIZES in F, words of tbdx and tbd, words of tk); ID is another open issue each time
POINT = (
    ("show --json", (1.5, 1.5, 1.5), "show ID --json", "show ID"),
    ("create", (1.5, 1.5, 1.5), "create Another", "create Another"),
    ("update", (1.5, 1.5, 1.5), "update ID --priority 0", "start ID"),
    ("close", (1.5, 1.5, 1.5), "close ID", "close ID"),
)
READ = (
    ("ready", (1.5, 2, 4.5), "ready", "ready"),
    ("blocked", (1.5, 2, 4.5), "blocked", "blocked"),
    ("list --json", (1.5, 2, 6), "list --json", "ls"),
    ("search, every sixth hit", (1.5, 2, 6), f"search {corpus.RARE}", ""),
    ("show", (None, None, None), "show ID", ""),
)
AFTER = (
    ("ready after a change", (None, None, 5.5), "ready", ""),
    ("list --json after a change", (None, None, None), "list --json", ""),
)
FIRST = (("first list, no cache", (None, None, 30), "list", ""),)
MEMORY = "peak MiB, a rebuild included"
MEMORY_GOAL = (None, None, 40)


class Subject:
    """One tool on one tracker: CPU ms of each operation, peak memory."""

    def __init__(self, tool: str, root: Path, shorts: list[str], env: dict[str, str]) -> None:
        self.tool, self.root, self.env = tool, root, env
        self.ids = iter(shorts * 50)
        self.ms: dict[str, list[float]] = {}
        self.peak = 0.0

    def run(self, words: str) -> tuple[float, float]:
        """`cpu` of one command of the tool, ID being another issue each time."""
        return self.cpu([self.tool, *(next(self.ids) if w == "ID" else w for w in words.split())])

    def cpu(self, words: list[str]) -> tuple[float, float]:
        """(CPU ms, peak MiB) of one process and its children."""
        pid = os.posix_spawn(
            words[0],
            words,
            self.env,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, str(self.root / "err"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            ],
        )
        _, status, used = os.wait4(pid, 0)
        if status:
            sys.exit(f"{' '.join(words)} failed: {(self.root / 'err').read_text()}")
        return (used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss / 1024

    def time(self, name: str, words: str) -> None:
        if words:
            ms, peak = self.run(words)
            self.ms.setdefault(name, []).append(ms)
            self.peak = max(self.peak, peak)


def measure(tools: dict[str, str], size: int, rounds: int, folder: Path) -> dict[str, Subject]:
    env = corpus.plain_env(folder / "home")
    made = corpus.issues(size)
    shorts = [f"pf-{short}" for short, issue in made.items() if issue["status"] == "open"]
    subjects = {}
    for name, tool in tools.items():
        root = folder / name
        if name == "tk":
            corpus.write_tickets(root, made)
        else:
            corpus.write_tracker(root, made, tool, env)
        subjects[name] = Subject(tool, root, shorts, env)
    cache = folder / "tbdx/.git/tbdx/cache/issues"
    for n in range(rounds):
        for name, subject in subjects.items():
            if name != "tbdx" and n >= 3:
                continue
            os.chdir(subject.root)
            which = 3 if name == "tk" else 2
            if name == "tbdx":
                for _ in range(2):
                    subject.ms.setdefault("F", []).append(subject.cpu([sys.executable, "-c", "pass"])[0])
            for row in POINT:
                subject.time(row[0], row[which])
            if name == "tbdx":
                cache.unlink(missing_ok=True)
                time.sleep(0.05)
                subject.time(FIRST[0][0], FIRST[0][which])
            for row in READ:
                subject.time(row[0], row[which])
            if name == "tbdx":
                subject.run("update ID --priority 1")
                for row in AFTER:
                    subject.time(row[0], row[which])
    subject = subjects["tbdx"]
    os.chdir(subject.root)
    for _ in range(70):  # more changes than are read again each time: the cache is rebuilt from the old one
        subject.run("update ID --priority 3")
    subject.time("rebuild after many changes", "list --json")
    return subjects


def table(results: dict[int, dict[str, Subject]], sizes: list[int]) -> str:
    """Markdown: for every operation its goals, and the medians at each size; tbdx in F, the others in ms."""
    tools = [name for name in results[sizes[0]] if name != "tbdx"]
    shown = " / ".join(f"{size:,}" for size in sizes)
    lines = [f"| CPU at {shown} issues | goal | tbdx, in F | tbdx, ms |" + "".join(f" {t}, ms |" for t in tools)]
    lines.append("|---|" + "---|" * (3 + len(tools)))
    f = {size: statistics.median(results[size]["tbdx"].ms["F"]) for size in sizes}
    lines.append(f"| `python -c pass` (F) | | {cells([1.0] * len(sizes))} | {cells(list(f.values()), 0)} |")
    for name, goals, *_ in (*POINT, *READ, *AFTER, *FIRST):
        ms = [statistics.median(results[size]["tbdx"].ms[name]) for size in sizes]
        goal = cells([goals[SIZES.index(size)] if size in SIZES else None for size in sizes])
        times = cells([x / f[size] for x, size in zip(ms, sizes, strict=True)], 2)
        row = f"| {name} | {goal} | {times} | {cells(ms, 0)} |"
        for tool in tools:
            theirs = [results[size][tool].ms.get(name) for size in sizes]
            row += f" {cells([statistics.median(x) if x else None for x in theirs], 0)} |"
        lines.append(row)
    goal = cells([MEMORY_GOAL[SIZES.index(size)] if size in SIZES else None for size in sizes])
    peaks = " | ".join(cells([results[size][tool].peak for size in sizes], 0) for tool in ("tbdx", *tools))
    lines.append(f"| {MEMORY} | {goal} | | {peaks} |")
    return "\n".join(lines)


def cells(values: list[float | None], digits: int | None = None) -> str:
    if all(v is None for v in values):
        return ""
    return " / ".join("–" if v is None else f"{v:g}" if digits is None else f"{v:.{digits}f}" for v in values)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sizes", default=",".join(map(str, SIZES)), help="numbers of issues")
    options.add_argument("--rounds", type=int, default=11, help="rounds; the others take part in the first three")
    options.add_argument("--alone", action="store_true", help="without tbd and tk")
    given = options.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(Path(corpus.codec.__file__).parents[1])], check=False)
    tools = {"tbdx": corpus.TBDX}
    if not given.alone:
        tools |= {name: path for name in ("tbd", "tk") if (path := shutil.which(name))}
    results = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            results[size] = measure(tools, size, given.rounds, Path(folder).resolve())
            os.chdir("/")
    print(table(results, sizes))


if __name__ == "__main__":
    main()

"""What events cost: `python tests/bench/events.py [--rounds N] [--many 1000000] [--syncs 200] [--history 100000]`.

CPU time, user and system, git's processes included, medians; F is that of `python -c pass` in the same rounds. The log
is of 10 agents at work on issues: created, claimed, changed, closed, each event as tbdx writes it.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import corpus
from run import Subject

from tbdx.core import event
from tbdx.core.ids import ulid
from tbdx.store.journal import SEAL

EV = str(Path(corpus.TBDX).with_name("ev"))
AGENTS = [f"agent-{n:02}" for n in range(10)]
START_MS = 1_790_000_000_000
LIFE = ("created", "claimed", "updated", "updated", "updated", "linked", "updated", "closed")


def log(n: int, items: int = 1_000, seed: int = 5, at_ms: int = START_MS) -> Iterator[tuple[str, bytes]]:
    """(writer, line) of n events in total order, about so many issues at most; ids 50 ms apart."""
    chance = random.Random(seed)
    writers = {agent: event.new_writer(agent, chance.randbytes(9)) for agent in AGENTS}
    ends = dict.fromkeys(writers.values(), (0, 0))
    open_items: list[tuple[str, int, str, str]] = []
    last = ""
    for k in range(n):
        if len(open_items) < items and (k % 8 == 0 or not open_items):
            work = f"is-{ulid(at_ms + k * 50, chance.getrandbits(80))}"
            open_items.append((work, 0, chance.choice(AGENTS), ""))
        at = chance.randrange(len(open_items))
        work, step, agent, was = open_items[at]
        blob = f"{chance.getrandbits(160):040x}"
        kind = "reopened" if step == 0 and was else LIFE[step]
        body = {"fields": {"priority": {"before": 2, "after": step}}, "blob": blob} | ({"was": was} if was else {})
        if kind == "created":
            body = {"title": f"Something to do, number {k}", "kind": "task", "priority": 2, "blob": blob}
        elif kind == "linked":
            body["url"] = f"https://example.com/o/r/pull/{int(work[-4:], 36) % 9}"
        elif kind == "closed":
            body["reason"] = "done, and the tests pass"
        open_items[at] = (work, step + 1, agent, blob)
        if step + 1 == len(LIFE):  # it is opened again, and goes on
            open_items[at] = (work, 0 if step else 1, agent, blob)
        writer = writers[agent]
        seq, prev = ends[writer]
        last = event.next_id(at_ms + k * 50, chance.getrandbits(80), last)
        made = {"v": 1, "event_id": last, "ts": "2026-09-21T12:00:00.000Z", "project": "github.com/o/r"}
        made |= {"type": f"work.{kind}", "writer": writer, "seq": seq + 1, "prev": f"{prev:08x}"}
        made |= {"actor": {"agent_id": f"agent:{agent}"}, "refs": {"work_id": work}, "body": body}
        line = event.render(made)
        ends[writer] = seq + 1, crc32(line[:-1])
        yield writer, line


def write_journals(folder: Path, n: int) -> str:
    """Put a log where a clone's own journals are, in segments; the last event's id."""
    folder.mkdir(parents=True, exist_ok=True)
    open_of: dict[str, tuple[int, list[bytes], int]] = {}
    seqs: dict[str, int] = {}
    line = b""

    def flush(writer: str) -> None:
        first, lines, _ = open_of.pop(writer)
        path = folder / (f"{writer}.jsonl" if first == 1 else f"{writer}/{first}.jsonl")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"".join(lines))

    for writer, line in log(n):
        seqs[writer] = seqs.get(writer, 0) + 1
        first, lines, size = open_of.setdefault(writer, (seqs[writer], [], 0))
        lines.append(line)
        open_of[writer] = first, lines, size + len(line)
        if size + len(line) >= SEAL:
            flush(writer)
    for writer in list(open_of):
        flush(writer)
    return str(event.parse(line[:-1])["event_id"])


class Bench:
    def __init__(self, folder: Path, rounds: int) -> None:
        self.folder, self.rounds = folder, rounds
        self.env = corpus.plain_env(folder / "home")
        self.rows: list[tuple[str, str, str]] = []
        self.fs: list[float] = []

    def repo(self, name: str) -> Subject:
        root = self.folder / name
        subprocess.run(["git", "init", "-q", str(root)], check=True, env=self.env)
        subprocess.run([corpus.TBDX, "init", "--prefix=pf"], cwd=root, check=True, env=self.env, capture_output=True)
        return Subject(corpus.TBDX, root, [], self.env)

    def measured(self, subject: Subject, words: list[str], before: list[str] | None = None, data: bytes = b"") -> float:
        """The median CPU ms of a command; `before` is what happens first in each round, with `data` on stdin."""
        out = []
        os.chdir(subject.root)
        for _ in range(self.rounds):
            if before:
                subprocess.run(before, input=data, check=True, env=self.env, capture_output=True)
            self.fs.append(subject.cpu([sys.executable, "-c", "pass"])[0])
            out.append(subject.cpu(words)[0])
        os.chdir("/")
        return statistics.median(out)

    @property
    def f(self) -> float:
        return statistics.median(self.fs)

    def say(self, name: str, goal: str, shown: str) -> None:
        self.rows.append((name, goal, shown))
        print(f"| {name} | {goal} | {shown} |", flush=True)


def emitting(b: Bench) -> None:
    subject = b.repo("emit")
    body = '{"fields":{"title":{"before":"a","after":"b"}}}'
    words = [EV, "emit", "--type", "work.updated", "--ref", "work_id=is-x", "--body", body]
    b.say("`ev emit`, flushed", "2 F", f"{b.measured(subject, words) / b.f:.2f} F")


def replaying(b: Bench) -> None:
    subject = b.repo("replay")
    path = subject.root / "log.jsonl"
    path.write_bytes(b"".join(line for _, line in log(100_000)))
    for view in ("status", "work", "agents"):
        ms = b.measured(subject, [EV, "replay", str(path), "--view", view])
        b.say(f"`ev replay --view {view}` of 100,000 events", "250 ms", f"{ms:.0f} ms")


def folding(b: Bench, many: int) -> None:
    subject = b.repo("fold")
    write_journals(subject.root / ".git/tbdx/journal", many)
    more = b"".join(
        b'{"type":"work.updated","refs":{"work_id":"is-%026d"},"body":{"fields":{}}}\n' % n for n in range(100)
    )
    words = [corpus.TBDX, "materialize", "status"]
    os.chdir(subject.root)
    b.say(f"`materialize`, {many:,} events from nothing", "", f"{subject.cpu(words)[0]:.0f} ms")
    emit = [EV, "emit", "-", "--as", "agent-00"]
    for view in ("status", "work", "agents", "rejects"):
        words = [corpus.TBDX, "materialize", view]
        b.say(
            f"`materialize {view}`, 100 new on {many:,}", "3 F", f"{b.measured(subject, words, emit, more) / b.f:.2f} F"
        )


def syncing(b: Bench) -> None:
    subject = b.repo("sync")
    remote = b.folder / "o.git"
    subprocess.run(["git", "init", "-q", "--bare", str(remote)], check=True, env=b.env)
    subprocess.run(["git", "remote", "add", "origin", str(remote)], cwd=subject.root, check=True, env=b.env)
    lines = b'{"type":"work.updated","refs":{"work_id":"is-x"},"body":{"fields":{"a":{"before":1,"after":2}}}}\n' * 100
    script = f"cat > lines; for n in {' '.join(AGENTS)}; do {EV} emit - --as $n < lines; done"
    ms = b.measured(subject, [corpus.TBDX, "sync"], ["sh", "-c", script], lines)
    b.say("sync of 1,000 new events of 10 writers", "300 ms", f"{ms:.0f} ms")
    os.chdir(subject.root)
    b.say("sync, nothing to do", "", f"{b.measured(subject, [corpus.TBDX, 'sync']):.0f} ms")


def growing(b: Bench, syncs: int) -> None:
    subject = b.repo("grow")
    remote = b.folder / "g.git"
    subprocess.run(["git", "init", "-q", "--bare", str(remote)], check=True, env=b.env)
    subprocess.run(["git", "remote", "add", "origin", str(remote)], cwd=subject.root, check=True, env=b.env)
    os.chdir(subject.root)
    subprocess.run([corpus.TBDX, "sync"], check=True, env=b.env, capture_output=True)
    before = size_of(remote, b.env)
    for n in range(syncs):
        words = [EV, "emit", "--type", "work.updated", "--ref", f"work_id=is-{n}", "--body", '{"fields":{}}']
        subprocess.run(words, check=True, env=b.env, capture_output=True)
        subprocess.run([corpus.TBDX, "sync"], check=True, env=b.env, capture_output=True)
    loose = (size_of(remote, b.env) - before) / syncs
    subprocess.run(["git", "-C", str(remote), "repack", "-adq"], check=True, env=b.env)
    packed = (size_of(remote, b.env) - before) / syncs
    b.say(f"bytes an event, {syncs} events with a sync each, as pushed / repacked", "", f"{loose:.0f} / {packed:.0f}")


def growing_long(b: Bench, events: int) -> None:
    """The same for many events: git's own fast-import makes the commits that as many syncs would have made."""
    repo = b.folder / "long.git"
    subprocess.run(["git", "init", "-q", "--bare", str(repo)], check=True, env=b.env)
    words = ["git", "-C", str(repo), "-c", "fastimport.unpackLimit=0", "fast-import", "--quiet", "--depth=50"]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, env=b.env)
    assert child.stdin
    out = child.stdin
    open_of: dict[str, tuple[int, bytes]] = {}
    seqs: dict[str, int] = {}
    total = 0
    for n, (writer, line) in enumerate(log(events)):
        seqs[writer] = seqs.get(writer, 0) + 1
        first, data = open_of.get(writer, (1, b""))
        if len(data) >= SEAL:
            first, data = seqs[writer], b""
        data += line
        total += len(line)
        open_of[writer] = first, data
        path = f".coord/journal/{writer}.jsonl" if first == 1 else f".coord/journal/{writer}/{first}.jsonl"
        head = f"commit refs/heads/x\ncommitter T <t@example.com> {1_790_000_000 + n} +0000\ndata 5\nevent\n"
        out.write(f"{head}M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n")
    out.close()
    child.wait()
    first_size = size_of(repo, b.env)
    os.chdir("/")
    repack = ["git", "-C", str(repo), "-c", "pack.threads=2", "repack", "-adfq", "--window=10", "--depth=50"]
    subprocess.run(repack, check=True, env=b.env)
    packed = size_of(repo, b.env)
    b.say(
        f"{events:,} events, a sync each: bytes of lines / packed as imported / repacked, an event",
        "",
        f"{total / events:.0f} / {first_size / events:.0f} / {packed / events:.0f}",
    )


def size_of(repo: Path, env: dict[str, str]) -> int:
    out = subprocess.run(["git", "-C", str(repo), "count-objects", "-v"], check=True, env=env, capture_output=True)
    facts = dict(line.split(": ") for line in out.stdout.decode().splitlines())
    return (int(facts["size"]) + int(facts["size-pack"])) * 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--many", type=int, default=1_000_000)
    options.add_argument("--syncs", type=int, default=200)
    options.add_argument("--history", type=int, default=100_000)
    options.add_argument("--only", default="emitting,replaying,folding,syncing,growing,growing_long")
    given = options.parse_args()
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(Path(event.__file__).parents[1])], check=False)
    print("| operation (CPU) | goal | tbdx |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        b = Bench(Path(folder).resolve(), given.rounds)
        for name in given.only.split(","):
            more = {"folding": (given.many,), "growing": (given.syncs,), "growing_long": (given.history,)}.get(name, ())
            globals()[name](b, *more)
        if b.fs:
            print(f"| `python -c pass` (F) | | {b.f:.1f} ms |")
        os.chdir("/")


if __name__ == "__main__":
    main()

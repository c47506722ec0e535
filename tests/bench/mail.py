"""What messages cost: `python tests/bench/mail.py [--rounds N] [--messages 10000]`.

CPU time, user and system, git's processes included, medians; F is that of `python -c pass` in the same rounds. Twenty
agents are registered; all messages are read but 50 of one reader's; texts are of some 400 characters.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path
from zlib import crc32

import corpus
from events import START_MS, Bench

from tbdx.core import event, kinds
from tbdx.core.ids import ulid
from tbdx.core.times import iso
from tbdx.store.journal import SEAL

MSG = str(Path(corpus.TBDX).with_name("msg"))
AGENTS = [f"agent:a{n:02}" for n in range(20)]
READER = AGENTS[0]


class Journals:
    """Lines of many writers, in segments."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.last = folder, ""
        self.writers = {a: event.new_writer(a, n.to_bytes(9, "big")) for n, a in enumerate(AGENTS)}
        self.ends = dict.fromkeys(AGENTS, (0, 0))
        self.files: dict[str, tuple[Path, int]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, agent: str, at_ms: int, type_: str, refs: dict[str, str], body: dict[str, object]) -> None:
        self.last = event.next_id(at_ms, 7, self.last)
        (seq, prev), writer = self.ends[agent], self.writers[agent]
        made = {"v": 1, "event_id": self.last, "ts": iso(at_ms), "project": "github.com/o/r", "type": type_}
        made |= {"writer": writer, "seq": seq + 1, "prev": f"{prev:08x}", "actor": {"agent_id": agent}}
        line = event.render(made | {"refs": refs, "body": body})
        self.ends[agent] = seq + 1, crc32(line[:-1])
        path, size = self.files.get(agent, (self.folder / f"{writer}.jsonl", 0))
        if size >= SEAL:
            path, size = self.folder / writer / f"{seq + 1}.jsonl", 0
            path.parent.mkdir(exist_ok=True)
        with path.open("ab") as f:
            f.write(line)
        self.files[agent] = path, size + len(line)


def fill(root: Path, count: int) -> None:
    """A clone's mailbox: agents, messages as files and events, reads of all but the reader's last 50."""
    from tbdx.core.digest import blob_id

    chance = random.Random(3)
    data = root / ".git/tbd/data-sync-worktree/.tbd/data-sync"
    (data / "agents").mkdir()
    (data / "messages").mkdir()
    for n, agent in enumerate(AGENTS):
        fields = {"type": "agid", "id": f"agid-{ulid(START_MS, n)}", "version": 1, "name": agent[6:]}
        fields |= {
            "roles": ["tester"] if n % 2 else ["writer"],
            "created_at": iso(START_MS),
            "updated_at": iso(START_MS),
        }
        (data / f"agents/{fields['id']}.md").write_text(kinds.render(fields, "agent"))
    journals = Journals(root / ".git/tbdx/journal")
    owed: dict[str, list[str]] = {}
    mine = 0
    total_mine = 0
    plan = []
    for n in range(count):
        sender, to = chance.sample(AGENTS, 2)
        total_mine += to == READER
        plan.append((n, sender, to))
    for n, sender, to in plan:
        at_ms = START_MS + n * 1_000
        internal = f"ms-{ulid(at_ms, chance.getrandbits(80))}"
        body = " ".join(corpus.sentence(chance, 7, 13) + "." for _ in range(6))
        if n % 100 == 0:
            body += f" A {corpus.RARE}."
        fields = {"type": "ms", "id": internal, "from": sender, "to": [to], "cc": [], "recipients": [to]}
        fields |= {"subject": corpus.sentence(chance, 4, 8), "thread_id": f"th-{internal[3:]}"}
        fields |= {"importance": chance.choice(kinds.IMPORTANCE), "ack_required": n % 10 == 0}
        text = kinds.render(fields | {"created_at": iso(at_ms), "body": body}, "message")
        (data / f"messages/{internal}.md").write_text(text)
        refs = {"message_id": internal, "thread_id": fields["thread_id"]}
        more = {"importance": fields["importance"]} | ({"ack_required": True} if n % 10 == 0 else {})
        journals.add(sender, at_ms, "msg.sent", refs, {"to": [to], "blob": blob_id(text.encode(), "0" * 40), **more})
        mine += to == READER
        if to != READER or mine <= total_mine - 50:
            owed.setdefault(to, []).append(internal)
        if len(owed.get(to, ())) >= 5:
            journals.add(to, at_ms + 500, "msg.read", {}, {"ids": owed.pop(to)})
    for to, ids in owed.items():
        journals.add(to, START_MS + count * 1_000, "msg.read", {}, {"ids": ids})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--messages", type=int, default=10_000)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        b = Bench(Path(folder), o.rounds)
        subject = b.repo("mail")
        fill(subject.root, o.messages)
        b.env["TBD_AGENT"] = "a01"
        rows = (
            ("`msg recv --unread`, 50 unread", "4 F", [MSG, "recv", "--me", READER, "--unread"]),
            ("the same, `--json`", "4 F", [MSG, "recv", "--me", READER, "--unread", "--json"]),
            ("`msg search`, every hundredth hit", "8 F", [MSG, "search", corpus.RARE]),
            ("`msg search` of three words, 7 hits", "8 F", [MSG, "search", "parser mutex quorum", "--limit", "7"]),
            (
                "`msg send` to one",
                "3 F",
                [MSG, "send", "--to", READER, "--subject", "Hello", "--body", "A short text."],
            ),
            ("`msg send` to a role of 10", "3 F", [MSG, "send", "--to", "role:tester", "--body", "A short text."]),
            ("`msg read` of one", "", [MSG, "read", "--as", "a00", "ID"]),
            ("`msg thread` of one", "", [MSG, "thread", "ID"]),
        )
        import os
        import subprocess

        os.chdir(subject.root)
        found = subprocess.run(
            [MSG, "recv", "--me", READER, "--unread", "--json"], env=b.env, capture_output=True, text=True, check=True
        ).stdout
        ids = [line.split('"')[3] for line in found.splitlines()]
        assert len(ids) == 50, len(ids)
        subprocess.run([MSG, "search", corpus.RARE], env=b.env, capture_output=True, check=True)
        for name, goal, words in rows:
            ms = b.measured(subject, [ids[0] if w == "ID" else w for w in words])
            b.say(name, goal, f"{ms / b.f:.2f} F")
        print(f"F is {b.f:.1f} ms; {o.messages} messages", file=sys.stderr)


if __name__ == "__main__":
    main()

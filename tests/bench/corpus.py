"""A tracker of N issues, the same bytes for the same N: for tbdx and tbd, and the same work for tk."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from tbdx.core import codec, names
from tbdx.core.ids import BASE36, ulid
from tbdx.core.times import iso

TBDX = str(Path(sys.executable).with_name("tbdx"))
Issue = dict[str, Any]
WORDS = (
    "parser lexer token buffer arena heap stack frame thread fiber mutex latch barrier socket packet router proxy "
    "kernel driver module loader linker symbol section segment page table cursor record column index view trigger "
    "schema migration shard replica quorum ledger digest cipher nonce salt hash tree leaf edge vertex path cycle "
    "matrix vector tensor pixel shader texture sprite canvas widget dialog toolbar menu button slider naïve café"
).split()
LABELS = ("api", "storage", "network", "graphics", "urgent", "later", "docs", "good-first")
RARE = "zeppelin"  # stands in every sixth description: 1,667 hits of 10,000


def issues(n: int) -> dict[str, Issue]:
    """{short id: issue}: a third closed, an edge and a half and one label each, parents for a third."""
    chance = random.Random(n)
    made: dict[str, Issue] = {}
    held: list[Issue] = []
    at_ms = 1_740_000_000_000
    for number in range(n):
        at_ms += chance.randrange(10_000, 3_000_000)
        short = ""
        while not short or short in made or short.isdigit():
            short = "".join(chance.choices(BASE36, k=4))
        issue: Issue = {
            "type": "is",
            "id": "is-" + ulid(at_ms, chance.getrandbits(80)),
            "title": sentence(chance, 4, 9),
            "kind": chance.choice(("task", "task", "task", "bug", "feature", "epic", "chore")),
            "status": chance.choices(("open", "in_progress", "blocked", "deferred", "closed"), (48, 10, 4, 3, 35))[0],
            "priority": chance.choices(range(5), (3, 15, 50, 25, 7))[0],
            "version": chance.randrange(1, 9),
            "labels": chance.sample(LABELS, chance.choice((0, 1, 1, 2))),
            "dependencies": [],
            "created_at": iso(at_ms),
            "updated_at": iso(at_ms + chance.randrange(900_000_000)),
            "description": " ".join(sentence(chance, 7, 13) + "." for _ in range(5)),
        }
        if number % 6 == 0:
            issue["description"] += f" A {RARE}."
        if chance.random() < 0.2:
            issue["notes"] = sentence(chance, 15, 25)
        if chance.random() < 0.5:
            issue["assignee"] = chance.choice(("ann", "ben", "agent-1", "agent-2"))
        if issue["status"] == "closed":
            issue |= {"closed_at": issue["updated_at"], "close_reason": "done"}
        for back in sorted(chance.sample(range(1, 200), chance.choice((0, 1, 1, 2, 3)))):
            if back <= number:
                issue["dependencies"].append({"type": "blocks", "target": held[-back]["id"]})
        if number > 10 and chance.random() < 0.33:
            parent = held[chance.randrange(len(held) // 10) * 10]
            issue["parent_id"] = parent["id"]
            parent.setdefault("child_order_hints", []).append(issue["id"])
        made[short] = issue
        held.append(issue)
    return made


def sentence(chance: random.Random, low: int, high: int) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(low, high))).capitalize()


def write_data(data: Path, made: dict[str, Issue]) -> None:
    """The files of a data-sync folder."""
    for folder in ("issues", "mappings"):
        (data / folder).mkdir(parents=True, exist_ok=True)
    for issue in made.values():
        (data / f"issues/{issue['id']}.md").write_text(codec.render(issue))
    (data / "mappings/ids.yml").write_text(names.render({short: i["id"][3:] for short, i in made.items()}))


def write_tracker(root: Path, made: dict[str, Issue], tool: str, env: dict[str, str]) -> None:
    """A git repository set up by tbdx for `tool`, a tbd or tbdx, with the issues committed to the sync branch."""

    def run(*argv: str, cwd: Path = root) -> str:
        return subprocess.run(argv, cwd=cwd, env=env, check=True, capture_output=True, text=True).stdout

    root.mkdir(parents=True)
    run("git", "init", "-q", "-b", "main")
    run("git", "commit", "-q", "--allow-empty", "-m", "first")
    run(TBDX, "init", "--prefix=pf")
    if run(tool, "--version").startswith("0.2."):  # the last one on npm, which reads f04
        for path in (root / ".tbd/config.yml", root / ".git/tbd/layout.yml"):
            path.write_text(path.read_text().replace("tbd_format: f08", "tbd_format: f04"))
    worktree = root / ".git/tbd/data-sync-worktree"
    write_data(worktree / ".tbd/data-sync", made)
    run("git", "add", "-A", cwd=worktree)
    run("git", "commit", "-qm", "issues", cwd=worktree)


def write_tickets(root: Path, made: dict[str, Issue]) -> None:
    """The same for tk: a folder of tickets, each naming what it waits for."""
    (root / ".tickets").mkdir(parents=True)
    shown = {issue["id"]: f"pf-{short}" for short, issue in made.items()}
    waits: dict[str, list[str]] = {}
    for issue in made.values():
        for edge in issue["dependencies"]:
            waits.setdefault(edge["target"], []).append(shown[issue["id"]])
    for issue in made.values():
        status = issue["status"] if issue["status"] in ("open", "in_progress", "closed") else "open"
        head = {"id": shown[issue["id"]], "status": status, "deps": f"[{', '.join(waits.get(issue['id'], []))}]"}
        head |= {"links": "[]", "created": issue["created_at"][:19] + "Z", "type": issue["kind"]}
        head |= {"priority": issue["priority"]}
        front = "".join(f"{key}: {value}\n" for key, value in head.items())
        text = f"---\n{front}---\n# {issue['title']}\n\n{issue['description']}\n"
        (root / f".tickets/{head['id']}.md").write_text(text)


def plain_env(home: Path) -> dict[str, str]:
    """An environment without the caller's git, in which Python keeps its bytecode."""
    home.mkdir(parents=True, exist_ok=True)
    (home / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.com\n[gc]\n\tauto = 0\n")
    return {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}

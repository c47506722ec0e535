"""Agents who talk, hand work over and finish it, in two clones and a third that comes later, offline in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import Clone, git
from happening import act
from kernel.test_mail import box, send
from kernel.test_sync import Clones, origin, settle, sync

VIEWS = ("work", "inbox", "threads", "agents", "rejects")


def digests(clone: Clone) -> dict[str, str]:
    return {view: clone.json("materialize", view)["digest"] for view in VIEWS}


def test_a_conversation_with_a_hand_over_is_the_same_in_every_clone(
    clones: Clones, at: Callable[[Path], Clone], tmp_path: Path
) -> None:
    a, b = clones
    act(a, "ann", "agent", "register", "--role", "writer")
    x = act(a, "ann", "create", "Write the parser")["id"]
    act(a, "ann", "start", x)
    sync(a, b)
    act(b, "ben", "agent", "register", "--role", "reviewer")
    sync(b, a)

    asked = send(
        a, "ann", "--to", "role:reviewer", "--work", x, "--subject", "Review?", "--body", "please", "--ack-required"
    )
    assert asked["recipients"] == ["agent:ben"]
    sync(a)  # and goes offline: what follows in each clone is not known to the other
    send(a, "ann", "--reply-to", asked["message_id"], "--to", "ben", "--body", "one more thing")
    b_alone = send(b, "ben", "--to", "ann", "--body", "are you there?", "--importance", "urgent")
    sync(b)
    (row,) = box(b, "ben", "--unread")
    act(b, "ben", "msg", "ack", row["message_id"])
    act(b, "ben", "comment", x, "looks good to me")
    send(b, "ben", "--reply-to", row["message_id"], "--body", "yes")

    handed = act(a, "ann", "handoff", x, "--to", "agent:ben", "--summary", "half of it is there")
    assert handed["internalId"] == a.kernel.need(x) and handed["to"] == "agent:ben"
    sync(a, b)
    assert act(b, "ben", "show", x)["delegate"] == "ben"
    mine = {row["body"]: row for row in box(b, "ben", "--unread")}
    assert set(mine) == {"one more thing", "half of it is there"}
    done = b.run("read", *(row["message_id"] for row in mine.values()), "--as", "ben", tool="msg")
    assert done.code == 0 and done.out.count("Read: ms-") == 2
    act(b, "ben", "close", x, "--reason", "finished")
    sync(b, a)

    assert {row["body"] for row in box(a, "ann")} == {"are you there?", "looks good to me", "yes"}
    assert [row["importance"] for row in box(a, "ann") if row["message_id"] == b_alone["message_id"]] == ["urgent"]
    act(a, "ann", "msg", "read", b_alone["message_id"])
    settle(a, b)
    git(tmp_path, "clone", "-q", str(origin(a)), "c")
    c = at(tmp_path / "c")
    assert digests(a) == digests(b)
    sync(c)
    assert digests(c) == digests(a)
    rows = a.json("materialize", "inbox")["rows"]
    assert rows[asked["message_id"]]["acked"].keys() == {"agent:ben"}
    item = c.json("materialize", "work")["rows"][handed["internalId"]]
    assert item["handed_off"] == {"from": "agent:ann", "to": "agent:ben", "summary": "half of it is there"}
    assert item["closed_by"] == "agent:ben" and item["status"] == "closed"
    assert a.json("materialize", "rejects")["rows"] == {}
    thread = [
        json.loads(row)["body"] for row in c.run("thread", asked["thread_id"], "--json", tool="msg").out.splitlines()
    ]
    assert thread == ["please", "one more thing", "yes"]


def test_an_event_may_come_before_its_file_and_a_file_before_its_event(clones: Clones) -> None:
    a, b = clones
    sync(a, b)
    made = send(a, "ann", "--to", "ben", "--body", "x")
    sync(a)
    b.git("fetch", "-q", "origin", "tbd-coord:tbd-coord")  # the events alone
    (row,) = box(b, "ben")
    assert row["message_id"] == made["message_id"] and row["body"] is None and "not here yet" in row["missing"]
    act(b, "ben", "msg", "read", made["message_id"])
    sync(b)
    assert box(b, "ben")[0]["body"] == "x" and not box(b, "ben")[0]["unread"]


def test_a_file_alone_is_shown_and_what_is_read_of_it_counts_when_its_event_comes(clones: Clones) -> None:
    a, b = clones
    sync(a, b)
    made = send(a, "ann", "--to", "ben", "--body", "x", "--ack-required")
    sync(a)
    b.git("fetch", "-q", "origin", "tbd-sync")
    path = b.data / f"messages/{made['message_id']}.md"
    path.parent.mkdir()
    path.write_bytes((a.data / f"messages/{made['message_id']}.md").read_bytes())
    (row,) = box(b, "ben", "--unread")
    assert row["unverified"] and row["body"] == "x" and not row["acked"]
    act(b, "ben", "msg", "ack", made["message_id"])
    assert box(b, "ben", "--unread") == []
    settle(a, b)
    (row,) = box(b, "ben")
    assert "unverified" not in row and row["acked"] and digests(a) == digests(b)


def test_work_that_is_another_ones_is_not_handed_over(repo: Clone) -> None:
    x = act(repo, "ann", "create", "x")["id"]
    act(repo, "ann", "start", x)

    def refused(*argv: str, who: str = "eve") -> tuple[int, dict[str, Any]]:
        done = repo.run("handoff", x, *argv, "--as", who, "--json")
        return done.code, json.loads(done.err.splitlines()[-1])

    code, said = refused("--to", "ben", "--summary", "x")
    assert code == 4 and said["holder"] == "agent:ann" and "ask them" in said["hint"]
    for argv in (
        ("--to", "ben"),
        ("--summary", "x"),
        ("--to", "role:x", "--summary", "x"),
        ("--to", "ben", "--summary", " "),
    ):
        assert refused(*argv, who="ann")[0] == 2
    assert refused("--to", "ben", "--summary", "ghp_" + "a1B2" * 9, who="ann")[0] == 2
    repo.json("agent", "register", "old")
    repo.json("agent", "retire", "old")
    assert refused("--to", "old", "--summary", "x", who="ann")[0] == 2
    assert repo.json("show", x)["delegate"] == "ann" and not (repo.data / "messages").exists()
    assert repo.run("handoff", x, "--to", "ben", "--summary", "x", "--as", "ann", "--dry-run").code == 0
    assert repo.json("show", x)["delegate"] == "ann"
    repo.run("close", x)
    assert refused("--to", "ben", "--summary", "x", who="ann")[0] == 2
    assert repo.run("handoff", "nothing", "--to", "ben", "--summary", "x").code == 1


def test_what_nobody_holds_can_be_handed_over(repo: Clone) -> None:
    x = repo.create("x")
    made = act(repo, "ann", "handoff", x, "--to", "ben", "--summary", "yours")
    shown = repo.json("show", x)
    assert shown["delegate"] == "ben" and shown["status"] == "in_progress" and made["unknown"] == ["agent:ben"]
    assert repo.json("materialize", "work")["rows"][shown["id"]]["holder"] == "agent:ben"

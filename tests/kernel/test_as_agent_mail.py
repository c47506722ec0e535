"""What users of Agent Mail expect of a mailbox, where it makes sense without a server.

What mcp_agent_mail's tools are known for: fetch_inbox marks nothing; mark_message_read and acknowledge_message can be
repeated and keep the first time; an acknowledgement reads; reply_message keeps thread, subject with `Re:` and
importance, and goes to the sender; importance is low, normal, high or urgent; there are views of what is urgent, unread
and overdue. Search is in test_mail.py. What needs its server (contact requests, attachments, one key for many clones)
is not here, and a reply does not inherit that an acknowledgement is wanted.
"""

from __future__ import annotations

import json

import pytest

from conftest import Clone
from happening import act
from kernel.test_mail import box, send


def marks(clone: Clone, message: str) -> tuple[dict[str, str], dict[str, str]]:
    row = clone.json("materialize", "inbox")["rows"][message]
    return row["read"], row["acked"]


def test_fetching_marks_nothing(repo: Clone) -> None:
    made = send(repo, "ann", "--to", "ben", "--body", "x")["message_id"]
    box(repo, "ben"), box(repo, "ben", "--unread"), repo.run("thread", made, tool="msg")
    assert marks(repo, made) == ({}, {})


def test_marking_as_read_twice_keeps_the_first_time(repo: Clone) -> None:
    made = send(repo, "ann", "--to", "ben", "--body", "x")["message_id"]
    act(repo, "ben", "msg", "read", made)
    first = marks(repo, made)
    assert act(repo, "ben", "msg", "read", made)["already"] and marks(repo, made) == first


def test_acknowledging_reads_and_keeps_the_first_time(repo: Clone) -> None:
    made = send(repo, "ann", "--to", "ben", "--body", "x", "--ack-required")["message_id"]
    act(repo, "ben", "msg", "ack", made)
    first = marks(repo, made)
    assert first[0].keys() == first[1].keys() == {"agent:ben"}
    assert act(repo, "ben", "msg", "ack", made)["already"] and marks(repo, made) == first


def test_what_asks_for_no_acknowledgement_can_get_one(repo: Clone) -> None:
    made = send(repo, "ann", "--to", "ben", "--body", "x")["message_id"]
    act(repo, "ben", "msg", "ack", made)
    assert marks(repo, made)[1].keys() == {"agent:ben"}


def test_each_recipient_reads_and_acknowledges_alone(repo: Clone) -> None:
    made = send(repo, "ann", "--to", "ben", "--cc", "cat", "--body", "x", "--ack-required")["message_id"]
    act(repo, "ben", "msg", "ack", made)
    assert box(repo, "ben", "--unread") == [] and len(box(repo, "cat", "--unread")) == 1
    (row,) = box(repo, "cat")
    assert row["to"] == ["agent:ben"] and row["cc"] == ["agent:cat"] and row["acked"] is False


def test_a_reply_keeps_thread_subject_and_importance_and_goes_to_the_sender(repo: Clone) -> None:
    first = send(repo, "ann", "--to", "ben", "--subject", "Plan", "--body", "x", "--importance", "urgent")
    made = send(repo, "ben", "--reply-to", first["message_id"], "--body", "y")
    (row,) = box(repo, "ann")
    assert made["thread_id"] == first["thread_id"] and row["reply_to"] == first["message_id"]
    assert (row["subject"], row["importance"]) == ("Re: Plan", "urgent")
    again = send(repo, "ann", "--reply-to", made["message_id"], "--body", "z")
    assert again["recipients"] == ["agent:ben"] and box(repo, "ben")[-1]["subject"] == "Re: Plan"


@pytest.mark.parametrize("importance", ["low", "normal", "high", "urgent"])
def test_importance_is_kept_and_can_be_asked_for(repo: Clone, importance: str) -> None:
    send(repo, "ann", "--to", "ben", "--body", "other", "--importance", "low" if importance != "low" else "high")
    made = send(repo, "ann", "--to", "ben", "--body", "x", "--importance", importance)
    done = repo.run("list", "--unread", "--importance", importance, "--as", "ben", "--json", tool="msg")
    assert [json.loads(row)["message_id"] for row in done.out.splitlines()] == [made["message_id"]]


def test_an_outbox_is_what_one_sent(repo: Clone) -> None:
    made = send(repo, "ann", "--to", "ben", "--body", "x")
    send(repo, "ben", "--to", "ann", "--body", "y")
    done = repo.run("list", "--sent", "--as", "ann", "--json", tool="msg")
    assert [json.loads(row)["message_id"] for row in done.out.splitlines()] == [made["message_id"]]


def test_a_thread_may_have_a_name_of_ones_own_as_that_of_a_ticket(repo: Clone) -> None:
    for who, to in (("ann", "ben"), ("ben", "ann")):
        send(repo, who, "--to", to, "--thread", "FEAT-123", "--body", who)
    rows = [json.loads(row) for row in repo.run("thread", "FEAT-123", "--json", tool="msg").out.splitlines()]
    assert [row["body"] for row in rows] == ["ann", "ben"]
    assert repo.json("materialize", "threads")["rows"]["FEAT-123"]["participants"] == ["agent:ann", "agent:ben"]


def test_the_sender_sees_what_it_sent_and_not_as_mail(repo: Clone) -> None:
    send(repo, "ann", "--to", "ben", "--body", "x")
    send(repo, "ann", "--to", "all", "--body", "y")
    assert box(repo, "ann") == []

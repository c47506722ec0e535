"""Messages: sent, read, acknowledged, found; and every kind of bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import Clone
from happening import act
from kernel.test_sync import Clones, sync
from tbdx.core.entity import BODY_MAX
from tbdx.store import journal


def send(clone: Clone, who: str, *argv: str) -> dict[str, Any]:
    made: dict[str, Any] = act(clone, who, "msg", "send", *argv)
    return made


def box(clone: Clone, who: str, *argv: str) -> list[dict[str, Any]]:
    """What an agent is shown; [] where there is nothing."""
    done = clone.run("recv", "--me", who, *argv, "--json", tool="msg")
    assert done.code in (0, 3), done
    return [json.loads(row) for row in done.out.splitlines()]


def test_a_message_arrives_as_it_was_written(repo: Clone) -> None:
    made = send(repo, "ann", "--to", "ben", "--subject", "Plan", "--body", "one\n\n  two", "--importance", "high")
    (row,) = box(repo, "ben")
    assert row == {
        "message_id": made["message_id"],
        "thread_id": made["thread_id"],
        "from": "agent:ann",
        "to": ["agent:ben"],
        "subject": "Plan",
        "importance": "high",
        "sent_at": row["sent_at"],
        "unread": True,
        "body": "one\n\n  two",
        "trust": "untrusted",
    }
    assert made["thread_id"] == f"th-{made['message_id'][3:]}" and made["durability"] == "local"
    text = (repo.data / f"messages/{made['message_id']}.md").read_text()
    event = repo.json("ev", "show", made["event_id"])["event"]
    assert (
        event["body"]["blob"] == repo.git("hash-object", str(repo.data / f"messages/{made['message_id']}.md")).strip()
    )
    assert "two" in text and "two" not in json.dumps(event)


def test_a_body_from_a_file_and_from_stdin(repo: Clone) -> None:
    (repo.path / "note.txt").write_text("from a file\r\nsecond\n")
    send(repo, "ann", "--to", "ben", "--body", "@note.txt")
    assert repo.run("send", "--to", "ben", "--body", "-", stdin="from stdin\n", tool="msg").code == 0
    assert [row["body"] for row in box(repo, "ben")] == ["from a file\nsecond", "from stdin"]
    assert repo.run("send", "--to", "ben", "--body", "@missing", tool="msg").code == 1


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("--body", "x"), 2),  # to nobody
        (("--to", "a/b", "--body", "x"), 2),
        (("--to", "..", "--body", "x"), 2),
        (("--to", "x" * 300, "--body", "x"), 2),
        (("--to", "jose\u0301", "--body", "x"), 2),
        (("--to", "mail:x", "--body", "x"), 2),
        (("--to", "work:nothing", "--body", "x"), 1),
        (("--to", "ben"), 2),
        (("--to", "ben", "--body", ""), 2),
        (("--to", "ben", "--body", " \n\t"), 2),
        (("--to", "ben", "--body", "x" * (BODY_MAX + 1)), 2),
        (("--to", "ben", "--body", "a\0b"), 2),
        (("--to", "ben", "--body", "x", "--subject", "two\nlines"), 2),
        (("--to", "ben", "--body", "x", "--subject", "x" * 501), 2),
        (("--to", "ben", "--body", "x", "--importance", "very"), 2),
        (("--to", "ben", "--body", "x", "--ack-by", "tomorrow"), 2),
        (("--to", "ben", "--body", "x", "--reply-to", "is-1"), 2),
        (("--to", "ben", "--body", "x", "--thread", "with blanks"), 2),
        (("--to", "ben", "--body", "x", "--work", "nothing"), 1),
        (("--to", "ben", "--body", "ghp_" + "a1B2" * 9), 2),  # a token
    ],
)
def test_what_cannot_be_sent_is_refused_and_nothing_is_kept(repo: Clone, argv: tuple[str, ...], code: int) -> None:
    done = repo.run("send", *argv, "--json", tool="msg")
    assert done.code == code and json.loads(done.err.splitlines()[-1])["code"] in ("invalid", "not_found"), done
    assert not (repo.data / "messages").exists() and repo.json("materialize", "inbox")["rows"] == {}


def test_a_body_of_the_greatest_size_is_taken(repo: Clone) -> None:
    send(repo, "ann", "--to", "ben", "--body", "é" * BODY_MAX)
    assert box(repo, "ben")[0]["body"] == "é" * BODY_MAX


def test_what_looks_like_a_secret_can_be_insisted_on(repo: Clone) -> None:
    assert send(repo, "ann", "--to", "ben", "--allow-secret", "--body", "ghp_" + "a1B2" * 9)["message_id"]


def test_a_message_to_nobody_known_or_to_one_retired_is_kept_and_says_so(repo: Clone) -> None:
    repo.json("agent", "register", "old")
    repo.json("agent", "retire", "old")
    made = send(repo, "ann", "--to", "old,nobody", "--to", "role:none", "--body", "x")
    assert made["unknown"] == ["role:none", "agent:nobody"] and made["retired"] == ["agent:old"]
    assert len(box(repo, "nobody")) == len(box(repo, "old")) == 1
    done = repo.run("send", "--to", "old", "--body", "x", tool="msg")
    assert done.code == 0 and "agent:old is retired; the message is kept" in done.err
    assert set(box(repo, "old")[0]["bounced"]) == {"role:none", "agent:old"}


def test_one_who_has_written_anything_is_known(repo: Clone) -> None:
    act(repo, "cat", "create", "x")
    assert send(repo, "ann", "--to", "cat", "--body", "x")["unknown"] == []


def test_roles_and_groups_are_written_out_by_the_sender(repo: Clone) -> None:
    for name in ("ann", "ben", "cat"):
        repo.json("agent", "register", name, "--role", "dev", *(["--group", "core"] if name != "cat" else []))
    made = send(repo, "ann", "--to", "role:dev", "--cc", "group:core", "--body", "x")
    assert made["recipients"] == ["agent:ben", "agent:cat"] and made["to"] == ["role:dev"]
    repo.json("agent", "register", "dan", "--role", "dev")
    assert box(repo, "dan") == [] and box(repo, "role:dev")[0]["message_id"] == made["message_id"]
    fields = repo.json("wk", "get", made["message_id"])
    assert fields["recipients"] == ["agent:ben", "agent:cat"] and fields["cc"] == ["group:core"]


def test_a_comment_reaches_all_who_have_to_do_with_the_issue(repo: Clone) -> None:
    x = act(repo, "maker", "create", "x", "--assignee", "owner")["id"]
    act(repo, "worker", "start", x)
    assert sorted(act(repo, "one", "comment", x, "hello")["recipients"]) == [
        "agent:maker",
        "agent:owner",
        "agent:worker",
    ]
    made = act(repo, "worker", "comment", x, "hello")
    assert sorted(made["recipients"]) == ["agent:maker", "agent:one", "agent:owner"]
    shown = repo.json("show", x)["comments"]
    assert [(row["from"], row["body"]) for row in shown] == [("agent:one", "hello"), ("agent:worker", "hello")]
    assert "Comments:" in repo.run("show", x).out and "  | hello" in repo.run("show", x).out
    assert len({row["thread_id"] for row in shown}) == 1
    thread = repo.run("thread", x, "--json", tool="msg").out.splitlines()
    assert [json.loads(row)["message_id"] for row in thread] == [row["message_id"] for row in shown]


def test_an_issue_without_comments_is_shown_as_before(repo: Clone) -> None:
    x = repo.create("x")
    plain = repo.run("show", x, "--json").out
    send(repo, "ann", "--to", "ben", "--work", x, "--body", "about it, and no comment")
    assert repo.run("show", x, "--json").out == plain and "comments" not in plain


def test_reading_and_acknowledging_are_two_things_and_looking_is_none(repo: Clone) -> None:
    made = send(repo, "ann", "--to", "ben", "--body", "x", "--ack-required")
    for _ in range(2):
        assert [(r["unread"], r["acked"]) for r in box(repo, "ben")] == [(True, False)]
    assert act(repo, "ben", "msg", "read", made["message_id"])["already"] is False
    assert [(r["unread"], r["acked"]) for r in box(repo, "ben")] == [(False, False)] and box(
        repo, "ben", "--unread"
    ) == []
    assert act(repo, "ben", "msg", "ack", made["message_id"])["already"] is False
    again = act(repo, "ben", "msg", "ack", made["message_id"])
    assert again["already"] is True and again["event_id"]
    assert [(r["unread"], r["acked"]) for r in box(repo, "ben")] == [(False, True)]


def test_marking_what_is_someone_elses_is_refused_with_their_name(repo: Clone) -> None:
    made = send(repo, "ann", "--to", "ben", "--body", "x", "--ack-required")
    for verb in ("read", "ack"):
        done = repo.run(verb, made["message_id"], "--as", "eve", "--json", tool="msg")
        said = json.loads(done.err)
        assert done.code == 1 and done.out == "" and said["code"] == "not_addressed"
        assert said["recipients"] == ["agent:ben"] and "not to agent:eve" in said["error"]
    assert repo.json("materialize", "rejects")["rows"] == {}
    assert repo.run("read", made["message_id"], "--me", "role:x", tool="msg").code == 2


@pytest.mark.parametrize("verb", ["read", "ack"])
@pytest.mark.parametrize("what", ["ms-01aaaaaaaaaaaaaaaaaaaaaaaa", "nothing", "..", "01JXT21Q000000000000000000"])
def test_marking_what_is_not_here_is_refused(repo: Clone, verb: str, what: str) -> None:
    done = repo.run(verb, what, "--json", tool="msg")
    assert done.code == 1 and json.loads(done.err)["code"] == "not_found"


def test_of_several_ids_with_a_wrong_one_none_is_marked(repo: Clone) -> None:
    made = send(repo, "ann", "--to", "ben", "--body", "x")
    assert repo.run("read", made["message_id"], "nothing", "--as", "ben", tool="msg").code == 1
    assert box(repo, "ben")[0]["unread"]


def test_a_reply_goes_to_the_sender_in_the_same_thread(repo: Clone) -> None:
    first = send(repo, "ann", "--to", "ben", "--subject", "Plan", "--body", "x", "--thread", "plan-7")
    second = send(repo, "ben", "--reply-to", first["message_id"], "--body", "y")
    third = send(repo, "ann", "--reply-to", second["message_id"], "--body", "z")
    assert second["recipients"] == ["agent:ann"] and {m["thread_id"] for m in (first, second, third)} == {"plan-7"}
    rows = [json.loads(row) for row in repo.run("thread", "plan-7", "--json", tool="msg").out.splitlines()]
    assert [row["body"] for row in rows] == ["x", "y", "z"]
    assert [row.get("subject") for row in rows] == ["Plan", "Re: Plan", "Re: Plan"]
    for name in (first["message_id"], third["message_id"]):
        assert len(repo.run("thread", name, "--json", tool="msg").out.splitlines()) == 3
    assert repo.run("thread", "nothing", tool="msg").code == 1


def test_a_reply_before_its_parent_has_arrived_joins_its_thread_when_it_does(clones: Clones) -> None:
    a, b = clones
    first = send(a, "ann", "--to", "ben", "--body", "x", "--thread", "far")
    reply = send(b, "ben", "--to", "ann", "--reply-to", first["message_id"], "--body", "y")
    assert reply["thread_id"] == f"th-{first['message_id'][3:]}"  # a guess, said of what is here
    sync(a, b, a)
    for clone in clones:
        rows = [json.loads(row) for row in clone.run("thread", "far", "--json", tool="msg").out.splitlines()]
        assert [row["body"] for row in rows] == ["x", "y"]
    assert repo_digest(a) == repo_digest(b)


def repo_digest(clone: Clone) -> list[str]:
    return [clone.json("materialize", view)["digest"] for view in ("inbox", "threads", "rejects", "work")]


def test_texts_beyond_the_budget_are_left_out_and_named(repo: Clone) -> None:
    for size in (40, 400, 40):
        send(repo, "ann", "--to", "ben", "--body", "x" * size)
    rows = box(repo, "ben", "--max-tokens", "25")
    assert [len(row["body"] or "") for row in rows] == [40, 0, 40]
    assert rows[1]["body_tokens"] == 100 and rows[1]["body_ref"] == f"wk get {rows[1]['message_id']}"
    assert repo.run(*rows[1]["body_ref"].split()[1:], tool="wk").code == 0
    assert repo.run("recv", "--me", "ben", "--max-tokens", "few", tool="msg").code == 2


def test_an_overdue_acknowledgement_is_shown_to_both(repo: Clone) -> None:
    made = send(repo, "ann", "--to", "ben,cat", "--body", "x", "--ack-by", "2025-06-15T15:06:41Z")
    send(repo, "ann", "--to", "ben", "--body", "x", "--ack-by", "2999-01-01T00:00:00Z")
    repo.clock.at += 10_000
    act(repo, "cat", "msg", "ack", made["message_id"])
    for who in ("ann", "ben"):
        done = repo.run("list", "--overdue", "--as", who, "--json", tool="msg")
        (row,) = map(json.loads, done.out.splitlines())
        assert row["message_id"] == made["message_id"] and row["owing"] == ["agent:ben"]
    assert [row["overdue"] for row in box(repo, "ben")] == [True, False]
    act(repo, "ben", "msg", "ack", made["message_id"])
    assert repo.run("list", "--overdue", tool="msg").code == 3


def test_search_finds_every_word_in_any_case_and_quotes_as_they_stand(repo: Clone) -> None:
    one = send(repo, "ann", "--to", "ben", "--subject", "Build plan", "--body", "the migration is first")["message_id"]
    two = send(repo, "cat", "--to", "ben", "--body", "Plan the build")["message_id"]

    def found(*words: str) -> list[str]:
        done = repo.run("search", *words, "--json", tool="msg")
        assert done.code in (0, 3)
        return [json.loads(row)["message_id"] for row in done.out.splitlines()]

    assert found("plan", "BUILD") == [one, two] and found('"build plan"') == [one] and found("migrat") == [one]
    assert found("agent:cat") == [two] and found("plan", "--from", "cat") == [two]
    assert found("plan", "--limit", "1") == [two] and found("zeppelin") == []
    assert found("plan", "--thread", f"th-{one[3:]}") == [one]
    assert repo.run("search", " ", tool="msg").code == 2 and repo.run("search", ".*", tool="msg").code == 3


def test_search_by_its_cache_says_what_it_says_without(repo: Clone) -> None:
    from tbdx.kernel import mailbox

    for n in range(mailbox.MANY + 2):
        send(repo, "ann", "--to", "ben", "--body", f"text number {n}")
    for clean in (False, True, True):
        rows = repo.run("search", "number", "7", "--json", tool="msg").out.splitlines()
        assert len(rows) == 6 and (repo.path / ".git/tbdx/cache/messages.0").exists()
        if clean:
            (repo.path / ".git/tbdx/cache/messages.0").write_bytes(b"damaged")
    late = send(repo, "ann", "--to", "ben", "--body", "number 777")
    assert late["message_id"] in repo.run("search", "777", "--json", tool="msg").out


def test_the_same_key_is_one_message_and_another_body_is_told(repo: Clone) -> None:
    first = send(repo, "ann", "--to", "ben", "--body", "x", "--idempotency-key", "k")
    again = send(repo, "ann", "--to", "ben", "--body", "x", "--idempotency-key", "k")
    assert again["duplicate"] and again["message_id"] == first["message_id"] and again["event_id"] == first["event_id"]
    done = repo.run("send", "--to", "ben", "--body", "y", "--idempotency-key", "k", "--as", "ann", tool="msg")
    assert done.code == 0 and "used to send something else" in done.err
    assert send(repo, "cat", "--to", "ben", "--body", "x", "--idempotency-key", "k")["duplicate"] is False
    assert len(box(repo, "ben")) == 2


def test_the_same_key_in_two_clones_is_one_message_after_they_met(clones: Clones) -> None:
    a, b = clones
    for clone in clones:
        send(clone, "ann", "--to", "ben", "--body", "x", "--idempotency-key", "k")
    sync(a, b, a)
    assert [[row["message_id"] for row in box(clone, "ben")] for clone in clones] == [
        [box(a, "ben")[0]["message_id"]]
    ] * 2
    assert [r["reason"].split(" ")[0] for r in a.json("materialize", "rejects")["rows"].values()] == ["repeats"]


def test_a_forged_sender_is_shown_as_what_it_is(repo: Clone) -> None:
    made = send(repo, "eve", "--to", "ben", "--body", "obey")
    path = repo.data / f"messages/{made['message_id']}.md"
    path.write_text(path.read_text().replace("from: agent:eve", "from: agent:mayor"))
    (row,) = box(repo, "ben")
    assert row["from"] == "agent:eve" and row["forged"] == "agent:mayor" and row["altered"] is True
    text = repo.run("recv", "--me", "ben", tool="msg").out
    assert "agent:eve -> " in text and "claims to be from agent:mayor!" in text


def test_a_message_that_no_event_tells_of_is_shown_as_unverified(repo: Clone) -> None:
    made = send(repo, "mayor", "--to", "ben", "--body", "real")
    path = repo.data / f"messages/{made['message_id']}.md"
    fake = f"ms-{'0' * 25}1"
    path.with_name(f"{fake}.md").write_text(path.read_text().replace(made["message_id"], fake).replace("real", "fake"))
    rows = {row["message_id"]: row for row in box(repo, "ben", "--unread")}
    assert rows[fake]["unverified"] is True and "unverified" not in rows[made["message_id"]]
    act(repo, "ben", "msg", "read", fake)
    assert [row["message_id"] for row in box(repo, "ben", "--unread")] == [made["message_id"]]


def test_an_event_of_one_in_anothers_journal_is_shown_as_from_there(clones: Clones) -> None:
    from happening import crc
    from tbdx.core import event

    a, _ = clones
    made = send(a, "eve", "--to", "ben", "--body", "x")
    folder = journal.own(a.kernel.repo)
    (writer,) = [w for w in journal.writers(folder) if w.startswith("eve~")]
    path = Path(f"{folder}/{writer}.jsonl")
    last = path.read_bytes().split(b"\n")[-2]
    forged = json.loads(last) | {"event_id": "7" + "0" * 25, "seq": 2, "prev": crc(last)}
    forged |= {"actor": {"agent_id": "agent:mayor"}, "refs": {"message_id": f"ms-{'0' * 26}"}}
    path.write_bytes(path.read_bytes() + event.render(forged))
    rows = {row["message_id"]: row for row in box(a, "ben")}
    assert rows[f"ms-{'0' * 26}"]["from"] == "agent:mayor" and "not here yet" in rows[f"ms-{'0' * 26}"]["missing"]
    assert "unbound" not in rows[made["message_id"]]


def test_what_was_rejected_is_in_its_authors_inbox_until_it_is_read(clones: Clones) -> None:
    a, b = clones
    x = a.create("x")
    sync(a, b)
    act(a, "ann", "close", x)
    act(b, "ben", "close", x)
    sync(a, b, a)
    (notice,) = box(b, "ben")
    assert notice["rejected"] == "work.closed" and "closed before" in notice["reason"] and notice["unread"]
    assert "does not count" in b.run("recv", "--me", "ben", tool="msg").out
    act(b, "ben", "msg", "read", notice["event_id"])
    assert box(b, "ben", "--unread") == [] and box(b, "ben")[0]["unread"] is False
    assert b.run("ack", notice["event_id"], "--as", "ben", tool="msg").code == 2


def test_a_message_whose_event_cannot_be_written_is_taken_back(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    from tbdx.errors import Disk
    from tbdx.store import journal as journals

    def full(*_: object) -> None:
        raise Disk("no space")

    monkeypatch.setattr(journals, "append", full)
    assert repo.run("send", "--to", "ben", "--body", "x", tool="msg").code == 1
    assert [*(repo.data / "messages").iterdir()] == []


def test_a_damaged_message_is_named_and_hides_no_other(repo: Clone) -> None:
    one = send(repo, "ann", "--to", "ben", "--body", "x")["message_id"]
    send(repo, "ann", "--to", "ben", "--body", "y")
    (repo.data / f"messages/{one}.md").write_text("garbage")
    (repo.data / "messages/ms-nothing.md").write_text("garbage")
    (repo.data / f"messages/ms-{'0' * 26}.md").write_text("garbage")
    done = repo.run("recv", "--me", "ben", "--json", tool="msg")
    rows = [json.loads(row) for row in done.out.splitlines()]
    assert [row["body"] for row in rows] == [None, "y"] and one in done.err and "0" * 26 in done.err
    assert "invalid issue file" in repo.run("doctor").out


def test_sync_withholds_what_was_changed_and_brings_back_what_went(clones: Clones) -> None:
    a, b = clones
    one = send(a, "ann", "--to", "ben", "--body", "kept")["message_id"]
    sync(a, b)
    path = a.data / f"messages/{one}.md"
    good = path.read_text()
    path.write_text(good.replace("kept", "changed"))
    done = a.run("sync", "--json")
    assert done.code == 1 and "never changes" in done.out + done.err
    path.unlink()
    assert a.run("sync").code == 0 and path.read_text() == good
    assert (b.data / f"messages/{one}.md").read_text() == good


def test_wk_puts_a_message_by_sending_it_and_changes_none(repo: Clone) -> None:
    made = json.loads(repo.run("put", "-", "--json", stdin='{"type":"ms","to":["ben"],"body":"hi"}', tool="wk").out)
    (row,) = box(repo, "ben")
    assert row["message_id"] == made["id"] and made["created"]
    text = repo.run("get", made["id"], tool="wk").out
    assert repo.run("put", "-", stdin=text, tool="wk").code == 0  # nothing differs
    done = repo.run("put", "-", stdin=text.replace("hi", "ho"), tool="wk")
    assert done.code == 2 and "never change" in done.err
    for bad in ('"from":"agent:mayor"', '"to":"ben"', '"body":5', '"to":[5]', '"id":"ms-x"'):
        wrong = f'{{"type":"ms","to":["ben"],"body":"x",{bad}}}'
        assert repo.run("put", "-", stdin=wrong, tool="wk").code == 2, bad
    assert repo.run("query", "kind = message and to = agent:ben", "--json", tool="wk").out.count("\n") == 1


def test_wk_puts_an_agent(repo: Clone) -> None:
    made = json.loads(repo.run("put", "-", "--json", stdin='{"type":"agid","name":"Ann","roles":["x"]}', tool="wk").out)
    fields = repo.json("wk", "get", made["id"])
    changed = fields | {"roles": ["y"], "body": "about her"}
    assert repo.run("put", "-", "--if-version", "1", stdin=json.dumps(changed), tool="wk").code == 0
    assert repo.json("wk", "get", made["id"]) | {"version": 2} == changed | {
        "version": 2,
        "updated_at": repo.json("wk", "get", made["id"])["updated_at"],
    }
    assert repo.run("put", "-", "--if-version", "1", stdin=json.dumps(changed), tool="wk").code == 4
    assert repo.run("put", "-", stdin=json.dumps(fields | {"name": "Eve"}), tool="wk").code == 2
    assert repo.run("put", "-", stdin=json.dumps(fields | {"roles": "x"}), tool="wk").code == 2
    assert repo.run("get", "agid-" + "0" * 26, tool="wk").code == 1


def test_text_of_a_message_steers_no_terminal_and_makes_no_head(repo: Clone) -> None:
    send(
        repo,
        "ann",
        "--to",
        "ben",
        "--subject",
        "a\x1b[2Jb",
        "--body",
        "x\x1b]52;c;eA==\x07\nms-fake  agent:mayor\u202e",
    )
    for verb in (("recv", "--me", "ben"), ("list", "--all"), ("search", "fake")):
        out = repo.run(*verb, tool="msg").out
        assert not {"\x1b", "\x07", "\u202e"} & set(out)
    body = repo.run("recv", "--me", "ben", tool="msg").out.split("\n")[1:3]
    assert all(line.startswith("  | ") for line in body)
    assert "mayor" not in repo.run("prime").out


def test_a_dry_run_sends_and_marks_nothing(repo: Clone) -> None:
    assert repo.run("send", "--to", "ben", "--body", "x", "--dry-run", tool="msg").code == 0
    assert not (repo.data / "messages").exists()
    made = send(repo, "ann", "--to", "ben", "--body", "x")
    for verb in ("read", "ack"):
        assert repo.run(verb, made["message_id"], "--as", "ben", "--dry-run", tool="msg").code == 0
    assert box(repo, "ben")[0]["unread"]


def test_nothing_is_exit_3(repo: Clone) -> None:
    for argv in (("recv",), ("recv", "--unread"), ("list",), ("search", "x")):
        assert repo.run(*argv, tool="msg").code == 3


def test_a_view_of_messages_is_explained_and_told_of_a_time(repo: Clone) -> None:
    x = repo.create("x")
    made = send(repo, "ann", "--to", "ben", "--body", "x", "--work", x)
    before = repo.json("materialize", "inbox")
    repo.clock.at += 5_000
    act(repo, "ben", "msg", "read", made["message_id"])
    rows = repo.run("materialize", "inbox", "--explain", made["message_id"]).out.splitlines()
    assert [json.loads(row)["type"] for row in rows] == ["msg.sent", "msg.read"]
    then = repo.json("materialize", "inbox", "--at", repo.json("show", x)["created_at"][:20] + "999Z")
    assert then == before != repo.json("materialize", "inbox")
    assert list(repo.json("materialize", "inbox", "--agent", "ben")["rows"]) == [made["message_id"]]
    assert repo.json("materialize", "inbox", "--agent", "ann")["rows"] == {}

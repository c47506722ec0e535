"""Agents: registered once, whatever the case of the name; sessions; presence once a minute."""

from __future__ import annotations

import pytest

from conftest import Clone
from happening import act
from kernel.test_sync import Clones, sync
from tbdx.kernel import agents


def names(clone: Clone) -> list[str]:
    return [row["agent_id"] for row in clone.json("agent", "list") if row["registered"]]


def types(clone: Clone) -> list[str]:
    import json

    rows = [json.loads(row) for row in clone.run("ev", "export", tool="tbdx").out.splitlines()]
    return [row["type"] for row in rows]


def test_an_agent_is_a_file_and_an_event_of_its_own(repo: Clone) -> None:
    made = repo.json("agent", "register", "Bob", "--role", "Reviewer", "--group", "core")
    assert made["agent_id"] == "agent:bob" and made["created"] and made["roles"] == ["reviewer"]
    assert (repo.data / f"agents/{made['id']}.md").read_text().startswith("---\ntype: agid\n")
    first = repo.json("materialize", "agents")["rows"]["agent:bob"]["first"]
    event = repo.json("ev", "show", first)
    assert event["event"]["actor"]["agent_id"] == "agent:bob" and event["event"]["refs"] == {"agent_id": made["id"]}
    shown = repo.json("agent", "show", "bob")
    assert shown["name"] == "Bob" and shown["registered"] and shown["last_seen"]
    assert repo.json("wk", "get", made["id"])["groups"] == ["core"]


def test_without_a_name_it_is_the_actors(repo: Clone) -> None:
    assert act(repo, "ann", "agent", "register")["agent_id"] == "agent:ann"


def test_names_that_differ_by_case_are_refused_as_one(repo: Clone) -> None:
    repo.json("agent", "register", "Bob")
    done = repo.run("agent", "register", "bob", "--json")
    assert done.code == 2 and "differs from it by case" in done.err and names(repo) == ["agent:bob"]
    again = repo.json("agent", "register", "Bob", "--role", "x")
    assert not again["created"] and again["roles"] == ["x"] and again["version"] == 2
    assert repo.json("agent", "register", "Bob")["version"] == 2  # nothing to change


@pytest.mark.parametrize("name", ["a/b", "..", "", "x" * 300, "jose\u0301", "a b", "-rf"])
def test_what_is_no_name_is_refused_and_nothing_is_written(repo: Clone, name: str) -> None:
    done = repo.run("agent", "register", "--json", "--", name)
    assert done.code == 2 and '"code":"invalid"' in done.err and not (repo.data / "agents").exists()


def test_a_name_of_windows_is_a_name_and_names_no_file(repo: Clone) -> None:
    for name in ("con", "nul", "com1", "aux.txt"):
        assert repo.json("agent", "register", name)["agent_id"] == f"agent:{name}"
    for folder in (repo.data / "agents", repo.path / ".git/tbdx/journal"):
        assert not {p.name.split(".")[0] for p in folder.iterdir()} & {"con", "nul", "com1", "aux"}


def test_two_clones_that_registered_one_name_have_one_agent_the_smaller_id_speaks(clones: Clones) -> None:
    a, b = clones
    one = a.json("agent", "register", "Bob", "--role", "first")
    b.json("agent", "register", "bob", "--role", "second")
    sync(a, b, a)
    for clone in clones:
        (row,) = [r for r in clone.json("agent", "list") if r["registered"]]
        assert row["id"] == one["id"] and row["name"] == "Bob" and row["roles"] == ["first"]


def test_roles_that_two_clones_gave_are_all_there(clones: Clones) -> None:
    a, b = clones
    a.json("agent", "register", "bob")
    sync(a, b)
    a.json("agent", "register", "bob", "--role", "x")
    b.json("agent", "register", "bob", "--role", "y")
    sync(a, b, a)
    assert [c.json("agent", "show", "bob")["roles"] for c in clones] == [["x", "y"]] * 2


def test_one_that_is_retired_is_listed_with_all_and_comes_back_when_it_registers(repo: Clone) -> None:
    repo.json("agent", "register", "bob")
    assert repo.json("agent", "retire", "agent:bob")["retired_at"]
    assert names(repo) == [] and [r["agent_id"] for r in repo.json("agent", "list", "--all") if r["registered"]]
    assert repo.json("agent", "retire", "bob")["version"] == 2  # it is already
    assert "retired_at" not in repo.json("agent", "register", "bob") and names(repo) == ["agent:bob"]
    assert repo.run("agent", "retire", "nobody").code == 1 and repo.run("agent", "show", "nobody").code == 1


def test_a_session_begins_and_ends_and_its_events_belong_to_it(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TBD_AGENT", "ann")
    session = repo.json("agent", "start")["session_id"]
    monkeypatch.setenv("TBDX_SESSION", session)
    repo.create("x")
    event = repo.run("ev", "tail", "--session", session)
    assert event.out.count(f'"session_id":"{session}"') == 2  # the start and the issue
    assert repo.json("agent", "show")["sessions"] == [session]
    assert repo.json("agent", "end")["session_id"] == session and repo.json("agent", "show")["sessions"] == []
    done = repo.run("agent", "end")
    assert done.code == 1 and "has no session" in done.err


def test_without_a_variable_the_last_session_of_this_clone_ends(repo: Clone) -> None:
    act(repo, "ann", "agent", "start", "--session", "one")
    act(repo, "ann", "agent", "start", "--session", "two")
    act(repo, "ben", "agent", "start", "--session", "three")
    assert act(repo, "ann", "agent", "end")["session_id"] == "two"
    assert act(repo, "ann", "agent", "end", "--session", "one")["session_id"] == "one"
    assert repo.run("agent", "end", "--as", "ann").code == 1
    assert repo.run("agent", "end", "--as", "ann", "--session", "three").code == 1


def test_the_harnesss_own_session_is_taken(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_SESSION_ID", "harness-7")
    assert repo.json("agent", "start")["session_id"] == "harness-7"


def test_a_name_given_with_as_stays_for_what_follows_until_the_session_ends(repo: Clone) -> None:
    repo.json("agent", "start", "--as", "Carol")
    assert repo.json("whoami")["name"] == "carol" and repo.json("whoami")["source"] == "session"
    repo.json("agent", "end")
    assert repo.json("whoami")["source"] == "derived"


def test_presence_is_journaled_once_a_minute_and_the_last_one_goes_out_with_a_sync(clones: Clones) -> None:
    a, b = clones
    for n in range(5):
        made = act(a, "ann", "agent", "status", f"state {n}")
        assert made["written"] == (n == 0)
    assert a.json("agent", "show", "ann")["state"] == "state 4" and types(a).count("agent.status") == 1
    sync(a, b)
    assert b.json("agent", "show", "ann")["state"] == "state 0"
    a.clock.at += agents.PRESENCE_MS
    sync(a, b)
    assert b.json("agent", "show", "ann")["state"] == "state 4" and types(b).count("agent.status") == 2
    sync(a, b)
    assert types(b).count("agent.status") == 2
    a.clock.at += agents.PRESENCE_MS
    assert act(a, "ann", "agent", "status", "state 4")["written"]


def test_a_state_that_is_none_is_refused(repo: Clone) -> None:
    for state in ("", " ", "x" * 201, "two\nlines"):
        assert repo.run("agent", "status", state).code == 2


def test_where_coordination_is_off_agents_and_messages_stay_in_the_clone(repo: Clone) -> None:
    repo.run("coord", "off")
    made = repo.json("agent", "register", "bob")
    letter = repo.json("msg", "send", "--to", "bob", "--body", "hi")
    assert not (repo.data / "agents").exists() and not (repo.data / "messages").exists()
    assert (repo.path / f".git/tbdx/local/agents/{made['id']}.md").exists()
    assert repo.run("msg", "recv", "--me", "agent:bob").code == 0 and names(repo) == ["agent:bob"]
    assert "stays in this clone" in repo.run("msg", "send", "--to", "bob", "--body", "hi").err
    repo.run("coord", "on")
    repo.json("msg", "send", "--to", "bob", "--body", "shared")
    assert len(list((repo.data / "messages").iterdir())) == 1  # the older ones stay where they are
    ids = {row.split('"')[3] for row in repo.run("msg", "recv", "--me", "bob", "--json").out.splitlines()}
    assert len(ids) == 3 and letter["message_id"] in ids

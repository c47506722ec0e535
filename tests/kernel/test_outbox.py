"""What a remote refuses goes to the outbox, and comes home with the next sync that works."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone, git, some_of
from kernel.test_sync import another, attic, fields, origin, settle, sync
from killing import at as at_point
from killing import stopping
from tbdx.kernel import outbox


def refuse_pushes(origin: Path) -> Path:
    hook = origin / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'no pushes today' >&2\nexit 1\n")
    hook.chmod(0o755)
    return hook


def test_a_refused_push_saves_to_the_outbox_and_the_next_sync_takes_it_in(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    hook = refuse_pushes(a.path.parent / "origin.git")
    shown = a.create("Held back")
    done = a.run("sync")
    assert done.code == 6 and "no pushes today" in done.err
    outbox = a.path / ".tbd/workspaces/outbox"
    assert len(list((outbox / "issues").glob("is-*.md"))) == 1
    hook.unlink()
    done = a.run("sync")
    assert done.code == 0 and not outbox.exists()
    assert "received" not in done.out.replace("1 sent, 0 received", "")  # it was here already
    b.run("sync")
    assert b.json("show", shown)["title"] == "Held back"


def test_an_outbox_that_was_half_removed_is_removed_by_the_next_sync(clones: tuple[Clone, Clone]) -> None:
    a, _ = clones
    hook = refuse_pushes(a.path.parent / "origin.git")
    a.create("Held back")
    assert a.run("sync").code == 6
    hook.unlink()
    with stopping(at_point("file.remove", 4, "kill")) as stop:
        a.run("sync")
    left = {p.name for p in (a.path / ".tbd/workspaces/outbox").rglob("*") if p.is_file()}
    assert stop.dead and left == {"base.yml"}
    assert "importedFromOutbox" not in a.json("sync") and not (a.path / ".tbd/workspaces/outbox").exists()


def test_no_auto_save_leaves_no_outbox(clones: tuple[Clone, Clone]) -> None:
    a, _ = clones
    refuse_pushes(a.path.parent / "origin.git")
    a.create("Held back")
    assert a.run("sync", "--no-auto-save").code == 6
    assert not (a.path / ".tbd/workspaces").exists()


def test_an_outbox_from_another_clone_is_published_once(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    shown = a.create("By outbox")
    a.run("save", "--outbox")
    (b.path / ".tbd/workspaces").mkdir()
    (a.path / ".tbd/workspaces/outbox").rename(b.path / ".tbd/workspaces/outbox")
    assert b.json("sync")["importedFromOutbox"] == 1
    a.run("sync")
    assert a.json("show", shown)["version"] == 1 and len(a.json("list")) == 1
    tip = a.git("rev-parse", "tbd-sync")
    assert b.run("sync").code == 0 and a.run("sync").code == 0
    assert a.git("rev-parse", "tbd-sync") == b.git("rev-parse", "tbd-sync")
    assert tip in a.git("rev-list", "tbd-sync")


def test_no_outbox_leaves_it(clones: tuple[Clone, Clone]) -> None:
    a, _ = clones
    a.create("Kept aside")
    a.run("save", "--outbox")
    assert a.run("sync", "--no-outbox").code == 0
    assert (a.path / ".tbd/workspaces/outbox/issues").is_dir()


def test_auto_sync_publishes_after_each_change_and_only_then(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    a.run("config", "set", "settings.auto_sync", "true")
    shown = a.create("Out at once")
    b.run("sync")
    assert b.json("show", shown)["title"] == "Out at once"
    tip = a.git("rev-parse", "tbd-sync")
    a.run("list")
    assert a.git("rev-parse", "tbd-sync") == tip


def test_auto_sync_that_fails_does_not_fail_the_command(clones: tuple[Clone, Clone]) -> None:
    a, _ = clones
    a.run("config", "set", "settings.auto_sync", "true")
    a.git("remote", "set-url", "origin", str(a.path.parent / "gone.git"))
    done = a.run("create", "Kept")
    assert done.code == 0 and "auto_sync: remote origin cannot be reached" in done.err


def test_auto_sync_tells_what_it_withholds(clones: tuple[Clone, Clone]) -> None:
    a, _ = clones
    damaged = a.file(a.create("Soon damaged"))
    a.run("config", "set", "settings.auto_sync", "true")
    damaged.write_bytes(b"")
    done = a.run("create", "Sound")
    assert done.code == 0 and "auto_sync: withheld .tbd/data-sync/issues/" in done.err


# where only some branches may be pushed


def only_own_branch(place: Path) -> None:
    """The remote of a sandbox: a session may push its own branch, and delete nothing."""
    hook = place / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\ncase $1 in refs/heads/agent/*) ;; *) echo 'only agent/* may be pushed' >&2; exit 1;; esac\n"
        'test "${3#0000000}" != "$3" && { echo "no deletions" >&2; exit 1; }\nexit 0\n'
    )
    hook.chmod(0o755)


def carry(clone: Clone, branch: str = "agent/x") -> None:
    """What a session in a sandbox does: commit the outbox to its own branch, and push that."""
    clone.git("checkout", "-q", "-B", branch)
    clone.git("add", ".tbd/workspaces")
    clone.git("commit", "-qm", "tracker changes", "--allow-empty")
    clone.git("push", "-q", "origin", branch)


def test_what_a_sandbox_could_not_push_is_harvested_by_another_clones_sync(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    x = a.create("T", "-d", "one\ntwo\nthree")
    sync(a, b)
    only_own_branch(origin(a))
    a.run("update", x, "--description", "ONE\ntwo\nthree")
    y = a.create("made in the sandbox", "--parent", x)
    done = a.run("sync", "--json")
    answer = json.loads(done.out)
    assert done.code == 6 and answer["reason"] == "refused" and answer["savedToOutbox"] == 2
    assert "only agent/* may be pushed" in json.loads(done.err)["error"] and "outbox" in json.loads(done.err)["hint"]
    carry(a)
    (origin(a) / "hooks/update").unlink()
    b.run("update", x, "--description", "one\ntwo\n3")
    report = b.json("sync")
    tip = git(origin(a), "rev-parse", "agent/x").strip()
    assert report["harvested"] == [{"branch": "agent/x", "commit": tip, "issues": 2}]
    assert fields(b, x)["description"] == "ONE\ntwo\n3" and b.json("show", y)["title"] == "made in the sandbox"
    before = b.git("rev-parse", "tbd-sync")
    assert "harvested" not in b.json("sync") and b.git("rev-parse", "tbd-sync") == before
    assert b.json("attic", "list") == []
    sync(a)
    settle(a, b)
    assert fields(a, x)["description"] == "ONE\ntwo\n3"
    for ref in b.git("for-each-ref", "--format=%(refname)").split():
        assert "agent" not in ref  # nothing of the user's was fetched


def test_an_outbox_is_taken_in_once_in_any_order_and_wherever_it_is_met(
    clones: tuple[Clone, Clone], at: Callable[[Path], Clone]
) -> None:
    a, b = clones
    x = a.create("T", "-d", "one\ntwo\nthree")
    sync(a, b)
    c, d = another(a, at, "c"), another(a, at, "d")
    sync(c, d)
    only_own_branch(origin(a))
    for clone, line in ((a, "one"), (c, "three")):
        clone.run("update", x, "--description", fields(clone, x)["description"].replace(line, line.upper()))
        assert clone.run("sync").code == 6
        for n in (1, 2):  # the same outbox on two branches, and committed twice
            carry(clone, f"agent/{clone.path.name}{n}")
    (origin(a) / "hooks/update").unlink()
    shutil.copytree(a.path / ".tbd/workspaces", d.path / ".tbd/workspaces")  # and once more by hand
    assert d.json("sync")["importedFromOutbox"] == 1 and not (d.path / ".tbd/workspaces/outbox").exists()
    sync(b, d, b, d)
    settle(b, d)
    for clone in (b, d):
        assert fields(clone, x)["description"] == "ONE\ntwo\nTHREE" and clone.json("attic", "list") == []
    sync(a, c)
    settle(a, b, c, d)
    assert fields(a, x)["description"] == "ONE\ntwo\nTHREE" and a.json("attic", "list") == []


@pytest.mark.parametrize("order", some_of(itertools.permutations(range(3)), 3))
def test_outboxes_and_a_bundle_come_in_in_any_order(
    clones: tuple[Clone, Clone], at: Callable[[Path], Clone], order: tuple[int, ...]
) -> None:
    a, b = clones
    x = a.create("T", "-l", "base")
    sync(a, b)
    c = another(a, at, "c")
    sync(c)
    refusing = origin(a) / "hooks/update"
    for n, clone in enumerate((a, c)):
        clone.run("update", x, "--title", f"title {n}", "--add-label", f"l{n}")
    only_own_branch(origin(a))
    assert a.run("sync").code == 6 and c.run("sync").code == 6
    carry(a, "agent/a")
    c.run("bundle", "create", "../c.bundle")
    refusing.unlink()
    steps: list[Callable[[], object]] = [
        lambda: b.run("sync"),
        lambda: b.run("bundle", "apply", "../c.bundle"),
        lambda: b.run("update", x, "--priority", "0"),
    ]
    for n in order:
        steps[n]()
    sync(b)
    sync(a, c)
    settle(a, b, c)
    found = fields(b, x)
    assert found["priority"] == 0 and sorted(found["labels"]) == ["base", "l0", "l1"]
    assert {found["title"], *attic(b, x).values()} == {"title 0", "title 1"}


def test_an_outbox_of_a_real_tbd_has_no_base_and_is_imported_once(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    only_own_branch(origin(a))
    a.run("update", x, "--title", "by a tbd")
    assert a.run("sync").code == 6
    (a.path / ".tbd/workspaces/outbox/base.yml").unlink()
    carry(a)
    (origin(a) / "hooks/update").unlink()
    assert b.json("sync")["harvested"][0]["issues"] == 1
    assert fields(b, x)["title"] == "by a tbd"
    a.git("commit", "-q", "--allow-empty", "-m", "more")
    a.git("push", "-q", "origin", "agent/x")
    before = fields(b, x), b.json("attic", "list")
    sync(b)
    sync(b)
    assert (fields(b, x), b.json("attic", "list")) == before


def test_what_is_wrong_in_an_outbox_is_named_and_the_rest_taken(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    x, y = a.create("T"), a.create("U")
    sync(a, b)
    only_own_branch(origin(a))
    a.run("update", x, "--title", "good")
    a.run("update", y, "--title", "soon bad")
    assert a.run("sync").code == 6
    place = a.path / ".tbd/workspaces/outbox"
    (place / "issues" / a.file(y).name).write_bytes(b"<<<<<<< x\n")
    (place / "issues/../issues/is-evil.md").write_text("x")
    (place / "elsewhere").mkdir()
    (place / "elsewhere/x.md").write_text("x")
    (place / "issues/link.md").symlink_to("/etc/hostname")
    carry(a)
    (origin(a) / "hooks/update").unlink()
    done = b.run("sync")
    assert done.code == 0 and a.file(y).name in done.err and "is-evil.md" in done.err
    assert fields(b, x)["title"] == "good" and fields(b, y)["title"] == "U"
    assert not (b.data / "elsewhere").exists() and not list(b.data.rglob("*link*"))


def test_branches_are_looked_into_once_and_in_portions(
    clones: tuple[Clone, Clone], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    sync(b)
    monkeypatch.setattr(outbox, "BRANCHES", 2)
    for n in range(5):
        git(origin(a), "update-ref", f"refs/heads/topic-{n}", "main")
    from tbdx.store.git import Git

    looked: list[list[str]] = []
    look_into = Git.look_into

    def noting(self: Git, remote: str, tips: dict[str, str], folder: str) -> object:
        if folder == outbox.PLACE:
            looked.append(sorted(tips))
        return look_into(self, remote, tips, folder)

    monkeypatch.setattr(Git, "look_into", noting)
    b.git("commit", "-q", "--allow-empty", "-m", "topic")
    b.git("push", "-q", "origin", "HEAD:refs/heads/topic-4")
    for _ in range(4):
        sync(b)
    assert sum(looked, []) == ["topic-4"] or sum(looked, []).count("topic-4") == 1
    assert len(looked) <= 2


def test_a_branch_that_cannot_be_fetched_does_not_fail_the_sync(
    clones: tuple[Clone, Clone], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    b.git("commit", "-q", "--allow-empty", "-m", "topic")
    b.git("push", "-q", "origin", "HEAD:refs/heads/topic")
    from tbdx.errors import Git as GitError
    from tbdx.store.git import Git

    def broken(*_: object) -> None:
        raise GitError("the connection broke", reason="unreachable")

    monkeypatch.setattr(Git, "look_into", broken)
    done = a.run("sync")
    assert done.code == 0 and "were not looked for" in done.err


def test_without_a_network_the_outbox_is_saved_too_and_it_says_which(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    sync(b)
    x = a.create("T")
    moved = origin(a).rename(origin(a).with_suffix(".gone"))
    done = a.run("sync", "--json")
    assert done.code == 6 and json.loads(done.out)["reason"] == "unreachable"
    assert json.loads(done.out)["savedToOutbox"] == 1 and (a.path / ".tbd/workspaces/outbox/issues").is_dir()
    moved.rename(origin(a))
    assert a.json("sync")["importedFromOutbox"] == 1 and not (a.path / ".tbd/workspaces/outbox").exists()
    sync(b)
    settle(a, b)
    assert fields(b, x)["title"] == "T"


def test_an_outbox_is_an_edit_of_what_its_clone_had_and_not_of_what_it_had_only_fetched(
    clones: tuple[Clone, Clone],
) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    a.run("update", x, "--title", "from a")
    sync(a)
    b.run("update", x, "--priority", "0")
    b.git("fetch", "-q", "origin", "tbd-sync:refs/remotes/origin/tbd-sync")
    b.run("save", "--outbox")
    (a.path / ".tbd/workspaces").mkdir()
    (b.path / ".tbd/workspaces/outbox").rename(a.path / ".tbd/workspaces/outbox")
    assert a.json("sync")["importedFromOutbox"] == 1
    assert (fields(a, x)["title"], fields(a, x)["priority"]) == ("from a", 0)


def test_what_an_outbox_without_a_base_holds_gets_no_later_one(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    x = a.create("T")
    a.git("update-ref", "-d", "refs/remotes/origin/tbd-sync")
    a.run("save", "--outbox")
    sync_without = ("sync", "--no-outbox")
    a.run("update", x, "--title", "newer")
    a.run(*sync_without)
    a.create("another")
    a.run("save", "--outbox")
    assert not (a.path / ".tbd/workspaces/outbox/base.yml").exists()
    settle(a, b)
    assert fields(b, x)["title"] == "newer"


def test_what_is_taken_in_from_an_outbox_without_a_base_is_out_when_sync_returns(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    a.git("update-ref", "-d", "refs/remotes/origin/tbd-sync")
    a.run("save", "--outbox")
    file = a.file(x)
    held = a.path / ".tbd/workspaces/outbox/issues" / file.name
    assert held.exists()
    file.unlink()
    sync(a)
    assert file.exists() and file.name in git(origin(a), "ls-tree", "-r", "--name-only", "tbd-sync")


def test_agents_and_messages_travel_in_an_outbox(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    sync(a, b)
    only_own_branch(origin(b))
    b.json("agent", "register", "ben", "--role", "tester")
    made = b.json("msg", "send", "--to", "ann", "--body", "from a sandbox", "--as", "ben")
    assert b.run("sync").code == 6
    place = b.path / ".tbd/workspaces/outbox"
    assert (place / f"messages/{made['message_id']}.md").exists() and len([*(place / "agents").iterdir()]) == 1
    carry(b)
    (origin(b) / "hooks/update").unlink()
    done = a.run("sync")
    assert done.code == 0 and "2 other files" in done.out + done.err
    (row,) = [json.loads(row) for row in a.run("recv", "--me", "ann", "--json", tool="msg").out.splitlines()]
    assert row["body"] == "from a sandbox" and row["from"] == "agent:ben" and row["unverified"]
    assert a.json("agent", "show", "ben")["roles"] == ["tester"]
    assert b.run("sync").code == 0 and not place.exists()
    settle(a, b)
    assert '"unverified"' not in a.run("recv", "--me", "ann", "--json", tool="msg").out


def test_what_is_damaged_in_an_outbox_is_named_and_the_rest_is_taken(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    sync(a, b)
    only_own_branch(origin(b))
    one, two = (b.json("msg", "send", "--to", "ann", "--body", text)["message_id"] for text in ("x", "y"))
    assert b.run("sync").code == 6
    (b.path / f".tbd/workspaces/outbox/messages/{one}.md").write_text("garbage")
    carry(b)
    (origin(b) / "hooks/update").unlink()
    done = a.run("sync")
    assert done.code == 0 and f"{one}.md is left there" in done.err
    assert [p.stem for p in (a.data / "messages").iterdir()] == [two]

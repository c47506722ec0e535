"""What a remote refuses goes to the outbox, and comes home with the next sync that works."""

from __future__ import annotations

from pathlib import Path

from conftest import Clone


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
    b.run("sync")
    assert b.json("show", shown)["title"] == "Held back"


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

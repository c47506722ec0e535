"""Artifacts: what is added comes out again, in every clone, byte for byte, or not at all and with the reason."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Clone, git
from crash.test_points import WAYS
from damage import kept, one_error, ulid
from faults.test_disk import LIMITED
from kernel.test_sync import Clones, origin, settle, sync
from killing import at as stop_at
from killing import stopping
from tbdx.core import canon, kinds
from tbdx.store import files

MIB = 1 << 20
HELLO = "hello\n"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def add(clone: Clone, data: bytes | str = HELLO, *more: str, name: str = "a.txt") -> dict[str, Any]:
    """Add a file of this content; the answer."""
    (clone.path / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return dict(clone.json("artifact", "add", name, *more))


def rows(clone: Clone, *more: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in clone.run("artifact", "list", *more, "--json").out.splitlines()]


def states(clone: Clone, *ids: str) -> dict[str, str]:
    """The state of each artifact; the exit code follows from them."""
    done = clone.run("artifact", "verify", *ids, "--json")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == any(row["state"] in ("missing", "mismatch") for row in found), done
    assert all(("why" in row) == (row["state"] not in ("ok", "link")) for row in found)
    return {row["artifact_id"]: row["state"] for row in found}


def saved(clone: Clone, artifact: str, *more: str) -> bytes:
    """The content as `get -o` writes it."""
    path = clone.path / "out"
    assert clone.run("artifact", "get", artifact, "-o", "out", *more).code == 0
    data = path.read_bytes()
    path.unlink()
    return data


def content(clone: Clone, made: dict[str, Any]) -> Path:
    """Where the content is in this clone."""
    base = clone.data / "artifacts/blobs" if made["where"] == "git" else clone.path / ".git/tbdx/artifacts"
    return base / made["digest"][7:]


def refused(clone: Clone, artifact: str, says: str) -> None:
    """`get` gives out nothing, in each form, and says why."""
    for form in ([], ["--json"], ["-o", "out"]):
        done = clone.run("artifact", "get", artifact, *form)
        assert done.code == 1 and not done.out and says in done.err, done
    assert not (clone.path / "out").exists() and not [p for p in clone.path.iterdir() if p.name.endswith(".tmp")]


def events(clone: Clone, glob: str = "artifact.*") -> list[dict[str, Any]]:
    return [json.loads(line) for line in clone.run("ev", "export", "--type", glob).out.splitlines()]


def test_what_a_media_type_a_place_and_a_content_are() -> None:
    for text in ("text/plain", "application/vnd.x+json", "text/plain; charset=utf-8", "a/b;x"):
        assert kinds.is_media_type(text), text
    for odd in ("", "text", "/plain", "text/", "a b/c", "a/b c", "a/é", "a/\x1b", "a/b\n", "x/" + "y" * 200, None, 5):
        assert not kinds.is_media_type(odd), odd
    made = {"type": "ar", "id": f"ar-{ulid(1)}", "name": "x", "digest": digest(b""), "media_type": "a/b", "size": 0}
    made |= {"created_by": "agent:x", "created_at": "2025-03-01T00:00:00.000Z"}
    for place in ("git", "clone", "https://x", "http://x/" + "y" * 1991):
        assert kinds.problems(made | {"where": place}, "artifact") == [], place
    for odd in ("", "/x", "../x", "file:///x", "https://", "https://a b", "http://x/" + "y" * 1992, None, 5):
        assert [name for name, _ in kinds.problems(made | {"where": odd}, "artifact")] == ["where"], odd
    name = digest(b"x")[7:]
    assert kinds.content_problem(name, b"x") is None and kinds.content_problem(digest(b"")[7:], b"") is None
    for odd_name, data in ((name, b"y"), (name.upper(), b"x"), (name + ".md", b"x"), (f"../{name}", b"x"), ("", b"")):
        assert kinds.content_problem(odd_name, data), odd_name


# adding and getting


def test_what_is_added_is_listed_verified_and_given_out(repo: Clone) -> None:
    issue = repo.create("X")
    made = add(repo, HELLO, "--work", issue, "--as", "ann")
    internal = made["artifact_id"]
    expected = {"name": "a.txt", "digest": digest(HELLO.encode()), "media_type": "text/plain", "size": 6}
    expected |= {"where": "git", "work_id": repo.kernel.need(issue), "created_by": "agent:ann"}
    assert expected.items() <= made.items() and made["duplicate"] is False and made["durability"] == "local"
    other = add(repo, "x", name="other.bin")
    assert [row["artifact_id"] for row in rows(repo)] == [internal, other["artifact_id"]]
    assert [row["artifact_id"] for row in rows(repo, "--limit", "1")] == [other["artifact_id"]]
    (row,) = rows(repo, "--work", issue)
    assert expected.items() <= row.items() and "unverified" not in row and row["trust"] == "untrusted"
    line = repo.run("artifact", "list", "--work", issue).out
    assert all(word in line for word in (internal, "6 B", "text/plain", "git", "a.txt", issue))
    assert states(repo) == {internal: "ok", other["artifact_id"]: "ok"} and states(repo, internal) == {internal: "ok"}
    assert repo.run("artifact", "get", internal).out == HELLO
    assert repo.json("artifact", "get", internal)["text"] == HELLO
    (event, _) = events(repo)
    assert event["body"].items() >= {n: expected[n] for n in ("digest", "media_type", "size")}.items()
    assert event["refs"] == {"artifact_id": internal, "work_id": expected["work_id"]}
    assert event["actor"]["agent_id"] == "agent:ann"
    assert repo.run("get", internal, tool="wk").code == 0
    assert repo.json("query", "kind = artifact and size = 6", tool="wk")["id"] == internal
    refusal = one_error(repo.run("put", "--json", stdin='{"type":"ar","name":"x"}', tool="wk"))
    assert "tbdx artifact add" in refusal["hint"]


def test_up_to_a_mebibyte_is_in_git_and_what_is_larger_in_the_clone(repo: Clone) -> None:
    for size, where in ((0, "git"), (1, "git"), (MIB - 1, "git"), (MIB, "git"), (MIB + 1, "clone"), (3 * MIB, "clone")):
        data = os.urandom(size)
        made = add(repo, data, name=f"{size}.bin")
        assert (made["where"], made["size"], made["digest"]) == (where, size, digest(data))
        assert content(repo, made).read_bytes() == data == saved(repo, made["artifact_id"])
        assert ("host" in made) == (where == "clone")
    assert set(states(repo).values()) == {"ok"}
    assert not os.listdir(repo.kernel.repo.scratch)
    sync(repo)
    listed = repo.git("ls-tree", "-r", "-l", "tbd-sync", ".tbd/data-sync/artifacts/blobs/").splitlines()
    assert sorted(int(row.split()[3]) for row in listed) == [0, 1, MIB - 1, MIB]


def test_the_same_content_twice_is_two_artifacts_over_one_file(repo: Clone) -> None:
    for data in (b"same", os.urandom(MIB + 1)):
        a, b = add(repo, data), add(repo, data, name="b.txt")
        assert a["artifact_id"] != b["artifact_id"] and a["digest"] == b["digest"]
        assert saved(repo, b["artifact_id"]) == data
        assert os.listdir(content(repo, a).parent) == [a["digest"][7:]]
    assert len(rows(repo)) == 4


def test_the_media_type_comes_from_the_name_else_from_the_bytes(repo: Clone) -> None:
    for name, data, expected in (
        ("a.json", b"{}", "application/json"),
        ("a.tar.gz", b"x", "application/gzip"),
        ("a.PNG", b"x", "image/png"),
        ("noend", "é".encode() * 8000, "text/plain"),  # a character is cut where the look ends
        ("nothing", b"", "text/plain"),
        ("nul", b"a\0b", "application/octet-stream"),
        ("latin", b"\xe9", "application/octet-stream"),
    ):
        assert add(repo, data, name=name)["media_type"] == expected, name
    assert add(repo, b"x", "--type", "text/x-diff; charset=utf-8")["media_type"] == "text/x-diff; charset=utf-8"
    assert add(repo, b"x", "--name", "other.json")["media_type"] == "application/json"


def test_stdin_and_what_a_link_on_the_command_line_leads_to_are_taken(repo: Clone, tmp_path: Path) -> None:
    made = repo.json("artifact", "add", "-", stdin="piped")
    assert (made["name"], made["size"]) == ("stdin", 5)
    made = repo.json("artifact", "add", "-", "--name", "long.txt", stdin="x" * (2 * MIB))
    assert (made["name"], made["size"], made["where"]) == ("long.txt", 2 * MIB, "clone")
    (tmp_path / "real").write_text("behind it")
    (repo.path / "link").symlink_to(tmp_path / "real")
    made = repo.json("artifact", "add", "link")
    assert (made["name"], saved(repo, made["artifact_id"])) == ("link", b"behind it")


def test_a_url_is_a_link_that_nothing_fetches(repo: Clone) -> None:
    url = "https://example.com/builds/7.tar?x=1#top"
    made = repo.json("artifact", "add", url)
    expected = {"where": url, "name": "7.tar", "media_type": "text/uri-list", "size": len(url)}
    assert (expected | {"digest": digest(url.encode())}).items() <= made.items()
    assert repo.run("artifact", "get", made["artifact_id"]).out == url == saved(repo, made["artifact_id"]).decode()
    assert states(repo) == {made["artifact_id"]: "link"} and not (repo.data / "artifacts/blobs").exists()
    assert f"link  7.tar  {url}" in repo.run("artifact", "list").out
    assert repo.json("artifact", "add", "HTTP://example.com", "--name", "home")["name"] == "home"


BAD_LINES: list[tuple[tuple[str, ...], int, str]] = [
    (("add", "nope.txt"), 1, "no such file: nope.txt"),
    (("add", "."), 1, "a folder, not a file"),
    (("add", "fifo"), 1, "a FIFO, not a file"),
    (("add", "/dev/zero"), 1, "a device, not a file"),
    (("add", "socket"), 1, "a socket, not a file"),
    (("add", "loop"), 1, "cannot read"),
    (("add", "dangling"), 1, "no such file"),
    (("add", "a\0b"), 2, "NUL"),
    (("add", "https://u:hush1234@example.com/x"), 2, "a user or a password"),
    (("add", "https://hush1234@example.com/x", "--allow-secret"), 2, "a user or a password"),
    (("add", "ftp://u:hush1234@example.com/x"), 2, "a user or a password"),
    (("add", "https://example.com/?t=ghp_" + "a" * 36), 2, "a token"),
    (("add", "file:///etc/passwd"), 2, "http or https"),
    (("add", "file:/etc/passwd"), 2, "file:"),
    (("add", "ssh://example.com/x"), 2, "http or https"),
    (("add", "https:///x"), 2, "not a URL"),
    (("add", "https://example.com/a b"), 2, "not a URL"),
    (("add", "https://example.com/" + "x" * 2000), 2, "not a URL"),
    (("add", "ok.txt", "--work", "nope"), 1, "not found"),
    (("add", "ok.txt", "--supersedes", f"ar-{ulid(1)}"), 1, "not found"),
    (("add", "ok.txt", "--supersedes", "../x"), 2, "not an artifact's id"),
    (("add", "ok.txt", "--name", "two\nlines"), 2, "name:"),
    (("add", "ok.txt", "--name", "x" * 501), 2, "name:"),
    (("add", "ok.txt", "--name", "half \ud800"), 2, "UTF-8"),
    (("add", "ok.txt", "--name", "ghp_" + "a" * 36), 2, "a token"),
    (("add", "ok.txt", "--type", "text"), 2, "media_type"),
    (("add", "ok.txt", "--type", "text/\x1b[2J"), 2, "media_type"),
    (("add", "secret.txt"), 2, "a token"),
    (("get", f"ar-{ulid(1)}"), 1, "not found"),
    (("get", "x"), 2, "not an artifact's id"),
    (("get", "../../config"), 2, "not an artifact's id"),
    (("verify", f"ar-{ulid(1)}"), 1, "not found"),
    (("verify", "is-" + ulid(1)), 2, "not an artifact's id"),
    (("list",), 3, "no artifacts"),
    (("verify",), 3, "no artifacts"),
    (("list", "--work", "nope"), 1, "not found"),
]


def test_what_is_no_artifact_is_refused_and_nothing_is_written(repo: Clone) -> None:
    import socket

    (repo.path / "ok.txt").write_text("ok")
    (repo.path / "secret.txt").write_text("token: ghp_" + "a" * 36)
    os.mkfifo(repo.path / "fifo")
    (repo.path / "loop").symlink_to("loop")
    (repo.path / "dangling").symlink_to("nothing")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(os.path.relpath(repo.path / "socket"))
    before = kept(repo)
    for argv, code, says in BAD_LINES:
        done = repo.run("artifact", *argv, "--json")
        assert done.code == code and says in one_error(done)["error"], (argv, done)
        assert "hush1234" not in done.err + repo.run("artifact", *argv).err
    assert kept(repo) == before and events(repo) == [] and os.listdir(repo.kernel.repo.scratch) == []
    assert not os.path.exists(f"{repo.kernel.repo.own}/artifacts")


def test_what_looks_like_a_secret_is_taken_when_that_is_said_or_it_stays_here(repo: Clone) -> None:
    secret = "ghp_" + "a" * 36
    made = add(repo, secret, "--allow-secret")
    assert repo.run("artifact", "get", made["artifact_id"]).out == secret
    assert add(repo, secret + "x" * MIB)["where"] == "clone"  # it is not published
    assert add(repo, secret.encode() + b"\0")["where"] == "git"  # no text


def test_a_file_that_changes_while_it_is_read_is_told_and_not_added(
    repo: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files.pieces

    def changing(fd: int, path: str) -> Any:
        for piece in real(fd, path):
            yield piece
            now[0](repo.path / "a.txt")

    monkeypatch.setattr(files, "pieces", changing)
    changes: list[Callable[[Path], object]] = [
        lambda path: os.truncate(path, path.stat().st_size + MIB),  # for ever
        lambda path: os.truncate(path, 1),
        lambda path: os.utime(path, (1, 1)),
    ]
    now = [changes[0]]
    for now[0] in changes:
        for size in (10, MIB + 1):
            (repo.path / "a.txt").write_bytes(b"x" * size)
            done = repo.run("artifact", "add", "a.txt", "--json")
            assert done.code == 1 and "changed while it was read" in one_error(done)["error"], done
    assert rows(repo) == [] and os.listdir(repo.kernel.repo.scratch) == []


def test_a_dry_run_adds_nothing(repo: Clone) -> None:
    for data in (b"x", b"x" * (MIB + 1)):
        (repo.path / "a.txt").write_bytes(data)
        made = repo.json("artifact", "add", "a.txt", "--dry-run")
        assert made["dryRun"] and made["digest"] == digest(data) and "artifact_id" not in made
    assert rows(repo) == [] == events(repo) and not os.listdir(repo.kernel.repo.scratch)


def test_a_key_makes_one_artifact_however_often_it_is_added(repo: Clone) -> None:
    first = add(repo, HELLO, "--idempotency-key", "k")
    again = add(repo, HELLO, "--idempotency-key", "k")
    assert again == first | {"duplicate": True}
    (repo.path / "a.txt").write_text("else")
    done = repo.run("artifact", "add", "a.txt", "--idempotency-key", "k")
    assert done.code == 0 and "was used to add something else" in done.err and first["artifact_id"] in done.out
    assert len(rows(repo)) == len(events(repo)) == 1


def test_one_key_in_two_clones_counts_once_and_the_later_one_is_marked(clones: Clones) -> None:
    a, b = clones
    first = add(a, HELLO, "--idempotency-key", "k", "--as", "ann")["artifact_id"]
    later = add(b, HELLO, "--idempotency-key", "k", "--as", "ann")["artifact_id"]
    sync(a, b, a)
    for clone in clones:
        assert {row["artifact_id"]: row.get("repeats") for row in rows(clone)} == {first: None, later: first}


def test_an_artifact_may_stand_for_another(repo: Clone) -> None:
    old = add(repo, "one")["artifact_id"]
    new = add(repo, "two", "--supersedes", old)["artifact_id"]
    assert [row.get("superseded_by") for row in rows(repo)] == [new, None]
    assert f"(superseded by {new})" in repo.run("artifact", "list").out
    (event,) = events(repo, "artifact.superseded")
    assert (event["refs"]["artifact_id"], event["body"]["by"]) == (old, new)
    assert saved(repo, old) == b"one"


def test_an_event_about_an_artifact_that_does_not_hold_is_rejected(repo: Clone) -> None:
    made = add(repo)
    body = json.dumps({"digest": digest(b"else"), "media_type": "a/b", "size": 1})
    ref = f"artifact_id={made['artifact_id']}"
    assert repo.run("ev", "emit", "--type", "artifact.created", "--ref", ref, "--body", body).code == 0
    assert states(repo) == {made["artifact_id"]: "ok"}
    (row,) = repo.json("materialize", "rejects")["rows"].values()
    assert row["artifact_id"] == made["artifact_id"] and "created before" in row["reason"]


# giving out


def test_get_writes_over_nothing_unless_it_is_told_to(repo: Clone, tmp_path: Path) -> None:
    made = add(repo)["artifact_id"]
    out = repo.path / "out"
    out.write_text("mine")
    done = repo.run("artifact", "get", made, "-o", "out", "--json")
    assert done.code == 2 and "--force" in one_error(done)["hint"] and out.read_text() == "mine"
    assert repo.run("artifact", "get", made, "-o", "out", "--force").code == 0 and out.read_text() == HELLO
    (repo.path / "link").symlink_to(tmp_path / "real")
    assert repo.run("artifact", "get", made, "-o", "link").code == 0
    assert (repo.path / "link").is_symlink() and (tmp_path / "real").read_text() == HELLO
    os.mkfifo(repo.path / "fifo")
    for place, says in ((".", "a folder"), ("fifo", "a FIFO"), ("/dev/null", "a device"), ("a\0b", "name of a file")):
        done = repo.run("artifact", "get", made, "-o", place, "--force", "--json")
        assert done.code == 2 and says in one_error(done)["error"], done
    done = repo.run("artifact", "get", made, "-o", "no/such/folder", "--json")
    assert done.code == 1 and one_error(done)["code"] == "disk"
    assert repo.json("artifact", "get", made, "-o", "new")["path"] == "new"


def test_get_writes_a_file_whole_or_not_at_all(repo: Clone) -> None:
    small, large = add(repo), add(repo, b"x" * (MIB + 1))
    for made in (small, large):
        for name in ("file.make", "file.write", "file.torn", "file.flush", "file.link"):
            with stopping(stop_at(name, 1, "ENOSPC")) as stop:
                done = repo.run("artifact", "get", made["artifact_id"], "-o", "out")
            assert name in stop.reached and done.code == 1 and "No space" in done.err
            assert not [p for p in repo.path.iterdir() if p.name.startswith((".out", "out"))], name


def test_a_terminal_is_shown_text_and_no_bytes(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    text, binary = add(repo, "a\x1b[2Jb\n"), add(repo, b"\x00\xff")
    long, latin = add(repo, b"x" * (MIB + 1)), add(repo, b"\x1b[2J\xff", "--type", "text/plain")
    assert repo.run("artifact", "get", text["artifact_id"]).out == "a\x1b[2Jb\n"  # a pipe gets it as it is
    monkeypatch.setattr(os, "isatty", lambda fd: fd == 1)
    assert repo.run("artifact", "get", text["artifact_id"]).out == "a\\x1b[2Jb\n"
    for made in (binary, long, latin):
        done = repo.run("artifact", "get", made["artifact_id"])
        assert done.code == 2 and not done.out and "-o FILE" in done.err, done


def test_bytes_go_to_a_pipe_as_they_are_and_nobody_need_read_them_all(repo: Clone) -> None:
    data = os.urandom(3 * MIB)
    made = add(repo, data)
    line = [sys.executable, "-m", "tbdx", "artifact", "get", made["artifact_id"]]
    assert subprocess.run(line, cwd=repo.path, capture_output=True, check=True).stdout == data
    with subprocess.Popen(line, cwd=repo.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout and child.stderr
        child.stdout.read(10)
        child.stdout.close()
        assert child.stderr.read() == b"" and child.wait() == 0


def test_a_large_file_is_never_held(repo: Clone) -> None:
    """In an address space in which it would not fit: added, verified, and given out."""
    size, room = 50 * MIB, 64 * MIB
    with open(repo.path / "large", "wb") as f:
        os.truncate(f.fileno(), size)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss

    def tbdx(*argv: str) -> str:
        env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        tail = [sys.executable, "-c", LIMITED, "RLIMIT_AS", str(room), sys.executable, "-m", "tbdx", *argv]
        done = subprocess.run(tail, cwd=repo.path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done
        return done.stdout

    made = json.loads(tbdx("artifact", "add", "large", "--json"))
    assert made["size"] == size and made["where"] == "clone"
    assert json.loads(tbdx("artifact", "verify", "--json"))["state"] == "ok"
    tbdx("artifact", "get", made["artifact_id"], "-o", "out")
    assert (repo.path / "out").stat().st_size == size
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(before, 40 * 1024)


# what does not match


def test_a_content_that_does_not_match_is_reported_and_not_given_out(repo: Clone) -> None:
    small, large = add(repo), add(repo, b"x" * (MIB + 1))
    for made in (small, large):
        path, name = content(repo, made), made["artifact_id"]
        good = path.read_bytes()
        (repo.path / "again").write_bytes(good)
        for bad in (good[:-1] + b"?", good + b"more", good[:-1], b""):
            path.write_bytes(bad)
            assert states(repo, name) == {name: "mismatch"}
            refused(repo, name, "does not match")
        path.unlink()
        assert states(repo, name) == {name: "missing"}
        refused(repo, name, "gone from this clone")
        odd: tuple[Callable[[Path], object], ...] = (lambda p: p.symlink_to("/etc/passwd"), os.mkfifo, os.mkdir)
        for make in odd:
            make(path)
            assert states(repo, name) == {name: "mismatch"}
            refused(repo, name, "a symbolic link" if path.is_symlink() else "not a file")
            if make is os.mkdir:
                done = repo.run("artifact", "add", "again")
                assert done.code == 1 and not any(path.iterdir()), done
                path.rmdir()
            else:
                path.unlink()
        add(repo, good)  # the same once more
        assert states(repo, name) == {name: "ok"} and saved(repo, name) == good


def test_a_content_that_changes_while_it_is_given_out_is_told(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    made = add(repo, b"x" * (MIB + 1))
    real, seek = files.pieces, os.lseek

    def changing(fd: int, where: int, how: int) -> int:
        looks.append(fd)
        if len(looks) % 2 == 0:  # it was looked at, and now it is given out
            content(repo, made).write_bytes(b"y" * (MIB + 1))
        return seek(fd, where, how)

    looks: list[int] = []
    monkeypatch.setattr(os, "lseek", changing)
    done = repo.run("artifact", "get", made["artifact_id"], "-o", "out")
    assert done.code == 1 and "changed while it was read" in done.err and not (repo.path / "out").exists()
    assert real is files.pieces


def test_a_damaged_content_is_withheld_by_name_until_it_is_added_again(clones: Clones) -> None:
    a, b = clones
    bad, good = add(a, "to be damaged"), add(a, "good", name="b.txt")
    content(a, bad).write_text("damaged")
    (a.data / "artifacts/blobs/notes").write_text("no digest")
    done = a.run("sync", "--json")
    withheld = {row["path"].rpartition("/")[2]: row["reason"] for row in json.loads(done.out)["withheld"]}
    assert done.code == 1 and withheld.keys() == {bad["digest"][7:], "notes"}
    assert "its bytes are not those" in withheld[bad["digest"][7:]] and "not the name" in withheld["notes"]
    (a.data / "artifacts/blobs/notes").unlink()
    sync(b)
    assert states(b) == {bad["artifact_id"]: "missing", good["artifact_id"]: "ok"}
    refused(b, bad["artifact_id"], "has not come here")
    add(a, "to be damaged")
    settle(a, b)
    assert saved(b, bad["artifact_id"]) == b"to be damaged"


def test_a_content_too_large_for_git_is_withheld(clones: Clones) -> None:
    a, _ = clones
    add(a)
    data = b"x" * (MIB + 1)
    (a.data / "artifacts/blobs" / digest(data)[7:]).write_bytes(data)
    (row,) = json.loads(a.run("sync", "--json").out)["withheld"]
    assert "larger than" in row["reason"]


# two clones


def test_another_clone_gets_it_after_a_sync(clones: Clones) -> None:
    a, b = clones
    data = os.urandom(MIB)
    made, link = add(a, data, name="x.bin"), a.json("artifact", "add", "https://example.com/x")
    sync(a, b)
    assert [row["artifact_id"] for row in rows(b)] == [made["artifact_id"], link["artifact_id"]]
    assert saved(b, made["artifact_id"]) == data and b.run("artifact", "get", link["artifact_id"]).out == link["where"]
    assert list(states(b).values()) == ["ok", "link"]


def test_what_another_clone_keeps_is_elsewhere_and_it_is_said_where(clones: Clones) -> None:
    a, b = clones
    data = b"x" * (MIB + 1)
    made = add(a, data, "--as", "ann")
    sync(a, b)
    name = made["artifact_id"]
    assert states(b) == {name: "elsewhere"} and states(a) == {name: "ok"}
    refused(b, name, f"kept in the clone of agent:ann on {os.uname().nodename}")
    add(b, data)  # the same content, whoever brings it
    assert states(b, name) == {name: "ok"} and saved(b, name) == data
    content(a, made).unlink()
    assert states(a, name) == {name: "missing"}  # it was here


def _commit(clone: Clone, changes: dict[str, bytes]) -> None:
    """What somebody else pushes to the sync branch, by hand."""
    other = clone.path.parent / "other"
    if not other.exists():
        git(clone.path.parent, "clone", "-q", "-b", "tbd-sync", str(origin(clone)), "other")
    git(other, "pull", "-q")
    for path, data in changes.items():
        target = other / ".tbd/data-sync" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    git(other, "add", "-A")
    git(other, "commit", "-qm", "by hand")
    git(other, "push", "-q")


def test_a_content_that_was_replaced_in_the_remote_is_reported_and_can_be_mended(clones: Clones) -> None:
    a, b = clones
    made = add(a)
    sync(a, b)
    _commit(a, {f"artifacts/blobs/{made['digest'][7:]}": b"evil"})
    sync(a, b)
    for clone in clones:
        assert states(clone) == {made["artifact_id"]: "mismatch"}
        refused(clone, made["artifact_id"], "does not match")
    add(b)
    sync(b, a)
    assert set(states(a).values()) == set(states(b).values()) == {"ok"}


def test_of_two_contents_of_one_name_the_right_one_stands(clones: Clones) -> None:
    a, b = clones
    made = add(a)
    _commit(a, {f"artifacts/blobs/{made['digest'][7:]}": b"zzz, greater"})
    sync(a, b)
    assert states(a) == states(b) == {made["artifact_id"]: "ok"}
    assert [p.read_bytes() for p in (a.data / "attic/conflicts").iterdir()] == [b"zzz, greater"]


def test_nothing_that_a_remote_brings_is_believed(clones: Clones) -> None:
    a, b = clones
    made = add(a)
    sync(a, b)
    at = "2025-03-01T00:00:00.000Z"
    good: dict[str, Any] = {"type": "ar", "id": "", "name": "x", "digest": made["digest"], "media_type": "text/plain"}
    good |= {"size": 6, "where": "git", "created_by": "agent:x", "created_at": at}
    odd: list[tuple[dict[str, Any], str, str]] = [
        ({"digest": "sha256:../../../../../../config"}, "mismatch", "digest"),
        ({"digest": "md5:1"}, "mismatch", "digest"),
        ({"where": "file:///etc/passwd"}, "mismatch", "where"),
        ({"where": "/etc/passwd"}, "mismatch", "where"),
        ({"media_type": "\x1b[2J"}, "mismatch", "media_type"),
        ({"size": -1}, "mismatch", "size"),
        ({"size": 7}, "mismatch", "6 bytes, its file says 7"),
        ({"where": "https://example.com/", "media_type": "text/uri-list"}, "mismatch", "does not match"),
        ({"where": "clone", "digest": digest(b"there")}, "elsewhere", "in the clone of agent:x"),
        ({"digest": digest(b"nowhere")}, "missing", "has not come here"),
        ({"name": "../../../../evil\x1b[2J"}, "ok", ""),
    ]
    found = {f"ar-{ulid(n)}": row for n, row in enumerate(odd, 1)}
    changes = {f"artifacts/{i}.md": f"---\n{canon.dumps(good | {'id': i} | c)}---\n" for i, (c, *_) in found.items()}
    changes[f"artifacts/ar-{ulid(50)}.md"] = "no artifact"
    changes["artifacts/ar-x.md"] = "no id"
    _commit(a, {path: text.encode() for path, text in changes.items()})
    sync(b)
    done = b.run("artifact", "verify", "--json")
    said = {row["artifact_id"]: row for row in map(json.loads, done.out.splitlines())}
    assert done.code == 1 and said.keys() == {*found, f"ar-{ulid(50)}", "ar-x", made["artifact_id"]}
    for internal, (_, state, why) in found.items():
        assert said[internal]["state"] == state and why in said[internal].get("why", ""), said[internal]
        if state != "ok":
            refused(b, internal, why)
    listed = {row["artifact_id"]: row for row in rows(b)}
    damaged = {i for i, row in found.items() if row[2] in ("digest", "where", "media_type", "size")}
    assert listed.keys() == found.keys() - damaged | {made["artifact_id"]}
    assert all(row.get("unverified") for i, row in listed.items() if i != made["artifact_id"])
    before = sorted(os.listdir(b.path))
    evil = next(i for i, row in found.items() if "name" in row[0])
    assert b.run("artifact", "get", evil).out == HELLO and sorted(os.listdir(b.path)) == before


def test_a_file_that_says_something_else_than_its_event_is_reported(repo: Clone) -> None:
    made, other = add(repo, "one"), add(repo, "two", name="b.txt")
    path = repo.data / f"artifacts/{made['artifact_id']}.md"
    text = path.read_text()
    for old, new, why in (
        (made["digest"], other["digest"], "the digest is"),
        ("size: 3", "size: 4", "the size is"),
        ("created_by: agent:", "created_by: agent:not-", "who added it is"),
        ("name: a.txt", "name: else.txt", "not the one that its event tells of"),
    ):
        path.write_text(text.replace(old, new))
        assert states(repo, made["artifact_id"]) == {made["artifact_id"]: "mismatch"}
        refused(repo, made["artifact_id"], why)


def test_where_coordination_is_off_it_stays_in_the_clone(clones: Clones) -> None:
    a, b = clones
    assert a.run("coord", "off").code == 0
    made = add(a)
    assert made["where"] == "clone" and not (a.data / "artifacts").exists()
    assert states(a) == {made["artifact_id"]: "ok"} and saved(a, made["artifact_id"]) == HELLO.encode()
    sync(a, b)
    assert rows(b) == [] and "artifacts" not in a.git("ls-tree", "-r", "--name-only", "tbd-sync")
    content(a, made).unlink()
    assert states(a) == {made["artifact_id"]: "missing"}
    assert a.run("coord", "on").code == 0  # its event is of a writer that was before
    assert states(a) == {made["artifact_id"]: "missing"}


# stops


def test_a_stop_half_way_leaves_nothing_listed_that_has_no_content(repo: Clone) -> None:
    for n, size in enumerate((10, MIB + 1)):
        (repo.path / "x").write_bytes(bytes([n]) * size)
        with stopping(lambda _: "") as stop:
            assert repo.run("artifact", "add", "x").code == 0
        points = [(name, turn) for name, count in Counter(stop.reached).items() for turn in range(1, count + 1)]
        assert {"file.write", "file.torn", "file.flush", "journal.append"} < {name for name, _ in points}
        for i, (name, turn) in enumerate(points):
            how = WAYS[i % 3]
            (repo.path / "x").write_bytes(bytes([n]) * size + f"{name} {turn}".encode())
            before = {row["artifact_id"] for row in rows(repo)}
            with stopping(stop_at(name, turn, how)) as stop:
                done = repo.run("artifact", "add", "x")
            fresh = [row for row in rows(repo) if row["artifact_id"] not in before]
            assert set(states(repo).values()) == {"ok"}, (name, turn, how)
            if not stop.dead:  # but for a kill between the two, what is listed has its event, too
                assert not any("unverified" in row for row in fresh), (name, turn, how)
                assert done.code or fresh, (name, turn, how, done)
        assert repo.run("ev", "verify").code == 0

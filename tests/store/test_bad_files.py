"""Damaged issue files: each is named with its line and left as it is, and everything else works."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from conftest import Clone
from damage import ISSUE, one_error, put_issue, ulid

BAD = f"is-{ulid(500)}"
GOOD = ISSUE.format(id=BAD, title="Damaged one")
BOMB = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9) if n else ', '.join(['lol'] * 9)}]\n" for n in range(12))


def changed(old: str, new: str) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new).encode()


# what was done to the file -> (its bytes, the line that is named (0: none), words of the reason)
DAMAGE: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 0, "empty"),
    "blank": (b"\n\n", 1, "front matter"),
    "nul-filled": (b"\0" * 512, 1, "NUL"),
    "nul-tail": (GOOD.encode() + b"text\n\0\0\0", 15, "NUL"),
    "cut-in-the-front-matter": (GOOD[:60].encode(), 4, "closing delimiter"),
    "cut-in-a-value": (GOOD[: GOOD.index("updated_at") + 14].encode() + b"\n---\n", 12, "updated_at"),
    "cut-before-required-keys": (GOOD[: GOOD.index("created_at")].encode() + b"---\n", 1, "created_at: Required"),
    "no-front-matter": (b"# Just a note\n", 1, "front matter"),
    "another-language": (b"---toml\n---\n", 1, "front matter"),
    "a-list": (b"---\n- a\n- b\n---\n", 2, "expected `key: value`"),
    "wrong-id": (changed(ulid(500), ulid(501)), 3, "the file is named"),
    "upper-case-id": (changed(BAD, BAD.upper()), 3, "id: Expected is-"),
    "duplicate-keys": (changed("kind: task", "kind: task\ntitle: Another"), 6, "title: given twice, first in line 4"),
    "duplicate-keys-below": (changed("labels: []", "extensions:\n  a: 1\n  a: 2"), 11, "given twice, first in line 10"),
    "tag": (changed("title: Damaged one", "title: !!python/object:os.system x"), 4, "tag"),
    "own-tag": (changed("labels: []", "labels: !custom []"), 9, "tag"),
    "anchor": (changed("labels: []", "labels: &a []"), 9, "anchors and aliases"),
    "alias": (changed("priority: 2", "priority: *p"), 7, "anchors and aliases"),
    "merge-key": (changed("labels: []", "<<: {a: 1}\nlabels: &x []"), 10, "anchors and aliases"),
    "bomb": (changed("labels: []\n", BOMB + "labels: []\n"), 9, "anchors and aliases"),
    "conflict-markers": (
        changed("status: open\n", "<<<<<<< ours\nstatus: open\n=======\nstatus: closed\n>>>>>>> theirs\n"),
        6,
        "conflict markers",
    ),
    "conflict-everywhere": (f"<<<<<<< a\n{GOOD}=======\n{GOOD}>>>>>>> b\n".encode(), 1, "front matter"),
    "invalid-utf-8": (changed("Damaged one", "Damaged ?").replace(b"?", b"\xff\xfe"), 4, "UTF-8"),
    "surrogate": (changed("Damaged one", "?").replace(b"?", b"\xed\xa0\x80"), 4, "UTF-8"),
    "latin-1-body": (GOOD.encode() + "é\n".encode("latin-1"), 14, "UTF-8"),
    "byte-order-mark": (b"\xef\xbb\xbf" + GOOD.encode(), 1, "byte order mark"),
    "utf-16": (GOOD.encode("utf-16"), 1, "NUL"),
    "10-mb": (GOOD.encode() + b"x" * 10_485_760, 0, "larger than"),
    "10-mb-front-matter": (changed("labels: []", "labels: [" + "a, " * 3_500_000 + "a]"), 0, "larger than"),
    "long-title": (changed("Damaged one", "x" * 501), 4, "title: Expected text of 1 to 500"),
    "long-body": (GOOD.encode() + b"x" * 50_001, 1, "description: must be text of at most 50000"),
    "deep-flow": (changed("labels: []", "deep: " + "[" * 5_000 + "]" * 5_000), 0, ""),
    "deep-block": (
        changed("labels: []\n", "deep:\n" + "".join(" " * n + "- \n" for n in range(1, 60)) + "labels: []\n"),
        0,
        "",
    ),
    "many-closing-brackets": (changed("labels: []", "labels: " + "]" * 9_000), 9, ""),
    "bad-enum": (changed("status: open", "status: doing"), 6, "status: Invalid enum value"),
    "a-date-that-is-none": (changed("updated_at: 2025-01-01", "updated_at: 2025-02-30"), 12, "Invalid datetime"),
    "priority-as-words": (changed("priority: 2", "priority: high"), 7, "priority: Invalid enum value"),
    "version-as-a-truth": (changed("version: 1", "version: true"), 8, "version: Expected a whole number"),
    "an-escaped-nul": (changed("Damaged one", '"\\0"'), 4, "title"),
    "half-a-surrogate-pair": (changed("Damaged one", '"\\ud800"'), 4, "half a surrogate pair"),
    "labels-as-a-map": (changed("labels: []", "labels: {a: b}"), 9, "labels: Expected a list"),
}


@pytest.fixture
def sound(repo: Clone) -> tuple[Clone, list[str]]:
    """A repository with three good issues, the second waiting for the first."""
    ids = [repo.create("One good"), repo.create("Two good", "-l", "x"), repo.create("Three good")]
    repo.json("dep", "add", ids[1], ids[0])
    return repo, ids


def place(repo: Clone, name: str) -> tuple[Path, bytes]:
    path = repo.data / "issues" / f"{BAD}.md"
    data = DAMAGE[name][0]
    path.write_bytes(data)
    return path, data


def test_a_damaged_file_is_named_with_its_line_and_left_as_it_is(sound: tuple[Clone, list[str]]) -> None:
    repo, ids = sound
    for name, (data, line, reason) in DAMAGE.items():
        path, _ = place(repo, name)
        listed = repo.run("list", "--json")
        assert [row["id"] for row in json.loads(listed.out)] == ids and listed.code == 0, name
        said = [json.loads(x).get("warning", "") for x in listed.err.splitlines()]
        said = [x for x in said if x.startswith("Skipping invalid issue file: ")]
        assert len(said) == 1, (name, listed.err[:500])
        where = re.fullmatch(r"Skipping invalid issue file: (is-\w+\.md)(?::(\d+))?: (.*)", said[0], re.DOTALL)
        assert where and where[1] == path.name and reason in where[3] and len(where[3]) < 300, (name, said)
        assert not line or int(where[2] or 0) == line, (name, said)
        shown = one_error(repo.run("show", BAD, "--json"))
        assert shown["path"] == str(path) and shown["code"] == "bad_file" and reason in shown["error"], (name, shown)
        assert not line or shown["line"] == line, (name, shown)
        closed = one_error(repo.run("close", ids[2], BAD, "--json"))
        assert closed["path"] == str(path), (name, closed)
        assert repo.json("list", "--count") == {"count": 3}, name
        assert path.read_bytes() == data, name


ONE_EACH = ("empty", "nul-filled", "wrong-id", "conflict-markers", "invalid-utf-8")


@pytest.mark.parametrize("name", ONE_EACH)
def test_the_rest_works_beside_a_damaged_file(sound: tuple[Clone, list[str]], name: str) -> None:
    repo, (one, two, three) = sound
    path, data = place(repo, name)
    refused = (["show", BAD], ["update", BAD, "--priority", "1"], ["close", BAD], ["reopen", BAD], ["start", BAD])
    refused += (["dep", "add", one, BAD], ["label", "add", BAD, "x"], ["dep", "list", BAD], ["wk", "get", BAD])
    refused += (["create", "Child", "--parent", BAD], ["create", "Late", "--depends-on", BAD])
    for argv in refused:
        done = repo.run(*argv)
        line = DAMAGE[name][1]
        assert done.code == 1 and f"{path}{f':{line}' if line else ''}: " in done.err, (argv, done)
        assert path.read_bytes() == data, argv
    assert [row["id"] for row in repo.json("ready")] == [one, three]
    assert [row["id"] for row in repo.json("blocked")] == [two]
    assert [row["id"] for row in repo.json("search", "good")] == [one, two, three]
    assert repo.json("stats")["total"] == 3
    assert repo.json("stale", "--days", "0") and repo.run("stale", "--days", "0").code == 0
    assert repo.json("label", "list") == [{"label": "x", "count": 1}]
    assert repo.json("show", one)["title"] == "One good"
    assert repo.json("dep", "list", one)["blocks"] == [two]
    for argv in (["list"], ["list", "--pretty"], ["list", "--specs"], ["show", two], ["status"], ["dep", "list", two]):
        assert repo.run(*argv).code == 0, argv
    made = repo.create("Four good", "--parent", three)
    assert repo.json("update", made, "--priority", "0", "--parent", one)["updated"]
    assert repo.json("close", made, one)["summary"]["changed"] == 2
    assert path.read_bytes() == data


@pytest.mark.parametrize("name", ["empty", "invalid-utf-8", "upper-case-id"])
def test_sync_withholds_a_damaged_file_and_takes_the_others(clones: tuple[Clone, Clone], name: str) -> None:
    a, b = clones
    one = a.create("One good")
    path, data = place(a, name)
    done = a.run("sync", "--json")
    assert done.code == 1
    answer = json.loads(done.out)
    assert [row["path"].rpartition("/")[2] for row in answer["withheld"]] == [path.name]
    b.run("sync")
    assert [row["title"] for row in b.json("list")] == ["One good"] and b.json("show", one)["title"] == "One good"
    assert not (b.data / "issues" / path.name).exists()
    b.json("update", one, "--title", "Changed there")
    assert b.run("sync").code == 0
    assert a.run("sync").code == 1
    assert a.json("show", one)["title"] == "Changed there"
    assert path.read_bytes() == data


def test_a_file_damaged_after_it_was_published_stays_whole_in_the_branch(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    one = a.create("One good")
    assert a.run("sync").code == 0
    path = a.file(one)
    path.write_bytes(b"\0" * 300)
    assert a.run("sync").code == 1
    assert path.read_bytes() == b"\0" * 300
    assert b.run("sync").code == 0 and b.json("show", one)["title"] == "One good"


def test_big_but_sound_files_are_read(repo: Clone) -> None:
    internal = put_issue(repo, 1, labels=[f"label-{n}" for n in range(30_000)])
    edges = [{"type": "blocks", "target": f"is-{ulid(n + 10)}"} for n in range(10_000)]
    other = put_issue(repo, 2, dependencies=edges)
    done = repo.run("list", "--json")
    assert [row["internalId"] for row in json.loads(done.out)] == [internal, other], done.err[:500]
    assert len(repo.json("show", internal)["labels"]) == 30_000
    assert len(repo.json("dep", "list", other)["blocks"]) == 10_000


def test_100_000_labels_are_named_or_read(repo: Clone) -> None:
    put_issue(repo, 1, labels=[f"l{n}" for n in range(100_000)])
    one = repo.create("Good")
    done = repo.run("list", "--json")
    rows = [row["id"] for row in json.loads(done.out)]
    assert one in rows and (len(rows) == 2 or "larger than" in done.err)


def test_files_with_other_names_are_nobodys_issue(repo: Clone) -> None:
    one = repo.create("Good")
    folder = repo.data / "issues"
    for name in (f"{BAD.upper()}.md", "README.md", f"{BAD}.txt", f".{BAD}.md.1.tmp", "is-.md", "is-x.md", "IS-1.md"):
        (folder / name).write_bytes(GOOD.encode())
    done = repo.run("list", "--json")
    assert [row["id"] for row in json.loads(done.out)] == [one]
    assert "is-x.md" in done.err and "is-.md" in done.err  # named like issues, and no id


def test_a_file_gone_between_the_listing_and_the_look_is_skipped(
    sound: tuple[Clone, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tbdx.store import entities

    repo, ids = sound
    real = entities.listing
    monkeypatch.setattr(entities, "listing", lambda *a, **k: [*real(*a, **k), f"is-{ulid(999)}.md"])
    done = repo.run("list", "--json")
    assert [row["id"] for row in json.loads(done.out)] == ids


def test_an_escaped_control_character_is_sound_and_shown(repo: Clone) -> None:
    path = repo.data / "issues" / f"{BAD}.md"
    path.write_bytes(changed("Damaged one", '"a\\e]52;c;x\\a"'))
    assert repo.json("list")[0]["title"] == "a\x1b]52;c;x\a"
    assert "a\\x1b]52;c;x\\x07" in repo.run("list").out
    repo.json("update", BAD, "--priority", "0")
    assert repo.json("list")[0]["title"] == "a\x1b]52;c;x\a"


@pytest.mark.parametrize(
    "text",
    ["a" + " \t" * 250_000 + "#", "a" + "\t" * 500_000, "[" * 300_000, "[]" * 200_000, "? " * 200_000, "&" * 500_000],
    ids=["tabs-and-blanks", "tabs", "brackets", "pairs", "question-marks", "anchors"],
)
def test_no_shape_of_a_file_takes_the_square_of_its_length(text: str) -> None:
    import time

    from tbdx.core import codec
    from tbdx.errors import BadFile

    started = time.process_time()
    try:
        codec.parse(changed("labels: []", f"x: {text}").decode())
    except BadFile as e:
        assert e.line == 9 or e.reason
    assert time.process_time() - started < 2

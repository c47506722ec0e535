"""wk get, put, query: entities as wholes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import Clone, Result
from tbdx.cli import common
from tbdx.core import codec


def wk(repo: Clone, *argv: str, stdin: str = "") -> Result:
    return repo.run(*argv, stdin=stdin, tool="wk")


def put(repo: Clone, text: str | dict[str, Any], *argv: str) -> dict[str, Any]:
    done = wk(repo, "put", *argv, "--json", stdin=text if isinstance(text, str) else json.dumps(text))
    assert done.code == 0 and done.out.count("\n") == 1, done
    found: dict[str, Any] = json.loads(done.out)
    return found


def data(repo: Clone) -> dict[str, bytes]:
    return {str(p.relative_to(repo.data)): p.read_bytes() for p in sorted(repo.data.rglob("*")) if p.is_file()}


def test_get_prints_the_file_or_one_object(repo: Clone) -> None:
    x = repo.create("X", "-d", "body")
    assert wk(repo, "get", x).out == repo.file(x).read_text()
    done = wk(repo, "get", repo.kernel.need(x), "--json")
    assert done.out.count("\n") == 1
    found = json.loads(done.out)
    assert found["title"] == "X" and found["description"] == "body" and list(found)[:3] == ["type", "id", "version"]
    assert wk(repo, "get", "zzzz").code == 1


def test_what_get_gives_put_takes_and_changes_nothing(repo: Clone) -> None:
    x = repo.create("X", "-d", "body", "-l", "a")
    before = data(repo)
    for argv in ((), ("--json",)):
        said = put(repo, wk(repo, "get", x, *argv).out)
        assert said == {"id": x, "internalId": repo.kernel.need(x), "version": 1, "created": False}
    assert data(repo) == before


def test_put_replaces_the_whole_and_counts(repo: Clone) -> None:
    x = repo.create("X", "-d", "body", "-l", "a", "--assignee", "me")
    text = wk(repo, "get", x).out.replace("title: X", "title: Y").replace("assignee: me\n", "")
    assert put(repo, text)["version"] == 2
    found = codec.parse(repo.file(x).read_text())
    assert found["title"] == "Y" and "assignee" not in found and found["updated_at"] > found["created_at"]


def test_put_takes_json_with_what_show_adds_to_it(repo: Clone) -> None:
    p = repo.create("P")
    x = repo.create("X", "--parent", p)
    shown = repo.json("show", x) | {"title": "Z"}
    assert put(repo, shown)["version"] == 2
    found = codec.parse(repo.file(x).read_text())
    assert found["title"] == "Z" and not {"displayId", "parent"} & found.keys()


def test_put_keeps_the_bytes_of_a_file_edited_by_hand(repo: Clone) -> None:
    x = repo.create("X")
    path = repo.file(x)
    path.write_text(path.read_text().replace("title: X\n", "# why\ntitle: 'X'\n"))
    put(repo, wk(repo, "get", x).out.replace("priority: 2", "priority: 0"))
    text = path.read_text()
    assert "# why\ntitle: 'X'\n" in text and "priority: 0\n" in text


def test_put_without_an_id_makes_a_new_entity(repo: Clone) -> None:
    said = put(repo, {"title": "New", "labels": ["a"], "zz": {"b": 1}})
    assert said["created"] is True and said["version"] == 1
    found = repo.json("show", said["id"])
    assert (found["title"], found["status"], found["labels"], found["zz"]) == ("New", "open", ["a"], {"b": 1})
    (repo.path / "n.md").write_text("---\ntitle: From file\n---\nbody\n")
    assert repo.json("show", put(repo, "", "n.md")["id"])["description"] == "body"


def test_a_new_entity_whose_id_is_taken_gets_another(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "entropy", lambda n: b"\x07" * n)
    monkeypatch.setattr(common, "now_ms", lambda: 1_750_000_000_000)
    made = [put(repo, {"title": f"{n}"}) for n in range(3)]
    assert [repo.json("show", m["internalId"])["title"] for m in made] == ["0", "1", "2"]


def test_a_version_that_is_no_more_is_4_and_writes_nothing(repo: Clone) -> None:
    x = repo.create("X")
    text = wk(repo, "get", x).out.replace("title: X", "title: Y")
    assert put(repo, text, "--if-version", "1")["version"] == 2
    before = data(repo)
    done = wk(repo, "put", "--if-version", "1", "--json", stdin=text)
    assert done.code == 4 and json.loads(done.err)["code"] == "stale" and data(repo) == before


NO_ENTITIES = [
    ("", (), "empty"),
    ("{", (), "not JSON"),
    ("[1]", (), "front matter"),
    ("---\ntitle: x", (), "closing delimiter"),
    ('{"id": "../../x", "title": "x"}', (), "not an entity's id"),
    ('{"title": "x", "priority": 9}', (), "priority"),
    ('{"title": "x", "status": "open", "resolution": "canceled"}', (), "resolution"),
    (f'{{"title": "x", "zz": {"[" * 100_000}{"]" * 100_000}}}', (), "not JSON"),
    (f'{{"title": "x", "zz": {"[" * 60}{"]" * 60}}}', (), "read back"),
    ('{"title": "x", "zz": NaN}', (), "not JSON"),
    (json.dumps({"title": "x", "zz": "y" * 5_000_000}), (), "larger than"),
    ('{"title": "x"}', ("--if-version", "1"), "needs an entity with an id"),
    ('{"title": "x"}', ("--if-version", "x"), "takes a number"),
]


def test_what_is_no_entity_is_refused_and_nothing_is_written(repo: Clone) -> None:
    for text, argv, words in NO_ENTITIES:
        before = data(repo)
        done = wk(repo, "put", *argv, stdin=text)
        assert done.code in (1, 2) and words in done.err, done
        assert data(repo) == before


def test_what_is_fixed_cannot_be_put(repo: Clone) -> None:
    x = repo.create("X")
    done = wk(repo, "put", stdin=wk(repo, "get", x).out.replace("created_at: 2025", "created_at: 2024"))
    assert done.code == 2 and "created_at cannot be changed" in done.err
    unknown = wk(repo, "put", stdin=json.dumps({"id": "is-01jxt7d5r0000000000000000a", "title": "x"}))
    assert unknown.code == 1 and "not found" in unknown.err


def test_a_dry_put_writes_nothing(repo: Clone) -> None:
    x = repo.create("X")
    before = data(repo)
    wk(repo, "put", "--dry-run", stdin=wk(repo, "get", x).out.replace("title: X", "title: Y"))
    wk(repo, "put", "--dry-run", stdin='{"title": "new"}')
    assert data(repo) == before


def test_below_f08_new_keys_are_refused_by_name(repo: Clone) -> None:
    config = repo.path / ".tbd/config.yml"
    config.write_text(config.read_text().replace("tbd_format: f08", "tbd_format: f04"))
    done = wk(repo, "put", stdin='{"title": "x", "delegate": "me"}')
    assert done.code == 1 and "delegate needs format f08" in done.err


def test_below_f08_a_new_key_that_is_there_already_does_not_stop_a_put(repo: Clone) -> None:
    x = repo.create("X", "--delegate", "bot")
    config = repo.path / ".tbd/config.yml"
    config.write_text(config.read_text().replace("tbd_format: f08", "tbd_format: f04"))
    assert wk(repo, "put", stdin=wk(repo, "get", x).out.replace("title: X", "title: Y")).code == 0
    found = repo.json("show", x)
    assert (found["title"], found["delegate"], found["version"]) == ("Y", "bot", 2)


def test_a_query_prints_one_object_per_line_or_rows(repo: Clone) -> None:
    a, b = repo.create("a", "-p", "0", "-l", "x"), repo.create("b")
    done = wk(repo, "query", "priority < 2 and labels = x or title ~ 'b'", "--json")
    assert [json.loads(line)["title"] for line in done.out.splitlines()] == ["a", "b"]
    assert wk(repo, "query", "kind = issue and not title = a").out.split()[0] == b
    assert a in wk(repo, "query", "id != x").out


def test_a_query_that_nothing_matches_is_3_and_a_bad_one_2_with_its_column(repo: Clone) -> None:
    repo.create("a")
    assert wk(repo, "query", "title = zzz").code == 3
    done = wk(repo, "query", "title = ", "--json")
    assert done.code == 2 and "column" in json.loads(done.err)["error"]

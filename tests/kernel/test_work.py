"""Creating and changing issues, on a real repository."""

from __future__ import annotations

from tbdx.core import codec

from conftest import Clone


def fields(repo: Clone, shown: str) -> dict[str, object]:
    return codec.parse(repo.file(shown).read_text())


def test_create_writes_file_and_short_id(repo: Clone) -> None:
    made = repo.json("create", "First", "-t", "bug", "-p", "P1", "-l", "x", "-d", "why")
    issue = fields(repo, made["id"])
    assert issue["title"] == "First" and issue["kind"] == "bug" and issue["priority"] == 1
    assert issue["labels"] == ["x"] and issue["description"] == "why" and issue["version"] == 1
    rows = (repo.data / "mappings/ids.yml").read_text()
    assert rows == f"{made['id'][5:]}: {made['internalId'][3:]}\n" or f'"{made["id"][5:]}"' in rows

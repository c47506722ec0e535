"""The cache is never seen: what lists say with it is what they say without."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone, Result
from tbdx.kernel import snapshot
from tbdx.store import cache

ASKED = (
    "list --json",
    "list --all --long",
    "list --pretty --all",
    "list --label red --sort updated",
    "list --specs",
    "ready",
    "ready --json",
    "blocked",
    "blocked --json",
    "search a",
    "search a --json --field description",
    "stale --days 0",
    "stats --json",
    "label list",
)


def cache_of(repo: Clone) -> Path:
    return Path(cache.path_of(repo.kernel.repo, "issues"))


def answers(repo: Clone, asked: tuple[str, ...] = ASKED) -> dict[str, Result]:
    return {line: repo.run(*line.split(" ")) for line in asked}


def without_cache(repo: Clone, asked: tuple[str, ...] = ASKED) -> dict[str, Result]:
    """The answers of one who has no cache and may not write one."""
    folder = cache_of(repo).parent
    aside = folder.with_name("aside")
    if folder.exists():
        folder.rename(aside)
    folder.write_text("")  # where its folder should be
    try:
        return answers(repo, asked)
    finally:
        folder.unlink()
        if aside.exists():
            aside.rename(folder)


def settle() -> None:
    time.sleep(0.03)  # longer than change times may stand still


class Player:
    """Random changes to two clones: by commands, by hand, by sync."""

    def __init__(self, clones: tuple[Clone, Clone], chance: random.Random) -> None:
        self.clones, self.chance = clones, chance
        self.made = 0

    def files(self, repo: Clone) -> list[Path]:
        return sorted((repo.data / "issues").glob("is-*.md"))

    def any_id(self, repo: Clone) -> str:
        files = self.files(repo)
        return self.chance.choice(files).stem if files else "none"

    def text(self) -> str:
        return " ".join(self.chance.choices(["alpha", "Beta", "naïve", "日本", "a\u202eb", "x"], k=3))

    def create(self, repo: Clone) -> None:
        self.made += 1
        more = self.chance.choice(["", "-l red", "-l blue -p 0", f"--parent {self.any_id(repo)}", "-t bug"])
        repo.run("create", f"{self.text()} {self.made}", "-d", self.text(), *more.split())

    def update(self, repo: Clone) -> None:
        change = self.chance.choice(
            [
                ["--status", self.chance.choice(["open", "blocked", "closed", "in_progress"])],
                ["--priority", str(self.chance.randrange(5))],
                ["--title", self.text()],
                ["--delegate", self.chance.choice(["", "me"])],
                ["--defer", "2025-06-15T15:06:50.000Z"],
                ["--add-label", "red"],
                ["--parent", self.any_id(repo)],
            ]
        )
        repo.run("update", self.any_id(repo), *change)

    def depend(self, repo: Clone) -> None:
        repo.run("dep", "add", self.any_id(repo), self.any_id(repo))

    def by_hand(self, repo: Clone) -> None:
        files = self.files(repo)
        if not files:
            return
        path = self.chance.choice(files)
        text = path.read_text()
        how = self.chance.randrange(7)
        if how == 0:  # in place, with the same size and the old times
            old = os.stat(path)
            with path.open("r+") as f:
                f.write(text.replace("alpha", "gamma").replace("priority: 2", "priority: 3"))
            os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
        elif how == 1:
            path.write_text(text + f"\n{self.text()}\n")
        elif how == 2:
            path.write_text(text.replace("status: open", "status: wrong"))
        elif how == 3:
            path.write_text(text.replace("status: wrong", "status: open"))
        elif how == 4:
            path.unlink()
        elif how == 5:
            other = path.with_suffix(".new")
            other.write_text(text.replace("title: ", "title: new "))
            other.replace(path)
        else:  # an issue that no row names
            internal = f"is-01hf7yat00000000000000{self.chance.randrange(1000, 9999)}"
            path.with_name(f"{internal}.md").write_text(text.replace(path.stem, internal))

    def short_ids(self, repo: Clone) -> None:
        path = repo.data / "mappings/ids.yml"
        if not path.exists():
            return
        rows = path.read_text().splitlines(keepends=True)
        how = self.chance.randrange(4)
        if how == 0:
            del rows[self.chance.randrange(len(rows))]
        elif how == 1:
            rows.append(f"zz{self.chance.randrange(99)}: {self.chance.choice(rows)[-27:-1]}\n")
        elif how == 2:
            rows.append("<<<<<<< HEAD\n")
        else:
            rows.append(f"{self.chance.choice(rows)[:4]}: 01hf7yat00000000000000zzzz\n")
        path.write_text("".join(rows))

    def prefix(self, repo: Clone) -> None:
        path = repo.path / ".tbd/config.yml"
        path.write_text(path.read_text().replace("id_prefix: test", "id_prefix: else"))

    def sync(self, repo: Clone) -> None:
        for one in (*self.clones, *self.clones):
            one.run("sync")

    def step(self) -> None:
        moves = [self.create] * 4 + [self.update] * 5 + [self.depend] * 2 + [self.by_hand] * 3
        move: Callable[[Clone], None] = self.chance.choice([*moves, self.sync, self.short_ids, self.prefix])
        move(self.chance.choice(self.clones))


def play(clones: tuple[Clone, Clone], monkeypatch: pytest.MonkeyPatch, seed: int, steps: int) -> None:
    chance = random.Random(seed)
    player = Player(clones, chance)
    for repo in clones:
        repo.run("list")  # makes the hidden worktree of a fresh clone, and says so
    for n in range(steps):
        monkeypatch.setattr(snapshot, "MANY", chance.choice([0, 2, 64]))
        for _ in range(chance.randrange(1, 4)):
            player.step()
        if chance.random() < 0.5:
            settle()
        clock = clones[0].clock.at
        for repo in clones:
            asked = tuple(chance.sample(ASKED, 4))
            with_cache = answers(repo, asked)
            clones[0].clock.at = clock
            assert with_cache == without_cache(repo, asked), (seed, n)


@pytest.mark.parametrize("seed", range(3))
def test_random_changes_never_show_the_cache(
    clones: tuple[Clone, Clone], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    play(clones, monkeypatch, seed, 12)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 106))
def test_many_random_changes_never_show_the_cache(
    clones: tuple[Clone, Clone], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    play(clones, monkeypatch, seed, 40)


@pytest.fixture
def ten(repo: Clone) -> Clone:
    for n in range(10):
        repo.create(f"Issue {n} alpha", "-l", "red", "-d", "about a")
    settle()
    repo.run("list")
    return repo


def test_what_has_not_changed_is_not_read(ten: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = answers(ten)
    monkeypatch.setattr("tbdx.store.entities.parsed", lambda path: pytest.fail(f"{path} was read"))
    assert answers(ten) == wanted


def test_the_cache_of_an_empty_tracker_is_used(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    assert repo.run("list").out == "No issues found\n"
    monkeypatch.setattr(snapshot, "_from_files", lambda *_: pytest.fail("every file is read again"))
    assert repo.run("list").out == "No issues found\n"
    repo.create("One")
    assert len(repo.json("list")) == 1


def test_only_what_has_changed_is_read_and_nothing_is_written_for_a_few(
    ten: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tbdx.store import entities

    before = cache_of(ten).read_bytes()
    shown = ten.create("Eleven")
    changed = ten.json("list")[0]["id"]
    ten.run("update", changed, "--title", "Changed")
    real, read = entities.parsed, []
    monkeypatch.setattr("tbdx.store.entities.parsed", lambda path: read.append(Path(path)) or real(path))
    found = {row["id"]: row["title"] for row in ten.json("list")}
    assert found[shown] == "Eleven" and found[changed] == "Changed" and len(found) == 11
    assert sorted(read) == sorted([ten.file(shown), ten.file(changed)])
    assert cache_of(ten).read_bytes() == before


def test_a_change_in_the_tick_of_the_look_is_seen(repo: Clone) -> None:
    shown = repo.create("AAAA")
    path = repo.file(shown)
    for title in ("BBBB", "CCCC", "DDDD", "EEEE") * 5:
        with path.open("r+") as f:  # no new inode, the same size, perhaps the same change time
            f.write(path.read_text().replace(repo.json("list")[0]["title"], title))
        assert repo.json("list")[0]["title"] == title


def test_a_file_that_changed_just_before_the_look_is_not_trusted() -> None:
    ms = 1_000_000
    seen = cache.Seen(1000 * ms, ["a", "b", "c"], [1, 5, 970 * ms, 2, 5, 981 * ms, 3, 5, 2000 * ms])
    assert seen.settled() == [1, 5, 970 * ms, 2, 5, 0, 3, 5, 0]


def test_a_parent_that_gets_its_short_id_later_is_shown_by_it(ten: Clone) -> None:
    parent = "01hf7yat000000000000001234"
    path = ten.file(ten.json("list")[3]["id"])
    path.write_text(path.read_text().replace("labels:", f"parent_id: is-{parent}\nlabels:", 1))
    settle()
    cache_of(ten).unlink()
    assert [row["parentId"] for row in ten.json("list") if "parentId" in row] == [f"is-{parent}"]
    ids = ten.data / "mappings/ids.yml"
    ids.write_text("".join(sorted([*ids.read_text().splitlines(keepends=True), f"aaaa: {parent}\n"])))
    assert [row["parentId"] for row in ten.json("list") if "parentId" in row] == ["test-aaaa"]


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_cache_costs_one_slow_call(ten: Clone, seed: int) -> None:
    path, chance = cache_of(ten), random.Random(seed)
    wanted, good = answers(ten), path.read_bytes()
    kinds = [good[: chance.randrange(len(good))], b"", bytes(len(good)), good[:4096], chance.randbytes(9000)]
    for _ in range(40):
        at = chance.randrange(len(good))
        kinds.append(good[:at] + bytes([good[at] ^ 1 << chance.randrange(8)]) + good[at + 1 :])
    for bad in kinds:
        path.write_bytes(bad)
        asked = tuple(chance.sample(ASKED, 3))
        assert answers(ten, asked) == {line: wanted[line] for line in asked}
    path.write_bytes(kinds[0])
    ten.run("list")
    settle()
    assert len(path.read_bytes()) > 4096


@pytest.mark.parametrize("what", ["folder", "link", "fifo", "no folder"])
def test_what_stands_in_the_place_of_the_cache_is_stepped_over(ten: Clone, what: str, tmp_path: Path) -> None:
    wanted, path = answers(ten), cache_of(ten)
    path.unlink()
    if what == "folder":
        (path / "x").mkdir(parents=True)
    elif what == "link":
        (tmp_path / "theirs").write_text("theirs")
        path.symlink_to(tmp_path / "theirs")
    elif what == "fifo":
        os.mkfifo(path)
    else:
        shutil.rmtree(path.parent)
        path.parent.write_text("")
    assert answers(ten) == wanted == answers(ten)
    if what == "link":
        assert (tmp_path / "theirs").read_text() == "theirs"


def test_files_that_are_no_issues_change_nothing(ten: Clone) -> None:
    wanted, folder = answers(ten), ten.data / "issues"
    for name in (b"bad\xff.md", b"is-x.md~", b".is-hidden.md", b"README"):
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_text("x")
    (folder / "sub").mkdir()
    first = ten.file(ten.json("list")[0]["id"])
    shutil.copy(first, first.with_suffix(".mx"))  # its name is as long as the issue's own
    assert answers(ten) == wanted
    first.with_suffix(".mx").unlink()
    assert answers(ten) == wanted


def test_one_that_was_killed_while_writing_does_not_stop_the_cache_for_ever(ten: Clone) -> None:
    path = cache_of(ten)
    path.unlink()
    half = path.with_name("issues.new")
    half.write_bytes(b"half")
    assert ten.run("list").code == 0 and not path.exists()  # another one may be at it
    os.utime(half, (0, 0))
    ten.run("list")
    ten.run("list")
    assert path.exists() and not half.exists()


def test_readers_and_writers_at_once_see_whole_answers(ten: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    line = [sys.executable, "-m", "tbdx", "list", "--json"]
    readers = []
    for n in range(6):
        readers += [subprocess.Popen(line, cwd=ten.path, stdout=subprocess.PIPE) for _ in range(2)]
        if n % 2:
            cache_of(ten).unlink(missing_ok=True)
        ten.create(f"More {n}")
    import json

    sizes = [len(json.loads(reader.communicate()[0])) for reader in readers]
    assert all(10 <= size <= 16 for size in sizes) and len(ten.json("list")) == 16

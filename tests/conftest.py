"""The hermetic seal and the fixtures: own HOME, no system git configuration, fixed clock and chance, no network."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tbdx.cli import common
from tbdx.cli import main as cli_main
from tbdx.kernel import Kernel, setup

ROOT = Path(__file__).parent.parent
FLOOR = ROOT / "tests/floor"
MEMORY = "/dev/shm"
if os.path.isdir(MEMORY) and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2 << 30:
    # every write here is flushed, and a busy disk would make thousands of flushes wait
    os.environ["TMPDIR"] = tempfile.tempdir = MEMORY
FLOWS = ("faults", "kernel")  # folders of tests that start processes
START_MS = 1_750_000_000_000  # 2025-06-15T15:06:40Z


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long forms, too")
    parser.addoption("--git-floor", action="store_true", help="with a git that refuses options newer than 2.25")


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    thin_out(items)
    if not config.getoption("--long"):
        for item in items:
            if "long" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="long form: run with --long"))


def thin_out(items: list[pytest.Item]) -> None:
    """Of tests of flows with many parameters, every fourth is played without --long."""
    seen: dict[str, int] = {}
    cases = [i for i in items if isinstance(i, pytest.Function) and hasattr(i, "callspec")]
    flows = [i for i in cases if i.path.parent.name in FLOWS and "long" not in i.keywords]
    count = Counter(f"{i.path}::{i.originalname}" for i in flows)
    for item in flows:
        name = f"{item.path}::{item.originalname}"
        n = seen[name] = seen.get(name, -1) + 1
        if count[name] > 3 and n % 4:
            item.add_marker(pytest.mark.long)


def some_of(values: Iterable[Any], step: int) -> list[Any]:
    """Parameters of a test, of which only every step-th is played without --long."""
    return [v if n % step == 0 else pytest.param(v, marks=pytest.mark.long) for n, v in enumerate(values)]


@pytest.fixture(autouse=True)
def seal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of every test: nothing of the developer's, and only what the test makes."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Test\n\temail = test@example.com\n[gc]\n\tauto = 0\n")
    path = f"{os.environ['PATH']}:/usr/bin:/bin"  # the plain tools of every system, whatever the caller's PATH
    env = {
        "PATH": path,
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),  # a tbdx that a test starts is this one, whatever is installed
        "TMPDIR": str(tmp_path),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": "file",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }
    if request.config.getoption("--git-floor"):
        env["PATH"] = f"{FLOOR}{os.pathsep}{path}"
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    def refuse(*_: object) -> None:
        raise AssertionError("a test tried to use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(common, "now_ms", Clock())
    monkeypatch.setattr(common, "entropy", fixed_entropy())
    monkeypatch.setattr("tbdx.cli.bus.UNTIL_ENDED_S", 0.2)  # no stream goes on until somebody ends it
    return env


class Clock:
    """Milliseconds that go on by one at each look; `at` may be set, backwards too."""

    def __init__(self, at: int = START_MS) -> None:
        self.at = at

    def __call__(self) -> int:
        self.at += 1
        return self.at


def fixed_entropy(start: int = 0) -> Callable[[int], bytes]:
    """Bytes that are the same in every run and differ at every call, and from those of another start."""
    import hashlib

    numbers = itertools.count(start)
    return lambda n: hashlib.shake_128(str(next(numbers)).encode()).digest(n)


@dataclass
class Clone:
    """A working copy with its kernel and its command line."""

    path: Path
    clock: Clock
    entropy: Callable[[int], bytes]
    said: list[tuple[str, str]]
    capfd: pytest.CaptureFixture[str]

    @property
    def kernel(self) -> Kernel:
        """A fresh kernel, as each command has one."""
        return Kernel(
            str(self.path),
            os.environ,
            now_ms=self.clock,
            entropy=self.entropy,
            say=lambda level, text: self.said.append((level, text)),
        )

    @property
    def data(self) -> Path:
        return Path(self.kernel.repo.data)

    def git(self, *args: str) -> str:
        done = subprocess.run(["git", *args], cwd=self.path, capture_output=True, text=True, check=True)
        return done.stdout

    def run(self, *argv: str, stdin: str = "", tool: str = "tbdx", cwd: Path | None = None) -> Result:
        """One command line, in this process; (exit code, stdout, stderr)."""
        return run_cli(self.capfd, cwd or self.path, tool, argv, stdin)

    def json(self, *argv: str, stdin: str = "", tool: str = "tbdx") -> Any:
        """The JSON of a command that must succeed."""
        import json

        done = self.run(*argv, "--json", stdin=stdin, tool=tool)
        assert done.code == 0, done
        return json.loads(done.out)

    def create(self, title: str, *more: str) -> str:
        """A new issue's display id."""
        return str(self.json("create", title, *more)["id"])

    def file(self, shown: str) -> Path:
        """The file of an issue."""
        return self.data / "issues" / f"{self.kernel.need(shown)}.md"


@dataclass
class Result:
    code: int
    out: str
    err: str


def run_cli(capfd: pytest.CaptureFixture[str], cwd: Path, tool: str, argv: tuple[str, ...], stdin: str) -> Result:
    import io
    import sys

    before, old = os.getcwd(), sys.stdin
    capfd.readouterr()
    os.chdir(cwd)
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    try:
        code = cli_main.run(tool, list(argv))
    finally:
        os.chdir(before)
        sys.stdin = old
    said = capfd.readouterr()
    return Result(code, said.out, said.err)


def git(cwd: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=cwd, capture_output=True, text=True, check=True).stdout


def new_git(path: Path, *, commit: bool = True) -> Path:
    """A git repository on branch main, with one commit unless told otherwise."""
    path.mkdir(parents=True, exist_ok=True)
    git(path, "init", "-q")
    git(path, "symbolic-ref", "HEAD", "refs/heads/main")
    if commit:
        (path / "README.md").write_text("# test\n")
        git(path, "add", ".")
        git(path, "commit", "-qm", "first")
    return path


@pytest.fixture
def at(seal: dict[str, str], capfd: pytest.CaptureFixture[str]) -> Callable[[Path], Clone]:
    """A Clone for a folder; all of one test share the clock and the chance."""
    clock, entropy = common.now_ms, common.entropy  # those of the seal, so that commands and kernels share them
    assert isinstance(clock, Clock)
    return lambda path: Clone(path, clock, entropy, [], capfd)


@pytest.fixture
def bare_git(tmp_path: Path, at: Callable[[Path], Clone]) -> Clone:
    """A git repository with one commit and no tracker."""
    return at(new_git(tmp_path / "a"))


# what a fixture begins with is made once and copied: setting up costs fifteen git processes
_MADE: dict[str, Path] = {}


def alone(path: Path) -> Kernel:
    """A kernel with a clock and chance of its own, so that every test begins with the same ones."""
    return Kernel(str(path), os.environ, now_ms=Clock(), entropy=fixed_entropy(), say=lambda *_: None)


def put_copy(name: str, make: Callable[[Path], None], factory: pytest.TempPathFactory, to: Path) -> None:
    """Put a copy of what `make` makes into a folder, its absolute paths turned to there."""
    if name not in _MADE:
        _MADE[name] = factory.mktemp(name)
        make(_MADE[name])
    shutil.copytree(_MADE[name], to, symlinks=True, dirs_exist_ok=True)
    for pattern in ("*/.git/config", "*/.git/worktrees/*/gitdir", "*/.git/tbd/*/.git"):
        for path in to.glob(pattern):
            path.write_text(path.read_text().replace(str(_MADE[name]), str(to)))


def _make_repo(root: Path) -> None:
    setup.init(alone(new_git(root / "a")), "test")


def make_clones(root: Path) -> None:
    from tbdx.kernel.sync import sync

    origin = root / "origin.git"
    git(root, "init", "-q", "--bare", str(origin))
    git(origin, "symbolic-ref", "HEAD", "refs/heads/main")
    a = new_git(root / "a")
    git(a, "remote", "add", "origin", str(origin))
    setup.init(alone(a), "test")
    git(a, "add", ".tbd")
    git(a, "commit", "-qm", "tracker")
    git(a, "push", "-q", "origin", "main")
    sync(alone(a))
    git(root, "clone", "-q", str(origin), "b")


@pytest.fixture
def repo(tmp_path: Path, at: Callable[[Path], Clone], tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A git repository with one commit and a tracker, prefix `test`."""
    put_copy("repo", _make_repo, tmp_path_factory, tmp_path)
    return at(tmp_path / "a")


@pytest.fixture
def clones(
    tmp_path: Path, at: Callable[[Path], Clone], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Clone, Clone]:
    """Two clones of one bare remote, with a tracker made in the first and published."""
    put_copy("clones", make_clones, tmp_path_factory, tmp_path)
    return at(tmp_path / "a"), at(tmp_path / "b")

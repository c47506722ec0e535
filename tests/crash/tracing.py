"""The real tbdx and its git under strace: to stop one of them at a system call, or to see what reaches the disk."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import Result
from crash.world import World
from tbdx.store import objects

WRITES = (
    "write,pwrite64,writev,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir"
    ",fsync,fdatasync,ftruncate,fallocate,utimensat"
)
# the command line as it is, but with the clock and the chance of the tests
LAUNCH = """
import hashlib, itertools, sys
from tbdx.cli import common, main
clock, numbers = itertools.count(int(sys.argv.pop(1)) + 1), itertools.count(10_000)
common.now_ms = lambda: next(clock)
common.entropy = lambda n: hashlib.shake_128(str(next(numbers)).encode()).digest(n)
main.main("tbdx")
"""
# stands for git on PATH: the call of the wanted number, of those that change anything, runs under strace
GIT = """#!/bin/sh
case " $* " in {changing})
  echo >> "$CRASH_LOG.calls"
  n=$(wc -l < "$CRASH_LOG.calls")
  if [ "$CRASH_CALL" = all ] || [ "$CRASH_CALL" = "$n" ]; then
    strace -f -qq -o "$CRASH_LOG.$n" $CRASH_HOW {git} "$@"
    code=$?
    [ "$CRASH_WHO" = both ] && [ $code = 137 ] && kill -9 $PPID
    exit $code
  fi
esac
exec {git} "$@"
"""


class Stop(NamedTuple):
    """Where to stop: in tbdx itself (`call` 0) or in its git call of that number, at the n-th time that a process
    comes to the system call `name`; `how` as strace's `inject` has it; `both`: tbdx is killed with its git."""

    call: int
    name: str
    n: int
    how: str
    both: bool = False


def needed() -> None:
    """Skip the test where there is no strace, or it may not trace."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not here")
    if subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True).returncode:
        pytest.skip("ptrace is forbidden here")


class Tracer:
    """Runs a world's command under strace."""

    def __init__(self, world: World, tmp_path: Path) -> None:
        self.world, self.log = world, tmp_path / "home/strace"
        folder = tmp_path / "home/bin"
        folder.mkdir()
        changing = "|".join(f'*" {name} "*' for name in sorted(objects._CHANGES))
        (folder / "git").write_text(GIT.format(changing=changing, git=shutil.which("git")))
        (folder / "git").chmod(0o755)
        self.env = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "CRASH_LOG": str(self.log)}
        self.env["PYTHONPATH"] = os.getcwd()

    def run(self, stop: Stop | None = None, *traced: str, call: str = "") -> Result | None:
        """Run the command from the beginning, with strace's options for tbdx itself; None when it was killed."""
        for path in self.log.parent.glob("strace*"):
            path.unlink()
        self.world.restore()
        if stop:
            how = ("-e", f"trace={WRITES}", "-e", f"inject={WRITES}:{stop.how}:when={stop.n}")
            traced, call = (how, "") if stop.call == 0 else ((), str(stop.call))
            env = self.env | {
                "CRASH_CALL": call,
                "CRASH_HOW": " ".join(how),
                "CRASH_WHO": "both" if stop.both else "git",
            }
        else:
            env = self.env | {"CRASH_CALL": call, "CRASH_HOW": f"-e trace={WRITES}"}
        line = [sys.executable, "-c", LAUNCH, str(self.world.a.clock.at), *self.world.argv]
        if traced:
            line = ["strace", "-qq", "-o", str(self.log), *traced, *line]
        where = self.world.runner.path
        done = subprocess.run(line, cwd=where, env=env, capture_output=True, text=True, timeout=120)
        killed = done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        return None if killed else Result(done.returncode, done.stdout, done.stderr)

    def was_hit(self) -> bool:
        texts = [path.read_text(errors="replace") for path in self.log.parent.glob("strace*")]
        return any("(INJECTED)" in text or "killed by SIGKILL" in text for text in texts)

    def changes(self) -> list[tuple[int, str, int]]:
        """(call, name, n) of every change that tbdx itself makes (call 0), and the busiest process of each git call."""
        done = self.run(None, "-e", f"trace={WRITES}", call="all")
        assert done and done.code == self.world.scenario.code, done
        found, call = list[tuple[int, str, int]](), 0
        while (path := Path(f"{self.log}.{call}" if call else self.log)).exists():
            each = Counter(re.findall(r"^(\d*) *(\w+)\(", path.read_text(errors="replace"), re.M))  # (process, name)
            most = Counter[str]()
            for (_, name), count in each.items():
                most[name] = max(most[name], count)
            found += [(call, name, n) for name, count in most.items() for n in range(1, count + 1)]
            call += 1
        return found

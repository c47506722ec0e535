"""Stop every command at every place, and count: python tests/crash/run.py [-n 2] [-k WORDS] [--some]"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

TESTS = Path(__file__).parents[1]


def main() -> int:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("-n", default="2", help="processes")
    given.add_argument("-k", default="", help="only the tests of these words, as pytest has them")
    given.add_argument("--some", action="store_true", help="the places that CI stops at, instead of all")
    args = given.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = f"{folder}/report.xml"
        line = [sys.executable, "-m", "pytest", "-q", "-n", args.n, "--long", "-m", "long", f"--junitxml={report}"]
        env = os.environ | ({} if args.some else {"TBDX_CRASH_WHOLE": "1"})
        done = subprocess.run([*line, *(["-k", args.k] if args.k else []), str(TESTS / "crash")], env=env)
        rows = [json.loads(p.get("value", "")) for p in ElementTree.parse(report).iter("property")]
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        kinds[row["what"].partition(":")[0]].append(row)
    for kind, found in sorted(kinds.items()):
        print(f"{kind}: {counted(found)}")
    print(f"in all: {counted(rows)}, {time.monotonic() - began:.0f} s")
    return done.returncode


def counted(rows: list[dict[str, Any]]) -> str:
    took = sorted(ms for row in rows for ms in row["ms"])
    text = f"survived {sum(row['survived'] for row in rows)} of {sum(row['tried'] for row in rows)}"
    if took:
        text += f"; the next command took {statistics.median(took):.0f} ms at the median, {took[-1]:.0f} at most"
    return text


if __name__ == "__main__":
    sys.exit(main())

"""Play many seeds: python tests/sim/run.py --seeds 1000 [--first N] [--real-every 50] | --seed N [--real] [-v]"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from sim.simulate import Run, run  # noqa: E402


def main() -> int:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--seeds", type=int, default=1000)
    given.add_argument("--first", type=int, default=0)
    given.add_argument("--real-every", type=int, default=0, help="play every so many seeds once more with a real git")
    given.add_argument("--seed", type=int, help="play this one alone")
    given.add_argument("--real", action="store_true", help="with a real git")
    given.add_argument("-v", action="store_true", help="tell what happens")
    args = given.parse_args()
    if os.access("/dev/shm", os.W_OK):
        tempfile.tempdir = "/dev/shm"
    seeds = range(args.first, args.first + args.seeds) if args.seed is None else [args.seed]
    faults: Counter[str] = Counter()
    bad: list[Run] = []
    began, real_s, replayed = time.monotonic(), 0.0, 0
    for seed in seeds:
        at = time.monotonic()
        played = [run(seed, real=args.real)]
        if args.real_every and seed % args.real_every == 0 and not args.real:
            real_began = time.monotonic()
            played.append(run(seed, real=True))
            replayed += 1
            real_s += time.monotonic() - real_began
        for each in played:
            faults += each.faults
            if args.v:
                print("\n".join([f"seed {seed}, {time.monotonic() - at:.2f} s", *each.trace]))
            if each.violation:
                bad.append(each)
                print(f"VIOLATION: {each.violation}\n  python tests/sim/run.py --seed {seed}{' --real' * each.real} -v")
    seconds = time.monotonic() - began
    print(f"seeds {len(seeds)}, faults {faults.total()}, violations {len(bad)}, seconds {seconds:.1f}")
    a_minute = len(seeds) / (seconds - real_s) * 60
    print(f"seeds a minute {a_minute:.0f}; {replayed} once more with a real git, in {real_s:.1f} s")
    print("  ".join(f"{kind} {n}" for kind, n in sorted(faults.items())))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

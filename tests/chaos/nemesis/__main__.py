"""`python -m tests.chaos.nemesis --seconds 600 --seed 1`: random play with random faults."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

# The programs of the API model tests are played here.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "model"))


def main() -> int:
    """Plays as the command line says; 1 when a promise was broken."""
    from tests.chaos.nemesis.session import play

    parser = argparse.ArgumentParser(prog="nemesis", description=__doc__)
    parser.add_argument("--master", default="local[2]", help="or: cluster, of three nodes")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--round", type=float, default=60, help="seconds of one context")
    parser.add_argument("--pause", type=float, default=0.2, help="mean seconds between faults")
    options = parser.parse_args()
    seed = random.SystemRandom().getrandbits(31) if options.seed is None else options.seed
    print(f"nemesis: master {options.master}, seed {seed}", flush=True)
    report = play(
        options.master,
        seed,
        options.seconds,
        options.round,
        options.pause,
        say=lambda text: print(text, flush=True),
    )
    print(report)
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())

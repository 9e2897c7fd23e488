"""python tests/fuzz: random programs for as long as wanted, in processes that may crash.

--seconds 60      for how long
--seed 0          the first program's number
--replay FILE     run the statements of a file instead
"""

import argparse
import subprocess
import sys
import time

from programs import write
from races import race
from running import MismatchError, report, run

BATCH = 200  # programs a process
RACE_EVERY = 20  # programs


def run_batch(first, seconds):
    """Runs programs one after the other until the time is over, naming each before it starts."""
    end = time.monotonic() + seconds
    for seed in range(first, first + BATCH):
        if seed > first and time.monotonic() > end:
            break
        print(seed, flush=True)
        if seed % RACE_EVERY == 0:
            race(seed)
        run(write(seed))


def fuzz(seconds, seed):
    """Runs batches until the time is over; 1 where one failed, whose program is then printed."""
    end, first = time.monotonic() + seconds, seed
    while time.monotonic() < end:
        left = end - time.monotonic()
        command = [sys.executable, sys.argv[0], "--batch", str(first), "--seconds", str(left)]
        done = subprocess.run(command, capture_output=True, text=True)
        last = int((done.stdout.split() or [first])[-1])
        if done.returncode != 0:
            print(done.stderr, report(last, write(last)), sep="\n")
            return 1
        first = last + 1
    print(f"{first - seed} programs from seed {seed} on: no difference")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replay")
    parser.add_argument("--batch", type=int)
    options = parser.parse_args()
    if options.batch is not None:
        run_batch(options.batch, options.seconds)
        return 0
    if options.replay is None:
        return fuzz(options.seconds, options.seed)
    with open(options.replay, encoding="utf-8") as file:
        try:
            run(file.read().splitlines())
        except MismatchError as mismatch:
            print(mismatch)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""python tests/fuzz: random programs and random compiled steps for as long as wanted, in processes that may crash.

--seconds 60      for how long, half of it for each of the two
--seed 0          the first number
--only programs   programs alone, or steps alone
--cases 20000     so many steps, however long they take
--show 7          the step of a seed, and what comes of it
--replay FILE     run the statements of a file instead
"""

import argparse
import collections
import json
import subprocess
import sys
import time

from programs import write
from races import race
from running import MismatchError, report, run
from steps import company
from steps import write as write_step
from worlds import outcome, outcome_here, report_case, together

BATCH = 200  # programs a process
RACE_EVERY = 20  # programs
TOGETHER_EVERY = 10  # steps: whose cases run in threads at the same time with others


def run_programs(seed):
    if seed % RACE_EVERY == 0:
        race(seed)
    run(write(seed))


def run_steps(seed):
    """What came of a step, and the lines of the meaning that it is about."""
    case = write_step(seed)
    kind, text = outcome_here(case)
    if kind == "difference":
        raise MismatchError(text)
    if seed % TOGETHER_EVERY == 0:
        together(company(seed))
    return kind, text, sorted(case.lines)


KINDS = {"programs": (run_programs, lambda seed: report(seed, write(seed))),
         "steps": (run_steps, lambda seed: report_case(write_step(seed)))}  # fmt: skip


def run_batch(kind, first, last, seconds):
    """Runs seeds one after the other until the time is over, naming each before it starts, and what came of it."""
    end = time.monotonic() + seconds
    for seed in range(first, last):
        if seed > first and time.monotonic() > end:
            break
        print(seed, flush=True)
        if (came := KINDS[kind][0](seed)) is not None:
            print(json.dumps(came))


def fuzz(kind, seconds, seed, cases):
    """Runs batches until the time is over; False where one failed, whose program is then printed."""
    end, first, came = time.monotonic() + seconds, seed, []
    while time.monotonic() < end and first < seed + cases:
        last, left = min(first + BATCH, seed + cases), end - time.monotonic()
        command = [
            sys.executable,
            sys.argv[0],
            "--batch",
            str(first),
            str(last),
            "--only",
            kind,
            "--seconds",
            str(left),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        lines = done.stdout.splitlines()
        came += [json.loads(line) for line in lines if line.startswith("[")]
        reached = max([first, *[int(line) for line in lines if line.isdigit()]])
        if done.returncode != 0:
            print(done.stderr, KINDS[kind][1](reached), sep="\n")
            return False
        first = reached + 1
    print(f"{first - seed} {kind} from seed {seed} on: no difference")
    if came:
        print(summary(came))
    return True


def summary(came):
    """How many steps were replayed or refused, and why; about which lines of the meaning they are."""
    replayed = [lines for kind, text, lines in came if kind == "replays" and text]
    refused = collections.Counter(text for kind, text, _ in came if kind == "refused")
    share = lambda n: f"{n} ({n / len(came):.1%})"
    text = [f"replayed: {share(len(replayed))}; TraceError: {share(refused.total())}"]
    text += [f"{n:7} {reason}" for reason, n in refused.most_common()]
    text += ["about line  cases  of them replayed"]
    for line in range(1, 16):
        counts = [sum(line in lines for lines in some) for some in ([lines for *_, lines in came], replayed)]
        text.append(f"       {line:3} {counts[0]:6} {counts[1]:6}")
    return "\n".join(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--show", type=int)
    parser.add_argument("--replay")
    parser.add_argument("--batch", type=int, nargs=2)
    options = parser.parse_args()
    if options.batch is not None:
        run_batch(options.only, *options.batch, options.seconds)
    elif options.show is not None:
        case = write_step(options.show)
        print(case.text(), "", *outcome(case), sep="\n")
    elif options.replay is not None:
        return replay(options.replay)
    else:
        kinds = [options.only] if options.only else [*KINDS]
        seconds = options.seconds or (60 if options.cases is None else float("inf"))
        went = [fuzz(kind, seconds / len(kinds), options.seed, options.cases or 1 << 60) for kind in kinds]
        return int(not all(went))
    return 0


def replay(name):
    with open(name, encoding="utf-8") as file:
        try:
            run(file.read().splitlines())
        except MismatchError as mismatch:
            print(mismatch)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What was measured, as tables in Markdown, and one case as plain text while it runs.

`found` is the content of the JSON file: runs by number of threads, each with its machine and its cases.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from peers import moons, ours, products, replay, theirs, training, transformer
from pyautograd.bench import _report

Dict = Mapping[str, Any]

NETS = ("moons", "tabular", "digits", "mnist", "large")
NAMES = {
    ours.RUN: "`step.run`",
    ours.CALL: "`step(x, y)`",
    ours.EAGER: "eager",
    theirs.SCAN: "JAX scan",
    theirs.JIT: "JAX jit",
    theirs.TORCH: "PyTorch",
    theirs.TORCH_COMPILE: "torch.compile",
    theirs.NUMPY: "NumPy by hand",
    theirs.SKLEARN: "scikit-learn",
    training.LOADER: "PyTorch, DataLoader",
    moons.COMPILED: "Values, compiled",
    moons.COLUMNS: "`(batch,)` Tensors, compiled",
    moons.EAGER: "Values, eager",
    moons.COLUMNS_EAGER: "`(batch,)` Tensors, eager",
    moons.REFERENCE: "`pyautograd.reference`",
    moons.MICROGRAD: "micrograd",
    transformer.COMPILED: "compiled",
    transformer.SCALAR: "Values, eager",
    products.ALONE: "products alone, `@`",
    products.ALONE_NUMPY: "products alone, NumPy",
}
OURS_IN_WORDS = {
    ours.RUN: "pyautograd `step.run`",
    ours.CALL: "pyautograd `step(x, y)`",
    ours.EAGER: "pyautograd eager",
}


def seconds(timing: Dict | None) -> str:
    return _report.seconds_text(timing["median"]).replace(" us", " µs") if timing else ""


def spread(timing: Dict) -> str:
    """The median of a ratio and its quartiles."""
    median, low, high = (_report.ratio_text(timing[key])[:-1] for key in ("median", "low", "high"))
    return f"{median}×" if timing["repetitions"] < 3 else f"{median}× ({low} to {high})"


def times(timing: Dict | None) -> str:
    return _report.ratio_text(timing["median"]).replace("x", "×") if timing else ""


def markdown(rows: Iterable[Iterable[str]]) -> str:
    """A table; the first row is its header. Columns in which nothing stands are left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    header, *rest = zip(*columns, strict=True)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rest))


def nets_of(run: Dict) -> list[tuple[str, Dict]]:
    return [(name, run["cases"][f"nets/{name}"]) for name in NETS if f"nets/{name}" in run["cases"]]


def _label(name: str, case: Dict) -> str:
    return f"{name}, {case['title'].partition(', Adam')[0]}"


def machine(run: Dict) -> str:
    about = run["machine"]
    peers = ", ".join(f"{name} {version.partition('+')[0]}" for name, version in about["peers"].items())
    return (
        f"{about['processor']}, {about['system']}, {about['cores']}; {about['python']}, {peers}; "
        f"pyautograd {about['pyautograd']}, {about['kernels']} kernels."
    )


def steps(run: Dict) -> str:
    """Seconds a step: nets in rows, engines in columns."""
    engines = [ours.RUN, ours.CALL, ours.EAGER, theirs.SCAN, theirs.JIT, theirs.TORCH, theirs.TORCH_COMPILE]
    engines += [theirs.NUMPY, theirs.SKLEARN]
    rows = [["net", *(OURS_IN_WORDS.get(e, NAMES[e]) for e in engines)]]
    rows += [[_label(n, c), *(seconds(c["timings"].get(e)) for e in engines)] for n, c in nets_of(run)]
    return markdown(rows)


ALIKE = {
    ours.RUN: (theirs.SCAN, theirs.JIT, theirs.TORCH, theirs.NUMPY, theirs.SKLEARN),
    ours.CALL: (theirs.JIT, theirs.TORCH, theirs.TORCH_COMPILE, theirs.NUMPY),
    ours.EAGER: (theirs.JIT, theirs.TORCH, theirs.NUMPY),
}


def step_ratios(run: Dict) -> str:
    """How many times what ours take the peers take, with quartiles: a table for each of our forms."""
    parts = []
    for own, peers in ALIKE.items():
        if not all(own in case["ratios"] for _, case in nets_of(run)):
            continue
        rows = [[f"times {OURS_IN_WORDS[own]}", *(NAMES[peer] for peer in peers)]]
        for name, case in nets_of(run):
            found = [case["ratios"][own].get(peer) for peer in peers]
            rows.append([name, *(spread(ratio) if ratio else "" for ratio in found)])
        parts.append(markdown(rows))
    return "\n\n".join(parts)


def losses(run: Dict) -> list[tuple[str, str, str, Dict]]:
    """Where a peer is the faster: (what is done, our form, peer, ratio)."""
    compared = [(f"a step of {name}", case, ALIKE) for name, case in nets_of(run)]
    by_hand = (theirs.NUMPY, moons.REFERENCE, moons.MICROGRAD)
    for name, what, alike in (
        ("training", "the training", {ours.RUN: (theirs.SKLEARN, training.LOADER)}),
        ("moons", "a step of micrograd's demo", {moons.COMPILED: by_hand, moons.COLUMNS: by_hand}),
    ):
        if name in run["cases"]:
            compared.append((what, run["cases"][name], alike))
    return [
        (what, own, peer, case["ratios"][own][peer])
        for what, case, alike in compared
        for own, peers in alike.items()
        for peer in peers
        if own in case["ratios"] and peer in case["ratios"][own] and case["ratios"][own][peer]["median"] < 1
    ]


def lost(run: Dict, count: str) -> str:
    """The same in words."""
    found = losses(run)
    if not found:
        return f"On {count} none of these peers was faster in anything measured here."
    parts = [
        f"{NAMES[peer]} takes {ratio['median']:.2f} of what {OURS_IN_WORDS.get(own, NAMES[own])} takes for {what}"
        for what, own, peer, ratio in found
    ]
    return wrapped(f"Where peers are faster, on {count}: {'; '.join(parts)}.")


def wrapped(text: str) -> str:
    return textwrap.fill(text, 110, break_long_words=False, break_on_hyphens=False)


def whole_training(case: Dict) -> str:
    own = case["ours"][0]
    rows = [["", "time", "times ours", "test accuracy, mean of so many seeds (standard deviation)"]]
    for name, timing in case["timings"].items():
        mean, deviation, seeds = case["facts"]["accuracy"][name]
        ratio = case["ratios"][own].get(name)
        accuracy = f"{mean:.2%} of {seeds} ({deviation * 100:.2f})"
        rows.append([OURS_IN_WORDS.get(name, NAMES[name]), seconds(timing), spread(ratio) if ratio else "", accuracy])
    return markdown(rows)


def against(case: Dict, bases: list[str]) -> str:
    """Seconds a step by engine, and how many times each of our forms it takes."""
    bases = [base for base in bases if base in case["ratios"]]
    rows = [["", "a step", *(f"over {NAMES[base]}" for base in bases)]]
    for name, timing in case["timings"].items():
        found = [case["ratios"][base].get(name) for base in bases]
        rows.append([NAMES.get(name, name), seconds(timing), *(spread(ratio) if ratio else "" for ratio in found)])
    return markdown(rows)


def replays(case: Dict) -> str:
    rows = [["", ""]]
    times_of, facts = case["timings"], case["facts"]
    if replay.CHAIN in times_of:
        rows += [
            [
                "an operation of a chain of 1,000 Values `d*b + c`, forward and backward",
                seconds(times_of[replay.CHAIN]),
            ],
            ["an operation of a random graph of 4,000 Values, forward and backward", seconds(times_of[replay.GRAPH])],
            ["a call of a compiled function that multiplies once", seconds(times_of[replay.CALL])],
            ["a call of a Python function that does nothing", seconds(times_of[replay.EMPTY])],
        ]
    if "counters" in facts:
        grown = ", ".join(f"{amount} {name.replace('_', ' ')}" for name, amount in facts["counters"].items())
        rows.append(["more alive after 1,000 replays than before", grown])
    return markdown(rows) if len(rows) > 1 else ""


def memories(cases: list[Dict]) -> str:
    """What the process grew by, and what was planned; the arena beside what it would be without reuse."""
    held = ("arena", "scratch", "parameters", "gradients", "state")
    rows = [["", *held, "in all", "the process grew by", "all tensors of a step", "arena of these"]]
    for case in cases:
        facts = case["facts"]
        planned = sum(facts[key] for key in held)
        rows.append(
            [
                case["title"].removeprefix("the memory of a program of "),
                *(megabytes(facts[key]) for key in held),
                megabytes(planned),
                f"{megabytes(facts['resident'])}, {facts['resident'] / planned:.2f}×",
                megabytes(facts["tensors"]),
                f"{facts['arena'] / facts['tensors']:.0%}",
            ]
        )
    return markdown(rows)


def megabytes(count: float) -> str:
    return f"{count / 1e6:.2f} MB"


def limits(cases: list[Dict]) -> str:
    rows = [["", "`step.run`", "eager", "JAX scan", "products alone", "share of our step", "peak", *_OF_PEAK]]
    for case in cases:
        facts, timings = case["facts"], case["timings"]
        alone = min((products.ALONE, products.ALONE_NUMPY), key=lambda who: timings[who]["median"])
        share, low, high = facts["share"]
        of_peak = facts["of_peak"]
        rows.append(
            [
                case["title"].removeprefix("the matrix products of "),
                *(seconds(timings.get(who)) for who in (ours.RUN, ours.EAGER, theirs.SCAN, alone)),
                f"{share:.0%} ({low:.0%} to {high:.0%})",
                f"{facts['peak'] / 1e9:.0f} GFLOP/s",
                *(f"{of_peak[who]:.0%}" if who in of_peak else "" for who in (alone, case["ours"][0], theirs.SCAN)),
            ]
        )
    return markdown(rows)


_OF_PEAK = ("products alone, of peak", "our step, of peak", "JAX scan, of peak")


def sections(found: Dict) -> dict[str, str]:
    """Every table of docs/benchmarks.md by the name of its marker; what was not measured is not there."""
    made: dict[str, str] = {}
    one, two = found["runs"].get("1"), found["runs"].get("2")
    for run, suffix, count in ((one, "", "one core"), (two, "-2", "two cores")):
        if run and nets_of(run):
            table = f"{steps(run)}\n\nTimes ours, medians of rounds and their quartiles:\n\n{step_ratios(run)}"
            made["nets" + suffix] = f"{wrapped(machine(run))}\n\n{table}\n\n{lost(run, count)}"
    if one:
        cases = one["cases"]
        if "training" in cases:
            made["training"] = whole_training(cases["training"])
        if "moons" in cases:
            made["moons"] = against(cases["moons"], [moons.COMPILED, moons.COLUMNS])
        if "transformer" in cases:
            made["transformer"] = against(cases["transformer"], [transformer.COMPILED])
        if table := replays(cases.get("replay", {"timings": {}, "facts": {}})):
            made["replay"] = table
        if held := [c for name, c in cases.items() if name.startswith("memory/") and "arena" in c["facts"]]:
            made["memory"] = memories(held)
        if held := [case for name, case in cases.items() if name.startswith("products/")]:
            made["products"] = limits(held)
    return made


def readme(found: Dict) -> str:
    """The table of README.md, and where peers are faster."""
    run = found["runs"]["1"]
    engines = [ours.RUN, theirs.SCAN, theirs.TORCH, theirs.NUMPY]
    rows = [["a training step, Adam", OURS_IN_WORDS[ours.RUN], *(NAMES[e] for e in engines[1:])]]
    for name, case in nets_of(run):
        ratios = case["ratios"].get(ours.RUN, {})
        cells = [f"{seconds(case['timings'].get(e))}, {times(ratios.get(e))}".strip(", ") for e in engines]
        rows.append([_label(name, case), *cells])
    parts = [wrapped(machine(run)), markdown(rows)]
    if "moons" in run["cases"]:
        parts.append(_moons_in_words(run["cases"]["moons"]))
    if "training" in run["cases"]:
        parts.append(_training_in_words(run["cases"]["training"]))
    return "\n\n".join(part for part in (*parts, lost(run, "one core")) if part)


def _moons_in_words(case: Dict) -> str:
    parts = []
    for base in (moons.COMPILED, moons.COLUMNS):
        ratios = case["ratios"].get(base, {})
        peers = (moons.MICROGRAD, moons.REFERENCE, theirs.NUMPY)
        others = [f"{NAMES[peer]} takes {times(ratios[peer])} as long" for peer in peers if peer in ratios]
        if others:
            parts.append(f"over {NAMES[base]}, {seconds(case['timings'][base])} ({', '.join(others)})")
    return wrapped(f"A step of micrograd's moons demo: {'; '.join(parts)}.") if parts else ""


def _training_in_words(case: Dict) -> str:
    base = case["ours"][0]
    accuracy = case["facts"]["accuracy"]
    parts = [
        f"{NAMES[name]} takes {times(ratio)} as long ({accuracy[name][0]:.1%})"
        for name, ratio in case["ratios"][base].items()
        if name in (theirs.SKLEARN, training.LOADER)
    ]
    took = f"{seconds(case['timings'][base])}, test accuracy {accuracy[base][0]:.1%}"
    return wrapped(f"Twenty epochs on the handwritten digits by {OURS_IN_WORDS[base]}: {took}; {', '.join(parts)}.")


def everything(found: Dict) -> str:
    return "\n\n".join(f"{name}\n\n{table}" for name, table in sections(found).items())


def plain(case: Dict) -> str:
    """One case for the terminal."""
    lines = [f"\n{case['name']}: {case['title']}"]
    base = case["ours"][0] if case["ours"] else ""
    for name, timing in case["timings"].items():
        ratio = case["ratios"].get(base, {}).get(name)
        wide = (timing["high"] - timing["low"]) / 2 / timing["median"]
        said = spread(ratio) if ratio else ""
        lines.append(f"  {name:<28}{_report.seconds_text(timing['median']):>10}  ± {wide:4.0%}   {said}")
    lines += [f"  {name}: {fact}" for name, fact in case["facts"].items() if name != "took"]
    took = f"{case['facts'].get('took', 0):.0f} s"
    return "\n".join([*lines, f"  ({'; '.join([*case['notes'], took])})"])

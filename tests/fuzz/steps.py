"""Random steps with a world around them: the source of a function, what it reads and changes, a script of calls.

A case is written from the rows of `step_tables.py`.
"""

import itertools
import random
import re
from typing import NamedTuple

import step_tables as tables

import pyautograd


class Place(NamedTuple):
    kind: str
    inside: str  # as the step calls it
    outside: str | None  # as the script does; None where neither rebinds it


def places(text):
    for each in text.split():
        kind, inside, *outside = each.split(":")
        yield Place(kind, inside, (outside[0] or None) if outside else inside)


class Case(NamedTuple):
    """What a seed stands for. `lines` are those of the meaning that it is about."""

    seed: int
    dtype: str
    layout: str
    compiled: str
    arguments: str
    world: list
    step: list
    after: list
    script: list
    lines: frozenset

    def setup(self):
        """What makes the world: statements, then the function, then what needs it."""
        header, indent, footer, *_ = tables.LAYOUTS[self.layout]
        body = [line for statement in self.step for line in statement.split("\n")]
        outer = {"gv": "global", "gx": "global", "gf": "global", "c": "nonlocal", "cf": "nonlocal"}
        bound = [
            f"{word} {name}" for name, word in outer.items() if any(re.match(rf" *{name} = ", each) for each in body)
        ]
        levels = lambda line: len(line) - len(line.lstrip())
        body = "\n".join(" " * (indent + 4 * levels(each)) + each.lstrip() for each in [*bound, *body] or ["pass"])
        lines = [*self.world, f"{header.format(self.arguments)}\n{body}{footer}", *self.after]
        return [re.sub(r"\bcompiled\b", self.compiled, each) for each in lines]

    def goes_backward(self):
        return any("backward()" in each or "autograd.grad(" in each for each in self.step)

    def text(self):
        return "\n".join([f"# seed {self.seed}, default dtype {self.dtype}", *self.setup(), "# script", *self.script])

    def parts(self):
        """What may be left out, one by one."""
        return [(name, each) for name in ("world", "step", "script") for each in getattr(self, name)]

    def of(self, parts):
        """The case with these parts alone."""
        return self._replace(
            **{key: [each for name, each in parts if name == key] for key in ("world", "step", "script")}
        )


class Writer:
    """Writes the case of a seed."""

    def __init__(self, seed):
        self.seed = seed
        self.rng = random.Random(seed)
        self.style = self.rng.choices(["T", "v", "col"], [7, 2, 1])[0]
        self.layout = self.rng.choices(list(tables.LAYOUTS), [4, 2, 2, 2 if self.style == "T" else 0])[0]
        self.dtype = self.rng.choices(["float64", "float32"], [3, 1])[0]
        self.rows_are_free = self.some(0.15)
        self.kind = "T" if self.style == "T" else "v"  # columns are of Values too
        self.has = {self.kind}
        self.lines = {1, 2}
        self.places, self.locals, self.world, self.step = [], [], [], []
        self.inside, self.count = True, 0

    def some(self, chance):
        return self.rng.random() < chance

    def pick(self, rows, kind=None):
        """A row that the world has all for."""
        fit = [row for row in rows if row.needs in self.has | {""} and kind in (None, row.kind)]
        return self.rng.choices(fit, [row.weight for row in fit])[0]

    def fresh(self):
        self.count += 1
        return f"z{self.count}"

    # Holes

    def fill(self, text, depth=2):
        last = new = None

        def hole(match):
            nonlocal last, new
            name = match[1]
            if name == "new":
                new = new or self.fresh()
                return new
            if name == "=":
                return last
            if name[0] == "=":
                found = [each for each in self.places if name[1] in ("*", each.kind)]
                found = [each.inside if self.inside else each.outside for each in found]
                if not found:
                    raise LookupError
                last = self.rng.choice(found)
                return last
            if name in "kn":
                return str(self.rng.choice([0.125, 0.25, 0.5, 0.75]) if name == "k" else self.rng.randrange(1000))
            if name == "bool":
                return str(self.some(0.5))
            if name in ("net", "dict"):
                return self.rng.choice(tables.NETS if name == "net" else tables.DICTS)
            return self.expression(name, depth)

        return re.sub(r"\{(=?[A-Za-z*]+|=)\}", hole, text)

    def attempt(self, row, otherwise=None):
        """A row's Python, or something else where there is no place that it could be about."""
        try:
            filled = self.fill(row.text)
        except LookupError:
            return otherwise
        self.lines |= row.lines
        if row.kind and "{new}" in row.text:
            self.locals.append(Place(row.kind, re.search(r"z\d+", filled)[0], None))
        return filled

    def expression(self, kind, depth):
        if kind == "f" or depth <= 0 or self.some(0.25):
            names = [each.inside for each in self.places + self.locals * 2 if each.kind == kind]
            return self.rng.choice(names) if names else tables.FALLBACKS[kind]
        row = self.pick(tables.EXPRESSIONS, kind)
        text = self.fill(row.text, depth - 1)
        self.lines |= row.lines
        return f"({text})" if re.search(r" [-+*/]+ ", text) else text

    # The world

    def make_world(self):
        self.world += ["B, N = 3, 4", "ema, seen = [], []", "opt = None"]
        self.has |= {"host"} if hasattr(pyautograd, "host_call") else set()
        for chance, styles, has, found, text in tables.PIECES:
            if self.kind in styles and self.some(chance):
                self.has |= {has} - {""}
                self.places += places(found)
                self.world.append(self.fill(text))
        if "helper" in self.has:
            self.world += ["helper.k = 0.0", "def other(t, k=0.5): return t + k"]
        if self.some(0.5):
            self.make_box()
        self.make_parameters()
        *_, found, self.callee, after = tables.LAYOUTS[self.layout]
        kind, made = ("V", self.fill("data({n}, N)")) if self.kind == "T" else ("v", self.fill("Value({k})"))
        for each in places(found.replace("{K}", kind)):
            (self.places if each.outside else self.locals).append(each)
        self.after = [each.replace("{made}", made) for each in after]
        self.has |= {self.layout, "owner"} if self.layout == "method" else {self.layout}

    def make_box(self):
        self.has.add("box")
        base = self.rng.choice(tables.BOXES)
        self.places += places("V:box.h X:box.x S:box.s f:box.rate" if self.kind == "T" else "v:box.h f:box.rate")
        members = (
            ["h = data({n}, N)", "x = data({n}, B, N)", "s = data({n})"] if self.kind == "T" else ["h = Value({k})"]
        )
        self.world += [
            f"class Box({base}):\n    def scaled(self, t):\n        return t * self.rate", "box = Box()",
            "box.rate, box.flag, box.count, box.last = 0.5, True, 0, 0.0",
            *[f"box.{self.fill(each)}" for each in members],
        ]  # fmt: skip

    def make_parameters(self):
        found, made, _ = tables.STYLES[self.style]
        if self.layout != "model":
            self.locals += places(found)
        layers = [f"*{name}.parameters()" for name in ("net", "mlp") if name in self.has]
        self.world += [*made, f"ps = [{', '.join([*[each.split()[0] for each in made], *layers])}]"]
        self.has |= {"ps", f"ps{self.kind}"}
        if self.layout != "model" and self.some(0.6):
            self.has |= {"opt", f"opt{self.kind}"}
            self.world.append(f"opt = {self.fill(self.rng.choice(tables.OPTIMISERS))}")
        if "optT" in self.has and self.some(0.3):
            self.has.add("emaT")
            self.world.append("ema = [p.detach().clone() for p in ps]")
        if "opt" in self.has and self.some(0.3):
            self.has.add("sched")
            self.world.append("sched = optim.lr_scheduler.ExponentialLR(opt, 0.75)")

    # The step

    def make_arguments(self):
        self.arguments = []
        for row in tables.ARGUMENTS:
            chance, styles, name, found, *_ = row
            wanted = self.kind in styles and self.some(chance) and (name != "table" or "mlp" in self.has)
            if wanted or name == self.style:
                self.arguments.append(row)
                self.has.add(name)
                self.places += [each._replace(outside=None) for each in places(found)]
        self.arguments = self.arguments or [tables.ARGUMENTS[7]]
        self.world += [
            self.fill(f"{name}{i} = data({{n}}, B, N)") for name in "xy" for i in range(3) if self.kind == "T"
        ]
        if self.kind == "T":
            self.world += ["t0, t1 = classes(1, B, N), classes(2, B, N)", "base = data(9, B + 1, N)",
                           "leaf = data(8, B, N).requires_grad_()", "hd = {'h': data(7, N)}",
                           "Batch = dataclasses.make_dataclass('Batch', ['h', 'rate'])",
                           "Frozen = dataclasses.make_dataclass('Frozen', ['h', 'rate'], frozen=True)"]  # fmt: skip
        else:
            self.world.append("a0 = Value(0.875)")

    def make_step(self):
        for _ in range(self.rng.randint(1, 6)):
            self.add(self.pick(tables.STATEMENTS))
        trains = self.layout != "model" and self.some(0.75)
        if trains:
            self.step.append(self.fill(f"loss = {tables.STYLES[self.style][2]}"))
            self.locals.append(Place("S" if self.style != "v" else "v", "loss", None))
            self.add(self.pick(tables.TRAINING))
            for _ in range(self.rng.randint(0, 2)):
                self.add(self.pick(tables.STATEMENTS))
        else:
            self.has.add("free")
        loss = "loss" if trains else {"T": "({S} * 1.0)", "v": "{v}", "col": "{T}.mean()"}[self.style]
        row = self.pick(tables.RETURNS)
        row = row._replace(text=row.text.replace("{loss}", loss))
        self.step.append("return " + (self.attempt(row) or self.fill(loss)))
        if "Out(" in self.step[-1]:
            kinds = ["collections.namedtuple('Out', 'loss h')", "dataclasses.make_dataclass('Out', ['loss', 'h'])"]
            self.world.append(f"Out = {self.rng.choice(kinds)}")
        if self.layout == "method":
            self.step = [re.sub(r"\b(ps|opt|ema)\b", r"self.\1", each) for each in self.step]

    def add(self, row):
        kinds = {"T": "XVWS", "v": "v", "col": "vT"}[self.style]
        if all(kind in kinds for kind in re.findall(r"\{=?([A-Zv])\}", row.text)):
            self.step += filter(None, [self.attempt(row)])

    # The script

    def make_script(self):
        self.inside = False
        self.places = [each for each in self.places if each.outside is not None]
        if any(each.kind == "f" for each in self.places):
            self.has.add("f")
        script = []
        for i in range(self.rng.randint(8, 12)):
            if i > 2 and self.some(0.5):
                script += filter(None, [self.attempt(self.pick(tables.CHANGES))])
            around = tables.AROUND
            _, lines, form = self.rng.choices(around, [row[0] for row in around])[0] if i > 2 else around[0]
            self.lines |= set(map(int, lines.split()))
            script.append(form.format(self.call(i)))
        columns = {row[2] for row in self.arguments} <= {*tables.COLUMNS}
        if self.some(0.3) and columns and self.step[-1] != "return None":
            script.append(self.whole())
        if self.layout == "method":
            script = [re.sub(r"\b(?<!\.)(ps|opt|ema)\b", r"owner.\1", each) for each in script]
        return script

    def call(self, i):
        strange = self.rng.randrange(len(self.arguments)) if i > 2 and self.some(0.25) else -1
        rows = self.rng.choice(["2", "5", "8"]) if self.rows_are_free and self.some(0.5) else None
        given = []
        for k, row in enumerate(self.arguments):
            text = self.rng.choice(row[5] if k == strange else row[4])
            if rows is not None and row[2] in tables.COLUMNS:
                text = tables.COLUMNS[row[2]].replace("{r}", rows)
            try:
                text = self.fill(text)
            except LookupError:
                text = self.fill(row[4][0])
            self.lines |= {9} if "rows" in text else {11} if "leaf" in text else set()
            self.lines |= {3} if k == strange and re.match(r"[xyab][0-9]|base|.*=", text) else set()
            self.lines |= {6} if row[2] in ("lr", "u") else {5} if row[2] in ("h", "many") else set()
            given.append(f"{row[2]}={text}" if i % 5 == 4 and k == len(self.arguments) - 1 else text)
        return f"call({', '.join([self.callee, *given])})"

    def whole(self):
        """A training by `run`."""
        given = [self.fill(tables.COLUMNS[row[2]].replace("{r}", "12")) for row in self.arguments]
        is_random = 13 in self.lines or "Dropout" in "".join(self.world)
        draws = "seed" if not is_random and self.some(0.4) else "shuffle"
        self.lines |= {13} if draws == "seed" else set()
        options = [f"batch_size={self.rng.choice([3, 3, 5])}, epochs={self.rng.choice([1, 3])}",
                   "seed=5" if draws == "seed" else "shuffle=False"]  # fmt: skip
        if self.some(0.4):
            options.append(f"after={self.attempt(self.pick(tables.CHANGES), '')!r}")
        return f"run({', '.join([self.callee, *given, *options])})"


def write(seed):
    """The case of a seed."""
    writer = Writer(seed)
    writer.make_world()
    writer.make_arguments()
    writer.make_step()
    script = writer.make_script()
    names = ", ".join(row[2] for row in writer.arguments)
    compiled = "free_rows" if writer.rows_are_free else "compiled"
    return Case(seed, writer.dtype, writer.layout, compiled, names, writer.world, writer.step, writer.after, script,
                frozenset(writer.lines))  # fmt: skip


def company(seed, size=3):
    """Cases that can run at the same time in threads: of one dtype; none looks for anomalies, which the whole process
    then does; and what is pickled is found in no module."""
    cases = (write(each) for each in itertools.count(seed))
    dtype = write(seed).dtype
    alone = ("pickle", "detect_anomaly")
    fit = (case for case in cases if case.dtype == dtype and not any(word in case.text() for word in alone))
    return list(itertools.islice(fit, size))

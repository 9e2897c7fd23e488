"""The tables that random steps are written from. A row has a weight, the kind of what it makes, the lines of
docs/programs.md's meaning that it is about, what the world must have for it, and Python with holes:

    {X} {V} {W} {S}   an expression: rows (B, N), a vector (N,), a matrix (N, N), a number of a Tensor
    {v} {T}           a Value, a column (B,) of tensors
    {f} {k} {n}       a float that the step is given or reads, a literal, an int for `data`
    {new}             a name that the row assigns, of the row's kind
    {=V} {=}          a place that may be rebound or written into; the same place again
"""

from typing import NamedTuple


class Row(NamedTuple):
    weight: float
    kind: str
    lines: frozenset
    needs: str
    text: str


def table(text):
    """Rows of lines; a space after a line break in their Python is a level of indentation."""
    rows = []
    for line in text.strip().splitlines():
        weight, kind, lines, needs, code = (part.strip() for part in line.split("|", 4))
        rows.append(Row(float(weight), kind, frozenset(map(int, lines.split())), needs, code.replace("\\n", "\n")))
    return rows


EXPRESSIONS = table(r"""
3 |X|   |      | {X} + {V}
3 |X|   |      | {X} * {V}
2 |X|   |      | {X} * {f}
3 |X|   |      | {X}.tanh()
2 |X|   |      | {X} - {X}
1 |X|   |      | {X}.relu()
1 |X|   |      | {X}.sigmoid()
3 |X|   |      | ({X} @ {W}).tanh()
1 |X|   |      | pa.where({X} > 0.1, {X}, {V})
1 |X|   |      | {X}.softmax(1)
1 |X|   |      | pa.cat([{X}[1:], {X}[:1]])
1 |X|   |      | {X}.clamp(-0.5, 0.5)
1 |X|   |      | {X} - {X}.mean(0)
1 |X|   |      | F.leaky_relu({X}, 0.125)
1 |X| 13|      | F.dropout({X}, 0.25)
.5|X|   |      | {X}.cumsum(0)
.5|X|   |      | {X}.sort(1).values
.5|X|   |      | {X}.flip(0)
.5|X|   |      | F.gelu({X})
.5|X|   |      | {X}.sinh().clamp(-3, 3)
.5|V|   |      | {X}.norm(dim=0)
.5|V|   |      | {X}.median(0).values
.5|W|   |      | ({W} @ {W}).tril()
.5|S|   |      | {X}.logsumexp((0, 1))
.3|X|   |      | {X}.cummax(0).values
.3|X|   |      | {X}.cumprod(1)
.3|X|   |      | {X}.logcumsumexp(1)
.3|X|   |      | {X}.argsort(1).to(pa.get_default_dtype()) * {V}
.3|X|   |      | (a := {X} * 1.0).gather(1, a.argsort(1, descending=True))
.3|X|   |      | {X}.scatter(1, {X}.argmax(1, keepdim=True), 0.5)
.3|X|   |      | (a := {X} * 1.0).scatter_add(1, a.argsort(1), a)
.3|X|   |      | (a := {X} * 1.0).index_add(1, pa.tensor([0, 2, 0]), a[:, 1:])
.3|X|   |      | {X}.masked_fill({X} > 0.3, 0.25)
.3|X|   |      | {X}.roll(1, 0) + (a := {X} * 1.0).diff(dim=1, prepend=a[:, :1])
.3|X|   |      | ({X} * 9).round().int().to(pa.get_default_dtype()) + {X}
.3|X|   |      | ({X} * 9).to(pa.uint8).bitwise_xor(5).to(pa.get_default_dtype()) * {V}
.3|X|   |      | ({X} * 9).int().cumsum(1).remainder(4).to(pa.get_default_dtype()) + {X}
.3|X|   |      | {X}.lerp({X}, {f})
.3|X|   |      | {X}.addcmul({X}, {V}, value=0.5)
.3|X|   |      | pa.func.grad(lambda q: (q * q).tanh().sum())({X})
.3|V|   |      | {X}.topk(2, 0).values.sum(0)
.3|V|   |      | {X}.quantile(0.5, 0)
.3|V|   |      | {X}.std(0, unbiased=False)
.3|V|   |      | pa.searchsorted({V}.detach().sort().values, {V}.detach()).to(pa.get_default_dtype()) * {V}
.3|V|   |      | pa.linalg.solve({W} + 9 * pa.eye(N), {V})
.3|V|   |      | pa.func.jvp(lambda q: q.sin() * {V}, ({V},), ({V},))[1]
.3|V|   |      | pa.func.vjp(lambda q: q.sin() * q, {V})[1]({V})[0]
.3|V|   |      | pa.autograd.functional.hvp(lambda q: (q * q * q).sum(), {V}, {V})[1]
.3|W|   |      | pa.linalg.inv({W} + 9 * pa.eye(N))
.3|W|   |      | pa.func.jacrev(lambda q: q.tanh() * 2.0)({V})
.3|W|   |      | pa.func.hessian(lambda q: (q * q * q).sum())({V})
.3|W|   |      | pa.linalg.cholesky({W} @ {W}.T + 9 * pa.eye(N))
.3|S|   |      | pa.linalg.det({W} * 0.1 + pa.eye(N))
.3|S|   |      | ({W} @ {W}.T).trace() * 0.1
2 |X|   |net   | net({X})
2 |V|   |      | {V} * {V}
2 |V|   |      | {V} + {S}
2 |V|   |      | {V}.sin()
2 |V|   |      | ({V} @ {W}).tanh()
2 |V|   |      | {X}.mean(0)
1 |V|   |      | {X}[0]
1 |V|   |      | {W}[-1]
1 |V|   |      | {X}.amax(0)
3 |S|   |      | {X}.mean()
2 |S|   |      | {V}.tanh().sum()
1 |S|   |      | {S} * {f}
1 |S|   |      | F.mse_loss({X}, {X})
1 |S|   |      | {V}[0]
1 |S|   |      | {V}.max()
1 |S|   |      | F.smooth_l1_loss({X}, {X})
2 |S| 14|t     | F.cross_entropy({X}, t)
1 |S| 14|t     | F.nll_loss({X}.log_softmax(1), t, reduction='sum')
1 |V| 14|t     | {X}.gather(1, t.reshape(-1, 1)).sum(0) + {V}
1 |W|   |      | {W} * {f}
1 |W|   |      | {W}.T
1 |W|   |      | pa.outer({V}, {V})
3 |v|   |      | {v} * {v}
3 |v|   |      | {v} + {v}
2 |v|   |      | {v}.tanh()
1 |v|   |      | {v}.relu()
1 |v|   |      | {v} - {v}
2 |v|   |      | ({v} * {f}).tanh()
1 |v|   |      | {v}.sigmoid() ** 2
1 |v|   |      | Value({f}) * {v}
1 |v|   |      | {v}.maximum({v})
1 |v|  8|      | sum([{v}, {v}, {v}]) * 0.5
2 |v|   |mlp   | mlp([{v}, {v}])
1 |v|   |us    | sum([each * {v} for each in us]).tanh()
2 |v|   |rows  | sum([mlp(list(map(Value, row))).tanh() for row in table])
3 |T|   |      | {T} * {v}
3 |T|   |      | {T} + {v}
2 |T|   |      | {T}.tanh()
2 |T|   |      | {T} * {T}
1 |T|   |      | {T} * {f}
1 |T|   |      | {T}.relu() + 0.1
""")

# What a step does on its way to a loss, and beside it
STATEMENTS = table(r"""
6 |X|2     |      | {new} = {X}
5 |V|2     |      | {new} = {V}
3 |S|2     |      | {new} = {S}
4 |v|2     |      | {new} = {v}
4 |T|2     |      | {new} = {T}
2 |X|13    |      | {new} = {X} + pa.randn(B, N) * 0.1
1 |V|13    |      | {new} = {V} * pa.rand(N)
1 |X|13    |      | {new} = {X}[pa.randperm(B)]
2 |X|13    |gen   | {new} = {X} + pa.randn(B, N, generator=gen) * 0.1
1 |X|6 13  |lr    | {new} = F.dropout({X}, lr)
1 |X|6     |lr    | {new} = F.leaky_relu({X}, lr)
1 |X|6     |lr    | {new} = {X} * 0.5 if lr > 0.25 else {X}
1 |X|6     |flag  | {new} = {X} * 0.5 if flag else {X}
3 | |4     |      | {=V} = ({=} * 0.5 + {V}).tanh().detach()
3 | |4     |      | {=X} = ({=} * 0.5 + {X}).tanh().detach()
1 | |4     |      | {=W} = ({W} * 0.5).detach()
2 | |4     |      | {=S} = ({=} * 0.5 + {S}).tanh().detach()
1 | |4     |      | {=V} = {V}.tanh().detach()
1 | |3 4   |      | {=V} = {=V}
1 | |3 4 12|      | {=X} = x
1 | |4 10  |      | with pa.no_grad():\n {=V} = ({V} + {=}).tanh()
2 | |4     |      | {=v} = Value(({v}).tanh().data)
1 | |2     |      | {=v}.data = {v}.data * 0.5
1 |X|4 12  |      | {new} = ({X} * 1.0).detach()\n{=X} = {new}
1 |X|4 12  |      | {new} = ({X} * 1.0).detach()\n{=V} = {new}[1]
1 |X|4 12  |      | {new} = ({X} * 1.0).detach()\n{=X} = {new}\n{=V} = {new}[0]
1 |S|5 12  |log   | {new} = {S} * 1.0\nlog.append({new}.detach())
1 | |4 12  |      | {=V} = {X}[0].detach()
2 | |2     |      | {=V}.mul_(0.5)
2 | |2     |      | {=X}[0] = {V}.detach()
1 | |2     |      | {=V}[1:] += {S}.detach()
1 | |2     |      | {=X}.copy_({X}.detach().tanh())
2 | |2 10  |      | with pa.no_grad():\n {=V}.copy_({V}.tanh())
2 | |5     |log   | log.append({S}.detach() * 1.0)
2 | |5 7   |log   | log.append({S}.item())
1 | |5 7   |box   | box.last = {S}.item()
1 | |5 7   |log   | log.append({v}.data)
1 | |5     |d     | d['new'] = {V}.detach() * 1.0
1 | |5     |box   | box.count += 1
1 | |5     |log   | log.append(len(log))
2 |X|8     |helper| {new} = helper({X})
1 |v|8     |helper| {new} = helper({v})
1 |X|8     |box   | {new} = box.scaled({X})
1 |X|8     |box   | {new} = {X} * box.rate if box.flag else {X}
1 |X|8     |      | from math import pi\n{new} = {X} * (pi / 4)
1 |V|8     |gv    | {new} = globals()['gv'] * 0.5
1 |V|8     |box   | {new} = getattr(box, 'h') + {V}
1 |V|8     |d     | {new} = sum(each.mean() for each in d.values() if isinstance(each, pa.Tensor)) + {V}
1 |X|10    |      | with pa.no_grad():\n {new} = {X}
2 |X|10    |      | {new} = {X}.detach()
1 |V|10    |      | {new} = {V}.detach().requires_grad_()
1 |v|10    |      | with pa.no_grad():\n {new} = {v}
1 |W|10    |psT   | {new} = pa.autograd.grad(({X} @ w).tanh().sum() + {S} * w.sum(), w, create_graph=True)[0]
1 |v|10    |psv   | {new} = pa.scalar.grad(({v} * p0).tanh(), p0, create_graph=True)[0]
1 |v|10    |      | {new} = ({v}).detach()
1 |v|10    |      | {new} = tripled({v}.tanh())
1 |S|6     |sched | {new} = {S} * sched.get_last_lr()[0]
1 |S|6     |optT  | {new} = {S} * opt.param_groups[0]['lr']
1 |S|8     |sched | {new} = {S} * (sched.last_epoch + 1)
1 |S|6     |      | {new} = pa.tensor({f})
1 |V|6     |      | {new} = pa.full((N,), {f})
1 |X|2     |      | {new} = {X} * 1.0\n{new}[0] = {V}.detach()
1 |X|2     |      | {new} = pa.zeros(B, N)\n{new}[1:] = {V}.detach()
.7|X|2     |      | {new} = {X} * 1.0\n{new}[0] = {V}
.7|X|2     |      | {new} = {X} * 1.0\n{new}[1:] *= {V}
.7|X|2     |      | {new} = {X} * 1.0\n{new}.T[0].add_({S})
.7|X|2 12  |      | {new} = {X} * 1.0\npart = {new}[1]\npart.mul_({V}).tanh_()\nlog2 = part * {V}\n{new} = {new} + log2
.7|V|2 12  |      | whole = {X} * 1.0\n{new} = whole[1]\nwhole.sigmoid_()
.7|X|2     |      | {new} = pa.zeros_like({X})\n{new}.add_({X}, alpha=0.5).clamp_(-1, 1).mul_({X})
.5|X|2     |      | {new} = {X} * 1.0\n{new}.masked_fill_({new} > 0.5, 0.5).neg_()
.5|X|2     |      | {new} = {X} * 1.0\n{new}.index_add_(1, pa.tensor([0, 2]), {X}[:, :2])
.5|X|2     |      | {new} = {X} * 1.0\n{new}.scatter_(1, {new}.argmax(1, keepdim=True), 0.5)
.5|X|2     |      | {new} = {X} * 1.0\n{new}.sub_({V}).abs_().sqrt_().pow_(3)
.5|W|2     |      | {new} = {W} * 1.0\n{new}.fill_diagonal_(0.5)\n{new}.addcmul_({W}, {W}, value=0.25)
.4|V|4 10  |      | {=V}[1:] += {S}\n{new} = {=} * 1.0
.4|V|4 10  |      | {=V}.mul_({V})\n{new} = {=} * 1.0
.5|X|10    |      | {new} = {X} * 1.0\nif {new}.requires_grad: {new}.register_hook(lambda g: g * 2.0)
.5|X|10 5  |host  | {new} = {X} * 1.0\nif {new}.requires_grad: {new}.register_hook(lambda g: seen.append(g.sum()))
.3|X|10    |      | {new} = {X} * w\nwith {new}.register_hook(lambda g: g + 1): {new}.sum().backward(retain_graph=True)
.5|X|10    |      | with pa.enable_grad():\n {new} = pa.func.vjp(lambda q: q * {V}, {X})[1]({X})[0]
1 |v|10    |      | {new} = {v} * {v}\n{new}.grad = 1.0\n{new}._backward()
1 |X|2     |host  | {new} = pa.host_call(lambda t: t.numpy() * 2.0, {X})
1 | |5     |host  | pa.host_call(seen.append, {S})
1 |X|10    |      | {new} = Cube.apply({X}.tanh())
.6| |1     |      | if {S} > 0: pass
.4| |1     |log   | log.append(str({S}))
""")

# How a step that has a loss trains
TRAINING = table(r"""
6||2|opt| opt.zero_grad(); loss.backward(); opt.step()
1||2|opt| loss.backward(); opt.step(); opt.zero_grad()
1||2|opt| opt.zero_grad(set_to_none=False); loss.backward(); opt.step()
2|S|6|optT| opt.zero_grad(); loss.backward(); {new} = nn.utils.clip_grad_norm_(ps, {f}); opt.step()
1||4|optT| for p in ps: p.grad = p.detach() * {f}\nopt.step()
1||2|optT| opt.zero_grad(); loss.backward()\nfor p in ps: p.grad.add_(p.detach() * {f})\nopt.step()
2||10|psT| for p in ps: p.grad = None\nloss.backward()\nwith pa.no_grad():\n for p in ps: p -= {f} * p.grad
2||10|psT| for p in ps:\n if p.grad is not None: p.grad.zero_()\nloss.backward()\nfor p in ps: p.data -= {f} * p.grad
2||2|psT| loss.backward()
1||6|optT| opt.zero_grad(); loss.backward()\nwith pa.no_grad():\n for p in ps: p -= opt.param_groups[0]['lr'] * p.grad
1||10|psT| for p, g in zip(ps, pa.autograd.grad(loss, ps)): p.data.sub_(g * {f})
1||10|psT| gs = pa.autograd.grad(loss, ps, create_graph=True)\nsum([(g * g).sum() for g in gs]).backward()
2||2|emaT| opt.zero_grad(); loss.backward(); opt.step()\nfor e, p in zip(ema, ps): e.mul_(.9).add_(p.detach() * .1)
1||4|emaT| opt.zero_grad(); loss.backward()\nfor i, p in enumerate(ps): ema[i] = .9 * ema[i] + .1 * p.detach()
3||2|psv| for p in ps: p.grad = 0.0\nloss.backward()\nfor p in ps: p.data -= {f} * p.grad
1||2|psv| loss.backward()
1||6|psv| for p in ps: p.grad = 0.0\nloss.backward()\nfor p in ps: p.data -= {f} * (p.grad + {f} * p.data)
""")


RETURNS = table(r"""
8 | |12    |      | {loss}
3 | |12    |T     | {loss}, {X} * 1.0
2 | |12    |T     | {"loss": {loss}, "h": {V} * 1.0}
1 | |12    |T     | [{loss}, None, {"a": ({X} * 1.0, 1)}]
2 | |12    |      | {loss}, {=*}
1 | |12    |T     | {loss}, x
1 | |12    |T     | ({loss}, *[{X} * 1.0] * 2)
1 | |7     |      | {loss}, {loss}.item()
1 | |7     |      | {"loss": {loss}, "twice": {loss}.item() * 2.0}
1 | |6     |      | {loss}, {f} * 2.0
1 | |12    |T     | (a := {loss}), a.detach()
1 | |12    |T     | {loss}, (a := {X} * 1.0), a.view(-1), a[1:]
1 | |12    |T     | {loss}, *({X} * 1.0).chunk(2)
1 | |12    |T     | {loss}, [{X}[:2], {X}.T, {V}[1:]]
1 | |12    |T     | {loss}, {=X}.detach(), {=V}[::2]
1 | |12    |T     | Out({loss}, {X} * 1.0)
1 | |12    |T     | collections.OrderedDict(loss={loss}, h={X} * 1.0)
1 | |12    |v     | {loss}, [{v}, {v}]
1 | |12    |      | {loss}, "text", 3
.5| |12    |      | None
""")

# The world. Places are kind:name, or kind:inside:outside where the script calls it otherwise.
PIECES = [
    # weight, has, places, statements
    (0.5, "T", "gv", "V:gv", "gv = data({n}, N)"),
    (0.3, "T", "gx", "X:gx", "gx = data({n}, B, N)"),
    (0.4, "T", "d", "V:d['h'] W:d['m'] S:d['s']", "d = {dict}({'h': data({n}, N), 'm': data(6, N, N), 's': data(5)})"),
    (0.3, "T", "", "V:seq[0] V:seq[1]", "seq = [data({n}, N), data({n}, N)]"),
    (0.2, "T", "", "V:deep['a'][0]['b'] f:deep['rate']", "deep = {'a': [{'b': data({n}, N)}], 'rate': 0.5}"),
    (0.2, "Tv", "gen", "", "gen = pa.Generator().manual_seed({n})"),
    (0.5, "T", "net", "", "net = {net}"),
    (0.2, "T", "peek", "", "@compiled\ndef peek(x):\n    return (x @ w).detach()"),
    (0.5, "v", "", "v:gv", "gv = Value({k})"),
    (0.4, "v", "", "v:d['h']", "d = {dict}({'h': Value({k})})"),
    (0.4, "v", "", "v:seq[0] v:seq[1]", "seq = [Value({k}), Value({k})]"),
    (0.5, "v", "mlp", "", "mlp = MLP(2, [3, 1])"),
    (0.4, "Tv", "log", "", "log = []"),
    (0.4, "Tv", "", "f:gf", "gf = {k}"),
    (0.4, "Tv", "helper", "", "def helper(t, k=0.5): return t * (k + helper.k)"),
]  # fmt: skip
BOXES = ["", "SimpleNamespace", "nn.Module", "dict"]
DICTS = ["dict", "dict", "collections.OrderedDict", "collections.UserDict"]
NETS = [
    "nn.Linear(N, N)", "nn.Sequential(nn.Linear(N, N), nn.Tanh())", "nn.Sequential(nn.Linear(N, N), nn.Dropout(0.25))",
    "nn.BatchNorm1d(N)", "nn.Sequential(nn.Linear(N, 4), nn.ReLU(), nn.Linear(4, N))", "nn.LayerNorm(N)",
    "nn.BatchNorm1d(N, momentum=None)", "nn.MLP(N, [3, N])",
]  # fmt: skip
OPTIMISERS = [
    "optim.SGD(ps, lr={k})", "optim.SGD(ps, lr={k}, momentum=0.9)",
    "optim.SGD(ps, lr={k}, momentum=0.5, nesterov=True)",
    "optim.SGD(ps, lr={k}, weight_decay=0.1, maximize=True)", "optim.Adam(ps, lr={k}, eps=1e-3)",
    "optim.AdamW(ps, lr={k}, eps=1e-3, amsgrad=True)", "optim.RMSprop(ps, lr={k}, eps=1e-2, momentum=0.5)",
    "optim.SGD([{'params': ps[:1], 'lr': {k}}, {'params': ps[1:]}], lr={k})",
]  # fmt: skip

# Arguments: weight, style, name, kind as a place, what is passed in most calls, in others
ARGUMENTS = [
    (1.0, "T", "x", "X:x", ["x0", "x1", "x2"],
     ["rows({n}, B, N)", "leaf * {k}", "x0[:2]", "base[1:]", "leaf", "{=X}"]),
    (0.5, "T", "y", "X:y", ["y0", "y1"],
     ["x0", "x1", "base[:-1]", "base[1:]", "rows({n}, B, N)", "leaf * {k}", "{=X}"]),
    (0.3, "T", "t", "", ["t0", "t1"], ["classes({n}, B, N + 1)", "classes({n}, 2, N)"]),
    (0.2, "T", "h", "V:h['h']", ["hd"], ["{'h': data({n}, N)}", "{'h': {=V}}"]),
    (0.2, "T", "many", "V:many[0] V:many[1]", ["[data({n}, N), data({n}, N)]"],
     ["[hd['h'], hd['h']]", "(data({n}, N), data({n}, N))"]),
    (0.2, "T", "batch", "V:batch.h f:batch.rate", ["Batch(data({n}, N), {k})"],
     ["Batch({=V}, 0.5)", "Frozen(data({n}, N), {k})"]),
    (0.4, "Tv", "lr", "f:lr", ["{k}"], ["0.375"]),
    (0.2, "Tv", "flag", "", ["True"], ["False", "2"]),
    (0.5, "v", "u", "f:u", ["{k}"], ["1.0"]),
    (0.4, "v", "va", "v:va", ["Value({k})", "a0"], ["a0", "{=v}"]),
    (0.3, "v", "us", "", ["[{k}, {k}]"], ["[{k}, {k}, {k}]", "(1.0, {k})"]),
    (0.3, "v", "table", "", ["rows({n}, 3, 2)"], ["rows({n}, 2, 2)"]),
    (0.6, "v", "col", "T:col", ["data({n}, B)"], ["rows({n}, B)", "data({n}, 2)"]),
]  # fmt: skip

# With so many rows, {r}: of a training by `run`, or of a call of a step with a free batch axis
COLUMNS = {"x": "data({n}, {r}, N)", "y": "data({n}, {r}, N)", "t": "classes({n}, {r}, N)", "col": "data({n}, {r})"}

# Between calls
CHANGES = table(r"""
3 | |6  |opt   | opt.param_groups[0]['lr'] = {k}
1 | |6  |opt   | opt.param_groups[0]['weight_decay'] = {k}
1 | |2  |opt   | opt.state.clear()
1 | |2  |opt   | opt.load_state_dict(opt.state_dict())
1 | |2  |opt   | opt.zero_grad()
3 | |6  |f     | {=f} = {k}
3 | |2  |T     | {=V} = data({n}, N)
2 | |2  |T     | {=X} = data({n}, B, N)
1 | |2  |T     | {=V} = data({n}, N).requires_grad_()
2 | |3  |T     | {=V} = {=V}
1 | |3  |gx    | gx = x0
2 | |2  |T     | {=V}.detach().mul_(0.5)
1 | |2  |T     | x0.mul_(0.5)
2 | |2  |v     | {=v} = Value({k})
1 | |3  |v     | {=v} = {=v}
1 | |2  |v     | {=v}.data = {k}
2 | |8  |net   | net.train({bool})
.7| |8  |net   | hook = net.register_forward_hook(lambda m, i, o: o * {k})
.5| |8  |net   | hook = net.register_forward_pre_hook(lambda m, i: (i[0] * {k},))
.5| |10 |net   | hook = net.register_full_backward_hook(lambda m, i, o: tuple(g if g is None else g * {k} for g in i))
.4| |10 |net   | hook = net.register_full_backward_pre_hook(lambda m, o: (o[0] * {k},))
.5| |10 |psT   | hook = ps[0].register_hook(lambda g: g * {k})
.5| |8  |net   | hook.remove()
1 | |2  |ps    | ps[0].grad = None
1 | |2  |psT   | ps[0].grad = pa.ones_like(ps[0])
1 | |3 4|psT   | ps[0].grad = ps[1].grad
1 | |8  |psT   | ps[0].requires_grad_({bool})
1 | |8  |box   | box.flag = not box.flag
1 | |6  |box   | box.rate = {k}
1 | |8  |box   | Box.scaled = lambda self, t: t - {k}
1 | |8  |helper| helper.__code__ = other.__code__
1 | |8  |helper| helper.__defaults__ = ({k},)
1 | |8  |helper| helper.k = {k}
1 | |8  |box   | vars(box)['rate'] = {k}
1 | |8  |box   | vars(box)['h'] = box.h * {k}
1 | |8  |d     | d = dict(reversed(list(d.items())))
1 | |8  |d     | d['h'] = d.pop('h')
1 | |5  |log   | log.clear()
1 | |13 |      | pa.manual_seed({n})
1 | |13 |gen   | gen.manual_seed({n})
1 | |13 |      | pa.rand(3)
3 | |12 |      | scribble()
3 | |11 |free  | pull()
1 | |11 |free  | leaf.grad = None
2 | |15 |owner | owner = copy.deepcopy(owner)
1 | |15 |owner | twin, owner = owner, copy.deepcopy(owner)
1 | |11 |model | opt.step()
1 | |11 |model | opt.zero_grad()
1 | |15 |model | owner.load_state_dict(copy.deepcopy(owner.state_dict()))
1 | |8  |model | owner.train({bool})
1 | |15 |owner | owner = pickle.loads(pickle.dumps(owner))
2 | |6  |sched | sched.step()
3 | |2  |peek  | call(peek, x0)
""")
AROUND = [
    (10, "", "{}"), (0.2, "10", "with pa.autograd.detect_anomaly(): {}"),
    (0.3, "13", "in_thread(lambda: (pa.manual_seed(3), {}))"),
    (0.2, "10", "with pa.no_grad(): {}"), (0.1, "10", "with pa.inference_mode(): {}"),
]  # fmt: skip
TENSORS = ["w = data(3, N, N).requires_grad_()", "b = data(4, N).requires_grad_()"]
VALUES = ["p0 = Value(0.5)", "p1 = Value(-0.25)"]
STYLES = {  # places that hold parameters, how these are made, a loss
    "T": ("W:w V:b", TENSORS, "{S} + 0.1 * sum((p * p).sum() for p in ps)"),
    "v": ("v:p0 v:p1", VALUES, "{v} + sum([p * p for p in ps]) * 0.1"),
    "col": ("v:p0 v:p1", VALUES, "{T}.mean() + sum([p * p for p in ps]) * 0.1"),
}
FALLBACKS = {"X": "x", "V": "x[0]", "W": "pa.eye(N)", "S": "x.mean()", "v": "Value(0.5)", "T": "col", "f": "0.5"}
LAYOUTS = {  # before the body, its indent, after it; places; what is called; what follows in the world
    "global": ("@compiled\ndef step({}):", 4, "", "", "step", []),
    "closure": (
        "def make(c, cf):\n    def step({}):", 8, "\n    return step",
        "{K}:c:cell(plain,'c').cell_contents f:cf:cell(plain,'cf').cell_contents", "step",
        ["plain = make({made}, 0.625)", "step = compiled(plain)"],
    ),
    "method": (
        "class Owner:\n    @compiled\n    def step(self, {}):", 8, "",
        "{K}:self.h:owner.h f:self.rate:owner.rate", "owner.step",
        ["owner = Owner()", "owner.h, owner.rate = {made}, 0.375", "owner.ps, owner.opt, owner.ema = ps, opt, ema"],
    ),
    "model": (
        "class Net(nn.Module):\n    def forward(self, {}):", 8, "",
        "V:self.h:owner.h W:self.w: V:self.b:", "model",
        [
            "owner = Net()",
            "owner.h = {made}",
            "owner.w, owner.b = nn.Parameter(w.detach()), nn.Parameter(b.detach())",
            "ps = [owner.w, owner.b]",
            "opt = optim.SGD(ps, lr=0.25)",
            "model = compiled(owner)",
        ],
    ),
}  # fmt: skip

"""Optimisers and schedules make PyTorch's updates with every option over many steps, and take its state dicts."""

import itertools

import numpy as np
import pytest

import pyautograd as pa

torch = pytest.importorskip("torch")


def options_of(**choices):
    return [dict(zip(choices, values)) for values in itertools.product(*choices.values())]


NO_YES = [False, True]
DECAYS = [0.0, 0.1]
CASES = [
    *[
        ("SGD", o)
        for o in options_of(
            momentum=[0.0, 0.9], dampening=[0.0, 0.3], weight_decay=DECAYS, nesterov=NO_YES, maximize=NO_YES
        )
        if not o["nesterov"] or (o["momentum"] and not o["dampening"])
    ],
    *[
        ("Adam", o)
        for o in options_of(betas=[(0.9, 0.999), (0.5, 0.8)], weight_decay=DECAYS, amsgrad=NO_YES, maximize=NO_YES)
    ],
    *[("AdamW", o) for o in options_of(eps=[1e-8, 1e-2], weight_decay=DECAYS, amsgrad=NO_YES, maximize=NO_YES)],
    *[("RMSprop", o) for o in options_of(momentum=[0.0, 0.9], centered=NO_YES, weight_decay=DECAYS, maximize=NO_YES)],
    *[("Adagrad", o) for o in options_of(lr_decay=[0.0, 0.1], initial_accumulator_value=[0.0, 0.5], maximize=NO_YES)],
    *[("Adadelta", o) for o in options_of(rho=[0.9, 0.5], weight_decay=DECAYS, maximize=NO_YES)],
    *[("Adamax", o) for o in options_of(betas=[(0.9, 0.999), (0.5, 0.8)], weight_decay=DECAYS, maximize=NO_YES)],
    *[(name, o) for name in ("NAdam", "RAdam") for o in options_of(
        betas=[(0.9, 0.999), (0.5, 0.8)], weight_decay=DECAYS, decoupled_weight_decay=NO_YES, maximize=NO_YES
    )],
    *[("Rprop", o) for o in options_of(etas=[(0.5, 1.2), (0.3, 2.0)], step_sizes=[(1e-6, 50), (0.005, 0.02)])],
    *[("ASGD", o) for o in options_of(t0=[1e6, 10.0], lambd=[1e-4, 0.3], weight_decay=DECAYS, maximize=NO_YES)],
]  # fmt: skip
IDS = [f"{name}({', '.join(f'{k}={v}' for k, v in o.items() if v)})" for name, o in CASES]
SHAPES = [(7, 5), (33,), (1,), ()]


def parameters(lib, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return [lib.nn.Parameter(lib.tensor(np.asarray(rng.normal(size=shape), dtype))) for shape in SHAPES]


def train(lib, params, optimizer, dtype, steps, seed=1):
    rng = np.random.default_rng(seed)
    for step in range(steps):
        for i, p in enumerate(params):
            grad = np.asarray(rng.normal(size=SHAPES[i]), dtype)
            p.grad = None if (step + i) % 4 == 0 else lib.tensor(grad)  # some have none at times
        optimizer.step()


def compare(ours, theirs, tolerance):
    for o, t in zip(ours, theirs):
        np.testing.assert_allclose(o.detach().numpy(), t.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
def test_updates_are_pytorchs_over_many_steps(name, options, dtype) -> None:
    ours, theirs = parameters(pa, dtype), parameters(torch, dtype)
    mine = getattr(pa.optim, name)(ours, lr=0.01, **options)
    other = getattr(torch.optim, name)(theirs, lr=0.01, **options)
    train(pa, ours, mine, dtype, 30)
    train(torch, theirs, other, dtype, 30)
    tolerance = 1e-11 if dtype is np.float64 else 1e-4
    compare(ours, theirs, tolerance)
    mine_state, other_state = mine.state_dict(), other.state_dict()
    assert set(mine_state["state"]) == set(other_state["state"])
    for index, kept in other_state["state"].items():
        assert set(mine_state["state"][index]) == set(kept)
        for key, value in kept.items():
            np.testing.assert_allclose(
                mine_state["state"][index][key].numpy(), value.numpy(), rtol=tolerance * 10, atol=tolerance
            )
    for group, other_group in zip(mine_state["param_groups"], other_state["param_groups"]):
        assert {k: other_group[k] for k in group} == group


@pytest.mark.parametrize(("name", "options"), CASES[::5], ids=IDS[::5])
def test_a_state_dict_of_pytorch_is_taken_over(name, options) -> None:
    theirs = parameters(torch, np.float64)
    other = getattr(torch.optim, name)(theirs, lr=0.02, **options)
    train(torch, theirs, other, np.float64, 9)
    ours = [pa.nn.Parameter(pa.tensor(t.detach().numpy())) for t in theirs]
    mine = getattr(pa.optim, name)(ours, lr=7.0)
    state = other.state_dict()
    state["state"] = {
        index: {key: value.numpy() for key, value in kept.items()} for index, kept in state["state"].items()
    }
    mine.load_state_dict(state)
    train(torch, theirs, other, np.float64, 9, seed=2)
    train(pa, ours, mine, np.float64, 9, seed=2)
    compare(ours, theirs, 1e-11)


@pytest.mark.parametrize(
    "build",
    [
        lambda s, o: s.StepLR(o, 3, gamma=0.3),
        lambda s, o: s.ExponentialLR(o, 0.9),
        lambda s, o: s.LambdaLR(o, lambda epoch: 0.95**epoch),
        lambda s, o: s.LambdaLR(o, [lambda epoch: 0.95**epoch, lambda epoch: 1 / (epoch + 1)]),
        lambda s, o: s.CosineAnnealingLR(o, 7),
        lambda s, o: s.CosineAnnealingLR(o, 7, eta_min=0.01),
        lambda s, o: s.MultiStepLR(o, [3, 8, 8], gamma=0.3),
        lambda s, o: s.ConstantLR(o, 0.3, 7),
        lambda s, o: s.LinearLR(o, 0.2, 0.9, 7),
        lambda s, o: s.PolynomialLR(o, 30, 0.9),
        lambda s, o: s.MultiplicativeLR(o, lambda epoch: 1 - epoch / 100),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 5),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, eta_min=0.01),
        lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5),
        lambda s, o: s.CyclicLR(o, [0.01, 0.02], [0.1, 0.2], 5, 3, mode="triangular2"),
        lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, mode="exp_range", gamma=0.95, cycle_momentum=False),
        lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, scale_fn=lambda cycle: 1 / cycle),
        lambda s, o: s.OneCycleLR(o, 0.3, total_steps=41),
        lambda s, o: s.OneCycleLR(o, [0.3, 0.2], epochs=5, steps_per_epoch=9, anneal_strategy="linear"),
        lambda s, o: s.OneCycleLR(o, 0.3, total_steps=50, three_phase=True, cycle_momentum=False),
        lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1), s.ExponentialLR(o, 0.9), s.StepLR(o, 4)], [5, 20]),
        lambda s, o: s.SequentialLR(o, [s.ConstantLR(o, 0.1, 20), s.CosineAnnealingLR(o, 9)], [7]),
        lambda s, o: s.ChainedScheduler([s.LinearLR(o, 0.1), s.ExponentialLR(o, 0.9)]),
    ],
)
def test_schedules_are_the_same(build) -> None:
    runs = []
    for lib in (pa, torch):
        params = parameters(lib, np.float64)
        optimizer = lib.optim.SGD([{"params": params[:2]}, {"params": params[2:], "lr": 0.3}], lr=0.1, momentum=0.9)
        schedule = build(lib.optim.lr_scheduler, optimizer)
        runs.append([])
        for _ in range(40):
            optimizer.step()
            schedule.step()
            runs[-1] += schedule.get_last_lr() + [group["momentum"] for group in optimizer.param_groups]
    assert runs[0] == pytest.approx(runs[1], rel=1e-13)


@pytest.mark.parametrize("options", [
    {"swa_lr": 0.05}, {"swa_lr": [0.05, 0.5], "anneal_epochs": 4, "anneal_strategy": "linear"},
    {"swa_lr": 0.05, "anneal_epochs": 0},
], ids=str)  # fmt: skip
def test_the_schedule_towards_an_averages_lr_is_pytorchs(options) -> None:
    runs = []
    for lib in (pa, torch):
        params = parameters(lib, np.float64)
        optimizer = lib.optim.SGD([{"params": params[:2]}, {"params": params[2:], "lr": 0.3}], lr=0.1)
        schedule = lib.optim.swa_utils.SWALR(optimizer, **options)
        runs.append(schedule.get_last_lr())
        for _ in range(15):
            optimizer.step()
            schedule.step()
            runs[-1] += schedule.get_last_lr()
    assert runs[0] == pytest.approx(runs[1], rel=1e-13)


@pytest.mark.parametrize("average", [
    lambda s: {}, lambda s: {"use_buffers": True}, lambda s: {"avg_fn": s.get_swa_avg_fn()},
    lambda s: {"avg_fn": s.get_ema_avg_fn(0.8), "use_buffers": True},
    lambda s: {"multi_avg_fn": s.get_swa_multi_avg_fn()},
    lambda s: {"multi_avg_fn": s.get_ema_multi_avg_fn(0.8)},
    lambda s: {"multi_avg_fn": s.get_ema_multi_avg_fn(0.3), "use_buffers": True},
])  # fmt: skip
def test_averages_of_weights_are_pytorchs(average) -> None:
    found = []
    for lib in (pa, torch):
        rng, swa = np.random.default_rng(0), lib.optim.swa_utils
        model = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.BatchNorm1d(3)).double()
        averaged = swa.AveragedModel(model, **average(swa))
        for _ in range(5):
            with lib.no_grad():
                for param in model.parameters():
                    param.copy_(lib.tensor(rng.normal(size=tuple(param.shape))))
            model(lib.tensor(rng.normal(size=(7, 2))))
            averaged.update_parameters(model)
        states = [{name: each.tolist() for name, each in averaged.state_dict().items()}]
        swa.update_bn([(lib.tensor(rng.normal(size=(7, 2))), 0) for _ in range(3)], averaged)
        found.append([*states, {name: each.tolist() for name, each in averaged.state_dict().items()}])
    for ours, theirs in zip(*found):
        assert ours.keys() == theirs.keys()
        for name, numbers in theirs.items():
            np.testing.assert_allclose(ours[name], numbers, rtol=1e-6, err_msg=name)  # theirs has float32 weights


@pytest.mark.parametrize("options", [
    {}, {"patience": 1, "factor": 0.5}, {"mode": "max", "threshold": 0.2, "patience": 0, "cooldown": 2},
    {"threshold_mode": "abs", "threshold": 0.3, "patience": 2, "min_lr": 0.02},
], ids=str)  # fmt: skip
def test_a_schedule_by_a_metric_is_pytorchs(options) -> None:
    metrics, runs = np.random.default_rng(0).normal(size=40).cumsum(), []
    for lib in (pa, torch):
        optimizer = lib.optim.SGD(parameters(lib, np.float64), lr=0.1)
        schedule = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        runs.append([(schedule.step(metric), schedule.get_last_lr()) for metric in metrics])
    assert runs[0] == runs[1]


def test_schedules_may_be_stacked_as_in_pytorch() -> None:
    runs = []
    for lib in (pa, torch):
        optimizer = lib.optim.SGD(parameters(lib, np.float64), lr=0.1)
        schedules = [lib.optim.lr_scheduler.ExponentialLR(optimizer, 0.9), lib.optim.lr_scheduler.StepLR(optimizer, 2)]
        runs.append([])
        for _ in range(6):
            optimizer.step()
            for schedule in schedules:
                schedule.step()
            runs[-1].append(optimizer.param_groups[0]["lr"])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("seed", range(3))
def test_random_split_has_pytorchs_lengths(seed) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(20):
        n = int(rng.integers(5, 50))
        fractions = rng.dirichlet(np.ones(3)) * 0.999
        fractions = [*fractions[:2], 1 - fractions[0] - fractions[1]]
        lengths = []
        for lib in (pa, torch):
            data = lib.utils.data.TensorDataset(lib.zeros(n))
            try:
                lengths.append([len(part) for part in lib.utils.data.random_split(data, fractions)])
            except (UserWarning, ValueError):  # an empty part; a sum above 1 in the last digit
                break
        assert len(lengths) < 2 or lengths[0] == lengths[1]


def fit(lib, seed, **options):
    """Losses, calls of the closure and parameters of four steps of L-BFGS."""
    drawn = np.random.default_rng(seed).normal
    arrays = [drawn(size=(3, 4)), drawn(size=4), drawn(size=(20, 3)), drawn(size=(20, 4))]
    w, b, x, y = map(lib.tensor, arrays)
    optimizer = lib.optim.LBFGS([w.requires_grad_(), b.requires_grad_()], **options)
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = (lib.tanh(x @ w + b) - y).pow(2).mean() + (w**4).sum() * 0.01
        loss.backward()
        losses.append(loss.item())
        return loss

    steps = [optimizer.step(closure).item() for _ in range(4)]
    state = optimizer.state[w]
    return (len(losses), state["n_iter"], state["func_evals"]), [*steps, *losses], w.detach().numpy()


@pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])
@pytest.mark.parametrize("options", [{}, {"lr": 0.3, "max_iter": 7, "history_size": 3}, {"lr": 0.5, "max_eval": 5}])
def test_lbfgs_goes_pytorchs_way(line_search_fn, options):
    for seed in range(5):
        ours, theirs = (fit(lib, seed, line_search_fn=line_search_fn, **options) for lib in (pa, torch))
        assert ours[0] == theirs[0]
        np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-8)
        np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-6, atol=1e-8)

"""Schedules set the lr of their formula, resume where they were saved, and a failed step leaves them as they were."""

import math

import pytest

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd.optim import lr_scheduler


def lrs_of(make, epochs=8, lr=1.0):
    optimizer = optim.SGD([nn.Parameter(pa.ones(1))], lr=lr)
    schedule = make(optimizer)
    lrs = []
    for _ in range(epochs):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
        assert schedule.get_last_lr() == [optimizer.param_groups[0]["lr"]]
    return lrs


def test_a_schedule_gives_the_lr_of_its_formula() -> None:
    assert lrs_of(lambda o: lr_scheduler.StepLR(o, 3, 0.5)) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]
    assert lrs_of(lambda o: lr_scheduler.ExponentialLR(o, 0.5), 4) == [1, 0.5, 0.25, 0.125]
    assert lrs_of(lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)), 4) == [1, 1 / 2, 1 / 3, 1 / 4]
    cosine = lrs_of(lambda o: lr_scheduler.CosineAnnealingLR(o, 4, eta_min=0.2), 9)
    assert cosine == pytest.approx([0.2 + 0.4 * (1 + math.cos(math.pi * i / 4)) for i in range(9)])


def test_schedules_reach_the_update() -> None:
    p = nn.Parameter(pa.zeros(1))
    optimizer = optim.SGD([p], lr=1.0)
    schedule = lr_scheduler.StepLR(optimizer, 1, 0.5)
    for _ in range(3):
        p.grad = pa.ones(1)
        optimizer.step()
        schedule.step()
    assert p.item() == -1.75


def test_a_schedule_resumes_from_its_state_dict() -> None:
    def make():
        optimizer = optim.SGD([nn.Parameter(pa.ones(1))], lr=1.0)
        return optimizer, lr_scheduler.CosineAnnealingLR(optimizer, 10)

    (optimizer, schedule), (other_optimizer, other) = make(), make()
    for _ in range(3):
        optimizer.step()
        schedule.step()
    other_optimizer.load_state_dict(optimizer.state_dict())
    other.load_state_dict(schedule.state_dict())
    for o, s in ((optimizer, schedule), (other_optimizer, other)):
        o.step()
        s.step()
    assert schedule.get_last_lr() == other.get_last_lr()
    assert other.last_epoch == 4


def test_a_schedule_of_lambdas_has_one_for_each_group_and_saves_objects_among_them() -> None:
    class Factor:
        def __init__(self, base):
            self.base = base

        def __call__(self, epoch):
            return self.base**epoch

    params = [nn.Parameter(pa.ones(1)) for _ in range(2)]
    optimizer = optim.SGD([{"params": [p]} for p in params], lr=1.0)
    schedule = lr_scheduler.LambdaLR(optimizer, [Factor(0.5), lambda epoch: 1.0])
    assert schedule.state_dict()["lr_lambdas"] == [{"base": 0.5}, None]
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.5, 1.0]
    with pytest.raises(ValueError, match="Expected 2 lr_lambdas, but got 1"):
        lr_scheduler.LambdaLR(optimizer, [lambda epoch: 1.0])


def test_a_schedule_before_its_optimizer_warns_and_one_without_is_refused() -> None:
    optimizer = optim.SGD([nn.Parameter(pa.ones(1))], lr=1.0)
    with pytest.warns(UserWarning, match=r"before optimizer\.step"):
        lr_scheduler.StepLR(optimizer, 1).step()
    with pytest.raises(TypeError, match="StepLR: optimizer must be an Optimizer, not int"):
        lr_scheduler.StepLR(3, 1)
    fresh = optim.SGD([nn.Parameter(pa.ones(1))], lr=1.0)
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(fresh, 1, last_epoch=3)


def test_a_schedule_that_fails_stays_where_it_was() -> None:
    optimizer, failing = optim.SGD([nn.Parameter(pa.ones(1))], lr=1.0), [False]

    def factor(epoch: int) -> float:
        if failing[0]:
            raise KeyboardInterrupt
        return 0.5**epoch

    schedule = lr_scheduler.LambdaLR(optimizer, factor)
    optimizer.step()
    schedule.step()
    failing[0] = True
    before = schedule.state_dict()
    with pytest.raises(KeyboardInterrupt):
        schedule.step()
    assert schedule.state_dict() == before
    failing[0] = False
    optimizer.add_param_group({"params": [nn.Parameter(pa.ones(1))], "lr": 1.0})
    with pytest.raises(ValueError, match=r"LambdaLR: .* 1 parameter groups, and the optimizer has 2"):
        schedule.step()
    assert schedule.state_dict() == before
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 1.0]

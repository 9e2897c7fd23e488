"""Batches, samplers, splits and schedules give what PyTorch's give."""

import collections
import io

import numpy as np
import pytest

import pyautograd as pa

torch = pytest.importorskip("torch")

Pair = collections.namedtuple("Pair", "a b")


def plain(x):
    """What both libraries hold, in words of neither."""
    if isinstance(x, (torch.Tensor, pa.Tensor)):
        return str(x.dtype).rpartition(".")[2], tuple(x.shape), x.tolist()
    if isinstance(x, dict):
        return {key: plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x).__name__, [plain(value) for value in x]
    return x


class Datasets:
    """The same datasets for one library or the other."""

    def __init__(self, library) -> None:
        data = library.utils.data
        self.tensor, self.data = library, data
        self.rows = data.TensorDataset(library.arange(5), library.ones(5, 2))

        class Stream(data.IterableDataset):
            def __iter__(self):
                return iter(range(5))

        class Fields(data.Dataset):
            def __len__(self):
                return 5

            def __getitem__(self, i):
                return {"x": i, "y": float(i), "s": str(i), "t": library.ones(2) * i}

        class Batched(Fields):
            def __getitems__(self, indices):
                return [10 * i for i in indices]

        self.stream, self.fields, self.batched = Stream(), Fields(), Batched()

    def load(self, dataset, *arguments, **options):
        return list(self.data.DataLoader(dataset, *arguments, **options))


CASES = {
    "stream": lambda d: d.load(d.stream, 2),
    "stream without batches": lambda d: d.load(d.stream, None),
    "stream, last dropped": lambda d: d.load(d.stream, 2, drop_last=True),
    "fields": lambda d: d.load(d.fields, 2),
    "fields without batches": lambda d: d.load(d.fields, None),
    "rows": lambda d: d.load(d.rows, 2),
    "rows without batches": lambda d: d.load(d.rows, None),
    "rows, last dropped": lambda d: d.load(d.rows, 2, drop_last=True),
    "many items at once": lambda d: d.load(d.batched, 3),
    "a subset of many items at once": lambda d: d.load(d.data.Subset(d.batched, [3, 1]), 3),
    "a tensor": lambda d: d.load(d.tensor.arange(4).reshape(4, 1), 3),
    "ints": lambda d: d.load([1, 2, 3], 2),
    "ints and a float": lambda d: d.load([1, 2.5], 2),
    "bools": lambda d: d.load([True, False], 2),
    "lists": lambda d: d.load([[1, 2.0], [3, 4.0]], 2),
    "named tuples": lambda d: d.load([Pair(1, 2.0), Pair(2, 3.0)], 2),
    "text": lambda d: d.load(["a", "b"], 2),
    "float32 arrays": lambda d: d.load(np.ones((4, 2), np.float32), 2),
    "NumPy numbers": lambda d: d.load([np.float32(1), np.float32(2)], 2),
    "sampler": lambda d: d.load(d.rows, 2, sampler=[3, -1, 0]),
    "sampler of a tensor": lambda d: d.load(d.rows, 2, sampler=d.tensor.tensor([1, 2])),
    "batch sampler": lambda d: d.load(d.rows, batch_sampler=[[0, 1], [2]]),
    "subset": lambda d: d.load(d.data.Subset(d.rows, [3, 1, -1]), 2),
    "sum": lambda d: d.load(d.rows + d.rows, 4),
    "collate": lambda d: d.load(d.rows, 2, collate_fn=len),
    "collate one": lambda d: d.load([1, 2], None, collate_fn=float),
    "nothing": lambda d: d.load([], 2),
    "a batch of none": lambda d: d.load([1], 0),
    "a batch of half": lambda d: d.load([1], 2.5),
    "shuffled and sampled": lambda d: d.load([1], shuffle=True, sampler=[0]),
    "split": lambda d: [len(part) for part in d.data.random_split(range(10), [3, 7])],
    "split by fractions": lambda d: [len(part) for part in d.data.random_split(range(10), [0.33, 0.33, 0.34])],
    "split by odd fractions": lambda d: [len(part) for part in d.data.random_split(range(11), [0.5, 0.5])],
    "split that is too short": lambda d: d.data.random_split(range(10), [3, 3]),
    "split that rounds to the sum": lambda d: d.data.random_split(range(10), [5.7, 5.3]),
    "replacement": lambda d: len(list(d.data.RandomSampler(range(3), True, 7))),
    "more than there is": lambda d: sorted(d.data.RandomSampler(range(3), num_samples=6)),
    "batches of a sampler": lambda d: list(d.data.BatchSampler(range(5), 2, True)),
    "batches of no size": lambda d: d.data.BatchSampler(range(5), 0, True),
    "batches by a sampler of batches": lambda d: d.load(
        d.rows, batch_sampler=d.data.BatchSampler(d.data.SequentialSampler(d.rows), 3, False)
    ),
    "a subset in random order": lambda d: sorted(d.data.SubsetRandomSampler([4, 2])),
    "by weights, all": lambda d: sorted(d.data.WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)),
    "by weights, one": lambda d: list(d.data.WeightedRandomSampler([0.0, 2.0], 3)),
    "by weights, none": lambda d: d.data.WeightedRandomSampler([1.0], 0),
    "stacked": lambda d: d.load(d.data.StackDataset(d.rows, range(5)), 2),
    "stacked by name": lambda d: d.load(d.data.StackDataset(a=d.fields, b=range(5)), 2),
    "stacked of two lengths": lambda d: d.data.StackDataset("ab", "c"),
    "chained": lambda d: d.load(d.data.ChainDataset([d.stream, d.stream]), 4),
    **{
        f"sequences, {side}, {first}": lambda d, side=side, first=first: d.tensor.nn.utils.rnn.pad_sequence(
            [d.tensor.arange(6.0).reshape(3, 2), d.tensor.ones(1, 2), d.tensor.zeros(0, 2)], first, 7.0, side
        )
        for side in ("left", "right")
        for first in (False, True)
    },
    "sequences of ints": lambda d: d.tensor.nn.utils.rnn.pad_sequence(
        [d.tensor.tensor([1, 2]), d.tensor.tensor([3])], padding_value=-1
    ),
    "sequences again": lambda d: d.tensor.nn.utils.rnn.unpad_sequence(
        d.tensor.arange(6.0).reshape(3, 2), d.tensor.tensor([1, 3])
    ),
    "no samples": lambda d: d.data.RandomSampler(range(3), num_samples=0),
    "a seed for replacement": lambda d: d.data.RandomSampler(range(3), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_datasets_samplers_and_loaders_give_or_refuse_what_pytorchs_do(name: str) -> None:
    answers = []
    for library in (torch, pa):
        try:
            answers.append(plain(CASES[name](Datasets(library))))
        except Exception as error:
            answers.append(type(error))
    assert answers[0] == answers[1]


SCHEDULES = {
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "ExponentialLR": {"gamma": 0.9},
    "CosineAnnealingLR": {"T_max": 4, "eta_min": 0.1},
    "LambdaLR": {"lr_lambda": lambda epoch: 0.8**epoch},
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_that_are_resumed_or_disturbed_go_on_as_pytorchs_do(name: str) -> None:
    def rates(library, save, load):
        def begin(**options):
            first, second = (library.nn.Parameter(library.ones(3)) for _ in range(2))
            optimizer = library.optim.SGD([{"params": [first]}, {"params": [second], "lr": 0.5}], lr=1.0)
            return optimizer, lambda: getattr(library.optim.lr_scheduler, name)(optimizer, **SCHEDULES[name], **options)

        optimizer, start = begin()
        schedule, seen = start(), []
        for epoch in range(9):
            optimizer.step()
            schedule.step()
            seen.append(schedule.get_last_lr())
            if epoch == 3:
                stream = io.BytesIO()
                save({"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}, stream)
                stream.seek(0)
                loaded = load(stream)
                optimizer, start = begin()
                schedule = start()
                optimizer.load_state_dict(loaded["optimizer"])
                schedule.load_state_dict(loaded["schedule"])
                seen.append(schedule.get_last_lr())
            if epoch == 5:
                optimizer.param_groups[0]["lr"] *= 2
        state = optimizer.state_dict()
        optimizer, start = begin(last_epoch=8)
        optimizer.load_state_dict(state)
        schedule = start()
        seen.append(schedule.get_last_lr())
        optimizer.step()
        schedule.step()
        return [*seen, schedule.get_last_lr()]

    expected = rates(torch, torch.save, lambda stream: torch.load(stream, weights_only=False))
    np.testing.assert_allclose(rates(pa, pa.save, pa.load), expected, rtol=1e-12)


def test_seeds_mean_what_they_mean_to_generators_of_pytorch() -> None:
    for seed in (0, 7, -1, -(2**63), 2**64 - 1):
        assert pa.Generator().manual_seed(seed).initial_seed() == torch.Generator().manual_seed(seed).initial_seed()
        assert pa.manual_seed(seed).initial_seed() == torch.manual_seed(seed).initial_seed()
        assert pa.initial_seed() == torch.initial_seed()
    for seed in (2**64, -(2**63) - 1):
        for seeds in (pa.manual_seed, torch.manual_seed):
            with pytest.raises(ValueError):
                seeds(seed)
    assert pa.Generator().initial_seed() == torch.Generator().initial_seed()

"""Loaders give batches in the order of samplers and seeds; splits and concatenations give every item once."""

import collections

import numpy as np
import pytest

import pyautograd as pa
from pyautograd.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)


class Squares(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i, float(i * i)


def numbers(n=10):
    return TensorDataset(pa.arange(n), (pa.arange(n) * 10).reshape(n, 1))


def rows(loader):
    return [x.tolist() for x, *_ in loader]


def test_a_dataset_of_tensors_gives_rows_and_slices_of_equally_long_ones() -> None:
    data = numbers()
    assert len(data) == 10
    assert [t.tolist() for t in data[3]] == [3, [30]]
    assert [t.tolist() for t in data[2:4]] == [[2, 3], [[20], [30]]]
    with pytest.raises(ValueError, match=r"\(3,\), \(4,\)"):
        TensorDataset(pa.ones(3), pa.ones(4))
    with pytest.raises(ValueError, match="no tensors"):
        TensorDataset()
    with pytest.raises(TypeError, match="ndarray"):
        TensorDataset(np.ones(3))


def test_a_loader_gives_batches_in_order() -> None:
    loader = DataLoader(numbers(), batch_size=4)
    assert len(loader) == 3
    assert rows(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    x, y = next(iter(loader))
    assert tuple(y.shape) == (4, 1)
    assert x.dtype is pa.int64
    dropped = DataLoader(numbers(), batch_size=4, drop_last=True)
    assert len(dropped) == 2 == len(rows(dropped))


@pytest.mark.parametrize("dataset", [numbers(10), Squares(10)], ids=["tensors", "items"])
def test_shuffled_batches_differ_by_epoch_and_repeat_by_seed(dataset) -> None:
    loader = DataLoader(dataset, batch_size=3, shuffle=True)
    pa.manual_seed(1)
    first, second = rows(loader), rows(loader)
    assert first != second
    assert sorted(i for batch in first for i in batch) == list(range(10))
    assert [len(batch) for batch in first] == [3, 3, 3, 1]
    pa.manual_seed(1)
    assert [rows(loader), rows(loader)] == [first, second]


def test_pairs_stay_together() -> None:
    for x, y in DataLoader(numbers(), batch_size=3, shuffle=True):
        assert (x * 10).tolist() == y.reshape(-1).tolist()


def test_a_seed_of_the_loader_leaves_the_global_generator_alone() -> None:
    def orders():
        loader = DataLoader(numbers(), batch_size=10, shuffle=True, generator=7)
        return rows(loader), rows(loader)

    pa.manual_seed(0)
    expected = pa.rand(3).tolist()
    pa.manual_seed(0)
    one, two = orders()
    assert pa.rand(3).tolist() == expected
    assert (one, two) == orders()
    assert one != two
    by_numpy = DataLoader(numbers(), batch_size=10, shuffle=True, generator=np.random.default_rng(7))
    assert rows(by_numpy) == one
    pa.manual_seed(0)
    generator = pa.Generator().manual_seed(3)
    first = random_split(numbers(), [5, 5], generator=generator)[0].indices
    assert pa.rand(3).tolist() == expected
    assert random_split(numbers(), [5, 5], generator=generator)[0].indices != first
    assert random_split(numbers(), [5, 5], generator=generator.manual_seed(3))[0].indices == first
    with pytest.raises(TypeError, match="Generator"):
        random_split(numbers(), [5, 5], generator="3")


def test_batches_are_copies() -> None:
    data = TensorDataset(pa.zeros(4))
    for (x,) in DataLoader(data, batch_size=2):
        x.fill_(1.0)
    assert data.tensors[0].tolist() == [0.0] * 4


@pytest.mark.parametrize("shuffle", [False, True])
def test_subsets_of_subsets_are_loaded(shuffle) -> None:
    subset = Subset(Subset(numbers(), [9, 8, 7, 6, 5]), [0, 2, 4])
    batches = rows(DataLoader(subset, batch_size=2, shuffle=shuffle))
    assert [len(batch) for batch in batches] == [2, 1]
    flat = [i for batch in batches for i in batch]
    assert (sorted(flat) if shuffle else flat) == ([5, 7, 9] if shuffle else [9, 7, 5])


def test_samplers_choose_the_rows_of_batches() -> None:
    for dataset in (numbers(), Squares(10)):
        assert rows(DataLoader(dataset, batch_size=2, sampler=[5, 3, 1])) == [[5, 3], [1]]
        batches = DataLoader(dataset, batch_sampler=[[1, 2, 3], [4]])
        assert rows(batches) == [[1, 2, 3], [4]]
        assert len(batches) == 2
    assert list(SequentialSampler(range(3))) == [0, 1, 2]
    sampler = RandomSampler(range(5), generator=0)
    assert len(sampler) == 5
    assert sorted(sampler) == list(range(5))


def test_items_are_collated_into_tensors_or_by_the_function_given() -> None:
    x, y = next(iter(DataLoader(Squares(3), batch_size=3)))
    assert x.dtype is pa.int64
    assert y.dtype is pa.float64
    assert y.tolist() == [0.0, 1.0, 4.0]
    assert next(iter(DataLoader(Squares(3), batch_size=2, collate_fn=list))) == [(0, 0.0), (1, 1.0)]
    assert next(iter(DataLoader(numbers(2), collate_fn=len))) == 1


def test_default_collate_stacks_numbers_tensors_and_arrays_in_their_containers() -> None:
    Pair = collections.namedtuple("Pair", "a b")
    batch = default_collate([Pair(1, {"t": pa.ones(2), "s": "x"}), Pair(2, {"t": pa.zeros(2), "s": "y"})])
    assert isinstance(batch, Pair)
    assert batch.a.tolist() == [1, 2]
    assert batch.b["t"].tolist() == [[1.0, 1.0], [0.0, 0.0]]
    assert batch.b["s"] == ["x", "y"]
    assert default_collate([np.float32(1), np.float32(2)]).dtype is pa.float32
    assert tuple(default_collate([np.ones((2, 3))] * 4).shape) == (4, 2, 3)
    with pytest.raises(TypeError, match="object"):
        default_collate([object()])
    with pytest.raises(ValueError, match="fields"):
        default_collate([(1, 2), (1,)])


def test_without_a_batch_size_a_loader_gives_single_samples() -> None:
    assert list(DataLoader(Squares(2), batch_size=None)) == [[0, 0.0], [1, 1.0]]
    assert [x.tolist() for x, _ in DataLoader(numbers(2), batch_size=None)] == [0, 1]


def test_an_iterable_dataset_is_batched_as_it_comes() -> None:
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(range(5))

    assert [batch.tolist() for batch in DataLoader(Stream(), batch_size=2)] == [[0, 1], [2, 3], [4]]
    assert [batch.tolist() for batch in DataLoader(Stream(), batch_size=2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(), batch_size=None)) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="IterableDataset"):
        DataLoader(Stream(), shuffle=True)


def test_loaders_refuse_options_that_make_no_sense_or_exclude_each_other() -> None:
    data = numbers()
    with pytest.raises(ValueError, match="in this process: num_workers must be 0, not 2"):
        DataLoader(data, num_workers=2)
    for size in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="batch_size"):
            DataLoader(data, batch_size=size)
    with pytest.raises(ValueError, match="exclusive"):
        DataLoader(data, sampler=[1], shuffle=True)
    with pytest.raises(ValueError, match="exclusive"):
        DataLoader(data, batch_sampler=[[1]], batch_size=3)


def test_an_empty_dataset_gives_no_batches() -> None:
    for shuffle in (False, True):
        loader = DataLoader(TensorDataset(pa.zeros(0, 2)), batch_size=3, shuffle=shuffle)
        assert len(loader) == 0
        assert list(loader) == []


def test_a_concatenation_gives_the_items_of_one_dataset_after_the_other() -> None:
    both = ConcatDataset([Squares(2), Squares(3)])
    assert [both[i][0] for i in range(5)] == [0, 1, 0, 1, 2]
    assert both[-1] == (2, 4.0)
    with pytest.raises(IndexError):
        both[5]


def test_a_random_split_shares_out_all_items_by_lengths_or_fractions() -> None:
    parts = random_split(numbers(), [7, 3], generator=0)
    assert [len(part) for part in parts] == [7, 3]
    indices = [i for part in parts for i in part.indices]
    assert sorted(indices) == list(range(10))
    assert indices != list(range(10))
    again = random_split(numbers(), [7, 3], generator=0)
    assert [part.indices for part in parts] == [part.indices for part in again]
    assert parts[0][0][0].item() == parts[0].indices[0]
    assert [len(part) for part in random_split(numbers(), [0.5, 0.35, 0.15])] == [6, 3, 1]


def test_rows_may_be_counted_from_the_end() -> None:
    for dataset in (numbers(), [(pa.tensor(i), 0) for i in range(10)]):
        assert rows(DataLoader(Subset(dataset, [3, -1]), batch_size=2)) == [[3, 9]]
        assert rows(DataLoader(Subset(Subset(dataset, [3, -1]), [-1, 0]), batch_size=2)) == [[9, 3]]
        assert rows(DataLoader(dataset, batch_size=2, sampler=[3, -1])) == [[3, 9]]


def test_a_dataset_may_read_many_items_at_once() -> None:
    class Batched(Squares):
        def __getitems__(self, indices):
            return [(10 * i, 0.0) for i in indices]

    assert rows(DataLoader(Batched(4), batch_size=3)) == [[0, 10, 20], [30]]
    assert rows(DataLoader(Subset(Batched(4), [3, 1]), batch_size=3)) == [[30, 10]]
    assert rows(DataLoader(Subset(Squares(4), [3, 1]), batch_size=3)) == [[3, 1]]


def test_datasets_are_put_together_by_adding_them() -> None:
    assert [x for x, _ in Squares(2) + Squares(3)] == [0, 1, 0, 1, 2]


def test_a_random_split_follows_manual_seed() -> None:
    splits = []
    for _ in range(2):
        pa.manual_seed(5)
        splits.append(random_split(numbers(), [0.8, 0.2])[1].indices)
    assert splits[0] == splits[1]


def test_a_random_split_refuses_lengths_that_do_not_sum_up() -> None:
    with pytest.raises(ValueError, match=r"\[5\.7, 4\.3\] do not sum"):
        random_split(numbers(), [5.7, 4.3])
    with pytest.raises(ValueError, match="do not sum"):
        random_split(numbers(), [7, 4])
    with pytest.raises(ValueError, match="fraction"):
        random_split(numbers(), [1.5, -0.5])
    with pytest.warns(UserWarning, match="empty"):
        random_split(numbers(1), [0.5, 0.5])


def test_samplers_draw_by_weight_from_a_subset_and_in_batches() -> None:
    drawn = list(WeightedRandomSampler([1.0, 0.0, 3.0], 4000))
    assert set(drawn) == {0, 2} and 0.7 < drawn.count(2) / 4000 < 0.8
    assert sorted(WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)) == [0, 1, 2]
    with pytest.raises(ValueError, match="multinomial"):
        list(WeightedRandomSampler([1.0, 2.0], 3, replacement=False))
    subset = SubsetRandomSampler([7, 3, 5], generator=pa.Generator().manual_seed(0))
    orders = [list(subset) for _ in range(9)]
    assert all(sorted(order) == [3, 5, 7] for order in orders) and len({tuple(order) for order in orders}) > 1
    batches = BatchSampler(subset, 2, True)
    assert len(batches) == 1 and [len(batch) for batch in batches] == [2]
    assert rows(DataLoader(numbers(), batch_sampler=BatchSampler(range(5), 2, False))) == [[0, 1], [2, 3], [4]]
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="positive int"):
            BatchSampler(range(5), wrong, False)
        with pytest.raises(ValueError, match="positive int"):
            WeightedRandomSampler([1.0], wrong)


def test_datasets_are_chained_and_stacked() -> None:
    assert list(ChainDataset([range(2), "ab"])) == [0, 1, "a", "b"]
    assert StackDataset("ab", [1, 2])[0] == ("a", 1)
    named = StackDataset(x=Squares(3), y=range(3))
    assert len(named) == 3 and named[2] == {"x": (2, 4.0), "y": 2}
    for wrong in ({}, {"x": "ab", "y": "c"}):
        with pytest.raises(ValueError, match="StackDataset"):
            StackDataset(**wrong)

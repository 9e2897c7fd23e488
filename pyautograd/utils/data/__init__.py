"""Datasets and the loader that makes batches of them, with the names of `torch.utils.data`; all in this process.

>>> import pyautograd as pa
>>> data = TensorDataset(pa.arange(10), pa.arange(10) * 10)
>>> for x, y in DataLoader(data, batch_size=4):
...     print(x.tolist(), y.tolist())
[0, 1, 2, 3] [0, 10, 20, 30]
[4, 5, 6, 7] [40, 50, 60, 70]
[8, 9] [80, 90]
"""

from pyautograd.utils.data._collate import default_collate
from pyautograd.utils.data._dataset import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset, random_split
from pyautograd.utils.data._loader import DataLoader
from pyautograd.utils.data._sampler import RandomSampler, Sampler, SequentialSampler

__all__ = [
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "TensorDataset",
    "default_collate",
    "random_split",
]

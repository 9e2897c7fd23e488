"""Datasets and the loader that makes batches of them, with the names of `torch.utils.data`; all in this process.

>>> import pyautograd as pa
>>> data = TensorDataset(pa.arange(10), pa.arange(10) * 10)
>>> for x, y in DataLoader(data, batch_size=4):
...     print(x.tolist(), y.tolist())
[0, 1, 2, 3] [0, 10, 20, 30]
[4, 5, 6, 7] [40, 50, 60, 70]
[8, 9] [80, 90]
"""

from pyautograd._absent import say_what_is_missing
from pyautograd.utils.data import _collate, _dataset, _loader, _sampler
from pyautograd.utils.data._collate import *
from pyautograd.utils.data._dataset import *
from pyautograd.utils.data._loader import *
from pyautograd.utils.data._sampler import *

__all__: list[str] = []
__all__ += _collate.__all__
__all__ += _dataset.__all__
__all__ += _loader.__all__
__all__ += _sampler.__all__


def __dir__() -> list[str]:
    return __all__


say_what_is_missing(__name__)

"""What `register_hook` and its like return."""

from __future__ import annotations

import itertools
import weakref
from typing import Any

__all__ = ["RemovableHandle"]

_numbers = itertools.count()


class RemovableHandle:
    """Takes a hook away again by `remove()`, or at the end of a `with`.

    >>> import pyautograd as pa
    >>> layer = pa.nn.ReLU()
    >>> with layer.register_forward_pre_hook(lambda module, args: 10 * args[0]):
    ...     layer(pa.tensor([-1.0, 2.0]))
    tensor([ 0., 20.])
    >>> layer(pa.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(self, holder: Any) -> None:
        self.id = next(_numbers)
        self._holder = weakref.ref(holder)

    def remove(self) -> None:
        """The hook is not called any more; nothing happens where it is not there.

        >>> import pyautograd as pa
        >>> layer = pa.nn.ReLU()
        >>> handle = layer.register_forward_hook(lambda module, args, output: print(output))
        >>> y = layer(pa.tensor([-1.0, 2.0]))
        tensor([0., 2.])
        >>> handle.remove()
        >>> y = layer(pa.tensor([-1.0, 2.0]))
        """
        holder = self._holder()
        if holder is not None:
            holder._remove_hook(self.id)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

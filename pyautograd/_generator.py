"""Random streams: Generator objects, and the default one that each thread has."""

from __future__ import annotations

import operator
import os
import threading
from typing import Any

from pyautograd import _core
from pyautograd._c import ffi, lib, node_pointer, refuse_in_step
from pyautograd._dtype import int64

__all__ = ["Generator", "default_generator", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]

_WORDS = 1 << 64
_FIRST_SEED = 67280421310721  # PyTorch's, for generators that nobody seeded
_PROCESS_SEED = 0x853C49E6748FEA9B  # of a process that nobody seeded


class Generator:
    """A stream of random numbers of its own, as `torch.Generator`: whatever draws takes one as `generator=`.

    Its draws are the ones that the default stream gives after `manual_seed` with the same seed, and neither touches the
    other. A copy, by `copy` or pickle, goes on from the same place by itself. **Raises** RuntimeError for another
    device than "cpu".

    >>> import pyautograd as pa
    >>> g = pa.Generator().manual_seed(42)
    >>> a = pa.rand(3, generator=g)
    >>> bool((pa.rand(3, generator=g.manual_seed(42)) == a).all())
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        if str(device) != "cpu":
            raise RuntimeError(f"Generator: there is no device {device!r} here, only cpu")
        # A tensor, so that a compiled step that draws from it reads and writes it as any other
        self._state = _core.empty(int64.code, (2,))
        self._stream()[0:2] = (_FIRST_SEED, 0)

    @property
    def device(self) -> str:
        """Where it draws: "cpu"."""
        return "cpu"

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream anew from a seed, an int of 64 bits with or without a sign; returns the generator.

        **Raises** TypeError for what is no int, ValueError for an int of more bits.

        >>> import pyautograd as pa
        >>> pa.Generator().manual_seed(42).initial_seed()
        42
        """
        self._put(word("manual_seed", seed), 0, True)
        return self

    def seed(self) -> int:
        """Starts the stream anew from a seed that nobody can foresee, and returns that.

        >>> import pyautograd as pa
        >>> g = pa.Generator()
        >>> g.seed() == g.initial_seed()
        True
        """
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self.initial_seed()

    def initial_seed(self) -> int:
        """The seed that the stream started from.

        >>> import pyautograd as pa
        >>> pa.Generator().manual_seed(7).initial_seed()
        7
        """
        return self.get_state()[0]

    def get_state(self) -> tuple[int, int]:
        """Where the stream stands: its seed, and how many numbers were drawn from it.

        >>> import pyautograd as pa
        >>> pa.Generator().manual_seed(7).get_state()
        (7, 0)
        """
        refuse_in_step("reading where a random stream stands", "read it outside")
        numbers = self._stream()
        return numbers[0], numbers[1]

    def set_state(self, state: tuple[int, int]) -> Generator:
        """Puts the stream to where `get_state` said that it stood; returns the generator.

        **Raises** TypeError, or ValueError for ints of more than 64 bits, for what `get_state` cannot have returned.

        >>> import pyautograd as pa
        >>> g = pa.Generator()
        >>> state = g.get_state()
        >>> a = pa.rand(3, generator=g)
        >>> bool((pa.rand(3, generator=g.set_state(state)) == a).all())
        True
        """
        if not isinstance(state, (tuple, list)) or len(state) != 2:
            raise TypeError(f"set_state: a state is the pair that get_state returns, not {state!r}")
        seed, counter = (word("set_state", number) for number in state)
        self._put(seed, counter, False)
        return self

    def __reduce__(self) -> Any:
        return Generator, (), self.get_state()

    def __setstate__(self, state: tuple[int, int]) -> None:
        self.set_state(state)

    def __repr__(self) -> str:
        seed, drawn = self.get_state()
        return f"<pyautograd.Generator, seed {seed}, {drawn} numbers drawn>"

    def _stream(self) -> Any:
        """The two numbers, for C."""
        return ffi.cast("uint64_t *", self._state._data_pointer)

    def _put(self, seed: int, counter: int, is_new: bool) -> None:
        refuse_in_step("seeding a random stream", "seed it before the first step")
        numbers = self._stream()
        numbers[0], numbers[1] = seed, counter


class _DefaultGenerator(Generator):
    """Stands for the stream of whichever thread asks."""

    def __init__(self) -> None:
        pass

    def _stream(self) -> Any:
        return lib.pa_random_stream()

    def _put(self, seed: int, counter: int, is_new: bool) -> None:
        refuse_in_step("seeding a random stream", "seed it before the first step")
        lib.pa_random_stream_set(seed, counter, is_new and _is_main_thread())


default_generator = _DefaultGenerator()


def manual_seed(seed: int) -> Generator:
    """Starts the calling thread's stream anew: that of every random tensor, initialisation, dropout and shuffle that is
    given no generator. Returns `default_generator`, which stands for the stream.

    Each thread has a stream of its own, and what others draw does not change it. The stream of a thread that never
    seeded it follows from the seed that the main thread set last and from how many such threads have drawn since, so
    that no two draw the same, and the same threads one after the other draw the same again. For numbers that do not
    depend on which thread comes first, call `manual_seed` in each or give it a `Generator`. A process that was never
    seeded starts from the same seed each time; after a fork, parent and child draw the same.

    **Raises** TypeError for what is no int, ValueError for an int of more than 64 bits.

    >>> import pyautograd
    >>> _ = pyautograd.manual_seed(0)
    >>> a = pyautograd.rand(3)
    >>> _ = pyautograd.manual_seed(0)
    >>> bool((a == pyautograd.rand(3)).all())
    True
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Starts the calling thread's stream anew from a seed that nobody can foresee, and returns that.

    >>> import pyautograd as pa
    >>> pa.seed() == pa.initial_seed()
    True
    """
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the calling thread's stream started from.

    >>> import pyautograd as pa
    >>> _ = pa.manual_seed(7)
    >>> pa.initial_seed()
    7
    """
    return default_generator.initial_seed()


def get_rng_state() -> tuple[int, int]:
    """Where the calling thread's stream stands: its seed, and how many numbers were drawn from it.

    >>> import pyautograd as pa
    >>> _ = pa.manual_seed(7)
    >>> pa.get_rng_state()
    (7, 0)
    """
    return default_generator.get_state()


def set_rng_state(state: tuple[int, int]) -> None:
    """Puts the calling thread's stream to where it stood. **Raises** as `Generator.set_state`.

    >>> import pyautograd as pa
    >>> state = pa.get_rng_state()
    >>> a = pa.rand(3)
    >>> pa.set_rng_state(state)
    >>> bool((pa.rand(3) == a).all())
    True
    """
    default_generator.set_state(state)


def stream_of(op: str, generator: Generator | None) -> Any:
    """The two numbers of a generator, of the calling thread's stream for None."""
    state_of(op, generator)
    return (generator or default_generator)._stream()


def state_of(op: str, generator: Generator | None) -> Any:
    """The node of a generator's state; NULL, which stands for the calling thread's stream, for None; TypeError naming
    op for others."""
    if generator is None or generator is default_generator:
        return ffi.NULL
    if not isinstance(generator, Generator):
        raise TypeError(f"{op}: generator is a pyautograd.Generator, not {generator!r}")
    return node_pointer(generator._state)


def _is_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


def word(op: str, number: Any) -> int:
    """An int of 64 bits, as it is without a sign."""
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise TypeError(f"{op}: takes an int, not {number!r}")
    whole: int = operator.index(number)
    if not -_WORDS // 2 <= whole < _WORDS:
        raise ValueError(f"{op}: {whole} has more than 64 bits")
    return whole % _WORDS


if _is_main_thread():
    lib.pa_random_stream_set(_PROCESS_SEED, 0, True)

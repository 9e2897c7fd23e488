"""What hooks are taken away with, by the path that PyTorch has it under."""

from pyautograd._hooks import RemovableHandle

__all__ = ["RemovableHandle"]


def __dir__() -> list[str]:
    return __all__

"""Actions at once in threads, and an interrupt from one while another is in the middle of its work."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import pyautograd


def in_threads(*actions: Callable[[], Any]) -> list[Any]:
    """Runs the actions at once; what each returned, or the exception it raised."""
    results: list[Any] = [None] * len(actions)
    barrier = threading.Barrier(len(actions))

    def run(i: int) -> None:
        barrier.wait()
        try:
            results[i] = actions[i]()
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def interrupt_while_in_use(parameter: pyautograd.Tensor) -> threading.Thread:
    """A thread that sends SIGINT once a program is running on the parameter."""

    def wait() -> None:
        with pyautograd.no_grad(), pytest.raises(RuntimeError, match="another thread"):
            while True:
                pyautograd._core.check_write(parameter, "wait")
                time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread

"""Waiting: what runs in an event loop's thread must not wait; here it learns that it would, and is moved elsewhere."""

import threading
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


class WouldWait(BaseException):
    """
    Raised where something was about to wait in a thread that everybody else waits for.

    It passes through every `except Exception`, as a cancellation does: nothing failed, it is only to be done again
    where waiting is harmless. What was done up to here must therefore have had no effect; a judgement has none.
    """


class _Here(threading.local):
    is_forbidden = False


_here = _Here()


def about_to_wait() -> None:
    """To be called right before asking the network for something. Raises WouldWait in the thread of an event loop."""
    if _here.is_forbidden:
        raise WouldWait


def without_waiting(call: Callable[[], _Result]) -> _Result:
    """Call something that must not wait. Raises WouldWait when it would."""
    _here.is_forbidden = True
    try:
        return call()
    finally:
        _here.is_forbidden = False

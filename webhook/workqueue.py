"""Work queue: names that need a look, each at most once at a time; urgent ones first, failed ones later and later."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import deque
from collections.abc import Callable

FIRST_RETRY = 0.1
LONGEST_RETRY = 30.0


class WorkQueue:
    """
    A queue of names for several workers.

    A name that is added while it waits is one entry; while it is worked on, it comes back when that is done. So no two
    workers ever have the same name, and no addition is lost.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, jitter: Callable[[], float] = random.random
    ) -> None:
        self._clock, self._jitter = clock, jitter
        self._changed = threading.Condition()
        self._urgent: deque[str] = deque()
        self._ordinary: deque[str] = deque()
        self._later: list[tuple[float, int, str]] = []
        self._due: dict[str, float] = {}
        self._waiting: dict[str, bool] = {}  # name -> urgent
        self._working: set[str] = set()
        self._again: dict[str, bool] = {}
        self._failures: dict[str, int] = {}
        self._numbers = itertools.count()
        self._closed = False

    def add(self, name: str, *, urgent: bool = False) -> None:
        with self._changed:
            if name in self._working:
                self._again[name] = urgent or self._again.get(name, False)
            else:
                self._enqueue(name, urgent=urgent)

    def add_later(self, name: str, seconds: float) -> None:
        """Unless it is to come sooner anyway."""
        with self._changed:
            due = self._clock() + seconds
            if self._due.get(name, float("inf")) > due:
                self._due[name] = due
                heapq.heappush(self._later, (due, next(self._numbers), name))
                self._changed.notify()

    def get(self, *, wait: bool = True) -> str | None:
        """The next name, to be given back with `done`; None when closed, or when there is none and we do not wait."""
        with self._changed:
            while not self._closed:
                self._promote()
                for line in (self._urgent, self._ordinary):
                    while line:
                        name = line.popleft()
                        # A name that became urgent left its place in the other line behind.
                        if self._waiting.pop(name, None) is not None:
                            self._working.add(name)
                            return name
                if not wait:
                    return None
                self._changed.wait(self._later[0][0] - self._clock() if self._later else None)
            return None

    def done(self, name: str) -> None:
        with self._changed:
            self._working.discard(name)
            if name in self._again:
                self._enqueue(name, urgent=self._again.pop(name))

    def retry(self, name: str) -> float:
        """Bring it back after a pause that doubles with each failure; returns the pause."""
        with self._changed:
            failures = self._failures.get(name, 0)
            self._failures[name] = failures + 1
        pause = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(failures, 20)) * (0.75 + 0.5 * self._jitter())
        self.add_later(name, pause)
        return pause

    def forget(self, name: str) -> None:
        """It succeeded: the next failure is the first again."""
        with self._changed:
            self._failures.pop(name, None)

    def clear(self) -> None:
        """Somebody else does the work now."""
        with self._changed:
            for line in (self._urgent, self._ordinary, self._later, self._waiting, self._due, self._again):
                line.clear()
            self._failures.clear()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        """How many wait now; those of later are not counted."""
        return len(self._waiting)

    def _enqueue(self, name: str, *, urgent: bool) -> None:
        was = self._waiting.get(name)
        if was or was is urgent:
            return
        self._waiting[name] = urgent
        (self._urgent if urgent else self._ordinary).append(name)
        self._changed.notify()

    def _promote(self) -> None:
        now = self._clock()
        while self._later and self._later[0][0] <= now:
            due, _, name = heapq.heappop(self._later)
            if self._due.get(name) == due:
                del self._due[name]
                if name in self._working:
                    self._again.setdefault(name, False)
                else:
                    self._enqueue(name, urgent=False)

"""Supervise: child processes that are started again when they die, and that die with their parent."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
# A child that lived this long and then died did not die of its arguments: it is started again at once.
_STEADY_SECONDS = 30.0
_LONGEST_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Child:
    """One role as a process: its name in the logs and the arguments of `isolation-baseline`."""

    name: str
    arguments: tuple[str, ...]


class Supervisor:
    """Runs children until stopped; a child that exits is started again, with a growing pause when it exits at once."""

    def __init__(self, children: Sequence[Child], *, environment: Mapping[str, str] | None = None) -> None:
        self._stopping = threading.Event()
        self._environment = {**os.environ, **(environment or {})}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._threads = {c.name: threading.Thread(target=self._keep, args=(c,), daemon=True) for c in children}
        self._order = [c.name for c in children]
        self._gone: set[str] = set()

    def start(self, name: str) -> None:
        self._threads[name].start()

    def pid(self, name: str) -> int | None:
        process = self._running.get(name)
        return process.pid if process is not None else None

    def stop(self, grace_seconds: float) -> None:
        """End the children, the last started first; what does not end in time is killed."""
        self._stopping.set()
        for name in reversed(self._order):
            self.stop_one(name, grace_seconds)

    def stop_one(self, name: str, grace_seconds: float) -> None:
        """End one child for good."""
        with self._lock:
            self._gone.add(name)
            process = self._running.get(name)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                process.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._threads[name].is_alive():
            self._threads[name].join(grace_seconds)

    def _keep(self, child: Child) -> None:
        pause = 0.2
        while True:
            with self._lock:
                if self._stopping.is_set() or child.name in self._gone:
                    return
                process = self._spawn(child)
                self._running[child.name] = process
            started = time.monotonic()
            code = process.wait()
            if self._stopping.is_set() or child.name in self._gone:
                return
            lived = time.monotonic() - started
            pause = 0.2 if lived > _STEADY_SECONDS else min(pause * 2, _LONGEST_WAIT)
            log.error("child=%s exit=%s lived=%.1fs restart_in=%.1fs", child.name, code, lived, pause)
            if self._stopping.wait(pause):
                return

    def _spawn(self, child: Child) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "webhook.cli", *child.arguments],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            # A session of its own: Ctrl-C reaches the parent alone, which then ends the children in order.
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),
            env=self._environment,
        )


def _die_with(parent: int) -> Callable[[], None] | None:
    """
    Linux only: the kernel ends the child with its parent, also after kill -9. Elsewhere such a child stays.

    The signal is tied to the thread that forks, which for us lives as long as the supervisor.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def bind() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return bind


def is_ready(url: str) -> tuple[bool, str]:
    """Ask a health endpoint once; the text says why not."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # our own http://127.0.0.1
            return answer.status == 200, answer.read(2_000).decode("utf-8", "replace").strip()
    except urllib.error.HTTPError as e:
        return False, e.read(2_000).decode("utf-8", "replace").strip()
    except OSError as e:
        return False, str(e)


def wait_until(condition: Callable[[], tuple[bool, str]], *, seconds: float, stop: threading.Event) -> tuple[bool, str]:
    """Ask until it holds, time is up or `stop` is set; the text is the last reason."""
    deadline = time.monotonic() + seconds
    while True:
        holds, why = condition()
        if holds or time.monotonic() > deadline or stop.wait(0.05):
            return holds, why

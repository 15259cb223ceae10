"""Starts the control plane's processes and ends every one of them, whatever happens to us."""

import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# etcd and the API server leave at once; whatever is still there after this holds nothing that anybody wants.
GRACE_SECONDS = 3.0
TAIL_LINES = 15


class ProcessEnded(Exception):
    """When a process of the control plane ended by itself."""

    def __init__(self, name: str, code: int, tail: str) -> None:
        super().__init__(name, code, tail)
        self.name, self.code, self.tail = name, code, tail

    def __str__(self) -> str:
        return f"{self.name} ended with code {self.code}; the last lines of its log:\n{self.tail}"


@dataclass(frozen=True, slots=True)
class Process:
    name: str
    log: Path
    popen: "subprocess.Popen[bytes]"

    def check(self) -> None:
        """
        Say so if it has ended.

        Raises:
            ProcessEnded: with the end of its log.
        """
        code = self.popen.poll()
        if code is not None:
            raise ProcessEnded(self.name, code, self.tail())

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def stop(self) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


@dataclass(frozen=True, slots=True)
class Processes:
    """The running ones; they end in reverse order when the `with` block of `processes` does."""

    folder: Path
    _reaper: IO[str]
    _stack: ExitStack

    def start(self, name: str, command: Sequence[str | Path]) -> Process:
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            # A session of its own: Ctrl-C in a terminal reaches us, and we end the processes in order.
            popen = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = Process(name, log, popen)
        self._stack.callback(process.stop)
        self._reaper.write(f"{popen.pid}\n")
        self._reaper.flush()
        return process


@contextmanager
def processes(folder: Path) -> Iterator[Processes]:
    reaper = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("reaper.py"), folder],
        stdin=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert reaper.stdin is not None
    with reaper, ExitStack() as stack:
        yield Processes(folder, reaper.stdin, stack)
        stack.close()
        reaper.stdin.write("done\n")
        reaper.stdin.flush()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now; somebody may take one before we do, so starting is tried more than once."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]

"""What a person sees while the control plane is fetched or built: lines on standard error, with the time passed."""

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

# Often enough to see that it lives, seldom enough for a CI log of a ten-minute build.
INTERVAL_SECONDS = 10.0
TAIL_LINES = 30


class CommandFailed(Exception):
    """When a command that fetches or builds something ended with an error."""

    def __init__(self, label: str, code: int, tail: str) -> None:
        super().__init__(label, code, tail)
        self.label, self.code, self.tail = label, code, tail

    def __str__(self) -> str:
        return f"{self.label}: exit code {self.code}; its last lines:\n{self.tail}"


def say(line: str) -> None:
    print(f"control plane: {line}", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def run(
    command: Sequence[str | os.PathLike[str]],
    label: str,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    counted: str = "lines",
    total: int = 0,
) -> str:
    """
    Run a command to its end, with a line of progress now and then, and return what it wrote.

    The progress counts the command's lines, because `go build -v` writes one for each package.

    Raises:
        CommandFailed: with the last lines.
    """
    say(label)
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    lines: list[str] = []
    reader = threading.Thread(target=lines.extend, args=(process.stdout,), daemon=True)
    try:
        reader.start()
        while reader.is_alive():
            reader.join(INTERVAL_SECONDS)
            if reader.is_alive():
                of = f" of {total}" if total else ""
                count = f", {len(lines)}{of} {counted}" if lines else ""
                say(f"{label}: {clock(time.monotonic() - started)}{count}")
        code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        reader.join(INTERVAL_SECONDS)  # grandchildren may hold the pipe a moment longer
        if not reader.is_alive():
            process.stdout.close()
    if code:
        raise CommandFailed(label, code, "".join(deque(lines, TAIL_LINES)))
    return "".join(lines)

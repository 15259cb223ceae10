"""Ends the control plane when the process that started it died without doing so: killed, or crashed.

Started as `reaper.py FOLDER` with a pipe as standard input: each line is a process id to look after, `done` ends the
watch, and the pipe's end without it means that nobody else will clean up.
"""

import os
import shutil
import signal
import sys
import time

GRACE_SECONDS = 3.0
POLL_SECONDS = 0.1


def main() -> None:
    pids = []
    for line in sys.stdin:
        if line.strip() == "done":
            return
        pids.append(int(line))
    for pid in reversed(pids):
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and any(_signal(pid, 0) for pid in pids):
        time.sleep(POLL_SECONDS)
    for pid in pids:
        _signal(pid, signal.SIGKILL)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()

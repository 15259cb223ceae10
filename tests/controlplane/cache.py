"""The project's cache folder: entries that are complete or absent, never half; nothing here knows what is in them."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane.progress import say

PROJECT = Path(__file__).resolve().parents[2]
_CONTENTS = "contents.json"


def root() -> Path:
    """`ISOLATION_BASELINE_CACHE`, else the user's cache folder, else (a user without a home) one in the project."""
    if named := os.environ.get("ISOLATION_BASELINE_CACHE"):
        return Path(named).resolve()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "isolation-baseline"
    if home := os.environ.get("HOME"):
        return Path(home) / ".cache" / "isolation-baseline"
    return PROJECT / ".cache" / "isolation-baseline"


def lookup(name: str) -> Path | None:
    """
    The entry's folder if it is there and whole.

    The sizes are compared because a rename may reach the disk before the files' contents do, and a machine may stop
    between the two.
    """
    folder = root() / name
    try:
        contents = json.loads((folder / _CONTENTS).read_text())
        whole = all((folder / path).stat().st_size == size for path, size in contents.items())
    except (OSError, ValueError):
        return None
    return folder if whole else None


def entry(name: str, fill: Callable[[Path], None]) -> Path:
    """
    The entry's folder, filled by `fill` if it is absent.

    Of two processes one fills and the other waits. The folder gets its name only when `fill` has returned.
    """
    if found := lookup(name):
        return found
    with _locked():
        if found := lookup(name):
            return found
        for left in root().glob(".partial-*"):  # of a process that was killed: whoever lives holds the lock
            discard(left)
        discard(root() / name)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=root()))
        try:
            fill(partial)
            (partial / _CONTENTS).write_text(json.dumps(_sizes(partial), indent=0, sort_keys=True))
            partial.rename(root() / name)
        finally:
            discard(partial)
    return root() / name


def discard(folder: Path) -> None:
    """Remove a folder, also one that Go's module cache made read-only."""
    if not folder.exists():
        return
    for parent, _, _ in os.walk(folder):
        os.chmod(parent, 0o700)
    shutil.rmtree(folder)


def _sizes(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}


@contextmanager
def _locked() -> Iterator[None]:
    # One lock for the whole cache: two builds side by side would only halve each other's speed.
    root().mkdir(parents=True, exist_ok=True)
    with (root() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is filling the cache, waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield

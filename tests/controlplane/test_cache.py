"""The cache: an entry is complete or absent, whatever happened to whoever filled it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane import cache

PROJECT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLATION_BASELINE_CACHE", str(tmp_path))
    return tmp_path


def write(text: str, folder: Path) -> None:
    (folder / "program").write_text(text)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


ROOTS = [
    ("the project's own variable wins", {"ISOLATION_BASELINE_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
    ("then the desktop's", {"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/isolation-baseline"),
    ("then the home", {"HOME": "/c"}, "/c/.cache/isolation-baseline"),
    ("an empty variable is none", {"XDG_CACHE_HOME": "", "HOME": "/c"}, "/c/.cache/isolation-baseline"),
    ("no home at all", {"HOME": ""}, f"{PROJECT}/.cache/isolation-baseline"),
]


@pytest.mark.parametrize(("environment", "expected"), [row[1:] for row in ROOTS], ids=[row[0] for row in ROOTS])
def test_root(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str) -> None:
    for name in ("ISOLATION_BASELINE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(cache.root()) == expected


def test_an_entry_is_filled_once(folder: Path) -> None:
    assert cache.lookup("tool-1") is None
    first = cache.entry("tool-1", lambda target: write("first", target))
    second = cache.entry("tool-1", lambda target: write("second", target))
    assert first == second == cache.lookup("tool-1") == folder / "tool-1"
    assert (first / "program").read_text() == "first"


def test_a_filling_that_fails_leaves_nothing(folder: Path) -> None:
    def fail(target: Path) -> None:
        write("half", target)
        raise RuntimeError("no space")

    with pytest.raises(RuntimeError, match="no space"):
        cache.entry("tool-1", fail)
    assert cache.lookup("tool-1") is None
    assert names(folder) == {"lock"}


@pytest.mark.parametrize("damage", ["", "shorter"], ids=["an emptied file", "a cut file"])
def test_a_damaged_entry_is_absent_and_filled_again(damage: str) -> None:
    filled = cache.entry("tool-1", lambda target: write("the program", target))
    (filled / "program").write_text(damage)
    assert cache.lookup("tool-1") is None
    cache.entry("tool-1", lambda target: write("the program", target))
    assert (filled / "program").read_text() == "the program"


def test_a_read_only_folder_is_discarded(tmp_path: Path) -> None:
    inner = tmp_path / "modules" / "inner"
    inner.mkdir(parents=True)
    write("kept", inner)
    inner.chmod(0o500)
    cache.discard(tmp_path / "modules")
    assert not (tmp_path / "modules").exists()


SLOW = """
import sys, time
from tests.controlplane import cache
def fill(target):
    (target / "program").write_text(sys.argv[1])
    print("filling", flush=True)
    sys.stdin.read()
cache.entry("tool-1", fill)
"""


def filling(text: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", SLOW, text]
    return subprocess.Popen(
        command, cwd=PROJECT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_of_two_processes_one_fills_and_the_other_waits() -> None:
    with filling("first") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "filling\n"
        with filling("second") as second:
            assert second.stderr is not None
            assert "waiting for it" in second.stderr.readline()
            first.communicate("")
            assert second.communicate("") == ("", "")
    assert (cache.root() / "tool-1" / "program").read_text() == "first"


def test_what_a_killed_process_left_is_cleared_by_the_next(folder: Path) -> None:
    with filling("first") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "filling\n"
        os.kill(first.pid, signal.SIGKILL)
    assert cache.lookup("tool-1") is None
    assert len(names(folder)) == 2  # the lock and the half
    cache.entry("tool-1", lambda target: write("whole", target))
    assert names(folder) == {"lock", "tool-1"}

"""The option that leaves the API server out: it counts what it leaves out, and says so last."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
INDIRECT = """
import pytest

@pytest.fixture
def world(control_plane):
    return control_plane

@pytest.mark.apiserver
def test_marked(): ...

def test_through_a_fixture(world): ...

def test_without(): ...
"""


def run(tmp_path: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    (tmp_path / "test_sample.py").write_text(INDIRECT)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-c"]
    command += [str(PROJECT / "pyproject.toml"), "-q", *options, str(tmp_path / "test_sample.py")]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_what_is_left_out_is_counted_in_the_last_line(tmp_path: Path) -> None:
    answer = run(tmp_path, "--without-apiserver")
    lines = answer.stdout.splitlines()
    assert (answer.returncode, lines[-1]) == (0, "NOT TRIED ON A REAL API SERVER: 2 tests left out")
    assert "1 passed, 2 deselected" in lines[-2]


def test_what_another_option_leaves_out_is_not_counted(tmp_path: Path) -> None:
    answer = run(tmp_path, "--without-apiserver", "-k", "marked or without")
    assert answer.stdout.splitlines()[-1] == "NOT TRIED ON A REAL API SERVER: 1 tests left out"


def test_without_the_option_nothing_is_left_out(tmp_path: Path) -> None:
    answer = run(tmp_path, "--collect-only")
    assert [line.rpartition("::")[2] for line in answer.stdout.splitlines() if "::" in line] == [
        "test_marked",
        "test_through_a_fixture",
        "test_without",
    ]
    assert "NOT TRIED" not in answer.stdout

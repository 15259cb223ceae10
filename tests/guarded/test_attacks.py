"""Every attack on a real API server: with the webhook up, with it dead, with its configuration changed or deleted."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guarded import guard
from tests.guarded.attacks import ATTACKS
from tests.guarded.attempt import NAMESPACES, Row, Send, Stage
from tests.guarded.attempts_seen import DOCUMENT, Seen, document
from tests.guarded.conftest import Guarded

ROWS = [pytest.param(row, id=f"{family}: {row.tried}") for family, rows in ATTACKS.items() for row in rows]
SURVIVORS = [
    pytest.param(row, id=f"{family}: {row.tried}") for family, rows in ATTACKS.items() for row in rows if row.dead
]
# Calico's real definitions hold the built-in tiers by themselves, before anybody is asked; our stand-ins do not.
CALICOS_OWN = re.compile(r"The '[a-z-]+' tier must have|[a-z-]+ tier order must be")
PROBE = Send("POST", f"{NAMESPACES}?dryRun=All", {"metadata": {"name": "attacks-probe", "labels": {"env": "dev"}}})


@pytest.fixture(scope="session")
def seen() -> Seen:
    return Seen()


@pytest.fixture(scope="module")
def stage(guarded: Guarded) -> Stage:
    return Stage.build(guarded)


@pytest.fixture(scope="class")
def dead(guarded: Guarded, stage: Stage) -> Iterator[Stage]:
    """No process of the webhook lives: its supervisor is stopped, so that it does not start another."""
    os.kill(guarded.dev.process.pid, signal.SIGSTOP)
    try:
        for pid in _with_descendants(guarded.dev.children("serve")):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        stage.plane.until(lambda: stage.send("tenant", PROBE).status == 500 or None, "the webhook's death")
        yield stage
    finally:
        os.kill(guarded.dev.process.pid, signal.SIGCONT)
    stage.plane.until(lambda: stage.send("tenant", PROBE).status == 201 or None, "the webhook's return", 60.0)


def _with_descendants(pids: list[int]) -> list[int]:
    found = list(pids)
    for pid in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


@pytest.fixture(scope="class")
def bare(guarded: Guarded, stage: Stage) -> Iterator[Stage]:
    """Both configurations are deleted, and the controller, which would put them back, is stopped."""
    (controller,) = guarded.dev.children("control")
    os.kill(controller, signal.SIGSTOP)
    try:
        for path in (guard.VALIDATING, guard.MUTATING):
            assert stage.send("administrator", Send("DELETE", path)).status == 200
        # Without a parameter the native policy says 422.
        stage.plane.until(lambda: stage.send("tenant", PROBE).status == 422 or None, "the guard's guard to notice")
        yield stage
    finally:
        os.kill(controller, signal.SIGCONT)
    stage.plane.until(lambda: stage.send("tenant", PROBE).status == 201 or None, "the configuration's return", 60.0)


@pytest.mark.parametrize("row", ROWS)
def test_with_the_webhook_up(stage: Stage, seen: Seen, row: Row) -> None:
    """It is refused with the rule's name, and everything is as it was."""
    status, message, changed = outcome(stage, row)
    seen.of(row, "up", status, message, changed)
    assert (status, changed) == (row.status, []), message
    assert row.says in message


class TestDead:
    @pytest.mark.parametrize("row", SURVIVORS)
    def test_with_the_webhook_dead(self, dead: Stage, seen: Seen, row: Row) -> None:
        """Nothing is weakened when nobody answers."""
        status, message, changed = outcome(dead, row)
        seen.of(row, "dead", status, message, changed)
        assert (status, changed) == (row.dead, []), message


class TestBare:
    @pytest.mark.parametrize("row", SURVIVORS)
    def test_with_the_configuration_deleted(self, bare: Stage, seen: Seen, row: Row) -> None:
        """Nor when nobody is asked, and nobody puts that right."""
        status, message, changed = outcome(bare, row)
        seen.of(row, "bare", status, message, changed)
        if row.open_without:
            assert (status, changed) == (200, list(row.watched)), "this is held by now: take the remark out"
            return
        assert changed == [], message
        assert status >= 400 or status == row.status, message


@pytest.mark.parametrize("tampered", guard.TAMPERED, ids=[t.how for t in guard.TAMPERED])
def test_right_after_the_guard_was_changed(stage: Stage, seen: Seen, tampered: guard.Tampered) -> None:
    """What follows at once is refused all the same, and the guard is as it was within seconds."""
    before, kept = guard.shape(stage, tampered.path), stage.look(guard.KEPT)
    assert stage.send("administrator", tampered.send).status == 200
    statuses = [stage.send("cluster-admin", send).status for send in guard.FOLLOWING]
    started = time.monotonic()
    stage.plane.until(lambda: guard.shape(stage, tampered.path) == before or None, f"{tampered.path} again", 10.0)
    seen.restored[tampered.how] = time.monotonic() - started
    assert all(status in (403, 422, 500) for status in statuses), statuses
    assert stage.look(guard.KEPT) == kept
    stage.plane.until(lambda: stage.send("tenant", PROBE).status == 201 or None, "the guard's trust in it", 10.0)


def test_the_document_is_what_was_seen(seen: Seen, request: pytest.FixtureRequest) -> None:
    """`pytest tests/guarded --update-attacks` writes it anew."""
    if len(seen.rows) < len(ROWS) or not seen.restored:
        pytest.skip("only a whole run tells all of it")
    text = document(seen)
    if request.config.getoption("--update-attacks", default=False):
        DOCUMENT.write_text(text)
    assert DOCUMENT.read_text() == text, "run pytest tests/guarded --update-attacks"


def outcome(stage: Stage, row: Row) -> tuple[int, str, list[str]]:
    """How the last request ended, its message, and what of the watched objects is not as it was."""
    try:
        for send in row.prepared:
            answer = stage.send("break-glass", send)
            assert answer.status < 300, (send, answer.body)
        stage.settle(row.prepared)
        before = stage.look(row.watched)
        answers = [stage.send(row.who, send) for send in row.sends]
        after = stage.look(row.watched)
    finally:
        for send in row.undone:
            stage.send("break-glass", send)
    is_new = row.sends[-1].verb == "POST"
    if is_new and answers[-1].status == 201:
        # What should not have been stored must not help the next attack.
        stage.send("break-glass", Send("DELETE", f"{row.watched[0]}/{answers[-1].body['metadata']['name']}"))
    changed = [path for path in row.watched if _differs(before[path], after[path], is_new)]
    message = answers[-1].body.get("message", "") if isinstance(answers[-1].body, dict) else ""
    if answers[-1].status == 422 and CALICOS_OWN.search(message):
        return 403, row.says, changed
    return answers[-1].status, message, changed


def _differs(before: str, after: str, is_new: bool) -> bool:
    if is_new:
        # What goes away meanwhile is others' business; what came is ours.
        return not set(after.splitlines()) <= set(before.splitlines())
    return before != after

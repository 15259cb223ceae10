"""The ordinary work of a cluster on a real API server: accepted, with its effect; what never waits, also when dead."""

from __future__ import annotations

from typing import Any

import pytest

from tests.guarded.attempt import MERGING, Row, Send, Stage
from tests.guarded.ordinary import ORDINARY
from tests.guarded.test_attacks import dead, stage

__all__ = ["dead", "stage"]  # fixtures


def served(stage: Stage, row: Row) -> tuple[int, str, str]:
    """How the request ended, its message, and where what is stored is not what was asked for."""
    (send,) = row.sends
    for prepared in row.prepared:
        answer = stage.send(row.who, prepared)
        assert answer.status < 300, (prepared, answer.body)
    answer = stage.send(row.who, send)
    body = answer.body if isinstance(answer.body, dict) else {}
    path = row.watched[0]
    name = (body.get("metadata") or {}).get("name", "")
    if send.verb == "POST":
        path = f"{path}/{name}"
    wrong = _wrong(stage, send, path) if answer.status < 300 else ""
    for undo in row.undone:
        stage.send("break-glass", undo)
    if answer.status == 201 and not row.undone:
        stage.send("break-glass", Send("DELETE", path))
    return answer.status, str(body.get("message", "")), wrong


def _wrong(stage: Stage, send: Send, path: str) -> str:
    status, stored = stage.plane.request("GET", path)
    if "dryRun" in send.path:
        return "" if status == 404 else f"{path} was stored by a dry run"
    if send.verb == "DELETE":
        is_gone = status == 404 or stored.get("items") == [] or "deletionTimestamp" in stored.get("metadata", {})
        return "" if is_gone else f"{path} is still there"
    if send.verb not in MERGING:
        return "" if status == 200 else f"{path}: {status}"
    return _missing(send.body, stored, path)


def _missing(asked: Any, stored: Any, path: str) -> str:
    """What of a merge is not in what is stored."""
    if isinstance(asked, dict):
        there = stored if isinstance(stored, dict) else {}
        for key, value in asked.items():
            if key == "stringData" or (value is None and key not in there):
                continue
            if key not in there:
                return f"{path}.{key} is not stored" if value not in ([], {}) else ""
            if found := _missing(value, there[key], f"{path}.{key}"):
                return found
        return ""
    if isinstance(asked, list):
        there = stored if isinstance(stored, list) and len(stored) == len(asked) else [None] * len(asked)
        return next((f for a, s in zip(asked, there, strict=True) if (f := _missing(a, s, path))), "")
    return "" if asked == stored else f"{path} is {stored!r} instead of {asked!r}"


ROWS = [pytest.param(row, id=f"{family}: {row.tried}") for family, rows in ORDINARY.items() for row in rows]
NEVER_WAITING = [
    pytest.param(row, id=f"{family}: {row.tried}") for family, rows in ORDINARY.items() for row in rows if row.dead
]


@pytest.mark.parametrize("row", ROWS)
def test_with_the_webhook_up(stage: Stage, row: Row) -> None:
    """It is accepted, and what is stored is what was asked for."""
    status, message, wrong = served(stage, row)
    assert (status, wrong) == (row.status, ""), message


class TestDead:
    @pytest.mark.parametrize("row", NEVER_WAITING)
    def test_with_the_webhook_dead(self, dead: Stage, row: Row) -> None:
        """What is ours to judge waits; everything else goes on."""
        status, message, wrong = served(dead, row)
        assert (status, wrong) == (row.dead, ""), message

"""Waiting: forbidden where others wait, allowed everywhere else, and never mistaken for a failure."""

import threading

import pytest

from webhook.api import NoAnswer
from webhook.kubeconfig import Endpoint
from webhook.transport import Transport
from webhook.waiting import WouldWait, about_to_wait, without_waiting


def ask() -> str:
    try:
        about_to_wait()
    except Exception:
        return "taken for a failure"
    return "asked"


def test_everyone_may_wait_who_is_not_told_otherwise() -> None:
    assert ask() == "asked"


def test_what_must_not_wait_is_stopped_before_it_does_and_past_every_handler() -> None:
    with pytest.raises(WouldWait):
        without_waiting(ask)
    assert ask() == "asked"


def test_other_threads_may_wait_meanwhile() -> None:
    seen: list[str] = []

    def elsewhere() -> None:
        thread = threading.Thread(target=lambda: seen.append(ask()))
        thread.start()
        thread.join()

    without_waiting(elsewhere)
    assert seen == ["asked"]


def test_asking_an_api_server_is_waiting() -> None:
    # Nobody listens there, so without the rule it would be another error.
    transport = Transport(lambda: Endpoint("http://127.0.0.1:1"))
    with pytest.raises(WouldWait):
        without_waiting(lambda: transport.send("GET", "/api", None, None, 1.0))
    with pytest.raises(NoAnswer):
        transport.send("GET", "/api", None, None, 1.0)

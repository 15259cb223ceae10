"""Events are told without holding anything up, and never more than the API server should bear."""

from __future__ import annotations

import threading

import pytest

from tests.stage import Time
from webhook.api import EVENTS, NAMESPACES, Manifest, NoAnswer
from webhook.events import BURST, PER_SECOND, Events
from webhook.memory import MemoryCluster
from webhook.memory_store import Call

SHOP = {"apiVersion": "v1", "kind": "Namespace", "name": "shop", "uid": "u"}


class Telling:
    def __init__(self) -> None:
        self.time = Time()
        self.cluster = MemoryCluster(linger=False)
        self.cluster.create(NAMESPACES, {"metadata": {"name": "default"}})
        self.events = Events(self.cluster, clock=self.time, now=self.time.now, instance="pod-1")

    def told(self) -> list[Manifest]:
        return self.events.waiting()


@pytest.fixture
def telling() -> Telling:
    return Telling()


def test_an_event_says_what_about_whom_and_when(telling: Telling) -> None:
    telling.events.tell(SHOP, "BaselineRepaired", "x" * 2000, warning=True)
    (event,) = telling.told()
    assert event["metadata"]["namespace"] == "default"
    assert event["metadata"]["name"].startswith("shop.")
    assert event["involvedObject"] == SHOP
    assert (event["type"], event["reason"], len(event["message"])) == ("Warning", "BaselineRepaired", 1000)
    assert event["firstTimestamp"] == "2026-01-01T00:16:40Z"
    assert event["source"] == {"component": "isolation-baseline", "host": "pod-1"}


def test_a_burst_is_cut_and_counted_and_goes_on_later(telling: Telling) -> None:
    for _ in range(int(BURST) + 7):
        telling.events.tell(SHOP, "BaselineReady", "ready")
    assert len(telling.told()) == BURST
    assert telling.events.dropped == 7
    telling.time.advance(1)
    for _ in range(int(PER_SECOND) + 1):
        telling.events.tell(SHOP, "BaselineReady", "ready")
    assert len(telling.told()) == PER_SECOND
    assert telling.events.dropped == 8


def test_an_event_that_cannot_be_told_is_no_failure(telling: Telling) -> None:
    def fail(call: Call) -> None:
        raise NoAnswer("create")

    telling.cluster.store.before = fail
    telling.events.tell(SHOP, "BaselineReady", "ready")
    for event in telling.told():
        telling.events.send(event)
    assert telling.events.dropped == 1


def test_the_thread_tells_and_ends(telling: Telling) -> None:
    thread = threading.Thread(target=telling.events.run)
    thread.start()
    telling.events.tell(SHOP, "BaselineReady", "ready")
    telling.events.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert [event["reason"] for event in telling.cluster.list(EVENTS).items] == ["BaselineReady"]

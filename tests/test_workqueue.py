"""The work queue: each name once, urgent ones first, none lost, failed ones later and later."""

from __future__ import annotations

import threading

import pytest

from tests.stage import Time
from webhook.workqueue import LONGEST_RETRY, WorkQueue


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def queue(time: Time) -> WorkQueue:
    return WorkQueue(clock=time, jitter=lambda: 0.5)


def drained(queue: WorkQueue) -> list[str]:
    names = []
    while (name := queue.get(wait=False)) is not None:
        names.append(name)
        queue.done(name)
    return names


ORDERS = [
    pytest.param([("a", False), ("b", False), ("a", False)], ["a", "b"], id="a name that waits is one entry"),
    pytest.param([("a", False), ("b", True)], ["b", "a"], id="urgent first"),
    pytest.param([("a", False), ("b", False), ("b", True)], ["b", "a"], id="a waiting name can become urgent"),
    pytest.param([("a", True), ("a", False), ("b", True)], ["a", "b"], id="an urgent name stays urgent"),
    pytest.param([], [], id="nothing"),
]


@pytest.mark.parametrize(("added", "expected"), ORDERS)
def test_order(queue: WorkQueue, added: list[tuple[str, bool]], expected: list[str]) -> None:
    for name, urgent in added:
        queue.add(name, urgent=urgent)
    assert len(queue) == len(expected)
    assert drained(queue) == expected


def test_a_name_in_work_is_not_given_to_a_second_worker_but_comes_back(queue: WorkQueue) -> None:
    queue.add("a")
    assert queue.get(wait=False) == "a"
    queue.add("a")
    queue.add("a", urgent=True)
    queue.add("b")
    assert queue.get(wait=False) == "b"
    assert queue.get(wait=False) is None
    queue.done("a")
    assert queue.get(wait=False) == "a"
    queue.done("a")
    assert queue.get(wait=False) is None


def test_pauses_double_up_to_a_limit_and_start_over_after_success(queue: WorkQueue, time: Time) -> None:
    pauses = [queue.retry("a") for _ in range(12)]
    assert pauses[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert pauses[-1] == LONGEST_RETRY
    queue.forget("a")
    assert queue.retry("a") == pytest.approx(0.1)
    time.advance(0.05)
    assert drained(queue) == []
    time.advance(0.06)
    assert drained(queue) == ["a"]


def test_the_sooner_of_two_later_times_counts_and_brings_it_once(queue: WorkQueue, time: Time) -> None:
    queue.add_later("a", 10)
    queue.add_later("a", 5)
    queue.add_later("a", 20)
    time.advance(5)
    assert drained(queue) == ["a"]
    time.advance(100)
    assert drained(queue) == []


def test_a_retry_that_comes_due_during_work_is_kept(queue: WorkQueue, time: Time) -> None:
    queue.add("a")
    assert queue.get(wait=False) == "a"
    queue.add_later("a", 1)
    time.advance(1)
    assert queue.get(wait=False) is None
    queue.done("a")
    assert drained(queue) == ["a"]


def test_clear_forgets_what_waits_and_what_comes_later(queue: WorkQueue, time: Time) -> None:
    queue.add("a")
    queue.add_later("b", 1)
    queue.clear()
    time.advance(2)
    assert drained(queue) == []
    queue.add("a")
    assert drained(queue) == ["a"]


def test_waiting_workers_take_every_name_once_and_end_when_closed() -> None:
    queue, taken, lock = WorkQueue(), [], threading.Lock()

    def work() -> None:
        while (name := queue.get()) is not None:
            with lock:
                taken.append(name)
            queue.done(name)
            if name == "499":
                queue.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for number in range(500):
        queue.add(str(number))
    for worker in workers:
        worker.join(10)
    assert not any(worker.is_alive() for worker in workers)
    assert len(taken) == len(set(taken)) >= 497

"""The election: one leader, a new one when the old is gone, and never a comparison of two machines' clocks."""

from __future__ import annotations

import pytest

from tests.stage import Time
from webhook.api import LEASES, NAMESPACES, ClusterError, NoAnswer
from webhook.lease import DEADLINE, DURATION, EVERY, TIMEOUT, Lease
from webhook.memory import MemoryCluster
from webhook.memory_store import Call


class Election:
    def __init__(self) -> None:
        self.time = Time()
        self.cluster = MemoryCluster(linger=False, now=self.time.now)
        self.cluster.create(NAMESPACES, {"metadata": {"name": "ns"}})

    def candidate(self, name: str, ahead: float = 0.0) -> Lease:
        """`ahead` is how far its machine's clocks are ahead of the others'."""
        return Lease(
            self.cluster,
            "ns",
            "lease",
            name,
            clock=lambda: self.time() + ahead,
            now=self.time.now,
        )

    def holder(self) -> str:
        return str(self.cluster.get(LEASES, "lease", "ns")["spec"]["holderIdentity"])


@pytest.fixture
def election() -> Election:
    return Election()


def test_the_first_leads_and_the_second_does_not(election: Election) -> None:
    a, b = election.candidate("a"), election.candidate("b")
    assert [a.step(), b.step()] == [True, False]
    assert election.holder() == "a"


def test_never_two_leaders_whatever_fails_when(election: Election) -> None:
    """a renews, then its requests fail; at no time do both lead, and in the end b does."""
    a, b = election.candidate("a"), election.candidate("b", ahead=500.0)
    a.step()
    b.step()
    leaders = []
    for tick in range(20):
        election.time.advance(EVERY)
        if tick < 3:
            a.step()
        b.step()
        leaders.append((a.leads(), b.leads()))
    assert (True, True) not in leaders
    assert leaders[0] == (True, False)
    assert leaders[-1] == (False, True)


def test_the_deadline_leaves_room_for_a_request_under_way() -> None:
    assert DEADLINE + TIMEOUT < DURATION
    assert EVERY + TIMEOUT < DEADLINE


def test_a_clock_that_is_far_ahead_does_not_take_a_lease_that_is_renewed(election: Election) -> None:
    a, b = election.candidate("a"), election.candidate("b", ahead=1e6)
    for _ in range(10):
        assert a.step()
        assert not b.step()
        election.time.advance(EVERY)


def test_the_same_pod_started_again_leads_at_once(election: Election) -> None:
    election.candidate("pod-1").step()
    assert election.candidate("pod-1").step()
    assert not election.candidate("pod-2").step()


def test_a_lease_that_is_let_go_is_taken_at_once(election: Election) -> None:
    a, b = election.candidate("a"), election.candidate("b")
    a.step()
    b.step()
    a.release()
    assert not a.leads()
    assert b.step()
    spec = election.cluster.get(LEASES, "lease", "ns")["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("b", 3)


def test_who_never_led_lets_nothing_go(election: Election) -> None:
    election.candidate("a").step()
    election.candidate("b").release()
    assert election.holder() == "a"


def test_of_two_that_write_at_once_one_leads(election: Election) -> None:
    """b takes the lease between a's look and a's write: the resourceVersion tells."""
    a, b = election.candidate("a"), election.candidate("b")

    def quicker(call: Call) -> None:
        if call.verb == "create" and call.resource == LEASES:
            election.cluster.store.before = None
            assert b.step()

    election.cluster.store.before = quicker
    assert not a.step()
    assert election.holder() == "b"


@pytest.mark.parametrize("error", [NoAnswer("get"), ClusterError("get", status=500)], ids=["no answer", "500"])
def test_a_leader_that_cannot_renew_stops_at_its_deadline(election: Election, error: ClusterError) -> None:
    a = election.candidate("a")
    a.step()

    def fail(call: Call) -> None:
        raise error

    election.cluster.store.before = fail
    election.time.advance(DEADLINE - 0.1)
    assert a.step()
    election.time.advance(0.2)
    assert not a.step()


def test_run_tells_each_change_and_lets_go_at_the_end(election: Election) -> None:
    a = election.candidate("a")
    told: list[bool] = []

    def changed(leads: bool) -> None:
        told.append(leads)
        a.stop()

    a.run(changed)
    assert told == [True, False]
    assert election.holder() == ""

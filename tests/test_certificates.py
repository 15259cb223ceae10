"""Certificates in Secrets: issued when missing, kept while good, and renewed without a moment of mistrust."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from certs import pki
from webhook.api import NAMESPACES
from webhook.certificates import AUTHORITY_SECRET, OVERLAP, SECRETS, SERVING_SECRET, ManagedCertificates
from webhook.memory import MemoryCluster

NAMES = ("isolation-baseline-webhook.isolation-baseline.svc",)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.time = BEGIN

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cluster() -> MemoryCluster:
    memory = MemoryCluster()
    memory.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "isolation-baseline"}})
    return memory


def kept(cluster: MemoryCluster, clock: Clock) -> ManagedCertificates:
    return ManagedCertificates(cluster, "isolation-baseline", NAMES, now=clock)


def stored(cluster: MemoryCluster, name: str, key: str) -> bytes:
    secret = cluster.get(SECRETS, name, "isolation-baseline")
    return base64.b64decode(secret["data"][key])


def serving(cluster: MemoryCluster) -> pki.Issued:
    return pki.Issued(stored(cluster, SERVING_SECRET, "tls.crt"), stored(cluster, SERVING_SECRET, "tls.key"))


def is_trusted(cluster: MemoryCluster, bundle: str, now: datetime) -> bool:
    """Whether a client with this bundle accepts what is served now."""
    return any(
        not pki.serving_faults(serving(cluster), authority, NAMES, now=now) for authority in pki.split(bundle.encode())
    )


def test_the_first_look_issues_and_the_second_changes_nothing(cluster: MemoryCluster, clock: Clock) -> None:
    """Two Secrets; the one that pods mount has no authority's key in it."""
    bundle = kept(cluster, clock).ensure()
    assert is_trusted(cluster, bundle, clock.time)
    assert stored(cluster, SERVING_SECRET, "tls.key") != stored(cluster, AUTHORITY_SECRET, "tls.key")
    version = cluster.store.version
    assert kept(cluster, clock).ensure() == bundle
    assert cluster.store.version == version


def test_a_new_authority_is_known_before_it_is_used(cluster: MemoryCluster, clock: Clock) -> None:
    """For the whole life of several authorities, an API server with the old or the new bundle trusts what is served."""
    keeper = kept(cluster, clock)
    bundle = keeper.ensure()
    changes = 0
    for _ in range(600):
        clock.time += timedelta(days=3)
        lagging = bundle
        bundle = keeper.ensure()
        changes += bundle != lagging
        assert is_trusted(cluster, bundle, clock.time)
        assert is_trusted(cluster, lagging, clock.time), "an API server that has not learned the new bundle yet"
        clock.time += OVERLAP
        bundle = keeper.ensure()
        assert is_trusted(cluster, bundle, clock.time)
    assert changes >= 2, "no authority was ever replaced"


def test_a_spoilt_secret_is_replaced(cluster: MemoryCluster, clock: Clock) -> None:
    """Whatever somebody wrote there."""
    keeper = kept(cluster, clock)
    keeper.ensure()
    for name in (AUTHORITY_SECRET, SERVING_SECRET):
        spoilt = {"data": {"tls.crt": "bm90IGEgY2VydGlmaWNhdGU=", "tls.key": "%%%", "ca.crt": ""}}
        cluster.patch(SECRETS, name, spoilt, "isolation-baseline")
    assert is_trusted(cluster, keeper.ensure(), clock.time)


def test_a_spoilt_bundle_is_made_again(cluster: MemoryCluster, clock: Clock) -> None:
    """The authority itself is still good, so what is served stays."""
    keeper = kept(cluster, clock)
    bundle = keeper.ensure()
    before = serving(cluster)
    cluster.patch(SECRETS, AUTHORITY_SECRET, {"data": {"ca.crt": "JUNK"}}, "isolation-baseline")
    assert keeper.ensure() == bundle
    assert serving(cluster) == before

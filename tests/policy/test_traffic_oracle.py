"""The verdict against a second one that reads the manifests by itself, on random small clusters."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import oracle
from tests.dice import Dice, Manifest
from tests.oracle_manifests import policies_of
from tests.worlds import build
from webhook.policy.endpoints import PodRef
from webhook.policy.flows import Flow
from webhook.policy.ranges import parse_address
from webhook.policy.traffic import Evaluator

OUTSIDE = ("203.0.113.9", "192.0.2.7", "10.0.2.1", "fd00::9")
PROTOCOLS = (6, 6, 6, 17, 17, 132, 1, 58)
PORTS = (53, 80, 443, 8080, 1500)
ICMP = ((8, 0), (8, 1), (0, 0))
SEEDS = 400
FLOWS = 20

AskedFlow = tuple[Any, Any, int, int, tuple[int, int]]


def flows(random: Random, manifests: list[Manifest], count: int) -> list[AskedFlow]:
    pods = [(m["metadata"]["namespace"], m["metadata"]["name"]) for m in manifests if m["kind"] == "Pod"]
    ends = [*pods, *OUTSIDE]
    pick = random.choice
    return [(pick(ends), pick(ends), pick(PROTOCOLS), pick(PORTS), pick(ICMP)) for _ in range(count)]


def asked(known: Evaluator, flow: AskedFlow) -> tuple[bool, dict[str, bool]]:
    source, destination = (PodRef(*end) if isinstance(end, tuple) else parse_address(end) for end in flow[:2])
    found = known.verdict(Flow(source, destination, flow[2], flow[3], icmp=flow[4]))
    return found.allowed, {hook.direction.value: hook.allowed for hook in found.hooks}


@pytest.mark.parametrize("crooked", [0.03, 0.4], ids=["mostly well-formed", "with much that Calico misreads"])
def test_verdicts_agree_on_seeded_clusters(crooked: float) -> None:
    decided = set()
    for seed in range(SEEDS // 2):
        random = Random(f"{seed} {crooked}")
        manifests = Dice(random, crooked=crooked).cluster()
        known, accepted = Evaluator(build(manifests)), policies_of(manifests)
        for flow in flows(random, manifests, FLOWS):
            found = asked(known, flow)
            assert found == oracle.verdict(manifests, *flow, accepted=accepted), f"seed {seed}, flow {flow}"
            decided.add(found[0])
    # Worlds in which everything passes, or nothing, would agree however wrong both were.
    assert decided == {True, False}


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_verdicts_agree_and_shrink(cluster: Random, traffic: Random) -> None:
    manifests = Dice(cluster, crooked=0.1).cluster(policies=3)
    known, accepted = Evaluator(build(manifests)), policies_of(manifests)
    for flow in flows(traffic, manifests, 4):
        assert asked(known, flow) == oracle.verdict(manifests, *flow, accepted=accepted)


def test_dice_reach_every_kind_of_manifest() -> None:
    """The random clusters would prove little about a kind that they never hold."""
    found = {manifest["kind"] for seed in range(200) for manifest in Dice(Random(seed)).cluster()}
    assert found == {
        "ClusterNetworkPolicy",
        "EndpointSlice",
        "GlobalNetworkPolicy",
        "GlobalNetworkSet",
        "HostEndpoint",
        "Namespace",
        "NetworkPolicy",
        "NetworkSet",
        "Pod",
        "Service",
        "ServiceAccount",
        "StagedGlobalNetworkPolicy",
        "StagedKubernetesNetworkPolicy",
        "StagedNetworkPolicy",
        "Tier",
    }

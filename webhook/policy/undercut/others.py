"""Others: what a network set or a tier does to the policies that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from webhook.policy.finding import Complaint
from webhook.policy.objects import NetworkSet, Policy, Tier
from webhook.policy.undercut.explain import leak_complaint, too_complex
from webhook.policy.undercut.judgement import Judgement
from webhook.policy.undercut.leak import leaks
from webhook.policy.undercut.peers import Kind
from webhook.policy.undercut.search import TooComplexError
from webhook.policy.undercut.witness import replayed
from webhook.policy.world import World, frozen


def set_complaints(network_set: NetworkSet, world: World) -> Iterator[Complaint]:
    """
    Say which policies would open addresses of the set that settings do not permit.

    A policy is judged with the sets that exist, so a set is judged with the policies that do. Global sets need no such
    care: a policy is judged as if every one of them could exist.
    """
    if not network_set.ref.namespace:
        return
    alone = replace(world, network_sets=frozen({network_set.ref: network_set}))
    for policy in world.policies.values():
        if not policy.staged:
            yield from _opened_by(policy, alone)


def _opened_by(policy: Policy, alone: World) -> Iterator[Complaint]:
    judgement = Judgement.of(policy, alone)
    if not judgement.universe.sets:
        return
    try:
        for leak in leaks(judgement):
            hits = tuple(hit for hit in leak.hits if hit.peer.kind is Kind.SET)
            if hits:
                witness = replayed(judgement, leak.direction, hits[0], leak.shape.rule.path, opens=True)
                found = leak_complaint(judgement, replace(leak, hits=hits), witness, "use addresses that settings list")
                yield _through(policy, found, "spec.nets")
    except TooComplexError:
        yield _through(policy, too_complex(judgement, "it opens the set"), "spec.nets")


def tier_complaints(
    tier: Tier, world: World, judge: Callable[[Policy, World], Iterator[Complaint]]
) -> Iterator[Complaint]:
    """Judge the policies of a tier as they are once the tier is as it says."""
    changed = world.with_tier(tier)
    for policy in world.policies.values():
        if policy.tier == tier.name and not policy.staged:
            for complaint in judge(policy, changed):
                yield _through(policy, complaint, "spec.order")


def _through(policy: Policy, complaint: Complaint, path: str) -> Complaint:
    return replace(
        complaint,
        detail=f"gives effect to {policy.ref}, which {complaint.detail}",
        path=path,
        fingerprint=f"{policy.ref} {complaint.fingerprint}",
    )

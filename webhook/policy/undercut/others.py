"""Others: what a network set, a tier or a namespace does to the policies that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from webhook.policy.finding import Complaint
from webhook.policy.objects import Namespace, NetworkSet, Policy, Tier
from webhook.policy.undercut.explain import leak_complaint, too_complex
from webhook.policy.undercut.judge import leak_complaints
from webhook.policy.undercut.judgement import Judgement
from webhook.policy.undercut.leak import leaks
from webhook.policy.undercut.peers import Kind, named_namespaces
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
                fix = f"in {policy.ref}: {complaint.fix}" if complaint.fix else ""
                yield _through(policy, replace(complaint, fix=fix), "spec.order")


def _through(policy: Policy, complaint: Complaint, path: str) -> Complaint:
    return replace(
        complaint,
        detail=f"gives effect to {policy.ref}, which {complaint.detail}",
        path=path,
        fingerprint=f"{policy.ref} {complaint.fingerprint}",
    )


def namespace_complaints(namespace: Namespace, world: World) -> Iterator[Complaint]:
    """
    Say which policies would open too much because this namespace is in this environment.

    A policy that names a namespace is judged by the environment it is in then. The namespace may go, and one of its
    name come back in another. Policies that name none are judged for all there can be.
    """
    changed = world.with_namespace(namespace)
    for policy in world.policies.values():
        if policy.ref.namespace != namespace.name and not policy.staged and namespace.name in _names_in(policy):
            for complaint in leak_complaints(policy, changed):
                yield _through(policy, complaint, "metadata.name")


# By identity, which is cheap to ask for thousands of policies; each entry keeps its policy, so none is mistaken.
_named: dict[int, tuple[Policy, frozenset[str]]] = {}
_KEPT = 20_000


def _names_in(policy: Policy) -> frozenset[str]:
    """The namespaces that a policy names other than its own, in any of its selectors."""
    known = _named.get(id(policy))
    if known is None or known[0] is not policy:
        if len(_named) >= _KEPT:
            _named.clear()
        entities = (entity for rule in (*policy.ingress, *policy.egress) for entity in (rule.source, rule.destination))
        selectors = (selector for entity in entities for selector in (entity.selector, entity.not_selector))
        names = (named_namespaces(selector) for selector in (policy.subject, *selectors) if selector is not None)
        known = _named[id(policy)] = policy, frozenset().union(*names) - {policy.ref.namespace}
    return known[1]

"""Small random clusters for hypothesis and for seeded runs, and the World that the product makes of manifests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.dice import Dice
from tests.shapes import Manifest
from webhook.policy.objects import HostEndpoint, Namespace, NetworkSet, Pod, Policy, ServiceAccount, Tier
from webhook.policy.parse import parse, parse_service_endpoints
from webhook.policy.settings import Settings
from webhook.policy.world import World, frozen


def build(manifests: Sequence[Mapping[str, Any]], settings: Settings | None = None) -> World:
    """Parse manifests of any kinds into a World; slices go to the services they belong to."""
    slices = [m for m in manifests if m["kind"] == "EndpointSlice"]
    services = [parse_service_endpoints(m, slices) for m in manifests if m["kind"] == "Service"]
    parsed = [parse(m) for m in manifests if m["kind"] not in ("Service", "EndpointSlice")]
    return World(
        settings=settings or Settings(),
        namespaces=frozen({p.name: p for p in parsed if isinstance(p, Namespace)}),
        tiers=frozen({p.name: p for p in parsed if isinstance(p, Tier)}),
        policies=frozen({p.ref: p for p in parsed if isinstance(p, Policy)}),
        pods=frozen({(p.meta.namespace, p.meta.name): p for p in parsed if isinstance(p, Pod)}),
        service_accounts=frozen({(p.meta.namespace, p.meta.name): p for p in parsed if isinstance(p, ServiceAccount)}),
        network_sets=frozen({p.ref: p for p in parsed if isinstance(p, NetworkSet)}),
        host_endpoints=frozen({p.ref: p for p in parsed if isinstance(p, HostEndpoint)}),
        services=frozen({(s.namespace, s.name): s for s in services}),
    )


def clusters(*, crooked: float = 0.03) -> st.SearchStrategy[list[Manifest]]:
    """Random clusters that shrink; `crooked` is how often a text is one that Calico misreads."""
    return st.randoms(use_true_random=False).map(lambda random: Dice(random, crooked=crooked).cluster())

"""World: everything the rules may look at, as one immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar

from webhook.policy.objects import (
    CalicoApi,
    HostEndpoint,
    Namespace,
    NetworkSet,
    Pod,
    Policy,
    Ref,
    ServiceAccount,
    ServiceEndpoints,
    Tier,
)
from webhook.policy.settings import Settings

_K = TypeVar("_K")
_V = TypeVar("_V")


def frozen(source: Mapping[_K, _V]) -> Mapping[_K, _V]:
    """A read-only copy."""
    return MappingProxyType(dict(source))


@dataclass(frozen=True, slots=True)
class World:
    """
    One consistent view: namespaces and tiers by name, the rest by Ref or (namespace, name).

    `policies` holds every policy of every kind and API group that is served. Replace a map, never change one.
    """

    settings: Settings
    namespaces: Mapping[str, Namespace] = field(default_factory=lambda: frozen({}))
    tiers: Mapping[str, Tier] = field(default_factory=lambda: frozen({}))
    policies: Mapping[Ref, Policy] = field(default_factory=lambda: frozen({}))
    pods: Mapping[tuple[str, str], Pod] = field(default_factory=lambda: frozen({}))
    service_accounts: Mapping[tuple[str, str], ServiceAccount] = field(default_factory=lambda: frozen({}))
    network_sets: Mapping[Ref, NetworkSet] = field(default_factory=lambda: frozen({}))
    host_endpoints: Mapping[Ref, HostEndpoint] = field(default_factory=lambda: frozen({}))
    services: Mapping[tuple[str, str], ServiceEndpoints] = field(default_factory=lambda: frozen({}))
    api: CalicoApi = CalicoApi.V1

    def with_namespace(self, namespace: Namespace) -> World:
        return replace(self, namespaces=frozen({**self.namespaces, namespace.name: namespace}))

    def with_tier(self, tier: Tier) -> World:
        return replace(self, tiers=frozen({**self.tiers, tier.name: tier}))

    def with_policies(self, *policies: Policy) -> World:
        return replace(self, policies=frozen({**self.policies, **{p.ref: p for p in policies}}))

    def without_policy(self, ref: Ref) -> World:
        return replace(self, policies=frozen({k: p for k, p in self.policies.items() if k != ref}))

    def is_managed(self, namespace: str) -> bool:
        """Whether a namespace of this name is isolated by us: every one that is not exempt by exact name."""
        return namespace not in self.settings.exempt_namespaces

    def environment_of(self, namespace: str) -> str | None:
        """The value of the environment label of a live, managed namespace; None without one."""
        found = self.namespaces.get(namespace)
        if found is None or not self.is_managed(namespace):
            return None
        return found.meta.labels.get(self.settings.environment_label)

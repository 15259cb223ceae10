"""Dice: one random small cluster after another, as manifests."""

from __future__ import annotations

from tests.policy_dice import (
    ACCOUNTS,
    ADDRESSES,
    ENVIRONMENTS,
    NAMESPACES,
    RESERVED_VALUES,
    PolicyDice,
)
from tests.shapes import KUBERNETES, V1, V3, Manifest, calico, distinct, namespace, pod

__all__ = ["KUBERNETES", "V1", "V3", "Dice", "Manifest", "calico", "distinct", "namespace", "pod"]


class Dice(PolicyDice):
    """The choices that make up one random cluster; every one of them shrinks towards the first of its options."""

    def labels(self) -> dict[str, str]:
        found = {self.one(self.labels_known): self.one(self.values_known) for _ in range(self.random.randrange(3))}
        return found | self.maybe(0.2, lambda: {self.one(self.reserved_known): self.one(RESERVED_VALUES)})

    def network_set(self) -> Manifest:
        kind = self.one(("NetworkSet", "GlobalNetworkSet"))
        place = self.one(NAMESPACES) if kind == "NetworkSet" else ""
        return calico(
            kind, self.one(self.names), place, version=self.one((V3, V1)), labels=self.labels(), nets=self.nets()
        )

    def host_endpoint(self) -> Manifest:
        return calico(
            "HostEndpoint",
            self.one(self.names),
            version=self.one((V3, V1)),
            labels=self.labels(),
            node="n",
            expectedIPs=[self.one(ADDRESSES)],
            ports=[{"name": "http", "protocol": "TCP", "port": 80}],
            profiles=self.some(("kns.one", "x"), 1),
        )

    def pods(self) -> list[Manifest]:
        found = []
        for at, address in enumerate(ADDRESSES[:4]):
            place = NAMESPACES[at % 3]
            ports = [
                {"name": "http", "containerPort": self.one((80, 8080))},
                {"name": "dns", "protocol": "UDP", "containerPort": 53},
            ]
            addresses = [address, f"fd00::{at + 1}"] if self.chance(0.3) else [address] if self.chance(0.95) else []
            found.append(
                pod(
                    place,
                    f"pod-{at}",
                    *addresses,
                    labels=self.labels(),
                    containers=[{"name": "c", "ports": ports if self.chance(0.6) else []}],
                    serviceAccountName=self.one(ACCOUNTS),
                    **self.maybe(0.05, lambda: {"hostNetwork": True}),
                )
            )
        return found

    def services(self) -> list[Manifest]:
        metadata = {"name": "web", "namespace": "one"}
        return [
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": {"app": "web"}}},
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": "web-1", "namespace": "one", "labels": {"kubernetes.io/service-name": "web"}},
                "ports": self.one(
                    ([{"port": 80, "protocol": "TCP"}], [{"port": 53, "protocol": "UDP"}, {"port": 80}], [])
                ),
                "endpoints": [{"addresses": [self.one(ADDRESSES)]}],
            },
        ]

    def tiers(self) -> list[Manifest]:
        built_in = [
            calico("Tier", "default", order=1000000, defaultAction="Deny"),
            calico("Tier", "kube-admin", order=1000, defaultAction="Pass"),
        ]
        own = [
            calico("Tier", "early", order=self.one((10, 1000)), defaultAction=self.one(("Deny", "Pass"))),
            calico("Tier", "late", order=2000000, **self.maybe(0.5, lambda: {"defaultAction": "Pass"})),
            calico("Tier", "nil"),
        ]
        return [*(built_in if self.chance(0.5) else []), *(tier for tier in own if self.chance(0.8))]

    def cluster(self, *, policies: int = 8) -> list[Manifest]:
        found: list[Manifest] = []
        for name in NAMESPACES:
            if self.chance(0.97):
                found.append(
                    namespace(
                        name,
                        **self.maybe(0.85, lambda: {"env": self.one(ENVIRONMENTS)}),
                        **self.maybe(0.3, lambda: {"team": "web"}),
                    )
                )
        found += [
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {
                    "name": account,
                    "namespace": name,
                    "labels": self.maybe(0.5, lambda: {"env": self.one(ENVIRONMENTS)}),
                },
            }
            for name in NAMESPACES
            for account in ACCOUNTS
            if self.chance(0.7)
        ]
        found += self.pods() + self.tiers() + self.services()
        found += [self.network_set() for _ in range(self.random.randrange(3))]
        found += [self.host_endpoint() for _ in range(self.random.randrange(2))]
        kinds = (
            self.calico_policy,
            self.calico_policy,
            self.calico_policy,
            self.kubernetes_policy,
            self.cluster_policy,
        )
        found += [self.one(kinds)() for _ in range(self.random.randrange(policies + 1))]
        return distinct(found)

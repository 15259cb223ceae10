"""Random selectors, rules and policies of every kind that Calico enforces, as manifests; some nearly right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from tests.shapes import KUBERNETES, V1, V3, Manifest, calico

NAMESPACES = ("one", "two", "three")
ENVIRONMENTS = ("dev", "test", "prod")
ACCOUNTS = ("default", "robot")
ORDERS = (None, -1, 0.5, 500, 500, 1000, 4000, 5000, 5000, 6000)
NAMES = ("a", "aaa", "default", "default-deny", "z", "z.z")
PORTS: tuple[int | str, ...] = (53, 80, 443, "80", "1000:2000", "http", "dns", "1:65535")
ADDRESSES = (
    "10.0.0.1",
    "10.0.0.2",
    "10.0.1.1",
    "10.0.1.2",
    "10.0.2.1",
    "192.0.2.7",
    "203.0.113.9",
    "fd00::1",
    "fd00::2",
)
NETS = (
    *(f"{address}/{128 if ':' in address else 32}" for address in ADDRESSES),
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "10.0.0.0/8",
    "10.0.0.0/24",
    "10.0.1.0/24",
    "203.0.113.0/24",
    "::/0",
    "fd00::/8",
    "10.0.0.1",
    "10.0.0.9/24",
    "fd00::1",
)
CROOKED_NETS = (
    "",
    "x",
    "10.0.0.0/255.0.0.0",
    "::ffff:0.0.0.0/96",
    "::ffff:10.0.0.1",
    "fe80::1%eth0/64",
    "010.0.0.0/8",
    "10.0.0.1/032",
)
CROOKED_SELECTORS = (
    " ",
    "all()) || (all()",
    "app ==",
    "app == 'all()'",
    "env == 'global()'",
    "'",
    "all() && global()",
    "has(app) )",
)
LABELS = ("env", "app", "team", "kubernetes.io/metadata.name")
VALUES = (*ENVIRONMENTS, "web", "db", "one", "two", "")
RESERVED = (
    "pcns.env",
    "pcns.projectcalico.org/name",
    "projectcalico.org/namespace",
    "projectcalico.org/orchestrator",
    "projectcalico.org/serviceaccount",
)
RESERVED_VALUES = ("dev", "test", "one", "two", "k8s", "robot")


class PolicyDice:
    """The choices that make up policies of every kind."""

    def __init__(self, random: Random, *, crooked: float = 0.03) -> None:
        self.random = random
        self.crooked = crooked
        # A cluster knows few words, so that its policies are about the same things; another knows others.
        self.labels_known = self.few(LABELS, 2)
        self.reserved_known = self.few(RESERVED, 2)
        self.values_known = self.few(VALUES, 2)
        self.orders = self.few(ORDERS, 2)
        self.names = self.few(NAMES, 3)
        self.numbers = self.few(PORTS, 3)
        self.tier_names = self.few(("default", "early", "late", "ghost", "kube-admin", "nil"), 2)

    def few(self, options: Sequence[Any], count: int) -> list[Any]:
        """At least one of the options, and at most count of them."""
        return [options[0], *(self.one(options) for _ in range(count))][self.random.randrange(2) :]

    def one(self, options: Sequence[Any]) -> Any:
        return options[self.random.randrange(len(options))]

    def some(self, options: Sequence[Any], most: int) -> list[Any]:
        return [self.one(options) for _ in range(self.random.randrange(most + 1))]

    def chance(self, likely: float) -> bool:
        return self.random.random() > 1 - likely

    def maybe(self, likely: float, fields: Callable[[], Manifest]) -> Manifest:
        return fields() if self.chance(likely) else {}

    def atom(self) -> str:
        key = self.one(self.reserved_known if self.chance(0.25) else self.labels_known)
        value = self.one(RESERVED_VALUES if key in RESERVED else self.values_known)
        return str(
            self.one(
                (
                    f"{key} == '{value}'",
                    f'{key} != "{value}"',
                    f"has({key})",
                    "all()",
                    f"{key} in {{'{value}', 'dev'}}",
                    f"{key} not in {{'{value}'}}",
                    f"!has({key})",
                    f"{key} starts with '{value[:1]}'",
                    f"{key} contains '{value[1:2]}'",
                    f"{key} ends with '{value[-1:]}'",
                )
            )
        )

    def selector(self, *, depth: int = 2) -> str:
        if depth == 2 and self.chance(self.crooked):
            return str(self.one(CROOKED_SELECTORS))
        if depth == 2 and self.chance(0.25):
            return "all()"
        if depth == 0 or self.chance(0.6):
            return self.atom()
        left, right = self.selector(depth=depth - 1), self.selector(depth=depth - 1)
        return str(
            self.one((f"{left} && {right}", f"({left}) || {right}", f"!({left})", f"({left} || {right}) && {left}"))
        )

    def nets(self) -> list[str]:
        return [
            self.one(CROOKED_NETS if self.chance(self.crooked) else NETS) for _ in range(1 + self.random.randrange(2))
        ]

    def ports(self, *, named: bool) -> list[int | str]:
        if self.chance(self.crooked):
            return [self.one((0, "0", 70000, "HTTP", "", "90:80"))]
        return self.some(("http", "dns") if named else self.numbers, 2)

    def entity(self, *, with_ports: bool, named: bool) -> Manifest:
        accounts: Manifest = self.maybe(
            0.5, lambda: {"names": self.some((*ACCOUNTS, *(["a'"] if self.chance(self.crooked) else [])), 2)}
        )
        accounts |= self.maybe(0.4, lambda: {"selector": self.selector()})
        return {
            **self.maybe(0.3, lambda: {"selector": self.selector()}),
            **self.maybe(0.1, lambda: {"notSelector": self.selector()}),
            **self.maybe(0.3, lambda: {"namespaceSelector": "global()" if self.chance(0.1) else self.selector()}),
            **self.maybe(0.1, lambda: {"serviceAccounts": accounts}),
            **self.maybe(0.2, lambda: {"nets": self.nets()}),
            **self.maybe(0.1, lambda: {"notNets": self.nets()}),
            **self.maybe(0.5 if with_ports else 0, lambda: {"ports": self.ports(named=named)}),
            **self.maybe(0.15 if with_ports else 0, lambda: {"notPorts": self.ports(named=named)}),
        }

    def rule(self, direction: str) -> Manifest:
        protocol = self.one(("TCP", "UDP", None, None, None, "TCP", 17, "tcp", "SCTP", "ICMP", 58))
        with_ports = protocol not in ("ICMP", 58)
        named = protocol is None and not self.chance(self.crooked)
        rule: Manifest = {
            "action": self.one(("Allow", "Deny", "Allow", "Pass", "Log")),
            **({"protocol": protocol} if protocol is not None else {}),
            **self.maybe(0.05, lambda: {"notProtocol": self.one(("UDP", 6))}),
            **self.maybe(0.05, lambda: {"ipVersion": self.one((4, 6))}),
            **self.maybe(
                0.3 if protocol == "ICMP" else 0, lambda: {"icmp": {"type": 8, **self.maybe(0.3, lambda: {"code": 0})}}
            ),
            **self.maybe(0.2 if protocol == "ICMP" else 0, lambda: {"notICMP": {"type": self.one((8, 0))}}),
            **self.maybe(
                0.45, lambda: {"source": self.entity(with_ports=with_ports and self.chance(0.2), named=named)}
            ),
            **self.maybe(0.45, lambda: {"destination": self.entity(with_ports=with_ports, named=named)}),
        }
        if self.chance(0.05):
            where = {**self.maybe(0.7, lambda: {"namespace": self.one(NAMESPACES)})}
            rule["source" if direction == "ingress" else "destination"] = {"services": {"name": "web", **where}}
        return rule

    def spec(self) -> Manifest:
        rules = {
            d: [self.rule(d) for _ in range(self.random.randrange(4))]
            for d in ("ingress", "egress")
            if self.chance(0.7)
        }
        order = self.one(self.orders)
        return {
            **({"order": order} if order is not None else {}),
            **self.maybe(0.3, lambda: {"tier": self.one(self.tier_names)}),
            **self.maybe(0.5, lambda: {"selector": self.selector()}),
            **self.maybe(0.8, lambda: {"types": self.one((["Ingress", "Egress"], ["Ingress"], ["Egress"]))}),
            **self.maybe(0.1, lambda: {"serviceAccountSelector": self.selector()}),
            **rules,
        }

    def calico_policy(self) -> Manifest:
        kinds = ("NetworkPolicy", "GlobalNetworkPolicy")
        kind = self.one(kinds) if self.chance(0.85) else f"Staged{self.one(kinds)}"
        spec = self.spec()
        if "Global" in kind:
            spec |= self.maybe(0.5, lambda: {"namespaceSelector": self.selector()})
            spec |= self.maybe(0.05, lambda: {self.one(("doNotTrack", "preDNAT")): True, "applyOnForward": True})
        place = "" if "Global" in kind else self.one(NAMESPACES)
        return calico(kind, self.one(self.names), place, version=self.one((V3, V1)), **spec)

    def label_selector(self) -> Manifest:
        expressions = [
            {
                "key": self.one(self.labels_known),
                "operator": operator,
                **({"values": [*self.some(self.values_known, 1), "dev"]} if operator in ("In", "NotIn") else {}),
            }
            for operator in self.some(("In", "NotIn", "Exists", "DoesNotExist"), 2)
        ]
        return {
            **self.maybe(0.3, lambda: {"matchLabels": {self.one(self.labels_known): self.one(self.values_known)}}),
            **({"matchExpressions": expressions} if expressions and self.chance(0.3) else {}),
        }

    def kubernetes_policy(self) -> Manifest:
        spec: Manifest = {
            "podSelector": self.label_selector(),
            **self.maybe(0.7, lambda: {"policyTypes": self.one((["Ingress", "Egress"], ["Ingress"], ["Egress"]))}),
        }
        for direction, field in (("ingress", "from"), ("egress", "to")):
            if self.chance(0.7):
                spec[direction] = [self.kubernetes_rule(field) for _ in range(self.random.randrange(3))]
        kind = "StagedKubernetesNetworkPolicy" if self.chance(0.1) else "NetworkPolicy"
        version = KUBERNETES if kind == "NetworkPolicy" else V3
        return {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": self.one(self.names), "namespace": self.one(NAMESPACES)},
            "spec": spec,
        }

    def kubernetes_rule(self, field: str) -> Manifest:
        peers, ports = 1 + self.random.randrange(2), 1 + self.random.randrange(2)
        return {
            **self.maybe(0.8, lambda: {field: [self.kubernetes_peer() for _ in range(peers)]}),
            **self.maybe(0.6, lambda: {"ports": [self.kubernetes_port() for _ in range(ports)]}),
        }

    def kubernetes_peer(self) -> Manifest:
        if self.chance(0.3):
            return {"ipBlock": {"cidr": self.one(NETS), **self.maybe(0.5, lambda: {"except": self.nets()})}}
        return {
            **self.maybe(0.6, lambda: {"podSelector": self.label_selector()}),
            **self.maybe(0.6, lambda: {"namespaceSelector": self.label_selector()}),
        }

    def kubernetes_port(self) -> Manifest:
        port = self.one((80, 53, "http", "dns", None, 1000))
        return {
            **self.maybe(0.7, lambda: {"protocol": self.one(("TCP", "UDP", "SCTP"))}),
            **({"port": port} if port is not None else {}),
            **({"endPort": 2000} if port == 1000 else {}),
        }

    def cluster_policy(self) -> Manifest:
        def rules(direction: str, field: str) -> list[Manifest]:
            return [
                {
                    "action": self.one(("Accept", "Deny", "Pass")),
                    field: [self.cluster_peer(direction) for _ in range(1 + self.random.randrange(2))],
                    **self.maybe(
                        0.5,
                        lambda: {"protocols": [self.cluster_protocol() for _ in range(1 + self.random.randrange(2))]},
                    ),
                }
                for _ in range(self.random.randrange(3))
            ]

        subject = self.one(
            (
                {"namespaces": self.label_selector()},
                {"pods": {"namespaceSelector": self.label_selector(), "podSelector": self.label_selector()}},
            )
        )
        spec = {"tier": self.one(("Admin", "Baseline")), "priority": self.one((0, 10, 1000)), "subject": subject}
        spec |= {"ingress": rules("ingress", "from"), "egress": rules("egress", "to")}
        return {
            "apiVersion": "policy.networking.k8s.io/v1alpha2",
            "kind": "ClusterNetworkPolicy",
            "metadata": {"name": self.one(self.names)},
            "spec": spec,
        }

    def cluster_peer(self, direction: str) -> Manifest:
        if direction == "egress" and self.chance(0.3):
            return {"networks": [self.one(NETS) for _ in range(1 + self.random.randrange(2))]}
        if self.chance(0.5):
            return {"namespaces": self.label_selector()}
        return {
            "pods": {
                "podSelector": self.label_selector(),
                **self.maybe(0.5, lambda: {"namespaceSelector": self.label_selector()}),
            }
        }

    def cluster_protocol(self) -> Manifest:
        return dict(
            self.one(
                (
                    {"tcp": {"destinationPort": {"number": 80}}},
                    {"udp": {"destinationPort": {"number": 53}}},
                    {"tcp": {"destinationPort": {"range": {"start": 1000, "end": 2000}}}},
                    {"sctp": {}},
                    {"udp": {}},
                )
            )
        )

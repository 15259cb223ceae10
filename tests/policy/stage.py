"""The article's cluster for tables of verdicts: development, test, default and kube-system, with a baseline in dev."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.dice import Manifest, calico, namespace, pod
from tests.worlds import build
from webhook.policy.endpoints import PodRef
from webhook.policy.flows import Flow, Verdict
from webhook.policy.ranges import parse_address
from webhook.policy.traffic import Evaluator

DEV, TEST, DEFAULT, DNS = "development/whoami", "test/tool", "default/tool", "kube-system/dns"
CLIENT = "development/tool"
INTERNET = "203.0.113.9"

CLUSTER: list[Manifest] = [
    namespace("development", env="dev"),
    namespace("test", env="test"),
    namespace("default"),
    namespace("kube-system", **{"control-plane": "true"}),
    pod(
        "development",
        "whoami",
        "10.0.0.1",
        "fd00::1",
        labels={"app": "whoami"},
        containers=[{"ports": [{"name": "http", "containerPort": 80}]}],
    ),
    pod("development", "tool", "10.0.0.2", "fd00::2"),
    pod("test", "tool", "10.0.1.1", "fd00::11", labels={"app": "tool"}, serviceAccountName="robot"),
    pod("default", "tool", "10.0.2.1"),
    pod("kube-system", "dns", "10.0.3.1", "fd00::31", labels={"k8s-app": "kube-dns"}),
    pod("kube-system", "host", "192.0.2.1", hostNetwork=True),
]


def policy(name: str, order: float | None, place: str = "development", **spec: Any) -> Manifest:
    found: Manifest = {"selector": "all()", "types": ["Ingress", "Egress"], **spec}
    if order is not None:
        found["order"] = order
    return calico("NetworkPolicy", name, place, **found)


def wide(name: str, order: float | None, **spec: Any) -> Manifest:
    found = policy(name, order, **spec)
    return {**found, "kind": "GlobalNetworkPolicy", "metadata": {"name": name}}


ANY = [{"action": "Allow"}]
DENY = [{"action": "Deny"}]
RULELESS = policy("default-deny", 5000)
EXPLICIT = policy("default-deny", 5000, ingress=DENY, egress=DENY)
DNS_ALLOW = policy(
    "dns-allow",
    4000,
    types=["Egress"],
    egress=[
        {
            "action": "Allow",
            "protocol": "UDP",
            "destination": {
                "namespaceSelector": 'control-plane == "true"',
                "selector": 'k8s-app == "kube-dns"',
                "ports": [53],
            },
        }
    ],
)
NS_ALLOW = policy(
    "development-ns-allow",
    500,
    ingress=[{"action": "Allow", "protocol": "TCP", "source": {"namespaceSelector": 'env == "dev"'}}],
    egress=[{"action": "Allow", "protocol": "TCP", "destination": {"namespaceSelector": 'env == "dev"'}}],
)
TEST_ALLOW = policy(
    "test-ns-allow",
    600,
    types=["Ingress"],
    ingress=[{"action": "Allow", "protocol": "TCP", "source": {"namespaceSelector": 'env == "test"'}}],
)


def end(written: str) -> Any:
    return PodRef(*written.split("/")) if "/" in written else parse_address(written)


def ask(
    manifests: Sequence[Manifest], source: str, destination: str, protocol: int = 6, port: int = 80, **more: Any
) -> Verdict:
    """Decide one flow in the article's cluster with these manifests on top."""
    world = build([*CLUSTER, *manifests])
    return Evaluator(world).verdict(Flow(end(source), end(destination), protocol, port, **more))

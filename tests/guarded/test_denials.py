"""What a developer reads: each kind of undercut, and each thing that Calico misreads, refused as kubectl prints it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.guarded.conftest import Guarded, policy

NAMESPACE = "dev-denials"


def calico(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": kind,
        "metadata": {"name": name} | ({} if kind.startswith(("Global", "Tier", "Host")) else {"namespace": NAMESPACE}),
        "spec": spec,
    }


def ingress(source: dict[str, Any] | None = None, **rule: Any) -> dict[str, Any]:
    return policy(NAMESPACE, "p", ingress=[{"action": "Allow", **({"source": source} if source else {}), **rule}])


def egress(destination: dict[str, Any], action: str = "Allow", **rule: Any) -> dict[str, Any]:
    return policy(NAMESPACE, "p", types=["Egress"], egress=[{"action": action, "destination": destination, **rule}])


UNDERCUTS = [
    ("another environment", ingress({"namespaceSelector": "env == 'prod'"}), "allows-stay-under-ceiling"),
    ("a negative selector", ingress({"namespaceSelector": "env != 'prod'"}), "allows-stay-under-ceiling"),
    (
        "the internet",
        egress({"nets": ["203.0.113.0/24"], "ports": [443]}, protocol="TCP"),
        "allows-stay-under-ceiling",
    ),
    ("a pass over the baseline", ingress(action="Pass"), "passes-do-not-bypass-baseline"),
    ("DNS cut off", egress({"ports": [53]}, "Deny", protocol="UDP"), "dns-not-blocked"),
    (
        "a Kubernetes policy for everyone",
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "p", "namespace": NAMESPACE},
            "spec": {"podSelector": {}, "ingress": [{}]},
        },
        "allows-stay-under-ceiling",
    ),
    (
        "a global policy",
        calico(
            "GlobalNetworkPolicy", "p", order=600, selector="all()", types=["Ingress"], ingress=[{"action": "Allow"}]
        ),
        "allows-stay-under-ceiling",
    ),
    ("no order", policy(NAMESPACE, "p", order=None, ingress=[{"action": "Allow"}]), "order-declared"),
    ("a late order", policy(NAMESPACE, "p", order=6000, ingress=[{"action": "Deny"}]), "order-in-tenant-band"),
    ("a tier before default", calico("Tier", "early", order=10, defaultAction="Deny"), "order-not-before-baseline"),
    (
        "a set that passes for pods",
        {
            "apiVersion": "crd.projectcalico.org/v1",
            "kind": "NetworkSet",
            "metadata": {"name": "p", "namespace": NAMESPACE, "labels": {"projectcalico.org/orchestrator": "k8s"}},
            "spec": {"nets": ["203.0.113.0/24"]},
        },
        "labels-not-forged",
    ),
]

# Eleven things that the API accepts and Felix misreads; each with the rule that speaks.
MISREAD = [
    ("1 selectors joined as text", policy(NAMESPACE, "p", selector="all()) || (all()"), "selectors-parse"),
    ("2 an unescaped name", ingress({"serviceAccounts": {"names": ["a'"]}}), "service-account-names-valid"),
    ("3 a blank clause", ingress({"selector": "a == 'b'", "notSelector": " "}), "selectors-not-blank"),
    ("4 an empty net", calico("NetworkSet", "p", nets=[""]), "nets-are-cidrs"),
    (
        "5 a leading zero",
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "p", "namespace": NAMESPACE},
            "spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "010.0.0.0/8"}}]}]},
        },
        "nets-are-cidrs",
    ),
    ("6 IPv4 in IPv6", ingress({"nets": ["::ffff:0.0.0.0/96"]}), "nets-are-cidrs"),
    ("7 a netmask", ingress({"nets": ["10.0.0.0/255.0.0.0"]}), "nets-are-cidrs"),
    ("8 a blank selector", policy(NAMESPACE, "p", selector=" "), "selectors-not-blank"),
    ("9 ports without protocol", ingress(destination={"ports": [80]}), "ports-valid"),
    (
        "10 a cluster policy's namespaces",
        {
            "apiVersion": "policy.networking.k8s.io/v1alpha2",
            "kind": "ClusterNetworkPolicy",
            "metadata": {"name": "p"},
            "spec": {
                "tier": "Admin",
                "priority": 1,
                "subject": {"namespaces": {"matchLabels": {"env": "dev"}}},
                "ingress": [{"name": "r", "action": "Accept", "from": [{"namespaces": {}}]}],
            },
        },
        "allows-stay-under-ceiling",
    ),
    ("11 a rewritten literal", ingress({"selector": "a == 'all()'"}), "selector-literals-not-rewritten"),
]


@pytest.fixture(scope="module")
def place(guarded: Guarded) -> Guarded:
    guarded.namespace(NAMESPACE)
    return guarded


@pytest.mark.parametrize(
    ("manifest", "rule"), [c[1:] for c in UNDERCUTS + MISREAD], ids=[c[0] for c in UNDERCUTS + MISREAD]
)
def test_it_is_refused_in_words_that_help(place: Guarded, manifest: dict[str, Any], rule: str) -> None:
    """The rule and the object first; then what to do, whom to ask and where to read; nothing of our insides."""
    spec = {key: value for key, value in manifest["spec"].items() if value is not None}
    # Somebody whom RBAC lets do everything, so that it is the guard who refuses.
    done = place.control_plane.kubectl(
        "create", "-f", "-", as_=place.control_plane.engineer, input=json.dumps({**manifest, "spec": spec})
    )
    assert done.returncode == 1, done.stdout
    print(done.stderr)
    assert "Error from server (Forbidden)" in done.stderr
    text = done.stderr.partition(" denied the request: ")[2] or done.stderr
    assert f"[{rule}] {manifest['kind']} " in text
    ask = text.strip().splitlines()[-1]
    assert ask.startswith("  ask: platform-admins  |  docs: isolation-baseline explain "), text
    for internal in ("Traceback", "webhook.policy", "system:serviceaccount", "object.", "None"):
        assert internal not in text

"""Manifests without the structure of their kind: refused with the place, and never anything but that."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dice import V1, V3, Dice, calico, namespace
from webhook.policy.objects import InvalidObject
from webhook.policy.parse import POLICY_KINDS, parse

NP = "NetworkPolicy"
RULE = {"action": "Allow"}

UNREADABLE = [
    ("not an object", [], "", "expected an object"),
    ("no kind", {}, "kind", "no kind that matters here: '' ''"),
    ("another kind", {"apiVersion": "v1", "kind": "Secret"}, "kind", "no kind that matters here: 'v1' 'Secret'"),
    (
        "another version",
        {"apiVersion": "projectcalico.org/v4", "kind": NP},
        "kind",
        "no kind that matters here: 'projectcalico.org/v4' 'NetworkPolicy'",
    ),
    ("no name", {"apiVersion": "v1", "kind": "Namespace"}, "metadata.name", "expected a name"),
    ("a label that is a number", namespace("one", env=5), "metadata.labels.env", "expected a string"),  # type: ignore[arg-type]  # the point
    ("an order in words", calico(NP, "p", "one", order="1"), "spec.order", "expected a finite number"),
    ("an order beyond numbers", calico(NP, "p", "one", order=10**400), "spec.order", "expected a finite number"),
    (
        "an unknown action",
        calico(NP, "p", "one", egress=[RULE, {"action": "allow"}]),
        "spec.egress[1].action",
        "expected one of Allow, Deny, Log, Pass",
    ),
    (
        "no action",
        calico(NP, "p", "one", ingress=[{}]),
        "spec.ingress[0].action",
        "expected one of Allow, Deny, Log, Pass",
    ),
    ("an unknown type", calico(NP, "p", "one", types=["Both"]), "spec.types[0]", "expected one of Ingress, Egress"),
    (
        "a selector that is a list",
        calico(NP, "p", "one", ingress=[{**RULE, "source": {"selector": []}}]),
        "spec.ingress[0].source.selector",
        "expected a string",
    ),
    (
        "nets that are text",
        calico(NP, "p", "one", ingress=[{**RULE, "source": {"nets": "10.0.0.0/8"}}]),
        "spec.ingress[0].source.nets",
        "expected a list",
    ),
    (
        "a cluster policy about nothing",
        {
            "apiVersion": "policy.networking.k8s.io/v1alpha2",
            "kind": "ClusterNetworkPolicy",
            "metadata": {"name": "c"},
            "spec": {"tier": "Admin"},
        },
        "spec.subject",
        "expected `namespaces` or `pods`",
    ),
]


def test_what_is_wrong_in_a_thousand_places_is_not_read_on() -> None:
    """The work for one object is bounded, and what it says of the others is still exact."""
    many = [{**RULE, "source": {"nets": ["x"] * 600}}] * 2
    with pytest.raises(InvalidObject) as refused:
        parse(calico(NP, "p", "one", ingress=many))
    assert refused.value.path == "spec.ingress[1].source.nets[400]"
    assert refused.value.message == "more than 1000 places before this one are wrong"


@pytest.mark.parametrize(("manifest", "path", "message"), [c[1:] for c in UNREADABLE], ids=[c[0] for c in UNREADABLE])
def test_what_has_no_structure_is_refused_with_its_place(manifest: Any, path: str, message: str) -> None:
    with pytest.raises(InvalidObject) as refused:
        parse(manifest)
    assert (refused.value.path, refused.value.message) == (path, message)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["10.0.0.0/8", "all()", "a == 'b'", "TCP"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "name",
    "namespace",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "spec",
    "status",
    "metadata",
    "selector",
    "ingress",
    "egress",
    "types",
    "policyTypes",
    "order",
    "tier",
    "namespaceSelector",
    "source",
    "destination",
    "ports",
    "nets",
    "notNets",
    "protocol",
    "icmp",
    "type",
    "action",
    "services",
    "serviceAccounts",
    "names",
    "podSelector",
    "from",
    "to",
    "ipBlock",
    "cidr",
    "except",
    "matchLabels",
    "matchExpressions",
    "key",
    "operator",
    "values",
    "port",
    "endPort",
    "subject",
    "namespaces",
    "pods",
    "networks",
    "protocols",
    "tcp",
    "destinationPort",
    "range",
    "start",
    "end",
    "number",
    "portNumber",
    "priority",
    "expectedIPs",
    "containers",
    "podIPs",
    "ip",
    "stagedAction",
    "doNotTrack",
    "http",
)
KINDS = [
    *sorted(POLICY_KINDS),
    (V3, "Tier"),
    (V1, "NetworkSet"),
    (V3, "GlobalNetworkSet"),
    (V1, "HostEndpoint"),
    ("v1", "Pod"),
    ("v1", "Namespace"),
    ("v1", "ServiceAccount"),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KINDS), st.randoms(use_true_random=False), JSON)
def test_any_json_is_an_object_or_refused(kind: tuple[str, str], random: Any, noise: Any) -> None:
    """A good manifest with one place overwritten by anything, and a tree of known fields holding anything."""
    manifest = _wild(random, noise, 0)
    if random.random() < 0.5:
        dice = Dice(random)
        manifest = dice.one([dice.calico_policy, dice.kubernetes_policy, dice.cluster_policy, dice.network_set])()
        _overwrite(manifest, random, noise)
    else:
        manifest = {**manifest, "apiVersion": kind[0], "kind": kind[1]} if isinstance(manifest, dict) else manifest
    with suppress(InvalidObject):
        parse(manifest)


def _wild(random: Any, noise: Any, depth: int) -> Any:
    if depth > 6 or (depth > 2 and random.random() < 0.3):
        return noise
    if depth > 1 and random.random() < 0.4:
        return [_wild(random, noise, depth + 1) for _ in range(random.randrange(3))]
    fields = [FIELDS[random.randrange(len(FIELDS))] for _ in range(random.randrange(5))]
    found = {field: _wild(random, noise, depth + 1) for field in fields}
    if depth == 0:
        found |= {
            "metadata": {"name": "x", **({"labels": noise} if random.random() < 0.1 else {})},
            "spec": _wild(random, noise, 1),
        }
    return found


def _overwrite(value: Any, random: Any, noise: Any) -> None:
    while isinstance(value, dict | list) and value:
        key = list(value)[random.randrange(len(value))] if isinstance(value, dict) else random.randrange(len(value))
        if random.random() < 0.3 or not isinstance(value[key], dict | list) or not value[key]:
            value[key] = noise
            return
        value = value[key]

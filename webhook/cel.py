"""CEL: the expressions that our webhook configurations and native policies share, and how text is quoted in them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from webhook.policy.settings import Identities

# Both places of Calico's parts: the manifest install uses kube-system, the operator calico-system; the aggregated
# API server had a namespace of its own until operator 1.39.
CALICO_RELAYS = (
    "system:serviceaccount:calico-apiserver:calico-apiserver",
    "system:serviceaccount:calico-system:calico-apiserver",
)
CALICO_OPERATORS = ("system:serviceaccount:tigera-operator:tigera-operator",)
CALICO_STARTERS = (
    *CALICO_RELAYS,
    "system:serviceaccount:calico-system:calico-kube-controllers",
    "system:serviceaccount:calico-system:calico-node",
    "system:serviceaccount:calico-system:calico-typha",
    "system:serviceaccount:kube-system:calico-kube-controllers",
    "system:serviceaccount:kube-system:calico-node",
    "system:serviceaccount:kube-system:calico-typha",
)
# Every Calico client creates the first five when it starts (clientv3 EnsureInitialized), the operator the last two.
CALICO_TIERS = (
    "adminnetworkpolicy",
    "allow-tigera",
    "baselineadminnetworkpolicy",
    "calico-system",
    "default",
    "kube-admin",
    "kube-baseline",
)
OPERATOR_TIERS = ("allow-tigera", "calico-system")

# From these Felix takes the address of a pod that has none in its status.
ADDRESS_ANNOTATIONS = ("cni.projectcalico.org/podIP", "cni.projectcalico.org/podIPs", "vpc.amazonaws.com/pod-ips")

# A field that a request lacks is absent in CEL, not empty, and touching it is an error: a refusal under Fail, an
# unjudged request under Ignore. So names come from the object, and request.namespace and subResource from has().
THE_OBJECT = "(object == null ? oldObject : object)"
NAME = f"{THE_OBJECT}.metadata.?name.orValue('')"
NAMESPACE = f"{THE_OBJECT}.metadata.?namespace.orValue('')"
USER = "request.userInfo.?username.orValue('')"
GROUPS = "request.userInfo.?groups.orValue([])"
IS_MAIN = "(!has(request.subResource) || request.subResource == '')"
IS_STORED_DELETING = "has(oldObject.metadata.deletionTimestamp)"


def literal(text: str) -> str:
    """A CEL string; JSON's escapes are a subset of CEL's."""
    return json.dumps(text, ensure_ascii=True)


def listed(texts: Iterable[str]) -> str:
    """A CEL list of strings, in a fixed order."""
    return f"[{', '.join(literal(text) for text in sorted(set(texts)))}]"


def any_of(*terms: str) -> str:
    return " || ".join(f"({term})" for term in terms)


def all_of(*terms: str) -> str:
    return " && ".join(f"({term})" for term in terms)


def differs(field: str, empty: str) -> str:
    """Whether a field of the metadata changed, where absent is the same as empty."""
    return f"object.metadata.?{field}.orValue({empty}) != oldObject.metadata.?{field}.orValue({empty})"


def is_user(names: Iterable[str]) -> str:
    return f"{USER} in {listed(names)}"


def is_one_of(identities: Identities) -> str:
    """Whether the request comes from one of these users or groups, by exact name."""
    return any_of(is_user(identities.users), f"{GROUPS}.exists(g, g in {listed(identities.groups)})")

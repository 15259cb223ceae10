"""Scope: which requests are sent to us, as one table of resources and as conditions that the API server evaluates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from webhook import cel
from webhook.policy.baseline import DEFAULT_DENY, DNS_ALLOW, FLOOR
from webhook.policy.identities import (
    GARBAGE_COLLECTORS,
    NAMESPACE_CONTROLLERS,
    NETWORK_PLUGINS,
    NODE_GROUP,
    NODE_PREFIX,
)

# Both spellings: Calico before 3.32 stores a policy of the default tier as `default.<name>`.
BASELINE_NAMES = tuple(spelling for name in (DEFAULT_DENY, DNS_ALLOW, FLOOR) for spelling in (name, f"default.{name}"))
CALICO_GROUPS = ("crd.projectcalico.org", "projectcalico.org")


class Path(Enum):
    """Where a review is sent."""

    MUTATE_NAMESPACE = "/mutate-namespace"
    NAMESPACE = "/validate-namespace"
    POLICY = "/validate-policy"
    POD = "/validate-pod"


@dataclass(frozen=True, slots=True)
class Judged:
    """One row of what we judge: any version of these resources (`resource` or `resource/subresource`)."""

    path: Path
    group: str
    resources: tuple[str, ...]
    operations: tuple[str, ...]


CALICO_RESOURCES = (
    "networkpolicies",
    "globalnetworkpolicies",
    "stagednetworkpolicies",
    "stagedglobalnetworkpolicies",
    "stagedkubernetesnetworkpolicies",
    "tiers",
    "networksets",
    "globalnetworksets",
    "hostendpoints",
)
_WRITES = ("CREATE", "UPDATE")
_WRITES_AND_DELETES = ("CREATE", "UPDATE", "DELETE")

# Any version, so that one served tomorrow is not a way around. The two Calico groups are different resources to the
# API server even where they are one store, so matchPolicy Equivalent does not bridge them and both are listed.
# Left out: tiers/status and clusternetworkpolicies/status store neither spec nor metadata; pods/ephemeralcontainers
# and pods/resize store no annotation, while pods/status does, and a binding's annotations are copied to its pod.
JUDGED = (
    Judged(Path.MUTATE_NAMESPACE, "", ("namespaces",), _WRITES),
    Judged(Path.NAMESPACE, "", ("namespaces",), _WRITES),
    Judged(Path.NAMESPACE, "", ("namespaces/finalize", "namespaces/status"), ("UPDATE",)),
    Judged(Path.POLICY, "networking.k8s.io", ("networkpolicies",), _WRITES_AND_DELETES),
    Judged(Path.POLICY, "crd.projectcalico.org", CALICO_RESOURCES, _WRITES_AND_DELETES),
    Judged(Path.POLICY, "projectcalico.org", CALICO_RESOURCES, _WRITES_AND_DELETES),
    Judged(
        Path.POLICY,
        "policy.networking.k8s.io",
        ("adminnetworkpolicies", "baselineadminnetworkpolicies", "clusternetworkpolicies"),
        _WRITES_AND_DELETES,
    ),
    Judged(Path.POD, "", ("pods",), _WRITES),
    Judged(Path.POD, "", ("pods/status",), ("UPDATE",)),
    Judged(Path.POD, "", ("bindings", "pods/binding"), ("CREATE",)),
)


def judged_rules(path: Path) -> list[dict[str, Any]]:
    """The rules of one path, with every default written out, so that what is stored equals what is generated."""
    return [
        {
            "apiGroups": [row.group],
            "apiVersions": ["*"],
            "resources": list(row.resources),
            "operations": list(row.operations),
            "scope": "*",
        }
        for row in JUDGED
        if row.path is path
    ]


def match_conditions(path: Path, environment_label: str, exempt: Iterable[str]) -> list[dict[str, str]]:
    """Which of the requests that the rules name are sent; each condition must hold, and none may ever err."""
    match path:
        case Path.MUTATE_NAMESPACE:
            conditions = [_managed_namespace(exempt), ("unlabelled", _is_unlabelled(environment_label))]
        case Path.NAMESPACE:
            conditions = [_managed_namespace(exempt), ("changes-what-we-guard", _changes_namespace())]
        case Path.POLICY:
            conditions = [in_managed_namespace(exempt), *_policy_conditions()]
        case Path.POD:
            conditions = [
                in_managed_namespace(exempt),
                ("claims-an-address", claims_address()),
                ("not-the-network-plugin", f"!({is_network_plugin()})"),
            ]
    return [{"name": name, "expression": expression} for name, expression in conditions]


def _managed_namespace(exempt: Iterable[str]) -> tuple[str, str]:
    return ("managed-namespace", f"!({cel.NAME} in {cel.listed(exempt)})")


def in_managed_namespace(exempt: Iterable[str]) -> tuple[str, str]:
    return ("in-managed-namespace", f"!has(request.namespace) || !(request.namespace in {cel.listed(exempt)})")


def _is_unlabelled(label: str) -> str:
    # A label that the stored object has and the new one lacks is a removal: for the validating webhook to refuse.
    key = cel.literal(label)
    return cel.all_of(
        f"!({key} in object.metadata.?labels.orValue({{}}))",
        f"request.operation == 'CREATE' || !({key} in oldObject.metadata.?labels.orValue({{}}))",
    )


def _changes_namespace() -> str:
    """
    Everything that is written to a live namespace's main resource, and of the rest only what changes something.

    The status and finalize writes by which a namespace terminates change nothing of this: it never depends on us.
    """
    return cel.any_of(
        "request.operation == 'CREATE'",
        f"{cel.IS_MAIN} && !{cel.IS_STORED_DELETING}",
        cel.differs("labels", "{}"),
        cel.differs("annotations", "{}"),
        cel.differs("ownerReferences", "[]"),
        f"{cel.differs('finalizers', '[]')} && !{cel.IS_STORED_DELETING}",
        changes_spec_finalizers(),
    )


def changes_spec_finalizers() -> str:
    """Whether spec.finalizers change by another than the namespace controller: content then outlives its namespace."""
    return cel.all_of(
        "object.?spec.?finalizers.orValue([]) != oldObject.?spec.?finalizers.orValue([])",
        # It never touches those of a live namespace; who borrows its name does.
        f"!({cel.all_of(cel.is_user(NAMESPACE_CONTROLLERS), cel.IS_STORED_DELETING)})",
    )


def _policy_conditions() -> list[tuple[str, str]]:
    return [
        # Every other deletion only takes away what a policy says, and each is judged as if it stood alone: so it
        # passes without us, and a release is uninstalled while all our pods are dead.
        (
            "deletes-the-baseline",
            cel.any_of("request.operation != 'DELETE'", "request.resource.resource == 'tiers'", is_baseline()),
        ),
        ("not-the-namespace-controller", f"!({is_left_to_namespace_controller()})"),
        ("not-the-garbage-collector", f"!({_only_drops_finalizers()})"),
        not_calico_starting(),
    ]


def not_calico_starting() -> tuple[str, str]:
    return ("not-calico-starting", f"!({_is_calico_starting()})")


def is_baseline() -> str:
    """Whether the object has a name of the baseline."""
    name = f"{cel.THE_OBJECT}.metadata.name"
    own = f"{cel.NAMESPACE} + '-ns-allow'"
    return cel.any_of(
        f"{name} in {cel.listed(BASELINE_NAMES)}",
        # The article's own `test-ns-allow` in development ends like that too, so a suffix would be wrong.
        f"{name} == {own}",
        f"{name} == 'default.' + {own}",
    )


def is_left_to_namespace_controller() -> str:
    """Its deletes in namespaces: a native policy sees whether the namespace is terminating, and we are not asked."""
    return cel.all_of("request.operation == 'DELETE'", "has(request.namespace)", cel.is_user(NAMESPACE_CONTROLLERS))


def _only_drops_finalizers() -> str:
    # After a foreground deletion, which was judged, the collector takes its finalizer away by an update.
    return cel.all_of(
        cel.is_user(GARBAGE_COLLECTORS),
        "request.operation == 'UPDATE'",
        "object.?spec == oldObject.?spec",
        f"!({cel.differs('labels', '{}')})",
        f"!({cel.differs('annotations', '{}')})",
        f"!({cel.differs('ownerReferences', '[]')})",
        # It takes them away; who borrows its name could bring one, which its namespace would wait for.
        "object.metadata.?finalizers.orValue([]).all(f, f in oldObject.metadata.?finalizers.orValue([]))",
    )


def _is_calico_starting() -> str:
    """
    Calico's own writers at their own objects, by who and by what: their start must not depend on us.

    What the aggregated API server relays of a tenant's write was judged when it reached that server; only deletions
    are not, and those are never left out.
    """
    tier = "object.?spec.?tier.orValue('default')"
    prefixes = " || ".join(f"{cel.NAME}.startsWith({cel.literal(t + '.')})" for t in cel.OPERATOR_TIERS)
    own_tier = cel.all_of(
        cel.is_user((*cel.CALICO_STARTERS, *cel.CALICO_OPERATORS)),
        "request.resource.resource == 'tiers'",
        cel.any_of(
            f"request.operation == 'CREATE' && {cel.NAME} in {cel.listed(cel.CALICO_TIERS)}",
            "request.operation == 'UPDATE' && object.?spec == oldObject.?spec",
        ),
    )
    own_policy = cel.all_of(
        cel.is_user((*cel.CALICO_RELAYS, *cel.CALICO_OPERATORS)),
        "request.resource.resource.endsWith('networkpolicies')",
        f"{tier} in {cel.listed(cel.OPERATOR_TIERS)}",
        prefixes,
    )
    return cel.all_of("request.operation != 'DELETE'", cel.any_of(own_tier, own_policy))


def claims_address() -> str:
    """Whether a pod, or the binding of one, brings an annotation from which Felix takes an address."""
    new = "object.metadata.?annotations.orValue({})"
    old = "oldObject.metadata.?annotations.orValue({})"
    return (
        f"{cel.listed(cel.ADDRESS_ANNOTATIONS)}.exists(a, a in {new} && "
        f"(request.operation == 'CREATE' || !(a in {old}) || {new}[a] != {old}[a]))"
    )


def is_network_plugin() -> str:
    return cel.any_of(cel.is_user(NETWORK_PLUGINS), is_kubelet())


def is_kubelet() -> str:
    return f"{cel.USER}.startsWith({cel.literal(NODE_PREFIX)}) && {cel.literal(NODE_GROUP)} in {cel.GROUPS}"

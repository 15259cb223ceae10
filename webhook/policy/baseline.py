"""Baseline: the policies that every namespace has, and the floor under all of them; never how they get there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook.policy.baseline_kubernetes import kubernetes_spec
from webhook.policy.environment import assign, is_known
from webhook.policy.objects import TIER_DEFAULT, CalicoApi, Namespace, Policy, Ref
from webhook.policy.settings import UNASSIGNED, DenyForm, Reach, Settings

Manifest = Mapping[str, Any]

DEFAULT_DENY = "default-deny"
DNS_ALLOW = "dns-allow"
FLOOR = "isolation-floor"
MANAGED_BY = "app.kubernetes.io/managed-by"
PRODUCT = "isolation-baseline"
SETTINGS_ANNOTATION = "isolation-baseline.io/settings"

NAME_LABEL = "kubernetes.io/metadata.name"
# Sets inherit the labels of their namespace; only pods have this one (and labels-not-forged keeps it so).
IS_POD = "projectcalico.org/orchestrator == 'k8s'"
CALICO_GROUPS = frozenset({"projectcalico.org", "crd.projectcalico.org"})
_BOTH = ("Ingress", "Egress")


@dataclass(frozen=True, slots=True)
class BaselineObject:
    """One policy as Calico is asked for it; an empty namespace is the isolation floor's. Nobody changes `spec`."""

    name: str
    namespace: str
    order: float
    spec: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return "NetworkPolicy" if self.namespace else "GlobalNetworkPolicy"


def ns_allow(namespace: str) -> str:
    """Name the allow for the same environment; the suffix alone says nothing, `test-ns-allow` can be a tenant's."""
    return f"{namespace}-ns-allow"


def environment_for(namespace: Namespace, settings: Settings) -> str:
    """Say which environment the baseline of a namespace is for: `unassigned` when its label is not a declared one."""
    found = assign(namespace.name, namespace.meta.labels, settings).environment
    return found if found is not None and is_known(found, settings) else UNASSIGNED


def desired(namespace: Namespace, settings: Settings) -> tuple[BaselineObject, ...]:
    """List what a managed namespace must have, the denial first: a crash between two leaves too little open."""
    name = namespace.name
    objects = [
        _object(DEFAULT_DENY, name, settings.orders.deny, types=_BOTH, **_denies(settings)),
        _object(DNS_ALLOW, name, settings.orders.dns, types=("Egress",), egress=dns_rules(settings)),
    ]
    peers = _same_environment(namespace, settings)
    if peers is not None:
        rules = {
            "ingress": [{"action": "Allow", "source": peers}],
            "egress": [{"action": "Allow", "destination": dict(peers)}],
        }
        objects.append(_object(ns_allow(name), name, settings.orders.same_environment, types=_BOTH, **rules))
    return tuple(objects)


def isolation_floor(settings: Settings) -> BaselineObject:
    """Describe the policy under all namespaces: it denies in every one not exempt, even before its baseline."""
    exempt = ", ".join(f"'{name}'" for name in sorted(settings.exempt_namespaces))
    # `not in` is true of host endpoints too, which have no namespace; has() keeps them out.
    namespaces = f"has({NAME_LABEL}) && {NAME_LABEL} not in {{{exempt}}}"
    spec = {
        "tier": TIER_DEFAULT,
        "order": _number(settings.orders.floor),
        "namespaceSelector": namespaces,
        "types": list(_BOTH),
        "ingress": [{"action": "Deny"}],
        "egress": [*dns_rules(settings), {"action": "Deny"}],
    }
    return BaselineObject(FLOOR, "", settings.orders.floor, spec)


def dns_rules(settings: Settings) -> list[dict[str, Any]]:
    """List the allows for DNS: names longer than 512 bytes answer over TCP, so both protocols."""
    places: list[dict[str, Any]] = [
        {
            "namespaceSelector": f"{NAME_LABEL} == '{servers.namespace}'",
            "selector": f"({servers.selector}) && {IS_POD}",
        }
        for servers in settings.dns.servers
    ]
    if settings.dns.node_local:
        places.append({"nets": [str(net) for net in settings.dns.node_local]})
    return [
        {"action": "Allow", "protocol": protocol, "destination": {**place, "ports": list(settings.dns.ports)}}
        for place in places
        for protocol in ("UDP", "TCP")
    ]


def manifest(wanted: BaselineObject, api: CalicoApi, settings: Settings) -> dict[str, Any]:
    """Write an object down for the API that serves it."""
    metadata: dict[str, Any] = {
        "name": wanted.name,
        "labels": {MANAGED_BY: PRODUCT},
        "annotations": {SETTINGS_ANNOTATION: settings.generation},
    }
    if wanted.namespace:
        metadata["namespace"] = wanted.namespace
    spec = kubernetes_spec(wanted, settings) if api is CalicoApi.KUBERNETES else dict(wanted.spec)
    return {"apiVersion": api.api_version, "kind": wanted.kind, "metadata": metadata, "spec": spec}


def canonical(name: str) -> str:
    """Drop the prefix with which Calico up to 3.31 stores the policies of tier `default`."""
    return name.removeprefix("default.")


def is_reserved(ref: Ref, api: CalicoApi) -> bool:
    """Say whether this names a baseline object, in either spelling, in a group where it would be taken for one."""
    name = canonical(ref.name)
    if ref.kind == "GlobalNetworkPolicy":
        return ref.group in CALICO_GROUPS and name == FLOOR
    if ref.kind != "NetworkPolicy" or name not in (DEFAULT_DENY, DNS_ALLOW, ns_allow(ref.namespace)):
        return False
    if api is CalicoApi.KUBERNETES:
        return ref.group == api.group and name == ref.name
    return ref.group in CALICO_GROUPS


def wanted_at(ref: Ref, namespace: Namespace | None, settings: Settings) -> BaselineObject | None:
    """Find what a reserved name must hold; None when nothing of that name is asked for (sameEnvironment: none)."""
    if not ref.namespace:
        return isolation_floor(settings)
    if namespace is None:
        return None
    return next((wanted for wanted in desired(namespace, settings) if wanted.name == canonical(ref.name)), None)


def missing(
    namespace: Namespace, policies: Mapping[Ref, Policy], settings: Settings, api: CalicoApi
) -> tuple[str, ...]:
    """Name the baseline policies that a namespace does not have at all; how they look is differences()."""
    groups = CALICO_GROUPS if api is not CalicoApi.KUBERNETES else frozenset({api.group})
    return tuple(
        wanted.name
        for wanted in desired(namespace, settings)
        if not any(
            Ref(group, wanted.kind, wanted.namespace, name) in policies
            for group in groups
            for name in (wanted.name, f"default.{wanted.name}")
        )
    )


def is_generated(stored: Manifest) -> bool:
    """Say whether an object carries our label: good enough to tidy up by, never to trust by."""
    metadata = stored.get("metadata") or {}
    return (metadata.get("labels") or {}).get(MANAGED_BY) == PRODUCT


def differences(stored: Manifest, asked: Manifest) -> tuple[str, ...]:
    """
    Say where a stored object is not what is asked for; empty when nothing has to be written.

    What servers fill in (the default tier, empty fields, the order of types) is no difference; the annotation with the
    settings' digest is none either, or every edit of the settings would rewrite every policy of the cluster.
    """
    found: list[str] = []
    metadata = stored.get("metadata") or {}
    if metadata.get("ownerReferences"):
        found.append("metadata.ownerReferences")
    if metadata.get("finalizers"):
        found.append("metadata.finalizers")
    if not is_generated(stored):
        found.append(f"metadata.labels[{MANAGED_BY}]")
    left, right = _plain(stored.get("spec") or {}), _plain(asked["spec"])
    assert isinstance(left, dict)
    assert isinstance(right, dict)
    left.setdefault("tier", TIER_DEFAULT)
    right.setdefault("tier", TIER_DEFAULT)
    found += [f"spec.{key}" for key in sorted({*left, *right}) if left.get(key) != right.get(key)]
    return tuple(found)


def _plain(value: Any, key: str = "") -> Any:
    """Drop what is empty, and what is only another spelling."""
    if isinstance(value, Mapping):
        items = {name: _plain(item, name) for name, item in value.items()}
        # An empty rule says something, an empty field of one does not; Go writes `source: {}` for none.
        return {name: item for name, item in items.items() if item not in (None, "", [], {}) or _says(name, item)}
    if isinstance(value, list | tuple):
        items_ = [_plain(item) for item in value]
        return sorted(items_, key=str) if key in ("types", "policyTypes") else items_
    return value


def _says(name: str, item: Any) -> bool:
    """`podSelector: {}` selects every pod, and its absence selects by other fields."""
    return item == {} and name in ("podSelector", "namespaceSelector")


def _object(name: str, namespace: str, order: float, **spec: Any) -> BaselineObject:
    whole = {"tier": TIER_DEFAULT, "order": _number(order), "selector": "all()", **spec, "types": list(spec["types"])}
    return BaselineObject(name, namespace, order, whole)


def _number(order: float) -> int | float:
    """An order as people write it: 5000, not 5000.0."""
    return int(order) if order == int(order) else order


def _denies(settings: Settings) -> dict[str, Any]:
    if settings.deny_form is DenyForm.RULELESS:
        return {}
    return {"ingress": [{"action": "Deny"}], "egress": [{"action": "Deny"}]}


def _same_environment(namespace: Namespace, settings: Settings) -> dict[str, str] | None:
    if settings.same_environment is Reach.NONE:
        return None
    environment = environment_for(namespace, settings)
    if settings.same_environment is Reach.NAMESPACE or environment == UNASSIGNED:
        # By the label that the API server itself keeps equal to the name.
        return {"namespaceSelector": f"{NAME_LABEL} == '{namespace.name}'", "selector": IS_POD}
    return {"namespaceSelector": f"{settings.environment_label} == '{environment}'", "selector": IS_POD}

"""Baseline in networking.k8s.io: the same three policies for clusters without Calico's resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from webhook.policy.objects import InvalidObject
from webhook.policy.selectors import All, And, Equal, Has, In, Not, NotEqual, NotIn, Selector
from webhook.policy.selectors import parse as parse_selector
from webhook.policy.settings import DnsServers, Settings

if TYPE_CHECKING:
    from webhook.policy.baseline import BaselineObject


def kubernetes_spec(wanted: BaselineObject, settings: Settings) -> dict[str, Any]:
    """
    Write a baseline object as the spec of a Kubernetes NetworkPolicy, which knows no Deny and no order: it isolates.

    Raises:
        InvalidObject: when a DNS selector says what a label selector cannot.
    """
    spec: dict[str, Any] = {"podSelector": {}, "policyTypes": list(wanted.spec["types"])}
    peers = wanted.spec.get("ingress", [{}])[0].get("source")
    if peers is not None:
        # The namespace selector of the same-environment allow is one comparison, ours.
        chosen = parse_selector(str(peers["namespaceSelector"]))
        peer = {"namespaceSelector": label_selector(chosen, "environmentLabel")}
        return {**spec, "ingress": [{"from": [peer]}], "egress": [{"to": [dict(peer)]}]}
    if "egress" in wanted.spec and wanted.spec["egress"][0]["action"] == "Allow":
        ports = [{"protocol": protocol, "port": port} for port in settings.dns.ports for protocol in ("UDP", "TCP")]
        to = [_dns_peer(servers, number) for number, servers in enumerate(settings.dns.servers)]
        to += [{"ipBlock": {"cidr": str(net)}} for net in settings.dns.node_local]
        return {**spec, "egress": [{"to": to, "ports": ports}]}
    return spec


def _dns_peer(servers: DnsServers, number: int) -> Mapping[str, Any]:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": servers.namespace}},
        "podSelector": label_selector(parse_selector(servers.selector), f"dns.selectors[{number}]"),
    }


def label_selector(selector: Selector, path: str) -> dict[str, Any]:
    """
    Write a selector as a Kubernetes LabelSelector.

    Raises:
        InvalidObject: when it is more than comparisons joined by `&&`.
    """
    labels: dict[str, str] = {}
    expressions: list[dict[str, Any]] = []
    for part in selector.operands if isinstance(selector, And) else (selector,):
        match part:
            case All():
                continue
            case Equal(key, value) if key not in labels:
                labels[key] = value
            case Equal(key, value):
                expressions.append({"key": key, "operator": "In", "values": [value]})
            case NotEqual(key, value):
                expressions.append({"key": key, "operator": "NotIn", "values": [value]})
            case In(key, values) | NotIn(key, values) if values:
                operator = "In" if isinstance(part, In) else "NotIn"
                expressions.append({"key": key, "operator": operator, "values": sorted(values)})
            case Has(key):
                expressions.append({"key": key, "operator": "Exists"})
            case Not(Has(key)):
                expressions.append({"key": key, "operator": "DoesNotExist"})
            case _:
                raise InvalidObject(path, f"`{part}` cannot be said in a Kubernetes label selector")
    found: dict[str, Any] = {}
    if labels:
        found["matchLabels"] = labels
    if expressions:
        found["matchExpressions"] = expressions
    return found

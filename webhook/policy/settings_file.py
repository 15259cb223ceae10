"""Settings file: YAML into Settings, or an InvalidObject that names the field; what the settings mean is elsewhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import yaml

from webhook.policy.objects import InvalidObject
from webhook.policy.ranges import (
    PROTOCOLS_WITH_PORTS,
    Cidr,
    PortRange,
    RangeError,
    parse_cidr,
    parse_port,
    parse_protocol,
)
from webhook.policy.selectors import SelectorError, is_blank
from webhook.policy.selectors import parse as parse_selector
from webhook.policy.settings import (
    OWN_NAMESPACE,
    UNASSIGNED,
    Cidrs,
    DenyForm,
    Dns,
    DnsServers,
    Environment,
    Identities,
    Mode,
    Orders,
    Permit,
    PermitPort,
    Reach,
    Settings,
    SharedDirection,
    SharedNamespace,
    Unmatched,
)
from webhook.policy.settings_check import check
from webhook.policy.settings_fields import choice, each, flag, mapping, matching, namespace_name, number, text

API_VERSION = "isolation-baseline.io/v1"
KIND = "Settings"
# A ConfigMap holds 1 MiB at most; a file larger than that was never mounted from one.
MAX_BYTES = 1024 * 1024

_LABEL_VALUE = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_KEY = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PATTERN = re.compile(r"[-a-z0-9*]{1,63}")


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice: YAML says it is an error, PyYAML takes the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise InvalidObject(_line(key_node), "expected text as the key")
            if key in seen:
                raise InvalidObject(_line(key_node), f"`{key}` is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


def load(text: str) -> Settings:
    """
    Read a settings file.

    Raises:
        InvalidObject: with the path of the field, or the line where the text is no YAML.
    """
    if len(text.encode()) > MAX_BYTES:
        raise InvalidObject("settings", f"expected at most {MAX_BYTES} bytes")
    # An alias costs a few bytes and can stand for gigabytes; settings have no use for one.
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise InvalidObject("settings", "aliases (`*name`) are not allowed")
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader
    except yaml.MarkedYAMLError as e:
        where = f"line {e.problem_mark.line + 1}" if e.problem_mark else "settings"
        raise InvalidObject(where, f"not YAML: {e.problem or e.context or 'unreadable'}") from e
    except (yaml.YAMLError, RecursionError, ValueError) as e:
        raise InvalidObject("settings", f"not YAML: {type(e).__name__}") from e
    return replace(parse_settings(document), generation=hashlib.sha256(text.encode()).hexdigest()[:12])


def parse_settings(document: object) -> Settings:
    """
    Read a settings document.

    Raises:
        InvalidObject: with the path of the first field at fault.
    """
    top = mapping(document, "settings", _TOP)
    for key, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        if top.get(key) != expected:
            raise InvalidObject(key, f"expected `{expected}`")
    exempt = mapping(top.get("exempt", {}), "exempt", ("namespaces", "breakGlass"))
    tiers = mapping(top.get("tiers", {}), "tiers", ("tenants",))
    base = Settings()
    settings = Settings(
        environment_label=matching(top.get("environmentLabel", "env"), "environmentLabel", _LABEL_KEY, "a label key"),
        environments=_environments(top.get("environments", {})),
        unmatched=choice(Unmatched, top.get("unmatchedNamespaces", "isolate"), "unmatchedNamespaces"),
        permits=each(top.get("permit", []), "permit", _permit),
        shared_namespaces=each(top.get("sharedNamespaces", []), "sharedNamespaces", _shared),
        cidrs=_cidrs(top.get("cidrs", {})),
        same_environment=choice(Reach, top.get("sameEnvironment", "environment"), "sameEnvironment"),
        deny_form=choice(DenyForm, top.get("denyForm", "explicit"), "denyForm"),
        dns=_dns(top.get("dns", {})),
        orders=_orders(top.get("orders", {})),
        tenant_tiers=each(tiers.get("tenants", ["default"]), "tiers.tenants", namespace_name),
        exempt_namespaces=base.exempt_namespaces
        if "namespaces" not in exempt
        else frozenset(each(exempt["namespaces"], "exempt.namespaces", namespace_name)) | {OWN_NAMESPACE},
        break_glass=_identities(exempt.get("breakGlass", {}), "exempt.breakGlass"),
        exempting_labels=each(
            top.get("exemptingLabels", list(base.exempting_labels)),
            "exemptingLabels",
            lambda value, path: matching(value, path, _LABEL_KEY, "a label key"),
        ),
        unassigned_mode=choice(Mode, top.get("unassignedMode", "enforce"), "unassignedMode"),
        pod_gate=flag(top.get("podGate", base.pod_gate), "podGate"),
        contact=text(top.get("contact", base.contact), "contact"),
        docs_url=text(top.get("docsUrl", base.docs_url), "docsUrl").rstrip("/"),
    )
    check(settings)
    return settings


_TOP = (
    "apiVersion",
    "kind",
    "environmentLabel",
    "environments",
    "unmatchedNamespaces",
    "unassignedMode",
    "permit",
    "sharedNamespaces",
    "cidrs",
    "sameEnvironment",
    "denyForm",
    "dns",
    "orders",
    "tiers",
    "exempt",
    "exemptingLabels",
    "podGate",
    "contact",
    "docsUrl",
)


def _environments(value: object) -> tuple[Environment, ...]:
    return tuple(
        _environment(name, body, f"environments.{name}") for name, body in mapping(value, "environments").items()
    )


def _environment(name: str, value: object, path: str) -> Environment:
    matching(name, path, _LABEL_VALUE, "the name to be a label value")
    if name == UNASSIGNED:
        raise InvalidObject(path, f"`{UNASSIGNED}` is reserved for namespaces that fit no environment")
    body = mapping(value, path, ("names", "mode", "claimableBy"))
    claimable = body.get("claimableBy")
    return Environment(
        name=name,
        names=each(
            body.get("names", []),
            f"{path}.names",
            lambda item, at: matching(item, at, _PATTERN, "a namespace name with `*` for any run of characters"),
        ),
        mode=choice(Mode, body.get("mode", "enforce"), f"{path}.mode"),
        claimable_by=None if claimable is None else _identities(claimable, f"{path}.claimableBy"),
    )


def _identities(value: object, path: str) -> Identities:
    body = mapping(value, path, ("users", "groups"))
    return Identities(
        users=frozenset(each(body.get("users", []), f"{path}.users", text)),
        groups=frozenset(each(body.get("groups", []), f"{path}.groups", text)),
    )


def _permit(value: object, path: str) -> Permit:
    body = mapping(value, path, ("from", "to", "ports"))
    for key in ("from", "to"):
        if key not in body:
            raise InvalidObject(f"{path}.{key}", "expected an environment")
    ports = each(body["ports"], f"{path}.ports", _permit_ports) if "ports" in body else ()
    if "ports" in body and not ports:
        # An empty list would read as `no port` and mean `any port`.
        raise InvalidObject(f"{path}.ports", "expected at least one port; leave `ports` out to permit any")
    return Permit(
        source=text(body["from"], f"{path}.from"),
        destination=text(body["to"], f"{path}.to"),
        ports=tuple(port for both in ports for port in both),
    )


def _permit_ports(value: object, path: str) -> tuple[PermitPort, ...]:
    """PORT := int | PROTOCOL "/" int [":" int] | {protocol, port, endPort}; a bare number is that TCP port."""
    if isinstance(value, Mapping):
        body = mapping(value, path, ("protocol", "port", "endPort"))
        low = _port(body.get("port"), f"{path}.port")
        high = _port(body.get("endPort", body.get("port")), f"{path}.endPort")
        if low.low != low.high or high.low != high.high or high.low < low.low:
            raise InvalidObject(f"{path}.endPort", "expected a port that is not below `port`")
        return (PermitPort(_protocol(body.get("protocol", "TCP"), f"{path}.protocol"), low.low, high.high),)
    protocol: object = "TCP"
    if isinstance(value, str) and "/" in value:
        protocol, _, value = value.partition("/")
    ports = _port(value, path)
    return (PermitPort(_protocol(protocol, path), ports.low, ports.high),)


def _port(value: object, path: str) -> PortRange:
    try:
        port = parse_port(value) if value is not None and not isinstance(value, bool) else None
    except RangeError as e:
        raise InvalidObject(path, str(e)) from e
    if not isinstance(port, PortRange) or port.low < 1:
        raise InvalidObject(path, "expected a port from 1 to 65535, such as 8080, `TCP/8080` or `UDP/5000:5010`")
    return port


def _protocol(value: object, path: str) -> int:
    try:
        number = parse_protocol(value)
    except RangeError as e:
        raise InvalidObject(path, str(e)) from e
    if number not in PROTOCOLS_WITH_PORTS:
        raise InvalidObject(path, "expected TCP, UDP or SCTP")
    return number


def _shared(value: object, path: str) -> SharedNamespace:
    body = mapping(value, path, ("name", "direction"))
    return SharedNamespace(
        name=namespace_name(body.get("name"), f"{path}.name"),
        direction=choice(SharedDirection, body.get("direction", "ingress"), f"{path}.direction"),
    )


def _cidrs(value: object) -> Cidrs:
    body = mapping(value, "cidrs", ("pods", "nodes", "ingress", "egress"))
    return Cidrs(**{key: each(ranges, f"cidrs.{key}", _cidr) for key, ranges in body.items()})


def _cidr(value: object, path: str) -> Cidr:
    try:
        return parse_cidr(text(value, path), allow_address=True)
    except RangeError as e:
        raise InvalidObject(path, str(e)) from e


def _dns(value: object) -> Dns:
    body = mapping(value, "dns", ("selectors", "nodeLocal", "ports"))
    base = Dns()
    ports = body.get("ports", list(base.ports))
    return Dns(
        servers=each(body["selectors"], "dns.selectors", _dns_servers) if "selectors" in body else base.servers,
        node_local=each(body.get("nodeLocal", []), "dns.nodeLocal", _cidr),
        ports=tuple(_single_port(port) for port in each(ports, "dns.ports", _port_at)),
    )


def _port_at(value: object, path: str) -> tuple[PortRange, str]:
    return _port(value, path), path


def _single_port(found: tuple[PortRange, str]) -> int:
    port, path = found
    if port.low != port.high:
        raise InvalidObject(path, "expected one port, not a range")
    return port.low


def _dns_servers(value: object, path: str) -> DnsServers:
    if isinstance(value, str):
        return DnsServers(selector=_selector(value, path))
    body = mapping(value, path, ("namespace", "selector"))
    return DnsServers(
        namespace=namespace_name(body.get("namespace", DnsServers().namespace), f"{path}.namespace"),
        selector=_selector(body.get("selector"), f"{path}.selector"),
    )


def _selector(value: object, path: str) -> str:
    written = text(value, path)
    if is_blank(written):
        raise InvalidObject(path, "expected a selector; `all()` selects every pod")
    try:
        parse_selector(written)
    except SelectorError as e:
        raise InvalidObject(path, " ".join(str(e).split())) from e
    return written


def _orders(value: object) -> Orders:
    base = Orders()
    body = mapping(value, "orders", ("tenants", "sameEnvironment", "dns", "deny", "floor"))
    band = each(body.get("tenants", list(base.tenants)), "orders.tenants", number)
    if len(band) != 2:
        raise InvalidObject("orders.tenants", "expected two numbers, the lowest and the highest order")
    return Orders(
        tenants=(band[0], band[1]),
        same_environment=number(body.get("sameEnvironment", base.same_environment), "orders.sameEnvironment"),
        dns=number(body.get("dns", base.dns), "orders.dns"),
        deny=number(body.get("deny", base.deny), "orders.deny"),
        floor=number(body.get("floor", base.floor), "orders.floor"),
    )

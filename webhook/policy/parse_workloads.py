"""Namespaces, pods, service accounts and services: what Calico's endpoints and their labels are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from webhook.policy.fields import Json, Manifest, child, flag, integer, items, mapping, text, texts
from webhook.policy.nets import read_net
from webhook.policy.objects import NamedPort, Namespace, Pod, ServiceAccount, ServiceEndpoints
from webhook.policy.parse_meta import Notes, read_meta
from webhook.policy.ranges import LAST_PORT, PROTOCOLS_WITH_PORTS, RangeError, parse_protocol

POD_IP, POD_IPS = "cni.projectcalico.org/podIP", "cni.projectcalico.org/podIPs"
AWS_POD_IPS = "vpc.amazonaws.com/pod-ips"
_SERVICE_NAME = "kubernetes.io/service-name"


def parse_namespace(manifest: Manifest) -> Namespace:
    meta = read_meta(manifest, Notes(), namespace=None)
    return Namespace(meta, texts(child(manifest, "spec", "").get("finalizers"), "spec.finalizers"))


def parse_service_account(manifest: Manifest, *, namespace: str = "default") -> ServiceAccount:
    return ServiceAccount(read_meta(manifest, Notes(), namespace=namespace))


def parse_pod(manifest: Manifest, *, namespace: str = "default") -> Pod:
    meta = read_meta(manifest, Notes(), namespace=namespace)
    spec = child(manifest, "spec", "")
    status = child(manifest, "status", "")
    containers = (*_listed(spec, "containers"), *_listed(spec, "initContainers"))
    finished = text(status.get("phase"), "status.phase") in ("Succeeded", "Failed")
    # Calico's CNI plugin empties its annotation when a dying pod loses its address.
    gone = meta.deleting and meta.annotations.get(POD_IP) == ""
    claimed = () if finished or gone else tuple(_claimed_addresses(status, meta.annotations))
    nets = (read_net(address.strip())[0] for address in claimed)
    return Pod(
        meta,
        addresses=tuple(dict.fromkeys(net.address for net in nets if net is not None and net.is_address)),
        service_account=text(spec.get("serviceAccountName"), "spec.serviceAccountName") or "default",
        host_network=flag(spec.get("hostNetwork"), "spec.hostNetwork"),
        named_ports=tuple(port for container, path in containers for port in _named_ports(container, path)),
    )


def _claimed_addresses(status: Manifest, annotations: Mapping[str, str]) -> Iterable[str]:
    """Without an address in its status, Felix takes a pod's address from annotations that anyone could have written."""
    path = "status.podIPs"
    listed = [
        text(mapping(item, f"{path}[{at}]").get("ip"), f"{path}[{at}].ip")
        for at, item in enumerate(items(status.get("podIPs"), path))
    ]
    single = text(status.get("podIP"), "status.podIP")
    if listed or single:
        return listed or [single]
    for key in (POD_IPS, POD_IP, AWS_POD_IPS):
        if annotations.get(key):
            return annotations[key].split(",")
    return ()


def _listed(spec: Manifest, field: str) -> Iterator[tuple[Manifest, str]]:
    for at, item in enumerate(items(spec.get(field), f"spec.{field}")):
        yield mapping(item, f"spec.{field}[{at}]"), f"spec.{field}[{at}]"


def _named_ports(container: Manifest, path: str) -> Iterator[NamedPort]:
    for at, item in enumerate(items(container.get("ports"), f"{path}.ports")):
        place = f"{path}.ports[{at}]"
        port = mapping(item, place)
        name = text(port.get("name"), f"{place}.name")
        value = integer(port.get("containerPort"), f"{place}.containerPort")
        protocol = _protocol(port.get("protocol"))
        if name and protocol is not None and value is not None and 1 <= value <= LAST_PORT:
            yield NamedPort(name, protocol, value)


def _protocol(value: Json) -> int | None:
    try:
        found = parse_protocol("TCP" if value is None else value)
    except RangeError:
        return None
    return found if found in PROTOCOLS_WITH_PORTS else None


def parse_service_endpoints(
    service: Manifest, slices: Iterable[Manifest] = (), *, namespace: str = "default"
) -> ServiceEndpoints:
    """
    Read a Service with its EndpointSlices; slices of other services are passed over.

    An address without a port is kept as (address, 0, 0): a `services` clause in a source looks at addresses only.
    """
    meta = read_meta(service, Notes(), namespace=namespace)
    found: dict[tuple[str, int, int], None] = {}
    for manifest in slices:
        at = read_meta(manifest, Notes(), namespace=namespace)
        if at.namespace == meta.namespace and at.labels.get(_SERVICE_NAME) == meta.name:
            found.update(dict.fromkeys(_endpoints(manifest)))
    has_selector = bool(child(child(service, "spec", ""), "selector", "spec"))
    return ServiceEndpoints(meta.namespace, meta.name, has_selector, tuple(found))


def _endpoints(manifest: Manifest) -> Iterator[tuple[str, int, int]]:
    ports: list[tuple[int, int]] = []
    for at, item in enumerate(items(manifest.get("ports"), "ports")):
        port = mapping(item, f"ports[{at}]")
        value = integer(port.get("port"), f"ports[{at}].port")
        protocol = _protocol(port.get("protocol"))
        if value is not None and protocol is not None:
            ports.append((protocol, value))
    for at, item in enumerate(items(manifest.get("endpoints"), "endpoints")):
        for written in texts(mapping(item, f"endpoints[{at}]").get("addresses"), f"endpoints[{at}].addresses"):
            net, _ = read_net(written)
            if net is not None and net.is_address:
                yield from ((net.address, protocol, value) for protocol, value in ports or [(0, 0)])

"""What becomes of manifests other than policies: tiers, sets, host endpoints, pods, services."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dice import calico, pod
from webhook.policy.objects import Action, NamedPort, Ref
from webhook.policy.parse import parse, parse_service_endpoints


@pytest.mark.parametrize(
    ("spec", "order", "declared", "action"),
    [
        ({}, 1e6, False, Action.DENY),
        ({"order": 10, "defaultAction": "Pass"}, 10.0, True, Action.PASS),
        ({"order": None, "defaultAction": "pass"}, 1e6, False, Action.DENY),
    ],
    ids=["no order is a million", "as it says", "only the exact word passes"],
)
def test_tiers(spec: Any, order: float, declared: bool, action: Action) -> None:
    tier: Any = parse(calico("Tier", "t", **spec))
    assert (tier.name, tier.order, tier.order_declared, tier.default_action) == ("t", order, declared, action)


def test_sets_keep_what_is_written_and_note_what_calico_skips() -> None:
    local: Any = parse(calico("NetworkSet", "s", "one", nets=["10.0.0.0/8", "", "10.0.0.1", "::ffff:0.0.0.0/96"]))
    wide: Any = parse(calico("GlobalNetworkSet", "s", nets=[]))
    assert (local.ref, local.nets) == (
        Ref("projectcalico.org", "NetworkSet", "one", "s"),
        ("10.0.0.0/8", "", "10.0.0.1", "::ffff:0.0.0.0/96"),
    )
    assert [(d.path, d.text) for d in local.defects] == [("spec.nets[1]", ""), ("spec.nets[3]", "::ffff:0.0.0.0/96")]
    assert (wide.ref.namespace, wide.meta.namespace, wide.defects) == ("", "", ())


def test_host_endpoints_lend_ports_and_profiles() -> None:
    host: Any = parse(
        calico(
            "HostEndpoint",
            "h",
            expectedIPs=["192.0.2.1"],
            profiles=["kns.one"],
            ports=[{"name": "ssh", "protocol": "TCP", "port": 22}],
        )
    )
    assert (host.addresses, host.profiles, host.named_ports) == (
        ("192.0.2.1",),
        ("kns.one",),
        (NamedPort("ssh", 6, 22),),
    )


PODS = [
    ("both families", {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}, {}, ("10.0.0.1", "fd00::1")),
    ("the old field", {"podIP": "10.0.0.1"}, {}, ("10.0.0.1",)),
    ("none yet", {}, {}, ()),
    ("finished", {"phase": "Succeeded", "podIP": "10.0.0.1"}, {}, ()),
    (
        "claimed by annotation while there is no status",
        {},
        {"cni.projectcalico.org/podIP": "10.0.0.9/32"},
        ("10.0.0.9",),
    ),
    ("a list claimed by annotation", {}, {"vpc.amazonaws.com/pod-ips": "10.0.0.9,10.0.0.8"}, ("10.0.0.9", "10.0.0.8")),
    ("status wins over annotation", {"podIP": "10.0.0.1"}, {"cni.projectcalico.org/podIPs": "10.0.0.9"}, ("10.0.0.1",)),
    ("a range in an annotation is ignored", {}, {"cni.projectcalico.org/podIP": "10.0.0.0/8"}, ()),
]


@pytest.mark.parametrize(("status", "annotations", "addresses"), [c[1:] for c in PODS], ids=[c[0] for c in PODS])
def test_pod_addresses(status: Any, annotations: Any, addresses: tuple[str, ...]) -> None:
    manifest = pod("one", "p") | {"status": status}
    manifest["metadata"]["annotations"] = annotations
    found: Any = parse(manifest)
    assert found.addresses == addresses


def test_pods_bring_named_ports_of_all_containers_and_an_account() -> None:
    ports = [
        {"name": "web", "containerPort": 80},
        {"containerPort": 81},
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
    ]
    found: Any = parse(
        pod(
            "one",
            "p",
            containers=[{"ports": ports}],
            initContainers=[{"ports": [{"name": "init", "containerPort": 1}]}],
            hostNetwork=True,
        )
    )
    assert found.named_ports == (NamedPort("web", 6, 80), NamedPort("dns", 17, 53), NamedPort("init", 6, 1))
    assert (found.service_account, found.host_network) == ("default", True)


def test_services_take_the_slices_that_name_them() -> None:
    def piece(name: str, place: str = "one", **more: Any) -> Any:
        labels = {"kubernetes.io/service-name": name}
        return {
            "metadata": {"name": "x", "namespace": place, "labels": labels},
            "endpoints": [{"addresses": ["10.0.0.1"]}],
            **more,
        }

    service = {"metadata": {"name": "web", "namespace": "one"}, "spec": {"selector": {"a": "b"}}}
    slices = [
        piece("web", ports=[{"port": 80}, {"port": 53, "protocol": "UDP"}]),
        piece("web"),
        piece("db"),
        piece("web", "two"),
    ]
    found = parse_service_endpoints(service, slices)
    assert (found.namespace, found.name, found.has_selector) == ("one", "web", True)
    assert found.endpoints == (("10.0.0.1", 6, 80), ("10.0.0.1", 17, 53), ("10.0.0.1", 0, 0))
    assert parse_service_endpoints({"metadata": {"name": "web"}}).has_selector is False

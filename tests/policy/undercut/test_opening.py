"""Openings: the two policies that `allow` prints, and when there are none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.dice import pod
from tests.policy.invariants import baseline
from tests.policy.table import SETTINGS, Manifest, ns, policy, tier, world
from webhook.policy.endpoints import PodRef
from webhook.policy.objects import CalicoApi
from webhook.policy.parse import parse_policy
from webhook.policy.ranges import Cidr, parse_address, parse_cidr
from webhook.policy.settings import Cidrs
from webhook.policy.traffic import Flow, verdict
from webhook.policy.undercut.opening import allow
from webhook.policy.world import World

API, WEB, POS = PodRef("stage", "api"), PodRef("shop", "web-1"), PodRef("till", "pos")
PLACES = [
    ns("shop", "dev"),
    ns("stage", "test"),
    ns("till", "prod"),
    pod("shop", "web-1", "10.240.0.1", labels={"app": "web", "pod-template-hash": "6f"}),
    pod("shop", "web-2", "10.240.0.4", labels={"app": "web", "pod-template-hash": "7a"}),
    pod("stage", "api", "10.240.0.2", labels={"app": "api"}),
    pod("till", "pos", "10.240.0.3"),
]


def cluster(*others: Manifest, api: CalicoApi = CalicoApi.NATIVE, **settings: Any) -> World:
    found = world(*PLACES, *others, settings=replace(SETTINGS, **settings), api=api)
    return found.with_policies(*baseline(found))


def flow(source: PodRef | Cidr, destination: PodRef | Cidr, protocol: int = 6, port: int = 8080) -> Flow:
    return Flow(source, destination, protocol, port)


def test_both_ends_and_no_more() -> None:
    opening = allow(flow(API, WEB), cluster())
    assert opening.policies == (
        {
            "apiVersion": "projectcalico.org/v3",
            "kind": "NetworkPolicy",
            "metadata": {"name": "allow-to-shop-tcp-8080", "namespace": "stage"},
            "spec": {
                "tier": "default",
                "order": 600,
                "selector": "app == 'api'",
                "types": ["Egress"],
                "egress": [
                    {
                        "action": "Allow",
                        "protocol": "TCP",
                        "destination": {
                            "namespaceSelector": "kubernetes.io/metadata.name == 'shop'",
                            "selector": "app == 'web' && projectcalico.org/orchestrator == 'k8s'",
                            "ports": [8080],
                        },
                    }
                ],
            },
        },
        {
            "apiVersion": "projectcalico.org/v3",
            "kind": "NetworkPolicy",
            "metadata": {"name": "allow-from-stage-tcp-8080", "namespace": "shop"},
            "spec": {
                "tier": "default",
                "order": 600,
                "selector": "app == 'web'",
                "types": ["Ingress"],
                "ingress": [
                    {
                        "action": "Allow",
                        "protocol": "TCP",
                        "source": {
                            "namespaceSelector": "kubernetes.io/metadata.name == 'stage'",
                            "selector": "app == 'api' && projectcalico.org/orchestrator == 'k8s'",
                        },
                        "destination": {"ports": [8080]},
                    }
                ],
            },
        },
    )
    assert not opening.before.allowed
    assert opening.after.allowed


def test_only_the_end_that_is_closed() -> None:
    closed = cluster()
    (sender, _) = allow(flow(API, WEB), closed).policies
    opening = allow(flow(API, WEB), closed.with_policies(parse_policy(sender)))
    assert [found["metadata"]["namespace"] for found in opening.policies] == ["shop"]


def test_nothing_where_all_is_open() -> None:
    opening = allow(flow(WEB, PodRef("shop", "web-2")), cluster())
    assert (opening.policies, opening.refusals, opening.after.allowed) == ((), (), True)


def test_what_settings_do_not_permit_is_refused_at_both_ends() -> None:
    opening = allow(flow(POS, WEB), cluster())
    assert opening.policies == ()
    assert opening.refusals == (
        "lets till reach namespace shop (env=dev) for TCP 8080, which settings do not permit [till]",
        "opens shop to namespace till (env=prod) for TCP 8080, which settings do not permit [shop]",
    )


def test_an_address_that_settings_list() -> None:
    listed = Cidrs(pods=SETTINGS.cidrs.pods, egress=(parse_cidr("203.0.113.0/24"),))
    (found,) = allow(flow(WEB, parse_address("203.0.113.9"), port=443), cluster(cidrs=listed)).policies
    assert found["metadata"]["name"] == "allow-to-203-0-113-9-tcp-443"
    assert found["spec"]["egress"] == [
        {"action": "Allow", "protocol": "TCP", "destination": {"nets": ["203.0.113.9/32"], "ports": [443]}}
    ]


def test_before_a_tenants_denial() -> None:
    denial = policy("no-api", types=["Ingress"], order=300, ingress=[{"action": "Deny"}])
    opening = allow(flow(API, WEB), cluster(denial))
    assert [found["spec"]["order"] for found in opening.policies] == [600, 299]
    assert opening.after.allowed


def test_never_before_the_tenants_band() -> None:
    denial = policy("no-api", types=["Ingress"], order=100, ingress=[{"action": "Deny"}])
    (refusal,) = allow(flow(API, WEB), cluster(denial)).refusals
    assert refusal == "ingress of pod shop/web-1 is dropped by no-api (order 100), before any order that tenants have"


def test_never_before_another_tier() -> None:
    early = tier("early", order=10, defaultAction="Pass")
    denial = policy("no-api", tier="early", types=["Ingress"], ingress=[{"action": "Deny"}])
    (refusal,) = allow(flow(API, WEB), cluster(early, denial)).refusals
    assert refusal == "ingress of pod shop/web-1 is dropped by no-api (order 600), before any order that tenants have"


def test_a_name_that_is_taken_is_left_alone() -> None:
    taken = policy("allow-from-stage-tcp-8080", types=["Ingress"], ingress=[])
    names = [found["metadata"]["name"] for found in allow(flow(API, WEB), cluster(taken)).policies]
    assert names == ["allow-to-shop-tcp-8080", "allow-from-stage-tcp-8080-2"]


def test_without_calicos_resources_it_is_kubernetes_form() -> None:
    closed = cluster(api=CalicoApi.KUBERNETES)
    opening = allow(flow(API, WEB), closed)
    assert opening.policies[1] == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "allow-from-stage-tcp-8080", "namespace": "shop"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "web"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [
                        {
                            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "stage"}},
                            "podSelector": {"matchLabels": {"app": "api"}},
                        }
                    ],
                    "ports": [{"protocol": "TCP", "port": 8080}],
                }
            ],
        },
    }
    after = closed.with_policies(*map(parse_policy, opening.policies))
    assert verdict(flow(API, WEB), after).allowed
    assert not verdict(flow(API, WEB, port=8081), after).allowed

"""Rule allows-stay-under-ceiling: what a policy opens, alone, with a set or through a tier."""

from __future__ import annotations

from tests.policy.table import SETTINGS, case, cluster_object, found, gnp, knp, ns, policy, table, tier
from webhook.policy.ranges import parse_cidr
from webhook.policy.rules.allows_stay_under_ceiling import allows_stay_under_ceiling
from webhook.policy.settings import Cidrs

SHOP = [ns("shop", "dev"), ns("stage", "test"), ns("till", "prod")]


FROM_PROD = {"action": "Allow", "source": {"namespaceSelector": "env == 'prod'"}}
API_SET = cluster_object("NetworkSet", "s", labels={"role": "api"}, nets=["192.0.2.0/24"])
LISTED = Cidrs(pods=SETTINGS.cidrs.pods, ingress=(parse_cidr("192.0.0.0/16"),))


def allow(**source: object) -> dict[str, object]:
    return policy(ingress=[{"action": "Allow", "source": source}])


CASES = [
    case("the own environment", [*SHOP, allow(namespaceSelector="env == 'dev'")], []),
    case("the own namespace by a selector", [*SHOP, allow(selector="a == 'b'")], []),
    case("an environment that is permitted", [*SHOP, allow(namespaceSelector="env == 'test'")], []),
    case(
        "the same without the permit",
        [*SHOP, allow(namespaceSelector="env == 'test'")],
        ["opens shop to env=test, which settings do not permit"],
        permits=(),
    ),
    case(
        "a Kubernetes policy for all namespaces",
        [*SHOP, knp(ingress=[{"from": [{"namespaceSelector": {}}], "ports": [{"port": 80}]}])],
        ["opens shop to env=prod, env=unassigned and namespaces without env for TCP 80, which settings do not permit"],
    ),
    case(
        "a global policy, for every environment that it selects",
        [*SHOP, gnp(namespaceSelector="env != 'prod'", ingress=[{"action": "Allow", "source": {"selector": "all()"}}])],
        [
            "opens env=dev, env=test, env=unassigned and namespaces without env to every environment "
            "and global network sets, which settings do not permit"
        ],
    ),
    case(
        "an exempt namespace is nobody's business", [policy(namespace="kube-system", ingress=[{"action": "Allow"}])], []
    ),
    case(
        "a set that an Allow in its own namespace selects",
        [*SHOP, allow(selector="role == 'api'"), API_SET],
        [
            "opens shop to a network set of shop, which settings do not permit",
            "gives effect to NetworkPolicy shop/web, which opens shop to a network set of shop, "
            "which settings do not permit",
        ],
    ),
    case("a set that no Allow selects", [*SHOP, allow(selector="role == 'web'"), API_SET], []),
    case("a set that is permitted", [*SHOP, allow(selector="role == 'api'"), API_SET], [], cidrs=LISTED),
    case(
        "a tier that comes to stand before the baseline",
        [*SHOP, tier("early", order=10, defaultAction="Pass"), policy(tier="early", order=9000, ingress=[FROM_PROD])],
        [
            "opens shop to env=prod, which settings do not permit",
            "gives effect to NetworkPolicy shop/web, which opens shop to env=prod, which settings do not permit",
        ],
    ),
    case(
        "a namespace that comes back in another environment",
        [ns("shop", "dev"), ns("stage", "prod"), allow(namespaceSelector="kubernetes.io/metadata.name == 'stage'")],
        [
            "gives effect to NetworkPolicy shop/web, which opens shop to namespace stage (env=prod), "
            "which settings do not permit",
            "opens shop to namespace stage (env=prod), which settings do not permit",
        ],
    ),
    case("the same behind it", [*SHOP, tier("late", order=2e6), policy(tier="late", ingress=[FROM_PROD])], []),
]
test_allows_stay_under_ceiling = table(allows_stay_under_ceiling, CASES)


def test_a_finding_says_what_would_open_why_and_what_to_do() -> None:
    bad = case("", [*SHOP, allow(namespaceSelector="env != 'prod'")], [])
    (finding,) = found(allows_stay_under_ceiling, bad)
    assert finding.path == "spec.ingress[0]"
    assert finding.detail == (
        "opens shop to env=unassigned, namespaces without env and global network sets, which settings do not permit"
    )
    assert finding.fix == 'set source.namespaceSelector to `env in {"dev", "test"}`'
    assert finding.example == (
        "a pod of a namespace such as unassigned-example (env=unassigned) -> a pod of shop (env=dev) TCP 8080, "
        "today dropped by default-deny (order 5000)"
    )
    assert finding.because == (
        "spec.ingress[0] allows any protocol and port at order 600, before default-deny (order 5000); "
        "namespaceSelector `env != 'prod'` is true for env=unassigned, namespaces without env and global network sets",
        "settings permit nothing from env=unassigned to env=dev",
    )


def fingerprint(*manifests: dict[str, object]) -> str:
    (finding,) = found(allows_stay_under_ceiling, case("", [*SHOP, *manifests], []))
    return finding.fingerprint


def test_the_ratchet_excuses_only_the_same_reach() -> None:
    """Wherever the rule stands in its policy it is the same; forward, wider or relieved of a Deny it is another."""
    leak = {"action": "Allow", "source": {"namespaceSelector": "env == 'prod'"}}
    fine = {"action": "Allow", "source": {"selector": "a == 'b'"}}
    deny = {"action": "Deny", "protocol": "TCP", "source": {"namespaceSelector": "env == 'prod'"}}
    old = fingerprint(policy(ingress=[leak]))
    assert fingerprint(policy(ingress=[fine, leak])) == old
    assert fingerprint(policy(order=599, ingress=[leak])) != old
    assert fingerprint(policy(selector="a == 'b'", ingress=[leak])) != old
    assert fingerprint(policy(ingress=[{**leak, "protocol": "TCP"}])) != old
    assert fingerprint(policy(ingress=[deny, leak])) != old
    assert fingerprint(policy(types=["Ingress", "Egress"], ingress=[leak])) != old


def test_settings_of_the_table_are_those_of_the_example() -> None:
    """The cases above are about its one permit, from test to dev."""
    assert [(permit.source, permit.destination) for permit in SETTINGS.permits] == [("test", "dev")]

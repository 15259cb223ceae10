"""Cases of baseline-present: what is missing, and what nobody may delete, on every way."""

from typing import Any

from tests.policy.table import SETTINGS, case, change, gnp, knp, ns, policy, table, terminating, with_metadata
from webhook.policy.baseline import desired, isolation_floor, manifest
from webhook.policy.objects import CalicoApi, Namespace
from webhook.policy.parse import parse
from webhook.policy.rules.baseline_present import baseline_present
from webhook.policy.settings import Reach

V1 = "crd.projectcalico.org/v1"
SHOP = ns()
PARSED = parse(SHOP)
assert isinstance(PARSED, Namespace)
DENY, DNS, SAME = (manifest(wanted, CalicoApi.V1, SETTINGS) for wanted in desired(PARSED, SETTINGS))
FLOOR = manifest(isolation_floor(SETTINGS), CalicoApi.V1, SETTINGS)
KEPT = "isolates shop and may not be deleted"
MIGRATOR = "system:serviceaccount:calico-system:calico-kube-controllers"


def renamed(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    return with_metadata(manifest, name=name)


CASES = [
    case("all there", [SHOP, DENY, DNS, SAME, FLOOR], []),
    case("stored under the other spelling", [SHOP, renamed(DENY, "default.default-deny"), DNS, SAME, FLOOR], []),
    case(
        "two missing", [SHOP, DNS, FLOOR], ["lacks default-deny of its baseline", "lacks shop-ns-allow of its baseline"]
    ),
    case(
        "a Kubernetes policy of the name is another",
        [SHOP, knp("default-deny"), DNS, SAME, FLOOR],
        ["lacks default-deny of its baseline"],
    ),
    case("not asked for", [SHOP, DENY, DNS, FLOOR], [], same_environment=Reach.NONE),
    case("being deleted", [terminating(SHOP), FLOOR], []),
    case("exempt", [ns("kube-system", None), FLOOR], []),
    case("no floor", [], ["lacks isolation-floor"]),
    case("no floor in Kubernetes' own policies", [], [], api=CalicoApi.KUBERNETES),
    case("deleted", [SHOP], [KEPT], on=change(DENY)),
    case("deleted under the other spelling", [SHOP], [KEPT], on=change(renamed(DENY, "default.default-deny"))),
    case("deleted through v3", [SHOP], [KEPT], on=change({**DENY, "apiVersion": "projectcalico.org/v3"})),
    case(
        "deleted by the garbage collector",
        [SHOP],
        [KEPT],
        on=change(DENY, user="system:serviceaccount:kube-system:generic-garbage-collector"),
    ),
    case(
        "deleted by Calico's API server",
        [SHOP],
        [KEPT],
        on=change(DENY, user="system:serviceaccount:calico-system:calico-apiserver"),
    ),
    case("the same environment's allow", [SHOP], [KEPT], on=change(SAME)),
    case("a tenant's own, of a name like it", [SHOP], [], on=change(policy("test-ns-allow"))),
    case("a Kubernetes policy of the name", [SHOP], [], on=change(knp("default-deny"))),
    case(
        "a Kubernetes policy that is the baseline",
        [SHOP],
        [KEPT],
        on=change(knp("default-deny")),
        api=CalicoApi.KUBERNETES,
    ),
    case("with its namespace", [terminating(SHOP)], [], on=change(DENY)),
    case(
        "with its namespace, by anyone, where there is no floor",
        [terminating(SHOP)],
        [KEPT],
        on=change(knp("default-deny")),
        api=CalicoApi.KUBERNETES,
    ),
    case(
        "with its namespace, by the namespace controller, where there is no floor",
        [terminating(SHOP)],
        [],
        on=change(knp("default-deny"), user="system:serviceaccount:kube-system:namespace-controller"),
        api=CalicoApi.KUBERNETES,
    ),
    case("in an exempt namespace", [ns("kube-system", None)], [], on=change(policy("default-deny", "kube-system"))),
    case("no longer asked for", [SHOP], [], on=change(SAME), same_environment=Reach.NONE),
    case("the floor", [], ["isolates namespaces that have no baseline yet and may not be deleted"], on=change(FLOOR)),
    case(
        "the floor under the other spelling",
        [],
        ["isolates namespaces that have no baseline yet and may not be deleted"],
        on=change(renamed(FLOOR, "default.isolation-floor")),
    ),
    case("another global policy", [], [], on=change(gnp("default-deny"))),
    case(
        "by Calico's migration, once its twin is there",
        [SHOP, DENY],
        [],
        on=change(renamed(DENY, "default.default-deny"), user=MIGRATOR),
    ),
    case(
        "by Calico's migration, before", [SHOP], [KEPT], on=change(renamed(DENY, "default.default-deny"), user=MIGRATOR)
    ),
    case("by Calico's migration, the one that stays", [SHOP, DENY], [KEPT], on=change(DENY, user=MIGRATOR)),
    case("the twin, by anyone else", [SHOP, DENY], [KEPT], on=change(renamed(DENY, "default.default-deny"))),
    case("changed is not deleted", [SHOP], [], on=change(DENY, DENY)),
]
test_baseline_present = table(baseline_present, CASES)

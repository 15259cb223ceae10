"""Cases of rules-take-effect: combinations that Calico ignores."""

from tests.policy.table import case, ns, policy, table
from webhook.policy.rules.rules_take_effect import rules_take_effect

V1 = "crd.projectcalico.org/v1"
SHOP = ns()


def to(**destination: object) -> dict[str, object]:
    return policy(v=V1, types=["Egress"], ingress=None, egress=[{"action": "Allow", "destination": destination}])


CASES = [
    case("a service alone", [SHOP, to(services={"name": "web", "namespace": "shop"})], []),
    case(
        "a service beside a selector",
        [SHOP, to(services={"name": "web", "namespace": "shop"}, selector="a == 'b'")],
        ["has `web` in spec.egress[0].destination.services: stands alone, not beside `selector`"],
    ),
    case(
        "a service without a name",
        [SHOP, to(services={"namespace": "shop"})],
        ["spec.egress[0].destination.services: expected the name of a service; without one Calico ignores the clause"],
    ),
]
test_rules_take_effect = table(rules_take_effect, CASES)

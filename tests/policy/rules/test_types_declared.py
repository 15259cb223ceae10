"""Cases of types-declared: only Calico's own kinds."""

from tests.policy.table import case, knp, ns, policy, table
from webhook.policy.rules.types_declared import types_declared

SHOP = ns()
CASES = [
    case("declared", [SHOP, policy()], []),
    case(
        "raw",
        [SHOP, policy(v="crd.projectcalico.org/v1", types=None)],
        ["has no types and governs Ingress and Egress here; other ways of applying it differ"],
    ),
    case(
        "through v3",
        [SHOP, policy(types=None)],
        ["has no types and governs Ingress here; other ways of applying it differ"],
    ),
    case("a Kubernetes policy has its own default", [SHOP, knp(policyTypes=None)], []),
    case("in an exempt namespace", [ns("kube-system", None), policy(namespace="kube-system", types=None)], []),
]
test_types_declared = table(types_declared, CASES)

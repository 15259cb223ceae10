"""Cases of order-declared: every policy whose order is its author's."""

from tests.policy.table import case, gnp, knp, ns, policy, table
from webhook.policy.rules.order_declared import order_declared

SHOP = ns()
SAID = "has no order: it comes behind 5000, the baseline's denial, and decides nothing"
CASES = [
    case("an order", [SHOP, policy()], []),
    case("order zero is one", [SHOP, policy(order=0)], []),
    case("none", [SHOP, policy(order=None)], [SAID]),
    case("none, raw", [SHOP, policy(v="crd.projectcalico.org/v1", order=None)], [SAID]),
    case("none, in any tier", [SHOP, policy(order=None, tier="late")], [SAID]),
    case("none, on all pods of the cluster", [gnp(order=None)], [SAID]),
    case(
        "none, on exempt namespaces alone",
        [gnp(order=None, namespaceSelector="kubernetes.io/metadata.name == 'kube-system'")],
        [],
    ),
    case(
        "none, on every other namespace",
        [gnp(order=None, namespaceSelector="kubernetes.io/metadata.name != 'kube-system'")],
        [SAID],
    ),
    case("none, on hosts alone", [gnp(order=None, selector="!has(projectcalico.org/namespace)")], []),
    case("none, before NAT", [gnp(order=None, preDNAT=True, applyOnForward=True)], []),
    case("none, in an exempt namespace", [ns("kube-system", None), policy(namespace="kube-system", order=None)], []),
    case("a Kubernetes policy has none to declare", [SHOP, knp()], []),
    case("a baseline name is another rule's", [SHOP, policy("default-deny", order=None)], []),
]
test_order_declared = table(order_declared, CASES)

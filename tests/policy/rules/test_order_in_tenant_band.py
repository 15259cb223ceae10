"""Cases of order-in-tenant-band: both ends of the band, and the orders of the baseline."""

from tests.policy.table import case, gnp, knp, ns, policy, table
from webhook.policy.rules.order_in_tenant_band import order_in_tenant_band

SHOP = ns()
AHEAD = "ahead of 100, where only the platform's policies stand"
CASES = [
    case("the lowest", [SHOP, policy(order=100)], []),
    case("the highest", [SHOP, policy(order=3999)], []),
    case("between two whole ones", [SHOP, policy(order=600.5)], []),
    case("just below", [SHOP, policy(order=99.5)], [f"has order 99.5, {AHEAD}"]),
    case("zero", [SHOP, policy(order=0)], [f"has order 0, {AHEAD}"]),
    case("negative", [SHOP, policy(order=-1)], [f"has order -1, {AHEAD}"]),
    case("just above", [SHOP, policy(order=3999.5)], ["has order 3999.5, behind 3999, the end of the tenants' band"]),
    case(
        "that of DNS",
        [SHOP, policy(order=4000)],
        ["has order 4000, the order of dns-allow: the name would decide which comes first"],
    ),
    case("between DNS and the denial", [SHOP, policy(order=4500)], ["has order 4500, behind dns-allow (4000)"]),
    case(
        "that of the denial",
        [SHOP, policy(order=5000)],
        ["has order 5000, the order of default-deny: the name would decide which comes first"],
    ),
    case(
        "behind it",
        [SHOP, policy(order=6000)],
        ["has order 6000, behind default-deny (5000): it would never decide anything"],
    ),
    case(
        "as far as a number goes",
        [SHOP, policy(order=1e308)],
        ["has order 1e+308, behind default-deny (5000): it would never decide anything"],
    ),
    case("none is another rule's", [SHOP, policy(order=None)], []),
    case(
        "on all pods of the cluster",
        [gnp(order=5000)],
        ["has order 5000, the order of default-deny: the name would decide which comes first"],
    ),
    case(
        "on exempt namespaces alone",
        [gnp(order=1, namespaceSelector="kubernetes.io/metadata.name == 'kube-system'")],
        [],
    ),
    case("in an exempt namespace", [ns("kube-system", None), policy(namespace="kube-system", order=1)], []),
    case("a Kubernetes policy is always at 1000", [SHOP, knp()], []),
]
test_order_in_tenant_band = table(order_in_tenant_band, CASES)

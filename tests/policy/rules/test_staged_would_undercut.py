"""Cases of staged-would-undercut: staged policies judged as what they would become."""

from typing import Any

from tests.policy.table import case, ns, policy, table
from webhook.policy.rules.staged_would_undercut import staged_would_undercut

SHOP = ns()


def staged(**spec: Any) -> dict[str, Any]:
    return policy(kind="StagedNetworkPolicy", ingress=[{"action": "Deny"}], **spec)


CASES = [
    case("compliant", [SHOP, staged()], []),
    case("enforced is not its business", [SHOP, policy(order=9000)], []),
    case(
        "too late",
        [SHOP, staged(order=9000)],
        [
            "would be refused when promoted: has order 9000, behind default-deny (5000): it would never "
            "decide anything [order-in-tenant-band]",
        ],
    ),
    case("to be deleted by its promotion", [SHOP, staged(order=9000, stagedAction="Delete")], []),
    case(
        "in an exempt namespace",
        [ns("kube-system", None), policy(namespace="kube-system", kind="StagedNetworkPolicy", order=9000)],
        [],
    ),
]
test_staged_would_undercut = table(staged_would_undercut, CASES)

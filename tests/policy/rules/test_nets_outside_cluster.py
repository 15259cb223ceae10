"""Cases of nets-outside-cluster: addresses that a set may bring."""

from dataclasses import replace

from tests.policy.table import SETTINGS, case, cluster_object, ns, table
from webhook.policy.ranges import parse_cidr
from webhook.policy.rules.nets_outside_cluster import nets_outside_cluster

SHOP = ns()
OPEN = replace(SETTINGS.cidrs, egress=(parse_cidr("198.51.100.0/24"),), nodes=(parse_cidr("10.9.0.0/16"),))
OVERLAP = "which overlaps the cluster's own addresses"


def nets(*written: str, kind: str = "NetworkSet") -> dict[str, object]:
    return cluster_object(kind, "a", nets=list(written))


CASES = [
    case("outside", [SHOP, nets("198.51.100.0/25", "2001:db8::/32")], []),
    case("a pod", [SHOP, nets("10.240.3.4/32")], [f"holds 10.240.3.4/32, {OVERLAP}"]),
    case(
        "everything in two halves",
        [SHOP, nets("0.0.0.0/1", "128.0.0.0/1")],
        [f"holds 0.0.0.0/1, {OVERLAP}"],
    ),
    case("a node", [SHOP, nets("10.9.0.1/32")], [f"holds 10.9.0.1/32, {OVERLAP}"], cidrs=OPEN),
    case("a node in a global set", [nets("10.9.0.1/32", kind="GlobalNetworkSet")], [], cidrs=OPEN),
    case(
        "a pod in a global set", [nets("10.240.0.0/12", kind="GlobalNetworkSet")], [f"holds 10.240.0.0/12, {OVERLAP}"]
    ),
    case("the outside in a global set", [nets("203.0.113.0/24", kind="GlobalNetworkSet")], []),
    case(
        "a host endpoint of a node",
        [cluster_object("HostEndpoint", "a", node="n", expectedIPs=["10.9.0.1"])],
        [],
        cidrs=OPEN,
    ),
    case(
        "a host endpoint of a pod",
        [cluster_object("HostEndpoint", "a", node="n", expectedIPs=["10.240.0.1"])],
        [f"holds 10.240.0.1, {OVERLAP}"],
    ),
    case(
        "in an exempt namespace",
        [cluster_object("NetworkSet", "a", nets=["0.0.0.0/0"])],
        [],
        exempt_namespaces=frozenset({"shop"}),
    ),
]
test_nets_outside_cluster = table(nets_outside_cluster, CASES)

"""Cases of nets-are-cidrs: addresses that Calico skips, widens or stops at."""

from tests.policy.table import case, cluster_object, knp, ns, policy, table
from webhook.policy.rules.nets_are_cidrs import nets_are_cidrs

V1 = "crd.projectcalico.org/v1"
SHOP = ns()


def peer(**source: object) -> dict[str, object]:
    return policy(v=V1, ingress=[{"action": "Allow", "source": source}])


CASES = [
    case("both families", [SHOP, peer(nets=["203.0.113.0/24", "2001:db8::/32"])], []),
    case("a set of a single address", [SHOP, cluster_object("NetworkSet", "a", nets=["203.0.113.9/32"])], []),
    case(
        "a mask",
        [SHOP, peer(nets=["10.0.0.0/255.0.0.0"])],
        [
            "has `10.0.0.0/255.0.0.0` in spec.ingress[0].source.nets[0]: expected a length from 0 to 32 "
            "without leading zeros after the `/`; Calico skips this entry",
        ],
    ),
    case(
        "a zone",
        [SHOP, peer(nets=["fe80::1%eth0/64"])],
        [
            "has `fe80::1%eth0/64` in spec.ingress[0].source.nets[0]: expected a network of digits, dots, "
            "colons and one `/`; Calico skips this entry",
        ],
    ),
    case(
        "nothing",
        [SHOP, peer(nets=[""])],
        [
            "spec.ingress[0].source.nets[0]: expected an address, such as 10.0.0.0 or fd00::, before the "
            "`/`; Calico skips this entry",
        ],
    ),
    case(
        "nothing, in a set",
        [SHOP, cluster_object("NetworkSet", "a", nets=[""])],
        [
            "spec.nets[0]: expected an address, such as 10.0.0.0 or fd00::, before the `/`; Felix exits on it, or "
            "takes the set for missing",
        ],
    ),
    case(
        "mapped IPv4",
        [SHOP, peer(nets=["::ffff:0.0.0.0/96"])],
        [
            "has `::ffff:0.0.0.0/96` in spec.ingress[0].source.nets[0]: expected an IPv4 network in IPv4 "
            "form, not ::ffff:…, which readers take for different networks; Calico reads it as 0.0.0.0/0",
        ],
    ),
    case(
        "a leading zero in a Kubernetes policy",
        [SHOP, knp(ingress=[{"from": [{"ipBlock": {"cidr": "010.0.0.0/8"}}]}])],
        [
            "has `010.0.0.0/8` in spec.ingress[0].from[0].ipBlock.cidr: expected four numbers from 0 to "
            "255 without leading zeros in an IPv4 address; Calico then drops the constraint, and any address matches",
        ],
    ),
    case(
        "of a host endpoint",
        [cluster_object("HostEndpoint", "a", node="n", expectedIPs=["10.0.0.0/8"])],
        ["has `10.0.0.0/8` in spec.expectedIPs[0]: expected one address, not a range"],
    ),
]
test_nets_are_cidrs = table(nets_are_cidrs, CASES)

"""Cases of ports-valid: ports and protocols for which Felix drops the policy."""

from tests.policy.table import case, ns, policy, table
from webhook.policy.rules.ports_valid import ports_valid

V1 = "crd.projectcalico.org/v1"
SHOP = ns()


def rule(**fields: object) -> dict[str, object]:
    return policy(v=V1, ingress=[{"action": "Allow", **fields}])


CASES = [
    case("a port", [SHOP, rule(protocol="TCP", destination={"ports": [80, "8000:8080"]})], []),
    case("names alone need no protocol", [SHOP, rule(destination={"ports": ["http"]})], []),
    case(
        "no protocol",
        [SHOP, rule(destination={"ports": [80]})],
        [
            "spec.ingress[0].destination.ports: ports by number need `protocol` TCP, UDP or SCTP; without "
            "it Felix drops the whole policy",
        ],
    ),
    case(
        "port zero",
        [SHOP, rule(protocol="TCP", destination={"ports": [0]})],
        ["spec.ingress[0].destination.ports[0]: expected ports from 1 to 65535: `0`"],
    ),
    case(
        "an unknown protocol",
        [SHOP, rule(protocol="foo")],
        [
            "has `foo` in spec.ingress[0].protocol: expected a protocol from 1 to 255 or one of TCP, UDP, "
            "ICMP, ICMPv6, SCTP, UDPLite: `foo`; Felix drops the whole policy",
        ],
    ),
    case(
        "protocol zero",
        [SHOP, rule(protocol=0)],
        [
            "spec.ingress[0].protocol: expected a protocol from 1 to 255 or one of TCP, UDP, ICMP, "
            "ICMPv6, SCTP, UDPLite: `0`; Felix drops the whole policy",
        ],
    ),
]
test_ports_valid = table(ports_valid, CASES)

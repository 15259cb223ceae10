"""Rule openings-have-two-sides."""

from __future__ import annotations

import json
from typing import Any

from tests.policy.table import case, found, ns, policy, table
from webhook.policy.rules.openings_have_two_sides import openings_have_two_sides

FROM_TEST = {"action": "Allow", "source": {"namespaceSelector": "env == 'test'", "selector": "app == 'api'"}}
TO_DEV = {"action": "Allow", "destination": {"namespaceSelector": "env == 'dev'"}}


def deny(namespace: str) -> dict[str, Any]:
    both = {"ingress": [{"action": "Deny"}], "egress": [{"action": "Deny"}]}
    return policy("default-deny", namespace, order=5000, types=["Ingress", "Egress"], **both)


PLACES = [ns("shop", "dev"), ns("stage", "test"), ns("till", "prod"), deny("shop"), deny("stage"), deny("till")]
SHOP = policy(ingress=[FROM_TEST])
STAGE = policy("to-dev", "stage", types=["Egress"], ingress=None, egress=[TO_DEV])
CLOSED = "opens one side only: pods of stage may not send to shop yet; stage needs a policy for egress"

CASES = [
    case("the sender's side is missing", [*PLACES, SHOP], [CLOSED]),
    case(
        "the receiver's side is missing",
        [*PLACES, STAGE],
        ["opens one side only: pods of shop may not receive from stage yet; shop needs a policy for ingress"],
    ),
    case("both are there", [*PLACES, SHOP, STAGE], []),
    case("both on one port only", [*PLACES, policy(ingress=[{**FROM_TEST, "protocol": "UDP"}]), STAGE], []),
    case("the own namespace", [*PLACES, policy()], []),
    case(
        "only the namespaces that are meant",
        [
            *PLACES,
            ns("lab", "test", labels={"team": "a"}),
            deny("lab"),
            policy(ingress=[{"action": "Allow", "source": {"namespaceSelector": "env == 'test' && team == 'a'"}}]),
        ],
        ["opens one side only: pods of lab may not send to shop yet; lab needs a policy for egress"],
    ),
    case("an environment without namespaces", [ns("shop", "dev"), deny("shop"), SHOP], []),
    case("nothing is allowed", [*PLACES, policy(ingress=[{**FROM_TEST, "action": "Deny"}])], []),
]
test_openings_have_two_sides = table(openings_have_two_sides, CASES)


def test_the_missing_policy_can_be_applied_as_printed() -> None:
    (finding,) = found(openings_have_two_sides, case("", [*PLACES, SHOP], []))
    missing = json.loads(finding.fix.removeprefix("apply there: "))
    assert found(openings_have_two_sides, case("", [*PLACES, SHOP, missing], [])) == []

"""Cases of service-account-names-valid: names that are pasted into a selector."""

from tests.policy.table import case, ns, policy, table
from webhook.policy.rules.service_account_names_valid import service_account_names_valid

V1 = "crd.projectcalico.org/v1"
SHOP = ns()


def peer(**source: object) -> dict[str, object]:
    return policy(v=V1, ingress=[{"action": "Allow", "source": source}])


PATH = "spec.ingress[0].source.serviceAccounts.names[0]"


def named(name: str) -> dict[str, object]:
    return peer(serviceAccounts={"names": [name]})


CASES = [
    case("a name", [SHOP, named("web-1.a")], []),
    case("a quote", [SHOP, named("a'")], [f"has `a'` in {PATH}: expected the name of a ServiceAccount"]),
    case(
        "out of the set",
        [SHOP, named("a'} || all() || b in {'c")],
        [f"has `a'}} || all() || b in {{'c` in {PATH}: expected the name of a ServiceAccount"],
    ),
    case("capital letters", [SHOP, named("Web")], [f"has `Web` in {PATH}: expected the name of a ServiceAccount"]),
]
test_service_account_names_valid = table(service_account_names_valid, CASES)

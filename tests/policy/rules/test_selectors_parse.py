"""Cases of selectors-parse: selectors that escape, break off or are joined as text."""

from tests.policy.table import case, gnp, ns, policy, table
from webhook.policy.rules.selectors_parse import selectors_parse

V1 = "crd.projectcalico.org/v1"
SHOP = ns()


def peer(**source: object) -> dict[str, object]:
    return policy(v=V1, ingress=[{"action": "Allow", "source": source}])


CASES = [
    case(
        "all kinds of selectors",
        [SHOP, peer(selector="(a == 'b' || !has(c)) && d in {'e', 'f'}", namespaceSelector="all()")],
        [],
    ),
    case("none", [SHOP, policy(v=V1)], []),
    case(
        "out of the namespace",
        [SHOP, policy(v=V1, selector="all()) || (all()")],
        ["has `all()) || (all()` in spec.selector: at character 6: expected `&&`, `||` or the end"],
    ),
    case(
        "of service accounts",
        [SHOP, policy(v=V1, serviceAccountSelector="a ==")],
        ["has `a ==` in spec.serviceAccountSelector: at character 5: expected a quoted string after `==`"],
    ),
    case(
        "of namespaces",
        [gnp(v=V1, namespaceSelector="env = 'dev'")],
        ["has `env = 'dev'` in spec.namespaceSelector: at character 5: expected `==` after label `env`"],
    ),
    case(
        "of a peer",
        [SHOP, peer(notSelector="a == 'b' garbage")],
        [
            "has `a == 'b' garbage` in spec.ingress[0].source.notSelector: at character 10: expected "
            "`&&`, `||` or the end",
        ],
    ),
    case(
        "staged",
        [SHOP, policy(v=V1, kind="StagedNetworkPolicy", selector="a ==")],
        ["has `a ==` in spec.selector: at character 5: expected a quoted string after `==`"],
    ),
]
test_selectors_parse = table(selectors_parse, CASES)

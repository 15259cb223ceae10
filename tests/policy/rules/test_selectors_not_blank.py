"""Cases of selectors-not-blank: spaces where a selector or nothing belongs."""

from tests.policy.table import case, gnp, ns, policy, table
from webhook.policy.rules.selectors_not_blank import selectors_not_blank

V1 = "crd.projectcalico.org/v1"
SHOP = ns()


def peer(**source: object) -> dict[str, object]:
    return policy(v=V1, ingress=[{"action": "Allow", "source": source}])


BLANK = "expected a selector, not blanks, which Calico reads differently in each place and Felix can exit on"
CASES = [
    case("empty is none", [SHOP, peer(selector="a == 'b'", notSelector="")], []),
    case(
        "beside another clause",
        [SHOP, peer(selector="a == 'b'", notSelector=" ")],
        [f"has `' '` in spec.ingress[0].source.notSelector: {BLANK}"],
    ),
    case("the policy's own", [SHOP, policy(v=V1, selector=" ")], [f"has `' '` in spec.selector: {BLANK}"]),
    case("a tab", [gnp(v=V1, namespaceSelector="\t")], [f"has `'\\t'` in spec.namespaceSelector: {BLANK}"]),
]
test_selectors_not_blank = table(selectors_not_blank, CASES)

"""Cases of selector-literals-not-rewritten: words that Calico replaces inside quotes."""

from tests.policy.table import case, ns, policy, table
from webhook.policy.rules.selector_literals_not_rewritten import selector_literals_not_rewritten

V1 = "crd.projectcalico.org/v1"
SHOP = ns()


def peer(**source: object) -> dict[str, object]:
    return policy(v=V1, ingress=[{"action": "Allow", "source": source}])


REPLACED = "`all()` or `global()` inside quotes: Calico replaces these words in the text, quotes or not"
CASES = [
    case("the word outside quotes", [SHOP, peer(namespaceSelector="all()")], []),
    case("almost the word", [SHOP, peer(namespaceSelector="a == 'all( )'")], []),
    case(
        "all()",
        [SHOP, peer(namespaceSelector="a == 'all()'")],
        [f"has `a == 'all()'` in spec.ingress[0].source.namespaceSelector: {REPLACED}"],
    ),
    case(
        "global() in a set",
        [SHOP, policy(v=V1, selector="a in {'b', 'xglobal()'}")],
        [f"has `a in {{'b', 'xglobal()'}}` in spec.selector: {REPLACED}"],
    ),
]
test_selector_literals_not_rewritten = table(selector_literals_not_rewritten, CASES)

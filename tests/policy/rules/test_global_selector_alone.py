"""Cases of global-selector-alone: the word that means something in one place only."""

from tests.policy.table import case, ns, policy, table
from webhook.policy.rules.global_selector_alone import global_selector_alone

V1 = "crd.projectcalico.org/v1"
SHOP = ns()


def peer(**source: object) -> dict[str, object]:
    return policy(v=V1, ingress=[{"action": "Allow", "source": source}])


CASES = [
    case("alone in a peer's namespaceSelector", [SHOP, peer(namespaceSelector="global()")], []),
    case(
        "with more",
        [SHOP, peer(namespaceSelector="global() || env == 'dev'")],
        ["has `global() || env == 'dev'` in spec.ingress[0].source.namespaceSelector: `global()` must stand alone"],
    ),
    case(
        "as a selector",
        [SHOP, policy(v=V1, selector="global()")],
        [
            "has `global()` in spec.selector: "
            "`global()` means something only alone in the namespaceSelector of a rule; here it matches everything"
        ],
    ),
]
test_global_selector_alone = table(global_selector_alone, CASES)

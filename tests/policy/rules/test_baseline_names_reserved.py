"""Cases of baseline-names-reserved: the names, in both spellings and only where they are the baseline's."""

from tests.policy.table import case, gnp, knp, ns, policy, table
from webhook.policy.objects import CalicoApi
from webhook.policy.rules.baseline_names_reserved import baseline_names_reserved
from webhook.policy.settings import Reach

SHOP = ns()
SAID = "takes a name that is reserved for the baseline: "
ORDER = f"{SAID}spec.order is 600 instead of "
CASES = [
    case("another name", [SHOP, policy("web")], []),
    case("the denial's", [SHOP, policy("default-deny")], [f"{ORDER}5000"]),
    case("DNS's", [SHOP, policy("dns-allow")], [f"{ORDER}4000"]),
    case("the same environment's", [SHOP, policy("shop-ns-allow")], [f"{ORDER}500"]),
    case("as Calico stores it", [SHOP, policy("default.default-deny", v="crd.projectcalico.org/v1")], [f"{ORDER}5000"]),
    case("the floor's", [gnp("isolation-floor")], [f"{ORDER}6000"]),
    case("the floor's in a namespace", [SHOP, policy("isolation-floor")], []),
    case("the denial's as a global policy", [gnp("default-deny")], []),
    case("the article's own", [ns("development"), policy("test-ns-allow", "development")], []),
    case("another namespace's", [SHOP, policy("other-ns-allow")], []),
    case("of a Kubernetes policy", [SHOP, knp("default-deny")], []),
    case(
        "of a Kubernetes policy where that is the baseline",
        [SHOP, knp("default-deny", ingress=[{}])],
        [f"{SAID}spec.types differs from what the settings ask for"],
        api=CalicoApi.KUBERNETES,
    ),
    case("in an exempt namespace", [ns("kube-system", None), policy("default-deny", "kube-system")], []),
    case(
        "not asked for",
        [SHOP, policy("shop-ns-allow")],
        [f"{SAID}no such policy is asked for"],
        same_environment=Reach.NONE,
    ),
]
test_baseline_names_reserved = table(baseline_names_reserved, CASES)

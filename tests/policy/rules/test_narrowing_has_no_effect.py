"""Cases of narrowing-has-no-effect: Kubernetes policies behind the generated allow."""

from tests.policy.table import case, knp, ns, policy, table
from webhook.policy.objects import CalicoApi
from webhook.policy.rules.narrowing_has_no_effect import narrowing_has_no_effect
from webhook.policy.settings import Orders, Reach

SHOP = ns()
CASES = [
    case(
        "a Kubernetes policy",
        [SHOP, knp()],
        ["only adds: shop-ns-allow (order 500) allows the same environment before it"],
    ),
    case("a Calico policy", [SHOP, policy()], []),
    case("no allow is generated", [SHOP, knp()], [], same_environment=Reach.NONE),
    case("the allow comes later", [SHOP, knp()], [], orders=Orders(same_environment=1500)),
    case("where the baseline is of that kind", [SHOP, knp()], [], api=CalicoApi.KUBERNETES),
    case("in an exempt namespace", [ns("kube-system", None), knp(namespace="kube-system")], []),
]
test_narrowing_has_no_effect = table(narrowing_has_no_effect, CASES)

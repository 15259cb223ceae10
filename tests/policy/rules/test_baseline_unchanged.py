"""Cases of baseline-unchanged: spec, owners, finalizers and label of generated policies."""

import json
from typing import Any

from tests.policy.table import SETTINGS, case, change, knp, ns, policy, table, terminating, with_metadata
from webhook.policy.baseline import MANAGED_BY, SETTINGS_ANNOTATION, desired, isolation_floor, manifest
from webhook.policy.objects import CalicoApi, Namespace
from webhook.policy.parse import parse
from webhook.policy.rules.baseline_unchanged import baseline_unchanged

SHOP = ns()
PARSED = parse(SHOP)
assert isinstance(PARSED, Namespace)
DENY, DNS, SAME = (manifest(wanted, CalicoApi.V1, SETTINGS) for wanted in desired(PARSED, SETTINGS))
FLOOR = manifest(isolation_floor(SETTINGS), CalicoApi.V1, SETTINGS)


def spec(manifest: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**manifest, "spec": {**manifest["spec"], **fields}}


def differs(*fields: str) -> list[str]:
    return [f"spec.{field} differs from what the settings ask for" for field in fields]


NOTED = {**DENY["metadata"]["annotations"], "team.example/note": "seen"}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1"}
CASES = [
    case("as asked for", [SHOP, DENY, DNS, SAME, FLOOR], []),
    case("as asked for, through v3", [SHOP, {**DENY, "apiVersion": "projectcalico.org/v3"}], []),
    case("as asked for, under the other spelling", [SHOP, with_metadata(DENY, name="default.default-deny")], []),
    case(
        "as Calico's API server stores it",
        [
            SHOP,
            with_metadata(
                DENY,
                name="default.default-deny",
                labels={"projectcalico.org/tier": "default"},
                annotations={"projectcalico.org/metadata": json.dumps({**DENY["metadata"], "finalizers": None})},
            ),
        ],
        [],
    ),
    case("selectors spelt otherwise", [SHOP, spec(DENY, selector="")], []),
    case("order", [SHOP, spec(DENY, order=6000)], ["spec.order is 6000 instead of 5000"]),
    case(
        "no order",
        [SHOP, {**DENY, "spec": {k: v for k, v in DENY["spec"].items() if k != "order"}}],
        ["spec.order is inf instead of 5000"],
    ),
    case("tier", [SHOP, spec(DENY, tier="late")], ["spec.tier is late instead of default"]),
    case("selector", [SHOP, spec(DENY, selector="app == 'a'")], differs("selector")),
    case("a service account beside it", [SHOP, spec(DENY, serviceAccountSelector="a == 'b'")], differs("selector")),
    case("one direction", [SHOP, spec(DENY, types=["Ingress"])], differs("egress", "types")),
    case("an allow in front", [SHOP, spec(DENY, egress=[{"action": "Allow"}, {"action": "Deny"}])], differs("egress")),
    case(
        "a denial narrowed to its own namespace",
        [SHOP, spec(DENY, ingress=[{"action": "Deny", "source": {"selector": "all()"}}])],
        differs("ingress"),
    ),
    case("DNS only by UDP", [SHOP, spec(DNS, egress=DNS["spec"]["egress"][:1])], differs("egress")),
    case(
        "all environments",
        [SHOP, spec(SAME, ingress=[{"action": "Allow", "source": {"namespaceSelector": "all()"}}])],
        differs("ingress"),
    ),
    case(
        "a broken selector",
        [SHOP, spec(DENY, selector="app ==")],
        ["spec differs from what the settings ask for", *differs("selector")],
    ),
    case("the floor", [spec(FLOOR, namespaceSelector="env == 'dev'")], differs("selector")),
    case(
        "owned",
        [SHOP, with_metadata(DENY, ownerReferences=[OWNER])],
        ["is owned by ConfigMap gone, with which it would be deleted"],
    ),
    case(
        "a finalizer",
        [SHOP, with_metadata(DENY, finalizers=["x/y"])],
        ["has finalizer x/y, which holds up its namespace"],
    ),
    case(
        "a deletion finalizer on a live one",
        [SHOP, with_metadata(DENY, finalizers=["foregroundDeletion"])],
        ["has finalizer foregroundDeletion, which holds up its namespace"],
    ),
    case(
        "one on what is being deleted", [SHOP, terminating(with_metadata(DENY, finalizers=["foregroundDeletion"]))], []
    ),
    case(
        "label taken away",
        [SHOP],
        [f"loses its label {MANAGED_BY}=isolation-baseline, by which it is known as generated"],
        on=change(DENY, with_metadata(DENY, labels={})),
    ),
    case(
        "label taken away from a tenant's",
        [SHOP],
        [],
        on=change(policy(metadata={"labels": {MANAGED_BY: "isolation-baseline"}}), policy()),
    ),
    case(
        "stamped with settings that are not in force",
        [SHOP],
        ["changes isolation-baseline.io/settings, which says by which settings it was made"],
        on=change(DENY, with_metadata(DENY, annotations={SETTINGS_ANNOTATION: "forged"})),
    ),
    case(
        "stamped with the settings in force",
        [SHOP],
        [],
        on=change(with_metadata(DENY, annotations={SETTINGS_ANNOTATION: "older"}), DENY),
    ),
    case("another annotation", [SHOP], [], on=change(DENY, with_metadata(DENY, annotations=NOTED))),
    case("never ours", [SHOP, policy("default-deny")], []),
    case(
        "in an exempt namespace",
        [ns("kube-system", None), with_metadata(spec(DENY, order=1), namespace="kube-system")],
        [],
    ),
    case("a Kubernetes policy of the name", [SHOP, {**knp("default-deny"), "metadata": {**DENY["metadata"]}}], []),
    case(
        "a Kubernetes policy that is the baseline",
        [SHOP, {**knp("default-deny", ingress=[{}]), "metadata": {**DENY["metadata"]}}],
        differs("ingress", "types"),
        api=CalicoApi.KUBERNETES,
    ),
]
test_baseline_unchanged = table(baseline_unchanged, CASES)

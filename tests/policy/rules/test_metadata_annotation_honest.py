"""Cases of metadata-annotation-honest: what a v1 object says of itself."""

from tests.policy.table import case, change, ns, policy, table
from webhook.policy.rules.metadata_annotation_honest import metadata_annotation_honest

V1 = "crd.projectcalico.org/v1"
SHOP = ns()
PLACE = "metadata.annotations['projectcalico.org/metadata']"


def annotated(text: str, name: str = "web") -> dict[str, object]:
    return policy(name, v=V1, metadata={"annotations": {"projectcalico.org/metadata": text}})


CASES = [
    case("its own name", [SHOP, annotated('{"name": "web", "namespace": "shop"}')], []),
    case("its own name as v3 has it", [SHOP, annotated('{"name": "web"}', "default.web")], []),
    case(
        "born to be deleted",
        [SHOP],
        ["is born with a deletionTimestamp in projectcalico.org/metadata"],
        on=change(None, annotated('{"deletionTimestamp": "2026-01-01T00:00:00Z"}')),
    ),
    case("born", [SHOP], [], on=change(None, annotated("{}"))),
    case(
        "deleted",
        [SHOP],
        [],
        on=change(annotated("{}"), annotated('{"deletionTimestamp": "2026-01-01T00:00:00Z"}')),
    ),
    case("nothing", [SHOP, annotated("{}")], []),
    case(
        "another name",
        [SHOP, annotated('{"name": "default-deny"}')],
        [
            'has `{"name": "default-deny"}` in metadata.annotations[\'projectcalico.org/metadata\']: '
            "names another object than `web`",
        ],
    ),
    case(
        "another namespace",
        [SHOP, annotated('{"name": "web", "namespace": "kube-system"}')],
        [
            'has `{"name": "web", "namespace": "kube-system"}` in '
            "metadata.annotations['projectcalico.org/metadata']: names another namespace than `shop`",
        ],
    ),
    case(
        "no JSON",
        [SHOP, annotated("{")],
        ["has `{` in metadata.annotations['projectcalico.org/metadata']: cannot be read as JSON"],
    ),
]
test_metadata_annotation_honest = table(metadata_annotation_honest, CASES)

"""The law of the guard: whatever a tenant tries, in whichever order, what isolates a namespace is still there."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.reviews import review
from tests.policy.table import SETTINGS, Manifest, ns, terminating, with_metadata
from tests.policy.test_plan import OWNER, Cluster
from webhook.admission import judge_namespace, judge_policy
from webhook.policy.baseline import MANAGED_BY
from webhook.policy.evaluate import evaluate
from webhook.policy.objects import CalicoApi

USERS = ("dora", "system:serviceaccount:calico-system:calico-apiserver", "system:admin", "controller")
FINALIZERS: tuple[list[str], ...] = ([], ["x/y"], ["foregroundDeletion"], ["orphan"])
FIELDS: dict[str, list[Any]] = {
    "order": [None, -1, 500, 600, 4000, 5000, 5000.5],
    "tier": [None, "", "default", "platform"],
    "selector": [None, "", "all()", "a == 'b'", " ", "a ==", "all()) || (all()"],
    "namespaceSelector": [None, "env == 'dev'", "!has(env)"],
    "serviceAccountSelector": [None, "a == 'b'"],
    "types": [None, ["Ingress"], ["Egress", "Ingress"]],
    "ingress": [None, [], [{"action": "Deny"}], [{"action": "Allow"}], [{"action": "Deny", "protocol": "foo"}]],
    "egress": [None, [], [{"action": "Log"}, {"action": "Deny"}], [{"action": "Pass"}, {"action": "Deny"}]],
    "doNotTrack": [None, True],
    "podSelector": [{}, {"matchLabels": {"a": "b"}}],
}


@st.composite
def edits(draw: st.DrawFn, found: Manifest) -> Manifest | None:
    """One thing that somebody does to a stored policy: an edit of spec or metadata, or its deletion."""
    new = copy.deepcopy(found)
    match draw(st.sampled_from(["spec", "spec", "finalizers", "owner", "labels", "annotation", "dying", "delete"])):
        case "spec":
            key = draw(st.sampled_from(sorted(FIELDS)))
            value = draw(st.sampled_from(FIELDS[key]))
            new["spec"] = {k: v for k, v in {**new["spec"], key: value}.items() if v is not None}
        case "finalizers":
            new["metadata"]["finalizers"] = draw(st.sampled_from(FINALIZERS))
        case "owner":
            new["metadata"]["ownerReferences"] = [OWNER]
        case "labels":
            new["metadata"]["labels"] = draw(
                st.sampled_from([{}, {MANAGED_BY: "me"}, {MANAGED_BY: "isolation-baseline"}])
            )
        case "annotation":
            own = draw(st.sampled_from(['{"name": "x"}', "{", '{"finalizers": ["x/y"]}', '{"deletionTimestamp": "x"}']))
            new["metadata"]["annotations"] = {"projectcalico.org/metadata": own}
        case "dying":
            new = terminating(new)
        case "delete":
            return None
    return new


LABELS: tuple[dict[str, str], ...] = (
    {},
    {"env": "dev"},
    {"env": "test"},
    {"env": "prod"},
    {"env": "unassigned"},
    {"control-plane": "true"},
)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_what_isolates_is_still_there(data: st.DataObject) -> None:
    api = data.draw(st.sampled_from(list(CalicoApi)))
    born = {"development": "dev", "shop": "unassigned", "x-test": "test"}
    cluster = Cluster(api, {name: ns(name, env) for name, env in born.items()}, {})
    cluster.settle()
    settled = {name: found["metadata"]["labels"]["env"] for name, found in cluster.namespaces.items()}
    for _ in range(data.draw(st.integers(1, 12))):
        user = data.draw(st.sampled_from(USERS))
        if data.draw(st.integers(0, 3)) == 0:
            name = data.draw(st.sampled_from(sorted(cluster.namespaces)))
            old = cluster.namespaces[name]
            new: Manifest | None = with_metadata(old, labels=dict(data.draw(st.sampled_from(LABELS))))
            assert new is not None
            if data.draw(st.booleans()):
                new = {**old, "spec": {"finalizers": []}}
            subresource = data.draw(st.sampled_from(["", "status", "finalize"]))
            if judge_namespace(review(old, new, user=user, subresource=subresource), cluster.world()).allowed:
                cluster.namespaces[name] = new
            continue
        key = data.draw(st.sampled_from(sorted(cluster.policies)))
        new = data.draw(edits(cluster.policies[key]))
        if judge_policy(review(cluster.policies[key], new, user=user), cluster.world()).allowed:
            if new is None:
                del cluster.policies[key]
            else:
                cluster.policies[key] = new
    assert {name: found["metadata"]["labels"].get("env") for name, found in cluster.namespaces.items()} == settled
    assert all(found["spec"]["finalizers"] == ["kubernetes"] for found in cluster.namespaces.values())
    repaired = {"baseline-present", "baseline-unchanged", "baseline-names-reserved", "selectors-parse"}
    assert [finding for finding in evaluate(cluster.world()) if finding.rule in repaired] == []


def test_the_law_is_not_empty() -> None:
    """Without the guard the same edits do undo it: a cluster left to them has findings."""
    cluster = Cluster(CalicoApi.V1, {"shop": ns()}, {}, SETTINGS)
    cluster.settle()
    held = cluster.policies["shop", "default-deny"]
    for change in (
        {"order": 600},
        {"selector": "a == 'b'"},
        {"ingress": [{"action": "Allow"}]},
        {"types": ["Ingress"]},
    ):
        cluster.policies["shop", "default-deny"] = {**held, "spec": {**held["spec"], **change}}
        assert {finding.rule for finding in evaluate(cluster.world())} & {"baseline-unchanged"}

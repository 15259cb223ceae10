"""What is planned, and the laws: it converges, the guard lets it happen, and what a tenant may do never undoes it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.reviews import review
from tests.policy.table import SETTINGS, Manifest, ns, policy, terminating, with_metadata, world
from webhook.admission import judge_namespace, judge_policy
from webhook.policy.baseline import MANAGED_BY, desired, isolation_floor, manifest
from webhook.policy.evaluate import evaluate
from webhook.policy.objects import CalicoApi, Namespace
from webhook.policy.parse import parse
from webhook.policy.plan import (
    READY_FOR,
    READY_SECONDS,
    MarkReady,
    RemovePolicy,
    SetEnvironment,
    Step,
    StripMetadata,
    WritePolicy,
    plan_floor,
    plan_namespace,
)
from webhook.policy.settings import Reach, Settings
from webhook.policy.world import World
from webhook.wire import Answer

APIS = list(CalicoApi)
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1"}
REPAIRED = {"baseline-present", "baseline-unchanged", "baseline-names-reserved"}


def read(found: Manifest) -> Namespace:
    parsed = parse(found)
    assert isinstance(parsed, Namespace)
    return parsed


def baseline(found: Manifest, api: CalicoApi = CalicoApi.V1, chosen: Settings = SETTINGS) -> dict[str, Manifest]:
    return {wanted.name: manifest(wanted, api, chosen) for wanted in desired(read(found), chosen)}


def ready(found: Manifest) -> Manifest:
    return with_metadata(found, annotations={READY_FOR: found["metadata"]["uid"], READY_SECONDS: "0.1"})


SHOP = ready(ns())
HELD = baseline(SHOP)
DENY = HELD["default-deny"]
DRIFTED = {**DENY, "spec": {**DENY["spec"], "order": 6000}}
NONE = replace(SETTINGS, same_environment=Reach.NONE)
PLANS: list[tuple[str, Manifest, dict[str, Manifest], Settings, tuple[Step, ...]]] = [
    ("nothing", SHOP, HELD, SETTINGS, ()),
    (
        "everything, the denial first",
        ns("shop", "dev"),
        {},
        SETTINGS,
        (*(WritePolicy(found) for found in HELD.values()), MarkReady("shop", "uid-shop")),
    ),
    (
        "the label before the policies that depend on it",
        ns("shop-dev", None),
        baseline(ns("shop-dev", "dev")),
        SETTINGS,
        (SetEnvironment("shop-dev", "env", "dev"), MarkReady("shop-dev", "uid-shop-dev")),
    ),
    ("an undeclared label stays", ready(ns(env="qa")), baseline(ns(env="unassigned")), SETTINGS, ()),
    ("one that drifted", SHOP, {**HELD, "default-deny": DRIFTED}, SETTINGS, (WritePolicy(DENY, ("spec.order",)),)),
    (
        "one that would be collected",
        SHOP,
        {**HELD, "default-deny": with_metadata(DENY, ownerReferences=[OWNER])},
        SETTINGS,
        (StripMetadata("NetworkPolicy", "shop", "default-deny"),),
    ),
    (
        "one that would hold its namespace, and drifted",
        SHOP,
        {**HELD, "default-deny": with_metadata(DRIFTED, finalizers=["x/y"])},
        SETTINGS,
        (StripMetadata("NetworkPolicy", "shop", "default-deny"), WritePolicy(DENY, ("spec.order",))),
    ),
    ("one no longer asked for", SHOP, HELD, NONE, (RemovePolicy("NetworkPolicy", "shop", "shop-ns-allow"),)),
    ("one of that name that is not ours", SHOP, {**HELD, "shop-ns-allow": policy("shop-ns-allow")}, NONE, ()),
    (
        "a namespace created again is not ready",
        with_metadata(SHOP, uid="new"),
        HELD,
        SETTINGS,
        (MarkReady("shop", "new"),),
    ),
    ("being deleted", terminating(ns("shop", None)), {}, SETTINGS, ()),
    ("exempt", ns("kube-system", None), {}, SETTINGS, ()),
]


@pytest.mark.parametrize(("title", "found", "stored", "chosen", "expected"), PLANS, ids=[row[0] for row in PLANS])
def test_plan(
    title: str, found: Manifest, stored: dict[str, Manifest], chosen: Settings, expected: tuple[Step, ...]
) -> None:
    assert plan_namespace(read(found), stored, chosen, CalicoApi.V1) == expected


def test_plan_of_the_floor() -> None:
    floor = manifest(isolation_floor(SETTINGS), CalicoApi.V1, SETTINGS)
    assert plan_floor(floor, SETTINGS, CalicoApi.V1) == ()
    assert plan_floor(None, SETTINGS, CalicoApi.V1) == (WritePolicy(floor),)
    assert plan_floor(None, SETTINGS, CalicoApi.KUBERNETES) == ()
    narrowed = {**floor, "spec": {**floor["spec"], "namespaceSelector": "env == 'dev'"}}
    assert plan_floor(narrowed, SETTINGS, CalicoApi.V1) == (WritePolicy(floor, ("spec.namespaceSelector",)),)


@dataclass
class Cluster:
    """A cluster small enough to read: what is stored, and a guard that may be asked before each write."""

    api: CalicoApi
    namespaces: dict[str, Manifest]
    policies: dict[tuple[str, str], Manifest]
    chosen: Settings = SETTINGS
    answers: list[tuple[Step, Answer]] = field(default_factory=list)

    def world(self) -> World:
        return world(*self.namespaces.values(), *self.policies.values(), settings=self.chosen, api=self.api)

    def stored(self, namespace: str) -> dict[str, Manifest]:
        return {name: found for (place, name), found in self.policies.items() if place == namespace}

    def plan(self) -> Iterator[Step]:
        yield from plan_floor(self.policies.get(("", "isolation-floor")), self.chosen, self.api)
        for name, found in sorted(self.namespaces.items()):
            yield from plan_namespace(read(found), self.stored(name), self.chosen, self.api)

    def settle(self) -> None:
        for step in list(self.plan()):
            self.carry_out(step)

    def carry_out(self, step: Step) -> None:
        match step:
            case SetEnvironment(name, label, value):
                labels = {**self.namespaces[name]["metadata"]["labels"], label: value}
                self._write_namespace(step, with_metadata(self.namespaces[name], labels=labels))
            case MarkReady(name, uid):
                marks = {READY_FOR: uid, READY_SECONDS: "0.084"}
                annotations = {**self.namespaces[name]["metadata"].get("annotations", {}), **marks}
                self._write_namespace(step, with_metadata(self.namespaces[name], annotations=annotations))
            case WritePolicy(asked):
                key = (asked["metadata"].get("namespace", ""), asked["metadata"]["name"])
                new = copy.deepcopy(dict(asked))
                old = self.policies.get(key, {}).get("metadata", {})
                new["metadata"].update({k: old[k] for k in ("ownerReferences", "finalizers") if k in old})
                self._write_policy(step, key, new)
            case StripMetadata(_, namespace, name):
                stripped = copy.deepcopy(self.policies[namespace, name])
                for key_ in ("ownerReferences", "finalizers"):
                    stripped["metadata"].pop(key_, None)
                self._write_policy(step, (namespace, name), stripped)
            case RemovePolicy(_, namespace, name):
                self._write_policy(step, (namespace, name), None)

    def _write_namespace(self, step: Step, new: Manifest) -> None:
        name = new["metadata"]["name"]
        self.answers.append(
            (step, judge_namespace(review(self.namespaces[name], new, user="controller"), self.world()))
        )
        self.namespaces[name] = new

    def _write_policy(self, step: Step, key: tuple[str, str], new: Manifest | None) -> None:
        asked = review(self.policies.get(key), new, user="controller")
        self.answers.append((step, judge_policy(asked, self.world())))
        if new is None:
            del self.policies[key]
        else:
            self.policies[key] = new


NAMES = ("development", "shop", "x-test", "a-prod", "dev-test", "kube-system")
MESSES = ("absent", "right", "order", "selector", "unlabelled", "owned", "held", "not ours", "allows all")


def messed(found: Manifest, mess: str) -> Manifest | None:
    """A baseline policy as a careless or hostile writer left it while nobody was looking."""
    spec = found["spec"]
    labels = {k: v for k, v in found["metadata"]["labels"].items() if k != MANAGED_BY}
    match mess:
        case "absent":
            return None
        case "order" if "order" in spec:
            return {**found, "spec": {**spec, "order": 7000}}
        case "selector" if "selector" in spec:
            return {**found, "spec": {**spec, "selector": "a == 'b'"}}
        case "unlabelled":
            return with_metadata(found, labels=labels)
        case "owned":
            return with_metadata(found, ownerReferences=[OWNER])
        case "held":
            return with_metadata(
                {**found, "spec": {**spec, "types": ["Ingress"]}} if "types" in spec else found, finalizers=["x/y"]
            )
        case "not ours":
            return with_metadata(
                {**found, "spec": {**spec, "ingress": [{}]} if "podSelector" in spec else spec}, labels=labels
            )
        case "allows all":
            allowed = [{}] if "podSelector" in spec else [{"action": "Allow"}]
            return {**found, "spec": {**spec, "egress": allowed}}
    return found


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    chosen = replace(SETTINGS, same_environment=draw(st.sampled_from(list(Reach))))
    api = draw(st.sampled_from(APIS))
    found: dict[str, Manifest] = {}
    policies: dict[tuple[str, str], Manifest] = {}
    for name in draw(st.sets(st.sampled_from(NAMES), max_size=3)):
        made = ns(
            name, draw(st.sampled_from([None, "dev", "test", "unassigned", "qa"])) if name != "kube-system" else None
        )
        made = ready(made) if draw(st.booleans()) else made
        found[name] = terminating(made) if draw(st.integers(0, 4)) == 0 else made
        # As other settings, or no settings at all, once asked for.
        for wanted in desired(read(ns(name, draw(st.sampled_from(["dev", "test"])))), SETTINGS):
            held = messed(manifest(wanted, api, SETTINGS), draw(st.sampled_from(MESSES)))
            if held is not None:
                policies[name, wanted.name] = held
    if api is not CalicoApi.KUBERNETES:
        floor = messed(manifest(isolation_floor(chosen), api, chosen), draw(st.sampled_from(MESSES)))
        if floor is not None:
            policies["", "isolation-floor"] = floor
    return Cluster(api, found, policies, chosen)


def live(cluster: Cluster) -> Iterable[Namespace]:
    for found in cluster.namespaces.values():
        parsed = read(found)
        if not parsed.meta.deleting and parsed.name != "kube-system":
            yield parsed


@settings(max_examples=40, deadline=None)
@given(clusters())
def test_one_pass_converges(cluster: Cluster) -> None:
    cluster.settle()
    assert list(cluster.plan()) == []


@settings(max_examples=40, deadline=None)
@given(clusters())
def test_what_is_settled_holds_the_baseline_and_no_rule_of_it_speaks(cluster: Cluster) -> None:
    """Without this the first law holds of a plan that does nothing."""
    cluster.settle()
    for namespace in live(cluster):
        for wanted in desired(namespace, cluster.chosen):
            held = cluster.policies[namespace.name, wanted.name]
            assert held["spec"] == manifest(wanted, cluster.api, cluster.chosen)["spec"]
            assert not held["metadata"].get("ownerReferences")
            assert not held["metadata"].get("finalizers")
    gone = {name for name, found in cluster.namespaces.items() if "deletionTimestamp" in found["metadata"]}
    spoken = [f for f in evaluate(cluster.world()) if f.rule in REPAIRED and f.ref.namespace not in gone]
    # A policy of a name that is ours, left where settings ask for none, is its owner's to take away.
    left = [
        f for f in spoken if not (cluster.chosen.same_environment is Reach.NONE and f.ref.name.endswith("-ns-allow"))
    ]
    assert left == []


@settings(max_examples=40, deadline=None)
@given(clusters())
def test_the_guard_lets_every_step_happen(cluster: Cluster) -> None:
    """The controller is nobody special: it passes because of what it writes."""
    cluster.settle()
    assert [(step, answer.message) for step, answer in cluster.answers if not answer.allowed] == []


@settings(max_examples=30, deadline=None)
@given(
    clusters(),
    st.sampled_from([c for c in NAMES if c != "kube-system"]),
    st.sampled_from(["dev", "test", "unassigned"]),
)
def test_any_namespace_can_be_created(cluster: Cluster, name: str, env: str) -> None:
    cluster.namespaces.pop(name, None)
    for place, policy_name in [key for key in cluster.policies if key[0] == name]:
        del cluster.policies[place, policy_name]
    assert judge_namespace(review(None, ns(name, env)), cluster.world()).allowed


@settings(max_examples=30, deadline=None)
@given(clusters(), st.sampled_from(["dora", "controller", "system:admin"]))
def test_no_baseline_policy_of_a_live_namespace_can_be_deleted(cluster: Cluster, user: str) -> None:
    cluster.settle()
    whole = cluster.world()
    for namespace in live(cluster):
        for wanted in desired(namespace, cluster.chosen):
            held = cluster.policies[namespace.name, wanted.name]
            answer = judge_policy(review(held, None, user=user, groups=["system:masters"], name=""), whole)
            assert (answer.allowed, answer.code) == (False, 403)


@settings(max_examples=30, deadline=None)
@given(clusters())
def test_a_terminating_namespace_empties_itself(cluster: Cluster) -> None:
    cluster.settle()
    emptier = "system:serviceaccount:kube-system:namespace-controller"
    for name in list(cluster.namespaces):
        cluster.namespaces[name] = terminating(cluster.namespaces[name])
    whole = cluster.world()
    for (namespace, _), held in cluster.policies.items():
        if namespace:
            assert judge_policy(review(held, None, user=emptier, name=""), whole).allowed
    for found in cluster.namespaces.values():
        emptied = {**found, "spec": {"finalizers": []}}
        assert judge_namespace(review(found, emptied, user=emptier, subresource="finalize"), whole).allowed


WRITES = st.fixed_dictionaries(
    {},
    optional={
        "order": st.sampled_from([None, -1, 0, 99, 100, 600, 3999, 4000, 5000, 6000]),
        "tier": st.sampled_from(["default", "platform", ""]),
        "selector": st.sampled_from(["", "all()", " ", "a ==", "all()) || (all()"]),
        "ingress": st.sampled_from(
            [
                [{"action": "Allow", "source": {"nets": ["x"]}}],
                [{"action": "Deny", "protocol": "foo"}],
                [{"action": "Deny"}],
            ]
        ),
    },
)


@settings(max_examples=40, deadline=None)
@given(WRITES, WRITES, st.booleans(), st.sampled_from(["web", "default-deny", "shop-ns-allow"]))
def test_what_is_refused_is_what_an_audit_finds_afterwards(
    before: dict[str, Any], after: dict[str, Any], is_new: bool, name: str
) -> None:
    """And it is refused exactly when the write adds to what the audit finds."""
    v1 = "crd.projectcalico.org/v1"
    old = None if is_new else policy(name, v=v1, **before)
    new = policy(name, v=v1, **after)
    held = [] if old is None else [old]
    answer = judge_policy(review(old, new), world(SHOP, *held))
    found = {f for f in evaluate(world(SHOP, new)) if f.ref.kind == "NetworkPolicy" and f.severity.value == "deny"}
    stood = {f.key for f in evaluate(world(SHOP, *held))}
    assert {cause.reason for cause in answer.causes} <= {f.rule for f in found}
    assert answer.allowed == (not [f for f in found if f.key not in stood])

"""Requests about policies judged: every path, by whom it is tried, and what is answered in which mode."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.policy.reviews import review
from tests.policy.table import SETTINGS, Manifest, gnp, knp, ns, policy, terminating, tier, with_metadata, world
from webhook.admission import judge_namespace, judge_policy
from webhook.policy.baseline import desired, isolation_floor, manifest
from webhook.policy.objects import CalicoApi, Namespace
from webhook.policy.parse import parse
from webhook.policy.settings import Environment, Mode, Settings
from webhook.policy.world import World
from webhook.wire import Answer, Cause

V1, V3 = "crd.projectcalico.org/v1", "projectcalico.org/v3"
RELAY = "system:serviceaccount:calico-system:calico-apiserver"
COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
MIGRATOR = "system:serviceaccount:calico-system:calico-kube-controllers"
SHOP = ns()
PARSED = parse(SHOP)
assert isinstance(PARSED, Namespace)
DENY, DNS, SAME = (manifest(wanted, CalicoApi.V1, SETTINGS) for wanted in desired(PARSED, SETTINGS))
FLOOR = manifest(isolation_floor(SETTINGS), CalicoApi.V1, SETTINGS)
OTHERS = (ns("kube-system", None), ns("shop-prod", "prod"))
WORLD = world(SHOP, *OTHERS, DENY, DNS, SAME, FLOOR)


def spec(manifest: Manifest, **fields: Any) -> Manifest:
    return {**manifest, "spec": {**manifest["spec"], **fields}}


def v1_with(found: Manifest, **metadata: Any) -> Manifest:
    """A v1 object as Calico's API server writes it: the v3 metadata is in an annotation."""
    own = {"name": found["metadata"]["name"], "namespace": found["metadata"]["namespace"], **metadata}
    annotations = {"projectcalico.org/metadata": json.dumps(own)}
    return with_metadata(found, annotations=annotations)


def rules(answer: Answer) -> list[str]:
    """What a request was refused for; nothing when it was allowed."""
    assert answer.allowed or answer.code == 403, answer
    return [cause.reason for cause in answer.causes]


# And to policies: (title, request, rules)
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1"}
HELD = with_metadata(DENY, finalizers=["foregroundDeletion"])
DYING = terminating(HELD)
POLICIES: list[tuple[str, Any, list[str]]] = [
    ("a policy", review(None, policy()), []),
    ("the same through v1", review(None, policy(v=V1)), []),
    ("the same by generateName", review(None, with_metadata(policy(), name="x-1"), name=""), []),
    ("no order", review(None, policy(order=None)), ["order-declared"]),
    ("no order and another tier", review(None, policy(order=None, tier="x")), ["order-declared", "tier-permitted"]),
    ("no order, to be cleaned up later", review(policy(), policy(order=None)), ["order-declared"]),
    ("no order, as before", review(policy(order=None), policy(order=None, selector="a == 'b'")), []),
    ("one bad order for another", review(policy(order=5000), policy(order=4000)), ["order-in-tenant-band"]),
    ("a tier beside an old bad order", review(policy(order=5000), policy(order=5000, tier="x")), ["tier-permitted"]),
    (
        "while it is being deleted",
        review(terminating(policy()), terminating(policy(order=5000))),
        ["order-in-tenant-band"],
    ),
    ("as who relays", review(None, policy(v=V1, order=5000), user=RELAY), ["order-in-tenant-band"]),
    ("as an administrator", review(None, policy(order=5000), groups=["system:masters"]), ["order-in-tenant-band"]),
    ("in an exempt namespace", review(None, policy(namespace="kube-system", order=1)), []),
    ("a deletion", review(policy(order=5000), None), []),
    ("a deletion in a collection", review(policy(), None, name=""), []),
    ("a deletion of what nobody can read", review(spec(policy(), order="x"), None), []),
    ("from unreadable to order zero", review(spec(policy(), order="x"), policy(order=0)), ["order-in-tenant-band"]),
    ("from unreadable to good", review(spec(policy(), order="x"), policy()), []),
    ("from unreadable to bad", review(spec(policy(), order="x"), policy(order=5000)), ["order-in-tenant-band"]),
    ("the baseline as it is", review(DENY, DENY), []),
    ("the baseline, whoever writes it", review(None, DENY, user="dora"), []),
    ("the baseline edited", review(DENY, spec(DENY, order=6000)), ["baseline-unchanged"]),
    (
        "the baseline edited in two places",
        review(DENY, spec(DENY, order=6000, selector="a == 'b'")),
        ["baseline-unchanged", "baseline-unchanged"],
    ),
    ("the baseline edited by who relays", review(DENY, spec(DENY, order=6000), user=RELAY), ["baseline-unchanged"]),
    (
        "the baseline edited and disowned",
        review(DENY, with_metadata(spec(DENY, order=6000), labels={})),
        ["baseline-names-reserved", "baseline-unchanged"],
    ),
    ("the baseline disowned", review(DENY, with_metadata(DENY, labels={})), ["baseline-unchanged"]),
    ("the baseline given an owner", review(DENY, with_metadata(DENY, ownerReferences=[OWNER])), ["baseline-unchanged"]),
    (
        "the baseline given an owner in the annotation",
        review(DENY, v1_with(DENY, ownerReferences=[OWNER])),
        ["baseline-unchanged"],
    ),
    ("the baseline given a finalizer", review(DENY, with_metadata(DENY, finalizers=["x/y"])), ["baseline-unchanged"]),
    ("the baseline drifted", review(spec(DENY, order=6000), spec(DENY, order=7000)), ["baseline-unchanged"]),
    (
        "the baseline repaired in half",
        review(spec(DENY, order=6000, selector="a == 'b'"), spec(DENY, selector="a == 'b'")),
        [],
    ),
    ("the baseline deleted", review(DENY, None), ["baseline-present"]),
    ("the baseline deleted in a collection", review(DENY, None, name=""), ["baseline-present"]),
    ("the baseline deleted by who relays", review(DENY, None, user=RELAY), ["baseline-present"]),
    ("the baseline collected", review(DENY, None, user=COLLECTOR), ["baseline-present"]),
    ("the baseline deleted through v3", review({**DENY, "apiVersion": V3}, None), ["baseline-present"]),
    ("the baseline deleted though nobody can read it", review(spec(DENY, order="x"), None), ["baseline-present"]),
    (
        "the baseline deleted in the foreground, as v1 sees it",
        review(
            DENY, v1_with(DENY, deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["foregroundDeletion"]), user=RELAY
        ),
        ["baseline-present"],
    ),
    ("the baseline's last finalizer taken", review(DYING, terminating(DENY)), ["baseline-present"]),
    ("the baseline's last finalizer taken by the collector", review(DYING, terminating(DENY), user=COLLECTOR), []),
    (
        "another finalizer taken by the collector",
        review(terminating(with_metadata(DENY, finalizers=["x/y"])), terminating(DENY), user=COLLECTOR),
        ["baseline-present"],
    ),
    (
        "the baseline's twin deleted by who renames",
        review(with_metadata(DENY, name="default.default-deny"), None, user=MIGRATOR),
        [],
    ),
    (
        "the baseline's twin deleted by another",
        review(with_metadata(DENY, name="default.default-deny"), None),
        ["baseline-present"],
    ),
    ("the floor deleted", review(FLOOR, None), ["baseline-present"]),
    ("the floor edited", review(FLOOR, spec(FLOOR, order=7000)), ["baseline-unchanged"]),
    ("the name taken", review(None, policy("default-deny")), ["baseline-names-reserved"]),
    (
        "the name taken in the other spelling",
        review(None, policy("default.dns-allow", v=V1)),
        ["baseline-names-reserved"],
    ),
    (
        "the floor's name taken",
        review(None, gnp("isolation-floor", ingress=[{"action": "Deny"}])),
        ["baseline-names-reserved"],
    ),
    ("the article's own", review(None, policy("test-ns-allow", "shop")), []),
    ("a Kubernetes policy", review(None, knp("default-deny")), []),
    ("a tier before the baseline", review(None, tier("abc", defaultAction="Pass")), ["order-not-before-baseline"]),
    ("a tier that Calico makes", review(None, tier("kube-admin", order=1000, defaultAction="Pass"), user=MIGRATOR), []),
    (
        "a tier that Calico makes, otherwise",
        review(None, tier("kube-admin", order=10, defaultAction="Pass"), user=MIGRATOR),
        ["order-not-before-baseline"],
    ),
    (
        "a finalizer on a tier that was there",
        review(
            tier("abc", order=1, defaultAction="Pass"),
            with_metadata(tier("abc", order=1, defaultAction="Pass"), finalizers=["x/y"]),
        ),
        [],
    ),
    ("the default tier deleted", review(tier("default", order=1_000_000), None), ["tier-kept"]),
    (
        "a set of pods",
        review(
            None,
            {
                "apiVersion": V3,
                "kind": "NetworkSet",
                "metadata": {"name": "a", "namespace": "shop"},
                "spec": {"nets": ["10.240.0.0/16"]},
            },
        ),
        ["nets-outside-cluster"],
    ),
    (
        "out of the namespace",
        review(None, policy(v=V1, selector="all()) || (all()")),
        ["allows-stay-under-ceiling", "selectors-parse"],
    ),
]


@pytest.mark.parametrize(("title", "request_", "expected"), POLICIES, ids=[row[0] for row in POLICIES])
def test_policy(title: str, request_: Any, expected: list[str]) -> None:
    assert rules(judge_policy(request_, WORLD)) == expected


def test_baseline_goes_with_its_namespace() -> None:
    """By whomever: with aggregated APIs the deletion comes from Calico's own account."""
    dying = world(terminating(SHOP), DENY, FLOOR)
    assert judge_policy(review(DENY, None, user=RELAY), dying).allowed
    assert judge_policy(review(DYING, terminating(DENY), user="dora"), dying).allowed
    assert rules(judge_policy(review(FLOOR, None), dying)) == ["baseline-present"]


def test_a_terminating_namespace_is_no_workshop() -> None:
    """Its pods may run for long: what is written there is judged like anywhere."""
    dying = world(terminating(SHOP), DENY)
    opened = spec(DENY, egress=[{"action": "Allow"}])
    assert rules(judge_policy(review(DENY, opened), dying)) == ["allows-stay-under-ceiling", "baseline-unchanged"]


def test_what_only_calico_wrote_twice_adds_nothing() -> None:
    """The migration to 3.32 writes `X` beside `default.X`; what stood with a violation stands with it once more."""
    old = policy("default.web", v=V1, order=5000)
    held = world(SHOP, old)
    assert judge_policy(review(None, policy("web", v=V1, order=5000), user=MIGRATOR), held).allowed
    assert judge_policy(review(None, policy("web", v=V3, order=5000), user=MIGRATOR), held).allowed
    assert rules(judge_policy(review(None, policy("web2", v=V1, order=5000), user=MIGRATOR), held)) == [
        "order-in-tenant-band"
    ]
    assert rules(judge_policy(review(None, policy("web", v=V1, order=4999), user=MIGRATOR), held)) == [
        "order-in-tenant-band"
    ]


def test_a_namespace_not_known_here_is_no_permission() -> None:
    for request in (review(None, policy(namespace="new")), review(with_metadata(DENY, namespace="new"), None)):
        answer = judge_policy(request, WORLD)
        assert (answer.allowed, answer.code, answer.reason) == (False, 500, "InternalError")
    assert judge_policy(review(policy(namespace="new"), None), WORLD).allowed


UNREADABLE: list[tuple[str, Any, str]] = [
    ("a policy", review(None, spec(policy(), order="x")), "spec.order"),
    ("of an unknown kind", review(None, {**policy(), "kind": "NetworkPolicyX"}), "kind"),
    ("of an unknown version", review(None, {**policy(), "apiVersion": "projectcalico.org/v4"}), "kind"),
]


@pytest.mark.parametrize(("title", "request_", "field"), UNREADABLE, ids=[row[0] for row in UNREADABLE])
def test_what_cannot_be_read_is_refused_with_the_field(title: str, request_: Any, field: str) -> None:
    answer = judge_policy(request_, WORLD)
    assert (answer.allowed, answer.code, answer.reason) == (False, 422, "Invalid")
    assert [cause.field for cause in answer.causes] == [field]


def test_a_denial_whole() -> None:
    answer = judge_policy(review(None, policy(order=6000)), WORLD)
    detail = "has order 6000, behind default-deny (5000): it would never decide anything"
    head = f"[order-in-tenant-band] NetworkPolicy shop/web {detail}"
    assert answer == Answer(
        allowed=False,
        code=403,
        reason="Forbidden",
        message=f"{head}; set spec.order between 100 and 3999\n"
        "  ask: platform-admins  |  docs: isolation-baseline explain order-in-tenant-band",
        causes=(Cause("spec.order", "order-in-tenant-band", f"{head}; fix: set spec.order between 100 and 3999"),),
        audit_annotations=answer.audit_annotations,
        rules=("order-in-tenant-band",),
    )
    noted = dict(answer.audit_annotations)
    assert noted["added"].startswith(head) or head in noted["added"]
    assert noted["modes"] == "enforce"


def test_a_dry_run_is_answered_the_same() -> None:
    for request in (review(None, policy(order=6000)), review(DENY, None), review(None, policy())):
        assert judge_policy(replace(request, dry_run=True), WORLD) == judge_policy(request, WORLD)


def modes(dev: Mode, prod: Mode = Mode.ENFORCE, unassigned: Mode = Mode.ENFORCE) -> Settings:
    chosen = {"dev": dev, "prod": prod, "test": dev}
    environments = tuple(replace(e, mode=chosen[e.name]) for e in SETTINGS.environments)
    return replace(SETTINGS, environments=environments, unassigned_mode=unassigned)


BAD = policy(order=4500)
HEAD = "[order-in-tenant-band] NetworkPolicy shop/web has order 4500, behind dns-allow (4000)"


def answered(settings: Settings, new: Manifest = BAD) -> Answer:
    return judge_policy(review(None, new), replace(WORLD, settings=settings))


def test_warn_says_it() -> None:
    answer = answered(modes(Mode.WARN))
    assert answer.allowed
    assert f"{HEAD} (not refused yet: this environment only warns)" in answer.warnings


def test_audit_only_records_it() -> None:
    answer = answered(modes(Mode.AUDIT))
    assert (answer.allowed, answer.warnings) == (True, ())
    assert HEAD in dict(answer.audit_annotations)["added"]


def test_what_touches_every_environment_has_the_strictest_mode() -> None:
    assert not answered(modes(Mode.AUDIT), gnp(order=5000)).allowed
    assert answered(modes(Mode.AUDIT, Mode.AUDIT, Mode.AUDIT), gnp(order=5000)).allowed


def test_what_leaves_its_namespace_has_the_strictest_mode() -> None:
    """A selector that closes a parenthesis reaches production from a namespace that is only audited."""
    escape = policy(v=V1, selector="all()) || (all()")
    assert "selectors-parse" in rules(answered(modes(Mode.AUDIT), escape))
    assert answered(modes(Mode.AUDIT, Mode.AUDIT, Mode.AUDIT), escape).allowed


def test_nobody_leaves_an_enforced_environment_for_an_audited_one() -> None:
    loose = replace(WORLD, settings=modes(Mode.AUDIT))
    assert rules(judge_namespace(review(ns("x", "prod"), ns("x", "dev")), loose)) == ["environment-unchanged"]
    assert rules(judge_namespace(review(ns("x", "dev"), ns("x", "prod")), loose)) == ["environment-unchanged"]
    assert judge_namespace(review(ns("x", "dev"), ns("x", "test")), loose).allowed


def test_break_glass_is_let_pass_warned_and_recorded() -> None:
    request = review(DENY, None, user="fay", groups=["isolation-break-glass"])
    answer = judge_policy(request, WORLD)
    assert answer.allowed
    assert answer.warnings == (
        "[baseline-present] NetworkPolicy shop/default-deny isolates shop and may not be deleted"
        " (let pass by break-glass, and recorded)",
    )
    assert dict(answer.audit_annotations)["break-glass"] == "baseline-present"
    assert rules(judge_policy(review(DENY, None, groups=["isolation-break-glass2"]), WORLD)) == ["baseline-present"]


def test_break_glass_changes_nothing_where_nothing_is_refused() -> None:
    answer = judge_policy(review(None, policy(), groups=["isolation-break-glass"]), WORLD)
    assert "break-glass" not in dict(answer.audit_annotations)


def test_an_old_finding_is_said_and_let_stand() -> None:
    answer = judge_policy(review(policy(order=4500), policy(order=4500, selector="a == 'b'")), WORLD)
    assert answer.allowed
    assert f"{HEAD} (stood before)" in answer.warnings
    assert HEAD in dict(answer.audit_annotations)["kept"]


def test_a_staged_policy_is_admitted_with_a_warning() -> None:
    answer = judge_policy(review(None, policy(kind="StagedNetworkPolicy", order=4500)), WORLD)
    assert answer.allowed
    assert any("would be refused when promoted: has order 4500" in line for line in answer.warnings)


def test_warnings_are_few_and_the_rest_is_counted() -> None:
    unsound = [{"action": "Allow", "source": {"nets": [f"x{n}"]}} for n in range(9)]
    answer = answered(modes(Mode.WARN, Mode.WARN, Mode.WARN), policy(v=V1, ingress=unsound))
    assert answer.allowed
    assert len(answer.warnings) == 5
    assert answer.warnings[-1].startswith("and ")
    assert all(len(line) <= 200 and line.isprintable() for line in answer.warnings)


def test_judging_changes_nothing_that_it_was_given() -> None:
    for _, request, _ in POLICIES:
        before = copy.deepcopy((request.object, request.old_object))
        judge_policy(request, WORLD)
        assert (request.object, request.old_object) == before


def test_the_modes_are_of_the_namespaces_environment() -> None:
    settings = Settings(environments=(Environment("dev", mode=Mode.AUDIT),), unassigned_mode=Mode.ENFORCE)
    strict = World(settings=settings, namespaces=world(ns("shop", "unassigned")).namespaces)
    assert rules(judge_policy(review(None, BAD), strict)) == ["order-in-tenant-band"]
    assert judge_policy(review(None, BAD), World(settings=settings, namespaces=world(SHOP).namespaces)).allowed


def test_a_crowd_of_findings_is_cut_and_hides_nothing() -> None:
    """Each names its place; past a bound one stands for the rest, and any other content is another one."""

    def crowd(last: str, **labels: str) -> Manifest:
        rules = [{"action": "Deny", "source": {"nets": [f"x{n}" if n < 24 else last]}} for n in range(25)]
        return policy(v=V1, ingress=rules, metadata={"labels": labels})

    fresh = judge_policy(review(None, crowd("y")), WORLD)
    assert [cause.message for cause in fresh.causes if "more than" in cause.message] == [
        "[nets-are-cidrs] NetworkPolicy shop/web has more than 20 of these"
    ]
    assert judge_policy(review(crowd("y"), crowd("y", a="b")), WORLD).allowed
    assert rules(judge_policy(review(crowd("y"), crowd("z")), WORLD)) == ["nets-are-cidrs"]

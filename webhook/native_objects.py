"""Native objects: what holds of the baseline, of Calico's definitions and of pods without any process of ours."""

from __future__ import annotations

from collections.abc import Iterable

from webhook import cel, scope
from webhook.native_shape import DOMAIN, Check, Native, is_enforced_there, resource_rule
from webhook.policy.identities import NAMESPACE_CONTROLLERS
from webhook.policy.objects import DEFAULT_TIER_ORDER, TIER_DEFAULT, Action, CalicoApi
from webhook.policy.plan import READY_FOR
from webhook.policy.settings import Settings
from webhook.policy.subjects import CALICOS_TIERS
from webhook.scope import Path

# Groups whose definitions carry policies, or with operator.tigera.io the whole of Calico: deleting a definition deletes
# its objects without a single admission call.
_DEFINITION_GROUPS = (
    "crd.projectcalico.org",
    DOMAIN,
    "operator.tigera.io",
    "policy.networking.k8s.io",
    "projectcalico.org",
)


def baseline_groups(api: CalicoApi) -> tuple[str, ...]:
    """Where the baseline is written. In any other group its names are anybody's: `default-deny` is a common one."""
    return ("networking.k8s.io",) if api is CalicoApi.KUBERNETES else scope.CALICO_GROUPS


def baseline_present(settings: Settings, exempt: Iterable[str], api: CalicoApi) -> Native:
    """
    Deletions that the webhook is not asked about, or that guard-present cannot tell from a namespace's own end.

    Those are the namespace controller's, and every collection's: both right only in a terminating namespace.
    """
    return Native(
        name="baseline-present",
        rules=tuple(
            resource_rule(group, ["globalnetworkpolicies", "networkpolicies"], ["DELETE"])
            for group in baseline_groups(api)
        ),
        conditions=(
            (
                "by-collection-or-namespace-controller",
                cel.any_of("!has(request.name) || request.name == ''", cel.is_user(NAMESPACE_CONTROLLERS)),
            ),
            scope.in_managed_namespace(exempt),
            ("the-baseline", scope.is_baseline()),
        ),
        checks=(
            Check(
                "baseline-present",
                "namespaceObject != null && (has(namespaceObject.metadata.deletionTimestamp) || "
                f"!({is_enforced_there(settings)}))",
                "request.kind.kind + ' ' + (has(request.namespace) ? request.namespace + '/' : '') + "
                f"oldObject.metadata.name + {cel.literal(': belongs to the baseline, which stays; leave it')}",
            ),
        ),
    )


def definitions_kept() -> Native:
    name = "oldObject.metadata.name"
    suffixes = " || ".join(f"{name}.endsWith({cel.literal('.' + group)})" for group in _DEFINITION_GROUPS)
    guarded = cel.any_of(
        f"request.resource.resource == 'customresourcedefinitions' && ({suffixes})",
        f"request.resource.resource == 'apiservices' && {name} == 'v3.projectcalico.org'",
        "request.resource.resource == 'datastoremigrations'",
    )
    return Native(
        name="calico-definitions-kept",
        rules=(
            resource_rule("apiextensions.k8s.io", ["customresourcedefinitions"], ["DELETE"]),
            resource_rule("apiregistration.k8s.io", ["apiservices"], ["DELETE"]),
            # Its finalizer deletes every definition of crd.projectcalico.org.
            resource_rule("migration.projectcalico.org", ["datastoremigrations"], ["DELETE"]),
        ),
        conditions=(("what-carries-policies", guarded),),
        checks=(
            Check(
                "calico-definitions-kept",
                # The API server keeps an APIService of its own for every definition that it serves.
                cel.all_of("request.resource.resource == 'apiservices'", cel.is_user(["system:apiserver"])),
                f"request.kind.kind + ' ' + {name} + ': deleting it deletes or hides every policy of the cluster "
                "at once; ask for break-glass, or take the guard away first'",
            ),
        ),
    )


def calico_tiers_kept() -> Native:
    """
    Calico's own tiers are as Calico makes them, also while guard-present leaves them out.

    Behind kube-baseline moved ahead, what was never reached would decide first. Calico from 3.32 on says so in its
    definitions; raw v1 objects before that say nothing.
    """
    made = {TIER_DEFAULT: (DEFAULT_TIER_ORDER, Action.DENY), **CALICOS_TIERS}
    orders, actions = (
        "{" + ", ".join(f"{cel.literal(name)}: {text}" for name, text in sorted(texts.items())) + "}"
        for texts in (
            {name: f"{order:.0f}" for name, (order, _) in made.items()},
            {name: cel.literal(action.value) for name, (_, action) in made.items()},
        )
    )
    name = "object.metadata.name"
    return Native(
        name="calico-tiers-kept",
        rules=tuple(
            resource_rule(group, ["tiers"], ["CREATE", "UPDATE"], sorted(made)) for group in scope.CALICO_GROUPS
        ),
        conditions=(scope.not_calico_starting(),),
        checks=(
            Check(
                "default-action-safe",
                f"object.?spec.?defaultAction.orValue('Deny') == {actions}[{name}]",
                f"'Tier ' + {name} + ': Calico and the baseline count on its default action; "
                f"set spec.defaultAction to ' + {actions}[{name}]",
            ),
            Check(
                "order-not-before-baseline",
                f"object.?spec.?order.orValue({DEFAULT_TIER_ORDER:.0f}) == {orders}[{name}]",
                f"'Tier ' + {name} + ': Calico and the baseline count on its order; "
                f"set spec.order to ' + string({orders}[{name}])",
            ),
        ),
    )


def pod_address_not_claimed(settings: Settings, exempt: Iterable[str]) -> Native:
    """The same requests as the pods webhook: here without waiting for us, there if this policy is taken away."""
    conditions = scope.match_conditions(Path.POD, settings.environment_label, exempt)
    claims = f"{cel.listed(cel.ADDRESS_ANNOTATIONS)}.filter(a, a in object.metadata.?annotations.orValue({{}}))"
    return Native(
        name="pod-address-not-claimed",
        rules=tuple(
            resource_rule(row.group, row.resources, row.operations) for row in scope.JUDGED if row.path is Path.POD
        ),
        conditions=tuple((c["name"], c["expression"]) for c in conditions),
        checks=(
            Check(
                "pod-address-not-claimed",
                f"namespaceObject != null && !({is_enforced_there(settings)})",
                "'Pod ' + object.metadata.?namespace.orValue('') + '/' + object.metadata.?name.orValue('') + "
                "': an annotation claims a network address, which only the network plugin may give; remove ' + "
                f"{claims}.join(', ')",
            ),
        ),
    )


def pod_gate(settings: Settings, exempt: Iterable[str]) -> Native:
    """
    Pods of a namespace wait for its baseline, where settings ask for that.

    Where they do not, the policy matches nothing but stays: what was applied before is then switched off by applying
    again, and nobody needs the right to delete a native policy.
    """
    # A kubelet creates the mirrors of static pods, which run whether or not they are accepted.
    conditions = (
        ("asked-for", "true" if settings.pod_gate else "false"),
        scope.in_managed_namespace(exempt),
        ("not-a-kubelet", f"!({scope.is_kubelet()})"),
    )
    return Native(
        name="pod-gate",
        rules=(resource_rule("", ["pods"], ["CREATE"]),),
        conditions=conditions,
        checks=(
            Check(
                "baseline-ready",
                f"namespaceObject != null && ({_is_marked_ready()} || !({is_enforced_there(settings)}))",
                f"'Pod ' + request.namespace + '/' + {cel.NAME} + "
                "': the baseline of its namespace is not there yet; try again in a second'",
            ),
        ),
    )


def _is_marked_ready() -> str:
    mark = f"namespaceObject.metadata.?annotations[?{cel.literal(READY_FOR)}].orValue('')"
    # dyn(): Kubernetes declares the field as `UID`, while the value has `uid`; neither spelling works without.
    return f"{mark} == dyn(namespaceObject).metadata.uid"

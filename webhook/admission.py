"""Admission: one request judged against the world, purely; reading it from the wire and answering is others' work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from webhook.answers import Judgement, answer, failed, unreadable
from webhook.patch import add_label
from webhook.policy.baseline import canonical, is_reserved
from webhook.policy.change import Change, Operation
from webhook.policy.environment import assign, by_name
from webhook.policy.evaluate import added, findings, mode_for
from webhook.policy.finding import Finding, Severity
from webhook.policy.identities import DELETION_FINALIZERS, GARBAGE_COLLECTORS
from webhook.policy.objects import (
    CalicoApi,
    InvalidObject,
    Meta,
    Namespace,
    Pod,
    Policy,
    PolicyKind,
    Ref,
    Subject,
    Tier,
    User,
)
from webhook.policy.parse import Defaulting, parse, parse_namespace
from webhook.policy.parse_meta import Notes, read_meta
from webhook.policy.rules.allows_stay_under_ceiling import allows_stay_under_ceiling
from webhook.policy.selectors import All
from webhook.policy.settings import UNASSIGNED
from webhook.policy.undercut.narrow import opens_more
from webhook.policy.world import World
from webhook.wire import ALLOWED, AdmissionRequest, Answer

Manifest = Mapping[str, Any]

_DEFAULTING = {CalicoApi.AGGREGATED: Defaulting.AGGREGATED, CalicoApi.NATIVE: Defaulting.NATIVE}
_TWIN_GROUPS = ("projectcalico.org", "crd.projectcalico.org")


def judge_mutate_namespace(request: AdmissionRequest, world: World) -> Answer:
    """Give a namespace its environment when it brings none; refusing one is judge_namespace's work."""
    if request.object is None or request.sub_resource or request.operation not in ("CREATE", "UPDATE"):
        return ALLOWED
    try:
        metadata = request.object.get("metadata") or {}
        namespace = parse_namespace(request.object)
        stored = parse_namespace(request.old_object) if request.old_object is not None else None
    except InvalidObject as error:
        return unreadable(_what(request), error)
    label = world.settings.environment_label
    if namespace.meta.deleting or (stored is not None and label in stored.meta.labels):
        return ALLOWED  # a label that was taken away is a finding, not a gap to fill
    found = assign(
        namespace.name, namespace.meta.labels, world.settings, generate_name=str(metadata.get("generateName") or "")
    )
    # Whoever merely touches an old namespace did not choose its name.
    warnings = found.warnings if request.operation == "CREATE" else ()
    if found.environment is None or label in namespace.meta.labels:
        return Answer(True, warnings=warnings)
    return Answer(
        True,
        patch=add_label(request.object, label, found.environment),
        warnings=warnings,
        audit_annotations=(("environment", found.environment), ("reason", found.reason)),
    )


def judge_namespace(request: AdmissionRequest, world: World) -> Answer:
    """Judge a namespace as it would be stored; its deletion is always its owner's right."""
    if request.object is None or request.operation not in ("CREATE", "UPDATE"):
        return ALLOWED
    try:
        new = parse_namespace(request.object)
        old = parse_namespace(request.old_object) if request.old_object is not None else None
    except InvalidObject as error:
        return unreadable(_what(request), error)
    after = world.with_namespace(new)
    # What the controller repairs is no reason to refuse: a namespace is born before its policies can be.
    found = [*findings(_change(request, old, new), after), *findings(new, after, to_repair=False)]
    if old is None:
        judgement = Judgement(tuple(sorted({*found, *_left_over(new, after)})))
    else:
        before = world.with_namespace(old)
        stood = list(findings(old, before, to_repair=False))
        # When the namespace alone is refused, its policies need no judgement.
        if _moves_content(old, new, world) and not added(stood, found):
            inside = _tenants_in(new.name, world)
            found += [finding for policy in inside for finding in findings(policy, after)]
            stood += [finding for policy in inside for finding in findings(policy, before)]
        judgement = _compared(stood, found)
    return answer(judgement, _user(request), world.settings, lambda finding: mode_for(finding, after, old, new))


def judge_policy(request: AdmissionRequest, world: World) -> Answer:
    """Judge a policy, tier, set or host endpoint of any group: what the write adds, and who may not delete what."""
    if request.operation not in ("CREATE", "UPDATE", "DELETE"):
        return ALLOWED
    try:
        old = _read(request.old_object, request, world)
    except InvalidObject:
        # What is stored and unreadable excuses nothing, and must be deletable.
        old = _unread(request) if request.operation == "DELETE" else None
    try:
        new = _read(request.object, request, world) if request.operation != "DELETE" else None
    except InvalidObject as error:
        return unreadable(_what(request), error)
    subject = new if new is not None else old
    assert subject is not None, "a write without an object"
    if request.operation == "DELETE" and not isinstance(subject, Tier) and not is_reserved(subject.ref, world.api):
        return ALLOWED  # each policy is judged as if it stood alone: taking one away opens nothing
    namespace = subject.ref.namespace
    if namespace and world.is_managed(namespace) and namespace not in world.namespaces:
        return failed(f"namespace {namespace} is not known here yet")
    judgement = _judged(request, old, new, world)
    return answer(judgement, _user(request), world.settings, lambda finding: mode_for(finding, world))


def judge_pod(request: AdmissionRequest, world: World) -> Answer:
    """Judge the annotations of a pod, or of the binding from which a pod gets them; nothing else of it."""
    if request.object is None or request.operation not in ("CREATE", "UPDATE"):
        return ALLOWED
    try:
        old = None if request.old_object is None else _pod(request.old_object, request)
        new = _pod(request.object, request)
    except InvalidObject as error:
        return unreadable(_what(request), error)
    namespace = new.meta.namespace
    if world.is_managed(namespace) and namespace not in world.namespaces:
        return failed(f"namespace {namespace} is not known here yet")
    judgement = Judgement(findings(_change(request, old, new), world))
    return answer(judgement, _user(request), world.settings, lambda finding: mode_for(finding, world))


def _left_over(namespace: Namespace, world: World) -> Iterable[Finding]:
    """
    Judge what a former namespace of this name left behind, as new.

    A namespace whose finalizers were emptied is gone before its content; the content comes into force again.
    """
    for policy in _tenants_in(namespace.name, world):
        for finding in findings(policy, world):
            if finding.severity is Severity.DENY:
                yield replace(finding, because=(*finding.because, "a former namespace of this name left it behind"))


def _tenants_in(namespace: str, world: World) -> list[Policy]:
    return [
        policy
        for ref, policy in world.policies.items()
        if ref.namespace == namespace and not is_reserved(ref, world.api)
    ]


def _moves_content(old: Namespace, new: Namespace, world: World) -> bool:
    """
    Say whether the policies of a namespace come under another environment.

    Not when a namespace older than the baseline gets the environment that its name gives it: its policies stood
    before, and a refusal would only keep the baseline away.
    """
    label = world.settings.environment_label
    before, after = old.meta.labels.get(label), new.meta.labels.get(label)
    if before == after or after is None:
        return False
    return before is not None or (after != UNASSIGNED and by_name(new.name, world.settings) != (after,))


def _judged(request: AdmissionRequest, old: Any, new: Any, world: World) -> Judgement:
    written = _change(request, old, new)
    found = list(findings(written, world))
    if new is None:
        return Judgement(tuple(found))
    if isinstance(new, Policy) and _is_deletion(old, new, request):
        found += findings(replace(written, operation=Operation.DELETE, old=old or new, new=None), world)
    if isinstance(new, Tier):
        return _judged_tier(old, new, found, world)
    found += findings(new, world)
    if old is not None:
        stood = list(findings(old, world))
    elif request.operation == "UPDATE":
        stood = []
    else:
        stood = [finding for twin in _twins(new, world) for finding in findings(twin, world)]
    compared = _compared(stood, found)
    if isinstance(old, Policy) and isinstance(new, Policy) and not _is_wider(old, new, compared.added, world):
        narrowed = tuple(finding for finding in compared.added if finding.rule == allows_stay_under_ceiling.id)
        added_ = tuple(finding for finding in compared.added if finding not in narrowed)
        return Judgement(added_, tuple(sorted({*compared.kept, *narrowed})))
    return compared


def _is_wider(old: Policy, new: Policy, found: Iterable[Finding], world: World) -> bool:
    """Say whether what is found of the new policy's reach is more than it had: an edit may narrow without repairing."""
    return any(finding.rule == allows_stay_under_ceiling.id for finding in found) and opens_more(old, new, world)


def _judged_tier(old: Tier | None, new: Tier, found: list[Finding], world: World) -> Judgement:
    """Judge a tier, and with it the policies whose meaning its order and default action are part of."""
    if old is not None and (old.order, old.default_action) == (new.order, new.default_action):
        return Judgement(tuple(found))
    stood = [] if old is None else list(findings(old, world.with_tier(old)))
    return _compared(stood, [*found, *findings(new, world.with_tier(new))])


def _compared(stood: Iterable[Finding], found: Iterable[Finding]) -> Judgement:
    unique = sorted(set(found))
    new = added(stood, unique)
    return Judgement(new, tuple(finding for finding in unique if finding not in new))


def _is_deletion(old: Policy | None, new: Policy, request: AdmissionRequest) -> bool:
    """
    Say whether an update deletes: it brings the deletion along in the annotation of a v1 object (a foreground deletion
    through Calico's own API server), or takes the last finalizer off an object that is being deleted.

    The collector ends by such an update what was judged as a deletion before.
    """
    if not new.meta.deleting or request.operation != "UPDATE":
        return False
    if old is None or not old.meta.deleting:
        return True
    taken = set(old.meta.finalizers) - set(new.meta.finalizers)
    collects = request.user.name in GARBAGE_COLLECTORS and taken <= DELETION_FINALIZERS
    return bool(taken) and not new.meta.finalizers and not collects


def _twins(new: Subject, world: World) -> Iterable[Policy]:
    """
    Find the same policy under its other addresses: the other Calico group, or the name with or without `default.`.

    Calico's migrations write such copies of what already stands, and a copy opens nothing new.
    """
    if not isinstance(new, Policy) or new.ref.group not in _TWIN_GROUPS:
        return
    plain = canonical(new.ref.name)
    for group in _TWIN_GROUPS:
        for name in (plain, f"default.{plain}"):
            twin = world.policies.get(Ref(group, new.ref.kind, new.ref.namespace, name))
            if twin is not None and twin.ref != new.ref:
                yield replace(twin, ref=new.ref)


def _read(manifest: Manifest | None, request: AdmissionRequest, world: World) -> Any:
    if manifest is None:
        return None
    return parse(manifest, defaulting=_DEFAULTING.get(world.api, Defaulting.EITHER), namespace=request.namespace)


def _unread(request: AdmissionRequest) -> Policy:
    """Stand in for a stored object that cannot be read: known by its address alone, and doing nothing."""
    metadata = (request.old_object or {}).get("metadata")
    name = request.name or str((metadata if isinstance(metadata, dict) else {}).get("name") or "")
    ref = Ref(request.kind.group, request.kind.kind, request.namespace, name)
    meta = Meta(name, request.namespace)
    return Policy(ref, PolicyKind.NETWORK_POLICY, meta, "", 0.0, True, frozenset(), True, All(), ignored=True)


def _pod(manifest: Manifest, request: AdmissionRequest) -> Pod:
    return Pod(read_meta(manifest, Notes(), namespace=request.namespace))


def _change(request: AdmissionRequest, old: Subject | None, new: Subject | None) -> Change:
    return Change(_user(request), Operation(request.operation), old, new, request.sub_resource)


def _user(request: AdmissionRequest) -> User:
    return User(request.user.name, frozenset(request.user.groups), request.user.uid)


def _what(request: AdmissionRequest) -> str:
    place = (
        f"{request.namespace}/{request.name}"
        if request.kind.kind != "Namespace" and request.namespace
        else request.name
    )
    return f"{request.kind.kind} {place}".strip()

"""Native namespaces: what holds of every namespace without any process of ours, by whatever path it is written."""

from __future__ import annotations

from collections.abc import Iterable

from webhook import cel, scope
from webhook.native_shape import Check, Native, is_enforced, resource_rule
from webhook.policy.identities import NAMESPACE_CONTROLLERS
from webhook.policy.plan import READY_FOR, READY_SECONDS
from webhook.policy.settings import UNASSIGNED, Mode, Settings, Unmatched
from webhook.scope import Path
from webhook.webhooks import CONFIGURATION_NAME

# Whoever may rewrite our webhook configuration is no tenant.
_MAY_CHANGE_THE_GUARD = (
    "authorizer.group('admissionregistration.k8s.io').resource('validatingwebhookconfigurations')"
    f".name({cel.literal(CONFIGURATION_NAME)}).check('update').allowed()"
)
_LABELS = "object.metadata.?labels.orValue({})"
_OLD_LABELS = "(oldObject == null ? {} : oldObject.metadata.?labels.orValue({}))"
_SUBJECT = f"'Namespace ' + {cel.NAME}"


def namespaces(settings: Settings, exempt: Iterable[str]) -> Native:
    """What must hold of every namespace, also of those and on those paths that the webhook is not asked about."""
    is_exempt = f"{cel.NAME} in {cel.listed(exempt)}"
    return Native(
        name="namespaces",
        rules=tuple(
            resource_rule(row.group, row.resources, row.operations)
            for row in scope.JUDGED
            if row.path is Path.NAMESPACE
        ),
        checks=(
            _exempting_labels_reserved(settings, is_exempt),
            _environment_present(settings, is_exempt),
            _environment_unchanged(settings),
            _environment_not_on_exempt(settings, is_exempt),
            _environment_not_by_subresource(settings),
            _ready_mark_not_by_subresource(),
            _finalizers_kept(is_exempt),
            _exempt_names_reserved(is_exempt),
        ),
    )


def _exempting_labels_reserved(settings: Settings, is_exempt: str) -> Check:
    keys = cel.listed(settings.exempting_labels)
    added = f"k in {_LABELS} && (!(k in {_OLD_LABELS}) || {_OLD_LABELS}[k] != {_LABELS}[k])"
    return Check(
        "exempting-labels-reserved",
        cel.any_of(is_exempt, f"!{keys}.exists(k, {added})"),
        f"{_SUBJECT} + ': label ' + {keys}.filter(k, {added}).join(', ') + ' can take it out of admission webhooks; "
        "leave it out'",
    )


def _environment_present(settings: Settings, is_exempt: str) -> Check:
    """The mutating webhook fails open, so a new namespace without the label means that it was not asked."""
    label = cel.literal(settings.environment_label)
    # Where settings refuse unmatched namespaces there is none to give, and the validating webhook says why.
    is_given = settings.unmatched is Unmatched.ISOLATE and settings.unassigned_mode is Mode.ENFORCE
    return Check(
        "environment-known",
        cel.any_of("request.operation != 'CREATE'", is_exempt, f"{label} in {_LABELS}") if is_given else "true",
        f"{_SUBJECT} + ': has no label ' + {label} + ', which our mutating webhook gives, so it was not asked; "
        "try again, or set the label'",
    )


def _environment_unchanged(settings: Settings) -> Check:
    old, new = _values(settings)
    # A value that nobody declared is no environment: leaving it is a claim, which the webhook judges.
    known = cel.listed([UNASSIGNED, *(e.name for e in settings.environments)])
    return Check(
        "environment-unchanged",
        cel.any_of(
            f"!({old} in {known})",
            f"{old} == {new}",
            f"!({is_enforced(old, settings)}) && !({is_enforced(new, settings)})",
        ),
        f"{_SUBJECT} + ': label ' + {cel.literal(settings.environment_label)} + ' may not change from ' + {old} + "
        f"' to ' + ({new} == '' ? 'nothing' : {new}) + ', a namespace keeps its environment; create another namespace'",
    )


def _environment_not_by_subresource(settings: Settings) -> Check:
    # guard-present leaves the subresources out, so there nobody may have judged the claim.
    old, new = _values(settings)
    return Check(
        "environment-claim-permitted",
        cel.any_of(cel.IS_MAIN, f"{old} == {new}", f"!({is_enforced(new, settings)})"),
        f"{_SUBJECT} + ': label ' + {cel.literal(settings.environment_label)} + ' may not be given through a "
        "subresource; edit the namespace itself'",
    )


def _values(settings: Settings) -> tuple[str, str]:
    """The environment label before and after, as CEL text; empty where there is none."""
    key = cel.literal(settings.environment_label)
    return f"{_OLD_LABELS}[?{key}].orValue('')", f"{_LABELS}[?{key}].orValue('')"


def _environment_not_on_exempt(settings: Settings, is_exempt: str) -> Check:
    old, new = _values(settings)
    return Check(
        "environment-known",
        cel.any_of(f"!({is_exempt})", f"{new} == ''", f"{old} == {new}"),
        f"{_SUBJECT} + ': is exempt from the baseline, and label ' + {cel.literal(settings.environment_label)} + "
        "' would make it a peer of that environment; leave it out'",
    )


def _ready_mark_not_by_subresource() -> Check:
    # As above: our controller writes it on the namespace itself.
    keys = cel.listed([READY_FOR, READY_SECONDS])
    old, new = (f"{o}.metadata.?annotations.orValue({{}})[?k].orValue('')" for o in ("oldObject", "object"))
    return Check(
        "ready-mark-honest",
        cel.any_of(cel.IS_MAIN, f"{keys}.all(k, {old} == {new})"),
        f"{_SUBJECT} + ': the mark that its baseline is there may not be written through a subresource; leave it'",
    )


def _finalizers_kept(is_exempt: str) -> Check:
    # A namespace whose spec.finalizers are emptied goes away and leaves its policies, which the next namespace of
    # that name gets without anybody judging them. Also while terminating: its content may not be deleted yet.
    return Check(
        "namespace-finalizers-kept",
        cel.any_of(
            "request.operation == 'CREATE'",
            is_exempt,
            "oldObject.?spec.?finalizers.orValue([]).all(f, f in object.?spec.?finalizers.orValue([]))",
            # It never does that to a live one; who borrows its name does.
            cel.all_of(cel.is_user(NAMESPACE_CONTROLLERS), cel.IS_STORED_DELETING),
        ),
        f"{_SUBJECT} + ': spec.finalizers may be removed by the namespace controller only, or its policies outlive "
        "it; delete what still holds it'",
    )


def _exempt_names_reserved(is_exempt: str) -> Check:
    return Check(
        "exempt-names-reserved",
        cel.any_of(
            "request.operation != 'CREATE'", f"!({is_exempt})", cel.is_user(cel.CALICO_OPERATORS), _MAY_CHANGE_THE_GUARD
        ),
        f"{_SUBJECT} + ': this name is exempt from isolation, so only who may change the guard may create it; "
        "take another name'",
    )

"""Native exempt: what policies and sets in exempt namespaces may not do to all the others; nobody else judges them."""

from __future__ import annotations

from collections.abc import Iterable

from webhook import cel, scope
from webhook.native_shape import Check, Native, resource_rule

# Calico's limit of a selector is 1,024 characters; nobody nests deeper by hand.
_DEEPEST = 8
_QUOTED = "\"[^\"]*\"|'[^']*'"
_FORGED = ("pcns.", "pcsa.")
# Calico's own mark on what its controllers make; no selector of the baseline looks at it.
_OWN_LABEL = "projectcalico.org/created-by"
_METADATA = "object.metadata.?annotations.orValue({})[?'projectcalico.org/metadata'].orValue('')"
_SUBJECT = f"request.kind.kind + ' ' + request.namespace + '/' + {cel.NAME}"


def exempt_stay_inside(exempt: Iterable[str]) -> Native:
    """
    What is written in an exempt namespace stays there.

    The webhook is not asked about it: kube-system must never wait for us. But a selector that closes a parenthesis
    which it did not open takes a policy out of its namespace, and a set with a pod's labels joins any other.
    """
    operations = ("CREATE", "UPDATE")
    return Native(
        name="exempt-namespaces-stay-inside",
        rules=tuple(
            resource_rule(group, ["networkpolicies", "networksets"], operations) for group in scope.CALICO_GROUPS
        ),
        conditions=(
            (
                "in-exempt-namespace",
                f"has(request.namespace) && request.namespace in {cel.listed(exempt)}",
            ),
        ),
        checks=(_selectors_parse(), _labels_not_forged()),
    )


def _selectors_parse() -> Check:
    fields = ", ".join(f"object.?spec.?{field}.orValue('')" for field in ("selector", "serviceAccountSelector"))
    return Check(
        "selectors-parse",
        f"request.resource.resource != 'networkpolicies' || [{fields}].all(s, s.matches({cel.literal(_balanced())}))",
        f"{_SUBJECT} + ': a selector whose parentheses do not match can take the policy out of its namespace; "
        "correct spec.selector'",
    )


def _labels_not_forged() -> Check:
    forged = " || ".join(f"k.startsWith({cel.literal(prefix)})" for prefix in _FORGED)
    label = f"{forged} || (k.startsWith('projectcalico.org/') && k != {cel.literal(_OWN_LABEL)})"
    # Calico merges the labels in its annotation; an escape could hide one of them from this text.
    hidden = r"pcns\.|pcsa\.|projectcalico\.org/(orchestrator|namespace|serviceaccount)|\\u"
    return Check(
        "labels-not-forged",
        "request.resource.resource != 'networksets' || "
        f"(object.metadata.?labels.orValue({{}}).all(k, !({label})) && !{_METADATA}.matches({cel.literal(hidden)}))",
        f"{_SUBJECT} + ': its labels make its addresses pass for pods of any namespace; use labels of your own'",
    )


def _balanced() -> str:
    """A regular expression for text whose parentheses match, outside quotes."""
    inside = f"(?:[^()\"']|{_QUOTED})*"
    for _ in range(_DEEPEST):
        inside = f"(?:[^()\"']|{_QUOTED}|\\({inside}\\))*"
    return f"^{inside}$"

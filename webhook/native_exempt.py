"""Native exempt: what policies and sets in exempt namespaces may not do to all the others; nobody else judges them."""

from __future__ import annotations

from collections.abc import Iterable

from webhook import cel, scope
from webhook.native_shape import Check, Native, resource_rule

# Calico's limit of a selector is 1,024 characters; nobody nests deeper by hand.
_DEEPEST = 8
_QUOTED = "\"[^\"]*\"|'[^']*'"
_BLANK = r"^\s+$"
_NET = r"^[0-9a-fA-F:.]+(/[0-9]{1,3})?$"
_FORGED = ("pcns.", "pcsa.")
# Calico's own mark on what its controllers make; no selector of the baseline looks at it.
_OWN_LABEL = "projectcalico.org/created-by"
_METADATA = "object.metadata.?annotations.orValue({})[?'projectcalico.org/metadata'].orValue('')"
_SUBJECT = f"request.kind.kind + ' ' + request.namespace + '/' + {cel.NAME}"


def exempt_stay_inside(exempt: Iterable[str]) -> Native:
    """
    What is written in an exempt namespace stays there.

    The webhook is not asked about it: kube-system must never wait for us. But a selector that closes a parenthesis
    which it did not open takes a policy out of its namespace, a set with a pod's labels joins any other, and by a blank
    selector or net Felix exits on its nodes.
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
        checks=(_selectors_parse(), _selectors_not_blank(), _labels_not_forged(), _nets_are_cidrs()),
    )


def _selectors_parse() -> Check:
    fields = ", ".join(f"object.?spec.?{field}.orValue('')" for field in ("selector", "serviceAccountSelector"))
    return Check(
        "selectors-parse",
        f"request.resource.resource != 'networkpolicies' || [{fields}].all(s, s.matches({cel.literal(_balanced())}))",
        f"{_SUBJECT} + ': a selector whose parentheses do not match can take the policy out of its namespace; "
        "correct spec.selector'",
    )


def _selectors_not_blank() -> Check:
    rules = " && ".join(
        f"object.?spec.?{direction}.orValue([]).all(r, [r.?source, r.?destination].all(e, {_written_out()}))"
        for direction in ("ingress", "egress")
    )
    return Check(
        "selectors-not-blank",
        f"request.resource.resource != 'networkpolicies' || ({rules})",
        f"{_SUBJECT} + ': Felix exits by a blank selector or an empty net in a rule; leave the field out'",
    )


def _written_out() -> str:
    """Whether no selector of an entity is blank but not empty, and no net empty."""
    selectors = ", ".join(f"e.?{field}.orValue('')" for field in ("selector", "notSelector", "namespaceSelector"))
    nets = " && ".join(f"e.?{field}.orValue([]).all(n, n != '')" for field in ("nets", "notNets"))
    return f"[{selectors}].all(s, s == '' || !s.matches({cel.literal(_BLANK)})) && {nets}"


def _nets_are_cidrs() -> Check:
    return Check(
        "nets-are-cidrs",
        "request.resource.resource != 'networksets' || "
        f"object.?spec.?nets.orValue([]).all(n, n.matches({cel.literal(_NET)}))",
        f"{_SUBJECT} + ': Felix exits by a net that it cannot read; write addresses or ranges'",
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

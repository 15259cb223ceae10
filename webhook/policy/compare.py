"""Compare: where a policy that stands in a baseline object's place is not that object, as Calico would enforce it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from webhook.policy.baseline import BaselineObject, manifest, wanted_at
from webhook.policy.finding import Complaint
from webhook.policy.objects import CalicoApi, Policy
from webhook.policy.parse import parse_policy
from webhook.policy.world import World

# Field of the policy, and where it stands in the manifest. What Calico enforces follows from these alone.
_COMPARED = (
    ("tier", "spec.tier"),
    ("order", "spec.order"),
    ("types", "spec.types"),
    # Left out they mean both to Felix, and one direction to whoever writes the object back.
    ("types_declared", "spec.types"),
    ("subject", "spec.selector"),
    ("ingress", "spec.ingress"),
    ("egress", "spec.egress"),
    ("host_only", "spec"),
    ("apply_on_forward", "spec.applyOnForward"),
    ("ignored", "spec"),
)
_APIS = {api.group: api for api in (CalicoApi.NATIVE, CalicoApi.V1, CalicoApi.KUBERNETES)}


def deviations(policy: Policy, world: World, *, fix: str) -> Iterator[Complaint]:
    """Complain of every field that is not as the settings ask; a whole complaint when they ask for no such object."""
    namespace = world.namespaces.get(policy.namespace)
    wanted = wanted_at(policy.ref, namespace, world.settings)
    if wanted is None:
        yield Complaint("no such policy is asked for", fix=fix, fingerprint=_fingerprint(policy))
        return
    asked = expected(wanted, policy, world)
    for field, path in _COMPARED:
        found, right = getattr(policy, field), getattr(asked, field)
        if found != right:
            what = (
                f"{path} is {_shown(found)} instead of {_shown(right)}"
                if _is_short(found, right)
                else f"{path} differs"
            )
            # The whole value: a drifted policy may not drift further behind the complaint about its first drift.
            yield Complaint(
                f"{what} from what the settings ask for" if "differs" in what else what,
                path,
                fix=fix,
                fingerprint=f"{path} {_fingerprint(found)}",
            )


def expected(wanted: BaselineObject, like: Policy, world: World) -> Policy:
    """Read a baseline object as it would be read if it stood where the other policy stands."""
    api = _APIS[like.ref.group]
    asked = parse_policy(manifest(wanted, api, world.settings))
    return replace(asked, ref=like.ref)


def _is_short(*values: object) -> bool:
    return all(isinstance(value, str | float) for value in values)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _fingerprint(value: object) -> str:
    # Of one process and no other: fingerprints are compared within one judgement, and a text of a megabyte takes long.
    return str(hash(value))

"""Plan: the steps that bring a namespace, or the floor, to what the settings ask for; never their execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webhook.policy.baseline import (
    BaselineObject,
    Manifest,
    desired,
    differences,
    is_generated,
    isolation_floor,
    manifest,
    ns_allow,
)
from webhook.policy.environment import assign, is_exempt
from webhook.policy.objects import CalicoApi, Namespace
from webhook.policy.settings import UNASSIGNED, Settings

READY_FOR = "isolation-baseline.io/ready-for"
READY_SECONDS = "isolation-baseline.io/ready-seconds"


@dataclass(frozen=True, slots=True)
class SetEnvironment:
    """Label a namespace that has no environment; one that has any keeps it."""

    namespace: str
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class WritePolicy:
    """
    Create the policy, or replace its labels of ours and its whole spec (a merge would keep rules that were put in).

    `differences` are the fields at fault, and empty when the policy is not there.
    """

    manifest: Manifest
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StripMetadata:
    """Take all owner references and finalizers away: the first make the garbage collector delete, the second wait."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class RemovePolicy:
    """Delete a generated policy that the settings no longer ask for."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class MarkReady:
    """Say on the namespace that its baseline is there, for this uid: one created again under the name is a new one."""

    namespace: str
    uid: str


Step = SetEnvironment | WritePolicy | StripMetadata | RemovePolicy | MarkReady


def plan_namespace(
    namespace: Namespace, stored: Mapping[str, Manifest], settings: Settings, api: CalicoApi
) -> tuple[Step, ...]:
    """
    List what is to be done for a namespace, in order; nothing when it is exempt or being deleted.

    `stored` are the policies of this namespace in the group of `api`, by name. Law: once the steps are carried out,
    the plan is empty.
    """
    if namespace.meta.deleting or is_exempt(namespace.name, settings):
        return ()
    steps: list[Step] = []
    if settings.environment_label not in namespace.meta.labels:
        # Settings may refuse new namespaces that fit nothing; one that is there already can only be isolated.
        value = assign(namespace.name, namespace.meta.labels, settings).environment or UNASSIGNED
        steps.append(SetEnvironment(namespace.name, settings.environment_label, value))
    wanted = desired(namespace, settings)
    for policy in wanted:
        steps += _policy_steps(policy, stored.get(policy.name), settings, api)
    generated = ns_allow(namespace.name)
    if is_generated(stored.get(generated, {})) and all(policy.name != generated for policy in wanted):
        steps.append(RemovePolicy("NetworkPolicy", namespace.name, generated))
    if namespace.meta.annotations.get(READY_FOR) != namespace.meta.uid:
        steps.append(MarkReady(namespace.name, namespace.meta.uid))
    return tuple(steps)


def plan_floor(stored: Manifest | None, settings: Settings, api: CalicoApi) -> tuple[Step, ...]:
    """List what is to be done for the isolation floor; Kubernetes' own policies cannot say it."""
    if api is CalicoApi.KUBERNETES:
        return ()
    return tuple(_policy_steps(isolation_floor(settings), stored, settings, api))


def _policy_steps(wanted: BaselineObject, stored: Manifest | None, settings: Settings, api: CalicoApi) -> list[Step]:
    asked = manifest(wanted, api, settings)
    if stored is None:
        return [WritePolicy(asked)]
    found = differences(stored, asked)
    stripped = [field for field in found if field in ("metadata.ownerReferences", "metadata.finalizers")]
    steps: list[Step] = []
    if stripped:
        steps.append(StripMetadata(wanted.kind, wanted.namespace, wanted.name))
    if len(found) > len(stripped):
        steps.append(WritePolicy(asked, tuple(field for field in found if field not in stripped)))
    return steps

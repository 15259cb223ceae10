"""Write: one step of a plan as requests to the API server, safe to repeat and to race; what to do is the plan's."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from webhook.api import (
    NAMESPACES,
    RESOURCES,
    AlreadyExists,
    Cluster,
    ClusterError,
    Conflict,
    Manifest,
    NotFound,
    Resource,
    name_of,
    namespace_of,
    resource_of,
    version_of,
)
from webhook.policy.baseline import differences, is_generated
from webhook.policy.objects import CalicoApi, Namespace
from webhook.policy.plan import (
    READY_FOR,
    READY_SECONDS,
    MarkReady,
    RemovePolicy,
    SetEnvironment,
    Step,
    StripMetadata,
    WritePolicy,
)

# A tenant who edits as fast as we do loses after a few rounds, or the queue tries again.
ATTEMPTS = 4
# Somebody waits for the namespace; a call that takes longer is tried again from the queue.
TIMEOUT = 10.0

Note = Callable[[Resource, Manifest], None]


class Writer:
    """Carries steps out; every answer of the API server goes to `note`, so that the next plan knows it at once."""

    def __init__(self, cluster: Cluster, api: CalicoApi, note: Note) -> None:
        self._cluster, self._api, self._note = cluster, api, note

    def carry_out(
        self,
        step: Step,
        *,
        stored: Manifest | None = None,
        namespace: Namespace | None = None,
        ready_seconds: float = 0.0,
    ) -> str:
        """
        Do it, and say what was done: created, replaced, stripped, removed, labelled, marked, or unchanged.

        `stored` is the policy to write as it was last seen, `namespace` the one to label.

        Raises:
            ClusterError: when it was not done; the same step can be tried again.
        """
        match step:
            case WritePolicy():
                asked = {**step.manifest}
                return self._write(asked) if stored is None else self._replace(stored, asked)
            case StripMetadata():
                return self._strip(self._resource(step.kind), step.name, step.namespace)
            case RemovePolicy():
                return self._remove(self._resource(step.kind), step.name, step.namespace)
            case SetEnvironment():
                version = namespace.meta.resource_version if namespace is not None else ""
                return self._label(step, version)
            case MarkReady():
                marks = {READY_FOR: step.uid, READY_SECONDS: f"{ready_seconds:.3f}"}
                # With the uid in it the API server refuses the patch for a namespace created again meanwhile.
                self._patch_namespace(step.namespace, {"uid": step.uid, "annotations": marks})
                return "marked"
            case _:
                assert_never(step)

    def _write(self, asked: Manifest) -> str:
        """
        Create, or replace what differs. Not by server-side apply: with Calico's API server 3.32.0 that creates nothing,
        and it would leave rules that somebody else put in.
        """
        resource = resource_of(asked)
        failed: ClusterError = Conflict(f"write {resource} {name_of(asked)}")
        for _ in range(ATTEMPTS):
            try:
                self._note(resource, self._cluster.create(resource, asked, timeout=TIMEOUT))
                return "created"
            except AlreadyExists:
                pass
            try:
                stored = self._cluster.get(resource, name_of(asked), namespace_of(asked), timeout=TIMEOUT)
                self._note(resource, stored)
                if not differences(stored, asked):
                    return "unchanged"
                self._note(resource, self._cluster.replace(resource, replacement(stored, asked), timeout=TIMEOUT))
                return "replaced"
            except (NotFound, Conflict) as e:
                failed = e
        raise failed

    def _replace(self, stored: Manifest, asked: Manifest) -> str:
        """Replace an object that we know, which saves asking for it first; when it changed meanwhile, ask."""
        resource = resource_of(asked)
        try:
            self._note(resource, self._cluster.replace(resource, replacement(stored, asked), timeout=TIMEOUT))
        except (Conflict, NotFound):
            return self._write(asked)
        return "replaced"

    def _strip(self, resource: Resource, name: str, namespace: str) -> str:
        body = {"metadata": {"ownerReferences": None, "finalizers": None}}
        try:
            self._note(resource, self._cluster.patch(resource, name, body, namespace, timeout=TIMEOUT))
        except NotFound:
            # It was being deleted, and a finalizer held it: gone is what the next look repairs.
            return "unchanged"
        return "stripped"

    def _remove(self, resource: Resource, name: str, namespace: str) -> str:
        try:
            stored = self._cluster.get(resource, name, namespace, timeout=TIMEOUT)
            if not is_generated(stored):
                return "unchanged"
            self._cluster.delete(resource, name, namespace, uid=stored["metadata"]["uid"], timeout=TIMEOUT)
        except NotFound:
            return "unchanged"
        return "removed"

    def _label(self, step: SetEnvironment, version: str) -> str:
        # With the version in it, a label that somebody sets meanwhile is not overwritten.
        body: Manifest = {"labels": {step.label: step.value}}
        self._patch_namespace(step.namespace, {**body, "resourceVersion": version} if version else body)
        return "labelled"

    def _patch_namespace(self, name: str, metadata: Manifest) -> None:
        self._note(NAMESPACES, self._cluster.patch(NAMESPACES, name, {"metadata": metadata}, timeout=TIMEOUT))

    def _resource(self, kind: str) -> Resource:
        return RESOURCES[self._api.api_version, kind]


def replacement(stored: Manifest, asked: Manifest) -> Manifest:
    """What to put in the place of a stored object: our spec whole, our labels and annotations over those of others."""
    old, new = stored["metadata"], asked["metadata"]
    metadata = {key: value for key, value in old.items() if key not in ("managedFields", "creationTimestamp")}
    metadata["resourceVersion"] = version_of(stored)
    for field in ("labels", "annotations"):
        metadata[field] = {**(old.get(field) or {}), **new.get(field, {})}
    return {"apiVersion": asked["apiVersion"], "kind": asked["kind"], "metadata": metadata, "spec": asked["spec"]}

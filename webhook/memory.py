"""Memory: a Kubernetes API in memory, for the demo and for tests: versions, conflicts, watches, dry run, admission."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from webhook.api import (
    DEFAULT_TIMEOUT,
    NAMESPACES,
    PAGE,
    RESOURCES,
    AlreadyExists,
    ClusterError,
    Conflict,
    Forbidden,
    Listing,
    Manifest,
    NotFound,
    Resource,
    name_of,
    namespace_of,
    version_of,
)
from webhook.memory_store import Call, Store, Subscription, copied, merged, patched

# The `request` of an AdmissionReview in, its `response` out; None when the webhook is not concerned.
Admit = Callable[[Manifest], Manifest | None]
_KINDS = {resource: kind for (_, kind), resource in RESOURCES.items()}
ADMIN = ("kubernetes-admin", ("system:masters", "system:authenticated"))
NAMESPACE_CONTROLLER = (
    "system:serviceaccount:kube-system:namespace-controller",
    ("system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"),
)


class MemoryCluster:
    """
    A client of a cluster in memory, as one user. `as_user` makes another client of the same cluster.

    Deleting a namespace empties it at once, through admission, the way the namespace controller does; what admission
    refuses to delete keeps the namespace terminating until `finish_terminations` is called again.
    """

    def __init__(
        self,
        *,
        unserved: frozenset[Resource] = frozenset(),
        mutate: Sequence[Admit] = (),
        validate: Sequence[Admit] = (),
        linger: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.store = Store(unserved=unserved, linger=linger, now=now)
        self.mutate, self.validate = list(mutate), list(validate)
        self.user: str = ADMIN[0]
        self.groups: tuple[str, ...] = ADMIN[1]

    def as_user(self, name: str, groups: Sequence[str] = ("system:authenticated",)) -> MemoryCluster:
        other = MemoryCluster.__new__(MemoryCluster)
        other.store, other.mutate, other.validate = self.store, self.mutate, self.validate
        other.user, other.groups = name, tuple(groups)
        return other

    @property
    def calls(self) -> list[Call]:
        return self.store.calls

    def served(self, group: str, version: str, *, timeout: float = DEFAULT_TIMEOUT) -> frozenset[str]:
        return frozenset(
            r.plural for r in _KINDS if (r.group, r.version) == (group, version) and r not in self.store.unserved
        )

    def get(self, resource: Resource, name: str, namespace: str = "", *, timeout: float = DEFAULT_TIMEOUT) -> Manifest:
        self._ask("get", resource, namespace, name)
        return copied(self._stored(resource, namespace, name))

    def list(
        self, resource: Resource, namespace: str = "", *, limit: int = PAGE, timeout: float = DEFAULT_TIMEOUT
    ) -> Listing:
        self._ask("list", resource, namespace)
        with self.store.changed:
            chosen = [m for (r, ns, _), m in self.store.objects.items() if r == resource and namespace in ("", ns)]
            return Listing([copied(m) for m in chosen], str(self.store.version))

    def watch(
        self, resource: Resource, resource_version: str, *, namespace: str = "", timeout_seconds: int = 30
    ) -> Subscription:
        self._ask("watch", resource, namespace)
        with self.store.changed:
            self.store.since(resource, int(resource_version))
            return Subscription(self.store, resource, int(resource_version), namespace, timeout_seconds)

    def create(
        self, resource: Resource, manifest: Manifest, *, dry_run: bool = False, timeout: float = DEFAULT_TIMEOUT
    ) -> Manifest:
        new = copied(manifest)
        metadata = new.setdefault("metadata", {})
        self._ask("create", resource, namespace_of(new), name_of(new), dry_run=dry_run)
        self._refuse_in_missing_namespace(resource, new)
        if not name_of(new):
            metadata["name"] = f"{metadata['generateName']}{uuid.uuid4().hex[:5]}"
        if resource == NAMESPACES:
            metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = name_of(new)
            new.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
            new.setdefault("status", {})["phase"] = "Active"
        new = self._admitted("CREATE", resource, new, None, "", dry_run=dry_run)
        metadata = new["metadata"]
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = self.store.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        with self.store.changed:
            if (resource, namespace_of(new), name_of(new)) in self.store.objects:
                raise AlreadyExists(f"create {name_of(new)}", status=409, reason="AlreadyExists")
            return new if dry_run else self.store.put("ADDED", resource, new)

    def replace(
        self,
        resource: Resource,
        manifest: Manifest,
        *,
        subresource: str = "",
        dry_run: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Manifest:
        namespace, name = namespace_of(manifest), name_of(manifest)
        self._ask("replace", resource, namespace, name, subresource, dry_run=dry_run)
        place = (resource, namespace, name)
        return self._write(place, lambda old: copied(manifest), subresource, dry_run=dry_run)

    def patch(
        self,
        resource: Resource,
        name: str,
        body: Manifest,
        namespace: str = "",
        *,
        subresource: str = "",
        dry_run: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Manifest:
        self._ask("patch", resource, namespace, name, subresource, dry_run=dry_run)
        place = (resource, namespace, name)
        return self._write(place, lambda old: merged(copied(old), body), subresource, dry_run=dry_run)

    def apply(
        self, resource: Resource, manifest: Manifest, *, dry_run: bool = False, timeout: float = DEFAULT_TIMEOUT
    ) -> Manifest:
        if (resource, namespace_of(manifest), name_of(manifest)) not in self.store.objects:
            return self.create(resource, manifest, dry_run=dry_run)
        return self.patch(resource, name_of(manifest), manifest, namespace_of(manifest), dry_run=dry_run)

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        dry_run: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._ask("delete", resource, namespace, name, dry_run=dry_run)
        old = self._stored(resource, namespace, name)
        if uid and old["metadata"]["uid"] != uid:
            raise Conflict(f"delete {name}", status=409, reason="Conflict", message="uid differs")
        self._admitted("DELETE", resource, None, old, "", dry_run=dry_run)
        if dry_run:
            return
        if resource != NAMESPACES:
            self._drop(resource, namespace, name)
            return
        with self.store.changed:
            old = copied(self._stored(resource, namespace, name))
            old["metadata"].setdefault("deletionTimestamp", self.store.now().strftime("%Y-%m-%dT%H:%M:%SZ"))
            old["status"] = {"phase": "Terminating"}
            self.store.put("MODIFIED", resource, old)
        self.finish_terminations()

    def finish_terminations(self) -> None:
        """Empty the namespaces that are terminating, and let those go that are empty."""
        controller = self.as_user(*NAMESPACE_CONTROLLER)
        with self.store.changed:
            objects = list(self.store.objects.items())
        for (resource, _, name), manifest in objects:
            if resource == NAMESPACES and manifest["metadata"].get("deletionTimestamp"):
                controller._empty(name)

    def compact(self) -> None:
        """Forget the past: a watch from before now is answered 410."""
        with self.store.changed:
            self.store.forgotten = self.store.version
            self.store.history.clear()

    def _empty(self, namespace: str) -> None:
        with self.store.changed:
            content = [(key, m) for key, m in self.store.objects.items() if key[1] == namespace]
        for (resource, _, name), manifest in content:
            try:
                self._admitted("DELETE", resource, None, manifest, "", dry_run=False, name="")
            except ClusterError:
                return
            self._drop(resource, namespace, name)
        self._drop(NAMESPACES, "", namespace)

    def _drop(self, resource: Resource, namespace: str, name: str) -> None:
        with self.store.changed:
            if (resource, namespace, name) in self.store.objects:
                self.store.put("DELETED", resource, copied(self._stored(resource, namespace, name)))

    def _ask(
        self,
        verb: str,
        resource: Resource,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
        *,
        dry_run: bool = False,
    ) -> None:
        call = Call(verb, resource, namespace, name, subresource, dry_run)
        self.store.calls.append(call)
        if self.store.before is not None:
            self.store.before(call)
        if resource in self.store.unserved:
            raise NotFound(f"{verb} {resource}", status=404, reason="NotFound", message="not served")

    def _stored(self, resource: Resource, namespace: str, name: str) -> Manifest:
        try:
            return self.store.objects[resource, namespace, name]
        except KeyError:
            raise NotFound(f"{resource} {namespace}/{name}", status=404, reason="NotFound") from None

    def _refuse_in_missing_namespace(self, resource: Resource, new: Manifest) -> None:
        if not resource.namespaced:
            return
        namespace = self._stored(NAMESPACES, "", namespace_of(new))
        if namespace["metadata"].get("deletionTimestamp"):
            message = "unable to create new content in namespace because it is being terminated"
            raise Forbidden(f"create {name_of(new)}", status=403, reason="Forbidden", message=message)

    def _write(
        self,
        place: tuple[Resource, str, str],
        make: Callable[[Manifest], Manifest],
        subresource: str,
        *,
        dry_run: bool,
    ) -> Manifest:
        """
        Admission is asked without holding the store, for it may ask us; when somebody else writes meanwhile, again. So
        does the API server.
        """
        while True:
            old = self._stored(*place)
            new = self._updated(place[0], make(old), old, subresource, dry_run=dry_run)
            with self.store.changed:
                # What is stored is replaced and never changed.
                if self.store.objects.get(place) is old:
                    return copied(new) if new == old or dry_run else self.store.put("MODIFIED", place[0], new)

    def _updated(
        self, resource: Resource, new: Manifest, old: Manifest, subresource: str, *, dry_run: bool
    ) -> Manifest:
        if version_of(new) not in ("", version_of(old)):
            raise Conflict(f"update {name_of(new)}", status=409, reason="Conflict", message="resourceVersion differs")
        for field in ("uid", "creationTimestamp", "deletionTimestamp", "resourceVersion"):
            if field in old["metadata"]:
                new["metadata"][field] = old["metadata"][field]
        if resource == NAMESPACES:
            new["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name_of(new)
            new.setdefault("spec", old.get("spec", {}))
        return self._admitted("UPDATE", resource, new, old, subresource, dry_run=dry_run)

    def _admitted(
        self,
        operation: str,
        resource: Resource,
        new: Manifest | None,
        old: Manifest | None,
        subresource: str,
        *,
        dry_run: bool,
        name: str | None = None,
    ) -> Manifest:
        subject = new if new is not None else old
        assert subject is not None
        for admits, mutating in ((self.mutate, True), (self.validate, False)):
            for admit in admits:
                request = self._review(operation, resource, new, old, subject, subresource, dry_run=dry_run, name=name)
                response = admit(request)
                if response is None:
                    continue
                if not response.get("allowed"):
                    status = response.get("status") or {}
                    raise Forbidden(
                        f"{operation} {name_of(subject)}",
                        status=status.get("code", 403),
                        reason=status.get("reason", "Forbidden"),
                        message=f"admission webhook denied the request: {status.get('message', '')}",
                    )
                if mutating and new is not None and response.get("patch"):
                    new = patched(new, response["patch"])
        return subject if new is None else new

    def _review(
        self,
        operation: str,
        resource: Resource,
        new: Manifest | None,
        old: Manifest | None,
        subject: Manifest,
        subresource: str,
        *,
        dry_run: bool,
        name: str | None,
    ) -> Manifest:
        kind = {"group": resource.group, "version": resource.version, "kind": _KINDS[resource]}
        request: Manifest = {
            "uid": str(uuid.uuid4()),
            "operation": operation,
            "kind": kind,
            "resource": {"group": resource.group, "version": resource.version, "resource": resource.plural},
            "userInfo": {"username": self.user, "groups": list(self.groups)},
            "object": None if new is None else copied(new),
            "oldObject": None if old is None else copied(old),
            "dryRun": dry_run,
            "name": name_of(subject) if name is None else name,
            # The API server states a namespace's own name here.
            "namespace": name_of(subject) if resource == NAMESPACES else namespace_of(subject),
        }
        if subresource:
            request["subResource"] = subresource
        return request

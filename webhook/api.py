"""Api: the Kubernetes API as the edges see it: resources, what can be asked of a cluster, and how that fails; no IO."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

# JSON enters and leaves as this; parse() turns it into values.
Manifest = dict[str, Any]

FIELD_MANAGER = "isolation-baseline"
# No call may hang: the API server itself gives up after 34 s (its request timeout), we long before.
DEFAULT_TIMEOUT = 10.0
PAGE = 500


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the API, by its place in the URL."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path; an empty namespace addresses the objects of all namespaces."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/" + "/".join(parts)


def _calico(version_group: str, version: str) -> dict[str, Resource]:
    namespaced = {"NetworkPolicy", "StagedNetworkPolicy", "StagedKubernetesNetworkPolicy", "NetworkSet"}
    plurals = {
        "NetworkPolicy": "networkpolicies",
        "GlobalNetworkPolicy": "globalnetworkpolicies",
        "StagedNetworkPolicy": "stagednetworkpolicies",
        "StagedGlobalNetworkPolicy": "stagedglobalnetworkpolicies",
        "StagedKubernetesNetworkPolicy": "stagedkubernetesnetworkpolicies",
        "Tier": "tiers",
        "NetworkSet": "networksets",
        "GlobalNetworkSet": "globalnetworksets",
        "HostEndpoint": "hostendpoints",
    }
    return {kind: Resource(version_group, version, plural, kind in namespaced) for kind, plural in plurals.items()}


_ADMISSION = "admissionregistration.k8s.io"
_NETWORK_POLICY = "policy.networking.k8s.io"

# (apiVersion, kind) of everything that we read or write.
RESOURCES: Mapping[tuple[str, str], Resource] = {
    (resource.api_version, kind): resource
    for kind, resource in [
        ("Namespace", Resource("", "v1", "namespaces", False)),
        ("Pod", Resource("", "v1", "pods")),
        ("ServiceAccount", Resource("", "v1", "serviceaccounts")),
        ("Service", Resource("", "v1", "services")),
        ("ConfigMap", Resource("", "v1", "configmaps")),
        ("Secret", Resource("", "v1", "secrets")),
        ("Event", Resource("", "v1", "events")),
        ("EndpointSlice", Resource("discovery.k8s.io", "v1", "endpointslices")),
        ("Lease", Resource("coordination.k8s.io", "v1", "leases")),
        ("NetworkPolicy", Resource("networking.k8s.io", "v1", "networkpolicies")),
        ("ClusterNetworkPolicy", Resource(_NETWORK_POLICY, "v1alpha2", "clusternetworkpolicies", False)),
        ("AdminNetworkPolicy", Resource(_NETWORK_POLICY, "v1alpha1", "adminnetworkpolicies", False)),
        ("BaselineAdminNetworkPolicy", Resource(_NETWORK_POLICY, "v1alpha1", "baselineadminnetworkpolicies", False)),
        *_calico("projectcalico.org", "v3").items(),
        *_calico("crd.projectcalico.org", "v1").items(),
        ("ValidatingWebhookConfiguration", Resource(_ADMISSION, "v1", "validatingwebhookconfigurations", False)),
        ("MutatingWebhookConfiguration", Resource(_ADMISSION, "v1", "mutatingwebhookconfigurations", False)),
        ("ValidatingAdmissionPolicy", Resource(_ADMISSION, "v1", "validatingadmissionpolicies", False)),
        ("ValidatingAdmissionPolicyBinding", Resource(_ADMISSION, "v1", "validatingadmissionpolicybindings", False)),
        ("CustomResourceDefinition", Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", False)),
        ("APIService", Resource("apiregistration.k8s.io", "v1", "apiservices", False)),
    ]
}

NAMESPACES = RESOURCES["v1", "Namespace"]
EVENTS = RESOURCES["v1", "Event"]
LEASES = RESOURCES["coordination.k8s.io/v1", "Lease"]


def resource_of(manifest: Manifest) -> Resource:
    """
    Where a manifest belongs.

    Raises:
        KeyError: for a kind that we never read or write.
    """
    return RESOURCES[manifest.get("apiVersion", ""), manifest.get("kind", "")]


class ClusterError(Exception):
    """The API server did not do what it was asked: `request` is what was asked, the rest is its Status."""

    def __init__(self, request: str, *, status: int = 0, reason: str = "", message: str = "") -> None:
        super().__init__(f"{request}: {status or 'no answer'} {reason} {message}".strip())
        self.request = request
        self.status = status
        self.reason = reason
        self.message = message


class NotFound(ClusterError):  # noqa: N818  # reads as the API server's own reason
    """The object, its namespace, or the whole resource is not there."""


class AlreadyExists(ClusterError):  # noqa: N818
    """A create met an object of the same name."""


class Conflict(ClusterError):  # noqa: N818
    """A write carried a resourceVersion or uid that is not the stored one."""


class Gone(ClusterError):  # noqa: N818
    """A resourceVersion or continue token is too old; list again."""


class Forbidden(ClusterError):  # noqa: N818
    """RBAC, admission, or a terminating namespace refused; `message` tells which."""


class NoAnswer(ClusterError):  # noqa: N818
    """No answer came: refused, reset, or later than the timeout; whether a write happened is unknown."""


class Unavailable(ClusterError):  # noqa: N818
    """The API server answered 429 or 5xx: ask again later."""


def error_of(request: str, status: int, reason: str, message: str) -> ClusterError:
    """The error that speaks for an HTTP status and the Status object that came with it."""
    kind: type[ClusterError] = ClusterError
    if status == 404:
        kind = NotFound
    elif status == 409:
        kind = AlreadyExists if reason == "AlreadyExists" else Conflict
    elif status == 410 or reason in ("Gone", "Expired"):
        kind = Gone
    elif status == 403:
        kind = Forbidden
    elif status == 429 or status >= 500:
        kind = Unavailable
    return kind(request, status=status, reason=reason, message=message)


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a resource at one resourceVersion, from which a watch goes on."""

    items: list[Manifest]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch: type is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Manifest


class Stream(Protocol):
    """A watch that is running; close() may come from another thread and ends the iteration."""

    def __iter__(self) -> Iterator[WatchEvent]: ...

    def close(self) -> None: ...


class Cluster(Protocol):
    """A Kubernetes API. Every call ends within its timeout and fails only with a ClusterError; any thread may call."""

    def get(
        self, resource: Resource, name: str, namespace: str = "", *, timeout: float = DEFAULT_TIMEOUT
    ) -> Manifest: ...

    def list(
        self, resource: Resource, namespace: str = "", *, limit: int = PAGE, timeout: float = DEFAULT_TIMEOUT
    ) -> Listing: ...

    def watch(
        self, resource: Resource, resource_version: str, *, namespace: str = "", timeout_seconds: int = 30
    ) -> Stream:
        """Events after `resource_version` until the server ends the stream; Gone when it is too old."""
        ...

    def create(
        self, resource: Resource, manifest: Manifest, *, dry_run: bool = False, timeout: float = DEFAULT_TIMEOUT
    ) -> Manifest: ...

    def apply(
        self, resource: Resource, manifest: Manifest, *, dry_run: bool = False, timeout: float = DEFAULT_TIMEOUT
    ) -> Manifest:
        """Server-side apply, forced. Not for Calico kinds: Calico's API server 3.32.0 creates nothing by apply."""
        ...

    def replace(
        self,
        resource: Resource,
        manifest: Manifest,
        *,
        subresource: str = "",
        dry_run: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Manifest: ...

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
        """A JSON merge patch."""
        ...

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        dry_run: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None: ...

    def served(self, group: str, version: str, *, timeout: float = DEFAULT_TIMEOUT) -> frozenset[str]:
        """The plurals that a group version serves, empty when it is not served at all."""
        ...


def name_of(manifest: Manifest) -> str:
    name = (manifest.get("metadata") or {}).get("name")
    return name if isinstance(name, str) else ""


def namespace_of(manifest: Manifest) -> str:
    namespace = (manifest.get("metadata") or {}).get("namespace")
    return namespace if isinstance(namespace, str) else ""


def version_of(manifest: Manifest) -> str:
    version = (manifest.get("metadata") or {}).get("resourceVersion")
    return version if isinstance(version, str) else ""

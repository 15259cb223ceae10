"""Attempt: one row of the attack table and of the ordinary one, how it is sent, and how what it did is seen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.controlplane import ControlPlane
from tests.controlplane.client import Answer, Identity
from tests.guarded.conftest import Guarded

NAMESPACES = "/api/v1/namespaces"
CALICO = "/apis/crd.projectcalico.org/v1"
KUBERNETES = "/apis/networking.k8s.io/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
DEV, TEST, PROD, PLAIN = (f"{name}-attacked" for name in ("dev", "test", "prod", "plain"))

_TYPES = {
    "MERGE": "application/merge-patch+json",
    "STRATEGIC": "application/strategic-merge-patch+json",
    "JSON": "application/json-patch+json",
    "APPLY": "application/apply-patch+yaml",
}
MERGING = frozenset({"POST", "PUT", "MERGE", "APPLY", "STRATEGIC"})
_SUBRESOURCES = frozenset({"status", "finalize", "binding", "resize", "ephemeralcontainers", "scale"})
MASTERS = "system:masters"


class Send(NamedTuple):
    """
    One request.

    The verb is an HTTP method or a patch type; what a PUT brings is merged into what is stored, as `kubectl edit` does.
    """

    verb: str
    path: str
    body: Any = None


@dataclass(frozen=True, slots=True)
class Row:
    """
    What is tried, by whom, and what is to be seen.

    `kept` are paths whose objects must be as they were; without any, the object that the last request is about, or for
    a POST the collection, which must not have grown. `status` is the last request's. A row with `dead` None depends on
    a webhook that answers; otherwise `dead` is its status while no process of the webhook lives.
    """

    tried: str
    who: str
    sends: tuple[Send, ...]
    status: int
    says: str = ""
    prepared: tuple[Send, ...] = ()
    undone: tuple[Send, ...] = ()
    kept: tuple[str, ...] = ()
    dead: int | None = 500
    # Why nothing holds it while our configuration and our controller are both gone.
    open_without: str = ""

    @property
    def watched(self) -> tuple[str, ...]:
        return self.kept or (_subject(self.sends[-1]),)


def row(tried: str, who: str, sends: Send | tuple[Send, ...], status: int, says: str = "", **more: Any) -> Row:
    return Row(tried, who, (sends,) if isinstance(sends, Send) else sends, status, says, **more)


def refused(tried: str, who: str, sends: Send | tuple[Send, ...], rule: str, **more: Any) -> Row:
    """Refused by the webhook, with a rule's name; while it is dead, for its death."""
    return row(tried, who, sends, 403, rule, **more)


def held(tried: str, who: str, sends: Send | tuple[Send, ...], rule: str, **more: Any) -> Row:
    """Refused with a rule's name also while the webhook is dead: a native policy holds it."""
    return row(tried, who, sends, 403, rule, **{"dead": 403, **more})


def post(path: str, body: Any) -> Send:
    return Send("POST", path, body)


def put(path: str, body: Any) -> Send:
    return Send("PUT", path, body)


def merge(path: str, body: Any) -> Send:
    return Send("MERGE", path, body)


def strategic(path: str, body: Any) -> Send:
    return Send("STRATEGIC", path, body)


def operations(path: str, *body: Mapping[str, Any]) -> Send:
    return Send("JSON", path, list(body))


def apply(path: str, body: Any, query: str = "fieldManager=mine") -> Send:
    return Send("APPLY", f"{path}?{query}", body)


def delete(path: str, **options: Any) -> Send:
    return Send("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options} if options else None)


def _subject(send: Send) -> str:
    path = send.path.partition("?")[0]
    parts = path.split("/")
    return "/".join(parts[:-1]) if parts[-1] in _SUBRESOURCES and len(parts) > 5 else path


# Each is an identity that an attacker may have; those after `as` are impersonated by the administrator, with the group
# system:masters added, so that what refuses is admission and never RBAC.
_IMPERSONATED: Mapping[str, tuple[str, ...]] = {
    "namespace controller": ("system:serviceaccount:kube-system:namespace-controller", "system:serviceaccounts"),
    "controller manager": ("system:kube-controller-manager",),
    "garbage collector": ("system:serviceaccount:kube-system:generic-garbage-collector", "system:serviceaccounts"),
    "replicaset controller": ("system:serviceaccount:kube-system:replicaset-controller", "system:serviceaccounts"),
    "API server": ("system:apiserver",),
    "calico-node": ("system:serviceaccount:calico-system:calico-node", "system:serviceaccounts"),
    "calico-apiserver": ("system:serviceaccount:calico-system:calico-apiserver", "system:serviceaccounts"),
    "calico-kube-controllers": ("system:serviceaccount:calico-system:calico-kube-controllers",),
    "tigera-operator": ("system:serviceaccount:tigera-operator:tigera-operator",),
    "CNI plugin": ("system:serviceaccount:calico-system:calico-cni-plugin",),
    "our controller": ("system:serviceaccount:isolation-baseline:controller",),
    "our webhook": ("system:serviceaccount:isolation-baseline:webhook",),
    "kubelet": ("system:node:node-1", "system:nodes"),
    "kubelet by name alone": ("system:node:node-1",),
    "kubelet by group alone": ("mallory", "system:nodes"),
    "tenant": ("alice", "tenants"),
}


@dataclass(frozen=True)
class Stage:
    """A control plane with the product on it, and everybody who writes to it."""

    plane: ControlPlane
    people: dict[str, Identity] = field(default_factory=dict)

    @classmethod
    def build(cls, guarded: Guarded) -> Stage:
        """Everybody with their rights, the attacked namespaces, and in dev's what is edited and deleted there."""
        plane = guarded.control_plane
        people = {"tenant": plane.tenant, "engineer": plane.engineer, "administrator": plane.administrator}
        people["cluster-admin"] = plane.identity("mighty", "operators")
        people["break-glass"] = plane.identity("gloria", "isolation-break-glass")
        stage = cls(plane, people)
        for group in ("operators", "isolation-break-glass", "system:serviceaccounts:" + DEV):
            plane.apply([_may_do_everything(group)])
        for name in (DEV, TEST, PROD, PLAIN):
            status, answer = guarded.create_namespace(name, as_=plane.engineer)
            assert status in (201, 409), answer
            guarded.settled(name)
        for path, body in _STAGED.items():
            answer = stage.send(
                "tenant" if path.startswith((CALICO, NAMESPACES)) else "administrator", Send("POST", path, body)
            )
            assert answer.status in (201, 409), answer.body
        people["account"] = plane.service_account(DEV, "robot")
        return stage

    def send(self, who: str, send: Send) -> Answer:
        identity, headers = self._identity(who)
        method = "PATCH" if send.verb in _TYPES else send.verb
        body, kind = send.body, _TYPES.get(send.verb, "application/json")
        if send.verb == "PUT":
            body = merged(self.stored(_subject(send)), send.body)
        return self.plane.exchange(method, send.path, body, as_=identity, content_type=kind, headers=headers)

    def _identity(self, who: str) -> tuple[Identity, dict[str, str] | None]:
        if not who.startswith("as "):
            return self.people[who], None
        user, *groups = _IMPERSONATED[who.removeprefix("as ")]
        # http.client sends one header for each name only; the API server reads one group from it.
        headers = {"Impersonate-User": user}
        for group in (*groups, MASTERS):
            headers[_spelling("Impersonate-Group", len(headers))] = group
        return self.people["administrator"], headers

    def settle(self, sends: Iterable[Send]) -> None:
        """Wait for the baseline of namespaces that were created."""
        for name in {
            send.path.partition("?")[0].split("/")[4] for send in sends if send.path.startswith(f"{NAMESPACES}/")
        }:
            self.plane.until(lambda name=name: self._is_settled(name) or None, f"the baseline of {name}")

    def _is_settled(self, name: str) -> bool:
        status, found = self.plane.request("GET", f"{NAMESPACES}/{name}")
        if status == 404 or found["status"]["phase"] != "Active":
            return True
        metadata = found["metadata"]
        return bool((metadata.get("annotations") or {}).get("isolation-baseline.io/ready-for") == metadata["uid"])

    def stored(self, path: str) -> Any:
        return self.plane.request("GET", path)[1]

    def look(self, paths: tuple[str, ...]) -> dict[str, str]:
        """What is at each path, without what every write and every passing controller changes."""
        return {path: _plain(*self.plane.request("GET", path)) for path in paths}


_STAGED: dict[str, Any] = {
    f"{NAMESPACES}/{DEV}/serviceaccounts": {"metadata": {"name": "robot"}},
    f"{NAMESPACES}/{DEV}/pods": {
        "metadata": {"name": "innocent"},
        "spec": {"containers": [{"name": "a", "image": "registry.example/a"}]},
    },
    f"{CALICO}/namespaces/{DEV}/networkpolicies": {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "own"},
        "spec": {
            "order": 600,
            "selector": "app == 'a'",
            "types": ["Ingress"],
            "ingress": [{"action": "Allow", "source": {"selector": "role == 'db'"}}],
        },
    },
    f"{CALICO}/namespaces/{DEV}/networksets": {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "NetworkSet",
        "metadata": {"name": "partners", "labels": {"role": "partner"}},
        "spec": {"nets": ["198.51.100.0/24"]},
    },
    # Without a Service behind it: what Calico's migration leaves, and harmless here.
    "/apis/apiregistration.k8s.io/v1/apiservices": {
        "metadata": {"name": "v3.projectcalico.org"},
        "spec": {"group": "projectcalico.org", "version": "v3", "groupPriorityMinimum": 100, "versionPriority": 100},
    },
}


def _spelling(header: str, number: int) -> str:
    """The same header in another spelling: a mapping holds each only once, and HTTP does not tell them apart."""
    return "".join(c.upper() if number >> at & 1 else c.lower() for at, c in enumerate(header))


def _plain(status: int, body: Any) -> str:
    if status != 200:
        return f"HTTP {status}"
    if "items" in body:
        return "\n".join(sorted(_plain(200, item) for item in body["items"]))
    metadata = {
        k: v for k, v in body["metadata"].items() if k not in ("managedFields", "resourceVersion", "generation")
    }
    kept = {k: v for k, v in body.items() if k not in ("metadata", "status")}
    return json.dumps({"metadata": metadata, **kept}, sort_keys=True)


def merged(stored: Any, change: Any) -> Any:
    """RFC 7386 merge patch."""
    if not isinstance(change, dict):
        return change
    result = dict(stored) if isinstance(stored, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _may_do_everything(group: str) -> dict[str, Any]:
    rbac = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"attacks-{group.replace(':', '-')}"},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": rbac, "kind": "Group", "name": group}],
    }

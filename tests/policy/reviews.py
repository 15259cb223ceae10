"""Reviews: admission requests as the API server would send them, from manifests; for tests of judgements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webhook.wire import AdmissionRequest, GroupVersionKind, GroupVersionResource, User

_PLURALS = {"NetworkPolicy": "networkpolicies", "GlobalNetworkPolicy": "globalnetworkpolicies"}


def review(
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    *,
    user: str = "dora",
    groups: Iterable[str] = (),
    subresource: str = "",
    name: str | None = None,
    dry_run: bool = False,
) -> AdmissionRequest:
    """A CREATE without `old`, a DELETE without `new`, else an UPDATE; `name` is what the request itself says."""
    shown = new or old
    assert shown is not None
    metadata = shown["metadata"]
    group, _, version = shown["apiVersion"].rpartition("/")
    kind = shown["kind"]
    plural = _PLURALS.get(kind, kind.lower() + "s")
    operation = "UPDATE" if old and new else "CREATE" if new else "DELETE"
    own = metadata.get("name", "")
    return AdmissionRequest(
        uid="u",
        operation=operation,
        kind=GroupVersionKind(group, version, kind),
        resource=GroupVersionResource(group, version, plural),
        sub_resource=subresource,
        namespace=own if kind == "Namespace" else metadata.get("namespace", ""),
        name=own if name is None else name,
        user=User(user, groups=tuple(groups)),
        object=new,
        old_object=old,
        options=None,
        dry_run=dry_run,
    )

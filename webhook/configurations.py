"""Configurations: the guard's own objects in the API, put back when somebody changes or deletes them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from webhook.api import (
    RESOURCES,
    AlreadyExists,
    Cluster,
    ClusterError,
    Conflict,
    Listing,
    Manifest,
    NoAnswer,
    NotFound,
    Resource,
    name_of,
    namespace_of,
    resource_of,
    version_of,
)
from webhook.control_metrics import ControlMetrics
from webhook.workqueue import WorkQueue

log = logging.getLogger(__name__)

KEY = ":configurations"
WATCHED = tuple(
    RESOURCES["admissionregistration.k8s.io/v1", kind]
    for kind in (
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    )
)
# Somebody who changes an object back as often as we do is another controller: then once a second is enough.
CONTEST_SECONDS = 10.0
CONTEST_COUNT = 5
CONTEST_PAUSE = 1.0


class Configurations:
    """
    The sink of the watches on WATCHED, and the look that puts back what is not as asked.

    The API server fills in defaults, so what differs is found by writing: a PUT of what is stored already changes no
    resourceVersion. It replaces the whole object, because an apply would leave a webhook, a selector or a condition
    that somebody added.
    """

    def __init__(
        self,
        cluster: Cluster,
        desired: Callable[[], list[Manifest]],
        queue: WorkQueue,
        metrics: ControlMetrics,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster, self._desired, self._queue, self._metrics = cluster, desired, queue, metrics
        self._clock = clock
        self._written: dict[tuple[Resource, str], str] = {}
        self._restored: dict[tuple[Resource, str], list[float]] = {}

    def replace(self, resource: Resource, listing: Listing) -> None:
        self._queue.add(KEY, urgent=True)

    def apply(self, resource: Resource, event: str, manifest: Manifest) -> None:
        place = (resource, name_of(manifest))
        if place in self._written and (event == "DELETED" or version_of(manifest) != self._written[place]):
            if self._is_contested(place):
                self._queue.add_later(KEY, CONTEST_PAUSE)
            else:
                self._queue.add(KEY, urgent=True)

    def look(self) -> None:
        """
        Put back all that differs.

        Raises:
            ClusterError: the first that could not be written, once the others have been; with no answer, at once.
        """
        failed: list[ClusterError] = []
        for wanted in self._desired():
            # Some clusters forbid one kind alone, as AKS Automatic did with mutating webhooks before 1.36.
            try:
                self._keep(wanted)
            except NoAnswer:
                raise
            except ClusterError as e:
                log.warning("event=not-kept kind=%s name=%s error=%s", wanted["kind"], name_of(wanted), e)
                failed.append(e)
        if failed:
            raise failed[0]

    def _keep(self, wanted: Manifest) -> None:
        resource = resource_of(wanted)
        place = (resource, name_of(wanted))
        try:
            stored = self._cluster.get(resource, name_of(wanted), namespace_of(wanted))
            written = self._cluster.replace(resource, _replacement(stored, wanted))
            outcome = "unchanged" if version_of(written) == version_of(stored) else "replaced"
        except NotFound:
            written = self._cluster.create(resource, wanted)
            outcome = "created"
        except (Conflict, AlreadyExists):
            # Changed between our two requests: the watch brings it again.
            self._queue.add_later(KEY, 0.2)
            return
        was_known = place in self._written
        self._written[place] = version_of(written)
        if outcome != "unchanged" and was_known:
            self._restored.setdefault(place, []).append(self._clock())
            self._metrics.restored.labels(wanted["kind"]).inc()
            log.warning("event=restored kind=%s name=%s outcome=%s", wanted["kind"], name_of(wanted), outcome)
        elif outcome != "unchanged":
            log.info("event=installed kind=%s name=%s outcome=%s", wanted["kind"], name_of(wanted), outcome)

    def _is_contested(self, place: tuple[Resource, str]) -> bool:
        recent = [at for at in self._restored.get(place, ()) if self._clock() - at < CONTEST_SECONDS]
        self._restored[place] = recent
        return len(recent) >= CONTEST_COUNT


def _replacement(stored: Manifest, wanted: Manifest) -> Manifest:
    """Ours whole, under the stored identity; others keep their labels and annotations, and the CA that they issued."""
    old, new = stored["metadata"], wanted["metadata"]
    metadata: dict[str, Any] = {
        "name": old["name"],
        "uid": old["uid"],
        "resourceVersion": version_of(stored),
        "labels": {**(old.get("labels") or {}), **(new.get("labels") or {})},
        "annotations": {**(old.get("annotations") or {}), **(new.get("annotations") or {})},
    }
    replacement = {**wanted, "metadata": metadata}
    if "webhooks" in wanted:
        bundles = {w.get("name"): (w.get("clientConfig") or {}).get("caBundle") for w in stored.get("webhooks") or ()}
        replacement["webhooks"] = [_with_bundle(w, bundles.get(w["name"])) for w in wanted["webhooks"]]
    return replacement


def _with_bundle(webhook: Mapping[str, Any], stored: str | None) -> Mapping[str, Any]:
    # Without one of ours cert-manager, or whoever else issues our certificate, has put it there.
    if stored is None or "caBundle" in webhook["clientConfig"]:
        return webhook
    return {**webhook, "clientConfig": {**webhook["clientConfig"], "caBundle": stored}}

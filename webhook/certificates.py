"""Certificates: the authority and the serving certificate of a cluster, kept in two Secrets of our own namespace."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from certs import pki
from webhook.api import RESOURCES, Cluster, Manifest, NotFound, version_of

log = logging.getLogger(__name__)

SECRETS = RESOURCES["v1", "Secret"]
AUTHORITY_SECRET = "isolation-baseline-ca"  # noqa: S105  # a name
SERVING_SECRET = "isolation-baseline-tls"  # noqa: S105  # a name
CERTIFICATE, KEY, BUNDLE = "tls.crt", "tls.key", "ca.crt"
ISSUED_AT = "isolation-baseline.io/issued-at"
# The API server acts on a changed caBundle within 50 ms; a controller that was away, or an aggregated API server behind
# a slow watch, may need longer.
OVERLAP = timedelta(minutes=10)


class ManagedCertificates:
    """
    Issues what is missing or no longer good. Two Secrets, so that the pods that serve never see the authority's key.

    An authority that is replaced stays in the bundle until it expires: replicas that still serve with a certificate
    of the old one are believed meanwhile.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        names: Sequence[str],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster, self._namespace, self._names, self._now = cluster, namespace, tuple(names), now
        self.bundle = ""

    def ensure(self) -> str:
        """
        Make both Secrets good, and return the bundle that clients are to trust, as PEM.

        Raises:
            ClusterError: a Secret cannot be read or written; also when another controller wrote it meanwhile.
        """
        now = self._now()
        stored = self._read(AUTHORITY_SECRET)
        authority = _issued(stored)
        bundle = _trusted(stored)
        issued_at = _issued_at(stored)
        if authority is None or pki.authority_faults(authority, now=now):
            authority, issued_at = pki.issue_authority(now=now), now
            bundle = pki.bundle([authority.certificate, *([bundle] if bundle else [])], now=now)
            self._write(AUTHORITY_SECRET, stored, authority, bundle)
            log.info("event=authority-issued")
        elif not bundle.startswith(authority.certificate):
            bundle = pki.bundle([authority.certificate, *([bundle] if bundle else [])], now=now)
            self._write(AUTHORITY_SECRET, stored, authority, bundle)
            log.warning("event=bundle-repaired")
        self.bundle = bundle.decode()
        self._keep_serving(authority, bundle, now, is_known=now - issued_at >= OVERLAP)
        return self.bundle

    def _keep_serving(self, authority: pki.Issued, bundle: bytes, now: datetime, *, is_known: bool) -> None:
        stored = self._read(SERVING_SECRET)
        serving = _issued(stored)
        if serving is not None:
            # A certificate of the authority before stays until every API server has had time to learn the new bundle.
            accepted = [authority.certificate] if is_known else pki.split(bundle)
            if any(not pki.serving_faults(serving, a, self._names, now=now) for a in accepted):
                return
        serving = pki.issue_serving(authority, self._names, now=now)
        self._write(SERVING_SECRET, stored, serving, bundle)
        log.info("event=certificate-issued names=%s", ",".join(self._names))

    def _read(self, name: str) -> Manifest | None:
        try:
            return self._cluster.get(SECRETS, name, self._namespace)
        except NotFound:
            return None

    def _write(self, name: str, stored: Manifest | None, issued: pki.Issued, bundle: bytes) -> None:
        content = {CERTIFICATE: issued.certificate, KEY: issued.key, BUNDLE: bundle}
        metadata: dict[str, Any] = {
            "name": name,
            "namespace": self._namespace,
            "labels": {"app.kubernetes.io/part-of": "isolation-baseline"},
            "annotations": {ISSUED_AT: self._now().isoformat(timespec="seconds")},
        }
        secret: Manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": metadata,
            "data": {key: base64.b64encode(value).decode() for key, value in content.items()},
        }
        if stored is None:
            self._cluster.create(SECRETS, secret)
        else:
            metadata["resourceVersion"] = version_of(stored)
            self._cluster.replace(SECRETS, {**secret, "type": stored.get("type", secret["type"])})


def _bytes(secret: Manifest | None, key: str) -> bytes:
    text = ((secret or {}).get("data") or {}).get(key) or ""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _trusted(secret: Manifest | None) -> bytes:
    bundle = _bytes(secret, BUNDLE)
    try:
        pki.load_all(bundle)
    except pki.InvalidCertificate:
        return b""
    return bundle


def _issued_at(secret: Manifest | None) -> datetime:
    text = ((((secret or {}).get("metadata") or {}).get("annotations")) or {}).get(ISSUED_AT, "")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _issued(secret: Manifest | None) -> pki.Issued | None:
    certificate, key = _bytes(secret, CERTIFICATE), _bytes(secret, KEY)
    return pki.Issued(certificate, key) if certificate and key else None

"""One HTTPS request to the API server under a chosen identity; no retries, no models, no cache."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: a user with a client certificate, or a ServiceAccount with a token."""

    user: str
    groups: tuple[str, ...]
    kubeconfig: Path
    certificate: Path | None = None
    token: str | None = None


class Answer(NamedTuple):
    status: int
    body: Any
    headers: Mapping[str, str]
    warnings: tuple[str, ...]


def exchange(
    server: tuple[str, int],
    authority: Path,
    identity: Identity,
    method: str,
    path: str,
    body: Any = None,
    *,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Answer:
    """
    Send one request and read the whole answer.

    A body that is text or bytes goes out as it is, so that tests can send what no JSON writer would.
    """
    sent = {"Accept": "application/json", **(headers or {})}
    if identity.token:
        sent["Authorization"] = f"Bearer {identity.token}"
    if body is not None:
        sent["Content-Type"] = content_type
        body = body if isinstance(body, str | bytes) else json.dumps(body)
    context = _context(authority, identity.certificate)
    connection = http.client.HTTPSConnection(*server, timeout=timeout, context=context)
    try:
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        content = response.read()
        warnings = tuple(response.msg.get_all("Warning") or ())
        return Answer(response.status, _decoded(content), dict(response.getheaders()), warnings)
    finally:
        connection.close()


def write_kubeconfig(
    path: Path, server: str, authority: Path, *, certificate: Path | None = None, token: str | None = None
) -> None:
    user: dict[str, str] = {}
    if certificate:
        user = {"client-certificate": str(certificate), "client-key": str(certificate)}
    if token:
        user = {"token": token}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": path.stem, "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": path.stem}}],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")


@lru_cache(maxsize=64)
def _context(authority: Path, certificate: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority)
    if certificate:
        context.load_cert_chain(certificate)
    return context

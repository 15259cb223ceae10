"""Transport: requests to one API server over a pool of TLS connections, with credentials that are renewed on 401."""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
from typing import Any
from urllib.parse import urlencode

import orjson
import urllib3

from webhook.api import Manifest, NoAnswer
from webhook.kubeconfig import Credentials, Endpoint
from webhook.waiting import about_to_wait

# More than workers and watches together; connections are only opened when needed.
POOL_SIZE = 48
# A vanished peer is noticed after 15 + 3 * 5 s, also by a watch on which nothing happens.
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]


class Transport:
    """Any thread may send. When the server says 401 the credentials are read again, once a request."""

    def __init__(self, credentials: Credentials, *, user_agent: str = "") -> None:
        self._credentials = credentials
        self._lock = threading.Lock()
        self._agent = f"isolation-baseline/{user_agent}" if user_agent else "isolation-baseline"
        self._endpoint = credentials()
        self._pool = _pool(self._endpoint)

    @property
    def host(self) -> str:
        return self._endpoint.host

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()

    def send(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None,
        body: Manifest | None,
        timeout: float,
        content: str = "application/json",
        *,
        preload: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        url = f"{path}?{urlencode(query)}" if query else path
        payload = None if body is None else orjson.dumps(body)
        pool, endpoint = self._pool, self._endpoint
        response = self._once(pool, endpoint, method, url, payload, timeout, content, preload=preload)
        if response.status != 401:
            return response
        response.release_conn()
        pool, endpoint = self._renewed(endpoint)
        return self._once(pool, endpoint, method, url, payload, timeout, content, preload=preload)

    def _once(
        self,
        pool: urllib3.PoolManager,
        endpoint: Endpoint,
        method: str,
        url: str,
        payload: bytes | None,
        timeout: float,
        content: str,
        *,
        preload: bool,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": self._agent, **_authorization(endpoint)}
        if payload is not None:
            headers["Content-Type"] = content
        # A judge that looks something up is moved to a thread that may wait.
        about_to_wait()
        try:
            return pool.request(
                method,
                endpoint.host + url,
                body=payload,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(timeout, 5.0), read=timeout),
                # A pooled connection may have been closed under us; a request that never left is sent once more.
                retries=urllib3.Retry(total=None, connect=1, read=0, redirect=0, status=0, other=0),
                preload_content=preload,
            )
        except (urllib3.exceptions.HTTPError, OSError) as e:
            # What the last attempt ran into says more than that there was one attempt too many.
            cause = getattr(e, "reason", None) if isinstance(e, urllib3.exceptions.MaxRetryError) else None
            raise NoAnswer(f"{method} {url}", reason=type(cause or e).__name__, message=str(cause or e)) from e

    def _renewed(self, refused: Endpoint) -> tuple[urllib3.PoolManager, Endpoint]:
        with self._lock:
            if self._endpoint is refused:
                self._endpoint = self._credentials()
                self._pool = _pool(self._endpoint)
            return self._pool, self._endpoint


def _authorization(endpoint: Endpoint) -> dict[str, str]:
    if endpoint.bearer:
        return {"Authorization": f"Bearer {endpoint.bearer}"}
    return {"Authorization": f"Basic {endpoint.basic}"} if endpoint.basic else {}


def _pool(endpoint: Endpoint) -> urllib3.PoolManager:
    # urllib3 raises what it does not know, so only what is set is passed.
    optional: dict[str, Any] = {}
    if endpoint.server_name:
        optional = {"server_hostname": endpoint.server_name, "assert_hostname": endpoint.server_name}
    if not endpoint.verify:
        optional["assert_hostname"] = False
    common: dict[str, Any] = {
        "num_pools": 2,
        "maxsize": POOL_SIZE,
        "block": False,
        "ssl_context": _tls(endpoint),
        "cert_reqs": "CERT_REQUIRED" if endpoint.verify else "CERT_NONE",
        "socket_options": _KEEPALIVE,
        **optional,
    }
    return urllib3.ProxyManager(endpoint.proxy, **common) if endpoint.proxy else urllib3.PoolManager(**common)


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=endpoint.ca)
    if not endpoint.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if endpoint.certificate:
        # OpenSSL reads a key from a file only; this one is gone before anybody else could open it.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(endpoint.certificate + "\n" + (endpoint.key or ""))
            file.flush()
            context.load_cert_chain(file.name)
    return context

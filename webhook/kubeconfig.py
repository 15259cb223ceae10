"""
Kubeconfig: where the API server is and what proves who we are; the only place that imports the kubernetes client.

Importing that client costs 68 MB. It is needed for one thing, reading a kubeconfig with all its ways to authenticate,
so it is done in a child process that prints the outcome and ends; a worker of `serve` never carries it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from webhook.api import ClusterError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# An exec plugin may ask the network; a person may have to confirm a login.
CHILD_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One API server and the credentials for it; PEM as text, `bearer` without the word itself."""

    host: str
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    bearer: str | None = None
    basic: str | None = None
    verify: bool = True
    server_name: str | None = None
    proxy: str | None = None


# Asked at start, and again when the API server says 401.
Credentials = Callable[[], Endpoint]


def in_cluster(root: Path = SERVICE_ACCOUNT) -> Credentials:
    """The ServiceAccount of the pod we run in; the kubelet replaces its files long before the token ends."""

    def read() -> Endpoint:
        try:
            host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
            token = (root / "token").read_text().strip()
            ca = (root / "ca.crt").read_text()
        except (KeyError, OSError) as e:
            raise ClusterError("read the ServiceAccount of this pod", message=str(e)) from e
        return Endpoint(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}", ca=ca, bearer=token)

    return read


def from_kubeconfig(path: str | None = None, context: str | None = None) -> Credentials:
    """
    A kubeconfig in any form that the kubernetes client reads; no path means KUBECONFIG or ~/.kube/config.

    What was read once in this process, or before it was forked, is not read again until it is refused.
    """
    asked = False

    def read() -> Endpoint:
        nonlocal asked
        place = (path, context)
        if asked or place not in _READ:
            _READ[place] = _in_child(path, context)
        asked = True
        return _READ[place]

    return read


_READ: dict[tuple[str | None, str | None], Endpoint] = {}


def _in_child(path: str | None, context: str | None) -> Endpoint:
    # A checkout that is not installed is on our search path, not on the child's.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    try:
        child = subprocess.run(
            [sys.executable, "-m", "webhook.kubeconfig", path or "", context or ""],
            env=environment,
            capture_output=True,
            timeout=CHILD_TIMEOUT,
            check=True,
        )
        return Endpoint(**orjson.loads(child.stdout))
    except subprocess.CalledProcessError as e:
        lines = e.stderr.decode(errors="replace").strip().splitlines()
        raise ClusterError("read the kubeconfig", message=lines[-1] if lines else "no reason given") from e
    except (subprocess.TimeoutExpired, orjson.JSONDecodeError, TypeError) as e:
        raise ClusterError("read the kubeconfig", message=str(e)) from e


def read_kubeconfig(path: str | None, context: str | None) -> Endpoint:
    """Read it here and now, in this process: imports the kubernetes client."""
    from kubernetes import client, config

    configuration = client.Configuration()
    config.load_kube_config(config_file=path, context=context, client_configuration=configuration)
    header = configuration.auth_settings().get("BearerToken", {}).get("value") or ""
    scheme, _, token = header.partition(" ")
    # Client certificates and CAs arrive as temporary files that vanish with the child.
    return Endpoint(
        host=configuration.host.rstrip("/"),
        ca=_text(configuration.ssl_ca_cert),
        certificate=_text(configuration.cert_file),
        key=_text(configuration.key_file),
        bearer=(token or scheme or None) if scheme.lower() != "basic" else None,
        basic=token if scheme.lower() == "basic" else None,
        verify=configuration.verify_ssl,
        server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
    )


def _text(path: str | None) -> str | None:
    return Path(path).read_text() if path else None


def main() -> None:
    path, context = sys.argv[1:3]
    try:
        endpoint = read_kubeconfig(path or None, context or None)
    except Exception as e:  # noqa: BLE001  # the parent says it: one line, not the traceback of another process
        sys.exit(f"{type(e).__name__}: {e}")
    fields = {name: getattr(endpoint, name) for name in Endpoint.__slots__}
    sys.stdout.buffer.write(orjson.dumps(fields))


if __name__ == "__main__":
    main()

"""A real control plane with the whole product on it, as `isolation-baseline dev` puts it there; one for the session."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from tests.controlplane import ControlPlane, running
from tests.controlplane.binaries import find
from webhook.roles import EXAMPLE_SETTINGS

READY_SECONDS = 150.0
STOP_SECONDS = 45.0
POLICIES = "/apis/crd.projectcalico.org/v1/namespaces/{namespace}/networkpolicies"


@dataclass
class Dev:
    """A running `isolation-baseline dev` and what it said."""

    process: subprocess.Popen[str]
    errors: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    readers: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def start(cls, kubeconfig: Path, settings: Path = EXAMPLE_SETTINGS) -> Dev:
        command = [sys.executable, "-m", "webhook.cli", "dev", "--kubeconfig", str(kubeconfig)]
        process = subprocess.Popen(
            [*command, "--settings", str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        dev = cls(process)
        for stream, lines in ((process.stdout, dev.output), (process.stderr, dev.errors)):
            assert stream is not None
            reader = threading.Thread(target=dev._read, args=(stream, lines), daemon=True)
            dev.readers.append(reader)
            reader.start()
        dev.ready.wait(READY_SECONDS)
        if not any(line.startswith("ready ") for line in dev.output):
            dev.kill()
            raise AssertionError("dev did not get ready:\n" + "".join(dev.errors[-40:]))
        return dev

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        with stream:
            for line in stream:
                lines.append(line)
                if line.startswith("ready "):
                    self.ready.set()
        if stream is self.process.stdout:
            self.ready.set()

    def children(self, role: str) -> list[int]:
        """The process ids of a role's own process, not of those that it forked."""
        return [
            int(folder.name)
            for folder in Path("/proc").iterdir()
            if folder.name.isdigit() and _parent(folder) == self.process.pid and role in _arguments(folder)
        ]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self._ended()

    def _ended(self) -> int:
        code = self.process.wait(STOP_SECONDS)
        for reader in self.readers:
            reader.join(STOP_SECONDS)
        return code


def _arguments(folder: Path) -> list[str]:
    try:
        return (folder / "cmdline").read_text().split("\0")
    except OSError:
        return []


def _parent(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


@dataclass(frozen=True)
class Guarded:
    """The control plane and the product on it, with the requests that the tests make often."""

    control_plane: ControlPlane
    dev: Dev

    def create_namespace(self, name: str, *, as_: Any = None, **metadata: Any) -> tuple[int, Any]:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}
        return self.control_plane.request("POST", "/api/v1/namespaces", body, as_=as_ or self.control_plane.tenant)

    def namespace(self, name: str, *, as_: Any = None, **metadata: Any) -> Any:
        """Create a namespace and wait for its baseline."""
        status, body = self.create_namespace(name, as_=as_, **metadata)
        assert status == 201, body
        return self.settled(name)

    def settled(self, name: str) -> Any:
        def marked() -> Any:
            _, found = self.control_plane.request("GET", f"/api/v1/namespaces/{name}")
            annotations = found["metadata"].get("annotations") or {}
            return found if annotations.get("isolation-baseline.io/ready-for") == found["metadata"]["uid"] else None

        return self.control_plane.until(marked, f"the baseline of {name}")

    def policies(self, namespace: str) -> dict[str, Any]:
        _, found = self.control_plane.request("GET", POLICIES.format(namespace=namespace))
        return {item["metadata"]["name"]: item for item in found["items"]}

    def gone(self, name: str) -> None:
        """Delete a namespace and wait until it is no more."""
        self.control_plane.request("DELETE", f"/api/v1/namespaces/{name}")

        def absent() -> bool | None:
            return self.control_plane.request("GET", f"/api/v1/namespaces/{name}")[0] == 404 or None

        self.control_plane.until(absent, f"the end of {name}", 60.0)


def policy(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    """A Calico policy that is fine but for what the caller says."""
    return {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"order": 600, "selector": "all()", "types": ["Ingress"], **spec},
    }


def pytest_addoption(parser: pytest.Parser) -> None:
    # Unknown when the whole of tests/ is run: this file is then read too late to add an option.
    parser.addoption("--update-attacks", action="store_true", help="write docs/attacks.md instead of comparing it")


@pytest.fixture(scope="session")
def guarded_control_plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """A control plane apart from the other tests', whose writes the guard would judge."""
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        find()
    with running() as started:
        yield started


@pytest.fixture(scope="session")
def guarded(guarded_control_plane: ControlPlane) -> Iterator[Guarded]:
    """The product on it, until the end of the session; stopping it must take its webhooks away."""
    # A namespace from before the product, to be adopted.
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test-from-before"}}
    guarded_control_plane.request("POST", "/api/v1/namespaces", body)
    dev = Dev.start(guarded_control_plane.administrator.kubeconfig)
    try:
        yield Guarded(guarded_control_plane, dev)
    finally:
        if dev.process.poll() is None:
            code = dev.stop()
            assert code == 0, "".join(dev.errors[-20:])
    for kind in ("validatingwebhookconfigurations", "mutatingwebhookconfigurations", "validatingadmissionpolicies"):
        _, left = guarded_control_plane.request("GET", f"/apis/admissionregistration.k8s.io/v1/{kind}")
        assert left["items"] == [], f"{kind} are left behind"

"""Starts a control plane on loopback and gives tests a door to it: requests, kubectl, identities, manifests, audit."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import yaml

from tests.controlplane import calico, flags, identities, pki
from tests.controlplane.binaries import Binaries, find
from tests.controlplane.client import Answer, Identity, exchange, write_kubeconfig
from tests.controlplane.processes import Process, ProcessEnded, Processes, free_ports, processes

SERVICE_IP = "10.96.0.1"  # the first address of the service range, which the API server takes for itself
START_SECONDS = 60.0
START_ATTEMPTS = 3  # somebody else may take a free port between our looking and our listening
POLL_SECONDS = 0.05
KUBECTL_SECONDS = 120.0


T = TypeVar("T")


class NotReached(Exception):
    """When something that we waited for did not come in time."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running control plane. Names of objects are the tests' own affair: it is shared by a whole test session."""

    folder: Path
    port: int
    binaries: Binaries
    running: tuple[Process, ...]
    clients: pki.Authority
    administrator: Identity
    tenant: Identity
    engineer: Identity

    @property
    def url(self) -> str:
        return f"https://{flags.LOOPBACK}:{self.port}"

    @property
    def authority(self) -> Path:
        """The file with the CA that signed the API server's certificate."""
        return self.folder / "serving-ca.crt"

    def request(
        self, method: str, path: str, body: Any = None, *, as_: Identity | None = None, **options: Any
    ) -> tuple[int, Any]:
        """Status and decoded body; options are those of `client.exchange`."""
        answer = self.exchange(method, path, body, as_=as_, **options)
        return answer.status, answer.body

    def exchange(
        self, method: str, path: str, body: Any = None, *, as_: Identity | None = None, **options: Any
    ) -> Answer:
        """Like `request`, with the headers and the warnings of the answer."""
        identity = as_ or self.administrator
        return exchange((flags.LOOPBACK, self.port), self.authority, identity, method, path, body, **options)

    def kubectl(
        self,
        *arguments: str,
        as_: Identity | None = None,
        input: str | None = None,  # noqa: A002  # the name that subprocess gives it
        timeout: float = KUBECTL_SECONDS,
    ) -> "subprocess.CompletedProcess[str]":
        """Run the pinned kubectl; the exit code is the caller's to judge."""
        identity = as_ or self.administrator
        # A home of its own: neither the person's kubeconfig and kuberc nor an older discovery cache have a say.
        env = os.environ | {"HOME": str(self.folder), "KUBECONFIG": str(identity.kubeconfig)}
        command: list[str | Path] = [self.binaries.kubectl, *arguments]
        source: dict[str, Any] = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, check=False, **source)

    def identity(self, user: str, *groups: str) -> Identity:
        """A user with a client certificate; what they may do is up to RBAC."""
        return _identity(self.folder, self.url, self.clients, user, groups)

    def service_account(self, namespace: str, name: str) -> Identity:
        """An existing ServiceAccount, with a token that the API server issued for it."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        status, body = self.request("POST", path, request)
        assert status == 201, body
        token = body["status"]["token"]
        kubeconfig = self.folder / f"{namespace}.{name}.kubeconfig"
        write_kubeconfig(kubeconfig, self.url, self.authority, token=token)
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        return Identity(f"system:serviceaccount:{namespace}:{name}", groups, kubeconfig, token=token)

    def apply_manifests(self, path: Path) -> None:
        """Apply a YAML file or every YAML file of a folder; definitions are served when this returns."""
        files = sorted(path.glob("**/*.y*ml")) if path.is_dir() else [path]
        self.apply(document for file in files for document in yaml.safe_load_all(file.read_text()) if document)

    def apply(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Server-side apply as the administrator, one after the other."""
        objects = list(objects)
        for item in objects:
            path = f"{self.path_of(item)}?fieldManager=test-control-plane&force=true"
            status, body = self.request("PATCH", path, item, content_type="application/apply-patch+yaml")
            assert status in (200, 201), f"{item['kind']} {item['metadata']['name']}: {status} {body}"
        for item in objects:
            if item["kind"] == "CustomResourceDefinition":
                self._wait_until_served(item)

    def path_of(self, item: Mapping[str, Any]) -> str:
        """The URL path of an object, as the API server's discovery has it."""
        version, kind, metadata = item["apiVersion"], item["kind"], item["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        listed = self.until(lambda: self._listed(root, kind), f"{kind} of {version} in discovery")
        namespace = f"/namespaces/{metadata.get('namespace', 'default')}" if listed["namespaced"] else ""
        return f"{root}{namespace}/{listed['name']}/{metadata['name']}"

    def audit_events(self) -> list[dict[str, Any]]:
        """What the API server wrote about finished requests so far, annotations of admission included."""
        lines = (self.folder / "audit.log").read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def until(self, look: Callable[[], T | None], what: str, timeout: float = START_SECONDS) -> T:
        """
        Look again and again until there is something to see.

        Raises:
            NotReached: after the timeout.
            ProcessEnded: when a process of the control plane is gone.
        """
        deadline = time.monotonic() + timeout
        while True:
            if (found := look()) is not None:
                return found
            for process in self.running:
                process.check()
            if time.monotonic() > deadline:
                raise NotReached(f"{what}: not within {timeout:g} s")
            time.sleep(POLL_SECONDS)

    def _listed(self, root: str, kind: str) -> Any:
        status, body = self.request("GET", root)
        resources = body.get("resources", ()) if status == 200 else ()
        return next((r for r in resources if r["kind"] == kind and "/" not in r["name"]), None)

    def _wait_until_served(self, definition: Mapping[str, Any]) -> None:
        name, spec = definition["metadata"]["name"], definition["spec"]
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        versions = [version["name"] for version in spec["versions"] if version["served"]]
        paths = [f"/apis/{spec['group']}/{version}/{spec['names']['plural']}" for version in versions]

        def established() -> bool | None:
            conditions = self.request("GET", path)[1].get("status", {}).get("conditions", ())
            ready = any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
            return (ready and all(self.request("GET", p)[0] == 200 for p in paths)) or None

        self.until(established, f"{name} established")


@contextmanager
def running(group: str | None = calico.V1_GROUP) -> Iterator[ControlPlane]:
    """
    A control plane for the length of a `with` block, with the kinds of one Calico API group (or none).

    Raises:
        Unavailable: when a program cannot be had.
        ProcessEnded, NotReached: when it does not come up.
    """
    programs = find()
    with ExitStack() as stack:
        control_plane = _start(programs, stack)
        control_plane.apply(identities.manifests())
        if group:
            control_plane.apply([*calico.definitions(group), *calico.definitions(calico.CLUSTER_POLICY_GROUP)])
            control_plane.apply(calico.tiers(group))
        accounts = "/api/v1/namespaces/default/serviceaccounts/default"
        control_plane.until(
            lambda: control_plane.request("GET", accounts)[0] == 200 or None, "the default ServiceAccount"
        )
        yield control_plane


def _start(programs: Binaries, stack: ExitStack) -> ControlPlane:
    for attempt in range(1, START_ATTEMPTS + 1):
        with ExitStack() as trial:
            try:
                folder = Path(trial.enter_context(TemporaryDirectory(prefix="isolation-baseline-")))
                started = _start_once(programs, folder, trial.enter_context(processes(folder)))
            except ProcessEnded as ended:
                if attempt == START_ATTEMPTS or "address already in use" not in ended.tail:
                    raise
                continue
            stack.enter_context(trial.pop_all())
            return started
    raise AssertionError("the loop returns or raises")


def _start_once(programs: Binaries, folder: Path, run: Processes) -> ControlPlane:
    client_port, peer_port, port = free_ports(3)
    clients = _write_credentials(folder)
    url = f"https://{flags.LOOPBACK}:{port}"
    etcd = run.start("etcd", [programs.etcd, *flags.etcd(client_port, peer_port)])
    server = run.start("kube-apiserver", [programs.kube_apiserver, *flags.server(client_port, port)])
    people = (identities.ADMINISTRATOR, identities.TENANT, identities.ENGINEER)
    administrator, tenant, engineer = (_identity(folder, url, clients, user, groups) for user, groups in people)
    started = ControlPlane(folder, port, programs, (etcd, server), clients, administrator, tenant, engineer)
    started.until(lambda: _is_ready(started) or None, "the API server's /readyz")
    controllers = _identity(folder, url, clients, "system:kube-controller-manager", ())
    command: list[str | Path] = [programs.kube_controller_manager, *flags.controller(controllers.kubeconfig)]
    manager = run.start("kube-controller-manager", command)
    everything = (etcd, server, manager)
    return ControlPlane(folder, port, programs, everything, clients, administrator, tenant, engineer)


def _is_ready(control_plane: ControlPlane) -> bool:
    try:
        # Short, because whoever took the port before us may never answer.
        return control_plane.request("GET", "/readyz", timeout=2.0)[0] == 200
    except OSError:
        return False


def _write_credentials(folder: Path) -> pki.Authority:
    serving, clients, proxies = (pki.authority(f"test {name} CA") for name in ("serving", "client", "front-proxy"))
    leaf = serving.server((flags.LOOPBACK, "localhost", "kubernetes", "kubernetes.default.svc", SERVICE_IP))
    proxy = proxies.client("front-proxy-client")
    private, public = pki.signing_key()
    contents = {
        "serving-ca.crt": serving.pem,
        "client-ca.crt": clients.pem,
        "front-proxy-ca.crt": proxies.pem,
        "serving.pem": leaf.certificate + leaf.key,
        "front-proxy.pem": proxy.certificate + proxy.key,
        "tokens.key": private,
        "tokens.pub": public,
        "audit.yaml": yaml.safe_dump(flags.AUDIT).encode(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return clients


def _identity(folder: Path, url: str, clients: pki.Authority, user: str, groups: tuple[str, ...]) -> Identity:
    name = user.replace(":", ".")
    pair = clients.client(user, groups)
    certificate = folder / f"{name}.pem"
    certificate.write_bytes(pair.certificate + pair.key)
    kubeconfig = folder / f"{name}.kubeconfig"
    write_kubeconfig(kubeconfig, url, folder / "serving-ca.crt", certificate=certificate)
    return Identity(user, groups, kubeconfig, certificate=certificate)

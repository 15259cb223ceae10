"""Demo cluster: a cluster in memory, the real webhook asked over HTTPS, and the real controller at work on it."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson

from certs import store
from webhook.api import NAMESPACES, RESOURCES, ClusterError, Manifest, NotFound
from webhook.app import create_app
from webhook.control import Control, Options
from webhook.judges import Judging
from webhook.memory import Admit, MemoryCluster
from webhook.observe import Observer, resources_of
from webhook.policy.baseline import FLOOR
from webhook.policy.objects import CalicoApi
from webhook.policy.parse import parse
from webhook.policy.world import World
from webhook.scope import JUDGED
from webhook.scope import Path as ReviewPath
from webhook.serving import ServeOptions, TlsFiles, start_in_thread
from webhook.settings_watch import SettingsWatch
from webhook.supervise import wait_until

API = CalicoApi.V1
TENANT = ("alice", ("tenants", "system:authenticated"))
START_SECONDS = 20.0
# The API server gives our webhooks two or three seconds.
REVIEW_SECONDS = 3.0


class DemoCluster:
    """Everything that the demo plays on; `stop` ends it."""

    def __init__(self, directory: Path, settings: Path) -> None:
        self.admin = MemoryCluster()
        self.tenant = self.admin.as_user(*TENANT)
        for name in ("kube-system", "default"):
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self.admin.create(NAMESPACES, manifest)
        watch = SettingsWatch(settings)
        files = store.ensure(directory / "certificates", ("127.0.0.1",), now=datetime.now(UTC))
        judging = Judging(
            self.admin.as_user("system:serviceaccount:isolation-baseline:webhook"), watch, API, parse=parse
        )
        judging.start()
        app = create_app(judging.judges(), is_ready=judging.is_ready, log=lambda line: None)
        options = ServeOptions("127.0.0.1", 0, TlsFiles(files.certificate, files.key))
        self._server = start_in_thread(app, options)
        self._judging = judging
        self.url = f"https://127.0.0.1:{self._server.port}"
        self._trust = ssl.create_default_context(cafile=str(files.authority))
        _wait(judging.is_ready, "the webhook")
        # Asked from here on, as after the configurations are installed.
        self.admin.mutate.append(self._admit(ReviewPath.MUTATE_NAMESPACE))
        for path in (ReviewPath.NAMESPACE, ReviewPath.POLICY):
            self.admin.validate.append(self._admit(path))
        controller = self.admin.as_user("system:serviceaccount:isolation-baseline:controller")
        self._control = Control(controller, watch.settings, API, parse=parse, options=Options(lease=False))
        self._control.start()
        self._everything = Observer(
            self.admin, watch.settings, API, parse=parse, resources=resources_of(API, workloads=True)
        )
        self._everything.start()
        _wait(lambda: (self.has_floor(), "no floor yet"), "the isolation floor")

    def stop(self) -> None:
        self._control.stop()
        self._everything.stop()
        self._judging.stop()
        self._server.stop()

    def has_floor(self) -> bool:
        try:
            self.admin.get(RESOURCES[API.api_version, "GlobalNetworkPolicy"], FLOOR)
        except NotFound:
            return False
        return True

    def add_pod(self, manifest: Manifest) -> None:
        # Pods are the kubelet's and the scheduler's, and no webhook of ours is asked about such.
        with self.admin.store.changed:
            self.admin.store.put("ADDED", RESOURCES["v1", "Pod"], manifest)

    def world(self) -> World:
        """Everything as it is now, from the watches."""
        version = self.admin.store.version
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            world = self._everything.world
            counts = (len(world.namespaces), len(world.policies), len(world.pods))
            if version == self.admin.store.version and counts == self._stored_counts():
                return world
            version = self.admin.store.version
            time.sleep(0.005)
        raise ClusterError("watch the cluster in memory", message="the watches do not catch up")

    def _stored_counts(self) -> tuple[int, int, int]:
        kinds = [resource.plural for resource, _, _ in list(self.admin.store.objects)]
        policies = kinds.count("networkpolicies") + kinds.count("globalnetworkpolicies")
        return kinds.count("namespaces"), policies, kinds.count("pods")

    def _admit(self, path: ReviewPath) -> Admit:
        """Admission by one webhook: asked about what its rules name, over HTTPS, as the API server does."""
        rows = [row for row in JUDGED if row.path is path]

        def admit(request: Manifest) -> Manifest | None:
            resource = request["resource"]
            name = "/".join(filter(None, (resource["resource"], request.get("subResource"))))
            concerned = any(
                row.group == resource["group"] and name in row.resources and request["operation"] in row.operations
                for row in rows
            )
            return self._ask(path.value, request) if concerned else None

        return admit

    def _ask(self, path: str, request: Manifest) -> Manifest:
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._server.port, timeout=REVIEW_SECONDS, context=self._trust
        )
        try:
            connection.request("POST", path, orjson.dumps(review), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise ClusterError(f"review {path}", status=answer.status, message="the webhook did not answer")
            response: Manifest = orjson.loads(answer.read())["response"]
            return response
        finally:
            connection.close()


def _wait(condition: Callable[[], tuple[bool, str]], what: str) -> None:
    holds, why = wait_until(condition, seconds=START_SECONDS, stop=threading.Event())
    if not holds:
        raise ClusterError(f"start {what}", message=why)

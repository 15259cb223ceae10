"""deploy/base at work: both processes with the manifests' own arguments, as their ServiceAccounts, under that RBAC."""

from __future__ import annotations

import base64
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane import ControlPlane, running
from webhook.certificates import AUTHORITY_SECRET, SERVING_SECRET
from webhook.deploy import SERVICE
from webhook.policy.settings import OWN_NAMESPACE

pytestmark = pytest.mark.apiserver

DEPLOY = Path(__file__).parents[1] / "deploy"
NAMESPACES = "/api/v1/namespaces"
CALICO = "/apis/crd.projectcalico.org/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CONFIGURATION = f"{ADMISSION}/validatingwebhookconfigurations/isolation-baseline"
OWN = f"{NAMESPACES}/{OWN_NAMESPACE}"
MERGE = {"content_type": "application/merge-patch+json"}
ACCOUNT = f"system:serviceaccount:{OWN_NAMESPACE}:"


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """
    A cluster of its own with deploy/base in it and one process of each role, as the kubelet would start them.

    The Service becomes an ExternalName, the one kind that the API server resolves without a pod network; hence 443.
    """
    with socket.socket() as probe:
        # As the server does it: connections of a run before, which the kernel still remembers, do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 443))
        except OSError as e:
            pytest.skip(f"the Service's port 443 cannot be had on this machine: {e}")
    folder = tmp_path_factory.mktemp("roles")
    with running() as cluster:
        applied = cluster.kubectl("apply", "-k", str(DEPLOY / "base"))
        assert applied.returncode == 0, applied.stderr
        outside = {"type": "ExternalName", "externalName": "localhost", "clusterIP": None, "clusterIPs": None}
        spec = {"spec": {**outside, "ports": None, "selector": None}}
        assert cluster.request("PATCH", f"{OWN}/services/{SERVICE}", spec, **MERGE)[0] == 200
        with _process(cluster, folder, "controller", **{"health-bind": "127.0.0.1:0"}):
            secret = cluster.until(lambda: _found(cluster, f"{OWN}/secrets/{SERVING_SECRET}"), "the certificate")
            for name in ("tls.crt", "tls.key"):
                (folder / name).write_bytes(base64.b64decode(secret["data"][name]))
            files = {"tls-cert-file": str(folder / "tls.crt"), "tls-key-file": str(folder / "tls.key")}
            with _process(cluster, folder, "webhook", bind="127.0.0.1:443", **files, **{"health-bind": "127.0.0.1:0"}):
                probe_body = {"metadata": {"name": "roles-probe"}}
                cluster.until(
                    lambda: cluster.request("POST", f"{NAMESPACES}?dryRun=All", probe_body)[0] == 201 or None,
                    "reviews answered",
                )
                yield cluster


def _found(cluster: ControlPlane, path: str) -> Any:
    status, body = cluster.request("GET", path)
    return body if status == 200 else None


@contextmanager
def _process(cluster: ControlPlane, folder: Path, account: str, **elsewhere: str) -> Iterator[None]:
    """The container of a Deployment, with the files and ports that only a node has replaced."""
    documents = yaml.safe_load_all((DEPLOY / f"workloads/{account}.yaml").read_text())
    deployment = next(d for d in documents if d["kind"] == "Deployment")
    template = deployment["spec"]["template"]["spec"]
    assert template["serviceAccountName"] == account
    given = {"settings": str(DEPLOY / "base/settings.yaml"), **elsewhere}
    arguments = [_replaced(argument, given) for argument in template["containers"][0]["args"]]
    kubeconfig = cluster.service_account(OWN_NAMESPACE, account).kubeconfig
    log = folder / f"{account}.log"
    with log.open("w") as output:
        command = [sys.executable, "-m", "webhook.cli", *arguments, "--kubeconfig", str(kubeconfig)]
        env = {"PATH": os.environ["PATH"], "POD_NAME": f"{account}-0", "PYTHONPATH": str(DEPLOY.parent)}
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output)
    try:
        yield
    except Exception:
        print(log.read_text()[-4000:])
        raise
    finally:
        process.terminate()
        process.wait(30)


def _replaced(argument: str, given: dict[str, str]) -> str:
    name = argument.removeprefix("--").partition("=")[0]
    return f"--{name}={given[name]}" if name in given else argument


def test_a_namespace_is_born_isolated(at_work: ControlPlane) -> None:
    status, created = at_work.request("POST", NAMESPACES, {"metadata": {"name": "development"}})
    assert (status, created["metadata"]["labels"]["env"]) == (201, "dev")
    path = f"{CALICO}/namespaces/development/networkpolicies"

    def furnished() -> set[str] | None:
        names = {item["metadata"]["name"] for item in at_work.request("GET", path)[1]["items"]}
        return names if len(names) == 3 else None

    assert at_work.until(furnished, "the baseline") == {"default-deny", "dns-allow", "development-ns-allow"}
    status, answer = at_work.request("DELETE", f"{path}/default-deny")
    assert (status, "[baseline-present]" in answer["message"]) == (403, True)


def test_the_controller_issues_the_certificate_and_tells_the_api_server(at_work: ControlPlane) -> None:
    authority = _found(at_work, f"{OWN}/secrets/{AUTHORITY_SECRET}")["data"]["tls.crt"]
    for path in (CONFIGURATION, CONFIGURATION.replace("validating", "mutating")):
        for entry in _found(at_work, path)["webhooks"]:
            assert base64.b64decode(authority) in base64.b64decode(entry["clientConfig"]["caBundle"])


def test_what_is_deleted_of_the_guard_comes_back(at_work: ControlPlane) -> None:
    policy = f"{ADMISSION}/validatingadmissionpolicies/namespaces.isolation-baseline.io"
    for path in (CONFIGURATION, policy, policy.replace("policies/", "policybindings/")):
        before = _found(at_work, path)["metadata"]["uid"]
        assert at_work.request("DELETE", path)[0] == 200
        after = at_work.until(lambda path=path: _found(at_work, path), f"{path} again")
        assert after["metadata"]["uid"] != before


def test_an_edited_configuration_is_put_right(at_work: ControlPlane) -> None:
    ignored = [{"op": "replace", "path": "/webhooks/1/failurePolicy", "value": "Ignore"}]
    json_patch = {"content_type": "application/json-patch+json"}
    assert at_work.request("PATCH", CONFIGURATION, ignored, **json_patch)[0] == 200
    at_work.until(
        lambda: _found(at_work, CONFIGURATION)["webhooks"][1]["failurePolicy"] == "Fail" or None, "Fail again"
    )


def test_rbac_refused_nothing_that_they_asked(at_work: ControlPlane) -> None:
    asked = [event for event in at_work.audit_events() if event["user"]["username"].startswith(ACCOUNT)]
    assert {event["user"]["username"].removeprefix(ACCOUNT) for event in asked} == {"controller", "webhook"}
    decisions = {event["annotations"].get("authorization.k8s.io/decision") for event in asked}
    assert decisions == {"allow"}


def test_a_namespace_goes_as_it_came(at_work: ControlPlane) -> None:
    assert at_work.request("DELETE", f"{NAMESPACES}/development")[0] == 200
    at_work.until(lambda: at_work.request("GET", f"{NAMESPACES}/development")[0] == 404 or None, "the end")


def test_one_documented_command_takes_the_whole_guard_away(at_work: ControlPlane) -> None:
    """Last in this file. The controller still runs and tries to put it back, and may not."""
    block = re.search(
        r"## Taking the whole guard away.*?```sh\n(.*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL
    )
    assert block is not None
    kubectl, *arguments = shlex.split(block[1].replace("\\\n", " "))
    assert kubectl == "kubectl"
    done = at_work.kubectl(*arguments)
    assert done.returncode == 0, done.stderr

    def refused() -> bool | None:
        return (
            any(
                event["user"]["username"].startswith(ACCOUNT)
                and event.get("objectRef", {}).get("apiGroup") == "admissionregistration.k8s.io"
                and event["annotations"].get("authorization.k8s.io/decision") == "forbid"
                for event in at_work.audit_events()
            )
            or None
        )

    at_work.until(refused, "the controller's attempt to restore")
    assert _found(at_work, CONFIGURATION) is None
    exempting = {"metadata": {"name": "roles-free", "labels": {"control-plane": "true"}}}
    at_work.until(lambda: at_work.request("POST", NAMESPACES, exempting)[0] == 201 or None, "no guard")

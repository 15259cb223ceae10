"""Kubeconfigs and ServiceAccounts: what they say arrives, and what is wrong with them is said in one line."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import pytest
import yaml

from webhook.api import ClusterError
from webhook.kubeconfig import Endpoint, from_kubeconfig, in_cluster


def kubeconfig(folder: Path, user: dict[str, object], **cluster: object) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": "https://10.1.2.3:6443/", **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u"}},
            {"name": "two", "context": {"cluster": "c", "user": "nobody"}},
        ],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PLUGIN = """
import json
credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "made"}}
print(json.dumps(credential))
"""
USERS = [
    pytest.param({"token": "t"}, {}, Endpoint("https://10.1.2.3:6443", bearer="t"), id="token"),
    pytest.param(
        {"client-certificate-data": encoded("CERT"), "client-key-data": encoded("KEY")},
        {"certificate-authority-data": encoded("CA"), "tls-server-name": "kubernetes"},
        Endpoint("https://10.1.2.3:6443", ca="CA", certificate="CERT", key="KEY", server_name="kubernetes"),
        id="certificates",
    ),
    pytest.param(
        {"token": "t"},
        {"insecure-skip-tls-verify": True},
        Endpoint("https://10.1.2.3:6443", bearer="t", verify=False),
        id="no verification",
    ),
    pytest.param(
        {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": sys.executable,
                "args": ["-c", PLUGIN],
                "interactiveMode": "Never",
            }
        },
        {},
        Endpoint("https://10.1.2.3:6443", bearer="made"),
        id="a plugin",
    ),
]


@pytest.mark.parametrize(("user", "cluster", "expected"), USERS)
def test_what_a_kubeconfig_says(
    tmp_path: Path, user: dict[str, object], cluster: dict[str, object], expected: Endpoint
) -> None:
    assert from_kubeconfig(kubeconfig(tmp_path, user, **cluster))() == expected


BAD = [
    pytest.param("nowhere", None, "Invalid kube-config file", id="no file"),
    pytest.param("kubeconfig", "three", "three", id="no such context"),
]


@pytest.mark.parametrize(("name", "context", "message"), BAD)
def test_what_is_wrong_with_a_kubeconfig(tmp_path: Path, name: str, context: str | None, message: str) -> None:
    kubeconfig(tmp_path, {"token": "t"})
    with pytest.raises(ClusterError, match=message):
        from_kubeconfig(str(tmp_path / name), context)()


def test_what_was_read_is_read_again_only_when_it_is_refused(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"token": "one"})
    first, second = from_kubeconfig(path), from_kubeconfig(path)
    assert first().bearer == "one"
    kubeconfig(tmp_path, {"token": "two"})
    assert second().bearer == "one"
    assert second().bearer == "two"


def test_the_client_library_stays_out_of_this_process(tmp_path: Path) -> None:
    """It costs 68 MB: more than a worker of serve has to spare."""
    from_kubeconfig(kubeconfig(tmp_path, {"token": "t"}))()
    assert "kubernetes" not in sys.modules


def test_a_pod_reads_its_service_account_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "token").write_text("one\n")
    read = in_cluster(tmp_path)
    assert read() == Endpoint("https://[fd00::1]:443", ca="CA", bearer="one")
    (tmp_path / "token").write_text("two\n")
    assert read().bearer == "two"


def test_without_a_service_account_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ClusterError, match="ServiceAccount"):
        in_cluster(tmp_path)()

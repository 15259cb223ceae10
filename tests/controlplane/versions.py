"""Which versions the control plane is made of, and how versions are compared."""

import os
import platform
import re

DEFAULT_KUBERNETES = "1.35.4"
ETCD = "3.6.16"
# The wheels themselves are pinned in wheels/*.txt, with their checksums.
GO_WHEEL = "1.27.3"
KUBECTL_WHEEL = "1.36.4"

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class UnknownVersion(Exception):
    """When KUBERNETES_VERSION is not a release such as 1.35.4."""


def kubernetes() -> str:
    asked = os.environ.get("KUBERNETES_VERSION") or DEFAULT_KUBERNETES
    if not re.fullmatch(r"v?1\.\d+\.\d+", asked):
        raise UnknownVersion(f"KUBERNETES_VERSION: expected a release such as {DEFAULT_KUBERNETES}, found `{asked}`")
    return asked.removeprefix("v")


def numbers(text: str) -> tuple[int, ...]:
    """The first dotted number in a text: `Kubernetes v1.35.4` is (1, 35, 4), `go1.27` is (1, 27)."""
    found = re.search(r"\d+(\.\d+)+", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def minor(version: str) -> tuple[int, ...]:
    return numbers(version)[:2]


def system() -> tuple[str, str]:
    """Operating system and processor in Go's words."""
    machine = platform.machine().lower()
    return platform.system().lower(), _MACHINES.get(machine, machine)

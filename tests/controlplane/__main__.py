"""`python -m tests.controlplane`: fetch or build the programs; `up`: run a control plane until Ctrl-C."""

import argparse
import signal
import sys
import time

from tests.controlplane import calico, golang, versions
from tests.controlplane.binaries import Unavailable, find
from tests.controlplane.progress import clock, say
from tests.controlplane.server import ControlPlane, running


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.controlplane", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["programs", "up", "modules"], default="programs")
    parser.add_argument("--native", action="store_true", help=f"with Calico's kinds in {calico.V3_GROUP}/v3")
    arguments = parser.parse_args()
    # A service manager and `timeout` send SIGTERM: end as with Ctrl-C, so that nothing stays behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if arguments.command == "up":
            return _up(calico.V3_GROUP if arguments.native else calico.V1_GROUP)
        return _modules() if arguments.command == "modules" else _programs()
    except KeyboardInterrupt:
        say("stopped")
        return 0 if arguments.command == "up" else 130
    except (Unavailable, versions.UnknownVersion) as error:
        say(str(error))
        return 3


def _programs() -> int:
    started = time.monotonic()
    found = find()
    say(f"Kubernetes {versions.kubernetes()} and etcd {versions.ETCD} are there ({clock(time.monotonic() - started)})")
    for path in (found.kube_apiserver, found.kube_controller_manager, found.etcd, found.kubectl):
        print(path)
    return 0


def _modules() -> int:
    """Write the committed go.mod and go.sum anew, after a version in versions.py was changed."""
    golang.write_kubernetes(versions.DEFAULT_KUBERNETES, golang.HERE / "gomod/kube")
    golang.write_etcd(versions.ETCD, golang.HERE / "gomod/etcd")
    return 0


def _up(group: str) -> int:
    with running(group) as control_plane:
        _describe(control_plane)
        signal.pause()
    return 0


def _describe(control_plane: ControlPlane) -> None:
    print(f"# {control_plane.url}, Kubernetes {versions.kubernetes()}; Ctrl-C ends it and removes everything")
    people = (control_plane.administrator, control_plane.tenant, control_plane.engineer)
    for identity in people:
        print(f"export KUBECONFIG={identity.kubeconfig}  # {identity.user} of {', '.join(identity.groups)}")
    print(f"alias kubectl={control_plane.binaries.kubectl}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

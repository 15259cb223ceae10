"""A real control plane on loopback: etcd, kube-apiserver and kube-controller-manager as processes, without nodes."""

from tests.controlplane.client import Answer, Identity
from tests.controlplane.server import ControlPlane, NotReached, running

__all__ = ["Answer", "ControlPlane", "Identity", "NotReached", "running"]

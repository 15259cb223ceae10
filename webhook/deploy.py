"""Deploy: the manifests that follow from a settings file, for the folders under deploy/ and their own copies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import yaml

from webhook.api import Manifest
from webhook.native import native_policies
from webhook.policy.baseline import dns_rules, isolation_floor, manifest
from webhook.policy.objects import CalicoApi
from webhook.policy.settings import OWN_NAMESPACE, Settings
from webhook.policy.settings_file import load
from webhook.webhooks import PRODUCT_LABELS, ByService, mutating_configuration, validating_configuration

SERVICE = "isolation-baseline-webhook"
GENERATED = "generated"
SETTINGS = "settings.yaml"
SERVING_PORT = 8443
_HEADER = "# Generated from settings.yaml by `isolation-baseline generate-deploy`: edit that and run it again.\n"


def deploy_manifests(settings: Settings, api: CalicoApi = CalicoApi.V1) -> dict[str, list[Manifest]]:
    """Everything that depends on the settings, by file name; the caBundle is left to whoever issues the certificate."""
    reached = ByService(OWN_NAMESPACE, SERVICE)
    found = {
        "webhook-configurations.yaml": [
            mutating_configuration(settings, reached),
            validating_configuration(settings, reached),
        ],
        "native-policies.yaml": native_policies(settings, reached, api),
    }
    if api is not CalicoApi.KUBERNETES:
        found["isolation-floor.yaml"] = [manifest(isolation_floor(settings), api, settings)]
        found["network-policies.yaml"] = network_policies(settings, api)
    return found


def network_policies(settings: Settings, api: CalicoApi) -> list[Manifest]:
    """
    Who reaches our own pods, and whom they reach.

    Our namespace is exempt from the baseline, or our rollout would wait for us. The order is in front of all that may
    follow in the tier. Kubelets' probes come from the node, which Calico always lets through.
    """
    from_pods: Manifest = {"selector": "has(projectcalico.org/orchestrator)"}
    port: Manifest = {"protocol": "TCP", "destination": {"ports": [SERVING_PORT]}}
    api_server: Manifest = {"services": {"name": "kubernetes", "namespace": "default"}}
    relays = "kubernetes.io/metadata.name in {'calico-apiserver', 'calico-system'}"
    konnectivity: Manifest = {
        # A managed API server (AKS, GKE) reaches its webhooks through these pods.
        "selector": "app == 'konnectivity-agent' || k8s-app == 'konnectivity-agent'",
        "namespaceSelector": "kubernetes.io/metadata.name == 'kube-system'",
    }
    aggregated: Manifest = {"selector": "k8s-app == 'calico-apiserver'", "namespaceSelector": relays}
    ingress: list[Manifest] = [
        *({"action": "Allow", **port, "source": source} for source in (konnectivity, aggregated)),
        # Anything else that is a pod; what is left are nodes and the API server itself.
        {"action": "Deny", "source": from_pods},
        {"action": "Allow", **port},
        {"action": "Deny"},
    ]
    egress = [
        *dns_rules(settings),
        {"action": "Allow", "protocol": "TCP", "destination": api_server},
        {"action": "Deny"},
    ]
    return [
        _own_policy("webhook", ingress, egress, api),
        _own_policy("controller", [{"action": "Deny"}], egress, api),
    ]


def _own_policy(component: str, ingress: list[Manifest], egress: list[Manifest], api: CalicoApi) -> Manifest:
    return {
        "apiVersion": api.api_version,
        "kind": "NetworkPolicy",
        "metadata": {
            "name": f"isolation-baseline-{component}",
            "namespace": OWN_NAMESPACE,
            "labels": dict(PRODUCT_LABELS),
        },
        "spec": {
            "tier": "default",
            "order": 10,
            "selector": f"app.kubernetes.io/component == '{component}'",
            "types": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }


def render(files: Mapping[str, list[Manifest]]) -> dict[str, str]:
    """The files' text."""
    return {name: _HEADER + _documents(manifests) for name, manifests in files.items()}


def _documents(manifests: list[Manifest]) -> str:
    return "".join("---\n" + yaml.dump(item, Dumper=_Dumper, sort_keys=False, width=160) for item in manifests)


class _Dumper(yaml.SafeDumper):
    """Writes shared values twice: kustomize reads anchors, people do not."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def generate(folder: Path, api: CalicoApi) -> dict[Path, str]:
    """
    What the generated files of a folder must hold.

    Raises:
        InvalidObject: for its settings.yaml.
        OSError: when that cannot be read.
    """
    settings = load((folder / SETTINGS).read_text())
    return {folder / GENERATED / name: text for name, text in render(deploy_manifests(settings, api)).items()}


@click.command(hidden=True)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--calico-api",
    type=click.Choice([api.name.lower() for api in CalicoApi]),
    default=CalicoApi.V1.name.lower(),
    show_default=True,
    help="how the cluster serves Calico's resources",
)
@click.option("--check", is_flag=True, help="write nothing; exit with 1 when a file is not as generated")
def generate_deploy(folder: Path, calico_api: str, *, check: bool) -> None:
    """Write FOLDER/generated/ from FOLDER/settings.yaml."""
    wanted = generate(folder, CalicoApi[calico_api.upper()])
    stale = [path for path in (folder / GENERATED).glob("*") if path not in wanted]
    differing = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if check:
        for path in (*differing, *stale):
            click.echo(f"{path}: is not as generated", err=True)
        raise SystemExit(1 if differing or stale else 0)
    for path in stale:
        path.unlink()
    for path in differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
        click.echo(f"wrote {path}")

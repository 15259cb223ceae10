"""Roles: `serve` and `control` put together from their parts; each is one process in a cluster, or a child of `dev`."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from prometheus_client import CONTENT_TYPE_LATEST

from certs import pki
from webhook import health
from webhook.api import Cluster, Manifest
from webhook.certificates import ManagedCertificates
from webhook.cluster import connect
from webhook.control import Control
from webhook.control import Options as ControlOptions
from webhook.control import run as run_control
from webhook.discovery import discover_calico_api
from webhook.native import native_policies
from webhook.policy.objects import CalicoApi
from webhook.policy.parse import parse
from webhook.policy.settings import OWN_NAMESPACE, Settings
from webhook.settings_watch import SettingsWatch
from webhook.webhooks import ByService, ByUrl, Reached, mutating_configuration, validating_configuration

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger(__name__)

EXAMPLE_SETTINGS = Path(__file__).parent / "data" / "settings.example.yaml"


def start_logging() -> None:
    """One event a line on standard error; the core logs nothing, the libraries only what is wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("webhook").setLevel(logging.INFO)


def address(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`; an IPv6 host stands in brackets."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(f"expected HOST:PORT, found {text!r}")
    return host.strip("[]"), int(port)


_settings = click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=EXAMPLE_SETTINGS,
    show_default="the documented example",
    help="The settings file; it is read again when it changes.",
)
_kubeconfig = click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False),
    default=None,
    help="The cluster to talk to; without it the pod's own, or the KUBECONFIG of the shell.",
)


@click.command()
@_settings
@_kubeconfig
@click.option("--tls-cert-file", required=True, type=click.Path(path_type=Path), help="The serving certificate, PEM.")
@click.option("--tls-key-file", required=True, type=click.Path(path_type=Path), help="Its key, PEM.")
@click.option("--bind", default="0.0.0.0:8443", show_default=True, help="Where to serve reviews, HTTPS.")
@click.option("--health-bind", default=None, help="Where to serve /healthz, /readyz and /metrics, plain HTTP.")
@click.option("--workers", type=click.IntRange(1, 64), default=None, help="Processes; as many as cores by default.")
@click.option(
    "--linger",
    type=click.FloatRange(0, 60),
    default=5.0,
    show_default=True,
    help="Seconds to go on answering after SIGTERM, while load balancers learn of it.",
)
def serve(
    settings: Path,
    kubeconfig: str | None,
    tls_cert_file: Path,
    tls_key_file: Path,
    bind: str,
    health_bind: str | None,
    workers: int | None,
    linger: float,
) -> None:
    """Answer the API server's admission reviews."""
    # Flask and gunicorn are loaded by the role that serves alone.
    from webhook.app import create_app
    from webhook.judges import Judging
    from webhook.metrics import Metrics
    from webhook.serving import Limits, ServeOptions, TlsFiles
    from webhook.serving import serve as run

    start_logging()
    host, port = address(bind)
    options = ServeOptions(
        host=host,
        port=port,
        tls=TlsFiles(tls_cert_file, tls_key_file),
        health_port=address(health_bind)[1] if health_bind else None,
        workers=workers or os.cpu_count() or 1,
        limits=Limits(linger=linger),
    )
    # Read once before any fork: a bad file or an unreachable cluster is said at once, by one process.
    SettingsWatch(settings)
    api = discover_calico_api(connect(kubeconfig, user_agent="serve"))
    log.info("event=start role=serve calico=%s bind=%s workers=%s", api.value, bind, options.workers)
    judging: list[Judging] = []

    def app() -> WSGIApplication:
        watch = SettingsWatch(settings)
        threading.Thread(target=watch.run, name="settings", daemon=True).start()
        found = Judging(connect(kubeconfig, user_agent="serve"), watch, api, parse=parse)
        judging.append(found)
        return create_app(found.judges(), is_ready=found.is_ready, metrics=Metrics())

    run(app, options, post_worker_init=lambda: judging[-1].start())


@click.command()
@_settings
@_kubeconfig
@click.option("--health-bind", default=None, help="Where to serve /healthz, /readyz and /metrics, plain HTTP.")
@click.option("--lease/--no-lease", default=True, show_default=True, help="Elect one leader among several replicas.")
@click.option("--lease-namespace", default=OWN_NAMESPACE, show_default=True, help="Where the Lease is.")
@click.option("--service-name", default=None, help="Keep webhook configurations that point at this Service.")
@click.option("--service-namespace", default=OWN_NAMESPACE, show_default=True, help="The namespace of that Service.")
@click.option("--webhook-url", default=None, help="Keep webhook configurations that point at this URL instead.")
@click.option("--webhook-ca-file", type=click.Path(exists=True, path_type=Path), default=None, help="Its authority.")
@click.option("--manage-certificates", is_flag=True, help="Issue and renew the Service's certificate in Secrets.")
@click.option("--native/--no-native", default=True, show_default=True, help="Keep the ValidatingAdmissionPolicies.")
def control(
    settings: Path,
    kubeconfig: str | None,
    health_bind: str | None,
    lease: bool,
    lease_namespace: str,
    service_name: str | None,
    service_namespace: str,
    webhook_url: str | None,
    webhook_ca_file: Path | None,
    manage_certificates: bool,
    native: bool,
) -> None:
    """Keep every namespace's baseline, the isolation floor, and the guard's own configurations."""
    if webhook_url and service_name:
        raise click.UsageError("--webhook-url and --service-name exclude each other")
    if manage_certificates and not service_name:
        raise click.UsageError("--manage-certificates needs --service-name")
    start_logging()
    watch = SettingsWatch(settings)
    cluster = connect(kubeconfig, user_agent="control")
    api = discover_calico_api(cluster)
    reached = _reached(cluster, service_name, service_namespace, webhook_url, webhook_ca_file, manage_certificates)
    running = Control(
        cluster,
        watch.settings,
        api,
        parse=parse,
        options=ControlOptions(lease=lease, namespace=lease_namespace),
        desired_configurations=None
        if reached is None
        else lambda: configurations(watch.settings, reached(), api, native=native),
    )
    watch.subscribe(running.use)
    threading.Thread(target=watch.run, name="settings", daemon=True).start()
    if health_bind:
        health.start(
            *address(health_bind),
            is_ready=running.is_ready,
            exposition=lambda: (running.metrics.exposition(), CONTENT_TYPE_LATEST),
        )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("event=start role=control calico=%s lease=%s", api.value, lease)
    run_control(running, stop)


def configurations(settings: Settings, reached: Reached, api: CalicoApi, *, native: bool) -> list[Manifest]:
    """
    Everything that makes the API server ask us, in the order in which it has to be installed.

    The native policies come last: the first of them refuses policy writes while the webhook configuration is missing.
    """
    asked = [mutating_configuration(settings, reached), validating_configuration(settings, reached)]
    return [*asked, *(native_policies(settings, reached, api) if native else ())]


def _reached(
    cluster: Cluster,
    service: str | None,
    namespace: str,
    url: str | None,
    authority: Path | None,
    manage: bool,
) -> Callable[[], Reached] | None:
    """How the API server is to reach the webhook; None where the configurations are somebody else's."""
    ca = authority.read_text(encoding="ascii") if authority else ""
    if url:
        return lambda: ByUrl(url, ca)
    if service is None:
        return None
    if not manage:
        return lambda: ByService(namespace, service, ca=ca)
    certificates = ManagedCertificates(cluster, namespace, pki.service_names(service, namespace))
    # Asked at every look at the configurations, so this is also what renews.
    return lambda: ByService(namespace, service, ca=certificates.ensure())

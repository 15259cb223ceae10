"""Settings check: what must hold between the fields of Settings, each read well by itself."""

from __future__ import annotations

from webhook.policy.objects import InvalidObject
from webhook.policy.settings import UNASSIGNED, Settings

# Calico's definitions take selectors up to this length.
MAX_SELECTOR = 1024
_FIXED_LABELS = ("kubernetes.io/metadata.name", "projectcalico.org/", "pcns.", "isolation-baseline.io/")


def check(settings: Settings) -> None:
    """
    See that the settings agree with themselves.

    Raises:
        InvalidObject: with the path of the field to change.
    """
    _check_orders(settings)
    _check_environments(settings)
    _check_permits(settings)
    _check_places(settings)


def _check_orders(settings: Settings) -> None:
    orders = settings.orders
    low, high = orders.tenants
    if not 0 < low <= high:
        # Order 0 and below are the platform's way to be first.
        raise InvalidObject("orders.tenants", "expected two numbers above 0, the lower one first")
    if not high < orders.dns:
        # At the same order the name decides, and a tenant's Deny could come before DNS.
        raise InvalidObject("orders.tenants", f"expected the highest order below orders.dns ({orders.dns:g})")
    if not 0 < orders.same_environment < orders.deny:
        raise InvalidObject(
            "orders.sameEnvironment", f"expected an order above 0 and below orders.deny ({orders.deny:g})"
        )
    if not orders.dns < orders.deny:
        raise InvalidObject("orders.dns", f"expected an order below orders.deny ({orders.deny:g})")
    if not orders.deny < orders.floor:
        raise InvalidObject("orders.floor", f"expected an order above orders.deny ({orders.deny:g})")


def _check_environments(settings: Settings) -> None:
    label = settings.environment_label
    if label in settings.exempting_labels or label.startswith(_FIXED_LABELS):
        # The API server or Calico sets these, or nobody may.
        raise InvalidObject(
            "environmentLabel", f"expected a label key that namespaces are free to carry, not `{label}`"
        )
    owners: dict[str, str] = {}
    for environment in settings.environments:
        for number, pattern in enumerate(environment.names):
            owner = owners.setdefault(pattern, environment.name)
            if owner != environment.name:
                raise InvalidObject(
                    f"environments.{environment.name}.names[{number}]",
                    f"`{pattern}` is a name pattern of `{owner}` as well; a namespace has one environment",
                )


def _check_permits(settings: Settings) -> None:
    known = {environment.name for environment in settings.environments}
    for number, permit in enumerate(settings.permits):
        for key, name in (("from", permit.source), ("to", permit.destination)):
            if name == UNASSIGNED:
                raise InvalidObject(f"permit[{number}].{key}", f"`{UNASSIGNED}` namespaces talk to nobody")
            if name not in known:
                raise InvalidObject(f"permit[{number}].{key}", f"`{name}` is not one of the declared environments")


def _check_places(settings: Settings) -> None:
    shared = [place.name for place in settings.shared_namespaces]
    for number, name in enumerate(shared):
        if name in shared[:number]:
            raise InvalidObject(f"sharedNamespaces[{number}].name", f"`{name}` is given twice; use direction: both")
    if not settings.tenant_tiers:
        raise InvalidObject("tiers.tenants", "expected at least one tier")
    if not settings.dns.servers and not settings.dns.node_local:
        raise InvalidObject(
            "dns.selectors", "expected at least one selector, or dns.nodeLocal: without DNS nothing works"
        )
    if not settings.dns.ports:
        raise InvalidObject("dns.ports", "expected at least one port")
    # The isolation floor names every exempt namespace in one selector.
    length = sum(len(name) + 4 for name in settings.exempt_namespaces) + 120
    if length > MAX_SELECTOR:
        raise InvalidObject("exempt.namespaces", f"expected names of {MAX_SELECTOR - 120} characters together at most")

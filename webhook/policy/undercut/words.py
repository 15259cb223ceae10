"""Words: how kinds of endpoint, ports and rules are spoken of in findings; short, and the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from webhook.policy.objects import Policy
from webhook.policy.ranges import AddressSet, Cidr, PortSet, protocol_name
from webhook.policy.undercut.boxes import ALL_PROTOCOLS, ANY_PORT, ICMP_PROTOCOLS, REAL_PORTS, Region
from webhook.policy.undercut.leak import Hit
from webhook.policy.undercut.peers import Kind, Peer
from webhook.policy.undercut.universe import Universe

ANYTHING = "any protocol and port"
_SHOWN_NETS = 3
_SHOWN_PEERS = 6


def listed(words: Sequence[str], conjunction: str = "and", *, limit: int = _SHOWN_PEERS) -> str:
    shown = list(words[:limit])
    if len(words) > limit:
        shown.append("more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {conjunction} {shown[-1]}"


def peers(hits: Iterable[Hit], universe: Universe) -> str:
    """Name the other ends of all hits, each once, and together where they are all there can be."""
    found = list(dict.fromkeys(hit.peer for hit in hits))
    key = universe.settings.environment_label
    regions = {hit.peer: hit.found.region for hit in hits}
    unnamed = [peer for peer in found if peer.kind is Kind.POD and not peer.namespace]
    words: list[str] = []
    if len(unnamed) >= len(universe.unnamed) - 1 and len(unnamed) > 1:
        words.append("every environment" if len(unnamed) == len(universe.unnamed) else "every other environment")
    else:
        words += [f"{key}={peer.environment}" for peer in unnamed if peer.environment is not None]
        words += ["namespaces without " + key for peer in unnamed if peer.environment is None]
    words += _namespaces([peer for peer in found if peer.kind is Kind.POD and peer.namespace], universe)
    outside = [peer for peer in found if peer.kind is Kind.OUTSIDE]
    words += [addresses(regions[peer].peer_addresses) for peer in outside]
    # Whoever may be any address may be one in a set.
    if not outside:
        words += ["global network sets" for peer in found if peer.kind is Kind.GLOBAL_SET]
        words += ["host endpoints" for peer in found if peer.kind is Kind.HOST]
    words += [f"a network set of {peer.namespace}" for peer in found if peer.kind is Kind.SET]
    return listed(words)


def _namespaces(found: Sequence[Peer], universe: Universe) -> list[str]:
    key = universe.settings.environment_label
    words = []
    for name in dict.fromkeys(peer.namespace for peer in found):
        environments = [peer.environment for peer in found if peer.namespace == name]
        if name in universe.namespaces or not universe.is_managed(name):
            value = environments[0]
            words.append(f"namespace {name} ({f'{key}={value}' if value is not None else f'without {key}'})")
        else:
            possible = listed([value for value in environments if value is not None], "or")
            words.append(f"namespace {name}, which does not exist and may come to be in {possible}")
    return words


def addresses(found: AddressSet) -> str:
    """Name a set of addresses by what it holds, or by what it lacks, whichever is short."""
    if found == AddressSet.everything():
        return "any address"
    if 0 < len(nets := _few(found)) <= _SHOWN_NETS:
        return "addresses in " + listed([str(net) for net in nets])
    lacking = found.complement()
    lacking = AddressSet(lacking.v4 if found.v4 else (), lacking.v6 if found.v6 else ())
    if 0 < len(nets := _few(lacking)) <= _SHOWN_NETS:
        family = "" if found.v4 and found.v6 else "IPv4 " if found.v4 else "IPv6 "
        return f"any {family}address but those in " + listed([str(net) for net in nets])
    first = found.first()
    return f"addresses such as {first.address}" if first is not None else "no address"


def _few(found: AddressSet) -> tuple[Cidr, ...]:
    """The networks of a set, unless they are many."""
    return found.cidrs() if len(found.v4) + len(found.v6) <= _SHOWN_NETS else ()


def subjects(hits: Iterable[Hit], policy: Policy, universe: Universe) -> str:
    """Name the pods that a policy governs: a namespace's, or those of environments."""
    if policy.namespace:
        return policy.namespace
    key = universe.settings.environment_label
    found = list(dict.fromkeys(hit.subject for hit in hits))
    words = [
        peer.namespace or (f"{key}={peer.environment}" if peer.environment is not None else f"namespaces without {key}")
        for peer in found
    ]
    if sum(1 for peer in found if not peer.namespace) == len(universe.unnamed):
        return "every namespace"
    return listed(list(dict.fromkeys(words)))


def traffic(region: Region) -> str:
    """The widest words for the protocols and ports of a region."""
    if region.port_name:
        return f"{protocol_name(_lowest(region.protocols))}, any port that a pod names `{region.port_name}`"
    if region.protocols == ALL_PROTOCOLS:
        return ANYTHING
    if region.protocols & (region.protocols - 1):
        count = region.protocols.bit_count()
        names = [protocol_name(number) for number in range(256) if region.protocols >> number & 1]
        return listed(names, "or") if count <= _SHOWN_PEERS else "most protocols, any port"
    name = protocol_name(_lowest(region.protocols))
    if region.protocols & ICMP_PROTOCOLS:
        return f"any {name}" if region.ports == ANY_PORT else f"some {name}"
    return f"any {name} port" if region.ports in (ANY_PORT, REAL_PORTS) else f"{name} {ports(region.ports)}"


def _lowest(protocols: int) -> int:
    return (protocols & -protocols).bit_length() - 1


def ports(found: PortSet) -> str:
    if len(found.ranges) > _SHOWN_NETS:
        low = found.ranges[0][0]
        return f"{low} and others"
    return str(found)

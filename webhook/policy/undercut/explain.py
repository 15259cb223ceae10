"""Explain: a leak or a block as a complaint: what, one connection, the facts that decide, and a fix that was tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from webhook.policy.finding import Complaint
from webhook.policy.objects import TIER_DEFAULT, Action, Direction, Entity, Rule
from webhook.policy.ranges import Cidr, PortRange, protocol_name
from webhook.policy.undercut import words
from webhook.policy.undercut.block import Block
from webhook.policy.undercut.judgement import Judgement
from webhook.policy.undercut.leak import Leak
from webhook.policy.undercut.peers import Kind
from webhook.policy.undercut.reach import Place, tier_of
from webhook.policy.undercut.settled import content, digest
from webhook.policy.undercut.witness import Witness

_ADDED = "projectcalico.org/orchestrator == 'k8s'"
_MAX_CLAUSE = 120
_MAX_PAIRS = 3
_VERBS = {Direction.INGRESS: "opens {own} to {peers}", Direction.EGRESS: "lets {own} reach {peers}"}


def leak_complaint(judgement: Judgement, leak: Leak, witness: Witness | None = None, fix: str = "") -> Complaint:
    universe = judgement.universe
    own = words.subjects(leak.hits, judgement.policy, universe)
    others = words.peers(leak.hits, universe)
    what = _VERBS[leak.direction].format(own=own, peers=others)
    if leak.shape.action is Action.PASS:
        what = f"passes over the baseline and {what}"
    widest = words.traffic(leak.hits[0].found.region)
    # A Kubernetes rule with two protocols is two rules at one path, and one must not hide the other.
    which = "" if widest == words.ANYTHING else f" for {widest}"
    return Complaint(
        detail=f"{what}{which}, which settings do not permit",
        path=leak.shape.rule.path,
        fix=fix,
        example=_example(witness),
        because=tuple(_leak_facts(judgement, leak, others)),
        fingerprint=_leak_fingerprint(judgement, leak),
    )


def block_complaint(judgement: Judgement, block: Block, witness: Witness | None = None, fix: str = "") -> Complaint:
    policy = judgement.policy
    own = words.subjects(block.hits, policy, judgement.universe)
    if block.shape is None:
        what = f"selects {own} in tier {policy.tier}, which drops what its policies leave undecided: DNS too"
        path = "spec.tier"
    else:
        path = block.shape.rule.path
        what = f"cuts {own} off from DNS"
        if block.shape.action is Action.PASS:
            what = f"takes {own}'s DNS out of the baseline's tier, where nothing promises it"
    rules = [block.shape.rule] if block.shape is not None else []
    return Complaint(
        detail=what,
        path=path,
        fix=fix,
        example=_example(witness),
        because=tuple(_block_facts(judgement, witness)),
        fingerprint=_fingerprint(judgement, Direction.EGRESS, rules, block.settled, [what]),
    )


def too_complex(judgement: Judgement, question: str) -> Complaint:
    """What is said when the steps are spent: it is refused like what was asked about, since nobody can say."""
    everything = (*judgement.policy.ingress, *judgement.policy.egress)
    return Complaint(
        detail=f"is too complex to judge: within the steps that one policy may take, nobody can say whether {question}",
        path="spec",
        fix="split it into several policies, or use fewer labels and rules",
        fingerprint=_fingerprint(judgement, None, everything, "", [question]),
    )


def unheard(judgement: Judgement, path: str) -> Complaint:
    """What is said of all the rest, once enough has been said: excused only while nothing of the policy changes."""
    everything = (*judgement.policy.ingress, *judgement.policy.egress)
    return Complaint(
        detail=f"has the same wrong in {path}, and the rules after it were not looked at",
        path=path,
        fix="correct the others first",
        fingerprint=_fingerprint(judgement, None, everything, "", ["unheard"]),
    )


def _example(witness: Witness | None) -> str:
    return f"{_connection(witness)}, today {_today(witness)}" if witness is not None else ""


def _connection(witness: Witness) -> str:
    flow = witness.flow
    name = protocol_name(flow.protocol)
    if flow.icmp is not None:
        port = f"{name} type {flow.icmp[0]} code {flow.icmp[1]}"
    else:
        port = f"{name} {flow.port}" if flow.port else f"protocol {name}"
    return f"{witness.source.text} -> {witness.destination.text} {port}"


def _today(witness: Witness) -> str:
    return f"{'let through' if witness.before.allowed else 'dropped'} by {witness.before.decided_by}"


def _leak_facts(judgement: Judgement, leak: Leak, others: str) -> Iterator[str]:
    rule = leak.shape.rule
    verb = "passes" if rule.action is Action.PASS else "allows"
    widest = words.traffic(leak.hits[0].found.region)
    yield f"{rule.path} {verb} {widest} {_standing(judgement)}; {_peer_fact(leak, others)}"
    reaches_pods = any(hit.peer.kind is Kind.POD for hit in leak.hits)
    if reaches_pods and leak.shape.peer.nets is not None:
        yield from _range_facts(judgement, leak.shape.peer.nets)
    yield from _pair_facts(judgement, leak)
    if rule.has_http:
        yield "its http clause narrows nothing: Calico's dataplane does not look at it"
    if rule.action is Action.PASS:
        yield "behind tier default nothing decides but the namespace's profile, which allows"


def _standing(judgement: Judgement) -> str:
    """Why the rule is heard before the baseline's denial."""
    policy, settings = judgement.policy, judgement.universe.settings
    if judgement.standing.place is Place.BEFORE:
        tier = tier_of(policy, judgement.world)
        order = f" (order {tier.order:g})" if tier is not None else ""
        return f"in tier {policy.tier}{order}, which is asked before tier {TIER_DEFAULT} and the baseline in it"
    deny = settings.orders.deny
    if policy.order == deny:
        return f"at order {deny:g}, default-deny's own: which comes first depends on names and on Calico's version"
    if policy.order > deny:
        return f"at order {policy.order:g}, and default-deny has no rules that would come before it"
    return f"at order {policy.order:g}, before default-deny (order {deny:g})"


def _peer_fact(leak: Leak, others: str) -> str:
    entity = leak.shape.peer
    clause = _clause(entity)
    if entity.service is not None:
        named = f"{entity.service.namespace}/{entity.service.name}"
        return f"service {named} has no selector that is known here: its EndpointSlices can hold any address"
    if clause:
        return f"{clause} is true for {others}"
    if entity.nets is not None:
        return f"nets {words.listed([str(net) for net in entity.nets], limit=3)} take in {others}"
    side = "source" if leak.direction is Direction.INGRESS else "destination"
    return f"it names no {side}"


def _clause(entity: Entity) -> str:
    """The selectors of an entity as written, without what the conversion of Kubernetes' policies adds."""
    text = entity.text
    selector = (text.selector or "").removeprefix(_ADDED).removeprefix(" && ")
    written = {
        "namespaceSelector": text.namespace_selector,
        "selector": selector,
        "notSelector": text.not_selector,
        "serviceAccounts": text.service_account_selector or ", ".join(text.service_account_names),
    }
    return " with ".join(f"{name} `{_cut(value)}`" for name, value in written.items() if value)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CLAUSE else f"{text[: _MAX_CLAUSE - 1]}…"


def _range_facts(judgement: Judgement, nets: Sequence[Cidr]) -> Iterator[str]:
    """Why addresses are taken for pods'."""
    known = judgement.universe.addresses
    if not known.are_pods_known:
        yield "any address may be a pod's as long as settings do not list the pods' ranges under cidrs.pods"
        return
    for family, listed in ((4, known.declared.v4), (6, known.declared.v6)):
        if not listed and any(net.family == family for net in nets):
            yield f"any IPv{family} address may be a pod's as long as settings list no such range under cidrs.pods"


def _pair_facts(judgement: Judgement, leak: Leak) -> Iterator[str]:
    """What settings say of the environments concerned, those together that fare alike: nothing, or some ports."""
    universe = judgement.universe
    reached: dict[str, set[str]] = {}
    for hit in leak.hits:
        if hit.peer.kind is Kind.POD and hit.peer.environment is not None:
            reached.setdefault(universe.ceiling_environment(hit.subject), set()).add(hit.peer.environment)
    alike: dict[tuple[str, ...], list[str]] = {}
    for own in sorted(reached):
        alike.setdefault(tuple(sorted(reached[own])), []).append(own)
    for others, owns in list(alike.items())[:_MAX_PAIRS]:
        sources, destinations = (others, owns) if leak.direction is Direction.INGRESS else (owns, others)
        yield _pair_fact(judgement, sources, destinations)


def _pair_fact(judgement: Judgement, sources: Sequence[str], destinations: Sequence[str]) -> str:
    settings = judgement.universe.settings
    key = settings.environment_label
    is_one = len(sources) == len(destinations) == 1
    limited = [
        ("" if is_one else f"{permit.source} to {permit.destination} ")
        + f"{protocol_name(port.protocol)} {PortRange(port.low, port.high)}"
        for permit in settings.permits
        if permit.source in sources and permit.destination in destinations
        for port in permit.ports
    ]
    pair = f"from {key}={words.listed(sources, 'or')} to {key}={words.listed(destinations, 'or')}"
    return f"settings permit {pair} only {words.listed(limited)}" if limited else f"settings permit nothing {pair}"


def _block_facts(judgement: Judgement, witness: Witness | None) -> Iterator[str]:
    orders = judgement.universe.settings.orders
    policy = judgement.policy
    if judgement.standing.place is Place.BEFORE:
        yield f"tier {policy.tier} is asked before tier {TIER_DEFAULT}, where dns-allow is"
    else:
        yield f"order {policy.order:g} comes before dns-allow (order {orders.dns:g})"
    if witness is not None:
        yield f"afterwards it is {'let through' if witness.after.allowed else 'dropped'} by {witness.after.decided_by}"
    yield "DNS to the cluster's servers is promised to every pod"


def _leak_fingerprint(judgement: Judgement, leak: Leak) -> str:
    reached = sorted(f"{hit.subject} {hit.peer}" for hit in leak.hits)
    return _fingerprint(judgement, leak.direction, [leak.shape.rule], leak.settled, reached)


def _fingerprint(
    judgement: Judgement, direction: Direction | None, rules: Iterable[Rule], settled: str, reached: Iterable[str]
) -> str:
    """
    A digest of all that the reach of a rule depends on.

    The ratchet excuses an old complaint only while nothing of this changes: a rule that is widened, brought forward
    or relieved of an earlier Deny is a new one.
    """
    policy = judgement.policy
    tier = tier_of(policy, judgement.world)
    standing = (policy.tier, *((tier.order, tier.default_action.value) if tier is not None else ()), policy.order)
    types = sorted(kind.value for kind in policy.types)
    parts = (repr((standing, types, direction)), str(policy.subject), *map(content, rules), settled, *reached)
    return digest(parts)

"""Fix: the smallest change that makes a policy acceptable, tried by the same engine before it is offered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from webhook.policy.baseline import dns_rules
from webhook.policy.objects import Action, Direction, Entity, EntityText, Policy, PolicyKind, Rule
from webhook.policy.parse_entity import read_peer
from webhook.policy.parse_meta import Notes
from webhook.policy.parse_rules import read_rules
from webhook.policy.ranges import AddressSet
from webhook.policy.selectors import SelectorError, keys, parse
from webhook.policy.undercut.block import Block, blocks
from webhook.policy.undercut.boxes import Shape
from webhook.policy.undercut.ceiling import is_everything, permitted
from webhook.policy.undercut.judgement import Judgement
from webhook.policy.undercut.leak import Leak, leaks
from webhook.policy.undercut.peers import Kind, Peer
from webhook.policy.undercut.search import Budget, TooComplexError, find
from webhook.policy.undercut.words import listed

# A fix is a courtesy: it may cost a part of what the judgement may.
_STEPS = 4_000
_MAX_NETS = 4
_LABEL_SELECTORS = frozenset(
    {
        PolicyKind.KUBERNETES_NETWORK_POLICY,
        PolicyKind.STAGED_KUBERNETES_NETWORK_POLICY,
        PolicyKind.CLUSTER_NETWORK_POLICY,
        PolicyKind.ADMIN_NETWORK_POLICY,
        PolicyKind.BASELINE_ADMIN_NETWORK_POLICY,
    }
)

_WITHOUT_EXCEPTIONS = _LABEL_SELECTORS - {
    PolicyKind.KUBERNETES_NETWORK_POLICY,
    PolicyKind.STAGED_KUBERNETES_NETWORK_POLICY,
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change in words, and the rules of that direction as they would be."""

    text: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Namespaces of some environments, and what is asked of them already where this is added to it."""

    key: str
    environments: tuple[str, ...]
    adds: bool

    def clause(self) -> str:
        quoted = [f'"{value}"' for value in self.environments]
        return f"{self.key} == {quoted[0]}" if len(quoted) == 1 else f"{self.key} in {{{', '.join(quoted)}}}"

    def selector(self, written: str | None) -> str:
        return f"({written}) && {self.clause()}" if self.adds else self.clause()

    def words(self, policy: Policy, side: str, path: str) -> str:
        if policy.kind not in _LABEL_SELECTORS:
            field = f"{side}.namespaceSelector"
            return f"add `&& {self.clause()}` to {field}" if self.adds else f"set {field} to `{self.clause()}`"
        spelt = f"matchLabels: {{{self.key}: {self.environments[0]}}}"
        if len(self.environments) > 1:
            values = ", ".join(self.environments)
            spelt = f"matchExpressions: [{{key: {self.key}, operator: In, values: [{values}]}}]"
        if _names_no_peer(path):
            return f"add `{_peers_field(side)}: [{{namespaceSelector: {{{spelt}}}}}]`"
        return f"add {spelt} to namespaceSelector" if self.adds else f"set namespaceSelector to {{{spelt}}}"


def _peers_field(side: str) -> str:
    """What Kubernetes calls the other ends."""
    return "from" if side == "source" else "to"


def _names_no_peer(path: str) -> bool:
    """Whether a rule of Kubernetes is for everybody."""
    return ".from[" not in path and ".to[" not in path


def leak_fix(judgement: Judgement, leak: Leak) -> str:
    """The first proposal that leaves the rule something to do and nothing to leak; else to take the rule away."""
    if leak.shape.action is Action.PASS:
        return f"remove {leak.shape.rule.path}, or use Allow for what settings permit"
    for proposal in _leak_proposals(judgement, leak):
        if _holds(judgement, leak, proposal):
            return proposal.text
    return _without(judgement, leak)


def _holds(judgement: Judgement, leak: Leak, proposal: Proposal) -> bool:
    changed = _changed(judgement, leak.direction, proposal)
    path = leak.shape.rule.path
    try:
        if any(found.shape.rule.path == path for found in leaks(changed, leak.shape.action)):
            return False
        return any(seen.rule.path == path and _decides(changed, seen) for seen in changed.shapes(leak.direction))
    except TooComplexError:
        return False


def _changed(judgement: Judgement, direction: Direction, proposal: Proposal) -> Judgement:
    return judgement.with_policy(with_rules(judgement.policy, direction, proposal.rules), Budget(_STEPS))


def with_rules(policy: Policy, direction: Direction, rules: tuple[Rule, ...]) -> Policy:
    if direction is Direction.INGRESS:
        return replace(policy, ingress=rules)
    return replace(policy, egress=rules)


def _decides(judgement: Judgement, seen: Shape) -> bool:
    """Whether any flow at all can match."""
    for subject in judgement.subjects:
        own = Peer(Kind.POD, subject.environment_key, subject.environment, subject.namespace)
        for peer, addresses in (*judgement.peers(seen), (own, judgement.universe.addresses.pods)):
            for region in judgement.regions(seen, subject, peer, addresses):
                if find(region, (), judgement.budget) is not None:
                    return True
    return False


def _leak_proposals(judgement: Judgement, leak: Leak) -> Iterator[Proposal]:
    direction, entity = leak.direction, leak.shape.peer
    if entity.service is not None:
        return
    if entity.nets is not None:
        yield from _with_nets(judgement, leak)
        return
    if entity.not_nets and entity.selector is None:
        yield from _with_nets(judgement, leak)
    if any(hit.peer.namespace for hit in leak.hits):
        # Whoever names a namespace means that one.
        return
    for choice in _choices(judgement, leak):
        text = replace(entity.text, namespace_selector=choice.selector(entity.text.namespace_selector))
        changed = _with_text(entity, text, judgement.policy)
        if changed is not None:
            side = "source" if direction is Direction.INGRESS else "destination"
            words = choice.words(judgement.policy, side, leak.shape.rule.path)
            yield Proposal(words, _replaced(judgement.policy, leak, changed))
    if judgement.policy.namespace and entity.selector is None:
        changed = _with_text(entity, replace(entity.text, selector="all()"), judgement.policy)
        if changed is not None:
            own = "selector: all()"
            if judgement.policy.kind in _LABEL_SELECTORS:
                side = "source" if direction is Direction.INGRESS else "destination"
                is_bare = _names_no_peer(leak.shape.rule.path)
                own = f"`{_peers_field(side)}: [{{podSelector: {{}}}}]`" if is_bare else "podSelector: {}"
            yield Proposal(f"add {own}, its own namespace", _replaced(judgement.policy, leak, changed))


def _choices(judgement: Judgement, leak: Leak) -> Iterator[Choice]:
    """The environments that all subjects may be opened to, first beside what is asked of namespaces already."""
    universe = judgement.universe
    subjects = dict.fromkeys(hit.subject for hit in leak.hits)
    allowed = tuple(
        peer.environment
        for peer in universe.unnamed
        if peer.environment is not None
        and all(is_everything(permitted(leak.direction, subject, peer, universe)) for subject in subjects)
    )
    if not allowed:
        return
    key = universe.settings.environment_label
    written = leak.shape.peer.text.namespace_selector
    try:
        asks_more = written is not None and bool(keys(parse(written)) - {key})
    except SelectorError:
        asks_more = False
    if asks_more:
        yield Choice(key, allowed, adds=True)
    yield Choice(key, allowed, adds=False)


def _with_text(entity: Entity, text: EntityText, policy: Policy) -> Entity | None:
    notes = Notes()
    selector, not_selector = read_peer(text, policy.namespace, "", notes)
    if notes.defects:
        return None
    return replace(entity, selector=selector, not_selector=not_selector, text=text)


def _with_nets(judgement: Judgement, leak: Leak) -> Iterator[Proposal]:
    known, entity = judgement.universe.addresses, leak.shape.peer
    listed_ones = known.listed(leak.direction)
    side = "source" if leak.direction is Direction.INGRESS else "destination"
    if known.are_pods_known:
        pods = known.declared
        if entity.nets:
            pods = pods.intersection(AddressSet.from_cidrs(entity.nets))
        excluded = pods.cidrs()
        kind = judgement.policy.kind
        if 0 < len(excluded) <= _MAX_NETS and kind not in _WITHOUT_EXCEPTIONS:
            changed = replace(entity, not_nets=(*entity.not_nets, *excluded))
            field = "ipBlock.except" if kind in _LABEL_SELECTORS else f"{side}.notNets"
            text = f"add {field} [{', '.join(map(str, excluded))}], where the pods are"
            yield Proposal(text, _replaced(judgement.policy, leak, changed))
    wanted = leak.shape.peer_addresses.intersection(listed_ones)
    nets = wanted.cidrs() if len(wanted.v4) + len(wanted.v6) <= _MAX_NETS else ()
    if 0 < len(nets) <= _MAX_NETS and judgement.policy.kind not in _LABEL_SELECTORS:
        changed = replace(entity, nets=nets, not_nets=())
        text = f"set {side}.nets to [{', '.join(map(str, nets))}]"
        yield Proposal(text, _replaced(judgement.policy, leak, changed))


def _replaced(policy: Policy, leak: Leak, entity: Entity) -> tuple[Rule, ...]:
    """All rules, with another peer in those at the path: a Kubernetes rule with several protocols is several here."""
    path = leak.shape.rule.path
    return tuple(
        _with_peer(rule, leak.direction, entity) if rule.path == path else rule for rule in policy.rules(leak.direction)
    )


def _with_peer(rule: Rule, direction: Direction, entity: Entity) -> Rule:
    if direction is Direction.INGRESS:
        return replace(rule, source=replace(entity, ports=rule.source.ports, not_ports=rule.source.not_ports))
    ports = rule.destination.ports
    return replace(rule, destination=replace(entity, ports=ports, not_ports=rule.destination.not_ports))


def _without(judgement: Judgement, leak: Leak) -> str:
    settings = judgement.universe.settings
    remove = f"remove {_removable(judgement.policy, leak)}"
    direction = leak.direction.value.lower()
    kinds = {hit.peer.kind for hit in leak.hits}
    namespaces = list(dict.fromkeys(hit.peer.namespace for hit in leak.hits if hit.peer.namespace))
    if leak.direction is Direction.EGRESS and all(name in _dns_namespaces(judgement) for name in namespaces or [""]):
        return f"{remove}; for DNS there is dns-allow already"
    if leak.shape.peer.service is not None:
        return f"{remove}, or name pods instead of the service"
    if namespaces and all(name in judgement.universe.namespaces for name in namespaces):
        return f"{remove}, or ask {settings.contact} to share namespace {listed(namespaces)} for {direction}"
    if namespaces:
        return f"create namespace {listed(namespaces)} first, or name its environment instead"
    if Kind.OUTSIDE in kinds and leak.shape.peer.nets:
        nets = listed([str(net) for net in leak.shape.peer.nets], limit=2)
        return f"{remove}, or ask {settings.contact} to list {nets} under cidrs.{direction}"
    return remove


def _removable(policy: Policy, leak: Leak) -> str:
    """The rule's place; that of the whole rule where it is its only peer, for a rule without peers is for everybody."""
    path = leak.shape.rule.path
    if policy.kind not in _LABEL_SELECTORS or _names_no_peer(path):
        return path
    whole = path.rpartition(".")[0]
    others = {rule.path for rule in policy.rules(leak.direction) if rule.path.startswith(f"{whole}.")} - {path}
    return path if others else whole


def _dns_namespaces(judgement: Judgement) -> frozenset[str]:
    return frozenset(servers.namespace for servers in judgement.universe.dns)


def block_fix(judgement: Judgement, block: Block) -> str:
    """What lets DNS through again: a rule for it before the one at fault, or a last one that passes on."""
    policy = judgement.policy
    if block.shape is not None and block.shape.action is Action.PASS:
        return f"remove {block.shape.rule.path}, or use Allow for what settings permit"
    for proposal in _block_proposals(judgement, block):
        try:
            if not any(_is_same(found, block) for found in blocks(_changed(judgement, Direction.EGRESS, proposal))):
                return proposal.text
        except TooComplexError:
            continue
    if block.shape is not None:
        return f"remove {block.shape.rule.path}"
    return f"move {policy.name} out of tier {policy.tier}"


def _is_same(found: Block, block: Block) -> bool:
    return (found.shape is None) is (block.shape is None) and (
        found.shape is None or block.shape is None or found.shape.rule.path == block.shape.rule.path
    )


def _block_proposals(judgement: Judgement, block: Block) -> Iterator[Proposal]:
    rules = judgement.policy.egress
    ports = "/".join(str(port) for port in judgement.universe.settings.dns.ports)
    if block.shape is None:
        last = Rule(Action.PASS, f"spec.egress[{len(rules)}]")
        yield Proposal("add {action: Pass} as the last rule of spec.egress", (*rules, last))
        return
    at = next(number for number, rule in enumerate(rules) if rule is block.shape.rule)
    allowing = read_rules(list(dns_rules(judgement.universe.settings)), Direction.EGRESS, "", Notes())
    text = f"allow UDP and TCP {ports} to the DNS pods in a rule before {block.shape.rule.path}"
    yield Proposal(text, (*rules[:at], *allowing, *rules[at:]))

"""References that a full pass would change, seen before it: members that leave groups, and what else waits for a word.

What the second wave (`waves.send_references`) finds in the store once everybody was decided about is worked out here
from the decisions themselves, and nothing is written.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from muster.engine.decide import Decision
from muster.engine.parts import EngineStores, JobParts
from muster.engine.referring import members_lost, reference_operation
from muster.model.directory import ObjectKind
from muster.model.log import SkipReason
from muster.model.operation import LinkState, Operation, OperationKind, WantedReference
from muster.planning.policy import Approval, GateVerdict, Population, RemovalKind, gate, removal_verdicts
from muster.ports.cycles import OpenReference
from muster.ports.world import Ids

_OURS = (LinkState.ADOPTED, LinkState.MANAGED)
_PAGE = 500

_Place = tuple[ObjectKind, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighedMembers:
    """Members that would leave their groups, those held of them, and why; other references that would be held."""

    removed: int = 0
    held: int = 0
    reasons: tuple[str, ...] = ()
    others_held: int = 0


class Memberships:
    """Takes in what is decided about everybody; says in the end what becomes of their references."""

    def __init__(self, parts: JobParts, stores: EngineStores, ids: Ids) -> None:
        self._parts = parts
        self._stores = stores
        self._ids = ids
        self._holds_all = parts.approval is Approval.ALL
        self._found: list[OpenReference] = []
        # Whose references the pass writes down anew: of everybody else what the store knows stands.
        self._decided: set[_Place] = set()

    def add(self, kind: ObjectKind, decisions: Sequence[Decision]) -> None:
        """Takes in a page of decisions. Removals are none of its affair: they keep their references until they go."""
        owners = {
            each.operation.source_id: each.operation
            for each in decisions
            if _is_ours(each) and self._writes_down(each.operation) and self._matters(each.operation.references)
        }
        if not owners:
            return
        self._decided.update((kind, source_id) for source_id in owners)
        known = {
            (each.source_id, each.attribute): each
            for each in self._stores.links.references(self._parts.job.id, kind, list(owners))
        }
        for owner in owners.values():
            for wanted in owner.references:
                place = (owner.source_id, wanted.attribute)
                held = known[place].against(wanted.source_ids) if place in known else {}
                item = self._changed(kind, owner, wanted, held)
                if item is not None:
                    self._found.append(item)

    def weigh(self, removing: Sequence[Operation], verdict: GateVerdict) -> WeighedMembers:
        """Returns what becomes of members. `removing`: accounts and groups that go, of which `verdict` holds some."""
        job_id = self._parts.job.id
        may_go = {(each.object_kind, each.source_id) for each in verdict.released}
        gone = {
            (each.object_kind, each.source_id)
            for each in removing
            if each.kind is OperationKind.DELETE and (each.object_kind, each.source_id) in may_go
        }
        # A group that is deleted goes with all its members, before this wave.
        items = [each for each in (*self._found, *self._others()) if (each.kind, each.source_id) not in gone]
        leaving = sum(len(members_lost(each)) for each in items)
        tripped: Mapping[RemovalKind, str] = {}
        # Whoever is deleted counts as such, and not once more in each of their groups.
        counted = sum((each.reference_kind, end) not in gone for each in items for end, _ in members_lost(each))
        if counted and self._parts.threshold.enabled:
            members = self._stores.links.count_members(job_id) - self._gone_with(gone)
            population = Population(linked=0, members=members)
            tripped = removal_verdicts({RemovalKind.MEMBER_REMOVAL: counted}, population, 0, self._parts.threshold)
        return self._gated(items, tripped, leaving)

    # ------------------------------------------------------------ what differs

    def _matters(self, references: Sequence[WantedReference]) -> bool:
        """Whether references are looked up: whoever has a manager only is let through, unless everything waits."""
        return bool(references) and (self._holds_all or any(each.multivalued for each in references))

    def _writes_down(self, operation: Operation) -> bool:
        """Whether the pass keeps what is wanted of these references: of what fails, waits or is held it does not."""
        waits = operation.waits_until is not None or operation.skip_reason is SkipReason.PROTECTED
        if operation.removes or waits or operation.kind is OperationKind.FAIL:
            return False
        return not (self._holds_all and operation.kind.writes)

    def _changed(
        self, kind: ObjectKind, owner: Operation, wanted: WantedReference, known: Mapping[str, str]
    ) -> OpenReference | None:
        if not wanted.multivalued and not self._holds_all:
            return None
        staying = set(wanted.source_ids)
        gone = tuple((source_id, target_id) for source_id, target_id in known.items() if source_id not in staying)
        come: tuple[tuple[str, str], ...] = ()
        if self._holds_all:
            missing = [source_id for source_id in wanted.source_ids if source_id not in known]
            linked = self._stores.links.links(self._parts.job.id, wanted.kind, missing) if missing else {}
            come = tuple((each, link.target_id) for each, link in linked.items() if link.state in _OURS)
        if not gone and not come:
            return None
        return OpenReference(
            kind=kind,
            source_id=owner.source_id,
            source_name=owner.source_name,
            target_id=owner.target_id or "",
            attribute=wanted.attribute,
            reference_kind=wanted.kind,
            multivalued=wanted.multivalued,
            add=come,
            remove=gone,
        )

    def _others(self) -> list[OpenReference]:
        """Returns what is open of those about whom nothing was decided anew."""
        job_id, found, after = self._parts.job.id, list[OpenReference](), None
        if not self._holds_all and not self._stores.links.count_leaving_members(job_id):
            return found
        while True:
            page, after = self._stores.links.open_references(job_id, _PAGE, after)
            found += [
                each
                for each in page
                if (each.kind, each.source_id) not in self._decided and (self._holds_all or members_lost(each))
            ]
            if after is None:
                return found

    def _gone_with(self, gone: Collection[_Place]) -> int:
        """Returns how many confirmed members are no more once groups were deleted."""
        found = 0
        for kind in {kind for kind, _ in gone}:
            ids = [source_id for each, source_id in gone if each is kind]
            for known in self._stores.links.references(self._parts.job.id, kind, ids):
                found += len(known.acknowledged) if known.multivalued else 0
        return found

    # ------------------------------------------------------------ the gate

    def _gated(
        self, items: Sequence[OpenReference], tripped: Mapping[RemovalKind, str], leaving: int
    ) -> WeighedMembers:
        holds = {
            (kind, *place): hold
            for kind, ids in _by_kind(items)
            for place, hold in self._stores.holds.find(self._parts.job.id, kind, ids).items()
        }
        size = self._parts.target.capabilities.members_per_request
        held = others = 0
        reasons: dict[str, None] = {}
        for item in items:
            asked = item if self._holds_all else replace(item, add=(), remove=members_lost(item))
            if not asked.add and not asked.remove:
                continue
            operation = reference_operation(asked, size, self._ids)
            hold = holds.get((item.kind, item.source_id, item.attribute))
            known = {} if hold is None else {(item.kind, item.source_id): hold}
            verdict = gate([operation], tripped=tripped, read_complete=True, holds=known, approval=self._parts.approval)
            if verdict.held:
                lost = len(members_lost(asked))
                held += lost
                others += bool(asked.add) or not lost
                reasons[verdict.held[0].reason] = None
        return WeighedMembers(removed=leaving, held=held, reasons=tuple(reasons), others_held=others)


def _is_ours(decision: Decision) -> bool:
    link = decision.target.link
    return link is not None and link.state in _OURS


def _by_kind(items: Collection[OpenReference]) -> list[tuple[ObjectKind, list[str]]]:
    return [(kind, [each.source_id for each in items if each.kind is kind]) for kind in {each.kind for each in items}]

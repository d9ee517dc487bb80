"""What safeguards let through: everybody is decided about as by a full pass, the gate is asked, nothing is written."""

from collections.abc import Sequence

from muster.engine.decide import Decider
from muster.engine.gate import verdicts_on
from muster.engine.holding import find_holds
from muster.engine.memberships import Memberships
from muster.engine.parts import EngineStores, JobParts
from muster.engine.whatif import PAGE, LinkedOnly, thought_cycle
from muster.model.directory import ObjectKind
from muster.model.hold import Hold
from muster.model.log import SkipReason
from muster.model.operation import Change, Operation
from muster.model.whatif import Weighed
from muster.planning.policy import Approval, count_removals, gate, undecided
from muster.ports.engine_room import Told
from muster.ports.world import Clock, Ids

# So many are looked at, whatever the directory's size: somebody waits at a form.
LOOKED_AT = 200_000


def weigh_safeguards(
    parts: JobParts,
    stores: EngineStores,
    clock: Clock,
    ids: Ids,
    *,
    looked_at: int = LOOKED_AT,
    told: Told | None = None,
) -> Weighed:
    """Returns what the safeguards of `parts` would let through now.

    `told`: hears how many were looked at so far, page by page.
    """
    decider = Decider(parts, stores, LinkedOnly(stores, parts.job.id), clock, ids)
    cycle = thought_cycle(parts, clock, ids)
    removing: list[Operation] = []
    holds: dict[tuple[ObjectKind, str], Hold] = {}
    considered = protected = spared = waiting = writes = 0
    is_partial = False
    memberships = Memberships(parts, stores, ids)
    for kind in parts.rules.kinds:
        position: str | None = None
        while not is_partial:
            page = parts.source.read(kind, None, position, PAGE)
            considered += len(page.changes)
            protected += _protected(parts, decider, kind, page.changes)
            decisions = decider.decide(cycle, kind, page.changes)
            memberships.add(kind, decisions)
            operations = [decision.operation for decision in decisions]
            spared += sum(each.skip_reason is SkipReason.PROTECTED for each in operations)
            waiting += sum(each.waits_until is not None for each in operations)
            taken = [each for each in operations if each.removes]
            writes += sum(each.kind.writes for each in operations) - len(taken)
            removing += taken
            holds |= find_holds(stores, parts.job.id, taken)
            if told is not None:
                told(considered)
            position = page.next_after
            if position is None:
                break
            is_partial = considered >= looked_at
    verdict = gate(
        removing,
        tripped=verdicts_on(count_removals(undecided(removing, holds)), parts, stores, clock),
        read_complete=True,
        holds=holds,
        approval=parts.approval,
    )
    members = memberships.weigh(removing, verdict)
    return Weighed(
        considered=considered,
        is_partial=is_partial,
        removals=len(removing),
        held=len(verdict.held),
        members_removed=members.removed,
        members_held=members.held,
        reasons=tuple(dict.fromkeys((*(each.reason for each in verdict.held), *members.reasons))),
        protected=protected,
        spared=spared,
        waiting=waiting,
        writes_held=writes + members.others_held if parts.approval is Approval.ALL else 0,
    )


def _protected(parts: JobParts, decider: Decider, kind: ObjectKind, changes: Sequence[Change]) -> int:
    protections = parts.protections
    if not protections:
        return 0
    groups = decider.groups_of(kind, [change.source_id for change in changes])
    return sum(protections.reason(change, groups.get(change.source_id, ())) is not None for change in changes)

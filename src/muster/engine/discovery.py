"""The last part of a reconciliation: accounts at the target that nobody manages, and whose they might be."""

from collections.abc import Iterable, Sequence

from muster.engine.lookup import has_census
from muster.engine.parts import EngineStores, environment
from muster.engine.run import Run
from muster.model.directory import ObjectKind
from muster.model.discovery import DiscoveredAccount, Standing
from muster.model.job import CyclePhase
from muster.model.operation import Change, MatchingValue, Presence, TargetResource, Verdict
from muster.planning.intent import whose
from muster.ports.world import Clock, Ids

PAGE = 500
# The place within the phase: `listed User <target id>`, then `people <key>`.
_LISTED, _PEOPLE = "listed", "people"


def discover(run: Run, stores: EngineStores, clock: Clock, ids: Ids) -> None:
    """Does one piece: a page of the target's list, or a page of the source; ends in the closing phase.

    Without a whole list of the target nothing can be said, and what an earlier cycle found stays.
    """
    if not has_census(run.cycle):
        run.commit(run.move(phase=CyclePhase.CLOSING))
        return
    stage, _, place = (run.cycle.position or f"{_LISTED} {ObjectKind.USER.value} ").partition(" ")
    if stage == _LISTED:
        _keep_unmanaged(run, stores, place)
    else:
        _tell_whose(run, stores, clock, ids, place or None)


def _keep_unmanaged(run: Run, stores: EngineStores, place: str) -> None:
    kind_name, _, after = place.partition(" ")
    kind = ObjectKind(kind_name)
    page, next_after = stores.census.page(run.cycle.id, kind, after or None, PAGE)
    stores.discovery.keep(
        run.cycle,
        [
            DiscoveredAccount(kind=kind, target_id=item.target_id, display_name=item.display_name)
            for item in _unmanaged(run, stores, kind, page)
        ],
    )
    if next_after is not None:
        run.commit(run.move(position=f"{_LISTED} {kind.value} {next_after}"))
    elif kind is ObjectKind.USER and ObjectKind.GROUP in run.parts.rules.kinds:
        run.commit(run.move(position=f"{_LISTED} {ObjectKind.GROUP.value} "))
    else:
        stores.discovery.drop_others(run.cycle)
        run.commit(run.move(position=f"{_PEOPLE} "))


def _tell_whose(run: Run, stores: EngineStores, clock: Clock, ids: Ids, after: str | None) -> None:
    """Looks for the people of the source, in scope or not, among the accounts that nobody manages."""
    kind = ObjectKind.USER
    rules, everyone = run.parts.rules.kinds.get(kind), run.parts.everyone
    if rules is None or everyone is None or not stores.discovery.count(run.cycle.job_id)[Standing.LOCAL]:
        run.commit(run.move(phase=CyclePhase.CLOSING))
        return
    page = everyone.read(kind, None, after, PAGE)
    surroundings = environment(run.parts.job, clock, ids)
    people = [(change, *whose(change, rules, run.parts.terms, surroundings)) for change in page.changes]
    stores.discovery.keep(run.cycle, list(_matched(run, stores, kind, people)))
    if page.next_after is None:
        run.commit(run.move(phase=CyclePhase.CLOSING))
    else:
        run.commit(run.move(position=f"{_PEOPLE} {page.next_after}"))


def _matched(
    run: Run,
    stores: EngineStores,
    kind: ObjectKind,
    people: Sequence[tuple[Change, Verdict, MatchingValue | None]],
) -> Iterable[DiscoveredAccount]:
    """Returns the unmanaged accounts that somebody matches by the first matching attribute, as in Entra's discovery."""
    asking = {matching.value: (change, verdict) for change, verdict, matching in people if matching is not None}
    attribute = next((matching.attribute for _, _, matching in people if matching is not None), None)
    if attribute is None:
        return
    found = stores.census.find(run.cycle.id, kind, attribute, list(asking))
    free = {item.target_id for item in _unmanaged(run, stores, kind, [one for each in found.values() for one in each])}
    for value, several in found.items():
        change, verdict = asking[value]
        for resource in several:
            if resource.target_id in free:
                yield DiscoveredAccount(
                    kind=kind,
                    target_id=resource.target_id,
                    display_name=resource.display_name,
                    standing=Standing.ASSIGNED if verdict.presence is Presence.PRESENT else Standing.UNASSIGNED,
                    source_id=change.source_id,
                    source_name=change.display_name,
                )


def _unmanaged(
    run: Run, stores: EngineStores, kind: ObjectKind, resources: Sequence[TargetResource]
) -> Sequence[TargetResource]:
    """Returns those that no job of this application has linked."""
    ids = [item.target_id for item in resources]
    owners = stores.links.owners(run.cycle.job_id, kind, ids) if ids else {}
    return [item for item in resources if item.target_id not in owners]

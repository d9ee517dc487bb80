"""The last part of a reconciliation: accounts at the target that nobody manages, and whose they might be."""

from collections.abc import Sequence
from dataclasses import replace

from muster.engine.lookup import has_census
from muster.engine.parts import EngineStores, environment
from muster.engine.run import Run
from muster.model.directory import ObjectKind
from muster.model.discovery import DiscoveredAccount, Standing
from muster.model.job import CyclePhase
from muster.model.operation import TargetResource
from muster.model.values import Value
from muster.planning.intent import is_in_scope, matching_of
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
    attribute = _matching_attribute(run, kind)
    stores.discovery.keep(
        run.cycle,
        [
            DiscoveredAccount(
                kind=kind,
                target_id=item.target_id,
                display_name=item.display_name,
                matching=None if attribute is None else _folded(item.attributes.get(attribute)),
            )
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
    if run.unmanaged is None:
        run.unmanaged = stores.discovery.by_matching(run.cycle.job_id, kind)
    if rules is None or everyone is None or not run.unmanaged:
        run.commit(run.move(phase=CyclePhase.CLOSING))
        return
    page = everyone.read(kind, None, after, PAGE)
    surroundings = environment(run.parts.job, clock, ids)
    found: list[DiscoveredAccount] = []
    for change in page.changes:
        matching = matching_of(change, rules, surroundings)
        accounts = () if matching is None else run.unmanaged.get(matching.value.casefold(), ())
        if accounts:
            in_scope = is_in_scope(change, rules, run.parts.terms)
            standing = Standing.ASSIGNED if in_scope else Standing.UNASSIGNED
            found += [
                replace(account, standing=standing, source_id=change.source_id, source_name=change.display_name)
                for account in accounts
            ]
    stores.discovery.keep(run.cycle, found)
    if page.next_after is None:
        run.commit(run.move(phase=CyclePhase.CLOSING))
    else:
        run.commit(run.move(position=f"{_PEOPLE} {page.next_after}"))


def _matching_attribute(run: Run, kind: ObjectKind) -> str | None:
    """Returns the first matching attribute: it alone tells whose an account is, as in Entra's account discovery."""
    rules = run.parts.rules.kinds.get(kind)
    return rules.matching[0].attribute if rules is not None and rules.matching else None


def _folded(value: Value) -> str | None:
    return None if value is None else str(value).casefold()


def _unmanaged(
    run: Run, stores: EngineStores, kind: ObjectKind, resources: Sequence[TargetResource]
) -> Sequence[TargetResource]:
    """Returns those that no job of this application has linked."""
    ids = [item.target_id for item in resources]
    owners = stores.links.owners(run.cycle.job_id, kind, ids) if ids else {}
    return [item for item in resources if item.target_id not in owners]

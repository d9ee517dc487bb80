"""The census of a full pass: the target is listed, where that is fewer requests than asking for each object."""

from dataclasses import replace

from muster.engine.parts import EngineStores, JobParts
from muster.engine.run import Run
from muster.model.directory import ObjectKind
from muster.model.job import Cycle, CycleKind, CyclePhase
from muster.model.operation import Link
from muster.ports.target import ListedPage


def list_page(run: Run, stores: EngineStores) -> None:
    """Lists the next page of the target into the census, and moves on when there is none or it is not worth it."""
    kind_name, _, start = (run.cycle.position or ObjectKind.USER.value).partition(":")
    kind = ObjectKind(kind_name)
    rules = run.parts.rules.kinds.get(kind)
    if rules is None:
        _done(run, kind, complete=True)
        return
    page = run.parts.target.list_page(kind, start or None)
    if not start and (not _is_worth_listing(page, run.parts, run.cycle) or _is_brief(run, stores, kind, page)):
        _done(run, ObjectKind.GROUP, complete=False)
        return
    matching = [item.attribute for item in rules.matching]
    stores.census.add(run.cycle.id, kind, page.resources, matching)
    if page.next_start is None:
        # A list that is shorter than the target says proves nothing: then each object is asked for.
        listed = stores.census.count(run.cycle.id, kind)
        _done(run, kind, complete=page.is_whole and listed >= (page.total or 0))
        return
    run.commit(run.move(position=f"{kind_name}:{page.next_start}"))


def _done(run: Run, kind: ObjectKind, *, complete: bool) -> None:
    if kind is ObjectKind.USER and complete:
        run.commit(run.move(position=ObjectKind.GROUP.value))
        return
    options = {**run.cycle.options, "census": "complete" if complete else "partial"}
    run.commit(replace(run.move(phase=CyclePhase.USERS), options=options))


def _is_worth_listing(page: ListedPage, parts: JobParts, cycle: Cycle) -> bool:
    if cycle.kind is CycleKind.RECONCILIATION:
        return True
    if page.total is None:
        return page.next_start is None
    return page.total / max(parts.target.capabilities.page_size, 1) <= cycle.counters.expected


def _is_brief(run: Run, stores: EngineStores, kind: ObjectKind, page: ListedPage) -> bool:
    """Whether lists show less of an object than the object itself: then what they do not show proves nothing.

    One object is asked for, of which the list shows the least of what the target has confirmed; else nobody.
    """
    if page.resources and all(resource.display_name is None for resource in page.resources):
        return True
    listed = {resource.target_id: resource for resource in page.resources}
    owners = stores.links.owners(run.cycle.job_id, kind, list(listed)) if listed else {}
    ours = [source_id for job_id, source_id in owners.values() if job_id == run.cycle.job_id]
    missing = {
        link.target_id: _confirmed(link) - listed[link.target_id].attributes.keys()
        for link in stores.links.links(run.cycle.job_id, kind, ours).values()
        if link.target_id in listed
    }
    suspect = max(missing, key=lambda target_id: len(missing[target_id]), default=None)
    if suspect is None or not missing[suspect]:
        return False
    whole = run.parts.target.read(kind, suspect)
    return whole is not None and bool(missing[suspect] & whole.attributes.keys())


def _confirmed(link: Link) -> frozenset[str]:
    """Returns the attributes that the target has of an object, as far as it has confirmed them."""
    acknowledged = link.acknowledged
    shown = {**acknowledged.sent, **acknowledged.seen}
    return frozenset(name for name, value in shown.items() if value is not None)

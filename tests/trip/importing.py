"""A source outside that is read into our directory, in one process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from playing import Trip

from muster.bootstrap.job_parts import governed_parts
from muster.bootstrap.rule_shelf import RuleShelf
from muster.engine.parts import JobParts
from muster.model.directory import DirectoryObject, Lifecycle, ObjectKind
from muster.model.values import Attributes
from muster.planning.entitlement import EntitlementRules
from muster.ports.directory import DirectoryQuery
from muster.ports.reader import Ending, Entry, ReadPage
from muster.sources.mirror import MirrorSource
from muster.targets.directory import DirectoryTarget


class PlayedSource:
    """A source outside that says whole what it has."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def probe(self) -> str:
        return ""

    def read(self, _: str | None) -> Iterator[ReadPage]:
        yield ReadPage(entries=self.entries, ending=Ending.WHOLE)

    def close(self) -> None:
        """Nothing is open."""


class Import(Trip):
    """An LDAP server that is read into our directory."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, page="ldap")
        self.source = PlayedSource()

    def open_job(self, job_id: str, _options: Mapping[str, str]) -> JobParts:
        job = self.store.jobs.get(job_id)
        assert job is not None
        source = MirrorSource(job_id, self.store.mirrors, lambda: self.source, self.clock)
        target = DirectoryTarget(self.store.directory, self.clock)
        rules = RuleShelf(self.store.jobs, self.store.directory).of(job)[1]
        entitlement = EntitlementRules(sync_all=True, accepts_default_access=True, carries_inactive=True)
        parts = governed_parts(job, rules, {}, entitlement, source, target)
        return replace(parts, threshold=self.threshold, together=self.store.links._database.together)

    def read(self, also: Attributes | None = None, **anchors: str) -> None:
        """Reads a source that has these people, by name, with the ids of their entries; `also`: what else they have."""
        self.source.entries = [
            Entry(
                kind=ObjectKind.USER,
                source_id=anchor,
                attributes={
                    **{"uid": name, "mail": f"{name}@lantaarn.example", "cn": name, "sn": name, "givenName": name},
                    **(also or {}),
                },
                names=(f"uid={name}",),
            )
            for name, anchor in anchors.items()
        ]
        self.clock.advance(timedelta(minutes=1))
        self.run()

    def person(self, name: str) -> DirectoryObject:
        (found,) = self.store.directory.search(
            DirectoryQuery(
                kind=ObjectKind.USER,
                comparisons=(("mail", "eq", f"{name}@lantaarn.example"),),
                lifecycles=(Lifecycle.PRESENT, Lifecycle.SOFT_DELETED),
            )
        ).objects
        return found

"""Compiled rules are kept for a version of a job's rules, and for no other."""

from dataclasses import replace
from datetime import timedelta

from fakes.company import NOW, Company, job
from muster.bootstrap.rule_shelf import RuleShelf
from muster.gallery.catalogue import find
from muster.store.open import Store


def test_rules_are_compiled_once_a_version_and_anew_for_a_job_that_was_made_again(store: Store) -> None:
    Company(store).found()
    page = find("folder")
    assert page is not None
    store.jobs.add(job("folder.1", "sp"), page.schema_document(), "admin")
    shelf, first = RuleShelf(store.jobs, store.directory), store.jobs.get("folder.1")
    assert first is not None
    _, rules = shelf.of(first)
    assert shelf.of(first)[1] is rules
    store.jobs.save_schema("folder.1", page.schema_document(), "admin", NOW)
    second = store.jobs.get("folder.1")
    assert second is not None and second.schema_version != first.schema_version
    assert shelf.of(second)[1] is not rules
    assert shelf.of(replace(second, created_at=NOW + timedelta(days=1)))[1] is not shelf.of(second)[1]
    # What was asked for under a version that has passed is not kept under it.
    late = RuleShelf(store.jobs, store.directory)
    assert late.of(first)[1] is not late.of(first)[1]

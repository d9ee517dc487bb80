"""GUIDs: version 4, never the same twice, not in a child process either."""

import os
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from muster.database.guids import new_guid


def test_guids_are_random_ones_of_version_4_and_differ_between_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = [
            guid for several in pool.map(lambda _: [new_guid() for _ in range(1_000)], range(4)) for guid in several
        ]
    assert len(set(made)) == 4_000
    assert all(str(UUID(guid)) == guid and UUID(guid).version == 4 for guid in made)
    assert {guid[19] for guid in made} == set("89ab")


def test_a_forked_child_makes_others_than_its_parent() -> None:
    new_guid()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(new_guid() for _ in range(300)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    os.waitpid(child, 0)
    made = {text[at : at + 36] for at in range(0, len(text), 36)}
    assert len(made) == 300
    assert made.isdisjoint(new_guid() for _ in range(300))

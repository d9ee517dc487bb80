"""The page on files as a source, as a reader follows it: every command of it is run, in order."""

import json
from contextlib import ExitStack
from dataclasses import replace

from live.test_tutorial import Reader, blocks, reader
from muster.bootstrap.house import open_house
from muster.settings import load_settings

# A fixture of the tutorial's test.
reader = reader


def test_the_page_on_files_can_be_followed_to_its_end(reader: Reader) -> None:
    data = reader.home / ".local/share/muster/service"
    open_house(load_settings(data=data), data).database.close()
    page = blocks("sources/files.md")
    assert [block.kind.partition(" ")[0] for block in page] == ["sh", "csv", "sh", "sh"]
    with ExitStack() as stack:
        for block in page:
            reader.do(block, stack)
        reader.do(replace(page[0], text="muster source list --json > listed.json"), stack)
    (source,) = json.loads((reader.home / "listed.json").read_text())
    assert (source["mirror"]["users"], source["mirror"]["isComplete"]) == (2, True)

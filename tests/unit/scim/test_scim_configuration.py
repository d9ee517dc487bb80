"""What a service says of itself."""

from typing import Any

import pytest

from muster.scim.configuration import Configuration, read_configuration


@pytest.mark.parametrize(
    ("document", "configuration"),
    [
        ({}, Configuration()),
        ({"patch": {"supported": False}}, Configuration(patch=False)),
        (
            {
                "PATCH": {"Supported": True},
                "filter": {"supported": True, "maxResults": 200},
                "bulk": {"supported": True, "maxOperations": 100, "maxPayloadSize": 1_048_576},
            },
            Configuration(
                patch=True,
                filter=True,
                bulk=True,
                bulk_max_operations=100,
                bulk_max_payload_bytes=1_048_576,
            ),
        ),
        (
            {"patch": True, "filter": {"supported": "yes", "maxResults": 0}, "bulk": {"maxOperations": True}},
            Configuration(),
        ),
    ],
)
def test_only_what_has_the_standard_s_form_counts_as_said(
    document: dict[str, Any], configuration: Configuration
) -> None:
    assert read_configuration(document) == configuration

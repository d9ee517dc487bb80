"""A foreign conformance suite against our own `/scim/v2`: every check passes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from played_installation import service


def test_scim2_tester_finds_nothing_wrong_with_inbound_scim(tmp_path: Path) -> None:
    with service(tmp_path / "data") as running:
        # It removes nearly all that it has made, which would wait for somebody's approval.
        body = json.dumps({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "first"}).encode()
        headers = {"content-type": "application/scim+json"}
        assert running.api.exchange("POST", "/scim/v2/Users", body, headers)[0] == 201
        (found,) = running.api.get("/servicePrincipals?$filter=displayName%20eq%20'SCIM%20clients'")["value"]
        jobs = f"/servicePrincipals/{found['id']}/synchronization/jobs"
        off = {"synchronizationJobSettings": [{"name": "DeleteThresholdEnabled", "value": "false"}]}
        running.api.call("PATCH", f"{jobs}/{running.api.get(jobs)['value'][0]['id']}", off)
        done = subprocess.run(
            [Path(sys.executable).parent / "scim2", "--url", f"{running.url}/scim/v2", "test"],
            env={**os.environ, "SCIM_CLI_HEADERS": f"Authorization: Bearer {running.token}"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    verdicts = re.findall(r"^(SUCCESS|COMPLIANT|ACCEPTABLE|DEVIATION|ERROR|CRITICAL|SKIPPED) (\S+)", done.stdout, re.M)
    assert [verdict for verdict in verdicts if verdict[0] in ("DEVIATION", "ERROR", "CRITICAL")] == [], done.stdout
    assert len(verdicts) >= 100, done.stdout + done.stderr

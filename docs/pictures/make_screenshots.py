"""Takes the two pictures of the README in a real browser, of a demo that it runs for them: make screenshots."""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from faces import browser as pictures
from faces.browser import Browser
from muster.cli.api import HttpApi, query
from played_configuration_manager import configuration_manager
from played_installation import command, service
from waiting import eventually

HERE = Path(__file__).parent
PEOPLE = 3_000
NAME, PASSWORD = "anna", "a long enough pass phrase"


def main() -> None:
    """Writes overview.png and logs.png beside this file."""
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        played = command("demo", "--users", PEOPLE, "--exit", "--json", "--data", folder)
        if played.status:
            sys.exit(played.err)
        before, sys.stdin = sys.stdin, io.StringIO(f"{PASSWORD}\n")
        try:
            made = command("admin", "create", NAME, "--password-stdin", "--data", folder / "service")
        finally:
            sys.stdin = before
        if made.status:
            sys.exit(made.err)
        pictures.ARTEFACTS = folder / "pictures"
        with configuration_manager(folder / "configuration-manager") as manager, service(folder / "service") as served:
            url = f"{manager.url}/udi{played.json['scim_url'].partition('/udi')[2]}"
            connect(served.api, url, played.json["scim_token"])
            take(Browser(served.url))
        for name in ("overview", "logs"):
            shutil.copy(pictures.ARTEFACTS / f"{name}.png", HERE / f"{name}.png")


def connect(api: HttpApi, url: str, token: str) -> None:
    """Tells 8x8's new address, as the demo's own has another port."""
    found = api.get("/servicePrincipals" + query(filter="displayName eq '8x8'"))["value"][0]["id"]
    value = [{"key": "BaseAddress", "value": url}, {"key": "SecretToken", "value": token}]
    api.put(f"/servicePrincipals/{found}/synchronization/secrets", {"value": value})


def take(browser: Browser) -> None:
    """Takes both pictures: an overview while a cycle runs, and an entry of the log beside the list."""
    try:
        browser.size(1280, 860)
        browser.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        browser.sign_in(NAME, PASSWORD)
        browser.go("/applications")
        browser.click("td.who a", "8x8")
        browser.see(".tabs")
        app = browser.driver.current_url.partition("?")[0]
        browser.go(f"{app}/logs?status=failure")
        browser.click("td.who a")
        browser.see("#panel .trail")
        browser.picture("logs")

        def is_under_way() -> bool:
            browser.go(app)
            meters = browser.all("progress.meter")
            if not meters:
                # The last one is over already.
                browser.go(f"{app}/restart")
                browser.press("Restart")
            return any(float(str(each.get_property("value"))) > 0 for each in meters)

        eventually(is_under_way, 60)
        browser.picture("overview")
    finally:
        browser.close()


if __name__ == "__main__":
    main()

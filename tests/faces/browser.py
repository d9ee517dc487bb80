"""A real browser for tests: Chromium driven by Selenium, found on the path, or installed where that is allowed."""

import base64
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from played_packages import install
from waiting import eventually

AXE = Path(__file__).with_name("axe.min.js")
ARTEFACTS = Path(os.environ.get("MUSTER_SCREENSHOTS") or Path(__file__).parents[2] / "artefacts")
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_browser() -> tuple[str, str] | None:
    """Returns the paths of the browser and its driver; installs them where this is root on Debian."""
    for _ in range(2):
        browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        driver = shutil.which("chromedriver")
        if browser and driver:
            return browser, driver
        if not install("chromium", "chromium-driver"):
            return None
    return None


class Browser:
    """One window, with what tests ask of it."""

    def __init__(self, base: str, language: str = "en") -> None:
        found = find_browser()
        if found is None:
            pytest.skip("no browser: install chromium and chromedriver (Debian: apt install chromium chromium-driver)")
        options = Options()
        options.binary_location = found[0]
        for switch in (*_SWITCHES, f"--lang={language}"):
            options.add_argument(switch)
        options.add_experimental_option("prefs", {"intl.accept_languages": language})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.base = base
        self.driver = webdriver.Chrome(options=options, service=Service(found[1]))
        self.driver.set_page_load_timeout(60)
        self.size(1280, 900)

    def close(self) -> None:
        self.driver.quit()

    def size(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def go(self, path: str) -> None:
        self.driver.get(path if path.startswith("http") else self.base + path)

    def theme(self, theme: str) -> None:
        self.driver.execute_script(f"localStorage.setItem('theme', '{theme}')")

    def scheme(self, theme: str) -> None:
        """What the system asks for, as pages see it that follow it."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def see(self, selector: str, text: str = "") -> WebElement:
        """Waits until something is shown that fits the selector and holds the text."""
        found: list[WebElement] = []

        def is_there() -> bool:
            found[:] = [each for each in self.all(selector) if each.is_displayed() and text in each.text]
            return bool(found)

        assert eventually(_lenient(is_there)), (
            f"no {selector} with “{text}” at {self.driver.current_url}: {self._shown()}"
        )
        return found[0]

    def gone(self, selector: str) -> None:
        assert eventually(_lenient(lambda: not self.all(selector))), f"{selector} is still there"

    def click(self, selector: str, text: str = "") -> None:
        """Clicks what fits; again if the page was just being exchanged."""

        def is_done() -> bool:
            element = self.see(selector, text)
            # In the middle of the window: not below a bar that stays at its end.
            self.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
            element.click()
            return True

        assert eventually(_lenient(is_done)), f"cannot click {selector} with “{text}” at {self._shown()}"

    def press(self, text: str, within: str = "main") -> None:
        """Presses the button or link of a name."""
        self.click(f"{within} button, {within} a", text)

    def accept(self) -> None:
        self.driver.switch_to.alert.accept()

    def fill(self, **fields: str) -> None:
        """Fills fields by name; of a list the entry with a value or text."""
        for name, value in fields.items():

            def is_done(name: str = name, value: str = value) -> bool:
                element = self.see(f"[name='{name}']")
                if element.tag_name == "select":
                    element.find_element(
                        By.XPATH, f".//option[normalize-space(.)='{value}' or @value='{value}']"
                    ).click()
                else:
                    element.clear()
                    element.send_keys(value)
                return True

            assert eventually(_lenient(is_done)), f"cannot fill {name} at {self._shown()}"

    def tick(self, selector: str, *, on: bool = True) -> None:
        element = self.see(selector)
        if element.is_selected() is not on:
            element.click()

    def sign_in(self, name: str, password: str) -> None:
        self.go("/sign-in")
        self.fill(name=name, password=password)
        self.all("form button:not([type=button])")[0].click()
        assert eventually(lambda: "/sign-in" not in self.driver.current_url), self._shown()

    def picture(self, name: str) -> Path:
        """Keeps a picture of the page once what moves has come to rest."""
        self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "const ends = each => each.effect.getComputedTiming().endTime !== Infinity;"
            "const ending = document.getAnimations().filter(ends).map(each => each.finished);"
            "Promise.allSettled(ending).then(() => done());"
        )
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        answer = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": False})
        path = ARTEFACTS / f"{name}.png"
        path.write_bytes(base64.b64decode(answer["data"]))
        return path

    def complaints(self) -> list[str]:
        """What the browser's console says that is wrong: errors, refusals of the content security policy."""
        return [
            str(entry["message"])
            for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING") and "favicon" not in entry["message"]
        ]

    def violations(self) -> list[str]:
        """What axe-core finds against WCAG 2.2 AA on this page."""
        self.driver.execute_script(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
            ".then(done, error => done({violations: [{id: String(error), nodes: []}]}));"
        )
        return [
            f"{each['id']}: {node['html'][:160]}"
            for each in found["violations"]
            for node in each["nodes"] or [{"html": ""}]
        ]

    def width_needed(self) -> int:
        return int(self.driver.execute_script("return document.documentElement.scrollWidth"))

    def _shown(self) -> str:
        text = self.all("main")[0].text[:500] if self.all("main") else ""
        return f"{self.driver.current_url}: {text}"


def _lenient(check: Callable[[], object]) -> Callable[[], bool]:
    def checked() -> bool:
        try:
            return bool(check())
        except WebDriverException:
            # The page is just being exchanged.
            return False

    return checked

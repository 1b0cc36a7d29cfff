"""A headless Chromium to look at pages with; `scripts/browser.py` finds or gets it.

Where there is none, and none can be had, the tests are skipped; with MULTIARCH_REQUIRE_ALL set,
they fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "browser.py"
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--hide-scrollbars",
)


@dataclass(frozen=True)
class Browser:
    """A Chromium that shows a page, and axe."""

    driver: Chrome
    axe: str

    def open(self, path: Path, *, anchor: str = "") -> None:
        """Load a page anew."""
        self.driver.get("about:blank")
        self.driver.get(f"{path.as_uri()}{f'#{anchor}' if anchor else ''}")

    def emulate(self, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Set the size of the window and what the system's settings say."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def find(self, selector: str) -> WebElement:
        """Give the first element."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def list_shown(self, selector: str) -> list[WebElement]:
        """Give the elements that are displayed."""
        return [e for e in self.driver.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()]

    def run(self, script: str, *arguments: object) -> Any:
        """Run a function's body in the page."""
        return self.driver.execute_script(script, *arguments)

    def wait(self) -> None:
        """Wait until what was typed has been dealt with."""
        self.driver.execute_async_script(
            "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        )

    def list_violations(self) -> list[str]:
        """Give what axe finds that is serious or critical: the rule, and where."""
        self.driver.execute_script(self.axe)
        found = self.driver.execute_async_script(
            "axe.run(document, {resultTypes: ['violations']}).then(arguments[0])"
        )
        return [
            f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Where Chromium, its driver and axe are."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with FileLock(shared / "browser.lock"):
        done = subprocess.run(
            [sys.executable, SCRIPT], check=False, capture_output=True, text=True, timeout=1800
        )
    if done.returncode:
        reason = f"no browser: {done.stderr.strip()}"
        if os.environ.get("MULTIARCH_REQUIRE_ALL"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="session")
def started(programs: dict[str, Any]) -> Iterator[Browser]:
    """The browser, started once."""
    options = ChromeOptions()
    options.binary_location = programs["browser"]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in ARGUMENTS:
        options.add_argument(argument)
    environ = {**os.environ, **programs["environ"]}
    service = ChromeService(programs["driver"], env=environ)
    driver = Chrome(options=options, service=service)
    try:
        yield Browser(driver, Path(programs["axe"]).read_text(encoding="utf-8"))
    finally:
        driver.quit()


@pytest.fixture
def browser(started: Browser) -> Iterator[Browser]:
    """The browser at its usual size; afterwards nothing may have been complained about."""
    started.emulate()
    started.driver.get_log("browser")
    yield started
    assert started.driver.get_log("browser") == []

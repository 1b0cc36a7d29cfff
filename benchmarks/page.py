#!/usr/bin/env python3
"""Measure the HTML page of a large record: rendering it, its size, opening and filtering it.

python benchmarks/page.py [--tests 5000] [--diverged 100] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pytest_multiarch.core.merging import judge_record  # noqa: E402
from pytest_multiarch.reports.html import render_html  # noqa: E402
from tests.reports.records import make_large_record  # noqa: E402

SEARCHES = ("t", "te", "module_1", "module_12", "behaviour_0999", "")
"""What is typed: from all tests to one, and back to all."""
TYPE = """
const [text, done] = arguments, box = document.querySelector("[name=text]");
const begun = performance.now();
box.value = text;
box.dispatchEvent(new InputEvent("input", {bubbles: true}));
let first = 0;
const look = () => {
  first ||= performance.now() - begun;
  const shown = document.querySelectorAll("#matrix > tbody:not([hidden])").length;
  const wanted = Number.parseInt(document.getElementById("found").textContent.replace(",", ""));
  if (shown === wanted) done([first, performance.now() - begun]);
  else requestAnimationFrame(look);
};
requestAnimationFrame(() => requestAnimationFrame(look));
"""
"""Gives the milliseconds until the next frame, and until every row is as it shall be."""
# While the page's own load handlers run, the end of loading is still 0.
OPENED = """
const done = arguments[0];
const look = () => {
  const { loadEventEnd } = performance.getEntriesByType("navigation")[0];
  loadEventEnd ? done(loadEventEnd) : setTimeout(look, 50);
};
look();
"""
PAINTED = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def report(what: str, values: list[float], unit: str, goal: float) -> None:
    """Print the median, the extremes, and whether the goal is met."""
    median = statistics.median(values)
    verdict = "holds" if median <= goal else "MISSED"
    print(f"{what:24} {median:8.2f} {unit:3} ({min(values):.2f} to {max(values):.2f}; "
          f"goal: {goal:g} {unit}, {verdict})")  # fmt: skip


def start_browser() -> Any:
    """Start the Chromium that the browser tests use."""
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    script = ROOT / "scripts" / "browser.py"
    found = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    programs = json.loads(found.stdout)
    options = ChromeOptions()
    options.binary_location = programs["browser"]
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1280,900"):
        options.add_argument(argument)
    environ = {**os.environ, **programs["environ"]}
    return Chrome(options=options, service=ChromeService(programs["driver"], env=environ))


def measure_in_browser(page: Path, rounds: int) -> None:
    """Open the page and type into its search box."""
    driver = start_browser()
    opened: list[float] = []
    painted: list[float] = []
    filtered: list[list[float]] = []
    try:
        for _ in range(rounds):
            driver.get(page.as_uri())
            opened.append(driver.execute_async_script(OPENED) / 1000)
            painted.append((driver.execute_script(PAINTED) or 0.0) / 1000)
            filtered += [driver.execute_async_script(TYPE, text) for text in SEARCHES]
    finally:
        driver.quit()
    report("first painted", painted, "s", 2)
    report("opened", opened, "s", 2)
    report("a key to the next frame", [first for first, _ in filtered], "ms", 100)
    report("a key to the last row", [last for _, last in filtered], "ms", 500)


def main() -> None:
    """Render, and look at the page in a browser."""
    parser = argparse.ArgumentParser(description="Measure the HTML page of a large record.")
    parser.add_argument("--tests", type=int, default=5000)
    parser.add_argument("--diverged", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    judgement = judge_record(make_large_record(given.tests, diverged=given.diverged))
    rendered, text = [], ""
    for _ in range(given.rounds):
        begun = time.perf_counter()
        text = render_html(judgement)
        rendered.append(time.perf_counter() - begun)
    report("rendered", rendered, "s", 5)
    report("size", [len(text.encode("utf-8")) / 1e6], "MB", 10)
    with tempfile.TemporaryDirectory(prefix="pytest-multiarch-") as folder:
        page = Path(folder) / "report.html"
        page.write_text(text, encoding="utf-8")
        measure_in_browser(page, given.rounds)


if __name__ == "__main__":
    main()

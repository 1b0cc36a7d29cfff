"""The page in a real browser: filter, search, diffs, keyboard, sizes, themes, accessibility."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from pytest_multiarch.core.merging import judge_record
from pytest_multiarch.core.record import Record
from pytest_multiarch.reports.html import render_html
from pytest_multiarch.reports.page.text import make_anchor
from tests.browser.conftest import Browser
from tests.reports.records import judge_sample, make_large_record
from tests.reports.test_html import HOSTILE, make_hostile, make_hostile_run

REPORT = make_anchor("tests/test_numbers.py::test_report")
EQUAL = make_anchor("tests/test_api.py::test_help[1]")
ROWS = "#matrix > tbody"
SIZES = (360, 768, 1280)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_html(judge_sample()), encoding="utf-8")
    return path


def search(browser: Browser, text: str) -> None:
    browser.find("[name=text]").send_keys(text)
    browser.wait()


def choose(browser: Browser, name: str, label: str) -> None:
    Select(browser.find(f"[name={name}]")).select_by_visible_text(label)
    browser.wait()


def read_found(browser: Browser) -> str:
    return browser.find("#found").text


def is_open(browser: Browser, anchor: str) -> bool:
    return bool(
        browser.run("return document.getElementById(arguments[0]).checkVisibility()", anchor)
    )


def test_the_verdict_is_seen_first(browser: Browser, page: Path) -> None:
    browser.open(page)
    title = browser.find("h1")
    assert title.text.startswith("2 of 48 tests behave differently")
    assert browser.driver.title == title.text
    assert title.rect["y"] < 200


def test_filter_by_verdict(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find("[value=diverged] + span").click()
    browser.wait()
    assert [row.get_attribute("data-v") for row in browser.list_shown(ROWS)] == ["diverged"] * 2
    assert read_found(browser) == "2 of 48 tests"


def test_search(browser: Browser, page: Path) -> None:
    browser.open(page)
    search(browser, "TEST_storage upgrade")
    shown = [row.text for row in browser.list_shown(ROWS)]
    assert shown
    assert all("tests/test_storage.py::test_upgrade" in each for each in shown)
    assert read_found(browser) == f"{len(shown)} of 48 tests"


def test_thousands_of_rows_are_all_shown_in_the_end(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "large.html"
    path.write_text(render_html(judge_record(make_large_record(1800))), encoding="utf-8")
    browser.open(path)
    search(browser, "test_behaviour_0042")
    assert len(browser.list_shown(ROWS)) == 1
    browser.find("[name=text]").clear()
    for _ in range(10):
        browser.wait()
    assert browser.run("return document.querySelectorAll('tbody[hidden]').length") == 0
    assert read_found(browser) == "1,800 tests"


def test_filter_by_outcome_on_a_platform(browser: Browser, page: Path) -> None:
    browser.open(page)
    choose(browser, "platform", "linux/s390x")
    choose(browser, "outcome", "failed")
    names = sorted(row.text.split("\n")[0] for row in browser.list_shown(ROWS))
    assert names == [
        "tests/test_cli.py::test_plugin_is_found",
        "tests/test_cli.py::test_removed_option",
    ]


def test_filters_hold_together_and_can_be_taken_back(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find("[value=diverged] + span").click()
    search(browser, "no such test")
    assert not browser.list_shown(ROWS)
    browser.find("#clear").click()
    browser.wait()
    assert read_found(browser) == "48 tests"
    assert len(browser.list_shown(ROWS)) == 48


def test_a_diff_opens_and_closes(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert not is_open(browser, REPORT)
    summary = browser.find(f"details:has(#{REPORT}) > summary")
    summary.click()
    assert is_open(browser, REPORT)
    marks = [each.text for each in browser.list_shown(f"#{REPORT} mark")]
    assert marks == ["-1", "255", "04", "10", "-1", "255"]
    summary.click()
    assert not is_open(browser, REPORT)


def test_all_open_at_once(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find("#toggle").click()
    assert browser.run("return [...matrix.querySelectorAll('details')].every((d) => d.open)")
    assert browser.find("#toggle").text == "Close all"
    browser.find("#toggle").click()
    assert not browser.run("return [...matrix.querySelectorAll('details')].some((d) => d.open)")


def test_a_link_opens_its_test(browser: Browser, page: Path) -> None:
    browser.open(page, anchor=REPORT)
    assert is_open(browser, REPORT)
    assert 0 <= browser.run("return document.getElementById(arguments[0]).closest('tbody')"
                            ".getBoundingClientRect().top", REPORT) < 300  # fmt: skip


def test_a_link_shows_a_test_that_is_filtered_out(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find("[value=diverged] + span").click()
    browser.wait()
    browser.run("location.hash = arguments[0]", EQUAL)
    browser.wait()
    browser.wait()
    assert browser.find(f"#{EQUAL}").is_displayed()
    assert read_found(browser) == "48 tests"


def test_keyboard_only(browser: Browser, page: Path) -> None:
    """Skip to the tests, search, go to the one that is found, and open its diff."""

    def press(*keys: str) -> None:
        ActionChains(browser.driver).send_keys(*keys).perform()
        browser.wait()

    def read_focus() -> str:
        return str(browser.run("return document.activeElement.outerHTML.slice(0, 60)"))

    browser.open(page)
    press(Keys.TAB)
    assert "Skip to the tests" in read_focus()
    press(Keys.ENTER)
    press("/")
    assert 'name="text"' in read_focus()
    press("test_report")
    assert read_found(browser) == "1 of 48 tests"
    for _ in range(10):
        press(Keys.TAB)
        if read_focus().startswith("<summary"):
            break
    outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    press(Keys.ENTER)
    assert is_open(browser, REPORT)
    press("/", Keys.ESCAPE)
    assert read_found(browser) == "48 tests"


def test_the_theme_can_be_switched(browser: Browser, page: Path) -> None:
    browser.open(page)
    light = browser.run("return getComputedStyle(document.body).backgroundColor")
    browser.find("#theme").click()
    dark = browser.run("return getComputedStyle(document.body).backgroundColor")
    browser.find("#theme").click()
    assert (light, dark) == ("rgb(252, 251, 248)", "rgb(21, 22, 26)")
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == light


def test_the_system_s_theme_holds(browser: Browser, page: Path) -> None:
    browser.emulate(scheme="dark")
    browser.open(page)
    browser.run("localStorage.clear(); delete document.documentElement.dataset.theme")
    dark = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert dark == "rgb(21, 22, 26)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_it_is_accessible(browser: Browser, page: Path, width: int, scheme: str) -> None:
    browser.emulate(width=width, height=12_000, scheme=scheme)
    browser.open(page)
    browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    browser.wait()
    assert browser.list_violations() == []


def test_axe_would_find_something(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run("document.querySelector('[name=text]').parentElement.replaceChildren("
                "document.querySelector('[name=text]'))")  # fmt: skip
    browser.run("document.querySelector('[name=text]').removeAttribute('placeholder')")
    assert [each for each in browser.list_violations() if each.startswith("label:")]


@pytest.mark.parametrize("width", SIZES)
def test_nothing_scrolls_sideways(browser: Browser, page: Path, width: int) -> None:
    """But for the table of what differs between variants, which scrolls in a region of its own."""
    browser.emulate(width=width)
    browser.open(page)
    browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    outside = browser.run(
        "return [...document.querySelectorAll('body *')].filter((each) => each.checkVisibility()"
        " && !each.closest('.skip, thead, svg, .scroll > *') && each.getBoundingClientRect().right"
        " > innerWidth + 1).map((each) => each.outerHTML.slice(0, 100))"
    )
    assert outside == []


def test_a_failure_beside_the_verdicts_leads_to_what_failed(browser: Browser, page: Path) -> None:
    browser.open(page)
    budget, image = browser.list_shown("[aria-label='What failed beside the verdicts'] a")
    assert (budget.text, image.text) == ("1 budget did not hold", "1 image is not in order")
    budget.click()
    browser.wait()
    row = browser.find(f"#{make_anchor('tests/test_cli.py::test_nothing_observed')}")
    assert "over budget: app hash on linux/arm64" in row.text
    assert 0 <= browser.run("return arguments[0].getBoundingClientRect().top", row) < 300
    browser.run("location.hash = 'images'")
    (finding,) = browser.list_shown(".audits .failed")
    assert finding.text.startswith("/usr/local/bin/app-with-a-long-name is amd64, expected arm64")


@pytest.mark.parametrize("width", SIZES)
def test_charts_have_a_scale(browser: Browser, page: Path, width: int) -> None:
    browser.emulate(width=width)
    browser.open(page)
    scales = browser.list_shown(".chart .axis svg")
    plots = browser.list_shown(".chart .plot svg")
    assert len(scales) == len(browser.list_shown(".chart"))
    assert "\u00d71" in scales[0].text
    assert scales[0].rect["x"] == plots[0].rect["x"]
    assert scales[0].rect["width"] == plots[0].rect["width"]


def test_columns_stand_beside_each_other_only_where_they_fit(browser: Browser, page: Path) -> None:
    tops = []
    for width in (1280, 360):
        browser.emulate(width=width)
        browser.open(page)
        script = (
            "return [...document.querySelector(arguments[0]).rows[0].cells].map((c) => c.offsetTop)"
        )
        tops.append(len(set(browser.run(script, ROWS))))
    assert tops[0] == 1
    assert tops[1] > 1


def test_without_a_script_all_but_the_filter_works(browser: Browser, page: Path) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(page, anchor=REPORT)
        assert browser.find(f"#{REPORT}").is_displayed()
        assert not browser.list_shown("#tools")
        assert not browser.list_shown("#theme")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_hostile_record_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    """Whatever stands in it, no script runs and nothing is loaded or refused."""
    members = [
        member for number, text in enumerate(HOSTILE) for member in make_hostile(f"{text}{number}")
    ]
    runs = (make_hostile_run("".join(HOSTILE)),)
    path = tmp_path / "hostile.html"
    judgement = judge_record(Record(runs=runs, members=tuple(members)))
    path.write_text(render_html(judgement), encoding="utf-8")
    browser.emulate(width=360)
    browser.open(path)  # an alert would make every command after it fail
    browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    assert browser.run("return document.scripts.length") == 1
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    assert len(browser.list_shown("h1")) == 1


def test_a_script_that_got_in_would_not_run(browser: Browser, page: Path, tmp_path: Path) -> None:
    path = tmp_path / "injected.html"
    text = page.read_text(encoding="utf-8")
    path.write_text(text.replace("<main>", "<main><script>document.title = 'run'</script>"))
    browser.open(path)
    assert browser.driver.title != "run"
    (complaint,) = browser.driver.get_log("browser")
    assert "Content Security Policy" in complaint["message"]


def test_on_paper_there_are_no_controls(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not browser.list_shown("#tools, #theme")
        assert browser.list_shown("#matrix")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

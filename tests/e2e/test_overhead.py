"""Overhead, measured on a real engine: amd64 native, arm64 under QEMU (or the other way round)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.suite import Suite

pytestmark = pytest.mark.needs_engine("main")
SPIN = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); done"
HEAD = """
import pytest

pytestmark = [
    pytest.mark.image("{image}"), pytest.mark.platforms("linux/amd64", "linux/arm64"),
]
SPIN = "{spin}"
"""
TESTS = """

def test_report(overhead):
    found = overhead.measure("app", "report", runs=5, max=10_000)
    emulated = next(each for each in found.costs if each.ratio)
    assert emulated.ratio.interval.low > 1, str(found)
    assert emulated.user_s + emulated.system_s > 0
    assert emulated.size and emulated.unpacked and emulated.start_s

def test_shell(overhead):
    overhead.measure("sh", "-c", SPIN, rounds=5, min=10_000)

@pytest.mark.container("sleep", "60")
def test_call(overhead):
    overhead.measure(lambda container: container.exec("true"), rounds=5, label="exec")
    overhead.measure_start(rounds=5)

@pytest.mark.overhead(max=0.001)
def test_plain(variant):
    variant.run("sh", "-c", SPIN)
"""


@pytest.fixture(scope="module")
def measured(make_suite: Callable[..., Suite], images: Mapping[str, str]) -> Suite:
    """A suite that has run once, with a record."""
    suite = make_suite()
    suite.write("test_speed.py", HEAD.format(image=images["sample"], spin=SPIN) + TESTS)
    suite.finished = suite.run("--multiarch-record=r.json")  # type: ignore[attr-defined]
    return suite


def read_costs(path: Path) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Read what was measured, by label and the way of execution."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in json.loads(path.read_text())["overhead"]:
        way = each.get("execution", {}).get("kind", "")
        found.setdefault((each["label"], way), []).append(each)
    return found


def test_what_is_beyond_a_budget_fails(measured: Suite) -> None:
    finished = measured.finished  # type: ignore[attr-defined]
    assert finished.exit_code == 1, finished.output
    assert finished.list_statuses() == {
        "test_report": "passed",
        "test_shell": "failed",
        "test_call": "passed",
        "test_plain[linux/amd64]": "passed",
        "test_plain[linux/arm64]": "passed",
        "test_plain": "failed",
    }
    assert "is beyond min=10000" in finished.cases["test_shell"].message
    assert "One run each" in finished.cases["test_plain"].message


def test_the_record_has_all_samples(measured: Suite) -> None:
    costs = read_costs(measured.folder / "r.json")
    (emulated,) = costs["app report", "qemu"]
    assert len(emulated["samples_s"]) in (5, 6, 7)
    assert emulated["ci95"][0] <= emulated["ratio"] <= emulated["ci95"][1]
    assert emulated["execution"]["version"]
    assert {"cpu", "kernel", "engine", "load"} <= emulated["machine"].keys()
    assert len(costs["start", "native"][0]["samples_s"]) == 5


def test_the_control_tells_the_emulators_part(measured: Suite) -> None:
    (emulated,) = read_costs(measured.folder / "r.json")["app report", "qemu"]
    assert emulated["control_ratio"] > 2
    assert "first process only" in emulated["control"]["note"]


def test_nothing_is_left_behind(measured: Suite) -> None:
    assert measured.list_left_behind() == []


def test_merging_says_the_same(measured: Suite) -> None:
    finished = measured.run("--multiarch-merge", "r.json")
    assert finished.exit_code == 1
    assert finished.list_statuses() == {
        "test_report": "passed",
        "test_shell": "failed",
        "test_call": "passed",
        "test_plain": "failed",
    }


def test_a_later_run_is_compared_with_it(measured: Suite) -> None:
    finished = measured.run(
        "-k", "test_report", "--multiarch-compare=r.json", "--multiarch-compare-fail=ratio:100000%"
    )
    assert finished.exit_code == 0, finished.output
    assert "app report on linux/" in finished.output
    assert "within ratio:100000%" in finished.output


def test_workers_take_turns(suite: Suite, images: Mapping[str, str]) -> None:
    """Two measurements of two workers: while one has the machine, the other waits."""
    body = """

@pytest.mark.parametrize("number", [1, 2])
def test_x(overhead, number):
    import time
    spans = []
    def note(container):
        spans.append(time.time())
        time.sleep(0.1)
    overhead.measure(note, rounds=5)
    with open(f"span{number}", "w") as file:
        file.write(f"{spans[0]} {spans[-1]}")
"""
    suite.write("test_speed.py", HEAD.format(image=images["sample"], spin=SPIN) + body)
    suite.write("conftest.py", "import pytest\n")
    mark = "pytestmark.append(pytest.mark.container('sleep', '60'))\n"
    with (suite.folder / "test_speed.py").open("a") as file:
        file.write(mark)
    finished = suite.run("-n", "2", "--multiarch-record=r.json")
    assert finished.exit_code == 0, finished.output
    spans = sorted(
        tuple(map(float, (suite.folder / f"span{number}").read_text().split())) for number in (1, 2)
    )
    assert spans[0][1] < spans[1][0]
    assert len(json.loads((suite.folder / "r.json").read_text())["overhead"]) == 4


def test_with_leave_the_control_reaches_what_a_shell_starts(
    suite: Suite, images: Mapping[str, str]
) -> None:
    body = """
def test_x(overhead):
    spawn = "for i in 1 2 3 4 5 6 7 8; do /bin/busybox true; done"
    overhead.measure("sh", "-c", spawn, rounds=5, label="spawn")
"""
    suite.write("test_speed.py", HEAD.format(image=images["sample"], spin=SPIN) + body)
    ratios = []
    for options in ((), ("--multiarch-control",)):
        finished = suite.run("--multiarch-record=r.json", *options)
        assert finished.exit_code == 0, finished.output
        ratios.append(read_costs(suite.folder / "r.json")["spawn", "qemu"][0]["control_ratio"])
    assert ratios[1] > 1.5 * ratios[0] > 1.5


def test_a_container_that_dies_between_rounds(suite: Suite, images: Mapping[str, str]) -> None:
    body = """
@pytest.mark.container("sleep", "60")
def test_x(overhead):
    seen = []
    def end(container):
        seen.append(container)
        if len(seen) > 6:
            container.remove()
        container.exec("true")
    overhead.measure(end, rounds=10)
"""
    suite.write("test_speed.py", HEAD.format(image=images["sample"], spin=SPIN) + body)
    finished = suite.run("--multiarch-record=r.json")
    assert finished.list_statuses() == {"test_x": "failed"}
    costs = json.loads((suite.folder / "r.json").read_text())["overhead"]
    assert [len(each["samples_s"]) for each in costs] == [2, 2]
    assert all(each["failure"] for each in costs)


@pytest.mark.needs_engine("registry")
def test_a_cold_start_pulls_what_this_session_pulled(
    suite: Suite, copy_in_registry: Callable[[str], str]
) -> None:
    image = copy_in_registry("cold")
    body = """
@pytest.mark.container("sleep", "60")
def test_x(overhead):
    for cost in overhead.measure_start(rounds=5, cold=True).costs:
        assert "first start" in cost.steps_s
        assert cost.steps_s.get("pull") or cost.steps_s.get("fetch"), cost.warnings
"""
    suite.write("test_speed.py", HEAD.format(image=image, spin=SPIN) + body)
    finished = suite.run()
    assert finished.exit_code == 0, finished.output
    again = suite.run()
    assert "not fetched anew" in again.output

"""The page: what it says, and that nothing in a record can do anything to it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_multiarch.core.audit import AuditReport, AuditScope, FileFinding, FindingKind
from pytest_multiarch.core.budget import Budget
from pytest_multiarch.core.cost import PlatformCost
from pytest_multiarch.core.index_checks import IndexFinding, IndexProblem
from pytest_multiarch.core.inspected import Inspected
from pytest_multiarch.core.member import Member
from pytest_multiarch.core.merging import Judgement, judge_record, merge_records
from pytest_multiarch.core.record import IdleGroup, Record, Run
from pytest_multiarch.core.rules import allow, make_rules
from pytest_multiarch.core.statistics import Interval, Ratio
from pytest_multiarch.files.record_file import read_record, write_record
from pytest_multiarch.reports.html import render_html
from pytest_multiarch.reports.page.cases import CaseMaker
from pytest_multiarch.reports.page.text import make_anchor
from tests.reports.records import judge_sample, make_large_record, make_sample_record
from tests.samples import AMD64, ARM64, QEMU, S390X, check, make_member, observe


class Page(HTMLParser):
    """A page taken apart: its texts, and every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))

    def find_all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def judge(*members: Member, **fields: Any) -> Judgement:
    runs = (Run(id="r1", ended="complete", tests=len(members)),)
    return judge_record(Record(**{"runs": runs, "members": members, **fields}))


def render(*members: Member, **fields: Any) -> Page:
    return Page(render_html(judge(*members, **fields)))


def pair(ours: str | bytes, theirs: str | bytes, **fields: Any) -> tuple[Member, Member]:
    return (
        make_member(AMD64, observe(ours), **fields),
        make_member(ARM64, observe(theirs, platform=ARM64), **fields),
    )


@pytest.fixture(scope="module")
def sample() -> Page:
    return Page(render_html(judge_sample()))


@pytest.mark.parametrize(
    "text",
    [
        "2 of 48 tests behave differently on linux/arm64, linux/arm/v7 and linux/s390x",
        "linux/s390x differs from linux/amd64 (baseline): exit code of",
        "139 (128 + 11, SIGSEGV)",
        "qemu: uncaught target signal 11",
        "failed on linux/s390x, passed on linux/amd64, linux/arm64, linux/arm/v7",
        "assert 127 == 0",
        "linux/arm64 was skipped: no JIT under QEMU",
        "Nothing ran on Declared by tests",
        "declared for linux/riscv64: tests/test_gpu.py::test_cuda",
        "killed, or still going",
        "linux/arm64: FMA on arm64: tests/test_numbers.py::test_mean",
        "attempt 2 on linux/arm/v7",
        "a single sample has no interval",
        "test_nothing_observed: app hash on linux/arm64 (qemu 7.2.22)",
        "over budget: app hash on linux/arm64 (qemu 7.2.22): the ratio 10.5",
        "the machine was busy: a load of 4.2 on 2 cores",
        "1 budget did not hold",
        "1 image is not in order",
        "it lacks linux/386: build it for linux/386 too",
        "/usr/local/bin/app-with-a-long-name is amd64, expected arm64; started by the entrypoint",
        "config: User",
        "Partly from different runs",
        "AMD EPYC 7763",
        "process 1 of a probe container is '/probe' on the node",
        "docker run --rm --platform linux/s390x",
    ],
)
def test_the_page_says(sample: Page, text: str) -> None:
    assert text in sample.text


def test_what_was_measured_is_in_the_order_of_the_columns(sample: Page) -> None:
    platforms = ["linux/arm64", "linux/arm/v7", "linux/s390x"]
    found = re.findall(r"test_nothing_observed: app hash on (\S+)", sample.text)
    assert found == platforms


def test_a_test_over_budget_stands_before_what_is_in_order(sample: Page) -> None:
    rows = [each for each in sample.find_all("tbody") if "data-v" in each]
    (at,) = (
        number
        for number, each in enumerate(rows)
        if each.get("id") == make_anchor("tests/test_cli.py::test_nothing_observed")
    )
    assert rows[at]["class"] == "has-case"
    assert all(each["data-v"] != "equal" for each in rows[:at])


def test_tests_that_observed_nothing_are_counted() -> None:
    page = render(make_member(AMD64), make_member(ARM64))
    assert "1 of them equal in outcome only: nothing was observed." in page.text


def test_a_page_of_one_platform_has_no_chart() -> None:
    assert "What emulation costs" not in render(make_member(AMD64, declared=(AMD64,))).text


def test_the_difference_is_marked_on_both_sides() -> None:
    text = render_html(judge(*pair("char -1\n", "char 255\n")))
    assert 'char <mark class="ours">-1</mark>' in text
    assert 'char <mark class="theirs">255</mark>' in text


def test_own_names_are_not_marked() -> None:
    text = render_html(judge(*pair("x86_64 1\n", "aarch64 2\n")))
    assert re.findall("<mark.*?>(.*?)</mark>", text) == ["1", "2"]


def test_a_failed_teardown_stands_before_what_is_in_order() -> None:
    failed = pair("1", "1", group="t.py::test_z", teardown_error="left behind")
    rows = render(*pair("1", "1", group="t.py::test_a"), *failed).find_all("tbody")
    assert [each.get("class") for each in rows[:2]] == ["has-case", None]


def test_equal_tests_have_no_details() -> None:
    assert not render(*pair("1", "1")).find_all("details")


def test_every_test_has_an_anchor(sample: Page) -> None:
    anchors = [each["id"] for _, each in sample.tags if each.get("id")]
    assert len(anchors) == len(set(anchors))
    links = {(each["href"] or "").removeprefix("#") for each in sample.find_all("a")}
    assert links <= set(anchors)
    assert make_anchor("tests/test_numbers.py::test_report") in links


def test_anchors_tell_names_apart_that_look_alike() -> None:
    assert make_anchor("a.py::test[A]") != make_anchor("a.py::test[a]")


def test_a_platform_that_was_not_selected_says_so() -> None:
    page = render(make_member(AMD64, selected=(AMD64,)))
    assert "linux/arm64 not selected" in page.text
    assert page.text.count("not compared")


def test_idle_and_interrupted_alone_make_a_page() -> None:
    idle = IdleGroup(group="t.py::x", run="r1", declared=(AMD64, S390X))
    page = render(idle=(idle,), runs=(Run(id="r1", ended="interrupted"),))
    assert page.text.count("No test ran") == 2
    assert "r1: interrupted" in page.text


def test_an_empty_record_makes_a_page() -> None:
    assert "No test ran" in Page(render_html(judge_record(Record()))).text


def test_a_stale_allowance_is_listed() -> None:
    rules = make_rules(allow=[allow("app", reason="was fixed")])
    assert (
        "Nothing needs these: take them out. app: was fixed"
        in render(*pair("1", "1", rules=rules)).text
    )


def test_a_value_shows_where_it_differs() -> None:
    ours, theirs = check("total", {"a": [1, 2]}), check("total", {"a": [1, 3]})
    page = render(make_member(AMD64, ours), make_member(ARM64, theirs))
    assert "at $.a[1]" in page.text


def test_more_calls_on_one_side() -> None:
    twice = [observe("1", platform=ARM64), observe("2", platform=ARM64)]
    page = render(make_member(AMD64, observe("1")), make_member(ARM64, *twice))
    assert "number of calls" in page.text
    assert "2 calls" in page.text


def test_details_are_bounded_in_all() -> None:
    """Of very many long differences, the first are shown and the rest are named."""
    record = make_large_record(40, diverged=40)
    verdicts = judge_record(record).verdicts
    maker = CaseMaker(room=5_000)
    cases = [maker.make(each) for each in verdicts]
    assert cases[0] is not None
    assert cases[0].differences
    assert cases[-1] is not None
    assert cases[-1].is_short
    assert not cases[-1].differences
    assert cases[-1].more == ('stdout of "app report": linux/arm64, linux/arm/v7, linux/s390x',)


def test_a_record_from_disk_makes_the_same_page(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_record(path, make_sample_record(), [])
    judgement = judge_record(merge_records([read_record(path)]))
    assert render_html(judgement) == render_html(judge_sample())


# Nothing is loaded, nothing is run


def test_nothing_is_loaded(sample: Page) -> None:
    for tag, attributes in sample.tags:
        assert "src" not in attributes, tag
        assert (attributes.get("href") or "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert not [tag for tag, _ in sample.tags if tag in ("link", "img", "iframe", "object", "base")]


def test_the_policy_allows_only_the_page_s_own_script_and_style(sample: Page) -> None:
    (policy,) = [e["content"] for e in sample.find_all("meta") if "http-equiv" in e]
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style><style>*{display:none}",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[31mred\x1b]8;;http://x\x07",
    "\u202eevil\u2066\u200f",
    "\x00\x08\x7f\x9b\ufeff\ufffe",
    "\udc80\ud800",
    "]]><!--",
)


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def make_hostile(text: str) -> tuple[Member, ...]:
    """Put a text wherever a record has one."""
    rules = make_rules(allow=[allow("never", reason=text)])
    group = f"t.py::test[{text}]"
    options: dict[str, Any] = {"label": f"x{text}", "argv": ("app", text)}
    ours, theirs = (
        observe(encode(f"{text}1\n"), encode(text), **options),
        observe(encode(f"{text}2\n"), platform=ARM64, **options),
    )
    return (
        make_member(AMD64, ours, check("v", text), group=group, node_id=group, rules=rules),
        make_member(ARM64, theirs, check("v", 1), group=group, node_id=group, rules=rules),
        make_member(AMD64, group=f"{text}b", outcome="failed", reason=text, teardown_error=text),
        make_member(ARM64, group=f"{text}b", outcome="skipped", reason=f"s{text}"),
        make_member(AMD64, group=f"{text}c", outcome="skipped", reason=f"s{text}"),
        make_member(ARM64, group=f"{text}c", outcome="not-run"),
        *(
            make_member(cost.platform, group=f"{text}d", node_id=f"{text}d", overhead=(cost,))
            for cost in make_hostile_costs(text)
        ),
    )


def make_hostile_costs(text: str) -> tuple[PlatformCost, ...]:
    """Measure what is named by a text; it is over its budget, and was measured badly."""
    costs = (
        PlatformCost(
            label=text, what=text, platform=each, execution=QEMU, baseline=AMD64, planned=5,
            samples_s=(0.5,) * 5, budget=Budget(max=2.0), warnings=(text,), control_note=text,
            machine={"host": text, "kernel": text}, failure=text,
            ratio=Ratio(value=12.0, interval=Interval(low=11.0, high=13.0), rounds=5)
            if each == ARM64 else None,
        )
        for each in (AMD64, ARM64)
    )  # fmt: skip
    return tuple(costs)


def make_hostile_image(text: str) -> Inspected:
    """Have everything about an image say a text."""
    finding = FileFinding(
        kind=FindingKind.WRONG_ARCHITECTURE, path=text, found=text, expected=text, layer=text,
        instruction=text, started_by=text,
    )  # fmt: skip
    report = AuditReport(
        platform=ARM64, scope=AuditScope.PROGRAM, notes=(text,),
        findings=(finding, replace(finding, path=f"{text}2", allowed=text)),
    )  # fmt: skip
    lacks = IndexFinding(problem=IndexProblem.MISSING, subject=text, what=text, cure=text)
    return Inspected(
        configs={AMD64: {text: text}, ARM64: {text: f"{text}2"}}, index=(lacks,),
        audits=(report,), notes=(text,),
    )  # fmt: skip


def make_hostile_run(text: str) -> Run:
    facts = {text: text, "host": text, "name": text}
    return Run(
        id="r1", ended=text, commit=text, root=text, machine=facts, job=facts, versions=facts,
        nodes={text: facts}, started_at_s=1e300,
        inspected={text: make_hostile_image(text).to_mapping()},
    )  # fmt: skip


def list_kinds(page: Page) -> set[tuple[str, tuple[str, ...]]]:
    return {(tag, tuple(sorted(attributes))) for tag, attributes in page.tags}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_only_shown(text: str) -> None:
    idle = (IdleGroup(group=text, run="r1", declared=(S390X,)),)
    html = render_html(judge(*make_hostile(text), runs=(make_hostile_run(text),), idle=idle))
    html.encode("utf-8")
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200f\u202a-\u202e\u2066-\u2069\ufeff]", html
    )
    page, plain = (
        Page(html),
        Page(render_html(judge(*make_hostile("x"), runs=(make_hostile_run("x"),), idle=idle))),
    )
    assert list_kinds(page) <= list_kinds(plain)
    assert len(page.find_all("script")) == 1
    assert "49" not in page.text


@settings(max_examples=25)
@given(st.text(max_size=40))
def test_any_text_makes_the_same_tags(text: str) -> None:
    page = Page(render_html(judge(*pair(f"1{text}".encode("utf-8", "ignore"), "2", group=text))))
    assert len(page.find_all("script")) == 1
    assert len(page.find_all("tbody")) == 2


def test_strings_of_100_mb_are_bounded() -> None:
    text = "\u202e" * 10 + "x" * 100_000_000
    members = pair("1", "2", group=f"t.py::{text}", node_id=text)
    failed = make_member(S390X, outcome="failed", reason=text, group="g")
    long_label = observe("1", label=text), observe("2", label=text, platform=ARM64)
    others = (
        make_member(AMD64, long_label[0], group="h"),
        make_member(ARM64, long_label[1], group="h"),
    )
    flood = pair(b"x" * 100_000_000, b"y" + b"x" * 100_000_000, group="flood")
    judgement = judge(
        *members, failed, *others, *flood, runs=(replace(make_hostile_run(text), id="r1"),)
    )
    begun = time.process_time()
    html = render_html(judgement)
    assert len(html) < 200_000
    assert time.process_time() - begun < 10


def test_json_is_shown_by_its_paths() -> None:
    structure = make_rules(stdout="json").structure
    page = render(
        make_member(AMD64, observe('{"a": [1, 2], "b": 1}', structure=structure)),
        make_member(ARM64, observe('{"b": 2, "a": [1, 3]}', structure=structure, platform=ARM64)),
    )
    for text in ("at $.a[1]", "at $.b"):
        assert text in page.text


def test_large_bytes_are_shown_where_they_differ() -> None:
    data = bytes(200_000)
    page = render(
        make_member(AMD64, check("b", data)), make_member(ARM64, check("b", data[:-1] + b"x"))
    )
    assert "200,000 bytes, sha256" in page.text
    assert "199,968 equal bytes" in page.text


def test_what_is_known_of_the_emulator_is_shown() -> None:
    page = render(
        make_member(AMD64, check("b", 1)),
        make_member(ARM64, check("b", 2), faults=("ptrace", "of a later version")),
    )
    assert "known of the emulator: ptrace on linux/arm64 (qemu 7.2.22), 1 test" in page.text

"""Failures at the lines of the tests, for GitHub and for GitLab."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from pytest_multiarch.core.index_checks import IndexFinding, IndexProblem
from pytest_multiarch.core.inspected import Inspected
from pytest_multiarch.core.member import Member, VariantIdentity
from pytest_multiarch.core.merging import Judgement, judge_record
from pytest_multiarch.core.record import Record, Run
from pytest_multiarch.reports.annotations import (
    list_findings,
    render_code_quality,
    render_github_annotations,
)
from tests.samples import AMD64, ARM64, NATIVE, QEMU, make_member, observe

LACKS = IndexFinding(
    problem=IndexProblem.MISSING, subject="linux/386", what="it lacks linux/386", cure="build it"
)
RUN = Run(id="r1", ended="complete", root="app/")


def judge(*members: Member, is_strict: bool = False, run: Run = RUN) -> Judgement:
    return judge_record(Record(runs=(run,), members=members), is_strict=is_strict)


def diverge(group: str = "test_app.py::test_x", **fields: Any) -> list[Member]:
    return [
        make_member(AMD64, observe("1"), group=group, **fields),
        make_member(ARM64, observe("2"), group=group, **fields),
    ]


def annotate(judgement: Judgement, **options: bool) -> list[str]:
    return list(render_github_annotations(judgement, **options))


def test_a_divergence_is_at_its_test() -> None:
    (line,) = annotate(judge(*diverge(line=7)))
    assert line == (
        "::error file=app/test_app.py,line=7,title=DIVERGED test_app.py%3A%3Atest_x::"
        'linux/arm64 differs from linux/amd64 (baseline): stdout of "app"; diagnosis: unconfirmed'
    )


def test_a_failed_test_says_where_and_why() -> None:
    failed = make_member(ARM64, outcome="failed", reason="assert 1 == 2\nmore", line=3)
    (line,) = annotate(judge(make_member(AMD64), failed))
    assert line == (
        "::error file=app/test_app.py,line=3,title=FAILED test_app.py%3A%3Atest_x[linux/arm64]::"
        "failed on linux/arm64 (qemu 7.2.22): assert 1 == 2"
    )


def test_a_failed_test_that_is_not_on_platforms_is_told_too() -> None:
    failures = {
        "test_b.py::test_y": {"outcome": "failed", "reason": "assert 0\nmore", "line": 9},
        "test_c.py": {"outcome": "error", "reason": "NameError: x"},
    }
    run = replace(RUN, failures=failures)
    assert annotate(judge(make_member(AMD64), make_member(ARM64), run=run)) == [
        "::error file=app/test_b.py,line=9,title=FAILED test_b.py%3A%3Atest_y::failed: assert 0",
        "::error file=app/test_c.py,line=1,title=FAILED test_c.py::error: NameError: x",
    ]


def test_what_failed_on_platforms_in_one_run_and_without_them_in_another_is_told_once() -> None:
    failed = make_member(AMD64, outcome="failed", reason="assert 0")
    run = replace(RUN, failures={failed.node_id: {"outcome": "failed", "reason": "assert 0"}})
    assert len(annotate(judge(failed, run=run))) == 1


def judge_image(**found: Any) -> Judgement:
    """Judge a run in which something is wrong with the image that its test ran."""
    variant = VariantIdentity(
        reference="app:1", kind="manifest", digest="", config_digest="", pin=""
    )
    members = [make_member(each, line=7, variant=variant) for each in (AMD64, ARM64)]
    return judge(*members, run=replace(RUN, inspected={"app:1": Inspected(**found).to_mapping()}))


def test_a_wrong_image_is_at_the_first_test_that_ran_it() -> None:
    judgement = judge_image(index=(LACKS,))
    (line,) = annotate(judgement, fails_divergences=False)
    assert line.startswith("::error file=app/test_app.py,line=7,title=IMAGE ")
    assert line.endswith("it lacks linux/386")
    (finding,) = json.loads(render_code_quality(judgement))
    assert finding["check_name"] == "pytest-multiarch image"
    assert finding["location"] == {"path": "app/test_app.py", "lines": {"begin": 7}}


def test_an_image_that_differs_is_a_warning_where_differences_are() -> None:
    judgement = judge_image(configs={AMD64: {"User": "a"}, ARM64: {"User": "b"}})
    assert annotate(judgement)[0].startswith("::error ")
    assert annotate(judgement, fails_divergences=False)[0].startswith("::warning ")


def test_an_image_that_no_test_ran_itself_is_at_a_file() -> None:
    run = replace(RUN, inspected={"other:1": Inspected(index=(LACKS,)).to_mapping()})
    (line,) = annotate(judge(make_member(AMD64), make_member(ARM64), run=run))
    assert line.startswith("::error file=multiarch.yaml,line=1,title=IMAGE other%3A1::")


def test_what_strict_fails_is_told() -> None:
    members = make_member(AMD64), make_member(ARM64, outcome="skipped", reason="no")
    assert annotate(judge(*members)) == []
    (line,) = annotate(judge(*members, is_strict=True))
    assert line.endswith("title=UNCOMPARED test_app.py%3A%3Atest_x::linux/arm64 was skipped: no")


def test_divergences_that_fail_nothing_are_warnings() -> None:
    (line,) = annotate(judge(*diverge()), fails_divergences=False)
    assert line.startswith("::warning file=")


def test_what_is_missing_is_an_error_only_of_the_whole() -> None:
    judgement = judge(make_member(AMD64, selected=(AMD64,)))
    assert annotate(judgement) == []
    assert annotate(judgement, is_whole=True) == [
        "::error title=INCOMPLETE::1 group without all its platforms, nothing ran on linux/arm64"
    ]


def test_parity_is_told_to_nobody() -> None:
    judgement = judge(make_member(AMD64), make_member(ARM64))
    assert annotate(judgement, is_whole=True) == []
    assert render_code_quality(judgement) == "[]"


def test_there_are_no_more_than_github_shows() -> None:
    members = [each for n in range(11) for each in diverge(f"t.py::test_{n:02}")]
    lines = annotate(judge(*members))
    assert len(lines) == 10
    assert lines[-1] == "::error::and 2 more, which the log has"
    assert len(annotate(judge(*members[:20]))) == 10


def test_a_test_with_all_its_variants_fails_once() -> None:
    fields = {"node_id": "test_app.py::test_x", "outcome": "failed", "line": 2}
    (finding,) = list_findings(judge(make_member(AMD64, **fields), make_member(ARM64, **fields)))
    assert finding.text == "failed on linux/amd64 (native)"


def test_a_test_that_failed_both_ways_fails_once() -> None:
    members = [
        make_member(ARM64, execution=way, run=run, outcome="failed", declared=(ARM64,))
        for way, run in ((NATIVE, "r1"), (QEMU, "r2"))
    ]
    assert len(list(list_findings(judge(*members)))) == 1


def test_names_and_reasons_are_no_commands() -> None:
    """Every line is one command, however its parts were named."""
    hostile = "a,title=x::y%0A\r\n::set-output name=k::v\x1b[0m\udcff\u202e"
    failed = make_member(AMD64, node_id=hostile, group=hostile, outcome="failed", reason=hostile)
    run = Run(id="r1", ended="complete", root=f"{hostile}/")
    for line in annotate(judge(failed, *diverge(hostile + "2"), run=run)):
        line.encode()
        assert line.isprintable()
        properties, _, message = line.removeprefix("::error ").partition("::")
        assert [each.partition("=")[0] for each in properties.split(",")] == [
            "file", "line", "title",
        ]  # fmt: skip
        assert "%0A" not in message


def test_long_texts_are_cut() -> None:
    name = "x" * 10_000_000
    failed = make_member(AMD64, node_id=name, group=name, outcome="failed", reason=name)
    assert len("".join(annotate(judge(failed)))) < 2_000
    assert len(render_code_quality(judge(failed))) < 3_000


def test_code_quality_has_what_gitlab_asks_for() -> None:
    (finding,) = json.loads(render_code_quality(judge(*diverge(line=7))))
    fingerprint = finding.pop("fingerprint")
    assert len(fingerprint) == 64
    assert finding == {
        "description": "DIVERGED test_app.py::test_x: linux/arm64 differs from linux/amd64 "
        '(baseline): stdout of "app"; diagnosis: unconfirmed',
        "check_name": "pytest-multiarch diverged",
        "severity": "major",
        "location": {"path": "app/test_app.py", "lines": {"begin": 7}},
    }


def test_fingerprints_are_those_of_the_last_pipeline_and_each_is_another() -> None:
    names = [
        "t.py::test_a",
        "t.py::test_b",
        "t.py::" + "x" * 2000 + "1",
        "t.py::" + "x" * 2000 + "2",
    ]
    members = [each for name in names for each in diverge(name)]
    first, second = (
        {each["fingerprint"] for each in json.loads(render_code_quality(judge(*several)))}
        for several in (members, members[2:])
    )
    assert len(first) == 4
    assert second < first

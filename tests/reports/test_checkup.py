"""The page of a checkup: 80 columns, cures under what they mend, nothing raw of anybody else."""

from __future__ import annotations

from pytest_multiarch.core.checkup import Check, CheckState, Checkup, Machine, Outlook
from pytest_multiarch.core.execution import Execution, ExecutionKind
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.reports.checkup import render_checkup
from pytest_multiarch.reports.paint import Paint

AMD64 = Platform.parse("linux/amd64")
OK = Check(name="engine", state=CheckState.OK, found="Docker 28, at unix:///n")
WARNING = Check(name="disk", state=CheckState.WARNING, found="little " * 30, cure="free some")
PROBLEM = Check(name="logins", state=CheckState.PROBLEM, found="broken", cure="mend it")


def make_checkup(*checks: Check, outlooks: tuple[Outlook, ...] = ()) -> Checkup:
    return Checkup(
        versions={"pytest-multiarch": "0.1.0", "Python": "3.12"},
        machine=Machine(platform=AMD64, kernel="6.1"),
        facts=None,
        checks=checks,
        outlooks=outlooks,
    )


def make_outlook(kind: ExecutionKind, *, is_required: bool = False) -> Outlook:
    execution = Execution(kind=kind, version="8.2", evidence=("none is registered",))
    return Outlook(platform=AMD64, execution=execution, is_required=is_required)


def test_a_cure_stands_below_what_it_mends() -> None:
    lines = list(render_checkup(make_checkup(OK, PROBLEM)))
    assert lines[0] == "pytest-multiarch 0.1.0, Python 3.12"
    assert lines[2:5] == [
        "ok      engine       Docker 28, at unix:///n",
        "problem logins       broken",
        "                     cure: mend it",
    ]
    assert lines[-1] == "There are problems, with their cures above."


def test_no_line_is_longer_than_a_terminal() -> None:
    unavailable = make_outlook(ExecutionKind.UNAVAILABLE)
    lines = list(render_checkup(make_checkup(OK, WARNING, PROBLEM, outlooks=(unavailable,))))
    assert max(map(len, lines)) <= 80


def test_how_platforms_run_is_listed() -> None:
    outlooks = (
        make_outlook(ExecutionKind.NATIVE),
        make_outlook(ExecutionKind.UNAVAILABLE),
        Outlook(platform=AMD64, execution=None),
    )
    text = "\n".join(render_checkup(make_checkup(OK, outlooks=outlooks)))
    assert "  linux/amd64  native" in text
    assert "  linux/amd64  unavailable 8.2: none is registered" in text
    assert "  linux/amd64  not to be said without a container" in text


def test_control_characters_of_others_are_spelled_out() -> None:
    hostile = Check(name="engine", state=CheckState.OK, found="Docker \x1b[2J28\u202e")
    text = "\n".join(render_checkup(make_checkup(hostile)))
    assert "Docker \\x1b[2J28" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_colour_only_where_it_is_wanted() -> None:
    assert "\x1b[32m" in "\n".join(render_checkup(make_checkup(OK), paint=Paint(is_on=True)))
    assert "\x1b" not in "\n".join(render_checkup(make_checkup(OK)))


def test_the_gravest_check_is_the_state() -> None:
    assert make_checkup(OK).state is CheckState.OK
    assert make_checkup(WARNING, OK).state is CheckState.WARNING
    assert make_checkup(PROBLEM, WARNING).state is CheckState.PROBLEM

"""Compare verdicts with the truth: what was found, what was a false alarm, what was blamed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.verdicts.case import Case
    from benchmarks.verdicts.plain import Output

RED = ("diverged", "failed-apart", "failed")
NOT_OF_THE_IMAGE = frozenset({"emulator", "unstable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a contender says of a case.

    `off` are the platforms said to be other than the baseline. `causes` are diagnoses by platform,
    as written to a record: `image`, `emulator`, `unstable`, `unconfirmed`.
    """

    kind: str
    off: frozenset[str] = frozenset()
    causes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @property
    def is_red(self) -> bool:
        """Whether the run fails by it."""
        return self.kind in RED


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A judgement beside the truth. `problems` are empty if it is right."""

    case: Case
    judgement: Judgement
    is_found: bool | None = None
    is_false_alarm: bool | None = None
    is_blame_right: bool | None = None
    problems: tuple[str, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Give the JSON form."""
        return {
            "case": self.case.name,
            "truth": self.case.truth,
            "verdict": self.judgement.kind,
            "off": sorted(self.judgement.off),
            "causes": {key: sorted(value) for key, value in sorted(self.judgement.causes.items())},
            "found": self.is_found,
            "false_alarm": self.is_false_alarm,
            "blame_right": self.is_blame_right,
            "problems": list(self.problems),
        }


def read_judgements(record: Mapping[str, Any]) -> dict[str, Judgement]:
    """Read what a record says of each case, by the case's name; without diagnoses, none are read.

    This alone knows how a record tells of verdicts and diagnoses.
    """
    members: dict[str, list[Mapping[str, Any]]] = {}
    for member in record["members"]:
        members.setdefault(member["group"], []).append(member)
    found = {}
    for verdict in record["verdicts"]:
        group = verdict["group"]
        causes: dict[str, set[str]] = {}
        for diagnosis in verdict.get("diagnoses", ()):
            causes.setdefault(diagnosis["platform"], set()).add(diagnosis["cause"])
        off = {platform for each in verdict["differences"] for platform in each["platforms"]}
        off |= list_failed_apart(verdict, members.get(group, ()))
        found[group.split("::test_")[-1]] = Judgement(
            kind=verdict["verdict"],
            off=frozenset(off),
            causes={platform: frozenset(each) for platform, each in causes.items()},
            texts=tuple(
                f"{each['platform']}: {each['cause']}: {' '.join(each.get('evidence', ()))}"
                for each in verdict.get("diagnoses", ())
            ),
        )
    return found


def list_failed_apart(verdict: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the platforms whose test ended otherwise than the baseline's."""
    failed = {each["platform"] for each in members if each["outcome"] in ("failed", "error")}
    everyone = {each["platform"] for each in members}
    return everyone - failed if verdict["baseline"] in failed else failed


def compare_plainly(case: Case, outputs: Mapping[str, Output]) -> Judgement:
    """Judge by the bytes, as a script with `diff` does."""
    baseline = outputs[case.platforms[0]]
    off = frozenset(platform for platform, each in outputs.items() if each != baseline)
    return Judgement(kind="diverged" if off else "equal", off=off)


def mark(case: Case, judgement: Judgement) -> Mark:
    """Compare a judgement with the truth."""
    match case.truth:
        case "differs":
            return _mark_differing(case, judgement)
        case "noisy":
            problem = f"{judgement.kind} on {_join(judgement.off)}" + _quote(case, judgement)
            return Mark(
                case=case,
                judgement=judgement,
                is_false_alarm=judgement.is_red,
                problems=(problem,) if judgement.is_red else (),
            )
        case "emulator":
            return _mark_emulated(case, judgement)


def _mark_differing(case: Case, judgement: Judgement) -> Mark:
    missed = [each for each in case.platforms_off if each not in judgement.off]
    more = judgement.off - {*case.platforms_off, case.platforms[0]}
    is_found = judgement.is_red and not missed
    excused = [
        platform
        for platform in case.platforms_off
        if (causes := judgement.causes.get(platform)) and causes <= NOT_OF_THE_IMAGE
    ]
    problems = []
    if not judgement.is_red:
        problems.append(f"{judgement.kind}, not diverged")
    elif missed:
        problems.append(f"nothing of {_join(missed)}")
    if excused:
        problems.append(f"{_join(excused)} excused")
    if more and judgement.is_red:
        problems.append(f"{_join(more)} too, which is the same")
    if problems:
        problems[-1] += _quote(case, judgement)
    return Mark(
        case=case,
        judgement=judgement,
        is_found=is_found,
        is_blame_right=is_found and not excused,
        problems=tuple(problems),
    )


def _mark_emulated(case: Case, judgement: Judgement) -> Mark:
    if judgement.kind == "equal":  # nothing is blamed on anyone
        return Mark(case=case, judgement=judgement, is_blame_right=True)
    others = [
        platform
        for platform in case.platforms_off
        if "emulator" not in judgement.causes.get(platform, ())
    ]
    blamed = {platform: "/".join(sorted(judgement.causes.get(platform, ()))) for platform in others}
    problems = tuple(
        f"{platform} {'is ' + causes if causes else 'has no diagnosis'}"
        for platform, causes in blamed.items()
    )
    if problems:
        problems = (f"{judgement.kind}: {', '.join(problems)}" + _quote(case, judgement),)
    return Mark(case=case, judgement=judgement, is_blame_right=not others, problems=problems)


def _join(platforms: Iterable[str]) -> str:
    return ", ".join(sorted(platforms)) or "none"


def _quote(case: Case, judgement: Judgement) -> str:
    """Quote what was said of one platform that matters."""
    wanted = case.platforms_off or case.platforms
    said = [text for text in judgement.texts if text.startswith(tuple(f"{x}:" for x in wanted))]
    return f" [{said[0][:200]}]" if said else ""


def count(marks: Iterable[Mark]) -> dict[str, tuple[int, int]]:
    """Give the three numbers: how many, and of how many."""
    given = tuple(marks)
    found = [each.is_found for each in given if each.is_found is not None]
    alarms = [each.is_false_alarm for each in given if each.is_false_alarm is not None]
    blames = [each.is_blame_right for each in given if each.is_blame_right is not None]
    return {
        "divergences found": (sum(found), len(found)),
        "false alarms": (sum(alarms), len(alarms)),
        "blame right": (sum(blames), len(blames)),
    }

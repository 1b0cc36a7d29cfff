"""A Dockerfile's stages and instructions, as far as a build's steps and bases are told by them.

BuildKit numbers what a stage does: its base, if that is no stage, then each RUN, COPY, ADD and
WORKDIR. By that number a step of a build is found in the text, with its line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_multiarch.core.platform import Platform

_NUMBERED = ("RUN", "COPY", "ADD", "WORKDIR")
_HEREDOC = re.compile(r"<<-?\s*([\"']?)([A-Za-z0-9_.]+)\1")
_DIRECTIVE = re.compile(r"#\s*([A-Za-z]+)\s*=\s*(\S.*?)\s*$")
_FLAG = re.compile(r"--([a-z]+)=(\S+)\s+")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?([-+])([^}]*))?\})")
_ANY_VARIABLE = re.compile(r"\$(?:\w+|\{[^}]*\})")
_FROM_STAGE = re.compile(r"--from=(\S+)|\bfrom=([^\s,]+)")
SCRATCH = "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction: its word in capitals, what follows on one line, its first line from 1."""

    word: str
    text: str
    line: int

    @property
    def shown(self) -> str:
        """The instruction as written, with its parts on one line."""
        return f"{self.word} {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerStage:
    """One stage: the name of its base and its `--platform=`, as written; `name` may be empty."""

    number: int
    name: str
    base: str
    platform: str
    line: int
    instructions: tuple[Instruction, ...] = ()

    @property
    def steps(self) -> tuple[Instruction, ...]:
        """What BuildKit numbers of it, without its base."""
        return tuple(each for each in self.instructions if each.word in _NUMBERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """The stages, and the global arguments with their defaults."""

    stages: tuple[DockerStage, ...]
    arguments: Mapping[str, str]

    def find_stage(self, name: str) -> DockerStage | None:
        """Give a stage by its name or number; without a name the last one, as a build does."""
        if not name:
            return self.stages[-1] if self.stages else None
        for stage in self.stages:
            if stage.name == name.lower() or (name.isdigit() and stage.number == int(name)):
                return stage
        return None

    def list_needed(self, target: str) -> tuple[DockerStage, ...]:
        """Give the stages that a build of `target` takes, in the order of the file."""
        needed: set[int] = set()
        open_ = [self.find_stage(target)]
        while open_:
            stage = open_.pop()
            if stage is None or stage.number in needed:
                continue
            needed.add(stage.number)
            open_ += (self._find_earlier(name, stage) for name in _list_sources(stage))
        return tuple(each for each in self.stages if each.number in needed)

    def _find_earlier(self, name: str, stage: DockerStage) -> DockerStage | None:
        found = self.find_stage(name)
        return found if found is not None and found.number < stage.number else None

    def is_stage(self, base: str, stage: DockerStage) -> bool:
        """Whether the base of a stage is an earlier stage, and not an image."""
        found = self.find_stage(base)
        return found is not None and not base.isdigit() and found.number < stage.number

    def find_step(self, stage_name: str, number: int, total: int, text: str) -> Instruction | None:
        """Give the instruction of a step as BuildKit names it: stage, number, how many, its text.

        Steps are numbered otherwise where the base adds some (ONBUILD: counted from the end), and
        where it is a context of the build's (`--build-context`: not numbered itself).
        """
        stage = self._find_by_shown_name(stage_name)
        if stage is None:
            return None
        first = 1 if stage.base == SCRATCH or self.is_stage(stage.base, stage) else 2
        steps = stage.steps
        places = (number - first, number - 1, len(steps) - 1 - (total - number))
        likely = [steps[at] for at in places if 0 <= at < len(steps)]
        fitting = [each for each in likely if _fits(each, text)]
        if not fitting and total == len(steps) + first - 1:
            fitting = [each for each in likely[:1] if text.startswith(f"{each.word} ")]
        return fitting[0] if fitting else None

    def _find_by_shown_name(self, name: str) -> DockerStage | None:
        if not name:
            return self.stages[0] if len(self.stages) == 1 else None
        number = name.removeprefix("stage-")
        named = [each for each in self.stages if each.name == name]
        if named:
            return named[-1]
        if number != name and number.isdigit() and int(number) < len(self.stages):
            return self.stages[int(number)]
        return None


def _fits(instruction: Instruction, text: str) -> bool:
    """Whether a step's text can be that of an instruction: it has the values of variables."""
    shown = " ".join(text.split())
    first, *others = (" ".join(each.split()) for each in _ANY_VARIABLE.split(instruction.shown))
    at = len(first) if shown.startswith(first) else -1
    for part in others:
        if at < 0:
            break
        found = shown.find(part, at)
        at = found + len(part) if found >= 0 else -1
    return at >= 0


def _list_sources(stage: DockerStage) -> Iterator[str]:
    """Name what a stage is made of: its base, and where it copies and mounts from."""
    yield stage.base
    for each in stage.instructions:
        if each.word in ("COPY", "RUN", "ADD"):
            for copied, mounted in _FROM_STAGE.findall(each.text):
                yield copied or mounted


def parse_dockerfile(text: str) -> Dockerfile:
    """Read a Dockerfile; what BuildKit would refuse is left for it to refuse."""
    stages: list[DockerStage] = []
    arguments: dict[str, str] = {}
    inside: list[Instruction] = []
    for each in _list_instructions(text):
        if each.word == "FROM":
            _close_stage(stages, inside)
            stages.append(_open_stage(each, len(stages)))
        elif stages:
            inside.append(each)
        elif each.word == "ARG":
            for word in each.text.split():
                name, _, value = word.partition("=")
                arguments[name] = value.strip("\"'")
    _close_stage(stages, inside)
    return Dockerfile(stages=tuple(stages), arguments=arguments)


def _open_stage(instruction: Instruction, number: int) -> DockerStage:
    flags = dict(_FLAG.findall(instruction.text))
    words = _FLAG.sub("", instruction.text).split()
    is_named = len(words) >= 3 and words[1].lower() == "as"
    return DockerStage(
        number=number,
        name=words[2].lower() if is_named else "",
        base=words[0] if words else "",
        platform=flags.get("platform", ""),
        line=instruction.line,
    )


def _close_stage(stages: list[DockerStage], inside: list[Instruction]) -> None:
    if stages:
        last = stages[-1]
        stages[-1] = DockerStage(
            number=last.number,
            name=last.name,
            base=last.base,
            platform=last.platform,
            line=last.line,
            instructions=tuple(inside),
        )
    inside.clear()


def _list_instructions(text: str) -> Iterator[Instruction]:
    lines = text.removeprefix("\ufeff").splitlines()
    escape = _find_escape(lines)
    number = 0
    while number < len(lines):
        first = number
        parts: list[str] = []
        while number < len(lines):
            line = lines[number].strip()
            number += 1
            if line.startswith("#") or (parts and not line):
                continue
            if not line.endswith(escape):
                parts.append(line)
                break
            parts.append(line.removesuffix(escape).strip())
        whole = " ".join(filter(None, parts))
        if not whole:
            continue
        word, _, rest = whole.partition(" ")
        line_number = _find_first_line(lines, first) + 1
        yield Instruction(word=word.upper(), text=rest.strip(), line=line_number)
        if word.upper() in ("RUN", "COPY", "ADD"):
            for _, mark in _HEREDOC.findall(rest):
                number = _pass_heredoc(lines, number, mark)


def _find_first_line(lines: list[str], number: int) -> int:
    while number < len(lines) - 1 and (
        not lines[number].strip() or lines[number].strip()[0] == "#"
    ):
        number += 1
    return number


def _pass_heredoc(lines: list[str], number: int, mark: str) -> int:
    for at in range(number, len(lines)):
        if lines[at].strip() == mark:
            return at + 1
    return number


def _find_escape(lines: Iterable[str]) -> str:
    for line in lines:
        found = _DIRECTIVE.match(line.strip())
        if found is None:
            break
        if found[1].lower() == "escape":
            return found[2]
    return "\\"


def expand(text: str, values: Mapping[str, str]) -> str:
    """Put the values of arguments into a text of a FROM; what is not known stays empty."""

    def replace(match: re.Match[str]) -> str:
        name, operator, word = match[1] or match[2], match[3], match[4] or ""
        value = values.get(name, "")
        if operator == "-":
            return value or word
        if operator == "+":
            return word if value else ""
        return value

    return _VARIABLE.sub(replace, text).strip("\"'")


def list_platform_values(target: Platform, builder: Platform) -> dict[str, str]:
    """Give the arguments that BuildKit sets itself, for one target platform."""
    values: dict[str, str] = {}
    for name, platform in (("TARGET", target), ("BUILD", builder)):
        values |= {
            f"{name}PLATFORM": str(platform),
            f"{name}OS": platform.os,
            f"{name}ARCH": platform.architecture,
            f"{name}VARIANT": platform.variant,
        }
    return values

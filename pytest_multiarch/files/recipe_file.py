"""Recipes in a private folder, by which workers of a parallel session leave them to its owner.

They hold what a test passed to its calls, secrets too: the folder and its files are of one user
alone, and go with the session. A file is a row of JSON texts and of what calls were given as bytes,
which is written once; places are `[offset, size]`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.call import Call, FileToCopy
from pytest_multiarch.core.container_options import Bind, ContainerOptions, Ulimit
from pytest_multiarch.core.errors import RecordError, UsageError
from pytest_multiarch.core.normalize import BUILT_IN, Normalizer, parse_normalizers
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.recipe import ContainerRecipe, Recipe, RecordedCall, Step
from pytest_multiarch.core.rules import ParityRules, Structure
from pytest_multiarch.core.wait import HealthWait, HttpWait, LogWait, PortWait

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_multiarch.core.normalize import TextFunction
    from pytest_multiarch.core.wait import Wait

Place = list[int]
_WAITS: dict[str, Any] = {each.__name__: each for each in (LogWait, PortWait, HttpWait, HealthWait)}
_WORKER = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class RecipeFolder:
    """The folder of a session's recipes: each worker writes a file of its own there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Any = None
        self._blobs: dict[bytes, Place] = {}

    def make(self) -> None:
        """Make the folder, or find it made by another worker.

        Raises:
            OSError: it cannot be made, or belongs to somebody else.
        """
        self.path.mkdir(mode=0o700, exist_ok=True)
        status = self.path.lstat()
        is_ours = not hasattr(os, "getuid") or status.st_uid == os.getuid()
        if not stat.S_ISDIR(status.st_mode) or not is_ours or status.st_mode & 0o077:
            raise PermissionError(f"{self.path} is not private")

    def write(self, worker: str, recipe: Recipe) -> Place:
        """Add a recipe to a worker's file; give where it is.

        Raises:
            OSError: it cannot be written.
        """
        if self._file is None:
            self.make()
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._file = os.fdopen(os.open(self._name(worker), flags, 0o600), "ab")
        document = self._describe(recipe)
        place = self._append(json.dumps(document, separators=(",", ":")).encode("ascii"))
        self._file.flush()
        return place

    def _name(self, worker: str) -> Path:
        if not _WORKER.match(worker):
            raise RecordError(f"{worker[:64]!r} is no worker")
        return self.path / worker

    def _append(self, data: bytes) -> Place:
        offset: int = self._file.tell()
        self._file.write(data)
        return [offset, len(data)]

    def _keep(self, data: bytes) -> Place:
        """Write bytes, once."""
        digest = hashlib.sha256(data).digest()
        if digest not in self._blobs:
            self._blobs[digest] = self._append(data)
        return self._blobs[digest]

    def _describe(self, recipe: Recipe) -> dict[str, Any]:
        return {
            "platform": str(recipe.platform),
            "reference": recipe.reference,
            "digest": recipe.digest,
            "rules": _describe_rules(recipe.rules),
            "secrets": dict(recipe.secrets),
            "problem": recipe.problem or _find_function(recipe.rules),
            "calls": [
                [
                    each.kind,
                    self._describe_call(each.call),
                    each.position,
                    each.container,
                    each.step,
                ]
                for each in recipe.calls
            ],
            "containers": [self._describe_container(each) for each in recipe.containers],
        }

    def _describe_container(self, container: ContainerRecipe) -> dict[str, Any]:
        problem = container.problem
        if not problem and container.has_functions:
            problem = "its container waits by a function of the test's, which stays in its process"
        if problem:
            return {"problem": problem}
        return {
            "call": self._describe_call(container.call),
            "ports": list(container.ports),
            "waits": _describe_waits(container.waits),
            "steps": [
                {
                    "call": None if each.call is None else self._describe_call(each.call),
                    "files": self._describe_files(each.files),
                    "waits": _describe_waits(each.waits),
                }
                for each in container.steps
            ],
        }

    def _describe_files(self, files: Iterable[FileToCopy]) -> list[list[Any]]:
        return [
            [each.path, self._keep(each.content), each.mode, each.uid, each.gid, each.is_folder]
            for each in files
        ]

    def _describe_call(self, call: Call) -> dict[str, Any]:
        return {
            "argv": list(call.argv),
            "entrypoint": None if call.entrypoint is None else list(call.entrypoint),
            "env": dict(call.env),
            "stdin": None if call.stdin is None else self._keep(call.stdin),
            "user": call.user,
            "workdir": call.workdir,
            "files": self._describe_files(call.files),
            "network": call.network,
            "init": call.init,
            "timeout_s": call.timeout_s,
            "options": asdict(call.options),
        }

    def read(
        self, worker: str, place: Place, *, named: Mapping[str, TextFunction] = BUILT_IN
    ) -> Recipe:
        """Read a recipe; `named` are the normalizers that there are.

        Raises:
            RecordError: it is not there, or not on this machine.
        """
        try:
            with self._name(worker).open("rb") as file:
                return _Reader(file, named).read(place)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordError(
                f"what worker {worker} recorded of its calls cannot be read: {error}"
            ) from None

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()

    def remove(self) -> None:
        """Remove the folder, if there is one."""
        shutil.rmtree(self.path, ignore_errors=True)


def _describe_rules(rules: ParityRules) -> dict[str, Any]:
    return {
        "parts": list(rules.parts),
        "structure": {
            "forms": dict(rules.structure.forms),
            "rel": rules.structure.rel,
            "abs": rules.structure.abs,
            "unordered": list(rules.structure.unordered),
            "without": list(rules.structure.without),
        },
        "ignore": [[each.pattern, each.flags] for each in rules.ignore],
        "normalizers": [[each.name, each.written] for each in rules.normalizers],
    }


def _find_function(rules: ParityRules) -> str:
    for each in rules.normalizers:
        if each.written is None and not re.fullmatch(r"[a-z]+(-[a-z]+)*", each.name):
            return f"its normalizer {each.name} is a function, which stays in the test's process"
    return ""


def _describe_waits(waits: Iterable[Wait]) -> list[list[Any]]:
    return [
        [type(each).__name__, *(getattr(each, name) for name in each.__slots__)] for each in waits
    ]


class _Reader:
    def __init__(self, file: Any, named: Mapping[str, TextFunction]) -> None:
        self._file = file
        self._named = named

    def read(self, place: Place) -> Recipe:
        document = json.loads(self._load(place))
        problem = document["problem"]
        rules = ParityRules()
        try:
            rules = rules if problem else self._read_rules(document["rules"])
        except UsageError as error:
            problem = error.headline
        return Recipe(
            platform=Platform.parse(document["platform"]),
            reference=document["reference"],
            digest=document["digest"],
            rules=rules,
            secrets=document["secrets"],
            problem=problem,
            calls=tuple(
                RecordedCall(
                    kind=kind,
                    call=self._read_call(call),
                    position=position,
                    container=container,
                    step=step,
                )
                for kind, call, position, container, step in document["calls"]
            ),
            containers=tuple(map(self._read_container, document["containers"])),
        )

    def _load(self, place: Place) -> bytes:
        offset, size = place
        self._file.seek(offset)
        data: bytes = self._file.read(size)
        if len(data) != size:
            raise ValueError("it ends early")
        return data

    def _read_rules(self, document: Mapping[str, Any]) -> ParityRules:
        return ParityRules(
            parts=tuple(document["parts"]),
            structure=_read_structure(document["structure"]),
            ignore=tuple(re.compile(pattern, flags) for pattern, flags in document["ignore"]),
            normalizers=tuple(self._read_normalizer(*each) for each in document["normalizers"]),
        )

    def _read_normalizer(self, name: str, written: list[Any] | None) -> Normalizer:
        if written is None:
            return parse_normalizers([name], named=self._named)[0]
        pattern, flags, replacement = written
        return parse_normalizers([(re.compile(pattern, flags), replacement)])[0]

    def _read_container(self, document: Mapping[str, Any]) -> ContainerRecipe:
        if document.get("problem"):
            return ContainerRecipe(call=Call(), problem=document["problem"])
        return ContainerRecipe(
            call=self._read_call(document["call"]),
            ports=tuple(document["ports"]),
            waits=_read_waits(document["waits"]),
            steps=tuple(
                Step(
                    call=None if each["call"] is None else self._read_call(each["call"]),
                    files=self._read_files(each["files"]),
                    waits=_read_waits(each["waits"]),
                )
                for each in document["steps"]
            ),
        )

    def _read_files(self, documents: Iterable[Any]) -> tuple[FileToCopy, ...]:
        return tuple(
            FileToCopy(
                path=path,
                content=self._load(place),
                mode=mode,
                uid=uid,
                gid=gid,
                is_folder=is_folder,
            )
            for path, place, mode, uid, gid, is_folder in documents
        )

    def _read_call(self, document: Mapping[str, Any]) -> Call:
        entrypoint, stdin = document["entrypoint"], document["stdin"]
        return Call(
            argv=tuple(document["argv"]),
            entrypoint=None if entrypoint is None else tuple(entrypoint),
            env=document["env"],
            stdin=None if stdin is None else self._load(stdin),
            user=document["user"],
            workdir=document["workdir"],
            files=self._read_files(document["files"]),
            network=document["network"],
            init=document["init"],
            timeout_s=document["timeout_s"],
            options=_read_options(document["options"]),
        )


def _read_options(document: Mapping[str, Any]) -> ContainerOptions:
    given = {name: _freeze(value) for name, value in document.items()}
    given["volumes"] = tuple(Bind(**each) for each in document["volumes"])
    given["ulimits"] = tuple(Ulimit(**each) for each in document["ulimits"])
    return ContainerOptions(**given)


def _freeze(value: Any) -> Any:
    return tuple(map(_freeze, value)) if isinstance(value, list) else value


def _read_structure(document: Mapping[str, Any]) -> Structure:
    return Structure(
        forms=document["forms"],
        rel=document["rel"],
        abs=document["abs"],
        unordered=tuple(document["unordered"]),
        without=tuple(document["without"]),
    )


def _read_waits(documents: Iterable[list[Any]]) -> tuple[Wait, ...]:
    return tuple(
        _WAITS[name](*(tuple(each) if isinstance(each, list) else each for each in values))
        for name, *values in documents
    )

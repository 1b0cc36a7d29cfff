"""From a Dockerfile to variants: an image is built once per run, and everything is said of it.

Where the engine keeps several platforms under a name, one call builds them all; elsewhere, where
platforms have arguments of their own, and on a builder of several machines, which can only load
what one of them built, one call builds each, under a name of its own.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_multiarch.core.build import Build, BuildRequest, PlatformBuild, start_build
from pytest_multiarch.core.build_checks import (
    find_missing_bases,
    find_pinned_bases,
    leave_out_told,
    list_bases,
)
from pytest_multiarch.core.build_log import find_instruction, measure_builds, show_step
from pytest_multiarch.core.dockerfile import parse_dockerfile
from pytest_multiarch.core.errors import (
    BuildError,
    EngineError,
    EngineGoneError,
    ImageError,
    MultiarchError,
    PlatformUnavailableError,
    UsageError,
    WrongArchitectureError,
)
from pytest_multiarch.core.known_message import Occasion, Stage, show_original
from pytest_multiarch.core.known_messages import find_known
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.run.detect import detect_native

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_multiarch.core.build import BuildFinding, BuildSpec
    from pytest_multiarch.core.build_checks import BaseImage
    from pytest_multiarch.core.build_log import BuildLog, Step
    from pytest_multiarch.core.dockerfile import Dockerfile
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import ImageBuilder
    from pytest_multiarch.run.node import Node

_LOG_LINES = 30
_HIDDEN = "<hidden>"
_PREFIX = re.compile(r"ERROR: (?:failed to build: )?(?:failed to solve: )?")
_BASE = re.compile(r"failed to resolve source metadata for (\S+): ")
_ASKED = re.compile(r"\"https?://([^/\"]+)/v2/")


class Builds:
    """What this process knows of the images that its run builds on one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.RLock()
        self._builds: dict[str, Build] = {}

    def provide(
        self, spec: BuildSpec, platforms: Iterable[Platform]
    ) -> tuple[ImageReference, Build]:
        """Give the reference of an image that is built by now, and what the build came to.

        `platforms` are those that the session needs of it, the same in all processes of a run.
        One that could not be built is told in the build, with why.

        Raises:
            UsageError: another image is built under the same name.
        """
        reference = ImageReference.parse(spec.name)
        with self._lock:
            if any(
                each.name == spec.name and key != spec.key for key, each in self._builds.items()
            ):
                raise UsageError(
                    f"two images are built as {spec.name}: one takes the other's name",
                    cure="give each a tag of its own",
                )
            if spec.key not in self._builds:
                self._builds[spec.key] = self._share(spec, tuple(platforms))
                built = self._builds[spec.key].platforms
                ids = {each: found.image_id for each, found in built.items() if found.image_id}
                self._node.resolver.note_built(reference, ids)
            return reference, self._builds[spec.key]

    def _share(self, spec: BuildSpec, platforms: tuple[Platform, ...]) -> Build:
        with self._node.tools.share_build(spec.key) as shared:
            document = shared.read()
            if document is None:
                build = _Building(self._node, spec, platforms).make()
                shared.write(build.to_mapping())
                return build
        return Build.from_mapping(document)


def refuse_failed(build: Build, platform: Platform) -> None:
    """Raise why a platform was not built, if it was not.

    Raises:
        BuildError: with the step and its log.
    """
    found = build.platforms.get(platform)
    if found is not None and found.error:
        raise BuildError(found.error, cure=found.cure)


@dataclass(slots=True)
class _Building:
    """One build under way."""

    node: Node
    spec: BuildSpec
    platforms: tuple[Platform, ...]
    hidden: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    failed: dict[Platform, PlatformBuild] = field(default_factory=dict)
    apart: set[Platform] = field(default_factory=set)

    def make(self) -> Build:
        """Build what can be built; a platform that cannot be is told with why."""
        begun_s = time.perf_counter()
        node = self.node.name
        build = Build(name=self.spec.name, dockerfile=self.spec.title, node=node)
        try:
            builder = self.node.tools.open_builder()
            facts = builder.describe()
            build = start_build(self.spec, facts, node=node, started_at_s=time.time())
            request = BuildRequest(spec=self.spec, platforms=self.platforms, name=self.spec.name)
            dockerfile = parse_dockerfile(builder.read_dockerfile(request))
        except EngineGoneError:
            raise
        except MultiarchError as error:
            problem = PlatformBuild(error=error.what, cure=error.cure)
            return replace(build, platforms=dict.fromkeys(self.platforms, problem))
        self.hidden = builder.list_hidden(request)
        machines = facts.machines if facts.driver != "docker" else ()
        machines = machines or (self.node.engine.read_facts().platform,)
        bases = list_bases(dockerfile, self.spec, self.platforms, machines[0])
        # Builders in containers of their own do not see the engine's images.
        missing = find_missing_bases(
            bases, self._read_bases(bases, sees_engine=facts.driver == "docker")
        )
        findings = (
            *missing,
            *find_pinned_bases(dockerfile, self.spec, self.platforms),
            *leave_out_told(self._check(builder, request), missing),
        )
        self._refuse_missing(findings)
        has_index = self.node.engine.read_facts().has_containerd_store
        can_join = has_index and not self.spec.platform_args and facts.nodes == 1
        logs = self._try(builder, dockerfile, can_join=can_join)
        measured = measure_builds(
            logs,
            dockerfile,
            is_native=lambda platform: any(detect_native(each, platform) for each in machines),
            builder=machines[0],
        )
        found = {
            platform: self._identify(platform, measured.get(platform, PlatformBuild()))
            for platform in self.platforms
        }
        return replace(
            build,
            platforms=found,
            findings=findings,
            notes=tuple(map(self._hide, self.notes)),
            wall_s=time.perf_counter() - begun_s,
        )

    def _check(self, builder: ImageBuilder, request: BuildRequest) -> tuple[BuildFinding, ...]:
        try:
            return builder.check(request)
        except EngineError as error:
            self.notes.append(error.headline)
            return ()

    def _read_bases(
        self, bases: Iterable[BaseImage], *, sees_engine: bool
    ) -> dict[str, tuple[Platform, ...]]:
        """Give the platforms of base images: in the engine, if the build looks into it, or where
        they come from."""
        names = {base.reference for base in bases}
        found = {each: self._list_platforms(each, sees_engine=sees_engine) for each in names}
        return {reference: each for reference, each in found.items() if each is not None}

    def _list_platforms(self, base: str, *, sees_engine: bool) -> tuple[Platform, ...] | None:
        try:
            reference = ImageReference.parse(base)
            local = self.node.engine.find_image(reference.text) if sees_engine else None
            if local is not None and local.index is not None:
                return local.index.platforms
            if local is not None and not local.repo_digests:
                return None if local.config is None else (local.config.platform,)
            index = self.node.resolver.registry.read_index(reference)
            return index.platforms
        except EngineGoneError:
            raise
        except MultiarchError as error:
            self.notes.append(f"{base} was not looked at: {error.headline}")
            return None

    def _refuse_missing(self, findings: Iterable[BuildFinding]) -> None:
        for finding in findings:
            for platform in finding.platforms:
                self.failed.setdefault(
                    platform,
                    PlatformBuild(
                        error=f"{self.spec.title} cannot be built for {platform}: "
                        f"{self._locate(finding.line)}{finding.what}",
                        cure=finding.cure,
                    ),
                )

    def _locate(self, line: int) -> str:
        return f"{self.spec.title}:{line}: " if line else ""

    def _try(
        self, builder: ImageBuilder, dockerfile: Dockerfile, *, can_join: bool
    ) -> list[BuildLog]:
        """Build; an error that is no step's is remembered, for it may have taken hours."""
        try:
            return self._build(builder, dockerfile, can_join=can_join)
        except EngineGoneError:
            raise
        except MultiarchError as error:
            problem = PlatformBuild(error=self._hide(error.what), cure=error.cure)
            self.failed = {**dict.fromkeys(self.platforms, problem), **self.failed}
            return []

    def _build(
        self, builder: ImageBuilder, dockerfile: Dockerfile, *, can_join: bool
    ) -> list[BuildLog]:
        """Build all at once where that works, what is left one by one."""
        wanted = tuple(each for each in self.platforms if each not in self.failed)
        if not wanted:
            return []
        if can_join:
            request = BuildRequest(spec=self.spec, platforms=wanted, name=self.spec.name)
            log = self._run(builder, request, dockerfile)
            if log.exit_code == 0:
                self._forget_apart(wanted)
                return [log]
            blamed = self._blame(log, wanted, dockerfile)
            if len(wanted) == 1 or set(blamed) >= set(wanted):
                return [log]
            wanted = tuple(each for each in wanted if each not in blamed)
        logs = []
        for platform in wanted:
            request = BuildRequest(
                spec=self.spec,
                platforms=(platform,),
                name=self.spec.name_for(platform),
                is_apart=True,
            )
            self.apart.add(platform)
            log = self._run(builder, request, dockerfile)
            logs.append(log)
            if log.exit_code != 0:
                self._blame(log, (platform,), dockerfile)
        return logs

    def _forget_apart(self, platforms: Iterable[Platform]) -> None:
        """Remove the names of single platforms that an earlier build, failed in part, left."""
        for platform in platforms:
            with contextlib.suppress(EngineError):
                self.node.engine.remove_image(self.spec.name_for(platform))

    def _run(
        self, builder: ImageBuilder, request: BuildRequest, dockerfile: Dockerfile
    ) -> BuildLog:
        shown = self.node.tools.show_build(self.spec.title, request.platforms)
        with shown as tell:

            def follow(log: BuildLog) -> None:
                for platform in request.platforms:
                    done, total, step = log.follow(platform)
                    tell(platform, done, total, show_step(step, dockerfile) if step else "")

            return builder.build(request, follow)

    def _blame(
        self, log: BuildLog, platforms: tuple[Platform, ...], dockerfile: Dockerfile
    ) -> tuple[Platform, ...]:
        """Say which platforms are not built, and why; what is nobody's alone is everybody's."""
        failed = log.find_failed()
        blamed: list[Platform] = []
        for step in failed:
            for platform in platforms:
                if step.target == platform and platform not in blamed:
                    blamed.append(platform)
                    self.failed[platform] = self._explain_step(log, step, platform, dockerfile)
        if blamed:
            return tuple(blamed)
        problem = self._explain_plain(log, platforms)
        self.failed |= dict.fromkeys(platforms, problem)
        return platforms

    def _explain_step(
        self, log: BuildLog, step: Step, platform: Platform, dockerfile: Dockerfile
    ) -> PlatformBuild:
        instruction = find_instruction(step, dockerfile)
        where = self._locate(instruction.line if instruction else 0)
        ended = step.error.rpartition("did not complete successfully: ")[2]
        stage = f"[{step.stage} {step.number}/{step.total}] ".replace("[ ", "[")
        text = log.read_log(step.digest)
        lines = text.splitlines()[-_LOG_LINES:]
        what = (
            f"the build of {self.spec.title} failed for {platform}: "
            f"{where}{stage}{show_step(step, dockerfile)}: {ended}"
        )
        if lines:
            what += "\nwhat the step printed last:\n" + "\n".join(f"  {each}" for each in lines)
        known = find_known(f"{step.error}\n{text}", Stage.BUILD)
        cure = "mend the step; this platform alone is built by: " + self._write_command(platform)
        if known and known.error in (PlatformUnavailableError, WrongArchitectureError):
            cure = known.explain("", Occasion(platform=str(platform))).cure
        return PlatformBuild(error=self._hide(what), cure=cure)

    def _write_command(self, platform: Platform) -> str:
        command = f"docker buildx build --platform {platform} --file {self.spec.dockerfile}"
        command += f" --target {self.spec.target}" if self.spec.target else ""
        names = self.spec.list_args(platform)
        command += "".join(f" --build-arg {name}=..." for name in names)
        return f"{command} {self.spec.context}"

    def _explain_plain(self, log: BuildLog, platforms: tuple[Platform, ...]) -> PlatformBuild:
        failures = "; ".join(f"{name}: {error}" for name, error in log.find_failures())
        said = log.plain or failures or f"exit code {log.exit_code}"
        known = find_known(f"{said}\n{failures}", Stage.BUILD)
        names = " and ".join(map(str, platforms))
        what = f"the build of {self.spec.title} failed for {names}: {_put_error_first(said)}"
        cure = (
            known.explain("", _find_occasion(said, platform=names, node=self.node.name)).cure
            if known
            else "the lines above are buildx's own; docker buildx build shows the same"
        )
        return PlatformBuild(error=self._hide(what), cure=cure)

    def _hide(self, text: str) -> str:
        """Take out what must not be shown, and control characters."""
        for value in sorted(self.hidden, key=len, reverse=True):
            text = text.replace(value, _HIDDEN)
        shown = (show_original(f".{line}")[1:] for line in text.split("\n"))
        return "\n".join(line.rstrip() for line in shown)

    def _identify(self, platform: Platform, measured: PlatformBuild) -> PlatformBuild:
        """Say what the engine has now; a builder may have loaded it elsewhere."""
        if platform in self.failed:
            problem = self.failed[platform]
            return replace(measured, error=problem.error, cure=problem.cure)
        reference = ImageReference.parse(self.spec.name)
        name = self.spec.name_for(platform) if platform in self.apart else self.spec.name
        local = self.node.engine.find_image(name)
        if local is not None:
            self.node.resolver.note_built(reference, {platform: local.id})
            with contextlib.suppress(ImageError):
                resolved = self.node.resolver.resolve(reference, platform)
                return replace(
                    measured,
                    name=name,
                    image_id=local.id,
                    kind=resolved.kind,
                    digest=resolved.digest,
                    config_digest=resolved.config_digest,
                )
        return replace(
            measured,
            error=f"{self.spec.title} was built for {platform}, and {self.node.name} does not "
            "have it: the builder loaded it elsewhere",
            cure="take the builder of that engine: unset BUILDX_BUILDER, or docker buildx use "
            "default",
        )


def _put_error_first(said: str) -> str:
    """Put buildx's error, which comes after an excerpt of the Dockerfile, before all else."""
    lines = said.splitlines()
    errors = [each for each in lines if each.startswith("ERROR: ")]
    if not errors:
        return said
    return "\n".join((_PREFIX.sub("", errors[-1]), *(each for each in lines if each != errors[-1])))


def _find_occasion(said: str, *, platform: str, node: str) -> Occasion:
    """Find of which base image something is said, or at least of which registry."""
    occasion = Occasion(platform=platform, node=node)
    base, asked = _BASE.search(said), _ASKED.search(said)
    with contextlib.suppress(UsageError):
        if base is not None:
            reference = ImageReference.parse(base[1])
            return replace(occasion, reference=reference.text, registry=reference.registry)
    return replace(occasion, registry=asked[1]) if asked else occasion

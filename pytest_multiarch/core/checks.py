"""The judgement on each thing that a checkup looks at: right, doubtful or wrong, and the cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_multiarch.core.checkup import Check, CheckState
from pytest_multiarch.core.emulators import FLAG_MEANINGS, NEEDED_FLAG
from pytest_multiarch.core.execution import explain_unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_multiarch.core.checkup import Builder, Buildx, Login, Machine, Outlook
    from pytest_multiarch.core.emulators import EmulatorTable
    from pytest_multiarch.core.errors import MultiarchError
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import EngineFacts

_OK, _WARNING, _PROBLEM = CheckState.OK, CheckState.WARNING, CheckState.PROBLEM
_API_WITH_MANIFESTS = (1, 48)
_LITTLE_SPACE = 5 * 10**9
_NO_SPACE = 500 * 10**6
_USUAL_PAGE = 4096
_CPU_LEVELS = "linux/amd64/"
_INSTALL = "docker run --privileged --rm tonistiigi/binfmt --install all"
_REINSTALL = (
    "docker run --privileged --rm tonistiigi/binfmt --uninstall 'qemu-*', then the same with "
    "--install all"
)
_FOLDER = "/proc/sys/fs/binfmt_misc"


def check_engine(facts: EngineFacts, origin: str) -> Check:
    """Say which engine it is, and how it was found."""
    api = ".".join(map(str, facts.api_version))
    found = f"{facts.product} {facts.version}, API {api}, at {facts.node} (from {origin})"
    return Check(name="engine", state=_OK, found=found)


def check_engine_failure(error: MultiarchError, others: Sequence[EngineFacts]) -> Check:
    """Say why there is none, and which others there are."""
    cures = [
        f"{each.product} {each.version} answers at {each.node}: export DOCKER_HOST={each.node}"
        for each in others
    ]
    return Check(
        name="engine", state=_PROBLEM, found=error.what, cure="; ".join(cures) or error.cure
    )


def check_node(platform: Platform, facts: EngineFacts) -> Check:
    """Say which engine a platform has of its own, and whether that is hardware of it."""
    found = (
        f"{platform} on {facts.product} {facts.version} at {facts.node}, which is {facts.platform}"
    )
    if (facts.platform.os, facts.platform.architecture) == (platform.os, platform.architecture):
        return Check(name="node", state=_OK, found=found)
    return Check(
        name="node",
        state=_WARNING,
        found=f"{found}: it would emulate the platform, if it runs it at all",
        cure="give the platform hardware of its own, or take its node out of the configuration",
    )


def check_node_failure(platform: Platform, error: MultiarchError, *, may_emulate: bool) -> Check:
    """Say why a platform's node cannot be used, and what becomes of its tests."""
    what = "is emulated meanwhile" if may_emulate else "is unavailable"
    return Check(
        name="node",
        state=_WARNING if may_emulate else _PROBLEM,
        found=f"{platform} {what}: {error.what}",
        cure="start the engine there, or mend nodes in the configuration",
    )


def check_machine(machine: Machine, facts: EngineFacts | None) -> Check:
    """Set the machine that the command runs on beside the engine's."""
    here = f"{machine.platform}, kernel {machine.kernel}"
    if facts is None:
        return Check(name="machine", state=_OK, found=f"here: {here}")
    if machine.shares_kernel(facts):
        return Check(name="machine", state=_OK, found=f"{here}; the engine runs on this kernel")
    return Check(
        name="machine",
        state=_OK,
        found=f"here: {here}; the engine: {facts.platform}, kernel {facts.kernel}: another machine "
        "or a virtual one, whose architecture counts",
    )


def check_image_store(facts: EngineFacts) -> Check:
    """Say what the engine keeps of an image."""
    if facts.product == "Podman":
        found = "Podman's: one platform under a name, unless it is a manifest list"
        return Check(name="image store", state=_OK, found=found)
    if facts.has_containerd_store:
        found = "containerd: every platform of an image under its name"
        if facts.api_version < _API_WITH_MANIFESTS:
            found += "; this engine lists them only by an export, which takes seconds"
        return Check(name="image store", state=_OK, found=found)
    return Check(
        name="image store",
        state=_WARNING,
        found="classic: one platform under a name; images of several platforms have to be in a "
        "registry",
        cure='{"features": {"containerd-snapshotter": true}} in /etc/docker/daemon.json (Docker '
        "24 or newer; Docker Desktop: Settings, General), then restart Docker",
    )


def check_emulators(table: EmulatorTable | None) -> Check:
    """Say which emulators the engine's kernel has; None where that cannot be seen from here."""
    if table is None:
        found = "not to be seen from here: the engine has another kernel"
        return Check(name="emulators", state=_OK, found=found)
    if not table.is_mounted:
        return Check(
            name="emulators",
            state=_WARNING,
            found=f"not to be seen: binfmt_misc is not mounted at {_FOLDER}",
            cure=f"sudo mount -t binfmt_misc binfmt_misc {_FOLDER}, or see by containers: "
            "pytest-multiarch doctor --try",
        )
    if not table.is_enabled:
        return Check(
            name="emulators",
            state=_PROBLEM,
            found="binfmt_misc is turned off as a whole",
            cure=f"echo 1 | sudo tee {_FOLDER}/status",
        )
    return _check_registered(table)


def _check_registered(table: EmulatorTable) -> Check:
    working = [each for each in table.emulators if each.is_enabled]
    if not working:
        return Check(
            name="emulators",
            state=_WARNING,
            found="none is registered with the kernel",
            cure=f"{_INSTALL} (Debian, Ubuntu: apt-get install qemu-user-static binfmt-support)",
        )
    kinds = dict.fromkeys(f"{each}, flags {each.flags or 'none'}" for each in working)
    found = [f"{len(working)} registered: {'; '.join(kinds)}"]
    missing = {flag for each in working for flag in each.list_missing_flags()}
    found += [
        f"{_name_lacking(table, flag)} without {flag}: {meaning}"
        for flag, meaning in FLAG_MEANINGS.items()
        if flag in missing
    ]
    state = _PROBLEM if NEEDED_FLAG in missing else _WARNING if missing else _OK
    cure = _REINSTALL if missing else ""
    return Check(name="emulators", state=state, found=". ".join(found), cure=cure)


def _name_lacking(table: EmulatorTable, flag: str) -> str:
    working = [each for each in table.emulators if each.is_enabled]
    lacking = [each.name for each in working if flag in each.list_missing_flags()]
    return "all" if len(lacking) == len(working) else ", ".join(lacking)


def check_platforms(outlooks: Sequence[Outlook], node: str) -> Check:
    """Say whether the platforms that somebody asked for run, else whether any foreign one does."""
    required = [each for each in outlooks if each.is_required]
    for each in required:
        if each.execution and not each.execution.is_available:
            error = explain_unavailable(each.platform, each.execution, node=node)
            return Check(name="platforms", state=_PROBLEM, found=error.what, cure=error.cure)
    unknown = [each for each in outlooks if each.execution is None]
    if any(each.is_required for each in unknown):
        return Check(
            name="platforms",
            state=_WARNING,
            found=f"only a container shows how {_join(unknown)} run",
            cure="pytest-multiarch doctor --try",
        )
    running = [each for each in outlooks if each.execution and each.execution.is_available]
    found = f"{len(running)} of {len(outlooks)} run here"
    if unknown:
        found += f"; only a container shows how {_join(unknown)} run: doctor --try"
    if (
        not unknown
        and len(outlooks) > 1
        and not any(e.execution.is_emulated for e in running if e.execution)
    ):
        return Check(name="platforms", state=_WARNING, found=found, cure=_INSTALL)
    return Check(name="platforms", state=_OK, found=found)


def _join(outlooks: Iterable[Outlook]) -> str:
    return ", ".join(str(each.platform) for each in outlooks)


def check_disk(facts: EngineFacts, space: tuple[int, int] | None) -> Check:
    """Say how much room is left for images, as (free, all) bytes; None where it is not known."""
    if space is None:
        found = f"{facts.data_root or 'the folder of images'} is not to be seen from here"
        return Check(name="disk", state=_OK, found=found)
    free, total = space
    found = f"{free / 1e9:.1f} of {total / 1e9:.0f} GB free at {facts.data_root}"
    if free >= _LITTLE_SPACE:
        return Check(name="disk", state=_OK, found=found)
    state = _PROBLEM if free < _NO_SPACE else _WARNING
    cure = "docker system df shows what takes the room, docker system prune frees it"
    return Check(name="disk", state=state, found=found, cure=cure)


def check_page_size(machine: Machine) -> Check:
    """Say whether memory pages are of the size that most programs were built for."""
    found = f"{machine.page_size // 1024} KiB"
    if machine.page_size <= _USUAL_PAGE:
        return Check(name="page size", state=_OK, found=found)
    return Check(
        name="page size",
        state=_WARNING,
        found=f"{found}: programs built for 4 KiB pages (jemalloc, old linkers) may fail here and "
        "nowhere else",
        cure="run a kernel with 4 KiB pages, or compare with a machine that has one",
    )


def check_buildx(buildx: Buildx) -> Check:
    """Say what builds images for several platforms; tests do not need it."""
    if not buildx.version:
        return Check(
            name="buildx",
            state=_WARNING,
            found=f"{buildx.problem}; building for several platforms needs it, testing does not",
            cure="install docker-buildx-plugin (Docker's packages) or docker-buildx (Debian's)",
        )
    if buildx.problem:
        return Check(name="buildx", state=_WARNING, found=f"{buildx.version}; {buildx.problem}")
    found = "; ".join((buildx.version, *map(_describe_builder, buildx.builders)))
    note = " (listed by BuildKit at its start: no evidence)" if buildx.builders else "; no builders"
    return Check(name="buildx", state=_OK, found=found + note)


def _describe_builder(builder: Builder) -> str:
    current = "*" if builder.is_current else ""
    plain = [each for each in builder.platforms if not each.startswith(_CPU_LEVELS)]
    return f"{builder.name}{current}: {', '.join(plain) or 'not running'}"


def check_environ(machine: Machine) -> Check:
    """Say which variables of the environment matter elsewhere and not here."""
    if not machine.environ:
        return Check(name="environment", state=_OK, found="no DOCKER_DEFAULT_PLATFORM, no QEMU_CPU")
    notes, cures = [], []
    for name, value in machine.environ.items():
        is_platform = name == "DOCKER_DEFAULT_PLATFORM"
        effect = (
            "decides for docker run, pull and build, and nothing here"
            if is_platform
            else "reaches no container: give it with env="
        )
        notes.append(f"{name}={value} {effect}")
        cures.append(f"unset {name}")
    return Check(name="environment", state=_WARNING, found="; ".join(notes), cure="; ".join(cures))


def check_logins(logins: Sequence[Login]) -> Check:
    """Say for which registries there are credentials."""
    good = [each.registry for each in logins if not each.problem]
    problems = dict.fromkeys(each.problem for each in logins if each.problem)
    found = f"credentials for {', '.join(good)}" if good else "no credentials"
    if not problems:
        return Check(name="logins", state=_OK, found=found)
    return Check(
        name="logins",
        state=_PROBLEM,
        found=f"{found}; {'; '.join(problems)}",
        cure="install the helper or take it out of config.json (credsStore, credHelpers), then "
        "docker login",
    )


def check_settings(where: str, error: MultiarchError | None) -> Check:
    """Say whether the project's configuration can be read."""
    if error is None:
        return Check(name="settings", state=_OK, found=where)
    cure = error.cure or "pytest-multiarch config names each problem"
    return Check(name="settings", state=_PROBLEM, found=error.what, cure=cure)

"""Static causes: of all that differs between two images, what a call comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.call import Call
from pytest_multiarch.core.filetree import FileEntry, FileKind, FileTree, Layer, Script
from pytest_multiarch.core.index import ImageConfig
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.static_cause import CallReach, find_static_causes, list_named_paths
from tests.core.trees import make_elf
from tests.samples import AMD64, ARM64

if TYPE_CHECKING:
    from collections.abc import Mapping

SHELL = Script("/bin/sh")
ARM_V5 = Platform.parse("linux/arm/v5")


class Contents(FileTree):
    """Files whose programs are linked with what is said here, by their paths."""

    linked: Mapping[str, tuple[str, ...]]
    unread: frozenset[str] = frozenset()

    def read_libraries(self, program: FileEntry) -> tuple[str, ...]:
        return self.linked.get(program.path, ())


def make_contents(
    files: Mapping[str, str | FileEntry], linked: Mapping[str, tuple[str, ...]]
) -> Contents:
    """Make files: a text is their content's digest, or what a link leads to if it begins `->`."""
    entries = []
    for path, what in files.items():
        if isinstance(what, FileEntry):
            entries.append(what)
        elif what.startswith("->"):
            entries.append(FileEntry(path, FileKind.LINK, target=what[2:]))
        else:
            entries.append(FileEntry(path, FileKind.FILE, 0o644, size=9, digest=what * 8))
    made = Contents.merge([Layer(digest="", diff_id="", entries=tuple(entries))])
    assert isinstance(made, Contents)
    made.linked = linked
    return made


def script(path: str, digest: str) -> FileEntry:
    return FileEntry(path, FileKind.FILE, 0o755, size=9, digest=digest * 8, program=SHELL)


def program(path: str, platform: Platform) -> FileEntry:
    elf = make_elf(platform.architecture, loader="/lib/ld.so")
    return FileEntry(path, FileKind.FILE, 0o755, size=9, digest=platform.architecture, program=elf)


def reach(
    platform: Platform,
    call: Call,
    files: Mapping[str, str | FileEntry],
    *,
    linked: Mapping[str, tuple[str, ...]] | None = None,
    is_exec: bool = False,
    put_in: tuple[str, ...] = (),
    **settings: Any,
) -> CallReach:
    env = tuple(settings.get("Env", ()))
    return CallReach(
        platform=platform,
        config=ImageConfig(
            platform=platform,
            env=env,
            settings=settings,
            workdir=settings.get("WorkingDir", ""),
        ),
        call=call,
        words=call.argv,
        entrypoint_size=0,
        is_exec=is_exec,
        tree=make_contents(files, linked or {}),
        put_in=put_in,
    )


def find(ours: CallReach, theirs: CallReach, *texts: str) -> tuple[str, ...]:
    return find_static_causes(ours, theirs, texts=dict.fromkeys((AMD64, ARM64), texts))


@pytest.mark.parametrize(
    "argv",
    [
        ("cat", "/etc/app.conf"),
        ("cat", "app.conf"),
        ("sh", "-c", "grep mode </etc/app.conf; date"),
        ("app", "--config=/etc/app.conf"),
        ("cat", "/etc/../etc/current.conf"),
    ],
)
def test_a_file_that_is_named_is_one(argv: tuple[str, ...]) -> None:
    files = {"/etc/current.conf": "->app.conf", "/etc/other": "a"}
    ours, theirs = (
        reach(
            platform,
            Call(argv=argv, workdir="/etc"),
            {**files, "/etc/app.conf": digest, "/etc/other": digest},
        )
        for platform, digest in ((AMD64, "a"), (ARM64, "b"))
    )
    (cause,) = find(ours, theirs)
    assert "differs in the images: /etc/app.conf (content): 9 bytes, sha256 aaaaaaaa" in cause
    assert "on linux/amd64, 9 bytes, sha256 bbbbbbbb on linux/arm64" in cause


def test_what_is_not_named_is_none() -> None:
    ours = reach(AMD64, Call(argv=("cat", "/etc/same", "/bin")), {"/etc/same": "s", "/x": "a"})
    theirs = reach(ARM64, Call(argv=("cat", "/etc/same", "/bin")), {"/etc/same": "s", "/x": "b"})
    assert find(ours, theirs) == ()


def test_what_the_test_put_there_is_none() -> None:
    call = Call(argv=("cat", "/data/in/1", "/data/input"))
    ours, theirs = (
        reach(platform, call, {"/data/in/1": digest, "/data/input": digest}, put_in=("/data/in",))
        for platform, digest in ((AMD64, "a"), (ARM64, "b"))
    )
    (cause,) = find(ours, theirs)
    assert "/data/input" in cause


def test_a_missing_program_is_one() -> None:
    call = Call(argv=("tool", "--version"))
    ours = reach(AMD64, call, {"/usr/bin/tool": program("/usr/bin/tool", AMD64)})
    (cause,) = find(ours, reach(ARM64, call, {"/usr/bin": "x"}))
    assert "/usr/bin/tool" in cause
    assert "missing on linux/arm64" in cause


def test_programs_of_the_same_name_are_none() -> None:
    """Their content rightly differs."""
    call = Call(argv=("tool",))
    ours, theirs = (
        reach(platform, call, {"/usr/bin/tool": program("/usr/bin/tool", platform)})
        for platform in (AMD64, ARM64)
    )
    assert find(ours, theirs) == ()


def test_a_script_and_its_interpreter_are_ones() -> None:
    call = Call(argv=("greet",))
    ours, theirs = (
        reach(
            platform,
            call,
            {
                "/usr/bin/greet": script("/usr/bin/greet", digest),
                "/bin/sh": f"->/bin/{shell}",
                f"/bin/{shell}": program(f"/bin/{shell}", platform),
            },
        )
        for platform, digest, shell in ((AMD64, "a", "dash"), (ARM64, "b", "ash"))
    )
    causes = find(ours, theirs)
    assert "/usr/bin/greet (content)" in "".join(causes)
    assert "/bin/sh (target): /bin/dash on linux/amd64, /bin/ash on linux/arm64" in "".join(causes)


def test_links_that_lead_to_the_same_file_are_none() -> None:
    call = Call(argv=("sh",))
    ours, theirs = (
        reach(
            platform, call, {"/bin/sh": f"->{target}", "/bin/dash": program("/bin/dash", platform)}
        )
        for platform, target in ((AMD64, "dash"), (ARM64, "/bin/dash"))
    )
    assert find(ours, theirs) == ()


def test_what_could_not_be_read_is_none() -> None:
    call = Call(argv=("cat", "/etc/app.conf"))
    ours, theirs = reach(AMD64, call, {"/etc/app.conf": "a"}), reach(ARM64, call, {})
    assert "missing" in find(ours, theirs)[0]
    assert isinstance(theirs.tree, Contents)
    theirs.tree.unread = frozenset({"/etc/app.conf"})
    assert find(ours, theirs) == ()


def test_another_version_of_a_library_is_one() -> None:
    """Also of one that only a library is linked with; each platform has its own folder."""
    call = Call(argv=("jq",))
    ours, theirs = (
        reach(
            platform,
            call,
            {
                "/usr/bin/jq": program("/usr/bin/jq", platform),
                f"/usr/lib/{triple}/libjq.so.1": f"->libjq.so.1.0.{number}",
                f"/usr/lib/{triple}/libjq.so.1.0.{number}": program(
                    f"/usr/lib/{triple}/libjq.so.1.0.{number}", platform
                ),
                f"/lib/{triple}/libonig.so.5": "->libonig.so.5.1",
                f"/lib/{triple}/libc.so.6": program(f"/lib/{triple}/libc.so.6", platform),
            },
            linked={
                "/usr/bin/jq": ("libjq.so.1", "libc.so.6"),
                f"/usr/lib/{triple}/libjq.so.1.0.{number}": ("libonig.so.5",),
            },
        )
        for platform, triple, number in (
            (AMD64, "x86_64-linux-gnu", 4),
            (ARM64, "aarch64-linux-gnu", 5),
        )
    )
    text = "".join(find(ours, theirs))
    assert "the library libjq: libjq.so.1.0.4 on linux/amd64, libjq.so.1.0.5" in text
    assert "libonig" not in text
    assert "libc.so" not in text


@pytest.mark.parametrize("folder", ["/lib/arm-linux-gnueabi", "/opt/lib"])
def test_a_library_that_is_elsewhere_is_not_missing(folder: str) -> None:
    """Where a loader finds it is for the loader to say."""
    call = Call(argv=("app",))
    ours, theirs = (
        reach(
            platform,
            call,
            {
                "/bin/app": program("/bin/app", platform),
                f"{place}/libc.so.6": program(f"{place}/libc.so.6", platform),
            },
            linked={"/bin/app": ("libc.so.6",)},
        )
        for platform, place in ((AMD64, "/lib/x86_64-linux-gnu"), (ARM_V5, folder))
    )
    texts: dict[Platform, list[str]] = {AMD64: [], ARM_V5: []}
    assert find_static_causes(ours, theirs, texts=texts) == ()


@pytest.mark.parametrize(
    ("call", "is_cause"),
    [
        (Call(argv=("sort", "/x")), True),
        (Call(argv=("sort", "/x"), env={"LANG": "C"}), False),
    ],
)
def test_a_variable_that_many_programs_heed_is_one(call: Call, *, is_cause: bool) -> None:
    ours = reach(AMD64, call, {}, Env=["LANG=C.UTF-8"])
    causes = find(ours, reach(ARM64, call, {}, Env=[]))
    assert bool(causes) is is_cause
    if is_cause:
        assert "Env LANG: C.UTF-8 on linux/amd64, missing on linux/arm64" in causes[0]


@pytest.mark.parametrize(
    ("argv", "text", "is_cause"),
    [
        (("sh", "-c", "echo $MODE"), "", True),
        (("sh", "-c", "echo ${MODE:-none}"), "", True),
        (("printenv", "MODE"), "", True),
        (("app", "--level=MODE"), "", False),
        (("app",), "mode: fast\n", True),
        (("app",), "mode: faster\n", False),
        (("app",), "plugin missing\n", False),
        (("app",), "mode: other\n", False),
        (("sh", "-c", "echo $MODES"), "", False),
    ],
)
def test_another_variable_is_one_if_it_is_named_or_told(
    argv: tuple[str, ...], text: str, *, is_cause: bool
) -> None:
    call = Call(argv=argv)
    ours = reach(AMD64, call, {}, Env=["MODE=fast"])
    theirs = reach(ARM64, call, {}, Env=["MODE=slow"])
    assert bool(find(ours, theirs, text)) is is_cause


def test_what_a_call_overrides_is_none() -> None:
    settings: dict[str, Any] = {"User": "app", "WorkingDir": "/srv", "Entrypoint": ["/run"]}
    call = Call(argv=("id",), user="0", workdir="/", entrypoint=("/bin/id",))
    assert find(reach(AMD64, call, {}, **settings), reach(ARM64, call, {})) == ()
    text = "".join(find(reach(AMD64, Call(), {}, **settings), reach(ARM64, Call(), {})))
    assert all(name in text for name in ("User", "WorkingDir", "Entrypoint"))
    executed = reach(AMD64, Call(), {}, is_exec=True, **settings)
    assert "Entrypoint" not in "".join(find(executed, reach(ARM64, Call(), {}, is_exec=True)))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"User": "root"}, {}),
        ({"User": "0"}, {"User": "root"}),
        ({"WorkingDir": "/a/"}, {"WorkingDir": "/a"}),
    ],
)
def test_settings_that_mean_the_same_are_none(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    call = Call(argv=("id",))
    assert find(reach(AMD64, call, {}, **ours), reach(ARM64, call, {}, **theirs)) == ()


def test_what_the_test_put_there_is_none_by_any_name() -> None:
    """Neither is what a link in its place leads to in the image, nor a program behind one."""
    call = Call(argv=("app", "/etc/current"))
    ours, theirs = (
        reach(
            platform,
            call,
            {
                "/etc/current": "->app.conf",
                "/etc/app.conf": digest,
                "/usr/bin/app": script("/usr/bin/app", digest),
            },
            put_in=("//etc/current", "/usr/local/bin/app"),
        )
        for platform, digest in ((AMD64, "a"), (ARM64, "b"))
    )
    assert find(ours, theirs) == ()


def test_a_script_full_of_slashes_names_no_file() -> None:
    words = ("sh", "-c", "echo " + "/+a" * 40_000 + " | base64 -d")
    assert list_named_paths(words) == ()


def test_of_many_the_rest_is_counted() -> None:
    call = Call(argv=tuple(f"/etc/{number}" for number in range(9)))
    ours, theirs = (
        reach(platform, call, dict.fromkeys(call.argv, digest))
        for platform, digest in ((AMD64, "a"), (ARM64, "b"))
    )
    causes = find(ours, theirs)
    assert len(causes) == 6
    assert causes[-1] == "and 4 more such differences of the two images"

"""Images that are built for tests: on both stores, once, with what each platform cost."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.actions_cache import ActionsCache
from tests.known_engines import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.e2e.suite import Suite

pytestmark = pytest.mark.needs_engine("main", "registry")

TESTS = """
    import pytest

    pytestmark = pytest.mark.platforms("linux/amd64", "linux/arm64")

    def test_built(variant):
        assert variant.run("cat", "/etc/built").stdout == "built\\n"

    @pytest.mark.container("sleep", "600")
    def test_started(container):
        assert container.exec("true").exit_code == 0
"""
EMULATED = """
    FROM {base} AS tool
    RUN echo built > /tool
    FROM {base}
    ARG SALT
    RUN sleep 1; echo "$SALT" > /etc/salt
    COPY --from=tool /tool /etc/built
"""
CROSS = """
    FROM --platform=$BUILDPLATFORM {base} AS compile
    ARG TARGETARCH
    COPY app.c linux.h /src/
    RUN --mount=type=bind,source=zig,target=/zig \\
        case $TARGETARCH in amd64) cpu=x86_64;; arm64) cpu=aarch64;; esac; \\
        ZIG_GLOBAL_CACHE_DIR=/tmp/a ZIG_LOCAL_CACHE_DIR=/tmp/b /zig/zig cc \\
            -target $cpu-linux-musl {flags} -o /app /src/app.c
    FROM {base}
    COPY --from=compile /app /bin/cross
"""
CROSS_TESTS = """
    import pytest

    @pytest.mark.build("app")
    @pytest.mark.platforms("linux/amd64", "linux/arm64")
    def test_it(variant):
        assert variant.run("cross", "arch").stdout.split()[0] in ("amd64", "arm64")
"""
FAILS = """
    FROM {base}
    ARG TARGETARCH
    RUN --mount=type=secret,id=key \\
        echo "the key is $(cat /run/secrets/key)"; \\
        if [ $TARGETARCH = arm64 ]; then echo "no rule for arm64" >&2; exit 3; fi; \\
        echo built > /etc/built
"""
FAILS_TESTS = """
    import pytest

    @pytest.mark.build("app", secrets=["id=key,env=MY_KEY"])
    @pytest.mark.platforms("linux/amd64", "linux/arm64")
    def test_it(variant):
        assert variant.run("cat", "/etc/built").exit_code == 0
"""


@pytest.fixture
def base(registry_images: Mapping[str, str]) -> str:
    """The base image, in the registry."""
    return registry_images["sample"]


@pytest.fixture
def salt() -> str:
    """What no build before this test had."""
    return secrets.token_hex(8)


def prepare(suite: Suite, dockerfile: str, tests: str, config: str = "") -> None:
    """Write a suite with an image to build."""
    (suite.folder / "app").mkdir(exist_ok=True)
    suite.write("app/Dockerfile", dockerfile)
    suite.write("test_it.py", tests)
    if config:
        suite.write("multiarch.yaml", config)
    docker = Path(suite.engines.docker)
    if docker.is_absolute():
        suite.environ["PATH"] = f"{docker.parent}:{suite.environ['PATH']}"


def read_build(suite: Suite) -> dict[str, Any]:
    """Give the one build on record."""
    (run,) = json.loads((suite.folder / "record.json").read_text())["runs"]
    (build,) = run["builds"].values()
    found: dict[str, Any] = build
    return found


@pytest.fixture
def forget(suite: Suite) -> Iterator[Callable[[], None]]:
    """Remove what was built when the test is over."""

    def remove() -> None:
        record = suite.folder / "record.json"
        if record.exists():
            for each in read_build(suite)["platforms"].values():
                if each["name"]:
                    suite.engines.run_docker(
                        suite.engine, "image", "rm", "--force", each["name"], check=False
                    )

    yield remove
    remove()


@pytest.mark.parametrize(
    "engine",
    ["main", pytest.param("classic", marks=pytest.mark.needs_engine("classic"))],
)
def test_built_once_tested_and_kept(
    engine: str, suite: Suite, base: str, salt: str, forget: Callable[[], None]
) -> None:
    """The second session builds nothing."""
    suite.engine = engine
    suite.environ |= {"DOCKER_HOST": suite.engines.by_name[engine].host}
    config = f"build: {{context: app, args: {{SALT: {salt}}}}}"
    prepare(suite, EMULATED.format(base=base), TESTS, config)
    first = suite.run("--multiarch-record=record.json", timeout_s=400)
    assert first.exit_code == 0, first.output
    built = read_build(suite)
    amd64, arm64 = built["platforms"]["linux/amd64"], built["platforms"]["linux/arm64"]
    kinds = {"main": "manifest", "classic": "config"}
    assert (arm64["kind"], arm64["steps"]) == (kinds[engine], 3)
    assert amd64["name"].endswith("-amd64") == (engine == "classic")
    assert 0 < arm64["wall_s"] < built["wall_s"] + 60
    assert arm64["ratio"] > 0
    assert amd64["emulated"] == []
    assert {"RUN echo built > /tool", 'RUN sleep 1; echo "$SALT" > /etc/salt'} >= {
        each["step"] for each in arm64["emulated"]
    }
    assert 'RUN sleep 1; echo "$SALT" > /etc/salt' in [each["step"] for each in arm64["emulated"]]
    assert salt not in (suite.folder / "record.json").read_text()
    assert "built:" in first.output
    assert suite.engines.run_docker(engine, "image", "inspect", arm64["name"])
    again = suite.run("--multiarch-record=record.json", "--multiarch-pull=never", timeout_s=400)
    assert again.exit_code == 0, again.output
    cached = read_build(suite)
    for platform, each in cached["platforms"].items():
        assert (each["steps"], each["cached"]) == (3, 3)
        before = built["platforms"][platform]
        assert (each["name"], each["digest"]) == (before["name"], before["digest"])
    assert "all of 3 steps cached" in again.output
    assert suite.list_left_behind() == []
    forget()


def test_workers_share_a_build(
    suite: Suite, base: str, salt: str, forget: Callable[[], None]
) -> None:
    """Each platform's step ran once: all workers have the salt of one build."""
    dockerfile = EMULATED.replace('echo "$SALT"', "cat /proc/sys/kernel/random/uuid")
    tests = """
        import pathlib, pytest

        @pytest.mark.parametrize("number", range(4))
        @pytest.mark.platforms("linux/amd64", "linux/arm64")
        @pytest.mark.build("app", args={"SALT": "%s"})
        def test_it(variant, number):
            found = variant.run("cat", "/etc/salt", observe=False).stdout
            file = pathlib.Path(__file__).with_name(f"salts-{variant.platform.slug}")
            with file.open("a") as stream:
                stream.write(found)
    """
    prepare(suite, dockerfile.format(base=base), tests % salt)
    done = suite.run("-n4", "--multiarch-record=record.json", timeout_s=400)
    assert done.exit_code == 0, done.output
    for slug in ("linux-amd64", "linux-arm64"):
        salts = (suite.folder / f"salts-{slug}").read_text().split()
        assert (len(salts), len(set(salts))) == (4, 1)
    assert len(re.findall("multiarch-build/app:[0-9a-f]+ from", done.output)) == 1
    forget()


def test_a_build_that_fails_on_one_platform_only(
    suite: Suite, base: str, forget: Callable[[], None]
) -> None:
    suite.environ["MY_KEY"] = "hunter2hunter2"
    prepare(suite, FAILS.format(base=base), FAILS_TESTS)
    done = suite.run("--multiarch-record=record.json", timeout_s=400)
    assert done.list_statuses() == {
        "test_it[linux/amd64]": "passed",
        "test_it[linux/arm64]": "error",
    }
    message = done.cases["test_it[linux/arm64]"].message
    assert "failed for linux/arm64: app/Dockerfile:4: " in message
    assert "exit code: 3" in message
    assert "no rule for arm64" in message
    assert "the key is <hidden>" in message
    assert "docker buildx build --platform linux/arm64" in message
    everything = done.output + (suite.folder / "record.json").read_text()
    assert "hunter2hunter2" not in everything
    forget()


FIXTURE = """
    import pytest

    @pytest.fixture(scope="session")
    def multiarch_build():
        return {"context": "../app", "target": "app"}

    @pytest.fixture(scope="module")
    def built(shared_variant):
        return shared_variant.run("cat", "/etc/built").stdout
"""
FIXTURE_TESTS = """
    import pytest

    pytestmark = pytest.mark.platforms("linux/amd64", "linux/arm64")

    def test_shared(built):
        assert "FROM" in built

    def test_own(variant):
        assert "FROM" in variant.run("cat", "/etc/built").stdout
"""


def test_a_fixture_of_a_folder_names_what_is_beside_it(
    suite: Suite, base: str, forget: Callable[[], None]
) -> None:
    dockerfile = f"FROM {base} AS app\nCOPY Dockerfile /etc/built\nFROM app\nRUN exit 9\n"
    (suite.folder / "tests").mkdir()
    suite.write("tests/conftest.py", FIXTURE)
    prepare(suite, dockerfile, "")
    suite.write("tests/test_it.py", FIXTURE_TESTS)
    done = suite.run("--multiarch-record=record.json", "tests", timeout_s=300)
    assert done.exit_code == 0, done.output
    assert read_build(suite)["target"] == "app"
    forget()


def test_a_base_that_lacks_a_platform_is_found_first(
    suite: Suite, registry_images: Mapping[str, str]
) -> None:
    text = "FROM {}\nRUN exit 9\n".format(registry_images["partial"])
    prepare(suite, text, FAILS_TESTS.replace(', secrets=["id=key,env=MY_KEY"]', ""))
    done = suite.run(timeout_s=300)
    assert done.list_statuses() == dict.fromkeys(
        ("test_it[linux/amd64]", "test_it[linux/arm64]"), "error"
    )
    message = done.cases["test_it[linux/arm64]"].message
    assert "app/Dockerfile:1: " in message
    assert "has no linux/amd64 and linux/arm64: it has linux/arm/v7, linux/386" in message
    assert "found in Dockerfiles:" in done.output


def test_c_that_is_cross_compiled(suite: Suite, base: str, forget: Callable[[], None]) -> None:
    """Nothing of the compiler runs emulated."""
    flags = "-mcpu=baseline -Os -s -static -nostdlib -ffreestanding -fno-stack-protector"
    dockerfile = CROSS.format(base=base, flags=f"{flags} -fno-sanitize=all -I/src")
    prepare(suite, dockerfile, CROSS_TESTS)
    for name in ("app.c", "linux.h"):
        shutil.copy(ROOT / "examples" / "image" / name, suite.folder / "app")
    _copy_compiler(suite.folder / "app" / "zig")
    done = suite.run("--multiarch-record=record.json", "--multiarch-parity=off", timeout_s=600)
    assert done.exit_code == 0, done.output
    for each in read_build(suite)["platforms"].values():
        assert (each["emulated"], each["error"]) == ([], "")
    forget()


def _copy_compiler(folder: Path) -> None:
    """Put the C compiler of the `ziglang` package into a context, without its C libraries."""
    import ziglang

    home = Path(ziglang.__file__).parent
    (folder / "lib").mkdir(parents=True)
    parts = ("compiler", "std", "include", "compiler_rt", "compiler_rt.zig", "c", "c.zig")
    _link(home / "zig", folder / "zig")
    for name in (*parts, "ubsan_rt.zig", "zig.h"):
        found = home / "lib" / name
        if found.is_dir():
            shutil.copytree(found, folder / "lib" / name, copy_function=_link)
        elif found.exists():
            _link(found, folder / "lib" / name)


def _link(source: str | Path, target: str | Path) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return str(target)


@pytest.fixture(params=["local", "registry", "gha"])
def cache(
    request: pytest.FixtureRequest, suite: Suite, base: str, salt: str
) -> Iterator[tuple[str, str, str]]:
    """Give a place to keep steps, as `cache_from`, as `cache_to`, and as records name it."""
    if request.param == "local":
        place = f"{suite.folder}/kept"
        yield f"type=local,src={place}", f"type=local,dest={place},mode=max", f"local {place}"
    elif request.param == "registry":
        ref = base.replace("/sample:1", f"/kept:{salt}")
        yield f"type=registry,ref={ref}", f"type=registry,ref={ref},mode=max", f"registry {ref}"
    else:
        with ActionsCache() as service:
            suite.environ |= service.make_environ()
            yield f"type=gha,scope={salt}", f"type=gha,scope={salt},mode=max", f"gha {salt}"


@pytest.mark.needs_engine("middle")
def test_a_cache_comes_back_on_another_machine(
    cache: tuple[str, str, str], suite: Suite, base: str, salt: str, forget: Callable[[], None]
) -> None:
    """An engine that never built it takes every step from where the first has put them."""
    source, target, told = cache
    config = (
        f"build: {{context: app, args: {{SALT: {salt}}}, "
        f'cache_from: ["{source}"], cache_to: ["{target}"]}}'
    )
    prepare(suite, EMULATED.format(base=base), TESTS, config)
    first = suite.run("--multiarch-record=record.json", "-k", "built", timeout_s=400)
    assert first.exit_code == 0, first.output
    build = read_build(suite)
    assert build["cache_to"] == [told]
    assert all(each["cached"] < each["steps"] for each in build["platforms"].values())
    token = suite.environ.get("ACTIONS_RUNTIME_TOKEN", "no token")
    assert token not in first.output + (suite.folder / "record.json").read_text()
    forget()
    suite.engine = "middle"
    suite.environ["DOCKER_HOST"] = suite.engines.by_name["middle"].host
    second = suite.run("--multiarch-record=record.json", "-k", "built", timeout_s=400)
    assert second.exit_code == 0, second.output
    for each in read_build(suite)["platforms"].values():
        assert (each["steps"], each["cached"], each["emulated"]) == (3, 3, [])
    assert "all of 3 steps cached" in second.output
    forget()


MEANWHILE = """
    import os, subprocess, sys

    def test_first(variant):
        assert variant.run("cat", "/etc/built").exit_code == 0
        if "INNER" not in os.environ:
            inner = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_it.py"]
            subprocess.run(inner, check=True, env={**os.environ, "INNER": "1"})

    def test_second(variant):
        assert variant.run("cat", "/etc/built").exit_code == 0
"""


def test_a_second_run_of_the_same_build_meanwhile(
    suite: Suite, base: str, forget: Callable[[], None]
) -> None:
    """Nothing was changed: the tests of the first go on, on what they began with."""
    config = "build: app\nplatforms: [linux/amd64, linux/arm64]\n"
    prepare(suite, f"FROM {base}\nCOPY Dockerfile /etc/built\n", MEANWHILE, config)
    done = suite.run("--multiarch-record=record.json", timeout_s=400)
    assert done.list_statuses() == {
        f"{name}[{platform}]": "passed"
        for name in ("test_first", "test_second")
        for platform in ("linux/amd64", "linux/arm64")
    }, done.output
    forget()

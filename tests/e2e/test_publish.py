"""`pytest-multiarch publish`: what is published is what was tested, or nothing is.

The record is of a real run on real images; the registries are real, and what became of a tag is
read in the registry's own storage.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.platform import Platform
from pytest_multiarch.files.record_file import read_record, write_record
from tests.e2e.conftest import copy_image, forget_image
from tests.engine.sample_images import SampleIndex, SampleVariant, compile_actor
from tests.registry_process import PASSWORD, USER, DyingFront, RegistryProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.e2e.suite import Suite
    from tests.known_engines import KnownEngines

pytestmark = [pytest.mark.needs_engine("main"), pytest.mark.needs_engine("registry")]

TESTS = """
    import pytest

    pytestmark = [
        pytest.mark.image("{image}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]

    def test_version(variant):
        assert variant.run("app", "--version").exit_code == 0
"""
PLATFORMS = ["linux/amd64", "linux/arm64"]


@dataclass(frozen=True)
class Published:
    """How the command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture(scope="session")
def program(engines: KnownEngines) -> str:
    found = engines.registry_program
    return found if Path(found).is_file() else shutil.which("docker-registry") or "docker-registry"


@pytest.fixture(scope="session")
def registry(
    engines: KnownEngines, program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryProcess]:
    """A registry that lets everybody in; no engine keeps what tests pulled from it."""
    with RegistryProcess(program, tmp_path_factory.mktemp("registry")) as registry:
        yield registry
        for name in ("tested", "moving"):
            forget_image(engines, f"{registry.address}/{name}")


@pytest.fixture(scope="session")
def test_image(
    make_suite: Callable[..., Suite], images: Mapping[str, str]
) -> Callable[[str], Path]:
    """Run tests on an image, and give the record."""
    del images

    def test(image: str, *arguments: str) -> Path:
        suite = make_suite()
        suite.write("test_app.py", TESTS.format(image=image))
        finished = suite.run("--multiarch-record=record.json", *arguments)
        assert finished.exit_code == 0, finished.output
        return suite.folder / "record.json"

    return test


@pytest.fixture(scope="session")
def tested(
    engines: KnownEngines,
    registry: RegistryProcess,
    registry_images: Mapping[str, str],
    test_image: Callable[[str], Path],
) -> Path:
    """The record of an image in the registry, `tested:1`."""
    image = f"{registry.address}/tested:1"
    copy_image(engines, registry_images["sample"], image)
    return test_image(image)


@pytest.fixture
def publish(engines: KnownEngines, tmp_path: Path) -> Callable[..., Published]:
    """Run the command, as somebody who is logged in nowhere, or as `login` says."""

    def run(
        *words: object, login: Mapping[str, Any] | None = None, engine: str = "main"
    ) -> Published:
        config = tmp_path / "docker"
        config.mkdir(exist_ok=True)
        (config / "config.json").write_text(json.dumps({"auths": login or {}}))
        environ = {**engines.make_environ(engine), "DOCKER_CONFIG": str(config)}
        done = subprocess.run(
            [Path(sys.executable).with_name("pytest-multiarch"), *map(str, words)],
            cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
        return Published(done.returncode, done.stdout, done.stderr)

    return lambda *words, **options: run("publish", *words, **options)


def log_in(address: str, password: str = PASSWORD) -> dict[str, Any]:
    pair = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return {address: {"auth": pair}}


def list_digests(record: Path) -> dict[str, str]:
    """Give the digests that were tested, by platform."""
    members = read_record(record).members
    return {str(each.platform): each.variant.digest for each in members if each.variant}


def list_entries(registry: RegistryProcess, name: str) -> dict[str, str]:
    """Give the digests of the variants that a tag names, by platform."""
    repository, _, tag = name.rpartition(":")
    document = registry.read_document(repository, tag)
    return {
        f"{each['platform']['os']}/{each['platform']['architecture']}": each["digest"]
        for each in document["manifests"]
        if each["platform"]["os"] != "unknown"
    }


def test_published_is_what_was_tested(
    registry: RegistryProcess, tested: Path, publish: Callable[..., Published]
) -> None:
    done = publish(tested, "--tag", f"{registry.address}/release/app:1", "--json")
    assert done.status == 0, done.err
    assert list_entries(registry, "release/app:1") == list_digests(tested)
    document = done.document
    assert document["published"]
    assert registry.read_tag("release/app:1") == document["digest"]
    assert document["previous"] == ""
    # The tested repository is in the same registry: nothing is sent twice.
    assert [each["sent"] for each in document["variants"]] == [0, 0]
    pins = [
        f"{registry.address}/release/app@{each}"
        for each in (document["digest"], *list_digests(tested).values())
    ]
    assert document["sign"] == pins


def test_attestations_go_with_their_variants(
    registry: RegistryProcess, tested: Path, publish: Callable[..., Published]
) -> None:
    done = publish(tested, "--tag", f"{registry.address}/attested/app:1", "--json")
    assert done.status == 0, done.err
    index = registry.read_document("attested/app", "1")
    attested = {
        each["annotations"]["vnd.docker.reference.digest"]: each["digest"]
        for each in index["manifests"]
        if each["platform"]["os"] == "unknown"
    }
    assert attested.keys() == set(list_digests(tested).values())
    for digest in attested.values():
        (layer,) = registry.read_document("attested/app", digest)["layers"]
        assert layer["mediaType"] == "application/vnd.in-toto+json"


def test_publishing_again_sends_nothing(
    registry: RegistryProcess, tested: Path, publish: Callable[..., Published]
) -> None:
    tag = f"{registry.address}/twice/app:1"
    first = publish(tested, "--tag", tag, "--json").document
    again = publish(tested, "--tag", tag, "--json").document
    assert again["digest"] == again["previous"] == first["digest"]
    assert [each["sent"] for each in again["variants"]] == [0, 0]


def test_a_dry_run_pushes_nothing(
    registry: RegistryProcess, tested: Path, publish: Callable[..., Published]
) -> None:
    done = publish(tested, "--tag", f"{registry.address}/dry/app:1", "--dry-run")
    assert done.status == 0, done.err
    assert done.out.startswith(f"would publish {registry.address}/dry/app:1")
    assert registry.read_tag("dry/app:1") == ""


def test_emulation_is_refused_if_native_is_required(
    registry: RegistryProcess, tested: Path, publish: Callable[..., Published]
) -> None:
    done = publish(tested, "--tag", f"{registry.address}/native/app:1", "--require-native")
    assert done.status == 1
    assert "linux/arm64 was tested only under emulation" in done.out
    assert registry.read_tag("native/app:1") == ""


def test_a_required_platform_that_was_not_tested(
    registry: RegistryProcess, tested: Path, publish: Callable[..., Published]
) -> None:
    done = publish(tested, "--tag", f"{registry.address}/required/app:1", "--require", "s390x")
    assert done.status == 1
    assert "linux/s390x is required, and it was not tested" in done.out
    assert registry.read_tag("required/app:1") == ""


# --- moved, rebuilt, damaged --------------------------------------------------------------------


@pytest.fixture
def moved(
    engines: KnownEngines,
    registry: RegistryProcess,
    registry_images: Mapping[str, str],
    test_image: Callable[[str], Path],
) -> Path:
    """The record of an image whose tag, `moving:1`, names another image by now."""
    image = f"{registry.address}/moving:1"
    copy_image(engines, registry_images["sample"], image)
    record = test_image(image)
    copy_image(engines, registry_images["entry"], image)
    return record


def test_a_tag_that_moved_since_the_test(
    registry: RegistryProcess, moved: Path, publish: Callable[..., Published]
) -> None:
    done = publish(moved, "--tag", f"{registry.address}/after/app:1")
    assert done.status == 1, done.err
    assert f"{registry.address}/moving:1 has moved since the test" in done.out
    assert registry.read_tag("after/app:1") == ""
    done = publish(moved, "--tag", f"{registry.address}/after/app:1", "--allow-moved")
    assert done.status == 0, done.err
    assert list_entries(registry, "after/app:1") == list_digests(moved)


def test_a_tag_that_moved_is_not_overwritten(
    registry: RegistryProcess, moved: Path, publish: Callable[..., Published]
) -> None:
    before = registry.read_tag("moving:1")
    done = publish(moved, "--tag", f"{registry.address}/moving:1")
    assert done.status == 1
    assert registry.read_tag("moving:1") == before


@pytest.fixture
def built(engines: KnownEngines) -> Iterator[Callable[[str], str]]:
    """Load an image of both platforms into the engine, as a build does; `app` prints its text."""
    names = set()
    source = "multiarch-test/sample:1"

    def load(text: str) -> str:
        name = f"publish-test/built-{os.getpid()}:1"
        names.add(name)
        build = (
            f"FROM {source}\nLABEL text={text}\n".encode(),
            ["buildx", "build", "--platform", ",".join(PLATFORMS), "--load", "-t", name, "-"],
        )
        subprocess.run(
            [engines.docker, *build[1]], input=build[0], check=True, capture_output=True,
            env=engines.make_environ("main"), timeout=240,
        )  # fmt: skip
        return name

    yield load
    for name in names:
        engines.run_docker("main", "image", "rm", "--force", name, check=False)


def test_an_image_that_only_the_engine_has(
    registry: RegistryProcess,
    built: Callable[[str], str],
    test_image: Callable[[str], Path],
    publish: Callable[..., Published],
    engines: KnownEngines,
) -> None:
    name = built("one")
    record = test_image(name)
    done = publish(record, "--tag", f"{registry.address}/engine/app:1", "--json")
    assert done.status == 0, done.err
    assert done.document["as_tested"]
    assert list_entries(registry, "engine/app:1") == list_digests(record)
    pulled = f"{registry.address}/engine/app:1"
    engines.run_docker(
        "main", "run", "--rm", "--platform", "linux/arm64", pulled, "app", "--version"
    )
    engines.run_docker("main", "image", "rm", "--force", pulled)

    # built again, the same: its index is another, since its attestations are
    built("one")
    done = publish(record, "--tag", f"{registry.address}/engine/again:1", "--json")
    assert done.status == 0, done.err
    assert not done.document["as_tested"]
    assert list_entries(registry, "engine/again:1") == list_digests(record)

    # rebuilt: the name stands for something else
    built("two")
    before = registry.read_tag("engine/app:1")
    done = publish(record, "--tag", f"{registry.address}/engine/app:1")
    assert done.status in (1, 2), done.out
    assert "has moved since the test" in done.out or "again since the test" in done.err
    assert registry.read_tag("engine/app:1") == before


BUILT_TESTS = """
    import pytest

    pytestmark = [
        pytest.mark.build(".", tag="{image}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]

    def test_says(variant):
        assert variant.run("say", "yes").stdout == "yes\\n"
"""
DOCKERFILE = """
    FROM scratch
    ARG TARGETARCH
    COPY $TARGETARCH /app
    LABEL text={text}
    ENTRYPOINT ["/app"]
"""


@pytest.fixture(params=["classic", "middle"])
def building(
    request: pytest.FixtureRequest, make_suite: Callable[..., Suite], engines: KnownEngines
) -> Iterator[Suite]:
    """A suite that builds its image, on an engine of another kind."""
    if not engines.has(request.param):
        pytest.fail(f"no engine {request.param}; scripts/engine up --all brings it up")
    suite = make_suite(request.param)
    image = f"publish-test/built-{os.getpid()}:1"
    suite.write("test_app.py", BUILT_TESTS.format(image=image))
    for platform in PLATFORMS:
        program = compile_actor(suite.folder, Platform.parse(platform))
        path = suite.folder / platform.partition("/")[2]
        path.write_bytes(program)
        path.chmod(0o755)
    yield suite
    forget_image(engines, image.partition(":")[0])


@pytest.mark.needs_engine("classic")
@pytest.mark.needs_engine("middle")
def test_what_was_built_on_other_engines(
    building: Suite,
    registry: RegistryProcess,
    publish: Callable[..., Published],
    engines: KnownEngines,
) -> None:
    building.write("Dockerfile", DOCKERFILE.format(text="one"))
    finished = building.run("--multiarch-record=record.json")
    assert finished.exit_code == 0, finished.output
    record = building.folder / "record.json"
    tag = f"{registry.address}/built/{building.engine}:1"
    done = publish(record, "--tag", tag, "--json", engine=building.engine)
    assert done.status == 0, done.err
    members = read_record(record).members
    configs = {str(each.platform): each.variant.config_digest for each in members if each.variant}
    for platform, digest in list_entries(registry, f"built/{building.engine}:1").items():
        manifest = registry.read_document(f"built/{building.engine}", digest)
        assert manifest["config"]["digest"] == configs[platform]
    for platform in PLATFORMS:
        run = ("run", "--rm", "--platform", platform, tag, "say", "hello")
        said = engines.run_docker("main", *run)
        assert said == "hello\n"
    engines.run_docker("main", "image", "rm", "--force", tag)
    again = publish(record, "--tag", tag, "--json", engine=building.engine).document
    assert again["digest"] == done.document["digest"]
    assert [each["sent"] for each in again["variants"]] == [0, 0]

    # rebuilt: what stands under its name was not tested
    building.write("Dockerfile", DOCKERFILE.format(text="two"))
    record.rename(building.folder / "old.json")
    assert building.run("--multiarch-record=record.json").exit_code == 0
    done = publish(building.folder / "old.json", "--tag", tag, engine=building.engine)
    assert done.status in (1, 2)
    assert "has moved since the test" in done.out or "again since the test" in done.err
    assert registry.read_tag(f"built/{building.engine}:1") == again["digest"]


@pytest.mark.parametrize("damage", ["flipped", "cut", "unsigned", "journal"])
def test_a_damaged_record(
    registry: RegistryProcess,
    tested: Path,
    publish: Callable[..., Published],
    tmp_path: Path,
    damage: str,
) -> None:
    text = tested.read_text()
    digest = list_digests(tested)["linux/arm64"]
    other = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    broken = {
        "flipped": text.replace(digest, other),
        "cut": text[: len(text) // 2],
        "unsigned": json.dumps({k: v for k, v in json.loads(text).items() if k != "sha256"}),
        "journal": '{"format":"pytest-multiarch record","version":1,"journal":true}\n',
    }[damage]
    path = tmp_path / "broken.json"
    path.write_text(broken)
    done = publish(path, "--tag", f"{registry.address}/damaged/app:1")
    assert done.status == 2
    assert "is no usable record" in done.err
    assert registry.read_tag("damaged/app:1") == ""


def test_a_variant_that_is_nowhere(
    registry: RegistryProcess, tested: Path, publish: Callable[..., Published], tmp_path: Path
) -> None:
    record = read_record(tested)
    gone = "sha256:" + "0" * 64
    members = tuple(
        replace(each, variant=replace(each.variant, digest=gone, pin=f"x@{gone}", index=""))
        if each.platform == Platform.parse("arm64") and each.variant
        else each
        for each in record.members
    )
    runs = tuple(replace(each, images={}) for each in record.runs)
    path = tmp_path / "gone.json"
    write_record(path, replace(record, members=members, runs=runs), ())
    done = publish(path, "--tag", f"{registry.address}/gone/app:1")
    assert done.status == 2
    assert f"{gone}, cannot be had" in done.err
    assert registry.read_tag("gone/app:1") == ""


# --- registries that refuse, and that die -------------------------------------------------------


@pytest.fixture(scope="session", params=["password", "token"])
def guarded(
    request: pytest.FixtureRequest, program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryProcess]:
    """A registry that lets in who has a login."""
    folder = tmp_path_factory.mktemp("guarded")
    with RegistryProcess(program, folder, auth=request.param) as registry:
        yield registry


def test_a_login_is_used(
    guarded: RegistryProcess, tested: Path, publish: Callable[..., Published]
) -> None:
    tag = f"{guarded.address}/in/app:1"
    done = publish(tested, "--tag", tag, "--json", login=log_in(guarded.address))
    assert done.status == 0, done.err
    assert guarded.read_tag("in/app:1") == done.document["digest"]


def test_a_wrong_password(
    guarded: RegistryProcess, tested: Path, publish: Callable[..., Published]
) -> None:
    tag = f"{guarded.address}/out/app:1"
    done = publish(tested, "--tag", tag, login=log_in(guarded.address, "wrong"))
    assert done.status == 2
    assert f"{guarded.address} rejects the login that is stored for it" in done.err
    assert f"docker login {guarded.address}" in done.err
    assert "wrong" not in done.err
    assert guarded.read_tag("out/app:1") == ""


def test_no_login(
    guarded: RegistryProcess, tested: Path, publish: Callable[..., Published]
) -> None:
    done = publish(tested, "--tag", f"{guarded.address}/none/app:1")
    assert done.status == 2
    assert f"no login for {guarded.address} is stored" in done.err
    assert f"docker login {guarded.address}" in done.err
    assert guarded.read_tag("none/app:1") == ""


@pytest.fixture
def old(program: str, tmp_path: Path) -> Iterator[RegistryProcess]:
    """A registry whose tag `dying/app:1` names an older image."""
    variant = SampleVariant.build(Platform.parse("linux/amd64"), {"old": b"old"})
    with RegistryProcess(program, tmp_path / "registry") as registry:
        SampleIndex("dying/app", (variant,)).push(registry.address, "1")
        yield registry


@pytest.mark.parametrize(
    "death",
    [
        ("POST", "/blobs/uploads/", True),
        ("PATCH", "/blobs/uploads/", False),
        ("PATCH", "/blobs/uploads/", True),
        ("PUT", "/blobs/uploads/", True),
        ("PUT", "/manifests/sha256:", False),
        ("GET", "/manifests/sha256:", False),
    ],
)
def test_a_registry_that_dies_half_way(
    old: RegistryProcess,
    tested: Path,
    publish: Callable[..., Published],
    death: tuple[str, str, bool],
) -> None:
    method, part, is_late = death
    before = old.read_tag("dying/app:1")
    assert before
    with DyingFront(old.address, method, part, is_late=is_late) as front:
        done = publish(tested, "--tag", f"{front.address}/dying/app:1")
        assert front.is_dead
    assert old.read_tag("dying/app:1") == before
    assert done.status == 2
    assert "broke off, or cannot be reached" in done.err
    assert "Traceback" not in done.err


def test_after_a_registry_died_it_goes_on(
    old: RegistryProcess, tested: Path, publish: Callable[..., Published]
) -> None:
    with DyingFront(old.address, "PUT", "/manifests/sha256:") as front:
        publish(tested, "--tag", f"{front.address}/dying/app:1")
    done = publish(tested, "--tag", f"{old.address}/dying/app:1", "--json")
    assert done.status == 0, done.err
    assert list_entries(old, "dying/app:1") == list_digests(tested)
    assert done.document["variants"][0]["sent"] == 0


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
def test_a_registry_that_dies_as_the_tag_is_set(
    program: str,
    tested: Path,
    publish: Callable[..., Published],
    tmp_path: Path,
    is_late: bool,
) -> None:
    with RegistryProcess(program, tmp_path / "registry") as registry:
        with DyingFront(registry.address, "PUT", "/manifests/1", is_late=is_late) as front:
            done = publish(tested, "--tag", f"{front.address}/dying/app:1")
        assert done.status == 2
        assert "whether the tag" in done.err
        assert bool(registry.read_tag("dying/app:1")) == is_late

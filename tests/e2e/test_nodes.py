"""Platforms with a node of their own: a second real daemon, by TLS and by ssh."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from tests.e2e.conftest import forget_image
from tests.e2e.suite import Suite, wait_for
from tests.known_engines import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.known_engines import KnownEngines

pytestmark = pytest.mark.needs_engine("main", "node")

IMAGE = "multiarch-nodes/app:1"
WAYS = ("tcp", "ssh", "ssh_alias")
PLATFORMS = {"main": "linux/amd64", "node": "linux/arm64"}
EVERYTHING = """
    import socket
    import pytest

    pytestmark = [
        pytest.mark.image("{image}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]

    def test_own_name(variant, platform):
        assert variant.run("app", "arch").stdout.strip() == platform.architecture

    @pytest.mark.container("httpd", "-f", "-p", "8080", "-h", "/bin", ports=[8080])
    def test_port(container, platform):
        host, port = container.address(8080)
        assert host == {hosts}[platform.architecture]
        socket.create_connection((host, port), 5).close()
        assert container.exec("app", "arch").stdout.strip() == platform.architecture
"""
SAME_ENVIRONMENT = """
    import os, pathlib, pytest

    BEFORE = dict(os.environ)

    def list_changes():
        now = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        before = {name: value for name, value in BEFORE.items() if name != "PYTEST_CURRENT_TEST"}
        return [name for name in now | before if now.get(name) != before.get(name)]

    def pytest_configure(config):
        with open(pathlib.Path(__file__).parent / "pids", "a") as file:
            file.write(f"{os.getpid()}\\n")

    def pytest_unconfigure(config):
        changes = [name for name in list_changes() if not name.startswith("PYTEST_")]
        (pathlib.Path(__file__).parent / "changed").write_text(repr(changes))
"""


@dataclass(frozen=True)
class NodeSuite:
    """A suite whose arm64 has engine `node`, where there is nothing but arm64."""

    suite: Suite
    engines: KnownEngines

    def configure(self, way: str = "tcp", **settings: str) -> None:
        """Write the configuration, and have the suite's `ssh` be the one that knows the node."""
        node = self.engines.by_name["node"].ways
        entry = {"host": node[way], **({"tls": node["tls"]} if way == "tcp" else {}), **settings}
        self.suite.write("multiarch.yaml", json.dumps({"nodes": {"linux/arm64": entry}}))
        path = self.suite.environ["PATH"]
        self.suite.environ["PATH"] = f"{node['ssh_bin']}{os.pathsep}{path}"

    def list_created(self, engine: str, since: float) -> list[str]:
        """List the containers that the engine saw the suite create: their images, no probes."""
        left = []
        for pid in self.suite.list_pids():
            left += self.engines.run_docker(
                engine, "events", "--since", f"{since:.3f}", "--until", f"{time.time():.3f}",
                "--filter", "type=container", "--filter", "event=create",
                "--filter", f"label=org.pytest-multiarch.pid={pid}",
                "--format", "{{.Actor.Attributes.image}}",
            ).splitlines()  # fmt: skip
        return [each for each in left if "probe" not in each]

    def list_left(self) -> dict[str, list[str]]:
        """List what is left on each side."""
        found = {each: self.suite.list_left_behind(each) for each in ("main", "node")}
        return {name: left for name, left in found.items() if left}

    def change_daemon(self, change: str) -> None:
        """Kill the node's daemon (`crash`), or start it again (`revive`)."""
        socket = Path(self.engines.by_name["node"].host.removeprefix("unix://"))
        subprocess.run(
            [sys.executable, ROOT / "scripts" / "engine", change, "node"],
            check=True, timeout=120, capture_output=True,
            env={**os.environ, "PYTEST_MULTIARCH_ENGINE_HOME": str(socket.parents[2])},
        )  # fmt: skip


@pytest.fixture(scope="session")
def disjoint_image(engines: KnownEngines, images: Mapping[str, str]) -> Iterator[str]:
    """An image of which engine `main` has amd64 only, and engine `node` arm64 only."""
    make_disjoint(engines, images["sample"])
    yield IMAGE
    for engine in PLATFORMS:
        engines.run_docker(engine, "image", "rm", "--force", IMAGE, check=False)


def make_disjoint(engines: KnownEngines, sample: str) -> None:
    """Build each engine's variant, and carry over the node's."""
    for engine, platform in reversed(PLATFORMS.items()):
        subprocess.run(
            [engines.docker, "buildx", "build", "--platform", platform, "--load",
             "--provenance=false", "--tag", IMAGE, "-"],
            input=f"FROM {sample}\n", text=True, check=True, capture_output=True, timeout=300,
            env=engines.make_environ("main"),
        )  # fmt: skip
        if engine == "node":
            archive = subprocess.run(
                [engines.docker, "save", IMAGE], check=True, capture_output=True, timeout=300,
                env=engines.make_environ("main"),
            ).stdout  # fmt: skip
            subprocess.run(
                [engines.docker, "load"], input=archive, check=True, capture_output=True,
                timeout=300, env=engines.make_environ("node"),
            )  # fmt: skip
            engines.run_docker("main", "image", "rm", "--force", IMAGE)


@pytest.fixture
def node(suite: Suite, engines: KnownEngines, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """A suite with a node, which no other test has meanwhile."""
    with FileLock(tmp_path_factory.getbasetemp().parent / "multiarch-node.lock"):
        yield NodeSuite(suite, engines)


@pytest.mark.parametrize("way", WAYS)
def test_every_variant_runs_where_it_should(node: NodeSuite, disjoint_image: str, way: str) -> None:
    """By what each daemon saw; ports are the node's; the environment stays as it was."""
    suite = node.suite
    node.configure(way)
    hosts = {"amd64": "127.0.0.1", "arm64": "127.0.0.2" if way == "tcp" else "127.0.0.1"}
    suite.write("conftest.py", SAME_ENVIRONMENT)
    suite.write("test_it.py", EVERYTHING.format(image=disjoint_image, hosts=hosts))
    since = time.time() - 0.5
    finished = suite.run("-v", "--multiarch-record=record.json", "--multiarch-pull=never")
    assert finished.exit_code == 0, finished.output
    assert set(finished.list_statuses().values()) == {"passed"}
    record = json.loads((suite.folder / "record.json").read_text())
    places = {(each["platform"], each["node"]) for each in record["members"]}
    there = node.engines.by_name["node"].ways[way]
    assert places == {
        ("linux/amd64", suite.environ["DOCKER_HOST"]),
        ("linux/arm64", there),
    }
    ids = {
        each["variant"]["platform"] if "platform" in each["variant"] else each["platform"]: each
        for each in record["members"]
    }
    for engine, platform in PLATFORMS.items():
        seen = set(node.list_created(engine, since))
        known = ids[platform]["variant"]
        assert seen <= {disjoint_image, known["digest"], known["pin"]}, seen
        assert seen
    assert there in finished.output
    assert "emulated by its own node" in " ".join(finished.output.split())
    assert (suite.folder / "changed").read_text() == "[]"
    assert node.list_left() == {}
    assert suite.list_watchdogs() == []


def test_workers_have_their_own_connections(node: NodeSuite, disjoint_image: str) -> None:
    hosts = {"amd64": "127.0.0.1", "arm64": "127.0.0.2"}
    node.configure()
    node.suite.write("test_it.py", EVERYTHING.format(image=disjoint_image, hosts=hosts))
    finished = node.suite.run("-n", "2")
    assert finished.exit_code == 0, finished.output
    assert node.list_left() == {}


def test_a_testcontainers_class_runs_on_the_node(node: NodeSuite, disjoint_image: str) -> None:
    """The environment, to which such classes write by themselves, stays as it was."""
    node.configure()
    node.suite.write("conftest.py", SAME_ENVIRONMENT)
    node.suite.write(
        "test_it.py",
        f"""
        import pytest
        from testcontainers.core.container import DockerContainer

        pytestmark = [
            pytest.mark.image("{disjoint_image}"),
            pytest.mark.platforms("linux/arm64"),
        ]

        def test_it(variant):
            def make(image):
                return DockerContainer(image).with_command("app sleep 60").with_exposed_ports(80)
            with variant.testcontainer(make) as container:
                assert container.get_container_host_ip() == "127.0.0.2"
                assert container.exec(["app", "arch"]).output.strip() == b"arm64"
        """,
    )
    finished = node.suite.run()
    assert finished.exit_code == 0, finished.output
    assert (node.suite.folder / "changed").read_text() == "[]"
    assert node.list_left() == {}


ONE = """
    import pytest

    pytestmark = [
        pytest.mark.image("{image}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]

    @pytest.mark.parametrize("number", [1, 2])
    def test_own_name(variant, platform, number):
        assert variant.run("app", "arch").stdout.strip() == platform.architecture
"""


def test_a_node_that_is_down_is_unavailable(node: NodeSuite, images: Mapping[str, str]) -> None:
    """With its cure, once in full; the other platform is tested."""
    node.configure(host="tcp://127.0.0.2:9")
    node.suite.write("test_it.py", ONE.format(image=images["sample"]))
    finished = node.suite.run()
    assert finished.exit_code == 1
    text = finished.cases["test_own_name[1-linux/arm64]"].message
    assert "linux/arm64 is unavailable, since its node is: no Docker engine answers" in text
    assert "tcp://127.0.0.2:9 (from linux/arm64, nodes in multiarch.yaml:1)" in text
    assert "fallback: emulate" in text
    assert finished.output.count("start the engine there") == 1
    assert finished.cases["test_own_name[1-linux/amd64]"].status == "passed"
    skipped = node.suite.run("--multiarch-unavailable=skip")
    assert skipped.exit_code == 0
    assert skipped.cases["test_own_name[1-linux/arm64]"].status == "skipped"


def test_ssh_says_why_it_does_not_connect(node: NodeSuite, images: Mapping[str, str]) -> None:
    node.configure("ssh", host="ssh://nobody@127.0.0.1:9")
    node.suite.write("test_it.py", ONE.format(image=images["sample"]))
    text = node.suite.run().cases["test_own_name[1-linux/arm64]"].message
    assert "Connection refused" in text


def test_a_wrong_certificate_is_said(node: NodeSuite, images: Mapping[str, str]) -> None:
    node.configure(tls={"verify": "false"})
    node.suite.write("test_it.py", ONE.format(image=images["sample"]))
    text = node.suite.run().cases["test_own_name[1-linux/arm64]"].message
    assert "certificate required" in text


def test_a_fallback_is_allowed_and_said(node: NodeSuite, images: Mapping[str, str]) -> None:
    node.configure(host="tcp://127.0.0.2:9", fallback="emulate")
    node.suite.write("test_it.py", ONE.format(image=images["sample"]))
    finished = node.suite.run("--multiarch-record=record.json", "-q")
    assert finished.exit_code == 0, finished.output
    said = " ".join(finished.output.split())
    assert "not on its own node, which is unavailable: no Docker engine answers" in said
    record = json.loads((node.suite.folder / "record.json").read_text())
    arm64 = [each for each in record["members"] if each["platform"] == "linux/arm64"]
    assert {each["node"] for each in arm64} == {node.suite.environ["DOCKER_HOST"]}
    assert {each["execution"]["kind"] for each in arm64} == {"qemu"}
    assert all("its own node" in each["execution"]["note"] for each in arm64)


SERVICES = """
    import pathlib, socket
    import pytest
    from pytest_multiarch import errors, service

    pytestmark = [
        pytest.mark.image("{image}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]
    HOSTS = {hosts}
    NAMES = {{"amd64": "x86_64", "arm64": "aarch64"}}

    @pytest.mark.container("app", "sleep", "99", with_={{
        "one": service("{image}", "httpd", "-f", "-p", "8080", "-h", "/bin", wait=8080),
        "two": service("{image}", "app", "sleep", "99", platform="same"),
    }})
    def test_services(container, platform):
        one, two = container.services["one"], container.services["two"]
        assert str(one.platform) == "linux/amd64"
        assert one.execution.kind.value == "native"
        assert two.exec("uname", "-m").stdout.strip() == NAMES[platform.architecture]
        assert one.address(8080)[0] == HOSTS[platform.architecture]
        for name in ("one", "two"):
            assert container.exec("ping", "-c", "1", name, observe=False).exit_code == 0

    def test_compose(variant, platform):
        path = pathlib.Path(__file__).parent / "compose.yaml"
        with variant.compose(path, service="app", wait="up") as container:
            machine = container.exec("uname", "-m", observe=False).stdout.strip()
            assert machine == NAMES[platform.architecture]
            host, port = container.address(8080)
            assert host == HOSTS[platform.architecture]
            socket.create_connection((host, port), 5).close()
            assert container.services["db"].exec("uname", "-m").stdout.strip() == "x86_64"
            assert container.exec("ping", "-c", "1", "db", observe=False).exit_code == 0

    @pytest.mark.platforms("linux/arm64")
    def test_mounts(variant):
        path = pathlib.Path(__file__).parent / "mounts.yaml"
        with pytest.raises(errors.UsageError, match="'db' mounts .*/data, which is"):
            with variant.compose(path, service="app"):
                pass
"""
COMPOSE = """
    services:
      app:
        image: acme/app:1.4
        command: ["sh", "-c", "echo up; exec httpd -f -p 8080 -h /bin"]
        ports: ["8080"]
      db:
        image: {image}
        command: ["app", "sleep", "99"]
"""


@pytest.mark.needs_engine("registry")
@pytest.mark.parametrize("way", ["tcp", "ssh"])
def test_what_is_beside_a_variant_is_on_its_node(
    node: NodeSuite, registry_images: Mapping[str, str], way: str
) -> None:
    """Services, those of a compose file, and their networks: natively, where the variant is."""
    node.configure(way)
    hosts = {"amd64": "127.0.0.1", "arm64": "127.0.0.2" if way == "tcp" else "127.0.0.1"}
    image = registry_images["sample"]
    node.suite.write("conftest.py", SAME_ENVIRONMENT)
    node.suite.write("compose.yaml", COMPOSE.format(image=image))
    mounts = COMPOSE.format(image=image) + '        volumes: ["./data:/data"]\n'
    node.suite.write("mounts.yaml", mounts)
    node.suite.write("test_it.py", SERVICES.format(image=image, hosts=hosts))
    since = time.time() - 0.5
    finished = node.suite.run("-v", timeout_s=300)
    assert finished.exit_code == 0, finished.output
    for engine in PLATFORMS:
        assert len(node.list_created(engine, since)) == 5, engine
    assert (node.suite.folder / "changed").read_text() == "[]"
    assert node.list_left() == {}
    assert node.suite.list_watchdogs() == []


def test_kill(node: NodeSuite, disjoint_image: str) -> None:
    """After SIGKILL containers, services and networks are gone, on either side."""
    node.configure("ssh")
    process = start_sleeping_on_both(node, disjoint_image)
    for engine, left in node.list_left().items():
        kinds = [each.partition(" ")[0] for each in left]
        assert (kinds.count("container"), kinds.count("network")) == (2, 1), engine
    process.kill()
    process.wait()
    wait_for(lambda: not node.list_left(), timeout_s=60, what="nothing left")


def start_sleeping_on_both(node: NodeSuite, image: str) -> subprocess.Popen[str]:
    """Start a suite whose test has a container and a service on each side."""
    node.suite.write(
        "test_it.py",
        f"""
        import pathlib
        import pytest
        from pytest_multiarch import service

        pytestmark = [
            pytest.mark.image("{image}"),
            pytest.mark.platforms("linux/amd64", "linux/arm64"),
        ]
        SLEEPS = pytest.mark.container(
            "app", "sleep", "3600", scope="session",
            with_={{"one": service("{image}", "app", "sleep", "3600", platform="same")}},
        )

        def test_first(variants):
            variants["linux/amd64"].run("app", "arch")
            variants["linux/arm64"].run("app", "arch")

        @SLEEPS
        def test_sleeps(container, platform):
            if platform.architecture == "arm64":
                pathlib.Path("asleep").touch()
                container.exec("app", "sleep", "3600", timeout=100)

        @SLEEPS
        def test_later(container, platform):
            container.exec("app", "arch")
        """,
    )
    process = node.suite.start("--multiarch-record=record.json")

    def is_asleep() -> bool:
        assert process.poll() is None, node.suite.read_output()
        return (node.suite.folder / "asleep").exists()

    wait_for(is_asleep, timeout_s=120, what="containers")
    return process


@pytest.mark.parametrize("way", ["tcp", "ssh"])
def test_a_node_that_dies_in_the_middle(node: NodeSuite, disjoint_image: str, way: str) -> None:
    """Clear errors on its platform only; nothing is left on either side, once it is back."""
    node.configure(way)
    process = start_sleeping_on_both(node, disjoint_image)
    assert node.list_left().keys() == {"main", "node"}
    node.change_daemon("crash")
    try:
        finished = node.suite.finish(process, timeout_s=120)
        assert finished.exit_code == 1, finished.output
        there = node.engines.by_name["node"].ways[way]
        for name in ("test_sleeps", "test_later"):
            case = finished.cases[f"{name}[linux/arm64]"]
            assert case.status in ("failed", "error")
            assert there in case.message
            assert "Traceback" not in case.message
        assert finished.cases["test_later[linux/amd64]"].status == "passed"
        assert "Traceback" not in finished.output
        assert "not everything could be removed" in finished.output
        assert node.suite.list_left_behind("main") == []
        record = json.loads((node.suite.folder / "record.json").read_text())
        arm64 = [each for each in record["members"] if each["platform"] == "linux/arm64"]
        assert {each["node"] for each in arm64} <= {there, ""}
    finally:
        node.change_daemon("revive")
    wait_for(lambda: not node.list_left(), timeout_s=60, what="nothing left")


BUILT = """
    def test_own_name(variant, platform):
        assert variant.run("app", "arch").stdout.strip() == platform.architecture
"""


@pytest.mark.needs_engine("registry")
def test_what_was_built_on_nodes_is_published(
    node: NodeSuite, registry_images: Mapping[str, str]
) -> None:
    """Each variant comes from the engine that built it, and was tested there."""
    suite, salt = node.suite, os.urandom(8).hex()
    node.configure()
    path = suite.folder / "multiarch.yaml"
    config = {"build": ".", "platforms": ["linux/amd64", "linux/arm64"]}
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    suite.write("Dockerfile", f"FROM {registry_images['sample']}\nLABEL salt={salt}\n")
    suite.write("test_it.py", BUILT)
    docker = Path(suite.engines.docker)
    if docker.is_absolute():
        suite.environ["PATH"] = f"{docker.parent}:{suite.environ['PATH']}"
    finished = suite.run("--multiarch-record=record.json", timeout_s=300)
    assert finished.exit_code == 0, finished.output
    record = json.loads((suite.folder / "record.json").read_text())
    digests = {each["platform"]: each["variant"]["digest"] for each in record["members"]}
    tag = registry_images["sample"].replace("/sample:1", f"/nodes:{salt}")
    done = subprocess.run(
        [Path(sys.executable).with_name("pytest-multiarch"), "publish", "record.json",
         "--tag", tag, "--json"],
        cwd=suite.folder, env=suite.environ, capture_output=True, text=True, timeout=200,
        check=False,
    )  # fmt: skip
    forget_image(suite.engines, record["members"][0]["variant"]["reference"].partition(":")[0])
    assert done.returncode == 0, done.stdout + done.stderr
    variants = json.loads(done.stdout)["variants"]
    assert {each["platform"]: each["digest"] for each in variants} == digests
    shown = suite.engines.run_docker("main", "buildx", "imagetools", "inspect", "--raw", tag)
    entries = {each["digest"] for each in json.loads(shown)["manifests"]}
    assert entries >= set(digests.values())

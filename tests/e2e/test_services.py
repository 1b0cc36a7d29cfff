"""A web service and its database, on networks of their own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import MEASURED
from tests.e2e.suite import Suite, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.known_engines import KnownEngines

pytestmark = pytest.mark.needs_engine("main")

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "services"
BENCHMARK = ROOT / "benchmarks" / "services.py"


@pytest.fixture
def names(images: Mapping[str, str]) -> dict[str, str]:
    """The images, as the suites are written with them."""
    return {name: images[name] for name in ("web", "postgres", "sample")}


def test_a_web_service_and_its_database(suite: Suite, names: dict[str, str]) -> None:
    """The example: a web service on each platform, its database natively beside both: equal."""
    for file in EXAMPLE.iterdir():
        if file.is_file():
            suite.write(file.name, file.read_text())
    suite.write("conftest.py", (suite.folder / "conftest.py").read_text())
    finished = suite.run(
        "-v", f"--multiarch-image=ghcr.io/acme/notes:1.4={names['web']}",
        f"--multiarch-image=postgres:16={names['postgres']}", timeout_s=400,
    )  # fmt: skip
    assert finished.exit_code == 0, finished.output
    assert "8 passed" in finished.output
    assert "4 groups of platforms: 4 equal" in finished.output
    assert suite.list_left_behind() == []


def test_a_database_natively_or_on_the_platform(
    engines: KnownEngines, names: dict[str, str], record_property: Callable[[str, object], None]
) -> None:
    """It runs where it is asked to, and the platforms are equal either way; natively it is faster.

    What was measured stands at the end of the whole run.
    """
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--rounds", "1", "--web", names["web"],
         "--postgres", names["postgres"]],
        check=False, capture_output=True, text=True, timeout=900, env=engines.make_environ("main"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^((.+?): .*: ([\d.]+) times .*)", done.stdout, re.MULTILINE)
    assert [title for _, title, _ in found] == ["the suite", "its test on linux/arm64"]
    for line, _, _ in found:
        record_property(MEASURED, line)
    assert float(found[1][2]) > 1, done.stdout


def test_the_example_can_be_collected_without_an_engine(suite: Suite) -> None:
    """No image, no engine, no compose is needed to see the tests."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", EXAMPLE],
        check=False, capture_output=True, text=True, timeout=60,
        env={"PATH": "/nowhere", "DOCKER_HOST": "unix:///nowhere/docker.sock"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "test_notes.py::test_notes[linux/arm64]" in done.stdout


def test_a_service_on_the_platform_of_the_test(suite: Suite, names: dict[str, str]) -> None:
    """`same` has it emulated where the test is."""
    suite.write(
        "test_it.py",
        SLEEPY.format(**names)
        + """
    @pytest.mark.container(
        "app", "sleep", "99", with_={{"one": service("{sample}", "app", "sleep", "99"),
        "two": service("{sample}", "app", "sleep", "99", platform="same")}},
    )
    def test_it(container, platform):
        one, two = container.services["one"], container.services["two"]
        assert str(one.platform) == "linux/amd64" and not one.execution.is_emulated
        assert two.platform == platform
        assert two.execution.is_emulated == (platform.architecture == "arm64")
        machine = two.exec("uname", "-m").stdout.strip()
        assert machine == {{"amd64": "x86_64", "arm64": "aarch64"}}[platform.architecture]
        container.exec("nslookup", "two", observe=False)
        assert container.exec("ping", "-c", "1", "one", observe=False).exit_code == 0
    """.format(**names),
    )
    finished = suite.run("-v")
    assert finished.exit_code == 0, finished.output
    assert suite.list_left_behind() == []


SLEEPY = """
    import os, pathlib
    import pytest
    from pytest_multiarch import service

    pytestmark = [
        pytest.mark.image("{sample}"),
        pytest.mark.platforms("linux/amd64", "linux/arm64"),
    ]
    SLEEP = service("{sample}", "app", "sleep", "3600")
"""


def test_wider_fixtures(suite: Suite, names: dict[str, str]) -> None:
    """A network of a module's fixture, its service, and one that comes to it later."""
    suite.write(
        "test_it.py",
        SLEEPY.format(**names)
        + """
    @pytest.fixture(scope="module")
    def stack(shared_variant):
        with shared_variant.network({{"one": SLEEP}}) as network:
            with shared_variant.service(
                "{sample}", "app", "sleep", "3600", name="two", network=network
            ):
                yield network

    def test_a(variant, stack):
        assert variant.run("ping", "-c", "1", "one", network=stack, observe=False).exit_code == 0
        assert variant.run("ping", "-c", "1", "two", network=stack, observe=False).exit_code == 0
        # Each platform has a network of another name, which is no difference.
        variant.run("echo", stack.name, stack.services["one"].ip, network=stack)

    def test_b(variant, stack):
        with variant.container(
            "app", "sleep", "99", network=stack, network_aliases="app"
        ) as container:
            assert stack.services["two"].exec("ping", "-c", "1", "app").exit_code == 0
            assert container.exec("ping", "-c", "1", "two", observe=False).exit_code == 0
            assert set(container.services) == {{"one", "two"}}
    """.format(**names),
    )
    finished = suite.run("-v")
    assert finished.exit_code == 0, finished.output
    assert "2 groups of platforms: 2 equal" in finished.output
    assert suite.list_left_behind() == []


def test_shared_by_all_tests(suite: Suite, names: dict[str, str]) -> None:
    """With scope="session" the services are shared as the container is; equal marks are one."""
    suite.write(
        "test_it.py",
        SLEEPY.format(**names)
        + """
    pytestmark.append(pytest.mark.container(
        "app", "sleep", "99", scope="session", with_={"one": SLEEP}))
    IDS = set()

    @pytest.mark.parametrize("number", [1, 2])
    def test_it(container, number):
        IDS.add(container.services["one"].id)

    def test_one_for_each_platform():
        assert len(IDS) == 2
    """,
    )
    finished = suite.run("-v", "-p", "no:randomly")
    assert finished.exit_code == 0, finished.output
    assert suite.list_left_behind() == []


FAILURES = """
    @pytest.mark.container("app", "sleep", "99", with_={{
        "db": service("{sample}", "sh", "-c", "echo no disk; exit 3", wait="never"),
    }})
    def test_service_ends(container):
        pass

    @pytest.mark.container("app", "sleep", "99", with_={{
        "db": service("{sample}", "app", "sleep", "99", wait="never", timeout=0.5),
    }})
    def test_service_never_ready(container):
        pass

    @pytest.mark.container("app", "sleep", "99", with_={{"db": service("no.such/image:1")}})
    def test_service_has_no_image(container):
        pass

    @pytest.mark.container("app", "sleep", "99", wait="never", timeout=0.5, with_={{
        "db": service("{sample}", "sh", "-c", "echo database of s3cret; sleep 99", wait="database"),
    }})
    def test_container_never_ready(container):
        pass

    @pytest.mark.container("app", "sleep", "99", with_={{
        "db": service("{sample}", "sh", "-c", "echo said by $TOKEN; sleep 99",
                      env={{"TOKEN": "my-own-token"}}, wait="said"),
    }})
    def test_fails(container):
        assert container.exec("false").exit_code == 0

    def test_fails_within(variant):
        with variant.network({{
            "db": service("{sample}", "sh", "-c", "echo said within; sleep 99", wait="said")
        }}):
            assert False

    @pytest.fixture
    def wide(shared_variant):
        own = service("{sample}", "sh", "-c", "echo said widely; sleep 99", wait="said")
        with shared_variant.network({{"db": own}}) as network:
            yield network

    def test_fails_on_a_wide_one(variant, wide):
        assert False
"""


def test_failures_name_the_service(suite: Suite, names: dict[str, str]) -> None:
    """What a service has to do with a failure is said; nothing is left of failed starts."""
    suite.write("test_it.py", (SLEEPY + FAILURES).format(**names))
    finished = suite.run("-v", "--multiarch-platforms=linux/amd64")
    said = {name.partition("[")[0]: case for name, case in finished.cases.items()}
    ends = said["test_service_ends"].message
    assert f"service 'db' ({names['sample']} on linux/amd64): while waiting for 'never'" in ends
    assert "ended with exit code 3" in ends
    assert "no disk" in ends
    never = said["test_service_never_ready"].message
    assert "service 'db'" in never
    assert "not ready within 0.5 s" in never
    assert "service 'db' (no.such/image:1" in said["test_service_has_no_image"].message
    container = said["test_container_never_ready"].message
    assert "not ready within 0.5 s" in container
    assert re.search(r"service 'db' \(\S+ on linux/amd64\):\n.*\n +database of", container)
    output = finished.output
    assert "service db stdout on linux/amd64 (native)" in output
    assert "said by <TOKEN>" in output
    assert "said by my-own-token" not in output
    assert "said within" in output
    assert "said widely" in output
    assert suite.list_left_behind() == []
    assert suite.list_watchdogs() == []


def test_kill(suite: Suite, names: dict[str, str]) -> None:
    """After SIGKILL, networks, services and what runs beside them are gone."""
    suite.write(
        "test_it.py",
        SLEEPY.format(**names)
        + """
    @pytest.mark.container("app", "sleep", "99", with_={"one": SLEEP, "two": SLEEP})
    def test_it(container, variant):
        pathlib.Path("asleep").touch()
        variant.run("app", "sleep", "99", network=container.network)
    """,
    )
    process = suite.start()

    def is_asleep() -> bool:
        assert process.poll() is None, suite.read_output()
        left = [each.split()[0] for each in suite.list_left_behind()]
        return left.count("container") == 4 and left.count("network") == 1

    wait_for(is_asleep, timeout_s=120, what="containers on a network")
    process.kill()
    process.wait()
    wait_for(lambda: not suite.list_left_behind(), timeout_s=60, what="nothing left")


def test_interrupt_while_a_service_starts(suite: Suite, names: dict[str, str]) -> None:
    """After Ctrl-C before the container under test is there, nothing is left."""
    suite.write(
        "test_it.py",
        SLEEPY.format(**names)
        + """
    @pytest.mark.container("app", with_={
        "one": SLEEP,
        "two": service("IMAGE", "app", "sleep", "99", wait="never"),
    })
    def test_it(container):
        pass
    """.replace("IMAGE", names["sample"]),
    )
    process = suite.start()
    wait_for(lambda: len(suite.list_left_behind()) >= 3, timeout_s=120, what="services")
    process.send_signal(signal.SIGINT)
    assert suite.finish(process, timeout_s=60).exit_code == 2
    assert suite.list_left_behind() == []


COMPOSE = """
    services:
      app:
        image: acme/app:1.4
        build: ./nowhere
        command: ["sh", "-c", "echo up; exec sleep 99"]
        environment:
          TOKEN: ${{TOKEN_OF_COMPOSE:-none}}
        ports: ["8080"]
        depends_on: [db]
      db:
        image: {sample}
        command: ["sh", "-c", "echo database; exec sleep 99"]
        volumes: ["data:/data"]
      done:
        image: {sample}
        command: ["true"]
    volumes:
      data:
"""


def test_compose(suite: Suite, names: dict[str, str]) -> None:
    """A compose file as it is, but for the service under test, which runs the variant."""
    suite.write("compose.yaml", COMPOSE.format(**names))
    suite.environ["DOCKER_DEFAULT_PLATFORM"] = "linux/s390x"
    suite.environ["TOKEN_OF_COMPOSE"] = "a b$c"
    suite.write(
        "test_it.py",
        SLEEPY.format(**names)
        + """
    HERE = pathlib.Path(__file__).parent

    def test_compose(variant):
        with variant.compose(HERE / "compose.yaml", service="app", wait="up") as container:
            machine = container.exec("uname", "-m", observe=False).stdout.strip()
            assert machine == {"amd64": "x86_64", "arm64": "aarch64"}[variant.platform.architecture]
            assert container.exec("sh", "-c", "echo $TOKEN").stdout == "a b$c\\n"
            assert container.exec("ping", "-c", "1", "db", observe=False).exit_code == 0
            db = container.services["db"]
            assert db.exec("uname", "-m").stdout.strip() == "x86_64"
            assert db.logs().stdout == "database\\n"

    @pytest.mark.platforms("linux/amd64")
    def test_fails(variant):
        with variant.compose(HERE / "compose.yaml", service="app", wait="up"):
            assert 1 == 2

    @pytest.mark.platforms("linux/amd64")
    def test_no_such_service(variant):
        with variant.compose(HERE / "compose.yaml", service="web"):
            pass

    @pytest.mark.platforms("linux/amd64")
    def test_not_ready(variant):
        with variant.compose(HERE / "compose.yaml", service="app", wait="never", timeout=0.5):
            pass
    """,
    )
    finished = suite.run("-v", timeout_s=300)
    cases = finished.cases
    assert cases["test_compose[linux/amd64]"].status == "passed", finished.output
    assert cases["test_compose[linux/arm64]"].status == "passed", finished.output
    assert "1 == 2" in cases["test_fails[linux/amd64]"].message
    assert "service db stdout on linux/amd64 (native)" in finished.output
    assert "has no service 'web'" in cases["test_no_such_service[linux/amd64]"].message
    assert "it has app, db, done" in cases["test_no_such_service[linux/amd64]"].message
    never = cases["test_not_ready[linux/amd64]"].message
    assert "not ready within 0.5 s" in never
    assert re.search(rf"service 'db' \({re.escape(names['sample'])} on .*\n.*\n +database", never)
    assert suite.list_left_behind() == []
    assert "pytest-multiarch-" not in suite.engines.run_docker(
        "main", "volume", "ls", "--filter", "label=org.pytest-multiarch.session"
    )


def test_kill_during_compose(suite: Suite, names: dict[str, str]) -> None:
    """After SIGKILL, all that compose made is gone: containers, networks, volumes."""
    suite.write("compose.yaml", COMPOSE.format(**names))
    suite.write(
        "test_it.py",
        SLEEPY.format(**names)
        + """
    def test_compose(variant):
        with variant.compose("compose.yaml", service="app", wait="up") as container:
            pathlib.Path("asleep").touch()
            container.exec("sleep", "99")
    """,
    )
    process = suite.start()

    def is_asleep() -> bool:
        assert process.poll() is None, suite.read_output()
        return (suite.folder / "asleep").exists()

    wait_for(is_asleep, timeout_s=120, what="compose")
    label = f"label=org.pytest-multiarch.pid={process.pid}"
    list_volumes = ("volume", "ls", "--quiet", "--filter", label)
    assert suite.engines.run_docker("main", *list_volumes)
    process.kill()
    process.wait()
    wait_for(lambda: not suite.list_left_behind(), timeout_s=60, what="nothing left")
    wait_for(
        lambda: not suite.engines.run_docker("main", *list_volumes), timeout_s=60, what="no volume"
    )

"""testcontainers classes on a pinned variant."""

from __future__ import annotations

import copy
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import testcontainers.core.container
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer, Reaper
from testcontainers.core.wait_strategies import (
    ContainerStatusWaitStrategy,
    ExecWaitStrategy,
    HealthcheckWaitStrategy,
    LogMessageWaitStrategy,
)

from pytest_multiarch.core.errors import (
    ContainerError,
    ImageError,
    NotReadyError,
    UsageError,
)
from pytest_multiarch.core.index import ImageConfig
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.variant import ResolvedVariant
from pytest_multiarch.engine.testcontainers_bridge import (
    adapt_wait_strategy,
    start_testcontainer,
)
from tests.engine.conftest import TEST_LABEL
from tests.engine.sample_images import AMD64, ARM64

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import ContainerState
    from tests.engine.conftest import Bench

SERVE = ["say", "Ready to serve", "sleep", "1000"]


def resolve(bench: Bench, platform: Platform) -> ResolvedVariant:
    """Pin the actor as the resolver would."""
    name = bench.name_actor(platform)
    image = bench.engine.find_image(name)
    config = image.config or ImageConfig(platform=platform)
    return ResolvedVariant(
        reference=ImageReference.parse(name),
        platform=platform,
        kind="manifest" if image.index else "config",
        digest=image.id,
        config_digest=config.digest,
        config=config,
        create_image=image.id,
        create_platform=platform if image.index else None,
    )


def begin(
    bench: Bench,
    factory: Callable[..., Any],
    *args: Any,
    platform: Platform = ARM64,
    variant: ResolvedVariant | None = None,
    **kwargs: Any,
) -> AbstractContextManager[Any]:
    return start_testcontainer(
        factory, args, kwargs,
        variant=variant or resolve(bench, platform),
        engine=bench.engine, endpoint=bench.endpoint, labels={TEST_LABEL: f"{bench.nonce}-tc"},
    )  # fmt: skip


def list_left(bench: Bench) -> list[str]:
    """Give the images of the containers that are there."""
    found = bench.engine._connection.read_json(
        "/containers/json",
        params={"all": "1", "filters": f'{{"label":["{TEST_LABEL}={bench.nonce}-tc"]}}'},
    )
    return [each["Image"] for each in found]


class Server(DockerContainer):
    """A class as users write them: it reads the image's tag, and does things around the start."""

    def __init__(self, image: str, port: int = 80, **kwargs: Any) -> None:
        super().__init__(image, **kwargs)
        self.version = image.rpartition(":")[2]
        self.with_exposed_ports(port).with_command(SERVE)
        self.waiting_for(LogMessageWaitStrategy("Ready").with_poll_interval(0.05))
        self.steps: list[str] = []

    def _configure(self) -> None:
        self.with_env("CONFIGURED", "1")

    def start(self) -> Server:
        self.steps.append("before")
        super().start()
        self.steps.append("after")
        return self


@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
def test_a_class_runs_on_exactly_the_variant(bench: Bench, platform: Platform) -> None:
    variant = resolve(bench, platform)
    with begin(bench, Server, port=8080, platform=platform) as server:
        state = bench.engine.inspect_container(server.get_container_id())
        processes = bench.engine.list_processes(state.id)
        assert isinstance(server, Server)
        assert server.get_container_host_ip() == bench.engine.host
        assert server.get_exposed_port(8080) == state.ports[8080][1]
    assert state.image in (variant.digest, variant.config_digest)
    assert state.manifest_digest in ("", variant.digest)
    assert processes[0].startswith("/probe") == (platform == AMD64)


def test_a_class_is_given_the_image_as_the_user_named_it(main_bench: Bench) -> None:
    with begin(main_bench, Server) as server:
        assert server.image == main_bench.name_actor(ARM64)
        assert server.version == f"{main_bench.nonce}-linux-arm64"


def test_every_start_of_a_class_is_run(main_bench: Bench) -> None:
    with begin(main_bench, Server) as server:
        assert server.steps == ["before", "after"]
        assert server.exec(["/probe", "env", "CONFIGURED"]).output == b"1\n"


def test_the_generic_class_and_functions_will_do(main_bench: Bench) -> None:
    def make(image: str) -> DockerContainer:
        return DockerContainer(image).with_command(SERVE).with_env("A", "b")

    with begin(main_bench, make) as container:
        assert type(container).__name__ == "DockerContainer"
        assert container.exec(["/probe", "env", "A"]).output == b"b\n"


def test_nothing_is_left_and_no_helper_was_started(main_bench: Bench) -> None:
    with begin(main_bench, Server):
        assert len(list_left(main_bench)) == 1
        assert Reaper._instance is None
    assert list_left(main_bench) == []


def test_the_environment_and_the_library_stay_as_they_are(
    main_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///absent.sock")
    environ = dict(os.environ)
    settings = copy.deepcopy(vars(testcontainers_config))
    client_class = testcontainers.core.container.DockerClient
    start = DockerContainer.start
    with begin(main_bench, Server):
        assert dict(os.environ) == environ
    assert dict(os.environ) == environ
    assert vars(testcontainers_config) == settings
    assert testcontainers.core.container.DockerClient is client_class
    assert DockerContainer.start is start


def test_a_platform_that_the_class_asks_for_has_no_say(main_bench: Bench) -> None:
    def make(image: str) -> DockerContainer:
        return Server(image).with_kwargs(platform="linux/amd64")

    with begin(main_bench, make, platform=ARM64) as container:
        first = main_bench.engine.list_processes(container.get_container_id())[0]
    assert not first.startswith("/probe")


def test_a_program_that_is_missing_is_a_container_error(main_bench: Bench) -> None:
    def make(image: str) -> DockerContainer:
        return DockerContainer(image).with_kwargs(entrypoint=["nonesuch"])

    with pytest.raises(ContainerError, match="nonesuch"), begin(main_bench, make):
        pass
    assert list_left(main_bench) == []


def test_a_container_that_never_gets_ready_quotes_its_log(main_bench: Bench) -> None:
    def make(image: str) -> DockerContainer:
        strategy = LogMessageWaitStrategy("never").with_poll_interval(0.05)
        return Server(image).waiting_for(strategy.with_startup_timeout(1))

    with pytest.raises(NotReadyError, match="Ready to serve"), begin(main_bench, make):
        pass
    assert list_left(main_bench) == []


def test_a_container_that_ends_early_is_not_ready(main_bench: Bench) -> None:
    def make(image: str) -> DockerContainer:
        return Server(image).with_command(["say", "goodbye", "exit", "3"])

    with pytest.raises(NotReadyError, match="exit code: 3"), begin(main_bench, make):
        pass
    assert list_left(main_bench) == []


def test_a_class_s_own_error_passes_as_it_is(main_bench: Bench) -> None:
    class Broken(Server):
        def start(self) -> Broken:
            super().start()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"), begin(main_bench, Broken):
        pass
    assert list_left(main_bench) == []


def test_an_error_of_the_test_removes_the_container(main_bench: Bench) -> None:
    with pytest.raises(ZeroDivisionError), begin(main_bench, Server):
        raise ZeroDivisionError
    assert list_left(main_bench) == []


def test_a_container_that_the_test_removed_is_no_error(main_bench: Bench) -> None:
    with begin(main_bench, Server) as server:
        main_bench.engine.remove_container(server.get_container_id())


def test_a_class_that_takes_another_image_is_refused(main_bench: Bench) -> None:
    class Stubborn(Server):
        def __init__(self, image: str) -> None:
            super().__init__(main_bench.name_actor(AMD64))

    with pytest.raises(ImageError, match="expected sha256:"), begin(main_bench, Stubborn):
        pass
    assert list_left(main_bench) == []


def test_what_is_no_container_is_refused(main_bench: Bench) -> None:
    with pytest.raises(UsageError, match="gave str, expected"), begin(main_bench, str):
        pass


@pytest.mark.needs_engine("main")
def test_containers_of_two_engines_start_at_the_same_time(
    open_bench: Callable[[str], Bench],
) -> None:
    benches = [open_bench("main"), open_bench("main")]
    hosts: list[bool] = []

    def use(bench: Bench) -> None:
        with begin(bench, Server) as server:
            hosts.append(bench.engine.inspect_container(server.get_container_id()).is_running)

    threads = [threading.Thread(target=use, args=(bench,)) for bench in benches * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hosts == [True] * 4


@dataclass
class Target:
    """A container of ours, as a wait strategy is to see it."""

    bench: Bench
    id: str

    def address(self, port: int) -> tuple[str, int]:
        return self.inspect().ports[port]

    def inspect(self) -> ContainerState:
        return self.bench.engine.inspect_container(self.id)

    def read_log_bytes(self) -> tuple[bytes, bytes]:
        return self.bench.engine.read_logs(self.id)

    def exec(self, *argv: str) -> Any:
        @dataclass
        class Result:
            exit_code: int
            stdout_bytes: bytes

        return Result(0 if argv == ("/probe", "a b") else 1, b"")


@pytest.fixture
def target(main_bench: Bench) -> Any:
    container_id = main_bench.start(*SERVE)
    yield Target(main_bench, container_id)
    main_bench.engine.remove_container(container_id)


@pytest.mark.parametrize(
    "strategy",
    [
        LogMessageWaitStrategy("Ready to .erve"),
        ContainerStatusWaitStrategy(),
        ExecWaitStrategy(["/probe", "a b"]),
    ],
    ids=lambda strategy: type(strategy).__name__,
)
def test_wait_strategies_wait_for_containers_of_ours(target: Target, strategy: Any) -> None:
    adapt_wait_strategy(strategy.with_poll_interval(0.05).with_startup_timeout(10), target)()


def test_a_strategy_that_waits_in_vain_says_so(target: Target) -> None:
    strategy = LogMessageWaitStrategy("never").with_startup_timeout(1).with_poll_interval(0.05)
    with pytest.raises(TimeoutError, match="never"):
        adapt_wait_strategy(strategy, target)()


def test_a_strategy_sees_that_the_container_ended(main_bench: Bench) -> None:
    container_id = main_bench.start("exit", "3")
    main_bench.engine.wait_container(container_id, timeout_s=30)
    strategy = LogMessageWaitStrategy("never").with_startup_timeout(10)
    with pytest.raises(RuntimeError, match="exit code: 3"):
        adapt_wait_strategy(strategy, Target(main_bench, container_id))()
    main_bench.engine.remove_container(container_id)


def test_a_strategy_sees_that_there_is_no_healthcheck(target: Target) -> None:
    strategy = HealthcheckWaitStrategy().with_startup_timeout(2).with_poll_interval(0.05)
    with pytest.raises((RuntimeError, ValueError), match=r"[Hh]ealth"):
        adapt_wait_strategy(strategy, target)()


def test_a_log_that_is_no_text_does_not_stop_a_strategy(main_bench: Bench) -> None:
    container_id = main_bench.start("show", "/probe", "say", "Ready", "sleep", "1000")
    strategy = LogMessageWaitStrategy("Ready").with_startup_timeout(10).with_poll_interval(0.05)
    adapt_wait_strategy(strategy, Target(main_bench, container_id))()
    main_bench.engine.remove_container(container_id)

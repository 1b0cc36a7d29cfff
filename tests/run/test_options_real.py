"""Options, files and networks of containers, as engines of all kinds take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_multiarch import service, source
from pytest_multiarch.core.errors import ContainerError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run.conftest import RealEngine


def test_mounts_and_memory(real: RealEngine, tmp_path: Path) -> None:
    """What is mounted can be read and not written; tmpfs and /dev/shm have their sizes."""
    (tmp_path / "file").write_text("here\n")
    script = (
        "cat /in/file; touch /in/x || echo refused; touch /scratch/x && echo scratch;"
        "df -m /scratch /dev/shm | awk '{print $2}' | tail -2; hostname"
    )
    result = real.open_variant("sample").run(
        "sh", "-c", script, volumes=[(tmp_path, "/in")], tmpfs={"/scratch": "size=3m"},
        shm_size="5m", hostname="web-1",
    )  # fmt: skip
    assert result.stdout.split() == ["here", "refused", "scratch", "3", "5", "web-1"]
    assert not (tmp_path / "x").exists()


def test_a_read_only_root(real: RealEngine) -> None:
    variant = real.open_variant("sample")
    script = "touch /x || echo refused; touch /tmp/x && echo written"
    result = variant.run("sh", "-c", script, read_only=True, tmpfs={"/tmp": ""})
    assert result.stdout.split() == ["refused", "written"]


def test_limits_and_capabilities(real: RealEngine) -> None:
    """They are what the kernel says they are."""
    variant = real.open_variant("sample")
    script = "ulimit -n; ulimit -Hn; grep CapEff /proc/self/status"
    result = variant.run("sh", "-c", script, ulimits={"nofile": (64, 128)}, cap_drop=["ALL"])
    assert result.stdout.split() == ["64", "128", "CapEff:", "0000000000000000"]
    result = variant.run(
        "grep", "CapEff", "/proc/self/status", cap_drop="ALL", cap_add=["NET_ADMIN"]
    )
    assert int(result.stdout.split()[1], 16) == 1 << 12
    with variant.container(
        "sleep", "99", mem_limit="64m", nano_cpus=500_000_000, labels={"a.b": "c"}
    ) as container:
        template = '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{index .Config.Labels "a.b"}}'
        found = real.run_docker("inspect", "--format", template, container.id)
    assert found.split() == [str(64 << 20), "500000000", "c"]


def test_too_little_memory(real: RealEngine) -> None:
    """What runs out of it is told from what ends by itself."""
    variant = real.open_variant("sample")
    script = "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done"
    result = variant.run("sh", "-c", script, mem_limit="8m")
    assert result.exit_code != 0


def test_folders_with_modes_and_owners(real: RealEngine, tmp_path: Path) -> None:
    """In at the start and later, and out again."""
    (tmp_path / "in" / "empty").mkdir(parents=True)
    (tmp_path / "in" / "empty").chmod(0o700)
    (tmp_path / "in" / "run").write_text("#!/bin/sh\necho run\n")
    (tmp_path / "in" / "run").chmod(0o750)
    variant = real.open_variant("sample")
    files = {
        "/srv/app": tmp_path / "in",
        "/srv/key": source(b"k", mode=0o600, uid=1000, gid=1000),
        "/tmp": tmp_path / "in",
    }
    with variant.container("sleep", "99", files=files) as container:
        listed = container.exec(
            "stat", "-c", "%n %a %u %g", "/srv/app/empty", "/srv/app/run", "/srv/key", "/tmp"
        )
        assert listed.stdout.splitlines() == [
            "/srv/app/empty 700 0 0",
            "/srv/app/run 750 0 0",
            "/srv/key 600 1000 1000",
            "/tmp 1777 0 0",
        ]
        container.copy_in(tmp_path / "in", "/later", mode=0o444, uid=1000)
        listed = container.exec("stat", "-c", "%n %a %u %g", "/later/empty", "/later/run")
        assert listed.stdout.splitlines() == ["/later/empty 700 1000 0", "/later/run 444 1000 0"]
        container.copy_out("/srv/app", tmp_path / "out")
    assert (tmp_path / "out/app/run").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "out/app/empty").is_dir()


def test_a_network_of_its_own(real: RealEngine) -> None:
    """Containers find each other by name, and nobody outside finds them."""
    variant = real.open_variant("sample", "linux/arm64")
    one = service(variant.reference, "sh", "-c", "echo up; exec sleep 99", wait="up")
    with variant.network({"one": one}) as network:
        assert str(network.services["one"].platform) == "linux/amd64"
        found = variant.run("ping", "-c", "1", "one", network=network)
        assert found.exit_code == 0, found
        assert variant.run("ping", "-c", "1", "one").exit_code != 0
        assert network.name in real.run_docker("network", "ls", "--format", "{{.Name}}")
    assert network.name not in real.run_docker("network", "ls", "--format", "{{.Name}}")
    assert not real.list_left()


@pytest.mark.needs_engine("main")
def test_a_mount_that_the_engine_does_not_see(main: RealEngine, tmp_path: Path) -> None:
    """As with an engine in a virtual machine that does not share the folder."""
    (tmp_path / "gone").mkdir()
    variant = main.open_variant("sample")
    create = main.node.engine.create_container

    def remove_first(spec: object) -> str:
        (tmp_path / "gone").rmdir()
        return create(spec)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main.node.engine, "create_container", remove_first)
        with pytest.raises(ContainerError) as caught:
            variant.run("true", volumes=[(tmp_path / "gone", "/x")])
    assert "does not see what volumes= mounts" in str(caught.value)
    assert "files=" in caught.value.cure

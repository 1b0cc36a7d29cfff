"""What is behind a reference: indexes, single images, configs."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_multiarch.core.digest import compute_digest
from pytest_multiarch.core.errors import ImageError, PlatformMissingError
from pytest_multiarch.core.index import (
    HealthCheck,
    ImageIndex,
    IndexEntry,
    parse_image_config,
    parse_index,
)
from pytest_multiarch.core.platform import Platform

AMD64, ARM64, ARM7 = map(Platform.parse, ("linux/amd64", "linux/arm64", "linux/arm/v7"))


def entry(architecture: str, variant: str = "", **more: Any) -> dict[str, Any]:
    platform = {"os": "linux", "architecture": architecture}
    if variant:
        platform["variant"] = variant
    digest = compute_digest(f"{architecture}{variant}".encode())
    return {"digest": digest, "size": 7, "platform": platform, **more}


def test_an_index_lists_its_variants_in_order_and_normal_form() -> None:
    index = parse_index(
        {"manifests": [entry("amd64"), entry("arm64", "v8"), entry("arm", "v7")]}, digest="sha256:i"
    )
    assert index.platforms == (AMD64, ARM64, ARM7)
    assert index.entries[1].digest == compute_digest(b"arm64v8")
    assert not index.is_single


def test_attestations_are_no_variants() -> None:
    attestation = entry("unknown")
    marked = entry("amd64", annotations={"vnd.docker.reference.type": "attestation-manifest"})
    index = parse_index({"manifests": [entry("amd64"), attestation, marked]}, digest="sha256:i")
    assert index.platforms == (AMD64,)


def test_what_has_no_list_of_manifests_is_no_index() -> None:
    with pytest.raises(ImageError, match="is not an image index"):
        parse_index({"layers": []}, digest="sha256:i")


def test_entries_that_are_no_objects_are_passed_over() -> None:
    assert parse_index({"manifests": [None, 3, entry("arm64")]}, digest="d").platforms == (ARM64,)


def test_a_variant_is_selected_strictly() -> None:
    index = parse_index({"manifests": [entry("arm64"), entry("arm", "v7")]}, digest="sha256:i")
    assert index.select(ARM7, reference="app").digest == compute_digest(b"armv7")
    with pytest.raises(PlatformMissingError):
        index.select(Platform.parse("linux/arm/v6"), reference="app")


def test_a_missing_platform_says_what_there_is_and_what_to_do() -> None:
    index = parse_index({"manifests": [entry("amd64")]}, digest="sha256:i")
    with pytest.raises(PlatformMissingError) as caught:
        index.select(ARM64, reference="acme/app:1")
    assert caught.value.what == "acme/app:1 has no variant for linux/arm64: it has linux/amd64"
    assert "--platform linux/amd64,linux/arm64" in caught.value.cure


def test_a_single_image_is_called_one() -> None:
    index = ImageIndex(
        digest="d", entries=(IndexEntry(platform=AMD64, digest="d"),), is_single=True
    )
    with pytest.raises(PlatformMissingError, match="is a single image, not an index"):
        index.select(ARM64, reference="app")


def test_a_config_of_the_oci_specification_is_read() -> None:
    config = parse_image_config(
        {
            "os": "linux",
            "architecture": "arm64",
            "variant": "v8",
            "config": {
                "Entrypoint": ["/app"],
                "Cmd": ["serve", "-v"],
                "Env": ["PATH=/bin", "KEY=secret"],
                "User": "65534",
                "WorkingDir": "/srv",
                "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
            },
        },
        digest="sha256:c",
    )
    assert config.platform == ARM64
    assert (config.entrypoint, config.cmd) == (("/app",), ("serve", "-v"))
    assert (config.user, config.workdir) == ("65534", "/srv")
    assert config.exposed_ports == ("53/udp", "80/tcp")
    assert "secret" not in repr(config)


def test_an_engines_inspect_spells_it_with_capitals() -> None:
    document = {"Os": "linux", "Architecture": "arm", "Variant": "v7", "Config": {"Cmd": None}}
    assert parse_image_config(document).platform == ARM7


def test_a_config_that_says_nothing_is_for_an_unknown_architecture() -> None:
    assert parse_image_config({}).platform.architecture == "unknown"


def test_a_shell_form_command_is_one_word() -> None:
    document = {"architecture": "amd64", "config": {"Cmd": "run me"}}
    assert parse_image_config(document).cmd == ("run me",)


@pytest.mark.parametrize("test", [None, [], ["NONE"]])
def test_no_healthcheck(test: Any) -> None:
    document = {"architecture": "amd64", "config": {"Healthcheck": {"Test": test}}}
    assert parse_image_config(document).healthcheck is None


def test_a_healthchecks_times_are_nanoseconds_with_docker_s_defaults() -> None:
    check = {"Test": ["CMD", "true"], "Interval": 1_000_000_000, "Retries": 5}
    found = parse_image_config({"architecture": "amd64", "config": {"Healthcheck": check}})
    assert found.healthcheck == HealthCheck(interval_s=1.0, retries=5)
    assert found.healthcheck.budget_s == 5 * 31.0

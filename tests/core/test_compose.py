"""Compose files: what is read of one, and what is laid over it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pytest_multiarch.core.compose import (
    list_images,
    list_local_mounts,
    read_service,
    write_override,
)
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.variant import ResolvedVariant
from tests.fake_engine import ARM64, FakeEngine, make_variant

DOCUMENT: dict[str, Any] = {
    "services": {
        "app": {
            "command": ["serve", "$$HOME"],
            "entrypoint": None,
            "environment": {"A": "x$$y", "B": None, "C": 1},
            "ports": [
                {"target": 8080, "protocol": "tcp"},
                {"target": 53, "protocol": "udp"},
            ],
            "user": "1000",
            "working_dir": "/srv",
        },
        "db": None,
    },
    "networks": {"default": {"name": "x_default"}, "theirs": {"external": True}},
    "volumes": {"data": None, "kept": {"external": True}},
}


def test_a_service_is_read() -> None:
    service = read_service(DOCUMENT, "app")
    assert service.call.argv == ("serve", "$HOME")
    assert service.call.entrypoint is None
    assert service.call.env == {"A": "x$y", "C": "1"}
    assert (service.call.user, service.call.workdir) == ("1000", "/srv")
    assert service.ports == (8080,)
    assert read_service(DOCUMENT, "db").call.argv == ()


@pytest.mark.parametrize(("document", "names"), [(DOCUMENT, "it has app, db"), ({}, "it has none")])
def test_a_service_that_is_not_there(document: dict[str, Any], names: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_service(document, "web")
    assert names in caught.value.cure


def test_what_is_mounted_of_this_machine() -> None:
    """What lies elsewhere may be meant to be the engine's, as `/etc/localtime`."""
    binds = ("/srv/app/data", "/srv/app", "/etc/localtime", "/srv/apple")
    document = {
        "services": {
            "app": {
                "volumes": [
                    *({"type": "bind", "source": each} for each in binds),
                    {"type": "volume", "source": "data"},
                ],
            },
            "db": {"secrets": [{"source": "file"}, {"source": "variable"}, {"source": "none"}]},
            "none": None,
        },
        "secrets": {"file": {"file": "/keys/key"}, "variable": {"environment": "KEY"}},
    }
    found = list_local_mounts(document, "/srv/app")
    assert found == [("app", "/srv/app/data"), ("app", "/srv/app"), ("db", "/keys/key")]


def test_images_of_the_services_beside() -> None:
    services = {
        "app": {"image": "a"},
        "db": {"image": "b"},
        "built": {"image": "c", "build": {"context": "."}},
        "none": None,
    }
    assert list_images({"services": services}, "app") == {"db": "b"}


def make_resolved() -> ResolvedVariant:
    """Give a variant for arm64."""
    resolved = make_variant(FakeEngine()).resolved
    return replace(resolved, platform=ARM64, create_platform=ARM64)


def test_the_override() -> None:
    """One service gets the variant and loses its build; what is ours to remove gets the labels."""
    variant = make_resolved()
    text = write_override(DOCUMENT, "app", variant, {"a.b": "c$d"}, images={"db": "mirror/db:1"})
    assert '"build": !reset null' in text
    found = json.loads(text.replace("!reset null", "null"))
    labels = {"labels": {"a.b": "c$$d"}}
    assert found["services"]["app"] == {
        **labels,
        "image": variant.create_image,
        "platform": "linux/arm64",
        "pull_policy": "never",
        "build": None,
    }
    assert found["services"]["db"] == {**labels, "image": "mirror/db:1"}
    assert found["networks"] == {"default": labels}
    assert found["volumes"] == {"data": labels}


def test_a_pinned_image_has_a_platform_too() -> None:
    """Else DOCKER_DEFAULT_PLATFORM would decide."""
    pinned = replace(make_resolved(), create_platform=None)
    found = json.loads(
        write_override(DOCUMENT, "app", pinned, {}, images={}).replace("!reset null", "null")
    )
    assert found["services"]["app"]["platform"] == "linux/arm64"

"""Pushing to registries that refuse, lie, send one elsewhere, or answer without end."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

import pytest
import requests

from pytest_multiarch.core.errors import EngineError, ImageAccessError, ImageError, UsageError
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.engine.registry import RegistryClient
from pytest_multiarch.engine.registry_host import RegistryHost
from pytest_multiarch.engine.registry_push import RegistryTarget
from tests.engine.fake_registry import Answer, FakeRegistry
from tests.engine.sample_images import INDEX_TYPE, hash_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = b"content of a layer" * 10_000
DIGEST = hash_bytes(DATA)
UPLOADS = "/v2/a/b/blobs/uploads/"
OTHER = "sha256:" + "0" * 64


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    registry = FakeRegistry()
    registry.answers[f"POST {UPLOADS}"] = Answer(status=202, headers={"Location": "/up/1?s=x"})
    registry.answers["PATCH /up/1"] = Answer(status=202, headers={"Location": "/up/2?s=y"})
    registry.answers["PUT /up/2"] = Answer(status=201)
    registry.answers["DELETE /up/1"] = Answer(status=204)
    yield registry
    registry.close()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who is logged in nowhere."""
    return {"DOCKER_CONFIG": str(tmp_path), "PATH": os.environ["PATH"]}


@pytest.fixture
def target(registry: FakeRegistry, environ: dict[str, str]) -> RegistryTarget:
    return open_target(registry, environ)


def open_target(registry: FakeRegistry, environ: dict[str, str]) -> RegistryTarget:
    reference = ImageReference.parse(f"{registry.address}/a/b:1")
    return RegistryTarget(RegistryClient(environ), reference)


def put(target: RegistryTarget, data: bytes = DATA, size: int = len(DATA)) -> None:
    target.put_blob(DIGEST, size, io.BytesIO(data))


def list_asked(registry: FakeRegistry) -> list[str]:
    return [f"{each.method} {each.path}" for each in registry.asked if each.path != "/v2/"]


def test_a_blob_is_sent_in_one_stream(registry: FakeRegistry, target: RegistryTarget) -> None:
    put(target)
    assert list_asked(registry) == [f"POST {UPLOADS}", "PATCH /up/1", "PUT /up/2"]
    patch, commit = registry.asked[-2:]
    assert patch.body == DATA
    assert patch.headers["Content-Length"] == str(len(DATA))
    assert commit.query == {"s": ["y"], "digest": [DIGEST]}


def test_an_empty_blob(registry: FakeRegistry, target: RegistryTarget) -> None:
    registry.answers["PUT /up/1"] = Answer(status=201)
    target.put_blob(hash_bytes(b""), 0, io.BytesIO())
    assert list_asked(registry) == [f"POST {UPLOADS}", "PUT /up/1"]


@pytest.mark.parametrize(
    "data", [DATA[:-1], DATA + b"x", DATA[:-1] + b"!"], ids=["short", "long", "other"]
)
def test_content_that_is_not_what_its_digest_says_is_not_committed(
    registry: FakeRegistry, target: RegistryTarget, data: bytes
) -> None:
    with pytest.raises(ImageError, match="something else"):
        put(target, data)
    assert not any(each.startswith("PUT") for each in list_asked(registry))


def test_a_tag_is_read_past_all_memory(registry: FakeRegistry, target: RegistryTarget) -> None:
    assert target.read_tag() == ""
    first = registry.add("/v2/a/b/manifests/1", {"a": 1}, INDEX_TYPE)
    assert target.read_tag() == hash_bytes(first)
    other = registry.add("/v2/a/b/manifests/1", {"a": 2}, INDEX_TYPE)
    assert target.read_tag() == hash_bytes(other)


def test_a_digest_that_lies(registry: FakeRegistry, target: RegistryTarget) -> None:
    registry.add(f"/v2/a/b/manifests/{DIGEST}", {"a": 1}, INDEX_TYPE)
    with pytest.raises(ImageError, match="gives other content than"):
        target.read_manifest(DIGEST)


def test_a_manifest_that_was_taken_and_is_not_there(target: RegistryTarget) -> None:
    with pytest.raises(ImageError, match="does not have it"):
        target.read_manifest(DIGEST)


def test_an_answer_without_end(registry: FakeRegistry, target: RegistryTarget) -> None:
    registry.answers[f"/v2/a/b/manifests/{DIGEST}"] = Answer(b" " * 20_000_000)
    with pytest.raises(ImageError, match="more than"):
        target.read_manifest(DIGEST)
    registry.answers[f"POST {UPLOADS}"] = Answer(b" " * 20_000_000, 500)
    with pytest.raises(ImageError, match="more than"):
        put(target)


def test_a_hello_without_end(registry: FakeRegistry, target: RegistryTarget) -> None:
    registry.answers["/v2/"] = Answer(b" " * 200_000_000)
    put(target)


def test_a_token_without_end(registry: FakeRegistry, environ: dict[str, str]) -> None:
    registry.require_token("t")
    registry.answers["/token"] = Answer(b" " * 20_000_000)
    with pytest.raises(EngineError, match="has no end"):
        open_target(registry, environ).check_access()


@pytest.mark.parametrize("token", [b"[]", b"x", b'{"token": 7, "expires_in": "soon"}'])
def test_a_token_server_that_talks_nonsense(
    registry: FakeRegistry, environ: dict[str, str], token: bytes
) -> None:
    registry.require_token("t")
    registry.answers["/token"] = Answer(token)
    with pytest.raises((EngineError, ImageAccessError)):
        open_target(registry, environ).check_access()


def test_a_token_is_asked_for_that_may_push(
    registry: FakeRegistry, environ: dict[str, str]
) -> None:
    registry.require_token("t")
    target = open_target(registry, environ)
    target.check_access()
    (asked,) = [each for each in registry.asked if each.path == "/token"]
    assert asked.query["scope"] == ["repository:a/b:pull,push"]
    target.mount_blob(DIGEST, "c/d")
    asked = [each for each in registry.asked if each.path == "/token"][-1]
    assert asked.query["scope"] == ["repository:a/b:pull,push", "repository:c/d:pull"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("step", [f"POST {UPLOADS}", "PATCH /up/1", "PUT /up/2"])
def test_what_is_pushed_follows_no_redirect(
    registry: FakeRegistry, target: RegistryTarget, status: int, step: str
) -> None:
    elsewhere = FakeRegistry()
    location = f"http://{elsewhere.address}/evil"
    registry.answers[step] = Answer(status=status, headers={"Location": location})
    with pytest.raises(EngineError, match=f"sends what is pushed elsewhere \\({status}\\)"):
        put(target)
    assert not elsewhere.asked
    elsewhere.close()


def test_redirects_without_end(registry: FakeRegistry, target: RegistryTarget) -> None:
    path = f"/v2/a/b/manifests/{DIGEST}"
    registry.answers[path] = Answer(status=302, headers={"Location": path})
    with pytest.raises(EngineError, match="redirects"):
        target.read_manifest(DIGEST)
    assert len(registry.asked) < 10


def test_credentials_do_not_go_to_another_host(
    registry: FakeRegistry, environ: dict[str, str], tmp_path: Path
) -> None:
    storage = FakeRegistry()
    storage.answers["PATCH /up/1"] = Answer(status=202, headers={"Location": "/up/2"})
    storage.answers["PUT /up/2"] = Answer(status=201)
    location = f"http://{storage.address}/up/1"
    registry.answers[f"POST {UPLOADS}"] = Answer(status=202, headers={"Location": location})
    registry.require_basic("ann", "hunter2")
    entry = {registry.address: {"username": "ann", "password": "hunter2"}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": entry}))
    put(open_target(registry, environ))
    assert [each.authorization for each in storage.asked] == ["", ""]
    assert any(each.authorization for each in registry.asked)
    storage.close()


def test_content_does_not_go_unencrypted_where_the_registry_is_not() -> None:
    from pytest_multiarch.engine.credentials import CredentialsLookup

    host = RegistryHost("r.example.org", insecure=(), lookup=CredentialsLookup())
    url = "https://r.example.org/v2/a/b/blobs/uploads/"
    assert host.resolve(url, "x?a=b") == f"{url}x?a=b"
    with pytest.raises(requests.RequestException, match="unencrypted") as caught:
        host.resolve(url, "http://evil.example.org/up?secret=1")
    assert "secret" not in str(caught.value)


def test_an_upload_that_goes_nowhere(registry: FakeRegistry, target: RegistryTarget) -> None:
    registry.answers[f"POST {UPLOADS}"] = Answer(status=202)
    with pytest.raises(EngineError, match="does not say where"):
        put(target)


def test_a_refusal_says_what_the_registry_said(
    registry: FakeRegistry, target: RegistryTarget
) -> None:
    errors = {"errors": [{"code": "TAG_INVALID", "message": "the tag is immutable"}]}
    registry.answers["PUT /v2/a/b/manifests/1"] = Answer(json.dumps(errors).encode(), 400)
    with pytest.raises(EngineError, match="400 the tag is immutable"):
        target.put_tag(INDEX_TYPE, b"{}")


def test_a_login_that_may_not_push(
    registry: FakeRegistry, environ: dict[str, str], tmp_path: Path
) -> None:
    entry = {registry.address: {"username": "ann", "password": "hunter2"}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": entry}))
    denied = {"errors": [{"code": "DENIED", "message": "write access denied\x1b[31m"}]}
    registry.answers[f"POST {UPLOADS}"] = Answer(json.dumps(denied).encode(), 403)
    with pytest.raises(ImageAccessError, match="does not let it push") as caught:
        open_target(registry, environ).check_access()
    assert f"docker login {registry.address}" in caught.value.cure
    assert "hunter2" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_blob_is_mounted(registry: FakeRegistry, target: RegistryTarget) -> None:
    registry.answers[f"POST {UPLOADS}"] = Answer(status=201)
    assert target.mount_blob(DIGEST, "c/d")
    assert registry.asked[-1].query == {"mount": [DIGEST], "from": ["c/d"]}


def test_a_mount_that_is_not_possible_is_called_off(
    registry: FakeRegistry, target: RegistryTarget
) -> None:
    assert not target.mount_blob(DIGEST, "c/d")
    assert list_asked(registry)[-1] == "DELETE /up/1"


def test_a_digest_is_no_tag(environ: dict[str, str]) -> None:
    reference = ImageReference.parse(f"a/b@{OTHER}")
    with pytest.raises(UsageError, match="nobody can choose"):
        RegistryTarget(RegistryClient(environ), reference)

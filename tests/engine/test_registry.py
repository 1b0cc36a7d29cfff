"""Registries: what is behind a reference, and how one is let in."""

from __future__ import annotations

import gzip
import json
import os
import secrets
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from pytest_multiarch.core.errors import (
    EngineError,
    ImageAccessError,
    ImageError,
    ImageNotFoundError,
)
from pytest_multiarch.core.platform import Platform
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.engine.registry import RegistryClient
from pytest_multiarch.engine.registry_host import is_listed
from tests.engine.fake_registry import Answer, FakeRegistry
from tests.engine.sample_images import (
    AMD64,
    ARM64,
    INDEX_TYPE,
    MANIFEST_TYPE,
    SampleIndex,
    SampleVariant,
    hash_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.known_engines import KnownEngines

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
VARIANT = SampleVariant.build(ARM64, {"file": b"content"}, Cmd=["x"])
INDEX = SampleIndex("a/b", (VARIANT,))


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    registry = FakeRegistry()
    yield registry
    registry.close()


@pytest.fixture
def client(tmp_path: Path) -> RegistryClient:
    """A client of a user who is logged in nowhere."""
    return RegistryClient({"DOCKER_CONFIG": str(tmp_path), "PATH": os.environ["PATH"]})


def log_in(folder: Path, registry: FakeRegistry, **entry: str) -> RegistryClient:
    config = {"auths": {registry.address: entry}}
    (folder / "config.json").write_text(json.dumps(config))
    return RegistryClient({"DOCKER_CONFIG": str(folder), "PATH": os.environ["PATH"]})


def name(registry: FakeRegistry, locator: str = ":1") -> ImageReference:
    return ImageReference.parse(f"{registry.address}/a/b{locator}")


def serve(registry: FakeRegistry, media_type: str = INDEX_TYPE) -> None:
    """Serve the sample index as `a/b:1`."""
    registry.add("/v2/a/b/manifests/1", INDEX.blob, media_type)
    manifest = VARIANT.blobs[VARIANT.manifest_digest]
    registry.add(f"/v2/a/b/manifests/{VARIANT.manifest_digest}", manifest, MANIFEST_TYPE)
    registry.add(f"/v2/a/b/blobs/{VARIANT.config_digest}", VARIANT.blobs[VARIANT.config_digest])


@pytest.mark.parametrize("media_type", [INDEX_TYPE, DOCKER_LIST, f"{INDEX_TYPE}; charset=utf-8"])
def test_an_index_is_read(registry: FakeRegistry, client: RegistryClient, media_type: str) -> None:
    serve(registry, media_type)
    index = client.read_index(name(registry))
    assert (index.digest, index.platforms, index.is_single) == (INDEX.digest, (ARM64,), False)


def test_all_kinds_of_manifests_are_asked_for(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    serve(registry)
    client.read_index(name(registry))
    accepted = registry.asked[-1].headers["Accept"]
    assert all(each in accepted for each in (INDEX_TYPE, MANIFEST_TYPE, DOCKER_LIST))


def test_a_variant_is_read(registry: FakeRegistry, client: RegistryClient) -> None:
    serve(registry)
    manifest = client.read_manifest(name(registry), VARIANT.manifest_digest)
    config = client.read_config(name(registry), manifest)
    assert manifest.config_digest == config.digest == VARIANT.config_digest
    assert (config.platform, config.cmd) == (ARM64, ("x",))
    assert manifest.size == VARIANT.size


def test_a_single_image_is_an_index_of_one(registry: FakeRegistry, client: RegistryClient) -> None:
    serve(registry)
    index = client.read_index(name(registry, f"@{VARIANT.manifest_digest}"))
    assert (index.digest, index.platforms) == (VARIANT.manifest_digest, (ARM64,))
    assert index.is_single
    assert index.entries[0].digest == VARIANT.manifest_digest


def test_what_was_read_once_is_not_asked_for_again(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    serve(registry)
    client.read_manifest(name(registry), VARIANT.manifest_digest)
    count = len(registry.asked)
    client.read_manifest(name(registry), VARIANT.manifest_digest)
    assert len(registry.asked) == count


def test_an_absent_tag_is_not_found(registry: FakeRegistry, client: RegistryClient) -> None:
    with pytest.raises(ImageNotFoundError, match="manifest unknown"):
        client.read_index(name(registry, ":absent"))


def test_a_registry_s_own_trouble_is_an_engine_error(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    registry.answers["/v2/a/b/manifests/1"] = Answer(b"oops", 503)
    with pytest.raises(EngineError, match="503"):
        client.read_index(name(registry))


def test_a_limit_is_told(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.answers["/v2/a/b/manifests/1"] = Answer(b"", 429)
    with pytest.raises(ImageAccessError, match="limits how often"):
        client.read_index(name(registry))


@pytest.mark.parametrize(
    "document",
    [b"no json", b"[]", b"{}", {"schemaVersion": 1, "fsLayers": []}],
    ids=["text", "list", "empty", "schema-1"],
)
def test_what_is_no_manifest_is_refused(
    registry: FakeRegistry, client: RegistryClient, document: Any
) -> None:
    registry.add("/v2/a/b/manifests/1", document)
    with pytest.raises(ImageError):
        client.read_index(name(registry))


def test_other_content_than_asked_for_is_refused(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    registry.add(f"/v2/a/b/manifests/{VARIANT.manifest_digest}", b"{}", MANIFEST_TYPE)
    with pytest.raises(ImageError, match="other content than"):
        client.read_manifest(name(registry), VARIANT.manifest_digest)


def test_more_than_a_manifest_may_have_is_refused(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    registry.add("/v2/a/b/manifests/1", b"{" + b" " * 5_000_000 + b"}", INDEX_TYPE)
    with pytest.raises(ImageError, match="more than 4194304 bytes"):
        client.read_index(name(registry))


def test_bytes_are_hashed_as_they_come(registry: FakeRegistry, client: RegistryClient) -> None:
    """A proxy that compresses on its own changes the content; that must not pass unseen."""
    packed = gzip.compress(VARIANT.blobs[VARIANT.manifest_digest])
    path = f"/v2/a/b/manifests/{VARIANT.manifest_digest}"
    registry.answers[path] = Answer(packed, headers={"Content-Encoding": "gzip"})
    with pytest.raises(ImageError, match=hash_bytes(packed)):
        client.read_manifest(name(registry), VARIANT.manifest_digest)


def test_a_password_lets_in(registry: FakeRegistry, tmp_path: Path) -> None:
    serve(registry)
    registry.require_basic("me", "secret")
    client = log_in(tmp_path, registry, username="me", password="secret")
    assert client.read_index(name(registry)).platforms == (ARM64,)


def test_without_a_login_the_command_is_named(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    serve(registry)
    registry.require_basic("me", "secret")
    with pytest.raises(ImageAccessError) as caught:
        client.read_index(name(registry))
    assert f"`docker login {registry.address}`" in caught.value.cure


def test_why_there_is_no_login_is_told(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.require_basic("me", "secret")
    (tmp_path / "config.json").write_text('{"credsStore": "nonesuch"}')
    client = RegistryClient({"DOCKER_CONFIG": str(tmp_path), "PATH": "/nowhere"})
    with pytest.raises(ImageAccessError, match="docker-credential-nonesuch failed"):
        client.read_index(name(registry))


def test_a_token_is_fetched_for_the_repository_once(registry: FakeRegistry, tmp_path: Path) -> None:
    serve(registry)
    registry.require_token("t0ken")
    client = log_in(tmp_path, registry, username="me", password="secret")
    client.read_index(name(registry))
    client.read_manifest(name(registry), VARIANT.manifest_digest)
    asked = [each for each in registry.asked if each.path == "/token"]
    assert len(asked) == 1
    assert asked[0].query == {"service": ["s"], "scope": ["repository:a/b:pull"]}
    assert asked[0].authorization.startswith("Basic ")


def test_a_token_is_to_be_had_without_a_login_too(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    serve(registry)
    registry.require_token("t0ken")
    assert client.read_index(name(registry)).platforms == (ARM64,)


def test_a_token_that_ran_out_is_fetched_anew(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    serve(registry)
    registry.require_token("first")
    client.read_index(name(registry))
    registry.require_token("second")
    assert client.read_manifest(name(registry), VARIANT.manifest_digest)


def test_an_identity_token_is_exchanged(registry: FakeRegistry, tmp_path: Path) -> None:
    serve(registry)
    registry.require_token("t0ken")
    log_in(tmp_path, registry, identitytoken="refresh").read_index(name(registry))
    asked = next(each for each in registry.asked if each.path == "/token")
    fields = parse_qs(asked.body.decode())
    assert asked.method == "POST"
    assert (fields["grant_type"], fields["refresh_token"]) == (["refresh_token"], ["refresh"])


def test_a_refused_token_is_a_refusal(registry: FakeRegistry, client: RegistryClient) -> None:
    registry.require_token("t0ken")
    registry.answers["/token"] = Answer(b"", 401)
    with pytest.raises(ImageAccessError):
        client.read_index(name(registry))


def test_the_netrc_file_has_no_say(
    registry: FakeRegistry, client: RegistryClient, tmp_path: Path, monkeypatch: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password wrong\n")
    monkeypatch.setenv("NETRC", str(netrc))
    serve(registry)
    registry.require_token("t0ken")
    client.read_index(name(registry))
    assert "Basic" not in {each.authorization.split(" ")[0] for each in registry.asked}


def test_the_proxy_of_the_environment_is_not_for_this_machine(
    registry: FakeRegistry, client: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    serve(registry)
    assert client.read_index(name(registry)).platforms == (ARM64,)


def test_credentials_do_not_follow_a_redirect_elsewhere(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    storage = FakeRegistry()
    serve(registry)
    registry.require_basic("me", "secret")
    path = f"/v2/a/b/blobs/{VARIANT.config_digest}"
    storage.add("/stored", registry.answers[path].body)
    elsewhere = f"http://{storage.address.replace('127.0.0.1', 'localhost')}/stored"
    registry.answers[path] = Answer(b"", 307, {"Location": elsewhere})
    client = log_in(tmp_path, registry, username="me", password="secret")
    manifest = client.read_manifest(name(registry), VARIANT.manifest_digest)
    config = client.read_config(name(registry), manifest)
    storage.close()
    assert config.platform == ARM64
    assert [each.authorization for each in storage.asked] == [""]


def test_a_registry_with_tls_on_this_machine_is_found(
    certificate: Path, client: RegistryClient
) -> None:
    registry = FakeRegistry(certificate)
    serve(registry)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index = client.read_index(name(registry))
    registry.close()
    assert index.platforms == (ARM64,)


def test_a_password_is_not_sent_unencrypted_by_an_encrypted_registry_s_wish(
    certificate: Path, tmp_path: Path
) -> None:
    registry = FakeRegistry(certificate)
    registry.require_token("t0ken")
    client = log_in(tmp_path, registry, username="me", password="secret")
    with pytest.raises(EngineError, match="unencrypted"):
        client.read_index(name(registry))
    registry.close()


def test_nobody_there_is_an_engine_error(client: RegistryClient) -> None:
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:1 cannot be reached from here: .*refused"):
        client.read_index(ImageReference.parse("127.0.0.1:1/a/b:1"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("old:5000", True),
        ("old:5001", False),
        ("10.1.2.3:5000", True),
        ("11.1.2.3:5000", False),
        ("elsewhere", False),
    ],
)
def test_insecure_registries_are_hosts_and_blocks(address: str, expected: bool) -> None:
    assert is_listed(address, ["old:5000", "10.0.0.0/8"]) is expected


@pytest.mark.needs_engine("registry")
def test_a_real_registry_answers(engines: KnownEngines, client: RegistryClient) -> None:
    nonce = secrets.token_hex(6)
    arm = SampleVariant.build(ARM64, {"file": nonce.encode()}, Cmd=["arm"])
    amd = SampleVariant.build(AMD64, {"file": nonce.encode()}, Cmd=["amd"])
    sample = SampleIndex(f"multiarch-tests/{nonce}", (amd, arm))
    sample.push(engines.registry, "1")
    reference = ImageReference.parse(f"{engines.registry}/{sample.repository}:1")
    index = client.read_index(reference)
    assert (index.digest, index.platforms) == (sample.digest, (AMD64, ARM64))
    entry = index.select(ARM64, reference=str(reference))
    manifest = client.read_manifest(reference, entry.digest)
    assert client.read_config(reference, manifest).cmd == ("arm",)


@pytest.mark.needs_engine("registry")
def test_a_real_registry_has_no_such_tag(engines: KnownEngines, client: RegistryClient) -> None:
    with pytest.raises(ImageNotFoundError):
        client.read_index(ImageReference.parse(f"{engines.registry}/multiarch-tests/absent:1"))


def test_a_config_that_says_another_platform_is_given_as_it_is(
    registry: FakeRegistry, client: RegistryClient
) -> None:
    liar = SampleVariant.build(ARM64, {"file": b"x"}, says=AMD64)
    registry.add(f"/v2/a/b/blobs/{liar.config_digest}", liar.blobs[liar.config_digest])
    path = f"/v2/a/b/manifests/{liar.manifest_digest}"
    registry.add(path, liar.blobs[liar.manifest_digest], MANIFEST_TYPE)
    manifest = client.read_manifest(name(registry), liar.manifest_digest)
    assert client.read_config(name(registry), manifest).platform == Platform.parse("amd64")

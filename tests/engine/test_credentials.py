"""Where logins to registries are looked for."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.checkup import Login
from pytest_multiarch.engine.credentials import Credentials, find_credentials, read_logins

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = base64.b64encode(b"me:pass:word").decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def find(folder: Path, registry: str, config: Any = None, **environ: str) -> Any:
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    path = f"{folder}:{os.environ['PATH']}"
    return find_credentials({"DOCKER_CONFIG": str(folder), "PATH": path, **environ}, registry)


def write_helper(folder: Path, name: str, script: str) -> None:
    helper = folder / f"docker-credential-{name}"
    helper.write_text(f"#!/bin/sh\n{script}\n")
    helper.chmod(0o755)


ME = Credentials(username="me", password="pass:word")


@pytest.mark.parametrize(
    ("registry", "key"),
    [
        ("ghcr.io", "ghcr.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("ghcr.io", "https://ghcr.io/v1/"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("docker.io", "https://index.docker.io/v1/"),
        ("docker.io", "docker.io"),
    ],
)
def test_a_login_is_found_under_every_spelling(folder: Path, registry: str, key: str) -> None:
    assert find(folder, registry, {"auths": {key: {"auth": PLAIN}}}).credentials == ME


def test_a_login_of_another_registry_is_not_used(folder: Path) -> None:
    assert find(folder, "ghcr.io", {"auths": {"quay.io": {"auth": PLAIN}}}).credentials is None


def test_without_settings_there_is_none_and_no_problem(folder: Path) -> None:
    lookup = find(folder, "ghcr.io")
    assert (lookup.credentials, lookup.problem) == (None, "")


def test_the_environment_s_logins_come_first(folder: Path) -> None:
    other = base64.b64encode(b"other:x").decode()
    lookup = find(
        folder,
        "ghcr.io",
        {"auths": {"ghcr.io": {"auth": other}}},
        DOCKER_AUTH_CONFIG=json.dumps({"auths": {"ghcr.io": {"auth": PLAIN}}}),
    )
    assert lookup.credentials == ME


def test_an_identity_token_is_kept_as_one(folder: Path) -> None:
    entry = {"auth": PLAIN, "identitytoken": "t"}
    credentials = find(folder, "ghcr.io", {"auths": {"ghcr.io": entry}}).credentials
    assert credentials == Credentials(identity_token="t")
    header = json.loads(base64.urlsafe_b64decode(credentials.encode_header()))
    assert header == {"identitytoken": "t"}


def test_a_helper_is_asked(folder: Path) -> None:
    write_helper(
        folder, "x", """read key; echo "{\\"Username\\":\\"$key\\",\\"Secret\\":\\"s\\"}\""""
    )
    lookup = find(folder, "ghcr.io", {"credHelpers": {"ghcr.io": "x"}})
    assert lookup.credentials == Credentials(username="ghcr.io", password="s")


def test_a_helper_that_has_none_gives_way_to_the_file(folder: Path) -> None:
    write_helper(folder, "x", "echo credentials not found in native keychain; exit 1")
    config = {"credsStore": "x", "auths": {"ghcr.io": {"auth": PLAIN}}}
    assert find(folder, "ghcr.io", config).credentials == ME


def test_a_helper_s_token_is_no_password(folder: Path) -> None:
    write_helper(folder, "x", """echo '{"Username":"<token>","Secret":"t"}'""")
    lookup = find(folder, "docker.io", {"credsStore": "x"})
    assert lookup.credentials == Credentials(identity_token="t")


@pytest.mark.parametrize("script", ["echo broken; exit 1", "echo no json", "echo '[]'"])
def test_a_helper_that_fails_is_told_but_no_error(folder: Path, script: str) -> None:
    write_helper(folder, "x", script)
    lookup = find(folder, "ghcr.io", {"credsStore": "x"})
    assert lookup.credentials is None
    assert "docker-credential-x failed" in lookup.problem


def test_an_absent_helper_is_told_but_no_error(folder: Path) -> None:
    assert "nonesuch" in find(folder, "ghcr.io", {"credsStore": "nonesuch"}).problem


def test_a_login_that_cannot_be_read_is_told(folder: Path) -> None:
    lookup = find(folder, "ghcr.io", {"auths": {"ghcr.io": {"auth": "%%%"}}})
    assert "not base64" in lookup.problem


def test_secrets_are_not_shown() -> None:
    assert "pass" not in repr(ME)
    assert "tok" not in repr(Credentials(identity_token="tok"))


def list_logins(folder: Path, config: Any, **environ: str) -> tuple[Login, ...]:
    (folder / "config.json").write_text(json.dumps(config))
    path = f"{folder}:{os.environ['PATH']}"
    return read_logins({"DOCKER_CONFIG": str(folder), "PATH": path, **environ})


def test_logins_are_listed_by_registry_and_without_secrets(folder: Path) -> None:
    auths = {"ghcr.io": {"auth": PLAIN}, "https://index.docker.io/v1/": {"auth": PLAIN}}
    own = json.dumps({"auths": {"quay.io": {"auth": PLAIN}}})
    found = list_logins(folder, {"auths": auths}, DOCKER_AUTH_CONFIG=own)
    assert found == (
        Login(registry="docker.io"),
        Login(registry="ghcr.io"),
        Login(registry="quay.io"),
    )
    assert "pass" not in repr(found)


def test_a_helper_lists_what_it_has(folder: Path) -> None:
    write_helper(
        folder,
        "x",
        'case $1 in list) echo \'{"https://ghcr.io": "me"}\';; '
        'get) echo \'{"Username": "me", "Secret": "s"}\';; esac',
    )
    assert list_logins(folder, {"credsStore": "x"}) == (Login(registry="ghcr.io"),)


def test_an_empty_entry_is_no_login(folder: Path) -> None:
    assert list_logins(folder, {"auths": {"ghcr.io": {}}}) == ()


def test_a_missing_helper_is_a_problem(folder: Path) -> None:
    (found,) = list_logins(folder, {"credsStore": "nowhere"})
    assert found.registry == ""
    assert "docker-credential-nowhere failed" in found.problem


def test_a_broken_helper_of_one_registry_is_its_problem(folder: Path) -> None:
    write_helper(folder, "x", "echo locked >&2; exit 1")
    config = {"credHelpers": {"a.io": "x"}, "auths": {"b.io": {"auth": PLAIN}}}
    a, b = list_logins(folder, config)
    assert (a.registry, b) == ("a.io", Login(registry="b.io"))
    assert "locked" in a.problem


def test_a_broken_config_is_a_problem(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    (found,) = read_logins({"DOCKER_CONFIG": str(folder)})
    assert "config.json cannot be read" in found.problem

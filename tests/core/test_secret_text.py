"""What of a config is shown as a digest only."""

from __future__ import annotations

import pytest

from pytest_multiarch.core.secret_text import hide_in_text, hide_in_words, hide_secret

SECRET = "hunter2"


@pytest.mark.parametrize(
    "name",
    ["DB_PASSWORD", "db.passwd", "SECRET_KEY", "NPM_TOKEN", "API_KEY", "PGPASS_PWD", "AUTH"],
)
def test_a_name_that_says_secret(name: str) -> None:
    assert SECRET not in hide_secret(name, SECRET)


@pytest.mark.parametrize("name", ["PATH", "GPG_KEY", "MONKEY", "PWD", "DB_PASSWORD_FILE", "KEYMAP"])
def test_a_name_that_says_nothing(name: str) -> None:
    assert hide_secret(name, SECRET) == SECRET


@pytest.mark.parametrize(
    "text",
    [
        f"postgres://user:{SECRET}@db/app",
        f"serve --password={SECRET}",
        f"serve --db-password {SECRET}",
        f"API_TOKEN={SECRET} serve",
        f'{{"client_secret": "{SECRET}"}}',
    ],
)
def test_a_secret_in_a_text(text: str) -> None:
    shown = hide_in_text(text)
    assert SECRET not in shown
    assert "<hidden, sha256 " in shown


@pytest.mark.parametrize("token", ["ghp_0123456789abcdefghij", "AKIAIOSFODNN7EXAMPLE"])
def test_a_token_that_is_known_by_its_look(token: str) -> None:
    assert token not in hide_in_text(f"run {token}")


def test_a_word_after_an_option() -> None:
    assert hide_in_words(["app", "--token", SECRET, "--token", "-v"]) == [
        "app",
        "--token",
        "<hidden, sha256 f52fbd32>",
        "--token",
        "-v",
    ]


def test_a_text_without_secrets_stays() -> None:
    text = "exec nginx -g 'daemon off;' # the token of thanks: https://example.org/a:b"
    assert hide_in_text(text) == text


def test_a_long_text_is_digested_as_a_whole() -> None:
    assert hide_in_text("a" * 5000) == "<5000 characters, sha256 c526c622>"

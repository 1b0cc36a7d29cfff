"""Values that may be secrets are taken out of what is shown, and nothing else is."""

from __future__ import annotations

import json

import pytest

from pytest_multiarch.core.normalize import hide_values
from tests.samples import ARM64, check, observe

VALUES = {"hunter2": "<PASSWORD>"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("hunter2", "xhunter2y"),
        ("a\nb", "assert 'a\\nb' == ''"),
        ('a"b', '{"key": "a\\"b"}'),
        ("caf\u00e9", "'caf\\u00e9'"),
    ],
    ids=["within a word", "in a repr", "in JSON", "in ASCII JSON"],
)
def test_a_value_is_hidden_however_it_is_written(value: str, text: str) -> None:
    hidden = hide_values(text, {value: "<V>"})
    assert "<V>" in hidden
    assert value not in hidden
    assert repr(value)[1:-1] not in hidden


def test_the_longer_of_two_values_goes_first() -> None:
    assert hide_values("hunter22", {"hunter2": "<A>", "hunter22": "<B>"}) == "<B>"


def test_an_observation_is_hidden_everywhere_it_is_shown() -> None:
    seen = observe(
        "out hunter2", "err hunter2", label="say hunter2", argv=("app", "--with=hunter2"),
        entrypoint=("hunter2",), user="hunter2", workdir="/hunter2", files=("/hunter2",),
        network="hunter2",
    )  # fmt: skip
    assert "hunter2" in json.dumps(seen.to_mapping())
    hidden = json.dumps(seen.hide(VALUES).to_mapping())
    assert "hunter2" not in hidden
    assert hidden.count("<PASSWORD>") == 9


def test_equality_is_not_affected() -> None:
    seen = observe("hunter2 on aarch64", platform=ARM64)
    hidden = seen.hide(VALUES)
    assert (hidden.stdout.sha256, hidden.stdout.names) == (seen.stdout.sha256, seen.stdout.names)


def test_a_value_stays_json() -> None:
    """Numbers are no texts, even where the digits are those of a secret."""
    seen = check("n", {"hunter2": ["a hunter2", 1234567, None]})
    hidden = seen.hide(VALUES | {"123456": "<PIN>"})
    assert hidden.value.read() == {"<PASSWORD>": ["a <PASSWORD>", 1234567, None]}


def test_without_values_nothing_is_made_anew() -> None:
    seen = observe("x")
    assert seen.hide({}) is seen

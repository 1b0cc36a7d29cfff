"""The JSON Schema and the reader of configuration files are of one mind."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_multiarch.core.config_document import ConfigDocument, parse_document
from pytest_multiarch.core.config_schema import DOCUMENT, PLATFORM, REFERENCE, make_schema
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.settings import Source

SCHEMA = make_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

GOOD: list[dict[str, Any]] = [
    {},
    {"image": "ghcr.io/acme/app:1.4"},
    {"images": {"alpine": "app:alpine", "Debian_12.1": {"image": "app", "platforms": ["arm64"]}}},
    {"platforms": ["linux/amd64", "ARM64/v8", "armhf"], "baseline": "linux/arm64"},
    {"runners": {"default": "ubuntu-latest", "linux/arm64": ["self-hosted", "ARM64"]}},
    {"normalize": ["timestamps", r"build \d+"], "platforms": []},
    {"allow": [{"reason": "known"}, {"label": "app *", "part": "stdout", "reason": "FMA"}]},
    {"allow": [{"platforms": "arm64", "reason": "x"}, {"platforms": ["arm64"], "reason": "x"}]},
    {"audit": {"scope": "image", "allow": [{"path": "/opt/qemu/**", "reason": "we ship it"}]}},
    {"index": {"required": ["linux/amd64", "arm64"]}},
    {"static_parity": {"config": False, "tree": "true", "allow": [{"reason": "x"}]}},
    {"static_parity": {"allow": [{"subject": "Env *", "part": "config", "reason": "x"}]}},
    {"image": f"app@sha256:{'a' * 64}"},
    {"image": "[::1]:5000/app:1"},
    {"nodes": {"linux/arm64": {"host": "ssh://me@pi:22", "fallback": "emulate"}}},
    {"nodes": {"arm64": {"host": "tcp://[::1]:2376", "tls": "certs", "fallback": "none"}}},
    {"nodes": {"arm64": {"host": "tcp://pi", "tls": {"ca": "a", "verify": "false"}}}},
    {"nodes": {"arm64": {"host": "unix:///run/pi.sock"}, "linux/arm/v7": {"context": "pi"}}},
    {"control": {"enabled": "true", "emulator": "/usr/bin/qemu-x86_64-static"}},
    {"control": {"enabled": False}},
    {"replay": "2.5"},
    {"replay": 0},
    {"repeat": 3},
    {"repeat": "3"},
    {"unstable": "fail"},
    {"build": "app"},
    {"build": {"context": ".", "dockerfile": "Dockerfile.prod", "target": "app", "tag": "app:t"}},
    {"build": {"context": ".", "args": {"VERSION": "1.4", "EMPTY": ""}}},
    {"build": {"context": ".", "secrets": ["id=token,env=TOKEN", "id=key,src=key.pem"]}},
    {"build": {"context": ".", "platform_args": {"arm64": {"CFLAGS": "-O1"}}}},
    {"build": {"context": ".", "cache_from": ["type=gha"], "cache_to": ["type=gha,mode=max"]}},
]
BAD: list[Any] = [
    [],
    "image: app",
    {"imgae": "app"},
    {"image": ""},
    {"image": "a b"},
    {"image": None},
    {"image": 5},
    {"image": "app", "images": {"alpine": "app:alpine"}},
    {"images": ["app"]},
    {"images": {"a b": "app"}},
    {"images": {"alpine": {}}},
    {"images": {"alpine": {"image": "app", "platfroms": []}}},
    {"images": {"alpine": None}},
    {"platforms": "linux/amd64"},
    {"platforms": ["linux/arm/v7/x"]},
    {"platforms": ["arm64", "arm64"]},
    {"platforms": None},
    {"baseline": ["linux/amd64"]},
    {"runners": {"linux/arm64": []}},
    {"runners": {"linux/arm64": [1]}},
    {"runners": {"linux/arm64": " "}},
    {"runners": {"a b": "x"}},
    {"nodes": ["ssh://pi"]},
    {"nodes": {"linux/arm64": "ssh://pi"}},
    {"nodes": {"linux/arm64": {"host": "pi:2376"}}},
    {"nodes": {"linux/arm64": {"host": "http://pi"}}},
    {"nodes": {"linux/arm64": {"host": "ssh://pi", "fallback": "skip"}}},
    {"nodes": {"linux/arm64": {"host": "tcp://pi:1", "tls": True}}},
    {"nodes": {"linux/arm64": {"host": "tcp://pi:1", "tls": {"certificate": "a"}}}},
    {"control": True},
    {"replay": "-1"},
    {"replay": "soon"},
    {"replay": True},
    {"repeat": 1.5},
    {"repeat": "1.5"},
    {"unstable": "error"},
    {"control": {"enabled": "yes"}},
    {"control": {"emulator": ""}},
    {"control": {"emulatr": "/usr/bin/qemu"}},
    {"normalize": "timestamps"},
    {"normalize": [["a", "b"]]},
    {"allow": {"label": "x"}},
    {"allow": [{"label": "x"}]},
    {"allow": [{"reason": ""}]},
    {"allow": [{"reason": "x", "part": "stdot"}]},
    {"allow": [{"reason": "x", "lable": "x"}]},
    {"allow": ["x"]},
    {"audit": "image"},
    {"audit": {"scope": "all"}},
    {"audit": {"allow": [{"path": "/opt/**"}]}},
    {"audit": {"allow": {"/opt/**": "x"}}},
    {"index": {"required": "linux/amd64"}},
    {"index": ["linux/amd64"]},
    {"static_parity": {"tree": "yes"}},
    {"static_parity": {"tree": 1.5}},
    {"static_parity": {"allow": [{"subject": "Env *"}]}},
    {"static_parity": {"allow": [{"reason": "x", "part": "env"}]}},
    {"static_parity": {"files": True}},
    {"build": ""},
    {"build": ["app"]},
    {"build": {"dockerfile": "Dockerfile"}},
    {"build": {"context": "app", "args": ["VERSION=1.4"]}},
    {"build": {"context": "app", "args": {"1st": "x"}}},
    {"build": {"context": "app", "cache-from": ["type=gha"]}},
    {"build": {"context": "app", "platform_args": {"a b": {}}}},
    {"build": "app", "image": "app"},
    {"build": "app", "images": {"alpine": "app"}},
]
KNOWN_ONLY_TO_THE_READER: list[dict[str, Any]] = [
    {"platforms": ["linux/arm46"]},
    {"platforms": ["amd64", "x86_64"]},
    {"platforms": ["amd64"], "baseline": "arm64"},
    {"images": {"alpine": {"image": "app", "platforms": ["amd64"], "baseline": "arm64"}}},
    {"images": {"arm64": "app"}},
    {"image": "UPPER"},
    {"normalize": ["("]},
    {"runners": {"arm64": "a", "linux/arm64": "b"}},
    {"nodes": {"linux/arm64": {"host": "ssh://me:secret@pi"}}},
    {"nodes": {"linux/arm64": {"fallback": "emulate"}}},
    {"nodes": {"linux/arm64": {"host": "ssh://pi", "context": "pi"}}},
    {"nodes": {"linux/arm64": {"host": "ssh://pi", "tls": "certs"}}},
    {"nodes": {"arm64": {"host": "ssh://a"}, "linux/arm64": {"host": "ssh://b"}}},
    {"build": {"context": "https://example.org/app.git"}},
    {"build": {"context": "app", "secrets": ["hunter2"]}},
    {"build": {"context": "app", "tag": f"app@sha256:{'a' * 64}"}},
]


def is_read(document: Any) -> bool:
    """Whether the reader takes a document."""
    try:
        parse_document(ConfigDocument(value=document, source=Source.YAML, name="multiarch.yaml"))
    except UsageError:
        return False
    return True


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("document", GOOD, ids=str)
def test_both_take_what_is_right(document: Any) -> None:
    assert (VALIDATOR.is_valid(document), is_read(document)) == (True, True)


@pytest.mark.parametrize("document", BAD, ids=str)
def test_both_refuse_what_is_wrong(document: Any) -> None:
    assert (VALIDATOR.is_valid(document), is_read(document)) == (False, False)


@pytest.mark.parametrize("document", KNOWN_ONLY_TO_THE_READER, ids=str)
def test_the_reader_knows_more(document: Any) -> None:
    assert (VALIDATOR.is_valid(document), is_read(document)) == (True, False)


def test_every_key_has_a_good_and_a_bad_document() -> None:
    for documents in (GOOD, BAD):
        keys = {key for each in documents if isinstance(each, dict) for key in each}
        assert keys >= DOCUMENT.fields.keys()


LEAVES = st.sampled_from([
    "linux/amd64", "arm64", "linux/s390x", "app:1", "UPPER", "", " ", "a b", "default", "stdout",
    "timestamps", "(", "x" * 70, None, 5, True, 1.5,
])  # fmt: skip
KEYS = st.sampled_from([
    "image", "platforms", "baseline", "reason", "label", "part", "default", "arm64", "linux/amd64",
    "alpine", "a b", "",
])  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(st.sampled_from([*DOCUMENT.fields, "imgae"]), VALUES, max_size=3)


@given(DOCUMENTS)
def test_the_schema_refuses_nothing_that_is_read(document: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(document) or not is_read(document)


@given(st.lists(st.sampled_from(GOOD), min_size=1), st.data())
def test_right_keys_together_are_right(
    documents: list[dict[str, Any]], data: st.DataObject
) -> None:
    together = {key: value for each in documents for key, value in each.items()}
    kept = data.draw(st.sampled_from(["image", "images", "build"]))
    for name in {"image", "images", "build"} - {kept}:
        together.pop(name, None)
    together.pop("baseline", None)
    assert (VALIDATOR.is_valid(together), is_read(together)) == (True, True)


@pytest.mark.parametrize("kind", [PLATFORM, REFERENCE], ids=["platform", "reference"])
@given(text=st.text("aA0 /:.@[]_-\tlinux", max_size=12))
def test_a_pattern_fits_what_is_parsed(kind: Any, text: str) -> None:
    schema = kind.make_schema()
    assert jsonschema.Draft202012Validator(schema).is_valid(text) or not _is_parsed(kind, text)


def _is_parsed(kind: Any, text: str) -> bool:
    problems: list[Any] = []
    kind.read(text, (), problems)
    return not problems

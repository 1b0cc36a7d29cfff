"""What is to be built: checked, named, and recorded without what is secret."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_multiarch.core.build import (
    Build,
    BuilderFacts,
    BuildFinding,
    BuildSpec,
    EmulatedStep,
    PlatformBuild,
    make_build_spec,
    start_build,
)
from pytest_multiarch.core.errors import UsageError
from pytest_multiarch.core.platform import Platform

ARM64 = Platform.parse("linux/arm64")
ARM_V7 = Platform.parse("linux/arm/v7")
FACTS = BuilderFacts(name="default", driver="docker", version="0.29.1")


def make(context: object = "app", **options: Any) -> BuildSpec:
    return make_build_spec(context, folder="/work", **options)


@pytest.mark.parametrize(
    ("context", "dockerfile", "expected"),
    [
        ("app", "Dockerfile", ("/work/app", "/work/app/Dockerfile", "app/Dockerfile")),
        (".", "Dockerfile", ("/work", "/work/Dockerfile", "work/Dockerfile")),
        ("../app/", "docker/prod", ("/app", "/app/docker/prod", "app/docker/prod")),
        ("/other", "/x/Dockerfile", ("/other", "/x/Dockerfile", "other/x/Dockerfile")),
    ],
)
def test_paths_are_relative_to_where_they_stand(
    context: str, dockerfile: str, expected: tuple[str, str, str]
) -> None:
    spec = make(context, dockerfile=dockerfile)
    assert (spec.context, spec.dockerfile, spec.title) == expected


def test_files_of_secrets_and_local_caches_too() -> None:
    spec = make(
        secrets=["id=key,src=key.pem", "id=token,env=TOKEN"],
        cache_from="type=local,src=cache",
        cache_to=["type=local,dest=cache,mode=max", "type=gha"],
    )
    assert spec.secrets == ("id=key,src=/work/key.pem", "id=token,env=TOKEN")
    assert spec.cache_from == ("type=local,src=/work/cache",)
    assert spec.cache_to == ("type=local,dest=/work/cache,mode=max", "type=gha")


@pytest.mark.parametrize(
    ("context", "options", "said"),
    [
        (None, {}, "the context is a folder, not None"),
        ("", {}, "the context is a folder"),
        (5, {}, "the context is a folder, not 5"),
        ("https://example.org/app.git", {}, "is a context elsewhere"),
        ("app", {"dockerfile": 1}, "dockerfile is a file, not 1"),
        ("app", {"target": ["x"]}, "target is a text"),
        ("app", {"args": ["A=1"]}, "args is a mapping from names to values, not a list"),
        ("app", {"args": {"A B": "1"}}, "'A B' is no name of a build argument"),
        ("app", {"args": {"A": ["1"]}}, "the value of A is no text"),
        ("app", {"platform_args": {"arm46": {}}}, "'arm46' is not a platform"),
        ("app", {"platform_args": ["arm64"]}, "platform_args is a mapping"),
        ("app", {"cache_to": 5}, "cache_to is a list of texts"),
        ("app", {"tag": "UPPER"}, "is not an image reference"),
        ("app", {"tag": f"app@sha256:{'a' * 64}"}, "has a digest"),
    ],
)
def test_what_is_wrong_is_said(context: object, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        make(context, **options)


@pytest.mark.parametrize("text", ["hunter2", "id=,env=X", "id=a,env=X,src=y", "id=a,value=hunter2"])
def test_a_wrong_secret_is_not_shown(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        make(secrets=[text])
    assert "hunter2" not in str(caught.value)
    assert "id=token,env=TOKEN" in str(caught.value)


def test_each_image_has_a_lasting_name_of_its_own() -> None:
    name = make("My App").name
    assert name == make("My App").name
    assert name.startswith("multiarch-build/my-app:")
    others = [make("My App", args={"A": "1"}), make("My App", target="x"), make("app")]
    others.append(make("My App", platform_args={"arm64": {"A": "1"}}))
    assert len({name, *(each.name for each in others)}) == 5
    assert make("My App", cache_from=["type=gha"]).name == name


def test_names_of_single_platforms() -> None:
    assert make(tag="myapp:test").name_for(ARM64) == "myapp:test-arm64"
    assert make(tag="localhost:5000/myapp").name_for(ARM_V7) == "localhost:5000/myapp:latest-arm-v7"


def test_a_platform_has_its_own_arguments_over_those_of_all() -> None:
    spec = make(args={"A": 1, "B": "b"}, platform_args={"arm64": {"A": "arm"}})
    assert spec.list_args(None) == {"A": "1", "B": "b"}
    assert spec.list_args(ARM64) == {"A": "arm", "B": "b"}
    assert spec.list_args(ARM_V7) == {"A": "1", "B": "b"}


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("type=local,dest=/c,mode=max", "type=local,dest=/c/linux-arm64,mode=max"),
        ("type=registry,ref=host/app:cache", "type=registry,ref=host/app:cache-linux-arm64"),
        ("type=registry,ref=host:5000/app", "type=registry,ref=host:5000/app:linux-arm64"),
        ("host/app:cache", "host/app:cache-linux-arm64"),
        ("type=gha", "type=gha,scope=buildkit-linux-arm64"),
        ("type=inline", "type=inline"),
    ],
)
def test_builds_apart_have_caches_apart(option: str, expected: str) -> None:
    spec = make(cache_to=[option])
    assert spec.name_cache(ARM64)[1] == (expected,)
    assert spec.name_cache(None)[1] == (option,)


def test_nothing_secret_is_recorded() -> None:
    spec = make(
        args={"VERSION": "hunter2"},
        platform_args={"arm64": {"KEY": "hunter2"}},
        secrets=["id=token,env=TOKEN"],
        cache_to=["type=s3,bucket=b,secret_access_key=hunter2", "type=gha,token=hunter2"],
    )
    document = start_build(spec, FACTS, started_at_s=1.0).to_mapping()
    assert "hunter2" not in str(document)
    assert "hunter2" not in repr(spec)
    assert document["args"] == ["VERSION", "KEY"]
    assert document["secrets"] == ["token"]
    assert document["cache_to"] == ["s3", "gha"]


def test_a_configured_build_is_shown_as_it_is_written() -> None:
    plain = make(args={"VERSION": "1.4", "TOKEN": "hunter2"}).to_mapping()
    assert plain["context"] == "/work/app"
    assert plain["args"]["VERSION"] == "1.4"
    assert "hunter2" not in str(plain)
    assert "cache_to" not in plain


def test_a_build_is_read_as_it_was_written() -> None:
    step = EmulatedStep(step="RUN make", line=3, wall_s=2.5, compiles=True)
    finding = BuildFinding(rule="r", line=2, what="w", cure="c", platforms=(ARM64,))
    build = Build(
        name="app:test",
        dockerfile="app/Dockerfile",
        args=("A",),
        platforms={
            ARM64: PlatformBuild(name="app:test", steps=3, cached=1, ratio=2.5, emulated=(step,)),
            ARM_V7: PlatformBuild(error="no", cure="yes"),
        },
        findings=(finding,),
        notes=("n",),
    )
    assert Build.from_mapping(build.to_mapping()) == build

"""Publishing, in memory: what is sent, in which order, and what stops it."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.errors import EngineError, ImageError, ImageNotFoundError
from pytest_multiarch.core.ports import FoundVariant
from pytest_multiarch.core.publishing import Publication, PublishPlan, Refusal, TestedVariant
from pytest_multiarch.run.publish import PublishTools, publish
from tests.engine.sample_images import (
    AMD64,
    ARM64,
    MANIFEST_TYPE,
    SampleIndex,
    SampleVariant,
    describe,
    hash_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_multiarch.core.image_reader import DocumentKind
    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.ports import ByteStream

OLD = "sha256:" + "9" * 64
VARIANTS = {
    platform: SampleVariant.build(platform, {"bin/app": str(platform).encode()})
    for platform in (AMD64, ARM64)
}


class Content:
    """Content by digest, in no registry or in one."""

    def __init__(self, blobs: dict[str, bytes], repository: tuple[str, str] = ("", "")) -> None:
        self.blobs = blobs
        self.repository = repository
        self.name = "the content"
        self.streamed: list[str] = []

    def read_document(self, kind: DocumentKind, digest: str) -> bytes:
        del kind
        if digest not in self.blobs:
            raise ImageNotFoundError(f"no {digest}")
        return self.blobs[digest]

    def stream_blobs(self, digests: Iterable[str]) -> Iterator[tuple[str, ByteStream]]:
        for digest in digests:
            if digest in self.blobs:
                self.streamed.append(digest)
                yield digest, io.BytesIO(self.blobs[digest])


class Place:
    """A place with some content; `current` is what names stand for now."""

    def __init__(self, content: Content, name: str = "the place", index: str = "") -> None:
        self.content, self.name, self.index = content, name, index
        self.current: dict[Platform, str | None] = {}
        self.problem: Exception | None = None

    def find(self, tested: TestedVariant) -> FoundVariant:
        if self.problem is not None:
            raise self.problem
        self.content.read_document("manifests", tested.digest)
        return FoundVariant(digest=tested.digest, content=self.content, index=self.index)

    def read_current(self, tested: TestedVariant) -> str | None:
        return self.current.get(tested.platform, tested.digest)


class Target:
    """A repository in memory, and what was done to it."""

    name = "r.example.org/app:1"
    repository = ("r.example.org", "app")

    def __init__(self) -> None:
        self.tag = OLD
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.mountable: set[str] = set()
        self.done: list[str] = []
        self.lies: dict[str, bytes] = {}
        self.loses: set[str] = set()
        self.fails_at_tag = False

    def pin(self, digest: str) -> str:
        return f"r.example.org/app@{digest}"

    def read_tag(self) -> str:
        return self.tag

    def check_access(self) -> None:
        self.done.append("check")

    def has_blob(self, digest: str) -> bool:
        return digest in self.blobs and digest not in self.loses

    def mount_blob(self, digest: str, repository: str) -> bool:
        if digest not in self.mountable:
            return False
        self.done.append(f"mount {repository}")
        self.blobs[digest] = b""
        return True

    def put_blob(self, digest: str, size: int, stream: ByteStream) -> None:
        data = stream.read(size + 1)
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == digest
        assert len(data) == size
        self.blobs[digest] = data
        self.done.append("blob")

    def put_manifest(self, digest: str, media_type: str, data: bytes) -> None:
        self.manifests[digest] = data
        self.done.append(media_type.rsplit(".", maxsplit=1)[-1].removesuffix("+json"))
        self.done[-1] = "index" if "index" in media_type else "manifest"

    def read_manifest(self, digest: str) -> bytes:
        self.done.append("verify")
        return self.lies.get(digest, self.manifests[digest])

    def put_tag(self, media_type: str, data: bytes) -> None:
        del media_type
        if self.fails_at_tag:
            raise EngineError("it broke off", cure="again")
        self.tag = hash_bytes(data)
        self.done.append("tag")


def make_plan(**fields: Any) -> PublishPlan:
    variants = tuple(
        TestedVariant(
            platform=platform,
            reference="app:test",
            kind="manifest",
            digest=each.manifest_digest,
            config_digest=each.config_digest,
            pin=f"app@{each.manifest_digest}",
        )
        for platform, each in VARIANTS.items()
    )
    return PublishPlan(**{"image": "app:test", "variants": variants, **fields})


def make_content(repository: tuple[str, str] = ("", "")) -> Content:
    blobs: dict[str, bytes] = {}
    for each in VARIANTS.values():
        blobs |= each.blobs
    return Content(blobs, repository)


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def place() -> Place:
    return Place(make_content(), "the registry")


def run(
    target: Target,
    place: Place,
    plan: PublishPlan | None = None,
    engine: Place | None = None,
    **options: Any,
) -> Publication:
    tools = PublishTools(target=target, registry=place, engine=engine)
    return publish(plan or make_plan(), tools, **options)


def test_the_tag_is_set_last(target: Target, place: Place) -> None:
    outcome = run(target, place)
    sent = ["blob", "blob", "manifest"]
    assert target.done == ["check", *sent, *sent, "index", "verify", "verify", "verify", "tag"]
    assert outcome.is_done
    assert outcome.digest == target.tag
    assert outcome.previous == OLD
    entries = json.loads(target.manifests[target.tag])["manifests"]
    assert [each["digest"] for each in entries] == [v.manifest_digest for v in VARIANTS.values()]
    assert [each.size for each in outcome.variants] == [
        each.sent + s
        for each, s in zip(
            outcome.variants,
            [len(v.blobs[v.manifest_digest]) for v in VARIANTS.values()],
            strict=True,
        )
    ]


def test_a_plan_that_is_refused_asks_nobody(target: Target, place: Place) -> None:
    refusal = Refusal(what="no", cure="yes")
    place.problem = AssertionError("asked")
    outcome = run(target, place, make_plan(refusals=(refusal,)))
    assert outcome.refusals == (refusal,)
    assert not target.done


def test_a_dry_run_sends_nothing(target: Target, place: Place) -> None:
    outcome = run(target, place, is_dry_run=True)
    assert not outcome.is_done
    assert target.done == ["check"]
    assert all(each.sent for each in outcome.variants)


def test_the_tested_index_is_kept(target: Target, place: Place) -> None:
    index = SampleIndex("app", tuple(VARIANTS.values()))
    place.content.blobs[index.digest] = index.blob
    place.index = index.digest
    outcome = run(target, place)
    assert outcome.is_as_tested
    assert target.tag == index.digest


def test_another_index_of_the_tested_variants_is_not_the_tested_one(
    target: Target, place: Place
) -> None:
    index = SampleIndex("app", tuple(VARIANTS.values()))
    place.content.blobs[index.digest] = index.blob
    place.index = index.digest
    plan = make_plan()
    plan = replace(plan, variants=tuple(replace(each, index=OLD) for each in plan.variants))
    outcome = run(target, place, plan)
    assert outcome.is_done
    assert not outcome.is_as_tested


def test_attestations_are_sent_before_the_index(target: Target, place: Place) -> None:
    statement = b'{"predicate": {}}'
    config = b'{"architecture": "unknown", "os": "unknown"}'
    attestation = json.dumps(
        {
            "mediaType": MANIFEST_TYPE,
            "config": describe(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [describe(statement, "application/vnd.in-toto+json")],
        }
    ).encode()
    blobs = {hash_bytes(each): each for each in (statement, config, attestation)}
    variant = VARIANTS[AMD64]
    document = json.loads(SampleIndex("app", tuple(VARIANTS.values())).blob)
    document["manifests"].append(
        {
            **describe(attestation, MANIFEST_TYPE),
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": variant.manifest_digest,
            },
        }
    )
    index = json.dumps(document).encode()
    place.content.blobs[hash_bytes(index)] = index
    place.index = hash_bytes(index)

    outcome = run(target, place)  # the place does not have the attestation
    assert not outcome.is_as_tested
    assert "is left out: the registry does not have it" in outcome.notes[0]
    assert outcome.variants[0].attestations == ()

    place.content.blobs |= blobs
    outcome = run(target, place)
    assert outcome.is_as_tested
    assert outcome.variants[0].attestations == (hash_bytes(attestation),)
    assert target.blobs[hash_bytes(statement)] == statement
    assert target.manifests[hash_bytes(attestation)] == attestation


def test_what_is_there_is_not_sent(target: Target, place: Place) -> None:
    run(target, place)
    place.content.streamed.clear()
    outcome = run(target, place)
    assert not place.content.streamed
    assert [each.sent for each in outcome.variants] == [0, 0]


def test_blobs_of_the_same_registry_are_mounted(target: Target) -> None:
    content = make_content(("r.example.org", "test/app"))
    target.mountable = set(content.blobs)
    run(target, Place(content))
    assert target.done.count("mount test/app") == 4
    assert not content.streamed


def test_blobs_of_another_registry_are_sent(target: Target) -> None:
    content = make_content(("other.example.org", "test/app"))
    target.mountable = set(content.blobs)
    run(target, Place(content))
    assert len(content.streamed) == 4


def test_what_the_registry_lacks_comes_from_the_engine(target: Target, place: Place) -> None:
    engine = Place(make_content(), "the engine")
    place.problem = EngineError("it does not answer")
    outcome = run(target, place, engine=engine)
    assert [each.source for each in outcome.variants] == ["the engine", "the engine"]


def test_what_an_engine_was_built_into_is_looked_for_there_first(target: Target) -> None:
    plan = make_plan()
    pin = "app@sha256:" + "7" * 64
    plan = replace(plan, variants=tuple(replace(each, pin=pin) for each in plan.variants))
    registry = Place(make_content(), "the registry")
    registry.problem = AssertionError("asked")
    engine = Place(make_content(), "the engine")
    assert run(target, registry, plan, engine=engine).is_done


def test_what_was_built_on_a_node_of_its_own_is_looked_for_there(target: Target) -> None:
    plan = make_plan()
    plan = replace(plan, variants=tuple(replace(each, pin="") for each in plan.variants))
    registry, here, there = Place(Content({})), Place(make_content()), Place(make_content())
    for place, platform in ((here, ARM64), (there, AMD64)):
        del place.content.blobs[VARIANTS[platform].manifest_digest]
    there.name = "the node"
    tools = PublishTools(target=target, registry=registry, engine=here, own_nodes={ARM64: there})
    outcome = publish(plan, tools)
    assert [each.source for each in outcome.variants] == ["the place", "the node"]
    there.problem = EngineError("the node is down")
    with pytest.raises(EngineError, match="cannot be had: the node is down"):
        publish(plan, tools)


def test_what_nobody_has(target: Target, place: Place) -> None:
    place.content.blobs.clear()
    with pytest.raises(ImageNotFoundError, match="cannot be had: no sha256"):
        run(target, place)
    assert target.tag == OLD


def test_what_was_built_again_is_said(target: Target, place: Place) -> None:
    place.content.blobs.clear()
    engine = Place(Content({}), "the engine")
    engine.current[AMD64] = OLD
    with pytest.raises(ImageNotFoundError, match=rf"app:test was built again .* is {OLD} by now"):
        run(target, place, engine=engine)
    engine.current[AMD64] = ""
    with pytest.raises(ImageNotFoundError, match=r"again .* has no linux/amd64 by now"):
        run(target, place, engine=engine)


def test_what_nobody_could_look_for(target: Target, place: Place) -> None:
    place.problem = EngineError("it does not answer")
    with pytest.raises(EngineError, match="cannot be had: it does not answer"):
        run(target, place)


def test_a_blob_that_nobody_has(target: Target, place: Place) -> None:
    variant = VARIANTS[AMD64]
    layer = next(
        d for d in variant.blobs if d not in (variant.manifest_digest, variant.config_digest)
    )
    del place.content.blobs[layer]
    with pytest.raises(ImageNotFoundError, match=layer):
        run(target, place)
    assert target.tag == OLD
    assert not target.manifests


def test_another_config_than_was_tested(target: Target, place: Place) -> None:
    plan = make_plan()
    plan = replace(plan, variants=tuple(replace(e, config_digest=OLD) for e in plan.variants))
    with pytest.raises(ImageError, match="another image for linux/amd64 than was tested"):
        run(target, place, plan)


def test_a_platform_that_the_config_denies(target: Target, place: Place) -> None:
    plan = make_plan()
    (amd64, arm64) = plan.variants
    swapped = (replace(amd64, platform=ARM64), arm64)
    with pytest.raises(
        ImageError, match="was tested as linux/arm64 and says it is for linux/amd64"
    ):
        run(target, place, replace(plan, variants=swapped))


@pytest.mark.parametrize(("now", "words"), [(OLD, f"now is {OLD}"), ("", "now is not there")])
def test_a_name_that_moved(target: Target, place: Place, now: str, words: str) -> None:
    place.current[ARM64] = now
    outcome = run(target, place)
    (refusal,) = outcome.refusals
    assert words in refusal.what
    assert "--allow-moved" in refusal.cure
    assert not target.done
    assert target.tag == OLD
    outcome = run(target, place, allows_moved=True)
    assert outcome.is_done
    assert words in outcome.notes[0]


def test_a_name_that_is_gone_has_not_moved(target: Target, place: Place) -> None:
    place.current = {AMD64: None, ARM64: None}
    assert run(target, place).is_done


def test_a_registry_that_gives_back_something_else(target: Target, place: Place) -> None:
    target.lies[VARIANTS[ARM64].manifest_digest] = b"{}"
    with pytest.raises(ImageError, match="gives something else back") as caught:
        run(target, place)
    assert "was left as it was" in caught.value.cure
    assert target.tag == OLD


def test_a_registry_that_loses_a_blob(target: Target, place: Place) -> None:
    target.loses.add(VARIANTS[ARM64].config_digest)
    with pytest.raises(EngineError, match=r"took sha256:.* and does not have it"):
        run(target, place)
    assert target.tag == OLD


def test_a_tag_that_could_not_be_set(target: Target, place: Place) -> None:
    target.fails_at_tag = True
    with pytest.raises(EngineError, match=r"it broke off; the tag .* is as it was"):
        run(target, place)


def test_a_tag_that_somebody_else_set(
    target: Target, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "put_tag", lambda *_: None)
    with pytest.raises(ImageError, match="the registry says that it is"):
        run(target, place)

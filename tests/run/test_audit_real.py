"""Audits of variants on real engines: nothing of an image is started for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pytest_multiarch.core.audit import AuditScope, FindingKind
from pytest_multiarch.core.errors import EngineError
from pytest_multiarch.core.filetree import FileKind
from pytest_multiarch.core.image_rules import ImageRules, StaticRules, make_static_rules
from pytest_multiarch.core.ports import ContainerSpec
from pytest_multiarch.files.layer_cache import LayerCache
from pytest_multiarch.run import audit
from pytest_multiarch.run.audit import Auditor
from pytest_multiarch.run.partial_tree import PartialTree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.known_engines import KnownEngines
    from tests.run.conftest import RealEngine

LOOKED_UP = (
    "/bin", "/bin/sh", "/bin/busybox", "/bin/../bin/sh", "/etc/passwd", "/nowhere", "/bin/sh/x",
    "/", "/proc/self/exe",
)  # fmt: skip


def forget(engine: RealEngine, folder: Path) -> None:
    """Have nothing be known of images on an engine from before."""
    engine.node.tools.__dict__["image_cache"] = LayerCache(folder / "cache")


@pytest.fixture
def never_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every image be one of which an export takes long."""
    monkeypatch.setattr(audit, "_SMALL_BYTES", 0)


def test_a_container_shows_what_the_image_holds(real: RealEngine) -> None:
    variant = real.open_variant("sample", "linux/arm64").resolved
    whole = real.node.auditor.read_content(variant).tree
    spec = ContainerSpec(
        image=variant.create_image, platform=variant.create_platform, entrypoint=("/",)
    )
    container_id = real.node.create(spec)
    try:
        partial = PartialTree(real.node.engine, container_id, real.node.tools.read_layer)
        for path in LOOKED_UP:
            expected, found = whole.follow(path), partial.follow(path)
            assert (found is None) == (expected is None), path
            if expected is not None and found is not None:
                assert (found.path, found.kind) == (expected.path, expected.kind), path
                assert found.program == expected.program, path
        assert not partial.notes
        assert partial.list_folder("/") == ()  # that would be all of the image
        assert partial.notes.pop() == "PATH leads to /, of which no programs were looked for"
        names = [each.path for each in whole.list_folder("/bin")]
        assert sorted(each.path for each in partial.list_folder("/bin")) == sorted(names)
        assert any(each.kind is FileKind.FILE for each in partial.list_folder("/bin"))
        assert not partial.notes
    finally:
        real.node.remove_quietly(container_id)


@pytest.mark.parametrize("scope", [AuditScope.PROGRAM, AuditScope.IMAGE])
def test_right_image_has_no_findings(real: RealEngine, scope: AuditScope) -> None:
    for platform in ("linux/amd64", "linux/arm64"):
        report = Auditor(real.node).audit(real.open_variant("sample", platform).resolved, scope)
        assert report.findings == ()
        assert report.programs > 1


@pytest.mark.usefixtures("never_small")
def test_right_image_has_no_findings_in_a_container(real: RealEngine, tmp_path: Path) -> None:
    variant = real.open_variant("sample", "linux/arm64").resolved
    forget(real, tmp_path)
    report = Auditor(real.node).audit(variant, AuditScope.PROGRAM)
    assert report.findings == ()
    assert report.programs > 1


@pytest.mark.parametrize("is_small", [True, False], ids=["export", "container"])
def test_wrong_programs_are_found_and_nothing_starts(
    main: RealEngine,
    engines: KnownEngines,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    is_small: bool,
) -> None:
    if not is_small:
        monkeypatch.setattr(audit, "_SMALL_BYTES", 0)
    variant = main.open_variant("liar", "linux/arm64").resolved
    forget(main, tmp_path)
    since = str(time.time())
    report = Auditor(main.node).audit(variant, AuditScope.PROGRAM)
    until = str(time.time())
    kinds = {each.kind for each in report.open_findings}
    assert kinds == {FindingKind.WRONG_ARCHITECTURE}
    assert "/bin/busybox" in {each.path for each in report.open_findings}
    assert all(each.layer and each.instruction for each in report.open_findings)
    label = f"org.pytest-multiarch.session={main.session_id}"
    events = engines.run_docker(
        "main", "events", "--since", since, "--until", until, "--format", "{{.Type}} {{.Action}}",
        "--filter", "type=container", "--filter", f"label={label}",
    )  # fmt: skip
    assert "start" not in events
    assert ("create" in events) is not is_small
    assert main.list_left() == []


def test_second_session_asks_nothing_of_the_engine(
    main: RealEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = main.open_variant("sample", "linux/arm64").resolved
    first = Auditor(main.node).audit(variant, AuditScope.PROGRAM)

    def refuse(*_: object, **__: object) -> None:
        raise EngineError("asked")

    monkeypatch.setattr(type(main.node.engine), "open_image", refuse)
    monkeypatch.setattr(type(main.node.engine), "create_container", refuse)
    assert Auditor(main.node).audit(variant, AuditScope.PROGRAM) == first


def test_variants_are_compared_without_running_them(real: RealEngine) -> None:
    variant = real.open_variant("sample", "linux/amd64")
    arm = real.open_variant("sample", "linux/arm64")
    rules = ImageRules(static_parity=make_static_rules(StaticRules()))
    inspected = real.session.look_first(variant, rules, (variant.platform, arm.platform))
    assert inspected.notes == ()
    assert inspected.index == ()
    assert set(inspected.configs) == {variant.platform}
    assert [each.subject for each in inspected.differences] == []


def test_variant_audits_itself(main: RealEngine) -> None:
    report = main.open_variant("liar", "linux/arm64").audit(allow={"/bin/*": "on purpose"})
    assert report.findings
    assert report.open_findings == ()
    assert main.open_variant("sample").audit().files > 1


def test_what_cannot_be_audited_is_a_note(
    main: RealEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variant = main.open_variant("sample", "linux/amd64")
    forget(main, tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise EngineError("no exports today")

    monkeypatch.setattr(type(main.node.engine), "open_image", refuse)
    monkeypatch.setattr(type(main.node.engine), "create_container", refuse)
    monkeypatch.setattr(main.node, "auditor", Auditor(main.node))
    inspected = main.session.look_first(variant, ImageRules(), (variant.platform,))
    assert inspected.notes == ("the files of linux/amd64 were not audited: no exports today",)

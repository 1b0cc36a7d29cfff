"""What is looked at before a test is what that test declares."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pytest_multiarch.core.audit import AuditScope
from pytest_multiarch.core.filetree import FileEntry, FileKind, FileTree, Layer
from pytest_multiarch.core.image_rules import AuditRules, ImageRules, StaticRules
from pytest_multiarch.core.index import ImageConfig
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.static_parity import StaticPart
from pytest_multiarch.core.variant import ResolvedVariant
from pytest_multiarch.run.first_look import FirstLook
from tests.samples import AMD64, ARM64

if TYPE_CHECKING:
    from pytest_multiarch.core.platform import Platform

TREES = ImageRules(
    audit=AuditRules(scope=AuditScope.OFF), static_parity=StaticRules(parts=(StaticPart.TREE,))
)


def make_variant(platform: Platform) -> ResolvedVariant:
    return ResolvedVariant(
        reference=ImageReference.parse("app:1"), platform=platform, kind="config",
        digest=f"sha256:{platform}", config_digest=f"sha256:{platform}",
        config=ImageConfig(platform=platform), create_image="app:1", create_platform=None,
    )  # fmt: skip


def make_tree(platform: Platform) -> FileTree:
    """Make a tree with one file, whose mode is another on each platform."""
    entry = FileEntry("/etc/app.conf", FileKind.FILE, 0o600 if platform == ARM64 else 0o644)
    return FileTree.merge([Layer(digest="", diff_id="sha256:1", entries=(entry,))])


def make_first_look() -> FirstLook:
    """Make one on a node that has variants with different files."""
    node: Any = SimpleNamespace(
        resolve=lambda _, platform: make_variant(platform),
        auditor=SimpleNamespace(
            read_content=lambda variant: SimpleNamespace(tree=make_tree(variant.platform))
        ),
    )
    return FirstLook(node)


def test_the_files_of_all_platforms_that_a_test_declares_are_compared() -> None:
    """Also after something that declares none, a fixture, has opened the image."""
    look = make_first_look()
    assert look.look(make_variant(AMD64), TREES, ()).differences == ()
    assert look.look(make_variant(AMD64), TREES, (AMD64, ARM64)).differences != ()

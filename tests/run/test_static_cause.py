"""Looking for static causes: what holds for a call, and what must cost no other evidence."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.call import Call, FileToCopy
from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.filetree import FileEntry, FileKind, FileTree, Layer
from pytest_multiarch.core.index import ImageConfig
from pytest_multiarch.core.recipe import ContainerRecipe, Recipe, RecordedCall, Step
from pytest_multiarch.core.reference import ImageReference
from pytest_multiarch.core.settling import CallInQuestion
from pytest_multiarch.core.variant import ResolvedVariant
from pytest_multiarch.run.static_cause import look_for_causes
from tests.samples import AMD64, ARM64, observe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_multiarch.core.platform import Platform
    from pytest_multiarch.core.repeats import Repeats
    from pytest_multiarch.run.static_cause import Pair

CONF = "/etc/app.conf"


class Contents(FileTree):
    """Files that are linked with nothing."""

    unread = frozenset[str]()

    def read_libraries(self, program: FileEntry) -> tuple[str, ...]:
        return ()


def open_variant(recipe: Recipe) -> Any:
    """Open a variant with another file, user and language on each platform."""
    digest = str(recipe.platform) * 8
    entry = FileEntry(CONF, FileKind.FILE, 0o644, size=1, digest=digest)
    tree = Contents.merge([Layer(digest="", diff_id="", entries=(entry,))])
    name = recipe.platform.architecture
    settings = {"User": f"u{name}", "Env": [f"LANG={name}x"], "WorkingDir": f"/{name}x"}
    resolved = ResolvedVariant(
        reference=ImageReference.parse("app:1"),
        platform=recipe.platform,
        kind="manifest",
        digest="sha256:1",
        config_digest="",
        config=ImageConfig(platform=recipe.platform, settings=settings),
        create_image="app:1",
        create_platform=recipe.platform,
    )
    auditor = SimpleNamespace(open_files=lambda *_, **__: nullcontext(tree))
    return SimpleNamespace(resolved=resolved, node=SimpleNamespace(auditor=auditor))


def ask(platform: Platform, kind: str = "run") -> CallInQuestion:
    return CallInQuestion(
        platform=platform, position=0, kind=kind, label="x", number=1, own_label="x", own_number=1
    )


def look(
    recipes: Mapping[Platform, Recipe], kind: str = "run", opens: Any = open_variant
) -> tuple[Repeats, ...]:
    pair: Pair = ask(AMD64, kind), ask(ARM64, kind)
    return look_for_causes([pair], recipes, opens, lambda _: observe(""), is_over=lambda: False)


def make_recipes(call: Call, container: ContainerRecipe | None = None) -> dict[Platform, Recipe]:
    recorded = RecordedCall(kind="run", call=call, position=0)
    if container is not None:
        step = len(container.steps) - 1
        recorded = RecordedCall(kind="exec", call=call, position=0, container=0, step=step)
    return {
        platform: Recipe(
            platform=platform,
            reference="app:1",
            digest="sha256:1",
            calls=(recorded,),
            containers=() if container is None else (container,),
        )
        for platform in (AMD64, ARM64)
    }


def name_causes(found: tuple[Repeats, ...]) -> list[str]:
    """Give the subjects of the causes of the one call."""
    (repeats,) = found
    assert (repeats.platform, repeats.label, repeats.observations) == (ARM64, "x", ())
    causes = repeats.static_causes[AMD64]
    return [each.removeprefix("what the call comes to differs in the images: ") for each in causes]


def test_a_run_comes_to_its_images_files_and_settings() -> None:
    causes = name_causes(look(make_recipes(Call(argv=("cat", CONF)))))
    starts = [each.partition(":")[0] for each in causes]
    assert starts == ["User", "WorkingDir", "Env LANG", f"{CONF} (content)"]


def test_for_an_exec_holds_what_its_container_was_given() -> None:
    call = Call(argv=("cat", CONF))
    start = Call(argv=("sleep", "9"), env={"LANG": "C"}, user="7", workdir="/srv")
    container = ContainerRecipe(call=start, steps=(Step(call=call),))
    causes = name_causes(look(make_recipes(call, container), kind="exec"))
    assert [each.partition(":")[0] for each in causes] == [f"{CONF} (content)"]


@pytest.mark.parametrize(
    "before",
    [
        Step(call=Call(argv=("sh", "-c", f"echo x >{CONF}"))),
        Step(files=(FileToCopy(path=CONF),)),
    ],
    ids=["written", "put in"],
)
def test_a_file_that_an_earlier_step_may_have_changed_is_none(before: Step) -> None:
    call = Call(argv=("cat", CONF))
    start = Call(env={"LANG": "C"}, user="7", workdir="/srv")
    container = ContainerRecipe(call=start, steps=(before, Step(call=call)))
    assert look(make_recipes(call, container), kind="exec") == ()


def test_what_cannot_be_looked_at_has_none() -> None:
    """Without a recipe, or a variant, or with whatever goes wrong."""
    recipes = make_recipes(Call(argv=("cat", CONF)))
    assert look({AMD64: recipes[AMD64]}) == ()
    assert look({each: Recipe(platform=each, reference="a", digest="b") for each in recipes}) == ()

    def fail(recipe: Recipe) -> Any:
        raise ImageError("it is gone")

    def surprise(recipe: Recipe) -> Any:
        raise RecursionError

    assert look(recipes, opens=fail) == ()
    assert look(recipes, opens=surprise) == ()

"""Calls made again: in fresh containers, within a time, and with nothing left behind."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_multiarch.core.call import NETWORK_PREFIX, Call, FileToCopy
from pytest_multiarch.core.errors import ImageError
from pytest_multiarch.core.recipe import ContainerRecipe, Recipe, RecordedCall, Step
from pytest_multiarch.core.settling import CallInQuestion
from pytest_multiarch.core.wait import parse_wait
from pytest_multiarch.run.replay import Order, refuse_all, repeat_calls
from tests.fake_engine import (
    AMD64,
    Ending,
    FakeEngine,
    FakeImage,
    make_elf,
    make_variant,
    start_container,
)

if TYPE_CHECKING:
    from pytest_multiarch.core.repeats import Repeats
    from pytest_multiarch.run.calls import CallSeen
    from pytest_multiarch.run.variant import Variant

APP = {"/bin/app": make_elf("amd64")}


def make_image(**commands: Ending) -> FakeImage:
    return FakeImage(platform=AMD64, files=dict(APP), commands=commands)


def ask(position: int = 0, kind: str = "run", **fields: Any) -> CallInQuestion:
    named = {"label": f"call {position}", "number": 1}
    own = {f"own_{name}": value for name, value in named.items()}
    return CallInQuestion(
        platform=AMD64, position=position, kind=kind, **{**named, **own, **fields}
    )


def make_recipe(*calls: Call, **fields: Any) -> Recipe:
    recorded = tuple(
        RecordedCall(kind="run", call=call, position=n) for n, call in enumerate(calls)
    )
    return Recipe(
        **{
            "platform": AMD64,
            "reference": "app:1",
            "digest": "sha256:1",
            "calls": recorded,
            **fields,
        }
    )


def repeat(
    engine: FakeEngine, image: FakeImage, order: Order, *, budget_s: float = 60.0, **options: Any
) -> tuple[Repeats, ...]:
    variant = make_variant(engine, image)
    made = repeat_calls([order], lambda recipe: variant, budget_s=budget_s, **options)
    assert engine.containers.keys() == set(engine.removed) or not engine.containers
    return made


def read_outs(repeats: Repeats) -> list[str]:
    return [each.stdout.excerpt.head for each in repeats.observations if each.stdout]


def test_a_run_is_made_again_in_fresh_containers() -> None:
    engine = FakeEngine()
    image = make_image(**{"app --version": Ending(out=b"1.4\n", exit_code=3)})
    call = Call(argv=("app", "--version"), env={"A": "b"}, stdin=b"x", user="me")
    told: list[tuple[int, int]] = []
    (found,) = repeat(
        engine,
        image,
        Order(recipe=make_recipe(call), questions=(ask(),), times=3),
        tell=lambda done, total: told.append((done, total)),
    )
    assert read_outs(found) == ["1.4\n"] * 3
    assert [each.exit_code for each in found.observations] == [3] * 3
    assert (found.label, found.number, found.problem, found.unended) == ("call 0", 1, "", 0)
    assert engine.calls.count("create_container") == 3
    assert told[-1] == (3, 3)


def test_the_last_time_is_some_time_after_the_first() -> None:
    order = Order(recipe=make_recipe(Call(argv=("app",))), questions=(ask(),), times=3)
    begun = time.monotonic()
    (found,) = repeat(FakeEngine(), make_image(app=Ending()), order, spread_s=0.3)
    assert time.monotonic() - begun >= 0.3
    assert len(found.observations) == 3


def test_the_spread_ends_with_the_budget() -> None:
    order = Order(recipe=make_recipe(Call(argv=("app",))), questions=(ask(),), times=3)
    begun = time.monotonic()
    (found,) = repeat(FakeEngine(), make_image(app=Ending()), order, spread_s=600.0, budget_s=0.5)
    assert time.monotonic() - begun < 60
    assert len(found.observations) == 2


def test_each_call_is_asked_by_itself() -> None:
    image = make_image(**{"app a": Ending(out=b"a\n"), "app b": Ending(out=b"b\n")})
    recipe = make_recipe(Call(argv=("app", "a")), Call(argv=("app", "b")))
    found = repeat(FakeEngine(), image, Order(recipe=recipe, questions=(ask(0), ask(1)), times=2))
    assert [read_outs(each) for each in found] == [["a\n"] * 2, ["b\n"] * 2]


def test_secrets_are_hidden_as_in_the_test() -> None:
    image = make_image(app=Ending(out=b"token hunter22\n"))
    recipe = make_recipe(Call(argv=("app",)), secrets={"hunter22": "<TOKEN>"})
    (found,) = repeat(FakeEngine(), image, Order(recipe=recipe, questions=(ask(),), times=1))
    assert "hunter22" not in str(found)
    assert read_outs(found) == ["token <TOKEN>\n"]


class Steps:
    """Takes down what a container was asked, as a test's trace does."""

    def __init__(self) -> None:
        self.seen: list[CallSeen] = []

    def record_call(self, seen: CallSeen) -> None:
        self.seen.append(seen)


def use_container(engine: FakeEngine, image: FakeImage) -> tuple[Recipe, Variant]:
    """Use a container as a test would, and give what is known of it."""
    steps = Steps()
    container = start_container(engine, image, recorder=steps, call=Call(argv=("app", "serve")))
    container.exec("put", "1", observe=False)
    container.copy_in(b"data", "/data")
    container.exec("get")
    container.remove()
    calls = tuple(
        RecordedCall(
            kind="exec",
            call=seen.call,
            position=0 if seen.is_observed else None,
            container=0,
            step=seen.step,
        )
        for seen in steps.seen
    )
    recipe = make_recipe(calls=calls, containers=(container.started.to_recipe(),))
    return recipe, make_variant(engine, image)


def test_what_was_done_with_a_container_is_done_again_in_order() -> None:
    engine = FakeEngine()
    image = make_image(
        **{
            "app serve": Ending(exit_code=None),
            "put 1": Ending(),
            "get": Ending(out=b"1\n"),
        }
    )
    recipe, variant = use_container(engine, image)
    engine.calls.clear()
    order = Order(recipe=recipe, questions=(ask(kind="exec"),), times=2)
    (found,) = repeat_calls([order], lambda recipe: variant, budget_s=60.0)
    assert found.problem == ""
    assert read_outs(found) == ["1\n", "1\n"]
    assert engine.calls.count("create_container") == 2
    assert engine.calls.count("start_exec") == 4
    assert engine.calls.count("put_files") == 2
    assert not engine.containers


def test_a_container_that_anybody_could_use_is_not_repeated() -> None:
    engine = FakeEngine()
    image = make_image(app=Ending(exit_code=None))
    engine.ports = {80: ("127.0.0.1", 32768)}
    container = start_container(
        engine, image, call=Call(argv=("app",)), ports=(80,), waits=parse_wait("^")
    )
    assert container.started.to_recipe().problem == ""
    container.address(80)
    assert "the test asked for address(80)" in container.started.to_recipe().problem
    assert container.id
    assert "address(80), its id" in container.started.to_recipe().problem


@pytest.mark.parametrize(
    ("network", "says"),
    [("", ""), ("none", ""), ("host", ""), ("net-1", "in the network net-1"),
     (f"{NETWORK_PREFIX}1", "beside other containers")],
)  # fmt: skip
def test_a_container_beside_others_is_not_repeated(network: str, says: str) -> None:
    call = Call(argv=("app",), network=network, aliases=("web",) if says else ())
    container = start_container(FakeEngine(), make_image(app=Ending(exit_code=None)), call=call)
    problem = container.started.to_recipe().problem
    assert says in problem
    assert bool(says) == bool(problem)


@pytest.mark.parametrize(
    ("recipe", "position", "says"),
    [
        (make_recipe(Call(argv=("app",), network="net-1")), 0, "in the network net-1"),
        (make_recipe(Call(network=f"{NETWORK_PREFIX}1")), 0, "beside other containers, in a"),
        (make_recipe(Call(argv=("app",))), 5, "a value of the test's own"),
        (make_recipe(problem="no way"), 0, "no way"),
        (
            make_recipe(
                calls=(RecordedCall(kind="exec", call=Call(), position=0, container=0, step=50),),
                containers=(ContainerRecipe(call=Call()),),
            ),
            0,
            "more than 50 times before",
        ),
    ],
    ids=["network", "services", "check", "recipe", "steps"],
)
def test_what_cannot_be_made_again_says_why(recipe: Recipe, position: int, says: str) -> None:
    engine = FakeEngine()
    (found,) = repeat(engine, make_image(), Order(recipe=recipe, questions=(ask(position),)))
    assert says in found.problem
    assert not found.observations
    assert "create_container" not in engine.calls


def test_a_call_without_end_is_counted() -> None:
    image = make_image(app=Ending(exit_code=None))
    recipe = make_recipe(Call(argv=("app",), timeout_s=0.1))
    (found,) = repeat(FakeEngine(), image, Order(recipe=recipe, questions=(ask(),), times=4))
    assert (found.observations, found.problem) == ((), "")
    assert 2 <= found.unended <= 3  # two are made at once


def test_the_time_ends_calls_and_says_so() -> None:
    image = make_image(app=Ending(exit_code=None))
    recipe = make_recipe(Call(argv=("app",)))
    order = Order(recipe=recipe, questions=(ask(),), times=4)
    (found,) = repeat(FakeEngine(), image, order, budget_s=0.2)
    assert found.problem == "the 0.2 s for making calls again were over"
    assert found.unended == 0


def test_nothing_is_made_again_once_the_run_is_interrupted() -> None:
    engine, stop = FakeEngine(), threading.Event()
    stop.set()
    order = Order(recipe=make_recipe(Call(argv=("app",))), questions=(ask(),))
    (found,) = repeat(engine, make_image(), order, stop=stop)
    assert found.problem == "the run was interrupted"
    assert "create_container" not in engine.calls


def test_an_image_that_moved_is_said_once_opened() -> None:
    opened = []

    def refuse(recipe: Recipe) -> Variant:
        opened.append(recipe)
        raise ImageError("app:1 has moved")

    recipe = make_recipe(Call(argv=("app",)), Call(argv=("app",)))
    order = Order(recipe=recipe, questions=(ask(0), ask(1)), times=3)
    found = repeat_calls([order], refuse, budget_s=60.0)
    assert [each.problem for each in found] == ["app:1 has moved"] * 2
    assert len(opened) == 1


def test_a_control_run_is_the_first_process_under_the_emulator() -> None:
    emulated = "/.pytest-multiarch-qemu -0 app /bin/app"
    version = "/.pytest-multiarch-qemu --version"
    engine = FakeEngine()
    image = make_image(
        **{
            "app": Ending(out=b"native\n"),
            emulated: Ending(out=b"emulated\n"),
            version: Ending(out=b"qemu-x86_64 version 7.2.22\n"),
            "/.pytest-multiarch-timer": Ending(exit_code=None),
        }
    )
    variant = make_variant(engine, image)
    variant.node.tools.probes[AMD64] = image  # type: ignore[attr-defined]
    order = Order(
        recipe=make_recipe(Call(argv=("app",))),
        questions=(ask(is_controlled=True),),
        times=1,
        control_times=2,
    )
    plain, control = repeat_calls([order], lambda recipe: variant, budget_s=60.0)
    assert (plain.is_control, read_outs(plain)) == (False, ["native\n"])
    assert (control.problem, read_outs(control)) == ("", ["emulated\n"] * 2)
    assert control.is_control
    assert not control.is_whole_tree
    assert not engine.containers


def test_refusals_carry_the_names_of_the_calls() -> None:
    (found,) = refuse_all([ask(2)], "because")
    assert (found.label, found.number, found.platform, found.problem) == (
        "call 2",
        1,
        AMD64,
        "because",
    )


def test_files_are_put_in_again() -> None:
    engine = FakeEngine()
    step = Step(files=(FileToCopy(path="/x", content=b"1"),))
    container = ContainerRecipe(
        call=Call(argv=("app",)), steps=(step, Step(call=Call(argv=("get",))))
    )
    recipe = make_recipe(
        calls=(RecordedCall(kind="exec", call=Call(), position=0, container=0, step=1),),
        containers=(container,),
    )
    image = make_image(app=Ending(exit_code=None), get=Ending(out=b"1\n"))
    (found,) = repeat(engine, image, Order(recipe=recipe, questions=(ask(kind="exec"),), times=1))
    assert (found.problem, read_outs(found)) == ("", ["1\n"])

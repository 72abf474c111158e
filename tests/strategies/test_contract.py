"""Every registered strategy and every pair that may be joined, none of them by name: the promises of `base.py`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import combinations, islice
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from engine import events, strategies
from engine.common.errors import ConfigError
from engine.common.random_streams import Streams
from engine.persistence.checkpoints import from_plain, moved, to_plain
from engine.persistence.shared_results import SharedResults
from engine.strategies.base import Needs, StageView, State, Strategy
from engine.strategies.terms import Term
from engine.training.loop import train
from tests.builders import BLOCK, random_documents, small_setup, tiny_gpt2
from tests.strategies import throwaway

throwaway.register()
SINGLE = sorted(strategies.registry())
JOINABLE = [name for name in SINGLE if strategies.registry()[name].joins]


def _pairs() -> Iterator[str]:
    """The pairs that pages offer, and after them others that the registry allows."""
    yield from (name for name in strategies.offered() if "+" in name)
    for first, second in combinations(JOINABLE, 2):
        with suppress(ConfigError):
            yield strategies.build(f"{first}+{second}", {}).name


def _on_a_reference() -> Iterator[str]:
    """The strategies that read the reference text at one of their choices, as "NAME PARAMETER=CHOICE"."""
    for name in SINGLE:
        for key, declared in strategies.parameters_of(name).items():
            yield from (
                f"{name} {key}={choice}"
                for choice in declared.choices
                if strategies.build(name, {key: choice}).needs_reference
            )


def built(name: str, **values: Any) -> Strategy:
    """The strategy of one of `NAMES`, with these values beside the one that its name holds."""
    strategy, _, choice = name.partition(" ")
    chosen = dict([choice.split("=")]) if choice else {}
    return strategies.build(strategy, chosen | values)


PAIRS = list(islice(dict.fromkeys(_pairs()), 10))
NAMES = [*SINGLE, *PAIRS, *_on_a_reference()]
throwaway.remove()  # other files look at the registry while they are collected


def weights_after(folder: Path, stage: int) -> dict[str, torch.Tensor]:
    """The weights that the checkpoint of a stage holds: the model's, or those of an adapter."""
    from safetensors.torch import load_file

    files = sorted((folder / f"stage-{stage}").glob("*.safetensors"))
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def scores_of(happened: Sequence[events.Event]) -> list[Any]:
    return [(e.stage, e.step, e.sample, e.whole) for e in happened if isinstance(e, events.Evaluated)]


def terms_of(happened: Sequence[events.Event]) -> list[Any]:
    return [(e.step, e.terms, e.gradient_norm) for e in happened if isinstance(e, events.StepDone)]


def same_weights(first: Path, second: Path, stage: int) -> bool:
    a, b = weights_after(first, stage), weights_after(second, stage)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    throwaway.register()
    yield
    throwaway.remove()


@pytest.fixture(scope="module")
def naive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[events.Event]]:
    folder = tmp_path_factory.mktemp("naive")
    return folder, list(train(small_setup(strategies.build("naive", {}), folder, tasks=2)))


@pytest.mark.parametrize("name", NAMES)
def test_at_its_null_value_a_strategy_is_naive_bit_for_bit(
    name: str, naive: tuple[Path, list[events.Event]], tmp_path: Path
) -> None:
    null = built(name).null
    if isinstance(null, str):
        assert null.endswith("."), "a strategy without a null value gives the reason in a sentence"
        return
    found = list(train(small_setup(built(name, **null), tmp_path, tasks=2)))
    assert terms_of(found) == terms_of(naive[1])
    assert scores_of(found) == scores_of(naive[1])
    assert same_weights(tmp_path, naive[0], 2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("optimizer_state", ["reset", "keep"])
def test_a_run_that_begins_again_after_its_first_stage_gives_the_same_numbers(
    name: str, optimizer_state: str, tmp_path: Path
) -> None:
    setup = small_setup(built(name), tmp_path, optimizer_state=optimizer_state)
    whole = list(train(setup))
    weights = weights_after(tmp_path, 3)
    resumed = list(train(replace(setup, finished_stages=1)))
    later = [e for e in terms_of(whole) if e[0] >= terms_of(resumed)[0][0]]
    assert terms_of(resumed) == later
    assert scores_of(resumed) == [s for s in scores_of(whole) if s[0] > 1]
    assert all(torch.equal(weights[key], value) for key, value in weights_after(tmp_path, 3).items())


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_is_stopped_after_any_step_of_a_stage_and_resumed_gives_the_same_numbers(
    name: str, tmp_path: Path
) -> None:
    """With a point at every step; it is stopped over and over, a step further each time."""
    whole = list(train(small_setup(built(name), tmp_path / "whole", tasks=2)))
    setup = replace(small_setup(built(name), tmp_path / "cut", tasks=2), point_seconds=0.0)
    heard: dict[int, Any] = {}
    finished, attempts = 0, 0
    while True:
        attempts += 1
        for event in train(replace(setup, finished_stages=finished)):
            if isinstance(event, events.StepDone):
                is_new = event.step not in heard
                heard[event.step] = (event.terms, event.gradient_norm)
                if is_new and event.stage == 2:
                    setup.control.stop()
            elif isinstance(event, events.StageFinished):
                finished = event.stage
        if finished == 2:
            break
        setup = replace(setup, control=type(setup.control)())
    assert attempts > 2
    assert [(step, *found) for step, found in sorted(heard.items())] == terms_of(whole)
    assert same_weights(tmp_path / "whole", tmp_path / "cut", 2)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_takes_over_what_another_has_trained_ends_with_the_same_state_and_weights(
    name: str, tmp_path: Path
) -> None:
    shared, states = SharedResults(tmp_path / "shared"), []
    for folder in ("first", "second"):
        setup = replace(small_setup(built(name), tmp_path / folder), shared=shared, content="texts")
        heard = list(train(setup))
        states.append(torch.load(tmp_path / folder / "stage-2" / "palimpsest-state.pt", weights_only=True))
    assert all(e.shared for e in heard if isinstance(e, events.StageStarted))
    assert same_weights(tmp_path / "first", tmp_path / "second", 3)
    assert equal(*states)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_added_to_a_finished_run_gives_the_numbers_of_a_run_over_all_tasks(name: str, tmp_path: Path) -> None:
    whole = small_setup(built(name), tmp_path / "whole")
    list(train(whole))
    begun = replace(whole, folder=tmp_path / "added")
    list(train(replace(begun, tasks=whole.tasks[:2])))
    list(train(replace(begun, finished_stages=2)))
    assert same_weights(tmp_path / "whole", tmp_path / "added", 3)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_minimised_is_what_is_reported(name: str, tmp_path: Path) -> None:
    strategy = built(name)
    with weights_of_terms(strategy) as factors:
        steps = [e for e in train(small_setup(strategy, tmp_path, tasks=2)) if isinstance(e, events.StepDone)]
    own = [part.name for part in getattr(strategy, "parts", (strategy,))]
    for step in steps:
        others = set(step.terms) - {"new", "total"}
        assert all(term.split(" ")[0] in own for term in others), "a term carries its strategy's name"
        parts = sum(factors.get(term, 1.0) * value for term, value in step.terms.items() if term != "total")
        assert step.terms["total"] == pytest.approx(parts, rel=1e-6)
    if strategy.acts(2) and strategy.redefines("loss_terms", "pulls"):
        assert set(steps[-1].terms) > {"new", "total"}
    assert set(strategies.pull_names(strategy.name)) <= set(steps[-1].terms)


@pytest.mark.parametrize("name", NAMES)
def test_a_declared_cost_is_what_the_end_of_a_stage_reads_and_remembers(name: str) -> None:
    strategy, model, documents = built(name), tiny_gpt2(), random_documents(4, seed=0)
    asked: list[Any] = []

    def cached(parts: tuple[Any, ...], compute: Callable[[], Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        asked.append(parts)
        return dict(compute())

    end = StageView(1, model, documents, BLOCK, packed=True, check=lambda: None, cached=cached)
    state = to_plain(strategy.end_stage(end, strategy.initial_state(), Streams(0)))
    cost = strategy.cost(1)
    assert [reading.shared_as for reading in cost.readings if reading.shared_as is not None] == asked
    targets = sum(document.target_tokens for document in documents)
    most = model.config.vocab_size + 1  # a number for each token of a vocabulary, and one for all others
    of_tokens = sum(min(each.numbers_per_token, most) * targets for each in cost.remembered)  # all four are kept
    assert numbers_in(state) == cost.tensors * model.num_parameters() + of_tokens


@pytest.mark.parametrize("name", NAMES)
def test_a_state_survives_being_plain_data_and_moves_beside_the_model(name: str) -> None:
    strategy, model = built(name), tiny_gpt2()
    end = StageView(1, model, random_documents(4, seed=0), BLOCK, packed=True, check=lambda: None)
    state = strategy.end_stage(end, strategy.initial_state(), Streams(0))
    assert equal(to_plain(from_plain(to_plain(state))), to_plain(state))
    elsewhere = [t for t in tensors_in(to_plain(moved(state, torch.device("meta")))) if t.device.type == "meta"]
    assert len(elsewhere) == sum(t.is_floating_point() for t in tensors_in(to_plain(state)))


@contextmanager
def weights_of_terms(strategy: Strategy) -> Iterator[dict[str, float]]:
    """The weight in the total of each term that the strategy gives inside the block; 0 where it is not minimised."""
    found: dict[str, float] = {}

    def spied(verb: Callable[..., list[Term]]) -> Callable[..., list[Term]]:
        def spy(self: Strategy, *arguments: Any) -> list[Term]:
            terms = verb(self, *arguments)
            found.update({term.name: term.weight if term.minimised else 0.0 for term in terms})
            return terms

        return spy

    with pytest.MonkeyPatch.context() as patch:
        for cls in {type(part) for part in getattr(strategy, "parts", (strategy,))}:
            if cls.loss_terms is not Strategy.loss_terms:
                patch.setattr(cls, "loss_terms", spied(cls.loss_terms))
        yield found


def tensors_in(plain: Any) -> list[torch.Tensor]:
    if isinstance(plain, torch.Tensor):
        return [plain]
    items = plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list | tuple) else ()
    return [tensor for item in items for tensor in tensors_in(item)]


def numbers_in(plain: Any) -> int:
    """Elements of all tensors of floating point."""
    return sum(tensor.numel() for tensor in tensors_in(plain) if tensor.is_floating_point())


def equal(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)


@pytest.mark.parametrize("name", [*SINGLE, *PAIRS])
def test_every_parameter_is_declared_whole(name: str) -> None:
    for cls in strategies.parts_of(name):
        assert cls.title
        assert cls.summary.endswith(".")
        assert cls.choose_when.endswith(".")
        assert cls.needs
        assert set(cls.needs) <= set(get_args(Needs))
        assert cls.source[1].startswith("https://")
    for declared in strategies.parameters_of(name).values():
        assert declared.label
        assert declared.help.endswith(".")
        assert declared.default is not None or declared.optional
        if declared.type in (int, float):
            assert declared.low is not None
            assert declared.high is not None


@pytest.mark.parametrize(
    ("name", "parameters", "word"),
    [
        ("nonsense", {}, "nonsense"),
        ("ewc", {"ewc_lamda": 1}, "ewc_lamda"),
        ("ewc", {"ewc_lambda": -1}, "ewc_lambda"),
        ("replay", {"memory_size": "many"}, "memory_size"),
        ("replay+joint", {}, "joint"),
        ("ewc+ewc", {}, "twice"),
    ],
)
def test_a_wrong_strategy_is_refused_with_the_field_named(name: str, parameters: dict, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        strategies.build(name, parameters)


def test_a_state_of_an_unknown_kind_is_refused_in_a_sentence() -> None:
    from engine.common.errors import StoreError

    with pytest.raises(StoreError, match="os:PathLike"):
        from_plain({"__dataclass__": "os:PathLike"})


def test_pages_offer_every_registered_strategy_and_the_pairs_that_they_declare() -> None:
    offered = strategies.offered()
    assert set(strategies.registry()) <= set(offered)
    declared = {f"{other}+{cls.name}" for cls in strategies.registry().values() for other in cls.offered_with}
    assert set(offered) - set(strategies.registry()) == declared
    for name in offered:
        assert strategies.build(name, {}).initial_state() is not None or State()


def test_the_names_of_pulls_follow_from_the_strategies() -> None:
    assert strategies.pull_names("replay+ewc") == ("ewc pull",)
    assert strategies.pull_names("naive") == ()
    assert strategies.pull_names("of another version") == ()

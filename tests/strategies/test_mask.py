"""Masked steps: which elements move, and what happens to the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine import events, strategies
from engine.common.random_streams import Streams
from engine.strategies.base import StageView, State, Strategy
from engine.strategies.combined import Combined
from engine.strategies.mask import Mask, largest
from engine.strategies.terms import Pull
from engine.training.loop import train
from tests.builders import small_setup, tiny_gpt2


def by_a_sort(values: list[float], wanted: int) -> list[bool]:
    """The `wanted` largest in magnitude, the first of equal ones first: a stable sort over plain numbers."""
    order = sorted(range(len(values)), key=lambda index: -abs(values[index]))[:wanted]
    return [index in order for index in range(len(values))]


@pytest.mark.parametrize(
    ("values", "fraction", "wanted"),
    [
        ((0.1, -0.4, 0.3, 0.2), 0.5, (False, True, True, False)),
        ((1.0, -1.0, 1.0, -1.0), 0.5, (True, True, False, False)),  # ties by index
        ((0.0, 2.0, -1.0, 1.0, 1.0), 0.4, (False, True, True, False, False)),  # a tie at the border alone
        ((0.0, 0.0, 0.0, 3.0), 0.5, (True, False, False, True)),
        ((0.2, -0.7), 0.01, (False, True)),  # one entry at least
        ((0.0,), 0.01, (True,)),
        ((3.0, 1.0, 2.0), 1.0, (True, True, True)),
    ],
)
def test_the_mask_holds_the_largest_magnitudes(
    values: tuple[float, ...], fraction: float, wanted: tuple[bool, ...]
) -> None:
    assert largest(torch.tensor(values), fraction).tolist() == list(wanted)


@pytest.mark.parametrize("fraction", [0.01, 0.15, 0.29, 0.5, 0.99])
def test_the_mask_is_that_of_a_stable_sort_whatever_the_ties_and_the_shape(fraction: float) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(-4, 5, (10, 20), generator=generator).float()
    found = largest(values, fraction)
    assert found.shape == values.shape
    assert found.flatten().tolist() == by_a_sort(values.flatten().tolist(), round(fraction * 200))


def after_one_step(strategy: Strategy, folder: Path) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The weights after a stage of one step, and AdamW's first moments as its checkpoint holds them: those of matrices
    first, then those of biases and norms."""
    setup = small_setup(
        strategy, folder, tasks=1, tokens_per_step=10_000, epochs=1, weight_decay=0.3, optimizer_state="keep"
    )
    assert sum(isinstance(event, events.StepDone) for event in train(setup)) == 1
    moments = torch.load(folder / "stage-1" / "palimpsest-optimizer.pt", weights_only=True)["state"]
    weights = load_file(folder / "stage-1" / "model.safetensors")
    return weights, [moments[place]["exp_avg"] for place in sorted(moments)]


def test_what_the_mask_names_takes_adamws_step_and_all_else_stays_bit_for_bit(tmp_path: Path) -> None:
    start = dict(tiny_gpt2().named_parameters())
    plain, momenta = after_one_step(strategies.build("naive", {}), tmp_path / "naive")
    masked, same_momenta = after_one_step(strategies.build("mask", {"fraction": 0.2}), tmp_path / "mask")
    names = [name for name, weight in start.items() if weight.dim() > 1]
    names += [name for name, weight in start.items() if weight.dim() == 1]
    for name, momentum, same in zip(names, momenta, same_momenta, strict=True):
        assert torch.equal(momentum, same), "the moments of what is masked go on"
        mask = torch.tensor(by_a_sort(momentum.flatten().tolist(), round(0.2 * momentum.numel())))
        expected = torch.where(mask.view(momentum.shape), plain[name], start[name].detach())
        assert torch.equal(masked[name], expected), name
        assert not torch.equal(masked[name], start[name])
        assert not torch.equal(masked[name], plain[name])


@dataclass(frozen=True)
class Pulled(Strategy):
    """Draws every weight to 0, so strongly that one step takes it there."""

    name: ClassVar[str] = "pulled"

    def begin_stage(self, begin: StageView, state: State, random: Streams) -> State:
        return State({name: torch.zeros_like(weight) for name, weight in begin.weights.items()})

    def pulls(self, state: State) -> Sequence[Pull]:
        return (Pull(self.name, state.fixed, 1e12),)


def test_pulls_move_the_elements_that_the_mask_holds(tmp_path: Path) -> None:
    """They come after the mask: an element that took its step back is drawn to its centre all the same."""
    weights, _ = after_one_step(Combined((Mask(0.15), Pulled())), tmp_path)
    for name in ("transformer.h.1.mlp.c_fc.weight", "transformer.ln_f.weight"):
        assert float(weights[name].abs().max()) < 1e-3


def test_at_a_fraction_of_1_no_mask_is_made() -> None:
    assert Mask(1.0).update_mask(None, State()) is None  # type: ignore[arg-type]
    assert (Mask(1.0).cost(1).copies, Mask(0.5).cost(1).copies) == (0, 2)

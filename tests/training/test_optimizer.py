"""What a saved optimiser gives to one that trains the same weights, others, or all."""

from typing import Any

import pytest
import torch
from transformers import GPT2LMHeadModel

from engine.common.errors import StoreError
from engine.experiments.training import Training
from engine.training.optimizer import load_moments, make_optimizer, momentum_of
from tests.builders import tiny_gpt2

TRAINING = Training(learning_rate=1e-2)


def trained(*layers: str) -> tuple[GPT2LMHeadModel, dict[str, Any]]:
    """A model of which the weights with these parts in their names have trained for a step on gradients of their
    places, and the state of its optimiser."""
    model = tiny_gpt2()
    optimizer = fresh(model, *layers)
    for number, (_, weight) in enumerate(model.named_parameters()):
        weight.grad = torch.full_like(weight, float(number)) if weight.requires_grad else None
    optimizer.step()
    return model, optimizer.state_dict()


def fresh(model: GPT2LMHeadModel, *layers: str) -> torch.optim.AdamW:
    for name, weight in model.named_parameters():
        weight.requires_grad_(any(layer in name for layer in layers))
    return make_optimizer(model, TRAINING)


def momenta(model: GPT2LMHeadModel, optimizer: torch.optim.AdamW) -> dict[str, float]:
    """Each weight's first moment, times 10 its gradient of the one step: its place; 0 where it has none."""
    found = {name: momentum_of(optimizer, weight) for name, weight in model.named_parameters() if weight.requires_grad}
    return {name: round(10 * float(each.flatten()[0])) for name, each in found.items()}


def places(*layers: str) -> dict[str, int]:
    names = [name for name, _ in tiny_gpt2().named_parameters()]
    return {name: number for number, name in enumerate(names) if any(layer in name for layer in layers)}


@pytest.mark.parametrize("layers", [("",), (".h.1.",), (".h.0.", "ln_f"), ("ln_f",), ("wte",)])
def test_the_same_weights_get_their_moments_back(layers: tuple[str, ...]) -> None:
    _, saved = trained(*layers)
    model = tiny_gpt2()
    optimizer = fresh(model, *layers)
    load_moments(optimizer, saved, model)
    assert momenta(model, optimizer) == places(*layers)
    assert all(float(state["step"]) == 1.0 for state in optimizer.state.values())


def test_another_set_gets_the_moments_of_what_both_train_by_name() -> None:
    """The second layer's weights have the shapes of the first's: by their places they would be taken for them."""
    _, saved = trained(".h.0.", "ln_f")
    model = tiny_gpt2()
    optimizer = fresh(model, ".h.1.", "ln_f")
    load_moments(optimizer, saved, model)
    assert momenta(model, optimizer) == places("ln_f") | dict.fromkeys(places(".h.1."), 0)
    wider = fresh(model, "")
    load_moments(wider, saved, model)
    assert momenta(model, wider) == dict.fromkeys(places(""), 0) | places(".h.0.", "ln_f")


def test_states_of_before_names_were_kept_are_read_by_place() -> None:
    _, saved = trained("")
    for group in saved["param_groups"]:
        del group["param_names"]
    model = tiny_gpt2()
    optimizer = fresh(model, "")
    load_moments(optimizer, saved, model)
    assert momenta(model, optimizer) == places("")
    part = fresh(model, ".h.1.")
    load_moments(part, saved, model)
    assert momenta(model, part) == places(".h.1.")
    del saved["param_groups"][0]["params"][-1]
    with pytest.raises(StoreError, match="start the run again"):
        load_moments(optimizer, saved, model)

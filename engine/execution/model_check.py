"""Checks of an experiment's model and training settings before anything runs, without loading its weights."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine import strategies
from engine.common.errors import ConfigError, ModelError, PalimpsestError
from engine.common.foreign_errors import model_errors
from engine.common.random_streams import Streams
from engine.experiments.experiment import Experiment
from engine.experiments.presets import PRESETS
from engine.experiments.training import Training
from engine.models.choices import EMBEDDED
from engine.models.folder_checks import missing_weights
from engine.models.hub import may_download
from engine.models.loading import (
    LOADING,
    base_of,
    check_vocabulary,
    context_of,
    end_of_text,
    in_shapes,
    load_tokenizer,
    locate,
    locate_here,
    refuse_invented,
    revision_of,
)
from engine.models.parts import trainable_weights

_FAR_ABOVE, _FAR_BELOW = 10.0, 1 / 1000
"""Against the presets' learning rates: outside of these a typing error is likelier than an intention."""
_MANY_EPOCHS = 10
"""Times the most epochs of a preset."""
_LARGE_MODEL, _LARGE_MODEL_RATE = 50_000_000, 2e-3
"""AdamW at such a rate is known to destroy a trained model of this many parameters or more within a few steps."""
_SMALL_CLIP, _LARGE_CLIP = 0.01, 100.0
"""A norm of gradients below the first is cut in each step of any model; one above the second hardly ever."""


@dataclass
class ModelCheck:
    """The findings of a look at an experiment's model."""

    problems: list[PalimpsestError] = field(default_factory=list)
    """Why a start would fail; empty where nothing is known that would keep it from running."""
    remarks: list[str] = field(default_factory=list)
    """Facts worth knowing, a sentence each."""
    tokenizer: PreTrainedTokenizerBase | None = None
    """None where it can't be loaded, or where the model is not on this machine."""
    parameters: int | None = None
    context: int | None = None
    """Longest input in tokens."""
    revision: str | None = None
    """The commit of a model of the hub."""

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Keep an error of ours as one of the problems, once."""
        try:
            yield
        except PalimpsestError as error:
            if str(error) not in map(str, self.problems):
                self.problems.append(error)


def look_at_model(experiment: Experiment, *, download: bool = False) -> ModelCheck:
    """Look at the model's folder, its config, its tokenizer and the headers of its weights, and at what strategies ask
    of it and of blocks; nothing is loaded.

    A model of the hub that is not on this machine is fetched if `download` says so; else a remark says that the start
    will.
    """
    found, name = ModelCheck(), experiment.model
    for run in experiment.runs_of_one_seed():
        with found.collecting():
            check_strategy_in_blocks(run.name, run.parameters, experiment.training.block_size)
    folder: Path | None = None
    with found.collecting():
        folder = locate(name) if download else locate_here(name)
        if folder is None:
            _say_of_download(found, name)
    if folder is None:
        return found
    found.revision = revision_of(name, folder)
    with found.collecting():
        found.tokenizer = load_tokenizer(name)
    model: PreTrainedModel | None = None
    with found.collecting(), LOADING, model_errors(f"{name}: it can't be loaded as a causal language model"):
        model = in_shapes(folder, name)
    if model is not None:
        found.parameters, found.context = model.num_parameters(), context_of(model.config)
        with found.collecting():
            refuse_invented(name, missing_weights(base_of(folder, name), name, model))
        with found.collecting():
            check_block_size(experiment, found.context)
        for run in experiment.runs_of_one_seed():
            with found.collecting():
                check_strategy(run.name, run.parameters, model)
                found.remarks += [
                    each for each in _on_what_trains(run.name, run.parameters, model) if each not in found.remarks
                ]
    if found.tokenizer is not None:
        with found.collecting():
            end_of_text(found.tokenizer, name)
    if found.tokenizer is not None and model is not None:
        with found.collecting():
            check_vocabulary(name, found.tokenizer, model.get_input_embeddings().weight.shape[0])
    return found


def _say_of_download(found: ModelCheck, name: str) -> None:
    if not may_download():
        raise ModelError(
            f"{name} is not on this machine, and HF_HUB_OFFLINE forbids to download it. Unset that, give the folder of "
            f"a downloaded model, or choose {EMBEDDED}, which comes with the project."
        )
    found.remarks.append(
        f"{name} is not on this machine; it will be downloaded from the hub at the start, and can only be checked then."
    )


def check_block_size(experiment: Experiment, context: int) -> None:
    """Raises ConfigError where blocks are longer than what the model can read at once."""
    block_size = experiment.training.block_size
    if block_size > context:
        raise ConfigError(
            f"training.block_size: {block_size} is longer than the context of {experiment.model}, "
            f"{context} tokens; choose {context} or less."
        )


def check_strategy_in_blocks(name: str, parameters: dict[str, Any], block_size: int) -> None:
    """Raises ConfigError, which names the parameter, where a strategy asks for more than a block holds."""
    refused = strategies.build(name, parameters).refusal_of_blocks(block_size)
    if refused is not None:
        raise ConfigError(f"{name}.{refused}")


def check_strategy(name: str, parameters: dict[str, Any], model: PreTrainedModel) -> None:
    """Raises ConfigError, which names the parameter, where a strategy asks for what the model does not have."""
    refused = strategies.build(name, parameters).refusal(model)
    if refused is not None:
        raise ConfigError(f"{name}.{refused}")


def _on_what_trains(name: str, parameters: dict[str, Any], model: PreTrainedModel) -> Iterator[str]:
    strategy = strategies.build(name, parameters)
    if not strategy.redefines("prepare"):
        return
    own = deepcopy(model)  # in shapes alone
    strategy.prepare(own, 1, Streams(0))
    trained = trainable_weights(own).values()
    if all(weight.dim() < 2 for weight in trained):
        count = sum(weight.numel() for weight in trained)
        yield (
            f"{name}: no matrix of the model trains, only biases and norms, {count:,} of its {own.num_parameters():,} "
            "weights; freeze less unless that is meant."
        )


def remarks_on_training(training: Training, parameters: int | None = None) -> tuple[str, ...]:
    """Settings so far from any that are known to work that one should ask before the start, a sentence each.

    `parameters` is the size of the model, where it is known: a rate that is right for a small one is not for a large.
    """
    return (
        *_on_rate("training", training.learning_rate, parameters),
        *_on_epochs("training", training.epochs, training.stage_tokens),
        *_on_length(training),
        *_on_clipping(training),
    )


def remarks_on_overrides(experiment: Experiment, parameters: int | None = None) -> tuple[str, ...]:
    """The same of the learning rates and epochs that tasks and strategies set themselves, a strategy's rate measured
    against what it would make of a usual one."""
    places = [(f"tasks.{number}", task.overrides, 1.0) for number, task in enumerate(experiment.tasks, start=1)]
    for run in experiment.runs_of_one_seed():
        overrides = strategies.overrides_of(run.name, run.parameters)
        places.append((run.name, overrides, strategies.rate_factor_of(run.name)))
    remarks: list[str] = []
    for place, overrides, factor in places:
        if overrides.learning_rate is not None:
            remarks += _on_rate(place, overrides.learning_rate, parameters, factor)
        if overrides.epochs is not None:
            remarks += _on_epochs(place, overrides.epochs, experiment.training.stage_tokens)
    return tuple(dict.fromkeys(remarks))


def _on_rate(place: str, rate: float, parameters: int | None, factor: float = 1.0) -> Iterator[str]:
    rates = [preset.learning_rate * factor for preset in PRESETS.values()]
    lowest, highest = min(rates), max(rates)
    usual = f"{highest:g}" if lowest == highest else f"{lowest:g} to {highest:g}"
    if rate > _FAR_ABOVE * highest:
        yield (
            f"{place}.learning_rate: {rate:g} is {rate / highest:,.0f} times the usual {usual}; "
            "the model most likely forgets all it knows within a few steps."
        )
    elif parameters is not None and parameters >= _LARGE_MODEL and rate > _LARGE_MODEL_RATE * factor:
        low, high = (f"{often * factor:g}".replace("e-0", "e-") for often in (1e-5, 1e-4))
        yield (
            f"{place}.learning_rate: {rate:g} is high for a model of {parameters / 1e6:,.0f} M parameters; "
            f"{_LARGE_MODEL_RATE * factor:g} or less is usual, and often {low} to {high}."
        )
    elif rate < _FAR_BELOW * lowest:
        yield (
            f"{place}.learning_rate: {rate:g} is {lowest / rate:,.0f} times smaller than the usual {usual}; "
            "the model most likely learns nothing."
        )


def _on_epochs(place: str, epochs: int, stage_tokens: int | None) -> Iterator[str]:
    most = max(preset.epochs for preset in PRESETS.values())
    if epochs > _MANY_EPOCHS * most and stage_tokens is None:
        yield (
            f"{place}.epochs: each text is read {epochs:,} times; {most} is already thorough. The model "
            "learns it by heart, and the run takes as much longer."
        )


def _on_length(training: Training) -> Iterator[str]:
    if training.stage_tokens is not None and training.stage_tokens < training.tokens_per_step:
        yield (
            f"training.stage_tokens: {training.stage_tokens:,} is less than one step reads "
            f"({training.tokens_per_step:,}), so each task is trained for a single step."
        )
    if math.isclose(training.warmup_share, 1.0) or (training.warmup_share > 0.5 and training.epochs == 1):
        yield (
            f"training.warmup_share: the learning rate rises over {training.warmup_share:.0%} of each stage and "
            "hardly reaches what it is set to; 0.05 is usual."
        )


def _on_clipping(training: Training) -> Iterator[str]:
    clip = training.gradient_clip
    if clip is not None and not _SMALL_CLIP <= clip <= _LARGE_CLIP:
        effect = "cuts the gradient of every step" if clip < _SMALL_CLIP else "hardly ever cuts anything"
        yield f"training.gradient_clip: {clip:g} {effect}; 1 is usual, and empty turns clipping off."

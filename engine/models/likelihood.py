"""The one place where a model turns blocks into log-likelihoods: training, Fisher and scores all go through it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from engine.common.device_transfers import sent
from engine.models import lm_head
from engine.models.distributions import Distributions, StoredDistributions, Teacher, TeacherPass, look
from engine.tokens.blocks import IGNORED, Blocks

TOKENS_PER_FORWARD = 4096
"""The limit on a CPU: enough to amortise what a pass costs whatever its size, few enough for its caches."""
TOKENS_PER_FORWARD_ON_ACCELERATOR = 16_384
"""Some gigabytes of activations for a model of GPT-2's size."""

_layers: WeakKeyDictionary[PreTrainedModel, Sequence[torch.nn.Module]] = WeakKeyDictionary()


def logits_of(model: PreTrainedModel, blocks: Blocks, packed: bool = True) -> Tensor:
    """Next-token logits [B, L, V]; with `packed` false each row is one document and positions are the model's own."""
    positions = {"position_ids": blocks.position_ids} if packed else {}
    return model(input_ids=blocks.input_ids, use_cache=False, **positions).logits


def weighted_nats(
    model: PreTrainedModel, blocks: Blocks, weights: Tensor, packed: bool = True
) -> tuple[Tensor, Tensor]:
    """(Σ_i weights_i · nats_i, nats) over the target tokens i of `blocks`, row by row; float32, the sum with gradient.

    `weights` float32 [N]. nats_i = −log p(target_i | what is before it), [N], without gradient. Only positions that
    have a target reach the vocabulary projection.
    """
    total, (nats,) = weighted_losses(model, blocks, [TokenLoss(weights)], packed)
    return total, nats


@dataclass(frozen=True, eq=False)
class TokenLoss:
    """A weighted sum of the losses of some target tokens of a pass."""

    weights: Tensor
    """Float32 [n], beside the model."""
    tokens: Tensor | None = None
    """Which of the target tokens, int64 [n] in main memory, ascending; None: all."""
    against: Distributions | None = None
    """The distributions that p is measured against, those stored for these n tokens; None: their targets."""


def weighted_losses(
    model: PreTrainedModel, blocks: Blocks, losses: Sequence[TokenLoss], packed: bool = True
) -> tuple[Tensor, list[Tensor]]:
    """A scalar whose gradient is that of the sum of all `losses`, from one pass over `blocks`, and the losses of each
    one's tokens [n], without gradient. A teacher looks at the rows that hold its tokens, before the pass."""
    on_device, wanted, targets = _on_device(model, blocks)
    looks = [_look(model, blocks, loss, packed) for loss in losses]
    head = lm_head.plain_head(model)
    if head is not None:
        read = _states(model, on_device, packed, wanted)
    else:
        read = logits_of(model, on_device, packed).flatten(0, 1).index_select(0, wanted).float()
    sums, found = [], []
    for loss, seen in zip(losses, looks, strict=True):
        chosen = None if loss.tokens is None else sent(loss.tokens, model.device)
        own = read if chosen is None else read.index_select(0, chosen)
        wished = targets if chosen is None else targets.index_select(0, chosen)
        if head is None:
            each = _loss_of_logits(own, wished, seen, loss.weights)
        elif seen is None:
            each = lm_head.weighted_nats(own, head, wished, loss.weights)
        else:
            each = lm_head.weighted_losses(own, head, seen.overwrite, loss.weights)
        sums.append(each[0])
        found.append(each[1])
    return (sums[0] if len(sums) == 1 else torch.stack(sums).sum()), found


def _loss_of_logits(
    logits: Tensor, targets: Tensor, seen: TeacherPass | StoredDistributions | None, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """The weighted sum of the losses of logits [n, V], with gradient, and the losses [n]."""
    if seen is None:
        nats = F.cross_entropy(logits, targets, reduction="none")
        return (nats * weights).sum(), nats.detach()
    gradient = logits.detach().clone()
    divergences = seen.overwrite(gradient, slice(0, len(gradient)), weights)
    return (logits * gradient).sum(), divergences  # a sum of that gradient, whatever its value


def _look(
    model: PreTrainedModel, blocks: Blocks, loss: TokenLoss, packed: bool
) -> TeacherPass | StoredDistributions | None:
    if not isinstance(loss.against, Teacher):
        return None if loss.against is None else loss.against.to(model.device)
    wanted = (blocks.targets.flatten() != IGNORED).nonzero().squeeze(1)
    if loss.tokens is not None:
        wanted = wanted[loss.tokens]
    rows = (wanted // blocks.width).unique()  # ascending, so that the tokens keep their order
    at = torch.searchsorted(rows, wanted // blocks.width) * blocks.width + wanted % blocks.width
    inputs = {"input_ids": blocks.input_ids, "position_ids": blocks.position_ids}
    read = {name: sent(each[rows], model.device) for name, each in inputs.items() if packed or name == "input_ids"}
    return look(model, loss.against, read, sent(at, model.device))


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of the target tokens of some blocks, row by row."""

    nats: Tensor
    """float32 [N]"""
    likeliest: Tensor
    """The likeliest token in each place, int64 [N]."""
    log_probabilities: Tensor
    """log p of every entry of the vocabulary, float32 [n, V], in the places that were asked for."""


@torch.no_grad()
def predictions(
    model: PreTrainedModel, blocks: Blocks, packed: bool = True, places: Tensor | None = None
) -> Predictions:
    """The model's predictions of the target tokens. `places`, int64 [n], are those of them whose whole distributions
    are wanted, none where it is None; all of these exist at once."""
    blocks, wanted, targets = _on_device(model, blocks)
    chosen = sent(torch.zeros(0, dtype=torch.int64) if places is None else places, model.device)
    head = lm_head.plain_head(model)
    if head is not None:
        states = _states(model, blocks, packed, wanted)
        nats, likeliest = lm_head.predictions(states, head, targets)
        logits = head(states.index_select(0, chosen))
    else:
        every = logits_of(model, blocks, packed).flatten(0, 1)[wanted].float()
        nats, likeliest = F.cross_entropy(every, targets, reduction="none"), every.argmax(-1)
        logits = every.index_select(0, chosen)
    return Predictions(nats, likeliest, lm_head.log_softmax(logits.float()))


@torch.no_grad()
def nats_at(model: PreTrainedModel, blocks: Blocks, places: Tensor, tokens: Tensor, packed: bool = True) -> Tensor:
    """−log p(token | what is before it) of any tokens, whether or not they are the blocks' targets: float32 [N].

    `places` int64 [N] are positions of the flattened inputs, in any order and as often as wanted; `tokens` int64 [N]
    are those that may follow there. Both in main memory.
    """
    blocks, places, tokens = blocks.to(model.device), sent(places, model.device), sent(tokens, model.device)
    head = lm_head.plain_head(model)
    if head is not None:
        positions = {"position_ids": blocks.position_ids} if packed else {}
        states = lm_head.states_of(model, input_ids=blocks.input_ids, **positions).flatten(0, 1)
        return lm_head.predictions(states.index_select(0, places), head, tokens)[0]
    logits = logits_of(model, blocks, packed).flatten(0, 1).index_select(0, places).float()
    return F.cross_entropy(logits, tokens, reduction="none")


def summed_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Σ −log p(target) over the positions that have one, in float32; scalar, in nats."""
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum")


def _on_device(model: PreTrainedModel, blocks: Blocks) -> tuple[Blocks, Tensor, Tensor]:
    """The blocks beside the model, which positions of the flattened ones have a target, and those targets."""
    # Looked for where the blocks are: on an accelerator the search would wait for all that is queued there.
    targets = blocks.targets.flatten()
    wanted = (targets != IGNORED).nonzero().squeeze(1)
    device = model.device
    return blocks.to(device), sent(wanted, device), sent(targets[wanted], device)


def _states(model: PreTrainedModel, blocks: Blocks, packed: bool, wanted: Tensor) -> Tensor:
    positions = {"position_ids": blocks.position_ids} if packed else {}
    states = lm_head.states_of(model, input_ids=blocks.input_ids, **positions).flatten(0, 1)
    return states if len(wanted) == len(states) else states.index_select(0, wanted)


def rows_per_forward(model: PreTrainedModel, block_size: int, device: torch.device) -> int:
    """The number of rows of `block_size` that one pass may hold; it depends on the model and the kind of device
    alone."""
    if device.type != "cpu" and lm_head.plain_head(model) is not None:
        return max(1, TOKENS_PER_FORWARD_ON_ACCELERATOR // block_size)
    rows = rows_with_logits(model, block_size)
    return max(1, min(rows, TOKENS_PER_FORWARD // block_size)) if device.type == "cpu" else rows


def rows_with_logits(model: PreTrainedModel, block_size: int) -> int:
    """The number of rows whose logits may exist at once."""
    return max(1, lm_head.LOGITS_AT_ONCE // (block_size * model.config.get_text_config().vocab_size))


@contextlib.contextmanager
def interruptible(model: PreTrainedModel, check: Callable[[], None]) -> Iterator[None]:
    """Call `check` at every layer inside the block, forward and backward; it may raise."""

    def heard(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        check()
        states = output[0] if isinstance(output, tuple) else output
        if isinstance(states, Tensor) and states.requires_grad:
            states.register_hook(lambda gradient: check())

    handles = [layer.register_forward_hook(heard) for layer in _layers_of(model)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _layers_of(model: PreTrainedModel) -> Sequence[torch.nn.Module]:
    """The longest list of modules in it; looked for once."""
    if model not in _layers:
        lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
        _layers[model] = list(max(lists, key=len, default=()))
    return _layers[model]


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """The arithmetic of `precision` ("float32" or "bfloat16") on `device`; weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")

"""The diagonal of the Fisher information of a language model's weights on one task's text."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from engine.blocks import IGNORED, Blocks, EncodedDocument, cut, pack
from engine.likelihood import logits_of, rows_per_forward, summed_nats, without_dropout

Targets = Literal["empirical", "sampled"]


def diagonal_fisher(
    model: PreTrainedModel,
    documents: Sequence[EncodedDocument],
    block_size: int,
    targets: Targets = "empirical",
    generator: torch.Generator | None = None,
    check: Callable[[], None] = lambda: None,
    packed: bool = True,
) -> dict[str, Tensor]:
    """F = (1/N) Σ_d (∇ Σ_{i∈d} −log p(x_i | x_<i))², per weight, float32, shaped like the weights.

    Documents d are the independent observations: gradients are summed over a document and then squared, never
    averaged over a batch first (Kirkpatrick et al. 2017, https://arxiv.org/abs/1612.00796; for why the square of
    a batch mean is wrong see Kunstner et al. 2019, https://arxiv.org/abs/1905.12558). N counts target tokens, so
    F is per token as the loss is. `targets`: "empirical" takes the text's own tokens, "sampled" draws them from
    the model with `generator`, which gives the true Fisher in expectation. Dropout is off; module modes and
    gradients are left as they were. Tied weights appear once, under their first name.
    """
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    fisher = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in weights.items()}
    tokens = 0
    with without_dropout(model):
        for document in documents:
            check()
            blocks = pack(cut(document, block_size), block_size, packed).to(model.device)
            gradients = _document_gradient(model, list(weights.values()), blocks, targets, generator, check, packed)
            for total, gradient in zip(fisher.values(), gradients, strict=True):
                if gradient is not None:
                    total.addcmul_(gradient, gradient)
            tokens += document.target_tokens
    return {name: total.div_(max(tokens, 1)) for name, total in fisher.items()}


def _document_gradient(
    model: PreTrainedModel,
    weights: list[torch.nn.Parameter],
    blocks: Blocks,
    targets: Targets,
    generator: torch.Generator | None,
    check: Callable[[], None],
    packed: bool,
) -> list[Tensor | None]:
    """∇ of the document's summed token loss; None for weights that it does not reach."""
    total: list[Tensor | None] = [None] * len(weights)
    for part in blocks.split(rows_per_forward(model, blocks.input_ids.shape[1], model.device)):
        check()
        logits = logits_of(model, part, packed)
        wanted = part.targets if targets == "empirical" else _sample(logits, part.targets, generator)
        gradients = torch.autograd.grad(summed_nats(logits, wanted), weights, allow_unused=True)
        total = [
            new if old is None else (old if new is None else old + new)
            for old, new in zip(total, gradients, strict=True)
        ]
    return total


def _sample(logits: Tensor, targets: Tensor, generator: torch.Generator | None) -> Tensor:
    """Targets drawn from the model's own next-token distributions, where there is a target."""
    chosen = targets != IGNORED
    # Drawn on the CPU, where the run's own random stream lives.
    probabilities = logits.detach()[chosen].float().softmax(-1).cpu()
    drawn = torch.full_like(targets, IGNORED)
    drawn[chosen] = torch.multinomial(probabilities, 1, generator=generator).squeeze(-1).to(targets.device)
    return drawn

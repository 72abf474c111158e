"""The parts of a language model by what they do: its transformer blocks, its embeddings, the weights that train, and
what a token costs where these are only some of them."""

import torch
from transformers import PreTrainedModel

FORWARD = WEIGHT_GRADIENT = STATE_GRADIENT = 2
"""Operations a parameter and token of a forward pass, of the gradient of the parameters, and of that of what goes into
them."""


def trainable_weights(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The weights that train by name, in the model's order; tied ones once, under the first of their names."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def transformer_blocks(model: PreTrainedModel) -> tuple[torch.nn.Module, ...]:
    """The model's transformer blocks, the lowest first; none where no list of modules is as long as its configuration
    says."""
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    found: tuple[torch.nn.Module, ...] = ()
    for each in model.modules():
        if isinstance(each, torch.nn.ModuleList) and len(each) == count and _size(each) > sum(map(_size, found)):
            found = tuple(each)
    return found


def _size(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def embeddings(model: PreTrainedModel) -> tuple[torch.nn.Parameter, ...]:
    """The embeddings of tokens and positions; an output matrix that is tied to one of them is the same weight."""
    return tuple(p for each in model.modules() if isinstance(each, torch.nn.Embedding) for p in each.parameters())


def operations_per_token(model: PreTrainedModel) -> int:
    """The operations of a token in a training step, 6N where all N parameters train (Kaplan et al. 2020,
    https://arxiv.org/abs/2001.08361): each parameter takes part forward, those that train have a gradient, and one goes
    back through all that stands above the lowest of these."""
    weights = list(model.parameters())
    first = next((place for place, weight in enumerate(weights) if weight.requires_grad), len(weights))
    above = weights[first:]
    head = model.get_output_embeddings()
    if above and isinstance(head, torch.nn.Module) and all(head.weight is not weight for weight in above):
        above.append(head.weight)  # tied to the embeddings, which stand first
    trained = sum(weight.numel() for weight in weights if weight.requires_grad)
    through = sum(weight.numel() for weight in above)
    return FORWARD * sum(weight.numel() for weight in weights) + WEIGHT_GRADIENT * trained + STATE_GRADIENT * through

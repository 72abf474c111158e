"""Which modules of a model are its blocks and its embeddings, and what a token costs where a part of it trains."""

import pytest
from transformers import PreTrainedModel

from engine.models.parts import embeddings, operations_per_token, trainable_weights, transformer_blocks
from tests.builders import tiny_gpt2
from tests.strategies.test_fisher import tiny_llama

WIDTH, VOCABULARY, POSITIONS = 16, 32, 64
BLOCK = 12 * WIDTH**2 + 13 * WIDTH
"""GPT-2's: 3 + 1 + 4 + 4 square matrices and as many biases, and two norms of two vectors."""
EMBEDDED, HEAD, NORM = (VOCABULARY + POSITIONS) * WIDTH, VOCABULARY * WIDTH, 2 * WIDTH
WHOLE = EMBEDDED + 2 * BLOCK + NORM


def training(*parts: str) -> PreTrainedModel:
    """A GPT-2 whose weights with these parts in their names train."""
    model = tiny_gpt2()
    for name, weight in model.named_parameters():
        weight.requires_grad_(any(part in name for part in parts))
    return model


def test_the_blocks_of_a_model_are_its_layers_from_the_lowest() -> None:
    gpt2, llama = tiny_gpt2(), tiny_llama()
    assert transformer_blocks(gpt2) == tuple(gpt2.transformer.h)
    assert transformer_blocks(llama) == tuple(llama.model.layers)
    gpt2.config.n_layer = 5
    assert transformer_blocks(gpt2) == ()


def test_the_embeddings_are_those_of_tokens_and_positions() -> None:
    gpt2, llama = tiny_gpt2(), tiny_llama()
    assert [id(p) for p in embeddings(gpt2)] == [id(gpt2.transformer.wte.weight), id(gpt2.transformer.wpe.weight)]
    assert [id(p) for p in embeddings(llama)] == [id(llama.model.embed_tokens.weight)]


def test_the_weights_that_train_have_their_names_and_tied_ones_stand_once() -> None:
    model = training(".h.1.mlp", "wte")
    found = trainable_weights(model)
    assert list(found) == ["transformer.wte.weight"] + [
        f"transformer.h.1.mlp.{part}.{kind}" for part in ("c_fc", "c_proj") for kind in ("weight", "bias")
    ]
    assert found["transformer.wte.weight"] is model.get_output_embeddings().weight


@pytest.mark.parametrize(
    ("parts", "trained", "through"),
    [
        (("",), WHOLE, WHOLE),  # 6N
        ((".h.1.", "ln_f"), BLOCK + NORM, BLOCK + NORM + HEAD),  # the head is tied to frozen embeddings
        # Before the first block's feed-forward part stand its attention (3 + 1 matrices and biases) and both norms.
        ((".h.0.mlp.c_fc.weight",), 4 * WIDTH**2, 2 * BLOCK + NORM + HEAD - 4 * WIDTH**2 - 8 * WIDTH),
        (("wte",), HEAD, WHOLE),
        (("ln_f",), NORM, NORM + HEAD),
        ((), 0, 0),
    ],
)
def test_a_token_costs_its_forward_pass_its_weights_gradients_and_the_way_back_to_the_lowest(
    parts: tuple[str, ...], trained: int, through: int
) -> None:
    model = training(*parts) if parts else tiny_gpt2().requires_grad_(False)
    assert operations_per_token(model) == 2 * WHOLE + 2 * trained + 2 * through


def test_an_output_matrix_of_its_own_is_counted_once() -> None:
    model = tiny_llama()
    assert model.lm_head.weight is not model.model.embed_tokens.weight
    total = sum(p.numel() for p in model.parameters())
    assert operations_per_token(model) == 6 * total
    model.model.embed_tokens.requires_grad_(False)
    frozen = model.model.embed_tokens.weight.numel()
    assert operations_per_token(model) == 6 * total - 4 * frozen

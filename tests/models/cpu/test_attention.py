import pytest
import torch
from torch import Tensor
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from engine.models.cpu import attention
from engine.models.cpu.layers import Dropout, dropout, replace
from tests.builders import tiny_gpt2


class Layer(torch.nn.Module):
    is_causal = True

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.num_key_value_groups = groups


def given(groups: int, seed: int = 0) -> tuple[Layer, list[Tensor]]:
    torch.manual_seed(seed)
    heads = (4, 4 // groups, 4 // groups)
    return Layer(groups), [torch.randn(2, h, 10, 8, dtype=torch.bfloat16, requires_grad=True) for h in heads]


def two_documents_a_row() -> Tensor:
    owner = torch.tensor([[0] * 6 + [1] * 4, [0] * 3 + [1] * 7])
    causal = torch.ones(10, 10, dtype=torch.bool).tril()
    return ((owner[:, :, None] == owner[:, None, :]) & causal)[:, None]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("mask", [None, two_documents_a_row()])
def test_it_is_torchs_attention_to_the_precision_of_bfloat16(mask: Tensor | None, groups: int) -> None:
    layer, inputs = given(groups)
    found, _ = attention.attend(layer, *inputs, mask)
    expected, _ = sdpa_attention_forward(layer, *(each.float() for each in inputs), mask)
    assert torch.allclose(found.float(), expected, atol=0.03)
    gradients = [torch.autograd.grad(each.float().square().sum(), inputs) for each in (found, expected)]
    for f, e in zip(*gradients, strict=True):
        assert (f - e).float().norm() < 0.02 * e.float().norm()


def test_it_writes_nothing_out_in_float32() -> None:
    layer, inputs = given(groups=1)
    whole = [each.float() for each in inputs]
    found, _ = attention.attend(layer, *whole, two_documents_a_row())
    assert torch.equal(found, sdpa_attention_forward(layer, *whole, two_documents_a_row())[0])


def test_a_saved_model_knows_nothing_of_it(tmp_path) -> None:
    model = tiny_gpt2()
    attention.prefer(model)
    assert model.config._attn_implementation == attention.NAME
    model.save_pretrained(tmp_path)
    assert attention.NAME not in (tmp_path / "config.json").read_text()


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_dropout_drops_its_share_and_keeps_the_mean(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    values = torch.ones(100_001, dtype=kind, requires_grad=True)
    dropped = dropout(values, 0.1)
    share = float((dropped == 0).float().mean())
    assert abs(share - 0.1) < 0.004  # four standard deviations
    assert set(dropped.unique().tolist()) == {0.0, float(torch.tensor(1 / 0.9, dtype=kind))}
    assert torch.equal(torch.autograd.grad(dropped.sum(), values)[0], dropped)


def test_dropout_is_drawn_from_the_seeded_stream_and_only_in_training() -> None:
    model = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Dropout(0.0))
    replace(model)
    assert all(type(each) is Dropout for each in model)
    values = torch.ones(1000)
    torch.manual_seed(1)
    first = model(values)
    torch.manual_seed(1)
    assert torch.equal(model(values), first)
    assert not torch.equal(model(values), first)
    assert torch.equal(model.eval()(values), values)


def test_gpt2s_activation_becomes_the_same_function_in_one_kernel() -> None:
    model = tiny_gpt2().eval()
    tokens = torch.arange(8)[None]
    before = model(input_ids=tokens).logits
    replace(model)
    assert type(model.transformer.h[0].mlp.act) is torch.nn.GELU
    assert torch.allclose(model(input_ids=tokens).logits, before, atol=1e-5)

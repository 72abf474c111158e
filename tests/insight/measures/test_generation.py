"""What a model writes is what a loop over its logits writes, whatever stands beside it in the batch."""

import pytest
import torch
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from engine.insight.measures import generation
from engine.insight.measures.generation import continuations
from engine.insight.requests import Sampling
from engine.models.cpu import attention, layers
from tests.builders import tiny_gpt2

PROMPTS = [torch.tensor([0, 5, 9]), torch.tensor([0, 7]), torch.tensor([0, 3, 4, 8, 2, 11])]


def tiny_llama() -> PreTrainedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=64, bos_token_id=0, eos_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def one_by_one(model: PreTrainedModel, prompt: Tensor, most_tokens: int, end: int) -> list[int]:
    """The likeliest token after all tokens so far, again and again."""
    tokens = prompt.tolist()
    written: list[int] = []
    model.eval()
    while len(written) < most_tokens:
        with torch.no_grad():
            token = int(model(input_ids=torch.tensor([tokens])).logits[0, -1].argmax())
        if token == end:
            break
        written.append(token)
        tokens.append(token)
    return written


@pytest.mark.parametrize("build", [tiny_gpt2, tiny_llama])
def test_greedy_texts_are_those_of_a_loop_over_single_prompts(build: type) -> None:
    model: PreTrainedModel = build()
    expected = [one_by_one(model, prompt, 12, end=0) for prompt in PROMPTS]
    ending = expected[0][2]
    attention.prefer(model)
    layers.replace(model)
    model.train()
    assert [each.tolist() for each in continuations(model, PROMPTS, 12, [0])] == expected
    assert model.training
    shorter = [one_by_one(build(), prompt, 12, ending) for prompt in PROMPTS]
    assert [each.tolist() for each in continuations(model, PROMPTS, 12, [ending])] == shorter


def test_batches_are_put_together_in_the_order_of_the_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [each.tolist() for each in continuations(tiny_gpt2(), PROMPTS, 6, [0])]
    monkeypatch.setattr(generation, "AT_ONCE", 2)
    shown: list[list[int]] = []
    found = continuations(tiny_gpt2(), PROMPTS, 6, [0], seen=lambda written: shown.append([len(w) for w in written]))
    assert [each.tolist() for each in found] == whole
    assert shown[0][2] == 0, "the longest prompt comes last"
    assert shown[-1] == [len(each) for each in whole]


def test_every_token_is_shown_once_it_is_written_and_the_listener_may_stop() -> None:
    model = tiny_gpt2()
    shown: list[list[int]] = []
    (whole,) = continuations(model, PROMPTS[:1], 6, [0], seen=lambda written: shown.append(written[0].tolist()))
    assert shown[-1] == whole.tolist()
    assert [len(each) for each in shown] == [min(number, len(whole)) for number in range(1, len(shown) + 1)]

    def stop(written: object) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        continuations(model, PROMPTS[:1], 6, [0], seen=stop)


def test_settings_for_generation_in_the_models_folder_change_nothing() -> None:
    model = tiny_gpt2()
    plain = continuations(model, PROMPTS, 8, [0])
    model.generation_config = own = GenerationConfig(repetition_penalty=9.0, min_new_tokens=8, do_sample=True)
    again = continuations(model, PROMPTS, 8, [0])
    assert all(torch.equal(one, other) for one, other in zip(plain, again, strict=True))
    assert model.generation_config is own


def test_a_sample_depends_on_its_seed_alone_and_leaves_the_global_stream_as_it_was() -> None:
    model = tiny_gpt2()
    before = torch.random.get_rng_state()

    def drawn(seed: int) -> list[list[int]]:
        return [each.tolist() for each in continuations(model, PROMPTS, 12, [0], Sampling(1.0, seed))]

    first = drawn(1)
    torch.rand(7)
    assert drawn(1) == first
    assert drawn(2) != first
    torch.random.set_rng_state(before)
    continuations(model, PROMPTS, 2, [0], Sampling(1.0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_tokens_are_drawn_with_the_models_own_probabilities() -> None:
    model = tiny_gpt2()
    count = 4000
    texts = continuations(model, [PROMPTS[0]] * count, 1, [0], Sampling(0.7, 3))
    with torch.no_grad():
        law = (model.eval()(input_ids=PROMPTS[0][None]).logits[0, -1] / 0.7).softmax(-1)
    seen = torch.bincount(torch.tensor([int(each[0]) if len(each) else 0 for each in texts]), minlength=len(law))
    error = (law * (1 - law) / count).sqrt()
    assert bool(((seen / count - law).abs() <= 4.5 * error + 1e-4).all())

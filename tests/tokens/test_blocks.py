import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.models.likelihood import logits_of
from engine.tokens import blocks
from engine.tokens.blocks import IGNORED
from tests.builders import document, random_documents, tiny_gpt2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(2, 16), st.booleans())
def test_every_target_is_predicted_exactly_once(lengths: list[int], block_size: int, together: bool) -> None:
    documents = [document([0, *range(1, n + 1)]) for n in lengths]
    packed = blocks.pack([p for d in documents for p in blocks.cut(d, block_size)], block_size, together)
    assert packed.target_tokens == sum(lengths)
    found = sorted(packed.targets[packed.targets != IGNORED].tolist())
    assert found == sorted(t for n in lengths for t in range(1, n + 1))
    used = packed.targets != IGNORED
    assert torch.equal(packed.targets[used], packed.input_ids[used] + 1)


def test_packing_fills_rows() -> None:
    documents = random_documents(400, seed=0, longest=30)
    packed = blocks.pack([p for d in documents for p in blocks.cut(d, 64)], 64)
    assert packed.target_tokens / packed.targets.numel() > 0.99


def test_positions_restart_with_each_document() -> None:
    packed = blocks.pack([p for d in (document([0, 1, 2, 3]), document([0, 4, 5])) for p in blocks.cut(d, 5)], 5)
    assert packed.position_ids.tolist() == [[0, 1, 2, 0, 1]]
    assert packed.input_ids.tolist() == [[0, 1, 2, 0, 4]]
    assert packed.targets.tolist() == [[1, 2, 3, 4, 5]]


def test_documents_in_one_row_do_not_see_each_other() -> None:
    model = tiny_gpt2().eval()
    first, second, other = document([0, 7, 8, 9]), document([0, 4, 5, 6]), document([0, 20, 21, 22])

    def second_half(neighbour: blocks.EncodedDocument) -> torch.Tensor:
        row = blocks.pack([p for d in (neighbour, second) for p in blocks.cut(d, 6)], 6)
        return logits_of(model, row)[0, 3:]

    assert torch.allclose(second_half(first), second_half(other), atol=1e-6)
    assert torch.allclose(second_half(first), model(input_ids=torch.tensor([[0, 4, 5]])).logits[0], atol=1e-5)


def test_a_prompt_longer_than_a_block_leaves_no_row_without_targets() -> None:
    pieces = blocks.cut(document([0, *range(1, 20)], first_target=17), block_size=4)
    assert [p.targets[p.targets != IGNORED].tolist() for p in pieces] == [[17, 18, 19]] or sum(
        int((p.targets != IGNORED).sum()) for p in pieces
    ) == 3
    assert all((p.targets != IGNORED).any() for p in pieces)


def test_splitting_and_selecting_cut_rows_to_their_longest() -> None:
    packed = blocks.pack(
        [p for d in (document([0, 1, 2]), document([0, *range(1, 9)])) for p in blocks.cut(d, 10)], 10, False
    )
    parts = list(packed.split(1))
    assert sorted(part.input_ids.shape[1] for part in parts) == [2, 8]
    assert packed.select(torch.tensor([0, 1])).input_ids.shape == (2, 8)

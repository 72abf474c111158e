"""Rows that are put together on demand are those of the plain way: cut, pack, index."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.overrides import Overrides
from engine.common.random_streams import Streams
from engine.experiments.settings_of_stage import settings_of_stage
from engine.experiments.training import Training
from engine.tokens import encoded_documents
from engine.tokens.blocks import Blocks, EncodedDocument, Piece, cut, pack
from engine.tokens.encoded_documents import EncodedDocuments, TokenFile
from engine.tokens.packing import JoinedRows, Rows, pack_documents
from engine.training import scoring
from engine.training.stage_data import stage_data, stage_steps
from tests.builders import document, random_documents

NAMES = ("input_ids", "targets", "position_ids")
DOCUMENTS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 50)), min_size=1, max_size=25).map(
    lambda drawn: [
        document([0, *range(100 * i, 100 * i + n)], first_target=min(first, n + 1))
        for i, (n, first) in enumerate(drawn, start=1)
    ]
)


def plain(documents: Sequence[EncodedDocument], block_size: int, together: bool = True) -> Blocks:
    """Every piece a tensor of its own, each put where there is least space left, looked for one row after another."""
    pieces = [piece for d in documents for piece in cut(d, block_size)]
    if not together:
        return pack(pieces, block_size, False)
    rows: list[list[Piece]] = []
    last_used: dict[int, int] = {}
    for clock, piece in enumerate(sorted(pieces, key=lambda p: -len(p.input_ids))):
        space = [block_size - sum(len(p.input_ids) for p in row) for row in rows]
        fits = [i for i, left in enumerate(space) if left >= len(piece.input_ids)]
        row = min(fits, key=lambda i: (space[i], -last_used[i]), default=len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append(piece)
        last_used[row] = clock
    if not rows:
        return pack([], block_size)
    return Blocks(*(torch.stack([_filled(row, name, block_size) for row in rows]) for name in NAMES))


def _filled(row: list[Piece], name: str, block_size: int) -> torch.Tensor:
    values = torch.full((block_size,), -100 if name == "targets" else 0)
    parts = [torch.arange(len(p.input_ids)) if name == "position_ids" else getattr(p, name) for p in row]
    flat = torch.cat(parts)
    values[: len(flat)] = flat
    return values


def on_disk(documents: Sequence[EncodedDocument], folder: Path) -> EncodedDocuments:
    """The documents with their tokens in a mapped file."""
    held = EncodedDocuments.of(documents)
    assert isinstance(held.tokens, np.ndarray)
    held.tokens.tofile(folder / "tokens")
    return EncodedDocuments(
        TokenFile(folder / "tokens"), held.starts, held.lengths, held.first_targets, held.text_bytes
    )


def assert_equal(found: Blocks, wanted: Blocks) -> None:
    for name in NAMES:
        one, other = getattr(found, name), getattr(wanted, name)
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS, st.integers(2, 24), st.booleans(), st.randoms(use_true_random=False))
def test_rows_equal_the_plain_way_in_order_and_content(documents, block_size, together, random) -> None:  # type: ignore[no-untyped-def]
    wanted, found = (
        plain(documents, block_size, together),
        pack_documents(EncodedDocuments.of(documents), block_size, together),
    )
    assert (len(found), found.width, found.target_tokens) == (len(wanted), wanted.width, wanted.target_tokens)
    assert torch.equal(found.row_targets, wanted.row_targets)
    rows = torch.tensor([random.randrange(len(wanted)) for _ in range(5)] if len(wanted) else [], dtype=torch.long)
    assert_equal(found.select(rows), wanted.select(rows))
    for one, other in zip(found.split(3), wanted.split(3), strict=True):
        assert_equal(one, other)
    packed = pack([piece for d in documents for piece in cut(d, block_size)], block_size, together)
    assert_equal(packed, wanted)
    inputs = sum(len(piece.input_ids) for d in documents for piece in cut(d, block_size))
    assert found.fill == inputs / max(wanted.input_ids.numel(), 1)


@settings(max_examples=50, deadline=None)
@given(DOCUMENTS, st.integers(2, 24))
def test_documents_on_disk_are_those_in_memory(documents: list[EncodedDocument], block_size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        mapped = on_disk(documents, Path(folder))
        for one, other in zip(mapped, documents, strict=True):
            assert torch.equal(one.token_ids, other.token_ids)
            assert (one.first_target, one.text_bytes) == (other.first_target, other.text_bytes)
            assert one.token_ids.untyped_storage().nbytes() == 4 * len(one.token_ids)  # saving it saves no more
        assert [d.token_ids.tolist() for d in mapped[::3]] == [d.token_ids.tolist() for d in documents[::3]]
        assert mapped.target_tokens == sum(d.target_tokens for d in documents)
        rows = torch.arange(len(pack_documents(mapped, block_size)))
        held = pack_documents(EncodedDocuments.of(documents), block_size)
        assert_equal(pack_documents(mapped, block_size).select(rows), held.select(rows))


def test_pages_of_a_mapped_file_are_given_back_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded_documents, "_RESIDENT", 10_000)
    np.arange(100_000, dtype=np.int32).tofile(tmp_path / "tokens")
    tokens, advised = TokenFile(tmp_path / "tokens"), []
    monkeypatch.setattr(tokens, "_advise", advised.append)
    for start in range(0, 100_000, 1000):
        assert tokens[start : start + 1000].tolist() == list(range(start, start + 1000))
    assert len(advised) >= 30


@pytest.mark.parametrize("stage_tokens", [None, 90])
def test_a_stage_over_several_tasks_takes_the_rows_that_concatenated_blocks_would_give(
    stage_tokens: int | None,
) -> None:
    tasks = [random_documents(30, seed=t, longest=9 + 7 * t) for t in range(3)]
    training = Training(epochs=2, stage_tokens=stage_tokens, block_size=16, tokens_per_step=64)
    held: list[Rows] = [plain(documents, 16) for documents in tasks]
    lazy: list[Rows] = [pack_documents(EncodedDocuments.of(documents), 16) for documents in tasks]
    whole = Blocks(*(torch.cat([getattr(b, n) for b in held]) for n in NAMES))
    for some in (slice(0, 1), slice(0, 3)):
        settings = settings_of_stage(training, Overrides(), [Overrides() for _ in lazy[some]])
        wanted, found = (stage_data(rows[some], settings, training, Streams(1), 2) for rows in (held, lazy))
        assert wanted.order.tolist() == found.order.tolist()
        assert wanted.target_tokens == found.target_tokens
        assert stage_steps(lazy[some], settings, training, Streams(1), 2) == found.steps
        assert torch.cat([found.step(number) for number in range(1, found.steps + 1)]).equal(found.order)
        for number in range(1, found.steps + 1):
            assert_equal(found.rows.select(found.step(number)), whole.select(found.step(number)))


def test_joined_rows_split_as_one_task_would() -> None:
    parts = [plain(random_documents(9, seed=t), 16) for t in range(2)]
    joined = JoinedRows(parts)
    whole = Blocks(*(torch.cat([getattr(b, n) for b in parts]) for n in NAMES))
    assert (len(joined), joined.width, joined.target_tokens) == (len(whole), 16, whole.target_tokens)
    for one, other in zip(joined.split(2), whole.split(2), strict=True):
        assert_equal(one, other)


def test_the_sample_of_held_out_text_and_the_rest_are_all_of_it_and_always_the_same() -> None:
    documents = random_documents(40, seed=3)
    held_out, again = (scoring.prepare(documents, 16, sample_tokens=60) for _ in range(2))
    assert held_out.rest is not None
    assert held_out.target_tokens == sum(d.target_tokens for d in documents)
    assert 0 < held_out.sample.target_tokens < held_out.rest.target_tokens
    everything = torch.arange(len(held_out.sample))
    assert_equal(held_out.sample.select(everything), again.sample.select(everything))
    sides = [part.select(torch.arange(len(part))).targets for part in (held_out.sample, held_out.rest)]
    found = sorted(token for targets in sides for token in targets.flatten().tolist() if token >= 0)
    assert found == sorted(int(token) for d in documents for token in d.token_ids[d.mask])


def test_every_token_of_a_document_but_its_last_is_read_by_hand() -> None:
    documents = EncodedDocuments.of([document([0, 5, 6, 7, 1], first_target=3), document([0, 8, 1], first_target=1)])
    assert (documents.read_tokens, documents.target_tokens) == (4 + 2, 2 + 2)

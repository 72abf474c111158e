"""What is said of draws before they are made, held against draws."""

from collections.abc import Sequence

import pytest
import torch

from engine.strategies.tools.memory import Memory
from engine.strategies.tools.memory_draws import KeptTask, mean_draw
from engine.tokens.blocks import EncodedDocument
from tests.builders import document

BLOCK = 64


def documents(count: int, lengths: Sequence[int], learnt: int | None = None) -> list[EncodedDocument]:
    """So many documents with these lengths in turn; all of a document is learnt, or its last tokens."""
    sizes = [lengths[number % len(lengths)] for number in range(count)]
    return [document([0, *[1] * size], first_target=1 if learnt is None else size + 1 - learnt) for size in sizes]


CHAT, PLAIN = documents(60, [30, 34], learnt=4), documents(40, [20, 50, 80])
TASKS = {"chat": CHAT, "plain": PLAIN, "short": documents(90, [6, 8]), "long": documents(12, [200, 300])}


def kept(task: Sequence[EncodedDocument]) -> KeptTask:
    sizes = tuple((each.target_tokens, len(each.token_ids) - 1) for each in task)
    return KeptTask(len(task), sum(targets for targets, _ in sizes), sum(reads for _, reads in sizes), sizes)


def drawn(tasks: Sequence[list[EncodedDocument]], wanted: int, draws: int = 150) -> tuple[float, float, list[float]]:
    """The mean of real draws: target tokens, tokens read, and the target tokens of each task."""
    memory = Memory(100)
    for number, task in enumerate(tasks):
        memory = memory.with_task(task, torch.Generator().manual_seed(number))
    packed, reads, targets = memory.packed(BLOCK), 0, [0.0] * len(tasks)
    for seed in range(draws):
        for row in memory.places(wanted, BLOCK, torch.Generator().manual_seed(seed)):
            for task, piece in row:
                reads += len(packed[task].pieces[piece].input_ids)
                targets[task] += packed[task].targets[piece] / draws
    return sum(targets), reads / draws, targets


@pytest.mark.parametrize("wanted", [8, 32, 100, 400])
@pytest.mark.parametrize("names", ["chat", "plain", "long", "chat plain", "chat short", "chat long plain short"])
def test_the_mean_draw_is_the_mean_of_draws(names: str, wanted: int) -> None:
    tasks = [TASKS[name] for name in names.split()]
    targets, reads, _ = drawn(tasks, wanted)
    found = mean_draw(tuple(map(kept, tasks)), 100, wanted, BLOCK)
    assert found.targets == pytest.approx(targets, rel=0.2)
    assert found.reads == pytest.approx(reads, rel=0.25)


def test_a_draw_of_a_row_or_less_gives_a_sparse_task_few_of_the_targets_and_a_large_one_its_share() -> None:
    _, _, (of_chat, of_plain) = drawn([CHAT, PLAIN], 50)
    assert of_chat < of_plain / 3
    _, _, (of_chat, of_plain) = drawn([CHAT, documents(400, [50])], 320)
    assert of_chat == pytest.approx(of_plain, rel=0.25)


def test_documents_without_a_sample_are_of_one_length() -> None:
    assert mean_draw((KeptTask(10, 100, 800),), 10, 10, 80).reads == 80
    assert mean_draw((KeptTask(10, 100, 800),), 10, 15, 80).reads == 160  # two whole documents
    assert mean_draw((KeptTask(10, 100, 800),), 10, 1000, 80).reads == 800  # and no more than there is


def test_nothing_is_drawn_where_nothing_is_kept() -> None:
    for past, size in (((), 10), ((KeptTask(10, 100, 100),), 0)):
        assert (mean_draw(past, size, 10, 64).targets, mean_draw(past, size, 10, 64).reads) == (0, 0)

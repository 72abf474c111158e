"""What a task looks like: sizes, tokens and scripts, counted with a small stand-in for a tokenizer."""

from typing import Any

from engine.tasks import Document, Task
from engine.tasks import profile as profiles
from engine.tasks.profile import profile, scripts


class Words:
    """A tokenizer of one token a word that insists on special tokens staying text."""

    def __call__(self, texts: list[str], **options: Any) -> dict[str, list[list[int]]]:
        assert options["split_special_tokens"] is True
        assert options["add_special_tokens"] is False
        return {"input_ids": [[0] * len(text.split()) for text in texts]}


TASK = Task("t", (Document("one two three"), Document("four", "and five")), (Document("größer"),))


def test_documents_bytes_and_tokens_of_both_sides_are_counted() -> None:
    found = profile(TASK, Words(), first=1)  # type: ignore[arg-type]
    assert (found.documents, found.held_out_documents) == (2, 1)
    assert (found.train_bytes, found.held_out_bytes) == (25, 8)
    assert (found.train_tokens, found.held_out_tokens) == (6, 1)
    assert found.lengths == (3, 3)
    assert found.first == (TASK.train[0],)
    assert not found.tokens_are_estimated


def test_a_large_task_is_estimated_from_evenly_spaced_documents(monkeypatch: Any) -> None:
    monkeypatch.setattr(profiles, "MAX_TOKENISED_BYTES", 100)
    large = Task("t", tuple(Document(f"w{i:02d} x") for i in range(60)), (Document("y"),))
    found = profile(large, Words())  # type: ignore[arg-type]
    assert found.tokens_are_estimated
    assert found.train_tokens == 120
    assert len(found.lengths) < 60


def test_scripts_are_seen_with_their_shares() -> None:
    seen = dict(scripts([Document("abc 汉字 12 !"), Document("где")]))
    assert seen == {"Latin": 3 / 8, "Han": 2 / 8, "Cyrillic": 3 / 8}
    assert scripts([Document("123 …")]) == ()

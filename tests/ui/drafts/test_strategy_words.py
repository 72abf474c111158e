import pytest

from engine.strategies import build, needs_of, offered
from engine.strategies.base import Strategy
from engine.strategies.costs import Cost, Reading, Remembered
from ui.drafts.strategy_words import cost_in_words, described, is_found


class Dear(Strategy):
    """One of everything that costs."""

    name = "dear"

    def cost(self, stage: int) -> Cost:
        return Cost(0.25, 0.5, 64, (Reading(30),), (Remembered(7, 65),), tensors=1, copies=2, documents=7)


def test_a_cost_is_told_in_numbers_with_their_units() -> None:
    assert cost_in_words(Dear()) == (
        "0.25 tokens read beside each new one; 0.5 tokens looked at by a teacher for each new one; "
        "64 texts written by the model before the stage; up to 30 documents read at a stage's end; "
        "7 past documents kept; 65 numbers remembered of each of their tokens; "
        "a tensor of the weights' size remembered; 2 tensors of the weights' size in memory while it trains"
    )
    assert cost_in_words(build("naive", {})) == "none beside plain training"
    assert cost_in_words(build("joint", {})) == "every stage reads the texts of all tasks so far"


def test_a_cost_follows_the_parameters() -> None:
    told = cost_in_words(build("replay", {"replay_ratio": 2.0, "memory_size": 1}))
    assert told == "2 tokens read beside each new one; 1 past document kept"
    assert cost_in_words(build("replay", {"replay_weight": 0.0})) == "none beside plain training"


def test_a_pair_that_keeps_old_text_stands_where_old_text_is_needed() -> None:
    assert [needs_of(name)[0] for name in ("naive", "ewc", "replay+ewc", "kl", "kl+lora")] == [
        "nothing", "a second copy of the weights", "old texts", "old texts", "old texts"
    ]  # fmt: skip


def test_all_that_a_strategy_needs_is_told() -> None:
    assert [described(name).needs for name in ("naive", "kl", "replay+ewc", "kl+lora", "replay+mask", "naive+l2")] == [
        "Needs nothing more", "Needs old texts and a second copy of the weights",
        "Needs old texts and a second copy of the weights",
        "Needs old texts and a second copy of the weights; trains fewer weights",
        "Needs old texts; trains fewer weights", "Needs a second copy of the weights",
    ]  # fmt: skip


def test_a_pair_is_called_by_the_short_titles_of_its_strategies() -> None:
    names = ("ewc", "replay+ewc", "kl + lora", "replay+reptile", "agem")
    assert [described(name).title for name in names] == [
        "Elastic weight consolidation (EWC)", "Experience replay + EWC", "KL to a teacher + LoRA",
        "Experience replay + Reptile", "Gradient projection (A-GEM)",
    ]  # fmt: skip
    assert build("replay+ewc", {}).title == described("replay+ewc").title
    assert all("replay+" not in described(name).title for name in offered())


@pytest.mark.parametrize(
    ("query", "found"), [("", True), ("REPLAY ewc", True), ("fisher", True), ("joint fish", False)]
)
def test_a_pair_is_found_by_the_words_of_both(query: str, found: bool) -> None:
    assert is_found("replay+ewc", query) is found


def test_sources_are_links_to_every_part_s_paper() -> None:
    assert described("replay+ewc").source_links.count("](https://arxiv.org/") == 2

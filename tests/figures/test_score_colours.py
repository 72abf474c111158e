"""The colours of scores: fixed, even around the base model, and the same for losses in any unit."""

import math

import numpy as np
import pytest

from figures.score_colours import TICKS, colour_key, colour_places
from figures.theme import SCORES


def places(score: str, *values: float) -> list[float]:
    """One column, whose first value is the base model's."""
    return [float(place) for place in colour_places(np.array([values]).T, SCORES[score])[:, 0]]


def test_a_loss_is_placed_by_the_root_of_the_share_that_it_changed_by() -> None:
    assert places("nats_per_token", 4.0, 3.0, 5.0, 4.0) == pytest.approx([0.0, 0.5, -0.5, 0.0])
    assert places("nats_per_token", 4.0, 3.96) == pytest.approx([0.0, 0.1])


def test_losses_in_other_units_have_the_same_hues() -> None:
    nats = [3.2, 2.9, 3.6, 1.1]
    same = places("nats_per_token", *nats)
    assert places("bits_per_byte", *(n / math.log(2) / 4.2 for n in nats)) == pytest.approx(same)
    assert places("perplexity", *map(math.exp, nats)) == pytest.approx(same)


def test_shares_are_placed_by_points_and_more_is_better() -> None:
    assert places("accuracy", 0.3, 0.55, 0.29) == pytest.approx([0.0, 0.5, -0.1])


def test_every_column_is_against_its_own_base_and_what_is_not_scored_has_no_hue() -> None:
    grid = colour_places(np.array([[4.0, 2.0, np.nan], [3.0, 3.0, 1.0]]), SCORES["nats_per_token"])
    assert grid[1, :2] == pytest.approx([0.5, -math.sqrt(0.5)])
    assert math.isnan(grid[1, 2])


def test_the_scale_ends_at_all_that_can_be_lost() -> None:
    assert places("nats_per_token", 2.0, 9.0, 0.0) == [0.0, -1.0, 1.0]
    assert places("perplexity", 2.0, math.inf) == [0.0, -1.0]
    assert places("nats_per_token", 0.0, 0.0, 1.0) == [0.0, 0.0, -1.0]


@pytest.mark.parametrize("score", list(SCORES))
def test_the_key_names_both_directions_at_the_places_of_the_scale(score: str) -> None:
    key = colour_key(SCORES[score])
    assert key["tickvals"] == pytest.approx([-1, -0.5, -0.2, 0, 0.2, 0.5, 1])
    assert [text.partition("<br>")[0].strip("%") for text in key["ticktext"]] == [
        *map(str, reversed(TICKS)), "0", *map(str, TICKS)
    ]  # fmt: skip
    assert key["ticktext"][0].endswith("worse")
    assert key["ticktext"][-1].endswith("better")

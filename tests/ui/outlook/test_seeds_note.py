import pytest

from ui.outlook.seeds_note import seeds_note

# The smallest differences, in standard deviations, are those of tests/results/test_paired_tests.py.


LARGE = "only large differences are likely to be established: about"
FROM = "a difference is likely to be established if it is at least about"


@pytest.mark.parametrize(
    ("seeds", "configurations", "begins"),
    [
        (2, 2, f"With 2 seeds and 2 strategies and settings, {LARGE} 12 times as large as they vary"),
        (3, 4, f"With 3 seeds and 4 strategies and settings, {LARGE} 8 times as large as they vary"),
        (10, 4, f"With 10 seeds and 4 strategies and settings, {FROM} 1.4 times as large as it varies"),
        (1, 4, "One seed can't establish any difference"),
        (3, 1, "A single strategy has nothing to be compared with"),
    ],
)
def test_the_note_says_what_the_seeds_can_show(seeds: int, configurations: int, begins: str) -> None:
    assert seeds_note(seeds, configurations)[0].startswith(begins)


def test_more_seeds_are_named_only_where_there_are_more() -> None:
    assert seeds_note(5, 4)[0].endswith(
        "More seeds establish smaller ones: about 1.4 times with 10 seeds, about 0.86 times with 20 seeds."
    )
    assert "More seeds" not in seeds_note(20, 4)[0]


def test_the_explanation_counts_the_pairs_and_says_how_sure_it_is() -> None:
    explanation = seeds_note(3, 4)[1]
    assert "Holm's correction for 6 pairs" in explanation
    assert "t-test at 5%" in explanation
    assert "in 80% of such experiments" in explanation
    assert seeds_note(3, 2)[1].count("1 pair,") == 1

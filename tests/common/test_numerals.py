import pytest

from engine.common.numerals import percent


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "0"),
        (1 / 3, "33"),
        (0.5, "50"),
        (1.0, "100"),
        (0.01, "1"),
        (0.0024, "0.2"),
        (0.996, "100"),
        (1e-5, "0.001"),
    ],
)
def test_a_share_is_told_in_whole_percents_and_in_one_digit_below(share: float, said: str) -> None:
    assert percent(share) == f"{said}\u202f%"

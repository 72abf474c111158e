import doctest

import pytest

from engine.common import numerals
from engine.common.numerals import bytes_size, count, decimal, duration, exact, percent, setting


def test_the_examples_in_the_docstrings_hold() -> None:
    found = doctest.testmod(numerals)
    assert (found.failed, found.attempted > 10) == (0, True)


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


def test_a_number_changes_its_unit_where_it_would_take_a_fourth_digit() -> None:
    thin = "\u202f"
    assert [count(n) for n in (9_999, 9_999.4, 10_000)] == ["9,999", "9,999", f"10{thin}k"]
    assert [count(n) for n in (999_499, 999_500, 1e13)] == [f"999{thin}k", f"1{thin}M", f"10{thin}T"]
    assert [bytes_size(n) for n in (999, 999.6, 9_960, 999_499, 999_500)] == [
        f"999{thin}bytes", f"1{thin}kB", f"10{thin}kB", f"999{thin}kB", f"1{thin}MB",
    ]  # fmt: skip


def test_a_time_span_carries_what_is_rounded_up() -> None:
    said = [duration(s).replace("\u202f", "") for s in (0, -3, 59.6, 599.4, 3_570, 3_571, 86_390, 86_400 + 1_801)]
    assert said == ["0s", "0s", "1min", "9min 59s", "1h", "1h", "1d", "1d 1h"]


def test_where_there_is_no_number_stands_a_dash_and_never_nan() -> None:
    nothing = float("nan")
    assert {form(nothing) for form in (exact, count, decimal, percent, duration)} == {numerals.NOTHING}


@pytest.mark.parametrize("value", [1e-8, 5e-4, 0.1, 3.0, 123456.0, 1e12, -2.5])
def test_a_setting_is_written_so_that_it_reads_back(value: float) -> None:
    assert float(setting(value).replace("\u2212", "-").replace(",", "")) == value

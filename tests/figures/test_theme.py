import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from engine.strategies import offered
from figures import colours, theme
from figures.theme import wrapped

# Machado, Oliveira and Fernandes (2009), severity 1: linear RGB as seen with the three forms of colour blindness.
VISIONS = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no long cones": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "no medium cones": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "no short cones": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9309, 0.1476], [0.0047, 0.6914, 0.3039]],
}
PAGES = ("#ffffff", "#fdfcf9", "#181714")
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def channels(color: str) -> list[int]:
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def lab(color: str, vision: list[list[float]]) -> np.ndarray:
    values = np.array(channels(color)) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(np.array(vision) @ linear, 0, 1) / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    low, high = sorted(colours.luminance(channels(color)) + 0.05 for color in (one, other))
    return high / low


@pytest.mark.parametrize("vision", VISIONS.values(), ids=list(VISIONS))
def test_colours_stay_apart_for_every_form_of_colour_vision(vision: list[list[float]]) -> None:
    distances = [np.linalg.norm(lab(a, vision) - lab(b, vision)) for a, b in itertools.combinations(colours.PALETTE, 2)]
    assert min(distances) > 18  # about 2 is just visible side by side


@pytest.mark.parametrize("background", PAGES)
def test_colours_stand_out_on_light_and_dark_pages(background: str) -> None:
    assert min(contrast(color, background) for color in colours.PALETTE) > 2.85


@pytest.mark.parametrize("gain", np.linspace(-1, 1, 41))
def test_numbers_in_cells_are_legible_on_every_shade(gain: float) -> None:
    ends = np.array([at for at, _ in colours.DIVERGING])
    shades = np.array([channels(color) for _, color in colours.DIVERGING])
    mixed = [float(np.interp((gain + 1) / 2, ends, shades[:, c])) for c in range(3)]
    low, high = sorted((colours.luminance(mixed) + 0.05, colours.luminance(channels(colours.ink_on(gain))) + 0.05))
    assert high / low >= 4.5


FAMILIES = [f"strategy {i}" for i in range(32)]


def test_thirty_two_strategies_of_twenty_four_settings_each_have_styles_of_their_own() -> None:
    labels = [f"{family} (a={value})" for family in FAMILIES for value in range(24)]
    styles = theme.strategy_styles(labels, FAMILIES)
    assert len(set(styles.values())) == len(labels)


def test_strategies_that_share_a_colour_differ_in_marker_and_in_dash_and_as_few_as_can_be_share_one() -> None:
    styles = list(theme.strategy_styles(FAMILIES[:20], FAMILIES).values())
    alike = [(a, b) for a, b in itertools.combinations(styles, 2) if a.color == b.color]
    assert all(a.symbol != b.symbol and a.dash != b.dash for a, b in alike)
    assert max(sum(style.color == color for style in styles) for color in colours.PALETTE) == 3
    assert len({style.color for style in styles[:8]}) == 8


def test_a_strategy_has_the_same_style_whatever_else_is_shown() -> None:
    alone = theme.strategy_styles([FAMILIES[13]], FAMILIES)[FAMILIES[13]]
    assert theme.strategy_styles(FAMILIES, FAMILIES)[FAMILIES[13]] == alone
    assert theme.strategy_styles(["of no registry"], FAMILIES) == theme.strategy_styles(["of no registry"])


def test_labels_that_are_not_drawn_fade_and_the_others_keep_their_style() -> None:
    every, some = (
        theme.strategy_styles(FAMILIES[:3], FAMILIES),
        theme.strategy_styles(FAMILIES[:3], FAMILIES, [FAMILIES[1]]),
    )
    assert some[FAMILIES[1]] == every[FAMILIES[1]]
    assert [(each.color, each.faded) for each in some.values()][::2] == [(colours.GREY, True)] * 2


def test_more_settings_than_there_are_styles_are_drawn_all_the_same() -> None:
    assert len(theme.strategy_styles([f"ewc (a={value})" for value in range(60)], ["ewc"])) == 60


def test_a_legend_takes_a_line_for_as_many_names_as_fit_beside_each_other() -> None:
    assert theme.legend_pixels([]) == 0
    assert theme.legend_pixels(["a" * 22] * 4, width=800) == 19  # 46 + 7 · 22 = 200 pixels each
    assert theme.legend_pixels(["a" * 22] * 5, width=800) == 38
    assert theme.legend_pixels(["a" * 500], width=800) == 19


def test_settings_of_a_strategy_are_shades_of_its_colour_from_dark_to_light_by_value() -> None:
    labels = ["naive", "replay (replay_weight=10)", "replay (replay_weight=0.5)", "replay (replay_weight=2)"]
    styles = theme.strategy_styles(labels, offered())
    alone = theme.strategy_styles([labels[1]], offered())[labels[1]].color
    by_value = [styles[labels[i]].color for i in (2, 3, 1)]
    assert tuple(by_value) == colours.shades(alone, 3)
    assert lightness(by_value) == sorted(lightness(by_value))
    assert len({(styles[label].symbol, styles[label].dash) for label in labels[1:]}) == 3


@pytest.mark.parametrize("color", colours.PALETTE)
@pytest.mark.parametrize("number", [2, 3, 8])
def test_shades_are_seen_on_both_pages_and_stand_apart_by_even_steps(color: str, number: int) -> None:
    found = colours.shades(color, number)
    assert min(contrast(shade, page) for shade in found for page in PAGES) > 2.75
    steps = np.diff(lightness(found))
    assert steps == pytest.approx([16 / (number - 1)] * (number - 1), abs=0.5)  # half a step of 8-bit colours


@pytest.mark.parametrize("vision", VISIONS.values(), ids=list(VISIONS))
def test_three_shades_are_told_apart_from_each_other_and_from_other_strategies_by_all(
    vision: list[list[float]],
) -> None:
    found = {color: [lab(shade, vision) for shade in colours.shades(color, 3)] for color in colours.PALETTE}
    within = [np.linalg.norm(a - b) for own in found.values() for a, b in itertools.pairwise(own)]
    others = [
        np.linalg.norm(shade - lab(other, vision))
        for color, own in found.items()
        for other in set(colours.PALETTE) - {color}
        for shade in own
    ]
    assert min(within) > 7
    assert min(others) > 5


def lightness(found: Sequence[str]) -> list[float]:
    return [float(lab(color, VISIONS["all cones"])[0]) for color in found]


def test_a_strategy_keeps_its_colour_when_the_experiment_is_named_beside_it() -> None:
    styles = theme.strategy_styles(["naive", "naive · another experiment"])
    assert styles["naive"].color == styles["naive · another experiment"].color


def test_no_two_strategies_that_pages_offer_look_alike() -> None:
    styles = theme.strategy_styles(offered())
    assert len({(style.color, style.symbol) for style in styles.values()}) == len(offered())


def test_the_ninth_task_takes_the_first_colour_with_another_marker() -> None:
    styles = theme.task_styles([f"task {i}" for i in range(9)])
    assert styles["task 0"].color == styles["task 8"].color
    assert styles["task 0"].symbol != styles["task 8"].symbol


def test_names_cannot_bring_markup_or_templates_into_a_figure() -> None:
    assert theme.escaped("<b>%{x} & co") == "&lt;b&gt;&#37;{x} &amp; co"


def test_long_names_are_cut_with_an_ellipsis() -> None:
    assert theme.short("customer support", 9) == "customer…"


def test_changes_of_accuracy_are_told_in_points() -> None:
    assert theme.SCORES["accuracy"].change(-0.031) == "−3.1 points"
    assert theme.SCORES["accuracy"].worse_by(0.4, 0.5) == pytest.approx(0.1)
    assert theme.SCORES["nats_per_token"].worse_by(2.5, 2.0) == pytest.approx(0.5)


def test_a_wrapped_name_has_two_lines_and_cuts_what_fits_in_neither() -> None:
    assert wrapped("tea", 8) == "tea"
    assert wrapped("Customer support", 8) == "Customer<br>support"
    assert wrapped("<b> Nebuchadnezzar of old", 8) == "&lt;b&gt;<br>Nebucha…"

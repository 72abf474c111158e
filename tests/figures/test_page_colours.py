"""The colours of pages, as `.streamlit/config.toml` sets them: WCAG 2's contrast of text is 4.5."""

import re
import tomllib
from pathlib import Path

import pytest

from figures.colours import PALETTE, channels, luminance

CONFIG = Path(__file__).parents[2] / ".streamlit" / "config.toml"
THEME = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"]
HUES = ("blue", "orange", "green", "violet", "red", "yellow", "gray")
MODES = ("light", "dark")


def contrast(one: str, other: str) -> float:
    low, high = sorted(luminance(channels(color)) + 0.05 for color in (one, other))
    return high / low


@pytest.mark.parametrize("mode", MODES)
def test_texts_are_legible_on_every_background(mode: str) -> None:
    own = THEME[mode]
    for place in (own, own | own["sidebar"]):
        grounds = [place["backgroundColor"], place["secondaryBackgroundColor"]]
        texts = [own["textColor"], own["linkColor"], *(own[f"{hue}TextColor"] for hue in HUES)]
        assert min(contrast(text, ground) for text in texts for ground in grounds) >= 4.5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("hue", HUES)
def test_a_badge_is_legible(mode: str, hue: str) -> None:
    assert contrast(THEME[mode][f"{hue}TextColor"], THEME[mode][f"{hue}BackgroundColor"]) >= 4.5


@pytest.mark.parametrize("mode", MODES)
def test_a_main_button_s_white_words_are_legible(mode: str) -> None:
    assert contrast("#ffffff", THEME[mode]["primaryColor"]) >= 4.49


def test_the_dark_page_does_not_glare_and_the_light_one_is_not_white() -> None:
    dark, light = THEME["dark"], THEME["light"]
    assert 7 < contrast(dark["textColor"], dark["backgroundColor"]) < 13
    assert "#000000" not in (dark["backgroundColor"], light["textColor"])
    assert "#ffffff" not in (light["backgroundColor"], dark["textColor"])


def test_charts_of_streamlit_s_own_and_controls_take_the_colours_of_figures() -> None:
    assert set(THEME["chartCategoricalColors"]) == set(PALETTE)
    assert {THEME["light"][f"{hue}Color"] for hue in ("blue", "orange", "green", "violet")} <= set(PALETTE)
    assert THEME["dark"]["primaryColor"] in PALETTE


def test_the_style_sheet_of_the_frame_has_no_colours_of_its_own() -> None:
    used = re.findall(r"#[0-9a-f]{6}", (CONFIG.parents[1] / "ui" / "widgets" / "frame.css").read_text(encoding="utf-8"))
    assert used
    assert set(used) <= {value for mode in MODES for value in THEME[mode].values() if isinstance(value, str)}

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.strategies import registry
from ui.glossary.terms import SECTIONS

PAGE = str(Path(__file__).parents[2] / "pages" / "glossary.py")


def test_every_term_and_every_strategy_stands_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path))
    app = AppTest.from_file(PAGE, default_timeout=300).run()
    assert not app.exception
    assert [each.value for each in app.header] == [*SECTIONS, "All strategies"]
    assert len(app.subheader) == sum(map(len, SECTIONS.values())) + len(registry())
    anchors = [each.anchor for each in app.subheader]
    assert "backward-transfer" in anchors

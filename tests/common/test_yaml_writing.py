from hypothesis import example, given
from hypothesis import strategies as st

from engine.common.yaml_reading import read_yaml
from engine.common.yaml_writing import yaml_of


@given(text=st.text())
@example("0\x85")
@example("a\u2028 b\u2029")
@example("\ufeff")
@example(" 5e-4")
@example("- ünï: 茶\n\n  x ")
def test_a_text_is_read_back_as_it_was_written(text: str) -> None:
    data = {"text": text, "texts": [text, [text]]}
    assert read_yaml(yaml_of(data), "here", [("text",), ("texts",)]) == data

"""Which rows fit a search: against a loop over the rows."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ui.runs.choices import ORDERS, Choices, fitting, text_of
from ui.runs.ticks import ticked_after
from ui.runs.words import NEWEST

WORDS = ("Bread", "tea", "jam", "ß", "İ", "")
TAGS = ("paper", "odd")
rows_of = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(WORDS), "notes": st.sampled_from(WORDS), "status": st.sampled_from(("a", "b")),
            "model": st.sampled_from(("m", "n")), "tags": st.lists(st.sampled_from(TAGS), unique=True),
            "archived": st.booleans(), "average": st.one_of(st.none(), st.floats(0, 9)),
            "forgetting": st.one_of(st.none(), st.floats(-1, 9)), "seconds": st.floats(0, 9), "size": st.floats(0, 9),
        }
    ),
    max_size=6,
)  # fmt: skip
choices_of = st.builds(
    Choices, st.lists(st.sampled_from(WORDS), max_size=2).map(" ".join), st.sampled_from([(), ("a",), ("a", "b")]),
    st.sampled_from([(), ("paper",), ("paper", "odd")]), st.sampled_from([(), ("n",)]), st.booleans(),
    st.sampled_from(ORDERS),
)  # fmt: skip


@given(rows=rows_of, choices=choices_of)
def test_every_row_that_fits_is_shown_and_no_other(rows: list[dict[str, object]], choices: Choices) -> None:
    columns = ("name", "notes", "status", "model", "tags", "archived", "average", "forgetting", "seconds", "size")
    table = pd.DataFrame(rows, columns=list(columns)).astype({"average": float, "forgetting": float, "archived": bool})
    table["text"] = [text_of(str(row["name"]), str(row["notes"])) for row in rows]
    table["text"] = table["text"].astype(object)
    expected = [
        place
        for place, row in enumerate(rows)
        if row["archived"] == choices.archived
        and all(word in text_of(str(row["name"]), str(row["notes"])) for word in choices.search.casefold().split())
        and (not choices.statuses or row["status"] in choices.statuses)
        and (not choices.models or row["model"] in choices.models)
        and set(choices.tags) <= set(row["tags"])  # type: ignore[call-overload]
    ]
    found = fitting(table, choices)
    assert sorted(found.index) == expected
    if choices.order == NEWEST:
        assert list(found.index) == expected
    if choices.order == ORDERS[2]:
        kept = found["average"].dropna().tolist()
        assert kept == sorted(kept)
        assert found["average"].isna().tolist() == sorted(found["average"].isna().tolist())  # without one: last


@given(st.sets(st.sampled_from("abcdef")), st.permutations("abcd"), st.sets(st.integers(0, 5)))
def test_rows_that_are_not_shown_keep_their_tick(before: set[str], shown: list[str], places: set[int]) -> None:
    after = ticked_after(before, shown, places)
    assert after - set(shown) == before - set(shown)
    assert after & set(shown) == {shown[place] for place in places if place < len(shown)}

from ui.widgets.tables import name_width, row_height


def test_a_row_grows_with_the_longest_name_up_to_four_lines() -> None:
    assert row_height(["naive", "joint"]) == 35
    assert row_height(["naive", "ewc (ewc_lambda=30, fisher_documents=60)"]) == 65
    assert row_height(["x" * 1000]) == 86
    assert row_height([]) == 35


def test_a_narrow_column_needs_more_lines() -> None:
    assert row_height(["ewc (ewc_lambda=30)"], 80) > row_height(["ewc (ewc_lambda=30)"])


def test_a_column_of_names_is_as_wide_as_they_are_within_what_a_phone_keeps_in_place() -> None:
    assert name_width(["naive"]) == 90
    assert 90 < name_width(["naive", "ewc (ewc_lambda=30)"]) < 196
    assert name_width(["x" * 1000]) == 196
    assert row_height(["ewc (ewc_lambda=30)"], name_width(["ewc (ewc_lambda=30)"])) == 35

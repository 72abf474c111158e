from ui.tables import row_height


def test_a_row_grows_with_the_longest_name_up_to_four_lines() -> None:
    assert row_height(["naive", "joint"]) == 35
    assert row_height(["naive", "ewc (ewc_lambda=30, fisher_documents=60)"]) == 65
    assert row_height(["x" * 1000]) == 86
    assert row_height([]) == 35


def test_a_narrow_column_needs_more_lines() -> None:
    assert row_height(["ewc (ewc_lambda=30)"], 80) > row_height(["ewc (ewc_lambda=30)"])

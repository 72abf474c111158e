"""What a report shows of runs that were trained for real: that which the Understand page says of them, and nothing is
computed twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.insight import frames
from engine.insight.kept_results import kept_results
from engine.insight.performing import Performer
from engine.insight.report_results import kept_report, report_key
from engine.insight.requests import PassageRequest, ReportRequest, ReportTask, Source, Span
from engine.insight.telling import Told
from engine.store import Store


@pytest.fixture
def opened(labelled: Path) -> Iterator[Store]:
    store = Store(labelled)
    kept_results(labelled).clear()
    yield store
    store.close()


def wanted(labelled: Path, has_answers: bool = True) -> ReportTask:
    spans = [Span(Source(run_id, 1), Source(run_id, 2)) for run_id in frames.run_ids(labelled)["run_id"]]
    return ReportTask("letters", tuple(spans), has_answers)


def test_the_passages_are_those_that_the_first_run_lost_most_of_and_what_the_other_made_of_them(
    labelled: Path, opened: Store
) -> None:
    task = wanted(labelled)
    ((found,), told) = performed(opened, task)
    naive, replay = (frames.passages(labelled, span.after.run_id, "letters") for span in task.spans)
    assert [each["document"] for each in found["passages"]] == list(naive["document"][:2])
    assert found["worse"] == (naive["lost"] > 0).sum()
    assert found["documents"] == len(naive)
    for each in found["passages"]:
        for span, table, request in zip(each["spans"], (naive, replay), task.spans, strict=True):
            row = table.set_index("document").loc[each["document"]]
            assert [span[name] for name in ("before", "after", "lost")] == [row[n] for n in ("before", "after", "lost")]
            whole = Performer(opened).perform(
                PassageRequest("letters", request.before, request.after, each["document"])
            )
            assert span["pieces"] == whole  # it is short
    assert any("task 1 of 1: naive after stage 2" in words for words in told)


def test_the_answers_are_those_of_the_turned_answers_the_worst_first(labelled: Path, opened: Store) -> None:
    task = wanted(labelled)
    ((found,), _) = performed(opened, task)
    answers = found["answers"]
    tables = [frames.turned_answers(labelled, span.after.run_id, "letters") for span in task.spans]
    assert answers["asked"] == len(tables[0])
    for span, table in zip(answers["spans"], tables, strict=True):
        assert span["scores"]["after"]["exact"] == pytest.approx(table["after_exact"].mean())
    first = tables[0].set_index("document")
    turned = first[first["before_exact"] & ~first["after_exact"]]
    assert 0 < len(answers["rows"]) <= 4
    assert all(row["document"] in turned.index for row in answers["rows"][: len(turned)])
    for row in answers["rows"]:
        assert row["before"]["text"] == first.loc[row["document"], "before_text"]
        expected = [table.set_index("document").loc[row["document"], "after_text"] for table in tables]
        assert [each["text"] for each in row["after"]] == expected


def test_what_was_computed_is_found_by_content_and_not_computed_again(
    labelled: Path, opened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = wanted(labelled)
    assert kept_report(opened, task) is None
    ((found,), _) = performed(opened, task)
    assert kept_report(opened, task) == found
    monkeypatch.setattr("engine.insight.workshop.Workshop.loaded", None)
    assert performed(opened, task)[0] == [found]
    kept_results(labelled).clear()
    assert kept_report(opened, task) is None


def test_scores_that_the_understand_page_has_computed_are_taken(
    labelled: Path, opened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = wanted(labelled, has_answers=False)
    for span in task.spans:
        frames.passages(labelled, span.after.run_id, "letters")
    monkeypatch.setattr("engine.insight.workshop.Workshop.loaded", None)
    ((found,), _) = performed(opened, task)
    assert found["passages"]
    assert found["answers"] is None


def test_other_runs_texts_or_questions_are_named_by_another_key(labelled: Path, opened: Store) -> None:
    task = wanted(labelled)
    one, other = task.spans
    keys = {
        report_key(opened, each)
        for each in (
            task,
            wanted(labelled, has_answers=False),
            ReportTask("letters", (other, one), True),
            ReportTask("letters", (one,), True),
            ReportTask("numbers", task.spans, True),
            ReportTask("letters", (Span(Source(one.before.run_id, 0), one.after), other), True),
        )
    }
    assert len(keys - {None}) == 6


def test_a_checkpoint_that_is_gone_has_no_key(labelled: Path, opened: Store) -> None:
    run_id = wanted(labelled).spans[0].before.run_id
    gone = ReportTask("letters", (Span(Source(run_id, 1), Source(run_id, 3)),), True)
    assert report_key(opened, gone) is None
    assert kept_report(opened, gone) is None


def performed(store: Store, task: ReportTask) -> tuple[list[Any], list[str]]:
    told: list[str] = []

    def tell(each: Told) -> None:
        told.append(each.words)

    return Performer(store).perform(ReportRequest((task,)), tell), told

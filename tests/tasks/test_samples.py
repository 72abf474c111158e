"""The samples load, are large enough, and don't repeat themselves."""

import pytest

from engine.tasks import Sample, load_task, samples
from engine.tasks.library import text_bytes


def test_there_are_four_samples_with_names_of_their_own() -> None:
    assert [sample.name for sample in samples()] == ["customer-support", "search", "house-style", "chinese"]
    assert len({sample.spec.name for sample in samples()}) == 4


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_a_sample_has_40_kb_in_many_different_documents(sample: Sample) -> None:
    task = load_task(sample.spec)
    assert text_bytes(task.train) + text_bytes(task.held_out) >= 40_000
    assert len(task.train) >= 50
    assert len(task.held_out) >= 5
    openings = {(d.prompt + d.text)[:40] for d in task.train}
    assert len(openings) >= 0.8 * len(task.train)

"""The speed of this machine: timed on the real model, and again after a while."""

from dataclasses import replace

import pytest

from engine.experiments.training import Training
from engine.forecast import machine_speed
from engine.forecast.machine_speed import AGAIN_AFTER_SECONDS, Speed, measure_speed

SPEED = Speed(1000.0, 500.0, 10, 20, "cpu", 4096)


def test_the_embedded_model_is_timed_with_its_sizes() -> None:
    speed = measure_speed("tiny-gpt2", Training(block_size=32, tokens_per_step=32))
    assert speed.training_tokens_per_second > 0
    assert speed.fisher_tokens_per_second > 0
    assert speed.parameters > 1_000_000


def test_what_was_timed_beside_other_work_is_timed_again_and_the_fastest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = replace(SPEED, training_tokens_per_second=100.0)
    late = replace(SPEED, training_tokens_per_second=900.0, fisher_tokens_per_second=600.0)
    timings, now = iter([busy, SPEED, late]), [50.0]
    monkeypatch.setattr(machine_speed, "_measure", lambda *_: next(timings))
    monkeypatch.setattr(machine_speed, "_timed", {})
    monkeypatch.setattr(machine_speed.time, "monotonic", lambda: now[0])

    def after(seconds: float) -> Speed:
        now[0] += seconds
        return measure_speed("tiny-gpt2", Training())

    assert after(0.0) == busy
    assert after(AGAIN_AFTER_SECONDS - 1) == busy, "timing takes seconds, and a page asks often"
    assert after(1.0) == SPEED
    assert after(AGAIN_AFTER_SECONDS) == replace(SPEED, fisher_tokens_per_second=600.0)


def test_no_more_than_the_latest_settings_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_speed, "_measure", lambda *_: SPEED)
    monkeypatch.setattr(machine_speed, "_timed", {})
    for tokens in range(8, 107):
        measure_speed("tiny-gpt2", Training(tokens_per_step=tokens))
    assert len(machine_speed._timed) == 32

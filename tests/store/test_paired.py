import math
import random
import statistics

import numpy as np
import pytest

from engine.events.scores import DocumentSums, Score
from engine.store.paired import Change, change, difference, inside, of_whole


def sums(nats: list[float], tokens: list[int], out_of: int = 100, hits: list[int] | None = None) -> DocumentSums:
    """Documents of two bytes a token."""
    text_bytes = tuple(2 * n for n in tokens)
    return DocumentSums(tuple(nats), tuple(tokens), text_bytes, tuple(hits or [0] * len(nats)), len(nats), out_of)


def total(of: DocumentSums) -> Score:
    return Score(sum(of.nats), sum(of.tokens), sum(of.text_bytes), sum(of.hits))


def test_the_error_of_a_change_is_that_of_a_ratio_over_documents_by_hand() -> None:
    # z = 1, 2, 6 over x = 10, 10, 20: D = 9/40; residuals −1.25, −0.25, 1.5 and their squares 3.875
    value, error = difference(np.array([1.0, 2.0, 6.0]), np.array([10.0, 10.0, 20.0]), documents=3, out_of=12)
    assert value == pytest.approx(0.225)
    assert error == pytest.approx(math.sqrt((1 - 3 / 12) * 3 / 2 * 3.875) / 40)


def test_a_point_inside_a_stage_leads_from_the_matrix_by_the_sample_s_change() -> None:
    before, now = sums([30, 20, 50], [10, 10, 20], hits=[1, 1, 2]), sums([31, 22, 56], [10, 10, 20], hits=[2, 2, 4])
    whole = Score(2100.0, 1000, 2000, 100)
    point = inside(whole, total(before), total(now), before, now)
    assert point.values["nats_per_token"] == pytest.approx(2.1 + 9 / 40)
    assert point.values["perplexity"] == pytest.approx(math.exp(2.1 + 9 / 40))
    assert point.values["bits_per_byte"] == pytest.approx((2.1 + 9 / 40) / math.log(2) / 2)
    assert point.values["accuracy"] == pytest.approx(0.1 + 4 / 40)
    half = 4.3027 * math.sqrt((1 - 3 / 100) * 3 / 2 * 3.875) / 40
    assert point.highs["nats_per_token"] - point.values["nats_per_token"] == pytest.approx(half, rel=1e-4)
    assert point.lows["perplexity"] == pytest.approx(math.exp(2.1 + 9 / 40 - half), rel=1e-4)


def test_every_score_s_interval_is_the_one_of_its_own_ratio() -> None:
    before, now = sums([30, 20, 50], [10, 10, 20], hits=[1, 1, 2]), sums([31, 22, 56], [10, 10, 20], hits=[2, 2, 6])
    point = inside(Score(2100.0, 1000, 2000, 100), total(before), total(now), before, now)
    t_and_share = 4.3027 * math.sqrt((1 - 3 / 100) * 3 / 2)
    halves = {name: point.highs[name] - point.values[name] for name in ("bits_per_byte", "accuracy")}
    # z = 1, 2, 6 nats over 20, 20, 40 bytes: as per token, by 2 and by ln 2; hits 1, 1, 4: 6/40, residuals −½, −½, 1
    assert halves["bits_per_byte"] == pytest.approx(t_and_share * math.sqrt(3.875) / 80 / math.log(2), rel=1e-4)
    assert halves["accuracy"] == pytest.approx(t_and_share * math.sqrt(1.5) / 40, rel=1e-4)


def test_a_change_has_the_interval_of_its_number_of_looks_by_hand() -> None:
    before, now = sums([30, 20, 50], [10, 10, 20], out_of=12), sums([31, 22, 56], [10, 10, 20], out_of=12)
    # t of two degrees of freedom at 1 − 0.025 / looks is (2p − 1) √(2 / (4p(1 − p)))
    for looks in (1, 5):
        p = 1 - 0.025 / looks
        t = (2 * p - 1) * math.sqrt(2 / (4 * p * (1 - p)))
        found = change(before, now, looks)
        assert found.value == pytest.approx(9 / 40)
        assert found.half_width == pytest.approx(t * math.sqrt(3 / 2 * 3.875) / 40)


def test_where_nothing_changed_the_curve_stays_on_the_matrix_without_an_error() -> None:
    one, whole = sums([30, 20, 50], [10, 10, 20]), Score(2100.0, 1000, 2000, 100)
    point = inside(whole, total(one), total(one), one, one)
    assert point.values["nats_per_token"] == of_whole(whole).values["nats_per_token"]
    assert point.lows == pytest.approx(point.values)


def test_a_sample_of_everything_has_no_error_and_meets_the_next_row_exactly() -> None:
    before, now = sums([30, 20, 50], [10, 10, 20], out_of=3), sums([31, 22, 56], [10, 10, 20], out_of=3)
    point = inside(total(before), total(before), total(now), before, now)
    assert point.values == pytest.approx(of_whole(total(now)).values)
    assert point.lows == point.values == point.highs


def test_two_samples_of_other_documents_say_nothing_about_a_change() -> None:
    before, now = sums([30, 20], [10, 10]), sums([30, 22], [12, 8])
    point = inside(Score(210.0, 100, 200, 1), total(before), total(now), before, now)
    assert math.isnan(point.values["nats_per_token"])
    assert math.isnan(change(before, now, 1).value)
    assert not change(before, now, 1).is_worse


def test_a_run_without_sums_of_documents_has_its_curve_on_the_matrix_and_no_error() -> None:
    before, now = Score(40.0, 20, 40, 0), Score(50.0, 20, 40, 0)
    point = inside(Score(210.0, 100, 200, 1), before, now, None, None)
    assert point.values["nats_per_token"] == pytest.approx(2.6)
    assert math.isnan(point.lows["nats_per_token"])


def drawn(chance: random.Random, documents: list[tuple[int, float, float]], size: int) -> tuple[DocumentSums, ...]:
    """A sample before and after, of documents given as tokens and nats before and after."""
    chosen = chance.sample(documents, size)
    tokens = [n for n, _, _ in chosen]
    return tuple(sums([document[k] for document in chosen], tokens, len(documents)) for k in (1, 2))


def test_intervals_hold_the_change_of_the_whole_text_as_often_as_they_say() -> None:
    chance = random.Random(5)
    documents = []
    for _ in range(200):
        tokens, hard = chance.randint(20, 200), chance.uniform(2, 6)
        worse = chance.gauss(0.1, 0.2)
        documents.append((tokens, tokens * hard, tokens * (hard + worse)))
    whole_before, whole_now = (
        total(sums([d[1] for d in documents], [d[0] for d in documents])),
        sum(d[2] for d in documents) / sum(d[0] for d in documents),
    )
    held, halves, alone = 0, [], []
    for _ in range(600):
        before, now = drawn(chance, documents, 12)
        point = inside(whole_before, total(before), total(now), before, now)
        held += point.lows["nats_per_token"] <= whole_now <= point.highs["nats_per_token"]
        halves.append(point.values["nats_per_token"] - whole_now)
        alone.append(total(now).nats_per_token - whole_now)
    assert 0.91 <= held / 600 <= 0.985
    assert abs(statistics.mean(halves)) < 4 * statistics.stdev(halves) / 600**0.5
    assert statistics.stdev(halves) < 0.4 * statistics.stdev(alone)  # what pairing is for


def test_a_task_that_did_not_change_is_seldom_called_worse_at_any_of_its_looks() -> None:
    chance, looks, alarms = random.Random(9), 20, 0
    for _ in range(400):
        tokens = [chance.randint(20, 100) for _ in range(10)]
        before = sums([4.0 * n for n in tokens], tokens)
        changes = (
            change(before, sums([n * (4 + chance.gauss(0, 0.3)) for n in tokens], tokens), looks) for _ in range(looks)
        )
        alarms += any(found.is_worse for found in changes)
    assert alarms / 400 < 0.06


def test_more_looks_ask_for_a_larger_change_and_one_document_for_none() -> None:
    before, now = sums([30, 20, 50, 40], [10, 10, 20, 20]), sums([32, 22, 54, 45], [10, 10, 20, 20])
    assert change(before, now, 1).is_worse
    assert change(before, now, 20).half_width > change(before, now, 1).half_width
    assert not change(sums([30], [10]), sums([90], [10]), 1).is_worse
    assert Change(0.2, 0.1).is_worse
    assert not Change(0.1, 0.2).is_worse


def test_sums_come_back_from_their_packing_and_take_a_few_bytes_a_document() -> None:
    chance = random.Random(1)
    nats = np.array([chance.uniform(100, 400) for _ in range(64)], np.float32).tolist()
    made = sums(nats, [chance.randint(30, 90) for _ in range(64)], hits=[chance.randint(0, 20) for _ in range(64)])
    assert DocumentSums.unpacked(made.packed()) == made
    assert len(made.packed()) < 10 * 64

"""`benchmarks.methods`: settings are chosen on one half of the held-out documents and reported on the other."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.methods import __main__ as program
from benchmarks.methods import document, halves, lines, runs
from engine import events, strategies
from engine.common.errors import StoreError
from engine.events.scores import DocumentSums
from engine.experiments.yaml_file import load_experiment, parse_experiment
from engine.forecast.trained_weights import weights_of
from engine.models.adapters import linear_layers
from engine.models.loading import load_base
from engine.persistence.checkpoints import STATE_FILE, stage_folder
from engine.training import scoring
from tests.builders import BLOCK, random_documents, tiny_gpt2

GRID = Path(__file__).resolve().parent.parent / "benchmarks" / "methods.yaml"
FIVE = DocumentSums(
    nats=(1.0, 2.0, 3.0, 4.0, 5.0), tokens=(1, 2, 3, 4, 5), text_bytes=(10, 20, 30, 40, 50), hits=(1, 0, 1, 0, 2),
    documents=5, out_of=5,
)  # fmt: skip


def test_documents_with_even_numbers_are_half_a_and_the_others_half_b_by_hand() -> None:
    found = halves.halves("tea", FIVE)
    assert (found["A"].total_nats, found["A"].target_tokens, found["A"].correct_tokens) == (9.0, 9, 4)
    assert found["A"].bits_per_byte == pytest.approx(9 / math.log(2) / 90)
    assert (found["B"].total_nats, found["B"].target_tokens, found["B"].correct_tokens) == (6.0, 6, 0)
    assert found["B"].bits_per_byte == pytest.approx(6 / math.log(2) / 60)


def test_a_part_of_the_held_out_documents_is_refused() -> None:
    part = DocumentSums((1.0, 2.0), (1, 1), (3, 3), (0, 0), documents=2, out_of=9)
    with pytest.raises(StoreError, match=r"'tea': the sums are of 2 of 9 held-out documents; raise"):
        halves.halves("tea", part)


def test_the_halves_of_grouped_documents_are_together_all_held_out_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MOST_UNITS", 5)
    held_out = scoring.prepare(random_documents(40, seed=3), BLOCK, sample_tokens=10**6)
    scored = scoring.score_sample(tiny_gpt2().eval(), held_out)
    whole, sums = scored.score, scored.documents
    first, second = halves.halves("tea", sums).values()
    both = first + second
    assert both.total_nats == pytest.approx(whole.total_nats, rel=1e-5)
    assert (both.target_tokens, both.text_bytes, both.correct_tokens) == (
        whole.target_tokens, whole.text_bytes, whole.correct_tokens,
    )  # fmt: skip
    assert 0 < first.target_tokens < whole.target_tokens


def test_a_half_s_matrix_has_a_row_a_stage_and_a_column_a_task() -> None:
    def sums(nats: float) -> DocumentSums:
        return DocumentSums((nats * math.log(2), 0.0), (1, 1), (1, 4), (0, 0), 2, 2)

    rows = [{"bread": sums(4.0), "tea": sums(5.0)}, {"bread": sums(1.0), "tea": sums(6.0)}]
    found = halves.matrices(["bread", "tea"], rows)
    assert found["A"]["bits_per_byte"] == [[pytest.approx(4), pytest.approx(5)], [pytest.approx(1), pytest.approx(6)]]
    assert (found["B"]["text_bytes"], found["B"]["target_tokens"]) == ([4, 4], [1, 1])


def test_every_registered_strategy_stands_in_the_grid_and_every_run_has_a_file_of_its_own() -> None:
    plan = runs.planned(parse_experiment(GRID.read_text(encoding="utf-8")))
    parts = {part.name for each in plan for part in strategies.parts_of(each.run.strategy)}
    assert parts == set(strategies.registry())
    assert len({each.file for each in plan}) == len(plan)
    first = next(each for each in plan if each.line == "kl (reference_text=samples)")
    assert (first.setting, first.run.seed, first.run.parameters["reference_text"]) == ("kl_weight=0.3", 0, "samples")


def step(stage: int, tokens: int, norm: float = 0.5) -> events.StepDone:
    return events.StepDone(stage, 1, {"new": 1.0}, tokens, 0.1, 1e-3, norm)


def test_tokens_are_those_of_steps_teachers_and_ends_of_stages_by_hand() -> None:
    tasks = [{"documents": n, "target_tokens": 1000} for n in (20, 10, 10)]
    steps = [step(stage, 100) for stage in (1, 2, 3) for _ in range(3)]

    def found(name: str, **parameters: Any) -> tuple[int, ...]:
        strategy = strategies.build(name, parameters)
        return tuple(runs.tokens(strategy, tasks, steps, [300, 240, 240]).values())

    assert found("naive") == (900, 900, 0)
    # a teacher reads what steps read beside the 240 new tokens of each of stages 2 and 3, or these
    assert found("kl", reference_ratio=0.25) == (900 + 60 + 60, 900, 0)
    assert found("kl", reference_text="samples", memory_size=7, reference_ratio=0.5) == (900 + 120, 900, 14)
    assert found("kl", reference_text="new") == (900 + 240 + 240, 900, 0)
    # 5 of 20 documents, and 5 of 10, of 1,000 tokens in all are read at the ends of stages 1 and 2
    assert found("ewc", fisher_documents=5) == (900 + 250 + 500, 900 + 250 + 500, 0)
    # of a memory of 5, 5 of 20 documents after stage 1 and 2 of 10 after stage 2
    assert found("der", memory_size=5) == (900 + 250 + 200, 900, 0)


def test_what_steps_hold_is_copies_of_the_weights_that_train(tmp_path: Path) -> None:
    """An adapter of rank 2 has 2 (i + o) numbers for a layer from i to o units; the base beneath it does not train."""
    folder = stage_folder(tmp_path, 1)
    folder.mkdir(parents=True)
    (folder / STATE_FILE).write_bytes(b"x" * 7)
    model = load_base("tiny-gpt2").model
    layers = [layer.weight.shape for name, layer in linear_layers(model).items() if "lm_head" not in name]

    def held(name: str, **parameters: int) -> dict[str, int]:
        strategy = strategies.build(name, parameters)
        return runs.memory(strategy, weights_of("tiny-gpt2", model.num_parameters(), strategy, 2, 0), tmp_path)

    adapter = sum(2 * (inputs + outputs) for inputs, outputs in layers)
    assert held("kl") == {"kept_bytes": 7, "held_bytes": 4 * model.num_parameters()}
    assert held("kl+lora", **{"lora.rank": 2}) == {"kept_bytes": 7, "held_bytes": 4 * adapter}
    assert held("replay+lora")["held_bytes"] == 0


def happening(shared: bool) -> Iterator[events.Event]:
    for stage in (1, 2):
        yield events.Phase("preparing")
        yield events.StageStarted(stage, "tea", 1, 1, 100, shared=shared and stage == 2)
        yield step(stage, 100)
        yield events.Evaluated(stage, 1, {}, {})
        yield events.StageFinished(stage, "tea", 1, 1.0, 100, Path("x"))


def test_processor_time_is_that_of_later_stages_without_scoring() -> None:
    def clock() -> Iterator[float]:
        """The n-th event takes 2ⁿ⁻¹ seconds: any sum says which ones it is of."""
        yield from (float(2**n - 1) for n in range(20))

    found, seconds = runs.timed(happening(shared=False), clock().__next__)
    assert len(found) == 10
    assert seconds == 2**5 + 2**6 + 2**7 + 2**9  # the second stage's events but for the scoring, number 9
    assert runs.timed(happening(shared=True), clock().__next__)[1] is None


def measured(line: str, setting: str, seed: int, a: float, b: float, **changes: Any) -> dict[str, Any]:
    """A run of two tasks that ends at an average of `a` on half A and `b` on half B, and forgets 0.5 of the first."""

    def half(end: float) -> dict[str, Any]:
        return {"bits_per_byte": [[5.0, 5.0], [end - 0.5, 5.0], [end, end]]}

    numbers = {"forward": 2000, "backward": 1000, "written_texts": 0}
    return {
        "line": line, "setting": setting, "strategy": line, "seed": seed, "halves": {"A": half(a), "B": half(b)},
        "tokens": numbers, "memory": {"kept_bytes": 10**6, "held_bytes": 0}, "processor_seconds": 3.0,
        "clipping": [{"clipped_share": 1.0, "kept_share": 0.25}], "training": {}, "tasks": [],
    } | changes  # fmt: skip


ORDER = [("naive", ""), ("ewc", "λ=1"), ("ewc", "λ=3"), ("ewc", "λ=9"), ("joint", "")]
RUNS = [
    *(measured("naive", "", seed, 3.0, 3.0 + seed / 10) for seed in (0, 1)),
    measured("ewc", "λ=1", 0, 2.0, 2.5), measured("ewc", "λ=1", 1, 2.2, 2.8),
    measured("ewc", "λ=3", 0, 1.9, 1.0), measured("ewc", "λ=3", 1, 2.4, 1.0),
    measured("joint", "", 0, 1.0, 1.0),
]  # fmt: skip


def test_the_setting_is_chosen_on_half_a_and_reported_on_half_b() -> None:
    _, ewc, joint = lines.lines(RUNS, ORDER)
    assert ewc.chosen.name == "λ=1"  # 2.1 on half A against 2.15, though it is worse on half B, and in seed 0
    assert ewc.chosen.over_seeds("average", "B").mean == pytest.approx(2.65)
    assert ewc.chosen.over_seeds("forgetting", "B").mean == pytest.approx(0.5)
    assert ewc.chosen.over_seeds("learning_accuracy", "B").mean == pytest.approx(2.65 - 0.25)
    # Student's t with one degree of freedom, 12.706, times the error of the mean of 2.5 and 2.8
    assert ewc.chosen.over_seeds("average", "B").half_width == pytest.approx(12.7062 * 0.15, rel=1e-4)
    assert (ewc.seeds, ewc.untried, joint.seeds) == ((0, 1), ("λ=9",), (0,))
    assert joint.chosen.over_seeds("average", "B").half_width is None


def test_a_line_rests_on_the_seeds_that_all_of_its_settings_have() -> None:
    (line,) = lines.lines([*RUNS[2:5], measured("ewc", "λ=9", 2, 0.0, 0.0)][:3], ORDER)
    assert (line.seeds, line.chosen.name) == ((0,), "λ=3")


def reference(name: str) -> bool:
    (line,) = lines.lines([measured(name, "", 0, 1.0, 1.0)], [(name, "")])
    return line.is_reference


def test_lines_are_tested_against_naive_and_the_best_of_half_a_by_hand() -> None:
    extra = [measured("l2", "", seed, 2.5, 2.0 + seed / 10) for seed in (0, 1)]
    found = lines.tests(lines.lines([*RUNS, *extra], [*ORDER, ("l2", "")]))
    assert found is not None
    assert (found.seeds, found.best) == ((0, 1), "ewc")  # of half A; joint is no rival, and l2 is best on half B alone
    # ewc below naive: 3.0 − 2.5 and 3.1 − 2.8, so t = 0.4 / 0.1 = 4; with one degree of freedom p = 1 − 2 arctan(4) / π
    ewc, l2 = found.against_naive["ewc"], found.against_naive["l2"]
    assert ewc.lower_by == pytest.approx(0.4)
    assert ewc.corrected_p == pytest.approx(1 - 2 * math.atan(4) / math.pi + (1 - 2 * math.atan(4) / math.pi), abs=1e-9)
    assert (l2.lower_by, l2.corrected_p) == (pytest.approx(1.0), None)  # the same in both seeds: nothing to take p from
    assert {each.rival: each.mean for each in found.against_best} == {
        "naive": pytest.approx(0.4), "l2": pytest.approx(-0.6),
    }  # fmt: skip
    assert found.against_best[0].comparisons == 3
    assert {name for name in strategies.registry() if reference(name)} == {"joint", "cumulative"}
    assert lines.tests(lines.lines(RUNS[:2], ORDER)) is None


def test_steps_beyond_the_limit_are_clipped_by_hand() -> None:
    found = runs._clipping([step(1, 1, 0.5), step(1, 1, 1.0), step(1, 1, 4.0), step(2, 1, 2.0)], 1.0)
    assert found == [
        {"clipped_share": pytest.approx(1 / 3), "kept_share": pytest.approx((1 + 1 + 0.25) / 3)},
        {"clipped_share": 1.0, "kept_share": 0.5},
    ]


def test_the_tables_take_the_place_between_the_marks_and_leave_what_people_wrote(tmp_path: Path) -> None:
    page, figure = tmp_path / "methods.md", tmp_path / "methods.svg"
    page.write_text(f"# Ours\n\n{document.BEGIN}\nold\n{document.END}\n\nWhat surprised.\n", encoding="utf-8")
    document.update(page, figure, lines.lines(RUNS, ORDER))
    text = page.read_text(encoding="utf-8")
    assert text.startswith(
        f"# Ours\n\n{document.BEGIN}\nEvery line rests on 2 seeds (0, 1), but `joint` on one seed (0)."
    )
    assert text.endswith(f"{document.END}\n\nWhat surprised.\n")
    assert "old" not in text
    assert "| `ewc`, `λ` **1** / 3 (not yet: λ=9) | 0.500 ± 0.000 | 2.650 ± 1.906 |" in text
    assert "| 2 k, 1 k | 3 | 1.0 MB | 0.400, p = 0.156 |" in text
    assert figure.read_text(encoding="utf-8").count("<circle") == 3 + 4  # the lines and the legend
    page.write_text("# Ours\n", encoding="utf-8")
    with pytest.raises(StoreError, match="put each in once"):
        document.update(page, figure, lines.lines(RUNS, ORDER))


SMALL = """
name: small
tasks:
  - {name: bread, train: [bread.txt], test: bread-test.txt}
  - {name: tea, train: [tea.txt], test: tea-test.txt}
training: {epochs: 1, stage_tokens: 150, tokens_per_step: 64, block_size: 32, evaluations_per_stage: 1,
  evaluation_tokens: 1000000, held_out_tokens: 1000000, precision: float32}
strategies:
  - naive: {learning_rate: [5.0e-4, 1.0e-3]}
  - kl: {memory_size: 4}
seeds: [0]
"""


def write_small(folder: Path) -> Path:
    """The experiment of two tasks with its texts; returns its file."""
    for name in ("bread", "tea"):
        for side, count in (("", 40), ("-test", 12)):
            texts = [f"Note {n} of {name}{side}: take {n * 7 % 5} cups, then rest." for n in range(count)]
            (folder / f"{name}{side}.txt").write_text("\n\n".join(texts), encoding="utf-8")
    (folder / "small.yaml").write_text(SMALL, encoding="utf-8")
    return folder / "small.yaml"


def test_the_texts_are_taken_as_they_are_where_every_held_out_document_is_to_be_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, taken = write_small(tmp_path), []
    monkeypatch.setattr(program, "measure", lambda experiment, *_: taken.append(experiment.tasks) or {})
    given = ["--experiment", str(file), "--numbers", str(tmp_path / "numbers"), "--only", "kl"]
    assert program.main([*given, "--out", str(tmp_path / "out"), "--held-out-every", "1"]) == 0
    assert taken == [load_experiment(file).tasks]


def test_runs_are_measured_once_and_come_to_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_small(tmp_path)
    page, numbers = tmp_path / "methods.md", tmp_path / "numbers"
    page.write_text(f"{document.BEGIN}\n{document.END}\n", encoding="utf-8")
    given = ["--experiment", str(file), "--numbers", str(numbers), "--out", str(tmp_path / "out")]
    assert program.main([*given, "--only", "naive"]) == 0
    assert program.main(given) == 1  # without --resume nothing goes on in a folder that holds something
    assert "add --resume" in capsys.readouterr().err
    assert program.main([*given, "--resume"]) == 0
    assert sorted(path.name for path in numbers.iterdir()) == [
        "kl-seed-0.json", "naive-learning_rate-0.0005-seed-0.json", "naive-learning_rate-0.001-seed-0.json",
    ]  # fmt: skip
    found = json.loads((numbers / "kl-seed-0.json").read_text(encoding="utf-8"))
    assert [task["held_out_documents"] for task in found["tasks"]] == [6, 6]  # every second of twelve
    assert [len(found["halves"][half]["bits_per_byte"]) for half in "AB"] == [3, 3]
    naive = json.loads((numbers / "naive-learning_rate-0.0005-seed-0.json").read_text(encoding="utf-8"))
    assert found["halves"]["A"]["bits_per_byte"][1] == naive["halves"]["A"]["bits_per_byte"][1]  # one first stage
    assert found["tokens"]["forward"] > found["tokens"]["backward"] > naive["tokens"]["backward"]
    assert not list((tmp_path / "out" / "runs").iterdir())

    monkeypatch.setattr(program, "measure", lambda *_: pytest.fail("it is measured again"))
    assert program.main([*given, "--resume"]) == 0
    shown = ["--table", "--document", str(page), "--figure", str(tmp_path / "methods.svg")]
    assert program.main([*given[:4], *shown]) == 0
    assert "| `kl` |" in page.read_text(encoding="utf-8")
    (numbers / "kl-seed-0.json").write_text(json.dumps(found | {"training": {}}), encoding="utf-8")
    assert program.main([*given[:4], *shown]) == 1
    assert "is of other training than" in capsys.readouterr().err

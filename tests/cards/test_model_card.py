"""A checkpoint's card, read as the hub reads it."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from engine import events
from engine.cards.model_card import model_card
from engine.common.errors import StoreError
from engine.driving.driver import drive
from engine.events.control import Control
from engine.events.scores import Score
from engine.results.comparison import matrices
from engine.store import Store
from tests.fake_runs import STEPS, FakeRun, experiment

EVIL = ("a](http://evil)", "<script>x</script>", "p|q`r", "--- b: 'c' ---")
COMMIT = "0123456789" * 4
BITS = ((4.0, 5.0, 6.0, 7.0), (2.0, 4.5, 6.0, 7.0), (2.5, 1.5, 6.0, 7.0), (3.5, 1.25, 1.0, 7.0), (3.25, 1.5, 2.0, 0.5))
"""Bits per byte after each stage, of four tasks."""
Table = list[list[str]]


class Recorded(FakeRun):
    """A run that records more of its machine and tasks, with the scores of `BITS`."""

    def __init__(self, **environment: Any) -> None:
        super().__init__()
        self.environment = environment

    def __call__(self, *args: Any, **kwargs: Any) -> Iterator[events.Event]:
        own = {"kind": "pairs", "held_out_documents": 4, "target_tokens": 1234, "held_out_target_tokens": 321}
        for event in super().__call__(*args, **kwargs):
            if isinstance(event, events.RunStarted):
                facts = tuple(fact | own for fact in event.tasks)
                yield replace(event, environment=event.environment | self.environment, tasks=facts)
            elif isinstance(event, events.Evaluated) and event.whole is not None:
                row = zip(event.whole, BITS[event.stage], strict=False)
                scores = {name: Score(bits * 100 * math.log(2), 50, 100, 1) for name, bits in row}
                yield replace(event, sample=scores, whole=scores)
            else:
                yield event


def trained(store: Store, folder: Path, run: FakeRun, names: Sequence[str] = EVIL, **changes: Any) -> str:
    """The id of the only run of a new experiment."""
    tasks = []
    for number, name in enumerate(names):
        path = folder / f"{number}.txt"
        path.write_text("\n\n".join(f"Note {n}." for n in range(20)), encoding="utf-8")
        tasks.append({"name": name, "train": [str(path)]})
    changes = {"strategies": [{"replay": {"replay_weight": 0.5}}], "tasks": tasks} | changes
    experiment_id = store.add_experiment(experiment(folder, **changes))
    while (run_id := store.claim_next()) is not None:
        drive(store, run_id, Control(), run)
    return str(store.runs(experiment_id)["run_id"].item())


def tables(card: str) -> list[Table]:
    """Every table's rows of cells, as their readers see them."""
    found: list[Table] = []
    inside = False
    for token in MarkdownIt("commonmark").enable("table").parse(card):
        inside = token.type == "table_open" or (inside and token.type != "table_close")
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and inside:
            found[-1][-1].append("".join(part.content for part in token.children or []))
    return found


def section(card: str, title: str) -> str:
    """What stands under a heading."""
    return card.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_matrix_of_a_card_is_the_stores_and_its_own_row_is_bold(store: Store, tmp_path: Path) -> None:
    run_id = trained(store, tmp_path, Recorded())
    rows = matrices(store.matrix(run_id), "bits_per_byte")[run_id]
    assert rows == [pytest.approx(row) for row in BITS]
    for stage in (1, 2, 3, 4):
        card = ModelCard(model_card(store, run_id, stage))
        (matrix,) = [table for table in tables(card.text) if table[0][0] == "After"]
        assert matrix[0][1:] == list(EVIL)
        assert [[float(cell) for cell in row[1:]] for row in matrix[1:]] == [pytest.approx(row) for row in rows]
        bold = [line for line in card.text.splitlines() if line.startswith("| **")]
        assert len(bold) == 1
        assert bold[0].startswith(f"| **stage {stage} (")


def test_summaries_and_losses_are_those_of_the_tasks_so_far(store: Store, tmp_path: Path) -> None:
    run_id = trained(store, tmp_path, Recorded())
    third = model_card(store, run_id, 3)
    # tasks 1 and 2: best 2.0 and 1.5 before the last stage, 3.5 and 1.25 after it; own 2.0, 1.5, 1.0
    scores = section(third, "Scores")
    assert "mean over them: 0.6250." in scores  # ((3.5 − 2) + (1.25 − 1.5)) / 2
    assert "so far: 1.9167." in scores  # (3.5 + 1.25 + 1) / 3
    assert "own stage: 1.5000." in scores
    assert "above 0 is better: −0.6250." in scores
    assert "above 0 helps: 0.2500." in scores  # ((5 − 4.5) + (6 − 6)) / 2
    first, second, own = section(third, "What it learnt and what it lost").strip().splitlines()
    assert "2.0000 bits per byte better (4.0000 → 2.0000)" in first
    assert "since then it lost 1.5000 (3.5000 now); most of it went in stage 3 (``p|q`r``), by 1.0000." in first
    assert second.endswith("later stages lost nothing of it (1.2500 now).")
    assert own.endswith("no stage came after it.")
    assert "forgetting" not in section(model_card(store, run_id, 1), "What it learnt and what it lost")
    assert "not defined: it takes two tasks or more" in section(model_card(store, run_id, 1), "Scores")


def test_names_are_no_markup_in_front_matter_tables_and_sentences(store: Store, tmp_path: Path) -> None:
    made = model_card(store, trained(store, tmp_path, Recorded(), name=EVIL[0] + "\u202e---"), 4)
    card = ModelCard(made)
    assert set(card.data.to_dict()) == {"license", "library_name", "pipeline_tag", "tags"}
    html = MarkdownIt("commonmark").enable("table").render(card.text)
    assert set(re.findall(r"<(\w+)", html)) <= {
        "h1", "h2", "p", "ul", "li", "code", "pre", "strong", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    assert "<code>a](http://evil)</code>" in html
    assert "\u202e" not in made


def test_a_model_of_the_hub_is_named_with_its_revision_and_one_of_a_folder_is_not(store: Store, tmp_path: Path) -> None:
    of_hub = Recorded(model_revision=COMMIT, model_hash="f00d")
    card = ModelCard(model_card(store, trained(store, tmp_path, of_hub, model="some-lab/small"), 4))
    assert (card.data.base_model, card.data.base_model_revision) == ("some-lab/small", COMMIT)
    assert card.data.base_model_relation == "finetune"
    assert card.data.license == "unknown"
    assert COMMIT in section(card.text, "Base model")
    assert "`f00d`" in section(card.text, "Base model")
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    made = model_card(store, trained(store, tmp_path, Recorded(model_hash="f00d"), model=str(folder)), 4)
    assert ModelCard(made).data.base_model is None
    assert "`mine`, which is not named by a repository of the hub." in section(made, "Base model")
    assert str(tmp_path) not in made


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("license: apache-2.0\n", {"license": "apache-2.0"}),
        ("license: other\nlicense_name: 'x: |y'\n", {"license": "other", "license_name": "x: |y"}),
        ("license: 'a](http://evil)'\n", {"license": "unknown"}),
        ("license: [mit, x]\n", {"license": "unknown"}),
        ("license: {", {"license": "unknown"}),
        ("- a list\n", {"license": "unknown"}),
        ("language: en\n", {"license": "unknown"}),
        (None, {"license": "unknown"}),
    ],
)
def test_the_license_is_that_of_the_base_models_own_card_or_unknown(
    front: str | None, expected: dict[str, str], store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    if front is not None:
        (folder / "README.md").write_text(f"---\n{front}---\n# Mine\n", encoding="utf-8")
    made = model_card(store, trained(store, tmp_path, Recorded(), names=["a"], model=str(folder)), 1)
    found = ModelCard(made).data.to_dict()
    assert {name: value for name, value in found.items() if name.startswith("license")} == expected
    says_unknown = "so the field says `unknown`" in made
    assert says_unknown is (expected["license"] == "unknown")


def test_the_embedded_model_has_a_license(store: Store, tmp_path: Path) -> None:
    assert ModelCard(model_card(store, trained(store, tmp_path, Recorded()), 4)).data.license == "cc0-1.0"


def test_an_adapter_is_called_one_and_is_loaded_on_its_base(store: Store, tmp_path: Path) -> None:
    of_hub = Recorded(model_revision=COMMIT)
    run_id = trained(store, tmp_path, of_hub, names=["a"], model="some-lab/small")
    folder = store.run_folder(run_id) / "stage-1"
    whole = model_card(store, run_id, 1)
    assert "peft" not in whole
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"chat_template": "x"}', encoding="utf-8")
    card = ModelCard(model_card(store, run_id, 1))
    assert (card.data.library_name, card.data.base_model_relation) == ("peft", "adapter")
    code = section(card.text, "How to load it")
    assert f'from_pretrained("some-lab/small", revision="{COMMIT}")' in code
    assert "apply_chat_template" in code
    compile(code.partition("```python\n")[2].partition("```")[0], "card", "exec")


def test_what_was_read_and_set_stands_in_the_card(store: Store, tmp_path: Path) -> None:
    told = Recorded(torch="2.9", transformers="5.1", commit="abc", precision="float32")
    card = model_card(store, trained(store, tmp_path, told, training={"epochs": 2, "learning_rate": 1e-3}), 2)
    read, values = (table for table in tables(section(card, "Training")))
    assert read[1] == [EVIL[0], "prompts with completions", "18", "4", "1,234", "321", "2", "0.001"]
    assert len(read) == 1 + 2
    assert "2 later tasks are no part of it." in card
    assert ["replay_weight", "0.5"] in values
    assert ["seed", "0"] in values
    assert "Palimpsest, commit `abc`, PyTorch `2.9`, Transformers `5.1`" in section(card, "Made with")


def test_guards_and_the_general_text_stand_in_the_card_where_there_are_any(store: Store, tmp_path: Path) -> None:
    guards = [{"prompt": "Who | are you?", "contains": "a"}, {"prompt": "2 + 2 =", "equals": "4"}]
    with_them, without = tmp_path / "with", tmp_path / "without"
    for folder in (with_them, without):
        folder.mkdir()
    run_id = trained(store, with_them, FakeRun(beside=True), guards=guards)
    found = section(model_card(store, run_id, 4), "Guards")
    assert "1 of 2 do not hold." in found
    assert tables(found)[0] == [
        ["Guard", "Outcome", "Found"],
        ["Who | are you?", f"does not hold, since stage 2 ({EVIL[1]})", "<b>found 0</b>"],
        ["2 + 2 =", "holds", "<b>found 1</b>"],
    ]
    assert "All of them hold." in model_card(store, run_id, 1)
    scores = section(model_card(store, run_id, 4), "Scores")
    bits = [nats / math.log(2) / 2 for nats in (2.0, 4.0)]
    assert f"{bits[0]:.4f} bits per byte for the base model, {bits[1]:.4f} for this checkpoint" in scores
    assert "is 1.0000 nats per token" in scores
    plain = model_card(store, trained(store, without, Recorded()), 4)
    assert "Guards" not in plain
    assert "general text" not in plain


def test_a_stage_that_was_stopped_is_called_that_and_has_no_row(store: Store, tmp_path: Path) -> None:
    store.add_experiment(experiment(tmp_path, strategies=["naive"]))
    run_id = store.claim_next()
    assert run_id is not None
    control, run = Control(), Recorded()
    run.before_step = lambda step: control.stop() if step == STEPS + 2 else None
    drive(store, run_id, control, run)
    card = model_card(store, run_id, 2)
    assert card.partition("\n# ")[2].startswith("`kitchen`: `naive`, stopped inside stage 2 of 2")
    assert "No row is this checkpoint" in section(card, "Scores")
    assert "| **" not in card
    assert "What it learnt" not in card
    with pytest.raises(StoreError, match="no checkpoint of stage 3"):
        model_card(store, run_id, 3)

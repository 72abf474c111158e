"""The one check of an experiment: what is read, what would be refused, and that a run says the same."""

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from engine.cli import app
from engine.common.errors import TaskError
from engine.events.control import Control
from engine.execution import task_tokens
from engine.execution.ignored_settings import ignored_settings
from engine.experiments.yaml_file import load_experiment
from engine.persistence.shared_results import SharedResults
from engine.running.experiment_check import check
from engine.running.headless import run_experiment
from engine.store import Store
from engine.tasks.spec import TaskSpec
from tests.builders import tiny_gpt2

GOODS = ("lamp", "kettle", "scarf", "bicycle", "clock")
SENTENCES = [f"the {GOODS[n % 5]} number {n} has not arrived in Lyon yet" for n in range(40)]
LABELS = ["delivery", "refund"]


def described(
    folder: Path, files: dict[str, bytes | str], tasks: list[dict[str, Any]] | None = None, **more: Any
) -> Path:
    """An experiment file with its texts beside it; without `tasks` the first file is one."""
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    first = next(iter(files))
    data = {"name": "x", "tasks": tasks or [{"name": "a", "train": first}], "strategies": ["naive"]}
    data |= {"general": "none"} | more
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def checked(path: Path) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["check", str(path), "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def only(path: Path) -> dict[str, Any]:
    code, found = checked(path)
    assert code == 0, found
    (task,) = found["tasks"]
    return dict(task)


def rows(*columns: str, between: str = ",", end: str = "\n", header: bool = True) -> str:
    lines = [between.join(columns)] if header else []
    lines += [f"{sentence}{between}{LABELS[n % 2]}" for n, sentence in enumerate(SENTENCES)]
    return end.join(lines) + end


def archive(**files: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, text in files.items():
            packed.writestr(name.replace("_", "."), text)
    return content.getvalue()


ALPACA = [{"instruction": "Is this true?", "input": f"The {GOODS[n % 5]} weighs {n} pounds.", "output": LABELS[n % 2]}
          for n in range(40)]  # fmt: skip
CHAT = [{"messages": [{"role": "system", "content": "You help."}, {"role": "user", "content": sentence},
                      {"role": "assistant", "content": f"Sorry. It comes in {n} days."}]}
        for n, sentence in enumerate(SENTENCES)]  # fmt: skip
SHAREGPT = [{"id": n, "conversations": [{"from": "human", "value": sentence}, {"from": "gpt", "value": f"Left {n}."}]}
            for n, sentence in enumerate(SENTENCES)]  # fmt: skip
PAIRS = [[sentence, LABELS[n % 2]] for n, sentence in enumerate(SENTENCES)]
QUOTES = rows("text", "label", between="\t").replace(SENTENCES[10], f'"{SENTENCES[10]}').replace(
    SENTENCES[13], f'{SENTENCES[13]}"'
)  # fmt: skip


@pytest.mark.parametrize(
    ("files", "fields", "kind", "documents", "columns", "unused"),
    [
        ({"a.json": json.dumps(ALPACA)}, {}, "pairs", 40, ["instruction", "input", "output"], []),
        ({"a.jsonl": "\n".join(map(json.dumps, CHAT))}, {}, "chat", 40, ["messages"], []),
        ({"a.json": json.dumps(SHAREGPT)}, {}, "chat", 40, ["conversations"], ["id"]),
        ({"a.tsv": QUOTES}, {}, "text", 40, ["text"], ["label"]),
        ({"a.csv": rows("text", "label", end=",\n")}, {}, "text", 40, ["text"], ["label"]),
        ({"a.tsv": rows("text", "label")}, {}, "text", 40, ["text"], ["label"]),
        ({"a.csv": "".join(f"{n}," + line + "\n" if n >= 0 else "," + line + "\n"
                           for n, line in enumerate(rows("text", "label").splitlines(), start=-1))},
         {}, "text", 40, ["text"], ["column 1", "label"]),
        ({"a.csv": rows("v1", "v2", end=",,,\n")}, {"text_column": "v1"}, "text", 40, ["v1"], ["v2"]),
        ({"a.csv": "\n".join(SENTENCES)}, {}, "text", 40, ["column 1"], []),
        ({"a.csv": "\n".join(SENTENCES)}, {"header": True}, "text", 39, [SENTENCES[0]], []),
        ({"a.json": json.dumps({"train": CHAT[:30], "test": CHAT[30:]})}, {}, "chat", 40, ["messages"], []),
        ({"a.json": json.dumps({"train": PAIRS[:30], "test": PAIRS[30:]})}, {"text_column": "column 1"}, "text", 40,
         ["column 1"], ["column 2"]),
        ({"a.json": json.dumps(PAIRS)}, {"prompt_column": "column 1", "completion_column": "column 2"}, "pairs", 40,
         ["column 1", "column 2"], []),
        ({"a.zip": archive(README_md="Goods.", a_py="def lamp():\n    return 1", b_py="def clock():\n    return")}, {},
         "text", 5, [], []),
    ],
)  # fmt: skip
def test_data_as_people_have_it_is_read_as_what_it_is(
    files: dict[str, Any], fields: dict[str, Any], kind: str, documents: int, columns: list[str], unused: list[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    name = next(iter(files))
    task = only(described(tmp_path, files, [{"name": "a", "train": name, **fields}]))
    assert task["documents"] + task["held_out_documents"] == documents
    assert (task["kind"], task["columns"], task["unused_columns"]) == (kind, columns, unused)
    assert all(remark.endswith(".") for remark in task["remarks"])
    assert len(set(task["remarks"])) == len(task["remarks"])
    if unused:
        assert any("not used" in remark and f"'{unused[0]}'" in remark for remark in task["remarks"])


def test_the_first_documents_are_shown_as_the_model_gets_them(tmp_path: Path) -> None:
    task = only(described(tmp_path, {"a.json": json.dumps(ALPACA)}))
    asked = {f"{row['instruction']}\n\n{row['input']}\n": row["output"] for row in ALPACA}
    assert [asked[one["read"]] for one in task["first"]] == [one["learnt"] for one in task["first"]]
    task = only(described(tmp_path, {"a.jsonl": "\n".join(map(json.dumps, CHAT))}))
    assert all(one["learnt"].startswith("Sorry. It comes in") for one in task["first"])
    assert all(one["read"].startswith("System:\nYou help.\n\nUser:\nthe ") for one in task["first"])
    assert all('"role"' not in one["read"] + one["learnt"] for one in task["first"])
    turns = [*CHAT[0]["messages"], {"role": "user", "content": "When?"}, {"role": "assistant", "content": "Soon."}]
    two = only(described(tmp_path, {"a.jsonl": "\n".join(json.dumps({"messages": turns, "n": str(n)}) for n in (1, 2))},
                         [{"name": "a", "train": "a.jsonl", "held_out": "train"}]))  # fmt: skip
    assert two["first"][0]["learnt"] == "Sorry. It comes in 0 days.\nSoon."


def test_rows_that_differ_in_their_input_alone_are_not_repeated(tmp_path: Path) -> None:
    task = only(described(tmp_path, {"a.json": json.dumps(ALPACA)}))
    assert (task["documents"], task["held_out_documents"]) == (36, 4)


def test_repeated_lines_are_said(tmp_path: Path) -> None:
    task = only(described(tmp_path, {"a.txt": "\n".join([*SENTENCES[:20], *SENTENCES[:19]])}))
    assert task["remarks"] == ["19 repeated documents were left out."]


def test_a_sentence_is_refused_with_the_way_to_score_it_on_itself(tmp_path: Path) -> None:
    code, found = checked(described(tmp_path, {"a.txt": "All is well.\n" * 20_000}))
    assert code == 1
    assert "all 20,000 documents are the same text" in found["refused"][0]
    assert "held_out: train" in found["refused"][0]
    for texts in ("All is well.", "All is well.\nAll is well.", "Haste makes waste.\n\nStill waters run deep."):
        path = described(tmp_path, {"a.txt": texts}, [{"name": "a", "train": "a.txt", "held_out": "train"}])
        task = only(path)
        assert task["scored_on_training"]
        assert task["documents"] == task["held_out_documents"] == len(set(texts.split("\n")) - {""})


def model_without_tokenizer(folder: Path) -> str:
    tiny_gpt2().save_pretrained(folder / "bare")
    return "bare"


def model_of_short_context(folder: Path) -> str:
    tokenizer = AutoTokenizer.from_pretrained(Path(__file__).parents[2] / "models" / "tiny-gpt2", local_files_only=True)
    tokenizer.save_pretrained(folder / "short")
    tiny_gpt2(vocabulary=len(tokenizer)).save_pretrained(folder / "short")
    return "short"


def model_of_another_vocabulary(folder: Path) -> str:
    model_of_short_context(folder)
    tiny_gpt2(vocabulary=100).save_pretrained(folder / "short")
    return "short"


@pytest.mark.parametrize(
    ("make", "refusal"),
    [
        (model_without_tokenizer, "no tokenizer"),
        (model_of_short_context, "block_size: 256 is longer than the context"),
        (model_of_another_vocabulary, "don't belong together"),
        (lambda folder: str(folder / "gone"), "gone"),
    ],
)
def test_models_that_would_fail_are_refused_and_the_tasks_are_read_all_the_same(
    make: Callable[[Path], str], refusal: str, tmp_path: Path
) -> None:
    tasks = [{"name": "a", "train": "a.txt"}, {"name": "b", "train": "nowhere.txt"}]
    path = described(tmp_path, {"a.txt": "\n".join(SENTENCES)}, tasks, model=make(tmp_path))
    code, found = checked(path)
    assert code == 1
    assert any(refusal in sentence for sentence in found["refused"])
    assert any("nowhere.txt: there is no such file" in sentence for sentence in found["refused"])
    done = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert refusal in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_wild_learning_rate_is_remarked_on(tmp_path: Path) -> None:
    path = described(tmp_path, {"a.txt": "\n".join(SENTENCES)}, training={"learning_rate": 0.9})
    assert "times the usual" in checked(path)[1]["remarks"][0]
    assert "times the usual" in CliRunner().invoke(app, ["check", str(path)]).stdout


def test_a_check_says_what_it_reads_and_keeps_the_tokens_for_the_run(tmp_path: Path) -> None:
    path = described(tmp_path, {"a.txt": "\n".join(SENTENCES), "b.jsonl": "\n".join(map(json.dumps, CHAT))},
                     [{"name": "a", "train": "a.txt"}, {"name": "b", "train": "b.jsonl"}])  # fmt: skip
    looks: list[tuple[int, int, str]] = []
    shared = SharedResults(tmp_path / "shared")
    report = check(load_experiment(path), shared, lambda done, total, name: looks.append((done, total, name)))
    assert looks == [(0, 2, ""), (0, 2, "a"), (1, 2, "b"), (2, 2, "")]
    assert len(list(shared.folder.iterdir())) == 2
    assert report == check(load_experiment(path))


def test_a_run_does_not_encode_again_what_its_check_has_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = task_tokens.open_task
    monkeypatch.setattr(task_tokens, "open_task", lambda spec: read.append(spec.name) or real(spec))
    path = described(tmp_path, {"a.txt": "\n".join(SENTENCES)}, training={"epochs": 1, "block_size": 64})
    found = run_experiment(load_experiment(path), tmp_path / "out")
    assert found["runs"][0]["status"] == "finished", found["runs"][0]["reason"]
    assert read == ["a"]


def test_a_run_that_goes_on_takes_the_tokens_that_its_folder_holds_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = task_tokens.open_task
    monkeypatch.setattr(task_tokens, "open_task", lambda spec: read.append(spec.name) or real(spec))
    path = described(tmp_path, {"a.txt": "\n".join(SENTENCES)})
    stopped = Control()
    stopped.stop()
    run_experiment(load_experiment(path), tmp_path / "out", control=stopped)
    kept = {file.name for file in (tmp_path / "out" / "shared").iterdir()}
    run_experiment(load_experiment(path), tmp_path / "out", control=stopped, resume=True)
    assert read == ["a"]
    assert {file.name for file in (tmp_path / "out" / "shared").iterdir()} == kept


def test_a_run_records_what_the_check_said_and_its_checkpoint_brings_the_template(tmp_path: Path) -> None:
    training = {"epochs": 1, "block_size": 64, "device": "cpu", "evaluations_per_stage": 1}
    files = {"chat.jsonl": "\n".join(map(json.dumps, CHAT)), "alpaca.json": json.dumps(ALPACA)}
    path = described(tmp_path, files, [{"name": "c", "train": "chat.jsonl"}, {"name": "p", "train": "alpaca.json"}],
                     training=training)  # fmt: skip
    found = run_experiment(load_experiment(path), tmp_path / "out")
    (run,) = found["runs"]
    assert run["status"] == "finished", run["reason"]
    code, reported = checked(path)
    assert code == 0
    assert [task.pop("questions") for task in found["tasks"]] == [4, 4]
    assert found["tasks"] == [{key: task[key] for key in task if key != "first"} for task in reported["tasks"]]
    assert [task["separator"] for task in found["tasks"]] == [None, "\n"]
    assert found["tasks"][0]["chat_template"].startswith("{{- bos_token")
    # forward and backward through all parameters for each token of two tasks that is read, prompts included
    assert run["operations"] >= 6 * 2_000_000 * sum(task["target_tokens"] for task in found["tasks"])
    before, after = run["scores"]["nats_per_token"][0][0], run["scores"]["nats_per_token"][1][0]
    assert after < before
    checkpoint = tmp_path / "out" / run["checkpoints"][-1]
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
    AutoModelForCausalLM.from_pretrained(checkpoint, local_files_only=True)
    text = tokenizer.apply_chat_template(CHAT[0]["messages"][:2], tokenize=False, add_generation_prompt=True)
    assert text == f"<|endoftext|>System:\nYou help.\n\nUser:\n{SENTENCES[0]}\n\nAssistant:\n"


def test_scores_on_training_text_are_marked_wherever_they_stand(tmp_path: Path) -> None:
    training = {"epochs": 1, "block_size": 64, "device": "cpu", "evaluations_per_stage": 1}
    path = described(tmp_path, {"a.txt": "All is well.", "b.txt": "\n".join(SENTENCES)},
                     [{"name": "proverb", "train": "a.txt", "held_out": "train"}, {"name": "b", "train": "b.txt"}],
                     training=training)  # fmt: skip
    found = run_experiment(load_experiment(path), tmp_path / "out")
    assert found["runs"][0]["status"] == "finished", found["runs"][0]["reason"]
    assert [(task["name"], task["scored_on_training"]) for task in found["tasks"]] == [("proverb", True), ("b", False)]
    with closing(Store(tmp_path / "out")) as store:
        run_ids = store.runs()["run_id"].tolist()
        assert set(store.matrix(run_ids)["task"]) == {"proverb (training text)", "b"}
        assert set(store.curve(run_ids)["task"]) == {"proverb (training text)", "b"}
        assert store.stages(run_ids)["task"].tolist() == ["proverb (training text)", "b"]


def test_every_refusal_names_its_task_however_short_the_name(tmp_path: Path) -> None:
    tasks = [{"name": "a", "train": "nowhere.txt"}, {"name": "text", "train": "b.txt"}]
    code, found = checked(described(tmp_path, {"b.txt": "All is well."}, tasks))
    assert code == 1
    assert [sentence.split(": ")[0] for sentence in found["refused"]] == ["Task 'a'", "Task 'text'"]


def test_a_refusal_that_names_its_task_names_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(spec: TaskSpec, *_: object) -> None:
        raise TaskError(f"Task '{spec.name}': nothing is left to score.")

    monkeypatch.setattr("engine.running.experiment_check.task_tokens", refuse)
    _, found = checked(described(tmp_path, {"b.txt": "x"}, [{"name": n, "train": "b.txt"} for n in ("a", "b")]))
    assert found["refused"] == ["Task 'a': nothing is left to score.", "Task 'b': nothing is left to score."]


JOINING, RENDERING = {"separator": " ", "beyond_block": "continue"}, {"template": "plain", "learn": "all"}


@pytest.mark.parametrize(
    ("kind", "fields", "ignored"),
    [
        ("text", JOINING | RENDERING, "separator, beyond_block, template, learn have no effect: the task holds plain"),
        ("text", {"learn": "all"}, "learn has no effect: the task holds plain texts."),
        ("chat", JOINING | RENDERING, "separator, beyond_block have no effect: conversations are joined by their"),
        ("chat", RENDERING, ""),
        ("pairs", JOINING | RENDERING, "separator, beyond_block have no effect: with template: plain pairs are"),
        ("pairs", JOINING | {"learn": "all"}, "learn has no effect: of pairs the completion alone is learnt"),
        ("pairs", JOINING, ""),
        ("text", {"separator": "", "beyond_block": "continue"}, ""),  # as the store has tasks of older versions
        ("text", {"separator": "\n", "template": "auto"}, ""),
    ],
)
def test_settings_without_effect_on_a_kind_of_text_are_named(kind: Any, fields: dict[str, Any], ignored: str) -> None:
    said = ignored_settings(TaskSpec(name="a", train=("a.txt",), **fields), kind)
    assert said.startswith(ignored)
    assert bool(said) == bool(ignored)


def test_a_check_and_its_run_say_which_settings_have_no_effect(tmp_path: Path) -> None:
    training = {"epochs": 1, "block_size": 64, "stage_tokens": 64, "device": "cpu", "evaluations_per_stage": 1}
    path = described(tmp_path, {"a.txt": "\n".join(SENTENCES)}, [{"name": "a", "train": "a.txt", "separator": " "}],
                     training=training)  # fmt: skip
    (remark,) = only(path)["remarks"]
    assert remark.startswith("separator has no effect")
    assert run_experiment(load_experiment(path), tmp_path / "out")["tasks"][0]["remarks"] == [remark]


def test_a_general_text_that_is_a_tasks_is_refused_however_its_path_is_written(tmp_path: Path) -> None:
    path = described(tmp_path, {"a.txt": "\n\n".join(SENTENCES)}, general=f"../{tmp_path.name}/a.txt")
    code, found = checked(path)
    assert code != 0
    assert any(each.startswith("general: The task 'a' reads a file") for each in found["refused"]), found

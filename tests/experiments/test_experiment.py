import json
from pathlib import Path

import pytest

from engine.common.errors import ConfigError
from engine.experiments.experiment import Experiment, experiment_from
from engine.experiments.presets import PRESETS
from engine.experiments.yaml_file import load_experiment, parse_experiment, to_yaml, with_absolute_paths

YAML = """
name: support-then-recipes
model: tiny-gpt2
tasks:
  - {name: support, train: [support.txt], test: support-test.txt}
  - {name: tickets, train: [tickets.csv], text_column: text}
training: {epochs: 3, learning_rate: 5e-4, block_size: 256, tokens_per_step: 2048, precision: auto}
strategies:
  - naive
  - replay: {replay_weight: 0.5, memory_size: 200}
  - ewc: {ewc_lambda: [10, 100.0]}
  - joint
seeds: [0, 1]
"""


def test_the_documented_form_is_read_and_survives_a_round_trip() -> None:
    experiment = parse_experiment(YAML)
    assert experiment.tasks[0].test == ("support-test.txt",)
    assert experiment.training.learning_rate == 5e-4
    assert parse_experiment(to_yaml(experiment)) == experiment


def test_runs_are_every_strategy_value_and_seed_seed_by_seed() -> None:
    runs = parse_experiment(YAML).runs()
    labels = [
        "naive",
        "replay (replay_weight=0.5)",
        "ewc (ewc_lambda=10)",
        "ewc (ewc_lambda=100)",
        "joint",
    ]
    assert [(r.label, r.seed) for r in runs] == [(label, seed) for seed in (0, 1) for label in labels]
    assert runs[2].parameters["ewc_lambda"] == 10.0
    assert runs[2].parameters["ewc_strength"] is None
    assert runs[2].parameters["accumulation"] == "exact"


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ("ewc", "ewc"),
        ("{ewc: {ewc_strength: 1}}", "ewc (ewc_strength=1)"),
        ("{ewc: {ewc_lambda: 30}}", "ewc (ewc_lambda=30)"),
        ("{ewc: {ewc_strength: null, ewc_lambda: 30}}", "ewc (ewc_lambda=30)"),
        ("{replay+ewc: {ewc_lambda: 30}}", "replay+ewc (ewc_lambda=30)"),
        ("{l2: {l2_lambda: 0.5}}", "l2 (l2_lambda=0.5)"),
        ("{l2: {reference: base}}", "l2 (reference=base)"),
        ("{averaging: {averaging_weight: 0.5, every_share: 1}}", "averaging (averaging_weight=0.5, every_share=1)"),
        ("{replay+reptile: {meta_rate: 0.3}}", "replay+reptile (meta_rate=0.3)"),
    ],
)
def test_a_label_has_what_a_strategy_is_chosen_by_and_nothing_that_is_left_empty(given: str, label: str) -> None:
    (run,) = parse_experiment(GOOD.replace("naive", given)).runs()[:1]
    assert run.label == label
    data = {"name": "e", "tasks": [{"name": "a", "train": "a.txt"}], "strategies": [{run.strategy: run.parameters}]}
    assert experiment_from(data).runs()[0].parameters == run.parameters


@pytest.mark.parametrize(
    "written",
    ["general.txt", "[general.txt, 2024]", "{train: general.csv, prompt_column: q, completion_column: a}", "null"],
)
def test_a_reference_text_is_read_as_people_write_it_and_survives_a_round_trip(written: str) -> None:
    experiment = parse_experiment(f"{YAML}reference: {written}\n")
    assert (experiment.reference is None) == (written == "null")
    assert parse_experiment(to_yaml(experiment)) == experiment
    assert Experiment.model_validate_json(experiment.model_dump_json()) == experiment
    if written.startswith("["):
        assert experiment.reference is not None
        assert experiment.reference.train == ("general.txt", "2024")


def test_without_a_reader_no_reference_text_is_asked_for() -> None:
    for parameters in ("{reference_text: file, kl_weight: 0}", "{reference_text: new}"):
        assert parse_experiment(GOOD.replace("naive", f"{{kl: {parameters}}}")).reference is None


def test_relative_paths_are_taken_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(YAML)
    assert load_experiment(tmp_path / "x.yaml").tasks[0].train == (str(tmp_path / "support.txt"),)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"training": {"epochs": 0}}, "training.epochs"),
        ({"training": {"epoch": 2}}, "training.epoch: there is no such field"),
        ({"training": {"precision": "int4"}}, "training.precision"),
        ({"tasks": []}, "tasks"),
        ({"strategies": ["naiv"]}, "naiv"),
        ({"strategies": [{"ewc": {"ewc_lambda": "strong"}}]}, "ewc.ewc_lambda"),
        ({"strategies": ["naive", "naive"]}, "same strategy"),
        ({"seeds": [1, 1]}, "seed"),
        ({"seeds": [-1]}, "0 or above"),
        ({"name": ""}, "name"),
        ({"modell": "gpt2"}, "modell: there is no such field"),
        ({"tasks": [{"name": "a", "train": "a.txt"}, {"name": "a", "train": "b.txt"}]}, "each task"),
        ({"tasks": [{"name": "a", "train": "a.csv", "prompt_column": "q"}]}, "completion_column"),
        ({"tasks": [{"name": "a", "train": "a.txt", "held_out_share": 1.5}]}, "held_out_share"),
    ],
)
def test_a_wrong_field_is_named(change: dict, words: str) -> None:
    good = {"name": "x", "tasks": [{"name": "a", "train": "a.txt"}], "strategies": ["naive"]}
    experiment_from(good)
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        experiment_from(good | change)


def test_what_is_not_yaml_is_said_with_its_line() -> None:
    with pytest.raises(ConfigError, match="line 2"):
        parse_experiment("name: x\ntasks: [")
    with pytest.raises(ConfigError, match="expected fields"):
        parse_experiment("just text")


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_experiment(tmp_path / "none.yaml")


def test_presets_differ_and_are_valid() -> None:
    assert list(PRESETS) == ["quick", "standard", "thorough"]
    assert len({repr(p) for p in PRESETS.values()}) == 3


GOOD = "name: x\ntasks: {name: a, train: a.txt}\nstrategies: naive\n"


def test_one_value_counts_as_a_list_of_one_and_nothing_as_the_default() -> None:
    found = parse_experiment(GOOD + "seeds: 3\ntraining:\n")
    assert found == parse_experiment(
        "name: x\ntasks: [{name: a, train: [a.txt], test: }]\nstrategies: [naive]\nseeds: [3]"
    )
    several = parse_experiment(GOOD.replace("naive", "{naive: , replay: {replay_weight: 0.5}}"))
    assert [run.strategy for run in several.runs()] == ["naive", "replay"]


def test_numbers_where_texts_are_expected_are_the_texts_that_were_written() -> None:
    names = ["2024", "007", "1_000", "5e-4", "1.10", "0x1f", "1:30", ".5", "=", "<<"]
    tasks = "\n".join(f"  - {{name: {name}, train: {name}, text_column: {name}}}" for name in names)
    found = parse_experiment(f"name: 1.0\ntasks:\n{tasks}\nstrategies: naive")
    assert found.name == "1.0"
    assert [(task.name, task.train, task.text_column) for task in found.tasks] == [(n, (n,), n) for n in names]
    assert parse_experiment(to_yaml(found)) == found


def test_numbers_are_what_they_look_like() -> None:
    found = parse_experiment(
        GOOD.replace("naive", "{ewc: {ewc_lambda: [1e2, 1E+3]}}")
        + "seeds: [010, 08, 0x10, 1_000]\ntraining: {learning_rate: 5e-4, stage_tokens: 1e6, weight_decay: .1}"
    )
    assert found.seeds == (10, 8, 16, 1000)
    assert (found.training.learning_rate, found.training.stage_tokens) == (5e-4, 1_000_000)
    assert found.training.weight_decay == 0.1
    assert [run.parameters["ewc_lambda"] for run in found.runs()[:2]] == [100.0, 1000.0]


@pytest.mark.parametrize(("word", "kind"), [("no", "truth value"), ("On", "truth value"), ("2024-01-31", "date")])
@pytest.mark.parametrize("field", ["name", "train"])
def test_words_that_yaml_takes_for_something_else_are_to_be_quoted(word: str, kind: str, field: str) -> None:
    other = {"name": "train: a.txt", "train": "name: a"}[field]
    with pytest.raises(ConfigError) as found:
        parse_experiment(f"name: x\ntasks: [{{{field}: {word}, {other}}}]\nstrategies: naive", "x.yaml")
    place = f"tasks.1.{field}" + (".1" if field == "train" else "")
    assert str(found.value) == f'x.yaml: {place}: YAML takes {word} for a {kind}; put it in quotes: "{word}".'
    quoted = parse_experiment(f'name: x\ntasks: [{{{field}: "{word}", {other}}}]\nstrategies: naive')
    assert word in (quoted.tasks[0].name, *quoted.tasks[0].train)


def test_a_field_that_stands_twice_is_refused_with_both_lines() -> None:
    with pytest.raises(ConfigError, match=r"x\.yaml, line 4: the field name stands here again, after on line 1"):
        parse_experiment(GOOD + "name: y", "x.yaml")
    with pytest.raises(ConfigError, match="the field epochs stands here again, after earlier on that line"):
        parse_experiment(GOOD + "training: {epochs: 1, epochs: 2}")
    shared = "defaults: &d {epochs: 2, decay: linear}\n"
    with pytest.raises(ConfigError, match="defaults: there is no such field"):  # a merge is no doubling
        parse_experiment(GOOD + shared + "training: {<<: *d, epochs: 1}")


@pytest.mark.parametrize("text", ["name:\tx\n", "name: x\ntasks:\n\t- {name: a}\n", "training:\n\tepochs: 1\n"])
def test_tabs_are_named_as_what_is_wrong(text: str) -> None:
    with pytest.raises(ConfigError, match=r"line \d: a tab stands where YAML takes none; write spaces"):
        parse_experiment(text)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"nmae": "y"}, "nmae: there is no such field; did you mean name?."),
        ({"training": {"learning_rat": 1}},
         "training.learning_rat: there is no such field; did you mean learning_rate?."),
        ({"tasks": []}, "tasks: is empty; write at least one task with its name and its files, such as "
                        "{name: support, train: support.txt}."),
        ({"tasks": "a.txt"}, "tasks.1: expected a task with its fields, such as {name: support, train: support.txt}."),
        ({"tasks": [{"name": "a"}]},
         "tasks.1.train: is missing; name the file or the files to train on, such as support.txt."),
        ({"tasks": [{"name": True, "train": "a.txt"}]}, "tasks.1.name: expected a text (found True)."),
        ({"training": "quick"}, "training: expected settings with their values, such as {epochs: 3} (found 'quick')."),
        ({"training": {"epochs": 0}}, "training.epochs: must be 1 or above (found 0)."),
        ({"training": {"warmup_share": 2}}, "training.warmup_share: must be 1.0 or below (found 2)."),
        ({"training": {"epochs": "many"}}, "training.epochs: expected a whole number (found 'many')."),
        ({"training": {"decay": "cosin"}},
         "training.decay: choose cosine, linear or constant; did you mean cosine? (found 'cosin')."),
        ({"seeds": ["a"]}, "seeds.1: expected a whole number (found 'a')."),
        ({"seeds": []}, "seeds: is empty; write at least one, such as 0."),
        ({"reference": 7},
         "reference: expected a text's files, such as general.txt, or fields such as {train: general.txt}."),
        ({"reference": {"name": "g"}},
         "reference.train: is missing; name the file or the files to train on, such as support.txt."),
        ({"reference": {"train": "g.txt", "test": "h.txt"}},
         "reference.test: a reference text is read whole, and is no task to train on; leave this "
         "field out (found 'h.txt')."),
        ({"reference": {"train": "g.csv", "text_colum": "t"}},
         "reference.text_colum: there is no such field; did you mean text_column?."),
        ({"strategies": [{"kl": {"reference_text": "file"}}]},
         "reference: kl reads a text that belongs to no task, and the experiment names none; write its files beside "
         "the tasks, such as reference: {train: general.txt}."),
        ({"strategies": ["naive", {"kl+ewc": {"reference_text": ["new", "file"]}}]},
         "reference: kl+ewc reads a text that belongs to no task, and the experiment names none; write its files "
         "beside the tasks, such as reference: {train: general.txt}."),
        ({"strategies": [7]}, "strategies.1: expected a strategy's name, such as naive, or a name with parameters."),
    ],
)  # fmt: skip
def test_each_mistake_is_one_plain_sentence_without_others_that_only_follow(changes: dict, sentence: str) -> None:
    good = {"name": "x", "tasks": [{"name": "a", "train": "a.txt"}], "strategies": ["naive"]}
    with pytest.raises(ConfigError) as found:
        experiment_from(good | changes, "x.yaml")
    assert str(found.value) == f"x.yaml: {sentence}"


def test_mistakes_in_names_of_strategies_and_parameters_suggest_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'naiv' is not known; did you mean naive; choose from"):
        parse_experiment(GOOD.replace("naive", "naiv"))
    with pytest.raises(ConfigError, match=r"ewc\.ewc_lamda: there is no such parameter; did you mean ewc_lambda;"):
        parse_experiment(GOOD.replace("naive", "{ewc: {ewc_lamda: 1}}"))


def load(folder: Path, train: str, test: str = "", model: str = "tiny-gpt2") -> Experiment:
    (folder / "sub").mkdir(exist_ok=True)
    task = {"name": "a", "train": train} | ({"test": test} if test else {})
    content = {"name": "x", "model": model, "tasks": [task], "strategies": ["naive"]}
    (folder / "sub" / "x.yaml").write_text(json.dumps(content))
    return load_experiment(folder / "sub" / "x.yaml")


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three texts in it, and none of them in the working directory."""
    (tmp_path / "sub" / "more").mkdir(parents=True)
    for name in ("b.txt", "a.txt", "more/c.txt", "notes.md"):
        (tmp_path / "sub" / name).write_text("text")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TEXTS", "more")
    monkeypatch.delenv("NOT_SET", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("written", "files"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("**/*.txt", ["a.txt", "b.txt", "more/c.txt"]),
        ("[b].txt", ["b.txt"]),
        ("~/sub/?.txt", ["a.txt", "b.txt"]),
        ("$TEXTS/c.txt", ["more/c.txt"]),
        ("${TEXTS}/*", ["more/c.txt"]),
        ("~/sub/b.txt", ["b.txt"]),
    ],
)
def test_home_variables_and_patterns_are_written_out_from_the_files_folder(
    written: str, files: list[str], texts: Path
) -> None:
    assert load(texts, written).tasks[0].train == tuple(str(texts / "sub" / name) for name in files)


def test_the_reference_texts_paths_are_written_out_as_those_of_tasks(texts: Path) -> None:
    content = {"name": "x", "tasks": [{"name": "a", "train": "a.txt"}], "strategies": ["naive"]}
    file = texts / "sub" / "x.yaml"
    for written, files in (("${TEXTS}/*", ["more/c.txt"]), (["?.txt", "notes.md"], ["a.txt", "b.txt", "notes.md"])):
        file.write_text(json.dumps(content | {"reference": written}))
        found = load_experiment(file).reference
        assert found is not None
        assert found.train == tuple(str(texts / "sub" / name) for name in files)
    file.write_text(json.dumps(content | {"reference": "none/*.txt"}))
    with pytest.raises(ConfigError, match=r"reference\.train: 'none/\*\.txt' matches nothing"):
        load_experiment(file)


def test_a_file_whose_name_looks_like_a_pattern_is_meant_as_it_stands(texts: Path) -> None:
    for name in ("[a].txt", "$NOT_SET.txt"):
        (texts / "sub" / name).write_text("text")
        assert load(texts, name).tasks[0].train == (str(texts / "sub" / name),)


def test_what_a_path_stands_for_has_to_be_there(texts: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"x\.yaml: tasks\.1\.train: '\*\.csv' matches nothing in .*sub; check the pa"
    ):
        load(texts, "*.csv")
    with pytest.raises(
        ConfigError, match=r"tasks\.1\.test: the environment variable NOT_SET in '\$NOT_SET/a' is not set"
    ):
        load(texts, "a.txt", test="$NOT_SET/a")
    with pytest.raises(ConfigError, match=r"a\.txt would be trained on and held out as well"):
        load(texts, "*.txt", test="a.txt")
    assert load(texts, "b.txt", test="a*").tasks[0].test == (str(texts / "sub" / "a.txt"),)


def test_a_model_folder_is_looked_for_beside_the_file_and_else_taken_as_it_is_written(texts: Path) -> None:
    made = texts / "sub" / "models" / "mine"
    made.mkdir(parents=True)
    (made / "config.json").write_text("{}")
    for written in ("models/mine", "~/sub/models/mine", "models/m*"):
        assert load(texts, "a.txt", model=written).model == str(made)
    for written in ("gpt2", "someone/model@main", "tiny-gpt2"):
        assert load(texts, "a.txt", model=written).model == written
    (texts / "sub" / "models" / "my other").mkdir()
    with pytest.raises(ConfigError, match="stands for 2 folders"):
        load(texts, "a.txt", model="models/m*")


def test_text_that_came_from_elsewhere_looks_into_no_variables_and_folders(texts: Path) -> None:
    found = with_absolute_paths(parse_experiment(GOOD.replace("a.txt", '["$TEXTS/c.txt", "~/*"]')), texts)
    assert found.tasks[0].train == (str(texts / "$TEXTS/c.txt"), str(texts / "~/*"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"strategies": [{"ewc": {"learning_rate": True}}]}, "ewc.learning_rate: expected a value, not true or false"),
        ({"strategies": [{"replay": {"replay_weight": True}}]}, "replay.replay_weight: expected a value, not true"),
        ({"training": {"epochs": True}}, "training.epochs: expected a value, not true or false"),
        ({"tasks": [{"name": "a", "train": "a.txt", "epochs": True}]}, "epochs: expected a value, not true or false"),
        ({"seeds": [True]}, "expected a value, not true or false"),
        ({"strategies": [{"naive": {"epochs": []}}]}, "naive.epochs: the list is empty"),
        (
            {"strategies": [{"ewc": {"ewc_strength": 1, "ewc_lambda": 5}}]},
            "ewc.ewc_lambda: give ewc_strength or ewc_lambda, not both; leave one out",
        ),
        ({"strategies": [{"replay+ewc": {"ewc_strength": None}}]}, "ewc_strength and ewc_lambda are both empty"),
        (
            {"strategies": [{"replay+ewc": {"memory_size": 5, "replay.memory_size": 7}}]},
            "memory_size and replay.memory_size are the same parameter",
        ),
    ],
)
def test_what_would_be_taken_for_another_value_or_for_none_is_refused(data: dict, words: str) -> None:
    whole = {"name": "e", "tasks": [{"name": "a", "train": "a.txt"}], "strategies": ["naive"]} | data
    with pytest.raises(ConfigError) as refused:
        experiment_from(whole)
    assert words in str(refused.value)

"""The short form of `make torture`: a few kills at chosen places, and the numbers of an undisturbed run."""

from pathlib import Path

from engine.experiments.yaml_file import load_experiment
from engine.running.headless import run_experiment
from tests.torture.__main__ import attempt
from tests.torture.outcome import differences, outcome

KILLS = [
    ("after a step", 4),
    ("before a checkpoint is renamed", 1),
    ("before a commit", 3),
    ("in the Fisher estimate", 1),
    ("between stages", 1),
    ("while a state is dropped", 1),
]

_EXPERIMENT = """
name: short torture
model: tiny-gpt2
tasks:
  - {name: bread, train: [FOLDER/bread.txt]}
  - {name: tea, train: [FOLDER/tea.txt]}
strategies: [{replay+ewc: {fisher: sampled, fisher_documents: 12}}]
training: {epochs: 1, block_size: 32, tokens_per_step: 32, held_out_tokens: 200, device: cpu}
"""


def test_a_run_that_is_killed_again_and_again_gives_the_same_numbers(tmp_path: Path) -> None:
    for number, name in enumerate(("bread", "tea"), 1):
        text = "\n\n".join(f"Note {n} of {name}: {n * number} cups and a pinch of salt." for n in range(20))
        (tmp_path / f"{name}.txt").write_text(text)
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text(_EXPERIMENT.replace("FOLDER", str(tmp_path)))
    run_experiment(load_experiment(experiment), tmp_path / "undisturbed")
    (label,) = (run.label for run in load_experiment(experiment).runs())
    for place, count in KILLS:
        assert attempt(experiment, tmp_path / "killed", label, place, count), f"it was not killed {place}"
    run_experiment(load_experiment(experiment), tmp_path / "killed", resume=True)
    undisturbed, killed = outcome(tmp_path / "undisturbed"), outcome(tmp_path / "killed")
    assert differences(undisturbed, killed) == []
    (run,) = killed.values()
    assert run["status"] == "finished"
    assert run["steps are whole"]
    assert run["names"] == ["stage-1", "stage-2"]

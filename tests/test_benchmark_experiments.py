"""The experiments behind the README's figures are of what the README says."""

from pathlib import Path

import pytest

from engine.experiments.demo import demo_experiment
from engine.experiments.experiment import Experiment
from engine.experiments.training import Training
from engine.experiments.yaml_file import load_experiment
from engine.tasks import samples

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def experiment(name: str) -> Experiment:
    return load_experiment(BENCHMARKS / f"{name}.yaml")


@pytest.mark.parametrize("name", [path.stem for path in BENCHMARKS.glob("*.yaml")])
def test_every_experiment_is_named_as_its_file_and_says_how_it_is_run(name: str) -> None:
    assert experiment(name).name == name
    assert f"benchmarks.{name}" in (text := (BENCHMARKS / f"{name}.yaml").read_text()) or f"{name}.yaml --out" in text


def test_the_strengths_of_ewc_are_compared_on_the_demo_and_on_the_samples_at_the_default_settings() -> None:
    on_demo, demo = experiment("ewc-demo"), demo_experiment()
    assert (on_demo.tasks, on_demo.training) == (demo.tasks, demo.training)
    on_samples = experiment("ewc-samples")
    assert on_samples.tasks == tuple(sample.spec for sample in samples())
    assert on_samples.training == Training(answer_questions=0)

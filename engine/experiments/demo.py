"""The demo: a small comparison on the built-in samples, made to end within three minutes on two cores."""

from engine.experiments.experiment import Experiment, StrategySpec
from engine.experiments.training import Training
from engine.tasks import samples

DEMO_NAME = "Demo: three small tasks"


def demo_experiment() -> Experiment:
    """What `docs/methods.md` shows to matter, on the first three samples and the embedded model, with one seed."""
    return Experiment(
        name=DEMO_NAME,
        model="tiny-gpt2",
        tasks=tuple(sample.spec for sample in samples()[:3]),
        training=Training(
            epochs=2,
            learning_rate=1e-3,
            stage_tokens=14_000,
            tokens_per_step=512,
            evaluations_per_stage=4,
            evaluation_tokens=341,
            answer_questions=0,  # the first points wait for them
        ),
        # Naive comes first: it shows the forgetting that the others cure.
        strategies=(
            StrategySpec(name="naive"),
            StrategySpec(name="replay", parameters={"replay_weight": 1.0}),
            StrategySpec(name="kl", parameters={"kl_weight": 1.0}),
            StrategySpec(name="ewc", parameters={"ewc_strength": 1.0, "fisher_documents": 60}),
            StrategySpec(name="joint"),
        ),
        seeds=(0,),
    )

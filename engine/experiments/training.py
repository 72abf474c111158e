"""The training settings of an experiment."""

from typing import Literal

from pydantic import ConfigDict, field_validator
from pydantic.dataclasses import dataclass as validated

from engine.common.overrides import epochs_parameter, learning_rate_parameter
from engine.common.parameters import no_boolean, parameter


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Training:
    """The settings by which every stage of every run of an experiment is trained."""

    epochs: int = epochs_parameter(3, "How often each task's training text is read.")
    stage_tokens: int | None = parameter(
        None, label="Token budget per task", minimum=1, low=10_000, high=1_000_000, scale="log", unit="tokens",
        help="End a stage after this many target tokens even if the epochs are not over; empty: no limit.",
    )  # fmt: skip
    learning_rate: float = learning_rate_parameter(5e-4, "Peak of AdamW's learning rate in each stage.")
    warmup_share: float = parameter(
        0.05, label="Warm-up", minimum=0.0, maximum=1.0, help="Share of a stage's steps over which the rate rises."
    )
    decay: Literal["cosine", "linear", "constant"] = parameter(
        "cosine", label="Decay", help="How the learning rate falls after the warm-up, afresh in each stage."
    )
    weight_decay: float = parameter(
        0.0, label="Weight decay", minimum=0.0, maximum=1.0, help="AdamW's decoupled pull of the weights towards zero."
    )
    gradient_clip: float | None = parameter(
        1.0, label="Gradient clipping", minimum=1e-6, maximum=1e6, low=0.1, high=10.0, scale="log",
        help="Largest norm of a step's gradient; empty: no clipping.",
    )  # fmt: skip
    block_size: int = parameter(
        256, label="Block size", minimum=8, maximum=1_048_576, low=64, high=1024, unit="tokens",
        help="Longest context trained on; documents are packed into blocks of this size, longer ones are cut.",
    )  # fmt: skip
    tokens_per_step: int = parameter(
        512, label="Tokens per step", minimum=8, maximum=100_000_000, low=256, high=65_536, scale="log", unit="tokens",
        help="New-task tokens that one optimiser step sees.",
    )  # fmt: skip
    optimizer_state: Literal["reset", "keep"] = parameter(
        "reset", label="Optimiser state", help="Whether AdamW's moments are kept from one stage to the next."
    )
    evaluations_per_stage: int = parameter(
        5, label="Evaluations per stage", minimum=1, maximum=1000, high=30,
        help="How often held-out text is scored inside a stage, its end included.",
    )  # fmt: skip
    evaluation_tokens: int = parameter(
        256, label="Held-out tokens inside stages", minimum=1, low=64, high=16_384, scale="log", unit="tokens",
        help="How much of each task's held-out text the points of the curves are measured on.",
    )  # fmt: skip
    held_out_tokens: int = parameter(
        20_000, label="Held-out tokens a task", minimum=1, low=1024, high=1_000_000, scale="log", unit="tokens",
        help="How much of each task's held-out text the score matrix uses; of longer text every seed draws its own.",
    )  # fmt: skip
    answer_questions: int = parameter(
        100, label="Questions answered a task", minimum=0, maximum=10_000, high=500, unit="questions",
        help="How many held-out questions of pairs and conversations are answered after every stage, for exact match "
        "and token F1; 0: none.",
    )  # fmt: skip
    precision: Literal["auto", "float32", "bfloat16"] = parameter(
        "auto",
        label="Precision",
        help="auto: bfloat16 arithmetic on a GPU or CPU that has it in hardware, else float32; weights stay float32.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = parameter(
        "auto", label="Device", help="auto: a GPU where there is one, else the CPU."
    )

    _no_boolean = field_validator("*", mode="before")(no_boolean)

"""The titles, help texts and sentences of the tables of the Compare page and its report; its other texts stand in
`words.py`."""

from collections.abc import Sequence

from engine.common.numerals import percent

TOKENS, SECONDS, TIME, EXPERIMENT, SEED, SEEDS, STATUS = (
    "Tokens", "Seconds", "Time", "Experiment", "Seed", "Seeds", "Status"
)  # fmt: skip
SETTING, DIFFERS_IN, FRONT, YES = "Setting", "Differs in", "Pareto front", "yes"
BEST_MEAN, ONE_SEED, REFERENCE, POINTS = "best mean", " (one seed)", "reference", "percentage points"
STATUSES = {"queued": "waiting"}
OPERATIONS = "Tera-operations"
CLIPPED = "Clipped steps"
CLIPPED_HELP = (
    "The share of the optimiser steps whose gradient, of all loss terms together, was longer than gradient_clip allows "
    "and was scaled down."
)
BEHIND = "Behind the best"
BEHIND_HELP = (
    "How much more the best strategy kept than this one: the mean of the differences seed by seed ± half the width of "
    "its 95% interval, over the seeds that all have finished. p: the chance of so large a difference where there is "
    "none (paired t-test, Holm's correction over every pair); the difference is established below 0.05. The intervals "
    "of two means are no such test."
)
COST_HELPS = {
    TOKENS: "Target tokens of every loss term, replayed ones included.",
    OPERATIONS: (
        "Floating-point operations in units of 10¹², about: 2 for the forward and 4 for the backward pass for every "
        "parameter and token read, less where weights are frozen, by replay and the Fisher information too (Kaplan et "
        "al. 2020). Attention scores, the optimiser and held-out scoring are left out. A dash: the run is not "
        "finished, or of an older version."
    ),
    SECONDS: "Of all stages together, with what other work on the machine added: no price of the strategy by itself.",
}
"""The cost of a run: first the strategy's own, then the time."""
GENERAL, CHANGE, DRIFT, HOLD, NO_LONGER = (
    "General text", "Change from the base model", "KL from the base model", "Guards that hold", "No longer"
)  # fmt: skip
BESIDE = "Beside the tasks"
BESIDE_HELPS = {
    GENERAL: "The score of a text that no task touches, of the final model.",
    CHANGE: "Against the base model, which it began as.",
    DRIFT: "How far the model's predictions on the general text have moved from the base model's, nats per token.",
    HOLD: "Of the final model, over all seeds.",
    NO_LONGER: "What held for the base model or after a stage, and does not for the final model, with the stage.",
}
ORDERS = "Order of the tasks"
NO_ORDERS_YET = "This appears once every strategy has finished two orders with a seed in common."
STRATEGY, ALL_ORDERS, BETWEEN_ORDERS = "Strategy", "All orders", "Between orders"
BETWEEN_STRATEGIES = "Between strategies"
MEASURE = "Measure"
MEASURE_HELP = (
    "What of a run the table shows: the final score over all tasks, or what later stages did to earlier ones."
)
ORDER_HELPS = {
    ALL_ORDERS: "Mean over the orders and seeds.",
    BETWEEN_ORDERS: "Standard deviation of a strategy's means from order to order: what the order alone does to it.",
}
TOKENS_A_RUN, OPERATIONS_A_RUN, TIME_A_RUN = "Tokens a run", f"{OPERATIONS} a run", "Time a run"
MEASURES = {
    "earlier_tasks": ("Earlier tasks, at the end", "Mean score of the final model on every task but the last."),
    "forgetting": (
        "Forgetting",
        "How far the earlier tasks fell from their best, mean over them; 0 is none, below 0 they improved.",
    ),
    "learning_accuracy": (
        "Learning accuracy",
        "Mean score on each task right after its own stage: how well new tasks are learned.",
    ),
    "average": ("Average, at the end", "Mean score of the final model on all tasks."),
    "backward_transfer": (
        "Backward transfer",
        "What later stages did to earlier tasks since their own stage; below 0 is loss.",
    ),
    "forward_transfer": (
        "Forward transfer",
        "What earlier stages did to a task before its own, against the base model; above 0 helps.",
    ),
    "stability_gap": ("Stability gap", "How far earlier tasks fell at worst while a later stage was training."),
    "intransigence": ("Intransigence", "How much less well it learns each task than joint training does."),
}


def of_all(holding: int, guards: int) -> str:
    return f"{holding} of {guards}"


def lost_guard(title: str, stage: int) -> str:
    return f"{title} (stage {stage})"


def stands_for(sign: str, names: Sequence[str], reason: str) -> str:
    return f" {sign} stands for {', '.join(names)}: {reason}."


def direction(unit: str, lower_is_better: bool) -> str:
    return f"In {unit}; {'lower' if lower_is_better else 'higher'} is better."


def stages_scored(status: str, scored: object, stages: object) -> str:
    return f"{status}, {scored} of {stages} stages scored"


def order(number: int) -> str:
    return f"Order {number}"


def same_scores(measure: str) -> str:
    return f"{measure}: all runs score the same, whatever the strategy and the order."


def explained(measure: str, strategy: float | None, order: float, both: float, seeds: float | None) -> str:
    """Which share of the variance each part explains; no strategy where there is one, no seeds where there is one."""
    parts = [f"the order explains {percent(order)}"]
    if strategy is not None:
        parts = [
            f"the strategy explains {percent(strategy)}",
            f"the order {percent(order)}",
            f"the two together {percent(both)} (a strategy that does better in one order than in another)",
        ]
    if seeds is not None:
        parts.append(f"the seed {percent(seeds)}")
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
    return f"{measure}: of the variance between these runs {listed}."


def about_orders(orders: Sequence[str], seeds: Sequence[int]) -> str:
    word = "seed" if len(seeds) == 1 else "seeds"
    return (
        f"{' '.join(orders)} Means over {word} {', '.join(map(str, seeds))}, which every strategy has finished in "
        "every order shown."
    )

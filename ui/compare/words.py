"""The sentences, labels and help texts of the Compare page."""

from collections.abc import Sequence
from datetime import datetime

from figures.numbers import bytes_size, plural
from ui.widgets.text import plain

TITLE = "Compare"
NOTHING_YET = "There is nothing to compare yet: an experiment with two strategies or more fills this page."
SET_UP, DEMO = "Set up an experiment", "Go to the demo"
EXPERIMENTS = "Experiments"
EXPERIMENTS_HELP = (
    "Runs of several experiments can stand side by side; what makes them hard to compare is said below the result."
)
CHOOSE_ABOVE = "Choose an experiment above."
SCORE = "Score"
REPORT = "Report"
REPORT_HELP = "Verdict, what was lost and where, tables and figures in one HTML file, to open anywhere."

RUNS_HELP = "Tick the runs that the result, the tables and the figures shall use."
RUNS_ALT = "The runs of the chosen experiments; the ticked ones are compared"
ALL, FINISHED, COMPARABLE = "All", "Finished", "Comparable"
ALL_HELP = "Choose every run."
FINISHED_HELP = "Choose the runs that are complete."
COMPARABLE_HELP = "Choose the runs that can be compared fairly."
DIFFERS_HELP = "Why this run can't be compared fairly with most of these."
NO_RUN = "No run is chosen: open the list of runs above and tick some, or press All."

DUPLICATE = "Duplicate this run"
DUPLICATE_HELP = "Opens its settings as a new experiment, to change before it starts."
CHOOSE_A_RUN = "Choose a row to duplicate its run."

PARTIAL = "**Partial results.**"
FOLLOWS = "The page follows by itself."
WATCH = "Watch it live"
NO_REASON = "no reason is known"
NO_SCORES_YET = "No scores yet. They appear once the first run has scored the base model."
NO_SCORES = "No scores: the chosen runs ended before the base model was scored."

ASK, ASK_HELP = (
    "Ask the models",
    "Read what they forgot: answers side by side, and the held-out documents that lost most.",
)
IN_FULL = "In full"
USE_ALL = "Let the verdict use them all the same"
USE_ALL_HELP = "Off: runs that differ in more than their strategy are shown, but the verdict leaves them out."
WHY = "Why"
UNFAIR_HEAD = "Not all of these runs can be compared fairly"

RESULT, MATRICES, LOSSES, VARIED, COST, SETTINGS, RUNS, DOWNLOADS = (
    "Result", "Matrices", "Losses by task", "λ", "Cost", "Settings", "Runs", "Downloads"
)  # fmt: skip
TABS = (RESULT, MATRICES, LOSSES, VARIED, COST, SETTINGS, RUNS, DOWNLOADS)

KEPT, LEARNT, PRICE, SURE = "Kept", "Learnt", "Cost", "How sure"
OF_LEARNT, TOKENS, NAIVES_TOKENS = "of what was learnt", "tokens a run", "naive's tokens"
KEPT_HELP = (
    "How much of what each earlier task's own stage taught the final model still has: 100 % is all of it, below 0 a "
    "task is worse than if it had never been learnt. Mean over tasks and seeds."
)
LEARNT_HELP = "Learning accuracy: the mean score on each task right after its own stage."
PRICE_HELP = "Target tokens that a run trains on, replayed ones included, against naive's, and its time."
SURE_HELP = (
    "Whether the best strategy kept more than the next best beyond chance: the paired t-test over seeds, with Holm's "
    "correction over every pair of strategies."
)
ESTABLISHED, NOT_ESTABLISHED, NO_DIFFERENCE, ONE_SEED = "Established", "Not established", "No difference", "One seed"
ONE_SEED_NOTE = "One seed can't tell a difference from chance: run two or more."
NO_RIVAL = "No other strategy that can be compared with it is finished."
NO_TEST = "No test: the difference is the same in every seed, or has no finite value."

FIGURE_TITLE = "Learning against keeping"
FIGURE_TEXT = (
    "Right: learns the new task better. Up: keeps more of the earlier ones. Small dots are seeds, bars 95% intervals; "
    "no strategy beats those on the dotted line in both. Dashed lines lead to naive and joint."
)
AT_THE_END, BEHIND, BEST, REFERENCE = "Earlier tasks", "Behind the best", "best", "reference"
TABLE_ALT = "The strategies, the one that kept most first"
ALL_MEASURES = "All measures"
MATRICES_TEXT = (
    "mean over seeds. Rows: the base model, then after each stage; columns: tasks in order of training. Blue is better "
    "than the base model, orange worse; outlined is the task a stage trained on."
)
LOSSES_TEXT = (
    "How much worse an earlier task scores than right after its own stage, stage by stage. Lines are means over seeds, "
    "bars reach from the best seed to the worst."
)
VARIED_TEXT = (
    "What the value of a strategy's main parameter does: kept is backward transfer, learnt is learning accuracy, with "
    "95% intervals over seeds. Dashed: naive and joint."
)
NOTHING_VARIED = (
    "No strategy has finished with two values of its main parameter, such as replay with λ 0.5 and 1. Give it several "
    "on the Experiment page."
)
COST_TEXT = (
    "Target tokens of every loss term, floating-point operations (about 6 for every parameter and token trained on, "
    "those of the Fisher information too, and 2 for one that a teacher reads or the model writes), and the time, mean "
    "over seeds. Replay trains on memory as well; joint trains on all earlier tasks again at every stage. The time "
    "holds whatever else the machine did: it is no price by itself."
)
SETTINGS_TEXT = "One column for each strategy and setting; seeds share it. Settings that all have in common are folded."
ALL_ALIKE = "The chosen runs differ in nothing but their seeds."
ALL_SETTINGS = "All settings"
STRATEGY_HELP = "With the settings that a run's strategy is chosen by; all others stand under Settings."
FRONT_HELP = "yes: no other configuration both keeps more and learns better."
SEEDS_HELP = "How many seeds the means rest on, and which."
BESIDE_HELP = "What the final models kept that no task trains on; means over seeds."
SCORE_HELPS = {
    "bits_per_byte": "Bits per byte compares across tasks, languages and tokenizers.",
    "nats_per_token": "Nats per token is the loss that training minimises.",
    "perplexity": "Perplexity is the exponential of the loss per token.",
    "accuracy": "Next-token accuracy is the share of tokens that the model puts first.",
    "exact_match": "Exact match is the share of held-out questions that are answered exactly right.",
    "token_f1": "Token F1 compares the words of an answer with those of the expected one.",
}
FACTS = {
    "device": "Device", "platform": "System", "cpus": "Processors", "threads": "Threads", "precision": "Precision",
    "python": "Python", "torch": "PyTorch", "transformers": "Transformers", "commit": "Palimpsest, commit",
}  # fmt: skip
DRAWN, THE_BEST = "Drawn in colour", "the best"
MEASURES_ALT, BESIDE_ALT = (
    "All measures of each strategy over its seeds",
    "The general text and the guards of each strategy",
)
DIFFERENCES_ALT, SETTINGS_ALT = "Settings in which the strategies differ", "All settings of each strategy"
COMPARED_ALT = "The runs that are compared"
SWIPE = "Swipe sideways for the rest \u2192"

# Downloads
REPORT_FILE, SCORES_FILE, DIFFERENCES_FILE = "Report (HTML)", "Scores (CSV)", "Differences (CSV)"
RESULTS_FILE = "Everything (JSON)"
SCORES_FILE_HELP = "Every score of every run, stage and task of these experiments."
DIFFERENCES_FILE_HELP = "How much more the best strategy kept than each other, seed by seed, with the test."
RESULTS_FILE_HELP = "Configuration, environment, matrices and summaries, as the command line writes them."
EXPERIMENT_FILE_HELP = "Run it again with: python -m engine run EXPERIMENT.yaml --out DIR"
CHECKPOINTS_TO_COME = "Checkpoints appear here as soon as a run has finished its first stage."
KEPT_MOST = " · kept most"
CHECKPOINT, AFTER_STAGE = "Checkpoint of run", "After stage"
CHECKPOINT_HELP = "The run whose final model scores best on the earlier tasks stands first; joint is not it."
AFTER_STAGE_HELP = "The model as it was when this stage had ended; the last one knows all tasks."
MODEL_FILE_HELP = (
    "Unpack it, then AutoModelForCausalLM.from_pretrained(FOLDER) loads model and tokenizer; README.md is its model "
    "card."
)

# The report
SUMMARY, MATRICES_TITLE, LOSSES_TITLE = "Summary", "Score matrices", "What each task lost over time"
VARIED_TITLE, DIFFERING_SETTINGS = "Values of a parameter", "Settings that differ"
CURVES_TEXT = (
    "What this run minimised (solid) and the held-out loss of every task (dashed), step by step, on the sample of "
    "held-out text that is scored inside stages."
)
MACHINE, NODE, NO_RUN_BEGUN = "Machine and versions", "Node", "No run has begun."
SAME_MACHINE = "All runs were trained with the same."
OTHER_MACHINES = "The runs were not all trained with the same."
VERDICT_USES, VERDICT_LEAVES_OUT = "The verdict uses them all the same.", "The verdict leaves these runs out."
WHAT_DIFFERS, UNFAIR_TITLE = "What differs", "Not fairly comparable"


def runs_chosen(chosen: int, every: int) -> str:
    return f"{plural(every, 'run')}" if chosen == every else f"{chosen} of {plural(every, 'run')}"


def partial(done: int, every: int, counted: str) -> str:
    return f"{PARTIAL} {done} of {plural(every, 'run')} complete; {counted}. {FOLLOWS}"


def gone(number: int, status: str) -> str:
    return f"{plural(number, 'run')} {status}"


def not_found(names: str) -> str:
    return f"Not found here, perhaps deleted: {names}. Choose from the experiments below."


def unfair(left_out: int) -> str:
    use = f"leaves {plural(left_out, 'run')} out" if left_out else "uses them all the same"
    return f"{UNFAIR_HEAD}; the verdict {use}."


def means(score: str) -> str:
    return (
        f"{score}: mean over seeds ± half the width of its 95% interval. A dash means that there is no value; the "
        "column's help says why."
    )


def about_the_table(unit: str, lower_is_better: bool) -> str:
    better = "lower" if lower_is_better else "higher"
    return (
        f"In {unit}, {better} is better. The final score on the earlier tasks says which strategy kept most, and gives "
        "the rows their order. Kept is the share of what a strategy has learnt itself. ± is half the width of a 95% "
        "interval over seeds."
    )


def drawn_help(most: int) -> str:
    return (
        f"At first naive, joint and those that kept most, {most} in all. The others stay grey in the figures and have "
        "no matrix. Two strategies may share a colour: markers and dashes tell those apart."
    )


def kept_most(name: str, rival: str, better: int, seeds: int, draws: str) -> str:
    every = f"every one of {seeds}" if better == seeds else f"{better} of {seeds}"
    return f"{name} kept most: more than {rival}, the next best, in {every} {draws}."


def kept_the_same(name: str, rival: str) -> str:
    return f"{name} and {rival} kept the same."


def kept_most_in_one_seed(name: str) -> str:
    return f"{name} kept most in the one seed that was compared, which can't show what is chance."


def kept_most_perhaps(name: str, rival: str) -> str:
    return f"{name} kept most, but that it kept more than {rival} is not established."


def lost(difference: str, is_loss: bool) -> str:
    return f"{difference} {'lost' if is_loss else 'gained'}"


def as_well_as(name: str) -> str:
    return f"as well as {name}"


def apart(difference: str, is_worse: bool, name: str) -> str:
    return f"{difference} {'worse' if is_worse else 'better'} than {name}"


def a_run(price: str) -> str:
    return f"{price} a run"


def time_against_naive(time: str, difference: str, is_more: bool) -> str:
    """A time beside naive's; without a difference the two are alike."""
    against = f"{difference} {'more' if is_more else 'less'} than" if difference else "as long as"
    return f"{time}, {against} naive"


def next_best(rival: str) -> str:
    return f"next best: {rival}"


def more_than(margin: str, rival: str) -> str:
    return f"{margin} more than {rival}"


def experiment_file(name: str | None) -> str:
    return "Experiment (YAML)" if name is None else f"{plain(name)} (YAML)"


def model_file(size: int) -> str:
    return f"Model (zip, {bytes_size(size)})"


def and_more(first: str, more: int) -> str:
    return f"{first} and {more} more"


def means_over_seeds(columns: str) -> str:
    return f"Means over seeds. {columns}"


def summary(score: str) -> str:
    return f"{score}: mean over seeds ± half the width of the 95% interval (Student's t)."


def of_experiment(name: str) -> str:
    return f"Experiment: {name}"


def made(at: datetime) -> str:
    """When a report was made, in UTC."""
    return f"Made by Palimpsest on {at:%Y-%m-%d at %H:%M} UTC."


def report_title(experiments: Sequence[str]) -> str:
    return f"What was kept: {', '.join(experiments)}"


def not_drawn(number: int) -> str:
    return f" {plural(number, 'more strategy or setting is', 'more strategies or settings are')} not drawn."


def losses_of(run: str) -> str:
    return f"Losses: {run}"


def all_runs(number: int) -> str:
    return f"all {number}"


def trained_with(number: int | None) -> str:
    return "Trained with" if number is None else f"Trained with ({number})"


def in_order(number: int) -> str:
    """Follows the name of a run's configuration."""
    return f", order {number}"


def naive(value: str) -> str:
    return f"naive {value}"

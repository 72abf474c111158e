"""The sentences, labels and help texts of the Compare page."""

from figures.numbers import plural

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

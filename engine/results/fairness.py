"""Which runs can be compared fairly: what must be equal between them, and what differs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pandas as pd

from engine.common.quoting import listed
from engine.events.run_events import ARITHMETIC, NODE
from engine.experiments.experiment import Experiment
from engine.experiments.settings_of_stage import StageSettings, settings_of_run

PENDING = frozenset({"queued", "running", "paused", "interrupted"})
_FACTS = {
    "torch": "torch {}", "transformers": "transformers {}", "device": "the device {}",
    "instructions": "{} instructions", "precision": "{} arithmetic", "threads": "{} threads",
}  # fmt: skip
"""How a sentence speaks of a fact of the arithmetic."""
_NAMED = 5
"""The number of strategies or machines that a sentence names."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class Conditions:
    """The conditions that two runs must share for their scores to be comparable."""

    model: str
    tasks: tuple[str, ...]
    """In the order of training."""
    orders: frozenset[tuple[str, ...]]
    """The orders of the tasks that the experiment varies, or its only one."""
    trained_on: Mapping[str, str]
    """Fingerprint of each task's training text by name; empty before the run has started."""
    held_out: Mapping[str, str]
    """Fingerprint of each task's held-out text by name; empty before the run has started."""
    budget: Mapping[str, int]
    """New-task target tokens that a stage may train on, by task; empty before the run has started."""
    passes: tuple[tuple[int, ...], int | None]
    """Each task's epochs and the token limit of a stage, as set."""
    learning_rates: Mapping[str, float]
    """Peak of the learning rate by task, as set."""
    machine: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The facts of its arithmetic and the machine's name, as recorded; empty before the run has started."""


@dataclass(frozen=True)
class Finding:
    """Why some runs can't be compared fairly with the rest."""

    what: str
    """model, tasks, order, training text, held-out text, token budget, learning rate, machine or seeds."""
    run_ids: tuple[str, ...]
    text: str
    """One sentence; names in it are the user's, so pages must escape it."""


def conditions(
    experiment: Experiment,
    settings: StageSettings,
    facts: Iterable[Mapping[str, Any]],
    environment: Mapping[str, Any] | None = None,
    order: Sequence[str] | None = None,
) -> Conditions:
    """The conditions of a run, from its experiment, its `settings` of every task and what it recorded of its tasks and
    its environment (nothing before it began), and its `order` of the tasks where it is not the experiment's."""
    environment = environment or {}
    known = {str(fact["name"]): fact for fact in facts}
    label_of = {task.name: task.label for task in experiment.tasks}
    as_written = tuple(label_of)
    limit, budget = experiment.training.stage_tokens, {}
    for task, epochs in zip(experiment.tasks, settings.epochs, strict=True):
        if tokens := known.get(task.label, {}).get("target_tokens"):
            budget[task.label] = min(int(tokens) * epochs, limit) if limit else int(tokens) * epochs
    return Conditions(
        model=experiment.model,
        tasks=tuple(label_of[name] for name in order or as_written),
        orders=frozenset(tuple(label_of[name] for name in each or as_written) for each in experiment.task_orders),
        trained_on={name: fact["fingerprint"] for name, fact in known.items() if fact.get("fingerprint")},
        held_out={
            name: fact["held_out_fingerprint"] for name, fact in known.items() if fact.get("held_out_fingerprint")
        },
        budget=budget,
        passes=(settings.epochs, limit),
        learning_rates=dict(zip((task.label for task in experiment.tasks), settings.learning_rates, strict=True)),
        machine={name: environment[name] for name in (*ARITHMETIC, NODE) if environment.get(name) is not None},
    )


def conditions_of_runs(
    runs: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    facts: Mapping[str, Iterable[Mapping[str, Any]]],
    environments: Mapping[str, Mapping[str, Any]],
) -> dict[str, Conditions]:
    """The conditions of each run by its id, from the experiments and the runs' recorded tasks and environments by
    theirs."""
    found = {}
    for run in runs.itertuples():
        experiment = experiments[run.experiment_id]
        settings = settings_of_run(experiment, run.strategy, run.parameters)
        found[run.run_id] = conditions(
            experiment, settings, facts[run.run_id], environments[run.run_id], run.task_order
        )
    return found


def unfair(runs: pd.DataFrame, of_run: Mapping[str, Conditions]) -> list[Finding]:
    """Find what keeps runs from a fair comparison with the largest group of like runs.

    `runs` needs run_id, experiment, experiment_id, label, configuration, seed and status. The reference is the run
    whose conditions most runs share (of equals a finished one, and the first of these); among the runs like it, the
    arithmetic of most of them; among those alike in both, the seeds that make most comparable runs. A run that failed
    or was stopped is no reference unless all were: there is nothing to compare with it.
    """
    if runs.empty:
        return []
    reference = _most_alike([of_run[run_id] for run_id in _with_results(runs)["run_id"]], differences)
    found: dict[tuple[str, str], list[str]] = {}
    alike = []
    for run in runs.itertuples():
        unlike = differences(of_run[run.run_id], reference)
        alike.append(not unlike)
        for what, clause in unlike:
            found.setdefault((what, f"{run.experiment}: {clause}"), []).append(run.run_id)
    findings = [Finding(what, tuple(ids), text) for (what, text), ids in found.items()]
    like = runs[alike]
    of_machines = _unlike_machines(like, {run_id: of_run[run_id].machine for run_id in like["run_id"]})
    elsewhere = {run_id for finding in of_machines for run_id in finding.run_ids}
    rest = like[~like["run_id"].isin(elsewhere)]
    return findings + of_machines + _unlike_seeds(rest.assign(draw=_draws(rest, of_run)))


def _draws(runs: pd.DataFrame, of_run: Mapping[str, Conditions]) -> list[Any]:
    """The seeds of runs, and where an experiment varies the order of its tasks the orders with them: a run stands
    beside those of its own order."""
    varies = any(len(of_run[run_id].orders) > 1 for run_id in runs["run_id"])
    return [
        (of_run[run.run_id].tasks, int(run.seed)) if varies else int(run.seed) for run in runs.itertuples()
    ]  # fmt: skip


def differences(conditions: Conditions, reference: Conditions) -> list[tuple[str, str]]:
    """The differences from the reference, as (what, clause); facts that are not known yet are not compared."""
    found = []
    if conditions.model != reference.model:
        found.append(("model", f"the base model is {conditions.model}, not {reference.model}."))
    if set(conditions.tasks) != set(reference.tasks):
        found.append(("tasks", f"the tasks are {_listed(conditions.tasks)}, not {_listed(reference.tasks)}."))
    elif conditions.tasks != reference.tasks and conditions.tasks not in reference.orders:
        found.append(("order", f"the order of tasks is {_arrows(conditions.tasks)}, not {_arrows(reference.tasks)}."))
    other = [t for t in conditions.tasks if _unlike(conditions.trained_on, reference.trained_on, t)]
    if other:
        found.append(("training text", f"the training text is another ({_listed(other)})."))
    changed = [t for t in conditions.tasks if _unlike(conditions.held_out, reference.held_out, t)]
    if changed:
        found.append(("held-out text", f"the held-out text is another ({_listed(changed)})."))
    budgets = [t for t in conditions.tasks if _unlike(conditions.budget, reference.budget, t)]
    if budgets:
        each = "; ".join(f"{t} {conditions.budget[t]:,} and not {reference.budget[t]:,} tokens" for t in budgets)
        found.append(("token budget", f"a stage trains on more or less text ({each})."))
    elif conditions.passes != reference.passes and not (conditions.budget and reference.budget):
        found.append(("token budget", f"a stage trains for {_passes(conditions)}, not {_passes(reference)}."))
    rates = [t for t in conditions.tasks if _unlike(conditions.learning_rates, reference.learning_rates, t)]
    if rates:
        found.append(("learning rate", f"the learning rate is {_rates(conditions, reference, rates)}."))
    return found


def unfair_runs(findings: Sequence[Finding]) -> dict[str, tuple[str, ...]]:
    """The differences by run id, for marks in a table."""
    marks: dict[str, list[str]] = {}
    for finding in findings:
        for run_id in finding.run_ids:
            marks.setdefault(run_id, []).append(finding.what)
    return {run_id: tuple(dict.fromkeys(what)) for run_id, what in marks.items()}


def _with_results(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that have results or will have some, finished ones first; all of them where there are none."""
    found = pd.concat([runs[runs["status"] == "finished"], runs[runs["status"].isin(PENDING)]])
    return runs if found.empty else found


def _most_alike(every: Sequence[_T], unlike: Callable[[_T, _T], Any]) -> _T:
    """The one that most are like, the first of equals."""
    sizes: list[tuple[_T, int]] = []
    for one in every:
        if one not in [kept for kept, _ in sizes]:
            sizes.append((one, every.count(one)))
    return max(sizes, key=lambda kept: sum(size for other, size in sizes if not unlike(other, kept[0])))[0]


def _unlike_machines(runs: pd.DataFrame, machines: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Runs that were computed with another arithmetic than most, those that began alone."""
    begun = [machine for run_id in _with_results(runs)["run_id"] if (machine := machines[run_id])]
    if not begun:
        return []
    usual = _most_alike(begun, _unlike_facts)
    at_home = [machine for machine in machines.values() if machine and not _unlike_facts(machine, usual)]
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for run in runs.itertuples():
        if unlike := _unlike_facts(machines[run.run_id], usual):
            mine, theirs = _arithmetic(machines[run.run_id], unlike), _arithmetic(usual, unlike)
            groups.setdefault((run.experiment_id, run.experiment, mine, theirs), []).append(run.run_id)
    findings = []
    for (experiment_id, name, mine, theirs), ids in groups.items():
        here, there = _nodes([machines[run_id] for run_id in ids]), _nodes(at_home)
        if here != there:
            mine, theirs = mine + here, theirs + there
        who = _who(runs[runs["experiment_id"] == experiment_id], ids)
        text = f"{name}: {who} computed with {mine}, others with {theirs}; equal seeds do not give equal numbers then."
        findings.append(Finding("machine", tuple(ids), text))
    return findings


def _unlike_facts(machine: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in ARITHMETIC if name in machine and name in other and machine[name] != other[name]]


def _arithmetic(machine: Mapping[str, Any], names: Iterable[str]) -> str:
    words = [_FACTS[name].format(machine[name]) for name in names]
    return _listed("1 thread" if each == "1 threads" else each for each in words)


def _nodes(machines: Iterable[Mapping[str, Any]]) -> str:
    """Where they stand, for the end of a clause; nothing where it was not recorded."""
    names = sorted({str(machine[NODE]) for machine in machines if NODE in machine})
    return f" on node{'s' if len(names) > 1 else ''} {listed(names, _NAMED)}" if names else ""


def _who(runs: pd.DataFrame, ids: Sequence[str]) -> str:
    """The runs `ids` of an experiment's `runs` by their strategies, with the seeds where not all of one are meant."""
    if len(ids) == len(runs):
        return "its runs were"
    names = []
    for label, group in runs.groupby("label", sort=False):
        own = group[group["run_id"].isin(ids)]
        if len(own):
            names.append(str(label) if len(own) == len(group) else f"{label} (seed {_seeds(frozenset(own['seed']))})")
    return f"{listed(names, _NAMED)} {'was' if len(names) == 1 else 'were'}"


def _unlike_seeds(runs: pd.DataFrame) -> list[Finding]:
    """Configurations whose draws, finished or still to come, are not those that cover most runs."""
    usable = runs[(runs["status"] == "finished") | runs["status"].isin(PENDING)]
    seeds = {str(name): frozenset(group["draw"]) for name, group in usable.groupby("configuration", sort=False)}
    if len(seeds) < 2:
        return []
    wanted = _wanted_seeds(list(seeds.values()))
    findings = []
    for name, group in usable.groupby("configuration", sort=False):
        if not wanted <= seeds[str(name)]:
            text = f"{name}: its seeds are {_seeds(seeds[str(name)])}, where most have {_seeds(wanted)}."
            findings.append(Finding("seeds", tuple(group["run_id"]), text))
            continue
        extra = group[[draw not in wanted for draw in group["draw"]]]
        if len(extra):
            text = f"{name}: seeds {_seeds(frozenset(extra['draw']))} were not run by the other configurations."
            findings.append(Finding("seeds", tuple(extra["run_id"]), text))
    return findings


def _wanted_seeds(sets: list[frozenset[Any]]) -> frozenset[Any]:
    """The seeds that make the most comparable runs: shared by two configurations at least, where any are."""

    def worth(seeds: frozenset[Any]) -> tuple[bool, int, int]:
        covering = sum(seeds <= other for other in sets)
        return covering > 1 and bool(seeds), len(seeds) * covering, covering

    return max([*sets, frozenset.intersection(*sets)], key=worth)


def _unlike(mine: Mapping[str, Any], theirs: Mapping[str, Any], task: str) -> bool:
    return task in mine and task in theirs and mine[task] != theirs[task]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _arrows(names: Iterable[str]) -> str:
    return " → ".join(names)


def _passes(conditions: Conditions) -> str:
    every, limit = conditions.passes
    epochs = every[:1] if len(set(every)) == 1 else every
    text = f"{_listed(map(str, epochs))} epoch{'' if epochs == (1,) else 's'}"
    return f"{text}, at most {limit:,} tokens" if limit else text


def _rates(conditions: Conditions, reference: Conditions, tasks: Sequence[str]) -> str:
    """Both learning rates, by task unless all tasks that the two have in common have the same two."""
    pairs = {task: (conditions.learning_rates[task], reference.learning_rates[task]) for task in tasks}
    common = conditions.learning_rates.keys() & reference.learning_rates.keys()
    if len(set(pairs.values())) == 1 and len(pairs) == len(common):
        mine, other = next(iter(pairs.values()))
        return f"{mine:g}, not {other:g}"
    return f"another ({'; '.join(f'{task} {mine:g} and not {other:g}' for task, (mine, other) in pairs.items())})"


def _seeds(draws: frozenset[Any]) -> str:
    """Seeds as a sentence names them, with the orders that each set of them was run in."""
    plain = sorted(draw for draw in draws if not isinstance(draw, tuple))
    found = [", ".join(map(str, plain))] if plain else []
    of_order: dict[tuple[str, ...], list[int]] = {}
    for order, seed in sorted(draw for draw in draws if isinstance(draw, tuple)):
        of_order.setdefault(order, []).append(seed)
    found += [f"{', '.join(map(str, seeds))} in the order {_arrows(order)}" for order, seeds in of_order.items()]
    return "; ".join(found) or "none"

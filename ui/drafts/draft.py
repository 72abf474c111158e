"""The experiment as it is being put together: everything that the Experiment page asks for, valid or not yet."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine import strategies
from engine.common.errors import ConfigError
from engine.common.overrides import OVERRIDES, Overrides
from engine.common.parameters import Parameter, parameters_of
from engine.experiments.experiment import Experiment, StrategySpec, experiment_from
from engine.experiments.kept_checkpoints import Keep
from engine.experiments.orders import Orders
from engine.experiments.origin import Origin
from engine.experiments.presets import PRESETS, QUICK, preset_of
from engine.experiments.resources import Resources
from engine.experiments.training import Training
from engine.tasks.spec import TaskSpec
from engine.tasks.texts_beside import GeneralSpec, ReferenceSpec, TextBeside, check_untouched
from ui.drafts import words
from ui.drafts.guard_rows import GuardsDraft, rows_of
from ui.drafts.strategy_words import described
from ui.widgets.forms import as_text, parse_seeds, parse_values

Choice = tuple[str, str]
"""Of a general text: what kind it is, and its name."""
SHIPPED, NONE, FILE, TASK = ("shipped", ""), ("none", ""), ("file", ""), "task"
"""The general text that comes with the project, no text, the one of the loaded file; and the kind of all others."""
FIRST_ON = ("naive", "replay", "joint")
"""The strategies that a new draft compares: the lower bound, what is tried first of all, and the reference."""


@dataclass
class Card:
    """One strategy's form. Single values and lists as typed are kept apart, so that switching loses neither."""

    number: int
    strategy: str
    on: bool
    values: dict[str, Any]
    several: bool = False
    texts: dict[str, str] = field(default_factory=dict)
    rounds: int = 0
    """The number of times that values were set from beside their fields, which are then made anew."""

    reference_rounds: int = 0
    """The number of times that the reference text was chosen in another card."""

    def set(self, values: Mapping[str, Any]) -> None:
        """Set some parameters."""
        self.values |= values
        self.rounds += 1

    def text(self, name: str) -> str:
        """A parameter's values as typed, or its single value; nothing for one that is left empty."""
        value = self.values[name]
        return self.texts.get(name, "" if value is None else as_text(value))

    def spec(self) -> StrategySpec:
        """Raises ConfigError for a list that can't be read, or values that the strategy refuses."""
        given, all_declared = dict(self.values), declared_parameters(self.strategy)
        if self.several:
            for declared in all_declared:
                values = parse_values(declared, self.text(declared.name))
                given[declared.name] = values if len(values) > 1 else values[0]
        set_here = {declared.name for declared in all_declared if given[declared.name] != declared.default}
        replaced = {declared.instead_of for declared in all_declared if declared.name in set_here}
        main = {declared.name for declared in all_declared if declared.main and declared.default is not None}
        kept = {name: value for name, value in given.items() if name in set_here | (main - replaced)}
        return StrategySpec(name=self.strategy, parameters=kept)


@dataclass
class ExperimentDraft:
    """What is entered. It is kept in the session under no widget's key, because Streamlit drops widgets' values when
    the page changes."""

    version: int = 0
    """Part of every widget's key: a draft that replaces another gets fresh widgets."""
    name: str = ""
    task_names: list[str] = field(default_factory=list)
    """The names in the order in which the tasks are learnt."""
    file_tasks: dict[str, TaskSpec] = field(default_factory=dict)
    """Tasks that came with a loaded experiment and are not in the library."""
    reference: str | None = None
    """The name of the reference text: a task, learnt here or not, or `file_reference`."""
    file_reference: ReferenceSpec | None = None
    """The reference text that came with a loaded experiment and is not in the library."""
    general: Choice = SHIPPED
    file_general: GeneralSpec | None = None
    """The general text that came with a loaded experiment and is not in the library."""
    guards: GuardsDraft = field(default_factory=GuardsDraft)
    task_overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The epochs and the learning rate that tasks have of their own, by the task's name."""
    model: str = "tiny-gpt2"
    cards: list[Card] = field(default_factory=list)
    seeds: str = "0"
    preset: str = QUICK
    training: dict[str, Any] = field(default_factory=lambda: training_values(PRESETS[QUICK]))
    limits: dict[str, Any] = field(default_factory=dict)
    """The training values by which the quick preset is quick for the chosen tasks; empty until they are worked out."""
    limits_of: str = ""
    """What the limits were worked out for (`ui.outlook.outlook.quick_key`)."""
    resources: dict[str, Any] = field(default_factory=Resources().model_dump)
    """What each run computes with."""
    first_shown: set[str] = field(default_factory=set)
    """The strategies that are not folded away."""
    orders: Orders | None = None
    """The orders of the tasks that are compared; None for the one as listed."""
    checkpoints: Keep = "all"
    made_from: tuple[str, str] | None = None
    """The id and the name of the experiment that it began with, where it began with one of the data folder."""
    edited_run: str | None = None
    """The id of the run of that experiment that is edited and started again."""
    moves: int = 0
    """The number of times that the tasks were put into another order by their arrows."""
    presets: int = 0
    """The number of times that a preset was taken."""

    @property
    def origin(self) -> Origin | None:
        """Where the experiment that is started from it comes from, without what was changed."""
        return None if self.made_from is None else Origin("duplicated", *self.made_from, run_id=self.edited_run)

    def key(self, name: str) -> str:
        """A widget's key."""
        return f"experiment_{self.version}_{name}"

    def move_task(self, index: int, by: int) -> None:
        """Learn a task earlier or later."""
        self.moves += 1
        self.task_names.insert(index + by, self.task_names.pop(index))

    def take_reference(self, name: str | None, chosen_in: Card) -> None:
        """Choose the reference text, in the form of one card: the fields of all others are made anew."""
        self.reference = name
        for card in self.cards:
            card.reference_rounds += card is not chosen_in

    def preset_values(self) -> dict[str, Any]:
        """All training values as the chosen preset has them."""
        return training_values(PRESETS[self.preset]) | (self.limits if self.preset == QUICK else {})

    def take_preset(self, name: str) -> None:
        """Set all training values."""
        self.presets += 1
        self.preset = name
        self.training = self.preset_values()

    def training_settings(self) -> Training:
        """The training settings of an experiment that is right."""
        return Training(**self.training)

    def take_limits(self, limits: Mapping[str, Any], limits_of: str) -> None:
        """Set the limits of the quick preset; training values that were entered otherwise than it has them stay."""
        before, self.limits, self.limits_of = self.preset_values(), dict(limits), limits_of
        after = self.preset_values()
        moved = {name for name in after if self.training[name] == before[name] != after[name]}
        self.training |= {name: after[name] for name in moved}
        self.presets += bool(moved)

    def add_card(self, strategy: str, like: Card | None = None) -> None:
        """One more card, after the one it is `like`, or last."""
        number = 1 + max((card.number for card in self.cards), default=0)
        values = dict(like.values) if like else defaults_of(strategy)
        card = Card(number, strategy, like is not None, values)
        self.cards.insert(self.cards.index(like) + 1 if like else len(self.cards), card)

    def specs(self) -> tuple[StrategySpec, ...]:
        """The chosen strategies. Raises ConfigError."""
        return tuple(card.spec() for card in self.cards if card.on)

    def experiment(self, known_tasks: Mapping[str, TaskSpec]) -> Experiment:
        """The whole experiment. Raises ConfigError with one sentence about the first thing that is wrong."""
        tasks = self.tasks(known_tasks)
        if not tasks:
            raise ConfigError(words.NEEDS_TASK)
        if not self.model.strip():
            raise ConfigError(words.NEEDS_MODEL)
        specs = self.specs()
        if not specs:
            raise ConfigError(words.NEEDS_STRATEGY)
        reader = next((spec.name for spec in specs if reads_reference(spec)), None)
        reference = self.chosen_reference(known_tasks, reader) if reader is not None else None
        general = self.chosen_general(known_tasks)
        check_untouched(general, tasks)
        data = {
            "name": self.name.strip() or suggested_name([task.name for task in tasks]),
            "model": self.model.strip(),
            "tasks": [task.model_dump() for task in tasks],
            "reference": reference and reference.model_dump(),
            "general": general and general.model_dump(),
            "guards": self.guards.guards(),
            "training": self.training,
            "resources": self.resources,
            "orders": self.orders,
            "checkpoints": self.checkpoints,
            "strategies": [spec.model_dump() for spec in specs],
            "seeds": parse_seeds(self.seeds),
        }
        return experiment_from(data, words.THIS_EXPERIMENT)

    def references(self, known_tasks: Mapping[str, TaskSpec]) -> dict[str, TaskSpec]:
        """All texts that may be chosen as the reference, by name."""
        own = {} if self.file_reference is None else {self.file_reference.name: self.file_reference}
        return {**known_tasks, **self.file_tasks, **own}

    def chosen_reference(self, known_tasks: Mapping[str, TaskSpec], reader: str) -> ReferenceSpec:
        """The reference text that the strategy `reader` reads. Raises ConfigError where none is chosen that exists."""
        found = self.references(known_tasks).get(self.reference or "")
        if found is None:
            raise ConfigError(words.choose_reference(described(reader).title))
        return found if isinstance(found, ReferenceSpec) else ReferenceSpec.of(found)

    def generals(self, known_tasks: Mapping[str, TaskSpec]) -> dict[Choice, GeneralSpec | None]:
        """Every general text that may be chosen."""
        tasks = {(TASK, name): GeneralSpec.of(task) for name, task in {**known_tasks, **self.file_tasks}.items()}
        own = {} if self.file_general is None else {FILE: self.file_general}
        return {SHIPPED: GeneralSpec.shipped(), **own, **tasks, NONE: None}

    def chosen_general(self, known_tasks: Mapping[str, TaskSpec]) -> GeneralSpec | None:
        """The general text. Raises ConfigError where the chosen one is gone."""
        choices = self.generals(known_tasks)
        if self.general not in choices:
            raise ConfigError(words.general_gone(self.general[1]))
        return choices[self.general]

    def tasks(self, known_tasks: Mapping[str, TaskSpec]) -> list[TaskSpec]:
        """The chosen tasks that still exist, in order, with what is set for them here."""
        known = {**known_tasks, **self.file_tasks}
        chosen = [known[name] for name in self.task_names if name in known]
        return [task.model_copy(update=self.task_overrides.get(task.name, {})) for task in chosen]


def new_draft(task_names: Iterable[str] = ()) -> ExperimentDraft:
    """The draft that a visit begins with: the tasks in their order, and what a first comparison needs."""
    draft = ExperimentDraft(task_names=list(task_names))
    add_cards(draft)
    for card in draft.cards:
        card.on = card.strategy in FIRST_ON
    return draft


def draft_of(experiment: Experiment, known_tasks: Mapping[str, TaskSpec]) -> ExperimentDraft:
    """The draft that describes `experiment`; tasks that the library doesn't have come along by their files."""
    draft = ExperimentDraft(name=experiment.name, model=experiment.model)
    draft.task_names = [task.name for task in experiment.tasks]
    draft.task_overrides = {task.name: task.overrides.given for task in experiment.tasks}
    tasks = [task.model_copy(update=dict.fromkeys(OVERRIDES)) for task in experiment.tasks]
    draft.file_tasks = {task.name: task for task in tasks if known_tasks.get(task.name) != task}
    _take_reference(draft, experiment.reference, known_tasks)
    _take_general(draft, experiment.general, known_tasks)
    draft.guards.take(rows_of(experiment.guards), is_open=bool(experiment.guards))
    draft.seeds = as_text(experiment.seeds)
    draft.training = training_values(experiment.training)
    draft.resources = experiment.resources.model_dump()
    draft.orders, draft.checkpoints = experiment.orders, experiment.checkpoints
    draft.preset = preset_of(experiment.training) or "standard"
    for spec in experiment.strategies:
        defaults = defaults_of(spec.name)
        # "replay.memory_size" may be written for a parameter that only one part has.
        given = {n if n in defaults else n.partition(".")[2]: value for n, value in spec.parameters.items()}
        lists = {name: value for name, value in given.items() if isinstance(value, list | tuple)}
        single = {name: value[0] if name in lists else value for name, value in given.items()}
        values = {**defaults, **single}
        texts = {name: as_text(value) for name, value in lists.items()}
        draft.cards.append(Card(len(draft.cards) + 1, spec.name, True, values, bool(lists), texts))
    add_cards(draft)
    return draft


def add_cards(draft: ExperimentDraft) -> None:
    """A card for each strategy that is offered and has none."""
    for name in strategies.offered():
        if all(card.strategy != name for card in draft.cards):
            draft.add_card(name)


def _take_reference(
    draft: ExperimentDraft, reference: ReferenceSpec | None, known_tasks: Mapping[str, TaskSpec]
) -> None:
    """Choose the reference text of an experiment: the task of the library that it is, else the text itself."""
    if reference is None:
        return
    draft.reference = _task_of(reference, known_tasks)
    if draft.reference is None:
        draft.reference, draft.file_reference = reference.name, reference


def _take_general(draft: ExperimentDraft, general: GeneralSpec | None, known_tasks: Mapping[str, TaskSpec]) -> None:
    """Choose the general text of an experiment: the shipped one, the task of the library that it is, or itself."""
    if general is None or general == GeneralSpec.shipped():
        draft.general = SHIPPED if general else NONE
    elif (name := _task_of(general, known_tasks)) is not None:
        draft.general = (TASK, name)
    else:
        draft.general, draft.file_general = FILE, general


def _task_of(text: TextBeside, known_tasks: Mapping[str, TaskSpec]) -> str | None:
    """The name of the task of the library whose training side a text beside the tasks is."""
    found = (name for name, task in known_tasks.items() if text.of(task) == text.model_copy(update={"name": name}))
    return next(found, None)


def reads_reference(spec: StrategySpec) -> bool:
    """Whether a strategy reads the reference text with any of its values."""
    return any(strategies.build(spec.name, values).needs_reference for values in spec.resolve_all())


def training_values(training: Training) -> dict[str, Any]:
    """The settings by name, as the form changes them."""
    return {declared.name: getattr(training, declared.name) for declared in parameters_of(Training)}


def declared_parameters(strategy: str) -> tuple[Parameter, ...]:
    """The parameters of a strategy or of every part of a combination, in order, and the overrides that all take."""
    found = strategies.parameters_of(strategy)
    own = (dataclasses.replace(declared, name=key) for key, declared in found.items())
    return (*own, *(_of_its_own(strategy, declared) for declared in parameters_of(Overrides)))


def _of_its_own(strategy: str, override: Parameter) -> Parameter:
    """A training setting as the strategy's form shows it: an empty learning rate may be one of the strategy's own."""
    factor = strategies.rate_factor_of(strategy)
    if override.name != "learning_rate" or factor == 1:
        return override
    empty = words.times_that_of_training(factor)
    return dataclasses.replace(override, empty=empty, help=words.rate_help(empty))


def suggested_name(task_names: list[str]) -> str:
    """The name of an experiment that was given none."""
    return " → ".join(task_names)[:120]


def defaults_of(strategy: str) -> dict[str, Any]:
    """The values of a strategy's parameters, and of the overrides that all take, before anything is entered."""
    return {declared.name: declared.default for declared in declared_parameters(strategy)}

"""The experiment as validated data."""

import itertools
import math
from collections import Counter
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from engine import strategies
from engine.common.errors import ConfigError
from engine.common.explanations import Location, explain
from engine.common.overrides import OVERRIDES
from engine.common.parameters import no_boolean, parameters_of
from engine.experiments.kept_checkpoints import Keep
from engine.experiments.orders import Order, Orders, as_orders, label_in_order
from engine.experiments.orders import written_out as orders_written_out
from engine.experiments.resources import Resources
from engine.experiments.training import Training
from engine.guards.guard import MOST_GUARDS, Guard, check_titles
from engine.strategies.shorthands import written_out
from engine.tasks.spec import FilePath, Name, TaskSpec, one_or_many
from engine.tasks.texts_beside import NOT_OF_A_TEXT_BESIDE, GeneralSpec, ReferenceSpec, TextBeside

MAX_VARIANTS, MAX_RUNS = 1_000, 10_000
"""Most strategies with their values, and most runs, of one experiment."""
SHIPPED, NONE = "shipped", "none"
"""The general text that comes with the project, and no general text."""

_STRICT = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class StrategySpec(BaseModel):
    """A strategy by name ("replay", "replay+ewc") with parameter values; a list of values makes several runs."""

    model_config = _STRICT

    name: str = Field(max_length=80)
    parameters: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        first, *others = _entries(value)
        if others:
            raise ConfigError(f"{first['name']}: a list here makes several strategies; put it into an experiment")
        return first

    @model_validator(mode="after")
    def _is_known(self) -> "StrategySpec":
        self.resolve_all()
        return self

    def resolve_all(self) -> tuple[dict[str, Any], ...]:
        """The parameters of every combination of the listed values, with all defaults and the overrides that are set.

        Raises ConfigError for unknown names or invalid values.
        """
        names = list(self.parameters)
        if empty := [key for key, value in self.parameters.items() if isinstance(value, list | tuple) and not value]:
            raise ConfigError(f"{self.name}.{empty[0]}: the list is empty, so that there would be no run; give a value")
        choices = [v if isinstance(v, list | tuple) else [v] for v in self.parameters.values()]
        if math.prod(map(len, choices)) > MAX_VARIANTS:
            raise ConfigError(
                f"{self.name}: the listed values make more than {MAX_VARIANTS:,} combinations; list fewer of them."
            )
        return tuple(
            strategies.resolved(self.name, dict(zip(names, values, strict=True)))
            for values in itertools.product(*choices)
        )


class RunSpec(BaseModel):
    """One strategy with all its parameters resolved, one seed, and one order of the tasks."""

    model_config = _STRICT

    strategy: str
    parameters: dict[str, Any]
    seed: int
    label: str
    """Its name on pages: the strategy and the parameters that the experiment sets or varies, and the number of the
    order where it varies that, without the seed."""
    order: Order | None = None
    """The names of the tasks in the order of training; None as written, in experiments that don't vary it."""


class Experiment(BaseModel):
    """A base model, an ordered list of tasks, training settings, the strategies to compare and the seeds."""

    model_config = _STRICT

    name: Name = Field(min_length=1, max_length=120)
    model: FilePath = "tiny-gpt2"
    tasks: tuple[TaskSpec, ...] = Field(min_length=1, max_length=1000)
    reference: ReferenceSpec | None = None
    """A text that belongs to no task, for strategies that compare the model on one."""
    general: GeneralSpec | None = GeneralSpec.shipped()
    """A text that belongs to no task, scored beside them at every evaluation; None scores none."""
    guards: tuple[Guard, ...] = Field((), max_length=MOST_GUARDS)
    """Prompts with what must stay true of the model, checked at row 0 and after every stage."""
    training: Training = Training()
    resources: Resources = Resources()
    """What each run computes with."""
    checkpoints: Keep = "all"
    """Those that stay once a run has finished."""
    strategies: tuple[StrategySpec, ...] = Field(min_length=1, max_length=100)
    seeds: tuple[Annotated[int, BeforeValidator(no_boolean), Field(lt=2**63)], ...] = Field(
        (0,), min_length=1, max_length=1000
    )
    orders: Orders | None = None
    """The orders of the tasks in which every strategy is trained with every seed; None for the one as written."""

    @field_validator("general", mode="before")
    @classmethod
    def _shipped_or_none(cls, value: Any) -> Any:
        return {SHIPPED: GeneralSpec.shipped(), NONE: None}.get(value, value) if isinstance(value, str) else value

    @field_validator("guards")
    @classmethod
    def _guards_differ(cls, value: tuple[Guard, ...]) -> tuple[Guard, ...]:
        check_titles(value)
        return value

    @field_validator("orders", mode="before")
    @classmethod
    def _orders_as_people_write_them(cls, value: Any) -> Any:
        return as_orders(value)

    @field_validator("training", "resources", mode="before")
    @classmethod
    def _empty_is_the_default(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("checkpoints", mode="before")
    @classmethod
    def _all_unless_said(cls, value: Any) -> Any:
        return "all" if value is None else value

    @field_validator("tasks", "strategies", "seeds", "guards", mode="before")
    @classmethod
    def _as_people_write_it(cls, value: Any, about: ValidationInfo) -> Any:
        if value is None and about.field_name == "guards":
            return ()
        if about.field_name == "strategies" and isinstance(value, dict) and "name" not in value:
            value = tuple({name: parameters} for name, parameters in value.items())
        many = one_or_many(value)
        if about.field_name != "strategies" or not isinstance(many, list | tuple):
            return many
        return tuple(each for entry in many for each in _entries(entry))

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Experiment":
        for what, names in (("task", [t.name for t in self.tasks]), ("seed", [str(s) for s in self.seeds])):
            doubled = sorted(name for name, times in Counter(names).items() if times > 1)
            if doubled:
                raise ValueError(f"each {what} may stand only once; {', '.join(doubled[:5])} stands more often")
        if any(seed < 0 for seed in self.seeds):
            raise ValueError("seeds must be 0 or above")
        resolved, orders = self.runs_of_one_seed(), self.task_orders
        if len(resolved) > MAX_VARIANTS or len(resolved) * len(self.seeds) * len(orders) > MAX_RUNS:
            raise ValueError(
                f"this makes {len(resolved) * len(self.seeds) * len(orders):,} runs of {len(resolved):,} strategies "
                f"and settings; at most {MAX_RUNS:,} and {MAX_VARIANTS:,} go into one experiment"
            )
        specs = [(s.name, tuple(sorted(s.parameters.items()))) for s in resolved]
        if len({repr(s) for s in specs}) < len(specs):
            raise ValueError("strategies: two entries describe the same strategy with the same parameters")
        if self.reference is None and (readers := self.readers_of_reference()):
            raise ValueError(
                f"reference: {readers[0]} reads a text that belongs to no task, and the experiment names none; write "
                "its files beside the tasks, such as reference: {train: general.txt}"
            )
        return self

    @property
    def task_orders(self) -> tuple[Order | None, ...]:
        """The orders that are trained, written out; None alone where the order does not vary."""
        names = tuple(task.name for task in self.tasks)
        return (None,) if self.orders is None else orders_written_out(self.orders, names)

    def in_order(self, order: Order | None) -> "Experiment":
        """The experiment as a run with this order trains it: its tasks in that order, which then does not vary."""
        if order is None:
            return self
        named = {task.name: task for task in self.tasks}
        return self.model_copy(update={"tasks": tuple(named[name] for name in order), "orders": None})

    @property
    def own_beside(self) -> dict[str, TextBeside]:
        """Of the texts beside the tasks those that the experiment itself names, by their fields."""
        return {name: text for name, text in self.beside.items() if text is not None and name in self.model_fields_set}

    @property
    def beside(self) -> dict[str, TextBeside | None]:
        """The texts beside the tasks by their fields."""
        return {"reference": self.reference, "general": self.general}

    @property
    def texts(self) -> tuple[TaskSpec, ...]:
        """Everything that names files of the user's: the tasks in order, then the reference and the general text."""
        beside = [text for text in self.beside.values() if text is not None and text != GeneralSpec.shipped()]
        return (*self.tasks, *beside)

    def readers_of_reference(self) -> tuple[str, ...]:
        """The names of the strategies that read the reference text with any of their values."""
        runs = self.runs_of_one_seed()
        readers = [run.name for run in runs if strategies.build(run.name, run.parameters).needs_reference]
        return tuple(dict.fromkeys(readers))

    def runs_of_one_seed(self) -> tuple[StrategySpec, ...]:
        """Every strategy with single, resolved parameter values."""
        return tuple(
            StrategySpec(name=_tidy(spec.name), parameters=parameters)
            for spec in self.strategies
            for parameters in spec.resolve_all()
        )

    def runs(self) -> tuple[RunSpec, ...]:
        """All runs, seed by seed and order by order, so that a first whole comparison is there early."""
        labels = self._labels()
        return tuple(
            RunSpec(
                strategy=spec.name, parameters=spec.parameters, seed=seed, order=order,
                label=label if order is None else label_in_order(label, number),
            )
            for seed in self.seeds
            for number, order in enumerate(self.task_orders, start=1)
            for spec, label in zip(self.runs_of_one_seed(), labels, strict=True)
        )  # fmt: skip

    def _labels(self) -> list[str]:
        """A run's strategy with what it is chosen by, and whatever else tells it from the experiment's other runs."""
        built = [(spec, parameters) for spec in self.strategies for parameters in spec.resolve_all()]
        found: dict[tuple[str, str], set[str]] = {}
        for spec, parameters in built:
            for name, value in parameters.items():
                found.setdefault((_tidy(spec.name), name), set()).add(repr(value))
        labels = []
        for spec, parameters in built:
            # "replay.memory_size" may be written for a parameter that only one part has.
            given = [name if name in parameters else name.partition(".")[2] for name in spec.parameters]
            varied = {name for name in given if len(found.get((_tidy(spec.name), name), ())) > 1}
            shown = (varied | _chosen_by(spec.name, parameters) | set(OVERRIDES)) & set(parameters)
            values = [
                f"{name}={_short(parameters[name])}" for name in given if name in shown and parameters[name] is not None
            ]
            values += self._own_rate(spec.name, parameters)
            labels.append(f"{spec.name} ({', '.join(values)})" if values else spec.name)
        return labels

    def _own_rate(self, name: str, parameters: dict[str, Any]) -> list[str]:
        """The learning rate that a strategy makes of the experiment's, where any task is trained with it."""
        rate = self.training.learning_rate * strategies.rate_factor_of(name)
        is_used = "learning_rate" not in parameters and any(task.learning_rate is None for task in self.tasks)
        return [f"learning_rate={_short(rate)}"] if is_used and rate != self.training.learning_rate else []


def _entries(value: Any) -> list[Any]:
    """An entry of `strategies`, in any of its forms, as entries without a shorthand; several where one lists numbers.
    What is no strategy with parameters stays as it is. Raises ConfigError."""
    if isinstance(value, dict) and len(value) == 1 and "name" not in value:
        ((name, parameters),) = value.items()
        value = {"name": name, "parameters": parameters or {}}
    if not isinstance(value, dict) or not isinstance(value.get("parameters"), dict) or not value["parameters"]:
        return [value]
    return [value | {"parameters": each} for each in written_out(str(value.get("name")), value["parameters"])]


def _tidy(name: str) -> str:
    """The strategy's name without the spaces that may stand around a +."""
    return "+".join(part.name for part in strategies.parts_of(name))


def _chosen_by(name: str, parameters: dict[str, Any]) -> set[str]:
    """The first main parameter of each part, and the other main ones that are not at their defaults."""
    names = set()
    for part in strategies.parts_of(name):
        main = [(f"{part.name}.{d.name}", d) for d in parameters_of(part) if d.main]
        keys = [(key if key in parameters else d.name, d.default) for key, d in main]
        names |= {key for key, default in keys if key == keys[0][0] or parameters[key] != default}
    return names


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def experiment_from(data: dict[str, Any], source: str = "the experiment") -> Experiment:
    """Validate plain data. Raises ConfigError that names every wrong field."""
    try:
        return Experiment.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{source}: {explain(error, _fields_at)}") from error


def _fields_at(place: Location) -> list[str]:
    """The fields that an experiment has at a place of its data."""
    holders: dict[object, type] = {
        "tasks": TaskSpec, "strategies": StrategySpec, "guards": Guard, "resources": Resources,
    }  # fmt: skip
    if not place:
        return list(Experiment.model_fields)
    if place[0] == "training":
        return [declared.name for declared in parameters_of(Training)]
    if place[0] in ("reference", "general"):
        return [name for name in TextBeside.model_fields if name not in NOT_OF_A_TEXT_BESIDE]
    return list(getattr(holders.get(place[0]), "model_fields", ()))


def to_data(experiment: Experiment) -> dict[str, Any]:
    """Plain data as YAML and `results.json` hold it: one key per strategy, task fields at their defaults left out."""
    data = experiment.model_dump(mode="json", include={"name", "model", "training", "seeds"})
    reference = {} if experiment.reference is None else {"reference": _text_data(experiment.reference)}
    general = _text_data(experiment.general) if experiment.general is not None else NONE
    if experiment.general == GeneralSpec.shipped():
        general = SHIPPED
    guards = [guard.model_dump(mode="json", exclude_defaults=True) for guard in experiment.guards]
    resources = experiment.resources.model_dump(mode="json", exclude_defaults=True)
    keeps = {} if experiment.checkpoints == "all" else {"checkpoints": experiment.checkpoints}
    specs = [{s.name: s.parameters} if s.parameters else s.name for s in experiment.strategies]
    orders = experiment.model_dump(mode="json", include={"orders"}, exclude_none=True)
    return {
        "name": data["name"], "model": data["model"], "tasks": [_text_data(task) for task in experiment.tasks],
        **reference, "general": general, **({"guards": guards} if guards else {}),
        "training": data["training"], **({"resources": resources} if resources else {}), **keeps,
        "strategies": specs, "seeds": data["seeds"], **orders,
    }  # fmt: skip


def _text_data(spec: TaskSpec) -> dict[str, Any]:
    """What a file says of a text: the fields that are not at their defaults."""
    data = spec.model_dump(mode="json", exclude_defaults=True)
    if len(data.get("prompt_column", ())) == 1:
        (data["prompt_column"],) = data["prompt_column"]
    return data

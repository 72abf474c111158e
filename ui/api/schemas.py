"""The forms of all answers, in the words of JSON Schema as OpenAPI 3.1 takes them."""

from typing import Any

from engine.events.scores import ANSWER_SCORES, SCORE_NAMES

Schema = dict[str, Any]

STATUSES = ("queued", "running", "paused", "finished", "failed", "interrupted", "stopped")
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
TRUTH: Schema = {"type": "boolean"}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
ANYTHING: Schema = {}


def record(description: str, **properties: Schema) -> Schema:
    """An object with exactly these properties."""
    return {
        "type": "object", "description": description, "properties": properties, "required": list(properties),
        "additionalProperties": False,
    }  # fmt: skip


def listed(items: Schema, description: str = "") -> Schema:
    """A list of any length."""
    return {"type": "array", "items": items} | ({"description": description} if description else {})


def or_null(schema: Schema) -> Schema:
    """The same, or null where there is no value."""
    return {"anyOf": [schema, {"type": "null"}]}


def by_name(values: Schema, description: str) -> Schema:
    """An object whose keys are names that users gave."""
    return {"type": "object", "description": description, "additionalProperties": values}


def named(name: str) -> Schema:
    """A reference to one of `COMPONENTS`."""
    return {"$ref": f"#/components/schemas/{name}"}


_MOMENT = {"type": "string", "format": "date-time"}
_STATUS: Schema = {"type": "string", "enum": list(STATUSES)}
_NUMBERS = listed(or_null(NUMBER))
_LISTED = {"stages": listed(WHOLE), "steps": listed(WHOLE)}
_SCORES = dict.fromkeys(SCORE_NAMES, _NUMBERS)
_FIGURE = {
    "figure": TEXT | {"description": "A figure as Plotly's JSON."},
    "alt": TEXT | {"description": "The figure in words, for those who do not see it."},
}
_EXPERIMENT = {
    "experiment_id": TEXT, "name": TEXT, "created_at": _MOMENT, "model": TEXT, "tasks": listed(TEXT), "runs": COUNT,
    "finished": COUNT, "status": _STATUS, "archived": TRUTH,
}  # fmt: skip

COMPONENTS: dict[str, Schema] = {
    "Error": record("Why there is no answer.", error=TEXT),
    "Experiment": record("One experiment.", **_EXPERIMENT),
    "ExperimentInFull": record(
        "One experiment with what it compares.",
        **_EXPERIMENT,
        strategies=listed(record("A strategy with its parameters.", name=TEXT, parameters=by_name(ANYTHING, ""))),
        seeds=listed(WHOLE),
        training=by_name(ANYTHING, "The settings of training, by name."),
    ),
    "Run": record(
        "How far one run is. `progress` is from 0 to 1; `seconds_left` is an estimate; `attempt` counts how often it "
        "was started; `position` counts the waiting runs from 1; `order` lists the tasks as this run learns them.",
        run_id=TEXT, experiment_id=TEXT, label=TEXT, strategy=TEXT, parameters=by_name(ANYTHING, ""), seed=WHOLE,
        order=listed(TEXT), status=_STATUS, reason=TEXT, phase=TEXT, stage=COUNT, stages=COUNT, step=COUNT,
        steps=COUNT, progress=SHARE, target_tokens=COUNT, seconds=NUMBER, tokens_per_second=or_null(NUMBER),
        seconds_left=or_null(NUMBER), position=or_null(COUNT), attempt=COUNT, queued_at=or_null(_MOMENT),
        started_at=or_null(_MOMENT), finished_at=or_null(_MOMENT),
    ),
    "Line": record(
        "One term of the loss: step by step its stage and its mean. `is_thinned` says that points were left out; the "
        "lowest and the highest of every stretch are there.",
        **_LISTED, nats_per_token=_NUMBERS, is_thinned=TRUTH,
    ),
    "Scores": record("Held-out scores, look by look.", **_LISTED, **_SCORES),
    "GeneralScores": record(
        "The same of the general text, with KL(base model ‖ now) in nats per token.",
        **_LISTED, **_SCORES, kl_from_base=_NUMBERS,
    ),
    "Stage": record(
        "A stage that has begun.",
        stage=COUNT, task=TEXT, first_step=WHOLE, last_step=WHOLE, steps=COUNT, finished=TRUTH, seconds=NUMBER,
        target_tokens=COUNT,
    ),
    "Points": record(
        "What a run has recorded after a step.",
        run_id=TEXT, attempt=COUNT, status=_STATUS, after=WHOLE, newest_step=COUNT,
        losses=by_name(named("Line"), "By term of the loss, such as new, replay or total."),
        held_out=by_name(named("Scores"), "By task."), general_text=named("GeneralScores"),
        stages=listed(named("Stage")),
    ),
    "Matrix": record(
        "Scores on held-out text: one row a stage, from 0 (the base model), and in it one number a task.",
        run_id=TEXT, attempt=COUNT, status=_STATUS, has_ended=TRUTH, tasks=listed(TEXT),
        scores=record("By score.", **{name: listed(_NUMBERS) for name in (*SCORE_NAMES, *ANSWER_SCORES)}),
        general_text=record("The general text by score, one number a stage.", **_SCORES),
    ),
    "Figure": record("A figure of a page.", **_FIGURE, may_change=TRUTH),
    "FigureWithNotes": record(
        "A figure of a page, with what is said below it.", **_FIGURE, notes=listed(TEXT), may_change=TRUTH
    ),
    "Growing": {
        **record(
            "A figure that grows. `figure` and `alt` are left out where the question named `base`.",
            base=TEXT, newest_step=COUNT, **_FIGURE, notes=listed(TEXT),
            may_change=TRUTH,
            tail=by_name(
                record("Points of a trace that came after the figure.", x=named("Array"), y=named("Array")),
                "By the trace's uid; to be put after the figure's own points.",
            ),
        ),
        "required": ["base", "newest_step", "notes", "tail", "may_change"],
    },
    "Array": record("Numbers in base 64, as Plotly takes them.", dtype={"enum": ["i4", "f4"]}, bdata=TEXT),
    "Glance": record(
        "How far a run is, in words. `structure` changes when a run or a stage begins or ends; "
        "`may_change` says whether anything can change by itself.",
        structure=TEXT, may_change=TRUTH,
        status=record("", share=SHARE, status=TEXT, sign=TEXT, word=TEXT, name=TEXT, facts=listed(TEXT)),
        runs=record(
            "The experiment's runs: how many are where, and one row each.", note=TEXT,
            rows=listed(record("", id=TEXT, name=TEXT, detail=TEXT, sign=TEXT, status=TEXT, share=ANYTHING)),
        ),
    ),
}  # fmt: skip

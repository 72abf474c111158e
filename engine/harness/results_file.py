"""The results file of lm-evaluation-harness, read as data: nothing in it is executed, or believed unchecked.

Its form is that of `EvaluationTracker.save_results_aggregated`, versions 0.4.0 to 0.4.13: `results` has for each task
or group values under "metric,filter" and their standard errors under "metric_stderr,filter"; `n-samples`, `n-shot`
and `higher_is_better` say more of each (https://github.com/EleutherAI/lm-evaluation-harness).
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.common.errors import ConfigError
from engine.common.explanations import explain
from engine.common.quoting import clean_name, quoted, shortened

MOST_BYTES, MOST_VALUES = 20_000_000, 5_000
_LONGEST_NAME = 200
_NO_VALUE = "N/A"
_Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]


class HarnessValue(BaseModel):
    """One metric of one task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: _Name
    metric: _Name
    filter: Annotated[str, Field(max_length=_LONGEST_NAME)] = ""
    """How answers were taken from what the model wrote; "" where the harness names none."""
    value: float | None = Field(None, allow_inf_nan=False)
    """None where the file has NaN, an infinity or "N/A"."""
    stderr: float | None = Field(None, ge=0, allow_inf_nan=False)
    items: int | None = Field(None, ge=0)
    """How many were evaluated; None where the file does not say."""
    shots: int | None = Field(None, ge=0)
    """Examples in each prompt."""
    higher_is_better: bool | None = None


@dataclass(frozen=True)
class HarnessResults:
    """What a results file says."""

    values: tuple[HarnessValue, ...]
    version: str
    """Of the harness; "" where the file does not say."""
    model: str
    """The model that was evaluated, as the file names it; "" where it does not."""
    left_out: tuple[str, ...]
    """Fields of metrics that hold no number, as "task: field"."""


def read_bytes(path: Path) -> bytes:
    """The content of a results file. Raises ConfigError where it is too large or can't be read."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(_too_large(path.name))
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: it can't be read ({error.strerror}); name a results file of lm-evaluation-harness."
        ) from error


def results_of(name: str, data: bytes) -> HarnessResults:
    """What the content of a results file says. Raises ConfigError that names the file and the field."""
    if len(data) > MOST_BYTES:
        raise ConfigError(_too_large(name))
    found = _json(name, data)
    results = found.get("results") if isinstance(found, dict) else None
    if not isinstance(results, dict) or not results:
        raise ConfigError(
            f"{name}: there is no `results` with tasks in it; give the results_….json that lm_eval has written under "
            "--output_path."
        )
    values: list[HarnessValue] = []
    left_out: list[str] = []
    about = {field: _mapping(name, found, field) for field in ("n-samples", "n-shot", "higher_is_better")}
    for task, metrics in results.items():
        if not isinstance(metrics, dict):
            raise ConfigError(f"{name}: results, {quoted(task)}: write its metrics as fields, not {_kind(metrics)}.")
        _take(name, task, metrics, about, values, left_out)
    if len(values) > MOST_VALUES:
        raise ConfigError(f"{name}: holds {len(values):,} values; at most {MOST_VALUES:,} are taken, so split it.")
    if not any(value.value is not None for value in values):
        raise ConfigError(f"{name}: none of its tasks has a metric with a number, so there is nothing to show.")
    config = found.get("config")
    arguments = config.get("model_args") if isinstance(config, dict) else None
    return HarnessResults(
        tuple(values), _text(found.get("lm_eval_version")), _model(found, arguments), tuple(left_out)
    )  # fmt: skip


def _take(
    name: str, task: str, metrics: Mapping[str, Any], about: Mapping[str, Mapping[str, Any]],
    values: list[HarnessValue], left_out: list[str],
) -> None:  # fmt: skip
    """Add a task's values."""
    samples, higher = about["n-samples"].get(task), about["higher_is_better"].get(task)
    for what, field in (("n-samples", samples), ("higher_is_better", higher)):
        if field is not None and not isinstance(field, dict):
            raise ConfigError(f"{name}: {what}, {quoted(task)}: there must be fields, not {_kind(field)}.")
    for field, given in metrics.items():
        metric, _, chosen = field.partition(",")
        if "," not in field or metric.endswith("_stderr"):
            continue
        number = _number(given)
        if number is None and given != _NO_VALUE:
            left_out.append(shortened(clean_name(f"{task}: {field}")))
            continue
        row = {
            "task": clean_name(task), "metric": clean_name(metric),
            "filter": "" if chosen == "none" else clean_name(chosen),
            "value": _finite(number),
            "stderr": _finite(_number(metrics.get(f"{metric}_stderr,{chosen}"))),
            "items": (samples or {}).get("effective", metrics.get("sample_len")),
            "shots": about["n-shot"].get(task),
            "higher_is_better": (higher or {}).get(metric),
        }  # fmt: skip
        try:
            values.append(HarnessValue.model_validate(row))
        except ValidationError as error:
            why = explain(error, lambda place: list(HarnessValue.model_fields))
            raise ConfigError(f"{name}: results, {quoted(task)}, {quoted(field)}: {why}") from error


def _json(name: str, data: bytes) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        doubled = [field for field, times in Counter(field for field, _ in pairs).items() if times > 1]
        if doubled:
            raise ConfigError(f"{name}: the field {quoted(doubled[0])} stands twice; leave one out.")
        return dict(pairs)

    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=once)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: it is not in UTF-8; give the file as lm_eval has written it.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: this is not valid JSON ({shortened(str(error), 200)}).") from error


def _mapping(name: str, found: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = found.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{name}: {field}: there must be tasks with what is said of each, not {_kind(value)}.")
    return value


def _number(given: Any) -> float | None:
    """A number, also where the harness has written it as text; None for everything else."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        return float(given)
    except (ValueError, OverflowError):
        return None


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _model(found: Mapping[str, Any], arguments: Any) -> str:
    """An adapter goes before its base, as in the harness's own `model_name`."""
    if isinstance(found.get("model_name"), str):
        return _text(found["model_name"])
    if isinstance(arguments, dict):
        return _text(arguments.get("peft") or arguments.get("pretrained"))
    given = dict(part.split("=", 1) for part in _text(arguments).split(",") if "=" in part)
    return given.get("peft") or given.get("pretrained") or ""


def _text(value: Any) -> str:
    return shortened(clean_name(value), 1000) if isinstance(value, str) else ""


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else "a text" if isinstance(value, str) else quoted(value)


def _too_large(name: str) -> str:
    return (
        f"{name}: it is larger than {MOST_BYTES // 10**6} MB, which no file of results needs; give the results_….json "
        "and not the samples."
    )

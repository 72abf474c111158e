"""The summary that stays in sight: what is chosen, what it takes, what is to be mended, and Start."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from engine.experiments.experiment import Experiment
from engine.experiments.origin import Origin
from figures.numbers import NOTHING, bytes_size, count, duration
from ui.drafts import keeping
from ui.experiment import words
from ui.experiment.problems import Problem
from ui.experiment.start_check import start_answer, start_button
from ui.outlook.findings import Findings, ask_button
from ui.outlook.outlook import Outlook, Work, tokens
from ui.widgets.text import plain

KEY, FORM = "experiment_summary", "experiment_form"
UNKNOWN = "…"
_LOOK_SECONDS = 0.4
_OTHER_TABS_SECONDS = 5.0
# Beside the form it stays at the top of the window; on a narrow one it is a bar at its lower edge.
_LOOK = f"""<style>
[data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] .st-key-{KEY}) {{ align-items: flex-start; }}
[data-testid="stColumn"]:has(.st-key-{KEY}) {{
  flex: 0 0 18rem; min-width: 0; position: sticky; top: 0.5rem; max-height: calc(100vh - 1rem); overflow-y: auto;
}}
[data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] .st-key-{KEY}) > :not(:has(.st-key-{KEY})) {{
  flex: 1 1 0; min-width: 0;
}}
/* The halves of the form stand side by side where each has room for a line of its own. */
.st-key-{FORM} > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"] {{
  flex-wrap: wrap; row-gap: 0.6rem;
}}
.st-key-{FORM} > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] {{
  flex: 1 1 34rem; min-width: min(34rem, 100%);
}}
/* What is folded has the contrast of other text; what is chosen in it is said as long as it is closed. */
[data-testid="stExpander"] details > summary, [data-testid="stExpander"] details > summary * {{
  color: inherit !important; opacity: 1;
}}
[data-testid="stExpander"] details > summary .stMarkdownColoredText {{ opacity: 0.8; }}
[data-testid="stExpander"] details[open] > summary .stMarkdownColoredText {{ display: none; }}
.st-key-{KEY} {{ border: 1px solid rgba(128, 128, 128, 0.3); border-radius: 0.5rem; padding: 0.9rem 1rem 1rem; }}
.st-key-{KEY} dl.palimpsest-summary {{ margin: 0; padding: 0; display: grid; gap: 0.35rem; }}
.palimpsest-summary > div {{ display: flex; justify-content: space-between; gap: 0.75rem; }}
.palimpsest-summary dt {{ opacity: 0.8; }}
.palimpsest-summary dd {{ margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; text-align: right; }}
@media (max-width: 1000px) {{
  [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] .st-key-{KEY}) {{ flex-direction: column; }}
  [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] .st-key-{KEY}) > [data-testid="stColumn"] {{
    width: 100%; flex: 0 0 auto;
  }}
  [data-testid="stColumn"]:has(.st-key-{KEY}) {{ top: auto; bottom: 0; z-index: 90; max-height: 60vh; }}
  .st-key-{KEY} {{
    border-radius: 0.5rem 0.5rem 0 0; padding: 0.5rem 0.75rem 0.75rem; gap: 0.5rem;
    background: light-dark({{light}}, {{dark}});
  }}
  .st-key-{KEY} h4 {{ display: none; }}
  .st-key-{KEY} dl.palimpsest-summary {{
    grid-auto-flow: column; grid-auto-columns: auto; justify-content: space-between;
  }}
  .palimpsest-summary > div {{ flex-direction: column; gap: 0; }}
  .palimpsest-summary dt {{ font-size: 0.75rem; }}
  .palimpsest-summary dd {{ font-size: 0.85rem; text-align: left; white-space: nowrap; }}
}}
</style>"""


def summary(
    tasks: int,
    experiment: Experiment | None,
    problems: Sequence[Problem],
    found: Findings,
    started: Callable[[str], None],
    origin: Origin | None,
) -> None:
    """Draw it, of so many `tasks`; `origin` is what the experiment was made from."""
    light, dark = (st.get_option(f"theme.{name}.backgroundColor") for name in ("light", "dark"))
    st.html(_LOOK.replace("{light}", light).replace("{dark}", dark))
    outlook = found.outlook
    with st.container(key=KEY):
        st.markdown(f"#### {words.SUMMARY}")
        factors = _factors(experiment) if experiment else ()
        st.html(_numbers(tasks, factors, outlook, found.pending is not None))
        start_button(experiment if found.is_limited else None, words.start(math.prod(factors) if factors else 0))
        start_answer(experiment, started, origin)
        if found.pending is not None:
            _wait_for(found.pending, words.WORKING_OUT if found.is_limited else words.LIMITING)
        if outlook is not None and outlook.estimate.disk.most > outlook.room.free:
            st.warning(words.no_room(outlook.room.free), icon=":material/hard_drive:")
        if found.failure:
            st.error(plain(found.failure), icon=":material/error:")
        if experiment is not None and found.is_unasked:
            ask_button(experiment)
        if problems:
            listed = "\n".join(f"- [{plain(problem.sentence)}](#{problem.anchor})" for problem in problems)
            st.error(f"**{words.TO_MEND}**\n\n{listed}", icon=":material/error:")
    _look_for_other_tabs()


def _numbers(tasks: int, factors: Sequence[int], outlook: Outlook | None, is_pending: bool) -> str:
    """The numbers as a list of terms (HTML), none of which was typed; `factors` make the number of runs."""
    time = taken = disk = UNKNOWN if is_pending else NOTHING
    if outlook is not None:
        estimate = outlook.estimate
        taken = count(tokens(estimate))
        time, disk = f"≈ {duration(words.rounded(estimate.seconds))}", f"≈ {bytes_size(estimate.disk_bytes)}"
    rows = [
        (words.TASKS, str(tasks), ""),
        (words.RUNS, str(math.prod(factors)) if factors else NOTHING, words.help_runs(*factors) if factors else ""),
        (words.TOKENS, taken, words.HELP_TOKENS), (words.TIME, time, words.HELP_TIME),
        (words.DISK, disk, words.help_disk(None if outlook is None else outlook.estimate.disk.most)),
    ]  # fmt: skip
    terms = "".join(f'<div title="{help}"><dt>{term}</dt><dd>{value}</dd></div>' for term, value, help in rows)
    return f'<dl class="palimpsest-summary">{terms}</dl>'


def _factors(experiment: Experiment) -> tuple[int, int, int]:
    """The numbers of strategies and settings, seeds and orders, whose product is the number of runs."""
    return len(experiment.runs_of_one_seed()), len(experiment.seeds), len(experiment.task_orders)


@st.fragment(run_every=_LOOK_SECONDS)
def _wait_for(work: Work[Any], sentence: str) -> None:
    if work.over.is_set():
        st.rerun()
    st.caption(f":material/hourglass_top: {sentence}")


@st.fragment(run_every=_OTHER_TABS_SECONDS)
def _look_for_other_tabs() -> None:
    if keeping.is_behind():
        st.rerun()

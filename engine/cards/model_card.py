"""The model card of a checkpoint, in the hub's form: YAML front matter, then Markdown.

https://huggingface.co/docs/hub/model-cards. What users typed stands in code spans (`markdown.literal`), and the front
matter is written by huggingface_hub.
"""

import json
from collections.abc import Mapping
from typing import Any

from engine.cards.base_model import UNKNOWN
from engine.cards.facts import CardFacts, card_facts
from engine.cards.guard_lines import guard_section
from engine.cards.markdown import listed, literal, table
from engine.cards.score_lines import lost_section, score_section
from engine.experiments.settings_of_stage import settings_of_run
from engine.store import Store

KINDS = {"text": "plain text", "pairs": "prompts with completions", "chat": "conversations"}
_SETTINGS = (
    "stage_tokens", "warmup_share", "decay", "weight_decay", "gradient_clip", "block_size", "tokens_per_step",
    "optimizer_state",
)  # fmt: skip
"""Of the experiment's training, beside the epochs and learning rates, which tasks may have of their own."""
_LICENSE_TERMS = "https://huggingface.co/docs/hub/repositories-licenses"
_LOAD = """from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "path/to/this/folder"
model = AutoModelForCausalLM.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
"""
_CHAT = """
turns = [{"role": "user", "content": "…"}]
inputs = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
"""
_ON_BASE = """from peft import PeftModel

base = AutoModelForCausalLM.from_pretrained({repository}, revision={revision})
model = PeftModel.from_pretrained(base, folder)
"""


def model_card(store: Store, run_id: str, stage: int) -> str:
    """The text of `README.md` for a run's checkpoint of a stage. It names no place of this machine. Raises StoreError
    where there is no such checkpoint."""
    from huggingface_hub import ModelCard, ModelCardData  # which a page needs for nothing else

    facts = card_facts(store, run_id, stage)
    names = [task.label for task in facts.experiment.tasks]
    sections = (
        _about(facts), _to_fill_in(facts), _base(facts), _training(facts), score_section(facts), lost_section(facts),
        guard_section(facts.guards, names), _loading(facts), _made_with(facts),
    )  # fmt: skip
    front = ModelCardData(**_front(facts)).to_yaml()
    return str(ModelCard(f"---\n{front}\n---\n" + "\n".join(section for section in sections if section)))


def _front(facts: CardFacts) -> dict[str, Any]:
    """The front matter; a base model that is not on the hub has no name there."""
    front: dict[str, Any] = {"license": facts.base.license, **facts.base.license_details}
    if facts.base.repository is not None:
        front |= {
            "base_model": facts.base.repository,
            "base_model_relation": "adapter" if facts.is_adapter else "finetune",
            "base_model_revision": facts.base.revision,
        }
    return front | {
        "library_name": "peft" if facts.is_adapter else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["palimpsest", "continual-learning", *facts.run.strategy.split("+")],
    }


def _about(facts: CardFacts) -> str:
    place = (
        f"after stage {facts.stage} of {facts.stages}"
        if facts.finished
        else f"stopped inside stage {facts.stage} of {facts.stages}"
    )
    names = listed(task.name for task in facts.experiment.tasks[: facts.stage])
    what = "low-rank adapter (LoRA) for a causal language model" if facts.is_adapter else "causal language model"
    whole = "" if facts.finished else " The last of them was not finished."
    return (
        f"# {literal(facts.experiment.name)}: {literal(facts.run.label)}, {place}\n"
        f"A {what}, trained with Palimpsest on one task after another: {names}.{whole} "
        "It was made to study, or to limit, what a model forgets while it learns. It was scored on held-out text of "
        f"these tasks{', on a general text that no task touches' if facts.general else ''} and on nothing else.\n"
    )


def _to_fill_in(facts: CardFacts) -> str:
    told = facts.base.license
    if told == UNKNOWN:
        text = (
            "the base model's folder holds no card that says it, so the field says `unknown`. Look it up, and write "
            "into `license` what it and your texts allow"
        )
    else:
        text = (
            f"{literal(told)} is the base model's, by its own card. Whether your texts allow it is not known here: "
            "check, and change `license` where they do not"
        )
    return (
        "## Fill in before you publish\n"
        f"- **License:** {text} ({_LICENSE_TERMS}).\n"
        "- **Language:** the languages of the texts are not recorded; add `language`.\n"
        "- **Data:** where the texts come from, and whether they hold anything private, is not recorded.\n"
    )


def _base(facts: CardFacts) -> str:
    base = facts.base
    place = (
        f"on the hub, at revision {literal(base.revision)}"
        if base.repository and base.revision
        else "which is not named by a repository of the hub"
    )
    known = f" Hash of its files: {literal(base.weights_hash)}." if base.weights_hash else ""
    return f"## Base model\n{literal(base.label)}, {place}.{known}\n"


def _training(facts: CardFacts) -> str:
    settings = settings_of_run(facts.experiment, facts.run.strategy, facts.run.parameters)
    tasks = zip(facts.experiment.tasks, settings.epochs, settings.learning_rates, strict=True)
    rows = [
        [literal(task.name), *_read(_of_task(facts, number)), str(epochs), f"{rate:g}"]
        for number, (task, epochs, rate) in enumerate(tasks)
    ][: facts.stage]
    head = ("Task", "Kind", "Documents", "Held out", "Tokens", "Held-out tokens", "Epochs", "Learning rate")
    later = facts.stages - facts.stage
    more = f" {later} later {'task is' if later == 1 else 'tasks are'} no part of it." if later else ""
    training = facts.experiment.training
    fixed = {"seed": facts.run.seed} | {name: getattr(training, name) for name in _SETTINGS}
    values = [(name, value) for name, value in (facts.run.parameters | fixed).items() if value is not None]
    return (
        f"## Training\nThe tasks in the order in which they were trained; tokens are those that are learnt.{more}\n\n"
        f"{table(head, rows)}\n\nStrategy {literal(facts.run.strategy)}, AdamW:\n\n"
        f"{table(('Parameter', 'Value'), [[literal(name), literal(str(value))] for name, value in values])}\n"
    )


def _of_task(facts: CardFacts, number: int) -> Mapping[str, Any]:
    return facts.tasks[number] if number < len(facts.tasks) else {}


def _read(fact: Mapping[str, Any]) -> list[str]:
    """The cells about what was read of a task; a dash where an earlier version did not record it."""
    names = ("documents", "held_out_documents", "target_tokens", "held_out_target_tokens")
    counts = [f"{fact[name]:,}" if isinstance(fact.get(name), int) else "–" for name in names]
    return [KINDS.get(str(fact.get("kind")), "–"), *counts]


def _loading(facts: CardFacts) -> str:
    base, code = facts.base, _LOAD
    text = ""
    if facts.is_adapter:
        text = " The package `peft` must be installed: this is an adapter, which is put on its base model."
        if base.repository and base.revision:
            text += " With peft itself, as at the end, on the very revision of the base."
            code += "\n" + _ON_BASE.format(repository=json.dumps(base.repository), revision=json.dumps(base.revision))
    if facts.has_chat_template:
        text += " The tokenizer has a chat template."
        code += _CHAT
    return f"## How to load it\nWith transformers.{text}\n\n```python\n{code}```\n"


def _made_with(facts: CardFacts) -> str:
    names = {
        "commit": "Palimpsest, commit", "torch": "PyTorch", "transformers": "Transformers", "python": "Python",
        "device": "Device", "precision": "Precision",
    }  # fmt: skip
    known = [f"{title} {literal(str(facts.environment[key]))}" for key, title in names.items() if
             facts.environment.get(key)]  # fmt: skip
    return f"## Made with\n{', '.join(known) or 'Palimpsest; the versions were not recorded'}.\n"

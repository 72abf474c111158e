"""The sentences, labels and help texts of the Understand page; its view of abilities has `ui/abilities/words.py`."""

from collections.abc import Sequence

from engine.common.numerals import written
from figures.numbers import bytes_size, exact, plural
from ui.widgets.shown_text import named, shown
from ui.widgets.text import plain

ANSWERS, PASSAGES, TURNED, ABILITIES = "Answers", "Passages", "Turned answers", "Abilities"
GREEDY, SAMPLED = "Greedy", "Sampled"
WRITE, FROM_TASK, KEPT_SET = "Write", "From a task", "Kept set"
TURNED_WRONG, TURNED_RIGHT, ALL_TURNED = "Right → wrong", "Wrong → right", "All"
BITS_OF_TEXT = "in bits per byte of the text"
DOCUMENT_TITLE, LOST_TITLE, BEFORE_TITLE, AFTER_TITLE, TOKENS_TITLE = "Document", "Lost", "Before", "After", "Tokens"
PIECE_TITLE, CHANGE_TITLE, INSTEAD_TITLE = "Token", "Change", "Instead"
QUESTION_TITLE, QUESTIONS_TITLE, EXPECTED_TITLE = "Question", "Questions", "Expected"
DOCUMENT_COLUMNS = {
    LOST_TITLE: ("%+.3f", f"Change from before to after, {BITS_OF_TEXT}: above 0 the later model is worse."),
    BEFORE_TITLE: ("%.3f", f"Of the earlier model, {BITS_OF_TEXT}."),
    AFTER_TITLE: ("%.3f", f"Of the later model, {BITS_OF_TEXT}."),
    TOKENS_TITLE: ("%d", "Tokens that are scored; what is only read is not."),
}
TITLE = "Understand"
NOTHING_YET = (
    "Here you will ask models what they say, base model and strategies side by side, and read token by token what "
    "they forgot. Train an experiment first."
)
SET_UP = "Set up an experiment"
DEMO = "Go to the demo"
VIEW = "View"
VIEW_HELP = (
    "Answers: what models say to a prompt. Passages: which held-out documents a run lost, token by token. "
    "Turned answers: which held-out questions were answered right and no more, or now. Abilities: what each stage "
    "can do that no task teaches."
)
NOT_THERE = "The experiment in this page's address is not in the data folder; here is the newest instead."
EXPERIMENT = "Experiment"
EXPERIMENT_HELP = "All experiments of this data folder, the newest first."
CLEAR = "Clear"
CLEAR_HELP = "Delete the kept scores and answers; they are computed anew when they are asked for."
BASE_MODEL = "base model"

# What has become of a request
NOT_COMPUTED = "This was not computed yet. "
STOP = "Stop"
STOP_HELP = "End this request; what was worked out so far stays for the next one."
AGAIN = "Try again"
AGAIN_HELP = "Hand this request in once more."
STOPPED = "Stopped. What was worked out for whole models is kept; the rest is computed anew when asked for."
GETTING_READY = "getting ready"

# Prompts
PROMPTS = "Prompts"
PROMPTS_HELP = "Type one, take those that a task's held-out documents begin with, or choose a set that was kept."
PROMPT = "Prompt"
PROMPT_EXAMPLE = "What shall the models go on from?"
PROMPT_HELP = "The models write on from here. Ask uses the text as it stands, line breaks included."
BY_LINE = "Each line is a prompt of its own"
BY_LINE_HELP = "Off: the whole text is one prompt."
NO_SET = "No set is kept yet: write prompts or take a task's, then press Keep."
SET = "Set"
SET_HELP = "Sets of prompts of this data folder."
DELETE = "Delete"
DELETE_HELP = "Delete this set of prompts."
DELETE_SET = "Delete the set"
DELETE_SET_HELP = "The prompts are deleted; answers that were given stay."
FORMAT = "Format"
FORMAT_HELP = "A model that learnt pairs or chats expects prompts in the form in which it learnt them."
TASK = "Task"
TASK_HELP = "Its held-out documents were not trained on."
HOW_MANY = "How many"
HOW_MANY_HELP = "The first so many held-out documents."
ABOUT_TASKS_PROMPTS = (
    "The prompts of held-out documents: of pairs the prompt, of conversations the user's first message without a "
    "system message, of texts their beginnings."
)
READING = "Reading the task …"
KEEP = "Keep"
KEEP_HELP = "Keep these prompts under a name, to choose them again."
SET_NAME = "Name of the set"
SET_NAME_HELP = "As the list of sets shall call it."
KEEP_SET = "Keep as a set"
KEEP_SET_HELP = "Keep these prompts."
PLAIN_TEXT = "Plain text"
CHAT_TURN = "Chat turn, in the model's chat template"

# Answers
ASK = "Ask"
ASK_HELP = "Every chosen model goes on from every prompt."
MODELS = "Models"
MODELS_HELP = "The base model, and every run's model after each of its stages. They answer side by side."
LONGEST = "Longest answer"
LONGEST_HELP = "Tokens after which an answer is cut."
TOKENS_ARE = "Tokens are"
TOKENS_ARE_HELP = (
    "Greedy: always the likeliest token. Sampled: drawn by their probabilities, the same for the same seed."
)
TEMPERATURE = "Temperature"
TEMPERATURE_HELP = "Below 1 likelier tokens become likelier still, above 1 all become more alike."
TOP_P = "Top p"
TOP_P_HELP = "Only the likeliest tokens are drawn from: as many as have this probability together. 1: all."
SEED = "Seed"
SEED_HELP = "Another seed draws other answers."
NO_MODEL = "No model is chosen; choose one that shall answer."
NOTHING_ASKED = (
    "Here the base model and what each strategy made of it will answer side by side. Write a prompt and press Ask."
)
AS_CHAT = ", as a chat turn"
WAITING, WRITING = "waiting", "writing …"
NO_ANSWER = "no answer"
WROTE_NOTHING = "wrote nothing: it ended the text at once"
OWN_DOCUMENT = "The held-out document itself"

# Two models of a run
WATCH = "Watch it live"
RUN = "Run"
RUN_HELP = "Runs of which a stage is over."
PAIR_TASK_HELP = "Its held-out documents are read by both models."
AFTER = "After"
AFTER_HELP = "The later model; usually that of the run's last stage."
BEFORE = "Before"
BEFORE_HELP = "The earlier model; usually that of the end of the task's own stage."
SAME_MODEL = "Before and after are the same model; choose two that differ."

# Passages
PASSAGES_TO_COME = "Here the held-out documents of a task will stand, ranked by what they lost."
DOCUMENTS_ALT = "Held-out documents, those that lost most first"
DOCUMENT_HELP = "How it begins, its prompt included."
TOKENS_AS_TABLE = "All tokens as a table"
TOKENS_ALT = "Tokens of the document with their probabilities"
PIECE_HELP = "As the tokenizer cuts the text."
CHANGE_HELP = "Of the log-probability, in nats."
PIECE_BEFORE_HELP = "Probability under the earlier model."
PIECE_AFTER_HELP = "Probability under the later model."
INSTEAD_HELP = "What the later model would have written here."

# Turned answers
TURNED_TO_COME = "Here the answers that turned right or wrong will stand."
WHICH_ANSWERS = "Answers"
WHICH_ANSWERS_HELP = (
    "An answer is right where it equals the expected one, apart from upper and lower case and white space."
)
NONE_TURNED = "No answer turned this way."
TURNED_ALT = "Questions and both answers"
BY_EXPECTED = "Accuracy by expected answer"
BY_EXPECTED_ALT = "Accuracy of both models for each expected answer"
EXACT = "Exactly right"
EXACT_HELP = "Share of answers that equal the expected one."
F1 = "Token F1"
F1_HELP = "2PR / (P + R) of the words of the answer and of the expected one, mean."
LESS_LIKELY, MORE_LIKELY = "less likely than before", "more likely, in nats"
ONLY_READ = "grey: only read"


def so_much(size: int, limit: int) -> str:
    return f" ({bytes_size(size)} now, {bytes_size(limit)} at most)"


def where_computed(kept: str) -> str:
    return (
        "Answers and scores are computed on the CPU, in a process of their own that gives way to runs that train. "
        f"They are kept{kept}, so that nothing is computed twice."
    )


def after_stage(stage: int, task: str) -> str:
    return f"after stage {stage} · {task}"


def waiting(before: int) -> str:
    return f"Waiting: {plural(before, 'request')} before yours."


def delete_question(name: str) -> str:
    return f"Delete **{plain(name)}**? This can't be undone."


def kept_as(name: str) -> str:
    return f"Kept as {plain(name)}; choose it under “Kept set”."


def as_in_task(name: str) -> str:
    return f"Prompt as in task {name}"


def limits(prompt: int, answer: int) -> str:
    return (
        f"A prompt has up to {prompt:,} characters, an answer up to {answer:,} tokens, both "
        "together no more than the model reads at once."
    )


def gone_model(run_id: str, stage: int) -> str:
    return f"a model that is gone ({run_id}, stage {stage})"


def once_a_stage_is_over(what: str) -> str:
    return f"{what} They appear once the first stage of a run is over."


def plain_text_only(task: str) -> str:
    return (
        f"{plain(task)} is plain text: no document has a prompt and an answer that is expected, so nothing "
        "can be right or wrong. Passages show what was forgotten of it."
    )


def set_begins(texts: Sequence[str]) -> str:
    """How the prompts of a set begin, and how many they are where they are several."""
    begins = plain(" | ".join(texts)[:200])
    return f"{exact(len(texts))} prompts: {begins}" if len(texts) > 1 else begins


def prompt_number(number: int) -> str:
    return f"Prompt {number}"


def tokens(number: int, is_cut: bool) -> str:
    return plural(number, "token") + (", cut at the limit" if is_cut else "")


def documents_lost(worse: int, documents: int, shown: int) -> str:
    """How many documents lost, of which no more than `shown` are shown."""
    left_out = f" The first {shown:,} are shown." if documents > shown else ""
    return (
        f"{worse:,} of {plural(documents, 'held-out document')} lost; values in bits per byte.{left_out} "
        "Select one to open it."
    )


def document_lost(number: int, lost: float, before: float, after: float) -> str:
    word = "lost" if lost > 0 else "gained"
    return (
        f"**Document {number}** {word} {written(abs(lost), '.3f')} bits per byte: "
        f"{written(before, '.3f')} → {written(after, '.3f')}"
    )


def points(change: float) -> str:
    """A change in percentage points."""
    return f"{change:+.1f} points"


def turned(asked: int, lost: int, gained: int, test: str, left_out: int) -> str:
    """How many answers turned, with the result of the test, and how many questions were left out."""
    without = f" {plural(left_out, 'question')} fill the context and were left out." if left_out else ""
    return (
        f"{plural(asked, 'held-out question')}, answered greedily by both models. {plural(lost, 'answer')} turned "
        f"wrong and {gained:,} turned right: {test} (McNemar's exact test).{without}"
    )


def more_tokens(number: int) -> str:
    return f" … and {number:,} more tokens"


def where_lost(who: str) -> str:
    return f"Where {shown(who)} lost most"


def token_lost(before: str, after: str, instead: str) -> str:
    """What happened to a token; `instead` is what the later model would say, "" for the same."""
    later = f"; the later model would say {named(instead)}" if instead else ""
    return f"{before} before, {after} after{later}"


def below(percentage: str) -> str:
    return f"below {percentage}"


def nats(change: float, what: str) -> str:
    return f"{written(change, '+.2f')} nats: {what}"

"""The words that pages use, each explained in a sentence or two; texts and tables link to them by `term`."""

from dataclasses import dataclass

from ui.widgets.text import plain


@dataclass(frozen=True)
class Term:
    """A word of the glossary."""

    name: str
    text: str
    """Markdown, formulas included."""

    @property
    def anchor(self) -> str:
        """The part of the glossary's address that leads to it."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name.casefold()).strip("-")


SECTIONS: dict[str, tuple[Term, ...]] = {
    "Experiments": (
        Term(
            "task", "A named body of text, cut into documents. Most documents are trained on, the others are held out."
        ),
        Term(
            "experiment",
            "A base model, tasks in an order, training settings, the strategies to compare and the seeds.",
        ),
        Term("run", "One strategy with its settings and one seed, trained on all tasks of the experiment in order."),
        Term(
            "stage",
            "One task's turn within a run: stage 1 trains on task 1, stage 2 on task 2. After each stage all tasks are "
            "scored.",
        ),
        Term("base model", "The model before any training of the experiment. Row 0 of the score matrix is its score."),
        Term(
            "seed",
            "The number from which everything random in a run follows: the order of the data, dropout, what replay "
            "draws. Runs that differ in their seed alone show how much of a result is chance.",
        ),
        Term("strategy", "The rule that says what a training step minimises and what is remembered between stages."),
        Term(
            "held-out text",
            "Documents of a task that are never trained on. Every score is measured on them; with few of them a score "
            "says little about new texts.",
        ),
        Term(
            "general text",
            "A held-out text that belongs to no task, scored beside them: it shows what is lost of what the base model "
            "knew.",
        ),
        Term(
            "guard", "A prompt with what must stay true of the answer, checked before training and after every stage."
        ),
        Term("checkpoint", "The model as it is saved at the end of a stage."),
    ),
    "Strategies' words": (
        Term("naive", "Plain fine-tuning: each task is learnt and nothing protects the earlier ones. The lower bound."),
        Term(
            "joint",
            "Training on all tasks so far at once, from the base model: the reference that strategies try to reach.",
        ),
        Term(
            "replay",
            "Documents of past tasks, kept in a memory, take part in every step: "
            "$L(\\text{new}) + λ\\,L(\\text{memory})$. λ is the weight of their loss.",
        ),
        Term("memory", "The past documents that a strategy may use, shared evenly by the past tasks."),
        Term(
            "replay ratio",
            "Replayed tokens per new token, r: a share r/(1 + r) of what is read, while λ/(1 + λ) is the share of the "
            "loss.",
        ),
        Term(
            "EWC",
            "Elastic weight consolidation holds each weight to where it was after the past tasks, the more the more it "
            "mattered to them: $L(\\text{new}) + \\frac{λ}{2}\\sum_k F_k(θ_k - θ^*_k)^2$.",
        ),
        Term(
            "Fisher information",
            "For each weight, how much the model's predictions on a task depend on it: the mean square of the "
            "gradient of the log-likelihood.",
        ),
        Term("anchor", "The weights that an elastic penalty pulls towards."),
        Term("pull", "A penalty on the distance of the weights from others, such as EWC's or L2's."),
        Term("teacher", "The frozen model whose predictions a KL term holds the new model to."),
        Term("reference text", "The text on which a model is compared with its teacher."),
        Term(
            "KL divergence",
            "How far the new model's predictions are from those of another one, in nats per token; 0 where they agree.",
        ),
        Term("null value", "The values of a strategy's settings at which it trains exactly as naive does."),
    ),
    "Scores": (
        Term(
            "loss",
            "The mean over target tokens of −log p(token | what stands before it), in nats per token; lower is better.",
        ),
        Term(
            "target token", "A token whose prediction is learnt or scored; of prompts and answers, those of the answer."
        ),
        Term("nat", "The unit of a natural logarithm: 1 nat is 1.44 bits."),
        Term("perplexity", "The exponential of the loss: among how many equally likely tokens the model chooses."),
        Term(
            "bits per byte",
            "The loss in bits, divided by the bytes of text rather than its tokens: the score to compare across tasks, "
            "languages and tokenizers.",
        ),
        Term("next-token accuracy", "The share of target tokens that are the model's likeliest guess."),
        Term("exact match", "The share of held-out questions that are answered with exactly the expected answer."),
        Term("token F1", "How much of the expected answer's words an answer has, and how little else; 1 is the same."),
        Term(
            "score matrix",
            "$R[t, j]$ is the score on task j's held-out text after stage t. Read down a column to see one task being "
            "learnt and forgotten; row 0 is the base model.",
        ),
    ),
    "Summaries": (
        Term("average", "The mean score of all tasks after the last stage."),
        Term(
            "backward transfer",
            "What later stages did to earlier tasks: the mean over all tasks but the last of the score at the end less "
            "that right after the task's own stage. Negative where tasks were forgotten.",
        ),
        Term(
            "forward transfer",
            "What earlier stages did for tasks to come: the mean over all tasks but the first of the score just before "
            "the task's own stage less that of the base model.",
        ),
        Term(
            "forgetting",
            "How far the final score of each earlier task is below its best after any stage, in the mean. It can be "
            "negative.",
        ),
        Term(
            "relative forgetting",
            "What a task lost since its own stage, as a part of what that stage gained. Above 1 it is worse than never "
            "learnt.",
        ),
        Term(
            "learning accuracy", "The mean score of each task right after its own stage: how well new tasks are learnt."
        ),
        Term(
            "intransigence", "How much better joint training is on a task right after it came: what protection costs."
        ),
        Term(
            "stability gap", "The worst score of an old task during a later stage, even where it recovers by the end."
        ),
        Term(
            "95% interval",
            "Where a mean lies with 95% confidence. Over seeds it says how much of a result is chance; with one seed "
            "there is none.",
        ),
        Term(
            "p-value", "How often chance alone makes a difference at least as large; below 0.05 counts as established."
        ),
    ),
}
_KNOWN = {each.name.casefold(): each for section in SECTIONS.values() for each in section}


def term(name: str, said: str | None = None) -> str:
    """Markdown that links a word to its place in the glossary; `said` are other words for it, such as a plural.

    Raises KeyError for what the glossary does not have: a mistake of ours.

    >>> term("Backward transfer")
    '[Backward transfer](glossary#backward-transfer)'
    """
    return f"[{plain(said or name)}](glossary#{_KNOWN[name.casefold()].anchor})"

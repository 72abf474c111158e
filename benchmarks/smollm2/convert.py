"""`python -m benchmarks.smollm2.convert FILE.gguf --out FOLDER`: a GGUF file as a model folder that experiments name.

transformers reads GGUF, but saves no model that it has read so, and leaves out by which rule the file's tokenizer cuts
texts before it joins pieces. Here the unpacked weights go into a plain model, and the tokenizer gets that rule. What
the file's quantisation has rounded off stays lost. Needs `requirements-gguf.txt` beside `requirements.txt`.
"""

import argparse
import math
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedTokenizerBase

from engine.common.errors import ModelError, PalimpsestError
from engine.common.foreign_errors import model_errors
from engine.models.loading import LoadedModel, load_base

_TEXTS = (
    "Two  spaces,\n\n\ta tab,   12 345 and 3.14",
    "Grüße 😀 🏳️‍🌈",
    "白日依山尽，黄河入海流。",
)
PROSE = (
    "The library closes at six in the evening, and the last readers leave slowly, one after another. On the stairs a "
    "child asks her father why the books have to stay. Because they are not ours, he says, but we may come back for "
    "them tomorrow. Outside it has begun to rain, and the street lamps are reflected in the puddles."
)
"""Plain English of everyday words; it was written for this file, so no model has seen it."""


def splitting_rule(name: str) -> PreTokenizer:
    """How a byte-level tokenizer cuts a text before it joins pieces, by the name that GGUF has for the rule: `gpt-2`
    by GPT-2's pattern, `smollm` with every digit apart before that. Raises ModelError for any other."""
    by_pattern = ByteLevel(add_prefix_space=False, use_regex=True)
    rules: dict[str, Any] = {
        "gpt-2": by_pattern,
        "smollm": Sequence([Digits(individual_digits=True), by_pattern]),
    }
    if name not in rules:
        raise ModelError(
            f"The file's tokenizer cuts texts by the rule {name!r}, and this script knows {' and '.join(rules)} alone; "
            "add the rule to splitting_rule() with a test, or convert the model's original folder."
        )
    return rules[name]


def convert(file: Path, out: Path) -> str:
    """Write the model and tokenizer of a GGUF file into the folder `out`, in float32 safetensors.

    Returns a sentence that says how the file's weights are quantised. Raises ModelError where the file can't be read
    or its tokenizer does not give texts back as they were.
    """
    if find_spec("gguf") is None:
        raise ModelError("Reading GGUF takes the package gguf: pip install -r requirements-gguf.txt")
    if not file.is_file():
        raise ModelError(f"{file} is no file; name the .gguf file.")
    with model_errors(f"{file} can't be read as a GGUF file of a causal language model"):
        return _convert(file, out)


def _convert(file: Path, out: Path) -> str:
    from gguf import GGUFReader

    reader = GGUFReader(file)
    rule = reader.get_field("tokenizer.ggml.pre")
    where: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    config = AutoConfig.from_pretrained(file.parent, **where)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **where)
    tokenizer.backend_tokenizer.pre_tokenizer = splitting_rule(str(rule.contents()) if rule is not None else "")
    tokenizer.model_max_length = config.max_position_embeddings
    _check_texts(tokenizer, file)
    unpacked = AutoModelForCausalLM.from_pretrained(
        file.parent, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True), **where
    )
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(unpacked.state_dict())
    plain.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return quantisation({tensor.name: (tensor.tensor_type.name, int(tensor.n_elements)) for tensor in reader.tensors})


def quantisation(tensors: dict[str, tuple[str, int]]) -> str:
    """The share of the weights that each type of GGUF stores, from each tensor's type and number of elements."""
    sizes: Counter[str] = Counter()
    for kind, elements in tensors.values():
        sizes[kind] += elements
    shares = (f"{100 * size / sizes.total():.1f} % in {kind}" for kind, size in sizes.most_common())
    return f"{sizes.total():,} weights: {', '.join(shares)}"


def _check_texts(tokenizer: PreTrainedTokenizerBase, file: Path) -> None:
    for text in (*_TEXTS, PROSE):
        back = tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"])
        if back != text:
            raise ModelError(f"{file}: its tokenizer makes {back!r} of {text!r}, so it was not read rightly.")


@torch.no_grad()
def nats_per_token(base: LoadedModel, text: str) -> float:
    """The mean negative log-likelihood of a text's tokens, each given those before it and bos first."""
    ids = torch.tensor([[base.bos, *base.tokenizer(text, add_special_tokens=False)["input_ids"]]])
    return float(base.model.eval()(input_ids=ids, labels=ids).loss)


def main(given: list[str] | None = None) -> int:
    """Returns the exit status: 1 where the file can't be converted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.smollm2.convert", description=__doc__)
    parser.add_argument("file", type=Path, help="the .gguf file")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    options = parser.parse_args(given)
    try:
        print(convert(options.file, options.out))
        base = load_base(str(options.out))
    except PalimpsestError as error:
        print(error, file=sys.stderr)
        return 1
    nats = nats_per_token(base, PROSE)
    print(f"plain English: {nats:.2f} nats a token; a model that knows nothing has {math.log(len(base.tokenizer)):.2f}")
    print(f"begins with {base.tokenizer.bos_token}, ends with {base.tokenizer.eos_token}; written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

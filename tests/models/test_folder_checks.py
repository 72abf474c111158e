"""A model folder from a stranger: nothing in it is run, nothing is loaded that it doesn't hold."""

import ast
import json
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, GPTNeoConfig, GPTNeoForCausalLM

from engine.common.errors import ConfigError, ModelError, StoreError
from engine.common.foreign_errors import model_errors
from engine.common.paths import MODEL_ROOTS
from engine.models import loading
from engine.models.folder_checks import INDEX, WHOLE, check_sizes, local_folder
from engine.persistence.checkpoints import STATE_FILE, load_state
from tests.builders import tiny_gpt2

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model that loads."""
    made = tmp_path / "model"
    tokenizer = AutoTokenizer.from_pretrained(loading.locate("tiny-gpt2"))
    tokenizer.save_pretrained(made)
    tiny_gpt2(vocabulary=len(tokenizer)).save_pretrained(made)
    return made


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def safetensors(header: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_the_folder_of_these_tests_loads_as_it_is(folder: Path) -> None:
    assert loading.load_base(str(folder)).model.num_parameters() == tiny_gpt2(vocabulary=4096).num_parameters()


@pytest.mark.parametrize(
    "content",
    [
        safetensors({"w": {"dtype": "F32", "shape": [1000, 1000], "data_offsets": [0, 4_000_000]}}, b"\0" * 64),
        safetensors({"w": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 4]}}, b"\0" * 4),
        safetensors({"w": {"dtype": "F32", "shape": [2**63, 4], "data_offsets": [0, 4]}}, b"\0" * 4),
        struct.pack("<Q", 2**62) + b"{}",
        b"\x80\x04\x95 a pickle",
        b"",
    ],
    ids=["more than the file holds", "a huge shape", "an overflow", "a huge header", "a pickle", "nothing"],
)
def test_weights_that_promise_what_they_do_not_hold_are_refused(folder: Path, content: bytes) -> None:
    (folder / WHOLE).write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged or cut off"):
        loading.load_base(str(folder))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vocab_size": 2**31}, "describes .* parameters, but its files hold"),
        ({"n_embd": 2**20, "n_head": 1}, "describes .* parameters, but its files hold"),
        ({"n_layer": 10**9}, "n_layer = 1000000000, but its files hold"),
        ({"n_positions": 10**6}, "parameters, but its files hold|GB beside the weights"),
        ({"_attn_implementation": "someone/kernel"}, "asks for code from elsewhere"),
        ({"text_config": {"attn_implementation": "a/b"}}, "asks for code from elsewhere"),
        ({"transformers_weights": "other.safetensors"}, "weights of its own choice"),
        ({"model_type": "of-mine", "auto_map": {"AutoConfig": "code.Config"}}, "can't be loaded"),
        ({"model_type": 7}, "can't be loaded"),
    ],
)
def test_a_config_that_asks_for_more_than_the_files_hold_is_refused_before_anything_is_loaded(
    folder: Path, changes: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading.AutoModelForCausalLM, "from_pretrained", lambda *_, **__: pytest.fail("it was loaded"))
    (folder / "code.py").write_text("raise SystemExit('remote code was run')")
    change_config(folder, **changes)
    with pytest.raises(ModelError, match=words):
        loading.load_base(str(folder))


def test_a_long_context_of_few_weights_is_refused_for_its_buffers(tmp_path: Path) -> None:
    config = GPTNeoConfig(
        vocab_size=100, hidden_size=4, num_layers=1, num_heads=1, attention_types=[[["global"], 1]],
        max_position_embeddings=64, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    GPTNeoForCausalLM(config).save_pretrained(tmp_path)
    check_sizes(tmp_path, "model")
    weights = load_file(tmp_path / WHOLE)
    weights["transformer.wpe.weight"] = torch.zeros(100_000, 4)
    save_file(weights, tmp_path / WHOLE, {"format": "pt"})
    change_config(tmp_path, max_position_embeddings=100_000)
    with pytest.raises(ModelError, match="GB beside the weights"):
        check_sizes(tmp_path, "model")


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", "not json", '{"weight_map": []}', '{"weight_map": {"w": "../../other.safetensors"}}', "[" * 100_000,
     '{"weight_map": {"w": "missing.safetensors"}}', '{"weight_map": {"w": "/etc/passwd"}}'],
)  # fmt: skip
def test_an_index_that_is_none_or_leads_out_of_the_folder_is_refused(folder: Path, content: str) -> None:
    (folder / WHOLE).rename(folder / "model-00001-of-00001.safetensors")
    (folder / INDEX).write_text(content)
    with pytest.raises(ModelError, match=r"index\.json (can't be read|names)"):
        loading.load_base(str(folder))


@pytest.mark.filterwarnings("ignore")
def test_native_code_that_panics_on_a_tokenizer_is_one_sentence_too(folder: Path) -> None:
    written = json.loads((folder / "tokenizer.json").read_text())
    written["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    (folder / "tokenizer.json").write_text(json.dumps(written))
    with pytest.raises(ModelError, match="its tokenizer can't be loaded"):
        loading.load_tokenizer(str(folder))


def test_what_ends_the_program_is_no_error_of_a_model() -> None:
    with pytest.raises(KeyboardInterrupt), model_errors("loading"):
        raise KeyboardInterrupt
    with pytest.raises(ConfigError), model_errors("loading"):
        raise ConfigError("ours")
    with pytest.raises(ModelError, match=r"^loading \(AssertionError\)\.$"), model_errors("loading"):
        raise AssertionError


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", ["", "[]", "7", '{"a":', "[" * 100_000, '{"model": {"type": "BPE"}}', "\ud800"])
def test_a_damaged_description_is_one_sentence(folder: Path, file: str, content: str) -> None:
    (folder / file).write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ModelError) as found:
        loading.load_base(str(folder))
    assert len(str(found.value)) < 600


def test_model_folders_lie_below_the_roots_that_the_operator_allows(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside, link = tmp_path / "outside", tmp_path / "root" / "link"
    outside.mkdir()
    link.parent.mkdir()
    link.symlink_to(folder)
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path / "data"))
    monkeypatch.setenv(MODEL_ROOTS, str(folder.parent / "model"))
    assert loading.locate(str(folder)) == folder
    assert loading.locate("tiny-gpt2").is_dir()
    monkeypatch.setenv(MODEL_ROOTS, f"{link.parent}:{tmp_path / 'no such root'}")
    sentences = []
    for name in (folder, link, outside, link.parent / ".." / "model", tmp_path / "nothing"):
        with pytest.raises(ModelError, match="neither a folder where this server allows one") as found:
            loading.locate(str(name))
        sentences.append(str(found.value).replace(repr(str(name)), "NAME"))
    assert len(set(sentences)) == 1  # nobody learns which folders there are
    monkeypatch.setenv(MODEL_ROOTS, "")
    with pytest.raises(ModelError, match="where this server allows one"):
        loading.locate(str(folder))
    assert loading.load_base(str(folder), ours=folder).name == str(folder)  # a checkpoint of a run


@pytest.mark.parametrize(
    "name", ["~nobody-here/model", "a\0b", "x" * 5000, "x/" * 3000, "\ud800", "", " ", "/dev/null"]
)
def test_no_name_is_more_than_a_sentence(name: str) -> None:
    assert local_folder(name, None) in (None, Path.cwd())
    with pytest.raises(ModelError) as found:
        loading.locate(name)
    assert len(str(found.value)) < 400


class Harm:
    """What a pickle could do."""

    def __reduce__(self) -> tuple[object, ...]:
        return pytest.fail, ("the code of a pickle was run",)


@pytest.mark.parametrize("content", [b"", b"garbage", pickle.dumps(Harm()), b"PK\x03\x04 cut off"])
def test_a_state_that_is_damaged_or_holds_code_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STATE_FILE).write_bytes(content)
    with pytest.raises(StoreError, match="missing or damaged"):
        load_state(tmp_path)


def test_a_state_with_code_in_torchs_own_form_is_refused(tmp_path: Path) -> None:
    torch.save({"state": Harm()}, tmp_path / STATE_FILE)
    with pytest.raises(StoreError, match="missing or damaged"):
        load_state(tmp_path)


def calls(module: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every call in a file by its dotted name, with its constant keyword arguments."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            keywords = {k.arg: k.value.value for k in node.keywords if k.arg and isinstance(k.value, ast.Constant)}
            yield ast.unparse(node.func), keywords


UNSAFE = ("pickle", "dill", "joblib", "shelve", "marshal")


@pytest.mark.parametrize("layer", ["engine", "figures", "ui", "pages", "app.py"])
def test_nothing_is_unpickled_and_no_remote_code_is_trusted(layer: str) -> None:
    path = ROOT / layer
    for module in [path] if path.is_file() else sorted(path.rglob("*.py")):
        source = ast.parse(module.read_text(encoding="utf-8"))
        imported = [a.name for n in ast.walk(source) if isinstance(n, ast.Import) for a in n.names]
        imported += [str(n.module) for n in ast.walk(source) if isinstance(n, ast.ImportFrom)]
        assert not [name for name in imported if name.split(".")[0] in UNSAFE], module
        for name, keywords in calls(module):
            assert name not in ("eval", "exec", "yaml.load", "torch.hub.load", "pd.read_pickle"), module
            assert name != "torch.load" or keywords.get("weights_only") is True, module
            assert keywords.get("allow_pickle", False) is False, module
            assert keywords.get("trust_remote_code", False) is False, module
            if name.endswith((".from_pretrained", ".from_config")):
                assert keywords.get("trust_remote_code") is False, module

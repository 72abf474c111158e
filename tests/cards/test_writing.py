"""Cards in the folders that the command line leaves."""

from pathlib import Path

from engine.cards.writing import write_cards
from engine.common.durable_files import is_whole
from engine.running.headless import run_experiment
from engine.store import Store
from tests.fake_runs import FakeRun, experiment


def cards(out: Path) -> dict[str, str]:
    found = sorted(out.glob("runs/*/*/README.md"))
    return {path.parent.name: path.read_text(encoding="utf-8") for path in found}


def test_a_run_of_the_command_line_leaves_a_card_in_every_finished_stages_folder(tmp_path: Path) -> None:
    run_experiment(experiment(tmp_path, strategies=["naive"]), tmp_path / "out", execute=FakeRun())
    found = cards(tmp_path / "out")
    assert set(found) == {"stage-1", "stage-2"}
    assert all("| stage 2 (" in text or "| **stage 2 (" in text for text in found.values())  # of the whole run
    assert not any(str(tmp_path) in text for text in found.values())
    assert all(is_whole(path) for path in (tmp_path / "out").glob("runs/*/stage-*"))


def test_resuming_adds_the_cards_that_a_killed_process_left_out(tmp_path: Path) -> None:
    configured = experiment(tmp_path, strategies=["naive"])
    run_experiment(configured, tmp_path / "out", execute=FakeRun())
    (first, second) = sorted((tmp_path / "out").glob("runs/*/*/README.md"))
    first.unlink()
    second.write_text("mine", encoding="utf-8")
    run_experiment(configured, tmp_path / "out", execute=FakeRun(), resume=True)
    assert first.exists()
    assert second.read_text(encoding="utf-8") == "mine"


def test_a_checkpoint_that_is_gone_gets_no_card_and_harms_none(tmp_path: Path) -> None:
    run_experiment(experiment(tmp_path, strategies=["naive"]), tmp_path / "out", execute=FakeRun())
    with_store = Store(tmp_path / "out")
    run_id = with_store.runs()["run_id"].item()
    folder = with_store.run_folder(run_id) / "stage-1"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    write_cards(with_store, run_id)
    assert not folder.exists()
    assert set(cards(tmp_path / "out")) == {"stage-2"}
    with_store.close()

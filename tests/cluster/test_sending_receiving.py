import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cluster import sending
from engine.cluster.messages import FilePart, FilesWhole, Message, SameFile
from engine.cluster.receiving import FolderReceiver
from engine.cluster.sending import FolderSender
from engine.common.durable_files import seal
from engine.common.errors import StoreUnavailableError, TrainingError

CONTENT = st.binary(max_size=40)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["write", "append", "link", "remove", "folder"]),
        st.sampled_from(["journal-1.jsonl", "row-0.jsonl", "stage-1", "inside-1-1", "inside-1-2"]),
        CONTENT,
    ),
    max_size=8,
)


class Both:
    """A working folder on a node, and the data folder that its files are sent to."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.work, self.data = folder / "work", folder / "data"
        (self.work / "run").mkdir(parents=True)
        self.run, self.shared = self.data / "runs" / "a", self.data / "shared"
        self.sender = FolderSender(self.work)
        self.receiver = FolderReceiver(self.data / "arriving" / "a", self.run, self.shared)
        self.messages: list[Message] = []

    def send(self) -> None:
        for message in self.sender.changes():
            self.messages.append(message)
            take(self.receiver, message)

    def change(self, what: str, name: str, content: bytes) -> None:
        run = self.work / "run"
        if name.endswith(".jsonl") and what == "remove":
            (run / name).unlink(missing_ok=True)
        elif name.endswith(".jsonl"):
            with (run / name).open("ab" if what == "append" else "wb") as opened:
                opened.write(content)
        elif what == "remove":
            shutil.rmtree(run / name, ignore_errors=True)
        elif not (run / name).exists():  # such folders appear whole, and stay as they are
            (run / name).mkdir()
            (run / name / "weights").write_bytes(content)
            twin = run / "stage-1" / "weights"
            if what == "link" and twin.exists() and not (run / name / "moments").exists():
                os.link(twin, run / name / "moments")


def take(receiver: FolderReceiver, message: Message) -> None:
    match message:
        case FilePart():
            receiver.take_part(message)
        case SameFile():
            receiver.take_same(message)
        case FilesWhole():
            receiver.take_whole(message)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@given(rounds=st.lists(CHANGES, min_size=1, max_size=5), part=st.integers(1, 50))
@settings(max_examples=150, deadline=None)
def test_the_data_folder_is_what_the_node_has_after_every_sending(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[tuple[str, str, bytes]]], part: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "PART_BYTES", part)
        both = Both(tmp_path_factory.getbasetemp() / "both")
        for changes in rounds:
            for change in changes:
                both.change(*change)
            both.send()
            assert contents(both.run) == contents(both.work / "run")


def test_a_journal_is_sent_from_where_it_ended_and_one_that_began_anew_from_its_beginning(tmp_path: Path) -> None:
    both = Both(tmp_path)
    journal = both.work / "run" / "journal-1.jsonl"
    for line in (b"one\n", b"two\n"):
        with journal.open("ab") as opened:
            opened.write(line)
        both.send()
    assert [m.content for m in both.messages if isinstance(m, FilePart)] == [b"one\n", b"two\n"]
    fresh = journal.with_name("fresh")
    fresh.write_bytes(b"another one, which is longer\n")
    fresh.replace(journal)
    both.send()
    assert contents(both.run) == {"journal-1.jsonl": b"another one, which is longer\n"}


def test_a_journal_that_was_there_before_this_attempt_is_sent_whole(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.change("write", "journal-1.jsonl", b"of an earlier attempt\n")
    both.run.mkdir(parents=True)
    (both.run / "journal-1.jsonl").write_bytes(b"of an earlier attempt\n")
    both.sender = FolderSender(both.work)
    both.change("write", "journal-1.jsonl", b"of this attempt, with other seconds in it\n")
    both.send()
    assert contents(both.run) == contents(both.work / "run")


def test_what_several_folders_share_is_sent_once_and_the_shared_result_is_sound(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.change("folder", "stage-1", b"weights of the stage")
    key = both.work / "shared" / "key"
    key.mkdir(parents=True)
    os.link(both.work / "run" / "stage-1" / "weights", key / "weights")
    seal(key, durable=False)
    both.send()
    assert [m.name for m in both.messages if isinstance(m, SameFile)] == ["shared/key/weights"]
    assert contents(both.shared) == contents(both.work / "shared")
    assert (both.shared / "key" / "weights").samefile(both.run / "stage-1" / "weights")


def test_nothing_appears_before_it_is_whole_and_what_is_not_goes(tmp_path: Path) -> None:
    both = Both(tmp_path)
    both.change("folder", "inside-1-1", b"a point")
    for message in both.sender.changes():
        if isinstance(message, FilePart):
            both.receiver.take_part(message)
    assert not both.run.exists()
    both.receiver.clear()
    assert not (both.data / "arriving" / "a").exists()


def test_a_full_disk_is_waited_for_and_the_same_message_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Both(tmp_path)
    both.change("write", "journal-1.jsonl", b"one\n")
    both.change("folder", "inside-1-1", b"a point")
    both.send()
    both.change("append", "journal-1.jsonl", b"two\n")
    both.change("folder", "inside-1-2", b"the next point")
    *parts, whole = both.sender.changes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", _full)
        with pytest.raises(StoreUnavailableError, match="the disk is full"):
            take(both.receiver, parts[0])
    for part in parts:
        take(both.receiver, part)
        take(both.receiver, part)
    with monkeypatch.context() as patch:
        patch.setattr("engine.cluster.receiving.flush", _full)
        with pytest.raises(StoreUnavailableError, match="the disk is full"):
            take(both.receiver, whole)
    take(both.receiver, whole)
    assert contents(both.run) == contents(both.work / "run")


def test_a_data_folder_at_its_limit_takes_nothing_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = Both(tmp_path)
    both.change("folder", "inside-1-1", bytes(3000))
    *parts, whole = both.sender.changes()
    for part in parts:
        take(both.receiver, part)
    monkeypatch.setenv("PALIMPSEST_DISK_LIMIT_GB", str(3000 / 10**9))
    with pytest.raises(StoreUnavailableError, match="its limit of 3e-06 GB"):
        take(both.receiver, whole)
    assert not both.run.exists()
    monkeypatch.setenv("PALIMPSEST_DISK_LIMIT_GB", str(4000 / 10**9))
    take(both.receiver, whole)
    assert contents(both.run) == contents(both.work / "run")


def _full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("name", ["run/../../secret", "other/file", "run/", "run//a", "run/./a", "/etc/passwd", "run"])
def test_a_name_that_leads_out_of_the_run_is_refused(tmp_path: Path, name: str) -> None:
    both = Both(tmp_path)
    for message in (FilePart(name, 0, b"x"), SameFile(name, "run/a"), SameFile("run/a", name), FilesWhole((name,))):
        with pytest.raises(TrainingError, match="not one of a run's files"):
            take(both.receiver, message)
    assert contents(both.data) == {}

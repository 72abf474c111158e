"""The sentences and labels of what people do with experiments and runs."""

from figures.numbers import bytes_size, plural

MENU = "Manage"
MENU_HELP = "Rename, tag, take notes, duplicate, archive, keep fewer checkpoints, or move to the bin."
RENAME, TAGS, NOTES, DUPLICATE = "Rename", "Tags", "Notes", "Duplicate"
ARCHIVE, UNARCHIVE, BIN = "Archive", "Unarchive", "Move to bin"
KEEP = "Keep less"
ICONS = {
    RENAME: ":material/edit:", TAGS: ":material/sell:", NOTES: ":material/notes:",
    DUPLICATE: ":material/content_copy:", ARCHIVE: ":material/archive:", UNARCHIVE: ":material/unarchive:",
    KEEP: ":material/inventory_2:", BIN: ":material/delete:",
}  # fmt: skip
HELPS = {
    RENAME: "Give it another name.",
    TAGS: "Words to find them by.",
    NOTES: "What you want to remember of them.",
    DUPLICATE: "A new experiment with the same settings, to change before it starts.",
    ARCHIVE: "Out of the lists, with everything kept.",
    UNARCHIVE: "Back into the lists.",
    KEEP: "Fewer checkpoints of finished runs, with every score kept.",
    BIN: "Out of every list; deleted for good after a day.",
}
SAVE = "Save"
SAVE_HELP = "Keep it for everybody who sees this page."
NAME = "Name"
NAME_HELP_OF_EXPERIMENT = "What lists and exports call this experiment."
NAME_HELP_OF_RUN = "A name for this run in the table of runs; empty: its strategy and settings."
TAGS_HELP = "Choose tags, or type a new one and press Enter."
NOTES_HELP = "Plain text, shown to everybody who sees this page."


KEEP_BUTTON = "Delete the other checkpoints"
KEEP_BUTTON_HELP = "They come back only by training again."
NOTHING_FREED = "These runs keep no more than that, or have not finished."


def would_free(size: int) -> str:
    """What the dialog of checkpoints says of the disk."""
    return (
        f"This frees about {bytes_size(size)}. What goes comes back only by training again. Runs that have not "
        "finished keep everything."
    )


def freed(size: int) -> str:
    return f"{bytes_size(size)} became free."


def title(action: str, number: int, name: str) -> str:
    """The title of a dialog about one thing by its name, or about several."""
    return f"{action}: {name}" if number == 1 else f"{action}: {number:,} chosen"


def some_have(tags: list[str]) -> str:
    return f"Some of them also have {', '.join(tags)}, and keep it."


def replaces(number: int) -> str:
    return f"They have different notes. What you save replaces all {number:,}."


def goes(experiments: int, runs: int) -> str:
    """What moves to the bin."""
    whole = plural(experiments, "experiment") if experiments else ""
    return f"{whole} with {plural(runs, 'run')}" if whole else plural(runs, "run")


def to_bin(what: str, taken: int, frees: int) -> str:
    """What the dialog of the bin says of the disk."""
    shared = (
        f", and {bytes_size(taken - frees)} stay, as files that other runs or later ones also use"
        if frees < taken
        else ""
    )
    return (
        f"{what} leave every list and can be restored for a day. Then they are deleted for good, which frees "
        f"{bytes_size(frees)}{shared}. Runs that wait leave the queue."
    )


def moved(what: str) -> str:
    return f"In the bin: {what}. Restore within a day on the Runs page."

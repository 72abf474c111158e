"""Libraries at work on files of strangers: whatever they raise, users meet an error of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from engine.common.errors import ModelError, PalimpsestError
from engine.common.quoting import shortened

_PANIC = "PanicException"
"""Native code in Rust raises it where it gives up: it is no Exception, so it would end the thread that trains."""


@contextmanager
def model_errors(what: str) -> Iterator[None]:
    """Raise ModelError, `what` with the reason, for everything that is not ours already."""
    try:
        yield
    except PalimpsestError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        raise ModelError(f"{what} ({first_line(error)}).") from error


def first_line(error: BaseException) -> str:
    """Return the text of an error on one line, or its kind."""
    return shortened((str(error).strip().splitlines() or [type(error).__name__])[0], 200)

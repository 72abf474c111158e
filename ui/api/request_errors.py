"""The answers that are none: a sentence on what is wrong, and the status of HTTP that says it to a program."""


class RequestError(Exception):
    """A question that is not answered; the text says why and what to do."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def not_there(what: str, name: str) -> RequestError:
    """There is no such thing, or it lies in the bin."""
    return RequestError(404, f"There is no {what} {name!r} in this data folder; it may have been deleted.")

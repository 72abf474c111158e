"""The one family of errors that users meet. Each text says what is wrong, where, and what to do."""


class PalimpsestError(Exception):
    """Base of every error whose text is written for the user. Pages and the command line show it as it is."""


class ConfigError(PalimpsestError):
    """The experiment's description is wrong; the text names the field."""


class TaskError(PalimpsestError):
    """A task's text can't be used; the text names the file and the line or column."""


class ModelError(PalimpsestError):
    """The base model can't be loaded or can't do what is asked of it."""


class TrainingError(PalimpsestError):
    """A run can't go on, such as a loss that is no longer finite."""


class WorkerLostError(TrainingError):
    """The process or machine that computed a run is gone through no fault of the run: it can go on elsewhere."""


class PlacesError(PalimpsestError):
    """There is no place that could compute a run, such as a machine with a GPU: it waits for one."""


class StoreError(PalimpsestError):
    """Recorded data can't be read or written."""


class StoreUnavailableError(StoreError):
    """The store or its disk can't be used at the moment: once what the text names is mended, the same will succeed."""


class AccessError(PalimpsestError):
    """The server is not set up to be used by others, or this user may not do what was asked for."""

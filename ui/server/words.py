"""The texts of the app around its pages: their names, the log-in, and why somebody may not enter or change a thing."""

from collections.abc import Sequence

PRODUCT = "Palimpsest"
START, TASKS, EXPERIMENT, RUNS, LIVE, COMPARE, UNDERSTAND, GLOSSARY = (
    "Start", "Tasks", "Experiment", "Runs", "Live", "Compare", "Understand", "Glossary"
)  # fmt: skip

# The log-in
ONLY_SEEING = "You may see everything here and change nothing; ask whoever runs this server."
FOR_THE_LISTED = "This server is for those on its list. Log in to see its experiments."
LOG_IN, LOG_IN_HELP = "Log in", "Leads to the log-in of whoever runs this server, and back."
LOG_OUT, LOG_OUT_HELP = "Log out", "Ends your log-in in this browser."
MAY_SEE = "may see, not change"
SOMEBODY, SOMEBODY_UNKNOWN = "somebody", "somebody (no log-in)"
NO_ADDRESS = "Your log-in came without an e-mail address, so you can't be let in."

# Why the server refuses
OWN_MACHINE_ONLY = "This server is set up for its own machine only."
OTHER_NAME = "This server does not go by that name; whoever runs it can add names to server.allowedHosts."
OTHER_PAGES = "This server answers to its own pages only."
NO_UPLOAD = "Only those who may change things here may upload."

# Mistakes in how the server is set up
NO_PROVIDER = "The secrets list who may use this server, but [auth] is missing, so nobody can log in."
SECRETS_UNREADABLE = "The secrets can't be read, so nobody is let in; the server's log says why."
NOBODY_LISTED = (
    "[palimpsest.access] in the secrets lists nobody, so nobody can enter; add editors or readers, "
    'such as editors = ["you@example.org"].'
)


def unguarded(variable: str) -> str:
    """Why the server does not start; `variable` opens it to all."""
    return (
        "Palimpsest does not start: other machines can reach this server, and nothing says who may use it. Set up a "
        "log-in ([auth] and [palimpsest.access] in .streamlit/secrets.toml, see docs/sharing.md), let it listen on "
        f"127.0.0.1 only with no other name among server.allowedHosts, or set {variable}=1 if everybody who reaches it "
        "may start, change and delete everything."
    )


def unconfirmed(address: str) -> str:
    return f"Your provider has not confirmed that {address} is your address."


def not_listed(address: str) -> str:
    return f"{address} is not on this server's list; ask whoever runs it to add you."


def provider_lacks(keys: Sequence[str]) -> str:
    return f"[auth] in the secrets lacks {', '.join(keys)}, so nobody can log in."


def short_secret(shortest: int) -> str:
    return (
        f"cookie_secret in [auth] has fewer than {shortest} characters and could be guessed; make one with: "
        'python -c "import secrets; print(secrets.token_hex(32))"'
    )


def unknown_keys(keys: Sequence[str]) -> str:
    return f"[palimpsest.access] in the secrets has {', '.join(keys)}, which means nothing here."


def no_list(name: str) -> str:
    return f'{name} in [palimpsest.access] must be a list of e-mail addresses in quotes, ["you@…"].'

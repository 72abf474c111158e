"""Rules of who may see and who may change what a server has, from its address, its secrets and what is known of a user.

A server that only its own machine can reach is open to that machine. Any other needs a log-in with an OpenID Connect
provider (`[auth]`, as Streamlit reads it) and lists of the addresses that may enter (`[palimpsest.access]`), or its
operator's word that everybody may use it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Any

from engine.common.errors import AccessError
from ui.server import words

OPEN_TO_ALL = "PALIMPSEST_OPEN_TO_ALL"
"""The environment variable by which an operator lets everybody in who reaches the server."""

SHORTEST_SECRET = 32
"""Characters of the secret that signs a log-in's cookie: whoever guesses it is whom he likes."""

_NEEDED = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
_LISTS = ("editors", "readers")


class Role(Enum):
    """The rights of a visitor."""

    NOTHING = "nothing"
    SEE = "see"
    CHANGE = "change"


@dataclass(frozen=True)
class Rules:
    """The addresses of those who may do something, in lower case."""

    log_in: bool = False
    """Without a log-in everybody who reaches the server may change everything."""
    editors: frozenset[str] = frozenset()
    readers: frozenset[str] = frozenset()
    trust_unverified: bool = False
    """Whether an address counts that the provider has not confirmed to be the user's."""


@dataclass(frozen=True)
class Visitor:
    """Somebody who has asked for a page."""

    name: str
    """For the server's log: the address, or that nobody was asked for one."""
    role: Role
    refusal: str = ""
    """Why the visitor may do nothing."""


def is_private(address: str | None, hosts: Sequence[str]) -> bool:
    """Whether nobody but this machine reaches a server that listens on `address` and answers to the names `hosts`.

    Streamlit listens everywhere without an address and answers to every name without hosts. A name that is not this
    machine's own stands for a proxy, which makes a server that listens here reachable from elsewhere.
    """
    return bool(hosts) and all(is_loopback(name) for name in (address or "", *hosts))


def is_loopback(name: str) -> bool:
    """Whether a host's name or address always means this very machine."""
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.lower().rstrip(".") == "localhost"


def rules_of(secrets: Mapping[str, Any], private: bool, open_to_all: bool) -> Rules:
    """The rules that the secrets lay down. Raises AccessError where nobody may use the server as it is set up."""
    auth, lists = secrets.get("auth"), (secrets.get("palimpsest") or {}).get("access")
    if auth:
        _check_provider(auth)
        return _with_log_in(lists or {})
    if lists is not None:
        raise AccessError(words.NO_PROVIDER)
    if private or open_to_all:
        return Rules()
    raise AccessError(words.unguarded(OPEN_TO_ALL))


def visitor_of(rules: Rules, claims: Mapping[str, Any]) -> Visitor:
    """Tell who somebody is by the claims of the provider, such as `email` and `email_verified`."""
    if not rules.log_in:
        return Visitor(words.SOMEBODY_UNKNOWN, Role.CHANGE)
    address = claims.get("email")
    if not isinstance(address, str) or not address.strip() or not address.isprintable():
        return Visitor(words.SOMEBODY, Role.NOTHING, words.NO_ADDRESS)
    name = address.strip().lower()
    # Some providers send the claim as text. Where anybody may claim any address, one that is unconfirmed means nothing.
    if not rules.trust_unverified and claims.get("email_verified") not in (True, "true"):
        return Visitor(name, Role.NOTHING, words.unconfirmed(name))
    if name in rules.editors:
        return Visitor(name, Role.CHANGE)
    if name in rules.readers:
        return Visitor(name, Role.SEE)
    return Visitor(name, Role.NOTHING, words.not_listed(name))


def _check_provider(auth: Mapping[str, Any]) -> None:
    missing = [key for key in _NEEDED if not auth.get(key)]
    if missing:
        raise AccessError(words.provider_lacks(missing))
    if len(str(auth["cookie_secret"])) < SHORTEST_SECRET:
        raise AccessError(words.short_secret(SHORTEST_SECRET))


def _with_log_in(lists: Mapping[str, Any]) -> Rules:
    unknown = sorted(set(lists) - {*_LISTS, "trust_unverified"})
    if unknown:
        raise AccessError(words.unknown_keys(unknown))
    editors, readers = (_addresses(lists, name) for name in _LISTS)
    if not editors | readers:
        raise AccessError(words.NOBODY_LISTED)
    return Rules(True, editors, readers, lists.get("trust_unverified") is True)


def _addresses(lists: Mapping[str, Any], name: str) -> frozenset[str]:
    listed = lists.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(entry, str) and "@" in entry for entry in listed):
        raise AccessError(words.no_list(name))
    return frozenset(entry.strip().lower() for entry in listed)

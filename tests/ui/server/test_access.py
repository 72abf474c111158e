"""Who may do what, by the server's address, its secrets and a user's claims."""

from types import SimpleNamespace
from typing import Any

import pytest

from engine.common.errors import AccessError
from ui.server import entrance
from ui.server.access import Role, Rules, is_loopback, is_private, rules_of, visitor_of

AUTH = {
    "redirect_uri": "https://lab.example/oauth2callback",
    "cookie_secret": "0123456789abcdef0123456789abcdef",  # pragma: allowlist secret
    "client_id": "palimpsest",
    "client_secret": "secret",  # pragma: allowlist secret
    "server_metadata_url": "https://id.example/.well-known/openid-configuration",
}
LISTS = {"editors": ["Edith@Example.org "], "readers": ["ray@example.org"]}
RULES = Rules(True, frozenset({"edith@example.org"}), frozenset({"ray@example.org"}))


def secrets(lists: dict[str, Any] | None = None, **auth: str) -> dict[str, Any]:
    return {"auth": AUTH | auth, "palimpsest": {"access": LISTS if lists is None else lists}}


def claims(email: object, verified: object = True) -> dict[str, Any]:
    return {"is_logged_in": True, "email": email, "email_verified": verified}


@pytest.mark.parametrize(
    ("address", "hosts", "private"),
    [
        ("127.0.0.1", ["localhost", "127.0.0.1"], True),
        ("::1", ["localhost", "[::1]"], True),
        ("localhost", ["LOCALHOST."], True),
        (None, ["localhost"], False),
        ("", ["localhost"], False),
        ("0.0.0.0", ["localhost"], False),
        ("::", ["localhost"], False),
        ("192.168.1.5", ["localhost"], False),
        ("unix:///run/app.sock", ["localhost"], False),
        ("127.0.0.1", [], False),
        ("127.0.0.1", ["*"], False),
        ("127.0.0.1", ["localhost", "lab.example"], False),
    ],
)
def test_a_server_is_private_where_neither_its_address_nor_its_names_reach_beyond_this_machine(
    address: str | None, hosts: list[str], private: bool
) -> None:
    assert is_private(address, hosts) is private


@pytest.mark.parametrize("name", ["127.0.0.1.evil.example", "localhost.evil.example", "0127.0.0.1", "10.0.0.1", ""])
def test_a_name_that_only_looks_like_this_machine_is_not_it(name: str) -> None:
    assert not is_loopback(name)


@pytest.mark.parametrize(("private", "open_to_all"), [(True, False), (False, True), (True, True)])
def test_without_secrets_a_private_server_or_the_operator_s_word_lets_everybody_change(
    private: bool, open_to_all: bool
) -> None:
    rules = rules_of({}, private, open_to_all)
    assert visitor_of(rules, {}).role is Role.CHANGE


def test_without_secrets_others_are_refused_with_what_to_do() -> None:
    with pytest.raises(AccessError, match=r"\[auth\].*127\.0\.0\.1.*PALIMPSEST_OPEN_TO_ALL=1"):
        rules_of({"unrelated": 1}, private=False, open_to_all=False)


@pytest.mark.parametrize("private", [True, False])
def test_a_configured_log_in_is_asked_for_everywhere_whatever_the_operator_s_word(private: bool) -> None:
    assert rules_of(secrets(), private, open_to_all=True) == RULES


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (secrets(client_secret=""), "lacks client_secret"),
        ({"auth": {"client_id": "x"}}, "lacks redirect_uri, cookie_secret, client_secret, server_metadata_url"),
        (secrets(cookie_secret="short"), "fewer than 32 characters"),  # pragma: allowlist secret
        ({"auth": AUTH}, "lists nobody"),
        (secrets({}), "lists nobody"),
        (secrets({"editors": []}), "lists nobody"),
        (secrets({"editors": "edith@example.org"}), "editors in .* must be a list"),
        (secrets({"readers": [3]}), "readers in .* must be a list"),
        (secrets({"readers": ["*"]}), "readers in .* must be a list"),
        (secrets({"editor": ["edith@example.org"]}), "has editor, which means nothing"),
        ({"palimpsest": {"access": LISTS}}, r"\[auth\] is missing"),
    ],
)
def test_secrets_that_are_wrong_let_nobody_in(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AccessError, match=complaint):
        rules_of(wrong, private=True, open_to_all=True)


@pytest.mark.parametrize(
    ("given", "role"),
    [
        (claims("edith@example.org"), Role.CHANGE),
        (claims(" EDITH@example.ORG"), Role.CHANGE),
        (claims("edith@example.org", "true"), Role.CHANGE),
        (claims("ray@example.org"), Role.SEE),
        (claims("sam@example.org"), Role.NOTHING),
        (claims("edith@example.org", False), Role.NOTHING),
        (claims("edith@example.org", None), Role.NOTHING),
        (claims("edith@example.org", 1.5), Role.NOTHING),
        (claims(None), Role.NOTHING),
        (claims(["edith@example.org"]), Role.NOTHING),
        (claims(""), Role.NOTHING),
        (claims("edith@example.org\nray@example.org"), Role.NOTHING),
        ({}, Role.NOTHING),
    ],
)
def test_a_user_may_what_the_list_of_his_confirmed_address_says(given: dict[str, Any], role: Role) -> None:
    visitor = visitor_of(RULES, given)
    assert visitor.role is role
    assert bool(visitor.refusal) is (role is Role.NOTHING)
    assert visitor.name.isprintable()


def test_an_address_that_nobody_confirmed_counts_where_the_operator_says_so() -> None:
    rules = rules_of(secrets(LISTS | {"trust_unverified": True}), private=False, open_to_all=False)
    assert visitor_of(rules, {"email": "ray@example.org"}).role is Role.SEE


def test_who_is_on_both_lists_may_change() -> None:
    rules = rules_of(secrets({"editors": ["a@b.c"], "readers": ["a@b.c"]}), private=False, open_to_all=False)
    assert visitor_of(rules, claims("a@b.c")).role is Role.CHANGE


def test_rules_hold_for_a_moment_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    lists = [{"editors": ["ada@example.org"]}, {"editors": ["grace@example.org"]}]
    monkeypatch.setattr(entrance, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(entrance, "_secrets", lambda: secrets(lists[0]))
    entrance.forget_rules()
    assert entrance._rules().editors == {"ada@example.org"}
    lists.pop(0)
    assert entrance._rules().editors == {"ada@example.org"}
    now[0] += entrance.MOMENT_SECONDS
    assert entrance._rules().editors == {"grace@example.org"}

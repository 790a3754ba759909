"""Which callback addresses are allowed, by their text alone."""

from __future__ import annotations

import random

import pytest

from deckwatch_gateway.camio.callback_url import (
    AllowedHost,
    CallbackRefusedError,
    CallbackRules,
    CallbackUrl,
    parse_hosts,
)

RULES = CallbackRules(parse_hosts("camio.com, *.camio.com, hooks.example.org:8443, 93.184.215.14"))
TRYING = CallbackRules(parse_hosts("camio.com"), allow_loopback=True)


def refusal(rules: CallbackRules, url: str) -> str:
    with pytest.raises(CallbackRefusedError) as caught:
        rules.read(url)
    assert caught.value.reason.endswith(".")
    return caught.value.reason


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://camio.com/labels/1?a=b", ("camio.com", 443, "/labels/1?a=b")),
        ("HTTPS://CAMIO.com:443", ("camio.com", 443, "/")),
        ("https://camio.com./x", ("camio.com", 443, "/x")),
        ("https://camio.com/x#part", ("camio.com", 443, "/x")),
        ("https://www.camio.com/x y", ("www.camio.com", 443, "/x%20y")),
        ("https://a.b.camio.com/", ("a.b.camio.com", 443, "/")),
        ("https://camio。com/", ("camio.com", 443, "/")),
        ("https://bücher.camio.com/", ("xn--bcher-kva.camio.com", 443, "/")),
        ("https://hooks.example.org:8443/", ("hooks.example.org", 8443, "/")),
        ("https://93.184.215.14/", ("93.184.215.14", 443, "/")),
    ],
)
def test_allowed_addresses_are_read_in_one_spelling(
    url: str, expected: tuple[str, int, str]
) -> None:
    assert RULES.read(url) == CallbackUrl("https", *expected)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.com/",
        "https://notcamio.com/",
        "https://camio.com.evil.com/",
        "https://evil.com/camio.com",
        "https://evil.com?camio.com",
        "https://evil.com#camio.com",
        "https://camio.com:8443/",
        "https://hooks.example.org/",
        "https://a.hooks.example.org:8443/",
        "https://example.org:8443/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:93.184.215.14]/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://169.254.169.254/latest/meta-data",
        "https://\N{CYRILLIC SMALL LETTER ES}amio.com/",
    ],
)
def test_other_hosts_and_ports_are_refused_by_name(url: str) -> None:
    assert "is not one that labels may be sent to" in refusal(RULES, url)


@pytest.mark.parametrize(
    "url",
    [
        "http://camio.com/",
        "ftp://camio.com/",
        "file:///etc/passwd",
        "gopher://camio.com/",
        "camio.com/labels",
        "//camio.com/labels",
        "/labels",
        "javascript:alert(1)",
    ],
)
def test_only_https_is_allowed(url: str) -> None:
    assert refusal(RULES, url) == "callback_url must begin with https://."


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@camio.com/",
        "https://camio.com@evil.com/",
        "https://camio.com\\@evil.com",
    ],
)
def test_user_information_is_refused_and_not_repeated(url: str) -> None:
    assert "user name" in refusal(RULES, url)
    assert "secret" not in refusal(RULES, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https:///labels",
        "https:camio.com",
        "https://camio..com/",
        "https://.camio.com/",
        "https://ca mio.com/",
        "https://%63amio.com/",
        "https://-camio.com/",
        "https://camio.com:99999/",
        "https://camio.com:x/",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
        "https://camio.com/\r\nHost: evil.com",
        "https://camio.com\0.evil.com/",
        f"https://{'a' * 64}.camio.com/",
        f"https://{'a.' * 130}camio.com/",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    refusal(RULES, url)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9090/x", "http://localhost:9090/x", "https://[::1]/x", "http://127.8.8.8/"],
)
def test_this_machine_is_allowed_for_trying_out_alone(url: str) -> None:
    assert TRYING.read(url).loopback
    refusal(RULES, url)


@pytest.mark.parametrize(
    "url",
    ["http://camio.com/", "http://localhost.evil.com/", "http://10.0.0.1/", "http://0.0.0.0/"],
)
def test_trying_out_allows_nothing_else(url: str) -> None:
    refusal(TRYING, url)


def test_mutilated_urls_are_read_or_refused_and_nothing_else() -> None:
    """Five thousand seeded mutilations: never another exception, never another host."""
    signs = "ac.:/@?#[]%\\ \t\r\n\0-_~\u3002\u00df\ud800\ufeff"
    chance = random.Random(3)
    read = 0
    for _ in range(5000):
        letters = list("https://www.camio.com/labels/1")
        for _ in range(chance.randint(1, 5)):
            place = chance.randrange(len(letters))
            letters[place : place + chance.randint(0, 1)] = chance.choice(signs)
        try:
            found = RULES.read("".join(letters))
        except CallbackRefusedError:
            continue
        read += 1
        assert found.host == "camio.com" or found.host.endswith(".camio.com")
        assert found.target.isascii()
        assert found.target.isprintable()
        assert RULES.read(f"{found.scheme}://{found.authority}{found.target}") == found
    assert 100 < read < 4000


def test_authority_is_what_the_host_header_has() -> None:
    assert RULES.read("https://camio.com/").authority == "camio.com"
    assert RULES.read("https://hooks.example.org:8443/").authority == "hooks.example.org:8443"
    assert TRYING.read("http://[::1]:9090/").authority == "[::1]:9090"
    assert TRYING.read("http://127.0.0.1/").authority == "127.0.0.1"


def test_a_list_of_hosts() -> None:
    assert parse_hosts(" camio.com, ,*.Camio.com.,h.example.org:1 ") == (
        AllowedHost("camio.com"),
        AllowedHost("camio.com", below=True),
        AllowedHost("h.example.org", 1),
    )
    assert parse_hosts("") == ()


@pytest.mark.parametrize(
    "text", ["*", "*.com", "a.*.com", "https://camio.com", "camio.com/x", "a@camio.com", "a:b", "?"]
)
def test_what_is_no_host_is_refused_in_a_list(text: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        parse_hosts(f"camio.com,{text}")

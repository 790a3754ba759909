"""The page's files as they are served; what they do in a browser is tested in tests/page."""

from __future__ import annotations

import gzip
import re
from importlib.resources import files
from pathlib import Path

import httpx2
import pytest

from deckwatch_gateway.page.assets import ASSETS, PAGE, VERSION
from deckwatch_gateway.page.negotiation import prefers, quality

from .conftest import Running

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
STATIC = Path(str(files("deckwatch_gateway.page"))) / "static"


def get(gateway: Running, path: str, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.caller.get(path, headers={"Accept-Encoding": "identity", **named})


def test_a_browser_gets_the_page(without_triton: Running) -> None:
    answer = get(without_triton, "/", accept=BROWSER)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.content == PAGE.content
    assert answer.headers["cache-control"] == "no-cache"
    assert "Accept" in answer.headers["vary"]


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.9"])
def test_a_program_gets_links(without_triton: Running, accept: str) -> None:
    answer = get(without_triton, "/", accept=accept)
    assert answer.json()["links"]["release"] == "/v1/release"
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", f"/page/{VERSION}/{sorted(ASSETS)[0]}"])
@pytest.mark.parametrize("accept", [BROWSER, "*/*"])
def test_head_is_get_without_the_body(without_triton: Running, path: str, accept: str) -> None:
    whole = get(without_triton, path, accept=accept)
    head = without_triton.caller.head(
        path, headers={"Accept": accept, "Accept-Encoding": "identity"}
    )
    assert (head.status_code, head.content) == (200, b"")
    names = ("content-type", "content-length", "vary", "cache-control", "etag")
    assert [head.headers.get(name) for name in names] == [whole.headers.get(name) for name in names]
    refused = without_triton.caller.put(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (BROWSER, True),
        ("text/html", True),
        ("TEXT/HTML ; q=0.5, */*;q=0.1", True),
        ("text/html;q=0.5, application/json;q=0.5", True),
        ("text/html;q=0.5, application/json", False),
        ("text/html;q=0", False),
        ("text/html;q=nan", False),
        ("text/html;q=much", False),
        ("text/*", False),
        ("", False),
        (None, False),
    ],
)
def test_who_prefers_html(accept: str | None, page: bool) -> None:
    assert prefers(accept, "text/html", "application/json") is page


def test_quality_is_bounded() -> None:
    assert quality("gzip;q=7", "gzip") == 1
    assert quality("gzip;q=-1", "gzip") == 0


def test_the_policy_lets_in_nothing_from_elsewhere(without_triton: Running) -> None:
    for path in ("/", f"/page/{VERSION}/app.js"):
        headers = get(without_triton, path, accept="text/html").headers
        policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["img-src"] == "'self' blob: data:"
        assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_the_page_carries_nothing_inline() -> None:
    html = PAGE.content.decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|data:", html)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", html))
    assert not re.search(r"https?://", html)


def test_no_file_asks_for_anything_elsewhere() -> None:
    for name, asset in ASSETS.items():
        text = asset.content.decode().replace("http://www.w3.org/2000/svg", "")
        found = re.findall(r"https?://[a-z0-9]", text)
        assert not found, name
        assert "@import" not in text
        assert "url(" not in text, name


def test_no_file_makes_markup_of_text() -> None:
    for name, asset in ASSETS.items():
        text = asset.content.decode()
        found = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
        assert not found, name


def test_every_file_is_small_and_packed() -> None:
    names = {path.name for path in STATIC.iterdir()}
    assert names == {*ASSETS, "index.html"}
    for path in STATIC.iterdir():
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 300, path.name
        assert path.suffix == ".svg" or max(map(len, lines)) <= 100, path.name


def test_every_file_is_used() -> None:
    html = re.sub(r"<link rel=.modulepreload.*", "", PAGE.content.decode())
    told = html + "".join(asset.content.decode() for asset in ASSETS.values())
    for name in ASSETS:
        assert f"/{name}" in told, name


def test_every_module_is_named_at_once() -> None:
    named = set(re.findall(rf'href="page/{VERSION}/(\w+\.js)"', PAGE.content.decode()))
    assert named == {name for name in ASSETS if name.endswith(".js")} - {"app.js", "theme_early.js"}


def test_files_are_kept_for_good(without_triton: Running) -> None:
    for name, asset in ASSETS.items():
        answer = get(without_triton, f"/page/{VERSION}/{name}")
        assert answer.content == asset.content
        assert answer.headers["content-type"] == asset.media_type
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_another_versions_file_is_asked_for_again(without_triton: Running) -> None:
    """Two gateways of a rolling upgrade: the page of one, a module from the other."""
    answer = get(without_triton, "/page/0123456789ab/app.js")
    assert answer.content == ASSETS["app.js"].content
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", f"/page/{VERSION}/app.js"])
def test_what_the_browser_has_is_not_sent_again(without_triton: Running, path: str) -> None:
    first = get(without_triton, path, accept="text/html")
    tag = first.headers["etag"]
    for given in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = get(without_triton, path, accept="text/html", if_none_match=given)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert get(without_triton, path, accept="text/html", if_none_match='"x"').status_code == 200


def test_compressed_for_whoever_takes_it(without_triton: Running) -> None:
    plain = get(without_triton, f"/page/{VERSION}/app.js")
    packed = without_triton.caller.get(
        f"/page/{VERSION}/app.js", headers={"Accept-Encoding": "gzip, br"}
    )
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content  # the client unpacks it
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.headers["etag"] != plain.headers["etag"]
    refused = get(without_triton, f"/page/{VERSION}/app.js", accept_encoding="gzip;q=0")
    assert "content-encoding" not in refused.headers
    assert gzip.decompress(ASSETS["app.js"].compressed) == plain.content


@pytest.mark.parametrize(
    "path",
    [
        f"/page/{VERSION}/..%2Fassets.py",
        f"/page/{VERSION}/%2e%2e/assets.py",
        f"/page/{VERSION}/assets.py",
        f"/page/{VERSION}/index.html",
        f"/page/{VERSION}/",
        f"/page/{VERSION}/app.js/",
        f"/page/{VERSION}/app.js%00",
        "/page/../../etc/passwd",
        "/page/app.js",
    ],
)
def test_no_other_file_can_be_had(without_triton: Running, path: str) -> None:
    with without_triton.raw() as bare:
        bare.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: bare.recv(65536), b""))
    assert b" 404 " in answer.split(b"\r\n", 1)[0]
    assert b"problem+json" in answer


def test_one_route_in_the_metrics_for_all_files(without_triton: Running) -> None:
    get(without_triton, f"/page/{VERSION}/app.js")
    labels = {"route": "/page/{version}/{name}", "method": "GET", "status": "200"}
    assert without_triton.caller.metric("requests_total", **labels) == 1

"""What cannot be recognised is explained, and where the page can know it, nothing is sent."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from playwright.sync_api import Route, expect

from deckwatch_gateway.problems import PUBLIC_DETAILS
from deckwatch_vision import errors
from tests.gateway.conftest import Running

from .conftest import Visitor

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)


# Waits of seconds become waits of milliseconds, those of minutes (which a healthy page does not
# use up) waits of seconds: what is tested is their order.
HURRY = """{
    const real = window.setTimeout;
    window.setTimeout = (call, wait, ...more) =>
        real(call, wait > 60000 ? wait / 20 : Math.min(wait, 20), ...more);
}"""


def png_header(width: int, height: int) -> bytes:
    size = struct.pack(">II", width, height)
    return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0dIHDR" + size + b"\x08\x02\0\0\0" + bytes(64)


def jpeg_header(width: int, height: int, before: int = 0) -> bytes:
    """A JPEG's beginning, its frame header behind `before` segments of 60,000 bytes."""
    padding = b"\xff\xe2" + struct.pack(">H", 60_000) + bytes(59_998)
    frame = b"\xff\xc0\0\x11\x08" + struct.pack(">HH", height, width) + b"\x03" + bytes(64)
    return b"\xff\xd8" + padding * before + frame


def webp_header(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\0\1\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + size + bytes(64)


def bmp_header(width: int, height: int) -> bytes:
    return b"BM" + bytes(12) + struct.pack("<Iii", 40, width, -height) + bytes(64)


KNOWN_HERE = {
    "letter.jpg": (b"Dear captain,\nplease find attached", "cannot be read", "looks like text"),
    "phone.jpg": (HEIC, "cannot be read", "HEIC picture, as iPhones take them"),
    "trip.mp4": (b"\0\0\0\x18ftypisom" + bytes(64), "cannot be read", "It is a video"),
    "page.png": (b"<!DOCTYPE html><html>", "cannot be read", "looks like a web page"),
    "noise.jpg": (bytes(range(7, 107)) + b"\x80\x81", "cannot be read", "none of the formats"),
    "empty.jpg": (b"", "is empty", "has no bytes"),
    "bomb.png": (png_header(30_000, 30_000), "too many pixels", "30000, 900 megapixels"),
    "wide.jpg": (jpeg_header(60_000, 2_000), "too many pixels", "up to 64 megapixels"),
    "late.jpg": (jpeg_header(60_000, 2_000, before=8), "too many pixels", "120 megapixels"),
    "vast.webp": (webp_header(16_000, 16_000), "too many pixels", "256 megapixels"),
    "vast.bmp": (bmp_header(20_000, 20_000), "too many pixels", "400 megapixels"),
}  # fmt: skip


def test_what_the_page_can_know_is_not_sent(visit: Visitor, gateway: Running) -> None:
    before = gateway.caller.metric("requests_total", **classified(422))
    there = visit(gateway)
    there.drop_named({name: content for name, (content, _, _) in KNOWN_HERE.items()})
    there.wait_counts(f"{len(KNOWN_HERE)} photographs: 0 recognised, {len(KNOWN_HERE)} failed")
    for name, (_, heading, detail) in KNOWN_HERE.items():
        there.row(name).click()
        message = there.page.locator("#message")
        expect(message.get_by_role("heading")).to_contain_text(heading)
        expect(message.get_by_role("paragraph")).to_contain_text(detail)
        expect(there.row(name)).to_contain_text(heading)
        expect(there.page.locator("#frame img")).to_have_count(0)
    assert there.uploads == []
    assert gateway.caller.metric("requests_total", **classified(422)) == before


def classified(status: int) -> dict[str, str]:
    return {"route": "/v1/classify", "method": "POST", "status": str(status)}


def test_a_file_too_big_is_not_sent(
    visit: Visitor, start_gateway: Callable[..., Running], photo: Callable[[str], bytes]
) -> None:
    small = start_gateway(max_body_bytes=50_000)
    there = visit(small)
    there.drop_named({"shark.jpg": photo("shark.jpg"), "ray.jpg": photo("ray.jpg")})
    there.wait_counts("2 photographs: 1 recognised, 1 failed")
    there.row("ray.jpg").click()
    expect(there.page.locator("#message")).to_contain_text("It has 72 kB")
    expect(there.page.locator("#message")).to_contain_text("takes up to 50 kB")
    assert len(there.uploads) == 1
    assert small.caller.metric("requests_total", **classified(413)) == 0


def test_a_damaged_photograph_is_explained_by_the_gateway(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    there = visit(gateway)
    there.refused = True
    data = photo("shark.jpg")
    there.drop(cut__jpg=data[: len(data) // 2])
    there.wait_counts("1 photograph: 0 recognised, 1 failed")
    said = gateway.caller.post("/v1/classify", content=data[: len(data) // 2]).json()
    message = there.page.locator("#message")
    expect(message.get_by_role("heading")).to_have_text("This photograph is damaged")
    expect(message.get_by_role("paragraph")).to_have_text(said["detail"])
    there.drop(whole__jpg=data)
    there.wait_counts("2 photographs: 1 recognised, 1 failed")
    assert len(there.uploads) == 2


def test_a_proxys_error_page_is_not_shown(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    there = visit(gateway)
    there.refused = True
    html = "<h1>Bad luck</h1><script>alert(1)</script>"
    there.page.route(
        "**/v1/classify",
        lambda route: route.fulfill(status=400, content_type="text/html", body=html),
    )
    there.drop(shark__jpg=photo("shark.jpg"))
    expect(there.page.locator("#message")).to_contain_text("answered 400 without saying why")
    assert "luck" not in there.page.locator("body").inner_text()


def test_words_from_outside_stay_words(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    there = visit(gateway)
    there.refused = True
    trap = "<img src=x onerror=alert(1)>"
    problem = {"code": trap, "detail": f"{trap} and more."}
    there.page.route(
        "**/v1/classify",
        lambda route: route.fulfill(
            status=422, content_type="application/problem+json", json=problem
        ),
    )
    there.drop_named({f"{trap}.jpg": photo("shark.jpg")})
    expect(there.page.locator("#message")).to_contain_text(trap)
    expect(there.page.locator("#viewer-title")).to_have_text(f"{trap}.jpg")
    assert there.page.locator("img[src=x]").count() == 0


def refuse(route: Route, status: int, code: str, **headers: str) -> None:
    problem = {"code": code, "detail": "Not now."}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = "application/problem+json"
    route.fulfill(status=status, headers=named, content_type=kind, json=problem)


def test_a_busy_gateway_is_asked_again_when_it_said(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    there = visit(gateway)
    there.refused = True
    there.page.route(
        "**/v1/classify", lambda route: refuse(route, 429, "rate-limited", retry_after="2"), times=1
    )
    there.drop(shark__jpg=photo("shark.jpg"))
    expect(there.page.locator("#banner")).to_have_text("The gateway has much to do.")
    expect(there.page.locator("#banner")).to_have_attribute(
        "data-left", re.compile(r"Going on in [12] s")
    )
    there.wait_counts("1 photograph: 1 recognised")
    expect(there.page.locator("#banner")).to_be_hidden()
    first, second = (each.timing["startTime"] for each in there.uploads)
    assert second - first >= 1950


def test_whatever_is_temporary_is_tried_again(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    there = visit(gateway, before=HURRY)
    there.refused = True
    troubles = [
        (503, "server-overloaded"),
        (503, "server-unavailable"),
        (429, "rate-limited"),
        (504, "deadline-exceeded"),
    ]
    left = iter(troubles)

    def trouble(route: Route) -> None:
        found = next(left, None)
        if found is None:
            route.continue_()
        else:
            refuse(route, *found)

    there.page.route("**/v1/classify", trouble)
    there.drop(shark__jpg=photo("shark.jpg"))
    there.wait_counts("1 photograph: 1 recognised")
    assert len(there.uploads) == len(troubles) + 1


def test_a_photograph_that_finds_the_gateway_away_time_after_time_is_put_aside(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    there = visit(gateway, before=HURRY)
    there.refused = True
    bad = photo("ray.jpg")

    def drop_the_bad(route: Route) -> None:
        if route.request.post_data_buffer == bad:
            route.abort("connectionreset")
        else:
            route.continue_()

    there.page.route("**/v1/classify", drop_the_bad)
    there.drop_named({"ray.jpg": bad, "shark.jpg": photo("shark.jpg")})
    there.wait_counts("2 photographs: 1 recognised, 1 failed")
    there.row("ray.jpg").click()
    expect(there.page.locator("#message")).to_contain_text("cannot be reached")
    there.page.unroute("**/v1/classify")
    there.page.get_by_role("button", name="Try again").click()
    there.wait_counts("2 photographs: 2 recognised")


def test_a_connection_that_went_silent_is_given_up(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    there = visit(gateway, before=HURRY.replace("wait / 20", "wait / 300"))
    there.refused = True
    there.page.route("**/v1/classify", lambda route: None, times=1)  # an answer never comes
    there.drop(shark__jpg=photo("shark.jpg"))
    there.wait_counts("1 photograph: 1 recognised")
    assert len([each for each in there.uploads if each.post_data_buffer]) == 2


def test_recognition_that_is_away_is_waited_for(
    visit: Visitor,
    start_gateway: Callable[..., Running],
    gateway: Running,
    nowhere: str,
    photo: Callable[[str], bytes],
) -> None:
    """The page is opened while Triton is away; what is added meanwhile is not lost."""
    without = start_gateway(triton=nowhere)
    there = visit(without, before=HURRY)
    there.refused = True
    expect(there.page.locator("#banner")).to_contain_text("No picture can be recognised")
    there.drop(shark__jpg=photo("shark.jpg"))
    expect(there.row("shark.jpg")).to_contain_text("checking")
    assert there.uploads == []

    def back_again(route: Route) -> None:
        path = route.request.url.removeprefix(there.url)
        answer = gateway.caller.request(
            route.request.method, path, content=route.request.post_data_buffer
        )
        route.fulfill(
            status=answer.status_code,
            content_type=answer.headers["content-type"],
            body=answer.content,
        )

    there.page.route("**/v1/*", back_again)
    there.wait_counts("1 photograph: 1 recognised")
    expect(there.page.locator("#banner")).to_be_hidden()


def test_cancelling_ends_the_request(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    there = visit(gateway)
    held: list[Route] = []
    failed: list[str] = []
    there.page.on("requestfailed", lambda request: failed.append(request.url))
    there.page.route("**/v1/classify", lambda route: held.append(route))
    names = [f"{number}.jpg" for number in range(6)]
    there.drop_named({name: photo("shark.jpg") for name in names})
    there.wait_until(lambda: len(held) == 2)  # two at a time
    there.row("0.jpg").click()
    there.page.get_by_role("button", name="Cancel", exact=True).click()
    expect(there.row("0.jpg")).to_contain_text("cancelled")
    there.wait_until(lambda: len(held) == 3)  # the next one's turn
    assert len(failed) == 1
    there.page.get_by_role("button", name="Cancel all").press("Enter")
    there.wait_counts("6 photographs: 0 recognised")
    expect(there.page.get_by_role("listbox")).to_be_focused()  # the button is gone
    assert len(failed) == 3
    there.page.unroute("**/v1/classify")
    there.page.get_by_role("button", name="Try failed again").click()
    there.wait_counts("6 photographs: 6 recognised")


def test_every_code_has_words(visit: Visitor, gateway: Running) -> None:
    """Everything that the gateway may answer with while a picture is recognised."""
    codes = {"invalid-form", "invalid-parameters", "body-too-slow", "internal-error", "not-ready"}
    codes |= {"shutting-down", "not-found", "method-not-allowed", *PUBLIC_DETAILS}
    kinds: list[type[errors.DeckwatchError]] = [errors.ImageError, errors.ServerError]
    while kinds:
        kind = kinds.pop()
        kinds.extend(kind.__subclasses__())
        if kind not in (errors.LauncherError, errors.BrokenVideo):  # not of the gateway
            codes.add(kind.code)
    there = visit(gateway)
    address = there.page.locator("script[type=module]").get_attribute("src")
    assert address is not None
    words = there.page.evaluate(
        """async ([address, codes]) => {
            const words = new URL(address.replace("app.js", "words.js"), location);
            const { heading } = await import(words);
            return Object.fromEntries(codes.map((code) => [code, heading(code)]));
        }""",
        [address, sorted(codes)],
    )
    unknown = words.pop("unknown", "This photograph could not be recognised")
    assert [code for code, text in words.items() if text == unknown] == []

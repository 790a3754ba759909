"""A gateway that asks for a key: the page asks in turn, keeps it for the tab, and goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import expect

from deckwatch_gateway.keys import hash_entry
from tests.gateway.conftest import Running

from .conftest import Visit, Visitor

KEY = "correct-horse-battery-staple"
OTHER_KEY = "paper-clip-lantern-mooring"
STORED = """() => ({ tab: Object.values(sessionStorage), ever: Object.values(localStorage),
    cookie: document.cookie, address: location.href })"""


def give(there: Visit, key: str) -> None:
    dialog = there.page.get_by_role("dialog", name="API key")
    expect(dialog).to_be_visible()
    field = dialog.get_by_label("Key", exact=True)
    expect(field).to_be_focused()
    field.fill(key)
    field.press("Enter")


def test_a_key_is_asked_for_kept_for_the_tab_and_sent(
    visit: Visitor, start_gateway: Callable[..., Running], photo: Callable[[str], bytes]
) -> None:
    guarded = start_gateway(api_keys=f"bridge {KEY}, prometheus {OTHER_KEY} metrics")
    there = visit(guarded)
    there.refused = True
    there.drop(shark__jpg=photo("shark.jpg"))
    fault = there.page.get_by_role("dialog").get_by_role("alert")
    give(there, "two words")
    expect(fault).to_contain_text("A key is one word")
    assert there.uploads == []
    give(there, KEY + "x")
    expect(fault).to_contain_text("This key is unknown")
    give(there, OTHER_KEY)
    expect(fault).to_contain_text("This key is not for classify")
    assert there.page.evaluate(STORED)["tab"] == []
    give(there, KEY)
    expect(there.page.get_by_role("dialog")).to_be_hidden()
    there.wait_counts("1 photograph: 1 recognised")  # which waited all the while
    expect(there.page.get_by_role("button", name="Release demo, version 1")).to_be_enabled()
    expect(there.page.locator("#banner")).to_be_hidden()
    stored = there.page.evaluate(STORED)
    assert stored.pop("tab") == [KEY]
    assert KEY not in str(stored)
    assert KEY not in there.page.content()
    assert not any(KEY in each.url for each in there.requests)
    there.page.reload()
    there.drop(shark__jpg=photo("shark.jpg"))
    there.wait_counts("1 photograph: 1 recognised")
    another = visit(guarded)  # another visitor
    another.refused = True
    expect(another.page.get_by_role("dialog", name="API key")).to_be_visible()
    another.page.keyboard.press("Escape")
    expect(another.page.locator("#banner")).to_have_text("The gateway asks for an API key.")
    another.page.get_by_role("button", name="API key").click()
    give(another, KEY)
    expect(another.page.locator("#banner")).to_be_hidden()


def test_a_key_is_exchanged_while_pictures_are_sent(
    visit: Visitor,
    start_gateway: Callable[..., Running],
    photo: Callable[[str], bytes],
    tmp_path: Path,
) -> None:
    """With a picture so large that the refusal overtakes it."""
    keys = tmp_path / "keys"
    keys.write_text(hash_entry("bridge", KEY) + "\n")
    guarded = start_gateway(api_keys_file=keys)
    there = visit(guarded)
    there.refused = True
    give(there, KEY)
    there.drop(shark__jpg=photo("shark.jpg"))
    there.wait_counts("1 photograph: 1 recognised")
    fresh = tmp_path / "fresh"
    fresh.write_text(hash_entry("bridge", OTHER_KEY) + "\n")
    fresh.replace(keys)
    headers = {"X-API-Key": KEY}
    there.wait_until(lambda: guarded.caller.get("/v1/release", headers=headers).status_code == 401)
    grey = np.full((1000, 1500, 3), 90, np.uint8)
    there.drop(large__bmp=cv2.imencode(".bmp", grey)[1].tobytes())
    expect(there.page.get_by_role("dialog").get_by_role("alert")).to_contain_text("unknown")
    give(there, OTHER_KEY)
    there.wait_counts("2 photographs: 2 recognised")

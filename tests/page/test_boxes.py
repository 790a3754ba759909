"""Boxes lie where the API's answer puts them, whatever the picture and the screen."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.gateway.conftest import Running, wait_for

from .conftest import Visit, Visitor

ORIENTATION = 0x0112  # EXIF 2.32
# What has to be done to an upright picture so that the tag turns it back (EXIF 2.32, tag 274).
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
PLACES = """() => {
    const plain = ({ left, top, width, height }) => ({ left, top, width, height });
    const image = document.querySelector("#frame img");
    if (!image) return { natural: [0, 0], image: { width: 0, height: 0 }, boxes: [] };
    const lines = [...document.querySelectorAll(".box .line")];
    return {
        natural: [image.naturalWidth, image.naturalHeight],
        image: plain(image.getBoundingClientRect()),
        boxes: lines.map((line) => plain(line.getBoundingClientRect())),
    };
}"""

Answer = Callable[[bytes], dict[str, Any]]


def same_places(page: Page, result: dict[str, Any]) -> bool:
    """Whether every box lies within 1 CSS pixel of where the answer puts it."""
    found = page.evaluate(PLACES)
    image = found["image"]
    if not image["width"]:
        return False
    across = image["width"] / result["image"]["width"]
    down = image["height"] / result["image"]["height"]
    wanted = [
        (
            image["left"] + box[0] * across,
            image["top"] + box[1] * down,
            (box[2] - box[0]) * across,
            (box[3] - box[1]) * down,
        )
        for box in (fish["box"] for fish in result["fish"])
    ]
    given = [(each["left"], each["top"], each["width"], each["height"]) for each in found["boxes"]]
    if len(given) != len(wanted):
        return False
    return np.allclose(sorted(given), sorted(wanted), atol=1.0, rtol=0)


def expect_places(visit: Visit, result: dict[str, Any]) -> None:
    expect(visit.page.locator("#caption")).to_contain_text("recognised by")
    wait_for(lambda: same_places(visit.page, result))


def turned(upright: Image.Image, orientation: int, kind: str = "JPEG") -> bytes:
    """A file that shows `upright` once it is turned as its EXIF says."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = upright.transpose(STORED[orientation]) if orientation in STORED else upright
    stream = io.BytesIO()
    stored.save(stream, kind, exif=exif, quality=95)
    return stream.getvalue()


@pytest.mark.parametrize("scale", [1, 2.5])
def test_dropped_photographs(
    visit: Visitor, gateway: Running, answer: Answer, photo: Callable[[str], bytes], scale: float
) -> None:
    there = visit(gateway, device_scale_factor=scale)
    for name in ("rays.jpg", "surgeonfish.jpg"):
        data = photo(name)
        result = answer(data)
        assert result["fish"]
        there.drop_named({name: data})
        there.row(name).click()
        expect_places(there, result)


def test_the_window_is_resized_and_the_picture_enlarged(
    visit: Visitor, gateway: Running, answer: Answer, photo: Callable[[str], bytes]
) -> None:
    there = visit(gateway)
    data = photo("rays.jpg")
    result = answer(data)
    there.drop(rays__jpg=data)
    expect_places(there, result)
    widths = [there.page.evaluate(PLACES)["image"]["width"]]
    for width, height in ((700, 900), (320, 600), (1600, 1000)):
        there.page.set_viewport_size({"width": width, "height": height})
        wait_for(lambda: there.page.evaluate(PLACES)["image"]["width"] != widths[-1])
        expect_places(there, result)
        widths.append(there.page.evaluate(PLACES)["image"]["width"])
    for _ in range(3):
        there.page.get_by_role("button", name="Larger").click()
    wait_for(lambda: there.page.evaluate(PLACES)["image"]["width"] > 3 * widths[-1])
    expect_places(there, result)
    stage = there.page.locator("#stage")
    stage.evaluate("(stage) => stage.scrollTo(150, 120)")
    expect_places(there, result)
    expect(there.page.get_by_role("region", name="Enlarged picture")).to_be_visible()
    there.page.get_by_role("button", name="Fit").press("Enter")
    expect(there.page.get_by_role("button", name="Larger")).to_be_focused()
    wait_for(lambda: there.page.evaluate(PLACES)["image"]["width"] == widths[-1])


def test_turned_photographs(
    visit: Visitor, gateway: Running, answer: Answer, photo: Callable[[str], bytes]
) -> None:
    """All eight orientations look the same, and their boxes lie in the same places."""
    upright = Image.open(io.BytesIO(photo("rays.jpg"))).convert("RGB")
    there = visit(gateway)
    shown: dict[int, np.ndarray] = {}
    for orientation in range(1, 9):
        data = turned(upright, orientation)
        result = answer(data)
        assert (result["image"]["width"], result["image"]["height"]) == upright.size
        name = f"turned-{orientation}.jpg"
        there.drop_named({name: data})
        there.row(name).click()
        expect(there.page.locator("#viewer-title")).to_have_text(name)
        expect_places(there, result)
        taken = np.frombuffer(there.page.locator("#frame").screenshot(), np.uint8)
        shown[orientation] = np.asarray(cv2.imdecode(taken, cv2.IMREAD_COLOR))
    for orientation, picture in shown.items():
        difference = np.abs(picture.astype(int) - shown[1]).mean()
        assert difference < 4, f"orientation {orientation} looks different"
    mirrored = np.abs(shown[1][:, ::-1].astype(int) - shown[1]).mean()
    assert mirrored > 12, "this photograph would hide a wrong turn"


def test_what_a_browser_turns_otherwise_or_cannot_show(
    visit: Visitor, gateway: Running, answer: Answer, photo: Callable[[str], bytes]
) -> None:
    """Chromium turns a PNG as its EXIF says, but no WebP, and shows no TIFF at all."""
    upright = Image.open(io.BytesIO(photo("rays.jpg"))).convert("RGB")
    there = visit(gateway)
    for kind, orientation, drawn in (("PNG", 6, 0), ("WEBP", 8, 1), ("TIFF", 1, 2)):
        data = turned(upright, orientation, kind)
        result = answer(data)
        name = f"picture.{kind.lower()}"
        there.drop_named({name: data})
        there.row(name).click()
        expect(there.page.locator("#viewer-title")).to_have_text(name)
        expect(there.page.locator("#frame img")).to_have_attribute("alt", name)
        expect_places(there, result)
        assert tuple(there.page.evaluate(PLACES)["natural"]) == upright.size
        assert len([each for each in there.uploads if "overlay" in each.url]) == drawn


def test_a_box_is_chosen_by_mouse(
    visit: Visitor, gateway: Running, answer: Answer, photo: Callable[[str], bytes]
) -> None:
    data = photo("rays.jpg")
    result = answer(data)
    there = visit(gateway)
    there.drop(rays__jpg=data)
    expect_places(there, result)
    second = there.page.get_by_role("button", name="Fish 2: ray, sensitive species, score").first
    second.click()
    expect(second).to_have_attribute("aria-pressed", "true")
    bars = there.page.get_by_role("list", name="Likelihoods, Fish 2")
    for code, share in result["fish"][1]["likelihoods"].items():
        row = bars.get_by_role("listitem").filter(has_text=code)
        expect(row).to_contain_text(f"{share * 100:.1f} %")
        fill = row.locator(".fill").bounding_box()
        track = row.locator(".track").bounding_box()
        assert fill is not None
        assert track is not None
        assert abs(fill["width"] / track["width"] - share) < 0.02
    second.click()
    expect(bars).to_have_count(0)


def test_an_enlarged_picture_keeps_its_fish_in_view_and_can_be_dragged(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    there = visit(gateway)
    page = there.page
    there.drop(rays__jpg=photo("rays.jpg"))
    third = page.locator(".box[aria-label^='Fish 3:']")
    third.click()
    for _ in range(5):
        page.get_by_role("button", name="Larger").click()
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    middle = (stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)

    def off() -> tuple[float, float]:
        box = third.locator(".line").bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2 - middle[0], box["y"] + box["height"] / 2 - middle[1]

    wait_for(lambda: max(map(abs, off())) < 20)  # the scroll bars take some
    before = off()
    # Browsers serve the mouse before timers: on a busy machine the click comes first.
    page.evaluate("() => { const now = setTimeout; setTimeout = (f, ms) => now(f, ms + 60000); }")
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] - 60, middle[1] + 40, steps=4)
    page.mouse.up()
    wait_for(lambda: np.allclose(off(), (before[0] - 60, before[1] + 40), atol=2))
    expect(third).to_have_attribute("aria-pressed", "true")  # a drag is no click
    page.mouse.click(middle[0] - 60, middle[1] + 40)
    expect(third).to_have_attribute("aria-pressed", "false")


def test_a_small_box_on_a_large_one_can_be_chosen(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    """The larger comes first in the answer; without care it would lie above."""
    likelihoods = {"NoF": 0.1, "OTHER": 0.7, "RAY": 0.1, "SHARK": 0.1}

    def fish(*box: float) -> dict[str, Any]:
        return {"box": box, "score": 0.9, "label": "OTHER", "likelihoods": likelihoods}

    result: dict[str, Any] = {
        "label": "OTHER",
        "likelihoods": likelihoods,
        "fish": [fish(100, 100, 140, 140), fish(20, 20, 400, 500)],
        "image": {"width": 480, "height": 640, "sha256": "0" * 64},
        "release": {"name": "demo", "version": 1},
    }
    for _ in range(2):
        result["fish"] = result["fish"][::-1]
        there = visit(gateway)
        there.page.route("**/v1/classify", lambda route: route.fulfill(json=result))
        there.drop(rays__jpg=photo("rays.jpg"))
        expect_places(there, result)
        for place, each in enumerate(result["fish"], 1):
            box = there.page.locator(f".box[aria-label^='Fish {place}:']")
            spot = (each["box"][0] + 5, each["box"][1] + 5)
            image = there.page.evaluate(PLACES)["image"]
            scale = image["width"] / 480
            there.page.mouse.click(image["left"] + spot[0] * scale, image["top"] + spot[1] * scale)
            expect(box).to_have_attribute("aria-pressed", "true")

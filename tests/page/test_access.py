"""For everybody: by keyboard alone, read aloud, in the dark, on a narrow screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.gateway.conftest import Running, wait_for

from .conftest import PHOTOS, Visit, Visitor, Visits

# Text against what is painted behind it: WCAG 2.2, success criterion 1.4.3, and its definition of
# relative luminance. Elements whose ground is a picture are looked at by eye.
CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const linear = (part) => {
        const share = part / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    };
    const luminance = ([red, green, blue]) =>
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    const ratio = (one, other) => {
        const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const ground = (node) => {
        for (let each = node; each; each = each.parentElement) {
            const colour = rgba(getComputedStyle(each).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    const found = [];
    for (const node of document.querySelectorAll("body *")) {
        if (node.closest("svg, script, noscript, option")) continue;
        const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
        const style = getComputedStyle(node);
        if (!own || !node.checkVisibility({ visibilityProperty: true })) continue;
        if (node.disabled || node.matches(".unseen, .skip, .dropping")) continue;
        found.push({ text: node.textContent.trim().slice(0, 30), size: parseFloat(style.fontSize),
                     ratio: ratio(rgba(style.color), ground(node)) });
    }
    return found;
}"""


@pytest.fixture(scope="module")
def full(visits: Visits, gateway: Running) -> Iterator[Visit]:
    """The page with something of everything on it."""
    with visits(gateway, reduced_motion="reduce") as there:
        names = ("hammerhead.jpg", "rays.jpg", "penguin.jpg")
        there.drop_named(
            {**{name: (PHOTOS / name).read_bytes() for name in names}, "notes.txt": b"notes"}
        )
        there.wait_counts("4 photographs: 3 recognised, 1 failed")
        there.row("rays.jpg").click()
        there.page.locator(".fish button").first.click()
        there.page.locator("summary").click()
        expect(there.page.locator(".bars")).to_have_count(2)
        yield there


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(full: Visit, scheme: Literal["light", "dark"]) -> None:
    page = full.page
    page.emulate_media(color_scheme=scheme)
    _check_contrast(page, 60)
    full.row("notes.txt").click()
    expect(page.locator("#message")).to_be_visible()
    _check_contrast(page, 30)
    page.locator("#release-button").click()
    _check_contrast(page, 60)
    page.keyboard.press("Escape")
    full.row("rays.jpg").click()
    page.locator(".fish button").first.click()
    expect(page.locator(".bars")).to_have_count(2)


def _check_contrast(page: Page, least: int) -> None:
    found = page.evaluate(CONTRAST)
    assert len(found) >= least
    assert [each for each in found if each["ratio"] < 4.5] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_can_be_switched_and_is_kept(
    visit: Visitor, gateway: Running, scheme: str
) -> None:
    there = visit(gateway, color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    theirs = there.page.evaluate(ground)
    other = "Dark" if scheme == "light" else "Light"
    there.page.get_by_label("Theme").select_option(other)
    switched = there.page.evaluate(ground)
    assert switched != theirs
    there.page.reload()
    expect(there.page.get_by_label("Theme")).to_have_value(other.lower())
    assert there.page.evaluate(ground) == switched
    there.page.get_by_label("Theme").select_option("System")
    assert there.page.evaluate(ground) == theirs
    # The two schemes are those that the switch gives.
    there.page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    assert there.page.evaluate(ground) == switched


def test_every_control_has_a_name(full: Visit) -> None:
    devtools = full.page.context.new_cdp_session(full.page)
    nodes = devtools.send("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in nodes if _is_control(node)]
    roles = {node["role"]["value"] for node in controls}
    assert {"button", "slider", "checkbox", "combobox", "listbox", "option"} <= roles
    assert [node["role"] for node in controls if not node.get("name", {}).get("value")] == []
    names = [node["name"]["value"] for node in controls if node["role"]["value"] == "button"]
    assert len(names) == len(set(names)) + _twice(names), names


def _is_control(node: dict[str, Any]) -> bool:
    kinds = {"button", "slider", "checkbox", "combobox", "listbox", "option", "link", "textbox"}
    return not node.get("ignored") and node.get("role", {}).get("value") in kinds


def _twice(names: list[str]) -> int:
    """Fish are there twice: over the picture and in the list beside it."""
    return len([name for name in set(names) if name.startswith("Fish") and names.count(name) == 2])


def test_the_outline_of_the_page(full: Visit) -> None:
    page = full.page
    assert page.locator("html").get_attribute("lang") == "en"
    expect(page.get_by_role("banner")).to_have_count(1)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text("Deckwatch")
    levels = page.evaluate(
        """() => [...document.querySelectorAll("h1, h2, h3, h4")]
            .filter((heading) => heading.checkVisibility()).map((heading) => +heading.tagName[1])"""
    )
    assert all(after - before <= 1 for before, after in pairwise(levels))
    repeated = page.evaluate(
        """() => [...document.querySelectorAll("[id]")].map(({ id }) => id)
            .filter((id, place, all) => all.indexOf(id) !== place)"""
    )
    assert repeated == []
    dangling = page.evaluate(
        """() => ["aria-labelledby", "aria-describedby", "aria-activedescendant", "for"]
            .flatMap((name) => [...document.querySelectorAll(`[${name}]`)]
                .map((node) => node.getAttribute(name)))
            .filter((id) => !document.getElementById(id))"""
    )
    assert dangling == []


def test_by_keyboard_alone(visit: Visitor, gateway: Running) -> None:
    there = visit(gateway)
    page = there.page
    keys = page.keyboard
    expect(page.get_by_role("button", name="Release demo, version 1")).to_be_enabled()
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the photographs")).to_be_in_viewport()
    keys.press("Enter")
    keys.press("Tab")
    choose = page.get_by_role("button", name="Choose photographs")
    expect(choose).to_be_focused()
    with page.expect_file_chooser() as chooser:
        keys.press("Enter")
    chooser.value.set_files([PHOTOS / name for name in ("hammerhead.jpg", "rays.jpg", "ray.jpg")])
    there.wait_counts("3 photographs: 3 recognised")
    listbox = page.get_by_role("listbox")
    _tab_to(page, listbox)
    keys.press("ArrowDown")
    expect(there.row("rays.jpg")).to_have_attribute("aria-selected", "true")
    active = page.locator(f"#{listbox.get_attribute('aria-activedescendant')}")
    expect(active).to_contain_text("rays.jpg")
    slider = page.get_by_label("Hide fish scored below")
    _tab_to(page, slider)
    keys.press("End")
    expect(page.locator(".box")).to_have_count(0)
    keys.press("Home")
    expect(page.locator(".box")).to_have_count(3)
    first = page.locator(".box[aria-label^='Fish 1:']")
    _tab_to(page, first)
    keys.press("ArrowRight")
    second = page.locator(".box[aria-label^='Fish 2:']")
    expect(second).to_be_focused()
    keys.press("Space")
    expect(second).to_have_attribute("aria-pressed", "true")
    expect(second).to_be_focused()
    expect(page.get_by_role("list", name="Likelihoods, Fish 2")).to_be_visible()
    keys.press("Tab")  # on, not to the next fish
    expect(page.locator(".fish button").first).to_be_focused()
    keys.press("Enter")
    expect(first).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".fish button").first).to_be_focused()
    _tab_to(page, page.get_by_role("button", name="Download CSV"))
    with page.expect_download():
        keys.press("Enter")


def _tab_to(page: Page, wanted: Locator) -> None:
    """Tab from where the focus is to `wanted`, past nothing that does not show its focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        outlined = page.evaluate(
            """() => {
                const node = document.activeElement;
                const style = getComputedStyle(node);
                const halo = node.querySelector(".halo");
                return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2)
                    || (halo !== null && parseFloat(getComputedStyle(halo).strokeWidth) > 6);
            }"""
        )
        assert outlined, page.evaluate("document.activeElement.outerHTML")
        if wanted.evaluate("(node) => node === document.activeElement"):
            return
    raise AssertionError("Tab did not lead there")


def test_what_happens_is_said(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    there = visit(gateway)
    status = there.page.locator("#status")
    expect(status).to_have_attribute("aria-live", "polite")
    there.drop(hammerhead__jpg=photo("hammerhead.jpg"))
    expect(status).to_have_text("1 photograph: 1 recognised")
    there.drop(rays__jpg=photo("rays.jpg"), penguin__jpg=photo("penguin.jpg"))
    expect(status).to_have_text("3 photographs: 3 recognised")
    there.row("rays.jpg").click()
    expect(status).to_have_text("rays.jpg: ▲ 3 fish: ray")


def test_sensitive_species_are_marked_in_words(full: Visit) -> None:
    page = full.page
    expect(page.locator(".fish").get_by_text("sensitive").first).to_be_visible()
    label = page.locator(".box").first.get_attribute("aria-label")
    assert label is not None
    assert "sensitive species" in label
    other = page.locator(".box[aria-pressed=false] .line").first
    expect(other).to_have_css("stroke-dasharray", "9px, 4px")
    expect(page.locator("#species li").filter(has_text="ray")).to_contain_text("sensitive")


@pytest.mark.parametrize("width", [320, 820, 1280])
def test_nothing_overflows(full: Visit, width: int) -> None:
    page = full.page
    page.set_viewport_size({"width": width, "height": 700})
    beyond = """(width) => [...document.querySelectorAll("body *")]
        .filter((node) => node.checkVisibility() && !node.closest("svg, .list, .json, .unseen"))
        .filter((node) => !node.matches(".unseen, .skip"))
        .filter((node) => node.getBoundingClientRect().right > width + 0.5)
        .map((node) => node.outerHTML.slice(0, 80))"""
    wait_for(lambda: page.evaluate(beyond, width) == [])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#release-button").click()
    wait_for(lambda: page.evaluate(beyond, width) == [])
    page.keyboard.press("Escape")
    small = """() => [...document.querySelectorAll("button, select, summary, input")]
        .filter((node) => node.checkVisibility())
        .filter((node) => node.getBoundingClientRect().height < 13)
        .map((node) => node.outerHTML.slice(0, 80))"""
    assert page.evaluate(small) == []


def test_letters_twice_as_large(full: Visit) -> None:
    """WCAG 1.4.4: text can be enlarged without losing any."""
    page = full.page
    page.set_viewport_size({"width": 1280, "height": 900})
    page.evaluate("document.documentElement.style.fontSize = '32px'")
    cut = """() => [...document.querySelectorAll("button, .picture .name, .picture .state")]
        .filter((node) => node.checkVisibility() && node.scrollHeight > node.clientHeight + 2)
        .map((node) => node.outerHTML.slice(0, 80))"""
    assert page.evaluate(cut) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.evaluate("document.documentElement.style.fontSize = ''")


def test_who_wants_no_motion_gets_none(visit: Visitor, gateway: Running) -> None:
    moving = """() => [...document.querySelectorAll("*")].filter((node) => {
        const style = getComputedStyle(node);
        return style.transitionDuration.split(", ").some((each) => parseFloat(each) > 0)
            || style.animationName !== "none";
    }).length"""
    there = visit(gateway, reduced_motion="reduce")
    assert there.page.evaluate(moving) == 0
    assert visit(gateway).page.evaluate(moving) > 0

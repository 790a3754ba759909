"""The trip report in a real Chromium, opened from a file: on a screen, on a phone, on paper."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from deckwatch_client.report import page as report
from tests.client.report.runs import record, season

PHONE, SCREEN = 320, 1100
# The least ratio for text and for what is drawn (WCAG 2.2, 1.4.3 and 1.4.11).
TEXT, DRAWN = 4.5, 3.0
CONTRASTS = """() => {
    const light = (colour) => {
        const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => {
            const share = part / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    const behind = (one) => {
        for (let up = one; up; up = up.parentElement) {
            const colour = getComputedStyle(up).backgroundColor;
            if (!colour.endsWith(", 0)")) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const ratio = (a, b) => {
        const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
    };
    const found = [];
    for (const one of document.querySelectorAll("body *")) {
        if (![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
        const style = getComputedStyle(one);
        const ink = one instanceof SVGElement ? style.fill : style.color;
        if (ink.startsWith("rgb")) found.push(["text", one.textContent, ratio(ink, behind(one))]);
    }
    for (const one of document.querySelectorAll("svg rect")) {
        const ink = getComputedStyle(one).fill;
        if (ink.startsWith("rgb") && one.getAttribute("fill") !== "#fff") {
            found.push(["drawn", ink, ratio(ink, "rgb(255, 255, 255)")]);
        }
    }
    return found;
}"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    run = season(folder)
    # A name as cameras and people give them, longer than any line.
    lines = run / "results.jsonl"
    long = record("trip/" + "a" * 300 + ".jpg", likelihoods={"NoF": 0.5, "RAY": 0.5})
    lines.write_text(lines.read_text() + json.dumps(long.as_dict()) + "\n")
    options = report.ReportOptions(pictures=folder, title="<script>alert(1)</script> " + "T" * 90)
    report.write(run, folder / "report.html", options, tell=lambda _: None)
    return folder / "report.html"


@pytest.fixture(params=[PHONE, SCREEN])
def opened(browser: Browser, path: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page at a width; in the end it must have asked nobody and complained of nothing."""
    context = browser.new_context(viewport={"width": request.param, "height": 720})
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.on("console", lambda line: said.append(line.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(path.as_uri())
    yield page
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert said == []
    context.close()


def test_nothing_is_wider_than_the_window(opened: Page) -> None:
    # Opened, so that what is folded is measured as well.
    opened.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    width = opened.viewport_size["width"] if opened.viewport_size else 0
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    wide = opened.evaluate(
        """() => [...document.querySelectorAll("body *")]
            .filter((each) => !each.closest(".scroll") && !each.closest("svg"))
            .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
            .map((each) => each.outerHTML.slice(0, 80))"""
    )
    assert wide == []


def test_every_picture_is_shown_and_has_words(opened: Page) -> None:
    pictures = opened.evaluate(
        """async () => {
            const all = [...document.images];
            await Promise.all(all.map((each) => each.decode()));
            return all.map((each) => [each.naturalWidth, each.alt]);
        }"""
    )
    assert len(pictures) > 20
    assert all(width > 30 and len(alt) > 5 for width, alt in pictures)


def test_text_and_drawings_stand_out(opened: Page) -> None:
    found = opened.evaluate(CONTRASTS)
    assert {kind for kind, _, _ in found} == {"text", "drawn"}
    faint = [each for each in found if each[2] < (TEXT if each[0] == "text" else DRAWN)]
    assert faint == []


def test_the_contents_lead_to_the_sections(opened: Page) -> None:
    for link in opened.locator("nav a").all():
        name = link.inner_text()
        link.click()
        assert opened.locator("h2:target").inner_text() == name


def test_it_prints_with_the_timeline_tables_and_without_the_contents(
    browser: Browser, path: Path
) -> None:
    page = browser.new_page()
    page.goto(path.as_uri())
    paper = page.pdf(format="A4")
    pages = len(re.findall(rb"/Type\s*/Page\b", paper))
    assert paper.startswith(b"%PDF-")
    assert 2 <= pages <= 12
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    tables = page.locator("details.printed table")
    assert tables.count() >= 3
    for table in tables.all():
        assert table.is_visible()
    folded = page.locator("details:not(.printed) table")
    assert not any(table.is_visible() for table in folded.all())
    page.close()

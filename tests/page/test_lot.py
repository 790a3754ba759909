"""Many photographs: every way in, the threshold, the sums, and what can be taken home."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.gateway.conftest import Running

from .conftest import PHOTOS, Visit, Visitor, Visits

Answer = Callable[[bytes], dict[str, Any]]
NAMES = ("hammerhead.jpg", "penguin.jpg", "rays.jpg", "surgeonfish.jpg")

# Counts what the page holds on to.
COUNTING = """{
    window.held = { urls: new Set(), bitmaps: 0 };
    const { createObjectURL, revokeObjectURL } = URL;
    URL.createObjectURL = (blob) => {
        const made = createObjectURL.call(URL, blob);
        held.urls.add(made);
        return made;
    };
    URL.revokeObjectURL = (url) => {
        held.urls.delete(url);
        revokeObjectURL.call(URL, url);
    };
    const real = window.createImageBitmap;
    window.createImageBitmap = (...given) => {
        held.bitmaps += 1;
        return real(...given);
    };
}"""
MANY = """([count, photo]) => {
    const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    for (let place = 0; place < count; place += 1) {
        const name = `haul ${String(place).padStart(4, "0")}.jpg`;
        transfer.items.add(new File([bytes], name));
    }
    dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def haul(visits: Visits, gateway: Running) -> Iterator[Visit]:
    """A page with NAMES recognised, and one file that is no photograph."""
    with visits(gateway, permissions=["clipboard-read", "clipboard-write"]) as there:
        files = {name: (PHOTOS / name).read_bytes() for name in NAMES}
        there.drop_named({**files, "notes.txt": b"notes"})
        there.wait_counts("5 photographs: 4 recognised, 1 failed")
        yield there


def set_threshold(there: Visit, value: float) -> None:
    slider = there.page.get_by_label("Hide fish scored below")
    slider.fill(str(value))
    expect(there.page.locator("#threshold-value")).to_have_text(f"{value:.2f}")


def download(there: Visit, name: str) -> str:
    with there.page.expect_download() as taken:
        there.page.get_by_role("button", name=name).click()
    return Path(taken.value.path()).read_bytes().decode()


def test_a_folder_is_dropped_by_the_mouse(visit: Visitor, gateway: Running, tmp_path: Path) -> None:
    """Through the browser's own drag and drop: files from a disk, folders among them."""
    trip = tmp_path / "trip 7"
    (trip / "second").mkdir(parents=True)
    (trip / "b 10.jpg").write_bytes((PHOTOS / "ray.jpg").read_bytes())
    (trip / "b 9.jpg").write_bytes((PHOTOS / "ray.jpg").read_bytes())
    (trip / ".hidden").write_bytes(b"")
    (trip / "second" / "a.jpg").write_bytes((PHOTOS / "shark.jpg").read_bytes())
    there = visit(gateway)
    devtools = there.page.context.new_cdp_session(there.page)
    data = {"items": [], "files": [str(trip), str(PHOTOS / "rays.jpg")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 60, "y": 60, "data": data})
    expect(there.page.locator("#dropping")).to_be_visible()
    devtools.send("Input.dispatchDragEvent", {"type": "drop", "x": 60, "y": 60, "data": data})
    there.wait_counts("4 photographs: 4 recognised")
    expect(there.page.locator("#dropping")).to_be_hidden()
    expect(there.page.locator(".picture:visible .name")).to_have_text(
        ["trip 7/b 9.jpg", "trip 7/b 10.jpg", "trip 7/second/a.jpg", "rays.jpg"]
    )


def test_a_picture_in_the_clipboard_is_pasted(visit: Visitor, gateway: Running) -> None:
    there = visit(gateway, permissions=["clipboard-read", "clipboard-write"])
    there.page.evaluate(
        """async () => {
            const canvas = document.createElement("canvas");
            canvas.width = 64;
            canvas.height = 48;
            canvas.getContext("2d").fillRect(0, 0, 64, 48);
            const picture = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
            await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
        }"""
    )
    there.page.locator("body").press("Control+v")
    there.wait_counts("1 photograph: 1 recognised")
    name = there.page.locator(".picture .name").first
    expect(name).to_have_text(re.compile(r"pasted \d\d\.\d\d\.\d\d\.png"))


def test_a_phone_offers_its_camera(visit: Visitor, gateway: Running) -> None:
    desk = visit(gateway)
    expect(desk.page.get_by_role("button", name="Choose photographs")).to_be_visible()
    expect(desk.page.get_by_role("button", name="Take a photograph")).to_be_hidden()
    phone = visit(gateway, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740})
    with phone.page.expect_file_chooser() as chooser:
        phone.page.get_by_role("button", name="Take a photograph").tap()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files(PHOTOS / "shark.jpg")
    phone.wait_counts("1 photograph: 1 recognised")


def test_the_threshold(haul: Visit, answer: Answer, photo: Callable[[str], bytes]) -> None:
    results = {name: answer(photo(name)) for name in NAMES}
    scores = sorted(fish["score"] for fish in results["surgeonfish.jpg"]["fish"])
    assert len(scores) >= 3
    there = haul
    there.row("surgeonfish.jpg").click()
    boxes = there.page.locator(".box")
    expect(boxes).to_have_count(len(scores))
    between = round((scores[0] + scores[1]) / 2, 2)
    for threshold in (between, 1.0, 0.0):
        set_threshold(there, threshold)
        shown = sum(score >= threshold for score in scores)
        expect(boxes).to_have_count(shown)
        expect(there.page.locator(".fish button")).to_have_count(shown)
        title = there.page.locator("#fish-title")
        hidden = len(scores) - shown
        expect(title).to_have_text(f"{len(scores)} fish" + (f", {hidden} hidden" if hidden else ""))
        totals: dict[str, int] = {}
        for result in results.values():
            for fish in result["fish"]:
                totals[fish["label"]] = totals.get(fish["label"], 0) + (fish["score"] >= threshold)
        for label, number in totals.items():
            line = there.page.locator("#species li").filter(has_text=label)
            if number:
                expect(line.locator(".count")).to_have_text(str(number))
            else:
                expect(line).to_have_count(0)


def test_the_filter(haul: Visit) -> None:
    there = haul
    names = there.page.locator(".picture:visible .name")
    for choice, shown in (
        ("With fish", ["hammerhead.jpg", "rays.jpg", "surgeonfish.jpg"]),
        ("Sensitive species", ["hammerhead.jpg", "rays.jpg"]),
        ("Without fish", ["penguin.jpg"]),
        ("Not recognised", ["notes.txt"]),
        ("All", [*NAMES, "notes.txt"]),
    ):
        there.page.get_by_label("Show").select_option(choice)
        expect(names).to_have_text(shown)


def test_the_csv(
    visit: Visitor, gateway: Running, answer: Answer, photo: Callable[[str], bytes]
) -> None:
    files = {
        'port, "aft".jpg': "surgeonfish.jpg",
        "=HYPERLINK(A1).jpg": "hammerhead.jpg",
        "@sum.jpg": "rays.jpg",
        "-1.jpg": "ray.jpg",
        "Fänge.jpg": "penguin.jpg",
    }
    there = visit(gateway)
    there.drop_named({**{name: photo(of) for name, of in files.items()}, "+notes.txt": b"notes"})
    there.wait_counts("6 photographs: 5 recognised, 1 failed")
    threshold = 0.8
    set_threshold(there, threshold)
    text = download(there, "Download CSV")
    assert text.startswith("\ufeff")
    assert text.count("\n") == text.count("\r\n")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    for name, of in files.items():
        result = answer(photo(of))
        harmless = f"'{name}" if name[0] in "=@-+" else name
        mine = [row for row in rows if row["file"] == harmless]
        fish = [each for each in result["fish"] if each["score"] >= threshold]
        assert len(mine) == max(1, len(fish)), name
        for row, each in zip(mine, fish, strict=False):
            assert row["label"] == each["label"]
            assert float(row["score"]) == each["score"]
            box = [float(row[side]) for side in ("x1", "y1", "x2", "y2")]
            assert box == each["box"]
            for code, share in each["likelihoods"].items():
                assert float(row[f"likelihood_{code}"]) == share
        for row in mine:
            assert row["picture_label"] == result["label"]
            assert row["sha256"] == result["image"]["sha256"]
            assert (row["release"], row["release_version"]) == ("demo", "1")
            if not fish:
                assert (row["fish"], row["label"], row["x1"]) == ("", "", "")
    (ray,) = [row for row in rows if row["file"] == "'-1.jpg"]
    assert (ray["common_name"], ray["fao_code"], ray["sensitive"]) == ("ray", "SRX", "true")
    (failed,) = [row for row in rows if row["file"] == "'+notes.txt"]
    assert failed["error"] == "unsupported-format"
    for line in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")):
        assert not any(re.match(r"[=+@\t\r]|-(?!\d+\.?\d*$)", cell) for cell in line)


def test_the_json(haul: Visit, answer: Answer, photo: Callable[[str], bytes]) -> None:
    there = haul
    expected = [answer(photo(name)) for name in NAMES]
    for name, result in zip(NAMES, expected, strict=True):
        result["image"] = {"file": name, **result["image"]}
    lines = download(there, "Download JSON").splitlines()
    assert [json.loads(line) for line in lines] == expected
    there.row("rays.jpg").click()
    there.page.get_by_text("JSON", exact=True).first.click()
    shown = there.page.get_by_role("region", name="JSON")
    assert json.loads(shown.inner_text()) == expected[2]
    there.page.get_by_role("button", name="Copy JSON").click()
    expect(there.page.get_by_role("button", name="Copied")).to_be_visible()
    assert json.loads(there.page.evaluate("navigator.clipboard.readText()")) == expected[2]


def test_thousands_of_photographs(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    there = visit(gateway, before=COUNTING)
    there.page.evaluate(MANY, [3000, base64.b64encode(photo("shark.jpg")).decode()])
    expect(there.page.locator("#counts")).to_have_text(re.compile("^3,000 photographs: "))
    rows = there.page.locator(".picture")
    listbox = there.page.get_by_role("listbox")
    listbox.focus()
    listbox.press("End")
    expect(there.page.locator("#viewer-title")).to_have_text("haul 2999.jpg")
    expect(there.row("haul 2999.jpg")).to_be_in_viewport()
    expect(there.page.locator("#frame img")).to_be_visible()
    for _ in range(5):
        listbox.press("PageUp")
    expect(rows.first).to_be_attached()
    assert rows.count() < 60
    there.page.get_by_role("button", name="Cancel all").click()
    expect(there.page.locator("#counts")).not_to_contain_text("to go")
    held = there.page.evaluate("({ urls: held.urls.size, bitmaps: held.bitmaps })")
    assert held["urls"] <= 1
    assert held["bitmaps"] < 200
    there.page.get_by_role("button", name="Clear").click()
    expect(there.page.get_by_role("listbox")).to_be_hidden()
    there.wait_until(lambda: there.page.evaluate("held.urls.size") == 0)
    expect(there.page.get_by_role("button", name="Choose photographs")).to_be_focused()


def test_removing(visit: Visitor, gateway: Running) -> None:
    there = visit(gateway, before=COUNTING)
    there.choose(*NAMES)
    there.wait_counts("4 photographs: 4 recognised")
    there.row("penguin.jpg").click()
    there.page.get_by_role("button", name="Remove").click()
    there.wait_counts("3 photographs: 3 recognised")
    expect(there.page.locator("#viewer-title")).to_have_text("rays.jpg")
    listbox = there.page.get_by_role("listbox")
    listbox.press("Delete")
    expect(there.page.locator("#viewer-title")).to_have_text("surgeonfish.jpg")
    there.wait_counts("2 photographs: 2 recognised")
    for _ in range(2):
        listbox.press("Delete")
    expect(listbox).to_be_hidden()
    there.wait_until(lambda: there.page.evaluate("held.urls.size") == 0)


def test_the_release_and_its_card(visit: Visitor, gateway: Running, repository: Path) -> None:
    there = visit(gateway)
    there.page.get_by_role("button", name="Release demo, version 1").click()
    dialog = there.page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="What it cannot do")).to_be_visible()
    expect(dialog.locator("strong").first).to_have_text("It has never seen a ship's deck.")
    expect(dialog.get_by_role("row").filter(has_text="SHARK").first).to_contain_text("yes")
    card = (repository / "deckwatch" / "1" / "MODEL_CARD.md").read_text(encoding="utf-8")
    shown = re.sub(r"\s+", " ", dialog.inner_text())
    for word in re.findall(r"[A-Za-z]{4,}", card):
        assert word in shown
    there.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(there.page.get_by_role("button", name="Release demo")).to_be_focused()


def test_another_release_takes_over(
    visit: Visitor, gateway: Running, photo: Callable[[str], bytes]
) -> None:
    """The first answer of a new release makes the page ask for it."""
    there = visit(gateway)
    expect(there.page.get_by_role("button", name="Release demo, version 1")).to_be_visible()

    def as_version_two(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace('"version":1', '"version":2'))

    there.page.route("**/v1/*", as_version_two)
    there.drop(shark__jpg=photo("shark.jpg"))
    expect(there.page.get_by_role("button", name="Release demo, version 2")).to_be_visible()
    expect(there.page.locator("#caption")).to_contain_text("version 2")

"""The page's own small parts, asked from outside: its header reader, its CSV, its Markdown."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hatchling.builders.wheel import WheelBuilder

from deckwatch_gateway.page.assets import ASSETS, VERSION
from deckwatch_vision.formats import FORMATS
from deckwatch_vision.headers import read_header
from tests.gateway.conftest import Running
from tests.stack.pictures import make_pictures
from tools.install import ROOT

from .conftest import PHOTOS, Visit, Visits


@pytest.fixture(scope="module")
def there(visits: Visits, gateway: Running) -> Iterator[Visit]:
    with visits(gateway) as visit:
        yield visit


def test_headers_are_read_as_the_gateway_reads_them(there: Visit) -> None:
    pictures = make_pictures(sorted(PHOTOS.glob("*.jpg")))
    formats = [
        {"name": each.title, "signatures": list(each.signatures)} for each in FORMATS.values()
    ]
    contents = {name: base64.b64encode(data[:65536]).decode() for name, data in pictures.items()}
    read = there.page.evaluate(
        """async ([address, contents, formats]) => {
            const { size, sniff } = await import(address);
            return Object.fromEntries(Object.entries(contents).map(([name, content]) => {
                const head = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
                const format = sniff(head, formats)?.name;
                return [name, [format, size(head, format)]];
            }));
        }""",
        [f"/page/{VERSION}/header.js", contents, formats],
    )
    sizes = 0
    for name, data in pictures.items():
        header = read_header(data)
        format_name, size = read[name]
        assert format_name == FORMATS[header.format].title, name
        if size is not None:
            assert (size["width"], size["height"]) == (header.width, header.height), name
            sizes += 1
    assert sizes >= len(pictures) - 3  # all but the TIFFs


def test_a_header_cut_anywhere_does_no_harm(there: Visit) -> None:
    heads = [
        cv2.imencode(kind, np.zeros((40, 60, 3), np.uint8))[1].tobytes()[:400]
        for kind in (".jpg", ".png", ".webp", ".bmp")
    ]
    found = there.page.evaluate(
        """async ([address, heads]) => {
            const { looksLike, size, sniff } = await import(address);
            const names = ["JPEG", "PNG", "WebP", "BMP", "TIFF", undefined];
            let given = 0;
            for (const content of heads) {
                const whole = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
                for (let end = 0; end <= whole.length; end += 1) {
                    const head = whole.subarray(0, end);
                    looksLike(head);
                    sniff(head, []);
                    for (const name of names) {
                        const found = size(head, name);
                        if (found) given += found.width === 60 && found.height === 40;
                    }
                }
            }
            return given;
        }""",
        [f"/page/{VERSION}/header.js", [base64.b64encode(head).decode() for head in heads]],
    )
    assert found > 4 * 100


def test_cells(there: Visit) -> None:
    cells = {
        "plain": "plain",
        "a,b": '"a,b"',
        'say "so"': '"say ""so"""',
        "two\nlines": '"two\nlines"',
        "=1+1": "'=1+1",
        "+1": "'+1",
        "-1": "'-1",
        "@a": "'@a",
        "\t=1": "'\t=1",
        "\r=1": '"\'\r=1"',
        "\uff1d1": "'\uff1d1",
        '=a,"b"': '"\'=a,""b"""',
        "": "",
    }
    found = there.page.evaluate(
        "async ([address, cells]) => cells.map((await import(address)).cell)",
        [f"/page/{VERSION}/csv.js", list(cells)],
    )
    assert found == list(cells.values())
    numbers = there.page.evaluate(
        "async (address) => [-1.5, 0, true, null].map((await import(address)).cell)",
        f"/page/{VERSION}/csv.js",
    )
    assert numbers == ["-1.5", "0", "true", ""]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# One\ntwo\nthree", "<h3>One</h3><p>two three</p>"),
        ("###### deep", "<h6>deep</h6>"),
        ("- a\n- b\n  more\n\nc", "<ul><li>a</li><li>b more</li></ul><p>c</p>"),
        ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
        ("a **b** `c*` d", "<p>a <strong>b</strong> <code>c*</code> d</p>"),
        (
            "| a | b |\n|---|:-:|\n| 1 | x\\|y |",
            '<div class="wide"><table><thead><tr><th scope="col">a</th><th scope="col">b</th></tr>'
            "</thead><tbody><tr><td>1</td><td>x|y</td></tr></tbody></table></div>",
        ),
        ("```\n# no\n```", "<pre># no</pre>"),
        (
            "see https://a.example/b.",
            '<p>see <a href="https://a.example/b" target="_blank" rel="noopener noreferrer">'
            "https://a.example/b</a>.</p>",
        ),
        (
            "[x](https://a.example)",
            '<p><a href="https://a.example" target="_blank" rel="noopener noreferrer">x</a></p>',
        ),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("[x](http://a.example)", "<p>[x](http://a.example)</p>"),
        ("<script>a</script>", "<p>&lt;script&gt;a&lt;/script&gt;</p>"),
        (
            '![x](https://a.example" onx="b)',
            '<p>![x](<a href="https://a.example" target="_blank" rel="noopener noreferrer">'
            'https://a.example</a>" onx="b)</p>',
        ),
        ("**not closed\n\n| lonely |", "<p>**not closed</p><p>| lonely |</p>"),
        ("", ""),
    ],
)
def test_markdown(there: Visit, text: str, html: str) -> None:
    found = there.page.evaluate(
        """async ([address, text]) => {
            const holder = document.createElement("div");
            holder.append(...(await import(address)).render(text));
            return holder.innerHTML;
        }""",
        [f"/page/{VERSION}/markdown.js", text],
    )
    assert found == html


def test_markdown_of_any_shape_ends(there: Visit) -> None:
    rng = np.random.default_rng(5)
    pieces = ["#", "- ", "| ", "|-|", "\n", "\n\n", "```", "**", "`", "[a](b)", "https://x", "  "]
    texts = ["".join(rng.choice(pieces, 60)) for _ in range(300)]
    texts.append("**" * 5000)
    texts.append("| " * 5000 + "\n" + "|-" * 5000)
    made = there.page.evaluate(
        """async ([address, texts]) => {
            const { render } = await import(address);
            return texts.map((text) => render(text).length).length;
        }""",
        [f"/page/{VERSION}/markdown.js", texts],
    )
    assert made == len(texts)


def test_waits_are_read(there: Visit) -> None:
    found = there.page.evaluate(
        """async (address) => {
            const { seconds } = await import(address);
            const now = Date.parse("2026-01-01T00:00:00Z");
            return ["7", "Thu, 01 Jan 2026 00:01:30 GMT", "Wed, 31 Dec 2025 23:00:00 GMT", "soon",
                    "", null].map((each) => seconds(each, now));
        }""",
        f"/page/{VERSION}/problem.js",
    )
    assert found == [7, 90, 0, None, None, None]


def test_the_files_are_packed() -> None:
    builder = WheelBuilder(str(ROOT))
    packed = {each.distribution_path for each in builder.recurse_included_files()}
    for name in (*ASSETS, "index.html"):
        assert f"deckwatch_gateway/page/static/{name}" in packed

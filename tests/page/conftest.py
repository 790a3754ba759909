"""The page in a real Chromium, before a real gateway and the real Triton.

Whatever a test looks at, its page must ask nobody but the gateway, break no rule of its own
policy and write no error to the console.
"""

from __future__ import annotations

import base64
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    FileChooser,
    Page,
    Request,
    expect,
    sync_playwright,
)

from deckwatch_serving.triton import EmbeddedTriton
from tests.gateway.conftest import Running, running_gateway, wait_for

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
DEADLINE_MS = 30_000
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DROP = """(files) => {
    const transfer = new DataTransfer();
    for (const { name, content } of files) {
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name));
    }
    const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
    for (const kind of ["dragenter", "dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(kind, options));
    }
}"""

expect.set_options(timeout=DEADLINE_MS)


@dataclass
class Visit:
    """One page that was opened, and what it did."""

    page: Page
    url: str
    requests: list[Request] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    choosers: list[FileChooser] = field(default_factory=list)
    # Browsers write a line for every answer that is an error; some tests mean to have them.
    refused: bool = False

    @property
    def uploads(self) -> list[Request]:
        return [each for each in self.requests if each.method == "POST"]

    def drop(self, **files: bytes) -> None:
        """Drop files as a mouse would; `name__jpg` stands for name.jpg."""
        self.drop_named({name.replace("__", "."): data for name, data in files.items()})

    def drop_named(self, files: dict[str, bytes]) -> None:
        contents = [
            {"name": name, "content": base64.b64encode(data).decode()}
            for name, data in files.items()
        ]
        self.page.evaluate(DROP, contents)

    def choose(self, *names: str) -> None:
        """Choose photographs of examples/photos with the file chooser."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Choose photographs").click()
        chooser.value.set_files([PHOTOS / name for name in names])

    def wait_counts(self, text: str) -> None:
        expect(self.page.locator("#counts")).to_have_text(text)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Until something happened outside the page, whose events only come while it is asked."""
        wait_for(lambda: self.page.evaluate("true") and condition())

    def row(self, name: str) -> Any:
        return self.page.get_by_role("option").filter(has_text=name)

    def check(self) -> None:
        """What every page must do, whatever it is used for."""
        for request in self.requests:
            assert request.url.startswith((self.url, f"blob:{self.url}")), request.url
        faults = [
            line
            for line in self.console
            if not (self.refused and line.startswith("error: Failed to load resource"))
        ]
        assert faults == []


Visitor = Callable[..., Visit]
Visits = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # Not for the whole session: Playwright leaves its event loop running in this thread.
    program = shutil.which("chromium")
    assert program, "chromium is missing; see make setup-programs"
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=ARGUMENTS) as launched,
    ):
        yield launched


@pytest.fixture(scope="package")
def gateway(triton_server: EmbeddedTriton) -> Iterator[Running]:
    with running_gateway(triton=triton_server.grpc_url) as running:
        yield running


@pytest.fixture
def start_gateway(triton_server: EmbeddedTriton) -> Iterator[Callable[..., Running]]:
    """Call it with settings; what it started is stopped after the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(
            running_gateway(**{"triton": triton_server.grpc_url, **settings})
        )


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The address of a port where nobody listens, kept so by being bound."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"grpc://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture(scope="package")
def visits(browser: Browser) -> Visits:
    """Call it with a gateway (and what a browser context takes) for a page that is to be closed."""

    def open_page(
        gateway: Running, *, before: str = "", **context: Any
    ) -> AbstractContextManager[Visit]:
        return _visiting(browser, gateway, before, context)

    return open_page


@pytest.fixture
def visit(visits: Visits) -> Iterator[Visitor]:
    """As `visits`, for a page that is closed, and looked through, after the test."""
    with ExitStack() as stack:
        yield lambda gateway, **context: stack.enter_context(visits(gateway, **context))


@contextmanager
def _visiting(
    browser: Browser, gateway: Running, before: str, options: dict[str, Any]
) -> Iterator[Visit]:
    opened: BrowserContext = browser.new_context(**options)
    opened.set_default_timeout(DEADLINE_MS)
    if before:
        opened.add_init_script(before)
    page = opened.new_page()
    visit = Visit(page, gateway.server.url)
    page.on("request", lambda request: visit.requests.append(request))
    page.on("console", lambda line: visit.console.append(f"{line.type}: {line.text}"))
    page.on("pageerror", lambda error: visit.console.append(f"thrown: {error}"))
    # Playwright begins to catch file choosers some time after the first listener came.
    page.on("filechooser", lambda chooser: visit.choosers.append(chooser))
    page.goto(visit.url)
    yield visit
    visit.check()
    opened.close()


@pytest.fixture(scope="package")
def answer(gateway: Running) -> Callable[[bytes], dict[str, Any]]:
    """What the API says of a picture."""

    def ask(data: bytes) -> dict[str, Any]:
        answered: httpx2.Response = gateway.caller.post("/v1/classify", content=data)
        assert answered.status_code == 200, answered.text
        result: dict[str, Any] = answered.json()
        return result

    return ask


@pytest.fixture(scope="session")
def photo() -> Callable[[str], bytes]:
    return lambda name: (PHOTOS / name).read_bytes()

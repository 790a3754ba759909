"""Why pictures failed, and what to do about it."""

from __future__ import annotations

from deckwatch_client.pictures import printable, quantity
from deckwatch_client.report.tally import ROWS, Failed
from deckwatch_serving.pages import Page

# By the error's code. The message of each picture says more.
CURES = {
    "image-error": "Look at the messages below.",
    "empty-image": "The files are empty. Copy them from the camera again.",
    "unsupported-format": "Not pictures, or of a format that is not read. Convert them to JPEG.",
    "broken-image": "Truncated or damaged. Copy them from the camera again.",
    "broken-video": "A part of the video could not be read. Copy it from the camera again.",
    "too-many-pixels": "Scale them down.",
    "image-too-large": "Save them smaller or with stronger compression.",
    "unreadable-image": "The files were gone or could not be opened. Check disk and permissions.",
    "server-error": "The server failed. See its log.",
    "server-unavailable": "The server was not reached. Start it, or correct its address.",
    "server-overloaded": "The server was too busy. Send less at a time.",
    "deadline-exceeded": "The server took too long. Allow more time, or send less at a time.",
    "queue-unavailable": "The server's queue could not be used. See its log.",
    "launcher-failed": "The server could not be started. The messages say what to change.",
    "rate-limited": "Too many requests in a short time. Send less at a time.",
}
AGAIN = (
    "Once that is done, the same `deckwatch batch` command tries again what failed, and nothing "
    "else."
)


def add_failures(page: Page, failures: dict[str, Failed]) -> None:
    """The section about them."""
    page.heading("Failures")
    if not failures:
        page.text("None: every picture was recognised.")
        return
    ordered = sorted(failures.items(), key=lambda pair: (-pair[1].number, pair[0]))
    page.table(
        ("failed", "why", "what to do"),
        [[failed.number, code, CURES.get(code, "See the messages.")] for code, failed in ordered],
        "Pictures that were not recognised, and so count nowhere on this page",
    )
    page.text(AGAIN)
    for code, failed in ordered:
        shown = len(failed.first)
        more = f", the first {shown:,}" if failed.number > shown else ""
        with page.folded(f"{code}: {quantity(failed.number, 'file')}{more}", printed=shown <= 50):
            page.table(
                ("file", "message"),
                [[printable(name), printable(one.message)] for name, one in failed.first],
            )
            if failed.number > ROWS:
                page.text(f"{failed.number - ROWS:,} more are in the results.")

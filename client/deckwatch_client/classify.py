"""The command `classify`: pictures in, species out.

    $ classify --image deck.jpg
    ['SHARK']

It starts cold for every picture somebody looks at, so it imports as little as it can and nothing
before the command line is understood. Answers go to standard output, one line a picture in the
order given; errors go to standard error, one line each.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from deckwatch_client.backends import Backend
    from deckwatch_client.background.fixed_camera import FixedCamera
    from deckwatch_vision.result import Result

DONE, FAILED, USAGE, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130

STDIN = "-"
STDIN_NAME = "standard input"

SYNOPSIS = "%(prog)s [PATH ...] [--image PATH] [--verbose | --json] [--server ADDRESS]"
DESCRIPTION = "Name the fish in pictures. Without a path the picture is read from standard input."
EXAMPLES = """\
examples:
  classify deck.jpg                        ['SHARK']
  classify --image deck.jpg --verbose      every class with its likelihood
  classify --json *.jpg                    one JSON object a line: boxes, likelihoods, release
  cat deck.jpg | classify                  a picture from standard input
  classify --server grpc://host:8001 deck.jpg
  classify --background backgrounds --camera deck-2 deck.jpg"""
NOTES = """\
exit status: 0 done, 1 failed, 2 wrong usage, 3 some pictures failed, 130 interrupted"""

# Options that take a value; everything else that starts with no dash is a path.
VALUED = ("--image", "--server", "--repository", "--timeout", "--background", "--camera")


class _Parser(argparse.ArgumentParser):
    """argparse, with examples in its errors as well."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"classify: {message}\n{EXAMPLES}\n")


def main(argv: Sequence[str] | None = None, *, prog: str = "classify") -> int:
    """Run the command; returns its exit status, or exits with it after a usage error or --help."""
    # What is imported and loaded stays to the end: looking for garbage in it, meanwhile and at
    # exit, costs a sixth of a cold start.
    gc.disable()
    try:
        parser = build_parser(prog)
        options = parser.parse_args(_as_options(sys.argv[1:] if argv is None else argv))
        if options.images is None:
            if sys.stdin is not None and sys.stdin.isatty():
                parser.error("no picture given: name a path, or send a picture to standard input")
            options.images = [STDIN]
        if options.camera is not None and options.background is None:
            parser.error("--camera says whose --background to take: give that as well")
        if hasattr(sys.stdout, "reconfigure"):
            # A file name that the terminal's encoding lacks must not stop the run.
            sys.stdout.reconfigure(errors="backslashreplace")
        return classify(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has what it wanted; nothing is left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    finally:
        gc.enable()


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command line of `classify`."""
    parser = _Parser(
        prog=prog,
        usage=SYNOPSIS,
        description=DESCRIPTION,
        epilog=f"{EXAMPLES}\n\n{NOTES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--image",
        dest="images",
        action="append",
        metavar="PATH",
        help="a JPEG, PNG, WebP, BMP or TIFF file, - for standard input; may be repeated",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--verbose", action="store_true", help="print every class, likeliest first")
    form.add_argument("--json", action="store_true", help="print the whole result as JSON")
    parser.add_argument(
        "--server",
        metavar="ADDRESS",
        help="ask grpc://host:port (Triton) or http://host:port (the gateway) instead of "
        "recognising in this process; by default the environment's DECKWATCH_SERVER. The key "
        "for a gateway that asks for one comes from DECKWATCH_API_KEY",
    )
    parser.add_argument(
        "--repository",
        metavar="DIR",
        help="the model repository for recognition in this process; by default the "
        "environment's DECKWATCH_MODEL_REPOSITORY, or the one that was installed",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="longest wait for a server's answer (default: 30)",
    )
    parser.add_argument(
        "--background",
        metavar="PATH",
        help="for a fixed camera: drop fish that are part of its background; a folder or a file "
        "that `deckwatch background learn` wrote. --json lists what was dropped under `static`",
    )
    parser.add_argument(
        "--camera",
        metavar="NAME",
        help="whose background to take; needed where the folder holds those of several cameras",
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    return parser


def classify(options: argparse.Namespace) -> int:
    """Recognise the pictures in `options` and print the answers; returns the exit status."""
    from deckwatch_client.backends import open_backend, server_address
    from deckwatch_client.pictures import PER_PICTURE
    from deckwatch_vision.errors import DeckwatchError, UsageError

    write = _writer(options)
    failed = 0
    try:
        backend = open_backend(
            server_address(options.server),
            repository=options.repository,
            timeout_s=options.timeout,
        )
        fixed = _fixed_camera(options)
        gc.freeze()
        gc.enable()
        for path in options.images:
            try:
                write(path, *_answer(backend, path, fixed))
            except PER_PICTURE as error:
                _complain(error)
                failed += 1
        backend.close()
        for warning in fixed.warnings() if fixed else ():
            _complain(f"warning: {warning}")
    except DeckwatchError as error:
        _complain(error)
        return USAGE if isinstance(error, UsageError) else FAILED
    if not failed:
        return DONE
    return SOME_FAILED if failed < len(options.images) else FAILED


def _fixed_camera(options: argparse.Namespace) -> FixedCamera | None:
    if options.background is None:
        return None
    from deckwatch_client.background.fixed_camera import FixedCamera

    return FixedCamera(options.background, options.camera)


def _answer(
    backend: Backend, path: str, fixed: FixedCamera | None
) -> tuple[Result, dict[str, Any]]:
    """The answer for one picture, and what a background adds to its JSON."""
    from deckwatch_client.pictures import naming, read_picture, read_standard_input

    file = None if path == STDIN else path
    with naming(file or STDIN_NAME):
        data = read_picture(file) if file else read_standard_input()
        if fixed is None:
            return backend.infer(data, file=file), {}
        return fixed.recognise(data, lambda sent: backend.infer(sent, file=file))


def _writer(options: argparse.Namespace) -> Callable[[str, Result, dict[str, Any]], None]:
    """How one answer is printed."""
    from deckwatch_client.pictures import printable

    def write_json(path: str, result: Result, more: dict[str, Any]) -> None:
        _say(json.dumps(result.as_dict() | more))

    def write_text(path: str, result: Result, more: dict[str, Any]) -> None:
        text = _verbose(result) if options.verbose else repr([result.label])
        several = len(options.images) > 1
        _say(f"{printable(path)}: {text}" if several else text)

    return write_json if options.json else write_text


def _verbose(result: Result) -> str:
    """`Result.pairs` with all five decimals written out, and so never as 1e-05."""
    pairs = (f"[{code!r}, {likelihood:.5f}]" for code, likelihood in result.pairs())
    return f"[{', '.join(pairs)}]"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # a reader at the other end of a pipe has each answer at once


def _complain(error: Exception | str) -> None:
    sys.stderr.write(f"classify: {' '.join(str(error).split())}\n")


def _as_options(argv: Sequence[str]) -> list[str]:
    """The command line with every path written as --image=PATH.

    argparse would lose the order of paths given both ways, and refuse paths on both sides of an
    option.
    """
    options: list[str] = []
    waiting = iter(argv)
    for argument in waiting:
        if argument == "--":
            options.extend(f"--image={path}" for path in waiting)
        elif argument in VALUED:
            options.append(argument)
            options.extend(islice(waiting, 1))
        elif argument == STDIN or not argument.startswith("-"):
            options.append(f"--image={argument}")
        else:
            options.append(argument)
    return options


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86400:
        raise ValueError
    return seconds


class _Version(argparse.Action):
    """--version, which reads the installed package's metadata only when asked."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(nargs=0, **settings)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from deckwatch_client.version import installed_version

        _say(f"deckwatch {installed_version()}")
        parser.exit(DONE)


if __name__ == "__main__":
    sys.exit(main())

"""The query of a Camio hook: which events it is called for.

Camio documents `and or not in < <= > >= == !=` over `camera` (a name), `labels` (a list) and
`date`; `1==1` matches all. A query is read here as far as this grammar goes and never evaluated,
so that a slip is found before Camio is asked, which gives no reasons.
"""

from __future__ import annotations

import ast
import warnings

from deckwatch_vision.errors import UsageError

MATCH_ALL = "1==1"
MAX_LENGTH = 2000
_TOLD_LETTERS = 100

_NAMES = ("camera", "labels", "date")
_COMPARISONS = (ast.In, ast.NotIn, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_GRAMMAR = (
    "A query compares camera, labels and date by in, not in, <, <=, >, >=, == and !=, joined by "
    "and, or and not, for instance camera == 'deck-aft' and not 'empty' in labels"
)


def check_query(query: str) -> str:
    """The query without space around it.

    Raises:
        UsageError: it is not of Camio's grammar; the message names the part.
    """
    text = query.strip()
    if not text:
        raise UsageError(f"The query is empty. {_GRAMMAR}; {MATCH_ALL} matches every event.")
    if len(text) > MAX_LENGTH:
        raise UsageError(f"The query has {len(text)} characters; at most {MAX_LENGTH} are allowed.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python's about the query's own escapes
            tree = ast.parse(text, mode="eval")
        _condition(tree.body, text)
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        raise UsageError(
            f"The query {text[:_TOLD_LETTERS]!r} is malformed{place}. {_GRAMMAR}."
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise UsageError(f"The query cannot be read. {_GRAMMAR}.") from None
    return text


def _condition(node: ast.expr, text: str) -> None:
    match node:
        case ast.BoolOp(values=parts):
            for part in parts:
                _condition(part, text)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            _condition(part, text)
        case ast.Compare(left=left, ops=operators, comparators=others):
            for operator in operators:
                if not isinstance(operator, _COMPARISONS):
                    raise _refusal(node, text, "compares in another way")
            for side in (left, *others):
                _operand(side, text)
        case _:
            raise _refusal(node, text, "is no comparison")


def _operand(node: ast.expr, text: str) -> None:
    match node:
        case ast.Name(id=name) if name in _NAMES:
            return
        case ast.Name():
            raise _refusal(node, text, f"is none of {', '.join(_NAMES)}; quote it if it is a text")
        case ast.Constant(value=value) if isinstance(value, str | int | float) and (
            not isinstance(value, bool)
        ):
            return
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                _operand(part, text)
        case _:
            raise _refusal(node, text, "is neither a name, a text, a number nor a list of them")


def _refusal(node: ast.expr, text: str, fault: str) -> UsageError:
    part = ast.get_source_segment(text, node) or text
    return UsageError(f"In the query, {part[:_TOLD_LETTERS]!r} {fault}. {_GRAMMAR}.")

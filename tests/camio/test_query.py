"""The grammar of Camio's queries: what is taken, what is refused and how."""

from __future__ import annotations

from contextlib import suppress

import pytest

from deckwatch_gateway.camio.query import check_query
from deckwatch_vision.errors import UsageError


@pytest.mark.parametrize(
    "query",
    [
        "1==1",
        "camera == 'deck-aft'",
        'camera == "deck-aft" or camera == "deck-fore"',
        "camera in ['deck-aft', 'deck-fore']",
        "camera not in ('deck-aft',)",
        "'fish' in labels and 'person' not in labels",
        "not ('fish' in labels or camera != 'deck-aft')",
        "date >= '2017-05-05' and date < '2017-06-01T00:00:00'",
        "1 <= 2 < 3.5 != 4 > 1",
        "camera == 'crème \\u00e9'",
    ],
)
def test_queries_of_the_grammar_are_taken(query: str) -> None:
    assert check_query(f" {query}\n") == query


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("camera = 'deck-aft'", "malformed at character"),
        ("camera == 'deck-aft", "malformed"),
        ("camera == deck-aft", "'deck-aft' is neither"),
        ("camera == aft", "'aft' is none of camera, labels, date; quote it"),
        ("camera == 'a' && date > 1", "malformed"),
        ("camera", "'camera' is no comparison"),
        ("True", "'True' is no comparison"),
        ("camera == None", "'None' is neither"),
        ("camera == True", "'True' is neither"),
        ("camera is 'a'", "compares in another way"),
        ("camera == b'a'", "is neither"),
        ("camera == f'{date}'", "is neither"),
        ("camera == 1j", "is neither"),
        ("date > -1", "'-1' is neither"),
        ("date - 1 > 5", "is neither"),
        ("camera.name == 'a'", "'camera.name' is neither"),
        ("labels[0] == 'a'", "is neither"),
        ("len(labels) > 2", r"'len\(labels\)' is neither"),
        ("__import__('os').system('true') == 0", "is neither"),
        ("(lambda: 1)() == 1", "is neither"),
        ("[x for x in labels] == []", "is neither"),
        ("{'a'} == labels", "is neither"),
        ("camera in ['a', date()]", r"'date\(\)' is neither"),
        ("user == 'me'", "'user' is none of"),
        ("camera == 'a' if date > 1 else 1 == 1", "is no comparison"),
        ("(camera := 'a') == 'a'", "is neither"),
        ("camera == 'a'; date > 1", "malformed"),
        ("camera == 'a'\0", "malformed|cannot be read"),
        ("(" * 1000 + "1==1" + ")" * 990, "malformed|cannot be read"),
        ("1==1 and " * 400 + "1==1", "3604 characters"),
    ],
)
def test_what_is_not_of_the_grammar_is_refused(query: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        check_query(query)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("query", ["not " * 450 + "1==1", "(" * 90 + "1==1" + ")" * 90])
def test_nesting_is_no_crash(query: str) -> None:
    """How deep Python reads depends on its version: it is a query or a refusal, nothing else."""
    with suppress(UsageError):
        assert check_query(query) == query


def test_a_refusal_says_what_a_query_looks_like() -> None:
    with pytest.raises(UsageError, match="for instance camera == 'deck-aft'"):
        check_query("deck-aft")

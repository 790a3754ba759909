"""`deckwatch batch`: a season of pictures and videos, resumable, in the formats people use.

    summary = run(Plan(sources=("season",), out=Path("results")))

A run streams: sources -> feed -> engine -> log -> finishing. What is known of the files so far is
in the log (`log.jsonl`) and in an index over it on disk, so memory does not grow with their number.
"""

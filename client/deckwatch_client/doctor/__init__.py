"""`deckwatch doctor`: what is installed, reachable and served, and what to do about it.

`table` lists the checks, each one small function that yields findings; a check that breaks is a
finding as well. `cli` prints them.
"""

"""What a user would write instead of Deckwatch's own stack: the same release, other servers."""

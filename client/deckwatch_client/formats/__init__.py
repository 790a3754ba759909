"""The forms in which results leave a run and come back: one writer each, in one table."""

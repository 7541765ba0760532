"""Figures, measured side by side in one run: never a timed unit test, always a ratio to quote."""

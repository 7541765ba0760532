"""What counts as danger, and who must come: a deterministic machine without clock, network or disk."""

"""A neighbourhood that can burn. Speaks only the wire; never imports `monitor`."""

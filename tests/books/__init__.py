"""The shipped books under test: each rule at its edges, real fires, an ordinary month."""

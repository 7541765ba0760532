"""The ledger port's implementations: the spine that everything downstream reads by its own cursor."""

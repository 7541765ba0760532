"""Reports made of what the ledger keeps: service levels, nuisance alarms, single incidents. They read; nothing is decided here."""

"""The daemon: readings in, decisions kept, people sent. `rules` decides; nothing here does."""

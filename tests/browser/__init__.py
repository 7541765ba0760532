"""The page in a real browser: Debian's Chromium, on a daemon that runs the demo."""

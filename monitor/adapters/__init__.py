"""One third-party client or protocol per file, each behind a port of `monitor.ports`; the app alone wires them.

Adapters know neither each other nor the rules.
"""

"""How often somebody may do something, and from where they come: bounds for what needs no login.

Knows neither what is done nor who they are beyond an address.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from ipaddress import ip_address

from aiohttp import web

from rules.model import Micros


class Quota:
    """At most `limit` in any `window` for each key; of at most `keys` keys, the longest unused is forgotten first."""

    def __init__(self, limit: int, window: Micros, *, keys: int = 10_000) -> None:
        self._limit = limit
        self._window = window
        self._keys = keys
        self._taken: OrderedDict[str, deque[Micros]] = OrderedDict()

    def wait(self, key: str, now: Micros) -> Micros:
        """0 when there is room; else how long there is none."""
        taken = self._taken.get(key)
        if taken is None:
            return 0
        while taken and taken[0] <= now - self._window:
            taken.popleft()
        return 0 if len(taken) < self._limit else taken[0] + self._window - now

    def take(self, key: str, now: Micros) -> Micros:
        """The same, and uses some of the room where there is any."""
        if left := self.wait(key, now):
            return left
        self._taken.setdefault(key, deque()).append(now)
        self._taken.move_to_end(key)
        if len(self._taken) > self._keys:
            self._taken.popitem(last=False)
        return 0


def address(request: web.Request) -> str:
    """The client's address; "" when a proxy before us does not tell it, since all would then share one.

    A proxy on this machine or network is believed to the last name that it added itself (`X-Forwarded-For`).
    """
    remote = request.remote or ""
    try:
        near = ip_address(remote).is_private
    except ValueError:
        return ""
    if not near:
        return remote
    told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    if told:
        try:
            return str(ip_address(told))
        except ValueError:
            return ""
    return "" if ip_address(remote).is_loopback else remote

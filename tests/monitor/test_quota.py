"""Bounds for what needs no login: in any window, for each key, however many keys there are; and whose address a request has."""

from __future__ import annotations

import copy

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from monitor.console.quota import Quota, address
from rules.model import SECOND


@given(st.lists(st.integers(0, 30), max_size=60))
def test_no_window_ever_holds_more(steps: list[int]) -> None:
    quota, now, granted = Quota(3, 10 * SECOND), 0, []
    for step in steps:
        now += step * SECOND // 10
        wait = quota.take("a", now)
        assert 0 <= wait <= 10 * SECOND
        if not wait:
            granted.append(now)
        else:
            # Exactly then there is room again, and not a microsecond sooner.
            # (Asked of a copy, for a clock that is asked only runs forward.)
            assert copy.deepcopy(quota).wait("a", now + wait - 1) > 0
            assert copy.deepcopy(quota).wait("a", now + wait) == 0
    for at in granted:
        assert sum(at - 10 * SECOND < other <= at for other in granted) <= 3


def test_keys_do_not_share_and_to_ask_takes_nothing() -> None:
    quota = Quota(1, SECOND)
    assert [quota.wait("a", 0), quota.wait("a", 0), quota.take("a", 0), quota.take("b", 0)] == [0, 0, 0, 0]
    assert quota.take("a", 1) == SECOND - 1


def test_of_too_many_keys_the_longest_unused_is_forgotten() -> None:
    quota = Quota(1, SECOND, keys=2)
    for key in ("a", "b", "c"):
        quota.take(key, 0)
    assert (quota.wait("a", 1), quota.wait("b", 1) > 0, quota.wait("c", 1) > 0) == (0, True, True)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("8.8.8.8", "1.1.1.1", "8.8.8.8"),  # a stranger says whatever it likes
        ("127.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("127.0.0.1", "9.9.9.9, 1.1.1.1", "1.1.1.1"),  # only what our proxy itself added
        ("10.0.0.5", "2001:db8::1", "2001:db8::1"),
        ("127.0.0.1", None, ""),
        ("127.0.0.1", "unknown", ""),
        ("192.168.1.20", None, "192.168.1.20"),  # a phone in the house's own network
        ("", None, ""),
    ],
)
def test_whose_address_it_is(peer: str, forwarded: str | None, expected: str) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = make_mocked_request("POST", "/r/x", headers=headers).clone(remote=peer)
    assert address(request) == expected

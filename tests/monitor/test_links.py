"""Signed links: what they name comes back whole, and nothing that we did not sign opens anything."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.links import CALLS, LASTING, BadLink, ExpiredLink, Links
from rules.model import HOUR, SECOND, Kind, Micros, Push

NOW: Micros = 1_795_305_600 * SECOND
URL = "https://fire.example"
SECRET = b"a-token-for-tests-only"


def push(kind: str = "incident.dispatch", to: str = "") -> Push:
    body: dict[str, object] = {"type": kind, "station": {"key": "north", "name": {"zh": "北门站", "en": "North"}}}
    return Push(NOW, "k", "inc-000017", "dispatch-1", "duty", Kind.FIRE, NOW + HOUR, body, to)


def links(at: Micros = NOW, secret: bytes = SECRET, epoch: int = 1, url: str | None = URL) -> Links:
    return Links(url, secret, lambda: at, epoch=epoch)


def token(url: str, way: str = "a") -> str:
    assert url.startswith(f"{URL}/{way}/")
    return url.removeprefix(f"{URL}/{way}/")


def test_a_persons_link_names_the_person_and_a_groups_link_the_station() -> None:
    mine = links().read(token(links().of(push(to="wang"))))
    assert (mine.incident, mine.step, mine.who, mine.person) == ("inc-000017", "dispatch-1", "wang", True)
    group = links().read(token(links().of(push())))
    assert (group.who, group.person) == ("north", False)


def test_a_retry_carries_the_same_link_an_hour_later() -> None:
    assert links(NOW + HOUR).of(push()) == links().of(push())


def test_it_is_short_enough_for_a_text_message() -> None:
    assert len(token(links().of(push(to="wang")))) < 100


def test_a_trailing_slash_of_the_address_is_not_doubled() -> None:
    assert links(url=f"{URL}/").of(push()) == links().of(push())


def test_who_is_not_asked_to_come_gets_no_link() -> None:
    for kind in ("incident.update", "incident.state", "incident.handover", "command.cut", ""):
        assert links().of(push(kind)) == ""
    assert all(links().of(push(kind)) for kind in CALLS)
    assert links(url=None).of(push()) == ""
    assert links(url=None).report_of("home/garage") == ""


def test_a_link_ends_after_a_day_to_the_second() -> None:
    made = token(links().of(push()))
    assert links(NOW + LASTING - SECOND).read(made).until == NOW + LASTING
    with pytest.raises(ExpiredLink, match=r"已过期.*has expired"):
        links(NOW + LASTING).read(made)


def test_another_token_of_the_api_ends_every_link() -> None:
    other = links(secret=b"another-token-for-tests")
    for opened in (lambda: other.read(token(links().of(push()))), lambda: other.read_report(report())):
        with pytest.raises(BadLink):
            opened()


def report(epoch: int = 1) -> str:
    return token(links(epoch=epoch).report_of("home/garage"), "r")


def test_a_report_link_names_its_zone_for_years_until_its_epoch_is_over() -> None:
    assert links(NOW + 20 * 365 * 24 * HOUR).read_report(report()) == "home/garage"
    with pytest.raises(ExpiredLink):
        links(epoch=2).read_report(report())


def test_a_report_link_answers_nothing_and_an_answer_link_reports_nothing() -> None:
    with pytest.raises(BadLink):
        links().read(report())
    with pytest.raises(BadLink):
        links().read_report(token(links().of(push())))


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_single_changed_byte_makes_it_bad(place: int, change: int) -> None:
    made = token(links().of(push(to="wang")))
    raw = bytearray(base64.urlsafe_b64decode(made + "=" * (-len(made) % 4)))
    raw[place % len(raw)] ^= change
    with pytest.raises(BadLink):
        links().read(base64.urlsafe_b64encode(raw).decode().rstrip("="))


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda b: base64.urlsafe_b64encode(b).decode()))
def test_nonsense_is_bad(text: str) -> None:
    with pytest.raises(BadLink):
        links().read(text)
    with pytest.raises(BadLink):
        links().read_report(text)


def test_a_link_of_another_call_is_another_link() -> None:
    assert len({links().of(replace(push(), step=f"call-{n}")) for n in range(5)}) == 5

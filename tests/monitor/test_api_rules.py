"""The rules at work, over the API: what a reload says, and why a rule is or is not firing.

The desk here is a real engine on a small book; no daemon, no files.
"""

from __future__ import annotations

from monitor.board import BookRefused
from monitor.book_change import BookChange, difference
from monitor.explain import explain
from monitor.explanation import Explanation
from rules.document import Mistakes
from rules.engine import Engine
from rules.model import SECOND, Reading
from rules.rule import RuleBook
from rules.rulebook import load_book
from tests.small_site import NOW, Yard, neighbourhood

BOOK = """
version: 1
rules:
  - id: dense
    kind: FIRE
    devices: [smoke_detector]
    when: smoke_density > default(device.limit, 0.5) and not default(test, false)
    for: 4s
    clear: smoke_density < 0.2
    title: {zh: 浓烟, en: Dense smoke}
  - id: two
    kind: FIRE
    subject: zone
    devices: [smoke_detector]
    when: count(smoke_density > 0.3) >= 2
    title: {zh: 两处有烟, en: Smoke at two}
"""


def book(text: str = BOOK) -> RuleBook:
    return load_book([("book.yaml", text)])


class Desk:
    """What the daemon does, without files: the next book is handed in as text."""

    def __init__(self) -> None:
        self.places = neighbourhood()
        self.engine = Engine(book(), self.places)
        self.text = BOOK

    async def reload(self) -> BookChange:
        try:
            return difference(self.engine.book, book(self.text))
        except Mistakes as mistakes:
            raise BookRefused(mistakes.mistakes) from None

    def explain(self, rule: str, subject: str, /) -> Explanation:
        return explain(self.engine, self.places, rule, subject)


async def test_a_reload_says_what_it_changed() -> None:
    desk = Desk()
    desk.text = (
        BOOK.replace("0.2", "0.25").replace("Smoke at two", "Two see smoke")
        + "  - {id: new, kind: FAULT, devices: [gateway], when: fault, title: {zh: 新, en: New}}\n"
    )
    async with Yard().console(desk=desk) as api:
        told = await api.post("/api/v1/rules/reload", None)
        changes: dict[str, list[object]] = {"added": ["new"], "removed": [], "changed": ["dense"], "reworded": ["two"]}
        assert told == {**changes, "unchanged": [], "years": []}
        desk.text = BOOK[: BOOK.index("  - id: two")]
        told = await api.post("/api/v1/rules/reload", None)
        changes = {"added": [], "removed": ["two"], "changed": [], "reworded": []}
        assert told == {**changes, "unchanged": ["dense"], "years": []}
        desk.text = BOOK + "calendar: {2026: {off: [05-01]}, 2027: {off: [05-01]}}\n"
        told = await api.post("/api/v1/rules/reload", None)
        assert (told["unchanged"], told["years"]) == (["dense", "two"], [2026, 2027])


async def test_a_book_with_mistakes_is_refused_with_all_of_them() -> None:
    desk = Desk()
    desk.text = BOOK.replace("smoke_density > 0.3", "smok > 0.3").replace("kind: FIRE", "kind: FEUER", 1)
    async with Yard().console(desk=desk) as api:
        told = await api.post("/api/v1/rules/reload", None, 422)
    assert told["type"] == "urn:wanglou:problem:invalid-book"
    assert told["detail"].startswith("2 mistakes, the running book stays in force: book.yaml:5:11")
    places = [(m["file"], m["line"], m["column"], m["field"]) for m in told["mistakes"]]
    assert places == [("book.yaml", 5, 11, "rules[0].kind"), ("book.yaml", 15, 17, "rules[1].when")]
    assert all(m["message"] and m["remedy"] for m in told["mistakes"])


async def test_why_a_rule_is_pending() -> None:
    desk = Desk()
    desk.engine.handle(Reading(NOW, "yard/smoke-1", {"smoke_density": 0.61}))
    desk.engine.handle(Reading(NOW + SECOND, "yard/smoke-1", {"smoke_density": 0.7}))
    async with Yard().console(desk=desk) as api:
        told = await api.get("/api/v1/rules/dense/explain?subject=yard/smoke-1")
        zone = await api.get("/api/v1/rules/two/explain?subject=yard/garage")
    assert (told["verdict"], told["state"], told["due_at"]) == ("true", "pending", "2026-11-22T00:00:04Z")
    assert told["sentences"][0]["zh"] == "条件成立，再持续 3s 即报警。"
    assert [(p["text"], p["verdict"]) for p in told["when"]["parts"]] == [
        ("smoke_density > default(device.limit, 0.5)", "true"),
        ("not default(test, false)", "true"),
    ]
    assert told["missing"] == ["device.limit"]
    assert told["measured"][0] | {"device_at": ""} == {
        "device": "yard/smoke-1", "quantity": "smoke_density", "unit": "dB/m", "value": 0.7, "device_at": "", "freshness": "live",
    }  # fmt: skip
    (count,) = zone["when"]["parts"]
    assert (zone["verdict"], count["text"], count["value"]) == ("false", "count(smoke_density > 0.3)", 1)
    asked = {p["subject"]: p["verdict"] for p in count["parts"]}
    assert asked == {"yard/smoke-1": "true", "yard/smoke-2": "unknown", "yard/smoke-3": "unknown"}


async def test_what_cannot_be_explained() -> None:
    async with Yard().console(desk=Desk()) as api:
        rule = await api.get("/api/v1/rules/none/explain?subject=yard/smoke-1", 404)
        device = await api.get("/api/v1/rules/dense/explain?subject=yard/garage", 404)
        zone = await api.get("/api/v1/rules/two/explain?subject=yard/smoke-1", 404)
        await api.get("/api/v1/rules/two/explain", 400)
    assert rule["type"].endswith(":unknown-rule")
    assert device["detail"] == "There is no device yard/garage; this rule is about devices."
    assert zone["detail"] == "There is no zone yard/smoke-1; this rule is about zones."
    async with Yard().console() as api:
        await api.post("/api/v1/rules/reload", None, 503)

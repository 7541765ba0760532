"""What was expected against what came: passed or not, a diff that can be pasted into the file, and JUnit's XML for CI.

Knows no engine: it compares lines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from typing import Literal, NamedTuple
from xml.etree import ElementTree as ET

from monitor.explanation import Explanation
from monitor.settings.fields import write_duration
from monitor.stories.entries import ExplainWords, IncidentWords
from monitor.stories.lines import number, short
from monitor.stories.player import Played, play
from monitor.stories.reader import Story
from rules.model import Incident, Micros

AROUND = 2
"""Lines that came as expected, shown before and after one that did not."""


class DiffLine(NamedTuple):
    """` `: as expected; `-`: expected and did not come; `+`: came and was not expected; `…`: lines left out."""

    sign: Literal[" ", "-", "+", "…"]
    text: str
    line: int = 0
    """Where it is written in the test file; 0 where it is not."""


@dataclass(frozen=True, slots=True)
class TestResult:
    """How one test ended."""

    __test__ = False  # not one of pytest's

    story: Story
    diff: tuple[DiffLine, ...]
    """Empty when every line came, at its moment, in its order, and nothing else did."""
    complaints: tuple[str, ...]
    """`file:line: …` of incidents and explanations that are not as asked."""
    seconds: float

    @property
    def passed(self) -> bool:
        """Everything was as expected, and nothing else happened."""
        return not self.diff and not self.complaints


def examine(story: Story, clock: Callable[[], float] = time.perf_counter) -> TestResult:
    """Play a story and judge it."""
    began = clock()
    played = play(story)
    complaints = [*_incidents(story, played), *_explanations(story, played)]
    return TestResult(story, tuple(difference(story, played)), tuple(complaints), clock() - began)


def difference(story: Story, played: Played) -> Iterator[DiffLine]:
    """Nothing when all is as expected; otherwise the timeline with both sides of each difference."""
    wanted = [_moment(story, e.at, e.text) for e in story.expected]
    came = [_moment(story, s.at, s.text) for s in played.seen]
    if wanted == came:
        return
    places = [e.line for e in story.expected]
    matcher = SequenceMatcher(None, wanted, came, autojunk=False)
    for group in matcher.get_grouped_opcodes(AROUND):
        if group[0][1] or group[0][3]:
            yield DiffLine("…", "")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (DiffLine(" ", wanted[i], places[i]) for i in range(i1, i2))
                continue
            yield from (DiffLine("-", wanted[i], places[i]) for i in range(i1, i2))
            yield from (DiffLine("+", came[j]) for j in range(j1, j2))
        if group[-1][2] < len(wanted) or group[-1][4] < len(came):
            yield DiffLine("…", "")


def _moment(story: Story, at: Micros, text: str) -> str:
    return f"{write_duration(at - story.start)} {text}"


def _incidents(story: Story, played: Played) -> Iterator[str]:
    if story.incidents is None:
        return
    came = list(played.incidents.values())
    if len(came) != len(story.incidents):
        yield f"{story.file}:{story.line}: {len(story.incidents)} incidents are expected, {len(came)} were raised"
    for (asked, at), incident in zip(story.incidents, came, strict=False):
        for name, wanted, got in _unlike(asked, incident, story.site):
            yield f"{story.file}:{at}: incident {number(incident.id)}: {name} is {got}, expected {wanted}"


def _unlike(asked: IncidentWords, incident: Incident, site: str) -> Iterator[tuple[str, str, str]]:
    known = {f.name for f in fields(Incident)}
    for name in IncidentWords.model_fields:
        wanted = getattr(asked, name)
        got = getattr(incident, name) if name in known else None
        if wanted is not None and wanted != got:
            yield name, _shown(wanted, site), _shown(got, site)


def _shown(value: object, site: str) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(short(str(item), site) for item in value) + "]"
    return short(str(value), site)


def _explanations(story: Story, played: Played) -> Iterator[str]:
    for (asked, _, at), answer in zip(story.explains, played.explained, strict=True):
        moment = write_duration(asked.at)
        for name, wanted, got in _differs(asked, answer):
            yield (
                f"{story.file}:{at}: {asked.rule} at {asked.subject}, {moment}: {name} is {got}, expected {wanted}; "
                f"{answer.sentences[0].en if answer.sentences else ''}"
            )


def _differs(asked: ExplainWords, answer: Explanation) -> Iterator[tuple[str, str, str]]:
    if asked.verdict is not None and str(asked.verdict).lower() != answer.verdict:
        yield "the condition", str(asked.verdict).lower(), answer.verdict
    if asked.state is not None and asked.state is not answer.state:
        yield "the alarm", asked.state, answer.state


def junit(results: Sequence[TestResult]) -> str:
    """All results as JUnit's XML, a suite for each file."""
    root = ET.Element("testsuites", name="wanglou rules test")
    by_file: dict[str, list[TestResult]] = {}
    for result in results:
        by_file.setdefault(result.story.file, []).append(result)
    for file, inside in by_file.items():
        failed = sum(not r.passed for r in inside)
        seconds = f"{sum(r.seconds for r in inside):.3f}"
        suite = ET.SubElement(
            root, "testsuite", name=file, tests=str(len(inside)), failures=str(failed), errors="0", time=seconds
        )
        for result in inside:
            story = result.story
            case = ET.SubElement(
                suite, "testcase", name=story.name, classname=file, file=file, line=str(story.line), time=f"{result.seconds:.3f}"
            )  # fmt: skip
            if not result.passed:
                failure = ET.SubElement(case, "failure", message=f"{file}:{story.line}: not as expected")
                failure.text = "\n".join([*(f"{d.sign} {d.text}" for d in result.diff), *result.complaints])
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"

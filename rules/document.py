"""YAML with an address for every value, so that each mistake names file, line, column, field and remedy.

Knows neither rules nor sites; reads no file: it is handed the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing that is wrong in a file that somebody wrote."""

    file: str
    line: int
    column: int
    field: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """`file:line:column: field: message (remedy)`, as compilers write it."""
        field = f"{self.field}: " if self.field else ""
        remedy = f" ({self.remedy})" if self.remedy else ""
        return f"{self.file}:{self.line}:{self.column}: {field}{self.message}{remedy}"


class Mistakes(Exception):
    """All the mistakes of one reading, sorted by place; a file with a mistake is not used at all."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes: tuple[Mistake, ...] = tuple(sorted(set(mistakes)))
        super().__init__("\n".join(map(str, self.mistakes)))


REPEATED_LIMIT = 100_000
"""Values of a file that anchors repeat: a few lines of them could stand for billions."""

_REMEDIES = {
    "found character '\\t'": "indent with blanks, and write no tab between words",
    "found character": "put the text in quotes",
    "found unexpected end of stream": "close the quotes",
    "found undefined alias": "put a text that begins with * in quotes",
    "found unknown escape": "write single quotes, or \\\\ for each \\",
    "mapping values are not allowed": "put a text with `: ` in it in quotes, and check the indentation",
    "could not find expected ':'": "write `key: value`, with an ASCII colon and a blank behind it",
    "but found another document": "keep one document in a file, without `---`",
    "second occurrence": "give each anchor a name of its own",
    "special characters are not allowed": "remove the control character",
    "expected ',' or": "close the bracket, and put a text with a comma or bracket in quotes",
    "expected <block end>": "indent alike what belongs together",
    "could not determine a constructor for the tag 'tag:yaml.org,2002:merge'": "write the fields out, without `<<`",
    "could not determine a constructor": "put a text that begins with ! in quotes",
}
"""What PyYAML's problem begins with → what to do about it."""
_REMEDY = "check indentation, brackets and quotes"


class Document:
    """The plain data of a YAML text (`data`), and where each value of it stands."""

    def __init__(self, text: str, file: str) -> None:
        """Parse. Raises Mistakes when the text is not YAML, names a key twice, or has a list or mapping for a key."""
        self.file = file
        self._marks: dict[Path, yaml.Mark] = {}
        self._built: set[yaml.Node] = set()
        self._repeated = 0
        self._found: list[Mistake] = []
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            self.data: Any = self._build(node, ()) if node is not None else {}
        except yaml.reader.ReaderError as error:
            line, column = text.count("\n", 0, error.position) + 1, error.position - text.rfind("\n", 0, error.position)
            remedy = _REMEDIES.get(error.reason, _REMEDY)
            raise Mistakes([Mistake(file, line, column, "", f"not valid YAML: {error.reason}", remedy)]) from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error)
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            remedy = next((way for start, way in _REMEDIES.items() if problem.startswith(start)), _REMEDY)
            raise Mistakes([Mistake(file, line, column, "", f"not valid YAML: {problem}", remedy)]) from None
        except RecursionError:
            nested = Mistake(file, 1, 1, "", "nested too deeply", "write fewer levels, and no anchor inside of itself")
            raise Mistakes([nested]) from None
        self._built.clear()
        if self._found:
            raise Mistakes(self._found)

    def at(self, path: Sequence[str | int]) -> tuple[int, int]:
        """(line, column), both from 1, of the value at `path`, or of its nearest parent that was written down."""
        walk = tuple(path)
        while walk and walk not in self._marks:
            walk = walk[:-1]
        mark = self._marks.get(walk)
        return (mark.line + 1, mark.column + 1) if mark else (1, 1)

    def mistake(
        self, path: Sequence[str | int], message: str, remedy: str = "", *, line: int = 0, column: int = 0
    ) -> Mistake:
        """A mistake at `path`; `line` and `column` (from 0) move it inside a text value."""
        at_line, at_column = self.at(path)
        return Mistake(self.file, at_line + line, at_column + column, dotted(path), message, remedy)

    def validate(self, model: type[Model]) -> Model:
        """The data as a pydantic model. Raises Mistakes with all that pydantic found, each at its place."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            found = []
            for e in error.errors(include_url=False, include_input=False):
                path = self._written(e["loc"])
                message = e["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
                if e["type"] == "extra_forbidden":
                    message = "unknown field"
                found.append(self.mistake(path, message))
            raise Mistakes(found) from None

    def _written(self, loc: tuple[int | str, ...]) -> Path:
        """Pydantic's location without the names of union branches that it puts in between."""
        path: Path = ()
        here: Any = self.data
        for step in loc:
            if (*path, step) in self._marks:
                path, here = (*path, step), here[step]
        if not loc or path[-1:] == loc[-1:] or not isinstance(loc[-1], str) or not loc[-1].isidentifier():
            return path
        # What a whole entry does wrong ends in the branch's name, which is the entry's kind.
        return path if isinstance(here, dict) and here.get("kind") == loc[-1] else (*path, loc[-1])

    def _build(self, node: yaml.Node, path: Path) -> Any:
        self._marks[path] = node.start_mark
        self._repeated += node in self._built
        if self._repeated > REPEATED_LIMIT:
            self._refuse(node, (), f"its anchors repeat more than {REPEATED_LIMIT} values", "write fewer of them")
            raise Mistakes(self._found)
        self._built.add(node)
        if isinstance(node, yaml.MappingNode):
            out: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    self._refuse(
                        key_node, path, "a list or a mapping stands as a key", "write a name; quote {…} and […]"
                    )
                    continue
                # YAML takes `on`, `off`, `yes` and `no` for truth values; where a key stands they are the names that were meant
                key = key_node.value if key_node.tag == "tag:yaml.org,2002:bool" else self._scalar(key_node, path)
                if key in out:
                    self._refuse(key_node, (*path, key), "this key stands twice", "keep one of them")
                out[key] = self._build(value_node, (*path, key))
            return out
        if isinstance(node, yaml.SequenceNode):
            return [self._build(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        try:
            return _constructed(node)
        except (ValueError, KeyError, AttributeError):
            # PyYAML trusts a text that looks like a date, or was tagged as a number, to be one.
            kind = node.tag.rpartition(":")[2]
            self._refuse(node, path, f"looks like a {kind} and is none", "write it in quotes, or mend it")
            return None

    def _refuse(self, node: yaml.Node, path: Path, message: str, remedy: str) -> None:
        mark = node.start_mark
        self._found.append(Mistake(self.file, mark.line + 1, mark.column + 1, dotted(path), message, remedy))


def _constructed(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


def dotted(path: Sequence[str | int]) -> str:
    """`rules[3].when`."""
    out = ""
    for step in path:
        out += f"[{step}]" if isinstance(step, int) else f".{step}" if out else str(step)
    return out

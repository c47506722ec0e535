"""YAML as people and other tools write it: YAML 1.2 core scalars, never a date, nothing that can run or explode.

Built on ruamel.yaml's events, so every complaint has its line. Refused: tags, anchors, aliases, duplicate keys, keys
that are not strings, nesting deeper than 20. Loading costs about fifty times what `core.canon` costs.
"""

from __future__ import annotations

from typing import Any

from tbdx.errors import BadFile

DEEPEST = 20
LONGEST_NUMBER = 400  # characters; what is longer stays text, no number that anybody meant needs so many


def load_map(text: str, first_line: int = 1) -> tuple[dict[str, Any], dict[str, int]]:
    """(mapping, line of each top-level key) of one YAML document; an empty one is an empty mapping.

    `first_line` is the number of the text's first line in its file, and lines are said as the file counts them.
    Raises BadFile.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError
    from ruamel.yaml.scanner import ScannerError

    if text[:1] == "\ufeff":
        raise BadFile("begins with a byte order mark; save it as UTF-8 without one", line=first_line)
    yaml = YAML(typ="safe", pure=True)
    yaml.Reader = _reader()
    text, hidden = _hide(text)
    try:
        return _Builder(yaml.parse(text), first_line, hidden).document()
    except ReaderError as e:
        raise BadFile(f"control character {e.character!r}", line=text.count("\n", 0, e.position) + first_line)
    except MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        what = e.problem or e.context or "not YAML"
        if isinstance(e, ScannerError) and what.startswith("could not find expected"):
            what = "expected `key: value`"
        raise BadFile(str(what), line=mark.line + first_line if mark else 0)
    except (YAMLError, RecursionError, ValueError) as e:
        raise BadFile(f"not YAML: {e}".splitlines()[0])


def _hide(text: str) -> tuple[str, dict[int, str]]:
    """(the text with stand-ins for what ruamel reads by YAML 1.1's rules, what each stands for).

    Those are the line breaks of 1.1 that are plain characters in 1.2, and tabs inside plain text.
    """
    import re

    trouble = set("\t\x85\u2028\u2029").intersection(text)
    if not trouble:
        return text, {}
    lower = text.lower()  # a stand-in must not come from an escape either
    spare = (c for c in range(0xE000, 0xF8FF) if chr(c) not in text and f"{c:x}" not in lower)
    stand_in = {c: chr(next(spare)) for c in sorted(trouble)}
    if "\t" in stand_in:
        # not behind an indicator (`- `, `? `, a flow collection's), nor before one
        # (`++`, and no second way to match: a file of nothing but tabs must not take the square of its length)
        tabs = r"(?<![\s:,\[{])(?<!^[?-])(?<!\s[?-])(?= *\t)[ \t]++(?![\s#:,\]}])"
        text = re.sub(tabs, lambda m: m[0].replace("\t", stand_in["\t"]), text, flags=re.MULTILINE | re.ASCII)
    text = text.translate({ord(c): new for c, new in stand_in.items() if c != "\t"})
    return text, {ord(new): c for c, new in stand_in.items()}


def _reader() -> type:
    from ruamel.yaml.reader import Reader, ReaderError

    class Lenient(Reader):
        """Takes what npm's yaml writes raw (C1 controls, DEL) and refuses the rest of the control characters.

        A CR that ends no line is one of them: ruamel would count a line there, and nobody else does.
        """

        def check_printable(self, data: Any) -> None:
            for at, c in enumerate(data):
                if c < " " and c not in "\t\n" and data[at : at + 2] != "\r\n":
                    raise ReaderError(
                        self.name, self.index + (len(self.buffer) - self.pointer) + at, ord(c), "unicode", ""
                    )

    return Lenient


class _Builder:
    """Plain values from a stream of YAML events."""

    def __init__(self, events: Any, first_line: int, hidden: dict[int, str]) -> None:
        self.events = iter(events)
        self.first_line = first_line
        self.hidden = hidden
        self.lines: dict[str, int] = {}

    def document(self) -> tuple[dict[str, Any], dict[str, int]]:
        from ruamel.yaml import events

        event = next(self.events)
        while isinstance(event, (events.StreamStartEvent, events.DocumentStartEvent)):
            event = next(self.events)
        if isinstance(event, events.StreamEndEvent):
            return {}, {}
        if isinstance(event, events.ScalarEvent) and event.value == "" and event.style is None:
            data: Any = {}
        else:
            if not isinstance(event, events.MappingStartEvent):
                raise BadFile("expected `key: value` lines", line=self.line(event))
            data = self.value(event, 0)
        next(self.events)  # the end of the document
        rest = next(self.events)
        if not isinstance(rest, events.StreamEndEvent):
            raise BadFile("a second YAML document begins here", line=self.line(rest))
        return data, self.lines

    def line(self, event: Any) -> int:
        return int(event.start_mark.line) + self.first_line

    def value(self, event: Any, depth: int) -> Any:
        from ruamel.yaml.events import AliasEvent, MappingEndEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

        line = self.line(event)
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise BadFile("YAML anchors and aliases are not accepted; write the value out", line=line)
        if event.tag is not None:
            raise BadFile(f"YAML tag {event.tag} is not accepted", line=line)
        if depth > DEEPEST:
            raise BadFile(f"nested deeper than {DEEPEST} levels", line=line)
        if isinstance(event, ScalarEvent):
            return self.text(event) if event.style else resolve(self.text(event))
        if isinstance(event, SequenceStartEvent):
            items = []
            while not isinstance(event := next(self.events), SequenceEndEvent):
                items.append(self.value(event, depth + 1))
            return items
        data: dict[str, Any] = {}
        seen: dict[str, int] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            line = self.line(event)
            if not isinstance(event, ScalarEvent) or event.tag or event.anchor:
                raise BadFile("a key must be plain text", line=line)
            key = self.text(event)
            if key in seen:
                raise BadFile(f"{key}: given twice, first in line {seen[key]}", line=line)
            seen[key] = line
            if depth == 0:
                self.lines[key] = line
            data[key] = self.value(next(self.events), depth + 1)
        return data

    def text(self, event: Any) -> str:
        text = str(event.value)
        if any("\ud800" <= c <= "\udfff" for c in text):
            try:  # two escapes for one character, as JSON writes it
                text = text.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                raise BadFile("half a surrogate pair", line=self.line(event))
        return text.translate(self.hidden) if self.hidden else text


def resolve(text: str) -> Any:
    """A plain scalar's value by YAML 1.2's core schema; everything else, dates too, is the string itself."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text[0] in "tT"
    from tbdx.core.canon import is_plain

    if text[0] not in "+-.0123456789" or is_plain(text):
        return text
    if len(text) > LONGEST_NUMBER:
        return text
    if text[:2] in ("0x", "0o"):
        return int(text, 0)
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text

"""What one run prints and leaves behind, in a form that two runs share.

Ids, times, hashes and paths differ from run to run. `Placeholders` replaces each with a name that says which one it
is: the third ULID seen is `<U3>` in every run. `file_form` reads a file as data, so that the quoting and the line
breaks of its YAML, which are free, are not compared, and the order of its keys, which is not, is kept.
"""

from __future__ import annotations

import re
import time
from calendar import timegm
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.resolver import VersionedResolver

ULID = r"[0-7][0-9a-hjkmnp-tv-z]{25}"
VOLATILE_SECONDS = 2 * 86400  # a time further than this from now was not taken from the clock by this run

_TIME = r"\b(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?(?P<zone>Z|[+-]\d\d:?\d\d)"
_FILE_TIME = r"(?<!\d)20[2-9]\d-\d\d-\d\dT\d\d-\d\d-\d\d(?:[.-]\d+)?Z?"
_FRONT_MATTER = re.compile(r"^---[ \t]*\r?$", re.MULTILINE)
_IDS_KEY = re.compile(r"""^['"]?([0-9a-z._-]+)['"]?:""", re.MULTILINE)

# YAML 1.2's core schema. ruamel's own 1.2 rules still know timestamps, `1_000` and `<<`; tbd's YAML library does not.
_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
)


class _CoreResolver(VersionedResolver):
    """Reads plain scalars by `_SCALARS` alone; the table is by first character, as ruamel looks it up."""

    table: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    @property
    def versioned_resolver(self) -> Any:
        return self.table


for _tag, _pattern, _firsts in _SCALARS:
    for _first in _firsts:
        _CoreResolver.table.setdefault(_first, []).append(
            (f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"))
        )


class _LastKeyWins(SafeConstructor):
    """A union merge by git can leave one key twice in ids.yml; the recordings hold the last one."""

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        return True


def read_yaml(text: str) -> Any:
    """One YAML document as data; times stay text. A YAMLError or ValueError says that it is none."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Resolver = _CoreResolver
    yaml.Constructor = _LastKeyWins
    return yaml.load(text)


def texts(value: Any) -> Iterator[str]:
    """Every string inside a piece of JSON, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from (key, *texts(item))
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


class Placeholders:
    """Names for what differs between runs, numbered in the order in which they are first met.

    The order of the calls therefore matters: everything of a session goes through one object, step by step, and
    within a step output before errors before files. A ULID and its short id share a number (`is-<U3>`, `test-<S3>`).
    What the session's own text (`script`) spells out is the same in every run and stays as it is.

    shorts: short id -> ULID, all that the run's ids.yml files ever held.
    """

    def __init__(self, root: str, version: str, git: str, shorts: Mapping[str, str], script: str) -> None:
        self.fixed = set(re.findall(f"{ULID}|{_FILE_TIME}", script))
        self.fixed.update(match.group() for match in re.finditer(_TIME, script))
        self.shorts = {
            short: ulid
            for short, ulid in shorts.items()
            if re.fullmatch("[0-9a-z]{4,5}", short) and not re.search(rf"\b{short}\b", script)
        }
        kinds = {
            "ROOT": re.escape(root),
            "VERSION": re.escape(version),
            "GIT": re.escape(git),
            "ulid": rf"(?<![0-9A-Za-z])(?:is-)?(?P<ulid_only>{ULID})(?![0-9A-Za-z])",
            "short": rf"(?<![0-9A-Za-z./_])(?P<prefix>(?:[a-z][a-z0-9._]{{0,19}}-)?)"
            rf"(?P<short_only>{'|'.join(sorted(self.shorts))})(?![0-9A-Za-z_-])",
            "UUID": r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
            "time": _TIME,
            "TF": _FILE_TIME,
            "SHA": r"\b[0-9a-f]{40}\b",
            "sha": r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,12}\b",
        }
        absent = {"VERSION": not version, "GIT": not git, "short": not self.shorts}
        self.pattern = re.compile("|".join(f"(?P<{k}>{rx})" for k, rx in kinds.items() if not absent.get(k)))
        self.numbers: dict[str, dict[str, int]] = {"ULID": {}, "UUID": {}, "SHA": {}}

    def _number(self, kind: str, value: str) -> int:
        known = self.numbers[kind]
        return known.setdefault(value, len(known) + 1)

    def _name(self, match: re.Match[str]) -> str:
        kind, found = match.lastgroup, match.group()  # the outermost group closes last
        if kind == "ulid":
            ulid = match["ulid_only"]
            name = found.replace(ulid, f"<U{self._number('ULID', ulid)}>") if ulid not in self.fixed else found
        elif kind == "short":
            name = f"{match['prefix']}<S{self._number('ULID', self.shorts[match['short_only']])}>"
        elif kind == "time":
            name = found if found in self.fixed else _time_name(match)
        elif kind == "TF" and found in self.fixed:
            name = found
        elif kind in ("UUID", "SHA"):
            name = f"<{kind}{self._number(kind, found)}>"
        else:
            name = f"<{kind}>"
        return name

    def text(self, text: str) -> str:
        return self.pattern.sub(self._name, text)

    def data(self, value: Any) -> Any:
        """The same for every string in a piece of JSON or YAML, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.data(item) for item in value]
        if isinstance(value, dict):
            return {self.data(key): self.data(item) for key, item in value.items()}
        return value


def _time_name(match: re.Match[str]) -> str:
    """`<T>` for a time of this run in milliseconds and UTC, as tbd writes them; other ways to write it show."""
    try:
        seconds = timegm(time.strptime(match["moment"], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return match.group()
    if abs(seconds - time.time()) > VOLATILE_SECONDS:
        return match.group()
    fraction = match["fraction"]
    precision = "sec" if fraction is None else "" if len(fraction) == len(".123") else "frac"
    return f"<T{precision}{'' if match['zone'] == 'Z' else 'off'}>"


def file_form(name: str, text: str, names: Placeholders) -> dict[str, Any]:
    """A file as data, by what its name says it is.

    issue: {kind, fields (in the file's order), body (all after the second ---), rel: {updated_eq_created}}
    ids:   {kind, map: short id -> ULID, sorted: whether the keys stand in string order}
    yaml:  {kind, value (in the file's order)}
    text:  {kind, text}
    bad-*: {kind} for one of the first three that cannot be read
    """
    plain = names.text(text)  # first, so that ids get their numbers in the order in which the file shows them
    if name.endswith(".md") and "/issues/" in f"/{name}" and text.startswith("---"):
        kind, read = "issue", _issue_form
    elif name.endswith("ids.yml"):
        kind, read = "ids", _ids_form
    elif name.endswith((".yml", ".yaml")):
        kind, read = "yaml", _config_form if name.endswith("config.yml") else _yaml_form
    else:
        return {"kind": "text", "text": plain}
    try:
        return {"kind": kind, **read(text, names)}
    except (YAMLError, ValueError):
        return {"kind": f"bad-{kind}"}


def _mapping(text: str) -> dict[Any, Any]:
    data = read_yaml(text) or {}
    if not isinstance(data, dict):
        raise ValueError("not a mapping")
    return data


def _issue_form(text: str, names: Placeholders) -> dict[str, Any]:
    _, front, body = _FRONT_MATTER.split(text, maxsplit=2)  # a ValueError when the second --- is missing
    fields = _mapping(front)
    same = fields.get("created_at") == fields.get("updated_at")
    return {"fields": names.data(fields), "body": names.text(body), "rel": {"updated_eq_created": same}}


def _ids_form(text: str, names: Placeholders) -> dict[str, Any]:
    pairs = {names.text(str(short)): names.text(str(ulid)) for short, ulid in _mapping(text).items()}
    keys = _IDS_KEY.findall(text)
    return {"map": pairs, "sorted": keys == sorted(keys)}


def _yaml_form(text: str, names: Placeholders) -> dict[str, Any]:
    return {"value": names.data(read_yaml(text))}


def _config_form(text: str, names: Placeholders) -> dict[str, Any]:
    """config.yml names the tool's version even where that is not what --version prints (a build's own number)."""
    value = read_yaml(text)
    if isinstance(value, dict):
        for key in ("tbd_version", "tbd_fallback_version"):
            if key in value:
                value[key] = "<VERSION>"
        upgrades = value.get("tbd_upgrades")
        for upgrade in upgrades if isinstance(upgrades, list) else []:
            if isinstance(upgrade, dict):
                upgrade["version"] = "<VERSION>"
    return {"value": names.data(value)}

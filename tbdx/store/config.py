"""`.tbd/config.yml`, tbd's, and `.tbd/tbdx.yml`, ours: data only; neither can name a command, a hook or a URL.

A stamp (`tbd_format`) says which clients share the repository. tbdx never changes it.
"""

from __future__ import annotations

from tbdx import TBD_VERSION
from tbdx.core import canon
from tbdx.core.codec import decode, encode
from tbdx.core.ids import is_prefix
from tbdx.errors import BadFile, BadFormat, Invalid
from tbdx.store import files
from tbdx.store.layout import Repo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMATS = ("f03", "f04", "f05", "f06", "f07", "f08")
NEWEST = FORMATS[-1]


class Config:
    """The settings that commands need, and all of them as read in `raw`."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.format: str = raw["tbd_format"]
        self.prefix: str = raw["display"]["id_prefix"]
        sync = raw.get("sync") or {}
        self.branch: str = sync.get("branch") or "tbd-sync"
        self.remote: str = sync.get("remote") or "origin"
        chosen = raw.get("settings")
        self.auto_sync = isinstance(chosen, dict) and chosen.get("auto_sync") is True

    @property
    def claimed_by(self) -> str:
        """The field that a claim is kept in: below f08 an assignee, as clients of that stamp see it."""
        return "delegate" if self.keeps_new_keys else "assignee"

    @property
    def keeps_new_keys(self) -> bool:
        """True when every client of this stamp keeps the keys that came with f08."""
        return self.format == NEWEST


class Coordination:
    """What `.tbd/tbdx.yml` says, the repository's own word on coordination; without that file a tbd made it, and it is
    off. What it says wrongly is in `said`, and the default holds."""

    def __init__(self, raw: dict[str, Any] | None, sync_branch: str) -> None:
        self.said: list[str] = []
        given = raw or {}
        self.on = raw is not None and self._flag(given, "coordination", True)
        self.require_bound = self._flag(given, "require_bound", False)
        project = given.get("project")
        self.project: str | None = project if isinstance(project, str) and project else None
        self.branch = COORD_BRANCH
        branch = given.get("coordination_branch", COORD_BRANCH)
        if not is_ref_name(branch) or branch in (sync_branch, "HEAD"):
            self.said.append(f"coordination_branch: {branch!r} cannot be one; {COORD_BRANCH} serves")
        else:
            self.branch = branch

    def _flag(self, raw: dict[str, Any], name: str, default: bool) -> bool:
        value = raw.get(name, default)
        if not isinstance(value, bool):
            self.said.append(f"{name}: true or false is wanted, not {value!r}")
            return default
        return value


COORD_BRANCH = "tbd-coord"


def coordination(repo: Repo, config: Config) -> Coordination:
    """What tbdx.yml says; one that cannot be read is told in `said`, and events stay in the clone."""
    try:
        return Coordination(parse(files.read(own_path(repo))), config.branch)
    except FileNotFoundError:
        return Coordination(None, config.branch)
    except BadFile as e:
        out = Coordination(None, config.branch)
        out.said.append(f"{e.message}; events stay in this clone")
        return out


def own_path(repo: Repo) -> str:
    return f"{repo.root}/.tbd/tbdx.yml"


def set_own(repo: Repo, key: str, value: Any) -> None:
    """Put one plain setting into tbdx.yml; every other line of it stays. Raises BadFile, Disk."""
    try:
        text = decode(files.read(own_path(repo)))
    except FileNotFoundError:
        text = OWN_HEAD
    row = canon.dumps({key: value})
    lines = text.splitlines(keepends=True)
    at = [n for n, line in enumerate(lines) if line.startswith(f"{key}:")]
    if at:
        lines[at[0]] = row
    else:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines.append(row)
    data = encode("".join(lines))
    parse(data)
    files.write(own_path(repo), data, scratch=repo.scratch)


OWN_HEAD = "# tbdx's own settings for this repository; a tbd does not read them\n"


def git_settings(repo: Repo) -> dict[str, str]:
    """`section.name` -> the last value, of `.git/config` alone and without its includes: what costs no process."""
    try:
        text = files.read(f"{repo.common}/config").decode("utf-8", "replace")
    except (OSError, BadFile):
        return {}
    out, section = {}, ""
    for line in text.split("\n"):
        line = line.strip()
        if line[:1] == "[":
            name, _, below = line.strip("[]").partition(" ")
            section = f"{name.lower()}.{below.strip()[1:-1]}" if below else name.lower()
        elif line[:1] not in ("#", ";"):
            name, equals, value = line.partition("=")
            if equals:
                out[f"{section}.{name.strip().lower()}"] = value.strip().strip('"')
    return out


def ref(repo: Repo, name: str) -> str | None:
    """What a ref holds, read without git; None where there is none. Raises BadFile, Disk."""
    try:
        return files.read(f"{repo.common}/{name}", 200).decode("ascii", "replace").strip() or None
    except (FileNotFoundError, NotADirectoryError):
        pass
    try:
        rows = files.read(f"{repo.common}/packed-refs", 1 << 30).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    end = rows.find(f" {name}\n")
    return rows[rows.rfind("\n", 0, end) + 1 : end] if end > 0 else None


def load(repo: Repo) -> Config:
    """The repository's settings, its stamp checked. Raises BadFormat, BadFile."""
    raw = read(repo)
    stamp = raw.get("tbd_format", "f01")
    if stamp not in FORMATS:
        raise refused(stamp)
    display, sync = raw.get("display"), raw.get("sync")
    if not isinstance(display, dict) or not isinstance(display.get("id_prefix"), str):
        raise BadFile("display.id_prefix: Required", path=repo.config)
    if not is_prefix(display["id_prefix"]):
        raise BadFile(f"display.id_prefix: {display['id_prefix']!r} is not a prefix", path=repo.config)
    if sync is not None and not isinstance(sync, dict):
        raise BadFile("sync: Expected a mapping", path=repo.config)
    config = Config(raw)
    for name, value in (("sync.branch", config.branch), ("sync.remote", config.remote)):
        if not is_ref_name(value):
            raise BadFile(f"{name}: {value!r} is not a name that git takes", path=repo.config)
    repo.legacy = stamp == "f03"
    return config


def refused(stamp: object) -> BadFormat:
    """Why a stamp is not served."""
    if isinstance(stamp, str) and len(stamp) == 3 and stamp[0] == "f" and stamp[1:].isdigit() and stamp < FORMATS[0]:
        return BadFormat(
            f"Config format '{stamp}' is older than '{FORMATS[0]}', the oldest that tbdx reads.",
            hint="run any command of a real tbd once: it brings the repository up to date",
        )
    return BadFormat(
        "This repository requires a newer version of tbd.\n"
        f"Config format '{stamp}' is from a newer tbd version.\n"
        f"This tbdx version supports up to format '{NEWEST}'.",
        hint="upgrade tbdx; nothing was written",
    )


def is_ref_name(text: object) -> bool:
    """True for a branch or remote name that is safe on git's command line and that git itself would take."""
    if not isinstance(text, str) or not text or text[0] in "-/." or text[-1] in "/." or text.endswith(".lock"):
        return False
    return (
        text.isprintable()
        and not any(c in " ~^:?*[\\" for c in text)
        and not any(bad in text for bad in ("..", "//", "@{", "/.", "/-"))
    )


def read(repo: Repo) -> dict[str, Any]:
    """config.yml as it stands. Raises BadFile."""
    try:
        return parse(files.read(repo.config))
    except BadFile as e:
        raise e.at(repo.config)


def parse(data: bytes) -> dict[str, Any]:
    """YAML settings; whole-line comments do not keep them from the fast reader."""
    text = decode(data)
    plain = "".join([line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#")])
    try:
        if "|" in plain or ">" in plain:  # in a block of text such a line is no comment
            raise canon.Declined
        return canon.loads(plain)
    except canon.Declined:
        from tbdx.core import loose

        return loose.load_map(text)[0]


def get(raw: dict[str, Any], key: str) -> Any:
    """The value at a dotted key. Raises Invalid for one that is not there."""
    value: Any = raw
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise Invalid(f"Unknown key: {key}", hint="tbdx config show lists the keys")
        value = value[part]
    return value


def put(repo: Repo, key: str, value: Any) -> None:
    """Change one existing plain setting; every other byte of the file stays. Raises Invalid where that cannot be."""
    import json

    from ruamel.yaml import YAML

    data = files.read(repo.config)
    wanted = parse(data)
    *above, name = key.split(".")
    (get(wanted, ".".join(above)) if above else wanted)[name] = value
    text = data.decode()  # with the line ends that it has
    node, key_end = YAML(typ="safe", pure=True).compose(text), 0
    for part in key.split("."):
        pairs = [(found.end_mark.index, child) for found, child in node.value if found.value == part]
        if not pairs:  # a key that is written in another way than it reads
            raise Invalid(f"{key} cannot be changed here", hint=f"edit {repo.config}")
        key_end, node = pairs[0]
    start = node.start_mark.index
    end = start + len(text[start : node.end_mark.index].rstrip())  # the span of a block of text takes in what follows
    gap = ""
    if start == end:  # nothing there; its mark is at the next thing in the file
        start = end = text.index(":", key_end) + 1
        gap = " "
    for written in (canon.dumps({"x": value})[3:-1], json.dumps(value, ensure_ascii=False)):
        new = encode(text[:start] + gap + written + text[end:])
        if _reads_as(new, wanted):
            files.write(repo.config, new)
            return
    raise Invalid(f"{key} cannot hold that value here", hint=f"edit {repo.config}")


def _reads_as(data: bytes, wanted: dict[str, Any]) -> bool:
    try:
        return parse(data) == wanted
    except BadFile:
        return False


def new_config(prefix: str, branch: str, remote: str, at: str) -> str:
    """The config.yml of a new repository."""
    head = {"tbd_format": NEWEST, "tbd_version": TBD_VERSION, "tbd_fallback_version": TBD_VERSION}
    rest = {
        "tbd_upgrades": [{"version": TBD_VERSION, "at": at}],
        "display": {"id_prefix": prefix},
        "sync": {"branch": branch, "remote": remote, "storage": "git-common-dir-v1"},
        "settings": {"auto_sync": False, "doc_auto_sync_hours": 24, "use_gh_cli": True},
    }
    comment = (
        "# tbd_upgrades lists the tbd versions that have set this repository up, oldest first.\n"
        "# tbdx writes here the tbd release whose files it imitates;\n"
        "# its own version stands in .tbd/tbdx.yml.\n"
    )
    return canon.dumps(head) + comment + canon.dumps(rest)


GITIGNORE = """\
# local to one checkout
docs/
data-sync-worktree/
data-sync/
state.yml
backups/
*.tmp
*.temp
!workspaces/
"""


def layout_yml(stamp: str, at: str) -> str:
    """The layout.yml that tbd keeps beside the hidden worktree."""
    return canon.dumps(
        {
            "tbd_format": stamp,
            "sync_storage": "git-common-dir-v1",
            "data_sync_worktree": "data-sync-worktree",
            "lock_profile": "data-sync-v1",
            "created_at": at,
            "updated_at": at,
        }
    )


def layout_path(repo: Repo) -> str:
    return f"{repo.shared}/layout.yml"


def check_layout(repo: Repo) -> None:
    """Refuse to write where another checkout of this clone already belongs to newer clients. Raises BadFormat."""
    try:
        stamp = parse(files.read(layout_path(repo))).get("tbd_format")
    except (FileNotFoundError, BadFile):
        return
    if isinstance(stamp, str) and len(stamp) == 3 and stamp[0] == "f" and stamp > NEWEST:
        raise refused(stamp)

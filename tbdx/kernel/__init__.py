"""What can be done. A Kernel is one command's view of one repository: where, when, by whom, and with what chance.

Verbs are functions in the modules beside this one; they take the kernel first, gather what they need, decide, and act
once. What people should know beyond the result goes through `say`, what they watch while they wait through `progress`.
"""

from __future__ import annotations

import os

from tbdx.core import ids
from tbdx.errors import BadFile, Invalid, NotFound, TbdxError, Unsupported
from tbdx.store import config as settings
from tbdx.store import entities, failpoint, files, layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from tbdx.store.git import Git
    from tbdx.store.lock import Lock

    Issue = dict[str, Any]

SYNC_HINT = "Run `tbd sync` to publish."
MOST_SAID = 5  # repairs of short ids that are told one by one


class Kernel:
    """`now_ms` and `entropy` are the only clock and chance; `say(level, text)` takes 'notice' and 'warn'."""

    def __init__(
        self,
        cwd: str,
        env: Mapping[str, str],
        *,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes] = os.urandom,
        say: Callable[[str, str], None],
        progress: Callable[[str], None] | None = None,
        actor: str | None = None,
    ) -> None:
        self.cwd, self.env = cwd, env
        self.now_ms, self.entropy, self.say, self.progress = now_ms, entropy, say, progress
        self._repo: layout.Repo | None = None
        self._config: settings.Config | None = None
        self._names: entities.Names | None = None
        self._git: Git | None = None
        self._coordination: settings.Coordination | None = None
        self._actor: dict[str, str] | None = None
        self._git_settings: dict[str, str] | None = None
        self.given_actor = actor  # --as
        self.given_session: str | None = None
        self.happened: list[dict[str, Any]] = []  # events of this write that are not journaled yet
        self._opened = False
        self._last_ulid = 0
        self._lock: Lock | None = None
        self.coord_lock: Any = None  # the coordination lock, while it is held
        self.coord_trees: dict[str, dict[str, str]] = {}  # of commits of the coordination branch
        self.wrote = False  # whether this command has changed the tracker's files
        if "TBDX_FAILPOINT" in env:
            failpoint.arm(env["TBDX_FAILPOINT"])

    # where we are

    @property
    def repo(self) -> layout.Repo:
        if self._repo is None:
            self._repo = layout.find(self.cwd)
        return self._repo

    @property
    def config(self) -> settings.Config:
        if self._config is None:
            self._config = settings.load(self.repo)
        return self._config

    @property
    def coordination(self) -> settings.Coordination:
        if self._coordination is None:
            self._coordination = settings.coordination(self.repo, self.config)
            for text in self._coordination.said:
                self.say("warn", f".tbd/tbdx.yml: {text}")
        return self._coordination

    @property
    def git_settings(self) -> dict[str, str]:
        if self._git_settings is None:
            self._git_settings = settings.git_settings(self.repo)
        return self._git_settings

    @property
    def actor(self) -> dict[str, str]:
        """Who acts: {name, harness, model?, session?, source}, by the ladder of `core.actor`."""
        if self._actor is None:
            from tbdx.core.actor import identify

            try:
                state = settings.parse(files.read(self.repo.state))
            except (TbdxError, FileNotFoundError):
                state = {}
            known = state.get("agent_name")
            session = known if isinstance(known, str) else None
            self._actor = identify(self.env, os.uname().nodename, given=self.given_actor, session=session)
        return self._actor

    @property
    def me(self) -> str:
        """The actor's address. Raises Invalid for a name that cannot be one."""
        from tbdx.core.address import checked

        return f"agent:{checked(self.actor['name'])}"

    def act_as(self, name: str | None) -> str | None:
        """From here on the command is that agent's, as with --as; who it was by --as before."""
        before, self.given_actor = self.given_actor, name
        self._actor = None
        return before

    @property
    def session(self) -> str | None:
        from tbdx.core.actor import session_of

        return self.given_session or session_of(self.env)

    @property
    def git(self) -> Git:
        if self._git is None:
            from tbdx.store.git import Git

            self._git = Git(self.repo, self.env, self._heard if self.progress else None)
        return self._git

    def open(self) -> None:
        """Make sure that the repository is one we serve and that its data are there. Reads only, when they are."""
        if self._opened:
            return
        _ = self.config  # the stamp is checked before anything else is looked at
        entities.check_folders(self.repo)
        if not os.path.isdir(self.repo.issues) or not os.path.exists(f"{self.repo.worktree}/.git"):
            from tbdx.kernel.worktree import materialize

            materialize(self)
        self._opened = True

    def locked(self) -> Locked:
        """Hold tbd's lock; within it, again, is free."""
        return Locked(self)

    def writing(self) -> Writing:
        """Hold tbd's lock, tell lock-free readers that a write is on, and make repaired or new short ids lasting."""
        return Writing(self)

    def _epoch(self, text: str) -> None:
        files.write(f"{self.repo.shared}/data-sync.epoch", text.encode(), durable=False)

    def touch(self) -> None:
        """Show, from a long loop, that this writer lives."""
        if self._lock is not None:
            self._lock.touch()

    def step(self, what: str, n: int, total: int) -> None:
        """The n-th step of a long loop: somebody may wait for it, or watch it."""
        self.touch()
        if self.progress is not None:
            self.progress(f"{what}: {n} of {total}")

    def _heard(self, words: bytes) -> None:
        """What git tells of its progress; the last of it is news."""
        last = words.replace(b"\r", b"\n").strip().rpartition(b"\n")[2]
        if self.progress is not None and last:
            self.progress(last.decode("utf-8", "replace").removeprefix("remote: "))

    # when, and by chance

    def now(self) -> str:
        from tbdx.core.times import iso

        return iso(self.now_ms())

    def next_time(self, after: str) -> str:
        """The instant of an edit: now, but always later than the version it replaces, whatever the clock says."""
        from tbdx.core.times import iso, to_ms

        return iso(max(self.now_ms(), (to_ms(after) or 0) + 1))

    def new_id(self, prefix: str = "is") -> str:
        """A fresh internal id, greater than the last one of this command."""
        value = self.now_ms() << 80 | int.from_bytes(self.entropy(10), "big")
        if value <= self._last_ulid:
            value = self._last_ulid + 1
        self._last_ulid = value
        return f"{prefix}-{ids.ulid(value >> 80, value & (2**80 - 1))}"

    # names

    @property
    def names(self) -> entities.Names:
        if self._names is None:
            self.open()
            self._names = entities.Names(self.repo, self._tell_repairs)
        return self._names

    def forget_names(self) -> None:
        """Read ids.yml again when it is next needed: it was written by other means."""
        self._names = None

    def _tell_repairs(self, said: list[str]) -> None:
        for text in said[:MOST_SAID]:
            self.say("notice", f"{text} (repaired in memory; the next sync makes it lasting)")
        if len(said) > MOST_SAID:
            self.say("notice", f"ids.yml: {len(said) - MOST_SAID} more repairs of this kind")

    def give_short(self, internal: str, wanted: str | None = None) -> str:
        """Map a new issue to a short id: `wanted` when it is free, else one by chance."""
        names = self.names
        short = wanted if wanted and ids.is_key(wanted) and not names.is_taken(wanted) else None
        if short is None:
            short = ids.new_short(names.is_taken, names.count(), self._below)
        if short is None:  # chance failed twenty times; the file is written, and its id has a way without chance
            short = ids.short_from_ulid(internal[3:], names.is_taken)
        names.add(short, internal[3:])
        self.wrote = True
        return short

    def _below(self, n: int) -> int:
        return int.from_bytes(self.entropy(16), "big") % n

    def display(self, internal: str) -> str:
        """`prefix-short` for an internal id; an id without a short one is shown whole."""
        short = self.names.short(internal[3:])
        return f"{self.config.prefix}-{short}" if short else internal

    def find(self, text: str) -> str | None:
        """The internal id that `text` names and that has a file; None otherwise."""
        found = ids.resolve(text, self.names.ulid)
        if found is None or not os.path.lexists(entities.path_of(self.repo, "is-" + found)):
            return None
        given = text.strip().lower()
        foreign = ids.strip_prefix(given) != given and given.partition("-")[0] not in (self.config.prefix, "is")
        if foreign and self.names.ulid(given) is None:
            self.say("notice", f"{text}: read as {self.display('is-' + found)}, this project's id")
        return "is-" + found

    def need(self, text: str) -> str:
        """Like `find`, but raises NotFound with suggestions."""
        found = self.find(text)
        if found is None:
            raise self.not_found([text])
        return found

    def needed(self, text: str, option: str) -> str:
        """The id that an option names; Invalid, in tbd's words, when there is none."""
        found = self.find(text)
        if found is None:
            raise Invalid(f"Invalid {option} ID: {text}")
        self.read(found)  # a damaged file is said now, before anything is written
        return found

    def not_found(self, texts: Iterable[str]) -> NotFound:
        texts = list(texts)
        message = "Issue not found: " + ", ".join(texts)
        near = ids.suggest(ids.strip_prefix(texts[0].lower()), self.names.ulid_of) if len(texts) == 1 else []
        if near:
            shown = ", ".join(f"{self.config.prefix}-{short}" for short in near)
            message += f"\nDid you mean: {shown}? (`tbd search <text>` finds issues by content or ID)"
        return NotFound(message)

    def pick(self, texts: Iterable[str], *, ignore_missing: bool = False) -> list[tuple[str, str | None]]:
        """(as given, internal id or None), each issue once. Raises NotFound naming all unknown ones, unless ignored."""
        out: list[tuple[str, str | None]] = []
        seen: set[str] = set()
        for text in texts:
            found = self.find(text)
            if (found or text) not in seen:
                seen.add(found or text)
                out.append((text, found))
        missing = [text for text, found in out if found is None]
        if missing and not ignore_missing:
            raise self.not_found(missing)
        return out

    # issues

    def read(self, internal: str) -> tuple[Issue, str]:
        """(issue, text of its file). Raises NotFound, BadFile."""
        self.open()
        return entities.read(self.repo, internal)

    def issues(self) -> list[Issue]:
        """Every good issue; each bad file is said once, and left as it is."""
        self.open()
        self.names.load()
        issues, bad = entities.scan(self.repo)
        for problem in bad:
            self.say("warn", skipping(problem))
        return issues

    def save(self, text: str, old: Issue, changes: Mapping[str, Any], *, was: Issue | None = None) -> Issue:
        """Write an issue with changed fields, its version one higher; what did not change keeps its bytes.

        A value of None clears the field; `was` is the issue as it was, where `old` lacks fields that are to go.
        Raises Unsupported for a field that clients of this stamp would drop.
        """
        from tbdx.core import codec

        self.check_keys(old, changes)
        new = old | dict(changes) | {"version": old["version"] + 1, "updated_at": self.next_time(old["updated_at"])}
        for name in ("description", "notes"):
            if not new.get(name):
                new.pop(name, None)
        validate(new)
        self.put(new, codec.rewrite(text, new), was or old, text)
        return new

    def put(self, new: Issue, text: str, old: Issue | None, old_text: str | None) -> None:
        """Replace the file of an issue, and note what that is called. Of a damaged file `old` is None."""
        entities.write(self.repo, new["id"], text)
        self.note(old, new, old_text, text)

    def note(self, old: Issue | None, new: Issue, old_text: str | None, text: str) -> None:
        """Note a change that is on disk: it is journaled at the end of this write."""
        from tbdx.core.happened import drafts

        self.wrote = True
        blobs = self.blob(old_text) if old_text is not None else None, self.blob(text)
        self.happened += drafts(old, new, blobs, self.actor["name"], self.config.claimed_by)

    def blob(self, text: str) -> str:
        """The id that git gives a file of this content."""
        from tbdx.core.digest import blob_id

        is_sha256 = self.git_settings.get("extensions.objectformat") == "sha256"
        return blob_id(text.encode(), "0" * (64 if is_sha256 else 40))

    def ancestors(self, internal: str) -> list[str]:
        """The chain of parents above an issue; it ends where one is missing, cannot be read, or comes again."""
        from tbdx.core import lists

        def parent_of(at: str) -> str | None:
            try:
                return self.read(at)[0].get("parent_id")
            except (NotFound, BadFile):
                return None

        return lists.ancestors(internal, parent_of)

    def check_keys(self, old: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        """Refuse fields that a client of an older stamp would silently drop."""
        from tbdx.core.entity import BODY, OLD_KEYS

        for name in changes:
            if name not in OLD_KEYS and name not in BODY and name not in old:
                self.needs_new_keys(name)

    def needs_new_keys(self, what: str) -> None:
        """Refuse a field or a command that needs the keys of f08 where clients would drop them."""
        if not self.config.keeps_new_keys:
            raise Unsupported(
                f"{what} needs format f08; this repository is {self.config.format}, whose clients would drop it",
                hint="any command of a tbd 0.7 in this repository brings it to f08, for all who share it",
            )


class Locked:
    """tbd's lock held for one kernel, as a context manager."""

    def __init__(self, k: Kernel) -> None:
        self.k = k
        self.own: Lock | None = None

    def __enter__(self) -> None:
        from tbdx.store.lock import Lock

        if self.k._lock is None:
            self.own = Lock(self.k.repo.lock).__enter__()
            self.k._lock = self.own

    def __exit__(self, *error: object) -> None:
        if self.own is not None:
            self.k._lock = None
            self.own.__exit__(*error)


class Writing(Locked):
    """A write: the epoch says that one is on, and short ids that were repaired or given are saved when it went well."""

    def __enter__(self) -> None:
        k = self.k
        k.open()
        super().__enter__()
        try:
            settings.check_layout(k.repo)
            files.make_folder(k.repo.scratch)
            h = k.entropy(16).hex()
            self.token = f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"
            k._epoch(f"active:{self.token}\n")
            k.forget_names()  # read again, as they are now
            _ = k.names
        except BaseException:
            super().__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        k = self.k
        try:
            if error[0] is None and k._names is not None:
                k._names.save()
            if k.happened:
                _journal(k)
        finally:
            try:
                k._epoch(f"quiescent:{self.token}\n")
            finally:
                super().__exit__(*error)


def _journal(k: Kernel) -> None:
    """Say what this write did. Its files are the truth, and they are there: not to be journaled is an echo lost."""
    from tbdx.kernel import journal

    drafts, k.happened = k.happened, []
    try:
        journal.append(k, [journal.hide_secrets(k, draft) for draft in drafts])
    except TbdxError as e:
        k.say("warn", f"done, but not journaled: {e.message}")


def validate(issue: Mapping[str, Any], over: Mapping[str, Any] | None = None) -> None:
    """Refuse an issue that breaks a rule or that no file can hold, in tbd's words and with tbd's exit code.

    `over` is the version that a command replaces, {} for none: what it adds to that has limits. Raises TbdxError.
    """
    from tbdx.core import codec
    from tbdx.core.entity import overgrown, problems

    wrong = problems(dict(issue)) or (overgrown(over, issue) if over is not None else [])
    if wrong:
        raise TbdxError("; ".join(f"{name}: {what}" for name, what in wrong))
    try:
        codec.encode(codec.render(dict(issue)))
    except BadFile as e:
        raise TbdxError(f"it cannot be written: {e.reason}")


def skipping(problem: BadFile) -> str:
    name = os.path.basename(problem.path)
    where = f"{name}:{problem.line}" if problem.line else name
    return f"Skipping invalid issue file: {where}: {problem.reason}"

"""Every command, once: what it is called, takes and calls. All parsers and all help are made from this table.

A row is (what it calls, one line of help, arguments, options).
  calls      "module:function" below tbdx.cli; the function gets a Call and may return an exit code
  arguments  names; `x?` may be left out, `x...` one or more, `x*` any number
  options    (name in the call, ways to write it, VALUE, help); VALUE is "" for a flag, "X*" for one that repeats
Constants only, so that importing it costs next to nothing.
"""

from __future__ import annotations

Option = tuple[str, tuple[str, ...], str, str]
Row = tuple[str, str, tuple[str, ...], tuple[Option, ...]]

GLOBALS: tuple[Option, ...] = (
    ("dry_run", ("--dry-run",), "", "show what would be done; change nothing"),
    ("verbose", ("--verbose",), "", "say more on stderr"),
    ("quiet", ("--quiet",), "", "print results and errors only"),
    ("json", ("--json",), "", "print JSON"),
    ("color", ("--color",), "WHEN", "auto, always or never"),
    ("debug", ("--debug",), "", "show internal ids beside the short ones, and tracebacks"),
)

_MISSING: Option = ("ignore_missing", ("--ignore-missing",), "", "step over unknown ids")
_REASON: Option = ("reason", ("--reason",), "TEXT", "why; - reads stdin")
_REASON_FILE: Option = ("reason_file", ("--reason-file",), "PATH", "why, from a file; - reads stdin")
_LIMIT: Option = ("limit", ("--limit",), "N", "at most so many")
_LONG: Option = ("long", ("--long",), "", "show descriptions")
_TYPE: Option = ("type", ("-t", "--type"), "KIND", "bug, feature, task, epic or chore")
_PRIORITY: Option = ("priority", ("-p", "--priority"), "P", "0 to 4, or P0 to P4")
_STATUS: Option = ("status", ("--status",), "STATUS", "open, in_progress, blocked, deferred or closed")
_PARENT: Option = ("parent", ("--parent",), "ID", "the issue it is part of")
_SPEC: Option = ("spec", ("--spec",), "PATH", "the document that specifies it")
_LABEL: Option = ("label", ("-l", "--label"), "LABEL*", "with this label")
_AS: Option = ("as_", ("--as",), "NAME", "who acts")
_CHILD_ORDER: Option = ("child_order", ("--child-order",), "A,B", "the order of its children")
_FROM_FILE: Option = ("from_file", ("--from-file",), "PATH", "fields and texts from a Markdown file")
_FORCE: Option = ("force", ("--force",), "", "do it all the same")
_WORKSPACE: Option = ("workspace", ("--workspace",), "NAME", "a folder below .tbd/workspaces")
_DIR: Option = ("dir", ("--dir",), "PATH", "a folder anywhere")
_OUTBOX: Option = ("outbox", ("--outbox",), "", "the workspace for what could not be published")
_KEY: Option = ("key", ("--idempotency-key",), "KEY", "the same, however often it is sent")
_SINCE: Option = ("since", ("--since",), "CURSOR", "past this cursor, from an earlier bookmark")
_ME: Option = ("me", ("--me",), "ADDR", "who reads: agent:NAME, human:NAME, or a role, group or issue to look at")
_BODY: Option = ("body", ("--body",), "TEXT", "the text; @FILE reads a file, - stdin")
_SECRET: Option = ("allow_secret", ("--allow-secret",), "", "take what looks like a secret")
_IMPORTANCE: Option = ("importance", ("--importance",), "HOW", "low, normal, high or urgent")
_THREAD: Option = ("thread", ("--thread",), "ID", "of a thread")
_BUS: Option = ("bus", ("--bus",), "URI", "bus://git (the default), bus://stdio, bus://memory/NAME, …")
_FORMAT: Option = ("format", ("--format",), "FORM", "json, text or cloudevents")
_FILTERS: tuple[Option, ...] = (
    ("type", ("--type",), "GLOB*", "of a type: work.closed, work.*, **"),
    ("agent", ("--agent",), "NAME*", "of an agent"),
    ("session", ("--session",), "ID*", "of a session"),
    ("work", ("--work",), "ID*", "about an issue"),
    ("thread", ("--thread",), "ID*", "of a thread"),
    ("project", ("--project",), "NAME*", "of a project"),
)

COMMANDS: dict[str, Row] = {
    "init": (
        "admin:init",
        "Set up a tracker in this git repository",
        (),
        (
            ("prefix", ("--prefix",), "P", "what ids begin with: two to eight letters"),
            ("force", ("--force",), "", "take an unusual prefix"),
            ("branch", ("--sync-branch",), "NAME", "the branch that holds the issues"),
            ("remote", ("--remote",), "NAME", "the git remote to sync with"),
        ),
    ),
    "create": (
        "issues:create",
        "Create an issue",
        ("title?",),
        (
            _TYPE,
            _PRIORITY,
            ("description", ("-d", "--description"), "TEXT", "what it is about; - reads stdin"),
            ("file", ("-f", "--file"), "PATH", "the description from a file; - reads stdin"),
            ("assignee", ("--assignee",), "NAME", "who should do it"),
            ("delegate", ("--delegate",), "NAME", "who is doing it"),
            ("due", ("--due",), "TIME", "a full instant: 2026-12-01T00:00:00Z"),
            ("defer", ("--defer",), "TIME", "not before: a full instant"),
            _PARENT,
            _SPEC,
            ("label", ("-l", "--label"), "LABEL*", "a label"),
            ("depends_on", ("--depends-on",), "ID*", "an issue that must be closed first"),
            _FROM_FILE,
            _KEY,
        ),
    ),
    "show": (
        "issues:show",
        "Show issues",
        ("ids...",),
        (
            ("show_order", ("--show-order",), "", "list the children in order"),
            ("no_parent", ("--no-parent",), "", "leave the parent out"),
            ("max_lines", ("--max-lines",), "N", "cut long ones"),
            _MISSING,
        ),
    ),
    "update": (
        "issues:update",
        "Change issues",
        ("ids...",),
        (
            ("title", ("--title",), "TEXT", "a new title"),
            _STATUS,
            _TYPE,
            _PRIORITY,
            ("assignee", ("--assignee",), "NAME", "who should do it; '' clears"),
            ("delegate", ("--delegate",), "NAME", "who is doing it; '' clears"),
            ("hold", ("--hold",), "HOLD", "blocked, paused or none"),
            ("description", ("-d", "--description"), "TEXT", "- reads stdin; '' clears"),
            ("notes", ("--notes",), "TEXT", "- reads stdin; '' clears"),
            ("notes_file", ("--notes-file",), "PATH", "the notes from a file; - reads stdin"),
            ("due", ("--due",), "DATE", "'' clears"),
            ("defer", ("--defer",), "DATE", "not before; '' clears"),
            ("add_label", ("--add-label",), "LABEL*", "add a label"),
            ("remove_label", ("--remove-label",), "LABEL*", "remove a label"),
            ("parent", ("--parent",), "ID", "the issue it is part of; '' clears"),
            _SPEC,
            _CHILD_ORDER,
            _FROM_FILE,
            _MISSING,
        ),
    ),
    "edit": ("issues:edit", "Edit an issue in $EDITOR", ("id",), ()),
    "start": ("issues:start", "Claim issues and begin them", ("ids...",), (_AS,)),
    "pause": (
        "issues:pause",
        "Put work on hold",
        ("ids...",),
        (("until", ("--until",), "DATE", "when to look again"), _REASON, _MISSING),
    ),
    "resume": ("issues:resume", "Take work off hold", ("ids...",), (_REASON, _MISSING)),
    "close": (
        "issues:close",
        "Close issues",
        ("ids...",),
        (
            _REASON,
            _REASON_FILE,
            ("how", ("--as",), "HOW", "completed, canceled or duplicate"),
            ("duplicate_of", ("--duplicate-of",), "ID", "the issue it repeats"),
            _MISSING,
        ),
    ),
    "reopen": ("issues:reopen", "Open closed issues again", ("ids...",), (_REASON, _REASON_FILE, _MISSING)),
    "list": (
        "lists:list_",
        "List issues",
        (),
        (
            _STATUS,
            ("all", ("--all",), "", "closed ones too"),
            _TYPE,
            _PRIORITY,
            ("assignee", ("--assignee",), "NAME", "assigned to"),
            _LABEL,
            _PARENT,
            _SPEC,
            ("deferred", ("--deferred",), "", "deferred ones only"),
            ("defer_before", ("--defer-before",), "DATE", "deferred until before this date"),
            ("sort", ("--sort",), "BY", "priority, created or updated"),
            _LIMIT,
            ("count", ("--count",), "", "only how many"),
            _LONG,
            ("pretty", ("--pretty",), "", "as a tree"),
            ("specs", ("--specs",), "", "grouped by spec"),
        ),
    ),
    "ready": ("lists:ready", "Issues that can be begun now", (), (_TYPE, _LIMIT, _LONG)),
    "blocked": ("lists:blocked", "Issues that wait for others", (), (_LIMIT, _LONG)),
    "stale": (
        "lists:stale",
        "Issues that nobody touched for long",
        (),
        (
            ("days", ("--days",), "N", "for at least so many days (7)"),
            ("status", ("--status",), "A,B", "these statuses (open,in_progress)"),
            _LIMIT,
        ),
    ),
    "search": (
        "lists:search",
        "Find issues by text",
        ("query",),
        (
            _STATUS,
            ("field", ("--field",), "FIELD", "title, description, notes, labels or id"),
            _LIMIT,
            ("no_refresh", ("--no-refresh",), "", "accepted for tbd's sake; a search here never goes to the remote"),
            ("case_sensitive", ("--case-sensitive",), "", "mind the case"),
        ),
    ),
    "stats": ("lists:stats", "Count issues", (), ()),
    "dep add": ("links:dep_add", "Let an issue wait for others", ("issue", "depends_on..."), ()),
    "dep remove": ("links:dep_remove", "Let an issue wait no longer", ("issue", "depends_on..."), ()),
    "dep list": ("links:dep_list", "What an issue blocks, and what blocks it", ("issue",), ()),
    "label add": ("links:label_add", "Add labels", ("id", "labels..."), ()),
    "label remove": ("links:label_remove", "Remove labels", ("id", "labels..."), ()),
    "label list": ("links:label_list", "All labels, with counts", (), ()),
    "ref add": (
        "links:ref_add",
        "Link an issue to pages",
        ("id", "urls..."),
        (
            ("kind", ("--kind",), "KIND", "pr, issue or other"),
            ("title", ("--title",), "TEXT", "what the page is called"),
        ),
    ),
    "ref rm": ("links:ref_rm", "Remove links", ("id", "urls..."), ()),
    "ref remove": ("links:ref_rm", "Remove links", ("id", "urls..."), ()),
    "doc add": (
        "links:doc_add",
        "Note an issue's documents",
        ("id", "paths..."),
        (
            ("role", ("--role",), "ROLE", "what the document is to it"),
            ("title", ("--title",), "TEXT", "what it is called"),
        ),
    ),
    "doc rm": ("links:doc_rm", "Remove documents", ("id", "paths..."), ()),
    "doc remove": ("links:doc_rm", "Remove documents", ("id", "paths..."), ()),
    "changes": (
        "sync:changes",
        "What changed since a commit of the sync branch",
        ("more*",),  # tbd's --bead takes several ids in a row
        (
            ("since", ("--since",), "COMMIT", "the commit to compare with"),
            ("bead", ("--bead",), "ID*", "these issues"),
            _LABEL,
            _SPEC,
            ("status", ("--status",), "STATUS", "with this status"),
            ("ready", ("--ready",), "", "newly ready"),
            ("all", ("--all",), "", "every change"),
        ),
    ),
    "sync": (
        "sync:sync",
        "Exchange issues with the remote",
        (),
        (
            ("issues", ("--issues",), "", "issues only"),
            ("docs", ("--docs",), "", "tbd's documents only: there are none here"),
            ("integrations", ("--integrations",), "", "integrations only: there are none here"),
            ("push", ("--push",), "", "publish only"),
            ("pull", ("--pull",), "", "fetch only"),
            ("status", ("--status",), "", "say what a sync would exchange"),
            ("force", ("--force",), "", "accepted for tbd's sake; a sync here never needs it"),
            ("fix", ("--fix",), "", "accepted for tbd's sake; a sync here always mends what it can"),
            ("no_auto_save", ("--no-auto-save",), "", "do not save to the outbox when the remote refuses"),
            ("no_outbox", ("--no-outbox",), "", "leave the outbox where it is"),
        ),
    ),
    "bundle create": ("sync:bundle_create", "Write the whole tracker to a file", ("file",), ()),
    "bundle apply": ("sync:bundle_apply", "Merge what a bundle holds", ("file",), ()),
    "merge-driver install": ("sync:driver_install", "Let plain git merge and pull merge issues by our rules", (), ()),
    "merge-driver remove": ("sync:driver_remove", "Take that back", (), ()),
    "merge-driver run": ("sync:driver_run", "What git calls: %O %A %B %P", ("base", "ours", "theirs", "path"), ()),
    "attic list": (
        "exchange:attic_list",
        "Values that lost a merge",
        ("id?",),
        (("since", ("--since",), "DATE", "not older than"), _LIMIT),
    ),
    "attic show": ("exchange:attic_show", "One lost value", ("id", "timestamp"), ()),
    "attic restore": ("exchange:attic_restore", "Bring a lost text back", ("id", "timestamp"), ()),
    "save": (
        "exchange:save",
        "Copy issues to a workspace",
        (),
        (
            _WORKSPACE,
            _DIR,
            _OUTBOX,
            ("updates_only", ("--updates-only",), "", "only what the remote does not have"),
        ),
    ),
    "import": (
        "exchange:import_",
        "Take issues from a workspace, or from Beads' JSON Lines",
        ("file?",),
        (
            _WORKSPACE,
            _DIR,
            _OUTBOX,
            ("clear", ("--clear-on-success",), "", "remove the copy afterwards"),
            ("merge", ("--merge",), "", "overwrite issues that were imported before"),
            ("validate", ("--validate",), "", "compare with --beads-dir; change nothing"),
            ("beads_dir", ("--beads-dir",), "DIR", "where Beads keeps issues.jsonl"),
        ),
    ),
    "workspace list": ("exchange:workspace_list", "The workspaces", (), ()),
    "workspace delete": ("exchange:workspace_delete", "Delete a workspace", ("name",), (_FORCE,)),
    "config show": ("admin:config_show", "The settings", (), ()),
    "config get": ("admin:config_get", "One setting", ("key",), ()),
    "config set": ("admin:config_set", "Change a setting", ("key", "value"), ()),
    "status": ("admin:status", "What is here", (), ()),
    "doctor": (
        "admin:doctor",
        "Check the tracker",
        (),
        (
            ("fix", ("--fix",), "", "mend what can be mended without losing anything"),
            ("max_history", ("--max-history",), "N", "accepted for tbd's sake"),
        ),
    ),
    "whoami": (
        "admin:whoami",
        "Who acts here",
        (),
        (_AS, ("ensure_id", ("--ensure-id",), "", "keep an id for this checkout")),
    ),
    "prime": (
        "agents:prime",
        "What an agent should know to begin",
        (),
        (
            ("brief", ("--brief",), "", "the constant part only"),
            ("export", ("--export",), "", "the same, for a file"),
        ),
    ),
    "closing": ("agents:closing", "What to do before a session ends", (), ()),
    "skill": (
        "agents:skill",
        "The skill file that setup writes",
        (),
        (("brief", ("--brief",), "", "its head only"),),
    ),
    "setup": (
        "agents:setup",
        "Set up tracker and agents' files",
        (),
        (
            ("auto", ("--auto",), "", "do it without asking"),
            ("prefix", ("--prefix",), "P", "what ids begin with, in a new repository"),
            ("from_beads", ("--from-beads",), "", "import .beads/issues.jsonl"),
            _FORCE,
            ("no_gh_cli", ("--no-gh-cli",), "", "accepted for tbd's sake"),
            ("surfaces", ("--surfaces",), "A,B", "portable, agents-md or all"),
        ),
    ),
    "uninstall": (
        "agents:uninstall",
        "Remove what setup wrote; with --confirm",
        (),
        (("confirm", ("--confirm",), "", "really do it"),),
    ),
    "shim install": ("agents:shim_install", "Put a `tbd` launcher into a folder", ("dir",), ()),
    "demo": ("demo:demo", "Two agents at work in a scratch folder", (), ()),
    "wk get": ("wk:get", "Print an entity's file", ("id",), ()),
    "wk put": (
        "wk:put",
        "Write an entity from its file or JSON form",
        ("file?",),
        (("if_version", ("--if-version",), "N", "only if it has this version now"),),
    ),
    "wk query": ("wk:query", "Entities for which an expression holds", ("expr",), ()),
    "ev emit": (
        "ev:emit",
        "Journal what happened",
        ("file?",),
        (
            ("type", ("--type",), "TYPE", "what happened: work.claimed, or words of your own with dots"),
            ("ref", ("--ref",), "NAME=ID*", "what it is about: work_id=…"),
            ("body", ("--body",), "JSON", "what there is to tell; - reads stdin"),
            _KEY,
            ("wait", ("--wait",), "HOW", "local (the default) or pushed"),
            _SECRET,
            _AS,
        ),
    ),
    "ev tail": ("ev:tail", "Events past a cursor, and a bookmark", (), (_SINCE, *_FILTERS, _FORMAT)),
    "ev replay": (
        "ev:replay",
        "Fold a recorded log in a fresh state",
        ("file",),
        (("view", ("--view",), "VIEW", "work, inbox, threads, agents, status (the default) or rejects"),),
    ),
    "ev show": ("ev:show", "One event, and where it is", ("id",), ()),
    "ev schema": ("ev:schema", "The types of events, or the JSON Schema of one", ("type?",), ()),
    "ev compact": ("coord:compact", "Let a checkpoint stand for old events", (), ()),
    "ev export": ("ev:export", "Every event, in total order", (), (*_FILTERS, _FORMAT)),
    "ev import": ("ev:import_", "Take in events that others wrote; - reads stdin", ("file",), ()),
    "ev verify": ("ev:verify", "Look for gaps, damage, forks and odd clocks", (), ()),
    "materialize": (
        "ev:materialize",
        "What is so, by what happened: work, inbox, threads, agents, status or rejects",
        ("view",),
        (
            ("agent", ("--agent",), "NAME", "the rows of one agent"),
            ("at", ("--at",), "WHEN", "at an instant, or at a cursor"),
            ("explain", ("--explain",), "ID", "the events behind a row"),
        ),
    ),
    "msg send": (
        "msg:send",
        "Send a message",
        (),
        (
            ("to", ("--to",), "ADDR*", "agent:NAME, role:NAME, group:NAME, human:NAME, work:ID or all"),
            ("cc", ("--cc",), "ADDR*", "who should know of it, too"),
            ("subject", ("--subject",), "TEXT", "one line"),
            _BODY,
            ("thread", ("--thread",), "ID", "the conversation that it belongs to"),
            ("work", ("--work",), "ID", "the issue that it is about"),
            ("reply_to", ("--reply-to",), "ID", "the message that it answers, in its thread"),
            _IMPORTANCE,
            ("ack_required", ("--ack-required",), "", "ask for an acknowledgement"),
            ("ack_by", ("--ack-by",), "TIME", "until then: a full instant"),
            _KEY,
            _SECRET,
            _AS,
        ),
    ),
    "msg recv": (
        "msg:recv",
        "Messages to somebody; looking is not reading",
        (),
        (
            _ME,
            ("unread", ("--unread",), "", "only what is not read yet"),
            ("max_tokens", ("--max-tokens",), "N", "leave texts out beyond so many tokens"),
            _AS,
        ),
    ),
    "msg read": ("msg:read", "Mark messages as read", ("ids...",), (_ME, _AS)),
    "msg ack": ("msg:ack", "Acknowledge messages", ("ids...",), (_ME, _AS)),
    "msg thread": ("msg:thread", "A conversation, by its id, a message, or an issue", ("id",), (_ME, _AS)),
    "msg list": (
        "msg:list_",
        "Messages without their texts",
        (),
        (
            _ME,
            ("all", ("--all",), "", "those of others, too"),
            ("sent", ("--sent",), "", "only what one sent"),
            ("unread", ("--unread",), "", "only what is not read yet"),
            ("overdue", ("--overdue",), "", "only where an acknowledgement is late"),
            _THREAD,
            ("work", ("--work",), "ID", "about an issue"),
            _IMPORTANCE,
            _LIMIT,
            _AS,
        ),
    ),
    "msg search": (
        "msg:search",
        'Messages that have all of the words; "words in quotes" as they stand',
        ("query...",),
        (("sender", ("--from",), "ADDR", "of a sender"), _THREAD, _LIMIT, _ME, _AS),
    ),
    "comment": (
        "msg:comment",
        "Say something about an issue, to all who have to do with it",
        ("id", "text?"),
        (
            ("file", ("-f", "--file"), "PATH", "the text from a file; - reads stdin"),
            ("reply_to", ("--reply-to",), "ID", "the comment that it answers"),
            _IMPORTANCE,
            _KEY,
            _SECRET,
            _AS,
        ),
    ),
    "handoff": (
        "msg:handoff",
        "Hand an issue over, with a message that says how it stands",
        ("id",),
        (
            ("to", ("--to",), "ADDR", "agent:NAME, who has it from now on"),
            ("summary", ("--summary",), "TEXT", "how it stands; @FILE reads a file, - stdin"),
            _SECRET,
            _AS,
        ),
    ),
    "artifact add": (
        "artifact:add",
        "Keep a file, a link (the URL itself: nothing is fetched), or what comes on stdin for -",
        ("file",),
        (
            ("work", ("--work",), "ID", "the issue that it belongs to"),
            ("name", ("--name",), "NAME", "what to call it, unless as the file is"),
            ("type", ("--type",), "MEDIA", "its media type, unless its name or its bytes tell"),
            ("supersedes", ("--supersedes",), "ID", "the artifact that it stands for from now on"),
            _KEY,
            _SECRET,
            _AS,
        ),
    ),
    "artifact list": (
        "artifact:list_",
        "The artifacts, the newest last",
        (),
        (("work", ("--work",), "ID", "of an issue"), _LIMIT),
    ),
    "artifact get": (
        "artifact:get",
        "Give out a content, once its digest is seen to be right",
        ("id",),
        (
            ("output", ("-o", "--output"), "FILE", "into a file, whole or not at all; else to stdout"),
            ("force", ("--force",), "", "write over a file that is there"),
        ),
    ),
    "artifact verify": (
        "artifact:verify",
        "Whether contents are here, and what their digests say",
        ("ids*",),
        (),
    ),
    "agent register": (
        "identity:register",
        "Make an agent known by its name; again, to give it roles and groups",
        ("name?",),
        (
            ("role", ("--role",), "NAME*", "what it does: role:NAME reaches it"),
            ("group", ("--group",), "NAME*", "whom it belongs to: group:NAME reaches it"),
            _AS,
        ),
    ),
    "agent list": ("identity:list_", "The agents", (), (("all", ("--all",), "", "retired ones too"),)),
    "agent show": ("identity:show", "One agent", ("name?",), (_AS,)),
    "agent retire": ("identity:retire", "An agent is no more; its mail is kept", ("name",), (_AS,)),
    "agent start": (
        "identity:start",
        "Begin a session",
        (),
        (("session", ("--session",), "ID", "its id; else the harness's own, else a new one"), _AS),
    ),
    "agent end": (
        "identity:end",
        "End a session",
        (),
        (("session", ("--session",), "ID", "its id; else the one of this shell, else the last"), _AS),
    ),
    "agent status": (
        "identity:status",
        "Say what one is about; others learn of it once a minute at most",
        ("state",),
        (("note", ("--note",), "TEXT", "more about it"), _AS),
    ),
    "bus pub": (
        "bus:pub",
        "Publish drafts or events: from options, or JSON Lines on stdin",
        ("file?",),
        (
            _BUS,
            ("type", ("--type",), "TYPE", "what happened"),
            ("ref", ("--ref",), "NAME=ID*", "what it is about: work_id=…"),
            ("body", ("--body",), "JSON", "what there is to tell; - reads stdin"),
            _KEY,
            _SECRET,
            _AS,
        ),
    ),
    "bus sub": (
        "bus:sub",
        "Events past a cursor, then those that come; bookmarks between and at the end",
        (),
        (
            _BUS,
            _SINCE,
            *_FILTERS,
            ("timeout", ("--timeout",), "S", "end after so many seconds"),
            ("count", ("--count",), "N", "end after so many events"),
        ),
    ),
    "bus snapshot": (
        "bus:snapshot",
        "What there is now: events and a cursor, or a view",
        (),
        (_BUS, _SINCE, ("view", ("--view",), "VIEW", "work, inbox, threads, agents, status or rejects")),
    ),
    "coord on": ("coord:on", "Share events, on a branch of their own", (), ()),
    "coord off": ("coord:off", "Keep events in this clone", (), ()),
    "coord status": ("coord:status", "Whether events are shared, and how far", (), ()),
}

# tbd's commands that show its own documents or its own services: they are tbd's, and not here
ELSEWHERE = {
    "docs": "tbd's documents are its own",
    "shortcut": "tbd's documents are its own",
    "guidelines": "tbd's documents are its own",
    "template": "tbd's documents are its own",
    "readme": "tbd's documents are its own",
    "design": "tbd's documents are its own",
    "web": "tbdx has no web board",
    "integration": "tbdx has no tracker bridges yet; their files are kept as they are",
    "watch": "tbdx has no watch yet; tbdx changes --since COMMIT compares",
}

"""Every guard of what is durable, undivided and locked, and a test that fails without it.

A row takes one guard away: `old`, text of the file below tbdx/, becomes `new`, and then `test` fails.
`test_mutations.py` plays the rows; `python tests/mutations/table.py` prints them.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    guard: str
    file: str
    old: str
    new: str
    test: str
    nth: int = 0  # which of several; 0: it is the only one


FLUSHED = "tests/store/test_flushed.py::"
ENDS = f"{FLUSHED}test_what_a_call_wrote_is_flushed_in_order"
STORED = f"{FLUSHED}test_git_flushes_the_objects_that_it_stores[a git of today]"
REFS = f"{FLUSHED}test_git_flushes_the_refs_that_it_moves"
TIED = f"{FLUSHED}test_a_new_worktree_is_flushed_with_its_tie_to_git"
ASIDE = f"{FLUSHED}test_the_repository_that_other_branches_are_looked_into_is_flushed"
SYNCED = f"{FLUSHED}test_what_a_sync_writes_is_flushed"
FILES = "tests/store/test_files.py::"
LOCK = "tests/store/test_lock.py::"
GIT = "tests/store/test_git.py::"
PLACES = "tests/store/test_odd_places.py::"
UNDER = "tests/kernel/test_under_lock.py::"
HELD = f"{UNDER}test_what_changes_is_changed_under_the_lock"
EVENTS = f"{UNDER}test_what_changes_of_events_is_changed_under_their_lock"
MOVED = "tests/kernel/test_moved_refs.py::"
SYNC = "tests/kernel/test_sync.py::"
ARTIFACTS = "tests/kernel/test_artifacts.py::"
HEAL = "tests/kernel/test_heal.py::"
JOURNAL = "tests/store/test_journal.py::"
GC = "tests/faults/test_gc.py::"
GARBAGE = "tests/faults/test_garbage.py::"
READERS = "tests/faults/test_readers.py::"
CACHE = "tests/kernel/test_snapshot.py::"
SHARED = "tests/faults/test_events.py::"

FSYNCS = [
    Row(
        "a file is flushed before it has its name",
        "store/files.py",
        'reach("file.flush")\n            os.fsync(fd)\n    finally',
        'reach("file.flush")\n    finally',
        f"{ENDS}[write]",
    ),
    Row(
        "a file is flushed unless the caller says otherwise",
        "store/files.py",
        "scratch: str | None = None, durable: bool = True)",
        "scratch: str | None = None, durable: bool = False)",
        f"{ENDS}[write]",
    ),
    Row(
        "a folder is flushed after a file was replaced in it",
        "store/files.py",
        "        if durable:\n            sync_folder(folder)\n    except OSError as e:\n        discard",
        "    except OSError as e:\n        discard",
        f"{ENDS}[write]",
    ),
    Row(
        "a file that goes to another disk is flushed there",
        "store/files.py",
        "write_new(temporary, data, durable)\n            os.replace",
        "write_new(temporary, data, False)\n            os.replace",
        f"{FLUSHED}test_what_goes_to_another_disk_is_flushed_there",
    ),
    Row(
        "a new file is flushed before it is linked",
        "store/files.py",
        "write_new(temporary, data, True)",
        "write_new(temporary, data, False)",
        f"{ENDS}[create]",
    ),
    Row(
        "a folder is flushed after a new file was linked into it",
        "store/files.py",
        "        sync_folder(os.path.dirname(path))\n        return True",
        "        return True",
        f"{ENDS}[create]",
    ),
    Row(
        "a folder is flushed after a file was removed from it",
        "store/files.py",
        "        if durable:\n            sync_folder(os.path.dirname(path))\n",
        "",
        f"{ENDS}[remove]",
    ),
    Row(
        "a folder is flushed after a tree was removed from it",
        "store/files.py",
        "        sync_folder(os.path.dirname(folder))\n",
        "",
        f"{ENDS}[remove_tree]",
    ),
    Row(
        "both folders are flushed after a move",
        "store/files.py",
        '            sync_folder(folder)\n    except OSError as e:\n        raise Disk(f"cannot move',
        '            pass\n    except OSError as e:\n        raise Disk(f"cannot move',
        f"{ENDS}[move]",
    ),
    Row(
        "a folder is flushed after a folder was made in it",
        "store/files.py",
        "        os.mkdir(path)\n        sync_folder(parent)",
        "        os.mkdir(path)",
        f"{ENDS}[make_folder]",
    ),
    Row(
        "what another program wrote is flushed",
        "store/files.py",
        'reach("file.flush")\n            os.fsync(fd)\n        finally',
        'reach("file.flush")\n        finally',
        f"{ENDS}[flush]",
    ),
    Row(
        "a folder's entries are flushed",
        "store/files.py",
        "    try:\n        os.fsync(fd)\n    except OSError as e:\n        if e.errno not in (errno.EINVAL",
        "    try:\n        pass\n    except OSError as e:\n        if e.errno not in (errno.EINVAL",
        f"{ENDS}[create]",
    ),
    Row(
        "git flushes objects",
        "store/objects.py",
        "core.fsync=objects,derived-metadata,reference",
        "core.fsync=none",
        STORED,
    ),
    Row(
        "git flushes refs",
        "store/objects.py",
        "core.fsync=objects,derived-metadata,reference",
        "core.fsync=objects,derived-metadata",
        REFS,
    ),
    Row(
        "a git from before 2.36 flushes objects",
        "store/objects.py",
        '"-c", "core.fsyncObjectFiles=true", ',
        "",
        f"{FLUSHED}test_git_flushes_the_objects_that_it_stores[an old git]",
    ),
    *(
        Row(
            f"git {name} flushes what it stores",
            "store/objects.py",
            "_CHANGES = _STORES | {",
            f'_STORES.discard("{name}")\n_CHANGES = _STORES | {{"{name}", ',
            test,
        )
        for name, test in {
            "hash-object": STORED,
            "write-tree": STORED,
            "commit-tree": STORED,
            "index-pack": STORED,
            "update-ref": REFS,
            "fetch": REFS,
            "push": REFS,
            "bundle": f"{FLUSHED}test_git_flushes_what_comes_by_a_bundle",
        }.items()
    ),
    Row(
        "a new worktree is flushed with its tie to git",
        "store/worktree.py",
        '        self.ask("worktree", "add", "--quiet", "--force", "--no-checkout", self.repo.worktree, branch)\n'
        "        self._flush_tie()",
        '        self.ask("worktree", "add", "--quiet", "--force", "--no-checkout", self.repo.worktree, branch)',
        TIED,
    ),
    Row(
        "a worktree that is tied anew is flushed with its tie",
        "store/worktree.py",
        "scratch=self.repo.scratch)\n        self._flush_tie()",
        "scratch=self.repo.scratch)",
        f"{FLUSHED}test_a_worktree_that_is_tied_anew_is_flushed_with_its_tie",
    ),
    Row(
        "what ties the worktree to git is flushed",
        "store/worktree.py",
        "            files.flush(path)\n",
        "            pass\n",
        TIED,
    ),
    Row(
        "the worktree's HEAD is flushed when it is put on the branch",
        "store/worktree.py",
        '        files.flush(f"{own}/HEAD")\n',
        "",
        f"{FLUSHED}test_a_worktree_that_is_put_back_on_its_branch_has_its_head_flushed",
    ),
    Row(
        "the worktree's index is flushed before it is moved into place",
        "store/worktree.py",
        "        files.flush(self._index[1])\n",
        "",
        SYNCED,
    ),
    Row(
        "what is appended to a journal is flushed",
        "store/journal.py",
        "            os.fsync(fd)\n",
        "",
        "tests/store/test_journal.py::test_an_append_is_one_write_flushed_before_it_is_acknowledged",
    ),
    Row(
        "the folder of a new segment is flushed",
        "store/journal.py",
        "            files.sync_folder(os.path.dirname(path))\n",
        "            pass\n",
        f"{FLUSHED}test_a_new_journal_and_its_folders_are_flushed_with_its_first_event",
    ),
    Row(
        "a bundle is flushed before it has its name",
        "kernel/bundle.py",
        "            files.flush(made)\n",
        "",
        f"{FLUSHED}test_a_bundle_is_flushed_before_it_has_its_name",
    ),
    Row(
        "a small content of an artifact is flushed",
        "kernel/artifacts.py",
        "files.write(path, content.data, scratch=k.repo.scratch)",
        "files.write(path, content.data, scratch=k.repo.scratch, durable=False)",
        f"{FLUSHED}test_what_is_added_as_an_artifact_is_flushed",
    ),
    Row(
        "a large content of an artifact is flushed",
        "store/files.py",
        "        write_new(path, data)\n    except BaseException",
        "        write_new(path, data, False)\n    except BaseException",
        f"{FLUSHED}test_what_is_added_as_an_artifact_is_flushed",
    ),
    Row(
        "the HEAD of the repository that other branches are looked into is flushed",
        "store/remote.py",
        '        files.flush(f"{aside}/HEAD")\n',
        "",
        ASIDE,
    ),
    Row(
        "the intent is flushed",
        "kernel/heal.py",
        'files.write(_intent(k), f"{commit}\\n".encode(), scratch=k.repo.scratch)',
        'files.write(_intent(k), f"{commit}\\n".encode(), scratch=k.repo.scratch, durable=False)',
        SYNCED,
    ),
    Row(
        "the files that a merge brings are flushed",
        "kernel/worktree.py",
        "files.write(target, data, scratch=k.repo.scratch)",
        "files.write(target, data, scratch=k.repo.scratch, durable=False)",
        SYNCED,
    ),
    Row(
        "the files of a new worktree are flushed",
        "kernel/worktree.py",
        "files.write(target, contents[blob])",
        "files.write(target, contents[blob], durable=False)",
        TIED,
    ),
]

SWAPS = [
    Row(
        "a ref moves only from where it was thought to be",
        "store/objects.py",
        "{'0' * len(new) if old is None else old}",
        "",
        "tests/sim/test_contract.py::test_refs_move_all_or_none_and_only_from_where_they_were_thought_to_be[real]",
    ),
    Row(
        "edits are committed only on the tip that they were compared with",
        "kernel/pending.py",
        "git.move_refs({branch: (new, head)",
        'git.move_refs({branch: (new, "")',
        f"{MOVED}test_a_branch_moved_in_that_moment_is_not_moved_back[while edits are committed]",
    ),
    Row(
        "a merge is put only on the tip that was merged",
        "kernel/sync.py",
        'git.move_refs({f"refs/heads/{k.config.branch}": (new, head)',
        'git.move_refs({f"refs/heads/{k.config.branch}": (new, "")',
        f"{MOVED}test_a_branch_moved_in_that_moment_is_not_moved_back[while a merge is]",
    ),
    Row(
        "events are put only on the tip that they were merged with",
        "kernel/coord.py",
        'git.move_refs({f"refs/heads/{branch}": (new, head)})',
        'git.move_refs({f"refs/heads/{branch}": (new, "")})',
        f"{MOVED}test_the_coordination_branch_moved_in_that_moment_is_not_moved_back",
    ),
    Row(
        "a moved coordination branch is looked at anew",
        "kernel/coord.py",
        'if e.reason == "moved" and tries == 1:',
        "if False:",
        f"{MOVED}test_the_coordination_branch_moved_in_that_moment_is_not_moved_back",
    ),
    Row(
        "a moved branch is looked at anew before edits are committed",
        "kernel/sync.py",
        'if e.reason != "moved" or tries == 1:',
        "if True:",
        f"{MOVED}test_a_branch_moved_in_that_moment_is_not_moved_back[while edits are committed]",
    ),
    Row(
        "a moved branch is looked at anew before a merge is made again",
        "kernel/sync.py",
        "                heal.intent_done(k)\n                begin(k, report)\n",
        "                pass\n",
        f"{MOVED}test_a_branch_moved_in_that_moment_is_not_moved_back[while a merge is]",
    ),
    Row(
        "the branch is put back only from where it was seen",
        "kernel/heal.py",
        'git.move_refs({f"refs/heads/{branch}": (stands, tip)',
        'git.move_refs({f"refs/heads/{branch}": (stands, "")',
        f"{MOVED}test_a_branch_moved_while_the_worktree_is_healed_is_not_moved_back",
    ),
    Row(
        "a backup takes no other's name",
        "kernel/heal.py",
        "k.git.move_refs({name: (commit, None)})",
        'k.git.move_refs({name: (commit, "")})',
        f"{MOVED}test_a_ref_that_somebody_made_in_that_moment_is_not_written_over[backed_up]",
    ),
    Row(
        "a branch is begun only where there is none",
        "kernel/worktree.py",
        'git.move_refs({f"refs/heads/{config.branch}": (begin, None)})',
        'git.move_refs({f"refs/heads/{config.branch}": (begin, "")})',
        f"{MOVED}test_a_ref_that_somebody_made_in_that_moment_is_not_written_over[begun]",
    ),
    Row(
        "a branch is begun again only where there is none",
        "kernel/worktree.py",
        'git.move_refs({f"refs/heads/{branch}": (stands, None)})',
        'git.move_refs({f"refs/heads/{branch}": (stands, "")})',
        f"{MOVED}test_a_ref_that_somebody_made_in_that_moment_is_not_written_over[untied]",
    ),
    Row(
        "a push is never forced",
        "store/remote.py",
        'f"{commit}:refs/heads/{branch}"',
        'f"+{commit}:refs/heads/{branch}"',
        f"{GIT}test_a_push_that_would_take_back_what_others_published_is_refused",
    ),
    Row(
        "what is committed is what was looked at",
        "kernel/pending.py",
        "    if any(at[path] != blob for path, blob in zip(kept, stored, strict=True)):\n        return None\n",
        "",
        f"{SYNC}test_a_file_that_is_damaged_between_the_look_and_the_commit_is_not_committed",
    ),
    Row(
        "a merge overwrites only files that are as the branch says",
        "kernel/sync.py",
        "        _check_unmoved(k, path, was[path], new[path], like)\n",
        "        pass\n",
        f"{SYNC}test_a_hand_edit_made_while_a_merge_is_on_is_not_overwritten",
    ),
    Row(
        "a new issue's file is put only where there is none",
        "store/files.py",
        "            os.link(temporary, path)\n",
        "            os.replace(temporary, path)\n",
        f"{FILES}test_a_new_file_is_made_once",
    ),
    Row(
        "the same on a disk without hard links",
        "store/files.py",
        "            if os.path.lexists(path):\n                return False\n",
        "",
        f"{FILES}test_a_disk_without_hard_links_makes_new_files_all_the_same",
    ),
    Row(
        "a new issue whose id is taken gets another",
        "kernel/records.py",
        '            entity["id"] = new_id(k)\n',
        "",
        "tests/kernel/test_records.py::test_a_new_entity_whose_id_is_taken_gets_another",
    ),
    Row(
        "an entity is put only over the version that was meant",
        "kernel/records.py",
        'if wanted is not None and old["version"] != wanted:',
        "if False:",
        "tests/kernel/test_records.py::test_a_version_that_is_no_more_is_4_and_writes_nothing",
    ),
    Row(
        "an editor's text meets what others saved meanwhile",
        "kernel/edit.py",
        "if source != draft.opened():",
        "if False:",
        "tests/kernel/test_edit.py::test_a_concurrent_change_of_another_field_is_merged_in",
    ),
    Row(
        "one process at a time writes a cache",
        "store/cache.py",
        "os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW",
        "os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW",
        f"{CACHE}test_one_that_was_killed_while_writing_does_not_stop_the_cache_for_ever",
    ),
    Row(
        "what a ref came to hold is looked for after it moved",
        "store/objects.py",
        "if old and not self._secure(new, old):",
        "if False:",
        f"{GC}test_objects_taken_by_a_gc_that_looked_before_the_branch_held_them_are_stored_again",
    ),
    Row(
        "while a gc runs, what a ref holds is packed",
        "store/objects.py",
        "        if self.is_collecting():\n            code, pack",
        "        if False:\n            code, pack",
        f"{GC}test_while_a_gc_runs_what_is_new_is_not_loose_alone",
    ),
]


# (file, the n-th lock there, what holds it, the test)
_HOLDERS = [
    ("kernel/work.py", 1, "create", f"{HELD}[create]"),
    ("kernel/work.py", 2, "update", f"{HELD}[update]"),
    ("kernel/bulk.py", 1, "close", f"{HELD}[close]"),
    ("kernel/bulk.py", 2, "reopen", f"{HELD}[reopen]"),
    ("kernel/bulk.py", 3, "start", f"{HELD}[start]"),
    ("kernel/bulk.py", 4, "pause", f"{HELD}[pause]"),
    ("kernel/bulk.py", 5, "resume", f"{HELD}[resume]"),
    ("kernel/links.py", 1, "label, ref, doc", f"{HELD}[label]"),
    ("kernel/links.py", 2, "dep", f"{HELD}[depend]"),
    ("kernel/attic.py", 1, "attic restore", f"{HELD}[attic restore]"),
    ("kernel/beads.py", 1, "import of Beads", f"{HELD}[beads]"),
    ("kernel/exchange.py", 1, "save", f"{HELD}[save]"),
    ("kernel/exchange.py", 2, "import", f"{HELD}[import]"),
    ("kernel/exchange.py", 3, "workspace delete", f"{HELD}[workspace delete]"),
    ("kernel/records.py", 1, "put", f"{UNDER}test_what_wk_puts_is_put_under_the_lock[one that is there]"),
    ("kernel/records.py", 2, "put of an agent", f"{UNDER}test_what_wk_puts_is_put_under_the_lock[an agent]"),
    ("kernel/records.py", 3, "put of a new entity", f"{UNDER}test_what_wk_puts_is_put_under_the_lock[a new entity]"),
    ("kernel/agents.py", 1, "agent register", f"{HELD}[agent register]"),
    ("kernel/agents.py", 2, "agent retire", f"{HELD}[agent retire]"),
    ("kernel/mail.py", 1, "msg send", f"{HELD}[msg send]"),
    ("kernel/artifacts.py", 1, "artifact add", f"{HELD}[artifact add]"),
    ("kernel/handoff.py", 1, "handoff", f"{HELD}[handoff]"),
    ("kernel/edit.py", 1, "edit", f"{UNDER}test_what_an_editor_saved_is_stored_under_the_lock"),
    ("kernel/sync.py", 1, "sync, for what is pending", f"{HELD}[sync: commit]"),
    ("kernel/sync.py", 2, "sync, for what came", f"{HELD}[sync: fast-forward]"),
    ("kernel/outbox.py", 1, "sync, for our outbox", f"{HELD}[sync: own outbox]"),
    ("kernel/outbox.py", 2, "sync, for an outbox on a branch", f"{HELD}[sync: outbox on a branch]"),
    ("kernel/bundle.py", 1, "bundle create", f"{HELD}[bundle create]"),
    ("kernel/bundle.py", 2, "bundle apply", f"{HELD}[bundle apply]"),
    ("kernel/mend.py", 1, "doctor --fix", f"{HELD}[doctor --fix]"),
]
_BEFORE_A_WRITE = [
    ("kernel/sync.py", 1, "a backup", f"{UNDER}test_what_a_rewound_remote_had_is_kept_under_the_lock"),
    ("kernel/worktree.py", 1, "locks of git's", f"{HELD}[first command past a lock of git's]"),
    ("kernel/worktree.py", 2, "a first command", f"{HELD}[first command]"),
]
# (file, the n-th lock of events there, what holds it, the case)
_OF_EVENTS = [
    ("kernel/journal.py", 1, "ev emit", "ev emit"),
    ("kernel/carried.py", 1, "ev import", "ev import"),
    ("kernel/coord.py", 1, "sync without a remote", "sync without a remote"),
    ("kernel/coord.py", 2, "sync", "sync"),
    ("kernel/coord.py", 3, "a look at what came", "look at what came"),
    ("kernel/carried.py", 2, "bundle apply", "bundle apply"),
    ("kernel/bundle.py", 1, "bundle create", "bundle create"),
    ("kernel/coordination.py", 1, "coord on", "coord on"),
]

LOCKS = [
    *(
        Row(f"the lock of events: {who}", file, "with locked(k):", "if True:", f"{EVENTS}[{case}]", n)
        for file, n, who, case in _OF_EVENTS
    ),
    Row(
        "the lock of events: ev compact",
        "kernel/compact.py",
        "with journal.locked(k):",
        "if True:",
        f"{EVENTS}[ev compact]",
    ),
    Row(
        "the lock of events: msg send",
        "kernel/mail.py",
        "with journal.locked(k):",
        "if True:",
        f"{EVENTS}[msg send]",
    ),
    Row(
        "the lock of events: artifact add",
        "kernel/artifacts.py",
        "with journal.locked(k):",
        "if True:",
        f"{EVENTS}[artifact add]",
    ),
    Row(
        "one process at a time has the lock of events",
        "store/journal.py",
        "return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "return fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        f"{JOURNAL}test_sixteen_processes_of_one_agent_write_one_journal_line_by_line",
    ),
    Row(
        "nobody waits for the lock of events for ever",
        "store/journal.py",
        "                if time.monotonic() > deadline:\n                    raise Locked",
        "                if time.monotonic() > deadline + 3:\n                    raise Locked",
        f"{JOURNAL}test_the_lock_is_waited_for_and_what_takes_too_long_is_told",
    ),
    *(Row(f"the lock: {who}", file, "with k.writing():", "if True:", test, n) for file, n, who, test in _HOLDERS),
    *(Row(f"the lock: {who}", file, "with k.locked():", "if True:", test, n) for file, n, who, test in _BEFORE_A_WRITE),
    Row(
        "a command that has no lock takes it",
        "kernel/__init__.py",
        "            self.own = Lock(self.k.repo.lock).__enter__()\n            self.k._lock = self.own\n",
        "            pass\n",
        f"{HELD}[create]",
    ),
    Row(
        "a write takes the lock first",
        "kernel/__init__.py",
        "        k.open()\n        super().__enter__()\n",
        "        k.open()\n",
        f"{HELD}[create]",
    ),
    Row(
        "short ids are read again under the lock",
        "kernel/__init__.py",
        "k.forget_names()  # read again, as they are now",
        "pass",
        f"{UNDER}test_short_ids_that_others_gave_meanwhile_are_kept",
    ),
    Row(
        "the format is looked at again under the lock",
        "kernel/__init__.py",
        "            settings.check_layout(k.repo)\n",
        "            pass\n",
        f"{UNDER}test_a_format_that_changed_while_a_command_waited_for_the_lock_stops_it",
    ),
    Row(
        "one of many makes the lock's folder",
        "store/lock.py",
        "            os.mkdir(self.path)\n",
        "            os.makedirs(self.path, exist_ok=True)\n",
        f"{LOCK}test_an_empty_lock_is_waited_for_until_it_is_old",
    ),
    Row(
        "a dead holder's lock is renamed, and given back when it is another's by then",
        "store/lock.py",
        'if moved.get("token") == record.get("token"):',
        "if True:",
        f"{LOCK}test_a_lock_that_changed_hands_before_it_was_broken_is_given_back",
    ),
    Row(
        "a lock is released only by its holder",
        "store/lock.py",
        "        if self._is_ours():\n",
        "        if True:\n",
        f"{LOCK}test_a_lock_that_was_broken_and_taken_by_another_is_not_released",
    ),
    Row(
        "a process that lives is not dead",
        "store/lock.py",
        "    except OSError:\n        return False\n    started = _started(pid)\n"
        '    return bool(record.get("started") and started and record["started"] != started)',
        "    except OSError:\n        return False\n    return True",
        f"{LOCK}test_a_live_holder_is_waited_for_and_named",
    ),
    Row(
        "a process that is gone is dead",
        "store/lock.py",
        "    except ProcessLookupError:\n        return True\n",
        "    except ProcessLookupError:\n        return False\n",
        f"{LOCK}test_the_lock_of_a_dead_process_is_broken_at_once",
    ),
    Row(
        "a process id that came round again is not the holder",
        "store/lock.py",
        'return bool(record.get("started") and started and record["started"] != started)',
        "return False",
        f"{LOCK}test_a_process_id_that_came_round_again_is_not_the_holder",
    ),
    Row(
        "a holder from before the last boot is dead",
        "store/lock.py",
        'if record.get("boot") and record["boot"] != _boot_id():',
        "if False:",
        f"{LOCK}test_a_holder_from_before_the_last_boot_is_dead",
    ),
    Row(
        "process ids of another namespace mean nothing",
        "store/lock.py",
        'if record.get("ns", _namespace()) != _namespace():',
        "if False:",
        f"{LOCK}test_a_holder_in_another_namespace_of_processes_is_never_taken_for_dead[False]",
    ),
    Row(
        "process ids of another host mean nothing",
        "store/lock.py",
        'if record.get("host") != os.uname().nodename or ',
        "if ",
        f"{LOCK}test_the_lock_of_a_dead_process_on_another_host_is_not_broken",
    ),
    Row(
        "a record of tbd's own is dead only when it is old, too",
        "store/lock.py",
        'or ("boot" not in record and time.time() - taken_at <= STALE_S)',
        "",
        f"{LOCK}test_a_record_of_tbds_own_is_broken_only_after_its_time",
    ),
    Row(
        "a lock without a record is held until it is old",
        "store/lock.py",
        "        if time.time() - taken_at > STALE_S:\n",
        "        if True:\n",
        f"{LOCK}test_an_empty_lock_is_waited_for_until_it_is_old",
    ),
    Row(
        "one that waits is no sign of an orphan",
        "store/lock.py",
        "            os.utime(prepared, (0, 0))",
        "            pass",
        f"{LOCK}test_the_record_of_a_waiter_that_was_killed_does_not_break_the_lock_of_an_old_tbd",
    ),
    Row(
        "nobody waits for ever",
        "store/lock.py",
        "                if time.monotonic() > deadline:\n",
        "                if time.monotonic() > deadline + 3:\n",
        f"{LOCK}test_a_live_holder_is_waited_for_and_named",
    ),
    Row(
        "a long holder shows that it lives",
        "kernel/__init__.py",
        "            self._lock.touch()\n",
        "            pass\n",
        "tests/kernel/test_bulk.py::test_a_long_command_shows_that_it_lives",
    ),
    Row(
        "the epoch tells readers that a write is on",
        "kernel/__init__.py",
        'k._epoch(f"active:{self.token}\\n")',
        "pass",
        "tests/kernel/test_work.py::test_writers_tell_lock_free_readers",
    ),
    Row(
        "git's locks are cleared only when they stayed the same",
        "kernel/worktree.py",
        "    while before and time.monotonic() < deadline:\n",
        "    while False:\n",
        f"{HEAL}test_a_lock_of_gits_that_goes_away_by_itself_is_left_to_its_holder",
    ),
]

ORDERS = [
    Row(
        "the content of an artifact is kept before it is told of",
        "kernel/artifacts.py",
        "    if not _is_link(fields):\n        _keep(k, fields, content)\n    try:\n"
        '        text = agents.write_new(k, "artifact", fields).decode()\n',
        '    try:\n        text = agents.write_new(k, "artifact", fields).decode()\n'
        "        if not _is_link(fields):\n            _keep(k, fields, content)\n",
        f"{ARTIFACTS}test_a_stop_half_way_leaves_nothing_listed_that_has_no_content",
    ),
    Row(
        "an artifact whose event was not journaled is taken back",
        "kernel/artifacts.py",
        '        files.discard(entities.path_of(k.repo, fields["id"], "artifact"))\n',
        "        pass\n",
        f"{ARTIFACTS}test_a_stop_half_way_leaves_nothing_listed_that_has_no_content",
    ),
    Row(
        "a content is looked at before any of it is given out",
        "kernel/artifacts.py",
        "    if wrong:\n        raise BadFile(f\"{fields['id']}: {wrong}\"",
        "    if False:\n        raise BadFile(f\"{fields['id']}: {wrong}\"",
        f"{ARTIFACTS}test_a_content_that_does_not_match_is_reported_and_not_given_out",
    ),
    Row(
        "a content that is not what its name says is not published",
        "core/kinds.py",
        "    return None if hexdigest(data) == name else",
        "    return None if True else",
        f"{ARTIFACTS}test_a_damaged_content_is_withheld_by_name_until_it_is_added_again",
    ),
    Row(
        "success means that the remote's events were read back",
        "kernel/coord.py",
        "                if shown == head or (shown and",
        "                if accepted or shown == head or (shown and",
        f"{SHARED}test_success_means_that_the_events_were_read_back",
    ),
    Row(
        "a failed append leaves nothing of its batch",
        "store/journal.py",
        "            _take_back(path, size)\n",
        "            pass\n",
        f"{JOURNAL}test_a_failed_append_leaves_nothing_of_its_batch[write-at the second-ENOSPC]",
    ),
    Row(
        "a torn line is kept before it is cut off",
        "store/journal.py",
        '    files.write(f"{own(repo)}/torn/{writer}/{name}", rest, scratch=repo.scratch)\n',
        "",
        f"{JOURNAL}test_the_move_of_a_torn_line_can_be_killed_at_any_step",
    ),
    Row(
        "a torn line is moved aside before anything follows it",
        "store/journal.py",
        "        _move_torn(repo, writer, at)\n",
        "        pass\n",
        f"{JOURNAL}test_a_torn_line_is_no_event_is_told_and_is_moved_aside_by_the_next_append[in a segment]",
    ),
    Row(
        "a segment without a line ends no journal",
        "store/journal.py",
        "    if not out.size and len(found) > 1:",
        "    if False:",
        f"{JOURNAL}test_a_kill_before_the_first_line_of_a_segment_gives_no_seq_twice",
    ),
    Row(
        "after a damaged line a new journal is begun",
        "kernel/journal.py",
        "if at is None or at.is_sound:",
        "if True:",
        f"{JOURNAL}test_after_a_damaged_last_line_its_owner_goes_on_in_a_new_journal",
    ),
    Row(
        "a journal that another copy of the clone wrote is retired",
        "kernel/coord.py",
        "            journal.retire(k.repo, writer)\n",
        "            pass\n",
        f"{SHARED}test_a_clone_restored_from_a_backup_goes_on_in_a_new_journal",
    ),
    Row(
        "a file that the remote shortened is published whole again",
        "core/union.py",
        "            out[path] = ours[path]\n            if seen",
        "            if seen",
        f"{SHARED}test_what_the_remote_edited_cut_or_rewrote_is_kept_and_told[cut short]",
    ),
    Row(
        "success means that the remote was read back",
        "kernel/sync.py",
        "            if shown == head or (shown",
        "            if taken or shown == head or (shown",
        f"{SYNC}test_success_means_that_the_remote_was_read_back",
    ),
    Row(
        "a merge is noted before its files are written",
        "kernel/sync.py",
        "    heal.note_intent(k, new)\n    _apply",
        "    _apply",
        "tests/kernel/test_bundle.py::test_a_bundle_whose_taking_in_was_killed_is_taken_in_by_the_next_sync",
    ),
    Row(
        "what an earlier command began is finished first",
        "kernel/sync.py",
        "    return integrate(k, unfinished, report) if unfinished else head",
        "    return head",
        "tests/kernel/test_bundle.py::test_a_bundle_whose_taking_in_was_killed_is_taken_in_by_the_next_sync",
    ),
    Row(
        "what a healed branch had is noted before the branch is moved",
        "kernel/heal.py",
        "        note_intent(k, tip)\n        backup(k, tip)\n",
        "        backup(k, tip)\n",
        f"{MOVED}test_a_branch_moved_in_that_moment_is_not_moved_back[while edits are committed]",
    ),
    Row(
        "what a healed branch had is kept under a ref",
        "kernel/heal.py",
        "        note_intent(k, tip)\n        backup(k, tip)\n",
        "        note_intent(k, tip)\n",
        f"{HEAL}test_what_a_healed_branch_had_is_kept",
    ),
    Row(
        "a merge keeps what lost in the same commit",
        "core/merge.py",
        "return out | attic_files(losses, there), losses",
        "return out, losses",
        f"{SYNC}test_of_concurrent_edits_of_one_field_the_loser_can_be_read_in_every_clone",
    ),
    Row(
        "what lost is written before what won",
        "kernel/sync.py",
        "(not path.startswith(attic.FOLDER), path != merge.NAMES)",
        "(path.startswith(attic.FOLDER), path != merge.NAMES)",
        f"{SYNC}test_of_what_a_sync_brings_the_attic_is_written_first_then_short_ids_then_issues",
    ),
    Row(
        "short ids are written before their issues",
        "kernel/sync.py",
        "(not path.startswith(attic.FOLDER), path != merge.NAMES)",
        "(not path.startswith(attic.FOLDER), path == merge.NAMES)",
        f"{SYNC}test_of_what_a_sync_brings_the_attic_is_written_first_then_short_ids_then_issues",
    ),
    Row(
        "a late save keeps what it replaces before it is replaced",
        "kernel/pending.py",
        "key=lambda name: not name.startswith(attic.FOLDER)",
        "key=lambda name: name.startswith(attic.FOLDER)",
        f"{HEAL}test_what_a_late_save_replaces_is_in_the_attic_before_it_is_replaced",
    ),
    Row(
        "a branch is moved after the files of a merge are written",
        "kernel/sync.py",
        "    _apply(k, head, changes, was, report.withheld)\n    git.set_worktree_index(new)\n"
        '    git.move_refs({f"refs/heads/{k.config.branch}": (new, head), STANDS_ON: (new, "")})\n',
        '    git.move_refs({f"refs/heads/{k.config.branch}": (new, head), STANDS_ON: (new, "")})\n'
        "    _apply(k, head, changes, was, report.withheld)\n    git.set_worktree_index(new)\n",
        f"{SYNC}test_a_kill_while_files_are_written_loses_nothing_even_when_git_has_collected_its_garbage[8]",
    ),
    Row(
        "a branch is moved after the index of a merge is written",
        "kernel/sync.py",
        "    git.set_worktree_index(new)\n"
        '    git.move_refs({f"refs/heads/{k.config.branch}": (new, head), STANDS_ON: (new, "")})\n',
        '    git.move_refs({f"refs/heads/{k.config.branch}": (new, head), STANDS_ON: (new, "")})\n'
        "    git.set_worktree_index(new)\n",
        f"{MOVED}test_a_branch_is_moved_last[merge]",
    ),
    Row(
        "a branch is moved after the index of a commit is written",
        "kernel/pending.py",
        '    git.set_worktree_index(new)\n    git.move_refs({branch: (new, head), STANDS_ON: (new, "")})\n',
        '    git.move_refs({branch: (new, head), STANDS_ON: (new, "")})\n    git.set_worktree_index(new)\n',
        f"{MOVED}test_a_branch_is_moved_last[commit]",
    ),
    Row(
        "a healed worktree's HEAD is moved last",
        "kernel/heal.py",
        "    git.set_worktree_index(stands)\n    if on != branch:",
        "    git.put_worktree_on(branch)\n    git.set_worktree_index(stands)\n    if on != branch:",
        f"{MOVED}test_a_branch_is_moved_last[heal]",
    ),
    Row(
        "a short id is on the disk before its issue",
        "kernel/work.py",
        "            k.give_short(internal)\n            k.names.save()\n",
        "            k.give_short(internal)\n",
        f"{READERS}test_a_reader_at_any_point_of_a_write_sees_the_state_before_or_after[create]",
    ),
    Row(
        "issues that are all gone from the worktree are no deletion",
        "kernel/pending.py",
        "    if len(gone) > 1 and not entities.listing(k.repo):\n",
        "    if False:\n",
        f"{SYNC}test_a_worktree_from_which_every_issue_is_gone_is_no_mass_deletion",
    ),
    Row(
        "issues that are all gone from a commit are no deletion",
        "kernel/heal.py",
        "        back |= gone\n",
        "        pass\n",
        f"{GARBAGE}test_a_version_without_any_issue_deletes_none[nothing pending]",
    ),
    Row(
        "short ids that are gone from a commit are kept",
        "kernel/heal.py",
        "        if lost:\n",
        "        if False:\n",
        f"{GARBAGE}test_short_ids_outlive_a_version_that_lost_them[None]",
    ),
    Row(
        "a damaged file is withheld",
        "kernel/pending.py",
        "                if why:\n                    found.withheld[path] = why\n                    continue\n",
        "",
        f"{SYNC}test_a_damaged_file_is_withheld_by_name_and_the_others_go_out",
    ),
    Row(
        "what a rewound remote had is brought back",
        "kernel/sync.py",
        "for commit in (*_lost_by(k, seen, tip), tip):",
        "for commit in (tip,):",
        f"{HEAL}test_what_only_the_remote_had_before_it_was_rewound_comes_back_too",
    ),
]

OUTSIDE = [
    Row(
        "no hook of the user's is run",
        "store/objects.py",
        '    "core.hooksPath=/dev/null",\n',
        "",
        "tests/kernel/test_worktree.py::test_hooks_of_the_users_are_not_run",
    ),
    Row(
        "no hook of the user's is run before a push",
        "store/remote.py",
        '"--no-verify", ',
        "",
        f"{GIT}test_a_push_asks_no_hook_even_where_no_setting_says_so",
    ),
    Row(
        "a push is not signed",
        "store/objects.py",
        '    "push.gpgSign=false",\n',
        "",
        f"{GIT}test_a_push_is_not_signed_and_takes_no_tag_along",
    ),
    Row(
        "files are stored byte for byte",
        "store/objects.py",
        '"--no-filters", "--stdin-paths"',
        '"--stdin-paths"',
        f"{GIT}test_no_filter_has_a_say_in_what_is_stored",
    ),
    Row(
        "variables of git's are dropped",
        "store/process.py",
        'if not k.startswith("GIT_") or k in _PASSED}',
        "}",
        f"{SYNC}test_git_variables_in_the_environment_are_ignored",
    ),
    Row(
        "replaced objects say nothing",
        "store/process.py",
        '    "GIT_NO_REPLACE_OBJECTS": "1",\n',
        "",
        "tests/faults/test_git_kinds.py::test_replaced_objects_and_grafts_say_nothing_of_our_branch",
    ),
    Row(
        "an address runs no program",
        "store/process.py",
        '    "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",\n',
        '    "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file:ext",\n',
        "tests/faults/test_git_kinds.py::test_an_address_that_runs_a_program_is_refused[ext::touch canary]",
    ),
    Row(
        "git asks nothing on a terminal",
        "store/process.py",
        '    "GIT_TERMINAL_PROMPT": "0",\n',
        "",
        f"{GIT}test_the_environment_keeps_what_reaches_a_remote_and_drops_what_points_elsewhere",
    ),
    Row(
        "ssh asks nothing on a desktop",
        "store/process.py",
        '    "SSH_ASKPASS": "true",\n    "SSH_ASKPASS_REQUIRE": "never",\n',
        "",
        f"{GIT}test_the_environment_keeps_what_reaches_a_remote_and_drops_what_points_elsewhere",
    ),
    Row(
        "ssh has no terminal",
        "store/process.py",
        ", start_new_session=True",
        ", process_group=0",
        f"{GIT}test_a_command_has_no_terminal",
    ),
    Row(
        "git asks no program of the user's settings",
        "store/process.py",
        'return {"GIT_ASKPASS": "true"} | kept | _SET',
        "return kept | _SET",
        f"{GIT}test_the_environment_keeps_what_reaches_a_remote_and_drops_what_points_elsewhere",
    ),
    Row(
        "a program is ended with its whole group",
        "store/process.py",
        "os.killpg(child.pid, signal.SIGKILL)",
        "child.kill()",
        f"{GIT}test_a_command_that_takes_too_long_is_ended_with_its_children",
    ),
    Row(
        "a program has a time limit",
        "store/process.py",
        "if now - began > limit_s:",
        "if False:",
        f"{GIT}test_a_command_has_so_much_time[all of it]",
    ),
    Row(
        "a remote may be silent for so long only",
        "store/process.py",
        "if silent_s is not None and now - heard_at > silent_s:",
        "if False:",
        f"{GIT}test_a_command_has_so_much_time[silence]",
    ),
    Row(
        "a program's children that hold its output open are not waited for",
        "store/process.py",
        "if ended_at is not None and now - ended_at > _LINGER_S:",
        "if False:",
        f"{GIT}test_children_that_keep_a_commands_output_open_are_not_waited_for",
    ),
    Row(
        "only plain files of ours are written from a tree",
        "kernel/worktree.py",
        "    if mode != PLAIN or not plain or parts[:2]",
        "    if parts[:2]",
        f"{PLACES}test_the_tree_of_a_remote_can_place_nothing_elsewhere",
    ),
    Row(
        "a merge writes only what is ours",
        "kernel/sync.py",
        "chosen = [p for p in new if is_ours(p, PLAIN) and p not in withheld]",
        "chosen = [p for p in new if p not in withheld]",
        f"{PLACES}test_the_tree_of_a_remote_can_place_nothing_elsewhere",
    ),
    Row(
        "a link is not read through",
        "store/files.py",
        "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC",
        "os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC",
        f"{FILES}test_what_is_no_file_is_named_and_never_waited_for[link]",
    ),
    Row(
        "a FIFO is not waited for",
        "store/files.py",
        "        if not stat.S_ISREG(status.st_mode):\n",
        "        if False:\n",
        f"{FILES}test_what_is_no_file_is_named_and_never_waited_for[fifo]",
    ),
    Row(
        "a temporary file is not written through a link",
        "store/files.py",
        "os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW",
        "os.O_WRONLY | os.O_CREAT | os.O_TRUNC",
        f"{FILES}test_a_link_in_the_place_of_a_temporary_file_is_not_followed",
    ),
    Row(
        "a file is not flushed through a link",
        "store/files.py",
        "os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC",
        "os.O_RDONLY | os.O_CLOEXEC",
        f"{FILES}test_a_link_in_the_place_of_a_temporary_file_is_not_followed",
    ),
    Row(
        "a link on the way is refused",
        "store/files.py",
        "        if stat.S_ISLNK(mode):\n            raise",
        "        if False:\n            raise",
        f"{FILES}test_a_link_on_the_way_is_refused",
    ),
]

TABLE = [*FSYNCS, *SWAPS, *LOCKS, *ORDERS, *OUTSIDE]

# what has no row, and why
APART = {
    ("kernel/worktree.py", 'git.move_refs({STANDS_ON: (tip, "")})'): "it says where the files stand, whatever it said",
    ("kernel/heal.py", 'git.move_refs({STANDS_ON: (tip, "")})'): "it says where the files stand, whatever it said",
}


def as_markdown() -> str:
    rows = [f"| {row.guard} | {row.file} | `{row.test}` |" for row in TABLE]
    return "\n".join(["| guard | file | test |", "| --- | --- | --- |", *rows])


if __name__ == "__main__":
    print(as_markdown())

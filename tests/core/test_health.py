"""Each check over data: what it must name, and what it must leave alone."""

from tbdx.core import health
from tbdx.core.health import Finding, Tracker, row
from tbdx.core.ids import ulid
from tbdx.core.times import DAY_MS, iso
from tbdx.errors import BadFile

NOW = 1_790_000_000_000
CHECKS = (
    health.dependencies,
    health.hierarchy,
    health.unique_ids,
    health.mapping_conflicts,
    health.mapping_keys,
    health.mapping_coverage,
    health.temp_files,
    health.validity,
    health.closing_times,
    health.left_from_closing,
    health.notes_sections,
    health.linear_links,
    health.future_times,
    health.odd_files,
)


def name(n, at_ms=NOW):
    return "is-" + ulid(at_ms, n)


def issue(n, **fields):
    base = {"type": "is", "id": name(n), "title": f"issue {n}", "kind": "task", "status": "open", "priority": 2}
    base |= {"version": 1, "labels": [], "dependencies": [], "created_at": iso(NOW), "updated_at": iso(NOW)}
    return base | fields


def blocks(*targets):
    return [{"type": "blocks", "target": target} for target in targets]


def shown(internal):
    return "t-" + internal[-2:]


def tracker(*issues, **fields):
    rows = [(i["id"][-2:], i["id"][3:]) for i in issues]
    return Tracker(**{"issues": issues, "rows": rows, "now_ms": NOW, "display": shown} | fields)


def one(findings):
    assert len(findings) == 1, findings
    return findings[0]


def test_a_sound_tracker_is_sound():
    t = tracker(issue(1, child_order_hints=[name(2)]), issue(2, parent_id=name(1), dependencies=blocks(name(1))))
    assert {check.__name__: check(t) for check in CHECKS if check(t)} == {}


def test_what_real_trackers_are_full_of_is_not_odd():
    parent = issue(1, spec_path="docs/gone.md", deferred_until="2001-01-01T00:00:00.000Z")
    child = issue(2, parent_id=name(1), title="issue 1", created_at=iso(NOW + 5 * DAY_MS // 10))
    short = [("1", name(1)[3:]), ("a.1-x", name(2)[3:])]
    files = [
        ("issues/.gitkeep", None),
        ("issues/notes.txt", None),
        ("bridge/github/x.yml", None),
        ("bridge", "a folder"),
    ]
    t = tracker(parent, child, rows=short, files=files)
    assert {check.__name__: check(t) for check in CHECKS if check(t)} == {}


def test_a_dependency_on_nothing_is_named():
    found = one(health.dependencies(tracker(issue(1, dependencies=blocks(name(9))))))
    assert (found.status, found.details) == ("warn", [f"t-01 -> {name(9)}"])


def test_what_names_a_damaged_issue_does_not_dangle():
    there = [(f"issues/{name(9)}.md", None)]
    pointing = issue(1, dependencies=blocks(name(9)), parent_id=name(9), child_order_hints=[name(9)])
    t = tracker(pointing, files=there)
    assert health.dependencies(t) == health.hierarchy(t) == []


def test_a_cycle_of_dependencies_is_named_by_its_way_round():
    ring = [issue(n, dependencies=blocks(name(n % 3 + 1))) for n in (1, 2, 3)]
    found = one(health.dependencies(tracker(*ring, issue(4, dependencies=blocks(name(4))))))
    assert (found.status, found.details) == ("warn", ["t-01 -> t-02 -> t-03 -> t-01", "t-04 -> t-04"])


def test_of_a_knot_the_shortest_way_round_is_named():
    knot = [issue(1, dependencies=blocks(name(2), name(3))), issue(2, dependencies=blocks(name(1)))]
    found = one(health.dependencies(tracker(*knot, issue(3, dependencies=blocks(name(2))))))
    assert found.details == ["t-01 -> t-02 -> t-01 (and 1 more)"]


def test_a_cycle_of_parents_is_an_error_that_names_it():
    found = one(health.hierarchy(tracker(issue(1, parent_id=name(2)), issue(2, parent_id=name(1)))))
    assert (found.status, found.details) == ("error", ["t-01 -> t-02 -> t-01"])


def test_a_parent_that_is_not_there_is_named():
    found = one(health.hierarchy(tracker(issue(1, parent_id=name(9)))))
    assert (found.status, found.details) == ("warn", [f"t-01: parent {name(9)}"])


def test_hints_for_the_children_of_others_are_named():
    t = tracker(
        issue(1, child_order_hints=[name(2), name(3), name(4), name(9)]),
        issue(2, parent_id=name(1)),
        issue(3, parent_id=name(2)),
        issue(4),
    )
    gone, elsewhere = health.hierarchy(t)
    assert gone.details == [f"t-01: child {name(9)}"]
    assert elsewhere.details == ["t-01: child t-03 names t-02 as its parent", "t-01: child t-04 names no parent"]
    assert {gone.status, elsewhere.status} == {"warn"}


def test_a_short_id_given_twice_is_named():
    rows = [("aa", name(1)[3:]), ("aa", name(2)[3:]), ("aa", name(2)[3:]), ("bb", name(1)[3:])]
    found = one(health.unique_ids(tracker(rows=rows)))
    assert (found.status, found.details) == ("warn", [f"aa: {name(1)[3:]}, {name(2)[3:]}"])


def test_file_names_that_are_no_id_are_named():
    upper = f"issues/is-{name(1)[3:].upper()}.md"
    files = [(upper, None), ("issues/todo.md", None), (f"issues/{name(2)}.MD", None), (f"issues/{name(3)}.md", None)]
    found = one(health.unique_ids(tracker(files=files)))
    assert found.details == [upper, "issues/todo.md", f"issues/{name(2)}.MD"]


def test_conflict_markers_in_ids_yml_are_an_error():
    found = one(health.mapping_conflicts(tracker(markers=[1, 3])))
    assert (found.status, found.details) == ("error", ["ids.yml:1", "ids.yml:3"])


def test_lines_of_ids_yml_that_are_no_row_are_named():
    found = one(health.mapping_keys(tracker(garbage=["ids.yml:2: not a row"])))
    assert (found.status, found.details) == ("warn", ["ids.yml:2: not a row"])


def test_issues_without_a_short_id_are_named_damaged_ones_too():
    t = tracker(issue(1), rows=[], files=[(f"issues/{name(2)}.md", None)])
    found = one(health.mapping_coverage(t))
    assert (found.status, [line[:29] for line in found.details]) == ("warn", [name(1), name(2)])


def test_temporary_files_are_named():
    found = one(health.temp_files(tracker(files=[("issues/.x.md.12.tmp", None), ("mappings/ids.temp", None)])))
    assert (found.status, found.details) == ("warn", ["issues/.x.md.12.tmp", "mappings/ids.temp"])


def test_invalid_files_are_an_error_with_file_line_and_reason():
    found = one(health.validity(tracker(bad=[BadFile("status: odd", path="/x/is-1.md", line=6)])))
    assert (found.status, found.details) == ("error", ["is-1.md:6: status: odd"])


def test_closed_without_a_time_and_open_with_one_are_named():
    t = tracker(
        issue(1, status="closed", closed_at=None),
        issue(2, status="closed", closed_at=iso(NOW)),
        issue(3, status="in_progress", closed_at=iso(NOW), close_reason="done"),
        issue(4, close_reason="done"),
        issue(5, closed_at=None, close_reason=None),
    )
    assert one(health.closing_times(t)).details == ["t-01"]
    said = ["t-03: in_progress with closed_at and close_reason", "t-04: open with close_reason"]
    assert one(health.left_from_closing(t)).details == said


def test_a_second_notes_heading_is_named():
    t = tracker(issue(1, notes="first\n\n## Notes\n\nsecond"), issue(2, notes="see ## Notes above"))
    assert one(health.notes_sections(t)).details == ["t-01"]


def test_a_linear_issue_without_link_file_is_named_where_links_are_kept():
    linked, lost = issue(1, extensions={"linear": {"id": "x"}}), issue(2, extensions={"linear": {}})
    assert health.linear_links(tracker(linked, lost)) == []
    files = [(f"bridge/linear/links/{name(1)}.yml", None)]
    assert one(health.linear_links(tracker(linked, lost, issue(3), files=files))).details == ["t-02"]


def test_ids_and_edits_from_the_future_are_named():
    late = NOW + DAY_MS + 1
    t = tracker(issue(1, updated_at=iso(late)), issue(2, id=name(2, late)), issue(3, updated_at=iso(NOW + DAY_MS)))
    assert one(health.future_times(t)).details == ["t-01: updated_at", "t-02: id"]


def test_links_fifos_and_misplaced_folders_are_named():
    fine = [("issues", "a folder"), ("attic/conflicts", "a folder"), ("mappings/ids.yml.lock", "a folder")]
    odd = [("attic/x.yml", "a symbolic link"), ("issues/sub", "a folder"), ("meta.yml", "a folder"), ("p", "a FIFO")]
    found = one(health.odd_files(tracker(files=fine + odd)))
    assert found.details == [f"{path}: {kind}" for path, kind in odd]


def test_a_row_shows_the_worst_first_and_all_details():
    found = [Finding("warn", "b", ["2"]), Finding("error", "a", ["1"], "do it")]
    assert row("X", found, path="p", message="fine") == {
        "name": "X",
        "status": "error",
        "message": "a; b",
        "path": "p",
        "details": ["1", "2"],
        "suggestion": "do it",
    }
    assert row("X", [], message="fine") == {"name": "X", "status": "ok", "message": "fine"}

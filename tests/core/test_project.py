"""What a project is called: its remote's place, whichever way that is written."""

from __future__ import annotations

import pytest

from tbdx.core.project import normalised


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/o/r",
        "https://github.com/o/r.git",
        "https://github.com/o/r/",
        "https://user:secret@GitHub.com:443/o/r.git/",
        "git@github.com:o/r",
        "git@github.com:o/r.git",
        "ssh://git@github.com/o/r/",
        "ssh://git@github.com:22/o/r.git",
        "github.com:/o/r",
        "git://github.com/o/r",
        "HTTP://github.com/o/r.git",
    ],
)
def test_every_way_to_write_a_remote_is_one_project_and_no_secret_is_in_it(url: str) -> None:
    assert normalised(url) == "github.com/o/r"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/r.git",
        "../r",
        "./r:x",
        "C:/r",
        "file:///srv/r.git",
        "https://",
        "https://host",
        "host:",
        "ext::sh -c x",
        "https://h/a b",
    ],
)
def test_a_place_on_this_machine_or_none_is_no_name(url: str) -> None:
    assert normalised(url) is None


def test_groups_within_groups_and_numbers_in_brackets_are_kept() -> None:
    assert normalised("https://gitlab.com/a/b/c.git") == "gitlab.com/a/b/c"
    assert normalised("ssh://git@[::1]/o/r") == "[::1]/o/r"

"""Filters as their page and rclone's manual word them."""

import pytest

from migrator.core.filters import Filters
from migrator.errors import PlanInvalid


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("file.jpg", ["file.jpg", "directory/file.jpg"], ["afile.jpg", "directory/afile.jpg", "file.jpg/x"]),
        ("/file.jpg", ["file.jpg"], ["afile.jpg", "directory/file.jpg"]),
        ("*.jpg", ["file.jpg", "directory/file.jpg"], ["file.jpg/something"]),
        ("/*.jpg", ["file.jpg"], ["directory/file.jpg"]),
        ("dir/*", ["dir/file", "x/dir/file"], ["dir/sub/file"]),
        ("dir/**", ["dir/file", "dir/sub/file", "x/dir/file"], ["adir/file"]),
        ("dir/", ["dir/file", "dir/sub/file", "dir/"], ["dir", "adir/file"]),
        ("/dir/", ["dir/file"], ["x/dir/file"]),
        ("l?ss", ["less", "lass"], ["floss", "l/ss"]),
        ("h[ae]llo", ["hello", "hallo"], ["hullo"]),
        ("h[^ae]llo", ["hullo"], ["hello"]),
        ("{one,two}_potato", ["one_potato", "two_potato"], ["three_potato", "_potato"]),
        ("\\*.jpg", ["*.jpg"], ["a.jpg"]),
        ("\\\\.jpg", ["\\.jpg"], ["a.jpg"]),
        ("\\[one\\].jpg", ["[one].jpg"], ["o.jpg"]),
        ("[a&&b]", ["a", "&"], ["c"]),
        ("a\nb*", ["a\nb\nc"], ["ab"]),
    ],
)
def test_a_glob_matches(glob, yes, no):
    """A glob matches the keys that rclone's manual says it matches."""
    filters = Filters.of([("include", glob)])
    assert [key for key in yes if not filters.takes(key)] == []
    assert [key for key in no if filters.takes(key)] == []


def test_the_first_match_decides():
    """Order decides between an include and an exclude."""
    assert Filters.of([("exclude", "*.tmp"), ("include", "a*")]).takes("a.tmp") is False
    assert Filters.of([("include", "a*"), ("exclude", "*.tmp")]).takes("a.tmp") is True


def test_what_nothing_matches_is_taken_unless_something_is_included():
    """Excludes alone leave the rest in; one include leaves the rest out; no rule takes all."""
    assert Filters().takes("x")
    assert Filters.of([("exclude", "a")]).takes("x")
    assert not Filters.of([("exclude", "a"), ("include", "b")]).takes("x")


@pytest.mark.parametrize(
    "glob",
    [
        "",
        "x" * 4097,
        "[a",
        "a]",
        "{a",
        "a}",
        "a\\",
        "***",
        "{{a.*}}",
        "[!a]",
        "[]",
        "[^]",
        "[[:alpha:]]",
        "[\\d]",
        "[z-a]",
        "[a--b]",
        "{" * 600 + "}" * 600,
    ],
)
def test_a_glob_that_could_be_misread_is_refused(glob):
    """What rclone refuses, reads as a regular expression, or reads unlike a shell, is ``PlanInvalid``."""
    with pytest.raises(PlanInvalid) as caught:
        Filters.of([("include", glob)])
    assert len(caught.value.message) < 200
    assert caught.value.hint

import os
import subprocess
import sys

import pytest

from lrisc_system.storage.files import (
    hash_file,
    refuse_foreign,
    remove_files,
    replacing,
    write_atomically,
)


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a.bin"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_permissions_survive(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_atomically(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.bin").write_bytes(b"old")
    (tmp_path / "link.bin").symlink_to("real.bin")
    write_atomically(tmp_path / "link.bin", b"new")
    assert (tmp_path / "link.bin").is_symlink()
    assert (tmp_path / "real.bin").read_bytes() == b"new"


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(OSError, match="expected a file to write"):
        write_atomically(tmp_path, b"x")


def test_a_file_is_known_by_its_content(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert hash_file(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_a_failed_write_leaves_the_old_folder(tmp_path):
    target = tmp_path / "folder"
    with replacing(target) as fresh:
        (fresh / "a").write_text("old")

    def fail() -> None:
        with replacing(target) as fresh:
            (fresh / "a").write_text("new")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert (target / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_folder_appears_with_all_its_files(tmp_path):
    target = tmp_path / "deep" / "folder"
    with replacing(target) as fresh:
        (fresh / "a").write_text("new")
        assert not target.exists()
    assert os.listdir(target) == ["a"]
    assert target.stat().st_mode & 0o777 == 0o755
    assert (target / "a").stat().st_mode & 0o777 == 0o644


def test_files_that_we_did_not_write_stay(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("mine")
    (tmp_path / "a").write_text("old")
    with replacing(tmp_path) as fresh:
        (fresh / "a").write_text("new")
    assert sorted(os.listdir(tmp_path)) == ["a", "mine"]
    assert (tmp_path / "a").read_text() == "new"
    assert (tmp_path / "mine" / "notes").read_text() == "mine"


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with replacing(tmp_path / "link") as fresh:
        (fresh / "a").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").read_text() == "new"


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "model").write_text("a file")

    def write() -> None:
        with replacing(tmp_path / "model") as fresh:
            (fresh / "a").write_text("new")

    with pytest.raises(NotADirectoryError):
        write()
    assert (tmp_path / "model").read_text() == "a file"
    assert os.listdir(tmp_path) == ["model"]


def test_a_killed_writer_leaves_every_file_old_or_new(tmp_path):
    """The process ends between the two renames, without any clean-up."""
    for name in "ab":
        (tmp_path / name).write_text("old")
    code = """
import os, pathlib, sys
from lrisc_system.storage.files import replacing
replace = pathlib.Path.replace
def die_after_one(path, target):
    replace(path, target)
    os._exit(9)
pathlib.Path.replace = die_after_one
with replacing(pathlib.Path(sys.argv[1])) as fresh:
    (fresh / "a").write_text("new")
    (fresh / "b").write_text("new")
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == 9
    assert (tmp_path / "a").read_text() == "new"
    assert (tmp_path / "b").read_text() == "old"


def test_only_named_files_are_deleted(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("one", "two", "mine"):
        (tmp_path / "a" / name).touch()
    remove_files(tmp_path / "a", ["one", "two", "gone"])
    assert os.listdir(tmp_path / "a") == ["mine"]
    remove_files(tmp_path / "a", ["mine"])
    assert not (tmp_path / "a").exists()


def test_an_output_folder_of_something_else_is_refused(tmp_path):
    refuse_foreign(tmp_path / "new", mark="a.json", names=["results.csv"])
    (tmp_path / "notes.md").touch()
    refuse_foreign(tmp_path, mark="a.json", names=["results.csv"])
    (tmp_path / "results.csv").touch()
    with pytest.raises(FileExistsError, match=r"holds a results\.csv, but no a\.json of ours"):
        refuse_foreign(tmp_path, mark="a.json", names=["results.csv"])
    (tmp_path / "a.json").touch()
    refuse_foreign(tmp_path, mark="a.json", names=["results.csv"])

import os

import pytest

from lrisc_system.commands.outputs import check_output, check_output_folder


def test_new_and_old_files_are_written(tmp_path):
    (tmp_path / "old.png").write_text("")
    for name in ("old.png", "new.PNG"):
        check_output(tmp_path / name, sources=[tmp_path / "gone.png", None], suffixes=[".png"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.xyz", r"a\.xyz: expected a suffix of \.png, \.jpg, got '\.xyz'"),
        ("no/such/a.png", r"expected an existing folder for .*a\.png, got none at .*such"),
        ("folder.png", "expected a file to write, got .*folder"),
        ("pipe.png", "expected a file to write, got .*pipe"),
        ("loop.png", "(a loop of links|Too many levels)"),
        ("source.png", "expected another file to write than the source, got"),
        ("link.png", "expected another file to write than the source, got"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, message):
    (tmp_path / "source.png").write_text("photo")
    (tmp_path / "link.png").symlink_to("source.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises((ValueError, OSError), match=message):
        check_output(tmp_path / name, sources=[tmp_path / "source.png"], suffixes=[".png", ".jpg"])


def test_folders_that_cannot_be_written_to_are_refused(tmp_path, monkeypatch):
    check_output_folder(tmp_path)
    check_output_folder(tmp_path / "new" / "folder")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    for name in ("file", "file/below"):
        with pytest.raises(OSError, match="expected a folder to write to, got"):
            check_output_folder(tmp_path / name)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(OSError, match="which is not writable"):
        check_output_folder(tmp_path / "new")
    with pytest.raises(OSError, match="which is not writable"):
        check_output(tmp_path / "a.png")

import errno

import pytest
from filelock import FileLock

from lrisc_system.training.folder_lock import locked


def test_one_run_at_a_time(tmp_path):
    folder = tmp_path / "new" / "run"
    with locked(folder):
        with (
            pytest.raises(ValueError, match="run is in use by another run: wait for its end, or"),
            locked(folder, patience=0),
        ):
            pass
        with locked(folder, needed=False):  # another process of the same run
            pass
    with locked(folder, patience=0):
        pass


@pytest.mark.parametrize("error", [NotImplementedError(), OSError(errno.ENOLCK, "none")])
def test_a_file_system_without_locks_is_written_to(tmp_path, monkeypatch, error):
    def acquire(lock, timeout):
        raise error

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), locked(tmp_path / "file" / "run"):
        pass

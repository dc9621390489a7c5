"""A lock on an output folder, so that two runs do not write to it at once."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_NAME = ".lock"
PATIENCE_SECONDS = 10.0  # data loading processes of a killed run hold its lock for some seconds
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)  # some network file systems have none


@contextmanager
def locked(
    folder: Path, *, needed: bool = True, patience: float = PATIENCE_SECONDS
) -> Iterator[None]:
    """Hold the lock of an output folder, which is made if it is missing.

    The lock ends with the process, however that ends. On file systems without locks, nothing is
    locked.

    Args:
        folder: of the run.
        needed: whether this process writes to the folder; of several, only the main one does.
        patience: seconds to wait for a run that ends just now.

    Raises:
        ValueError: if another process holds it.
        OSError: if the folder cannot be made or written to.
    """
    if not needed:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_NAME)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise ValueError(
            f"{folder} is in use by another run: wait for its end, or name another folder"
        ) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
    try:
        yield
    finally:
        lock.release()

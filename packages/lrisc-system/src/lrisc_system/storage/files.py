"""Files written whole or not at all, and told apart by their content."""

import contextlib
import hashlib
import os
import uuid
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` through a temporary file in the same folder and a rename.

    An existing file keeps its permissions; a new one gets those of the process's umask.

    Raises:
        OSError: the folder is missing or not writable, or `path` is not a regular file.
    """
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        raise OSError(f"expected a file to write, got {path}, which is a folder or a device")
    part = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex[:12]}.part")
    try:
        with part.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            part.chmod(target.stat().st_mode & 0o777)
        part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def hash_file(path: Path) -> str:
    """Identify a file by the SHA-256 of its content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Atomic writing of files and folders, and hashes of files."""

import contextlib
import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` through a temporary file in the same folder and a rename.

    An existing file keeps its permissions; a new one gets those of the process's umask.

    Raises:
        OSError: the folder is missing or not writable, or `path` is not a regular file.
    """
    write_together({Path(path): data})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several files as `write_atomically` does one: none is replaced before all are on disk.

    Raises:
        OSError: as `write_atomically`.
    """
    parts: dict[Path, Path] = {}
    try:
        for path, data in contents.items():
            target = path.resolve()
            if target.exists() and not target.is_file():
                raise OSError(
                    f"expected a file to write, got {path}, which is a folder or a device"
                )
            part = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex[:12]}.part")
            with part.open("xb") as stream:
                parts[part] = target
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            if target.exists():
                part.chmod(target.stat().st_mode & 0o777)
        for part, target in parts.items():
            part.replace(target)
    except BaseException:
        for part in parts:
            with contextlib.suppress(OSError):
                part.unlink()
        raise


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Fill a temporary folder, then move its files into `folder` in one rename each.

    A new folder appears in one rename, with all its files. In a folder that is there already,
    files of the same names are replaced and all others stay. A process that is killed leaves the
    old or the new version of every file, and a folder `.NAME-*` with what was not moved yet.

    Args:
        folder: made if it is missing, as are its parents. Files only: no folders within it.

    Raises:
        OSError: the disk is full, or `folder` is a file or not writable.
    """
    folder = folder.resolve()
    parent = folder if folder.is_dir() else folder.parent  # on the same disk as the target
    parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=parent))
    try:
        yield fresh
        for path in fresh.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.chmod(0o644)  # colleagues may read; temporary folders and safetensors forbid it
        if folder.is_dir():
            for path in sorted(fresh.iterdir()):
                path.replace(folder / path.name)
        else:
            fresh.chmod(0o755)
            fresh.replace(folder)
    finally:
        rmtree(fresh, ignore_errors=True)


def remove_files(folder: Path, names: Iterable[str]) -> None:
    """Delete the files of these names, in this order, and the folder if nothing else is in it."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # files that somebody else put there
        folder.rmdir()


def refuse_foreign(folder: Path, *, mark: str, names: Iterable[str]) -> None:
    """Refuse an output folder that holds names that we write, but not the file that we write first.

    Args:
        folder: of the output.
        mark: the file that an output of ours always holds.
        names: files and folders that would be replaced.

    Raises:
        FileExistsError: if one is there that we did not write.
    """
    if (folder / mark).exists():
        return
    for name in names:
        if (folder / name).exists():
            raise FileExistsError(
                f"{folder} holds a {name}, but no {mark} of ours: it is not replaced, choose "
                "another folder"
            )


def hash_file(path: Path) -> str:
    """Identify a file by the SHA-256 of its content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Opens containers such as mp4, which hold films and sound, by PyAV, which brings FFmpeg."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from study.corpus.quoting import one_line

# FFmpeg's name of the format by the end of the file's name. It is not guessed from the content, since some formats
# (playlists) name other files and addresses, which would then be opened.
CONTAINERS: Mapping[str, str] = {
    **dict.fromkeys((".mp4", ".m4a", ".m4v", ".mov", ".3gp"), "mov"),
    **dict.fromkeys((".mkv", ".webm"), "matroska"),
    **dict.fromkeys((".wma", ".wmv"), "asf"),
    ".avi": "avi",
    ".aac": "aac",
    ".amr": "amr",
}
# Those that hold sound alone.
SOUND_ALONE = (".m4a", ".wma", ".aac", ".amr")
# How files of containers begin: the bytes at a place, and an end of their names.
_BEGINNINGS = (
    *((4, kind, ".mp4") for kind in (b"ftyp", b"moov", b"mdat", b"wide")),
    (0, b"\x1a\x45\xdf\xa3", ".mkv"),
    (8, b"AVI ", ".avi"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ".wmv"),
    (0, b"#!AMR", ".amr"),
    *((0, head, ".aac") for head in (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9")),
)
# FFmpeg's AV_DISPOSITION_ATTACHED_PIC.
ATTACHED_PICTURE = 1024
LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def is_container(path: Path) -> bool:
    """Whether a file needs PyAV, by the end of its name."""
    return path.suffix.lower() in CONTAINERS


def suffix_of(content: bytes) -> str:
    """The end of the name for a file of this content: one of CONTAINERS by its first bytes, else .wav."""
    found = (suffix for place, head, suffix in _BEGINNINGS if content[place : place + len(head)] == head)
    return next(found, ".wav")


def opened(path: Path) -> Any:
    """The container in a file, to be closed; its name ends in one of CONTAINERS."""
    import av

    format = CONTAINERS[path.suffix.lower()]
    # "file:", so that no name is taken for an address.
    return av.open(f"file:{path.absolute()}", format=format, metadata_errors="replace")


def media_in(path: Path) -> frozenset[str]:
    """Which media a container has, "audio" and "video" among them.

    Raises:
        Exception: one of `decoding_errors`; it cannot be opened.
    """
    with opened(path) as container:
        return frozenset(stream.type for stream in container.streams if not is_cover(stream))


def is_cover(stream: Any) -> bool:
    """Whether a stream of pictures is the one picture of a recording's cover, which is no film."""
    return bool(stream.disposition & ATTACHED_PICTURE)


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is what Git LFS keeps in the place of a large file that was not downloaded."""
    try:
        with path.open("rb") as file:
            return file.read(len(LFS_POINTER)) == LFS_POINTER
    except OSError:
        return False


def decoding_errors() -> tuple[type[BaseException], ...]:
    """What the decoders raise of a file; TypeError of .raw, which has no header."""
    import av.error

    return (OSError, RuntimeError, ValueError, TypeError, av.error.FFmpegError)


def reason_of(path: Path, error: BaseException, what: str) -> str:
    """Why the decoders failed on a file that should hold `what`, in one line."""
    import av.error

    if is_lfs_pointer(path):
        return f"it is a Git LFS pointer, not {what}: run `git lfs pull`"
    if not path.exists():  # of which libsndfile says no more than "System error"
        return "it does not exist"
    # Without FFmpeg's numbers and the names of its functions.
    reason = getattr(error, "strerror", None) or one_line(error)
    # What FFmpeg has for a beginning without an end reads as if the disk or the permissions were at fault.
    cut = (av.error.PermissionError, av.error.EOFError, av.error.OSError)
    return f"it is cut off or damaged: FFmpeg says {reason}" if type(error) in cut else reason

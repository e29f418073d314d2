"""The film of a manifest's row: its file, the seconds in it, and the half of the picture that shows the speaker."""

from collections.abc import Iterator
from pathlib import Path

from study.corpus.quoting import quoted
from study.corpus.readers.manifest_cells import seconds_of
from study.corpus.readers.manifest_row import Row
from study.corpus.utterance import LEFT, NO_VIDEO, RIGHT, WHOLE, Problem, Video

SPAN = ("video_start", "video_end")
CROPS = (WHOLE, LEFT, RIGHT)


def video_of(row: Row, folder: Path) -> Video:
    """The film of a row; `video_faults` reports what is wrong with it.

    Without a span of its own, a film that is also the file of the sound has the sound's span.
    """
    if not row["video"]:
        return NO_VIDEO
    is_sound = row["video"] == row["file_name"] and not any(row[name] for name in SPAN)
    start, end = (seconds_of(row[name]) for name in (("start", "end") if is_sound else SPAN))
    return Video(folder / row["video"], start, end, row["video_crop"] if row["video_crop"] in CROPS else WHOLE)


def video_faults(row: Row) -> Iterator[Problem]:
    """What is wrong with a row's cells about its film."""
    cells = (*SPAN, "video_crop")
    if not row["video"]:
        given = [name for name in cells if row[name]]
        if given:
            law = f"{given[0]} is of a film, and video is empty; name the film, or leave {given[0]} empty"
            yield Problem(row.where, law, True, "films")
        return
    for name in SPAN:
        if row[name] and seconds_of(row[name]) is None:
            law = f"{name} is in seconds, 0 or more, with a decimal point"
            yield Problem(row.where, f"{law}; found {quoted(row[name])}", True, "start and end")
    if bool(row["video_start"]) != bool(row["video_end"]):
        law = "video_start and video_end go together; fill in both, or neither if the film is the utterance"
        yield Problem(row.where, law, True, "start and end")
    start, end = (seconds_of(row[name]) for name in SPAN)
    if start is not None and end is not None and end <= start:
        law = "video_end must be later than video_start"
        found = f"found {row['video_start']} to {row['video_end']}"
        yield Problem(row.where, f"{law}; {found}", True, "start and end")
    if row["video_crop"] not in CROPS:
        # The other half shows somebody else, so a guess would give the listener's face.
        law = f"video_crop is {LEFT}, {RIGHT} or empty; found {quoted(row['video_crop'])}"
        yield Problem(row.where, law, True, "films")

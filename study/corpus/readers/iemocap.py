"""Reads an IEMOCAP release: labels, votes, words, speakers and sessions of its utterances."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from study.corpus.quoting import quoted
from study.corpus.readers.decoding import decoded
from study.corpus.readers.labelled_once import labelled_once
from study.corpus.utterance import LEFT, NO_VIDEO, RIGHT, Problem, Utterance, Video
from study.errors import UserError

RELEASE_FOLDER = "IEMOCAP_full_release"
SESSIONS = ("Session1", "Session2", "Session3", "Session4", "Session5")

# Label code -> class name. No preset holds the last four; `xxx` marks utterances without a majority of votes.
CODES = {
    "ang": "angry",
    "hap": "happy",
    "exc": "excited",
    "sad": "sad",
    "neu": "neutral",
    "fru": "frustrated",
    "sur": "surprise",
    "fea": "fear",
    "dis": "disgust",
    "oth": "other",
    "xxx": "undecided",
}
# Name of the category that an annotator chose -> class name.
VOTE_NAMES = {
    "anger": "angry",
    "happiness": "happy",
    "excited": "excited",
    "sadness": "sad",
    "neutral": "neutral",
    "frustration": "frustrated",
    "surprise": "surprise",
    "fear": "fear",
    "disgust": "disgust",
    "other": "other",
}

_ID = re.compile(r"Ses0([1-5])[FM]_(impro|script)\w*_([FM])\d{3}", re.ASCII)
_NEVER_LABELLED_ID = re.compile(r"Ses0[1-5][FM]_(impro|script)\w*_[FM]XX\d", re.ASCII)
_SPAN = re.compile(r"\[(\d+\.\d+) - (\d+\.\d+)\]", re.ASCII)
_TAG = re.compile(r"\[[A-Z]+\]")
_VOTE = re.compile(rf"\b({'|'.join(VOTE_NAMES)})\b", re.IGNORECASE)


@dataclass(frozen=True)
class _Turn:
    line: int
    text: str
    votes: tuple[str, ...]


def recognises(path: Path) -> bool:
    """Whether `path` holds Session1 ... Session5 (at least one of them), itself or in IEMOCAP_full_release."""
    return _release_in(path) is not None


def corpus_name(path: Path) -> str:
    """The name of the corpus, wherever it is."""
    return "IEMOCAP"


def scan(root: Path, allow_outside: bool = False) -> tuple[list[Utterance], list[Problem]]:
    """Every labelled utterance of a release, whatever its label, and every problem of the release.

    `root` is the release folder or the folder that holds it. A release names no files, so `allow_outside` has no
    effect. Labels are class names, with "fear", "disgust",
    "other" and "undecided" (no majority) beside the seven emotions. The speaker is the session's digit and the
    letter of the LAST field of the id: in `Ses01F_impro01_M003` F wore the motion capture markers and 1M speaks.
    Tags such as [LAUGHTER] are not words; an utterance with nothing else has the empty string as its words.

    Raises:
        UserError: the folder holds no Session1 ... Session5.
    """
    release = _release_in(root)
    if release is None:
        raise UserError(f"no IEMOCAP release at {root}: expected Session1 ... Session5")
    utterances: list[Utterance] = []
    problems: list[Problem] = []
    for session in SESSIONS:
        if not os.path.isdir(release / session):
            problems.append(Problem(str(release), f"there is no {session}; going on without it", False, "sessions"))
            continue
        found, faults = _scan_session(release / session)
        utterances += found
        problems += faults
    return utterances, problems


def _release_in(root: Path) -> Path | None:
    """The folder that holds Session1 ... Session5: `root`, or IEMOCAP_full_release inside it; None if neither does."""
    # Sessions are found by their own names: the path above them is not searched, since it may contain "Session".
    folders = (root, root / RELEASE_FOLDER)
    return next((f for f in folders if any(os.path.isdir(f / session) for session in SESSIONS)), None)


def clean_words(text: str) -> str:
    """The words of a transcription: without tags such as [LAUGHTER], with single spaces; may be empty."""
    return " ".join(_TAG.sub(" ", text).split())


def count_votes(lines: tuple[str, ...]) -> dict[str, int]:
    """How often the annotators chose each class, from the `C-E` lines of a turn.

    One annotator may choose several. The comment in brackets is not a choice, even if it names a category.
    """
    chosen: Counter[str] = Counter()
    for line in lines:
        choices = line.partition(":")[2].partition("(")[0]
        chosen.update({VOTE_NAMES[name.lower()] for name in _VOTE.findall(choices)})
    return dict(sorted(chosen.items()))


def _scan_session(session: Path) -> tuple[list[Utterance], list[Problem]]:
    dialogues, problems = _text_files(session / "dialog" / "EmoEvaluation")
    transcriptions = session / "dialog" / "transcriptions"
    found: list[Utterance | Problem] = []
    untranscribed: set[str] = set()
    for evaluation in dialogues:
        words, faults = _read_words(transcriptions / evaluation.name)
        problems += faults
        lines, fault = _lines(evaluation)
        problems += [*fault, *_stray_labels(evaluation, lines)]
        for turn in _turns(lines):
            where = f"{evaluation}:{turn.line}"
            read = _read_turn(turn, where, session, evaluation.stem, words)
            found.append(read)
            if isinstance(read, Utterance) and read.id not in words:
                untranscribed.add(where)
    utterances, faults = labelled_once(found, "lines")
    return utterances, [*problems, *faults, *_missing_words(u for u in utterances if u.where in untranscribed)]


def _missing_words(utterances: Iterable[Utterance]) -> Iterator[Problem]:
    for utterance in utterances:
        message = f"{utterance.id} has no transcription; its words are left empty"
        yield Problem(utterance.where, message, False, "missing transcriptions")


def _text_files(folder: Path) -> tuple[list[Path], list[Problem]]:
    try:
        # `._x.txt` is what macOS keeps beside x.txt: resource data, not text.
        files = sorted(p for p in folder.iterdir() if p.suffix == ".txt" and not p.name.startswith("._"))
    except OSError as error:
        return [], [Problem(str(folder), f"the label folder cannot be read: {error.strerror}", True, "folders")]
    if not files:
        return [], [Problem(str(folder), "there are no label files (*.txt) here", True, "folders")]
    return files, []


def _lines(path: Path) -> tuple[list[str], list[Problem]]:
    # Reading a pipe or a device could block or never end, so only a regular file is opened.
    if not os.path.isfile(path):
        return [], [Problem(str(path), "there is no such file", False, "text files")]
    try:
        data = path.read_bytes()
    except OSError as error:
        return [], [Problem(str(path), f"the file cannot be read: {error.strerror}", True, "text files")]
    text, problem = decoded(data, path)
    # Not splitlines(): it also splits at separators that occur inside texts.
    return text.split("\n"), problem


def _turns(lines: list[str]) -> Iterator[_Turn]:
    """The blocks of a label file: a line that starts with `[`, and the annotators' `C-E` lines that follow it."""
    start, text = 0, ""
    votes: list[str] = []
    for number, line in enumerate(lines, start=1):
        if line.startswith("["):
            if start:
                yield _Turn(start, text, tuple(votes))
            start, text, votes = number, line, []
        elif line.startswith("C-E"):
            votes.append(line)
    if start:
        yield _Turn(start, text, tuple(votes))


def _stray_labels(path: Path, lines: list[str]) -> list[Problem]:
    """Problems for lines that name an utterance but start no block: their labels would be lost silently."""
    return [
        Problem(f"{path}:{number}", f"expected `[` at the start; found {quoted(line)}", True, "malformed lines")
        for number, line in enumerate(lines, start=1)
        if "Ses0" in line and not line.startswith(("[", "%", "C-", "A-"))
    ]


def _read_turn(turn: _Turn, where: str, session: Path, dialogue: str, words: dict[str, str]) -> Utterance | Problem:
    fields = turn.text.split("\t")
    if len(fields) < 3:
        law = "expected [start - end], id, label and ratings with tabs between them"
        return Problem(where, f"{law}; found {quoted(turn.text)}", True, "malformed lines")
    id, code = fields[1].strip(), fields[2].strip()
    match = _ID.fullmatch(id)
    if not match:
        law = "expected an id such as Ses01F_impro01_M003"
        return Problem(where, f"{law}; found {quoted(id)}", True, "malformed lines")
    if id.rpartition("_")[0] != dialogue or f"Session{match[1]}" != session.name:
        law = f"expected ids of dialogue {dialogue} in {session.name}"
        return Problem(where, f"{law}; found {id}", True, "malformed lines")
    if code not in CODES:
        law = f"expected a label among {', '.join(CODES)}"
        return Problem(where, f"{law}; found {quoted(code)}", True, "malformed lines")
    return Utterance(
        id=id,
        audio=session / "sentences" / "wav" / dialogue / f"{id}.wav",
        words=words.get(id, ""),
        label=CODES[code],
        speaker=match[1] + match[3],
        group=session.name,
        script={"script": "scripted", "impro": "improvised"}[match[2]],
        votes=count_votes(turn.votes),
        video=_video(session, dialogue, fields[0], id),
        where=where,
    )


def _video(session: Path, dialogue: str, times: str, id: str) -> Video:
    """The utterance's part of the dialogue's film, and the half of the picture that shows its speaker.

    Both actors are side by side: the one with the markers, whose letter the dialogue bears, is on the left. Releases
    without the folder of films have none.
    """
    folder = session / "dialog" / "avi" / "DivX"
    span = _SPAN.fullmatch(times.strip())
    if span is None or not float(span[1]) < float(span[2]) or not os.path.isdir(folder):
        return NO_VIDEO
    is_marked = id[len("Ses01")] == id.rpartition("_")[2][0]
    return Video(folder / f"{dialogue}.avi", float(span[1]), float(span[2]), LEFT if is_marked else RIGHT)


def _read_words(path: Path) -> tuple[dict[str, str], list[Problem]]:
    """Words by utterance id, from lines such as `Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.`."""
    lines, problems = _lines(path)
    words: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        # Only the first colon ends the head: the words may hold others.
        head, colon, transcription = line.partition(":")
        id = head.partition(" ")[0].strip()
        if not line.strip() or id in ("F", "M") or _NEVER_LABELLED_ID.fullmatch(id):
            continue  # interjections without id, or with one that no label file uses
        if not colon or not _ID.fullmatch(id):
            message = f"expected `id [start-end]: words`; found {quoted(line)}; the line is not used"
            problems.append(Problem(f"{path}:{number}", message, False, "transcription lines"))
        elif words.setdefault(id, clean_words(transcription)) != clean_words(transcription):
            message = f"{id} is transcribed twice with different words; the first are used"
            problems.append(Problem(f"{path}:{number}", message, False, "transcription lines"))
    return words, problems

"""The class counts of the full IEMOCAP release."""

from study.corpus.known_counts import KnownCounts
from study.corpus.labels import EMOTIONS

# Utterances of each class, by session.
COUNTS: dict[str, dict[str, int]] = {
    session: dict(zip(EMOTIONS, row, strict=True))
    for session, row in {
        "Session1": (229, 135, 143, 194, 384, 280, 25),
        "Session2": (137, 117, 210, 197, 362, 325, 17),
        "Session3": (240, 135, 151, 305, 320, 382, 28),
        "Session4": (327, 65, 238, 143, 258, 481, 19),
        "Session5": (170, 143, 299, 245, 384, 381, 18),
    }.items()
}
KNOWN = KnownCounts(COUNTS, part=lambda utterance: utterance.group)

"""The names of the parts into which corpora divide themselves."""

# Name in this project -> how corpora write it, in lower case.
SPLITS: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "devel", "development"),
    "test": ("test", "testing", "evaluation", "eval"),
}


def standard_split(text: str) -> str:
    """The name in this project of a split that a corpus names, in any case; any other name as it is.

    So the test sets of a corpus that has several keep their names, and an empty text stays empty.
    """
    return next((split for split, names in SPLITS.items() if text.casefold() in names), text)

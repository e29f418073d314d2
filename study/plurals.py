"""Numbers with their nouns: "1 configuration", "16 configurations"."""


def counted(number: int, noun: str) -> str:
    """The number and its noun, in the plural unless it is one: "1 class", "7 classes", "10,039 utterances"."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"

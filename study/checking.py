"""The verb that looks at a corpus."""

from argparse import Namespace

from rich.console import Console

from study.corpus.check import check, render
from study.errors import FAILED, FINISHED


def check_corpus(parsed: Namespace, console: Console) -> int:
    """Show every problem of a corpus; the exit code is FAILED if one of them keeps a study from running."""
    found = check(parsed.corpus, parsed.labels, parsed.label_map, parsed.allow_outside_files)
    console.print(render(found, show_all=parsed.all), soft_wrap=True, highlight=False)
    return FAILED if found.fatal else FINISHED

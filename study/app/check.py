"""The verb that looks at a corpus."""

from rich.console import Console

from study.corpus.check import check, render
from study.corpus.options import CorpusOptions
from study.errors import FAILED, FINISHED


def check_corpus(options: CorpusOptions, show_all: bool, console: Console) -> int:
    """Show every problem of a corpus; the exit code is FAILED if one of them keeps a study from running."""
    found = check(options.corpus, options.labels, options.label_map, options.allow_outside_files)
    console.print(render(found, show_all=show_all), soft_wrap=True, highlight=False)
    return FAILED if found.fatal else FINISHED

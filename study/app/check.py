"""The verb that looks at a corpus."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.console import Console

from study.app.encoder_check import EncoderOptions, check_encoders
from study.app.extraction import modalities_of, variants_with
from study.app.output import print_line
from study.corpus.check import CheckReport, check
from study.corpus.check_view import render
from study.corpus.media import MEDIA
from study.corpus.options import CorpusOptions
from study.corpus.utterance import Problem
from study.errors import FAILED, FINISHED, UserError
from study.modalities import MODALITIES


def check_corpus(
    options: CorpusOptions, variants: Sequence[str], show_all: bool, encoders: EncoderOptions, console: Console
) -> int:
    """Show every problem of a corpus; the exit code is FAILED if one of them keeps a study from running.

    Of a study of `variants`, if there are any; else of a study that needs every file that the corpus names.
    What `encoders` would make of it is estimated where nothing else keeps a study from running.
    """
    media = modalities_of(variants) if variants else tuple(MEDIA)
    found = check(
        options.corpus, options.labels, options.label_map, options.allow_outside_files, media, options.skip_missing
    )
    found = replace(found, problems=(*found.problems, *_lacks(found, variants)))
    lines: list[str] = []
    if found.corpus is not None and not found.fatal:
        by_encoders = check_encoders(found.corpus, encoders, options.is_demo, console)
        found = replace(found, problems=(*found.problems, *by_encoders.problems))
        lines = by_encoders.lines
    console.print(render(found, show_all=show_all), soft_wrap=True, highlight=False)
    for line in lines:
        print_line(console, line)
    return FAILED if found.fatal else FINISHED


def _lacks(found: CheckReport, variants: Sequence[str]) -> Iterator[Problem]:
    """What the corpus lacks for the variants."""
    if found.corpus is None:
        return
    for name in modalities_of(variants):
        try:
            MODALITIES[name].require(found.corpus, variants_with(name, variants))
        except UserError as error:
            yield Problem(found.place, str(error), True, name)

"""The report of `ser-study check` as the terminal shows it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from study.corpus.check import CheckReport
from study.corpus.films import FilmSummary
from study.corpus.lengths import CONTEXT_SECONDS, CORE_SECONDS, WHOLE_SECONDS
from study.corpus.recordings import AudioSummary
from study.corpus.utterance import Corpus, Problem
from study.plurals import counted

SHOWN_OF_A_KIND = 20


def render(report: CheckReport, show_all: bool = False) -> RenderableType:
    """The report for a terminal; at most 20 problems of a kind and 40 groups unless `show_all`."""
    parts: list[RenderableType] = []
    if report.corpus:
        parts.append(_title(report.corpus))
        parts.append(_count_table(report, None if show_all else 2 * SHOWN_OF_A_KIND))
        parts += [Text(f"note: {note}") for note in report.corpus.notes]
    parts += [Text(line) for line in (*_audio_lines(report.audio), *_film_lines(report.films))]
    parts += _problem_lines(report.problems, None if show_all else SHOWN_OF_A_KIND)
    n_fatal = sum(problem.fatal for problem in report.problems)
    n_mild = len(report.problems) - n_fatal
    summary = f"problems to fix: {n_fatal:,}" if n_fatal else "no problem that stops a study"
    parts.append(Text(f"{report.place}: {summary}; remarks: {n_mild:,}", style="bold red" if n_fatal else "bold green"))
    return Group(*parts)


def _title(corpus: Corpus) -> Text:
    speakers = len({u.speaker for u in corpus.utterances})
    sizes = (len(corpus.utterances), "utterance"), (speakers, "speaker"), (len(corpus.groups()), "group")
    size = ", ".join(counted(*each) for each in (*sizes, (len(corpus.classes), "class")))
    return Text(f"{corpus.name}: {size}", style="bold")


def _count_table(report: CheckReport, most: int | None) -> Table:
    classes = report.corpus.classes if report.corpus else ()
    table = Table("group", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1))
    for name in (*classes, "all"):
        table.add_column(Text(name), justify="right")
    for group, row in list(report.counts.items())[:most]:
        table.add_row(Text(group), *(f"{row[name]:,}" for name in classes), f"{sum(row.values()):,}")
    if most is not None and len(report.counts) > most:
        table.add_row(f"... and {len(report.counts) - most} more", *("" for _ in classes), "")
    totals = [sum(row[name] for row in report.counts.values()) for name in classes]
    table.add_section()
    table.add_row("all", *(f"{n:,}" for n in totals), f"{sum(totals):,}", style="bold")
    return table


def _audio_lines(audio: AudioSummary) -> Iterator[str]:
    if audio.seconds:
        low, middle, high, top = np.quantile(audio.seconds, [0, 0.5, 0.95, 1])
        total = f"{sum(audio.seconds) / 3600:.2f} h" if sum(audio.seconds) >= 360 else f"{sum(audio.seconds):.1f} s"
        yield f"speech: {total}; seconds: shortest {low:.2f}, median {middle:.1f}, p95 {high:.1f}, longest {top:.1f}"
        long = [seconds for seconds in audio.seconds if seconds > WHOLE_SECONDS]
        if long:
            windows = f"{CORE_SECONDS:g} s with {CONTEXT_SECONDS:g} s of context on both sides"
            more = f"longer than {WHOLE_SECONDS:g} s: {counted(len(long), 'utterance')}"
            yield f"{more}, which pretrained speech encoders get in windows of {windows}"
        yield "sample rates: " + ", ".join(f"{rate:,} Hz ({counted(n, 'file')})" for rate, n in audio.rates_hz.items())
        yield "channels: " + ", ".join(f"{count} ({counted(n, 'file')})" for count, n in audio.channels.items())


def _film_lines(films: FilmSummary) -> Iterator[str]:
    if films.n_with:
        none = f", and {counted(films.n_without, 'utterance')} without" if films.n_without else ""
        yield f"films: of {counted(films.n_with, 'utterance')}{none}; {films.n_pictures:,} pictures of them are read"
    if films.sizes:
        sizes = (f"{width} x {height} ({counted(n, 'utterance')})" for (width, height), n in films.sizes.items())
        yield f"sizes of pictures: {', '.join(sizes)}"


def _problem_lines(problems: Sequence[Problem], most: int | None) -> Iterator[Text]:
    kinds: dict[tuple[bool, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        kinds[not problem.fatal, problem.kind].append(problem)
    for (mild, kind), members in sorted(kinds.items()):
        heading = f"{'remark' if mild else 'PROBLEM'}: {kind} ({len(members):,})"
        yield Text(heading, style="yellow" if mild else "red")
        for problem in members[:most]:
            yield Text(f"  {problem}")
        if most is not None and len(members) > most:
            yield Text(f"  ... and {len(members) - most:,} more; --all shows them")

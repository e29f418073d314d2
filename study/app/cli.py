"""The command line: arguments to settings to one call; every mistake of the user's becomes one line."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from study import process
from study.app.options import (
    add_feature_options,
    add_options,
    add_study_options,
    described_samplers,
    group_of,
    settings_of,
)
from study.app.settings import MachineOptions, VariantOptions
from study.corpus.options import CorpusOptions
from study.corpus.readers.table import descriptions
from study.errors import FAILED, INTERRUPTED, WRONG_USAGE, UserError
from study.files import StorageFull, is_full, storage_full

if TYPE_CHECKING:
    from rich.console import Console

RUN_EXAMPLES = """\
examples:
  python study/run.py --variant cross
      tune cross-attention fusion on the embedded demo corpus (a few minutes on two cores)
  python study/run.py --variant self,cross --corpus IEMOCAP_full_release --labels 7
      tune both fusions on IEMOCAP, features by WavLM and BERT
  python study/run.py --variant cross --corpus my/manifest.csv --audio-encoder logmel --text-encoder hash
      your own corpus, with features that need no download

The same command run again goes on where the study was interrupted, or shows the result of a finished one.
exit codes: 0 finished, 1 failed, 2 wrong usage, 130 interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb that `arguments` (by default the process's) name, and return the exit code."""
    # Heavy imports wait until the arguments are known to be sound, so that --help and mistakes answer at once.
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    from rich.console import Console

    from study.app.output import print_line

    console = Console()
    try:
        parsed = parsed_arguments(arguments)
        process.raise_on_interrupt()
        return _dispatch(parsed, arguments, console)
    except StorageFull as full:
        return _paused(full)
    except OSError as error:
        if not is_full(error):
            raise
        return _paused(storage_full(error.filename or "a file", error))
    except UserError as error:
        _print_error(str(error))
        return WRONG_USAGE
    except KeyboardInterrupt:
        process.end_at_next_interrupt(INTERRUPTED)
        print_line(console, process.go_on_message())
        return INTERRUPTED


class Parser(argparse.ArgumentParser):
    """Reports a mistake in one line, as all others, and takes no option for another that begins like it."""

    def __init__(self, **options: Any) -> None:
        """A parser with the `options` of argparse."""
        super().__init__(**{**options, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        """Raise it.

        Raises:
            UserError: always.
        """
        raise UserError(f"{message}; see `{self.prog} --help`")


def parsed_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments by name.

    Raises:
        UserError: one of them is not known; the line names the nearest option of the verb.
    """
    top = parser()
    parsed, unknown = top.parse_known_args(arguments)
    if unknown:
        (verbs,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
        flags = [flag for action in verbs.choices[parsed.verb]._actions for flag in action.option_strings]
        near = difflib.get_close_matches(unknown[0].partition("=")[0], flags, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(f"unknown argument {unknown[0]!r}{hint}; see `ser-study {parsed.verb} --help`")
    return parsed


def parser() -> argparse.ArgumentParser:
    """The verbs and their options."""
    top = Parser(
        prog="ser-study", description="Honest hyperparameter studies of multimodal speech emotion recognition."
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    run = verbs.add_parser(
        "run",
        help="tune one or more variants under cross-validation",
        description="Tune fusion variants under speaker-independent cross-validation and report honestly.",
        epilog=f"{described_samplers()}\n{RUN_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_study_options(run)
    features = verbs.add_parser("features", help="extract the features that `run` with the same options would use")
    add_feature_options(features)
    check = verbs.add_parser("check", help="report every problem of a corpus, with file and row")
    check.add_argument("corpus", nargs="?", help=f"{descriptions()}; left out: the demo corpus")
    check.add_argument("--all", action="store_true", help="list every problem, however many of a kind there are")
    add_options(check, CorpusOptions, only=("labels", "label_map", "allow_outside_files", "skip_missing"))
    check.add_argument("--variant", dest="variants", metavar="NAMES", help="check for a study of these (of all)")
    report = verbs.add_parser("report", help="compute a study's report anew from its ledger and predictions")
    explain = verbs.add_parser("explain", help="explain why configurations of a study went on or stopped")
    for verb in (report, explain):
        verb.add_argument("study", metavar="name", help="the study's name, a folder in OUTPUT/studies")
        add_options(verb, MachineOptions, only=("output",))
    explain.add_argument("--variant", help="of which variant (all)")
    explain.add_argument("--config", type=int, metavar="N", help="the history of configuration N (all, a line each)")
    return top


def _dispatch(parsed: argparse.Namespace, arguments: list[str], console: Console) -> int:
    match parsed.verb:
        case "run" | "features":
            settings = settings_of(parsed)
            if parsed.verb == "features":
                from study.app.extraction import extract

                return extract(settings, console)
            from study.app import run

            if run.needs_remote_driver(settings):
                return run.run_remotely(settings, arguments, console)
            return run.run(settings, console)
        case "check":
            from study.app.check import check_corpus

            variants = group_of(VariantOptions, parsed).variants if parsed.variants else ()
            return check_corpus(group_of(CorpusOptions, parsed), variants, parsed.all, console)
        case _:
            from study.app import inspect

            output = group_of(MachineOptions, parsed).output
            if parsed.verb == "explain":
                return inspect.explain_study(parsed.study, output, parsed.variant, parsed.config, console)
            return inspect.report_again(parsed.study, output, console)


def _paused(full: StorageFull) -> int:
    _print_error(f"{full}\nthen go on with:\n  {process.typed_command()}")
    return FAILED


def _print_error(text: str) -> None:
    from rich.console import Console

    from study.app.output import print_line

    print_line(Console(stderr=True), f"error: {text}", style="red")

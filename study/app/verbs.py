"""The table of verbs: how each is called, its options, and what it does.

Options and deeds are functions that import when they are called: a verb waits for nothing that only others need.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from study.app import epilogs
from study.app.corpus_verbs import CORPUS_VERBS
from study.app.model_verbs import MODEL_VERBS
from study.app.parsing import add_options, given_of, group_of
from study.app.place import ConfigOptions, PlaceOptions, PrintOptions
from study.app.verb import STUDY_NAME, Verb

if TYPE_CHECKING:
    from rich.console import Console

SHELLS = ("bash", "zsh", "fish")


def _add_run(parser: argparse.ArgumentParser) -> None:
    from study.app.options import add_print_options, add_study_options, described_losses, described_samplers

    add_study_options(parser)
    add_print_options(parser)
    parser.epilog = f"{described_samplers()}\n{described_losses()}\n{epilogs.RUN}"


def _run(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.options import settings_of, typed_options
    from study.app.printing import printed
    from study.execution.address import is_client_address

    _read_config(parsed)
    settings = settings_of(parsed)
    with printed(group_of(PrintOptions, parsed), console) as console:
        from study.app import machines, run

        if is_client_address(settings.machines.address):
            return machines.run_remotely("run", typed_options(parsed), settings.machines, console)
        return run.run(settings, console)


def _add_features(parser: argparse.ArgumentParser) -> None:
    from study.app.export import ExportOptions
    from study.app.options import add_feature_options

    add_feature_options(parser)
    add_options(parser, ExportOptions)


def _features(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.export import ExportOptions
    from study.app.features import extract
    from study.app.options import settings_of, typed_options
    from study.execution.address import is_client_address

    _read_config(parsed)
    settings = settings_of(parsed)
    if is_client_address(settings.machines.address):
        from study.app.machines import run_remotely

        return run_remotely("features", typed_options(parsed, ExportOptions), settings.machines, console)
    return extract(settings, group_of(ExportOptions, parsed), console)


def _add_check(parser: argparse.ArgumentParser) -> None:
    from study.corpus.options import CorpusOptions
    from study.corpus.readers.table import IN_SHORT
    from study.features.options import FeatureOptions
    from study.record.terms import Terms

    parser.add_argument("corpus", nargs="?", help=f"{IN_SHORT}; left out: the demo corpus")
    parser.add_argument("--all", action="store_true", help="list every problem, however many of a kind there are")
    add_options(
        parser,
        CorpusOptions,
        only=("labels", "label_map", "allow_outside_files", "skip_missing", "allow_shared_speakers"),
    )
    parser.add_argument("--variant", dest="variants", metavar="NAMES", help="check for a study of these (of all)")
    add_options(parser, Terms, only=("losses", "pairs", "protocol", "folds"))
    about = "say what these encoders would make of the corpus: frames, disk, and time by a sample; nothing is extracted"
    group = parser.add_argument_group("features", about)
    add_options(group, FeatureOptions)
    add_options(group, PlaceOptions)


def _check(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.check import check_corpus
    from study.app.division import holding_out_of
    from study.app.encoder_check import encoders_of
    from study.app.settings import VariantOptions
    from study.corpus.options import CorpusOptions
    from study.record.terms import Terms

    variants = group_of(VariantOptions, parsed).variants if parsed.variants else ()
    options, given = group_of(CorpusOptions, parsed), given_of(Terms, parsed)
    losses, pairs, holding_out = given.get("losses", ()), given.get("pairs", ()), holding_out_of(given)
    return check_corpus(options, variants, losses, pairs, holding_out, parsed.all, encoders_of(parsed), console)


def _add_list(parser: argparse.ArgumentParser) -> None:
    add_options(parser, PlaceOptions)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, for programs")


def _list(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.catalogue import list_studies

    return list_studies(group_of(PlaceOptions, parsed).output, parsed.json, console)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="name", help=STUDY_NAME)
    add_options(parser, PlaceOptions)


def _report(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.inspect import report_again

    return report_again(parsed.study, group_of(PlaceOptions, parsed).output, console)


def _add_explain(parser: argparse.ArgumentParser) -> None:
    _add_report(parser)
    parser.add_argument("--variant", help="of which variant (all)")
    parser.add_argument("--config", type=int, metavar="N", help="the history of configuration N (all, a line each)")


def _explain(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.inspect import explain_study

    output = group_of(PlaceOptions, parsed).output
    return explain_study(parsed.study, output, parsed.variant, parsed.config, console)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="first", help=STUDY_NAME)
    parser.add_argument("other", metavar="second", help="that of another, on the same corpus, classes and folds")
    add_options(parser, PlaceOptions)


def _compare(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.compare import compare_studies

    return compare_studies(parsed.study, parsed.other, group_of(PlaceOptions, parsed).output, console)


def _add_clean(parser: argparse.ArgumentParser) -> None:
    add_options(parser, PlaceOptions)
    weights = "also the trained weights of the selected configurations of finished studies; their reports stay"
    parser.add_argument("--weights", action="store_true", help=weights)
    parser.add_argument("--yes", action="store_true", help="remove without asking")


def _clean(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.clean import clean

    return clean(group_of(PlaceOptions, parsed).output, parsed.weights, parsed.yes, console)


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="of which shell")


def _completion(parsed: argparse.Namespace, arguments: Sequence[str], console: Console) -> int:
    from study.app.completion import script

    console.file.write(script(parsed.whole_parser(), parsed.shell))
    return 0


def _read_config(parsed: argparse.Namespace) -> None:
    """Give the options that were not typed the values of the config file, where one is named."""
    from study.app.config_file import add_from_file
    from study.app.options import EVERY_OPTION

    if (path := group_of(ConfigOptions, parsed).config) is not None:
        add_from_file(parsed, path, EVERY_OPTION)


VERBS: dict[str, Verb] = {
    "run": Verb("tune one or more variants under speaker-independent cross-validation", _add_run, _run),
    "features": Verb(
        "extract the features that `run` with the same options would use", _add_features, _features, epilogs.FEATURES
    ),
    "check": Verb("report every problem of a corpus, with file and row", _add_check, _check, epilogs.CHECK),
    "list": Verb("list the studies: state, configurations, best score, age and disk", _add_list, _list, epilogs.LIST),
    "report": Verb(
        "compute a study's report anew from its ledger and predictions", _add_report, _report, epilogs.REPORT
    ),
    "explain": Verb(
        "explain why configurations of a study went on or stopped", _add_explain, _explain, epilogs.EXPLAIN
    ),
    "compare": Verb("compare two studies on the same corpus and folds", _add_compare, _compare, epilogs.COMPARE),
    **MODEL_VERBS,
    **CORPUS_VERBS,
    "clean": Verb("remove features and checkpoints that no study needs", _add_clean, _clean, epilogs.CLEAN),
    "completion": Verb(
        "print a script with which a shell completes verbs, options and studies",
        _add_completion,
        _completion,
        epilogs.COMPLETION,
    ),
}

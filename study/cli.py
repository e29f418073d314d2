"""The command line: arguments to settings to one call; every error of the user's becomes one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from study import interrupts
from study.errors import FAILED, INTERRUPTED, WRONG_USAGE, UserError
from study.settings import ENCODER_DTYPES, POLICIES, PROTOCOLS, SAMPLERS, from_arguments
from study.storage import StorageFull, is_full, no_room
from study.variants import VARIANTS

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
    """Run the verb that `arguments` (by default the process's) name; gives the exit code."""
    # Heavy imports wait until the arguments are known to be sound, so that --help and mistakes answer at once.
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parsed = _parser().parse_args(arguments)
    from rich.console import Console

    console = Console()
    try:
        return _dispatch(parsed, arguments, console, interrupts.typed_command())
    except StorageFull as full:
        return _paused(full)
    except OSError as error:
        if not is_full(error):
            raise
        return _paused(no_room(error.filename or "a file", error))
    except UserError as error:
        Console(stderr=True).print(f"error: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        return WRONG_USAGE
    except KeyboardInterrupt:
        console.print(interrupts.farewell(), highlight=False, soft_wrap=True)
        return INTERRUPTED


def _paused(full: StorageFull) -> int:
    from rich.console import Console

    told = f"error: {full}\nthen go on with:\n  {interrupts.typed_command()}"
    Console(stderr=True).print(told, style="red", highlight=False, markup=False, soft_wrap=True)
    return FAILED


def _dispatch(parsed: argparse.Namespace, arguments: list[str], console: Console, typed: str) -> int:
    interrupts.listen()
    match parsed.verb:
        case "run" | "features":
            settings = from_arguments(parsed)
            from study import commands

            if parsed.verb == "features":
                return commands.extract(settings, console)
            if commands.needs_a_driver_elsewhere(settings):
                return commands.run_elsewhere(settings, arguments, console, typed)
            return commands.run(settings, console, typed)
        case "check":
            from study.checking import check_corpus

            return check_corpus(parsed, console)
        case _:
            from study import inspection

            if parsed.verb == "explain":
                return inspection.explain_study(parsed.name, parsed.output, parsed.variant, parsed.config, console)
            return inspection.report_again(parsed.name, parsed.output, console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ser-study", description="Honest hyperparameter studies of multimodal speech emotion recognition."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    run = verbs.add_parser(
        "run",
        help="tune one or more variants under cross-validation",
        description="Tune fusion variants under speaker-independent cross-validation and report honestly.",
        epilog=RUN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_study_options(run)
    features = verbs.add_parser("features", help="extract the features that `run` with the same options would use")
    _add_study_options(features)
    check = verbs.add_parser("check", help="report every problem of a corpus, with file and row")
    check.add_argument("corpus", nargs="?", help="IEMOCAP folder or manifest; left out: the demo corpus")
    check.add_argument("--all", action="store_true", help="list every problem, however many of a kind there are")
    _add_corpus_options(check)
    report = verbs.add_parser("report", help="compute a study's report anew from its ledger and predictions")
    report.add_argument("name", help="the study's name, a folder in OUTPUT/studies")
    _add_output(report)
    explain = verbs.add_parser("explain", help="tell why configurations of a study went on or stopped")
    explain.add_argument("name", help="the study's name, a folder in OUTPUT/studies")
    explain.add_argument("--variant", help="of which variant (all)")
    explain.add_argument("--config", type=int, metavar="N", help="the whole life of configuration N (all, a line each)")
    _add_output(explain)
    return parser


def _add_study_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what is studied")
    what.add_argument(
        "--variant", default="cross", metavar="NAMES", help=f"all, or of {', '.join(VARIANTS)}, with commas (cross)"
    )
    what.add_argument("--corpus", metavar="PATH", help="IEMOCAP release folder, or manifest .csv/.jsonl (demo)")
    _add_corpus_options(what)
    what.add_argument("--metric", default="uwa", help="selects on validation: wa, uwa, wf1 or uwf1 (uwa)")
    budget = parser.add_argument_group("how much")
    budget.add_argument(
        "--configs",
        type=int,
        metavar="N",
        help="configurations per variant (40; demo 16, of three variants and more 8)",
    )
    budget.add_argument("--epochs", type=int, metavar="N", help="epochs per fold run, at most 50 (50; demo 12)")
    budget.add_argument(
        "--finalists", type=int, metavar="N", help="best configurations that run again with fresh seeds (3; demo 1)"
    )
    budget.add_argument("--seeds", type=int, metavar="N", help="fresh seeds for each of them; 0: none (3; demo 1)")
    budget.add_argument(
        "--budget",
        metavar="TIME",
        help="wall clock for the whole study, such as 45m or 2h, in equal parts for its variants (none)",
    )
    budget.add_argument("--gpu-hours", type=float, metavar="X", help="the same in hours of GPU (none)")
    budget.add_argument(
        "--dry-run",
        action="store_true",
        help="say what the study would train and cost from its start, by the time of an epoch; only features are kept",
    )
    budget.add_argument(
        "--policy",
        choices=list(POLICIES),
        help="race: promote what is expected to end best; asha: halve in order; full: stop nobody (race; nested asha)",
    )
    budget.add_argument(
        "--sampler",
        choices=SAMPLERS,
        help="proposes configurations: gp learns from unfinished ones too, tpe, random, qmc (gp; nested qmc)",
    )
    budget.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default="shared",
        help="shared: one choice, which has seen every session as validation; nested: a choice for every test session "
        "from runs that never saw it, at twice the cost (shared)",
    )
    budget.add_argument(
        "--warm-start", metavar="NAME", help="let the sampler know what an earlier study in OUTPUT found"
    )
    budget.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (0)")
    features = parser.add_argument_group("features")
    features.add_argument(
        "--audio-encoder", metavar="ID", help="hub id, local folder, or logmel (microsoft/wavlm-base-plus; demo logmel)"
    )
    features.add_argument("--audio-layer", default="last", metavar="L", help="a number, last, or mean:a-b (last)")
    features.add_argument(
        "--frame-rate",
        metavar="HZ",
        help="50, 25 or 12.5 audio frames per second, by averaging; several with commas: searched (the encoder's own)",
    )
    features.add_argument(
        "--text-encoder", metavar="ID", help="hub id, local folder, or hash (bert-base-uncased; demo hash)"
    )
    features.add_argument(
        "--encoder-dtype",
        choices=ENCODER_DTYPES,
        default="float32",
        help="bfloat16: twice as fast where the processor has it, other features by a hundredth (float32)",
    )
    features.add_argument("--trust-remote-code", action="store_true", help="let a hub model run code of its own")
    where = parser.add_argument_group("where")
    where.add_argument("--name", help="the study's name (from corpus and variants)")
    _add_output(where)
    where.add_argument("--fresh", action="store_true", help="forget what this study has done and start over")
    where.add_argument("--concurrency", type=int, metavar="N", help="fold runs at once (all cores, or all GPU shares)")
    where.add_argument(
        "--gpus-per-run", type=float, metavar="X", help="GPUs per fold run, fractions allowed (1 if any)"
    )
    where.add_argument(
        "--epoch-timeout",
        metavar="TIME",
        help="an epoch that takes longer hangs: its run is ended and tried once more (30m)",
    )
    where.add_argument(
        "--address", metavar="ADDR", help="a running Ray cluster: auto or ray://host:port (this machine)"
    )
    where.add_argument("--tracking-uri", metavar="URI", help="an MLflow server (a database in OUTPUT)")


def _add_corpus_options(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--labels", metavar="SET", choices=["7", "6", "5", "4"], help="label preset: 7, 6, 5 or 4 classes"
    )
    parser.add_argument("--label-map", type=Path, metavar="JSON", help="maps a manifest's labels to classes")
    parser.add_argument(
        "--allow-outside-files", action="store_true", help="let a manifest name files outside its folder"
    )


def _add_output(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("mlruns"),
        metavar="DIR",
        help="database, artifacts, features, studies (mlruns)",
    )

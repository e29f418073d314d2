"""The terms of a study: what it was asked to do, each declared once.

From a field follow its option and help on the command line, its place in `plan.json`, whether a study that goes on
may change it, and its line in the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces.losses import LOSS_PARTS, LOSSES_LAW, are_losses, losses_of
from search_spaces.modality_dropout import MOST_DROPOUT, are_dropouts, dropouts_of
from study.corpus.folds import SPEAKER
from study.corpus.pairs import are_pairs, pairs_named
from study.option import NAME_BYTES, duration, is_name, option
from study.record.epoch_rule import EPOCH_RULES
from study.training.metrics import METRICS

MAX_EPOCHS = 50
# Terms that came after the first plans. A plan has them where they are given, so that the others keep their digest.
LATER = ("losses", "folds", "modality_dropout", "pairs")
TIME = "a time such as 45m, 2h or 1h30m"
NAME = f"letters, digits, '-', '_', '.' and '+', not starting with '.', at most {NAME_BYTES} bytes"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a study was asked to do; see `ser-study run --help` for the meaning of each.

    `eta`: one in eta configurations goes on from a stage to the next. `wall_seconds` and `gpu_hours` limit the whole
    study; `warm_start` names an earlier one. Fields without a default depend on the corpus and the protocol.
    """

    n_configs: int = option(
        "--configs",
        "configurations per variant (40; demo 16, of three variants and more 8)",
        metavar="N",
        read=int,
        law="a whole number, at least 1",
        holds=lambda n: n >= 1,
        change="grows",
    )
    epochs: int = option(
        "--epochs",
        f"epochs per fold run, at most {MAX_EPOCHS} (50; demo 12)",
        metavar="N",
        read=int,
        law=f"a whole number, 1 to {MAX_EPOCHS}",
        holds=lambda n: 1 <= n <= MAX_EPOCHS,
        change="never",
    )
    finalists: int = option(
        "--finalists",
        "best configurations that are trained again with new seeds (3; demo 1)",
        default=0,
        metavar="N",
        read=int,
        law="a whole number, at least 1",
        holds=lambda n: n >= 1,
        change="grows",
    )
    seeds: int = option(
        "--seeds",
        "new seeds for each finalist; 0: none, and the search's own scores are reported (3; split 5; demo 1)",
        default=0,
        metavar="N",
        read=int,
        law="a whole number, 0 (no confirmation) or more",
        holds=lambda n: n >= 0,
        change="grows",
    )
    n_searches: int = option(
        "--searches",
        "whole searches per variant, each with random numbers of its own; comparisons test on them from 3 on (1)",
        default=1,
        metavar="N",
        read=int,
        law="a whole number, at least 1",
        holds=lambda n: n >= 1,
        change="grows",
    )
    wall_seconds: float | None = option(
        "--budget",
        "wall clock for the whole study, such as 45m or 2h, in equal parts for its variants (none)",
        default=None,
        metavar="TIME",
        read=duration,
        law=TIME,
        change="grows",
    )
    gpu_hours: float | None = option(
        "--gpu-hours",
        "hours of GPU for the whole study, in equal parts for its variants (none)",
        default=None,
        metavar="X",
        read=float,
        law="more than 0",
        holds=lambda x: x > 0,
        change="grows",
    )
    policy: str = option(
        "--policy",
        "race: promote by predicted final score; asha: halve in order; full: stop none (race; nested asha)",
        default="race",
        metavar="NAME",
        table="policies",
        change="never",
    )
    sampler: str = option(
        "--sampler",
        "what proposes configurations; gp learns from unfinished ones too (tpe; nested qmc)",
        default="tpe",
        metavar="NAME",
        table="samplers",
        change="never",
    )
    protocol: str = option(
        "--protocol",
        "shared: one choice, for which every session has served as validation; nested: a choice for every test session "
        "from runs that never saw it, at twice the cost; split: the one division in the corpus's column split (shared)",
        default="shared",
        metavar="NAME",
        table="protocols",
        change="never",
    )
    folds: int | str | None = option(
        "--folds",
        "how many blocks of groups are tested in turn, or speaker: every speaker by itself, while the other one of its "
        "group validates (one for each group, at most 5)",
        default=None,
        metavar="K",
        read=lambda text: text if text == SPEAKER else int(text),
        law=f"a whole number, at least 3, or {SPEAKER}",
        holds=lambda k: k == SPEAKER or (isinstance(k, int) and k >= 3),
        change="never",
    )
    warm_start: str | None = option(
        "--warm-start",
        "let the sampler know what an earlier study in OUTPUT found",
        default=None,
        metavar="NAME",
        law=NAME,
        holds=is_name,
    )
    metric: str = option(
        "--metric",
        f"selects on validation: {', '.join(METRICS).lower()} (uwa)",
        default="UWA",
        metavar="NAME",
        read=str.upper,
        law=f"one of {', '.join(METRICS).lower()}",
        holds=lambda name: name in METRICS,
        change="never",
    )
    losses: tuple[str, ...] = option(
        "--losses",
        f"what training minimises: {', '.join(LOSS_PARTS)}; parts joined by +; several with commas: searched, "
        "configuration 0 has the first (ce)",
        default=(),
        metavar="NAMES",
        read=losses_of,
        law=LOSSES_LAW,
        holds=are_losses,
        change="never",
    )
    pairs: tuple[str, ...] = option(
        "--pairs",
        "classes that are often confused, as one/other,...; losses read them and the report shows them "
        "(angry/frustrated,happy/excited)",
        default=(),
        metavar="PAIRS",
        read=pairs_named,
        law="pairs of classes as one/other, several with commas, and no class in two of them",
        holds=are_pairs,
        change="never",
    )
    modality_dropout: tuple[str, ...] = option(
        "--modality-dropout",
        "probability, 0 to .5, that an utterance loses a modality in training, so that models predict without words or "
        "speech; several with commas: searched, configuration 0 has the first (0)",
        default=(),
        metavar="P",
        read=dropouts_of,
        law=f"numbers from 0 to {MOST_DROPOUT}, several with commas",
        holds=are_dropouts,
        change="never",
    )
    epoch_rule: str = option(
        "--epoch-rule",
        "; ".join(f"{name}: {rule.words}" for name, rule in EPOCH_RULES.items()) + " (shared)",
        default="shared",
        metavar="RULE",
        table="epoch rules",
        change="never",
    )
    seed: int = option(
        "--seed",
        "the seed of all random numbers (0)",
        default=0,
        metavar="N",
        read=int,
        law="a whole number, 0 or more",
        holds=lambda n: n >= 0,
        change="never",
    )
    round_size: int = option(
        "--round-size",
        "decide in rounds of N runs, so that one seed gives one study with any number of workers; best the number of "
        "workers; 0: decide as runs report (0)",
        default=0,
        metavar="N",
        read=int,
        law="a whole number, 0 (no rounds) or more",
        holds=lambda n: n >= 0,
        change="never",
    )
    eta: int = 3

    def kept(self) -> dict[str, Any]:
        """The terms as a plan has them: those of `LATER` only where they are given."""
        return {name: value for name, value in vars(self).items() if name not in LATER or value != getattr(Terms, name)}

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> Terms:
        """The terms whose `kept` a plan has.

        Raises:
            TypeError: one is missing, or none of them.
        """
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) and getattr(Terms, name, None) == () else value
            for name, value in found.items()
        }
        return Terms(**values)


def geometric_rungs(epochs: int, eta: int = 3, n_rungs: int = 2) -> tuple[int, ...]:
    """Epochs E/eta^n, ..., E/eta, rounded, without repeats, below E: where configurations are compared.

    None is before epoch 2: the first epoch is the learning rate's warm-up and predicts little of what follows.
    """
    candidates = (max(2, round(epochs / eta**i)) for i in range(1, n_rungs + 1))
    return tuple(sorted({rung for rung in candidates if rung < epochs}))

"""What a study is, fixed before its first epoch: `plan.json`, beside the ledger."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from search_spaces.losses import LOSS, need_votes
from search_spaces.modality_dropout import MODALITY_DROPOUT
from study.corpus.pairs import confused_pairs
from study.errors import UserError
from study.features.inputs import input_of
from study.features.spec import FeatureChoice
from study.files import write_file
from study.option import options_of
from study.record.events import StudyBegun
from study.record.folder import StudyFolder
from study.record.terms import Terms, geometric_rungs

# Terms of which a study that goes on may be given a larger value.
GROWING = tuple(name for name, option in options_of(Terms).items() if option.change == "grows")


@dataclass(frozen=True)
class Plan:
    """Everything a worker, a report or a later continuation of the study has to know.

    `corpus` describes it (name, digest, utterances, counts by class and by group); `folds` are as
    `study.corpus.folds.Fold`; `features` are the packs that each modality's frames may come from, that of configuration
    0 first; `utterances` has id, label, group, speaker, script and a key of the words of every utterance, its home
    where groups are not those of the corpus, its votes where a loss reads them, and the modalities that are `missing`
    in it, if any. `lookahead` and `seconds` follow
    from the number of slots: how many configurations are open at once, and what the limits leave each variant, in
    worker seconds. `prior` is what the sampler was given of an earlier study. `environment` (versions, revision) is for
    readers and may differ on continuation.
    """

    name: str
    corpus: dict[str, Any]
    classes: list[str]
    folds: list[dict[str, Any]]
    features: dict[str, list[FeatureChoice]]
    utterances: list[dict[str, Any]]
    variants: list[str]
    terms: Terms
    environment: dict[str, str]
    lookahead: int = 0
    seconds: float | None = None
    prior: dict[str, Any] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """What selects on validation."""
        return self.terms.metric

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which configurations are compared."""
        return geometric_rungs(self.terms.epochs, self.terms.eta)

    def labels(self) -> dict[str, tuple[str, ...]]:
        """The labels of each modality's features, that of configuration 0 first."""
        return {modality: tuple(choice.label for choice in choices) for modality, choices in self.features.items()}

    def choices(self) -> dict[str, tuple[str, ...]]:
        """What a variant chooses from (`Variant.choosing`): labels of features, and what is given of the recipe."""
        of_recipe = {LOSS: self.terms.losses, MODALITY_DROPOUT: self.terms.modality_dropout}
        return {**self.labels(), **{name: given for name, given in of_recipe.items() if given}}

    def votes(self) -> dict[str, list[float]] | None:
        """The shares of each class among the votes of every utterance that has votes; None where they are not used."""
        if not need_votes(self.terms.losses):
            return None
        counts = {each["id"]: [each["votes"].get(name, 0) for name in self.classes] for each in self.utterances}
        return {id: [n / sum(own) for n in own] for id, own in counts.items() if sum(own)}

    def missing(self) -> dict[str, set[str]]:
        """By modality, the ids of the utterances that are marked as without frames of it."""
        found: dict[str, set[str]] = {}
        for utterance in self.utterances:
            for modality in utterance.get("missing", ()):
                found.setdefault(modality, set()).add(utterance["id"])
        return found

    def marking(self, missing: Mapping[str, Collection[str]]) -> Plan:
        """The plan in which these utterances, ids by modality, are marked as without frames of it, and no others."""

        def marked(utterance: dict[str, Any]) -> dict[str, Any]:
            lacking = [modality for modality, ids in missing.items() if utterance["id"] in ids]
            known = {name: value for name, value in utterance.items() if name != "missing"}
            return {**known, "missing": lacking} if lacking else known

        return replace(self, utterances=[marked(utterance) for utterance in self.utterances])

    def missing_in(self, streams: Iterable[str]) -> dict[str, set[str]]:
        """By stream, the ids of the utterances without frames of its modality."""
        found = self.missing()
        return {name: found.get(input_of(name).modality, set()) for name in streams}

    def confused_pairs(self) -> list[tuple[int, int]]:
        """The classes that are often confused, by the study's terms or in general, as places among the classes."""
        pairs = confused_pairs(self.classes, self.terms.pairs)
        return [(self.classes.index(one), self.classes.index(other)) for one, other in pairs]

    @property
    def encoders(self) -> dict[str, str]:
        """By modality, the labels of its features in one text, for readers."""
        return {modality: " | ".join(labels) for modality, labels in self.labels().items()}

    def pack(self, modality: str, label: str | None = None) -> str:
        """The path of the pack with a modality's features of this label; without one, of configuration 0.

        Raises:
            KeyError: the study has no such features.
        """
        paths = {choice.label: choice.path for choice in self.features[modality]}
        return paths[label if label is not None else next(iter(paths))]

    def write(self, folder: StudyFolder) -> None:
        """Write `plan.json` into the study's folder, in one step."""
        write_file(folder.plan, json.dumps(self.to_json(), indent=1, ensure_ascii=False))

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values."""
        return {**asdict(self), "terms": self.terms.kept()}

    @staticmethod
    def read(folder: StudyFolder) -> Plan:
        """The plan of the study in `folder`; packs are found again in an output folder that was moved or copied.

        Raises:
            UserError: there is none, or it is not one.
        """
        try:
            found = json.loads(folder.plan.read_text(encoding="utf-8"))
            features = {
                modality: [FeatureChoice.from_json(choice).found_in(folder.features) for choice in choices]
                for modality, choices in found["features"].items()
            }
            return Plan(**{**found, "terms": Terms.from_json(found["terms"]), "features": features})
        except FileNotFoundError:
            raise UserError(f"no study at {folder.path}: a study's folder holds a plan.json") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise UserError(
                f"a study needs the plan that it was begun with, and {folder.plan} cannot be read as one ({error}); "
                "restore it from a copy, or run the study with --fresh, which forgets what it has done"
            ) from None

    def differences(self, other: Plan) -> list[str]:
        """The changes that a continuation may not make, as "epochs was 12, now 20".

        Features that bear their old label and were computed from something else are found by `replaced`.
        """
        mine, theirs = self._identity(), other._identity()
        shared = [key for key in mine if key in theirs]  # a modality that only one of them uses is no difference
        return [f"{key} was {mine[key]}, now {theirs[key]}" for key in shared if mine[key] != theirs[key]]

    def replaced(self, other: Plan) -> list[tuple[str, FeatureChoice, FeatureChoice]]:
        """The features of equal label that were computed from other files: their modality, these and those."""
        theirs = {(modality, choice.label): choice for modality, own in other.features.items() for choice in own}
        mine = [(modality, choice) for modality, own in self.features.items() for choice in own]
        both = [
            (modality, one, theirs[modality, one.label]) for modality, one in mine if (modality, one.label) in theirs
        ]
        return [(modality, one, now) for modality, one, now in both if one.pack_name != now.pack_name]

    def extended(self, asked: Terms) -> Terms:
        """The terms of a study that goes on: of what may grow, the larger value; `warm_start` stays."""
        grown = {name: _larger(getattr(self.terms, name), getattr(asked, name)) for name in GROWING}
        return replace(asked, **grown, warm_start=self.terms.warm_start)

    def fixed(self) -> dict[str, Any]:
        """What may not change once the study has begun, by name, as JSON has it.

        What utterances lack is no part of it: more variants may read more modalities.
        """
        return {
            "corpus": {name: value for name, value in self.corpus.items() if name != "notes"},
            "classes": self.classes,
            "folds": self.folds,
            "utterances": self.marking({}).utterances,
            "terms": {name: value for name, value in self.terms.kept().items() if name not in GROWING},
            "prior": self.prior,
        }

    def digest(self) -> str:
        """sha256 of what may not change."""
        return hashlib.sha256(json.dumps(self.fixed(), sort_keys=True).encode()).hexdigest()

    def growing(self) -> dict[str, Any]:
        """What may grow when the study goes on, and decisions depend on, by name."""
        terms = {name: getattr(self.terms, name) for name in GROWING}
        packs = {modality: [choice.pack_name for choice in own] for modality, own in self.features.items()}
        return {
            "variants": self.variants,
            **terms,
            "lookahead": self.lookahead,
            "seconds": self.seconds,
            "features": packs,
            **({"missing": lacking} if (lacking := self._digests_of_missing()) else {}),
        }

    def _digests_of_missing(self) -> dict[str, str]:
        """By modality that some utterance lacks, a digest of their ids."""
        found = {name: json.dumps(sorted(ids)) for name, ids in self.missing().items()}
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in found.items()}

    def as_of(self, begun: StudyBegun) -> Plan:
        """The plan as it was when the line `begun` was written.

        Raises:
            KeyError, TypeError: the line lacks a term.
        """
        then = begun.terms
        return replace(
            self,
            variants=list(then["variants"]),
            terms=replace(self.terms, **{name: then[name] for name in GROWING}),
            lookahead=then["lookahead"],
            seconds=then["seconds"],
        )

    def _identity(self) -> Mapping[str, Any]:
        terms = {
            option.flag.removeprefix("--"): _readable(getattr(self.terms, name))
            for name, option in options_of(Terms).items()
            if option.change == "never"
        }
        return {
            "corpus": f"{self.corpus['name']} ({self.corpus['digest'][:12]})",
            "labels": ",".join(self.classes),
            **{f"{modality} features": labels for modality, labels in self.encoders.items()},
            **terms,
            "folds": self.terms.folds or f"{len(self.folds)} by default",
        }


def _readable(value: Any) -> Any:
    return (",".join(value) or "not given") if isinstance(value, tuple) else value


def _larger(before: Any, now: Any) -> Any:
    """The larger of two values; a limit that is left out now is as it was, and one that is new counts from now on."""
    known = [value for value in (before, now) if value is not None]
    return max(known, default=None)

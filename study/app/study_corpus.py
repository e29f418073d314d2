"""The options that a study was begun with, and the corpus that they name, for verbs that need it again."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import replace

from study.app.config_file import add_from_file
from study.app.options import EVERY_OPTION
from study.app.parsing import group_of
from study.corpus.options import CorpusOptions
from study.corpus.source import open_corpus
from study.corpus.utterance import Corpus
from study.errors import UserError
from study.features.options import FeatureOptions
from study.record.folder import StudyFolder
from study.record.plan import Plan


def study_options(folder: StudyFolder) -> argparse.Namespace:
    """The options that a study was begun with.

    Raises:
        UserError: they are not there, or cannot be read.
    """
    parsed = argparse.Namespace()
    if not folder.options.is_file():
        raise UserError(f"the corpus of a study is the one that its options name, and {folder.options} is not there")
    add_from_file(parsed, folder.options, EVERY_OPTION)
    return parsed


def study_corpus(folder: StudyFolder, modalities: Collection[str], place: str | None, why: str) -> Corpus:
    """The study's corpus as its options open it, at `place` where that is given; `why` says what needs it.

    Raises:
        UserError: it cannot be read, or lacks files of these modalities.
    """
    options = group_of(CorpusOptions, study_options(folder))
    if place is not None:
        options = replace(options, corpus=place)
    # Utterances without files were left out, whichever of the study's modalities these files are of.
    needed = _read_by(folder) if options.skip_missing else modalities
    try:
        return open_corpus(options, needed)
    except UserError as error:
        raise UserError(f"{why}: {error}; --corpus says where it is now") from None


def trusts_remote_code(folder: StudyFolder) -> bool:
    """Whether a study's encoders may run code of their own."""
    return group_of(FeatureOptions, study_options(folder)).trust_remote_code


def _read_by(folder: StudyFolder) -> list[str]:
    """The modalities whose files the study has read: not those of features from elsewhere."""
    features = Plan.read(folder).features
    return [name for name, own in features.items() if not all(choice.spec.is_elsewhere for choice in own)]

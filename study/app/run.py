"""The verb `run`: from settings to a finished study, its report, and an exit code."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from study.app import planning
from study.app.extraction import (
    extract_features,
    extracts_on_machines,
    require_folder,
    studied_corpus,
    unread,
    wanted_features,
)
from study.app.machines import connected, slots_for
from study.app.missing_modalities import missing_of
from study.app.output import print_line
from study.app.preview import print_preview
from study.app.repeat import write_config
from study.app.settings import Settings
from study.corpus.loss_needs import require_for_losses
from study.corpus.utterance import Corpus
from study.errors import FINISHED
from study.execution import connection
from study.execution.cluster import require_shared_storage
from study.execution.cost_estimate import expected_cost
from study.execution.extraction import on_machines
from study.execution.places import Slots
from study.features.prepare import Wanted
from study.record.begun import require_identity, require_spaces
from study.record.folder import StudyFolder
from study.record.ledger import Ledger
from study.record.plan import Plan
from study.record.set_aside import failed_variants, set_aside
from study.samplers.space import spaces_of
from study.samplers.warm_start import load_prior
from study.searches import replayed
from study.stored_plan import stored_plan
from study.tracking.uri import check_uri
from study.variants import TRAINED

# What trains and reports takes a second to import, which passes while Ray starts.
TRAINING = ("study.app.train",)


def run(settings: Settings, console: Console) -> int:
    """Run a study, or go on with it, and show what it found."""
    machines = settings.machines
    output = machines.output.absolute()
    require_folder(output)
    check_uri(machines.tracking_uri, output)
    connection.check_address(machines.address)
    corpus = studied_corpus(settings, console)
    notes = require_for_losses(corpus, settings.terms.losses, settings.terms.pairs)
    folder = StudyFolder.of(output, machines.name or planning.default_name(corpus, settings))
    with folder.held():
        features = wanted_features(corpus, settings)
        choices = {modality: [each.choice for each in own] for modality, own in features.items()}
        plan = planning.make_plan(settings, corpus, choices, folder.path.name)
        plan = planning.with_missing(plan, missing_of(features, corpus))
        if machines.fresh and not machines.dry_run:
            shutil.rmtree(folder.path, ignore_errors=True)
        if folder.plan.exists() and not machines.fresh:
            stored, ledger = _checked(folder)
            plan = planning.continued(stored, plan, features)
            if kept := planning.more_than_asked(plan, settings.terms):
                print_line(console, kept, style="yellow")
            failed = failed_variants(ledger.events)
            if failed and not machines.dry_run:
                ledger = _set_aside(folder, failed, console)
            elif _is_finished(plan, ledger):
                print_line(console, f"study {plan.name} is finished already; --fresh starts it over")
                from study.app import train

                return train.report_finished(settings, plan, folder, console)
            require_spaces(plan.name, ledger.records, spaces_of(plan))
        elif plan.terms.warm_start:
            earlier = StudyFolder.of(output, plan.terms.warm_start)
            stored_plan(earlier)
            plan = replace(plan, prior=load_prior(earlier))
        notes = [*notes, *planning.untrained(plan, console), *planning.missing_modalities(plan, console)]
        notes = [*notes, *unread(features, corpus, console)]
        plan = planning.with_notes(plan, notes)
        with _extracted(features, corpus, settings, console, f"study {folder.path.name}") as slots:
            plan = planning.with_slots(plan, slots)
            if machines.dry_run:
                return preview(plan, slots, output, console)
            plan.write(folder)
            write_config(folder, settings, plan)
            from study.app import train

            return train.train_and_report(settings, plan, folder, slots, console)


@contextmanager
def _extracted(
    features: Mapping[str, Sequence[Wanted]], corpus: Corpus, settings: Settings, console: Console, by: str
) -> Iterator[Slots]:
    """The slots on the machines of a connection, once features are extracted: by threads before it, or on them."""
    on_them = extracts_on_machines(features, settings)
    if not on_them:
        extract_features(features, corpus, settings, console, by)
    with connected(settings.machines, console, meanwhile=TRAINING) as found:
        if on_them:
            # What would end the study after hours of extraction is found before.
            with connection.quiet():
                require_shared_storage(settings.machines.output.absolute())
            extract_features(features, corpus, settings, console, by, on_machines())
        packs = {Path(each.choice.path) for own in features.values() for each in own}
        yield slots_for(packs, found, console)


def preview(plan: Plan, slots: Slots, output: Path, console: Console) -> int:
    """Print what the study would train and cost, from an epoch of each variant; only features are kept."""
    costs = []
    for name in plan.variants:
        if name in TRAINED:
            print_line(console, f"timing {name} ...", style="dim")
            costs.append(expected_cost(plan, name))
    print_preview(console, plan, costs, slots, output)
    return FINISHED


def _checked(folder: StudyFolder) -> tuple[Plan, Ledger]:
    """The plan and the ledger of a study that exists, after making sure that they belong together."""
    plan, ledger = stored_plan(folder), Ledger(folder.ledger, writable=False)
    require_identity(plan, ledger.records, ledger.path)
    replayed(plan, ledger.records, ledger.path)
    return plan, ledger


def _set_aside(folder: StudyFolder, failed: Mapping[str, str], console: Console) -> Ledger:
    """Begin the `failed` variants anew; gives the ledger without them."""
    variant, reason = next(iter(failed.items()))
    print_line(console, f"every configuration of {', '.join(failed)} failed ({variant}: {reason}): trying again")
    aside = set_aside(folder, failed)
    print_line(console, f"  the ledger so far is {aside}", style="dim")
    return Ledger(folder.ledger, writable=False)


def _is_finished(plan: Plan, ledger: Ledger) -> bool:
    searches = replayed(plan, ledger.records, ledger.path)
    return all(search.closed() for search in searches.values())

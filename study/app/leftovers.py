"""What may be removed from an output folder: features that no study uses, and checkpoints that nothing reads again.

Whatever is not surely that stays: it may be needed by a study that is running, was interrupted or cannot be read, or
somebody else has put it there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from study.errors import UserError
from study.features.pack import Pack
from study.files import is_locked
from study.record.events import FoldRun
from study.record.folder import StudyFolder
from study.record.ledger import Ledger
from study.record.plan import Plan
from study.searches import replayed, what_is_left
from study.stored_plan import stored_plan
from study.training.checkpoint import METADATA_KEY


@dataclass(frozen=True)
class Leftover:
    """A file that no study needs, its size in bytes, and what it is."""

    path: Path
    size: int
    what: str


@dataclass(frozen=True)
class Leftovers:
    """What may be removed, and in sentences, what is kept that a reader might expect among it."""

    files: tuple[Leftover, ...]
    kept: tuple[str, ...]


def leftovers(output: Path, *, weights: bool = False) -> Leftovers:
    """What no study in `output` needs; with `weights`, also those of what finished studies have selected."""
    folders = _studies(output)
    reasons = [*_reasons_to_keep_features(output, folders)]
    files = [] if reasons else [*_unused_features(output / "features", folders)]
    for folder in folders:
        try:
            files += _unread_checkpoints(folder, weights)
        except UserError as error:
            reasons.append(f"the checkpoints of {folder.path.name} are kept: {error}")
    return Leftovers(tuple(files), tuple(reasons))


def _studies(output: Path) -> list[StudyFolder]:
    places = sorted((output / "studies").glob("*")) if (output / "studies").is_dir() else []
    return [StudyFolder(path) for path in places if path.is_dir() and not path.name.startswith(".")]


def _reasons_to_keep_features(output: Path, folders: list[StudyFolder]) -> Iterator[str]:
    """Why it is not known which features are needed."""
    for lock in sorted((output / "studies").glob(".*.lock")):
        name = lock.name[1:].removesuffix(".lock")
        if is_locked(lock):
            yield f"features are kept: study {name} is running"
        elif not StudyFolder.of(output, name).path.exists():
            yield f"features are kept: {name} was begun and has trained nothing yet; without {lock}, it is forgotten"
    if any(is_locked(lock) for lock in (output / "features").rglob("*.lock")):
        yield "features are kept: some are being extracted"
    elif parts := sorted((output / "features").glob("*.parts")):
        yield f"features are kept: the extraction in {parts[0]} was interrupted, and a study may go on with it"
    for folder in folders:
        try:
            Plan.read(folder)
        except UserError:
            yield f"features are kept: those that {folder.path.name} uses are not known, its plan cannot be read"


def _unused_features(place: Path, folders: list[StudyFolder]) -> Iterator[Leftover]:
    # By name: an output folder may have been moved since a plan was written.
    used = {Path(each.path).name for folder in folders for own in Plan.read(folder).features.values() for each in own}
    for path in sorted(place.glob("*.safetensors")):
        if path.name not in used and not path.is_symlink() and _is_pack(path):
            yield Leftover(path, path.stat().st_size, "features that no study uses")


def _is_pack(path: Path) -> bool:
    """Whether it is a pack of features that the project wrote."""
    try:
        metadata = Pack.open(path).metadata
    except UserError:
        return False
    return {"modality", "encoder", "contents", "corpus"} <= set(metadata)


def _unread_checkpoints(folder: StudyFolder, weights: bool) -> Iterator[Leftover]:
    """The checkpoints of a finished study that it never reads again.

    Raises:
        UserError: the study is not finished, or its files do not belong together.
    """
    runs = dict(_checkpoints(folder))
    if not runs:
        return
    if folder.is_held():
        raise UserError("it is running")
    plan = stored_plan(folder)
    searches = replayed(plan, Ledger(folder.ledger, writable=False).records, folder.ledger)
    if left := what_is_left(searches):
        raise UserError(f"it is not finished ({left})")
    for run, path in runs.items():
        search = searches.get(run.variant)
        if search is None or search.is_wanted(run.config, run.fold, run.seed):
            continue
        if run.config not in search.chosen():
            yield Leftover(path, path.stat().st_size, f"checkpoint that {folder.path.name} reads no more")
        elif weights:
            yield Leftover(path, path.stat().st_size, f"weights of what {folder.path.name} has selected")


def _checkpoints(folder: StudyFolder) -> Iterator[tuple[FoldRun, Path]]:
    """The checkpoints that the project wrote, by run; other files are passed over."""
    for path in sorted(folder.checkpoints.glob("*.safetensors")):
        try:
            run = FoldRun.named(path.stem)
            with safe_open(path, "pt") as file:
                is_own = METADATA_KEY in (file.metadata() or {})
        except (ValueError, OSError, SafetensorError):
            continue
        if is_own and not path.is_symlink():
            yield run, path

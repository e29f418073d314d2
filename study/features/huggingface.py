"""From a model's name to the local folder that holds it: given, in the hub's cache, or downloaded into it."""

import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import huggingface_hub
import torch
import transformers

from study.errors import UserError, type_and_line
from study.features.content import file_digest
from study.features.model_faults import LONGEST_CAUSE, loading_fault
from study.plurals import counted

# Long enough for a slow line, short enough that a machine without a network soon gets its error.
HUB_TIMEOUT_SECONDS = 5.0
# Configuration, tokenizers and code; never .bin, .h5 or .msgpack twins of the weights.
SMALL_FILES = (".json", ".txt", ".model", ".py")

# The pooling of a model of sentence-transformers.
MODULE_SETTINGS = r"\d+_\w+/config\.json"

# Parts that no frame depends on, which many published weights leave out.
UNUSED_PARTS = ("pooler", "masked_spec_embed", "decoder.")
# What models of several modalities call the part that reads audio.
AUDIO_PARTS = ("audio_tower", "audio_model", "speech_encoder")

Loaded = TypeVar("Loaded")
Tried = TypeVar("Tried")


@dataclass(frozen=True)
class Role:
    """What a pretrained model is for, in the words of errors: its noun, an id of the hub, and what is built in."""

    noun: str
    example: str
    built_in: str = ""


ENCODER = Role("encoder", "microsoft/wavlm-base-plus", "logmel (audio) and hash (text)")
RECOGNISER = Role("speech recogniser", "openai/whisper-small")


class ModelAway(UserError):
    """A model that is neither a folder here nor to be had from the hub; `found` says that alone, without what to do."""

    def __init__(self, message: str, found: str) -> None:
        """Say what was looked for and not found, and what to do."""
        super().__init__(message)
        self.found = found


def model_folder(spec: str, role: Role = ENCODER) -> Path:
    """The folder with the model's files: `spec` itself, or where the hub's cache keeps the model of that id.

    Raises:
        UserError: there is no such folder, and no such model that can be downloaded.
    """
    folder = Path(spec).expanduser()
    if folder.is_dir():
        if not _is_complete(folder):
            raise UserError(
                f"a model folder holds config.json and model*.safetensors (or pytorch_model*.bin), {folder} does "
                f"not; pass a folder written by save_pretrained or by hf download"
            )
        return folder
    cached = _cached(spec, role)
    return cached if cached else _downloaded(spec, role)


def folder_digest(folder: Path) -> str:
    """sha256 over names and bytes of the model's files: equal for equal models wherever they are kept."""
    state = hashlib.sha256()
    for name in sorted(_needed(path.name for path in folder.iterdir() if path.is_file())):
        state.update(f"{name}\x1f{file_digest(folder / name)}\x1e".encode())
    return state.hexdigest()


def model_name(spec: str, folder: Path) -> str:
    """The model's name in file names and reports: its hub id, or its folder's own name wherever that lies."""
    return folder.resolve().name if Path(spec).expanduser().is_dir() else spec


def model_identity(spec: str, folder: Path, layer: str | list[str]) -> dict[str, object]:
    """What the frames of the model in `folder` depend on: its name, the digest of its files, layers and arithmetic."""
    return {
        "name": model_name(spec, folder),
        "weights": folder_digest(folder),
        "layer": layer,
        "dtype": "float32",
        "version": 1,
    }


def frozen_encoder(
    spec: str, folder: Path, kind: str, trust_remote_code: bool, parts: Sequence[str] = ()
) -> torch.nn.Module:
    """The encoder of the model in `folder`, in float32 and evaluation mode, on the GPU where there is one.

    Of a model that has one of `parts`, it is that part.

    Raises:
        UserError: the files cannot be loaded or lack some of the encoder's weights.
    """
    model, report = loaded(
        spec,
        folder,
        kind,
        lambda: transformers.AutoModel.from_pretrained(
            folder, trust_remote_code=trust_remote_code, dtype=torch.float32, output_loading_info=True
        ),
    )
    encoder = _encoder_of(model, parts)
    # transformers fills gaps with random numbers and only warns.
    absent = sorted(name for name in report["missing_keys"] if not any(part in name for part in UNUSED_PARTS))
    if absent:
        raise UserError(
            f"the weights of {spec!r} lack {counted(len(absent), 'tensor')} of its configuration ({absent[0]}, ...); "
            f"download the model again or pass another one"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return encoder.eval().requires_grad_(False).to(device)


def empty_encoder(
    spec: str, folder: Path, kind: str, config: Any, trust_remote_code: bool, parts: Sequence[str] = ()
) -> torch.nn.Module:
    """The encoder that `frozen_encoder` gives, on the meta device: its tensors have shapes and no values.

    Raises:
        UserError: the configuration is none of a model.
    """

    def made() -> torch.nn.Module:
        with torch.device("meta"):
            model: torch.nn.Module = transformers.AutoModel.from_config(config, trust_remote_code=trust_remote_code)
            return model

    # Again, since tensors that are made in PyTorch's oldest way are elsewhere.
    return _encoder_of(loaded(spec, folder, kind, made), parts).eval().to("meta")


def tried(
    attempt: Callable[[torch.nn.Module], Tried],
    spec: str,
    folder: Path,
    kind: str,
    config: Any,
    trust_remote_code: bool,
    parts: Sequence[str] = (),
) -> Tried:
    """What `attempt` makes of an encoder without values; where its code needs values, of the one with its weights.

    That costs time alone: what is wrong with the encoder is raised by the second attempt.

    Raises:
        UserError: see `empty_encoder` and `frozen_encoder`.
    """
    model = empty_encoder(spec, folder, kind, config, trust_remote_code, parts)
    try:
        return attempt(model)
    except RuntimeError as error:
        if "meta" not in str(error).lower():  # PyTorch names the device where values are missing
            raise
    return attempt(frozen_encoder(spec, folder, kind, trust_remote_code, parts))


def configured(folder: Path) -> tuple[tuple[str, int], ...]:
    """What changes when the configuration in a folder does: its JSON files and their times."""
    return tuple((path.name, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.json")))


def _encoder_of(model: Any, parts: Sequence[str]) -> torch.nn.Module:
    """The part of a model that is wanted: what AutoModel opens may have a decoder, a head, or other modalities."""
    # Some kinds open with the head of their task alone, as ParakeetForCTC.
    if re.search("For[A-Z]", type(model).__name__):
        parts = (*parts, "encoder")
    for name in parts:
        if isinstance(part := getattr(model, name, None), torch.nn.Module):
            return part
    # An encoder that was saved alone, as T5EncoderModel, opens as the whole family's model, with a decoder.
    encoder: torch.nn.Module = model.get_encoder() if getattr(model, "decoder", None) is not None else model
    return encoder


def loaded(spec: str, folder: Path, kind: str, load: Callable[[], Loaded]) -> Loaded:
    """What `load` gives, with the library's warnings and progress bars kept quiet.

    Raises:
        UserError: `load` failed: the files of `spec`, in `folder`, are not `kind`.
    """
    try:
        with quiet():
            return load()
    # Model files are hostile data, and every library under this call raises its own errors for them.
    except Exception as error:
        raise loading_fault(spec, folder, kind, error) from error


@contextmanager
def quiet() -> Iterator[None]:
    """The block in which transformers prints no warnings and no progress bars."""
    before = transformers.logging.get_verbosity()
    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)
        if bars:
            transformers.logging.enable_progress_bar()


def _needed(names: Iterable[str]) -> list[str]:
    """The files of a model that loading reads: safetensors where there are any, else PyTorch's own format."""
    names = list(names)
    found = [name for name in names if "/" not in name]
    weights = [name for name in found if name.startswith("model") and name.endswith(".safetensors")]
    weights = weights or [name for name in found if name.startswith("pytorch_model") and name.endswith(".bin")]
    settings = [name for name in names if re.fullmatch(MODULE_SETTINGS, name)]
    return weights + [name for name in found if name.endswith(SMALL_FILES)] + settings if weights else []


def _is_complete(folder: Path) -> bool:
    return "config.json" in _needed(path.name for path in folder.iterdir() if path.is_file())


def _cached(spec: str, role: Role) -> Path | None:
    try:
        config = huggingface_hub.try_to_load_from_cache(spec, "config.json")
    except ValueError as error:
        kinds = f"{'a built-in name, ' if role.built_in else ''}a model folder or a hub id such as {role.example}"
        found = f"{spec!r}, which is neither a folder here nor such an id"
        raise ModelAway(
            f"the {role.noun} is {kinds}; found {found}", f"the {role.noun} {spec!r} is not a folder here"
        ) from error
    folder = Path(config).parent if isinstance(config, str) else None
    return folder if folder and _is_complete(folder) else None


def _downloaded(spec: str, role: Role) -> Path:
    try:
        # One request without the library's retries, which would keep a machine without a network waiting.
        model = huggingface_hub.HfApi().model_info(spec, timeout=HUB_TIMEOUT_SECONDS)
        files = _needed(file.rfilename for file in model.siblings or ())
        if "config.json" not in files:
            raise UserError(f"the hub's {spec!r} holds no transformers model; pass the id of another model")
        print(f"downloading {spec} into the Hugging Face cache", file=sys.stderr, flush=True)
        # By branch and not by commit: the cache finds a model again only under the branch it was asked for.
        return Path(huggingface_hub.snapshot_download(spec, allow_patterns=files))
    except UserError:
        raise
    # The hub's errors share no base class with those of its network library, nor with a full disk's.
    except Exception as error:
        found = (
            f"{role.noun} {spec!r} is not a folder here, not in the Hugging Face cache, and the hub did not give it "
            f"({type_and_line(error)[:LONGEST_CAUSE]})"
        )
        raise ModelAway(
            f"{found}; run `hf download {spec}` where there is a network, or pass a model "
            f"folder{f', or use the built-in encoders {role.built_in}' if role.built_in else ''}",
            found,
        ) from error

"""Synthesises speech from marked text with the espeak-ng library; no other module uses it."""

import ctypes
import importlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from study.errors import UserError

# From espeak-ng's speak_lib.h.
_SYNCHRONOUS = 2
_UTF8 = 1
_BY_CHARACTER = 1

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

Samples = npt.NDArray[np.int16]


def synthesise(lines: Iterable[tuple[str, str]]) -> tuple[int, list[Samples]]:
    """The sample rate in Hz, and one array of samples for each pair of voice name and marked text.

    The output depends on what the process has synthesised before: call it once, in a new process.

    Raises:
        UserError: the library is not installed or does not know a voice.
    """
    library, rate_hz = _library()
    return rate_hz, [_synthesise(library, voice, text) for voice, text in lines]


def _library() -> tuple[ctypes.CDLL, int]:
    try:
        loader = importlib.import_module("espeakng_loader")
    except ImportError as error:
        raise UserError(
            "making the demo corpus needs espeak-ng, which is not installed here; "
            "install the extra: pip install 'ser-study[demo-audio]'"
        ) from error
    library = ctypes.CDLL(str(loader.get_library_path()))
    # The library expects the folder that contains espeak-ng-data, not that folder.
    parent = Path(loader.get_data_path()).parent
    return library, library.espeak_Initialize(_SYNCHRONOUS, 0, str(parent).encode(), 0)


def _synthesise(library: ctypes.CDLL, voice: str, text: str) -> Samples:
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise UserError(f"every speaker needs a voice of espeak-ng; {voice!r} is not one; correct it in prosody.py")
    chunks: list[Samples] = []

    def collect(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int | None) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _Callback(collect)
    library.espeak_SetSynthCallback(callback)
    data = text.encode() + b"\0"
    library.espeak_Synth(data, len(data), 0, _BY_CHARACTER, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    return np.concatenate(chunks)

"""The table of forms in which features come and go. A new one is a file in `forms/` and a row here."""

import importlib.util
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from study.corpus.quoting import path_text
from study.errors import UserError
from study.features.elsewhere.form import Form

PICKLES = (".pkl", ".pickle", ".p", ".joblib")


def _of(module: str, function: str) -> Callable[..., Any]:
    """A function of a form's file, imported when it is called: nothing waits for libraries that it has no use for."""

    def call(*arguments: Any) -> Any:
        return getattr(import_module(f"study.features.elsewhere.forms.{module}"), function)(*arguments)

    return call


FORMS: dict[str, Form] = {
    "npy": Form("a folder of ID.npy or ID/*.npy", (), _of("npy", "open_folder"), _of("npy", "write_folder")),
    "npz": Form("a file .npz", (".npz",), _of("npz", "open_npz"), _of("npz", "write_npz")),
    "hdf5": Form("HDF5", (".h5", ".hdf5"), _of("hdf5", "open_hdf5"), _of("hdf5", "write_hdf5"), extra=("hdf5", "h5py")),
    "parquet": Form("parquet", (".parquet",), _of("tables", "open_parquet"), _of("tables", "write_parquet")),
    "csv": Form("CSV", (".csv",), _of("tables", "open_csv"), _of("tables", "write_csv")),
    "safetensors": Form(
        "safetensors",
        (".safetensors",),
        _of("safetensors", "open_safetensors"),
        _of("safetensors", "write_safetensors"),
    ),
    "pt": Form("a file .pt", (".pt", ".pth"), _of("pt", "open_pt"), _of("pt", "write_pt")),
}


def form_of(path: Path) -> Form:
    """The form that a place has by its name, after making sure that something is there.

    Raises:
        UserError: nothing is there, it has none of the forms, or what reads it is not installed.
    """
    shown = path_text(path)
    law = f"features are read from {', '.join(form.help for form in FORMS.values())}"
    if not path.exists():
        raise UserError(f"{law}; {shown} does not exist")
    if path.suffix.lower() in PICKLES:
        raise UserError(
            f"{law}; {shown} is a pickle, which may run code when it is read, so it is not; where it is trusted, write "
            "its arrays with numpy.savez('features.npz', **{id: array, ...})"
        )
    suffix = "" if path.is_dir() else path.suffix.lower()
    found = [form for form in FORMS.values() if (suffix in form.suffixes if suffix else not form.suffixes)]
    if not found or (not suffix and not path.is_dir()):
        raise UserError(f"{law}; {shown} has none of their names; convert it")
    require_extra(found[0])
    return found[0]


def require_extra(form: Form) -> None:
    """Make sure that what reads and writes a form is installed.

    Raises:
        UserError: it is not.
    """
    if form.extra and importlib.util.find_spec(form.extra[1]) is None:
        extra, package = form.extra
        raise UserError(f"{form.help} needs {package}, which is not installed; pip install 'ser-study[{extra}]'")

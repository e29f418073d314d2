"""The script: `python study/run.py --variant cross` does what `ser-study run --variant cross` does."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

if __name__ == "__main__":
    # Python puts this file's folder on the path, or for `-m` the working directory, unless it is to be safe.
    # The packages are found from the folder above this file.
    sys.path[: not sys.flags.safe_path] = [str(Path(__file__).resolve().parent.parent)]

from study import process
from study.errors import WRONG_USAGE


def ser_study(arguments: Sequence[str] | None = None) -> NoReturn:
    """Be the whole process of the command `ser-study` with `arguments`, by default those that were typed."""

    def main() -> int:
        try:
            from study.app.cli import main  # after interrupts are handled: the libraries take seconds to import
        except ModuleNotFoundError as error:
            return _without_package(error)
        return main(arguments)

    process.run_to_exit(main)


def _without_package(error: ModuleNotFoundError) -> int:
    """Print how to install the packages, of which one is not there; gives the exit code.

    Raises:
        ModuleNotFoundError: it is a module of this project.
    """
    project = Path(__file__).resolve().parent.parent
    if error.name is None or (project / error.name.partition(".")[0]).is_dir():
        raise error
    remedy = f"install ser-study with its packages: {sys.executable} -m pip install -e {shlex.quote(str(project))}"
    print(f"ser-study needs the package {error.name}, which {sys.executable} does not have; {remedy}", file=sys.stderr)
    return WRONG_USAGE


if __name__ == "__main__":
    ser_study(["run", *sys.argv[1:]])

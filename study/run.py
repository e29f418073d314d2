"""The script: `python study/run.py --variant cross` does what `ser-study run --variant cross` does."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

if __name__ == "__main__":
    # Python puts this file's folder on the path, or for `-m` the working directory, unless it is to be safe.
    # The packages are found from the folder above this file.
    sys.path[: not sys.flags.safe_path] = [str(Path(__file__).resolve().parent.parent)]

from study import process


def ser_study(arguments: Sequence[str] | None = None) -> NoReturn:
    """Be the whole process of the command `ser-study` with `arguments`, by default those that were typed."""

    def main() -> int:
        from study.app.cli import main  # after interrupts are handled: the libraries take seconds to import

        return main(arguments)

    process.run_to_exit(main)


if __name__ == "__main__":
    ser_study(["run", *sys.argv[1:]])

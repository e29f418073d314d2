"""The command `ser-study`, also as `python -m ser_study`.

Many folders have packages named `models` or `study`. This name is rare, and what it imports first keeps them out.
"""

import sys
from pathlib import Path
from typing import NoReturn


def main() -> NoReturn:
    """Be the whole process of the command that was typed, with the packages that are installed beside this file."""
    beside = str(Path(__file__).resolve().parent)
    sys.path.insert(0, beside)
    try:
        # Modules of a package are looked up in the package's own folder, so nothing later can shadow them.
        import models  # noqa: F401
        import search_spaces  # noqa: F401
        from study.run import ser_study
    finally:
        # Installed packages do not belong before the standard library.
        sys.path.remove(beside)
    ser_study()


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the working directory
    main()

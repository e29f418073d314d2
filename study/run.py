"""The door: `python study/run.py --variant cross`. The same as `ser-study run`."""

import sys
from pathlib import Path

# Python puts this file's folder on the path; the packages are found from the folder above it.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

if __name__ == "__main__":
    from study.door import command_line

    command_line(["run", *sys.argv[1:]])

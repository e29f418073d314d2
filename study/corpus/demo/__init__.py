"""The demo corpus: acted sentences of this project, spoken by a synthesiser, so that a study runs without a licence.

The audio, its manifest and checksums lie beside this file. `generate` made them; the words are in
sentences.csv, who says them and how is decided in `casting` and `prosody`.
"""

from pathlib import Path

MANIFEST: Path = Path(__file__).parent / "manifest.csv"

"""The demo corpus: sentences written for this project and spoken by a synthesiser; it needs no licence.

The audio, the films, their manifest and checksums are in this folder; `generate` made them. The words are in
sentences.csv; `casting` assigns them to speakers and emotions, `prosody` decides how they are spoken, and `faces` draws
who speaks them.
"""

from pathlib import Path

MANIFEST: Path = Path(__file__).parent / "manifest.csv"

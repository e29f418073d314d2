"""The corpus of a study, opened again for a part of its modalities, is the one that it was begun with."""

from pathlib import Path

from study.app.study_corpus import study_corpus
from tests.plugins.exportable_study import write_exportable, write_recordings


def test_utterances_that_were_left_out_for_their_files_are_left_out_again(tmp_path: Path) -> None:
    manifest = write_recordings(tmp_path / "recordings")
    with manifest.open("a", encoding="utf-8") as file:
        file.write("gone.wav,gone,calm,so it is,a0,a\n")
    options = ("--variant", "audio,text", "--seeds", "0", "--epochs", "1", "--skip-missing")
    folder, corpus = write_exportable(tmp_path / "mlruns", manifest, *options)
    assert "gone" not in {utterance.id for utterance in corpus.utterances}
    assert study_corpus(folder, ("text",), None, "a test").digest() == corpus.digest()

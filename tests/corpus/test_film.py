"""Films: pictures are found by time at any rate, the speaker's half alone is read, and what is broken is one line."""

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from study.corpus.check import check
from study.corpus.examine import examine
from study.corpus.film import SHORT_SIDE, FilmError, open_film
from study.corpus.films import inspect_films
from study.corpus.media import MediaFault
from study.corpus.options import CorpusOptions
from study.corpus.readers.manifest import scan
from study.corpus.source import open_corpus, read_source
from study.corpus.utterance import NO_VIDEO, Utterance, Video
from study.corpus.utterance_film import MOST_PICTURES, UtteranceFilm, moments, read_films
from study.errors import UserError
from tests.plugins.clips import tone, write_clip
from tests.plugins.films import grey, write_film
from tests.plugins.miniature_corpora import write_meld, write_ravdess

SECONDS = 4.0
STEPS_PER_SECOND = 50.0  # of the clock that films of this test show as their brightness


def clock(seconds: float) -> np.ndarray:
    return grey(20 + STEPS_PER_SECOND * seconds)


def shown_seconds(picture: np.ndarray) -> float:
    """The time that a picture of the clock shows."""
    return (float(picture.mean()) - 20) / STEPS_PER_SECOND


def utterance(video: Video, id: str = "u", group: str = "g") -> Utterance:
    return Utterance(id, Path(), "", "sad", "s", group, video=video, where=f"m.csv:{id}")


def read(video: Video) -> UtteranceFilm:
    (found,) = read_films([utterance(video)])
    assert isinstance(found, UtteranceFilm), found
    return found


def fault(video: Video) -> str:
    (found,) = read_films([utterance(video)])
    assert isinstance(found, MediaFault)
    assert "\n" not in str(found)
    return str(found)


@pytest.mark.parametrize(("start", "end", "n"), [(0, 1, 3), (2.0, 2.2, 1), (0, 3.4, 10), (5, 15.6, 31), (1, 601, 32)])
def test_pictures_are_at_the_centres_of_even_parts(start: float, end: float, n: int) -> None:
    found = moments(start, end)
    assert len(found) == n
    step = 1 / 3 if 1 < n < MOST_PICTURES else (end - start) / n
    np.testing.assert_allclose(found, start + step * (np.arange(n) + 0.5))
    assert start < found[0] <= found[-1] < end


@pytest.mark.parametrize("rate", [24, 25, Fraction(30000, 1001), 12])
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_pictures_of_any_rate_are_within_half_a_picture_of_their_times(
    tmp_path: Path, rate: float | Fraction, suffix: str
) -> None:
    path = write_film(tmp_path / f"a{suffix}", clock, SECONDS, rate)
    found = read(Video(path, 0.5, 3.5))
    times = [shown_seconds(picture) for picture in found.pictures]
    assert len(times) == 9
    # One step of brightness is 0.02 s; encoders are off by about as much.
    np.testing.assert_allclose(times, moments(0.5, 3.5), atol=0.5 / float(rate) + 0.03)


def test_pictures_of_a_film_without_a_constant_rate_are_found_by_their_times(tmp_path: Path) -> None:
    times = [0.0, 0.05, 0.1, 0.9, 1.0, 1.7, 1.75, 2.6, 3.0, 3.9]
    path = write_film(tmp_path / "a.mkv", clock, SECONDS, times=times)
    with open_film(path) as film:
        wanted = [0.08, 0.4, 0.6, 1.4, 1.72, 2.0, 3.5]
        found = [shown_seconds(picture) for picture in film.pictures_at(wanted)]
    nearest = [min(times, key=lambda time: abs(time - each)) for each in wanted]
    np.testing.assert_allclose(found, nearest, atol=0.03)


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_spans_of_one_film_are_those_of_it_read_alone_in_any_order(tmp_path: Path, suffix: str) -> None:
    path = write_film(tmp_path / f"a{suffix}", lambda seconds: clock(seconds / 8), 30.0, 5)
    videos = [Video(path, start, start + 2.5) for start in (20.0, 0.0, 1.0, 27.0, 26.0)]
    together = list(read_films([utterance(video) for video in videos]))
    for video, found in zip(videos, together, strict=True):
        assert isinstance(found, UtteranceFilm)
        np.testing.assert_array_equal(found.pictures, read(video).pictures)
        times = [8 * shown_seconds(picture) for picture in found.pictures]
        np.testing.assert_allclose(times, moments(video.start or 0, video.end or 0), atol=0.1 + 8 * 0.03)


def test_the_half_that_is_asked_for_is_all_that_is_read(tmp_path: Path) -> None:
    halves = np.concatenate([grey(60), grey(180)], axis=1)
    path = write_film(tmp_path / "a.mp4", lambda seconds: halves, 1.0)
    means = {crop: read(Video(path, crop=crop)).pictures.mean() for crop in ("left", "right", "")}
    assert means == pytest.approx({"left": 60, "right": 180, "": 120}, abs=4)
    assert read(Video(path, crop="left")).pictures.shape == (3, 32, 32, 3)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pictures_are_upright_before_they_are_cropped(
    tmp_path: Path, suffix: str, degrees: int, mirrored: bool
) -> None:
    stored = grey(20, 32, 64)
    stored[:16, :32] = 220
    path = write_film(tmp_path / f"a{suffix}", lambda seconds: stored, 1.0, 5, degrees=degrees, mirrored=mirrored)
    shown = np.rot90(stored, degrees // 90)
    shown = shown[:, ::-1] if mirrored else shown
    np.testing.assert_allclose(read(Video(path)).pictures, np.stack([shown] * 3), atol=12)
    left = read(Video(path, crop="left")).pictures
    np.testing.assert_allclose(left, np.stack([shown[:, : shown.shape[1] // 2]] * 3), atol=12)


def test_large_pictures_are_brought_to_a_size(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", lambda seconds: grey(90, 2 * SHORT_SIDE, 3 * SHORT_SIDE), 0.4, 5)
    assert read(Video(path)).pictures.shape == (1, SHORT_SIDE, 3 * SHORT_SIDE // 2, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_a_film_that_is_cut_off_is_a_finding(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 32, 32, 3)).astype(np.uint8)
    path = write_film(tmp_path / f"a{suffix}", lambda seconds: noise[round(seconds * 10) % 50], 5.0, 10)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    whole = utterance(Video(path), "whole")
    found = inspect_films([whole, utterance(Video(path, 0.0, 1.0), "early")])
    assert list(found.faults) == ["whole"]
    assert found.faults["whole"].where == "m.csv:whole"
    assert "cannot be decoded" in found.faults["whole"].message
    assert list(found.skippable) == ["whole"]


def test_files_without_a_film_are_findings(tmp_path: Path) -> None:
    sound = write_clip(tmp_path / "a.mp4", tone(0.2, rate_hz=16_000), 16_000, film=False)
    (tmp_path / "b.mp4").write_text("a film")
    (tmp_path / "c.mp4").write_text("version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "d.wav").write_text("")
    assert "it has no film, only sound" in fault(Video(sound))
    assert "cannot be decoded" in fault(Video(tmp_path / "b.mp4"))
    assert "Git LFS pointer, not a film" in fault(Video(tmp_path / "c.mp4"))
    assert "films are read as mp4" in fault(Video(tmp_path / "d.wav"))


def test_spans_lie_in_the_film(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", clock, 2.0)
    assert "a film of 2.00 s" in fault(Video(path, 1.0, 3.0))
    assert "run forward" in fault(Video(path, 1.0, 0.5))
    assert len(read(Video(path, 1.0, 2.3)).pictures) == 3
    with pytest.raises(FilmError, match="its last picture is at"), open_film(path) as film:
        list(film.pictures_at([2.8]))


def test_what_was_decoded_before_is_not_decoded_again(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", clock, 2.0)
    known: dict = {}
    given = [utterance(Video(path, 0.0, 1.0), "a"), utterance(Video(path, 1.0, 2.0), "b"), utterance(NO_VIDEO, "c")]
    first = inspect_films(given, known=known)
    assert len(known) == 2
    assert (first.summary.n_with, first.summary.n_without, first.summary.sizes) == (2, 1, {(32, 32): 2})
    known = {key: replace(each, width=7) for key, each in known.items()}
    assert inspect_films(given, known=known).summary.sizes == {(7, 32): 2}


@pytest.mark.parametrize(("group", "kind"), [("g1", "films twice in a group"), ("g2", "films in two groups")])
def test_the_same_film_under_two_names_is_remarked(tmp_path: Path, group: str, kind: str) -> None:
    path = write_film(tmp_path / "a.mp4", clock, 1.0)
    (remark,) = inspect_films([utterance(Video(path), "a", "g1"), utterance(Video(path), "b", group)]).remarks
    assert remark.kind == kind


@pytest.mark.parametrize("size", [100, 400, 1000, 2000])
def test_a_matroska_that_is_cut_off_is_called_so(tmp_path: Path, size: int) -> None:
    whole = write_film(tmp_path / "a.mkv", clock, 2.0).read_bytes()
    (tmp_path / "b.mkv").write_bytes(whole[:size])
    (fault,) = inspect_films([utterance(Video(tmp_path / "b.mkv"), "b")]).faults.values()
    assert "cannot be decoded (it is cut off or damaged" in fault.message


def test_a_film_of_another_length_than_its_recording_is_remarked_by_check_and_by_a_study(tmp_path: Path) -> None:
    write_film(tmp_path / "f.mp4", clock, 3.0)
    rows = []
    for n in range(4):
        rows.append(
            f"a{n}.wav,{n},{'sad' if n % 2 else 'calm'},x,s{n // 2},g{n // 2},,,f.mp4,0.{n},{1 if n else 3}.{n},"
        )
        samples = np.random.default_rng(n).normal(0, 0.1, 16_000).astype(np.float32)
        soundfile.write(tmp_path / f"a{n}.wav", samples, 16_000)
    options = CorpusOptions(corpus=str(manifest(tmp_path / "m.csv", *rows)))
    (remark,) = [p for p in check(options).problems if p.kind == "films much longer or shorter than recordings"]
    assert remark.message.startswith("the film of 0 lasts 3.00 s, and its recording 1.00 s;")
    assert remark in examine(open_corpus(options, ("audio", "video")), options, ("audio", "video")).problems
    assert not remark.fatal


HEADER = "file_name,utterance_id,label,text,speaker,group,start,end,video,video_start,video_end,video_crop"


def manifest(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return path


def test_a_manifest_names_films_their_spans_and_halves(tmp_path: Path) -> None:
    rows = [
        "a.wav,1,sad,x,s1,g1,,,f.mp4,,,",
        "a.wav,2,sad,x,s1,g1,0.5,1.5,f.mp4,3,4.5,left",
        "f.mp4,3,sad,x,s1,g1,0.5,1.5,f.mp4,,,right",
        "a.wav,4,sad,x,s1,g1,0.5,1.5,,,,",
    ]
    utterances, problems = scan(manifest(tmp_path / "m.csv", *rows))
    film = tmp_path / "f.mp4"
    assert [u.video for u in utterances] == [
        Video(film), Video(film, 3.0, 4.5, "left"), Video(film, 0.5, 1.5, "right"), NO_VIDEO,
    ]  # fmt: skip
    assert problems == []


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("f.mp4,3,,", "video_start and video_end go together"),
        ("f.mp4,3,2,", "video_end must be later than video_start; found 3 to 2"),
        ("f.mp4,3,soon,", "video_end is in seconds"),
        ("f.mp4,,,middle", "video_crop is left, right or empty; found 'middle'"),
        (",3,4,", "video_start is of a film, and video is empty"),
        ("../f.mp4,,,", "files must be below the folder of the manifest"),
    ],
)
def test_what_is_wrong_with_a_film_in_a_manifest_is_one_line_with_the_row(
    tmp_path: Path, cells: str, expected: str
) -> None:
    path = manifest(tmp_path / "m.csv", f"a.wav,1,sad,x,s1,g1,,,{cells}")
    fatal = [problem for problem in scan(path)[1] if problem.fatal]
    assert fatal
    assert expected in fatal[0].message
    assert all(problem.where == f"{path}:2" for problem in fatal)


def test_films_of_releases_are_those_of_the_same_utterance(iemocap_release: Path, tmp_path: Path) -> None:
    ravdess = {u.id: u for u in read_source(CorpusOptions(corpus=str(write_ravdess(tmp_path / "r")))).utterances}
    assert ravdess["03-01-05-01-02-01-02"].video.file.name == "01-01-05-01-02-01-02.mp4"
    assert ravdess["03-01-06-01-02-01-02"].video.file.name == "02-01-06-01-02-01-02.mp4"
    assert ravdess["03-01-01-01-01-01-02"].video == NO_VIDEO
    meld = read_source(CorpusOptions(corpus=str(write_meld(tmp_path / "m")))).utterances
    assert {u.video for u in meld} == {Video(u.audio) for u in meld}
    # A release of IEMOCAP without its films has none; with them, the speaker's half of the dialogue's film.
    assert {u.video for u in read_source(CorpusOptions(corpus=str(iemocap_release))).utterances} == {NO_VIDEO}
    shutil.copytree(iemocap_release / "Session1", tmp_path / "i" / "Session1")
    (tmp_path / "i" / "Session1" / "dialog" / "avi" / "DivX").mkdir(parents=True)
    found = {u.id: u.video for u in read_source(CorpusOptions(corpus=str(tmp_path / "i"))).utterances}
    films = tmp_path / "i" / "Session1" / "dialog" / "avi" / "DivX"
    assert found["Ses01F_impro01_F000"] == Video(films / "Ses01F_impro01.avi", 6.2901, 8.2357, "left")
    assert found["Ses01F_impro01_M000"] == Video(films / "Ses01F_impro01.avi", 6.2901, 8.2357, "right")
    assert found["Ses01M_script01_1_F001"].crop == "right"
    assert found["Ses01M_script01_1_M001"].crop == "left"


def test_check_and_a_study_refuse_the_same_films(tmp_path: Path) -> None:
    write_film(tmp_path / "f.mp4", clock, 3.0)
    (tmp_path / "broken.mp4").write_text("no film")
    rows = [f",{n},{'sad' if n % 2 else 'calm'},x,s{n // 2},g{n // 2},,,f.mp4,{n % 3}.0,{n % 3}.9," for n in range(8)]
    rows += [",8,sad,x,s0,g0,,,broken.mp4,,,", ",9,sad,x,s0,g0,,,absent.mp4,,,"]
    path = manifest(tmp_path / "m.csv", *(f"f.mp4{row}" for row in rows))
    path.write_text(path.read_text().replace("file_name,", "note,"))
    report = check(CorpusOptions(corpus=str(path)))
    assert {p.kind for p in report.problems if p.fatal} == {"missing video files", "films that cannot be decoded"}
    with pytest.raises(UserError, match=r"every utterance needs its video file, and 1 of 10 .*absent\.mp4"):
        open_corpus(CorpusOptions(corpus=str(path)), ("video",))
    assert len(open_corpus(CorpusOptions(corpus=str(path)), ("text",)).utterances) == 10
    left = open_corpus(CorpusOptions(corpus=str(path), skip_missing=True), ("video",))
    assert len(left.utterances) == 8
    assert any("whose video cannot be decoded or is too long" in note for note in left.notes)
    assert not check(CorpusOptions(corpus=str(path), skip_missing=True)).fatal

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import UnreadableTranscript, UsageError
from emotrace.media.transcript import MAX_BYTES, Sound, Transcript, load_transcript
from emotrace.span import Span
from emotrace.testing.synthetic import Caption, write_clip

CLIP = Span(0.0, 60.0)


def load(folder: Path, content: str | bytes, name: str = "words.srt", span: Span = CLIP, **options: str) -> Transcript:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    transcript = load_transcript(folder / "none.mp4", transcript_path=path, span=span, **options)
    assert transcript is not None
    return transcript


def said(transcript: Transcript) -> list[tuple[float, float, str]]:
    return [(u.span.start_seconds, u.span.end_seconds, u.text) for u in transcript.utterances]


def test_srt(tmp_path) -> None:
    text = "1\n00:00:01,000 --> 00:00:02,500\nHello there.\nHow are you?\n\n2\n00:00:03,000 --> 00:00:04,000\nFine!\n"
    transcript = load(tmp_path, text)
    assert said(transcript) == [(1.0, 2.5, "Hello there. How are you?"), (3.0, 4.0, "Fine!")]
    assert transcript.text == "Hello there. How are you?\nFine!"
    assert [word.text for word in transcript.words] == ["Hello", "there.", "How", "are", "you?", "Fine!"]
    assert (transcript.source, transcript.timed, transcript.issues) == ("option", True, {})


@pytest.mark.parametrize(
    "text",
    [
        "1\r\n00:00:01,000 --> 00:00:02,000\r\nyes 42\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nno\r\n",
        "00:00:01,000 --> 00:00:02,000\nyes 42\n\n00:00:03,000 --> 00:00:04,000\nno",
        "1\n00:00:01.000 --> 00:00:02.000\nyes 42\n2\n00:00:03.000 --> 00:00:04.000\nno\n",
        "\n\n7\n0:0:1,0 --> 0:0:2,0 X1:1 X2:2 Y1:3 Y2:4\nyes\n\n42\n\n9\n00:00:03,000-->00:00:04,000\nno\n\n\n",
        "junk before\n1\n00:01 --> 00:02\n{\\an8}<i>yes</i> <font size=1>42</font>\n\n2\n00:03 -> 00:04\n<b>no</b>\n",
        "2\n00:00:03,000 --> 00:00:04,000\nno\n\n1\n00:00:01,000 --> 00:00:02,000\nyes 42\n",
    ],
)
def test_srt_as_it_is_found_in_the_wild(tmp_path, text) -> None:
    assert said(load(tmp_path, text)) == [(1.0, 2.0, "yes 42"), (3.0, 4.0, "no")]


def test_hours_beyond_99_and_thousandths(tmp_path) -> None:
    span = Span(0.0, 1_000_000.0)
    assert said(load(tmp_path, "1\n123:00:01,5 --> 123:00:02,050\nlate\n", span=span)) == [
        (442801.5, 442802.05, "late")
    ]


def test_wrong_times_are_mended_and_counted(tmp_path) -> None:
    cues = ["-00:00:01,000 --> 00:00:01,000\nearly", "00:00:05,000 --> 00:00:04,000\nbackwards"]
    cues += ["00:00:58,000 --> 00:01:05,000\ncut", "00:02:00,000 --> 00:02:01,000\nbeyond"]
    cues += ["-00:00:03,000 --> -00:00:02,000\nbefore", "00:00:07,000 --> 00:00:07,000\ninstant"]
    transcript = load(tmp_path, "\n\n".join(cues))
    assert said(transcript) == [(0.0, 1.0, "early"), (7.0, 7.0, "instant"), (58.0, 60.0, "cut")]
    assert transcript.issues == {"beyond_clip": 2, "cut_to_clip": 2, "end_before_start": 1}


def test_overlapping_cues_are_both_kept(tmp_path) -> None:
    text = "00:00:01,000 --> 00:00:04,000\none\n\n00:00:02,000 --> 00:00:03,000\ntwo\n"
    assert said(load(tmp_path, text)) == [(1.0, 4.0, "one"), (2.0, 3.0, "two")]


def test_described_sounds_and_songs_are_not_words(tmp_path) -> None:
    text = "00:00:01,000 --> 00:00:02,000\n[laughs] I know (sighs) that\n\n"
    text += "00:00:03,000 --> 00:00:04,000\n♪ la la ♪\n\n00:00:05,000 --> 00:00:06,000\n♪\n...\n"
    transcript = load(tmp_path, text)
    assert said(transcript) == [(1.0, 2.0, "I know that")]
    assert transcript.sounds == (
        Sound(text="laughs", span=Span(1.0, 2.0)),
        Sound(text="sighs", span=Span(1.0, 2.0)),
        Sound(text="la la", span=Span(3.0, 4.0)),
    )


def test_speakers_by_dash_and_by_name(tmp_path) -> None:
    text = "00:00:01,000 --> 00:00:02,000\n- Are you ok?\n- Yes, I\nam.\n\n"
    text += "00:00:03,000 --> 00:00:04,000\nJOHN: Go.\nMARY ANN: No: you go.\n"
    transcript = load(tmp_path, text)
    assert [(u.speaker, u.text) for u in transcript.utterances] == [
        (None, "Are you ok?"),
        (None, "Yes, I am."),
        ("JOHN", "Go."),
        ("MARY ANN", "No: you go."),
    ]


def test_symbols_that_only_look_like_markup_stay(tmp_path) -> None:
    transcript = load(tmp_path, "00:00:01,000 --> 00:00:02,000\nI <3 you & 1 < 2, Q&amp;A {fine} -5\n")
    assert transcript.text == "I <3 you & 1 < 2, Q&A {fine} -5"


VTT = """\ufeffWEBVTT - a title
Kind: captions

STYLE
::cue { color: red }

NOTE not said
nor this

intro
00:01.000 --> 00:02.000 position:10% line:0
<v.loud Bob>Hello <b>you</b> &amp; me</v>

00:00:03.000 --> 00:00:05.000
<v Ann>Well <00:00:03.500>now <00:00:04.500><c.yellow>then</c>
"""


def test_vtt(tmp_path) -> None:
    transcript = load(tmp_path, VTT, "words.vtt")
    assert said(transcript) == [(1.0, 2.0, "Hello you & me"), (3.0, 5.0, "Well now then")]
    assert [utterance.speaker for utterance in transcript.utterances] == ["Bob", "Ann"]
    timed = transcript.utterances[1].words
    assert [(word.text, word.span.start_seconds, word.span.end_seconds, word.measured) for word in timed] == [
        ("Well", 3.0, 3.5, True),
        ("now", 3.5, 4.5, True),
        ("then", 4.5, 5.0, True),
    ]
    assert not any(word.measured for word in transcript.utterances[0].words)
    assert load(tmp_path, VTT, "misnamed.srt") == transcript
    assert load(tmp_path, VTT.replace("\n", "\r\n"), "words.vtt") == transcript


def test_a_vtt_cue_with_two_voices_gives_two_utterances(tmp_path) -> None:
    transcript = load(tmp_path, "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Bob>Hi</v> <v Ann>Hello</v>\n", "words.vtt")
    assert [(u.speaker, u.text, u.span) for u in transcript.utterances] == [
        ("Bob", "Hi", Span(1.0, 2.0)),
        ("Ann", "Hello", Span(1.0, 2.0)),
    ]


def test_rolling_automatic_captions_say_each_line_once(tmp_path) -> None:
    text = """WEBVTT

00:00:00.000 --> 00:00:02.000
so<00:00:01.000><c> today</c>

00:00:02.000 --> 00:00:02.010
so today

00:00:02.010 --> 00:00:04.000
so today
we<00:00:03.000><c> talk</c>
"""
    assert load(tmp_path, text, "auto.vtt").text == "so today\nwe talk"


def test_words_are_interpolated_by_character_count(tmp_path) -> None:
    (utterance,) = load(tmp_path, "00:00:02,000 --> 00:00:04,000\na bbb ... cccc\n").utterances
    assert [word.text for word in utterance.words] == ["a", "bbb", "cccc"]
    assert [word.span.start_seconds for word in utterance.words] == pytest.approx([2.0, 2 + 2 / 11, 2 + 14 / 11])
    assert utterance.words[-1].span.end_seconds == pytest.approx(4.0)
    assert not any(word.measured for word in utterance.words)


@given(
    cues=st.lists(st.tuples(st.integers(-5000, 70_000), st.integers(-2000, 9000), st.text(max_size=60)), max_size=8),
    vtt=st.booleans(),
)
def test_whatever_a_file_holds_words_lie_in_their_utterance_and_that_in_the_clip(tmp_path_factory, cues, vtt) -> None:
    def stamp(milliseconds: int) -> str:
        seconds, rest = divmod(abs(milliseconds), 1000)
        sign = "-" if milliseconds < 0 else ""
        return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"

    body = "\n\n".join(f"{stamp(start)} --> {stamp(start + length)}\n{text}" for start, length, text in cues)
    path = tmp_path_factory.getbasetemp() / "any.srt"
    path.write_bytes((("WEBVTT\n\n" if vtt else "00:00:00,000 --> 00:00:00,500\nstart\n\n") + body).encode())
    try:
        transcript = load_transcript("none.mp4", transcript_path=path, span=CLIP)
    except UnreadableTranscript as error:
        assert "zero byte" in str(error)  # noqa: PT017
        return
    assert transcript is not None
    spans = [utterance.span for utterance in transcript.utterances]
    assert spans == sorted(spans)
    for utterance in transcript.utterances:
        assert utterance.span in CLIP
        assert utterance.words
        starts = [word.span.start_seconds for word in utterance.words]
        assert starts == sorted(starts)
        assert all(word.span in utterance.span for word in utterance.words)
        assert [word.text for word in utterance.words if word.text not in utterance.text.split()] == []


def test_plain_text_has_no_times(tmp_path) -> None:
    transcript = load(tmp_path, "Hello there. [laughs]\n\nANN: Fine!\n", "words.txt")
    assert not transcript.timed
    assert said(transcript) == [(0.0, 60.0, "Hello there."), (0.0, 60.0, "Fine!")]
    assert transcript.utterances[1].speaker == "ANN"
    assert {word.span for word in transcript.words} == {CLIP}
    assert not any(word.measured for word in transcript.words)
    assert [sound.text for sound in transcript.sounds] == ["laughs"]


def test_text_given_as_an_option(tmp_path) -> None:
    transcript = load_transcript(tmp_path / "none.mp4", text="I am so tired", span=CLIP)
    assert transcript is not None
    assert (transcript.source, transcript.text, transcript.timed) == ("option", "I am so tired", False)
    nothing = load_transcript(tmp_path / "none.mp4", text="", span=CLIP)
    assert nothing is not None
    assert nothing.utterances == ()
    with pytest.raises(UsageError, match="both"):
        load_transcript(tmp_path / "none.mp4", text="a", transcript_path=tmp_path / "a.srt", span=CLIP)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_with_and_without_mark(tmp_path, encoding) -> None:
    data = "00:00:01,000 --> 00:00:02,000\nça va, 你好, здравствуй\n".encode(encoding)
    assert load(tmp_path, data).text == "ça va, 你好, здравствуй"


def test_another_encoding_is_named_never_guessed(tmp_path) -> None:
    data = "00:00:01,000 --> 00:00:02,000\nça va\n".encode("cp1252")
    with pytest.raises(UnreadableTranscript, match=r"words\.srt.*byte 30.*--encoding"):
        load(tmp_path, data)
    assert load(tmp_path, data, encoding="cp1252").text == "ça va"
    with pytest.raises(UnreadableTranscript, match="zero byte"):
        load(tmp_path, "hello".encode("utf-16-le"))
    with pytest.raises(UnreadableTranscript, match="not ascii text"):
        load(tmp_path, data, encoding="ascii")
    with pytest.raises(UsageError, match="unknown encoding 'klingon'"):
        load(tmp_path, data, encoding="klingon")


def test_unusable_transcripts(tmp_path) -> None:
    with pytest.raises(UnreadableTranscript, match="not a single cue"):
        load(tmp_path, "I am just text.\n")
    with pytest.raises(UnreadableTranscript, match=r"\.srt, \.vtt or \.txt, not \.docx"):
        load(tmp_path, "hello", "words.docx")
    with pytest.raises(UnreadableTranscript, match="no such file"):
        load_transcript(tmp_path / "a.mp4", transcript_path=tmp_path / "none.srt", span=CLIP)
    with pytest.raises(UnreadableTranscript, match="limit of 10,000,000"):
        load(tmp_path, bytes(MAX_BYTES + 1), "words.txt")
    assert load(tmp_path, "").utterances == ()
    assert load(tmp_path, "WEBVTT\n", "words.vtt").utterances == ()


@pytest.mark.parametrize(
    "text",
    [
        *(sign * 200_000 for sign in "<[(♪-&"),
        "{\\" * 100_000,
        "<v " * 60_000,
        "<00:00:01.000>" * 5_000,
        "A" * 200_000 + ":",
        "\u202e" * 100_000,
        "<rt>" * 50_000,
        "- a\n" * 200,
    ],
)
def test_hostile_text_takes_linear_time(tmp_path, text) -> None:
    begin = time.process_time()
    load(tmp_path, "WEBVTT\n\n00:01.000 --> 00:02.000\n" + text, "hostile.vtt")
    load(tmp_path, "00:00:01,000 --> 00:00:02,000\n" + text)
    assert time.process_time() - begin < 5.0


def test_controls_and_direction_overrides_are_removed(tmp_path) -> None:
    transcript = load(tmp_path, "00:00:01,000 --> 00:00:02,000\nI am\x1b[31m \u202efine\u202c\x07\n")
    assert "\x1b" not in transcript.text
    assert "\u202e" not in transcript.text
    assert "fine" in transcript.text


def cue(text: str) -> str:
    return f"00:00:00,000 --> 00:00:01,000\n{text}\n"


def test_the_order_of_sources(tmp_path) -> None:
    captions = [Caption(text="embedded", start_seconds=0.0, end_seconds=1.0)]
    media = write_clip(tmp_path / "talk.mp4", captions=captions)
    sources = {
        "talk.txt": "plain",
        None: "embedded",
        "talk.fr.srt": cue("fr"),
        "talk.en-GB.srt": cue("en"),
        "talk.vtt": "WEBVTT\n\n" + cue("vtt").replace(",", "."),
        "talk.SRT": cue("srt"),
    }
    (tmp_path / "talk2.srt").write_text(cue("another clip"))
    (tmp_path / "talk.notes about it.srt").write_text(cue("not a language"))
    got = []
    for name, content in sources.items():
        if name is not None:
            (tmp_path / name).write_text(content)
        transcript = load_transcript(media, span=CLIP)
        assert transcript is not None
        got.append((transcript.source, transcript.text))
    assert got == [
        ("embedded:2", "embedded"),
        ("embedded:2", "embedded"),
        ("sidecar:talk.fr.srt", "fr"),
        ("sidecar:talk.en-GB.srt", "en"),
        ("sidecar:talk.vtt", "vtt"),
        ("sidecar:talk.SRT", "srt"),
    ]
    other = tmp_path / "other.txt"
    other.write_text("mine")
    chosen = load_transcript(media, transcript_path=other, span=CLIP)
    assert chosen is not None
    assert chosen.text == "mine"


def test_no_source_is_none_and_plain_text_comes_last(tmp_path) -> None:
    media = write_clip(tmp_path / "talk.mp4")
    assert load_transcript(media, span=CLIP) is None
    (tmp_path / "talk.txt").write_text("plain")
    transcript = load_transcript(media, span=CLIP)
    assert transcript is not None
    assert transcript.source == "sidecar:talk.txt"


@pytest.mark.parametrize(
    ("name", "codec", "text", "speaker"),
    [
        ("a.mp4", "mov_text", "hello there", None),
        ("a.mkv", "subrip", "<i>hello</i> there", None),
        ("a.mkv", "webvtt", "<v Bob>hello there", "Bob"),
        ("a.mkv", "ass", "0,0,Default,Bob,0,0,0,,{\\i1}hello{\\i0}\\Nthere", "Bob"),
    ],
)
def test_embedded_tracks(tmp_path, name, codec, text, speaker) -> None:
    captions = [Caption(text=text, start_seconds=0.25, end_seconds=1.0)]
    media = write_clip(tmp_path / name, captions=captions, caption_codec=codec)
    transcript = load_transcript(media, span=CLIP)
    assert transcript is not None
    assert said(transcript) == [(0.25, 1.0, "hello there")]
    assert transcript.utterances[0].speaker == speaker


def test_real_subtitles(shared_media) -> None:
    span = Span(0.0, 600.0)
    transcript = load_transcript(shared_media / "odd" / "long_10min.mp4", span=span)
    assert transcript is not None
    assert len(transcript.utterances) == 200
    assert transcript.source == "sidecar:long_10min.srt"
    assert transcript.utterances[0].text == "bin blue at f two now"
    assert not transcript.issues


def test_a_clip_that_ends_before_its_header_says_keeps_its_last_words(tmp_path) -> None:
    path = tmp_path / "a.srt"
    path.write_text(
        "1\n00:00:00,500 --> 00:00:02,000\nso happy now\n\n2\n00:00:01,900 --> 00:00:02,000\n[laughs] gone\n"
    )
    transcript = load_transcript("none.mp4", transcript_path=path, span=Span(0.0, 2.0))
    assert transcript is not None
    cut = transcript.within(Span(0.0, 1.61))
    assert said(cut) == [(0.5, 1.61, "so happy now")]
    assert all(word.span in Span(0.0, 1.61) for word in cut.words)
    assert cut.sounds == ()
    assert cut.issues == {"beyond_clip": 1}
    assert transcript.within(Span(0.0, 2.0)) == transcript


def test_words_without_times_last_as_long_as_the_clip() -> None:
    transcript = load_transcript("none.mp4", text="so happy now", span=Span(0.0, 2.0))
    assert transcript is not None
    for end in (0.0, 1.999, 2.5):
        assert {word.span for word in transcript.within(Span(0.0, end)).words} == {Span(0.0, end)}


def test_text_and_names_that_are_no_unicode_can_still_be_written(tmp_path) -> None:
    transcript = load_transcript("none.mp4", text="bad \udcff word", span=CLIP)
    assert transcript is not None
    assert transcript.text.encode().decode() == "bad ? word"


def test_a_folder_is_no_transcript(tmp_path) -> None:
    with pytest.raises(UnreadableTranscript, match="not a file"):
        load_transcript("none.mp4", transcript_path=tmp_path, span=CLIP)

from __future__ import annotations

from dataclasses import replace

from emotrace.evidence.segments import Stretch
from emotrace.evidence.sheets import Witness, sheet_of
from emotrace.evidence.voice_activity import speech_turns
from emotrace.evidence.witnesses import VOICE, witnesses
from emotrace.media.transcript import Sound, Transcript, Utterance
from emotrace.span import Span
from emotrace.testing.sounds import measure, noise, talk


def utterance(text: str, start: float, end: float) -> Utterance:
    return Utterance(text=text, span=Span(start, end), words=())


def test_a_modality_of_another_person_is_not_found_here() -> None:
    sheet = sheet_of(Witness(id="P1"), Span(0, 2), clip_id="c", absent={"visual": "switched_off"})
    assert sheet.missing == {"visual": "switched_off", "vocal": "not_found", "verbal": "not_found"}
    assert sheet.observations == ()


def test_words_of_the_stretch_and_no_others() -> None:
    said = (utterance("I am so happy", 0, 2), utterance("I am so sad", 2, 4))
    witness = Witness(id="P1", speaking=(Span(0, 4),), utterances=said)
    sheet = sheet_of(witness, Span(2, 4), clip_id="c", absent={})
    assert [o.cue for o in sheet.observations if o.scores is None] == ["w_names:sad"]
    (reading,) = [o for o in sheet.observations if o.scores is not None]
    assert reading.span == Span(2, 4)
    assert max(reading.scores or {}, key=lambda label: (reading.scores or {})[label]) == "sadness"


def test_a_described_laugh_is_heard_even_where_nothing_is_said() -> None:
    witness = Witness(id="P1", sounds=(Sound(text="laughs", span=Span(0.5, 1.0)),), speaking=(Span(0, 2),))
    sheet = sheet_of(witness, Span(0, 2), clip_id="c", absent={})
    assert [(o.modality, o.cue) for o in sheet.observations] == [("vocal", "laugh")]
    assert "vocal" not in sheet.missing


def test_silence_between_two_turns_of_a_person_is_no_pause() -> None:
    import numpy as np

    speech = talk(3.0, seed=1)
    gap = 1e-4 * noise(4.0)
    series = measure(np.concatenate([speech, gap, speech]))
    first, second = speech_turns(series)[0], speech_turns(series)[-1]
    apart = Witness(id="P1", voice=series, speaking=(first, second))
    whole = sheet_of(apart, Span(0, 10), clip_id="c", absent={})
    assert "long_pauses" not in {o.cue for o in whole.observations}
    together = replace(apart, speaking=(first | second,))
    assert "long_pauses" in {o.cue for o in sheet_of(together, Span(0, 10), clip_id="c", absent={}).observations}


def test_with_nobody_in_sight_speech_and_words_are_the_voice_s() -> None:
    said = (utterance("hello there", 0, 2),)
    stretch = Stretch(span=Span(0, 2), kind="utterance", utterances=said)
    people = witnesses((), None, (), (stretch,), Transcript(utterances=said, source="option", timed=True))
    assert [(person.id, person.utterances) for person in people] == [(VOICE, said)]


def test_words_without_times_go_to_whoever_speaks_longest() -> None:
    said = (utterance("a long text", 0, 60),)
    windows = tuple(Stretch(span=Span(i, i + 5), kind="window") for i in range(0, 60, 5))
    people = witnesses((), None, (), windows, Transcript(utterances=said, source="option", timed=False))
    assert [(person.id, person.utterances) for person in people] == [(VOICE, said)]
    assert people[0].speaks_in(Span(0, 60))


def test_nobody_is_nobody() -> None:
    assert witnesses((), None, (), (Stretch(span=Span(0, 2), kind="window"),), None) == ()

"""Sentences about faces in many people's manners, and what each says of the face, if anything.

Written for these tests; none of them is in a data set that emotrace was measured on.
"""

from __future__ import annotations

import pytest

from emotrace.grace.language.actions import read_actions

TELLING: dict[str, set[str]] = {
    # plain observers
    "The inner corners of her eyebrows are drawn upward.": {"AU1"},
    "Inner brow ends slant up toward the middle of the forehead.": {"AU1"},
    "The outer half of each eyebrow lifts.": {"AU2"},
    "Both eyebrows shoot up.": {"brows / raised"},
    "He arches his eyebrows.": {"brows / raised"},
    "Horizontal lines appear across the forehead.": {"brows / raised"},
    "The brows knit together.": {"AU4"},
    "Her eyebrows come down and squeeze together.": {"AU4"},
    "A vertical crease shows between the eyebrows.": {"AU4"},
    "He frowns hard.": {"AU4"},
    "Furrowed brow, set jaw.": {"AU4", "AU31"},
    "The upper eyelids are pulled up so that more of the eye shows.": {"AU5"},
    "Her eyes go wide.": {"AU5"},
    "His eyes are wide open.": {"AU5"},
    "There are crow's feet at the corners of the eyes.": {"AU6"},
    "Her cheeks push up under the eyes.": {"AU6"},
    "The apples of the cheeks lift.": {"AU6"},
    "The lower eyelids tense.": {"AU7"},
    "He squints.": {"AU7"},
    "Eyes narrowed to slits.": {"AU7"},
    "She scrunches up her nose.": {"AU9"},
    "Wrinkles run across the bridge of the nose.": {"AU9"},
    "The top lip curls.": {"AU10"},
    "His upper lip lifts and bares the upper teeth.": {"AU10"},
    "The folds from the nose to the mouth deepen.": {"AU11"},
    "The ends of the mouth curve upwards.": {"AU12"},
    "A faint smile.": {"AU12"},
    "She grins from ear to ear.": {"AU12"},
    "The mouth turns up at the corners.": {"AU12"},
    "One corner of the mouth tightens.": {"AU14"},
    "A dimple shows on the left.": {"AU14"},
    "The mouth turns down.": {"AU15"},
    "The edges of the lips sag.": {"AU15"},
    "The lower lip is pulled down, so that the bottom teeth show.": {"AU16"},
    "The chin wrinkles and pushes the lower lip upward.": {"AU17"},
    "He pouts.": {"AU17"},
    "The lips pucker.": {"AU18"},
    "She purses her lips.": {"AU18"},
    "The tip of the tongue sticks out.": {"AU19"},
    "The lips are stretched back toward the ears.": {"AU20"},
    "The lips push forward like a funnel.": {"AU22"},
    "Her lips become thinner and tense.": {"AU23"},
    "The lips press firmly against each other.": {"AU24"},
    "He presses his lips into a thin line.": {"AU24"},
    "The lips separate slightly.": {"AU25"},
    "His mouth hangs open.": {"AU26"},
    "The lower jaw falls.": {"AU26"},
    "The mouth is stretched wide open.": {"AU27"},
    "Both lips are rolled in over the teeth.": {"AU28"},
    "She juts her jaw forward.": {"AU29"},
    "He grits his teeth.": {"AU31"},
    "She bites her lower lip.": {"AU32"},
    "Cheeks puffed out with air.": {"AU34"},
    "The nostrils widen.": {"AU38"},
    "Her eyelids droop.": {"AU43"},
    "The eyes shut.": {"AU43"},
    "She blinks rapidly.": {"AU45"},
    "Tears well up in his eyes.": {"eyes / filled with tears"},
    "His chin quivers.": {"chin / trembling"},
    # coders
    "AU6+12, intensity C": {"AU6", "AU12"},
    "Action Units 1, 2 and 5B": {"AU1", "AU2", "AU5"},
    "Brow Lowerer (AU 4) with Lid Tightener": {"AU4", "AU7"},
    "R14C, that is AU R14": {"AU14"},
    "lip corner puller, cheek raiser": {"AU12", "AU6"},
    "corrugator activity increases; zygomaticus major contracts": {"AU4", "AU12"},
    # models of language and vision
    "Between 1.2 s and 2.5 s, the subject's brows lower noticeably while the lips remain pressed together.": {
        "AU4",
        "AU24",
    },
    "The person's eyes are widened, the mouth is slightly open, and the eyebrows are raised.": {
        "AU5",
        "AU26",
        "brows / raised",
    },
    "**Mouth**: corners pulled downward; chin boss raised.": {"AU15", "AU17"},
    "- Eyebrows: raised and drawn together\n- Eyes: upper lids raised\n- Mouth: lips stretched horizontally": {
        "brows / raised",
        "AU4",
        "AU5",
        "AU20",
    },
    "In the video, a man in a dark suit furrows his brow and tightens his jaw as he listens.": {"AU4", "AU31"},
    "She starts with a relaxed face, then her eyebrows rise and her jaw drops.": {"brows / raised", "AU26"},
    "The smile does not reach the eyes.": {"AU12"},
    "Initially the face is at rest, but later the nose wrinkles and the upper lip rises.": {"AU9", "AU10"},
    "With her eyes half closed and the lips parted, the woman tilts her head.": {"AU43", "AU25"},
    "The girl looks sad: her mouth corners droop and her brows are pulled up in the middle.": {
        "AU15",
        "brows / raised",
    },
    "An angry man with lowered eyebrows glares at the camera, lips tightened.": {"AU4", "AU23"},
    "The lip corners are strongly depressed.": {"AU15"},
    # embedded observers
    "lip corners rise from 0.4 s, most at 1.1 s, until 2.0 s while eye region and upper cheeks stay still": {"AU12"},
    "brows move together and down from 0.4 s, most at 1.0 s, by 0.12 eye distances": {"AU4"},
    "mouth opens wide at 2.1 s, the jaw drops": {"AU27", "AU26"},
}

SILENT: tuple[str, ...] = (
    "A woman with long brown hair and large eyes.",
    "He wears a dark jacket with a raised collar.",
    "The camera pans to the left and zooms in.",
    "The light dims and a shadow falls across her cheeks.",
    "An office with an open window.",
    "She talks quickly and her lips part between words.",
    "The mouth opens and closes as he speaks.",
    "He raises a hand.",
    "She raises her glass to her lips.",
    "He lifts a cup to his mouth.",
    "The wind lifts her hair over her eyes.",
    "He turns his head to the right.",
    "She nods twice.",
    "The head drops.",
    "He looks up at the ceiling.",
    "Her gaze shifts down.",
    "She blinks once.",
    "The eyes blink.",
    "The face is at rest.",
    "No movement of the brows.",
    "The eyebrows are not raised.",
    "The lips don't part and the jaw never drops.",
    "without any smile",
    "Brows, cheeks and lips stay still.",
    "The forehead is smooth and the mouth is relaxed.",
    "The person seems to be very happy.",
    "She feels sad and disappointed.",
    "A man of about forty in front of a bookshelf.",
    "The background drifts past and the picture shakes.",
    "He closes the door and drops the keys.",
    "Something changes around the mouth.",
    "The video shows a close-up of a face.",
    "She lowers her voice.",
    "He pulls up a chair and sits down.",
    "Her necklace falls to one side.",
    "He covers his mouth with one hand.",
    "",
    "...",
    "!!! ??? ;;; ,,,",
    "12345 67.8 % 00:01:02",
    "眉毛没有动。",
    "Она смотрит в окно.",
    "Das Gesicht bleibt ruhig.",
    "\u202e\u0000\ufffd🙂🙃",
)


def said(text: str) -> set[str]:
    """The action units of a text; `region / action` where there is no single one."""
    units = [action.unit for action in read_actions(text).actions]
    return {unit.action_unit or f"{unit.region} / {unit.action}" for unit in units}


@pytest.mark.parametrize("sentence", TELLING)
def test_what_a_face_does_is_understood(sentence: str) -> None:
    assert said(sentence) == TELLING[sentence]


@pytest.mark.parametrize("sentence", SILENT)
def test_what_is_no_expression_is_left_out(sentence: str) -> None:
    assert said(sentence) == set()

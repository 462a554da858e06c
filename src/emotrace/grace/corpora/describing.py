"""The embedded observers describe a corpus's clips, and what they say is kept: one line per clip, so that it can go on.

They are given a clip's pictures and their times, and nothing else: an id, a path or a label would tell the answer. A
folder of frames has no times. DFEW, FERV39k and MAFW hold face crops cut from films at about 25 pictures a second
[field], and that rate is taken for every folder; a wrong rate stretches the times, not what was seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emotrace.datasets.example import Example
from emotrace.datasets.frames import ExampleFrames, FrameSource
from emotrace.evidence.observation import EvidenceSheet
from emotrace.evidence.sheets import Witness, sheet_of
from emotrace.evidence.store import TraceKey, TraceStore
from emotrace.evidence.visual import SOURCE
from emotrace.evidence.witnesses import watch_faces
from emotrace.grace.cate import Narrative, narrate
from emotrace.grace.config import GraceConfig
from emotrace.grace.corpora.texts import Descriptions, words_of
from emotrace.grace.language.affect_trace import AffectTrace, CoarseSource, FineMethod, clip_id_of, frames_sha256
from emotrace.grace.language.lexicon import affect_lexicon
from emotrace.media.faces import FaceDetector
from emotrace.media.video import Frame
from emotrace.progress import Watch
from emotrace.span import Span

if TYPE_CHECKING:
    from emotrace.encoders.interface import Tokenizer

FOLDER_RATE_HZ: Final = 25.0
"""Pictures per second of a folder of frames."""
LOOK_RATE_HZ: Final = 5.0
"""Pictures per second that the observers look at, as in `analyze`."""
_BLOCK: Final = 64
"""Pictures in memory at once."""


def describe_clips(
    examples: Iterable[Example],
    *,
    corpus: str,
    cache: Path,
    detector: FaceDetector,
    tokenizer: Tokenizer,
    config: GraceConfig,
    watch: Watch | None = None,
) -> Descriptions:
    """What is seen of each clip's main face. A clip that the cache knows is not looked at again.

    Args:
        examples: The clips.
        corpus: Its name, with which the cache hides the names of the clips.
        cache: A `.jsonl` file, which need not exist.
        detector: Finds faces, in face crops too.
        tokenizer: Of the text encoder, for the words that are kept beside the sentences.
        config: Of the model, for the same.
        watch: Told how far it is.

    Raises:
        MediaError: A clip cannot be read.
        UnreadableTrace: A line of the cache is damaged.
        UnwritableOutput: The cache cannot be written.
    """
    clips = {example.id: example for example in examples}
    source, store, watch = ExampleFrames(clips.values()), TraceStore(cache, AffectTrace.from_dict), watch or Watch()
    coarse = CoarseSource(source=SOURCE, model=detector.name)
    narratives: dict[str, Narrative] = {}
    for number, name in enumerate(clips, start=1):
        clip_id = clip_id_of(corpus, name)
        key = TraceKey(clip_id=clip_id, provider=f"{SOURCE}/{detector.name}", prompt_sha256="")
        if (trace := store.get(key)) is None:
            sheet = observe(source, name, clip_id=clip_id, detector=detector)
            said = narrate(sheet)
            trace = AffectTrace(
                clip_id=clip_id,
                frames_sha256=frames_sha256(frames_of(source, name)),
                coarse=coarse,
                narrative=said,
                fine=FineMethod(lexicon_sha256=affect_lexicon().sha256),
                tokenizer=tokenizer.name,
                text=words_of(said, tokenizer, config),
                created_utc="",
            )
            store.append(trace)
        narratives[name] = trace.narrative
        watch.progress("describe", number, len(clips))
    return Descriptions(narratives=narratives, source=f"{SOURCE} ({detector.name})")


def observe(source: FrameSource, key: str, *, clip_id: str, detector: FaceDetector) -> EvidenceSheet:
    """What is seen of the face that is longest on screen; an empty sheet where there is none.

    Args:
        source: Of the pictures.
        key: Of the clip in the source; it goes no further.
        clip_id: The name that the sheet gets.
        detector: Finds the faces.
    """
    end = max(_times(source, key), default=0.0)
    faces = watch_faces(frames_of(source, key), detector, total_seconds=end, watch=Watch())
    people = [Witness(id=face.track.person_id, track=face.track, face=face.series) for face in faces]
    main = max(people, key=lambda person: person.evidence_seconds, default=Witness(id="nobody"))
    return sheet_of(main, Span(0.0, end), clip_id=clip_id, absent=dict.fromkeys(("vocal", "verbal"), "not_recorded"))


def frames_of(source: FrameSource, key: str) -> Iterator[Frame]:
    """The pictures of a clip at about `LOOK_RATE_HZ`, with their times; those that cannot be read are left out."""
    times = _times(source, key)
    wanted = _on_the_grid(times)
    number = 0
    for start in range(0, len(wanted), _BLOCK):
        block = wanted[start : start + _BLOCK]
        for index, picture in zip(block, source.read(key, block), strict=True):
            if picture is not None:
                yield Frame(image=picture, time_seconds=times[index], index=number)
                number += 1


def _times(source: FrameSource, key: str) -> list[float]:
    """When each picture came on screen; that of a folder by `FOLDER_RATE_HZ`."""
    times = list(source.times_seconds(key, list(range(source.frame_count(key)))))
    return [number / FOLDER_RATE_HZ for number in range(len(times))] if any(map(math.isnan, times)) else times


def _on_the_grid(times: list[float]) -> list[int]:
    """The first picture at or after each multiple of the looking rate's step.

    >>> _on_the_grid([0.0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24])
    [0, 5]
    """
    chosen: list[int] = []
    last = -1
    for index, time in enumerate(times):
        if (slot := math.floor(time * LOOK_RATE_HZ + 1e-6)) > last:
            chosen.append(index)
            last = slot
    return chosen

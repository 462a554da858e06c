"""The verbal observer: what the words of an utterance carry, with negation, degree, person and mood.

Two kinds of finding. *Words*: an emotion word that the speaker uses (`w_names:WORD`). *Phrases*: what is said to have
happened (a loss, a threat, a goal reached), by the patterns of `tables/phrases.toml`. A plain utterance with neither is
`w_routine`. Nothing is downloaded and no model is asked; emotion words stand inside quotations only.

What it cannot see: irony and sarcasm, quoted speech told as one's own, and whatever only tone or context shows.
Languages: English in full, Chinese words and main phrases, German main phrases. In any other it says nothing.

How an emotion word counts [ours]:

| the clause | cue | confidence |
|---|---|---|
| first person ("I am proud"), or fragment ("So proud!") | `w_names:proud` | 0.9, 0.7 |
| about a thing or another ("this is sad", "he was proud") | `w_names:sad` | 0.4 |
| past | the same | x 0.8 |
| question, condition, wish ("are you angry?", "if I were sad") | none: free prose | 0.4 |
| a pleasant word negated, not of others ("not happy") | `w_fell_short` | 0.4 |
| an unpleasant word negated, first person ("I'm not afraid") | `w_denies` | 0.4 |
| any other negated word | none: free prose | 0.4 |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emotrace.evidence.clauses import Clause, clauses_of, tokens_of, words_of
from emotrace.evidence.mentions import Mention, mentions
from emotrace.evidence.observation import Finding, clean
from emotrace.evidence.phrases import Language, Phrase, phrases_in
from emotrace.labels.affects import AFFECT_BY_WORD
from emotrace.labels.vocabulary import EVERYDAY, vocabulary
from emotrace.labels.wheel import AFFECT_OF_MIDDLE
from emotrace.media.transcript import Sound, Utterance
from emotrace.span import Span

SOURCE = "verbal@1"
MAX_CHARACTERS, QUOTED_CHARACTERS = 120, 60
"""Longest text of a finding, and longest quotation in it."""

_PHRASE_STRENGTH = 0.8
_PHRASE_CONFIDENCE = 0.6
_ROUTINE_STRENGTH, _ROUTINE_CONFIDENCE, _ROUTINE_WORDS = 0.3, 0.4, 4
_SOUND_STRENGTH, _SOUND_CONFIDENCE = 0.7, 0.7
_CONFIDENCE = {"first": 0.9, "unsaid": 0.7, "other": 0.4}
_KNOWN_SHARE = 0.15
"""Of the words, function words of a language at least; terse commands ("place red by c three again") have few."""
_UNSETTLED = ("question", "condition", "wish")
_LOW = 0.4

_FUNCTION_WORDS: dict[Language, frozenset[str]] = {
    "en": words_of(
        """the and or of to at for with from by is are was were be been am does did not have has had i you he she it we
        they him her us them my your his its our their this that these those what who how when where why if but because
        can could would should just there here very yes all some about than then up out now get got going like please"""
    ),
    "de": words_of(
        """der die das den dem des ein eine einen einem einer und oder von zu im auf mit aus bei ist sind waren sein bin
        bist nicht kein keine habe hat haben hatte ich du er sie es wir ihr mich dich uns euch mir dir mein dein wer wie
        wann wo warum wenn weil aber doch schon noch nur auch sehr hier für werden wird kann"""
    ),
}
"""Frequent words of a language that are rare in the others ("no", "in" and "me" would not tell)."""
_GERMAN_FEELING = re.compile(
    r"\b(?:traurig|trauer|wüt|wut|zorn|zornig|hass|angst|ängst|fürcht|furcht|freu|froh|glück|ekel|ekl|enttäusch|verzweif|"
    r"einsam|stolz|schäm|scham|schuld|neid|eifers|liebe|ärger|sauer|verletzt|überrasch|müde|langweil|wein|heul|lach)",
    re.IGNORECASE,
)
"""German stems of feeling. The vocabulary has no German, so they name nothing here; but they are not plain words."""
_HAN, _KANA = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]"), re.compile(r"[\u3040-\u30ff]")
_LOOSE_QUOTE = re.compile(r"(?<!\w)'|'(?!\w)")
"""A quotation mark that is no apostrophe: it would end ours."""
_CONTEXT = re.compile(r"[^.!?…。！？\n]{0,30}(?!\w)")
"""Up to thirty characters after a match, to the end of a word and within the sentence."""
_SOUNDS = (
    ("laugh", re.compile(r"\b(?:laugh|chuckl|giggl|snicker|lacht|lachen|kichert)|笑")),
    ("sob", re.compile(r"\b(?:sob|cry|cries|weep|wail|whimper|weint|schluchz)|哭|抽泣")),
    ("gasp", re.compile(r"\b(?:gasp|inhales sharply|keucht)|倒吸")),
    ("sigh", re.compile(r"\b(?:sigh|exhales|seufz)|叹")),
)


def language_of(text: str) -> Language | None:
    """The language of a text among those that are understood; None for another, or for too little to tell.

    >>> language_of("I do not know"), language_of("das ist nicht gut"), language_of("no lo sé, amigo mío")
    ('en', 'de', None)
    """
    letters = sum(character.isalpha() for character in text)
    if letters and len(_HAN.findall(text)) > 0.3 * letters:
        return None if _KANA.search(text) else "zh"
    words = [token.text for token in tokens_of(text) if token.text[0].isalpha()]
    shares = {lang: sum(word in known for word in words) for lang, known in _FUNCTION_WORDS.items()}
    best = max(shares, key=lambda lang: shares[lang])
    if len(words) >= 4:
        return best if shares[best] >= _KNOWN_SHARE * len(words) and shares[best] > 0 else None
    if shares[best] == 0 and any(found.form.lower() not in EVERYDAY for found in vocabulary().find(text)):
        return "en"
    return best if shares[best] else None


def reliability(utterances: Sequence[Utterance]) -> float:
    """0..1: how far the words can be read. 1 for a known language, 0.3 for another, 0.5 when it cannot be told."""
    text = " ".join(utterance.text for utterance in utterances)
    if language_of(text) is not None:
        return 1.0
    return 0.5 if sum(token.text[0].isalpha() for token in tokens_of(text)) < 4 else 0.3


def observe(utterances: Sequence[Utterance], span: Span) -> list[Finding]:
    """What the words say within a span, in time order; one finding per cue and utterance, the weightiest.

    Args:
        utterances: The utterances of one person, with the times of their words.
        span: Findings are cut to it; words outside are left out.
    """
    overall = language_of(" ".join(utterance.text for utterance in utterances))
    findings: list[Finding] = []
    for utterance in utterances:
        language = language_of(utterance.text) or (overall if len(tokens_of(utterance.text)) < 4 else None)
        best: dict[str, Finding] = {}
        for reading in () if language is None else _readings(utterance.text, language):
            shared = _span_of(utterance, reading.start, reading.end) & span
            if shared is None:
                continue
            finding = reading.finding(utterance.text, shared)
            key = finding.cue or finding.text
            if key not in best or finding.weight() > best[key].weight():
                best[key] = finding
        findings += best.values()
    return sorted(findings, key=lambda finding: (finding.span, finding.cue or "", finding.text))


def heard(sounds: Iterable[Sound], span: Span) -> list[Finding]:
    """Sounds that captions describe ("[laughs]"): written down by somebody who heard them, hence of the voice."""
    findings = []
    for sound in sounds:
        shared = sound.span & span
        cue = next((cue for cue, pattern in _SOUNDS if pattern.search(sound.text.lower())), None)
        if shared is not None and cue is not None:
            findings.append(
                Finding(
                    modality="vocal",
                    span=shared,
                    text=f"the captions note '{_shorten(clean(sound.text), QUOTED_CHARACTERS)}'",
                    strength=_SOUND_STRENGTH,
                    confidence=_SOUND_CONFIDENCE,
                    source=f"{SOURCE} captions",
                    cue=cue,
                )
            )
    return findings


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reading:
    """What a stretch `[start, end)` of an utterance says, before it has a time."""

    start: int
    end: int
    cue: str | None
    note: str
    """How it stands, for people: free of emotion words."""
    strength: float
    confidence: float

    def finding(self, text: str, span: Span) -> Finding:
        note = f" ({self.note})" if self.note else ""
        room = min(QUOTED_CHARACTERS, MAX_CHARACTERS - len(f"says ''{note}"))
        return Finding(
            modality="verbal",
            span=span,
            text=f"says '{_quotation(text, self.start, self.end, room)}'{note}",
            strength=self.strength,
            confidence=self.confidence,
            source=SOURCE,
            cue=self.cue,
        )


def _readings(text: str, language: Language) -> list[_Reading]:
    clauses = clauses_of(text)
    words = mentions(text) if language != "de" else ()
    found = [_of_mention(mention) for mention in words]
    for clause in clauses:
        found += [_of_phrase(phrase, clause) for phrase in phrases_in(clause, text, language)]
    if not found and _is_plain(clauses, language) and not (language == "de" and _GERMAN_FEELING.search(text)):
        tokens = [token for clause in clauses for token in clause.tokens]
        found.append(
            _Reading(
                start=tokens[0].start,
                end=tokens[-1].end,
                cue="w_routine",
                note="plain words",
                strength=_ROUTINE_STRENGTH,
                confidence=_ROUTINE_CONFIDENCE,
            )
        )
    return found


def _of_mention(mention: Mention) -> _Reading:
    cue, confidence = _cue_of(mention)
    strength = 0.5 + 0.5 * mention.base.intensity + 0.15 * mention.degree
    person = {"first": "first person", "other": "of another or a thing", "unsaid": ""}[mention.person]
    degree = {-1: "weakened", 0: "", 1: "strengthened"}[mention.degree]
    mood = "" if mention.mood == "statement" else mention.mood
    notes = (person, degree, "negated" if mention.negated else "", mood)
    return _Reading(
        start=mention.from_start,
        end=mention.end,
        cue=cue,
        note=", ".join(filter(None, notes)),
        strength=round(min(max(strength, 0.5), 1.0), 2),
        confidence=confidence,
    )


def _cue_of(mention: Mention) -> tuple[str | None, float]:
    """The cue of an emotion word, and how sure: the table at the head of this file."""
    if mention.mood in _UNSETTLED:
        return None, _LOW
    if mention.negated:
        if mention.base.valence > 0 and mention.person != "other":
            return "w_fell_short", _LOW
        if mention.base.valence < 0 and mention.person == "first":
            return "w_denies", _LOW
        return None, _LOW
    affect = AFFECT_OF_MIDDLE[mention.base.middle]
    if affect is None:
        return None, _LOW
    word = mention.base.word if mention.base.word in AFFECT_BY_WORD else affect
    confidence = _CONFIDENCE[mention.person] * (0.8 if mention.mood == "past" else 1.0)
    return f"w_names:{word}", round(confidence, 2)


def _of_phrase(phrase: Phrase, clause: Clause) -> _Reading:
    strong = clause.sentence_end == "!"
    return _Reading(
        start=phrase.start,
        end=phrase.end,
        cue=phrase.cue,
        note="with an exclamation mark" if strong else "",
        strength=1.0 if strong else _PHRASE_STRENGTH,
        confidence=_PHRASE_CONFIDENCE,
    )


def _is_plain(clauses: Sequence[Clause], language: Language) -> bool:
    """Whether an utterance is long enough to be called plain, and no sentence of it is exclaimed or asked."""
    tokens = [token for clause in clauses for token in clause.tokens]
    length = sum(token.end - token.start for token in tokens) / 2 if language == "zh" else len(tokens)
    return length >= _ROUTINE_WORDS and all(clause.sentence_end in ("", ".") for clause in clauses)


def _quotation(text: str, start: int, end: int, room: int) -> str:
    """The matched words and a little of what follows; an ellipsis where they are cut, in the middle if long."""
    stop = _CONTEXT.match(text, end)
    matched, rest = _unquoted(text[start:end]), _unquoted(text[start : end if stop is None else stop.end()])
    if len(matched) <= room:
        return _shorten(rest, room)
    return f"{matched[: room // 3].rstrip()}…{matched[room // 3 + 1 - room :].lstrip()}"


def _unquoted(text: str) -> str:
    """Clean text that cannot end the quotation it is put in."""
    return clean(_LOOSE_QUOTE.sub(" ", clean(text))).strip(" ,;:")


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _span_of(utterance: Utterance, start: int, end: int) -> Span:
    """When the characters `[start, end)` of an utterance are said: the words that they belong to, as one span."""
    cursor, spans = 0, []
    for word in utterance.words:
        at = utterance.text.find(word.text, cursor)
        if at < 0:
            continue
        cursor = at + len(word.text)
        if at < end and start < cursor:
            spans.append(word.span)
    return Span(min(s.start_seconds for s in spans), max(s.end_seconds for s in spans)) if spans else utterance.span

"""The words of emotion: forms and their base words, found in running text.

English words are matched whole, whatever their case, the longest form first (`let down`, `fed up`); Chinese, which has
no spaces, by the longest form at each place. Pure Python; the lexicon is read at the first question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from emotrace.labels.lexicon import BaseWord, Lexicon, fold, lexicon

# How a body, a voice or a picture is: what an observer must be able to say of a measurement.
_STATES = """
    still stillness quiet quieter quietest quietly quietness steady steadier steadiest steadily steadiness low down
    blue cool cooler coolest coolly warm warmer warmest warmly warmth mild milder mildest mildly firm firmer firmest
    firmly gentle gentler gentlest gently weak weaker weakest weakly harsh harsher harshest harshly harshness dull
    duller dullest dully plain plainly empty close content balanced balance poised poise open-mouthed slack-jawed
    wide-eyed relaxed relax relaxes relaxing relaxation eased eases ease easing released release releases releasing
    strained strain tense tenser tensest tensely tensed tenses tensing tension tensions shaken trembling tremble
    trembles trembled tremblingly trembly tremulous tremulously twitchy jolted jolting staggered staggering jitters
    jittering explosive monotonous monotonously monotony sudden unexpected unexpectedly delicate delicately passive
    passively sluggish animated lively alert restful moved moving stirred stirring touched touching drained draining
    crushed crushing broken mellow hectic urgent calming soothing pressure pressured pressures stressed stress
    stresses
"""
# What a body visibly or audibly does, and many emotions share.
_ACTS = """
    smile smiles smiled smiling smilingly laugh laughs laughed laughing laughter giggle giggles giggled giggling
    chuckle chuckles chuckled chuckling cry cries cried crying weep weeps wept weeping sob sobs sobbed sobbing tears
    tearful yell yells yelled yelling shout shouts shouted shouting cheer cheers cheered cheering applaud applauds
    applauded applauding applause yawn yawns yawned yawning blush blushes blushed blushing fidget fidgets fidgeted
    fidgeting squirm squirms squirmed squirming cower cowers cowered cowering beamed tickle tickles tickled
"""
# How a measurement is: certainty, choice, place and number.
_MEASURES = """
    confidence positive objective objectively uncertain uncertainty uncertainties unsure rejected reject rejects
    rejection rejections excluded exclude excludes excluding exclusion isolated isolation lost trapped stuck exposed
    exposure attached attachment connected detached detachment engaged involved focused focussed concentrated
    concentration absorbed composed collected reserved guarded prepared expecting expectation expectations anticipated
    awaiting waiting questioning hesitation hesitations hesitates hesitate hesitated hesitating critical critically
    ordinary ordinarily formal formally rational superior inferior alone solitary distant distantly driven resolved
    resolve secure securely insistent persistent persistently persists persist persisted persistence dismissed dismiss
    dismisses refused refuse refuses refusal suspect objection complaint complaints mean kind cross abandoned abandon
    reflective unstable instability disturbance disturbances distraction distractions distracted supportive committed
    commitment successful successfully wonder wonders fortunate spared unaffected withdrawn defensive protective
"""
STATES, ACTS, MEASURES = (frozenset(map(fold, words.split())) for words in (_STATES, _ACTS, _MEASURES))
EVERYDAY = STATES | ACTS | MEASURES
"""Everyday words that are forms of emotion words and do not by themselves name an emotion in a measurement
("still face", "tense voice", "the pitch moves down"). They keep their place on the wheel, as labels."""

_TOKEN = re.compile(r"[^\W\d_]+")
_ASCII_TOKEN = re.compile(r"[a-z]+")
_JOINT = re.compile(r"[\s-]+")
_CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_BEFORE_ONE_CHARACTER = frozenset("很太真好最不我你他她别")
"""A one-character word (怕, 爱) is part of too many others: in running text it counts after one of these alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A known form in a text: `text[start:end]`."""

    start: int
    end: int
    form: str
    """As it stands in the text."""
    base: BaseWord


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Forms of emotion words -> their base words. The shipped one is `vocabulary()`."""

    forms: Mapping[str, BaseWord]
    """Folded form -> entry of the base word."""
    phrases: Mapping[str, tuple[tuple[str, ...], ...]]
    """First word of the forms of several words -> those forms, longest first."""
    first_words: frozenset[str]
    """The first word of every form."""
    longest_chinese: int
    """Characters of the longest Chinese form."""

    @classmethod
    def of(cls, words: Lexicon) -> Vocabulary:
        """The vocabulary of a lexicon."""
        phrases: dict[str, list[tuple[str, ...]]] = {}
        for parts in (tuple(form.split()) for form in words.forms if " " in form):
            phrases.setdefault(parts[0], []).append(parts)
        return cls(
            forms=words.forms,
            phrases={first: tuple(sorted(forms, key=lambda f: (-len(f), f))) for first, forms in phrases.items()},
            first_words=frozenset(form.partition(" ")[0] for form in words.forms),
            longest_chinese=max((len(form) for form in words.forms if _CHINESE.fullmatch(form)), default=0),
        )

    def lookup(self, word: str) -> BaseWord | None:
        """The base word of a form, with its place and values; None when unknown."""
        return self.forms.get(fold(word))

    def canonical(self, word: str) -> str | None:
        """The base word that a word is a form of; None when unknown.

        >>> vocabulary().canonical("Happily"), vocabulary().canonical("高兴"), vocabulary().canonical("table")
        ('happy', 'happy', None)
        """
        entry = self.lookup(word)
        return None if entry is None else entry.word

    def is_known(self, word: str) -> bool:
        """Whether a word is a form of an emotion word."""
        return fold(word) in self.forms

    def find(self, text: str) -> tuple[Found, ...]:
        """Every known form in a text, in order, the longest at each place, none inside another.

        >>> [found.form for found in vocabulary().find("Fed up, but not sad.")]
        ['Fed up', 'sad']
        """
        found = self._find_words(text)
        if not text.isascii():
            found += self._find_chinese(text)
            found.sort(key=lambda f: f.start)
        return tuple(found)

    def _find_words(self, text: str) -> list[Found]:
        # ASCII text, the usual case, keeps its offsets when lowered; most of it names nothing, which is seen at once.
        if text.isascii():
            lowered = text.lower()
            if self.first_words.isdisjoint(_ASCII_TOKEN.findall(lowered)):
                return []
            tokens = list(_ASCII_TOKEN.finditer(lowered))
        else:
            tokens = list(_TOKEN.finditer(text))
        words = [token[0].lower() for token in tokens]
        found, index = [], 0
        while index < len(words):
            word = words[index]
            count = self._phrase_length(text, tokens, words, index) if word in self.phrases else 0
            base = self.forms.get(" ".join(words[index : index + count]) if count else word)
            if base is not None and not _CHINESE.fullmatch(word):
                start, end = tokens[index].start(), tokens[index + max(count, 1) - 1].end()
                found.append(Found(start=start, end=end, form=text[start:end], base=base))
            index += max(count, 1)
        return found

    def _phrase_length(self, text: str, tokens: list[re.Match[str]], words: list[str], index: int) -> int:
        """Words of the longest form that begins at a token, 0 when none does."""
        for form in self.phrases[words[index]]:
            end = index + len(form)
            if tuple(words[index:end]) == form and all(
                _JOINT.fullmatch(text, tokens[k].end(), tokens[k + 1].start()) for k in range(index, end - 1)
            ):
                return len(form)
        return 0

    def _find_chinese(self, text: str) -> list[Found]:
        found = []
        for run in _CHINESE.finditer(text):
            start = run.start()
            while start < run.end():
                end = self._chinese_end(text, start, run)
                if end > start:
                    form = text[start:end]
                    found.append(Found(start=start, end=end, form=form, base=self.forms[form]))
                start = max(end, start + 1)
        return found

    def _chinese_end(self, text: str, start: int, run: re.Match[str]) -> int:
        """Where the longest Chinese form that begins at `start` ends; `start` itself when none does."""
        for end in range(min(run.end(), start + self.longest_chinese), start, -1):
            if text[start:end] not in self.forms:
                continue
            if end - start > 1 or len(run.group()) == 1 or (start > 0 and text[start - 1] in _BEFORE_ONE_CHARACTER):
                return end
        return start


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """The shipped vocabulary, built from the package's table once."""
    return Vocabulary.of(lexicon())


def emotion_words_in(text: str) -> list[str]:
    """The words of a text that name an emotion, in order, lower case; everyday homographs are left out.

    >>> emotion_words_in("the face stays still, the voice is low"), emotion_words_in("she looks HAPPY and let down")
    ([], ['happy', 'let down'])
    """
    return list(_emotion_words_in(text))


@lru_cache(maxsize=4096)
def _emotion_words_in(text: str) -> tuple[str, ...]:
    if text.isascii() and _telling_words().isdisjoint(_ASCII_TOKEN.findall(text.lower())):
        return ()
    return tuple(found.form.lower() for found in vocabulary().find(text) if fold(found.form) not in EVERYDAY)


@lru_cache(maxsize=1)
def _telling_words() -> frozenset[str]:
    """One word of every form that is no everyday word: a text with none of them is settled at once.

    Of several words it is the longest that is no everyday word itself (`dumps` of "down in the dumps").
    """
    forms = vocabulary().forms.keys() - EVERYDAY
    return frozenset(max(form.split(), key=lambda w: (w not in EVERYDAY and len(w) > 2, len(w), w)) for form in forms)

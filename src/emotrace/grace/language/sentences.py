"""Text -> sentences, clauses and tags: which words name a region of the face, what it does, how strongly, when.

A clause ends at a mark or a joining word ("while", "then", "but"). Two movements joined by "and" stay in one clause:
`movers.py` finds the region of each. Numbers, times and quoted speech are no part of a description. Words that
name an emotion are taken out before anything is read, unless the lexicon knows them as a movement and a region of the
face stands beside them ("the lip corners are depressed") [ours].
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from emotrace.evidence.clauses import Token, tokens_of, words_of
from emotrace.grace.language.lexicon import ARTICLES, AffectLexicon, affect_lexicon
from emotrace.labels.lexicon import fold
from emotrace.labels.vocabulary import EVERYDAY, vocabulary

MAX_CHARACTERS = 20_000
"""A description that is longer is cut here; no clip has so much to say."""
MAX_CLAUSE_WORDS = 80
"""Longer ones, which nobody writes, are cut: the work grows with the square of a clause's length."""
MEASURES = words_of("s sec secs second seconds ms frame frames degrees")

_QUOTED = re.compile(r'"[^"\n]{0,500}"|“[^”\n]{0,500}”')
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*\s*%?")
_ENDS = frozenset(".!?…。！？\n")
_JOINING = words_of("while then as when whereas but with before after because which that whose until although though")
_AU = re.compile(
    r"\b(?:AUs?|action units?|FACS(?: codes?)?)[\s:#-]*"
    r"[LR]?\d{1,2}[A-E]?(?:\s*(?:\+|,|/|&|and)\s*(?:AU\s*)?[LR]?\d{1,2}[A-E]?)*"
    r"(?!\d|\.\d|\s*(?:%|(?:s|ms|sec|seconds?|frames?|times)\b))",
    re.IGNORECASE,
)
_CODE = re.compile(r"([LR])?(\d{1,2})([A-E])?(?![^\W\d_])", re.IGNORECASE)
_LETTERS = {"A": "slightly", "B": "slightly", "C": "moderately", "D": "strongly", "E": "strongly"}
"""FACS's letters of intensity: trace, slight, marked, severe, maximum [field]; in three steps [ours]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """A word, or several that form one expression, and what it is."""

    kind: str
    """A kind of the lexicon, `code` (an action unit's number), `function`, `and`, or `word`."""
    meaning: str
    start: int
    """First character in the text."""
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Clause:
    """A part of a sentence with its tags."""

    text: str
    tags: tuple[Tag, ...]
    closed_by: str
    """The mark or joining word that ended it; the end of the text counts as a new line."""

    def of_kind(self, *kinds: str) -> list[Tag]:
        """The tags of these kinds, in order."""
        return [tag for tag in self.tags if tag.kind in kinds]


@dataclass(frozen=True, kw_only=True, slots=True)
class TaggedSentence:
    """The clauses between two ends: . ! ? or a new line."""

    text: str
    clauses: tuple[Clause, ...]


def tagged_sentences(text: str) -> tuple[TaggedSentence, ...]:
    """The sentences of a text, clause by clause, each word tagged.

    >>> [clause.text for clause in tagged_sentences("The brows rise, then the lips part.")[0].clauses]
    ['The brows rise', 'the lips part']
    """
    lexicon = affect_lexicon()
    text = text[:MAX_CHARACTERS]
    codes = list(_codes(text))
    plain = text
    is_record = text.lstrip().startswith(("{", "["))  # JSON, whose quoted words are the description itself
    for pattern in (_AU, _NUMBER) if is_record else (_AU, _QUOTED, _NUMBER):
        plain = pattern.sub(lambda match: " " * len(match[0]), plain)
    found = []
    for parts in _sentences(_without_emotions(tokens_of(plain), plain, lexicon), codes):
        clauses = tuple(_clause(text, words, tags, mark, lexicon) for words, tags, mark in parts)
        start, end = clauses[0].tags[0].start, clauses[-1].tags[-1].end
        found.append(TaggedSentence(text=" ".join(text[start:end].split()), clauses=clauses))
    return tuple(found)


def emotion_spans(text: str) -> list[tuple[int, int, str]]:
    """First and last character, and base word, of each word of a text that names an emotion."""
    return [(f.start, f.end, f.base.word) for f in vocabulary().find(text) if fold(f.form) not in EVERYDAY]


def _codes(text: str) -> Iterator[Tag]:
    """Action units written as numbers: "AU12", "AU 1+2", "AU R12C", "AUs 6 and 12"."""
    for match in _AU.finditer(text):
        for code in _CODE.finditer(text, match.start(), match.end()):
            start, end = code.span()
            if code[1]:
                yield Tag(kind="side", meaning={"L": "left", "R": "right"}[code[1].upper()], start=start, end=end)
            yield Tag(kind="code", meaning=f"AU{int(code[2])}", start=start, end=end)
            if code[3]:
                yield Tag(kind="intensity", meaning=_LETTERS[code[3].upper()], start=start, end=end)


def _without_emotions(tokens: Sequence[Token], text: str, lexicon: AffectLexicon) -> list[Token]:
    """The tokens without words of emotion; a movement that is told of a region stays: "lip corners depressed"."""
    spans = emotion_spans(text)
    if not spans:
        return list(tokens)
    return [
        token
        for place, token in enumerate(tokens)
        if not any(start < token.end and token.start < end for start, end, _ in spans)
        or (
            _begins(token, "action", lexicon)
            and any(_begins(near, "region", lexicon) for near in tokens[max(0, place - 4) : place + 2])
        )
    ]


def _begins(token: Token, kind: str, lexicon: AffectLexicon) -> bool:
    """Whether a form of that kind begins with the token."""
    return any(entry.kind == kind for _, entry in lexicon.forms.get(token.text, ()))


_Part = tuple[list[Token], list[Tag], str]


def _sentences(tokens: Sequence[Token], codes: Sequence[Tag]) -> Iterator[list[_Part]]:
    """Words and codes of each clause, sentence by sentence; empty clauses and sentences are left out."""
    parts: list[_Part] = []
    words: list[Token] = []
    waiting = list(codes)
    for token in [*_cut_clauses(tokens), Token(text="\n", start=MAX_CHARACTERS, end=MAX_CHARACTERS)]:
        if not (token.is_mark or token.text in _JOINING):
            words.append(token)
            continue
        inside = [tag for tag in waiting if tag.start < token.start]
        waiting = waiting[len(inside) :]
        if words or inside:
            parts.append((words, inside, token.text))
            words = []
        if parts and token.text[0] in _ENDS:
            yield parts
            parts = []


def _cut_clauses(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens, with a comma where words run on without end."""
    run = 0
    for token in tokens:
        run = 0 if token.is_mark else run + 1
        if run > MAX_CLAUSE_WORDS:
            yield Token(text=",", start=token.start, end=token.start)
            run = 1
        yield token


def _clause(text: str, words: Sequence[Token], codes: Sequence[Tag], mark: str, lexicon: AffectLexicon) -> Clause:
    tags = sorted([*_tags(words, lexicon), *codes], key=lambda tag: tag.start)
    return Clause(text=" ".join(text[tags[0].start : tags[-1].end].split()), tags=tuple(tags), closed_by=mark)


def _tags(tokens: Sequence[Token], lexicon: AffectLexicon) -> Iterator[Tag]:
    words = [token.text for token in tokens]
    place = 0
    while place < len(words):
        match, length = lexicon.match(words, place), 1
        kind, meaning = _plain_kind(words[place]), words[place]
        if match is not None:
            length, kind, meaning = match.length, match.entry.kind, match.entry.meaning
        start, end = tokens[place].start, tokens[place + length - 1].end
        if match is not None and match.side is not None:
            yield Tag(kind="side", meaning=match.side, start=start, end=end)
        yield Tag(kind=kind, meaning=meaning, start=start, end=end)
        place += length


def _plain_kind(word: str) -> str:
    if word in ("and", "or", "nor"):
        return "and"
    return "function" if word in ARTICLES or word == "of" or word in MEASURES else "word"

"""Labels out of free text, by rules alone: the same text always gives the same labels.

The first rule that yields something wins: an answer tag; JSON; a bracketed list; a statement of state ("feels ...",
情绪是...); and last a scan for known words that skips what is negated or doubted. English and Chinese. The field asks a
sampled language model for this step [field]; these rules are our own [ours].
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from emotrace.labels.vocabulary import EVERYDAY, vocabulary

Method = Literal["answer_tag", "json", "bracketed_list", "statement", "lexicon", "none"]
MAX_SCANNED_LABELS = 8


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """What was found, by which rule, and where."""

    labels: tuple[str, ...]
    """Lower case, in order of appearance, without repeats."""
    method: Method
    spans: tuple[tuple[int, int], ...]
    """Characters of each label in the text."""


_Piece = tuple[int, int]

_TAG = re.compile(r"<(ans|answer)>(.*?)(?:</\1>|\Z)", re.IGNORECASE | re.DOTALL)
_BRACKETS = re.compile(r"[\[【]([^\[\]【】]*)[\]】]")
_SEPARATOR = re.compile(
    r"[,，、;；\n\"'“”‘’\[\]]|\b(?:and|or|as well as|mixed with|along with|with a hint of)\b"
    r"|以及|并且|而且|或者|或|与|及"
    # 和 is a part of words too: gentle 温和, calm 平和, friendly 和善.
    r"|(?<![温平随缓柔谦])和(?![谐睦蔼善气])",
    re.IGNORECASE,
)
_STATEMENT = re.compile(
    r"\b(?:emotional (?:state|tone)|emotions?|mood)\b[^.。!?\n]{0,40}?"
    r"\b(?:is|are|was|were|includes?|included|can be (?:best )?described as|(?:seems?|appears?) to be)\b"
    r"\s*:?\s*"
    r"(?P<state>[^.。;!?！？\n]+)"
    r"|\b(?:feels?|felt|is feeling|are feeling|was feeling)\b\s+(?P<feels>[^.。;,!?！？\n]*(?:,[^.。;!?！？\n]*)?)"
    r"|(?:情绪|情感|心情)(?:状态)?(?:主要|大致|整体)?(?:表现为|是|为|包括|有)[:：]?(?P<zh_state>[^。；！？\n]+)"
    r"|(?:感到|感觉到|感觉|觉得)(?P<zh_feels>[^，,。；！？\n]+)",
    re.IGNORECASE,
)
_REST_OF_CLAUSE = re.compile(
    r"\b(?:because|but|when|while|since|after|about|that|due|at|by|for|as if|as though|rather than|instead of|than|in|"
    r"toward|towards|over|until|if|to)\b|因为|由于|但是|但|而不是|而非|而是|却|所以|[（(]",
    re.IGNORECASE,
)
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|never|hardly|no longer|rarely|without)\b|n['’]t\b|没有|没|并不|并未|未|不|很少|从不)[\w\s]{0,8}\Z",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"(?:(?:mostly|mainly|primarily|very|quite|rather|somewhat|slightly|extremely|deeply|a bit|a little|a mix of|"
    r"a mixture of|both|also|clearly|probably|likely|perhaps|one of|that of|increasingly|really|so|too|more|a|an|the|"
    r"feelings? of|a sense of|either|still)\b\s*"
    r"|(?:非常|十分|特别|有一些|有些|有点|有一点|比较|相当|一丝|略带|略微|很|太|"
    r"既|又|更|是|极其|主要是|主要|一种|些许|也)\s*)+",
    re.IGNORECASE,
)
_TRAILING = re.compile(
    r"(?:\s*\b(?:too|overall|now|today|again|emotions?|feelings?)|的情绪|的情感|的心情|情绪|之情|的|等等|等|了)+\Z"
)
_DENIED_PIECE = re.compile(r"(?:not|never|no|without|neither|nor)\b|不|没有|并非|并不|而非")
_SCOPE = re.compile(
    r"\b(?:not|no|never|neither|nor|without|rather than|instead of|unlikely|hardly|no longer)\b|n['’]t\b|"
    r"没有|并不|并没有|不是|而非|而不是|并非|毫无|不太|不感到|不觉得|不再",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"[,.;:!?，。；：！？\n]|\b(?:but|yet|however|instead|although)\b|而是|但是|但|却", re.IGNORECASE
)


def extract(text: str) -> Extracted:
    """Labels of a text.

    >>> extract("He is not angry, but disappointed.").labels, extract("<ans>calm, happy</ans>").method
    (('disappointed',), 'answer_tag')
    """
    for method, rule in _RULES.items():
        found: dict[str, _Piece] = {}
        for start, end in rule(text):
            found.setdefault(text[start:end].lower(), (start, end))
        if found:
            return Extracted(labels=tuple(found), method=method, spans=tuple(found.values()))
    return Extracted(labels=(), method="none", spans=())


def _answer_tag(text: str) -> Iterable[_Piece]:
    """Inside the last answer tag: as JSON where it is JSON, else split at separators."""
    tags = list(_TAG.finditer(text))
    if not tags:
        return ()
    start, end = tags[-1].span(2)
    return _trimmed(text, _split(text, start, end))


def _json(text: str) -> Iterable[_Piece]:
    """The texts of the first JSON value with labels: an object with `labels`, or a list of strings."""
    decoder = json.JSONDecoder()
    for opening in re.finditer(r"[{\[]", text):
        try:
            value, end = decoder.raw_decode(text, opening.start())
        except (json.JSONDecodeError, RecursionError):
            continue
        labels = value.get("labels") if isinstance(value, dict) else value
        labels = [labels] if isinstance(labels, str) else labels
        if isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels):
            return _trimmed(text, _quoted(text, labels, opening.start(), end))
    return ()


def _quoted(text: str, labels: list[Any], start: int, end: int) -> Iterator[_Piece]:
    """Where each label of a JSON list stands, after the key `labels` if there is one."""
    key = text.find('"labels"', start, end)
    at = start if key < 0 else key + len('"labels"')
    for label in labels:
        found = text.find(label, at, end)
        if found >= 0 and label:
            yield found, found + len(label)
            at = found + len(label)


def _bracketed_list(text: str) -> Iterable[_Piece]:
    for brackets in _BRACKETS.finditer(text):
        pieces = list(_trimmed(text, _split(text, *brackets.span(1))))
        if pieces and all(len(text[start:end].split()) <= 4 for start, end in pieces):
            return pieces
    return ()


def _statement(text: str) -> Iterable[_Piece]:
    """What follows "feels", "emotional state is" and their like, up to the end of the clause; known words only."""
    pieces: list[_Piece] = []
    for match in _STATEMENT.finditer(text):
        if _DENIED_BEFORE.search(text, max(0, match.start() - 16), match.start()):
            continue
        group = match.lastgroup or ""
        start, end = match.span(group)
        if rest := _REST_OF_CLAUSE.search(text, start, end):
            end = rest.start()
        for piece in _trimmed(text, _split(text, start, end)):
            if not _DENIED_PIECE.match(text[slice(*piece)].lower()):
                pieces.extend(_known(text, piece))
    return pieces


def _known(text: str, piece: _Piece) -> Iterator[_Piece]:
    """The piece itself where it is a known form, else the known forms in it."""
    start, end = piece
    if vocabulary().is_known(text[start:end]):
        yield piece
        return
    for found in vocabulary().find(text[start:end]):
        if found.form.lower() not in EVERYDAY:
            yield start + found.start, start + found.end


def _lexicon(text: str) -> Iterable[_Piece]:
    """Known words outside negation and doubt, everyday homographs left out, at most eight."""
    closed = []
    for scope in _SCOPE.finditer(text):
        stop = _CLAUSE_END.search(text, scope.end())
        closed.append((scope.start(), stop.start() if stop else len(text)))
    kept: dict[str, _Piece] = {}
    for found in vocabulary().find(text):
        form = found.form.lower()
        if form not in EVERYDAY and not any(start <= found.start < end for start, end in closed):
            kept.setdefault(form, (found.start, found.end))
    return list(kept.values())[:MAX_SCANNED_LABELS]


def _split(text: str, start: int, end: int) -> Iterator[_Piece]:
    at = start
    for separator in _SEPARATOR.finditer(text, start, end):
        yield at, separator.start()
        at = separator.end()
    yield at, end


def _trimmed(text: str, pieces: Iterable[_Piece]) -> Iterator[_Piece]:
    """Pieces without blanks, bullets, adverbs before and filler words after; what is empty then is dropped."""
    for start, end in pieces:
        while start < end and (text[start].isspace() or text[start] in ".:：-*•{}`_()（）"):
            start += 1
        while end > start and (text[end - 1].isspace() or text[end - 1] in ".。!！?？:：*{}`_()（）"):
            end -= 1
        if not vocabulary().is_known(text[start:end]):
            if leading := _LEADING.match(text, start, end):
                start = leading.end() if leading.end() < end else start
            if (trailing := _TRAILING.search(text, start, end)) and trailing.start() > start:
                end = trailing.start()
        if start < end:
            yield start, end


_RULES: dict[Method, Callable[[str], Iterable[_Piece]]] = {
    "answer_tag": _answer_tag,
    "json": _json,
    "bracketed_list": _bracketed_list,
    "statement": _statement,
    "lexicon": _lexicon,
}

"""How an emotion word stands in its clause: negated or not, how strong, of whom, in what mood.

Rules of everyday grammar, not a parser [ours]: they look at most eight words back and stop at clause marks and at
words such as "but" or "because". What only tone shows (irony, sarcasm) they cannot see. English, and the usual Chinese
markers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from emotrace.evidence.clauses import Clause, clauses_of, words_of
from emotrace.labels.lexicon import BaseWord, fold
from emotrace.labels.vocabulary import ACTS, EVERYDAY, MEASURES, Found, vocabulary

Person = Literal["first", "other", "unsaid"]
"""Of whom the clause speaks: the speaker, somebody or something else, or it does not say ("So happy!")."""
Mood = Literal["statement", "past", "question", "condition", "wish"]

_LOOK_BACK = 8
_BREAKS = words_of("but though although however because cause cuz while whereas unless except since until than")
_SUBJECTS = words_of("i you he she it we they this that there who u")
_QUESTION_WORDS = words_of("why how what who when where which whether if")
_AUXILIARIES = words_of("is are was were do does did has have had would could should can will")
_NEGATIONS = words_of(
    """not never no nor neither none nobody nothing hardly barely scarcely rarely seldom without lack lacks
    lacking     stop stopped stops stopping quit cease ceased less"""
)
_UNDONE = words_of("only just doubt wonder sure know understand remember help wait")
"""After a negation, these say that it negates something else ("not only happy", "can't help loving", "can't wait")."""
_STRONGER = words_of(
    """so very really extremely incredibly absolutely totally completely utterly truly deeply terribly awfully super
    insanely beyond too damn fucking freaking bloody quite such most more how ever thoroughly profoundly madly"""
)
_WEAKER = words_of("bit little slightly somewhat kinda sorta mildly fairly vaguely faintly almost partly")
_FIRST = words_of("i me we us myself ourselves")
_OTHER = words_of(
    """you he she it they him her them u who this that there what everyone people nobody someone yourself himself
    herself itself themselves your his their anyone everybody somebody"""
)
_OWN = words_of("my our mine")
_WISHES = words_of("wish wished wishes want wants wanted hope hoping try trying tried need needs supposed pretend")
_CONDITIONS = words_of("if unless whether would could might may should will can")
_PAST = words_of("was were felt had did used")
_FEELING = words_of("feel feels felt feeling")
_BEING = words_of("am was been being get got getting became become") | _FEELING
_BEING_STATES = words_of("content tense shaken broken stressed relaxed touched moved drained crushed blue eased")
_SET_PHRASES = {
    "happy": words_of("birthday new anniversary christmas holidays holiday hour halloween easter thanksgiving cake"),
    "thank": words_of("god goodness heavens heaven christ fuck"),
    "merry": words_of("christmas xmas"),
    "trust": words_of("fund funds me"),
    "surprise": words_of("party parties"),
    "interest": words_of("rate rates"),
    "love": words_of("letter letters story song songs triangle island"),
    "panic": words_of("button room"),
    "stress": words_of("test tests"),
    "hate": words_of("speech crime crimes"),
    "afraid": words_of("so not that but"),
    "sorry": words_of("but that not about for to"),
}
"""A form that names no emotion before these words ("happy birthday", "I'm afraid so")."""

_SELDOM = words_of(
    """serious seriously lucky pain pains trouble troubles abuse abused abusive ironic ironically irony interest
    interests peace brutal wild doubt humor humour brave desperate cringe calm disagree complain complaining"""
)
"""Forms that seldom tell how the speaker is, unless as "I am ...": found on public comments (training part)."""

_SELF_ZH, _OTHERS_ZH = "我咱", "你您他她它谁"
_NEGATED_ZH = re.compile(r"(?:不|没|没有|并不|不是|不再|毫无|无|别|不要|不太|不怎么)(?:感到|觉得|是|会|再)?$")
_STRONGER_ZH = re.compile(r"(?:很|太|非常|特别|十分|极其|真|好|超级|最|无比)(?:的|地)?$")
_WEAKER_ZH = re.compile(r"(?:有点|有些|有点儿|稍微|略|一点)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mention:
    """An emotion word in its clause."""

    base: BaseWord
    start: int
    end: int
    from_start: int
    """Where a quotation that shows the reading should begin: the negation, degree word or subject."""
    negated: bool
    degree: int
    """-1 weakened ("a bit"), 0, 1 strengthened ("so", capitals, repeated letters, an exclamation mark)."""
    person: Person
    mood: Mood


def mentions(text: str) -> tuple[Mention, ...]:
    """Every emotion word of a text with how it stands in its clause, in order.

    Everyday words that only sometimes name an emotion ("down", "moved", "cry") count in a frame such as "I feel ...".

    >>> [(m.base.word, m.negated, m.person) for m in mentions("I'm not happy, but she was so proud.")]
    [('happy', True, 'first'), ('proud', False, 'other')]
    """
    squeezed, offsets = _squeeze(text)
    found = vocabulary().find(squeezed)
    if not found:
        return ()
    clauses = clauses_of(squeezed)
    shouting = squeezed.isupper()
    read = (_read(squeezed, f, clauses, text[offsets[f.start] : offsets[f.end]], shouting) for f in found)
    return tuple(_moved(mention, offsets) for mention in read if mention is not None)


def _squeeze(text: str) -> tuple[str, list[int]]:
    """The text with letters repeated three times or more cut to what the vocabulary knows, and the way back."""
    kept, offsets, cursor = [], [], 0
    for match in re.finditer(r"\b[^\W\d_]*([^\W\d_])\1{2,}[^\W\d_]*\b", text):
        word = match.group()
        twice, once = (re.sub(r"([^\W\d_])\1{2,}", put, word) for put in (r"\1\1", r"\1"))
        kept += [text[cursor : match.start()], twice if vocabulary().is_known(twice) else once]
        offsets += [*range(cursor, match.start()), *(match.start() + i for i in range(len(kept[-1])))]
        cursor = match.end()
    kept.append(text[cursor:])
    offsets += range(cursor, len(text) + 1)
    return "".join(kept), offsets


def _moved(mention: Mention, offsets: list[int]) -> Mention:
    start, end, from_start = offsets[mention.start], offsets[mention.end], offsets[mention.from_start]
    return replace(mention, start=start, end=end, from_start=from_start)


def _read(text: str, found: Found, clauses: tuple[Clause, ...], written: str, shouting: bool) -> Mention | None:
    clause = next((c for c in clauses if c.tokens[0].start <= found.start < c.tokens[-1].end), None)
    if clause is None:
        return None
    before = [token for token in clause.tokens if token.end <= found.start]
    after = [token.text for token in clause.tokens if token.start >= found.end]
    if not found.form.isascii():
        return _read_chinese(text, found, clause)
    before = before[-_LOOK_BACK:]
    words = [token.text for token in before]
    if breaks := [k for k, word in enumerate(words) if word in _BREAKS and words[k - 1 : k] != ["anything"]]:
        before, words = before[breaks[-1] + 1 :], words[breaks[-1] + 1 :]
    if not _counts(found, words, after):
        return None
    negation = _negation(words, after)
    person = _person(words)
    degree, marked = _degree(words, clause, written, shouting)
    raised = negation is not None and _is_raised(words[negation:], found.form.lower())
    first = min((k for k in (negation, marked) if k is not None), default=len(before))
    return Mention(
        base=found.base,
        start=found.start,
        end=found.end,
        from_start=before[first].start if first < len(before) else found.start,
        negated=negation is not None and not raised,
        degree=1 if raised else degree,
        person=person,
        mood="statement" if raised else _mood(words, clause, person),
    )


def _counts(found: Found, words: list[str], after: list[str]) -> bool:
    """Whether a form names an emotion here: always, unless it is an everyday word or part of a set phrase."""
    form = fold(found.form)
    if form in ("please", "pleases") or (form in _SET_PHRASES and after[:1] and after[0] in _SET_PHRASES[form]):
        return False
    if form not in EVERYDAY | _SELDOM:
        return True
    close = [word for word in words[-4:] if word not in _STRONGER | _WEAKER | _NEGATIONS]
    if not close or not (_FIRST | _OWN) & set(words):
        return False
    if form in MEASURES:
        return close[-1] in _FEELING
    if form in ACTS:
        return close[-1] in _FIRST or (close[-1] in _BEING | _CONDITIONS and close[-2:-1] == ["i"])
    return close[-1] in _FEELING or (close[-1] in _BEING and form in _BEING_STATES | _SELDOM)


def _negation(words: list[str], after: list[str]) -> int | None:
    """Which of the words before a form negates it: the nearest that does; None without."""
    for k in range(len(words) - 1, -1, -1):
        word, between = words[k], words[k + 1 :]
        if word in _QUESTION_WORDS or (word in ("and", "or") and between[:1] and between[0] in _SUBJECTS):
            return None
        if word not in _NEGATIONS:
            continue
        if between[:1] and between[0] in _UNDONE:
            return None
        if (
            word == "not"
            and words[k - 1 : k]
            and words[k - 1] in _AUXILIARIES
            and between[:1]
            and between[0] in _SUBJECTS
        ):
            return None  # "isn't it lovely", "don't you love it": a question that expects a yes
        return k
    for k in range(len(words) - 1):
        if words[k : k + 2] in (["far", "from"], ["free", "of"], ["anything", "but"]):
            return k
    return len(words) if after[:2] in (["is", "gone"], ["has", "gone"], ["no", "more"]) else None


def _is_raised(words: list[str], form: str) -> bool:
    """Whether a negation strengthens: "never been so happy", "could not be happier", "nothing makes me prouder"."""
    comparative = form.endswith("er") and not form.endswith(("ever", "anger"))
    if words[:1] in (["never"], ["nothing"], ["nobody"]):
        return comparative or any(word in ("so", "more", "this", "that", "as") for word in words[1:])
    return words[:1] == ["not"] and words[1:2] in (["be"], ["have"]) and (comparative or "more" in words)


def _degree(words: list[str], clause: Clause, written: str, shouting: bool) -> tuple[int, int | None]:
    """-1, 0 or 1, and the place of the word that marks it."""
    nearest = range(max(0, len(words) - 3), len(words))
    if weaker := [
        k for k in nearest if words[k] in _WEAKER or words[k - 1 : k + 1] in (["kind", "of"], ["sort", "of"])
    ]:
        return -1, max(weaker[0] - 1, 0) if words[weaker[0]] in ("bit", "little", "of") else weaker[0]
    if stronger := [k for k in nearest if words[k] in _STRONGER]:
        return 1, stronger[0]
    capitals = written.isupper() and len(written) > 1 and not shouting
    if capitals or re.search(r"([^\W\d_])\1\1", written) or clause.sentence_end == "!":
        return 1, None
    return 0, None


def _person(words: list[str]) -> Person:
    for k in range(len(words) - 1, -1, -1):
        if words[k] in _FIRST:
            return "first"
        if words[k] in _OTHER:
            return "other"
        if words[k] in _OWN:
            return "first" if len(words) - k <= 2 else "other"
    return "unsaid"


def _mood(words: list[str], clause: Clause, person: Person) -> Mood:
    known = set(words)
    if known & _WISHES:
        return "wish"
    if known & _CONDITIONS:
        return "condition"
    if clause.sentence_end == "?" and person != "first":
        return "question"
    if clause.sentence_end == "?":
        return "question" if clause.tokens[0].text in _AUXILIARIES | {"am", "should"} else "statement"
    return "past" if known & _PAST and "been" not in known else "statement"


def _read_chinese(text: str, found: Found, clause: Clause) -> Mention:
    before = text[clause.tokens[0].start : found.start]
    stronger, weaker = _STRONGER_ZH.search(before), _WEAKER_ZH.search(before)
    degree_word = stronger or weaker
    bare = before[: degree_word.start()] if degree_word else before
    negated = _NEGATED_ZH.search(bare)
    nearest = next((c for c in reversed(before) if c in _SELF_ZH + _OTHERS_ZH), "")
    person: Person = "unsaid" if not nearest else "first" if nearest in _SELF_ZH else "other"
    mood: Mood = "statement"
    if re.search(r"希望|想要|但愿", before):
        mood = "wish"
    elif re.search(r"如果|要是|假如", before):
        mood = "condition"
    elif clause.sentence_end == "?" or clause.tokens[-1].text.endswith("吗"):
        mood = "question"
    marked = negated or degree_word
    return Mention(
        base=found.base,
        start=found.start,
        end=found.end,
        from_start=clause.tokens[0].start + marked.start() if marked else found.start,
        negated=negated is not None,
        degree=1 if stronger or clause.sentence_end == "!" else -1 if weaker else 0,
        person=person,
        mood=mood,
    )

"""120 sentences of our own: the exact labels that the rules for answers and statements give, and an F for the scan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.labels.extract import MAX_SCANNED_LABELS, extract

EXACT = [
    # English: answer tags
    ("<think>maybe angry</think><ans>sad, lonely</ans>", "answer_tag", "sad lonely"),
    ("<answer>Happy and proud</answer>", "answer_tag", "happy proud"),
    ("<ans>calm", "answer_tag", "calm"),
    ("<ANS> Worried; tense </ANS> because of the storm", "answer_tag", "worried tense"),
    ("First <ans>angry</ans>, on reflection <ans>hurt</ans>", "answer_tag", "hurt"),
    ('<ans>["glad", "relieved"]</ans>', "answer_tag", "glad relieved"),
    ("<ans>very nervous</ans>", "answer_tag", "nervous"),
    # English: JSON
    ('{"labels": ["calm", "content"], "reason": "slow speech"}', "json", "calm content"),
    ('Here you are: ["bored", "tired"]', "json", "bored tired"),
    ('```json\n{"labels": ["furious"]}\n```', "json", "furious"),
    ('{"labels": "jealous"}', "json", "jealous"),
    ('{"note": "no list"} then ["envious"]', "json", "envious"),
    # English: bracketed lists
    ("Final answer: [happy, excited]", "bracketed_list", "happy excited"),
    ("Emotions: ['ashamed', 'guilty']", "bracketed_list", "ashamed guilty"),
    ("[surprised]", "bracketed_list", "surprised"),
    ("The labels are [somewhat anxious, hopeful].", "bracketed_list", "anxious hopeful"),
    # English: statements of state
    ("The person's emotional state is happy and relieved.", "statement", "happy relieved"),
    ("Her emotional state can be described as anxious.", "statement", "anxious"),
    ("The speaker's emotions are anger, disgust and contempt.", "statement", "anger disgust contempt"),
    ("She feels very nervous and a bit sad because the exam is near.", "statement", "nervous sad"),
    ("He felt embarrassed when the joke fell flat.", "statement", "embarrassed"),
    ("The overall mood seems to be cheerful.", "statement", "cheerful"),
    ("His mood appears to be frustrated, angry, and disappointed.", "statement", "frustrated angry disappointed"),
    ("The woman feels grateful to the nurse.", "statement", "grateful"),
    ("The main emotions include sadness and grief.", "statement", "sadness grief"),
    ("He feels proud, but hides it behind a cough.", "statement", "proud"),
    ("Their emotional state was one of despair.", "statement", "despair"),
    ("She feels guilty about the broken vase.", "statement", "guilty"),
    ("The old man feels lonely rather than angry.", "statement", "lonely"),
    ("They felt excited and curious at the gate.", "statement", "excited curious"),
    # Chinese: tags, JSON, brackets
    ("<ans>高兴、激动</ans>", "answer_tag", "高兴 激动"),
    ("<answer>非常生气</answer>", "answer_tag", "生气"),
    ('{"labels": ["难过", "失望"]}', "json", "难过 失望"),
    ('回答：["担心"]', "json", "担心"),
    ("标签：[愤怒，厌恶]", "bracketed_list", "愤怒 厌恶"),
    ("【惊讶】", "bracketed_list", "惊讶"),
    ("结果是[有点紧张、害怕]", "bracketed_list", "紧张 害怕"),
    # Chinese: statements of state
    ("他的情绪状态是高兴和激动。", "statement", "高兴 激动"),
    ("她的情绪是悲伤以及绝望。", "statement", "悲伤 绝望"),
    ("情感包括愤怒、厌恶和轻蔑。", "statement", "愤怒 厌恶 轻蔑"),
    ("她感到非常难过，但没有生气。", "statement", "难过"),
    ("小男孩觉得很害怕。", "statement", "害怕"),
    ("他的心情是平静的。", "statement", "平静"),
    ("整体情绪表现为焦虑与紧张。", "statement", "焦虑 紧张"),
    ("这位母亲感到骄傲和欣慰。", "statement", "骄傲 欣慰"),
    ("老师的情绪为失望。", "statement", "失望"),
    ("他感到有些尴尬，低头看着地面。", "statement", "尴尬"),
    ("她的情感状态主要是感激。", "statement", "感激"),
    ("人物情绪是惊讶而不是恐惧。", "statement", "惊讶"),
    ("他觉得十分委屈，因为没人相信他。", "statement", "委屈"),
    ("她的心情是既高兴又紧张。", "statement", "高兴 紧张"),
    ("病人感到疲惫、沮丧。", "statement", "疲惫 沮丧"),
]  # fmt: skip

SCANNED = [
    # English
    ("A smile spreads over her face; she looks delighted.", "delighted"),
    ("He is not angry, he looks disappointed.", "disappointed"),
    ("There is no joy in his face, only grief.", "grief"),
    ("The man seems worried rather than scared.", "worried"),
    ("Instead of anger, the voice carries sorrow.", "sorrow"),
    ("She shouts in rage and slams the door.", "rage"),
    ("It is unlikely that he is jealous; he looks amused.", "amused"),
    ("His tone betrays contempt for the visitor.", "contempt"),
    ("Without fear, she steps forward, determined and confident.", "determined confident"),
    ("The child is afraid of the dog.", "afraid"),
    ("A frustrated sigh, then an apologetic laugh.", "frustrated apologetic"),
    ("He looks bewildered by the question.", "bewildered"),
    ("She never seemed happier or more relaxed.", ""),
    ("The clerk sounds bored.", "bored"),
    ("Her eyes fill with tears of gratitude.", "gratitude"),
    ("He isn't sad, just pensive.", "pensive"),
    ("An enthusiastic crowd greets the nervous singer.", "enthusiastic nervous"),
    ("The smell fills him with disgust.", "disgust"),
    ("They look shocked and horrified at the news.", "shocked horrified"),
    ("The father is calm, yet the son is furious.", "calm furious"),
    ("A jealous glance, a bitter reply.", "jealous bitter"),
    ("He speaks with pride of his daughter.", "pride"),
    ("She is fed up with the noise.", "fed up"),
    ("The patient is anxious and restless.", "anxious restless"),
    ("His laughter hides an embarrassed pause.", "embarrassed"),
    ("The table is brown and the lamp is off.", ""),
    ("He is neither ashamed nor guilty.", ""),
    ("The winner is ecstatic, the loser dejected.", "ecstatic dejected"),
    ("Her reply is sarcastic and hostile.", "sarcastic hostile"),
    ("A hopeful look follows the doctor.", "hopeful"),
    # Chinese
    ("她笑得很开心，眼睛闪着光。", "开心"),
    ("这个人并没有生气，看起来很失望。", "失望"),
    ("他看起来非常愤怒，握紧了拳头。", "愤怒"),
    ("女孩显得很害羞，低下了头。", "害羞"),
    ("不是悲伤，而是愤怒。", "愤怒"),
    ("老人脸上露出满意的神情。", "满意"),
    ("他语气里带着讽刺和不满。", "讽刺 不满"),
    ("她十分惊讶地看着门口。", "惊讶"),
    ("没有恐惧，只有好奇。", "好奇"),
    ("孩子兴奋地跳了起来。", "兴奋"),
    ("他显得焦虑，不停地看表。", "焦虑"),
    ("她的声音里充满了感激。", "感激"),
    ("这名男子绝望地坐在地上。", "绝望"),
    ("观众既震惊又悲痛。", "震惊 悲痛"),
    ("桌子是棕色的。", ""),
    ("她并不害怕，她很平静。", "平静"),
    ("他厌恶地转过头去。", "厌恶"),
    ("妻子担心丈夫的安全。", "担心"),
    ("他们高兴地拥抱在一起。", "高兴"),
    ("他尴尬地笑了笑。", "尴尬"),
    ("她对结果感激而自豪。", "感激 自豪"),
    ("司机烦躁地按着喇叭。", "烦躁"),
    ("毫无愧疚，他继续说下去。", ""),
    ("学生们感兴趣地听着。", "感兴趣"),
    ("她孤独地站在窗前。", "孤独"),
    ("他轻蔑地看了对方一眼。", "轻蔑"),
    ("听到消息后，他松了一口气，显得很轻松。", "轻松"),
    ("奶奶慈爱地抱着孙子，十分幸福。", "慈爱 幸福"),
    ("他困惑地皱起眉头。", "困惑"),
    ("对手嫉妒地盯着奖杯。", "嫉妒"),
    ("他痛苦地闭上眼睛。", "痛苦"),
    ("她羞愧得说不出话。", "羞愧"),
    ("经理恼怒地挂了电话。", "恼怒"),
    ("他紧张得手心出汗。", "紧张"),
    ("她疑惑地看着地图。", "疑惑"),
    ("一家人其乐融融，非常快乐。", "快乐"),
    ("他不再愤怒，只是疲倦。", ""),
    ("战士勇敢而坚定。", "坚定"),
]  # fmt: skip


def words_of(text: str) -> list[str]:
    """Labels of a row; `fed up` is the one of two words."""
    return [word.replace("+", " ") for word in text.replace("fed up", "fed+up").split()]


@pytest.mark.parametrize(("text", "method", "labels"), EXACT)
def test_answers_and_statements_give_exactly_these_labels(text: str, method: str, labels: str) -> None:
    found = extract(text)
    assert (found.method, list(found.labels)) == (method, words_of(labels))


def test_the_scan_finds_most_and_invents_little() -> None:
    hits = found_count = wanted_count = 0
    for text, labels in SCANNED:
        found, wanted = set(extract(text).labels), set(words_of(labels))
        hits, found_count, wanted_count = (
            hits + len(found & wanted),
            found_count + len(found),
            wanted_count + len(wanted),
        )
    f = 2 * hits / (found_count + wanted_count)
    assert f >= 0.9, f"{f=}, {hits=}, {found_count=}, {wanted_count=}"


def test_there_are_sixty_sentences_of_each_language() -> None:
    texts = [text for text, *_ in (*EXACT, *SCANNED)]
    chinese = sum(any("\u4e00" <= letter <= "\u9fff" for letter in text) for text in texts)
    assert chinese >= 60
    assert len(texts) - chinese >= 60


@pytest.mark.parametrize("text", [text for text, *_ in (*EXACT, *SCANNED)])
def test_spans_point_at_the_labels_and_a_second_run_is_the_same(text: str) -> None:
    found = extract(text)
    assert [text[start:end].lower() for start, end in found.spans] == list(found.labels)
    assert extract(text) == found


@given(st.text(max_size=200))
def test_any_text_is_survived(text: str) -> None:
    found = extract(text)
    assert len(found.labels) == len(set(found.labels)) == len(found.spans)
    assert (found.method == "none") == (not found.labels)


def test_the_scan_stops_at_eight_labels() -> None:
    words = ["angry", "sad", "happy", "proud", "jealous", "bored", "afraid", "ashamed", "grateful", "furious"]
    assert extract(" / ".join(words)).labels == tuple(words[:MAX_SCANNED_LABELS])

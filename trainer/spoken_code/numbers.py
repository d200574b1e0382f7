"""Numbers as people say them, and back."""

import random

ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
 fifteen sixteen seventeen eighteen nineteen""".split()
TENS = ["", "", *"twenty thirty forty fifty sixty seventy eighty ninety".split()]
VALUE = {w: n for n, w in enumerate(ONES)} | {w: 10 * n for n, w in enumerate(TENS) if w} | {"o": 0}
SCALES = ((1_000_000_000, "billion"), (1_000_000, "million"), (1000, "thousand"), (100, "hundred"))
BY_DIGITS = 0.1
AND = 0.3
SCALE = {name: size for size, name in SCALES}
LONGEST = 9  # digits; longer ones are said digit by digit


def spoken(digits: str, rng: random.Random) -> str:
    """Words of a number without sign: "105" -> "one hundred and five", "one o five", ..."""
    if (len(digits) > 1 and digits[0] == "0") or len(digits) > LONGEST or rng.random() < BY_DIGITS:
        zero = "o" if len(digits) > 1 and rng.random() < 0.2 else "zero"
        return " ".join(zero if d == "0" else ONES[int(d)] for d in digits)
    number = int(digits)
    if 1000 < number < 10_000 and number % 100 and rng.random() < 0.5:  # twenty twenty six
        return f"{_below_hundred(number // 100)} {_pair(number % 100)}"
    if 100 < number < 1000 and number % 100 and rng.random() < 0.3:  # one o five, one twenty three
        return f"{ONES[number // 100]} {_pair(number % 100)}"
    return _whole(number, rng)


def _pair(number: int) -> str:
    return f"o {ONES[number]}" if number < 10 else _below_hundred(number)


def _below_hundred(number: int) -> str:
    if number < 20:
        return ONES[number]
    return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")


def _whole(number: int, rng: random.Random) -> str:
    for size, name in SCALES:
        if number >= size:
            count, rest = divmod(number, size)
            head = "a" if count == 1 and rng.random() < 0.1 else _whole(count, rng)
            if not rest:
                return f"{head} {name}"
            joint = " and " if rest < 100 and rng.random() < AND else " "
            return f"{head} {name}{joint}{_whole(rest, rng)}"
    return _below_hundred(number)


def written(words: list[str]) -> str | None:
    """The digits that words stand for, or None if they are no number."""
    known = {*VALUE, *SCALE, "and", "a"}
    if not words or not set(words) <= known:
        return None
    if any(w in SCALE for w in words):
        return str(_sum(words))
    if "a" in words or "and" in words:
        return None
    found, at = "", 0
    while at < len(words):  # in groups: twenty | twenty six, one | o five, one | two | three
        value, after = VALUE[words[at]], VALUE.get(words[at + 1], 0) if at + 1 < len(words) else 0
        if value >= 20 and 0 < after < 10:
            value, at = value + after, at + 1
        found += str(value)
        at += 1
    return found


def _sum(words: list[str]) -> int:
    total = part = 0
    for word in words:
        if word == "hundred":
            part = max(part, 1) * 100
        elif word in SCALE:
            total, part = total + max(part, 1) * SCALE[word], 0
        elif word != "and":
            part += 1 if word == "a" else VALUE[word]
    return total + part

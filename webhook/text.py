"""Text: what our words must look like to survive the API server and to be harmless in a terminal."""

import re
from collections.abc import Iterable

# One warning longer than 256 is cut by the API server as soon as all of them together exceed 4,096 characters, and then
# the seventeenth is lost. Within both bounds nothing is ever lost without a word.
MAX_WARNING = 256
MAX_WARNINGS = 16
MAX_WARNINGS_TOTAL = 4_096

# Terminals act on control characters and on bidirectional overrides, and messages repeat what tenants wrote.
# Lone surrogates are no UTF-8 at all.
_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile(r"[\t\r\n]+")


def printable(text: str) -> str:
    """Spell out what a terminal would act on instead of show; line breaks stay."""
    return _UNPRINTABLE.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, and an ellipsis where some are missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def presentable_warnings(warnings: Iterable[str]) -> list[str]:
    """One line each, none twice, within the API server's bounds; what does not fit is counted in the last one."""
    lines = list(dict.fromkeys(cut(printable(_BREAKS.sub(" ", text)), MAX_WARNING) for text in warnings))
    if len(lines) <= MAX_WARNINGS and sum(map(len, lines)) < MAX_WARNINGS_TOTAL:
        return lines
    kept: list[str] = []
    # Room for the line that counts the others.
    room = MAX_WARNINGS_TOTAL - 64
    for line in lines[: MAX_WARNINGS - 1]:
        room -= len(line)
        if room <= 0:
            break
        kept.append(line)
    return [*kept, f"and {len(lines) - len(kept)} more warnings"]

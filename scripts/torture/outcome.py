"""Run one case after another, and count how each ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

LONGEST_SECONDS = 10.0


@dataclass
class Tally:
    """How the cases of one kind of input ended.

    Args:
        kind: of the input.
        endings: "read", or the name of the error that refused -> number of cases.
        failures: a line for every case that ended otherwise.
        slowest: seconds of the longest case.
    """

    kind: str
    endings: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {ending}" for ending, count in sorted(self.endings.items()))
        total = self.endings.total() + len(self.failures)
        return (
            f"{self.kind}: {total} cases, {counts}, {len(self.failures)} failures, "
            f"slowest {self.slowest:.2f} s"
        )


def tally(
    kind: str,
    cases: Iterable[tuple[str, Callable[[], object]]],
    *,
    allowed: type[Exception],
    check: Callable[[object], str | None] = lambda result: None,
) -> Tally:
    """Run cases; each must return a sound result, or raise the allowed error in one line.

    Args:
        kind: of the input.
        cases: name and function of each.
        allowed: the class of the error that refuses.
        check: result -> what is wrong with it, or None.
    """
    found = Tally(kind)
    for name, run in cases:
        started = time.perf_counter()
        wrong = None
        try:
            wrong = check(run())
            ending = "read"
        except allowed as error:
            ending = type(error).__name__
            if not str(error) or "\n" in str(error):
                wrong = f"expected one line, got {str(error)!r:.200}"
        except Exception as error:
            ending, wrong = "failed", f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - started
        found.slowest = max(found.slowest, seconds)
        if seconds > LONGEST_SECONDS:
            wrong = f"took {seconds:.1f} s"
        if wrong is None:
            found.endings[ending] += 1
        else:
            found.failures.append(f"{kind} {name}: {wrong}")
    return found


def damage(data: bytes, random: object) -> bytes:
    """Flip, cut, insert, repeat or overwrite bytes, one to four times.

    Args:
        data: to damage.
        random: a `random.Random`.
    """
    content = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(content) + 1)
        length = min(random.choice((1, 4, 64)), len(content) - at)
        action = random.randrange(5)
        if action == 0 and content:
            content[at % len(content)] ^= 1 << random.randrange(8)
        elif action == 1:
            del content[at:]
        elif action == 2:
            content[at:at] = random.randbytes(random.choice((1, 4, 64)))
        elif action == 3:
            content[at:at] = content[at : at + length]
        else:
            content[at : at + length] = random.choice((b"\0", b"\xff")) * length
    return bytes(content)

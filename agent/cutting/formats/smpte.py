"""SMPTE timecode: hh:mm:ss:ff, with `;` before the frames where numbers are left out to keep to the clock.

Pure. Dropping (SMPTE ST 12-1): at 29.97 and 59.94 frames a second the first 2 or 4 numbers of each minute are
left out, but of every tenth.
"""

from __future__ import annotations

import re
from fractions import Fraction

_FORM = re.compile(r"(\d\d):([0-5]\d):([0-5]\d)([:;.])(\d\d)", re.ASCII)
_NTSC = Fraction(1000, 1001)
_TOLERANCE = Fraction(1, 500)
"""How far an average rate may be from a nominal one, as a share: with more it is a variable one."""


def advanced(timecode: str, rate: Fraction, seconds: Fraction) -> str | None:
    """The timecode of what is shown `seconds` after the frame with `timecode`; `rate`: frames a second.

    None where it can't be counted on: another notation, a variable rate.
    """
    match = _FORM.fullmatch(timecode)
    nominal = round(rate)
    if match is None or nominal < 1:
        return None
    hours, minutes, secs, frames = (int(match[n]) for n in (1, 2, 3, 5))
    drops = match[4] != ":"
    exact = min(Fraction(nominal), nominal * _NTSC, key=lambda r: abs(rate - r))
    if abs(rate - exact) > exact * _TOLERANCE or frames >= nominal or (drops and nominal not in (30, 60)):
        return None
    dropped = nominal // 15 if drops else 0
    minute = hours * 60 + minutes
    count = (minute * 60 + secs) * nominal + frames - dropped * (minute - minute // 10)
    return _written(count + round(seconds * exact), nominal, dropped)


def _written(count: int, nominal: int, dropped: int) -> str:
    of_minute = 60 * nominal - dropped
    of_ten = 10 * of_minute + dropped
    tens, rest = divmod(count % (144 * of_ten), of_ten)
    left_out = dropped * (9 * tens + max(0, rest - dropped) // of_minute)
    secs, frames = divmod(tens * of_ten + rest + left_out, nominal)
    mark = ";" if dropped else ":"
    return f"{secs // 3600:02d}:{secs // 60 % 60:02d}:{secs % 60:02d}{mark}{frames:02d}"

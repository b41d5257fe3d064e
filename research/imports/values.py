"""Times, numbers and flags as other people's files write them.

Nothing is guessed silently: what fits no rule raises BadFrame, whose text is a reason without the value, so
that rows can be counted by it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from shared.errors import BadFrame
from shared.units import E9, MS, SECOND, e9, e9_text

MICROSECOND = 1_000
UNITS = ((10**11, SECOND), (10**14, MS), (10**17, MICROSECOND))  # a number below the limit is of the unit
PLAIN = re.compile(r"\d{1,15}(\.\d{1,9})?")
TRUE, FALSE = {"true", "1", "t", "yes"}, {"false", "0", "f", "no"}
BUY, SELL = {"buy", "b", "buyer", "1", "+1"}, {"sell", "s", "seller", "-1"}


@lru_cache(4_096)  # the rows of one message repeat their times
def time_ns(text: str) -> int:
    """A point in time in nanoseconds since 1970, UTC.

    A whole number is taken by its size: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds,
    else nanoseconds; each of these spans begins in 1973, so none can be mistaken for its neighbor. Anything
    that is no number is ISO 8601, in UTC where it names no zone.

    >>> time_ns("1598918403696"), time_ns("1598918403810979"), time_ns("1626992741.06217")
    (1598918403696000000, 1598918403810979000, 1626992741062170000)
    >>> time_ns("2021-01-08 00:00:00.278+00:00")
    1610064000278000000
    """
    whole, _, fraction = text.partition(".")
    if whole.isdecimal() and (fraction.isdecimal() or not fraction):
        value = int(whole)
        unit = next((unit for limit, unit in UNITS if value < limit), 1)
        return value * unit + int(fraction[:9].ljust(9, "0")) * unit // SECOND
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadFrame("the time is none") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    span = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (span.days * 86_400 + span.seconds) * SECOND + span.microseconds * MICROSECOND


@lru_cache(65_536)
def number(text: str) -> str:
    """A price or quantity in its one shortest form, so that equal numbers are equal texts.

    Exponents are written out. What has more than nine places is a float's noise, and is rounded to nine.

    >>> number("7.6110"), number("1e-07"), number("0.00031099999999999997"), number("17739.0")
    ('7.611', '0.0000001', '0.000311', '17739')
    """
    if PLAIN.fullmatch(text):
        return e9_text(e9(text))
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise BadFrame("a price or quantity is no number") from error
    if not value.is_finite() or value < 0:
        raise BadFrame("a price or quantity is negative or infinite")
    return e9_text(int((value * E9).to_integral_value()))


def identity(text: str) -> int:
    """A whole number, as ids are. A float's trailing zero is forgiven.

    >>> identity("548321769"), identity("548321769.0")
    (548321769, 548321769)
    """
    whole, _, fraction = text.partition(".")
    if not whole.isdecimal() or fraction.strip("0"):
        raise BadFrame("an id is no whole number")
    return int(whole)


def flag(text: str) -> bool:
    """True or false in any usual spelling."""
    lower = text.lower()
    if lower in TRUE:
        return True
    if lower in FALSE:
        return False
    raise BadFrame("a flag is neither true nor false")


def is_sold(text: str) -> bool:
    """Whether the taker sold (the buyer was the maker), from the name of the taker's side."""
    lower = text.lower()
    if lower in SELL:
        return True
    if lower in BUY:
        return False
    raise BadFrame("the side is none")

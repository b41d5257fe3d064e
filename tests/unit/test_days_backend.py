"""Tasks give the same results in the same order wherever they run; a wrong setting is named."""

from __future__ import annotations

import os

import pytest

from research.days.backend import Backend, task, working
from shared.errors import BadInput, BadSetting


def square(number: int) -> tuple[int, int]:
    if number < 0:
        raise BadInput(f"{number} is negative")
    return number * number, os.getpid()


@pytest.mark.parametrize("name", ["loky", "threading", "sequential"])
def test_results_come_in_the_order_of_tasks(name: str) -> None:
    told: list[float] = []
    with working(Backend(name, 2)) as crew:
        found = crew.run((task(square, number) for number in range(20)), 20, told.append)
    assert [result for result, _ in found] == [number * number for number in range(20)]
    assert ({pid for _, pid in found} == {os.getpid()}) == (name != "loky")
    assert told == [(done + 1) / 20 for done in range(20)]


@pytest.mark.parametrize("name", ["loky", "threading", "sequential"])
def test_the_first_error_ends_all(name: str) -> None:
    with working(Backend(name, 2)) as crew, pytest.raises(BadInput, match="-3 is negative"):
        crew.run((task(square, number) for number in (1, 2, -3, 4)), 4, lambda share: None)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": "ray"}, "none of loky, threading, sequential, dask"),
        ({"jobs": 0}, "0 training jobs"),
        ({"name": "loky", "scheduler": "tcp://h:1"}, "of no use to backend loky"),
    ],
)
def test_wrong_settings_are_named(options: dict[str, object], text: str) -> None:
    with pytest.raises(BadSetting, match=text):
        Backend(**options)  # type: ignore[arg-type]

"""The venue's limits on snapshots, and our clock."""

from __future__ import annotations

from services.collector.budget import Budget
from services.collector.clock import Clock
from shared.units import MS, SECOND

T0 = 1_700_000_000 * SECOND


def test_weight_of_a_minute_is_not_exceeded() -> None:
    budget = Budget(50)
    for _ in range(2):
        assert budget.wait_ns(T0, 20) == 0
        budget.spend(T0, 20)
    assert budget.wait_ns(T0 + SECOND, 20) == 59 * SECOND
    assert budget.wait_ns(T0 + SECOND, 10) == 0
    assert budget.wait_ns(T0 + 60 * SECOND, 20) == 0


def test_request_above_the_whole_budget_goes_alone() -> None:
    budget = Budget(10)
    assert budget.wait_ns(T0, 20) == 0
    budget.spend(T0, 20)
    assert budget.wait_ns(T0 + 1, 20) > 0


def test_refusals_are_heeded() -> None:
    budget = Budget(1000)
    assert budget.refused(T0, 429, "7", b"") == 7 * SECOND
    assert budget.wait_ns(T0 + 3 * SECOND, 1) == 4 * SECOND
    assert budget.wait_ns(T0 + 7 * SECOND, 1) == 0


def test_refusals_without_a_time_back_off_and_an_answer_ends_that() -> None:
    budget, now_ns, pauses = Budget(1000), T0, []
    for _ in range(12):
        pauses.append(budget.refused(now_ns, 429, "", b"") // SECOND)
        now_ns += pauses[-1] * SECOND
    assert pauses[:4] == [2, 4, 8, 16]
    assert pauses[-1] == 300
    budget.answered()
    assert budget.refused(now_ns, 429, "", b"") == 2 * SECOND


def test_ban_is_kept_until_it_ends() -> None:
    budget = Budget(1000)
    until_ms = T0 // MS + 500_000
    text = b'{"code":-1003,"msg":"Way too many requests; IP banned until %d."}' % until_ms
    assert budget.refused(T0, 418, "", text) == 500 * SECOND
    assert Budget(1000).refused(T0, 418, "", b"") == 120 * SECOND
    assert budget.refused(T0, 429, "1", b"") == 500 * SECOND  # a shorter one does not shorten it


class Hands:
    """A wall clock that somebody may set, and a monotonic one."""

    def __init__(self) -> None:
        self.wall_ns = T0
        self.monotonic_ns = 0
        self.clock = Clock(lambda: self.wall_ns, lambda: self.monotonic_ns)

    def after(self, passed_ns: int) -> int:
        self.wall_ns += passed_ns
        self.monotonic_ns += passed_ns
        return self.clock.now_ns()


def test_time_follows_the_wall_clock() -> None:
    hands = Hands()
    assert [hands.after(at) for at in (0, 5, 7)] == [T0, T0 + 5, T0 + 12]
    assert hands.clock.steps_back == 0


def test_time_goes_on_when_the_wall_clock_is_set_back() -> None:
    hands = Hands()
    hands.after(0)
    hands.wall_ns -= 3600 * SECOND
    assert hands.after(SECOND) == T0 + 990 * MS  # one percent slow: it comes together again
    assert hands.after(SECOND) == T0 + 1980 * MS
    assert hands.clock.steps_back == 1
    hands.wall_ns = T0 + 5 * SECOND
    assert hands.after(0) == T0 + 5 * SECOND


def test_time_follows_a_jump_ahead() -> None:
    hands = Hands()
    hands.after(0)
    hands.wall_ns += 60 * SECOND
    assert hands.after(0) == T0 + 60 * SECOND

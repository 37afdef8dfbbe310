"""Where ticks, bars, lines and areas lie."""

from __future__ import annotations

import pytest

from catalog.core.charts import Axes, Bar, Tick, polyline, round_top

AXES = Axes(40, 240, 10, 110, x_range=(0, 4), y_range=(-1, 1))
COUNTS = Axes(44, 632, 14, 168, y_range=(0, 10))


def test_values_lie_between_the_edges_and_larger_ones_higher() -> None:
    assert AXES.points((0, 2, 4), (-1, 0, 1)) == [(40, 110), (140, 60), (240, 10)]
    assert AXES.x(1 / 3) == 56.7
    assert polyline([(1.5, 2), (3.0, 4.2)]) == "1.5,2 3.0,4.2"


def test_an_empty_range_lies_at_the_lower_edge() -> None:
    single = Axes(40, 240, 10, 110, x_range=(0, 0), y_range=(0.5, 0.5))
    assert single.points((0,), (0.5,)) == [(40, 110)]


def test_ticks_stand_at_their_values() -> None:
    assert AXES.x_ticks((0, 4), ("start", "end")) == (Tick(40, "start"), Tick(240, "end"))
    assert AXES.y_ticks((1,), ("+1",)) == (Tick(10, "+1"),)
    with pytest.raises(ValueError, match="zip"):
        AXES.y_ticks((1, 2), ("+1",))


@pytest.mark.parametrize(("highest", "top"), [(0, 1), (1, 1), (3, 5), (7, 10), (11, 20), (120, 200)])
def test_axes_end_at_round_numbers(highest: int, top: int) -> None:
    assert round_top([0, highest]) == top
    assert round_top([]) == 1


def test_counts_have_a_tick_halfway_where_it_is_whole() -> None:
    assert [tick.text for tick in COUNTS.count_ticks()] == ["0", "5", "10"]
    assert [tick.text for tick in Axes(0, 1, 0, 1, y_range=(0, 5)).count_ticks()] == ["0", "5"]


def test_bars_stand_on_the_axis_and_share_the_width() -> None:
    drawn = COUNTS.bars([0, 5, 10])
    assert drawn == (Bar(261.6, 91.0, 152.9, 77.0), Bar(457.6, 14.0, 152.9, 154.0))
    assert COUNTS.bars([]) == ()


def test_an_area_steps_from_value_to_value_and_closes() -> None:
    assert Axes(44, 632, 14, 168).step_area([1, 0]) == "M44 168V14.0H338.0V168.0H632.0V168Z"

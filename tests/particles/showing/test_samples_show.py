"""Samples show themselves: pictures, tables, datasets and animations, with what they hold and nothing else."""

import os

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from scaling_limits.particles import FirstPassages, InvalidArgument, Paths, PinnedBalls, RotatorEnsemble
from scaling_limits.particles.showing.animation import animate, checked_animation
from scaling_limits.particles.showing.axes import axes_of, some_of
from scaling_limits.particles.showing.described import Described, text_of
from scaling_limits.particles.showing.quantities import Quantity

pytestmark = pytest.mark.serial
TIMES = np.array([0.0, 0.5, 1.0])
NUMBERS = np.random.Generator(np.random.Philox(key=5)).standard_normal((3, 40, 2))


def results():
    balls = PinnedBalls(n=9, mean=lambda x: x, std=lambda x: 1 + 0 * x)
    passages = FirstPassages(np.arange(1.0, 5.0), np.zeros(4, dtype=int), ("door",), (1.0,), np.inf, 0.01, 3)
    return [
        Paths(TIMES, NUMBERS[..., :1], 0.1, 3),
        Paths(TIMES, NUMBERS, 0.1, 3),
        RotatorEnsemble(TIMES, NUMBERS[..., :1] + 1j, 0.1, 3),
        passages,
        balls.sample(0.01 * TIMES, 30, seed=3),
    ]


RESULTS = results()


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("result", RESULTS, ids=lambda one: type(one).__name__)
def test_results_draw_themselves_on_given_axes_and_new_ones(result):
    ax = result.plot()
    assert plt.fignum_exists(ax.figure.number)
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert ax.has_data()
    _, given = plt.subplots()
    assert result.plot(given) is given
    open_figures = plt.get_fignums()
    with pytest.raises(InvalidArgument, match="ax"):
        result.plot("ax")
    with pytest.raises(AttributeError):
        result.plot(no_such_option=1)
    assert plt.get_fignums() == open_figures
    for projection in ("3d", "polar"):
        other = plt.figure().add_subplot(projection=projection)
        with pytest.raises(InvalidArgument, match=projection):
            result.plot(other)


@pytest.mark.parametrize("result", RESULTS, ids=lambda one: type(one).__name__)
def test_texts_are_a_few_lines_and_a_table_of_the_same(result):
    lines, table = repr(result).splitlines(), result._repr_html_()
    assert 1 < len(lines) < 8
    assert lines[0] == type(result).__name__
    assert max(map(len, lines)) < 121
    assert table.count("<tr>") == len(lines) - 1
    assert "http" not in table


@pytest.mark.parametrize("result", RESULTS, ids=lambda one: type(one).__name__)
def test_datasets_hold_what_the_result_holds(result, tmp_path):
    data = result.to_xarray()
    assert data.attrs["kind"] == type(result).__name__
    assert data.attrs["seed"] == "3"
    for name in data.variables:
        assert "long_name" in data[name].attrs
        assert "units" in data[name].attrs
    name = "times" if isinstance(result, FirstPassages) else "time"
    np.testing.assert_array_equal(data[name], result.times)
    if isinstance(result, Paths):
        np.testing.assert_array_equal(data.positions, result.positions)
    data.to_netcdf(tmp_path / "it.nc", engine="scipy")
    assert (tmp_path / "it.nc").stat().st_size > 100


def test_curves_and_points_are_those_of_the_result():
    flat, plane, rotators, passages, balls = RESULTS
    (line,) = plane.plot(index=1).lines
    np.testing.assert_array_equal(line.get_xydata(), NUMBERS[1])
    np.testing.assert_allclose(rotators.plot().lines[0].get_ydata(), rotators.mean[:, 0])
    np.testing.assert_array_equal(balls.plot(quantity="mean").lines[2].get_ydata(), balls.mean[2])
    steps = passages.plot().lines[0].get_xydata()
    assert steps[0, 1] == 1.0
    assert steps[-1, 1] == 0.0
    heights = flat.plot().patches[0].get_xy()
    area = np.trapezoid(heights[:, 1], heights[:, 0])
    assert abs(area - 1.0) < 1e-12
    assert len(flat.plot().patches) == 3
    (one,) = flat.plot(index=-2).patches
    assert one.get_label() == "t = 0.5"
    assert plane.plot(index=1).get_title() == "t = 0.5"
    with pytest.raises(InvalidArgument, match="quantity"):
        balls.plot(quantity="speed")
    with pytest.raises(InvalidArgument, match="index"):
        flat.plot(index=3)
    with pytest.raises(InvalidArgument, match="index"):
        plane.plot(index=3)


def test_animations_are_files_with_a_frame_for_each_time(tmp_path):
    from PIL import Image

    balls = RESULTS[-1]
    before = plt.get_fignums()
    path = balls.animate(tmp_path / "balls.gif", "std", frames_per_second=2)
    with Image.open(path) as image:
        assert image.n_frames == 3
    assert plt.get_fignums() == before
    for bad, argument in ((tmp_path / "a.avi", "path"), (tmp_path / "none" / "a.gif", "path"), (3, "path")):
        with pytest.raises(InvalidArgument, match=argument):
            balls.animate(bad)
    with pytest.raises(InvalidArgument, match="frames_per_second"):
        balls.animate(path, frames_per_second=0)


@pytest.mark.parametrize("speed", [7, 30, 50])
def test_films_last_as_long_as_they_should(speed, tmp_path):
    """To the hundredths of a second of the format, whatever the number of frames."""
    from PIL import Image

    def renew(ax, index):
        ax.set_title(f"{index}")

    path = animate(tmp_path / "a.gif", speed, 25, lambda ax: ax, renew)
    with Image.open(path) as image:
        lasts = []
        for k in range(image.n_frames):
            image.seek(k)
            lasts.append(image.info["duration"])
    assert len(lasts) == 25
    assert max(lasts) - min(lasts) <= 10
    assert abs(sum(lasts) - 25000 / speed) <= 5


def test_films_that_their_format_cannot_hold_are_refused(tmp_path):
    with pytest.raises(InvalidArgument, match="frames_per_second.*50"):
        checked_animation(tmp_path / "a.gif", 51)


def test_a_film_that_is_interrupted_leaves_what_was_there(tmp_path):
    def interrupted(artists, index):
        raise KeyboardInterrupt

    place = tmp_path / "a.gif"
    place.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        animate(place, 8, 3, lambda ax: None, interrupted)
    assert place.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.gif"]


def test_films_need_their_program(tmp_path, monkeypatch):
    from matplotlib.animation import writers

    monkeypatch.setattr(writers, "is_available", lambda name: False)
    with pytest.raises(InvalidArgument, match="ffmpeg"):
        checked_animation(tmp_path / "a.mp4", 8)


def test_words_of_units_stand_once():
    assert Quantity("I", "mean action", "action").label == "mean action"
    assert Quantity("t", "slow time", "slow time").label == "slow time"
    assert Quantity("x", "position along x", "length").label == "position along x (length)"
    assert Quantity("c", "transaction", "action").label == "transaction (action)"
    rotators = RESULTS[2]
    assert rotators.plot().get_ylabel() == "mean action"
    one = RotatorEnsemble(TIMES[1:2], NUMBERS[1:2, :, :1] + 1j, 0.1, 3)
    assert one.plot().get_title() == "tau = 0.5"


def test_helpers():
    assert some_of(3) == [0, 1, 2]
    assert some_of(100, 3) == [0, 50, 99]
    assert text_of(np.arange(100.0)) == "array of the shape (100,)"
    assert text_of(1 / 3) == "0.333333"
    assert len(text_of("x" * 500)) < 90
    _, ax = plt.subplots()
    assert axes_of(ax) is ax


class Odd(Described):
    def _summary(self):
        return "<b>", {"a & b": "<script>"}


def test_tables_are_text_of_html():
    assert "<script>" not in Odd()._repr_html_()
    assert "&lt;script&gt;" in Odd()._repr_html_()

"""Pictures: what they show follows from the numbers, and no one else's settings change."""

import numpy as np
import pytest

from nncore.datasets import digits

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
from matplotlib import colors, image  # noqa: E402

from nncore import _plots  # noqa: E402


def history(epochs):
    """What a training of so many epochs might report."""
    t = np.arange(epochs)
    return {
        "loss": (2 * 0.8**t).tolist(),
        "val_loss": (1.8 * 0.8**t + 0.1).tolist(),
        "accuracy": (1 - 0.5 * 0.8**t).tolist(),
        "val_accuracy": (0.98 - 0.4 * 0.8**t).tolist(),
    }


def predictions_with(wrong):
    """Test images, labels, and predictions of which so many, from all over, are one too high."""
    _, (images, labels) = digits.load_data()
    predictions = labels.astype(np.int64)
    rows = np.arange(wrong) * len(labels) // max(wrong, 1)
    predictions[rows] = (predictions[rows] + 1) % 10
    return images, labels, predictions


def count_pixels(picture, color):
    """Pixels of nearly this color."""
    return int((np.abs(picture[..., :3] - colors.to_rgb(color)).max(axis=-1) < 0.02).sum())


@pytest.mark.parametrize("epochs", [1, 2, 40])
def test_picture_is_a_png_with_curves_and_images(tmp_path, epochs):
    path = tmp_path / "picture.png"
    _plots.save_training_picture(path, history(epochs), *predictions_with(3), "A title")
    assert path.read_bytes().startswith(b"\x89PNG\r\n")
    picture = image.imread(path)
    rows, columns = picture.shape[:2]
    assert rows >= 1000
    assert columns >= 1000
    # Curves above, images below, and both colors of curve.
    assert count_pixels(picture[: rows // 2], _plots.TRAINING_COLOR) > 50
    assert count_pixels(picture[: rows // 2], _plots.TEST_COLOR) > 50
    assert picture[rows // 2 :, :, :3].std() > 0.1


def test_wrong_images_are_marked_in_red_and_only_they(tmp_path):
    counts = []
    for wrong in (0, 1, 3):
        path = tmp_path / f"{wrong}.png"
        _plots.save_training_picture(path, history(20), *predictions_with(wrong), "A title")
        counts.append(count_pixels(image.imread(path), _plots.WRONG_COLOR))
    assert counts[0] == 0
    assert counts[1] > 500
    assert counts[2] == pytest.approx(3 * counts[1], rel=0.2)


def test_figure_shows_the_numbers():
    images, labels, predictions = predictions_with(5)
    numbers = history(20)
    figure = _plots.training_figure(numbers, images, labels, predictions, "A title")
    loss, accuracy, grid = figure.axes
    for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
        training, test = axes.get_lines()
        np.testing.assert_array_equal(training.get_xdata(), np.arange(1, 21))
        np.testing.assert_array_equal(training.get_ydata(), numbers[name])
        np.testing.assert_array_equal(test.get_ydata(), numbers[f"val_{name}"])
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training images", "test images"]
    texts = [text.get_text() for text in grid.texts]
    assert len(texts) == len(grid.get_images()) == 60
    wrong = np.flatnonzero(labels != predictions)
    assert texts[:5] == [f"read {predictions[i]}, is {labels[i]}" for i in wrong]
    np.testing.assert_array_equal(grid.get_images()[4].get_array(), images[wrong[4]])
    assert all(text.isdigit() for text in texts[5:])
    for marks in ([text.get_color() for text in grid.texts], [frame.get_edgecolor() for frame in grid.patches]):
        assert [colors.to_hex(mark) == _plots.WRONG_COLOR for mark in marks] == [True] * 5 + [False] * 55
    assert grid.get_title(loc="left") == "60 of 360 test images and what the network read; in red: the 5 wrong ones"


@pytest.mark.parametrize("epochs", [1, 2])
def test_few_epochs_are_points(epochs):
    figure = _plots.training_figure(history(epochs), *predictions_with(0), "A title")
    for axes in figure.axes[:2]:
        assert [line.get_marker() for line in axes.get_lines()] == ["o", "o"]
        assert axes.get_xticks().tolist() == list(range(1, epochs + 1))


@pytest.mark.parametrize(
    ("shown", "wrong_shown", "wrong", "ending"),
    [
        (60, 0, 0, ", all of it right"),
        (60, 1, 1, "; in red: the wrong one"),
        (60, 60, 80, "; in red: 60 of the 80 wrong ones"),
    ],
)
def test_grid_title(shown, wrong_shown, wrong, ending):
    title = _plots.grid_title(shown, 360, wrong_shown, wrong)
    assert title == f"60 of 360 test images and what the network read{ending}"


@pytest.mark.parametrize("wrong", [0, 1, 60, 61, 360])
@pytest.mark.parametrize("count", [1, 60, 400])
def test_choose_images_takes_the_wrong_ones_first_and_none_twice(wrong, count):
    _, labels, predictions = predictions_with(wrong)
    chosen = _plots.choose_images(labels, predictions, count)
    assert len(chosen) == len(set(chosen)) == min(count, 360)
    is_wrong = (labels != predictions)[chosen]
    assert is_wrong.sum() == min(wrong, count)
    assert is_wrong[: is_wrong.sum()].all()


def test_the_settings_of_matplotlib_stay_as_they_are(tmp_path):
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"axes.facecolor": "black", "lines.linewidth": 9}):
        _plots.save_training_picture(tmp_path / "a.png", history(5), *predictions_with(1), "A title")
        assert matplotlib.rcParams["axes.facecolor"] == "black"
    _plots.save_training_picture(tmp_path / "b.png", history(5), *predictions_with(1), "A title")
    assert dict(matplotlib.rcParams) == before
    np.testing.assert_array_equal(image.imread(tmp_path / "a.png"), image.imread(tmp_path / "b.png"))


def test_grid_of_images(tmp_path):
    """Each image is where it belongs, black its smallest and white its largest number, with white in between."""
    images = np.random.default_rng(0).uniform(-1, 1, (7, 5, 4))
    images[0, 0, 0], images[6, 4, 3] = -1, 1
    path = tmp_path / "grid.png"
    _plots.save_image_grid(path, images, columns=3)
    picture = image.imread(path)[..., 0]
    assert picture.shape == (3 * 6 + 1, 3 * 5 + 1)
    for number, wanted in enumerate(images):
        top, left = number // 3 * 6 + 1, number % 3 * 5 + 1
        np.testing.assert_allclose(picture[top : top + 5, left : left + 4], (wanted + 1) / 2, atol=0.51 / 255)
        picture[top : top + 5, left : left + 4] = 1
    assert (picture == 1).all()
    with pytest.raises(ValueError, match=r"\(count, rows, columns\); got \(5, 4\)"):
        _plots.save_image_grid(path, images[0], columns=3)

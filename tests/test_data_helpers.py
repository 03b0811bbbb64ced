"""Helpers of `utils`: sequences, parts of data, minibatches of folders and of time series, images."""

import io

import numpy as np
import pytest

import nncore as nn

UTILS = nn.utils


# ---------------------------------------------------------------- sequences and parts


def test_pad_sequences():
    sequences = [[1], [2, 3], [], [4, 5, 6]]
    assert UTILS.pad_sequences(sequences).tolist() == [[0, 0, 1], [0, 2, 3], [0, 0, 0], [4, 5, 6]]
    assert UTILS.pad_sequences(sequences, 2, padding="post").tolist() == [[1, 0], [2, 3], [0, 0], [5, 6]]
    assert UTILS.pad_sequences(sequences, 2, truncating="post").tolist() == [[0, 1], [2, 3], [0, 0], [4, 5]]
    vectors = UTILS.pad_sequences([np.ones((2, 3)), np.ones((1, 3))], dtype="float64", value=-1)
    assert vectors.shape == (2, 2, 3)
    assert vectors[1, 0].tolist() == [-1, -1, -1]
    assert UTILS.pad_sequences([["a"], ["b", "c"]], dtype=object, value="").tolist() == [["", "a"], ["b", "c"]]
    assert UTILS.pad_sequences([]).shape == (0, 0)
    for bad, message in ((3, "list of sequences"), ([1, 2], "element 0 is 1"), ([[[1, 2]], [[1]]], "sequence 1")):
        with pytest.raises(ValueError, match=message):
            UTILS.pad_sequences(bad)
    with pytest.raises(ValueError, match="padding must be 'pre' or 'post'"):
        UTILS.pad_sequences([[1]], padding="left")
    with pytest.raises(ValueError, match="dtype=object"):
        UTILS.pad_sequences([[1]], value="x")


def test_split_dataset():
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10)
    left, right = UTILS.split_dataset(x, left_size=0.7)
    assert np.shares_memory(left, x)
    np.testing.assert_array_equal(np.concatenate([left, right]), x)
    (a, b), (c, d) = UTILS.split_dataset((x, y), left_size=3, right_size=0.2)
    assert (len(a), len(b), c.tolist(), d.tolist()) == (3, 3, x[8:].tolist(), [8, 9])
    first, second = UTILS.split_dataset({"x": x, "y": y}, right_size=4, shuffle=True, seed=3)
    assert sorted([*first["y"], *second["y"]]) == list(y)
    np.testing.assert_array_equal(first["x"][:, 0], 2 * first["y"])
    assert UTILS.split_dataset({"x": x, "y": y}, right_size=4, shuffle=True, seed=3)[0]["y"].tolist() == \
        first["y"].tolist()  # fmt: skip
    pandas = pytest.importorskip("pandas")
    head, tail = UTILS.split_dataset(pandas.DataFrame(x), 0.5)
    assert isinstance(tail, pandas.DataFrame)
    assert len(head) == len(tail) == 5
    windows = UTILS.timeseries_dataset_from_array(y, None, 2, batch_size=2)
    begin, end = UTILS.split_dataset(windows, left_size=2)
    assert [batch.tolist() for batch in end] == [batch.tolist() for batch in windows][2:]
    assert len(begin) == 2
    shuffled = UTILS.timeseries_dataset_from_array(y, None, 1, batch_size=1, shuffle=True, seed=1)
    parts = UTILS.split_dataset(shuffled.map(lambda x: x[0, 0]), left_size=0.6)
    for _ in range(2):  # the parts stay what they are, whatever the whole does
        shuffled.on_epoch_begin()
        assert sorted([*parts[0], *parts[1]]) == list(y)
    for sizes in ({}, {"left_size": 11}, {"left_size": 0.0}, {"left_size": 6, "right_size": 6}, {"left_size": 1.5}):
        with pytest.raises(ValueError, match="split_dataset"):
            UTILS.split_dataset(x, **sizes)
    with pytest.raises(ValueError, match="one number of rows"):
        UTILS.split_dataset((x, y[:3]), 0.5)


def test_timeseries():
    data, targets = np.arange(20), np.arange(100, 120)
    made = UTILS.timeseries_dataset_from_array(data, targets, 4, sequence_stride=2, sampling_rate=3, batch_size=3)
    batches = list(made)
    assert len(made) == len(batches) == 2
    assert batches[0][0].tolist() == [[0, 3, 6, 9], [2, 5, 8, 11], [4, 7, 10, 13]]
    assert batches[0][1].tolist() == [100, 102, 104]
    assert len(batches[1][0]) == 3
    single = UTILS.timeseries_dataset_from_array(data, None, 19, batch_size=None)
    assert [window[0] for window in single] == [0, 1]
    part = UTILS.timeseries_dataset_from_array(data, targets, 2, start_index=5, end_index=8)
    assert [batch.tolist() for batch in part[0]] == [[[5, 6], [6, 7]], [105, 106]]
    shuffled = UTILS.timeseries_dataset_from_array(data, targets, 3, shuffle=True, seed=1, batch_size=5)
    orders = [np.concatenate([y for _, y in shuffled]).tolist() for _ in range(2)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(100, 118))
    series = np.sin(np.arange(200) / 5).astype(np.float32)
    windows = UTILS.timeseries_dataset_from_array(series[:-10, None], series[10:], 10, batch_size=32)
    model = nn.Sequential([nn.Input((10, 1)), nn.layers.Flatten(), nn.layers.Dense(1)])
    model.compile(nn.optimizers.Adam(0.05), "mse")
    assert model.fit(windows, epochs=30, verbose=0).history["loss"][-1] < 0.05
    with pytest.raises(ValueError, match="no window of 30"):
        UTILS.timeseries_dataset_from_array(data, None, 30)
    with pytest.raises(ValueError, match="start_index 9 and end_index 5"):
        UTILS.timeseries_dataset_from_array(data, None, 3, start_index=9, end_index=5)


# ---------------------------------------------------------------- folders


@pytest.fixture
def texts(tmp_path):
    for name in ("pos", "neg"):
        (tmp_path / name / "more").mkdir(parents=True)
        for number in range(5):
            folder = tmp_path / name / ("more" if number == 4 else "")
            (folder / f"{number}.txt").write_text(f"{name} {number} ü", encoding="utf-8")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "pos" / "picture.png").write_text("")
    return tmp_path


def test_texts_of_folders(texts, capsys):
    data = UTILS.text_dataset_from_directory(texts, batch_size=4, shuffle=False)
    assert capsys.readouterr().out == "Found 10 files belonging to 2 classes.\n"
    assert data.class_names == ["neg", "pos"]
    batches = list(data)
    assert [len(y) for _, y in batches] == [4, 4, 2]
    assert batches[0][0].tolist() == [f"neg {n} ü" for n in range(4)]
    assert batches[1][1].tolist() == [0, 1, 1, 1]
    assert batches[1][1].dtype == np.int32
    quiet = {"verbose": False, "shuffle": False}
    assert UTILS.text_dataset_from_directory(texts, label_mode="categorical", **quiet)[0][1][0].tolist() == [1, 0]
    assert next(iter(UTILS.text_dataset_from_directory(texts, label_mode="binary", **quiet)))[1].shape == (10, 1)
    assert UTILS.text_dataset_from_directory(texts, labels=None, max_length=3, **quiet)[0].tolist()[0] == "neg"
    assert UTILS.text_dataset_from_directory(texts, class_names=["pos"], **quiet).count == 5
    own = UTILS.text_dataset_from_directory(texts, labels=[7] * 9 + [3], **quiet)
    assert (own.class_names, own[0][1].tolist()) == (["3", "7"], [7] * 9 + [3])
    assert UTILS.text_dataset_from_directory(texts, batch_size=None, **quiet)[2][0] == "neg 2 ü"
    assert capsys.readouterr().out == ""


def test_parts_of_folders_do_not_overlap(texts):
    options = {"validation_split": 0.3, "seed": 5, "verbose": False}
    training, validation = (UTILS.text_dataset_from_directory(texts, subset=part, **options)
                            for part in ("training", "validation"))  # fmt: skip
    assert (training.count, validation.count) == (7, 3)
    assert not set(training.file_paths) & set(validation.file_paths)
    both = UTILS.text_dataset_from_directory(texts, subset="both", **options)
    assert [part.file_paths for part in both] == [training.file_paths, validation.file_paths]
    text, label = training[0]
    assert [training.class_names[n] for n in label] == [t.split()[0] for t in text]
    orders = [[t for x, _ in training for t in x] for _ in range(3)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[2])
    assert [t for x, _ in both[1] for t in x] == [t for x, _ in both[1] for t in x]  # in order, always


def test_a_dataset_of_texts_trains(texts):
    data = UTILS.text_dataset_from_directory(texts, batch_size=3, seed=1, verbose=False)
    words = nn.layers.TextVectorization(output_mode="multi_hot")
    words.adapt(data.map(lambda x, y: x))
    assert {"pos", "neg"} < set(words.get_vocabulary())
    model = nn.Sequential([words, nn.layers.Dense(2, activation="softmax")])
    model.compile(nn.optimizers.Adam(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data, epochs=15, verbose=0, validation_data=data.take(1))
    assert model.evaluate(data, verbose=0)[1] == 1
    encoded = data.map(lambda x, y: (words(x), y)).cache().prefetch(2)
    small = nn.Sequential([nn.Input((words.vocabulary_size(),)), nn.layers.Dense(2, activation="softmax")])
    small.compile(nn.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    small.fit(encoded, epochs=2, verbose=0)
    assert small.predict(encoded, verbose=0).shape == (10, 2)
    assert encoded[0][0] is encoded[0][0]
    firsts = [[x.tolist() for x, _ in data.take(4)], [x.tolist() for x, _ in data.take(4)]]
    assert firsts[0] != firsts[1]
    assert len(data.skip(1)) == 3
    with pytest.raises(IndexError):
        data[4]


BAD_FOLDERS = {
    "folder": ({"directory": "nowhere"}, "there is no folder"),
    "labels": ({"labels": "some"}, "labels must be 'inferred', None"),
    "count": ({"labels": [1, 2]}, "there are 10 files, and 2 labels"),
    "mode": ({"label_mode": "ints"}, "label_mode must be"),
    "names": ({"class_names": ["pos", "other"]}, "class_names must be of the folders"),
    "names of none": ({"class_names": ["pos"], "labels": None}, "class_names are for labels='inferred'"),
    "binary": ({"label_mode": "binary", "class_names": ["pos"]}, "needs two classes"),
    "split": ({"validation_split": 0.2}, "belong together"),
    "subset": ({"validation_split": 0.2, "subset": "test", "seed": 1}, "subset must be"),
    "share": ({"validation_split": 1.0, "subset": "both", "seed": 1}, "validation_split must lie in"),
    "seed": ({"validation_split": 0.2, "subset": "both"}, "needs a seed"),
    "empty": ({"validation_split": 0.01, "subset": "validation", "seed": 1}, "leaves a part empty"),
    "batch": ({"batch_size": 0}, "batch_size must be at least 1"),
}


@pytest.mark.parametrize("name", BAD_FOLDERS)
def test_refused_folders(texts, name):
    options, message = BAD_FOLDERS[name]
    with pytest.raises(ValueError, match=message):
        UTILS.text_dataset_from_directory(**{"directory": texts, "verbose": False, **options})
    (texts / "empty").mkdir()
    with pytest.raises(ValueError, match=r"has no files \.txt"):
        UTILS.text_dataset_from_directory(texts / "empty", labels=None, verbose=False)


# ---------------------------------------------------------------- images


def test_images_and_arrays(tmp_path):
    pytest.importorskip("PIL")
    x = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    UTILS.save_img(tmp_path / "x.png", x, scale=False)
    image = UTILS.load_img(tmp_path / "x.png")
    array = UTILS.img_to_array(image)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, x)
    assert UTILS.img_to_array(image, "channels_first", "uint8").shape == (3, 5, 7)
    assert UTILS.img_to_array(UTILS.load_img(tmp_path / "x.png", "grayscale")).shape == (5, 7, 1)
    assert UTILS.load_img(tmp_path / "x.png", target_size=(4, 9)).size == (9, 4)
    buffer = io.BytesIO()
    UTILS.save_img(buffer, x, file_format="png", scale=False)
    buffer.seek(0)
    np.testing.assert_array_equal(UTILS.img_to_array(UTILS.load_img(buffer)), x)
    assert UTILS.img_to_array(UTILS.array_to_img(np.array([[[2.0], [4.0]]])))[..., 0].tolist() == [[0, 255]]
    UTILS.save_img(tmp_path / "x.jpg", x)
    assert UTILS.load_img(tmp_path / "x.jpg").size == (7, 5)
    (tmp_path / "no.png").write_text("no image")
    with pytest.raises(ValueError, match=r"no.png is no image"):
        UTILS.load_img(tmp_path / "no.png")
    with pytest.raises(FileNotFoundError):
        UTILS.load_img(tmp_path / "none.png")
    for call, message in ((lambda: UTILS.load_img(tmp_path / "x.png", "bgr"), "color_mode must be one of"),
                          (lambda: UTILS.array_to_img(np.ones((2, 2))), "three axes"),
                          (lambda: UTILS.array_to_img(np.ones((2, 2, 2))), "1, 3 or 4 channels"),
                          (lambda: UTILS.save_img(tmp_path / "a.jpg", np.ones((2, 2, 4))), "no fourth channel"),
                          (lambda: UTILS.img_to_array(x, "first"), "data_format must be")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()


def test_images_of_folders(tmp_path):
    pytest.importorskip("PIL")
    for number in range(8):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        UTILS.save_img(folder / f"{number}.png", np.full((6 + number, 9, 3), 200 * (number % 2)), scale=False)
    data = UTILS.image_dataset_from_directory(tmp_path, image_size=(4, 4), batch_size=3, seed=1, verbose=False)
    x, y = data[0]
    assert (x.shape, x.dtype) == ((3, 4, 4, 3), np.float32)
    np.testing.assert_array_equal(x[:, 0, 0, 0], 200 * y)
    model = nn.Sequential([nn.Input((4, 4, 3)), nn.layers.Rescaling(1 / 255), nn.layers.Flatten(),
                           nn.layers.Dense(2, activation="softmax")])  # fmt: skip
    model.compile(nn.optimizers.Adam(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data, epochs=20, verbose=0)
    assert model.evaluate(data, verbose=0)[1] == 1
    ramp = np.tile(np.arange(8.0)[None, :, None] * 10, (4, 1, 3))
    (tmp_path / "one").mkdir()
    UTILS.save_img(tmp_path / "one" / "r.png", ramp, scale=False)

    def one(**options):
        made = UTILS.image_dataset_from_directory(tmp_path / "one", labels=None, verbose=False, **options)
        return made[0][0, 0, :, 0]

    assert one(image_size=(4, 4)).tolist() == [5, 25, 45, 65]
    assert one(image_size=(4, 4), interpolation="nearest").tolist() == [10, 30, 50, 70]
    assert one(image_size=(4, 4), crop_to_aspect_ratio=True).tolist() == [20, 30, 40, 50]
    assert one(image_size=(8, 8), pad_to_aspect_ratio=True).tolist() == [0] * 8
    for options, message in (({"image_size": (4,)}, "image_size must be"), ({"interpolation": "area"}, "interpolation"),
                             ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "not both"),
                             ({"data_format": "channels_first"}, "channels_first")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            one(**options)


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"pip install 'nncore\[images\]'"):
        UTILS.load_img("x.png")

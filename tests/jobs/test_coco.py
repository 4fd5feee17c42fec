"""Any folder of photographs is read, or refused with a sentence that names what is wrong."""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs import coco as reader
from jobs.coco import Photographs, read_photographs
from pipeline.config import Config
from pipeline.errors import InputError

DATA = Path(__file__).parent.parent / "data" / "photos"
SQUARE = [[2.0, 2.0, 8.0, 2.0, 8.0, 8.0, 2.0, 8.0]]


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Files by name below a folder: text, bytes, or anything else as JSON."""

    def make(files: dict[str, Any]) -> Path:
        for name, content in files.items():
            path = tmp_path / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str | bytes):
                path.write_bytes(content.encode() if isinstance(content, str) else content)
            else:
                path.write_text(json.dumps(content))
        return tmp_path / "photos"

    return make


def instances(
    images: dict[Any, str], annotations: tuple[Any, ...] = (), **more: Any
) -> dict[str, Any]:
    listed = [{"id": number, "file_name": name} for number, name in images.items()]
    return {"images": listed, "annotations": list(annotations)} | more


def where(found: Photographs) -> dict[str, str]:
    return {source: photo.name for source, photo in found.photos.items()}


# --- layouts -------------------------------------------------------------------------------------


def test_the_sample_photographs_are_read_whole(standin: Config) -> None:
    found = read_photographs(DATA, standin)
    assert len(found.photos) == 9
    assert set(found.captions) == set(found.annotations) == set(found.photos)
    assert all(photo.path and photo.path.is_file() for photo in found.photos.values())
    assert all(photo.licence for photo in found.photos.values())


def test_cocos_own_layout_is_found(standin: Config, folder: Callable[..., Path]) -> None:
    path = folder(
        {
            "annotations/instances_train2017.json": instances(
                {1: "000000000001.jpg"},
                ({"id": 5, "image_id": 1, "category_id": 3, "segmentation": SQUARE},),
                categories=[{"id": 3, "name": "dog", "supercategory": "animal"}],
                licenses=[{"id": 2, "name": "CC0"}],
            )
            | {"images": [{"id": 1, "file_name": "000000000001.jpg", "license": 2}]},
            "annotations/captions_train2017.json": instances(
                {1: "000000000001.jpg"}, ({"id": 1, "image_id": 1, "caption": "A dog."},)
            ),
            "annotations/instances_val2017.json": instances({2: "000000000002.jpg"}),
            "annotations/person_keypoints_train2017.json": "is not looked at",
            "train2017/000000000001.jpg": b"",
            "val2017/000000000002.jpg": b"",
        }
    )
    found = read_photographs(path, standin)
    assert where(found) == {"1": "train2017/000000000001.jpg", "2": "val2017/000000000002.jpg"}
    assert found.captions == {"1": ["A dog."]}
    assert [(one.name, one.category) for one in found.annotations["1"]] == [("dog", "animals")]
    assert found.photos["1"].licence == "CC0"
    assert found.photos["1"].path == path / "train2017" / "000000000001.jpg"


def test_equal_names_in_two_parts_are_told_apart_by_the_annotations_name(
    standin: Config, folder: Callable[..., Path]
) -> None:
    path = folder({
        "instances_train.json": instances({1: "0.jpg"}), "train/0.jpg": b"",
        "instances_val.json": instances({2: "0.jpg"}), "val/0.jpg": b"",
    })  # fmt: skip
    assert where(read_photographs(path, standin)) == {"1": "train/0.jpg", "2": "val/0.jpg"}


def test_a_plain_folder_needs_no_annotations(standin: Config, folder: Callable[..., Path]) -> None:
    names = ["a.jpg", "B.JPG", "c.JpEg", "deep/er/d.png", "e.TIF", "f.webp", "g.bmp"]
    path = folder(dict.fromkeys([*names, "notes.txt", "film.mp4", "h.gif", "jpg"], b""))
    (path / "folder.jpg").mkdir()
    found = read_photographs(path, standin)
    assert where(found) == {name: name for name in names}
    assert not found.captions and not found.annotations


def test_names_may_hold_anything_a_file_system_takes(
    standin: Config, folder: Callable[..., Path]
) -> None:
    names = [
        "two words.jpg", "Grüße 写真 📷.jpg", "it's \"quoted\".jpg", "line\nbreak.jpg", "-rf.jpg",
        "a.b.c.jpg", "$(x);|&.jpg", "%00.jpg", ".hidden.jpg", "back\\slash.jpg",
    ]  # fmt: skip
    listed = {i: name for i, name in enumerate(names) if i % 2}
    path = folder({**dict.fromkeys(names, b""), "instances.json": instances(listed)})
    found = read_photographs(path, standin)
    assert sorted(photo.name for photo in found.photos.values()) == sorted(names)
    assert all(photo.path == path / photo.name for photo in found.photos.values())
    assert set(found.split) == set(found.photos)


def test_a_name_that_is_no_utf8_is_spelt_out(standin: Config, folder: Callable[..., Path]) -> None:
    path = folder({"a.jpg": b""})
    odd = path / b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    odd.write_bytes(b"")
    found = read_photographs(path, standin)
    assert found.photos["caf\\udce9.jpg"].path == odd
    assert set(found.split) == {"a.jpg", "caf\\udce9.jpg"}


def test_half_a_character_in_the_annotations_harms_no_one(
    standin: Config, folder: Callable[..., Path]
) -> None:
    caption = {"image_id": "\ud800", "caption": "\udfff"}
    data = instances({"\ud800": "a.jpg"}, (caption,))
    found = read_photographs(folder({"captions.json": data, "a.jpg": b""}), standin)
    assert where(found) == {"\\ud800": "a.jpg"} and found.captions == {"\\ud800": ["\\udfff"]}


def test_a_picture_that_no_annotation_names_is_a_source_all_the_same(
    standin: Config, folder: Callable[..., Path]
) -> None:
    path = folder({"instances.json": instances({1: "a.jpg"}), "images/a.jpg": b"", "b.jpg": b""})
    assert where(read_photographs(path, standin)) == {"1": "images/a.jpg", "b.jpg": "b.jpg"}


def test_a_picture_that_is_not_there_stays_a_source_without_a_path(
    standin: Config, folder: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "outside.jpg").write_bytes(b"")
    names = {
        1: "gone.jpg", 2: "../outside.jpg", 3: str(tmp_path / "outside.jpg"), 4: "images",
        5: "nul\0.jpg", 6: "long" * 200 + ".jpg", 7: ".",
    }  # fmt: skip
    path = folder({"instances.json": instances(names), "images/a.jpg": b""})
    found = read_photographs(path, standin)
    assert {found.photos[str(i)].path for i in names} == {None}
    assert len(found.photos) == len(names) + 1


def test_a_large_folder_is_matched_in_linear_time(tmp_path: Path) -> None:
    count = 40_000
    names = [f"{i:012d}.jpg" for i in range(count)]
    files = {f"train2017/deeper/{name}": tmp_path / name for name in names}
    endings = {name: [f"train2017/deeper/{name}"] for name in names}
    (tmp_path / "instances.json").write_text(json.dumps(instances(dict(enumerate(names)))))
    found, begun = Photographs(), time.process_time()
    reader._read_json(tmp_path / "instances.json", files, endings, found, {})
    assert time.process_time() - begun < 20, "comparing every name with every file takes minutes"
    assert len(found.photos) == count and None not in {one.path for one in found.photos.values()}


@pytest.mark.parametrize(
    ("keys", "url"),
    [
        ({"url": "u", "flickr_url": "f", "coco_url": "c"}, "u"),
        ({"coco_url": "c", "flickr_url": "f"}, "f"),
        ({"coco_url": "c", "flickr_url": ""}, "c"),
        ({"url": None}, ""),
        ({}, ""),
    ],
)
def test_where_a_photograph_was_found_is_read_under_cocos_names_too(
    standin: Config, folder: Callable[..., Path], keys: dict[str, Any], url: str
) -> None:
    data = {"images": [{"id": 1, "file_name": "a.jpg", **keys}], "annotations": []}
    found = read_photographs(folder({"a.jpg": b"", "instances.json": data}), standin)
    assert found.photos["1"].url == url


def test_what_one_file_of_annotations_does_not_say_another_may(
    standin: Config, folder: Callable[..., Path]
) -> None:
    image = {"id": 1, "file_name": "a.jpg"}
    captions = {"images": [image | {"author": "Ann", "license": 5, "url": "theirs"}],
                "annotations": [], "licenses": [{"id": 5, "name": "CC BY 2.0"}]}  # fmt: skip
    path = folder({
        "a.jpg": b"", "captions.json": captions,
        "instances.json": {"images": [image | {"url": "mine"}], "annotations": []},
    })  # fmt: skip
    photo = read_photographs(path, standin).photos["1"]
    assert (photo.author, photo.licence, photo.url) == ("Ann", "CC BY 2.0", "mine")


# --- what is refused -----------------------------------------------------------------------------


def test_a_folder_without_photographs_names_itself_and_what_it_should_hold(
    standin: Config, folder: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    only_json = folder({"instances.json": instances({1: "a.jpg"})})
    for path in (tmp_path / "empty", only_json):
        with pytest.raises(InputError, match=r"\.bmp, \.jpeg, \.jpg, \.png") as caught:
            read_photographs(path, standin)
        assert str(path) in str(caught.value)


def test_a_folder_that_is_not_there_is_named(standin: Config, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder of photographs at .*nowhere"):
        read_photographs(tmp_path / "nowhere", standin)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"images": [\xff]}', "not JSON"),
        (b"[" * 200_000, "not JSON"),
        ([], "no list 'images'"),
        ("null", "no list 'images'"),
        ("7", "no list 'images'"),
        ({}, "no list 'images'"),
        ({"images": []}, "no list 'annotations'"),
        ({"images": None, "annotations": []}, "no list 'images'"),
        ({"images": {"1": {}}, "annotations": []}, "no list 'images'"),
        ({"images": [], "annotations": 7}, "no list 'annotations'"),
        ({"images": [], "annotations": "abc"}, "no list 'annotations'"),
        ({"images": ["a.jpg"], "annotations": []}, r"images\[0\] has no 'id'"),
        ({"images": [None], "annotations": []}, r"images\[0\] has no 'id'"),
        ({"images": [{"file_name": "a.jpg"}], "annotations": []}, r"images\[0\] has no 'id'"),
        ({"images": [{"id": 0}], "annotations": []}, r"images\[0\] has no 'file_name'"),
        ({"images": [{"id": 1, "file_name": None}], "annotations": []}, "no 'file_name'"),
        ({"images": [{"id": 1, "file_name": ""}], "annotations": []}, "no 'file_name'"),
        ({"images": [], "annotations": [{"id": 3}]}, r"annotations\[0\] has no 'image_id'"),
        ({"images": [], "annotations": [[]]}, r"annotations\[0\] has no 'image_id'"),
        ({"images": [], "annotations": [], "licenses": [{}]}, r"licenses\[0\] has no 'id'"),
        ({"images": [], "annotations": [], "licenses": {"a": 1}}, "no list 'licenses'"),
        ({"images": [], "annotations": [], "categories": ["dog"]}, r"categories\[0\] has no"),
    ],
)
@pytest.mark.parametrize("kind", ["instances", "captions"])
def test_a_file_that_is_not_cocos_is_named(
    standin: Config, folder: Callable[..., Path], data: Any, says: str, kind: str
) -> None:
    path = folder({"a.jpg": b"", f"{kind}_x.json": data})
    with pytest.raises(InputError, match=says) as caught:
        read_photographs(path, standin)
    assert str(path / f"{kind}_x.json") in str(caught.value)


def test_what_coco_leaves_open_may_be_missing_or_odd(
    standin: Config, folder: Callable[..., Path]
) -> None:
    data = {
        "images": [{"id": 1.5, "file_name": "a.jpg", "license": 7}],
        "annotations": [
            {"image_id": 1.5, "id": None, "category_id": "?", "segmentation": SQUARE},
            {"image_id": 99, "category_id": 1, "segmentation": SQUARE},
            {"image_id": 99, "caption": "of nothing"},
        ],
        "licenses": None,
        "categories": [{"id": 1, "name": None, "supercategory": None}],
    }
    found = read_photographs(folder({"a.jpg": b"", "instances.json": data}), standin)
    assert where(found) == {"1.5": "a.jpg"} and found.captions == {}
    assert found.strays == 2
    assert set(found.annotations) == {"1.5"}
    assert [(one.name, one.category) for one in found.annotations["1.5"]] == [("object", "other")]


@pytest.mark.parametrize(
    ("place", "key", "value", "says"),
    [
        ("images", "id", [1], r"images\[0\].id is neither text nor number"),
        ("images", "author", {"a": 1}, r"images\[0\].author is neither"),
        ("images", "license", [[[7]]], r"images\[0\].license is neither"),
        ("annotations", "category_id", {}, r"annotations\[0\].category_id is neither"),
        ("annotations", "caption", "x" * 10**6, r"caption has 1000000 letters, more than 2000"),
        ("categories", "name", "x" * 2001, r"categories\[0\].name has 2001 letters"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(
    place: str, key: str, value: Any, says: str, standin: Config, folder: Callable[..., Path]
) -> None:
    data: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1}],
        "categories": [{"id": 1}],
    }  # fmt: skip
    data[place][0][key] = value
    with pytest.raises(InputError, match=says):
        read_photographs(folder({"a.jpg": b"", "instances.json": data}), standin)


def test_two_images_with_one_id_are_both_named(
    standin: Config, folder: Callable[..., Path]
) -> None:
    data = {"annotations": [], "images": [{"id": 4, "file_name": "a.jpg"},
                                          {"id": 4, "file_name": "b.jpg"}]}  # fmt: skip
    path = folder({"a.jpg": b"", "b.jpg": b"", "instances.json": data})
    with pytest.raises(InputError, match=r"two images have the id 4: a\.jpg and b\.jpg"):
        read_photographs(path, standin)


def test_two_files_of_annotations_that_disagree_on_an_id_are_refused(
    standin: Config, folder: Callable[..., Path]
) -> None:
    path = folder({
        "a.jpg": b"", "b.jpg": b"",
        "instances.json": instances({4: "a.jpg"}), "captions.json": instances({4: "b.jpg"}),
    })  # fmt: skip
    with pytest.raises(InputError, match=r"two images have the id 4: .*a\.jpg"):
        read_photographs(path, standin)


def test_an_id_that_is_another_files_name_loses_neither(
    standin: Config, folder: Callable[..., Path]
) -> None:
    path = folder({"a.jpg": b"", "b.jpg": b"", "instances.json": instances({"b.jpg": "a.jpg"})})
    with pytest.raises(InputError, match=r"two images have the id b\.jpg: a\.jpg and b\.jpg"):
        read_photographs(path, standin)


def test_one_file_with_two_ids_is_refused(standin: Config, folder: Callable[..., Path]) -> None:
    path = folder({"images/a.jpg": b"", "i.txt": "",
                   "instances.json": instances({4: "a.jpg", 5: "images/a.jpg"})})  # fmt: skip
    with pytest.raises(InputError, match=r"images/a\.jpg has two ids, 4 and 5"):
        read_photographs(path, standin)


# --- split ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "val"), [(1, 0), (2, 1), (3, 1), (5, 1), (9, 2), (10, 2), (100, 20)]
)
def test_a_fifth_of_the_sources_is_held_out(
    standin: Config, folder: Callable[..., Path], count: int, val: int
) -> None:
    path = folder({f"{i}.jpg": b"" for i in range(count)})
    found = read_photographs(path, standin)
    assert set(found.split) == set(found.photos)
    assert Counter(found.split.values()) == Counter({"val": val, "train": count - val})


@pytest.mark.parametrize("share", [0.001, 0.999])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_neither_side_of_the_split_is_ever_empty(
    configured: Callable[..., Config], folder: Callable[..., Path], share: float, count: int
) -> None:
    path = folder({f"{i}.jpg": b"" for i in range(count)})
    found = read_photographs(path, configured(val_share=share))
    assert set(found.split.values()) == {"train", "val"}


def test_the_split_is_the_seeds(
    configured: Callable[..., Config], folder: Callable[..., Path]
) -> None:
    path = folder({f"{i}.jpg": b"" for i in range(40)})
    splits = [read_photographs(path, configured(seed=seed)).split for seed in (1, 1, 2)]
    assert splits[0] == splits[1] != splits[2]

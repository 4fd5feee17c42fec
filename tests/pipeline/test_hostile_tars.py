"""Archives from anybody: nothing of them is unpacked to the disk, no two members become one sample,
and what cannot be read costs the pair or is refused.

No part of the project lists a tar: foreign archives are zip and parquet files, our own tars are
read by their manifests' offsets. Both are tried here, and what our README tells others to use.
"""

import io
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.imported_pairs import Archive, look
from jobs.photos import Limits, Refused
from pipeline import released
from pipeline.errors import CorruptData, InputError
from pipeline.shards import join
from tests.faults import archives, hostile, mini
from tests.faults.counts import count, limit, seed
from tests.jobs.published import pairs, parquet

ROOT = Path(__file__).parents[2]
GOOD = pairs(1, 1, 24, 24)["00000001"]


@pytest.mark.slow
@pytest.mark.timeout(limit(1800))
@pytest.mark.parametrize("kind", archives.KINDS)
def test_a_broken_archive_ends_no_process_and_unpacks_nothing(
    kind: str, tmp_path: Path, said: Callable[[str], None]
) -> None:
    """In a process of its own: a fault of the library that unpacks would end it."""
    total, base, folder = count("tars") // 2, seed(), tmp_path / "in"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.archives", kind, str(base), "0", str(total),
         str(folder)], cwd=ROOT, text=True, capture_output=True, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    case = f"PALIMPSEST_SEED={base}, {lines[-1:]}: {done.stderr[-3000:]}"
    assert done.returncode == 0, case
    found = Counter(line.partition(" ")[2] for line in lines if not line.endswith("begun"))
    assert found.total() == total and found["refused"] and found["4 of 4"]
    assert set(tmp_path.rglob("*")) == {folder}
    said(f"{kind} archives: {dict(found.most_common(6))}")


def archive(path: Path, *members: tuple[Any, bytes], how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", how) as out:
        for name, data in members:
            out.writestr(name, data)
    return path


def info(name: str, mode: int = 0) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name)
    found.external_attr = mode << 16
    return found


def outcomes(path: Path) -> dict[str, str]:
    """Each pair's reason, "" of a good one."""
    settings, found = archives.chosen(path), {}
    reader = Archive(path)
    limits, labels = Limits.of(settings.bases), tuple(settings.families.values())
    for pair in released.pairs(settings):
        if pair.lacks:
            found[pair.name] = f"lacks {pair.lacks}"
            continue
        try:
            image, _, _ = look(*reader.read(pair), limits, labels)
            assert image.shape == (24, 24, 3)
            found[pair.name] = ""
        except Refused as refused:
            found[pair.name] = str(refused)
    return found


def test_no_member_gets_out_and_none_becomes_another(tmp_path: Path) -> None:
    image, mask = GOOD
    folder = tmp_path / "in"
    folder.mkdir()
    names = ["../../up/00000001", "/etc/00000002", "a.b/00000003", "a.c/00000003", "A.B/00000003",
             "../00000004", "..\\up/00000005", "x/./00000006", "x//00000007", "$(touch X)/00000008",
             "x/00000009.image.png/00000009"]  # fmt: skip
    both = [(f"{name}.{half}.png", data) for name in names
            for half, data in (("image", image), ("mask", mask))]  # fmt: skip
    found = outcomes(archive(folder / "train.zip", *both))
    readable = {name for name in names if "//" not in name and name[0] != "/"}
    assert found == dict.fromkeys(readable, "")  # each a pair of its own, and none a file
    assert set(tmp_path.rglob("*")) == {folder, folder / "train.zip"}
    assert not Path("/etc/00000002.image.png").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_with_one_name_neither_is_taken(tmp_path: Path) -> None:
    image, mask = GOOD
    path = archive(
        tmp_path / "train.zip", ("00000001.image.png", image), ("00000001.mask.png", mask),
        ("00000002.image.png", image), ("00000002.mask.png", mask), ("00000001.mask.png", mask),
    )  # fmt: skip
    assert outcomes(path) == {"00000001": "twice in the zip", "00000002": ""}


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO,
                                  stat.S_IFSOCK, stat.S_IFDIR])  # fmt: skip
def test_links_and_devices_are_refused(mode: int, tmp_path: Path) -> None:
    image, mask = GOOD
    path = archive(
        tmp_path / "train.zip", (info("00000001.image.png", mode | 0o777), b"/etc/passwd"),
        ("00000001.mask.png", mask), (info("00000002.image.png", stat.S_IFREG | 0o644), image),
        ("00000002.mask.png", mask),
    )  # fmt: skip
    assert outcomes(path) == {"00000001": "no regular file in the zip", "00000002": ""}


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_unpacks_without_a_bound_is_not_unpacked(how: int, tmp_path: Path) -> None:
    path = archive(tmp_path / "train.zip", ("00000001.image.png", bytes(1 << 20)),
                   ("00000001.mask.png", GOOD[1]), how=how)  # fmt: skip
    said = "packed otherwise than stored or deflated in the zip"
    assert outcomes(path) == {"00000001": said}


def test_a_member_that_is_too_large_or_lies_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "train.zip", ("00000001.image.png", bytes(65 << 20)),
                   ("00000001.mask.png", GOOD[1]), how=zipfile.ZIP_DEFLATED)  # fmt: skip
    assert outcomes(path) == {"00000001": "65 MiB, more than 64"}
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2") + 24  # the size once unpacked, in the directory
    for size, says in ((1 << 31, "2048 MiB"), (100, "broken in the zip"), (0, "broken")):
        data[at : at + 4] = size.to_bytes(4, "little")
        path.write_bytes(data)
        assert says in outcomes(path)["00000001"]


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "train.zip", ("00000001.image.png", GOOD[0]),
                   ("00000001.mask.png", GOOD[1]))  # fmt: skip
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2") + 8
    data[at] |= 1
    path.write_bytes(data)
    assert outcomes(path) == {"00000001": "encrypted in the zip"}


def test_a_zip_that_hides_another_name_is_refused(tmp_path: Path) -> None:
    """The directory at the end says another name than the member itself."""
    path = archive(tmp_path / "train.zip", ("00000001.image.png", GOOD[0]),
                   ("00000001.mask.png", GOOD[1]))  # fmt: skip
    data = path.read_bytes()
    path.write_bytes(data.replace(b"00000001.image.png", b"../../..1.image.pn", 1))
    assert "broken in the zip" in outcomes(path)["00000001"]


def test_a_table_that_lies_about_its_rows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = parquet(tmp_path / "train.parquet", pairs(0, 4, 24, 24))
    assert outcomes(path) == dict.fromkeys("0123", "")
    data = path.read_bytes()
    monkeypatch.setattr(released, "MOST", 3)
    with pytest.raises(InputError, match="says of itself that it has 4 rows"):
        released.pairs(archives.chosen(path))
    path.write_bytes(data[:-200] + data[-100:])
    with pytest.raises(InputError, match="is no whole parquet file"):
        released.pairs(archives.chosen(path))


def test_columns_of_another_kind_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "train.parquet"
    deep = pa.array([[["x"] * 9] * 9, None, [[None]]])
    pq.write_table(pa.table({"image": deep, "mask": pa.array(["../../x", None, ""])}), path)
    assert set(outcomes(path).values()) == {"the row holds no bytes of a picture"}
    rows = pa.array([{"path": "/etc/passwd", "bytes": None}])
    pq.write_table(pa.table({"image": rows, "mask": rows}), path)
    assert outcomes(path) == {"0": "the row holds no bytes of a picture"}


def hostile_tars() -> dict[str, bytes]:
    found = {}
    kinds = {"link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "device": tarfile.CHRTYPE,
             "pipe": tarfile.FIFOTYPE, "sparse": tarfile.GNUTYPE_SPARSE, "pax": tarfile.XHDTYPE,
             "long": tarfile.GNUTYPE_LONGNAME, "folder": tarfile.DIRTYPE}  # fmt: skip
    names = {"up": "../../../canary", "absolute": "/tmp/palimpsest-canary", "pickle": "0.pyd"}
    for name, kind in kinds.items():
        member = tarfile.TarInfo("00000000.text.md")
        member.type, member.linkname, member.size = kind, "/etc/passwd", 1 << 31
        found[name] = member.tobuf(tarfile.GNU_FORMAT) + bytes(10_240)
    for name, path in names.items():
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            member = tarfile.TarInfo(path)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
        found[name] = out.getvalue()
    return found


@pytest.mark.parametrize("name", hostile_tars())
def test_a_foreign_tar_in_a_shards_place_is_no_shard(name: str, tmp_path: Path) -> None:
    run = mini.begun(tmp_path / "run")
    mini.compute(run)
    manifest, data = run.manifest("second", 0), hostile_tars()[name]
    size = run.tar(manifest).stat().st_size
    run.tar(manifest).write_bytes(data[:size].ljust(size, b"\0"))
    before = set(tmp_path.rglob("*"))
    with pytest.raises(CorruptData, match="does not match its digest"):
        run.verify(manifest)
    for row in join(run, ("second",), 0).rows.values():
        with pytest.raises(CorruptData, match="does not match its digest"):
            row.raw("more.md")
    assert set(tmp_path.rglob("*")) == before and not Path("/tmp/palimpsest-canary").exists()


def test_a_broken_tar_gives_its_samples_or_none(tmp_path: Path) -> None:
    """What a manifest says lies where it says, to the byte, or is refused."""
    run = mini.begun(tmp_path / "run")
    mini.compute(run)
    manifest = run.manifest("first", 0)
    path, whole = run.tar(manifest), run.tar(manifest).read_bytes()
    rows = join(run, ("first",), 0).rows
    expected = {key: row.raw("text.md") for key, row in rows.items()}
    assert None not in expected.values()
    lost = 0
    for case, draw in hostile.cases("tars"):
        path.write_bytes(hostile.broken(whole, draw))
        for key, row in rows.items():
            try:
                assert row.raw("text.md") == expected[key], case
            except CorruptData:
                lost += 1
    assert lost > count("tars") / 2


SECURE = """
import os, sys
os.environ["WDS_SECURE"] = sys.argv[2]
import webdataset
list(webdataset.WebDataset(sys.argv[1], shardshuffle=False).decode())
"""


@pytest.mark.parametrize("secure", ["1", "0"])
def test_what_our_readme_tells_others_to_use_runs_no_pickle(secure: str, tmp_path: Path) -> None:
    """A pickle in a shard that somebody else changed; the second case shows that it is live."""
    evil = b"cos\nsystem\n(S'touch " + bytes(tmp_path / "CANARY") + b"'\ntR."
    with tarfile.open(tmp_path / "train-00000.tar", "w") as tar:
        member = tarfile.TarInfo("00000000.pyd")
        member.size = len(evil)
        tar.addfile(member, io.BytesIO(evil))
    subprocess.run([sys.executable, "-c", SECURE, str(tmp_path / "train-00000.tar"), secure],
                   capture_output=True, check=False)  # fmt: skip
    assert (tmp_path / "CANARY").exists() == (secure == "0")


def test_webdataset_is_told_to_be_secure_before_it_is_imported() -> None:
    assert os.environ["WDS_SECURE"] == "1"
    texts = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("pipeline/*.py"),
             *ROOT.glob("jobs/**/*.py"), *ROOT.glob("training/**/*.py")]  # fmt: skip
    users = [path for path in texts if "webdataset.WebDataset(" in path.read_text()]
    assert {path.name for path in users} >= {"README.md", "datacard.py"}
    for path in users:
        text = path.read_text()
        assert 0 < text.find("WDS_SECURE") < text.find("numpy, webdataset"), path

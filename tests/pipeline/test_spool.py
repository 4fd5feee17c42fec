"""What a killed attempt had finished is taken over by the next one, if every byte is right."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline import disk, spool
from pipeline.manifest import Manifest, Rejected
from pipeline.shards import RunFolder
from pipeline.spool import Spool
from pipeline.writer import Writer

FACTS = {"config": "c", "code": "d", "model": "", "seeds": "s"}
BATCHES = (("00000000", "00000001"), ("00000002", "00000003"))


class Killed(BaseException):
    pass


def members(key: str) -> list[tuple[str, bytes]]:
    return [("a.json", key.encode() * 40), ("b.png", b"x" * 700)]


def attempt(
    run: RunFolder,
    facts: dict[str, str] = FACTS,
    until: int = 9,
    error: type[BaseException] = Killed,
) -> tuple[Manifest | None, int]:
    """Two batches, of which the second sample of each is declined; dies before batch `until`.
    Returns the manifest and how many batches were made anew."""
    made, rejected = 0, list[Rejected]()
    known = Spool(run, "edit", 0, facts)
    try:
        with Writer(run, "edit", 0, known) as writer:
            for i, keys in enumerate(BATCHES):
                if i >= until:
                    writer.supersede()
                    raise error
                if saved := known.take(keys):
                    for key, parts in saved.members.items():
                        writer.add(key, parts)
                    declined: Sequence[Rejected] = saved.rejected
                else:
                    made += 1
                    writer.supersede()
                    writer.add(keys[0], members(keys[0]))
                    declined = [Rejected(key=keys[1], reason="nan-latents", detail=keys[1])]
                writer.batch_done(keys, declined, 1.5)
                rejected += declined
            return writer.commit([k for b in BATCHES for k in b], rejected, {}, FACTS, {}), made
    except error:
        return None, made


def staged(run: RunFolder) -> list[str]:
    return sorted(path.suffix for path in run.staging.iterdir())


def test_the_next_attempt_goes_on_and_the_bytes_are_the_same(
    run: RunFolder, tmp_path: Path
) -> None:
    whole, _ = attempt(RunFolder(tmp_path / "undisturbed"))
    assert attempt(run, until=1) == (None, 1)
    assert staged(run) == [".journal", ".part"]
    found, made = attempt(run)
    assert made == 1
    assert found and whole and (found.sha256, found.rejected) == (whole.sha256, whole.rejected)
    assert staged(run) == []


def test_an_attempt_without_a_finished_batch_leaves_nothing(run: RunFolder) -> None:
    attempt(run, until=0)
    assert staged(run) == []


def test_many_kills_leave_one_attempt_on_disk(run: RunFolder) -> None:
    for _ in range(5):
        attempt(run, until=1)
    assert len(staged(run)) <= 4  # the last one, and the one it took over from
    assert attempt(run)[1] == 1
    assert staged(run) == []


@pytest.mark.parametrize("fact", FACTS)
def test_what_was_made_otherwise_is_made_anew(run: RunFolder, fact: str) -> None:
    attempt(run, until=1)
    assert attempt(run, FACTS | {fact: "other"})[1] == 2


def test_every_flipped_byte_of_the_tar_is_noticed_or_of_no_account(run: RunFolder) -> None:
    """Of members: they are made anew. Of headers and padding: those are written anew."""
    attempt(run, until=1)
    (part,) = run.staging.glob("*.part")
    good = part.read_bytes()
    keys = BATCHES[0]
    whole = Spool(run, "edit", 0, FACTS).take(keys)
    noticed = 0
    for place in range(0, len(good), 7):
        part.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        found = Spool(run, "edit", 0, FACTS).take(keys)
        noticed += found is None
        assert found in (None, whole)
    assert noticed >= 700 // 7


def test_a_journal_cut_anywhere_costs_time_only(run: RunFolder) -> None:
    attempt(run, until=1)
    (journal,) = run.staging.glob("*.journal")
    good = journal.read_bytes()
    whole = Spool(run, "edit", 0, FACTS).take(BATCHES[0])
    for end in range(len(good)):
        journal.write_bytes(good[:end])
        assert Spool(run, "edit", 0, FACTS).take(BATCHES[0]) is None
    for place in range(0, len(good), 3):
        journal.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        found = Spool(run, "edit", 0, FACTS).take(BATCHES[0])
        assert found is None or found.members == (whole.members if whole else None)


def test_a_tar_that_was_cut_is_made_anew(run: RunFolder) -> None:
    attempt(run, until=1)
    (part,) = run.staging.glob("*.part")
    part.write_bytes(part.read_bytes()[:-600])
    assert attempt(run)[1] == 2


def test_a_kill_between_the_tar_and_its_manifest_costs_no_batch(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(target: Path, data: bytes) -> None:
        raise Killed

    with monkeypatch.context() as here:
        here.setattr(disk, "link_once", killed)
        assert attempt(run) == (None, 2)
    assert len(list(run.datasets.glob("edit/*.tar"))) == 1
    found, made = attempt(run)
    assert found and made == 0 and staged(run) == []


def test_a_full_disk_is_not_kept_full(run: RunFolder) -> None:
    class Full(OSError):
        def __init__(self) -> None:
            super().__init__(28, "No space left on device")

    attempt(run, until=1, error=Full)
    assert staged(run) == []


def test_one_that_is_still_at_work_is_read_and_left_alone(run: RunFolder) -> None:
    mine = Spool(run, "edit", 0, FACTS)
    with Writer(run, "edit", 0, mine) as alive:
        alive.add(BATCHES[0][0], members(BATCHES[0][0]))
        alive.batch_done(BATCHES[0], [Rejected(key=BATCHES[0][1], reason="nan-latents",
                                               detail=BATCHES[0][1])], 1.5)  # fmt: skip
        found, made = attempt(run)
        assert found and made == 1
        assert staged(run) == [".journal", ".part"]
    assert staged(run) == []


def test_whose_a_file_is() -> None:
    name = "edit-1-sdxl-00003-" + "0" * 32
    assert spool.owner(f"{name}.part") == spool.owner(f"{name}.journal") == ("edit-1-sdxl", 3)
    for other in ("notes.txt", f"{name}.tar", "edit-00003-0.part", f"{name}.part.bak"):
        assert spool.owner(other) is None

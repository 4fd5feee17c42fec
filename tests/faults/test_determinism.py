"""The same bytes in whatever order the tasks run, cut as the partitions may be, under whatever
environment. (Another `shard_size` is another dataset: quotas are kept shard by shard.)"""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from pipeline import audit
from pipeline.code import ROOT
from pipeline.errors import OK
from pipeline.shards import RunFolder
from tests.faults.counts import SEED, count, seed
from tests.faults.test_kill import DATA

pytestmark = pytest.mark.slow
#: Where people and clusters are.
ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati")
#: With the last of them Python reads and writes ASCII unless it is told otherwise.
LOCALES: tuple[Mapping[str, str], ...] = (
    {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"},
    {"LC_ALL": "", "LANG": "tr_TR.UTF-8"},
    {"LC_ALL": "POSIX", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
)
MASKS = (0o022, 0o077, 0o000, 0o027)
#: It tells how long things took, and on which machine.
TIMED = ("report",)


def computed(folder: Path, chosen: int, number: int) -> tuple[dict[str, str], str]:
    """The digests of a run under the conditions that a seed draws (number 0: plain ones), and what
    these were."""
    draw = random.Random(chosen + number)
    partitions = draw.choice((1, 2, 3)) if number else 2
    known = yaml.safe_load((DATA / "standin.yaml").read_text())
    profile = folder / f"{number}.yaml"
    profile.write_text(yaml.safe_dump(known | {"local": {"partitions": partitions}}))
    zone, locale, mask = draw.choice(ZONES), draw.choice(LOCALES), draw.choice(MASKS)
    env = {"TZ": zone, **locale, "PYTHONHASHSEED": str(draw.randrange(1 << 32))} if number else {}
    out, order = folder / str(number), draw.randrange(1 << 32) if number else 0
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.in_order", str(profile), str(out), str(order)],
        capture_output=True, check=False, cwd=ROOT, umask=mask if number else -1,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
    )  # fmt: skip
    how = f"{SEED}={chosen}, run {number}: order {order}, {partitions} partitions, {mask:o}, {env}"
    assert done.returncode == 0, f"{how}: {done.stderr.decode(errors='replace')[-3000:]}"
    found = audit.audit(out, verify=True)
    assert found.exit_code == OK, how
    run = RunFolder(out)
    digests = {
        f"{path.parent.name}/{path.stem}": run.manifest(path.parent.name, int(path.stem)).sha256
        for path in run.datasets.glob("*/*.json") if path.parent.name not in TIMED
    }  # fmt: skip
    return digests | {"dataset": found.digest}, how


def test_conditions_do_not_matter(tmp_path: Path, said: Callable[[str], None]) -> None:
    with ThreadPoolExecutor(2) as pool:
        (plain, _), *others = pool.map(lambda number: computed(tmp_path, seed(), number),
                                       range(1 + count("conditions")))  # fmt: skip
    for digests, how in others:
        differ = sorted(name for name in plain if digests.get(name) != plain[name])
        assert not differ and len(digests) == len(plain), f"{how}: {differ}"
    said(f"determinism: {len(others)} runs in other orders, cuts, time zones, locales, umasks and "
         f"hash seeds: {len(plain) - 1} shards with the same bytes")  # fmt: skip
    assert len(plain) > 50

"""The fork server's socket finds a place, however long the name of the folder for temporaries."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import connection, process, util
from pathlib import Path

import pytest

from pipeline import sockets
from pipeline.code import ROOT
from pipeline.errors import ConfigError

#: A stage that is started by an executor's means, and does nothing.
EXECUTOR = """
import sys, time
from pathlib import Path
from pipeline.child import Child
from pipeline.errors import guard

def main(argv):
    child = Child("a_stage", [], 0, Path(argv[0]), [])
    while child.poll() is None:
        time.sleep(0.02)
    return child.exitcode

if __name__ == "__main__":
    sys.exit(guard(main, sys.argv[1:]))
"""


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, which has 150 letters more than a usual one. What
    multiprocessing knows of another is forgotten until the test ends, and the one it makes is gone
    by then."""
    folder = tmp_path / ("x" * 150)
    folder.mkdir()
    config = process.current_process()._config  # type: ignore[attr-defined]
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(folder))
        patched.setattr(util, "Finalize", lambda *_, **__: None)
        patched.setitem(config, "tempdir", None)
        yield folder
        shutil.rmtree(config["tempdir"] or folder, ignore_errors=True)


def test_a_stage_is_started_below_a_folder_of_any_name(long: Path) -> None:
    (long / "a_stage.py").write_text("def main(argv):\n    return 7\n")
    (long / "executor.py").write_text(EXECUTOR)
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{long}", "TMPDIR": str(long)}
    done = subprocess.run([sys.executable, str(long / "executor.py"), str(long / "log")], env=env,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize("more", [0, 1])
def test_no_folder_is_passed_by_that_would_have_done(
    more: int, long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest that is let be has room for a socket; of a longer one files go on to be made
    where the user wants them."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        given = f"{folder}/".ljust(sockets.LONGEST - sockets.ADDED + more, "y")
        os.mkdir(given)
        monkeypatch.setattr(tempfile, "tempdir", given)
        sockets.shorten()
        address = connection.arbitrary_address("AF_UNIX")  # type: ignore[attr-defined]
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
        assert address.startswith(given + "/") is (not more) and len(address) <= sockets.LONGEST
        assert len(address) == sockets.LONGEST or more
        assert tempfile.gettempdir() == given


def test_without_a_short_place_one_sentence_names_the_variable(
    long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SHORT", (str(long / "none"), "/proc"))
    with pytest.raises(ConfigError, match="TMPDIR .*xxx is too long a path for a socket, and .* "
                       "set TMPDIR to a path of at most 71 letters"):  # fmt: skip
        sockets.shorten()
    assert tempfile.gettempdir() == str(long)
    assert util.get_temp_dir().startswith(str(long))  # nothing was remembered

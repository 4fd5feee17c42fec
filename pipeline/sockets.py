"""A folder for the fork server's socket, whose path may have far fewer letters than a file's.

multiprocessing makes it below the folder for temporary files; of one whose name is too long (TMPDIR
on a cluster's scratch disk is) it would only say `AF_UNIX path too long`.
"""

from __future__ import annotations

import os
import tempfile
from multiprocessing import util

from pipeline.errors import ConfigError

#: Bytes that a socket's path may have on every system: Linux allows 107, macOS 103.
LONGEST = 103
#: Those that multiprocessing adds to the folder: `/pymp-12345678/listener-12345678`.
ADDED = 32
#: Where every system has room for a file that is no bigger than its name.
SHORT = ("/tmp", "/var/tmp", "/dev/shm")


def shorten() -> None:
    """Where TMPDIR is too long a path for a socket, have multiprocessing make its own elsewhere; it
    removes that folder when the process ends. Raises a ConfigError where there is no such place."""
    given = tempfile.gettempdir()
    if len(os.fsencode(given)) + ADDED <= LONGEST:
        return
    for short in SHORT:
        tempfile.tempdir = short
        try:
            util.get_temp_dir()  # which remembers it
            return
        except OSError:
            continue
        finally:
            tempfile.tempdir = given
    raise ConfigError(f"TMPDIR {given} is too long a path for a socket, and {', '.join(SHORT)} "
                      f"cannot be written: set TMPDIR to a path of at most {LONGEST - ADDED} "
                      "letters")  # fmt: skip

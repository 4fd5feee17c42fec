"""The hub of models and datasets: whom it takes us for, and what its errors mean.

The token comes from a mounted file, or from where `hf auth login` put it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.argo_pod import HUB_TOKEN
from pipeline.errors import ConfigError, InputError, TransientError
from pipeline.hidden import keep

#: The way out for an account that the hub refuses.
ACCOUNT = "in the secret palimpsest-hf-token, or by `hf auth login` on your own machine"


@contextmanager
def asked(repo: str, missing: str, outdated: str, client: str) -> Iterator[None]:
    """What is raised inside, as one of our errors with its way out: InputError for a repository
    that the hub lacks (with the sentence `missing`), a revision (`outdated`), or a right;
    TransientError where it does not answer; ConfigError where its client is not installed, with
    the way to it, `client`."""
    try:
        from httpx2 import HTTPError
        from huggingface_hub.errors import (
            GatedRepoError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError:
        raise ConfigError(f"fetching {repo} needs huggingface_hub: {client}") from None
    try:
        yield
    except GatedRepoError:
        raise InputError(f"{repo} is gated: accept its licence on the hub, and give the token of "
                         f"that account {ACCOUNT}") from None  # fmt: skip
    except RepositoryNotFoundError:
        raise InputError(missing) from None
    except RevisionNotFoundError:
        raise InputError(outdated) from None
    except (OSError, HTTPError) as error:  # an OSError without a number is the hub's
        if getattr(error, "errno", None) is not None:
            raise
        if _status(error) in (401, 403):
            raise InputError(f"{repo} could not be fetched: the hub refuses this token or this "
                             f"account ({_first_line(error)}); give another one {ACCOUNT}"
                             ) from None  # fmt: skip
        raise TransientError(f"{repo} could not be fetched ({_first_line(error)})") from None


def _status(error: Exception) -> int | None:
    """What a server that answered said; None where none did."""
    return getattr(getattr(error, "response", None), "status_code", None)


def _first_line(error: Exception) -> str:
    """What an error of the hub's client says; its name, where that is nothing."""
    return str(error).strip().split("\n")[0][:200] or type(error).__name__


def token() -> str | None:
    """The hub's token from a mounted secret; None leaves it to the hub's client, which knows where
    `hf auth login` keeps it."""
    path = Path(HUB_TOKEN, "token")
    return keep(path.read_text().strip()) if path.is_file() else None

"""A model hub with one repository, as much of it as the hub's own client asks for."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: What the hub's client writes at once.
PART = 10 << 20


@dataclass
class Hub:
    """`revisions` are files by commit, the last one newest; `asked` what was requested. Where
    `damaged`, the hub sends other bytes than it promised; after each `PART` of a body it waits for
    `pause` seconds."""

    repo: str
    revisions: dict[str, dict[str, bytes]]
    damaged: bool = False
    pause: float = 0.0
    asked: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    url: str = ""

    def answer(self, path: str) -> tuple[bytes, dict[str, str]] | None:
        """Body and headers, or None of what is not there."""
        self.asked.append(path)
        name, newest = re.escape(self.repo), list(self.revisions)[-1]
        if found := re.match(rf"/api/models/{name}(?:/(revision|tree)/(\w+))?(?:\?|$)", path):
            commit = found[2] or newest
            if commit not in self.revisions:
                return None
            files = [self._about(*one) for one in self.revisions[commit].items()]
            said = files if found[1] == "tree" else {
                "id": self.repo, "sha": commit, "siblings": files}  # fmt: skip
            return json.dumps(said).encode(), {"Content-Type": "application/json"}
        if found := re.match(rf"/{name}/resolve/(\w+)/(.*)", path):
            data = self.revisions[found[1]][found[2]]
            etag = f'"{hashlib.sha256(data).hexdigest()}"'
            if self.damaged and found[2].endswith(".safetensors"):
                data = bytes(len(data))
            return data, {"X-Repo-Commit": found[1], "ETag": etag}
        return None

    def _about(self, name: str, data: bytes) -> dict[str, object]:
        about: dict[str, object] = {
            "type": "file", "path": name, "rfilename": name, "size": len(data),
            "oid": hashlib.sha1(data).hexdigest(), "blobId": hashlib.sha1(data).hexdigest(),
        }  # fmt: skip
        if name.endswith((".safetensors", ".bin")):
            about["lfs"] = {
                "sha256": hashlib.sha256(data).hexdigest(), "oid": hashlib.sha256(data).hexdigest(),
                "size": len(data), "pointerSize": 1,
            }  # fmt: skip
        return about

    @contextmanager
    def serving(self) -> Iterator[Hub]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if hub.repo in self.path:
                    hub.tokens.add(self.headers.get("Authorization"))
                found = hub.answer(self.path)
                body, headers = found or (b"", {"X-Error-Code": "RevisionNotFound"})
                self.send_response(200 if found else 404)
                for key, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(key, value)
                self.end_headers()
                for start in range(0, len(body) if self.command == "GET" else 0, PART):
                    self.wfile.write(body[start : start + PART])
                    time.sleep(hub.pause)

            do_HEAD = do_GET

            def log_message(self, *args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield self
            server.shutdown()

"""`palimpsest browse RUN`: look through a run in the browser, on this machine alone.

in    a run folder, finished or not
out   pages on http://127.0.0.1:8765 until Ctrl-C; nothing is written

browse_index.py     what there is         browse_pages.py    the pages, escaped by templates
browse_pictures.py  pictures by name      templates/browse*  HTML, one stylesheet, one script

Only GET and HEAD are answered, and only if the browser asks for this machine by name or address: a
foreign site whose name was bent to 127.0.0.1 gets nothing. No address ever becomes a path.
"""

from __future__ import annotations

import argparse
import re
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from pipeline.errors import OK, InputError, PalimpsestError
from pipeline.shards import RunFolder
from pipeline.stage import read_run
from training import browse_index
from training.browse_pages import TEMPLATES, Site, site
from training.browse_pictures import NAMES, Pictures

HOST = "127.0.0.1"
HOSTS = {HOST, "localhost"}
#: Nothing from anywhere else, no script and no style in a page.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src "
    "'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
HTML, TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"
STATIC = {"browse.css": "text/css; charset=utf-8", "browse.js": "text/javascript; charset=utf-8",
          "browse.svg": "image/svg+xml"}  # fmt: skip
LONGEST = 2000
Answer = tuple[int, str, bytes]


def main(args: argparse.Namespace) -> int:
    made = opened(args.run)
    with served(made, args.port) as server:
        where = f"http://{HOST}:{server.server_address[1]}/"
        print(f"{len(made.index.entries):,} samples of {args.run} at {where} (Ctrl-C ends it)",
              flush=True)  # fmt: skip
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return OK


def opened(path: Path) -> Site:
    """The pages of the run in the folder `path`. Raises InputError if it is none."""
    run, config = RunFolder(path), read_run(path)
    index = browse_index.read(run, config)
    return site(path.resolve().name, config, index, Pictures(run, index))


def served(pages: Site, port: int) -> ThreadingHTTPServer:
    """A server that is bound, but does not serve yet; port 0 = any that is free."""
    if not 0 <= port <= 65535:
        raise InputError(f"--port {port}: give one from 0 (any) to 65535")
    try:
        return ThreadingHTTPServer((HOST, port), partial(Handler, pages))
    except OSError as error:
        raise InputError(f"port {port} of {HOST} cannot be used ({error.strerror}): give another "
                         "with --port") from None  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """Answers for one connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "palimpsest", ""
    timeout = 60

    def __init__(self, pages: Site, *args: object) -> None:
        self.pages = pages
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        try:
            self._send(*self._answer())
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the browser went on before all was sent

    do_HEAD = do_GET

    def _refuse(self) -> None:
        self.close_connection = True  # what was sent with it is not read
        self._send(405, TEXT, b"only GET and HEAD\n", {"Allow": "GET, HEAD"})

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = _refuse

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library says of a request that is none, without its words in HTML."""
        self.close_connection = True
        self._send(code, TEXT, f"{code}\n".encode())

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self) -> Answer:
        name = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if name not in HOSTS:
            return 403, TEXT, b"ask for 127.0.0.1 or localhost\n"
        try:
            return self._found(self.path)
        except PalimpsestError as error:  # a shard that was damaged or removed meanwhile
            return 500, HTML, self.pages.error(500, str(error)).encode("utf-8", "replace")

    def _found(self, address: str) -> Answer:
        try:
            parts = urlsplit(address[:LONGEST])
            asked, path = dict(parse_qsl(parts.query, max_num_fields=20)), parts.path
        except ValueError:
            return 400, TEXT, b"this is no address\n"
        page: str | None = None
        if path == "/":
            page = self.pages.samples(asked)
        elif path == "/rejects":
            page = self.pages.rejects(asked)
        elif match := re.fullmatch(r"/sample/(\d{8})", path, re.ASCII):
            page = self.pages.sample(match[1], asked)
        elif match := re.fullmatch(r"/(picture|thumb)/(\d{8})/([a-z0-9-]+)\.(png|jpg)", path,
                                   re.ASCII):  # fmt: skip
            return self._picture(match[1], match[2], match[3])
        elif match := re.fullmatch(r"/static/([a-z]+\.[a-z]+)", path):
            return self._static(match[1])
        if page is None:
            return self._missing()
        return 200, HTML, page.encode("utf-8", "replace")

    def _picture(self, kind: str, key: str, name: str) -> Answer:
        entry, pictures = self.pages.index.by_key.get(key), self.pages.pictures
        if entry is None:
            return self._missing()
        if kind == "thumb":
            data, form = pictures.thumb(entry), "image/jpeg"
        else:
            data, form = (
                (pictures.file(entry, name) if NAMES.fullmatch(name) else None),
                "image/png",
            )
        return (200, form, data) if data is not None else self._missing()

    def _static(self, name: str) -> Answer:
        if name == "families.css":
            return 200, STATIC["browse.css"], self.pages.stylesheet().encode()
        if name not in STATIC:
            return self._missing()
        return 200, STATIC[name], (TEMPLATES / name).read_bytes()

    def _missing(self) -> Answer:
        return 404, HTML, self.pages.error(404, "There is nothing here.").encode()

    def _send(self, code: int, kind: str, data: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(code)
        headers = {
            **HEADERS,
            "Content-Type": kind,
            "Content-Length": str(len(data)),
            **(more or {}),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

"""A small API server in memory: the endpoints that the commands use, and how a real one refuses.

Refusals are `Status` objects as Kubernetes words them; of a group that it does not know, a server
says a plain `404 page not found`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Object = dict[str, Any]
TOKEN = "of-a-user"
ARGO = "/apis/argoproj.io/v1alpha1/namespaces/"


class Refused(Exception):
    def __init__(self, code: int, reason: str, message: str, **details: str) -> None:
        self.code = code
        self.status = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": code, "reason": reason, "message": message, "details": details,
        }  # fmt: skip


class Store:
    """What the cluster holds, and how it behaves. `looked` is called with a workflow before it is
    handed out alone: a test plays the controller there."""

    def __init__(self) -> None:
        self.namespaces = {"default", "lab"}
        self.argo = True
        self.forbidden: set[tuple[str, str]] = set()
        self.busy = 0
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.logs: dict[str, list[str] | Callable[[], Iterator[str]]] = {}
        self.looked: Callable[[Object], None] = lambda workflow: None
        self.asked: list[str] = []
        self.created = 0

    def put(self, plural: str, item: Object, namespace: str = "lab") -> Object:
        self.created += 1
        item["metadata"] = {
            "namespace": namespace, "uid": f"uid-{self.created}",
            "creationTimestamp": f"2026-11-21T06:{self.created // 60:02}:{self.created % 60:02}Z",
        } | item["metadata"]  # fmt: skip
        self.objects[namespace, plural, item["metadata"]["name"]] = item
        return item

    def allow(self, verb: str, resource: str, namespace: str) -> None:
        if (verb, resource) in self.forbidden:
            raise Refused(403, "Forbidden", f'{resource} is forbidden: User "ann" cannot {verb} '
                          f'resource "{resource}" in the namespace "{namespace}"')  # fmt: skip

    def get(self, namespace: str, plural: str, name: str) -> Object:
        self.allow("get", plural, namespace)
        found = self.objects.get((namespace, plural, name))
        if found is None:
            raise Refused(404, "NotFound", f'{plural} "{name}" not found', name=name, kind=plural)
        if plural == "workflows":
            self.looked(found)
        return found

    def list(self, namespace: str, plural: str, query: dict[str, str]) -> Object:
        self.allow("list", plural, namespace)
        wanted = dict(one.split("=") for one in query.get("labelSelector", "").split(",") if one)
        found = [
            item for (where, kind, _), item in sorted(self.objects.items())
            if where == namespace and kind == plural
            and wanted.items() <= item["metadata"].get("labels", {}).items()
        ]  # fmt: skip
        first = int(query.get("continue", "0"))
        last = first + int(query.get("limit", len(found) or 1))
        more = str(last) if last < len(found) else ""
        return {"metadata": {"continue": more}, "items": found[first:last]}

    def create(self, namespace: str, plural: str, item: Object) -> Object:
        self.allow("create", plural, namespace)
        if namespace not in self.namespaces:
            raise Refused(404, "NotFound", f'namespaces "{namespace}" not found',
                          name=namespace, kind="namespaces")  # fmt: skip
        item["metadata"]["name"] = item["metadata"].pop("generateName") + f"x{self.created}"
        return self.put(plural, item, namespace)

    def patch(self, namespace: str, plural: str, name: str, change: Object, kind: str) -> Object:
        self.allow("patch", plural, namespace)
        if kind != "application/merge-patch+json":
            raise Refused(415, "UnsupportedMediaType", f"{kind} is no patch of a custom object")
        found = self.get(namespace, plural, name)
        found["spec"].update(change["spec"])
        return found

    def delete(self, namespace: str, plural: str, name: str) -> Object:
        self.allow("delete", plural, namespace)
        self.get(namespace, plural, name)
        return self.objects.pop((namespace, plural, name))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer(self.read)

    def do_POST(self) -> None:
        self.answer(lambda store, path, query: store.create(path[0], path[1], self.body()))

    def do_PATCH(self) -> None:
        kind = self.headers["Content-Type"]
        self.answer(
            lambda store, path, query: store.patch(path[0], path[1], path[2], self.body(), kind)
        )

    def do_DELETE(self) -> None:
        self.answer(lambda store, path, query: store.delete(path[0], path[1], path[2]))

    def body(self) -> Object:
        found: Object = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return found

    def answer(self, act: Callable[[Store, list[str], dict[str, str]], Object | None]) -> None:
        store, url = self.server.store, urlsplit(self.path)
        store.asked.append(f"{self.command} {self.path}")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        try:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise Refused(401, "Unauthorized", "Unauthorized")
            if store.busy:
                store.busy -= 1
                raise Refused(503, "ServiceUnavailable", "etcd is busy")
            if url.path.startswith(ARGO) and not store.argo:
                return self.send(404, b"404 page not found\n", "text/plain; charset=utf-8")
            _, _, path = url.path.partition("/namespaces/")
            found = act(store, path.split("/"), query)
        except Refused as error:
            return self.send(error.code, json.dumps(error.status).encode(), "application/json")
        if found is not None:
            code = 201 if self.command == "POST" else 200
            self.send(code, json.dumps(found).encode(), "application/json")

    def read(self, store: Store, path: list[str], query: dict[str, str]) -> Object | None:
        if len(path) == 2:
            return store.list(path[0], path[1], query)
        if path[-1] == "log":
            return self.stream(store, path[0], path[2], query)
        return store.get(path[0], path[1], path[2])

    def stream(self, store: Store, namespace: str, name: str, query: dict[str, str]) -> None:
        store.allow("get", "pods/log", namespace)
        pod = store.get(namespace, "pods", name)
        if pod["status"]["phase"] == "Pending":
            raise Refused(400, "BadRequest", f'container "main" in pod "{name}" is waiting to '
                          "start: ContainerCreating")  # fmt: skip
        lines = store.logs[name]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines() if callable(lines) else lines:
            if line == "BREAK":  # as a proxy does that closes what was silent for long
                self.close_connection = True
                return
            data = f"{line}\n".encode(errors="surrogateescape")
            for part in (data[:3], data[3:]):  # chunks know nothing of lines
                if part:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def send(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.store = Store()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def kubeconfig(self, path: Path, token: str = TOKEN) -> Path:
        """Two contexts: `lab`, which is the current one, and `elsewhere` in namespace default."""
        path.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "clusters": [{"name": "one", "cluster": {"server": self.url}}],
            "users": [{"name": "ann", "user": {"token": token}}],
            "contexts": [
                {"name": "lab", "context": {"cluster": "one", "user": "ann", "namespace": "lab"}},
                {"name": "elsewhere", "context": {"cluster": "one", "user": "ann"}},
            ],
        }))  # fmt: skip
        return path


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def slowly(lines: list[str], seconds: float = 0.02) -> Callable[[], Iterator[str]]:
    """A log that is still being written."""

    def write() -> Iterator[str]:
        for line in lines:
            time.sleep(seconds)
            yield line

    return write

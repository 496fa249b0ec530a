#!/usr/bin/env python3
"""Serves a folder on a free port of 127.0.0.1, with ranges: http-server.py FOLDER LOG [CUT]

Prints the port. Every request is a line in LOG: path and Range. The first answer longer than CUT bytes ends after CUT bytes, as a network
that breaks does."""
import http.server
import pathlib
import sys

FOLDER, LOG = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
cut = int(sys.argv[3]) if len(sys.argv) > 3 else None


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global cut
        path = FOLDER / self.path.lstrip("/")
        wanted = self.headers.get("Range", "")
        with LOG.open("a") as log:
            log.write(f"{self.path} {wanted}\n")
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if cut is not None and len(data) - start > cut:
            self.wfile.write(data[start:start + cut])
            cut = None
        else:
            self.wfile.write(data[start:])

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()

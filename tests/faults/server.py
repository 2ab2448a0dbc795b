#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A web server that serves a directory, and does it wrong where a script says so.

    server.py DIR SCRIPT [--tls CERT KEY]

Prints "PORT\n" once it listens (on 127.0.0.1 only), and writes a line for each request to SCRIPT.log: method, path, Range or "-". It runs until
its standard input ends. SCRIPT is read for every request; when its content changes, all counts begin anew. It is a JSON list
of rules; the first that matches is followed, none: the file is served as it should be.

    {"path": REGEX, "skip": N, "times": N, "do": ACTION, ...}

"skip": that many matching requests are served well first; "times": after that many bad ones all is well again (default: never).
"ranged": true matches requests with a Range header only, false those without. Actions, and what else they take:

    status    "status", "headers" {}     this status instead
    reset                                the connection ends before a reply
    truncate  "at"                       the body ends there, the connection with it
    stall     "at"                       the body stops there, the connection stays
    drip      "rate"                     so many bytes a second
    flip      "at"                       the byte at that offset of the object is another one
    whole                                Range is ignored
    shift     "by", "lie"                the range begins elsewhere; "lie": the headers say it does not
    total     "by"                       Content-Range has another size of the object
    part      "status"                   half of the range, with headers that say so
    replace   "with"                     the content of another file below DIR, with its own ETag
    endless   "chunked"                  zeros after the end, for ever
    longer                               twice the bytes that were asked for, in headers and body
    redirect  "to", "status"             "to" may have {path} and {n}, the number of this request
    gzip                                 compressed, and says so
    encoding                             says that it is compressed
    headers                              header lines for ever
    multipart                            the range as multipart/byteranges
    empty                                206 without a byte
    garbage                              what is not HTTP
"""
import gzip
import json
import os
import re
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Script:
    """The rules, and how often each was followed."""

    def __init__(self, path):
        self.path, self.text, self.rules, self.seen = path, None, [], []
        self.lock = threading.Lock()
        self.number = 0

    def choose(self, path, ranged):
        with self.lock:
            with open(self.path, encoding="utf-8") as file:
                text = file.read()
            if text != self.text:
                self.text, self.rules = text, json.loads(text or "[]")
                self.seen = [0] * len(self.rules)
            self.number += 1
            for i, rule in enumerate(self.rules):
                if not re.search(rule["path"], path) or rule.get("ranged", ranged) != ranged:
                    continue
                self.seen[i] += 1
                bad = self.seen[i] - rule.get("skip", 0)
                if bad > 0 and bad <= rule.get("times", bad):
                    return rule
            return {"do": "serve"}

    def log(self, line):
        with self.lock, open(self.path + ".log", "a", encoding="utf-8") as file:
            file.write(line + "\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def end_connection(self, reset=False):
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def do_GET(self):
        script, wanted = self.server.script, self.headers.get("Range", "-")
        script.log("%s %s %s" % (self.command, self.path, wanted))
        self.rule = script.choose(self.path, wanted != "-")
        try:
            getattr(self, "do_" + self.rule["do"])()
        except (BrokenPipeError, ConnectionResetError):
            self.end_connection()

    # What is asked for, and what is there.
    def load(self, path=None):
        path = re.sub("^http://[^/]*", "", path or self.path)  # as a proxy is asked
        path = urllib.parse.unquote(path.partition("?")[0])
        name = os.path.join(self.server.directory, path.lstrip("/"))
        try:
            with open(name, "rb") as file:
                data = file.read()
            return data, '"%x-%x"' % (os.stat(name).st_ino, len(data))
        except OSError:
            return None, None

    def part(self, size):
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        return (int(match[1]), min(int(match[2]), size - 1)) if match else None

    def head(self, status, length, **headers):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def missing(self):
        self.head(404, 4)
        self.wfile.write(b"gone")

    def do_serve(self, change=lambda data: data, send=None, path=None):
        data, etag = self.load(path)
        if data is None:
            return self.missing()
        data, part = change(data), self.part(len(data))
        if self.headers.get("If-Range", etag) != etag:
            part = None
        if part:
            body = data[part[0]:part[1] + 1]
            self.head(206, len(body), ETag=etag, Content_Range="bytes %d-%d/%d" % (*part, len(data)))
        else:
            body = data
            self.head(200, len(body), ETag=etag)
        (send or self.wfile.write)(body)

    def do_status(self):
        self.head(self.rule["status"], 4, **{k.replace("-", "_"): v for k, v in self.rule.get("headers", {}).items()})
        self.wfile.write(b"fail")

    def do_reset(self):
        self.end_connection(reset=True)

    def do_truncate(self):
        def send(body):
            self.wfile.write(body[:self.rule["at"]])
            self.end_connection()
        self.do_serve(send=send)

    def do_stall(self):
        def send(body):
            self.wfile.write(body[:self.rule["at"]])
            self.wfile.flush()
            self.connection.settimeout(30)
            try:
                self.connection.recv(1)
            except OSError:
                pass
            self.end_connection()
        self.do_serve(send=send)

    def do_drip(self):
        def send(body):
            for i in range(0, len(body), max(1, self.rule["rate"] // 10)):
                self.wfile.write(body[i:i + max(1, self.rule["rate"] // 10)])
                self.wfile.flush()
                time.sleep(0.1)
        self.do_serve(send=send)

    def do_flip(self):
        def change(data):
            at = self.rule["at"] % len(data)
            return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1:]
        self.do_serve(change=change)

    def do_whole(self):
        del self.headers["Range"]
        self.do_serve()

    def do_shift(self):
        data, etag = self.load()
        part = self.part(len(data))
        if not part:
            return self.do_serve()
        by = self.rule.get("by", 4096)
        moved = (part[0] + by, part[1] + by) if part[1] + by < len(data) else (max(0, part[0] - by), part[1] - by)
        body = data[moved[0]:moved[1] + 1]
        said = part if self.rule.get("lie") else moved
        self.head(206, len(body), ETag=etag, Content_Range="bytes %d-%d/%d" % (*said, len(data)))
        self.wfile.write(body)

    def do_total(self):
        data, etag = self.load()
        part = self.part(len(data)) or (0, len(data) - 1)
        body = data[part[0]:part[1] + 1]
        self.head(206, len(body), ETag=etag, Content_Range="bytes %d-%d/%d" % (*part, len(data) + self.rule.get("by", 1)))
        self.wfile.write(body)

    def do_part(self):
        data, etag = self.load()
        part = self.part(len(data)) or (0, len(data) - 1)
        body = data[part[0]:(part[0] + part[1] + 1) // 2]
        self.head(206, len(body), ETag=etag, Content_Range="bytes %d-%d/%d" % (part[0], part[0] + len(body) - 1, len(data)))
        self.wfile.write(body)

    def do_replace(self):
        self.do_serve(path=self.rule["with"])

    def do_endless(self):
        data, etag = self.load()
        part = self.part(len(data))
        self.send_response(206 if part else 200)
        self.send_header("ETag", etag)
        if part:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (*part, len(data)))
        chunked = self.rule.get("chunked")
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Connection", "close")))
        self.end_headers()
        body = data[part[0]:part[1] + 1] if part else data
        while True:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body) if chunked else body)
            body = bytes(65536)

    def do_longer(self):
        data, etag = self.load()
        part = self.part(len(data)) or (0, len(data) - 1)
        body = (data[part[0]:part[1] + 1] * 2)
        self.head(206 if self.part(len(data)) else 200, len(body), ETag=etag, Content_Range="bytes %d-%d/%d" % (*part, len(data)))
        self.wfile.write(body)

    def do_redirect(self):
        to = self.rule["to"].format(path=self.path, n=self.server.script.number)
        self.head(self.rule.get("status", 302), 0, Location=to)

    def do_gzip(self):
        data, etag = self.load()
        part = self.part(len(data))
        body = gzip.compress(data[part[0]:part[1] + 1] if part else data)
        headers = {"Content_Range": "bytes %d-%d/%d" % (*part, len(data))} if part else {}
        self.head(206 if part else 200, len(body), ETag=etag, Content_Encoding="gzip", **headers)
        self.wfile.write(body)

    def do_encoding(self):
        data, etag = self.load()
        part = self.part(len(data))
        body = data[part[0]:part[1] + 1] if part else data
        headers = {"Content_Range": "bytes %d-%d/%d" % (*part, len(data))} if part else {}
        self.head(206 if part else 200, len(body), ETag=etag, Content_Encoding="br", **headers)
        self.wfile.write(body)

    def do_headers(self):
        self.send_response(200)
        self.flush_headers()
        while True:
            self.wfile.write(b"X-More: " + b"x" * 1000 + b"\r\n")

    def do_multipart(self):
        data, etag = self.load()
        part = self.part(len(data)) or (0, len(data) - 1)
        body = b"--B\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%s\r\n--B--\r\n" % (*part, len(data), data[part[0]:part[1] + 1])
        self.head(206, len(body), ETag=etag, Content_Type="multipart/byteranges; boundary=B")
        self.wfile.write(body)

    def do_empty(self):
        data, etag = self.load()
        part = self.part(len(data)) or (0, len(data) - 1)
        self.head(206, 0, ETag=etag, Content_Range="bytes %d-%d/%d" % (*part, len(data)))

    def do_garbage(self):
        self.wfile.write(b"\x00\xff not http at all\r\n\r\n" * 10)
        self.end_connection()


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *args: None
    server.directory, server.script = sys.argv[1], Script(sys.argv[2])
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[4], sys.argv[5])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

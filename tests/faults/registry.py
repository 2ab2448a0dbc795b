#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stands before a registry (http://127.0.0.1:PORT), asks who is there, and does it wrong where a script says so.

    registry.py PORT SCRIPT

Prints "PORT\n" once it listens (on 127.0.0.1 only), and writes a line for each request to SCRIPT.log: method, path, Range or "-", and
what Authorization begins with or "-". It runs until its standard input ends. SCRIPT is read for every request: a JSON object

    {"auth": "basic" | "bearer", "uses": N, "rules": [...]}

"auth": who does not say who he is gets 401; the user is "tester", his password "secret". Tokens come from /token, and are good for "uses" requests
(default: for ever). Rules are followed as those of server.py, the first that matches:

    {"path": REGEX, "method": "GET", "skip": N, "times": N, "do": ACTION, ...}

    status    "status", "headers" {}     this status instead
    reset                                the connection ends before a reply, behind the request's body
    flip      "at"                       the byte at that offset of the reply is another one
    whole                                Range is ignored
    untag                                DELETE of a tag takes it away, which some registries do not do
    pages     "n"                        a list of tags comes in pages of so many
    elsewhere                            307 to http://localhost:PORT/elsewhere/..., where nobody may say who he is
"""
import base64
import http.client
import json
import re
import socket
import struct
import sys
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BASIC = "Basic " + base64.b64encode(b"tester:secret").decode()


class Script:
    def __init__(self, path):
        self.path, self.text, self.content, self.seen = path, None, {}, []
        self.lock, self.number, self.tokens = threading.Lock(), 0, {}
        self.gone = set()

    def choose(self, method, path):
        with self.lock:
            with open(self.path, encoding="utf-8") as file:
                text = file.read()
            if text != self.text:
                self.text, self.content = text, json.loads(text or "{}")
                self.seen = [0] * len(self.content.get("rules", []))
            for i, rule in enumerate(self.content.get("rules", [])):
                if not re.search(rule["path"], path) or rule.get("method", method) != method:
                    continue
                self.seen[i] += 1
                bad = self.seen[i] - rule.get("skip", 0)
                if 0 < bad <= rule.get("times", bad):
                    return rule
            return {"do": "serve"}

    def log(self, line):
        with self.lock, open(self.path + ".log", "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def make_token(self):
        with self.lock:
            self.number += 1
            token = "token-%d" % self.number
            self.tokens[token] = self.content.get("uses", 1 << 60)
            return token

    def use_token(self, token):
        with self.lock:
            self.tokens[token] = self.tokens.get(token, 0) - 1
            return self.tokens[token] >= 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def is_known(self, script):
        given, way = self.headers.get("Authorization", ""), script.content.get("auth")
        if way == "basic":
            return given == BASIC
        return way is None or (given.startswith("Bearer ") and script.use_token(given[7:]))

    def handle_request(self):
        script = self.server.script
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) if length else b""
        authorization = self.headers.get("Authorization", "-").split(" ")[0]
        script.log("%s %s %s %s" % (self.command, self.path, self.headers.get("Range", "-"), authorization))
        rule = script.choose(self.command, self.path)
        if self.path.startswith("/token"):
            good = self.headers.get("Authorization") in (None, BASIC)
            return self.reply(200 if good else 401, json.dumps({"token": script.make_token()}).encode() if good else b"{}")
        if self.path.startswith("/elsewhere/"):
            if "Authorization" in self.headers:
                return self.reply(400, b"who asked you?")
            return self.forward(self.path[len("/elsewhere"):], body, rule)
        if not self.is_known(script):
            port = self.server.server_address[1]
            challenge = 'Basic realm="registry"' if script.content["auth"] == "basic" else \
                'Bearer realm="http://127.0.0.1:%d/token",service="test, with a comma",scope="repository:x:pull"' % port
            return self.reply(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}', WWW_Authenticate=challenge)
        if rule["do"] == "status":
            return self.reply(rule["status"], b'{"errors":[{"code":"FAULT","message":"as the script says"}]}', **rule.get("headers", {}))
        if rule["do"] == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return None
        if rule["do"] == "elsewhere":
            return self.reply(307, Location="http://localhost:%d/elsewhere%s" % (self.server.server_address[1], self.path))
        if rule["do"] == "untag" and self.command == "DELETE":
            script.gone.add(self.path)
            return self.reply(202)
        if self.path in script.gone:
            return self.reply(404)
        if rule["do"] == "pages":
            return self.list_page(rule["n"])
        return self.forward(self.path, body, rule)

    def list_page(self, n):
        address = urllib.parse.urlsplit(self.path)
        last = urllib.parse.parse_qs(address.query).get("last", [""])[0]
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.server.upstream, address.path)) as answer:
            names = json.load(answer)
        here = address.path[:-len("tags/list")] + "manifests/"
        tags = [tag for tag in sorted(names["tags"]) if tag > last and here + tag not in self.server.script.gone]
        more = {"Link": '<%s?n=%d&last=%s>; rel="next"' % (address.path, n, tags[n - 1])} if len(tags) > n else {}
        return self.reply(200, json.dumps(dict(names, tags=tags[:n])).encode(), **more)

    def forward(self, path, body, rule):
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("authorization", "connection")}
        if rule["do"] == "whole":
            headers.pop("Range", None)
        upstream.request(self.command, path, body or None, headers)
        answer = upstream.getresponse()
        data = bytearray(answer.read())
        if rule["do"] == "flip" and data:
            data[rule["at"] % len(data)] ^= 0x55
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in ("connection", "transfer-encoding", "date", "content-length"):
                self.send_header(key, value)
        self.send_header("Content-Length", answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        upstream.close()
        return None

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_request


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *args: None
    server.upstream, server.script = int(sys.argv[1]), Script(sys.argv[2])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

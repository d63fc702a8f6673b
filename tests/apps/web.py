"""Answers requests; the path says how. Prints `begun` once, so that starts can be counted from outside."""

import http.server
import json
import os
import socket
import sys
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        match self.path.split("?")[0]:
            case "/who":
                self.document({
                    "hostname": socket.gethostname(),
                    "uid": os.getuid(),
                    "gid": os.getgid(),
                    "environment": dict(os.environ),
                    "headers": dict(self.headers.items()),
                    "pid": STARTED,
                })
            case "/exit":
                self.answer("bye\n")
                sys.stdout.flush()
                os._exit(int(self.path.partition("?")[2] or 0))
            case "/later":
                code, seconds = self.path.partition("?")[2].split(",")
                threading.Timer(float(seconds), os._exit, [int(code)]).start()
                self.answer("later\n")
            case "/memory":
                hog = bytearray()
                while True:
                    hog.extend(os.urandom(1 << 20) * 16)
            case "/spin":
                threading.Thread(target=spin, daemon=True).start()
                self.answer("spinning\n")
            case "/ill":
                WELL.clear()
                self.answer("ill\n")
            case "/healthy" if not WELL.is_set():
                self.send_error(503)
            case "/sse":
                self.events()
            case path:
                self.answer(f"{VERSION} {path}\n")

    def do_POST(self):
        left = int(self.headers["content-length"])
        total = 0
        while left and (chunk := self.rfile.read(min(left, 1 << 16))):
            left -= len(chunk)
            total += len(chunk)
        self.answer(f"{total}\n")

    def events(self):
        """One event at a time: the next one comes when `/next` is asked."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for number in range(3):
            self.wfile.write(f"data: {number}\n\n".encode())
            self.wfile.flush()
            EVENTS.acquire(timeout=30)

    def document(self, value):
        self.answer(json.dumps(value), "application/json")

    def answer(self, text, kind="text/plain"):
        if self.path == "/next":
            EVENTS.release()
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def spin():
    while True:
        pass


WELL = threading.Event()
WELL.set()
EVENTS = threading.Semaphore(0)
STARTED = f"{time.time_ns()}"
VERSION = os.environ.get("VERSION", "web")
PORT = int(os.environ.get("PORT", "8080"))
ADDRESS = os.environ.get("ADDRESS", "0.0.0.0")
print("begun", flush=True)
http.server.ThreadingHTTPServer.request_queue_size = 256
http.server.ThreadingHTTPServer((ADDRESS, PORT), Handler).serve_forever()

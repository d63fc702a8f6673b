"""Answers with its version: requests with and without a body, a stream of events, and WebSockets that echo."""

import base64
import hashlib
import http.server
import os
import time

KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERSION = os.environ.get("VERSION", "0")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("upgrade", "").lower() == "websocket":
            self.echo()
        elif self.path == "/sse":
            self.events()
        elif self.path.startswith("/begun?"):
            self.begun(float(self.path.partition("?")[2]))
        else:
            if self.path.startswith("/slow?"):
                time.sleep(float(self.path.partition("?")[2]))
            self.answer(f"{VERSION} {self.path}\n")

    def do_POST(self):
        left = int(self.headers["content-length"])
        total = 0
        while left and (chunk := self.rfile.read(min(left, 1 << 16))):
            left -= len(chunk)
            total += len(chunk)
        self.answer(f"{VERSION} {total}\n")

    def begun(self, seconds):
        """The first half of a body at once, and the second one later."""
        halves = f"{VERSION} ".encode(), f"{self.path}\n".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(b"".join(halves))))
        self.end_headers()
        self.wfile.write(halves[0])
        time.sleep(seconds)
        self.wfile.write(halves[1])

    def events(self):
        """Numbered events without an end."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        number = 0
        while True:
            event = f"data: {number}\n\n".encode()
            self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            self.wfile.flush()
            number += 1
            time.sleep(0.05)

    def echo(self):
        """Each short text frame comes back as it is, until the client closes."""
        accept = hashlib.sha1(self.headers["sec-websocket-key"].encode() + KEY).digest()
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "upgrade")
        self.send_header("sec-websocket-accept", base64.b64encode(accept).decode())
        self.end_headers()
        self.close_connection = True
        while len(head := self.rfile.read(2)) == 2 and head[0] & 15 == 1:
            mask = self.rfile.read(4)
            text = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(head[1] & 127)))
            self.wfile.write(bytes([0x81, len(text)]) + text)
            self.wfile.flush()

    def answer(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            pass


http.server.ThreadingHTTPServer.request_queue_size = 256
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()

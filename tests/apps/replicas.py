"""Answers with its job. `/hold` answers once `/release` was asked of the same process, `/held` says how many wait."""

import http.server
import os
import threading

JOB = os.environ["EAI_JOB_ID"]
VERSION = os.environ.get("VERSION", "0")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global held
        path = self.path.split("?")[0]
        if path == "/hold":
            with CHANGE:
                held += 1
            GO.wait()
            with CHANGE:
                held -= 1
        elif path == "/release":
            GO.set()
        elif path == "/held":
            return self.answer(f"{held}\n")
        elif path == "/die":
            os._exit(1)
        elif path == "/toil":
            with ONE:
                WAIT.wait(0.02)
        self.answer(f"{VERSION} {JOB}\n")

    def answer(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


held = 0
CHANGE = threading.Lock()
GO = threading.Event()
ONE = threading.Lock()
WAIT = threading.Event()
http.server.ThreadingHTTPServer.request_queue_size = 256
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()

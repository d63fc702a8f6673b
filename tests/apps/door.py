"""Answers on its port; `/close?SECONDS` closes it for so long, while nothing else ends."""

import http.server
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, seconds = self.path.partition("?")
        self.send_response(200)
        self.send_header("content-length", "5")
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(b"here\n")
        if path == "/close":
            closed.append(float(seconds))
            threading.Thread(target=server.shutdown).start()

    def log_message(self, *_):
        pass


closed = []
http.server.ThreadingHTTPServer.allow_reuse_address = True
while True:
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler)
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    time.sleep(closed.pop())

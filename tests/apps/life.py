"""Says which run has a request, answers with its version, and dies when it is told to."""

import http.server
import os
import signal
import time

RUN = f"{os.environ.get('VERSION', '0')} {os.environ['EAI_JOB_ID']} {os.environ['EAI_RUN_INDEX']}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name, _, seconds = self.path[1:].partition("?")
        # One write, so that lines of two requests do not mix.
        os.write(1, f"has {name}\n".encode())
        if name == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(seconds or 0))
        body = f"{RUN} {name}\n".encode()
        self.send_response(200)
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

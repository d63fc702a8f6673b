"""A service in a few lines: it says where it runs, and who asks."""

import http.server
import os


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        job, user = os.environ["EAI_JOB_ID"], self.headers["x-eai-user"]
        body = f"hello from job {job}, run {os.environ['EAI_RUN_INDEX']}: you are {user}\n".encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        print(format % args, flush=True)


http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()

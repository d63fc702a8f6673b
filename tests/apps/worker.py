"""A worker of a queue that speaks the AWS Lambda Runtime API with nothing but the standard library.

It answers with its counter, which shows that it is one process from task to task. Prints `begun` once.
"""

import http.client
import json
import os
import sys


def main():
    print("begun", os.environ["EAI_JOB_ID"], flush=True)
    count = 0
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        connection.request("GET", "/2018-06-01/runtime/invocation/next")
        answer = connection.getresponse()
        event = json.loads(answer.read())
        count += 1
        path = f"/2018-06-01/runtime/invocation/{answer.headers['Lambda-Runtime-Aws-Request-Id']}/response"
        connection.request("POST", path, json.dumps({"count": count, "args": event.get("args")}))
        connection.getresponse().read()


def without_runtime():
    """Until there is something to ask for tasks: it is ready when it listens."""
    import http.server

    print("begun", os.environ["EAI_JOB_ID"], flush=True)
    http.server.HTTPServer(("", 8080), http.server.BaseHTTPRequestHandler).serve_forever()


if __name__ == "__main__":
    sys.exit(main() if "AWS_LAMBDA_RUNTIME_API" in os.environ else without_runtime())

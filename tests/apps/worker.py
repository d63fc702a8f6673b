"""A worker of a queue that speaks the AWS Lambda Runtime API with nothing but the standard library.

It answers with its counter, which shows that it is one process from task to task. Prints `begun` once.
"""

import http.client
import json
import os
import time


def main():
    print("begun", os.environ["EAI_JOB_ID"], flush=True)
    count = 0
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        connection.request("GET", "/2018-06-01/runtime/invocation/next")
        answer = connection.getresponse()
        event = json.loads(answer.read())
        count += 1
        args = event.get("args") or {}
        time.sleep(args.get("sleep", 0))
        if "exit" in args:
            os._exit(args["exit"])
        path = f"/2018-06-01/runtime/invocation/{answer.headers['Lambda-Runtime-Aws-Request-Id']}/response"
        connection.request("POST", path, json.dumps({"count": count, "args": event.get("args")}))
        connection.getresponse().read()


if __name__ == "__main__":
    main()

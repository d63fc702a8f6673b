"""A worker of a queue for long tests: it does what each task says, and answers with the task's own number.

It speaks the AWS Lambda Runtime API with nothing but the standard library. A task that is to be late is so with each
worker that meets it for the first time.
"""

import http.client
import json
import os
import time

CALLS = "/2018-06-01/runtime/invocation/"


def main():
    met = set()
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def call(method, path, body=None):
        connection.request(method, CALLS + path, body and json.dumps(body))
        answer = connection.getresponse()
        return answer.headers["Lambda-Runtime-Aws-Request-Id"], answer.read()

    while True:
        task, event = call("GET", "next")
        args = json.loads(event)["args"]
        number, what = args["number"], args["do"]
        is_new = number not in met
        met.add(number)
        if what == "die":
            os._exit(3)
        if what != "late" or is_new:
            time.sleep(args["seconds"])
        if what == "fail":
            call("POST", f"{task}/error", {"errorType": "Failed", "errorMessage": f"as told by {number}"})
        else:
            call("POST", f"{task}/response", {"number": number, "pid": os.getpid()})


if __name__ == "__main__":
    main()

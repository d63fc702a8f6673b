"""Gives a queue tasks that do nothing, and prints what that took as JSON: one client, the same for eai and Celery.

usage: taskload.py eai|celery fill|drain|rate|latency COUNT

`fill` sends so many. `drain` waits until so many are done, and times what comes after the first hundredth. `rate` is
both at once. `latency` sends one after the other, and waits for each.
"""

import http.client
import json
import os
import sys
import time

# Tasks in one request: a tenth of a second's work.
BATCH = 200
PAUSE = 0.01


class Eai:
    def __init__(self):
        address = os.environ["BENCH_ADDRESS"]
        self.connection = http.client.HTTPConnection(address)
        self.address = address
        self.authorization = "Bearer " + os.environ["BENCH_TOKEN"]

    def call(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, {"Authorization": self.authorization, **headers})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status}: {text}")
        return text

    def begin(self):
        self.before = self.queue()

    def send(self, count):
        for start in range(0, count, BATCH):
            lines = b"{}\n" * min(BATCH, count - start)
            self.call("POST", "/v1/service/bench/task", lines, Content_Type="application/x-ndjson")

    def queue(self):
        return json.loads(self.call("GET", "/v1/service/bench/health"))["queue"]

    def left(self):
        queue = self.queue()
        return queue["pending"] + queue["running"]

    def one(self):
        host = os.environ["BENCH_HOST"]
        self.call("POST", "/", b"{}", Host=host, Prefer="wait=30")


class Celery:
    def __init__(self):
        import noop
        import redis

        self.task = noop.noop
        self.results = redis.Redis(port=int(os.environ["BENCH_REDIS"]), db=1)
        self.tasks = redis.Redis(port=int(os.environ["BENCH_REDIS"]), db=0)

    def begin(self):
        self.done = self.results.dbsize()
        self.expected = self.done + self.tasks.llen("celery")

    def send(self, count):
        for _ in range(count):
            self.task.apply_async()
        self.expected += count

    def left(self):
        return self.expected - self.results.dbsize()

    def one(self):
        self.task.apply_async().get(timeout=30)


def drained(queue, most=0):
    while queue.left() > most:
        time.sleep(PAUSE)


def main():
    kind, what, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    queue = Eai() if kind == "eai" else Celery()
    queue.begin()
    clock = time.perf_counter
    start = clock()
    said = {}
    if what in ("fill", "rate"):
        queue.send(count)
        said["sent"] = clock() - start
    if what == "rate":
        drained(queue)
        said["done"] = clock() - start
    if what == "drain":
        drained(queue, count - count // 100)
        first, left = clock(), queue.left()
        drained(queue)
        said.update(drained=clock() - first, tasks=left)
    if what == "latency":
        latencies = []
        for _ in range(count):
            start = clock()
            queue.one()
            latencies.append(clock() - start)
        said["latencies"] = latencies
    print(json.dumps(said))


if __name__ == "__main__":
    main()

"""A handler of a queue's worker that does what its tasks say."""

import os
import time

count = 0


def handle(event, context):
    global count
    count += 1
    args = event["args"]
    print("has", event["task_name"], args.get("say", ""))
    if "mark" in args:
        with open("/tmp/mark", "a") as file:
            file.write("x")
        if args["mark"] == "die" and event["worker"].endswith(":0"):
            os.kill(os.getpid(), 9)
    if "eat" in args:
        return len(bytearray(args["eat"] << 20))
    time.sleep(args.get("sleep", 0))
    if args.get("fail"):
        raise ValueError(args["fail"])
    if args.get("exit") is not None:
        os._exit(args["exit"])
    return {
        "count": count,
        "worker": event["worker"],
        "index": os.environ["EAI_WORKER_INDEX"],
        "id": context.aws_request_id,
        "left": context.get_remaining_time_in_millis() // 1000,
        "name": context.function_name,
        "plan": event["plan"],
    }

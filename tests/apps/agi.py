"""A worker class as AGILAB has them."""


class Flight:
    def start(self):
        self.calls = 0
        print("starts", self._worker_id, flush=True)

    def works(self, plan, metadata):
        self.calls += 1
        print("works", flush=True)
        own = plan[self._worker_id] if isinstance(plan, list) and plan else plan
        return {"calls": self.calls, "own": own, "slots": len(plan), "factor": getattr(self, "args", None) and self.args.factor}

    def stop(self):
        print("stops", self.calls, flush=True)

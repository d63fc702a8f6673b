"""Answers calls of gRPC: `Say` in capitals, `Each` message by message, `No` with a refusal."""

from concurrent import futures

import grpc


def say(message, context):
    context.set_trailing_metadata((("x-last", "said"),))
    return message.upper()


def each(messages, _context):
    for message in messages:
        yield message.upper()


def no(_message, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")


CALLS = {
    "/test.Echo/Say": grpc.unary_unary_rpc_method_handler(say),
    "/test.Echo/Each": grpc.stream_stream_rpc_method_handler(each),
    "/test.Echo/No": grpc.unary_unary_rpc_method_handler(no),
}


class Echo(grpc.GenericRpcHandler):
    def service(self, call):
        return CALLS.get(call.method)


server = grpc.server(futures.ThreadPoolExecutor(8), handlers=(Echo(),))
server.add_insecure_port("0.0.0.0:8080")
server.start()
server.wait_for_termination()

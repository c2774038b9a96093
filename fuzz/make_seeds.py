#!/usr/bin/env python3
"""Writes the first inputs of the fuzz targets into seeds/: what a session says, in the format of each target.

The fuzzers find the rest from here. Run it after a change of a format; see README.md.
"""

import base64
import hashlib
import json
import pathlib
import struct

SEEDS = pathlib.Path(__file__).parent / "seeds"


def write(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def frame(first, payload, mask=None):
    length = len(payload)
    masked = 0x80 if mask is not None else 0
    if length < 126:
        head = bytes([first, masked | length])
    elif length < 65536:
        head = bytes([first, masked | 126]) + struct.pack(">H", length)
    else:
        head = bytes([first, masked | 127]) + struct.pack(">Q", length)
    if mask is None:
        return head + payload
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def close(code, reason=b""):
    return struct.pack(">H", code) + reason


# Opening handshakes. CLIENT_KEY is what the client of the target sends, always the same.
CLIENT_KEY = "9pKJeIXAyyCj5M0QagsVvA=="
ACCEPT = base64.b64encode(
    hashlib.sha1((CLIENT_KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
).decode()
CLIENT, SERVER, DEFAULTS, REJECT, SECRET, EOF, LATE = 0, 1, 2, 4, 8, 16, 32
CUTS = bytes([0, 6, 40])

SWITCHING = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
).encode()
REQUEST = (
    "GET /ws?token=abc&x HTTP/1.1\r\nHost: gateway.test\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
).encode()
HEADS = {
    "client-open": (CLIENT, SWITCHING + frame(0x81, b"hi") + frame(0x88, close(1000))),
    "client-interim": (CLIENT, b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + SWITCHING),
    "client-length": (CLIENT | SECRET, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\nRetry-After: 7\r\n\r\nno!!\n"),
    "client-chunked": (CLIENT, b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\nRetry-After: Fri, 02 Jan 2026 03:04:05 GMT\r\n\r\n"
                       b"4;a=b\r\nwait\r\n3\r\n..\n\r\n0\r\n\r\n"),
    "client-until-end": (CLIENT | EOF, b"HTTP/1.0 404 Not Found\r\n\r\nnothing here"),
    "client-late": (CLIENT | LATE, b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 99\r\n\r\nhalf"),
    "client-204": (CLIENT, b"HTTP/1.1 204 No Content\r\n\r\n"),
    "server-open": (SERVER | SECRET, REQUEST + frame(0x81, b"hi", b"abcd") + frame(0x88, close(1000), b"abcd")),
    "server-rejects": (SERVER | REJECT, REQUEST),
    "server-absolute": (SERVER, REQUEST.replace(b"/ws?", b"ws://user:word@gateway.test?")),
    "server-post": (SERVER, REQUEST.replace(b"GET", b"POST")),
    "server-version": (SERVER | EOF, REQUEST.replace(b": 13", b": 8")),
    "server-half": (SERVER | EOF | DEFAULTS, REQUEST[:90]),
}
for name, (flags, head) in HEADS.items():
    write("http_head", name, bytes([flags]) + CUTS + head)

# Answers of proxies to CONNECT.
LOGIN, QUOTES, ENDS_BEHIND, EARLY = 1, 2, 4, 8
ANSWERS = {
    "open": (0, b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"),
    "open-1.0": (LOGIN | EARLY, b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n"),
    "interim": (0, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
    "interim-too-many": (0, b"HTTP/1.1 102 Processing\r\n\r\n" * 9),
    "login": (LOGIN | QUOTES, b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n<html>"),
    "busy": (0, b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n"),
    "busy-date": (0, b"HTTP/1.1 429 Wait\r\nRetry-After: Fri, 02 Jan 2026 03:04:05 GMT\r\n\r\n"),
    "switching": (0, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
    "early-bytes": (0, b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n"),
    "half": (ENDS_BEHIND, b"HTTP/1.1 200 OK\r\nVia:"),
    "nothing": (ENDS_BEHIND, b""),
    "no-http": (LOGIN, b"SSH-2.0-x\r\n"),
    "socks": (0, b"\x05\x01\x00"),
    "long-phrase": (LOGIN | QUOTES, b"HTTP/1.1 403 " + b"n" * 250 + b"\r\n\r\n"),
    "many-headers": (0, b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n"),
}
for name, (flags, answer) in ANSWERS.items():
    write("proxy_head", name, bytes([flags]) + CUTS + answer)

# Frames.
ENDS, CLOSING = 4, 8
TEXT = "grüße 🦀".encode()
SESSIONS = {
    "messages": [(0x81, TEXT), (0x82, b"\xff\x00"), (0x89, b"ping"), (0x8A, b""), (0x88, close(1000, b"bye"))],
    "fragments": [(0x01, TEXT[:3]), (0x89, b"p"), (0x00, TEXT[3:9]), (0x80, TEXT[9:])],
    "long": [(0x82, b"x" * 200), (0x82, b"y" * 301)],
    "pings": [(0x89, bytes([n])) for n in range(6)],
    "bad-text": [(0x81, b"a\xe2\x82")],
    "bad-close": [(0x88, b"\x03")],
    "bad-bits": [(0xC1, b"a")],
    "bad-order": [(0x01, b"a"), (0x82, b"b")],
    "empty-close": [(0x88, b"")],
}
for name, session in SESSIONS.items():
    for role, mask in ((CLIENT, None), (SERVER, b"\0\0\0\0")):
        data = b"".join(frame(first, payload, mask) for first, payload in session)
        for flags in ((role,), (role | ENDS | CLOSING,)):
            write("frames", f"{name}-{flags[0]}", bytes([*flags]) + CUTS + data)

# Messages of the nodetool dialect, as a node (0) or a gateway (1) reads them.
TIME = "2026-01-02T03:04:05.678901Z"
TO_NODE = {
    "workflow-id": {"type": "workflow_request", "timestamp": TIME, "request_id": "r1", "workflow_id": "w1", "graph": None,
                    "params": {"a": 1.5}, "user_id": "1"},
    "workflow-graph": {"type": "workflow_request", "timestamp": 1767323045.5, "request_id": "r\u00e92", "workflow_id": None,
                       "graph": {"nodes": [], "edges": []}, "params": None, "user_id": "ann"},
    "command": {"type": "command_request", "request_id": "r3", "command": "echo", "args": {"user_id": "ann", "t": "\u0001"}},
    "command-eve": {"type": "command_request", "request_id": "r4", "command": "echo", "user_id": "eve", "args": {}},
    "ack": {"type": "ack", "timestamp": TIME, "request_id": "r1", "message": None},
    "error": {"type": "error", "error": "no", "details": {"request_id": "r1"}},
    "custom": {"type": "news", "data": [1, "\u2028"]},
    "no-type": {"data": [1]},
    "from-node": {"type": "heartbeat", "request_id": "r1"},
}
TO_GATEWAY = {
    "registration": {"type": "node_registration", "timestamp": TIME, "node_id": "node-A",
                     "capabilities": {"workflow_execution": True, "commands": ["echo", "a b"]}, "metadata": {"user_id": "1"}},
    "heartbeat": {"type": "heartbeat", "timestamp": "2026-01-02 03:04:05", "node_id": "node-A", "status": "active"},
    "ack": {"type": "ack", "timestamp": TIME, "request_id": "r1", "message": "Executing command: echo"},
    "update": {"type": "workflow_update", "request_id": "r1", "job_id": "j1", "update_type": "node_update", "data": {"x": {}}},
    "completed": {"type": "workflow_response", "request_id": "r1", "status": "completed", "result": {"a": [1]}, "error": None,
                  "job_id": "j1"},
    "failed": {"type": "workflow_response", "request_id": "r1", "status": "failed", "result": {"a": []}, "error": "why", "job_id": "j1"},
    "success": {"type": "command_response", "request_id": "r1", "status": "success", "result": {"a": "\ud83e\udd80"}, "error": None},
    "command-error": {"type": "command_response", "request_id": "r1", "status": "error", "result": None, "error": {"code": 7}},
    "error": {"type": "error", "timestamp": TIME, "error": "no", "details": None},
    "custom": {"type": "news", "timestamp": TIME},
}
for reader, messages in ((0, TO_NODE), (1, TO_GATEWAY)):
    for name, message in messages.items():
        text = json.dumps(message, ensure_ascii=name != "success").encode("utf-8", "surrogatepass")
        write("dialect_messages", f"{'node' if reader == 0 else 'gateway'}-{name}", bytes([reader]) + text)
write("dialect_messages", "node-not-json", b"\0{\"type\":")

# The same for openclaw: who reads it, and whether it is the first message; the device is that of the target.
DEVICE = "34750f98bd59fcfc946da45aaabe933be154a4b5094e1c4abf42866505f3c97e"
EVENTS = {
    "challenge": ("connect.challenge", {"nonce": "n", "ts": 1, "capabilities": []}),
    "invoke": ("node.invoke.request", {"id": "r1", "nodeId": DEVICE, "command": "system.which", "paramsJSON": "{\"bins\":[\"ls\"]}",
                                       "timeoutMs": 14996, "idempotencyKey": "k", "sessionKey": "main"}),
    "invoke-null": ("node.invoke.request", {"id": "r2", "command": "x", "paramsJSON": None, "timeoutMs": 0}),
    "invoke-bad": ("node.invoke.request", {"id": "r3", "command": "x", "paramsJSON": "{bad"}),
    "cancel": ("node.invoke.cancel", {"invokeId": "r1", "nodeId": DEVICE}),
    "approved": ("node.pair.resolved", {"requestId": "q", "nodeId": DEVICE, "decision": "approved", "ts": 1}),
    "shutdown": ("shutdown", {"reason": "gateway restarting", "restartExpectedMs": 1500}),
    "tick": ("tick", {"ts": 1}),
    "other": ("voicewake.changed", {"triggers": ["a"]}),
}
for name, (event, payload) in EVENTS.items():
    frame_text = json.dumps({"type": "event", "event": event, "payload": payload}).encode()
    write("openclaw_messages", f"node-{name}", bytes([2 if name == "challenge" else 0]) + frame_text)
REPLIES = {
    "hello": {"id": "connect", "ok": True, "payload": {"type": "hello-ok", "protocol": 4, "policy": {"tickIntervalMs": 2000, "maxPayload": 1},
                                                       "auth": {"deviceToken": "t", "role": "node", "scopes": ["a"]}}},
    "denied": {"id": "connect", "ok": False, "error": {"code": "NOT_PAIRED", "message": "no", "retryAfterMs": 7, "details": {
        "code": "PAIRING_REQUIRED", "reason": "not-paired", "requestId": "q", "canRetryWithDeviceToken": True, "expectedProtocol": 3}}},
    "call": {"id": "c1", "ok": True, "payload": {"ok": True}},
    "refused": {"id": "p1", "ok": False, "error": {"code": "UNAVAILABLE", "details": {"code": "PAIRING_CHANGED"}, "retryable": True}},
}
for name, reply in REPLIES.items():
    write("openclaw_messages", f"node-{name}", bytes([2 if name in ("hello", "denied") else 0]) + json.dumps({"type": "res", **reply}).encode())
RESULT = {"id": "r1", "nodeId": DEVICE, "ok": True}
CALLS = {
    "result": ("node.invoke.result", {**RESULT, "payloadJSON": "{\"a\":1}"}),
    "result-payload": ("node.invoke.result", {**RESULT, "payload": [1, None]}),
    "result-text": ("node.invoke.result", {**RESULT, "payloadJSON": "no json", "error": None}),
    "result-failed": ("node.invoke.result", {**RESULT, "ok": False, "error": {"code": "X", "message": "no"}}),
    "result-extra": ("node.invoke.result", {**RESULT, "foo": 1}),
    "progress": ("node.invoke.progress", {"invokeId": "r1", "nodeId": DEVICE, "seq": 0, "chunk": "x"}),
    "event": ("node.event", {"event": "node.host.stats", "payloadJSON": "{}"}),
    "tools": ("node.pluginTools.update", {"tools": []}),
    "forbidden": ("node.list", {}),
    "connect": ("connect", {"minProtocol": 4, "maxProtocol": 4, "client": {"id": "node-host", "version": "1", "platform": "linux", "mode": "node"},
                            "role": "node", "scopes": [], "caps": [], "commands": ["x"], "permissions": {"a": True}, "auth": {"token": "t"},
                            "device": {"id": DEVICE, "publicKey": "k", "signature": "s", "signedAt": 0, "nonce": "n"}}),
}
for name, (method, params) in CALLS.items():
    frame_text = json.dumps({"type": "req", "id": "q", "method": method, "params": params}).encode()
    write("openclaw_messages", f"gateway-{name}", bytes([3 if name == "connect" else 1]) + frame_text)

# Sessions of a node: flags, timing, steps.
SMALL, AT_ONCE, CARRIES, REFUSES, JOURNAL, SINGLE, QUERY, AGAIN = (1 << bit for bit in range(8))


def text(kind, words):
    return bytes([kind, len(words)]) + words


START, CREDENTIAL, CONNECTED, CONNECT_FAILED, RAW, SAYS, REQUESTS, ACKS, PINGS, CLOSES = range(10)
TO_GATEWAY_CARRY, TO_NODE_CARRY, WAIT, DEADLINE, ADMITTED, NOT_ADMITTED, PROGRESS, ANSWER, RECORDED, CANCEL = range(10, 20)
CUSTOM, STOP, GONE, RESET, TOO_MUCH = range(20, 25)
EASY = AT_ONCE | CARRIES
ONE_REQUEST = bytes([START, REQUESTS, 1, 0xF7, PROGRESS, 0, 5, ANSWER, 0, 0x82])
NODE_SESSIONS = {
    "work": (EASY | SINGLE | AGAIN, 0, ONE_REQUEST + bytes([DEADLINE, ACKS, 1, DEADLINE, DEADLINE, STOP, 9, 0])),
    "small": (EASY | SMALL, 0, bytes([START]) + b"".join(bytes([REQUESTS, n, 0xFF]) for n in range(6))
              + bytes([ANSWER, 0, 0xFF, ANSWER, 1, 0x43, REQUESTS, 0, 0xFF, DEADLINE, DEADLINE])),
    "slow-journal": (EASY | JOURNAL, 0, bytes([START, REQUESTS, 1, 0, ADMITTED, 0, REQUESTS, 2, 5, NOT_ADMITTED, 1,
                                               ANSWER, 0, 1, RECORDED, 0, DEADLINE])),
    "repeats": (EASY, 0, ONE_REQUEST + bytes([REQUESTS, 1, 0xF7, REQUESTS, 1, 5, DEADLINE, REQUESTS, 1, 0xF7])),
    "cut": (AT_ONCE | CARRIES, 0, ONE_REQUEST[:4] + bytes([RESET, ANSWER, 0, 2, DEADLINE, DEADLINE, CLOSES, DEADLINE])),
    "by-hand": (0, 0, bytes([START, CREDENTIAL, 0, CONNECTED, TO_GATEWAY_CARRY, 255, TO_GATEWAY_CARRY, 255, TO_NODE_CARRY, 255,
                             TO_GATEWAY_CARRY, 255, TO_GATEWAY_CARRY, 255, REQUESTS, 3, 7, TO_NODE_CARRY, 40, TO_NODE_CARRY, 255,
                             ADMITTED, 0, CANCEL, 0, RECORDED, 0, GONE, DEADLINE, TOO_MUCH])),
    "refused": (EASY | REFUSES, 0, bytes([START, DEADLINE, DEADLINE])),
    "unreachable": (0, 4, bytes([START, CREDENTIAL, 255, CONNECTED]) + bytes([START, CREDENTIAL, 0, CONNECT_FAILED, DEADLINE])),
    "raw": (EASY | SINGLE, 0, bytes([START]) + text(RAW, frame(0x81, b"hello")) + text(RAW, frame(0x81, b"{\"type\":\"x\"}"))
            + text(RAW, b"\x85")),
    "words": (EASY | QUERY, 0, bytes([START]) + text(SAYS, b"no json") + text(SAYS, b'{"type":"news"}')
              + text(SAYS, b'{"type":"error","error":1}') + text(CUSTOM, b'{"type":"mine"}') + text(CUSTOM, b'{"type":"ack"}')),
    "busy": (EASY, 0xF7, ONE_REQUEST + bytes([PINGS, DEADLINE, WAIT, 255, 255, DEADLINE, CLOSES, DEADLINE])),
}
for name, (flags, timing, steps) in NODE_SESSIONS.items():
    write("node_session", name, bytes([flags, timing]) + steps)

# The same for openclaw: the gateway asks for a command in what & 2 == 0, and says ticks, its end and cancellations.
ENDS, STOPS_WORK = 0x40, 0x80
ONE_INVOKE = bytes([START, REQUESTS, 1, 0xF8, PROGRESS, 0, 5, PROGRESS, 0, 9, ANSWER, 0, 0x82])
OPENCLAW_NODE_SESSIONS = {
    "work": (EASY | SINGLE | AGAIN, 0, ONE_INVOKE + bytes([DEADLINE, ACKS, 1, DEADLINE, DEADLINE, STOP, 9, 0])),
    "small": (EASY | SMALL, 0, bytes([START]) + b"".join(bytes([REQUESTS, n, 0xF8]) for n in range(6))
              + bytes([ANSWER, 0, 0xFF, ANSWER, 1, 0x43, REQUESTS, 0, 0xF8, DEADLINE, DEADLINE])),
    "cancelled": (EASY, 0, bytes([START, REQUESTS, 1, 0, PROGRESS, 0, 5, ACKS, STOPS_WORK | 1, ANSWER, 0, 2, REQUESTS, 2, 4, DEADLINE, DEADLINE])),
    "superseded": (EASY | AGAIN, 0, bytes([START, REQUESTS, 1, 0, PROGRESS, 0, 5, REQUESTS, 1, 0, PROGRESS, 1, 5, ANSWER, 1, 2])),
    "slow-journal": (EASY | JOURNAL, 0, bytes([START, REQUESTS, 1, 0, ADMITTED, 0, REQUESTS, 2, 4, NOT_ADMITTED, 1,
                                               ANSWER, 0, 1, RECORDED, 0, DEADLINE])),
    "cut": (EASY, 0, ONE_INVOKE[:4] + bytes([RESET, ANSWER, 0, 2, DEADLINE, REQUESTS, 1, 0, ACKS, ENDS, CLOSES, DEADLINE])),
    "no-command": (EASY, 0, bytes([START, REQUESTS, 3, 2, REQUESTS, 4, 3, DEADLINE])),
    "by-hand": (0, 0, bytes([START, CREDENTIAL, 0, CONNECTED]) + bytes([TO_GATEWAY_CARRY, 255, TO_NODE_CARRY, 255]) * 3
                + bytes([CREDENTIAL, 0]) + bytes([TO_GATEWAY_CARRY, 255]) * 4 + bytes([TO_NODE_CARRY, 255, GONE, DEADLINE, TOO_MUCH])),
    "refused": (EASY | REFUSES, 0, bytes([START, DEADLINE, DEADLINE])),
    "words": (EASY, 0, bytes([START]) + text(SAYS, b"no json") + text(SAYS, b'{"type":"event","event":"health"}')
              + text(SAYS, b'{"type":"res","id":"connect","ok":true}') + text(CUSTOM, b'{"type":"mine"}')),
    "denied": (AT_ONCE | CARRIES, 0, bytes([START]) + text(SAYS, b'{"type":"res","id":"c0","ok":false,"error":{"code":"X"}}') + bytes([DEADLINE])),
    "busy": (EASY, 0xF7, ONE_INVOKE + bytes([PINGS, DEADLINE, WAIT, 255, 255, DEADLINE, CLOSES, DEADLINE])),
}
for name, (flags, timing, steps) in OPENCLAW_NODE_SESSIONS.items():
    write("openclaw_node_session", name, bytes([flags, timing]) + steps)

# Sessions of a gateway: flags, steps.
UPGRADED, SHORT = 8, 16
RAW, SAYS, SPEAKS, PINGS, CLOSES, TO_NODE_CARRY, TO_GATEWAY_CARRY, WAIT, DEADLINE, ACCEPT, REFUSE = range(11)
REQUEST, ACKNOWLEDGE, CUSTOM, CLOSE, GONE, RESET, TOO_MUCH = range(11, 18)
REGISTER = bytes([SPEAKS, 0, 0])
GATEWAY_SESSIONS = {
    "work": (EASY | SINGLE | AGAIN, bytes([DEADLINE]) + REGISTER + bytes([REQUEST, 0xFA, 1, SPEAKS, 2, 1, SPEAKS, 3, 1, SPEAKS, 0xFC, 1,
             ACKNOWLEDGE, 1, REQUEST, 0, 2, SPEAKS, 5, 2, DEADLINE, DEADLINE, CLOSE])),
    "full": (SMALL | AT_ONCE | UPGRADED, bytes([TO_NODE_CARRY, 9]) + REGISTER + bytes([TO_GATEWAY_CARRY, 255])
             + bytes([REQUEST, 0xF9, 1]) * 3 + bytes([TO_NODE_CARRY, 255, TOO_MUCH])),
    "by-hand": (0, bytes([TO_GATEWAY_CARRY, 99, TO_GATEWAY_CARRY, 255, ACCEPT, TO_NODE_CARRY, 255]) + REGISTER
                + bytes([TO_GATEWAY_CARRY, 30, TO_GATEWAY_CARRY, 255, REQUEST, 7, 3, CLOSES, TO_GATEWAY_CARRY, 255, TO_NODE_CARRY, 255])),
    "rejected": (CARRIES, bytes([PINGS, REFUSE, 51])),
    "unregistered": (EASY | SMALL, bytes([DEADLINE, SPEAKS, 1, 0, SPEAKS, 6, 0, SPEAKS, 6, 0, SPEAKS, 6, 0, DEADLINE, DEADLINE])),
    "silent": (AT_ONCE, bytes([DEADLINE, DEADLINE])),
    "raw": (EASY | UPGRADED | SINGLE, REGISTER + text(RAW, frame(0x81, b"{}", b"\0\0\0\0")) + text(RAW, frame(0x88, b"\x03", b"\0\0\0\0"))),
    "words": (EASY | UPGRADED, REGISTER + text(SAYS, b"no json") + text(SAYS, b'{"type":"news"}') + text(CUSTOM, b'{"type":"mine"}')
              + text(CUSTOM, b'{"type":"ack"}') + bytes([GONE])),
    "short": (EASY | SHORT, bytes([PINGS]) + REGISTER + bytes([WAIT, 1, 0, DEADLINE, WAIT, 255, 0, RESET])),
}
for name, (flags, steps) in GATEWAY_SESSIONS.items():
    write("gateway_session", name, bytes([flags]) + steps)

# The same for openclaw: a node speaks of connect, event, progress, result, error, tools, something forbidden and health.
SILENT, APPROVE, AWAY, CANCELS = 0x20, 0x40, 0x60, 0x80
CONNECT = bytes([SPEAKS, 0, 0])
OPENCLAW_GATEWAY_SESSIONS = {
    "work": (EASY | SINGLE | AGAIN, CONNECT + bytes([REQUEST, 0xFA, 1, SPEAKS, 2, 0x21, SPEAKS, 0x12, 0x21, SPEAKS, 0x0B, 1, SPEAKS, 3, 1,
             REQUEST, 2, 2, ACKNOWLEDGE, CANCELS | 2, SPEAKS, 4, 2, DEADLINE, DEADLINE, ACKNOWLEDGE, AWAY, CLOSE])),
    "full": (SMALL | AT_ONCE | UPGRADED, bytes([TO_NODE_CARRY, 255, SPEAKS, 0, 0, TO_GATEWAY_CARRY, 255, TO_GATEWAY_CARRY, 255,
             TO_GATEWAY_CARRY, 255, TO_GATEWAY_CARRY, 255]) + bytes([REQUEST, 2, 1, REQUEST, 2, 2, REQUEST, 2, 3])
             + bytes([SPEAKS, 7, 0, TO_GATEWAY_CARRY, 255]) * 12),
    "by-hand": (CARRIES | UPGRADED, bytes([SPEAKS, 0, 2, SPEAKS, 7, 0, SPEAKS, 7, 0, ACCEPT, SPEAKS, 1, 0, ACKNOWLEDGE, SILENT, SPEAKS, 1, 0,
                ACKNOWLEDGE, APPROVE | 1, SPEAKS, 5, 0, SPEAKS, 2, 0, CLOSES])),
    "refused": (CARRIES | UPGRADED, bytes([SPEAKS, 0, 4, REFUSE, 0, DEADLINE])),
    "late": (CARRIES | UPGRADED | SINGLE, bytes([SPEAKS, 0, 1, DEADLINE])),
    "silent": (AT_ONCE | UPGRADED, bytes([DEADLINE, DEADLINE, DEADLINE])),
    "forbidden": (EASY | UPGRADED, CONNECT + bytes([SPEAKS, 6, 0]) * 11),
    "pending": (CARRIES | UPGRADED, CONNECT + bytes([SPEAKS, 7, 0]) * 16),
    "words": (EASY | UPGRADED, CONNECT + text(SAYS, b"no json") + text(SAYS, b'{"type":"req","method":"x"}')
              + text(CUSTOM, b'{"type":"event","event":"voicewake.changed"}') + text(CUSTOM, b'{"type":"event","event":"tick"}') + bytes([GONE])),
    "first": (EASY | UPGRADED, text(SAYS, b'{"type":"req","id":"1","method":"connect","params":{"minProtocol":4}}')),
    "short": (EASY | SHORT, CONNECT + bytes([WAIT, 1, 0, DEADLINE, DEADLINE, WAIT, 255, 0, RESET])),
}
for name, (flags, steps) in OPENCLAW_GATEWAY_SESSIONS.items():
    write("openclaw_gateway_session", name, bytes([flags]) + steps)

# Graphs: the examples as text, and a few built step by step.
for path in (SEEDS.parent.parent / "adapters/workflows/examples").glob("*.json"):
    text_of = json.dumps(json.loads(path.read_text()), separators=(",", ":"))
    write("graph", f"example-{path.stem}", text_of.encode())
write("graph", "extra-keys", json.dumps({
    "nodes": [{"id": "a", "type": "nodetool.constant.List", "data": {"value": [1, 2]}, "ui_properties": None, "new": 1},
              {"id": "b", "type": "nodetool.control.ForEach", "properties": {}, "sync_mode": "zip_all"},
              {"id": "c", "type": "nodetool.output.Output", "data": {"name": "o"}, "dynamic_properties": {"x": 1}}],
    "edges": [{"source": "a", "sourceHandle": "output", "target": "b", "targetHandle": "input_list"},
              {"id": "", "source": "b", "sourceHandle": "output", "target": "c", "targetHandle": "value", "edge_type": "data"}],
    "viewport": {}}).encode())
for seed in range(12):
    bits = hashlib.sha512(b"graph %d" % seed).digest()
    write("graph", f"built-{seed}", bytes([seed]) + bits[: 8 + 5 * seed])

# Worlds: mix, nodes and whose requests; seed; seconds; requests with scripts for their handlers.
for mix, name in enumerate(("calm", "lossy", "hostile", "crowded")):
    for seed in range(3):
        own = bytes([mix | 16 | seed << 2, seed + 1, mix, 0, 0, 30, 5])
        write("world", f"{name}-own-{seed}", own)
        requests = b"".join(bytes([at * 7, at, at * 37 % 256, 4, 5, 8, 0xFD, at % 4]) for at in range(1, 9))
        write("world", f"{name}-planned-{seed}", bytes([mix | seed << 2, seed + 9, mix, 0, 0, 20]) + requests)

# Other implementations: which end is theirs, and steps of one byte each.
write("interop", "gateway", bytes([0]) + bytes([0x0F, 0xF9, 0x0F, 0xF9, 0xF9, 0x0C, 0x05, 0x0F, 0xF9, 0x0F, 0xFB, 0x0F, 0x07, 0xFB, 0x0F, 0xF9]))
write("interop", "node", bytes([1]) + bytes([0x01, 0x02, 0x01, 0x02, 0x0D, 0x02, 0x01, 0x0F, 0x0D, 0x02, 0x01, 0xFC, 0x02, 0x01, 0x07, 0x01, 0x02]))

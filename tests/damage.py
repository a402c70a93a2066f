"""Damage to files of estimators: bytes and their order, the JSON in the header, writers killed."""

import json
import os
import signal
import time

import numpy as np

import skae
from skae.exceptions import ModelFileError

# Each takes the bytes of a file and a generator, and returns other bytes.


def flip(content, rng):
    """Change a bit of each of a few bytes."""
    changed = bytearray(content)
    for i in rng.integers(len(content), size=rng.integers(1, 4)):
        changed[i] ^= 1 << rng.integers(8)
    return bytes(changed)


def flip_in_the_header(content, rng):
    """Change a bit of the header's length or of its text."""
    n = 8 + int.from_bytes(content[:8], "little")
    return flip(content[:n], rng) + content[n:]


def cut(content, rng):
    """Leave out the end, or a piece."""
    a, b = np.sort(rng.integers(len(content) + 1, size=2))
    return content[:a] if rng.random() < 0.5 else content[:a] + content[b:]


def swap(content, rng):
    """Let two pieces change places."""
    a, b, c = np.sort(rng.integers(len(content) + 1, size=3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def edit_the_json(content, rng):
    """Change an entry of the document, or of the header, and let the lengths be right."""
    n = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + n]), content[8 + n :]
    if rng.random() < 0.3:
        name = str(rng.choice(sorted(header)))
        header[name] = _other(header[name], rng)
    else:
        inner = json.loads(header["__metadata__"]["skae"])
        inner["model"] = json.dumps(_other(json.loads(inner["model"]), rng))
        header["__metadata__"]["skae"] = json.dumps(inner)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def _other(value, rng):
    """Return JSON that differs in one place."""
    if isinstance(value, dict) and value:
        key = str(rng.choice(sorted(value)))
        changed = {k: v for k, v in value.items() if k != key}
        return changed if rng.random() < 0.2 else {**value, key: _other(value[key], rng)}
    if isinstance(value, list) and value:
        i = int(rng.integers(len(value)))
        return [*value[:i], _other(value[i], rng), *value[i + 1 :]]
    others = [None, -1, 10**9, 0.5, "os.system", [], {"!part": "encoder"}, [[1]], not value]
    return others[rng.integers(len(others))]


def nest(content, rng):
    """Put lists in lists in the place of the header's text, or of the document in it."""
    n = int.from_bytes(content[:8], "little")
    deep = b"[" * (depth := int(10 ** rng.uniform(2, 5.5))) + b"]" * depth
    header = json.loads(content[8 : 8 + n])
    if rng.random() < 0.5:
        header["__metadata__"]["skae"] = deep.decode()
        deep = json.dumps(header).encode()
    return len(deep).to_bytes(8, "little") + deep + content[8 + n :]


MUTATIONS = (nest, flip, flip_in_the_header, cut, swap, edit_the_json)


def edit_and_seal(document, rng):
    """Return the text of a document with a few changes, as somebody writes it on purpose."""
    for _ in range(rng.integers(1, 4)):
        document = _other(document, rng)
    return json.dumps(document)


def judge(path, content, expected, X):
    """Return what comes of a file: "refused", or "loaded" where it is what was written.

    Raises
    ------
    AssertionError
        If it loads as something else.
    Exception
        Any but a `ModelFileError`.
    """
    path.write_bytes(content)
    try:
        Z = skae.load(path).transform(X)
    except ModelFileError:
        return "refused"
    assert Z.tobytes() == expected.tobytes(), "loaded wrong in silence"
    return "loaded"


def kill_writers(path, models, delays):
    """Let processes save two models to `path` in turn, kill each after so many seconds.

    Yields after each kill.
    """
    first, second = models
    for delay in delays:
        writer = os.fork()
        if not writer:
            try:
                while True:
                    first.save(path)
                    second.save(path)
            finally:
                os._exit(1)
        time.sleep(delay)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        yield

"""Runs the cases of a suite that is written in Python, one after the other, each in a bounded time."""

import random
import signal
import string
import sys
import time
import traceback

CASE_S_MAX = 45
REASON_LENGTH_MAX = 200


CASES = {}


class Skip(Exception):
    pass


def case(name, *arguments):
    """Makes a case of a function; several times, with other names and arguments, makes several of it."""

    def register(function):
        CASES[name] = lambda closing: function(closing, *arguments)
        return function

    return register


def line(*parts):
    print("\t".join(" ".join(str(part).split())[:REASON_LENGTH_MAX] for part in parts), flush=True)


def unique(what):
    return what + "-" + "".join(random.choices(string.ascii_lowercase + string.digits, k=8))


def until(what, condition, seconds=30):
    """Until `condition` holds, which may itself take some time, as a poll does."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.01)
    return result


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"{str(found)[:80]} instead of {str(expected)[:80]}")


def raises(expected, action):
    """The name of the error that `action` raises, which `expected` must hold."""
    try:
        action()
    except Exception as error:  # noqa: BLE001
        argument = error.args[0] if error.args else None
        name = argument.name() if hasattr(argument, "name") else type(error).__name__
        if name not in expected:
            raise AssertionError(f"{name} ({error}) instead of {expected}") from error
        return
    raise AssertionError(f"nothing raised, instead of {expected}")


def run(version, only):
    """Each case gets a list of what must be closed when it ends."""

    def late(_signal, _frame):
        raise AssertionError(f"takes more than {CASE_S_MAX} s")

    signal.signal(signal.SIGALRM, late)
    line("version", version)
    for name, body in CASES.items():
        if only and not any(part in name for part in only):
            continue
        closing = []
        began = time.monotonic()
        signal.alarm(CASE_S_MAX)
        try:
            body(closing)
            line("pass", name)
        except Skip as reason:
            line("skip", name, reason)
        except Exception as error:  # noqa: BLE001
            line("fail", name, error or type(error).__name__)
            sys.stderr.write(f"{name}: {traceback.format_exc()}\n")
        try:
            signal.alarm(15)
            for close in reversed(closing):
                close()
        except Exception as error:  # noqa: BLE001
            sys.stderr.write(f"{name}: closing: {error}\n")
        signal.alarm(0)
        sys.stderr.write(f"{(time.monotonic() - began) * 1000:.0f} ms {name}\n")

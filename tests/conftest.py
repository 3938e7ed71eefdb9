"""What all tests share; the fixtures are described in the modules named here."""

import signal

pytest_plugins = ["tests.support.stack", "tests.support.running"]

# A shell that starts the tests in the background without job control has them ignore SIGINT, and so
# would every program that they start, also those that are tested to end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

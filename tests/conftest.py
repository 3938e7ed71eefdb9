"""What all tests share; the fixtures are described in the modules named here."""

import os
import signal

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.support.stack",
    "tests.support.running",
    "tests.support.driver",
    "tests.support.asking",
    "tests.support.relay",
]

# A shell that starts the tests in the background without job control has them ignore SIGINT, and so
# would every program that they start, also those that are tested to end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test may fail because the machine is busy. A run repeats itself;
# HYPOTHESIS_PROFILE=explore looks for new cases.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("tests", _patient, derandomize=True)
settings.register_profile("explore", _patient, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tests"))

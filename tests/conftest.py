"""What all tests share; the fixtures of the stack are described in tests/support/stack.py."""

pytest_plugins = ["tests.support.stack"]

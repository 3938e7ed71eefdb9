"""What all tests share; the fixtures are described in the modules named here."""

pytest_plugins = ["tests.support.stack", "tests.support.running"]

"""The embedded stack: Apache Kafka and PostgreSQL as child processes, for the demo, development and tests.

`Stack` is the way in (see stack.py); `python -m deploy.local --help` the command line.
"""

from deploy.local.errors import StackError
from deploy.local.stack import Stack

__all__ = ["Stack", "StackError"]

"""An answer to the example of each command: shown in the AsyncAPI document, validated by the tests."""

from collections.abc import Mapping
from typing import Any

from events.examples import EXAMPLES

_STORED = {"version": 2, "changed": True}
_MOVED = {"changed": 1}
_MEMBERSHIPS = {"eu-companies": {"source": "rule", "since": "2026-11-22T10:15:00.012345Z"}}

_RESULTS: Mapping[str, Mapping[str, Any]] = {
    "put-group": _STORED,
    "change-group": _STORED,
    "delete-group": {"left": 12},
    "add-members": _MOVED,
    "remove-members": _MOVED,
    "set-client-groups": _MOVED,
    "pin": {"changed": 1, "pins": 1},
    "unpin": {"changed": 1, "pins": 1},
    "cancel-run": {"run_id": "12", "state": "cancelled"},
    "preview": {
        "as_of": "2026-11-22T10:20:00.000000Z",
        "total": 20000,
        "would_join": 120,
        "would_leave": 4,
        "would_be_held": False,
        "would_stay": 1196,
        "unknown": 31,
        "sample": {"join": ["1042", "1077", "8116"], "leave": ["1043", "2001", "4410", "9900"]},
    },
    "list-groups": {
        "groups": [
            {
                "group": "eu-companies",
                "name": "EU companies",
                "version": 2,
                "updated_at": "2026-11-22T09:00:00.000000Z",
                "updated_by": "anna",
                "upon_registration": True,
                "upon_change": True,
                "periodic": True,
                "conditions": 3,
                "members": 1200,
                "used_by": 1,
                "warnings": 0,
            }
        ],
        "after": "ZXUtY29tcGFuaWVz",
    },
    "show-group": {**EXAMPLES["client-groups"], "members": 2, "unknown": 0},
    "list-members": {
        "clients": ["1042"],
        "memberships": {"1042": _MEMBERSHIPS["eu-companies"]},
        "after": "MTA0Mg",
    },
    "show-client": {
        "client_id": "1042",
        "registered": True,
        "version": 1,
        "facts": {
            "registered_at": "2026-11-22T10:15:00.000000Z",
            "country": "DE",
            "ip": "192.0.2.7",
            "geoip_country": "DE",
            "geoip_build": "2026-11-17T00:00:00.000000Z",
            "provider_id": "1",
            "authorization_method": "google",
            "request_parameters": {"fromsite": "true"},
            "payers": [
                {
                    "payer_id": "7",
                    "status": "legal_entity",
                    "active": True,
                    "changed_at": "2026-11-22T10:16:00.000000Z",
                }
            ],
            "verifications": [
                {"method": "email", "result": "passed", "completed_at": "2026-11-22T10:17:00.000000Z"}
            ],
        },
        "groups": _MEMBERSHIPS,
        "pins": {
            "trial": {
                "hold": "out",
                "since": "2026-11-22T11:00:00.000000Z",
                "expires_at": None,
                "actor": "anna",
                "reason": "had one already",
            }
        },
    },
    "history": {"changes": [EXAMPLES["membership-changed"]]},
    "explain": {
        "client_id": "1042",
        "group": "eu-companies",
        "member": True,
        "source": "rule",
        "since": "2026-11-22T10:15:00.012345Z",
        "verdict": "match",
        "conditions": [
            {
                "condition_group": 1,
                "type": "country",
                "comparison": "one_of",
                "value": ["DE", "FR"],
                "verdict": "met",
                "fact": "DE",
                "said_at": "2026-11-22T10:15:00.000000Z",
                "cause": "client-registered/3/17",
            }
        ],
        "would_differ": [{"fact": "country", "value": None}],
        "decided_by": None,
        "checks": [],
        "change": EXAMPLES["membership-changed"],
        "version": 1,
        "at": "2026-11-22T10:15:00.012345Z",
        "group_version": 2,
    },
    "group-history": {
        "versions": [
            {
                "version": 2,
                "change": "changed",
                "changed_at": "2026-11-22T09:00:00.000000Z",
                "actor": "anna",
                "cause": "group-commands/0/7",
                "differences": [{"path": "auto_assignment.exclude", "before": False, "after": True}],
            }
        ],
        "after": "MTI",
    },
    "list-runs": {"runs": [EXAMPLES["assignment-runs"]]},
    "show-run": EXAMPLES["assignment-runs"],
    "replay-dead-letters": {"replayed": 3},
    "snapshot": {"groups": 12, "clients": 20000},
}


def _answer(command: str, **said: object) -> Mapping[str, Any]:
    base = {
        name: value
        for name, value in EXAMPLES["group-command-results"].items()
        if name not in {"group", "result"}
    }
    named = {name: EXAMPLES[command][name] for name in ("command", "group") if name in EXAMPLES[command]}
    return base | named | said


ANSWERS: Mapping[str, Mapping[str, Any]] = {
    command: _answer(command, result=result) for command, result in _RESULTS.items()
}
"""To commands that are done when they are answered."""
ACCEPTED: Mapping[str, Mapping[str, Any]] = {
    command: _answer(command, status="accepted", run_id="13")
    for command in ("start-check", "approve-run", "undo-run", "refresh-geoip")
}
"""To those that only begin or go on with a run."""

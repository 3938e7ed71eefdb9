"""Where groups are used: references that other services hold to them."""

from datetime import datetime
from typing import Annotated, ClassVar

from events.base import Input
from events.fields import NO_TIME, EventTime, GroupId, Id, MaybeText, code_of
from events.kinds import none_is

USAGE_KINDS = (
    "tariff",
    "promotion",
    "contract_template",
    "segment_condition",
    "vat_setting",
    "payment_method",
    "affiliate_program",
)


class GroupUsageChanged(Input):
    """Something began or ceased to refer to a group."""

    time_field: ClassVar[str] = "changed_at"

    group: GroupId
    changed_at: EventTime = NO_TIME
    kind: Annotated[str, code_of(*USAGE_KINDS)]
    ref_id: Id
    title: MaybeText = None
    used: Annotated[bool, none_is(True)] = True

    @property
    def time(self) -> datetime:
        """When it changed, in UTC."""
        return self.changed_at

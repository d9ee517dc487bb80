"""What to do about somebody who was skipped, by the reason; the same in the API and in the portal."""

from muster.model.log import SkipReason
from muster.ui.marks import marked

REMEDIES = {
    SkipReason.NOT_ASSIGNED: marked("Assign the person, or a group they are a direct member of, to the application."),
    SkipReason.NOT_EFFECTIVELY_ENTITLED: marked("Give a role other than Default Access under Users and groups."),
    SkipReason.OUT_OF_SCOPE_FILTER: marked("Change the scoping filter or the attribute that it looks at."),
    SkipReason.INACTIVE_AT_SOURCE: marked("Nothing to do, unless the account should be enabled in the directory."),
    SkipReason.MATCHING_ATTRIBUTE_MISSING: marked("Fill the attribute that accounts are matched by."),
    SkipReason.ACTION_DISABLED: marked("Switch the object action on in the mapping, if it should be done."),
    SkipReason.REFERENCE_UNRESOLVED: marked("Nothing to do: it is set as soon as the other object is provisioned."),
    SkipReason.REDUNDANT_EXPORT: marked("Nothing to do."),
    SkipReason.PROTECTED: marked("Nothing to do; or take the protection that is named back, under Safeguards."),
    SkipReason.GRACE_PERIOD: marked(
        "Nothing to do: the account is deleted once the grace period is over, unless its owner comes back."
    ),
}

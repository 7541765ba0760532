"""How people can be reached: their addresses by the person's key, for the channels that speak to one person.

Knows no channel, no incident and no settings. The rules know people by key alone, and a push carries that key; only here
does it become a number. Nothing of it is ever shown: `repr` hides every field, and an error names the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from pydantic import SecretStr

from monitor.ports import NeverWill
from rules.model import Push


class Reach(StrEnum):
    """A field of Contact: one way to address a person."""

    MOBILE = "mobile"
    EMAIL = "email"
    DINGTALK = "dingtalk"
    WECOM = "wecom"
    FEISHU = "feishu"


@dataclass(frozen=True, slots=True)
class Contact:
    """The addresses of one person; None where there is none."""

    mobile: SecretStr | None = None
    """`13800000000`, or `+8613800000000`."""
    email: SecretStr | None = None
    dingtalk: SecretStr | None = None
    """The user's id in the DingTalk organisation, for mentions where the mobile number is not registered."""
    wecom: SecretStr | None = None
    """The user's id at WeCom."""
    feishu: SecretStr | None = None
    """The open id at Feishu (`ou_…`)."""

    def get(self, reach: Reach) -> str | None:
        """The address in the clear."""
        found: SecretStr | None = getattr(self, reach.value)
        return found.get_secret_value() if found is not None else None


Contacts: TypeAlias = Mapping[str, Contact]
"""By the person's key."""

NOBODY: Contacts = {}


def known(push: Push, contacts: Contacts, *reaches: Reach) -> tuple[Reach, str] | None:
    """The first of these ways by which the push's person is known; None for a push that is for nobody, and for strangers."""
    contact = contacts.get(push.to, Contact())
    return next(((reach, found) for reach in reaches if (found := contact.get(reach))), None)


def unmentioned(push: Push, *reaches: Reach) -> str:
    """What an accepted message's answer adds when its person could be named, but not mentioned."""
    return f"; person '{push.to}' was not mentioned: no {' or '.join(reaches)} in the site file"


def address_of(push: Push, contacts: Contacts, reach: Reach) -> str:
    """Where this push's person is reached. Raises NeverWill, which names the person's key and the field that is missing."""
    if not push.to:
        raise NeverWill(f"this channel speaks to one person by their {reach}: name it among a person's channels")
    found = contacts.get(push.to, Contact()).get(reach)
    if not found:
        raise NeverWill(f"person '{push.to}' has no {reach}: add it to the person in the site file")
    return found

"""A journal and a live bus together: an event is journaled first, and then what is answered is true.

The live bus is only offered it. Losing that costs latency, never truth.
"""

from __future__ import annotations

from tbdx.bus import Ack, Bus, Event, Host
from tbdx.core.event import damage, is_made
from tbdx.errors import Invalid, TbdxError


class Durable:
    """As the live bus, but what is published without a place in a journal is given one before. The answer to a draft
    has `relayed`: whether the live bus took it."""

    def __init__(self, host: Host, live: Bus) -> None:
        self.host, self.live = host, live
        self.subscribe, self.snapshot, self.close = live.subscribe, live.snapshot, live.close

    def publish(self, event: Event) -> Ack:
        if is_made(event):
            wrong = damage(event)
            if wrong:
                raise Invalid(f"not an event: {wrong}")
            return self.live.publish(event)
        ack = self.host.publish(event)
        made = self.host.made(ack)  # a repeated one, too: it may be that it was never offered
        if made is None:
            return ack | {"relayed": False}
        try:
            self.live.publish(made)
        except TbdxError as e:
            self.host.say(f"{ack['event_id']} is journaled, and not handed on: {e.message}")
            return ack | {"relayed": False}
        return ack | {"relayed": True}

"""The decoder is total: any frame is a packet or a typed fault; what we write, we can read."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from server import wire
from signaling.errors import PeerError
from signaling.protocol import (
    Ack,
    ChatPosted,
    DeviceId,
    EngagementId,
    MessageItem,
    ParticipantId,
    WireError,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.text(max_size=400) | json_values.map(lambda v: "2" + json.dumps(v)) | st.binary(max_size=60))
@settings(max_examples=500)
def test_any_frame_is_a_packet_or_a_typed_fault(frame: str | bytes) -> None:
    try:
        packet = wire.decode_packet(frame)
        wire.decode_command(packet.data)
    except PeerError as error:
        assert error.wire_code


@given(st.sampled_from(sorted(wire.COMMANDS)), json_values)
@settings(max_examples=300)
def test_any_argument_is_a_command_or_a_typed_fault(name: str, data: Any) -> None:
    try:
        command = wire.decode_command([name, data])
    except PeerError as error:
        assert error.wire_code == "invalid_arguments"
    else:
        assert type(command).__struct_config__.tag == name


def test_what_is_written_is_socket_io() -> None:
    item = MessageItem(2, 1, ParticipantId("v_1"), "héllo", DeviceId("d"), 1)
    event = wire.encode_event(ChatPosted(EngagementId("e_1"), 2, item))
    assert json.loads(event[1:])[0] == "chat.posted"
    assert json.loads(event[1:])[1]["message"]["text"] == "héllo"
    ack = wire.encode_ack(12, Ack(error=WireError("not_found")))
    assert ack.startswith('312[{"seq":0')
    assert "snapshot" not in ack


def test_every_command_names_who_may_send_it() -> None:
    for command in wire.COMMANDS.values():
        assert command.roles, f"{command.__name__} could be sent by nobody"
        assert msgspec.structs.fields(command) is not None

use crate::websocket::{Connection, Event, Limits, Role};

/// What an end of this role writes, as the other end reads it: the text of one message.
pub(super) fn carried(role: Role, write: impl FnOnce(&mut Connection)) -> String {
    let other = if role == Role::Client { Role::Server } else { Role::Client };
    let mut writer = Connection::upgraded(role, Limits::default(), [3; 32]);
    let mut reader = Connection::upgraded(other, Limits::default(), [4; 32]);
    write(&mut writer);
    reader.receive(writer.transmit());
    assert_eq!(reader.poll(), Some(Event::Open));
    let Some(Event::Text(text)) = reader.poll() else { panic!("a message is one text") };
    let text = text.to_owned();
    assert_eq!(reader.poll(), None);
    text
}

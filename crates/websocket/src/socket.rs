//! One connection after its handshake.

use std::mem;

use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use crate::frame::{self, Failure, Incoming, PartialHeader};
use crate::message::Message;

/// Pings that are each answered before the output is taken; of those beyond only the last is, which section 5.5.3 allows.
const MAX_PONGS: usize = 16;

/// What came of a client's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A text message, whole.
    Message(String),
    /// The connection is over, by the client's close or by a fault of the client's: the last event.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// We sent a close frame, the client did not yet.
    Closing,
    Closed,
}

/// The server's side of a connection.
///
/// It holds at most one message, the end of a frame's header or a control frame, and the output that was not taken.
#[derive(Debug)]
pub struct Socket {
    max_message: usize,
    phase: Phase,
    header: PartialHeader,
    /// The frame whose payload is being received.
    incoming: Option<Incoming>,
    /// The message whose fragments are being received.
    message: Option<Message>,
    /// The payload of a control frame, which may come between the fragments of a message.
    control: Vec<u8>,
    output: Vec<u8>,
    /// Pongs in the output.
    pongs: usize,
    /// The payload of the last ping beyond [`MAX_PONGS`].
    late_ping: Option<Vec<u8>>,
    heard: bool,
}

impl Socket {
    /// A connection whose 101 was sent. A message, all of its fragments together, has at most `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        Socket {
            max_message,
            phase: Phase::Open,
            header: PartialHeader::default(),
            incoming: None,
            message: None,
            control: Vec::new(),
            output: Vec::new(),
            pongs: 0,
            late_ping: None,
            heard: true,
        }
    }

    /// Takes bytes of the client's, cut anywhere, and hands out what is complete with them. After
    /// [`close`](Self::close) no message is handed out any more, after [`Event::Closed`] nothing at all.
    ///
    /// A client that does not keep to the protocol gets a close frame with the code that RFC 6455 section 7.4.1 has for
    /// it: 1002, 1003 for binary messages, 1007 for what is not UTF-8, 1009 for a message that is too large.
    pub fn receive(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(Event)) {
        self.heard |= !bytes.is_empty();
        while self.phase != Phase::Closed {
            match self.step(&mut bytes) {
                Ok(Step::Starved) => return,
                Ok(Step::Frame(None)) => {}
                Ok(Step::Frame(Some(text))) => sink(Event::Message(text)),
                Ok(Step::Close(code)) => self.end(code, ""),
                Err(Failure { code, reason }) => self.end(Some(code), reason),
            }
            if self.phase == Phase::Closed {
                sink(Event::Closed);
            }
        }
    }

    /// Sends a text message. Nothing happens when the connection is being closed.
    pub fn send(&mut self, text: &str) {
        if self.phase == Phase::Open {
            frame::write(OpCode::Data(Data::Text), text.as_bytes(), &mut self.output);
        }
    }

    /// Asks whether the client is still there: see [`heard`](Self::heard).
    pub fn ping(&mut self) {
        if self.phase == Phase::Open {
            frame::write(OpCode::Control(Control::Ping), &[], &mut self.output);
            self.heard = false;
        }
    }

    /// Whether anything came since the last [`ping`](Self::ping): its pong, or whatever else shows that the client lives.
    pub fn heard(&self) -> bool {
        self.heard
    }

    /// Begins to close: 1000 when all is done, 1001 when the server goes away, 1011 when it fails, 4000 to 4999 of one's
    /// own. The client's close frame ends it; how long to wait for that is the host's to say. A reason that is longer
    /// than 123 bytes is cut.
    pub fn close(&mut self, code: u16, reason: &str) {
        if self.phase == Phase::Open {
            self.write_late_pong();
            frame::write_close(Some(CloseCode::from(code)), reason, &mut self.output);
            self.phase = Phase::Closing;
            self.message = None;
        }
    }

    /// What is to be sent to the client, in order. Take it only when all that was taken before is on its way: what is
    /// left here is bounded, but for the messages of [`send`](Self::send).
    pub fn take_output(&mut self) -> Vec<u8> {
        self.write_late_pong();
        self.pongs = 0;
        mem::take(&mut self.output)
    }

    /// Nothing more will come or go: the connection is to be closed once the output is sent.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Goes on to the end of a frame, or of the bytes.
    fn step(&mut self, bytes: &mut &[u8]) -> Result<Step, Failure> {
        let mut incoming = match self.incoming.take() {
            Some(incoming) => incoming,
            None => {
                let Some(incoming) = self.header.read(bytes)? else { return Ok(Step::Starved) };
                self.begin(&incoming)?;
                incoming
            }
        };
        let piece = incoming.unmask(bytes);
        match (incoming.opcode, &mut self.message) {
            (OpCode::Control(_), _) => self.control.extend(piece),
            (OpCode::Data(_), Some(message)) => message.push(piece, self.max_message)?,
            // The close frame was sent, so that nobody reads this any more.
            (OpCode::Data(_), None) => {}
        }
        if incoming.left > 0 {
            self.incoming = Some(incoming);
            return Ok(Step::Starved);
        }
        self.complete(&incoming)
    }

    /// Judges a frame by what came before it, and by its length.
    fn begin(&mut self, incoming: &Incoming) -> Result<(), Failure> {
        let OpCode::Data(data) = incoming.opcode else { return Ok(()) };
        if self.phase != Phase::Open {
            return Ok(());
        }
        match (data, &self.message) {
            (Data::Continue, None) => return Err(Failure::protocol("a continuation of no message")),
            (Data::Continue, Some(_)) => {}
            (_, Some(_)) => return Err(Failure::protocol("a new message before the last one's end")),
            (Data::Text, None) => self.message = Some(Message::default()),
            (Data::Binary | Data::Reserved(_), None) => {
                return Err(Failure { code: CloseCode::Unsupported, reason: "messages must be text" });
            }
        }
        self.message.as_ref().map_or(Ok(()), |message| message.admit(incoming.left, self.max_message))
    }

    /// Judges what a frame that came whole means.
    fn complete(&mut self, incoming: &Incoming) -> Result<Step, Failure> {
        match incoming.opcode {
            OpCode::Data(_) if incoming.is_final => {
                Ok(Step::Frame(self.message.take().map(Message::finish).transpose()?))
            }
            OpCode::Data(_) => Ok(Step::Frame(None)),
            OpCode::Control(control) => {
                let payload = mem::take(&mut self.control);
                match control {
                    Control::Close => return frame::read_close(&payload).map(Step::Close),
                    Control::Ping if self.phase == Phase::Open => self.pong(payload),
                    Control::Ping | Control::Pong | Control::Reserved(_) => {}
                }
                Ok(Step::Frame(None))
            }
        }
    }

    fn pong(&mut self, payload: Vec<u8>) {
        if self.pongs < MAX_PONGS {
            self.pongs += 1;
            frame::write(OpCode::Control(Control::Pong), &payload, &mut self.output);
        } else {
            self.late_ping = Some(payload);
        }
    }

    fn write_late_pong(&mut self) {
        if let Some(payload) = self.late_ping.take() {
            frame::write(OpCode::Control(Control::Pong), &payload, &mut self.output);
        }
    }

    /// Ends the connection, with a close frame if there was none yet.
    fn end(&mut self, code: Option<CloseCode>, reason: &str) {
        if self.phase == Phase::Open {
            self.write_late_pong();
            frame::write_close(code, reason, &mut self.output);
        }
        self.phase = Phase::Closed;
        self.message = None;
        self.incoming = None;
        self.control = Vec::new();
    }
}

/// How far the bytes reached.
enum Step {
    /// Not to the end of a frame.
    Starved,
    /// To the end of a frame, and perhaps of a message.
    Frame(Option<String>),
    /// To the client's close frame.
    Close(Option<CloseCode>),
}

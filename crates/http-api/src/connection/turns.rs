//! Passes the input to the HTTP library one request at a time.
//!
//! The library has one set of flags for a connection: whether the request was a `HEAD`, its version, whether the
//! connection stays open. It sets them when it parses a head, and frames answers by them. A head that it parsed
//! before it wrote the previous answer would decide over that one: a `GET` followed by a `HEAD` would be answered
//! without its body. So what follows a request is held back until its answer was written.
//!
//! Where a request ends remains the library's decision. Input is only cut where a head may end, and by the length that
//! the library has read in the head; a wrong cut delays the input, and moves no boundary.

use std::task::{Context, Waker};

use actix_web::{
    HttpMessage as _, HttpRequest,
    http::{
        Method, Version,
        header::{self, HeaderValue},
    },
};

use super::chunks::Chunks;

/// The body of a request, by the head that the library parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes, or none.
    Sized(u64),
    /// Chunks.
    Chunked,
    /// Everything that follows.
    Endless,
}

impl Framing {
    /// The framing of a request, by the rules of the library.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let headers = request.headers();
        let is_websocket = |value: &HeaderValue| {
            let text = value.to_str().map(str::trim);
            text.is_ok_and(|text| text.eq_ignore_ascii_case("websocket"))
        };
        if request.version() == Version::HTTP_11 && request.chunked().unwrap_or(false) {
            return Self::Chunked;
        }
        if headers.get_all(header::UPGRADE).any(is_websocket) {
            return Self::Endless;
        }
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.trim().parse().ok());
        match length.unwrap_or(0) {
            0 if *request.method() == Method::CONNECT => Self::Endless,
            length => Self::Sized(length),
        }
    }
}

/// Whose turn it is on a connection, and input that is held back.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: State,
    is_answered: bool,
    held: Vec<u8>,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A head is passed on.
    Head(Line),
    /// The head may have ended; the library has not parsed it yet.
    Cut,
    /// The library has had the opportunity to parse it.
    Parsed,
    /// That many bytes of a body are yet to be passed on.
    Sized(u64),
    /// A chunked body is passed on.
    Chunked(Chunks),
    /// Everything is passed on.
    Endless,
    /// The request was passed on, and is being answered.
    Answering,
}

/// How much of the current line of a head has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Nothing but blank lines, which may precede a request (RFC 9112 §2.2).
    First,
    /// Something.
    Begun,
    /// Nothing, or a carriage return: the line before it has ended.
    Blank,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Line::First)
    }
}

impl Turns {
    /// The library has parsed the head of a request.
    pub(super) fn begin(&mut self, framing: Framing) {
        self.is_answered = false;
        self.state = match framing {
            Framing::Sized(0) => State::Answering,
            Framing::Sized(length) => State::Sized(length),
            Framing::Chunked => State::Chunked(Chunks::default()),
            Framing::Endless => State::Endless,
        };
    }

    /// The library has written the answer.
    pub(super) fn end(&mut self) {
        self.is_answered = true;
        if self.state == State::Answering {
            self.state = State::default();
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Whether input is held back.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// The input held back that may be passed on now, at most `room` bytes.
    pub(super) fn release(&mut self, room: usize) -> Vec<u8> {
        if self.state == State::Parsed {
            // It began no request: the head goes on.
            self.state = State::default();
        }
        let mut held = std::mem::take(&mut self.held);
        let offered = held.get(..room).unwrap_or(&held);
        let passed = self.pass(offered);
        self.held = held.split_off(passed);
        held
    }

    /// Takes input, and returns how much of it may be passed on. The rest is held back.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let passed = self.pass(bytes);
        let rest = bytes.get(passed..).unwrap_or_default();
        self.held.extend_from_slice(rest);
        passed
    }

    /// Has the library called again once there may be more to pass on.
    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        if self.state == State::Cut {
            // It parses what it has before it reads again.
            self.state = State::Parsed;
            cx.waker().wake_by_ref();
        } else {
            self.waker = Some(cx.waker().clone());
        }
    }

    /// How many of these bytes may be passed on.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        match &mut self.state {
            State::Head(line) => match end_of_head(line, bytes) {
                None => bytes.len(),
                Some(end) => {
                    self.state = State::Cut;
                    end
                }
            },
            State::Cut | State::Parsed | State::Answering => 0,
            State::Endless => bytes.len(),
            State::Sized(left) => {
                let passed =
                    usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= passed as u64;
                if *left == 0 {
                    self.body_ended();
                }
                passed
            }
            State::Chunked(chunks) => {
                let passed = chunks.follow(bytes);
                if *chunks == Chunks::Done {
                    self.body_ended();
                }
                passed
            }
        }
    }

    fn body_ended(&mut self) {
        self.state = if self.is_answered {
            State::default()
        } else {
            State::Answering
        };
    }
}

/// The end of a head: the first blank line behind another.
fn end_of_head(line: &mut Line, bytes: &[u8]) -> Option<usize> {
    for (position, byte) in bytes.iter().enumerate() {
        *line = match (*line, byte) {
            (Line::Blank, b'\n') => return Some(position + 1),
            (Line::Begun, b'\n') => Line::Blank,
            (line @ (Line::First | Line::Blank), b'\r') | (line @ Line::First, b'\n') => line,
            _ => Line::Begun,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n";
    const HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nHost: t\r\n\r\n";

    /// What the library gets of what is held back: it parses nothing.
    fn released(turns: &mut Turns) -> Vec<u8> {
        turns.release(usize::MAX)
    }

    fn wait(turns: &mut Turns) {
        turns.wait(&Context::from_waker(Waker::noop()));
    }

    #[test]
    fn a_second_head_waits_for_the_first_answer() {
        let mut turns = Turns::default();
        assert_eq!(turns.take(&[GET, HEAD].concat()), GET.len());
        assert!(released(&mut turns).is_empty());
        turns.begin(Framing::Sized(0));
        assert!(released(&mut turns).is_empty());
        turns.end();
        assert_eq!(released(&mut turns), HEAD);
        assert!(!turns.holds());
    }

    #[test]
    fn a_body_is_passed_on_and_what_follows_it_is_not() {
        for (framing, body) in [
            (Framing::Sized(4), &b"\n\n\n\n"[..]),
            (Framing::Chunked, b"4\r\ndata\r\n0\r\n\r\n"),
        ] {
            let mut turns = Turns::default();
            assert_eq!(turns.take(&[GET, body, HEAD].concat()), GET.len());
            turns.begin(framing);
            assert_eq!(released(&mut turns), body);
            assert!(released(&mut turns).is_empty());
            turns.end();
            assert_eq!(released(&mut turns), HEAD);
        }
    }

    /// The answer is there, but the library reads the rest to find the next request.
    #[test]
    fn the_rest_of_a_body_follows_an_early_answer() {
        let mut turns = Turns::default();
        assert_eq!(turns.take(GET), GET.len());
        turns.begin(Framing::Sized(4));
        turns.end();
        assert_eq!(turns.take(&[b"data", HEAD].concat()), 4);
        assert_eq!(released(&mut turns), HEAD);
        assert_eq!(turns.take(GET), 0);
    }

    /// Where it parsed nothing, it wants more.
    #[test]
    fn a_wrong_cut_only_delays() {
        let mut turns = Turns::default();
        assert_eq!(turns.take(b"one\n\ntwo\n\n"), 5);
        wait(&mut turns);
        assert_eq!(released(&mut turns), b"two\n\n");
    }

    #[test]
    fn blank_lines_before_a_request_are_no_end() {
        let mut turns = Turns::default();
        let bytes = [b"\r\n\n\r\n", GET, b"x"].concat();
        assert_eq!(turns.take(&bytes), bytes.len() - 1);
    }

    #[test]
    fn a_head_may_come_in_pieces() {
        let mut turns = Turns::default();
        for byte in GET {
            assert_eq!(turns.take(&[*byte]), 1);
        }
        assert_eq!(turns.take(b"x"), 0);
    }

    #[test]
    fn no_more_is_released_than_there_is_room_for() {
        let mut turns = Turns::default();
        turns.take(&[GET, b"data"].concat());
        turns.begin(Framing::Sized(9));
        assert_eq!(turns.release(3), b"dat");
        assert_eq!(turns.release(3), b"a");
    }
}

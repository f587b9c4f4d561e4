//! The input of a connection: requests in progress, and the start of the next head.

use std::rc::Rc;

use tokio::time::Instant;

use super::{Connection, DISCARDING};
use crate::{HttpSettings, request_id::RequestId};

/// How much of the start of a head is kept, in bytes: enough to recognise other protocols.
const START: usize = 16;

/// The state of the input.
pub(super) struct Input {
    /// The head being received.
    pub(super) head: Head,
    /// Since when the rest of a started head or body is awaited.
    since: Option<Instant>,
    /// When the last request ended.
    ended: Option<Instant>,
    under_way: usize,
    /// The id of the last request, while it has no answer.
    unanswered: Option<RequestId>,
    /// Whether the previous body has been read, so that a head comes next.
    is_at_head: bool,
}

/// A head being received, as far as its rejection depends on it.
#[derive(Debug, Default)]
pub(super) struct Head {
    start: Vec<u8>,
    length: usize,
    has_line: bool,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            head: Head::default(),
            // The first head is awaited from the start.
            since: Some(Instant::now()),
            ended: None,
            under_way: 0,
            unanswered: None,
            is_at_head: true,
        }
    }
}

impl Input {
    /// Processes received bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        if self.under_way == 0 && !bytes.is_empty() {
            self.since.get_or_insert_with(Instant::now);
            self.head.read(bytes);
        }
    }

    pub(super) fn begin(&mut self, id: &RequestId) {
        self.under_way += 1;
        self.since = None;
        self.ended = None;
        self.head = Head::default();
        self.unanswered = Some(id.clone());
    }

    fn end(&mut self, is_read: bool) {
        self.under_way = self.under_way.saturating_sub(1);
        self.is_at_head = is_read;
        if self.under_way == 0 {
            self.ended = Some(Instant::now());
        }
    }

    /// The deadline for the next input.
    ///
    /// The library closes idle connections itself, but not those on which the start of a head arrived along
    /// with the previous request: these have the time of both.
    pub(super) fn deadline(&self, settings: &HttpSettings) -> Option<Instant> {
        let time_limit = if self.is_at_head {
            settings.head_timeout
        } else {
            DISCARDING
        };
        let idle = self.ended.map(|ended| ended + settings.idle_timeout);
        self.since.or(idle).map(|since| since + time_limit)
    }

    /// Whether a head is being received, not the rest of a discarded body.
    pub(super) fn is_at_head(&self) -> bool {
        self.is_at_head
    }

    /// Whether a request has no answer, and its handler will not provide one.
    pub(super) fn owes_answer(&self) -> bool {
        self.unanswered.is_some()
    }

    /// The id of the unanswered request, else a new one.
    pub(super) fn request_id(&self) -> RequestId {
        self.unanswered.clone().unwrap_or_else(RequestId::random)
    }
}

impl Head {
    fn read(&mut self, bytes: &[u8]) {
        // Empty lines before a request are skipped (RFC 9112, section 2.2).
        let is_blank = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let blanks = match self.length {
            0 => bytes.iter().take_while(|byte| is_blank(byte)).count(),
            _ => 0,
        };
        let bytes = bytes.get(blanks..).unwrap_or_default();
        let room = START - self.start.len().min(START);
        self.start.extend(bytes.iter().take(room));
        self.length = self.length.saturating_add(bytes.len());
        self.has_line = self.has_line || memchr::memchr(b'\n', bytes).is_some();
    }

    /// Its first bytes.
    pub(super) fn start(&self) -> &[u8] {
        &self.start
    }

    /// Its length so far in bytes, including data after it.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether everything received so far is still the first line.
    pub(super) fn is_one_line(&self) -> bool {
        self.length > 0 && !self.has_line
    }
}

/// A request in progress, and its answer.
pub(crate) struct UnderWay {
    connection: Rc<Connection>,
    is_read: bool,
}

impl UnderWay {
    pub(super) fn new(connection: Rc<Connection>) -> Self {
        Self {
            connection,
            is_read: true,
        }
    }

    /// Records that there is an answer.
    pub(crate) fn answered(&self) {
        self.connection.input.borrow_mut().unanswered = None;
    }

    /// Records whether the whole body was read.
    pub(crate) fn read(&mut self, is_read: bool) {
        self.is_read = is_read;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.connection.input.borrow_mut().end(self.is_read);
        self.connection.turns.borrow_mut().end();
    }
}

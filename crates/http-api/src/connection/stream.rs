//! The socket as the HTTP library sees it.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, bare};

/// A socket, and output that has not been sent.
pub(super) struct Socket {
    tcp: TcpStream,
    kept: Kept,
    is_blocked: bool,
    is_shut: bool,
}

/// Output held back.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    /// The offset of a possible bare response.
    bare: Option<usize>,
}

impl Socket {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self {
            tcp,
            kept: Kept::default(),
            is_blocked: false,
            is_shut: false,
        }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Whether the client has not read the last output.
    pub(super) fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Whether the library has closed the connection.
    pub(super) fn is_shut(&self) -> bool {
        self.is_shut
    }

    /// Replaces a bare response that was held back, if there is one. The replacement is sent on shutdown.
    pub(super) fn replace_bare(&mut self, bytes: &[u8]) {
        if let Some(bare) = self.kept.bare.take() {
            self.kept.bytes.truncate(bare);
        }
        self.kept.bytes.extend_from_slice(bytes);
    }

    /// Releases the output held back: the library goes on, so it was no bare response.
    pub(super) fn let_go(&mut self, cx: &mut Context<'_>) {
        if let Poll::Ready(Err(_)) = self.poll_let_go(cx) {
            // The library meets the same error at its next read or write.
            self.kept = Kept::default();
        }
    }

    fn poll_let_go(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.kept.bare = None;
        while !self.kept.bytes.is_empty() {
            let written = ready!(self.poll_send(cx, None))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.kept.bytes.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends bytes, or else the output held back.
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: Option<&[u8]>) -> Poll<io::Result<usize>> {
        let bytes = bytes.unwrap_or(&self.kept.bytes);
        let sent = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.is_blocked = sent.is_pending();
        sent
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_let_go(cx))?;
        match bare::find(bytes) {
            None => self.poll_send(cx, Some(bytes)),
            bare => {
                // Accept all of it, so that the library reaches its verdict although nothing can be sent.
                let bytes = bytes.to_vec();
                let written = bytes.len();
                self.kept = Kept { bytes, bare };
                Poll::Ready(Ok(written))
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.kept.bare.is_none() {
            ready!(self.poll_let_go(cx))?;
        }
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    /// Shuts down the sending half, once everything was sent.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_let_go(cx))?;
        self.is_shut = true;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    /// Discards input until the client closes.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut discarded = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut discarded);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Connection {
    /// Reads what may be passed to the library: what was held back, or else from the socket. The end of the input is
    /// passed on at once.
    fn poll_input(&self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut turns = self.turns.borrow_mut();
        if turns.holds() {
            let released = turns.release(buffer.remaining());
            if released.is_empty() {
                turns.wait(cx);
                return Poll::Pending;
            }
            buffer.put_slice(&released);
            return Poll::Ready(Ok(()));
        }
        let known = buffer.filled().len();
        ready!(Pin::new(&mut self.socket.borrow_mut().tcp).poll_read(cx, buffer))?;
        let read = buffer.filled().get(known..).unwrap_or_default();
        if read.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let passed = turns.take(read);
        buffer.set_filled(known + passed);
        if passed == 0 {
            turns.wait(cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

/// The library's side of a connection.
pub(crate) struct Stream(Rc<Connection>);

impl Stream {
    pub(super) fn new(connection: Rc<Connection>) -> Self {
        Self(connection)
    }

    pub(super) fn connection(&self) -> &Rc<Connection> {
        &self.0
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let known = buffer.filled().len();
        ready!(self.0.poll_input(cx, buffer))?;
        let read = buffer.filled().get(known..).unwrap_or_default();
        self.0.input.borrow_mut().read(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.socket.borrow_mut().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.socket.borrow_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.socket.borrow_mut().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\
        date: Sun, 29 Nov 2026 20:04:42 GMT\r\n\r\n";

    /// Both ends of a connection.
    async fn pair() -> (TcpStream, Rc<Connection>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), Connection::new(accepted.unwrap().0))
    }

    async fn read_to_end(mut client: TcpStream) -> String {
        let mut read = String::new();
        client.read_to_string(&mut read).await.unwrap();
        read
    }

    #[tokio::test]
    async fn false_positive_of_a_bare_answer_is_sent_unchanged() {
        let (client, connection) = pair().await;
        let mut stream = connection.stream();
        for piece in ["head", BARE, BARE, "tail", BARE] {
            stream.write_all(piece.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        stream.shutdown().await.unwrap();
        drop(stream);
        drop(connection);
        assert_eq!(
            read_to_end(client).await,
            format!("head{BARE}{BARE}tail{BARE}")
        );
    }

    #[tokio::test]
    async fn only_the_bare_answer_is_replaced() {
        let (client, connection) = pair().await;
        let mut stream = connection.stream();
        stream
            .write_all(format!("before{BARE}").as_bytes())
            .await
            .unwrap();
        connection.socket.borrow_mut().replace_bare(b"problem");
        stream.shutdown().await.unwrap();
        drop(stream);
        drop(connection);
        assert_eq!(read_to_end(client).await, "beforeproblem");
    }

    #[tokio::test]
    async fn output_held_back_is_sent_once_the_library_goes_on() {
        let (mut client, connection) = pair().await;
        let mut stream = connection.stream();
        stream.write_all(BARE.as_bytes()).await.unwrap();
        std::future::poll_fn(|cx| {
            connection.socket.borrow_mut().let_go(cx);
            Poll::Ready(())
        })
        .await;
        let mut read = vec![0; BARE.len()];
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(read, BARE.as_bytes());
    }
}

//! Raw connections for misbehaving clients.

use std::time::Duration;

use serde_json::json;
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::TEST_TIMEOUT;
use crate::server::{Server, encode};

/// A raw TCP connection to a server.
pub(super) struct Raw(pub(super) TcpStream);

impl Raw {
    pub(super) async fn connect(server: &Server) -> Self {
        Self(TcpStream::connect(address(server)).await.unwrap())
    }

    /// One with a small receive buffer.
    pub(super) fn narrow(server: &Server) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let address: std::net::SocketAddr = address(server).parse().unwrap();
        socket.connect(&address.into()).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self(TcpStream::from_std(socket.into()).unwrap())
    }

    pub(super) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends a complete upload.
    pub(super) async fn upload(&mut self, bytes: &[u8]) {
        let body = json!({ "data": encode(bytes) }).to_string();
        let length = body.len();
        self.send(&format!(
            "POST /image HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        ))
        .await;
    }

    /// Shuts down the sending half.
    pub(super) async fn half_close(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Closes with a reset.
    pub(super) fn reset(self) {
        let socket = socket2::SockRef::from(&self.0);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Reads until the server closes the connection.
    pub(super) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let reading = self.0.read_to_end(&mut bytes);
        // A reset ends it as well.
        let _ = tokio::time::timeout(TEST_TIMEOUT, reading).await.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn address(server: &Server) -> &str {
    server.process.origin.trim_start_matches("http://")
}

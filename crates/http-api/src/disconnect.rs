//! Detects whether the client of a connection is still there.
//!
//! The HTTP library continues a request whose client has closed the connection, and does not report it. So
//! a duplicate of each connection's socket is kept, and peeked: end of stream, or a reset, means that the
//! client is gone. A client that only shuts down its sending half looks the same, and counts as gone.

use std::{
    any::Any,
    io::ErrorKind,
    net::TcpStream,
    os::fd::AsRawFd,
    sync::{Arc, Weak},
};

use actix_web::{HttpRequest, dev::Extensions, rt};
use domain::ports::{CallContext, ClientKey};
use socket2::SockRef;

/// The socket of the peer.
struct Peer(TcpStream);

/// Duplicates the sockets of new connections, unless more than `open_files` files are open: then serving
/// another connection matters more than detecting disconnects.
pub(super) fn keeping(open_files: usize) -> impl Fn(&dyn Any, &mut Extensions) {
    move |connection, extensions| {
        let Some(stream) = connection.downcast_ref::<rt::net::TcpStream>() else {
            return;
        };
        // The kernel hands out the lowest free descriptor, so its number bounds how many are open.
        if let Ok(socket) = SockRef::from(stream).try_clone()
            && usize::try_from(socket.as_raw_fd()).is_ok_and(|number| number < open_files)
        {
            extensions.insert(Arc::new(Peer(socket.into())));
        }
    }
}

/// The context of the work on a request, which is also cancelled with the connection.
pub(super) fn context(request: &HttpRequest, client: ClientKey) -> CallContext {
    let context = match request.conn_data::<Arc<Peer>>() {
        None => CallContext::local(),
        Some(peer) => {
            let peer: Weak<Peer> = Arc::downgrade(peer);
            CallContext::cancelled_when(move || peer.upgrade().is_none_or(|peer| !peer.is_there()))
        }
    };
    context.for_client(client)
}

impl Peer {
    /// Peeks at the socket, which is non-blocking.
    fn is_there(&self) -> bool {
        match self.0.peek(&mut [0]) {
            Ok(count) => count > 0,
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }
}

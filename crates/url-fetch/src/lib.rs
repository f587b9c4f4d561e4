//! Fetches URLs that clients name, and posts to them, protected against server-side request forgery (SSRF).
//!
//! A server that fetches a URL reaches hosts that the client cannot. All rules against abuse of
//! that are here, the same for every caller:
//!
//! - Under [`FetchPolicy::Public`] a URL must be http or https on port 80 or 443, and every address
//!   connected to must be globally routable by IANA's special-purpose registries.
//! - Addresses are checked by the resolver of the connection itself. There is no second look-up, so
//!   a name that changes its addresses (DNS rebinding) gains nothing.
//! - One address that is not public refuses the whole name: no honest name has both kinds, and the
//!   result must not depend on which address is tried first.
//! - At most three redirects are followed, each checked like the first URL. From https to http is
//!   allowed: the client may name an http URL just as well, and no secret goes with the request.
//! - A request carries nothing of the server or the client: no proxy from the environment, no
//!   credentials, cookies, `Referer` or header of the client's.
//! - Size and total time are bounded.
//! - Posts follow no redirect and read no body of an answer. Under [`PostPolicy::AnyButLinkLocal`] they may go to any
//!   address but link-local ones and metadata services of clouds.
//!
//! Out of scope, and for a firewall to block: hosts with public addresses that trust this
//! server, and NAT64 prefixes other than the well-known one.

mod address;
mod body;
mod deadline;
mod error;
mod fetcher;
mod policy;
mod poster;
mod resolver;
mod rules;
#[cfg(test)]
mod tests;

pub use body::Fetched;
pub use error::{Failure, FetchError};
pub use fetcher::{BuildError, DEFAULT_TIMEOUT, FetchSettings, Fetcher};
pub use policy::{FetchPolicy, PostPolicy, UnknownPolicy, UnknownPostPolicy};
pub use poster::{PostSettings, Posted, Poster};
pub use rules::Violation;

//! Opens a bucket, configured by the usual `AWS_*` variables.

use std::{sync::Arc, time::Duration};

use object_store::{
    Error, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    prefix::PrefixStore,
};

/// The deadline of a call with its retries. One attempt has 30 seconds, unless `AWS_TIMEOUT` sets another
/// limit; an image is at most some ten megabytes.
const CALLS: Duration = Duration::from_mins(1);

/// A bucket, with two clients.
pub(crate) struct Bucket {
    /// Retries failed calls.
    pub(crate) retrying: Arc<dyn ObjectStore>,
    /// Sends each call once.
    pub(crate) once: Arc<dyn ObjectStore>,
}

/// Opens a bucket, without a call.
pub(crate) fn open(name: &str, prefix: &str) -> Result<Bucket, Error> {
    let is_decided = std::env::var_os("AWS_ALLOW_HTTP").is_some();
    let client = |retries| {
        build(
            AmazonS3Builder::from_env(),
            is_decided,
            name,
            prefix,
            retries,
        )
    };
    Ok(Bucket {
        retrying: client(RETRIES)?,
        once: client(0)?,
    })
}

/// How often a call is retried.
const RETRIES: usize = 3;

fn build(
    builder: AmazonS3Builder,
    is_decided: bool,
    name: &str,
    prefix: &str,
    max_retries: usize,
) -> Result<Arc<dyn ObjectStore>, Error> {
    let retry = RetryConfig {
        max_retries,
        retry_timeout: CALLS,
        ..RetryConfig::default()
    };
    let mut builder = builder.with_bucket_name(name).with_retry(retry);
    // An `http://` endpoint implies no TLS. Failing every call instead would not help.
    if !is_decided && is_plain(&builder) {
        builder = builder.with_allow_http(true);
    }
    let bucket = builder.build()?;
    Ok(if prefix.is_empty() {
        Arc::new(bucket)
    } else {
        Arc::new(PrefixStore::new(bucket, prefix))
    })
}

/// Whether the endpoint is one without TLS. The S3-specific endpoint overrides the general one.
fn is_plain(builder: &AmazonS3Builder) -> bool {
    [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key))
        .is_some_and(|endpoint| endpoint.starts_with("http://"))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use object_store::{ObjectStoreExt, path::Path};

    use super::*;

    /// The endpoint of a server that answers its first call with 404, and the first line of that call.
    fn server() -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let answered = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut head = [0; 4096];
            let len = connection.read(&mut head).unwrap();
            let answer =
                b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            connection.write_all(answer).unwrap();
            let head = String::from_utf8_lossy(&head[..len]).into_owned();
            head.lines().next().unwrap().to_owned()
        });
        (endpoint, answered)
    }

    fn builder(endpoint: &str) -> AmazonS3Builder {
        AmazonS3Builder::new()
            .with_access_key_id("key")
            .with_secret_access_key("secret")
            .with_endpoint(endpoint)
    }

    #[tokio::test]
    async fn an_endpoint_without_tls_is_asked_without_tls() {
        let (endpoint, answered) = server();
        let bucket = build(builder(&endpoint), false, "pictures", "a/b", RETRIES).unwrap();
        let missing = bucket.head(&Path::from("c")).await.unwrap_err();
        assert!(matches!(missing, Error::NotFound { .. }), "{missing:?}");
        let line = answered.join().unwrap();
        assert_eq!(line, "HEAD /pictures/a/b/c HTTP/1.1");
    }

    #[tokio::test]
    async fn explicit_ban_of_http_is_obeyed() {
        let bucket = build(builder("http://127.0.0.1:9"), true, "pictures", "", RETRIES).unwrap();
        let refused = bucket.head(&Path::from("c")).await.unwrap_err();
        assert!(format!("{refused:?}").contains("BadScheme"), "{refused:?}");
    }

    #[test]
    fn the_endpoint_for_s3_alone_wins() {
        let both =
            |all: &str, s3: &str| builder(all).with_config(AmazonS3ConfigKey::S3Endpoint, s3);
        assert!(is_plain(&both("https://a", "http://b")));
        assert!(!is_plain(&both("http://a", "https://b")));
        assert!(!is_plain(&AmazonS3Builder::new()));
    }
}

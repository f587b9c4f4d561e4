//! The table of settings: key, type, default, documentation and reader of each.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    time::Duration,
};

use chrono_tz::Tz;
use domain::Threshold;
use http_api::Origin;
use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserializer;
use url::Url;
use url_fetch::{FetchPolicy, PostPolicy};

use super::{
    in_force::InForce,
    readers::{
        address, admin_key, consistency, count, duration, fetch_policy, flag, folder, host_names,
        keys_required, language, log_filter, log_format, min_confidence, networks, number,
        optional_address, optional_secret_url, optional_service_url, optional_text, origins,
        output, post_policy, providers, secret, secret_url, service_url, timezone, umask,
        vocabulary,
    },
    schema::{Setting, SettingType, settings},
    types::{
        ConsistencyChoice, KeysRequired, LogFormat, OutputChoice, ProviderChoice, SecretUrl,
        VocabularyChoice,
    },
};
use crate::permissions::Umask;

/// Milliseconds.
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The highest `limits.image_bytes`: an image is in memory as a whole.
const MAX_IMAGE: u64 = 1 << 30;

/// The highest limit of memory, for files as for pixels, of renditions and of temporary uploads.
const MAX_MEMORY: u64 = 1 << 40;

/// The lowest limit of memory for pixels: enough for a small picture.
const MIN_PIXEL_BYTES: u64 = 1 << 20;

/// The most pixels that a decoder is trusted with.
const MAX_PIXELS: u64 = 1 << 32;

/// The highest `limits.upload_rate`, in bytes a second.
const MAX_RATE: u64 = 1 << 30;

/// The highest `limits.requests_per_minute`.
const MAX_REQUESTS: u64 = 1_000_000;

/// The highest `limits.store_bytes`.
const MAX_STORE: u64 = 1 << 60;

/// The highest `limits.image_work`.
const MAX_WORK: u64 = 1 << 40;

/// The longest side that a JPEG can have, in pixels.
const MAX_SIDE: u64 = 65_535;

const MAX_PORT: u64 = 65_535;

settings! {
    /// Everything that can be set.
    pub struct Settings {
        /// Where it listens.
        server: ServerSettings {
            /// IP address to listen on; `0.0.0.0` or `::` for calls from other machines.
            bind: IpAddr = "127.0.0.1", "address";
            /// Port to listen on; 0 takes any free port, and the log says which.
            port: u16 = 8080, "number::<_, _, 0, MAX_PORT>";
            /// List of the addresses and networks of reverse proxies, such as `["10.0.0.0/8"]`. Only from
            /// them `X-Forwarded-For` and `X-Forwarded-Prefix` count.
            trusted_proxies: Vec<IpNet> = no_entries(), "networks";
            /// IANA name of the time zone of all dates on the wire. What is stored does not depend on it.
            timezone: Tz = "UTC", "timezone";
            /// List of host names that requests may name, beside those that always may.
            allowed_hosts: Vec<String> = no_entries(), "host_names";
            /// List of the origins of sites whose pages may call the server from a browser (CORS), such as
            /// `["https://photos.example.com"]`.
            cors_origins: Vec<Origin> = no_entries(), "origins";
            /// Octal, in quotes: the permissions that files and folders are made without. `077` keeps them
            /// to the server's account; `027` lets its group read them, `022` every account of the machine.
            /// What is there already is not changed; the log warns of what is open wider.
            umask: Umask = "077", "umask";
            /// How long requests in progress may take to end when the server stops.
            shutdown_timeout: Duration = "30s", "duration::<_, 0, HOUR>";
        }

        /// Who may call.
        auth: AuthSettings {
            /// Which requests take an API key: `false` none, `writes` those that change or remove something, `true`
            /// all; `auto` is `false` while the server listens on a loopback address and trusts no proxies, else
            /// `writes`. Managing keys takes one in any case.
            required: KeysRequired = "auto", "keys_required";
            /// A key that may do everything: 32 to 512 visible ASCII characters, no blanks.
            admin_key: Option<SecretString> = "", "admin_key";
        }

        /// Where images and tags are recorded.
        database: DatabaseSettings {
            /// `sqlite://FILE`, or `mysql://USER:PASSWORD@HOST:PORT/NAME` with user and password
            /// percent-encoded; several hosts are separated by commas.
            url: SecretUrl = "sqlite://data/etiqueta.db", "secret_url";
            /// A replica of the database, from which `GET /images` and `GET /tags` are answered, which may be older
            /// than the last upload.
            read_url: Option<SecretUrl> = "", "optional_secret_url";
            /// Most connections open at a time, 1 to 1000.
            max_connections: NonZeroUsize = 10, "count::<_, 1_000>";
            /// How long one call may take, with its retries; a free connection is waited for a quarter of
            /// it, at most 5 s.
            timeout: Duration = "30s", "timeout";
            /// What reads see of writes through other nodes of a cluster: `cluster` all that was answered before;
            /// `node` what their own node has applied; `auto` is `cluster` on Galera and on Group Replication with
            /// several primaries.
            consistency: ConsistencyChoice = "auto", "consistency";
        }

        /// Where the uploaded files are kept.
        originals: OriginalsSettings {
            /// `file:FOLDER`, or `s3://BUCKET/PREFIX` with the usual `AWS_*` variables.
            url: SecretUrl = "file:Images", "secret_url";
            /// How long one call may take, and how long a piece of a file.
            timeout: Duration = "1m", "timeout";
        }

        /// Small copies of pictures, which are kept beside the originals.
        renditions: RenditionsSettings {
            /// How many bytes of thumbnails are kept beside the originals, the newest; 0 keeps none. Each
            /// server measures for itself.
            bytes: u64 = 1_073_741_824, "number::<_, _, 0, MAX_MEMORY>";
        }

        /// Files that are uploaded now to be tagged a little later, by `POST /v2/uploads`.
        uploads: UploadsSettings {
            /// How many bytes of temporary uploads (`POST /v2/uploads`) are kept beside the originals, for an
            /// hour each; 0 keeps none. Each server measures for itself.
            bytes: u64 = 1_073_741_824, "number::<_, _, 0, MAX_MEMORY>";
        }

        /// Who tags, and how.
        tagging: TaggingSettings {
            /// `imagga`; `local`, the tagger inside the binary; `openai`, a vision server such as Ollama; several of them,
            /// as `local, openai`, each of which tags every picture; `auto`: `imagga` if its credentials are set, else
            /// `local`.
            provider: Vec<ProviderChoice> = "auto", "providers";
            /// Lowest confidence of the tags kept when a request names none, 0 to 100.
            min_confidence: Threshold = 80, "min_confidence";
            /// Longest side in pixels of the copy that a cloud provider is sent; 0 sends the original, whose format the
            /// provider must then read (HEIC mostly is not).
            max_side: u32 = 1024, "number::<_, _, 0, MAX_SIDE>";
            /// Language of the tags; one that the provider does not have stops the start. The local tagger
            /// has `en` alone.
            language: String = "en", "language";
            /// Folder with a model for the local tagger, in place of the one inside the binary; one that
            /// cannot be used stops the start.
            model: Option<PathBuf> = "", "folder";
            /// Folder with names of tags in other languages, one file for each, such as `es.tsv`; they prevail over
            /// those inside the binary. A file that cannot be used stops the start.
            names: Option<PathBuf> = "", "folder";
            /// Which tags are given: `open` all; `closed` only those that have an entry in the vocabulary. Without any
            /// entry, `closed` stops the start.
            vocabulary: VocabularyChoice = "open", "vocabulary";
        }

        /// Uploads by URL.
        fetch: FetchSettings {
            /// What the server fetches for `{"url": …}`: `none`; `public`, from addresses of the open
            /// internet, at ports 80 and 443; `any`, also from the local network.
            allow: FetchPolicy = "public", "fetch_policy";
            /// How long one fetch may take, redirects and body included.
            timeout: Duration = "15s", "timeout";
        }

        /// Endpoints that are told of events.
        webhooks: WebhooksSettings {
            /// Where events may be posted: `any`, also the local network; `public`, addresses of the open internet, at
            /// ports 80 and 443. Link-local addresses and metadata services of clouds never.
            allow: PostPolicy = "any", "post_policy";
        }

        /// The account at Imagga.
        imagga: ImaggaSettings {
            /// Where its API is; the paths of calls are appended.
            base_url: Url = "https://api.imagga.com", "service_url";
            /// The user name of its calls, from the dashboard of the account. Both or neither.
            api_key: Option<SecretString> = "", "secret";
            /// The password of its calls.
            api_secret: Option<SecretString> = "", "secret";
            /// Most calls at a time; lowered by itself on 429, raised again slowly.
            concurrency: NonZeroUsize = 64, "concurrency";
            /// How long one call may take.
            timeout: Duration = "30s", "timeout";
        }

        /// A vision server that speaks OpenAI's chat completions: Ollama, vLLM, LM Studio, llama.cpp, OpenAI.
        openai: OpenAiSettings {
            /// What its `/chat/completions` is below, such as `http://localhost:11434/v1`.
            base_url: Option<Url> = "", "optional_service_url";
            /// Its bearer token; servers on one's own machine mostly need none.
            api_key: Option<SecretString> = "", "secret";
            /// Name of the model, such as `qwen2.5vl:3b`.
            model: Option<String> = "", "optional_text";
            /// How its answers are held to a form: `structured`, by a JSON schema; `json`, by JSON mode; `plain`, by the
            /// question alone.
            output: OutputChoice = "structured", "output";
            /// The whole question, in place of the built-in one; `{language}`, `{vocabulary}` and `{max_tags}` are replaced.
            prompt: Option<String> = "", "optional_text";
            /// Most tags of a picture.
            max_tags: NonZeroUsize = 15, "count::<_, 1_000>";
            /// Most calls at a time; lowered by itself on 429, raised again slowly.
            concurrency: NonZeroUsize = 1, "concurrency";
            /// How long one call may take.
            timeout: Duration = "5m", "duration::<_, SECOND, HOUR>";
            /// Longest side in pixels of the copy that is sent; 0 sends the original, whose format the server must then
            /// read (HEIC mostly is not).
            max_side: u32 = 768, "number::<_, _, 0, MAX_SIDE>";
            /// Confidence of tags that come without one, 0 to 100.
            default_confidence: Threshold = 90, "min_confidence";
        }

        /// The account at ImageKit.
        imagekit: ImageKitSettings {
            /// Where pictures are uploaded; the paths of calls are appended.
            upload_url: Url = "https://upload.imagekit.io", "service_url";
            /// Where the rest of its API is.
            api_url: Url = "https://api.imagekit.io", "service_url";
            /// From the developer options of the account; without it pictures are uploaded straight to
            /// Imagga.
            private_key: Option<SecretString> = "", "secret";
            /// Most calls at a time; lowered by itself on 429, raised again slowly.
            concurrency: NonZeroUsize = 64, "concurrency";
            /// How long one call may take.
            timeout: Duration = "30s", "timeout";
            /// Also purge the CDN's copy after a picture was removed (removing it does not); a failure is
            /// only logged.
            purge: bool = true, "flag";
        }

        /// When left-overs are removed.
        upkeep: UpkeepSettings {
            /// Whether this server does any, rolls up statistics and carries out jobs. Of several servers on one
            /// database, one at least must.
            enabled: bool = true, "flag";
            /// How often upkeep runs, besides at the start.
            interval: Duration = "5m", "duration::<_, SECOND, DAY>";
            /// Age of a forgotten picture at the blob host; must be longer than any tagging takes.
            hosted_blob_age: Duration = "10m", "age";
            /// Age of an original that no image refers to; must be longer than any upload takes.
            original_age: Duration = "1h", "age";
        }

        /// What an upload may cost.
        limits: LimitsSettings {
            /// Largest image, in bytes.
            image_bytes: NonZeroUsize = 26_214_400, "count::<_, MAX_IMAGE>";
            /// Largest image in pixels, width × height.
            image_pixels: u64 = 100_000_000, "number::<_, _, 1, MAX_PIXELS>";
            /// Most units of work that one image may cost; what costs more is refused.
            image_work: u64 = 2_000_000, "number::<_, _, 1, MAX_WORK>";
            /// How long the work on one image may take; waiting for its turn does not count.
            decode_timeout: Duration = "30s", "duration::<_, 1, HOUR>";
            /// Memory that the pixels of all images in progress may take together, in bytes; what needs more
            /// alone is refused.
            pixel_bytes: u64 = 268_435_456, "number::<_, _, MIN_PIXEL_BYTES, MAX_MEMORY>";
            /// Memory that the files of all uploads in progress may take together, in bytes, buffers
            /// included; at least one largest image. It is taken as bytes arrive; what does not fit is not
            /// read yet.
            memory_bytes: NonZeroUsize = 268_435_456, "count::<_, MAX_MEMORY>";
            /// Lowest mean rate of an upload in bytes a second, once it has been read for ten seconds; below
            /// it 408. 0 allows any.
            upload_rate: u64 = 4096, "number::<_, _, 0, MAX_RATE>";
            /// Most requests a minute of one key, or of one address without a key; more are answered 429. 0 is
            /// no limit.
            requests_per_minute: u32 = 0, "number::<_, _, 0, MAX_REQUESTS>";
            /// Most bytes of all originals together; new ones beyond it are answered 507. 0 is no limit.
            store_bytes: u64 = 0, "number::<_, _, 0, MAX_STORE>";
            /// How long a client may take to send its request; its head has 10 s of that at most.
            request_timeout: Duration = "2m", "duration::<_, SECOND, HOUR>";
            /// How long a client may leave what was sent to it unread (on Linux).
            unread_timeout: Duration = "1m", "duration::<_, SECOND, HOUR>";
            /// How long a connection without a request is kept.
            idle_timeout: Duration = "65s", "duration::<_, SECOND, HOUR>";
        }

        /// What is logged.
        log: LogSettings {
            /// `human`, `json` (one object a line), or `auto`: `human` on a terminal, else `json`.
            format: LogFormat = "auto", "log_format";
            /// As `RUST_LOG`, for example `info,etiqueta=debug`; empty is `info` for the server and `warn`
            /// for other commands.
            filter: Option<String> = "", "log_filter";
        }

        /// Where the metrics are.
        metrics: MetricsSettings {
            /// Address and port, such as `127.0.0.1:9090`, where `GET /metrics` is served without a key, there alone.
            /// Empty: beside all other routes, with the scope `metrics` where reading takes a key.
            bind: Option<SocketAddr> = "", "optional_address";
        }
    }
}

/// The default of a list.
fn no_entries() -> Vec<String> {
    Vec::new()
}

fn timeout<'de, D: Deserializer<'de>>(value: D) -> Result<Duration, D::Error> {
    duration::<_, SECOND, { 10 * MINUTE }>(value)
}

fn age<'de, D: Deserializer<'de>>(value: D) -> Result<Duration, D::Error> {
    duration::<_, SECOND, { 30 * DAY }>(value)
}

fn concurrency<'de, D: Deserializer<'de>>(value: D) -> Result<NonZeroUsize, D::Error> {
    count::<_, 10_000>(value)
}

impl ServerSettings {
    /// Address and port to listen on.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }
}

/// An account at Imagga.
#[derive(Debug, Clone)]
pub struct ImaggaCredentials {
    /// The user name of its calls.
    pub api_key: SecretString,
    /// Their password.
    pub api_secret: SecretString,
}

impl ImaggaSettings {
    /// The account, where one is set.
    pub fn credentials(&self) -> Option<ImaggaCredentials> {
        Some(ImaggaCredentials {
            api_key: self.api_key.clone()?,
            api_secret: self.api_secret.clone()?,
        })
    }
}

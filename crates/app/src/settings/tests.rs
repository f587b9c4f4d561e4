//! Layers, error lines, credentials and what is printed.

use std::{ffi::OsString, fs, path::PathBuf, time::Duration};

use config::ValueKind;
use domain::{Confidence, Threshold};
use rstest::rstest;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::{
    layer::Layer,
    schema::{Setting, Visibility},
    *,
};

/// A temporary working directory and its environment.
struct Fixture {
    folder: TempDir,
    environment: Environment,
}

impl Fixture {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let environment = Environment {
            folder: folder.path().to_owned(),
            ..Environment::default()
        };
        Self {
            folder,
            environment,
        }
    }

    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    fn folder(self, name: &str) -> Self {
        fs::create_dir(self.folder.path().join(name)).unwrap();
        self
    }

    fn config(mut self, name: &str) -> Self {
        self.environment.file = Some(PathBuf::from(name));
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.variables.push((name.into(), value.into()));
        self
    }

    fn mysql(self, server: &str) -> Self {
        self.variable("MYSQL_SERVER", server)
            .variable("MYSQL_ROOT_PASSWORD", "root")
            .variable("MYSQL_USERNAME", "api user")
            .variable("MYSQL_USER_PASSWORD", "p@ss:w/rd%")
            .variable("MYSQL_USER_DATABASE", "pictures")
    }

    fn loaded(&self) -> Loaded {
        Settings::load(&self.environment).unwrap()
    }

    fn settings(&self) -> Settings {
        self.loaded().settings
    }

    fn refusal(&self) -> String {
        let text = Settings::load(&self.environment).unwrap_err().to_string();
        assert!(!text.contains('\n'), "more than a line: {text}");
        text
    }

    fn warnings(&self) -> Vec<String> {
        let warnings = self.loaded().warnings;
        warnings.iter().map(ToString::to_string).collect()
    }
}

fn threshold(lowest: f64) -> Threshold {
    Threshold::new(Confidence::new(lowest).unwrap())
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let settings = Fixture::new().settings();
    assert_eq!(settings.server.address().to_string(), "127.0.0.1:8080");
    assert_eq!(settings.server.timezone, chrono_tz::UTC);
    assert_eq!(
        settings.database.url.expose_secret(),
        "sqlite://data/etiqueta.db"
    );
    assert_eq!(settings.originals.url.expose_secret(), "file:Images");
    assert_eq!(settings.auth.required, KeysRequired::Auto);
    assert!(settings.auth.admin_key.is_none());
    assert_eq!(settings.limits.requests_per_minute, 0);
    assert_eq!(settings.limits.store_bytes, 0);
    assert!(settings.server.cors_origins.is_empty());
    assert_eq!(settings.tagging.provider, [ProviderChoice::Auto]);
    assert_eq!(settings.tagging.min_confidence, threshold(80.0));
    assert_eq!(settings.tagging.max_side, 1024);
    assert_eq!(settings.tagging.language, "en");
    assert_eq!(settings.tagging.model, None);
    assert_eq!(settings.imagga.base_url.as_str(), "https://api.imagga.com/");
    assert!(settings.imagga.credentials().is_none());
    assert_eq!(
        settings.imagekit.upload_url.as_str(),
        "https://upload.imagekit.io/"
    );
    assert_eq!(
        settings.imagekit.api_url.as_str(),
        "https://api.imagekit.io/"
    );
    assert!(settings.imagekit.private_key.is_none());
    assert_eq!(settings.imagga.concurrency.get(), 64);
    assert_eq!(settings.imagekit.concurrency.get(), 64);
    assert!(settings.imagekit.purge);
    assert_eq!(settings.upkeep.interval, Duration::from_mins(5));
    assert_eq!(settings.upkeep.hosted_blob_age, Duration::from_mins(10));
    assert_eq!(settings.upkeep.original_age, Duration::from_hours(1));
    assert_eq!(settings.limits.image_bytes.get(), 26_214_400);
    assert_eq!(settings.limits.image_pixels, 100_000_000);
    assert_eq!(settings.limits.memory_bytes.get(), 256 << 20);
    assert_eq!(settings.limits.pixel_bytes, 256 << 20);
    assert_eq!(settings.limits.image_work, 2_000_000);
    assert_eq!(settings.limits.decode_timeout, Duration::from_secs(30));
    assert_eq!(settings.log.format, LogFormat::Auto);
    assert_eq!(settings.log.filter, None);
}

#[test]
fn later_layers_win() {
    let file = "[imagga]\napi_key = 'file'\napi_secret = 'file'\n\
        [originals]\nurl = 'file:from-file'\n[log]\nfilter = 'debug'";
    let fixture = Fixture::new().file("etiqueta.toml", file);
    let key = |fixture: &Fixture| fixture.settings().imagga.credentials().unwrap().api_key;
    let originals = |fixture: &Fixture| fixture.settings().originals.url.expose_secret().to_owned();
    assert_eq!(key(&fixture).expose_secret(), "file");
    assert_eq!(originals(&fixture), "file:from-file");

    let credentials = r#"{"imaggan": {"api_key": "json", "api_secret": "json"}}"#;
    let fixture = fixture.file("credentials.json", credentials);
    assert_eq!(key(&fixture).expose_secret(), "json");

    let fixture = fixture
        .variable("IMAGE_FOLDER", "/srv/Images")
        .variable("RUST_LOG", "trace");
    assert_eq!(originals(&fixture), "file:/srv/Images");
    assert_eq!(fixture.settings().log.filter.as_deref(), Some("trace"));

    let fixture = fixture
        .variable("ETIQUETA__IMAGGA__API_KEY", "variable")
        .variable("ETIQUETA__ORIGINALS__URL", "s3://bucket/prefix")
        .variable("ETIQUETA__LOG__FILTER", "error");
    assert_eq!(key(&fixture).expose_secret(), "variable");
    assert_eq!(originals(&fixture), "s3://bucket/prefix");
    assert_eq!(fixture.settings().log.filter.as_deref(), Some("error"));
}

#[test]
fn a_named_file_takes_the_place_of_the_usual_one() {
    let fixture = Fixture::new()
        .file("etiqueta.toml", "server.port = 1")
        .file("other.toml", "\u{feff}[tagging]\nmin_confidence = 72.5")
        .config("other.toml");
    let settings = fixture.settings();
    assert_eq!(settings.server.port, 8080);
    assert_eq!(settings.tagging.min_confidence, threshold(72.5));
}

#[test]
fn every_setting_has_a_variable_that_is_read() {
    for setting in Settings::TABLE {
        let name = keys::variable_name(setting.key);
        let fixture = Fixture::new().variable(&name, &default(setting));
        let printed = fixture.settings().to_toml();
        assert!(
            printed.contains(&format!(" # {name}\n")),
            "{name}: {printed}"
        );
    }
}

#[test]
fn the_documented_table_is_this_one() {
    let documentation = include_str!("../../../../docs/configuration.md");
    let head = "| key | default | |\n|---|---|---|\n";
    let (_, below) = documentation.split_once(head).unwrap();
    let (written, _) = below.split_once("\n\n").unwrap();
    let rows: Vec<String> = Settings::TABLE.iter().map(documented).collect();
    for (written, row) in written.lines().zip(&rows) {
        assert_eq!(written, row);
    }
    assert_eq!(written.lines().count(), rows.len(), "{}", rows.join("\n"));
}

/// The row of a setting in the documentation.
fn documented(setting: &Setting) -> String {
    let code = |text: &str| match text {
        "" => String::new(),
        text => format!("`{text}` "),
    };
    let file = setting.file_key().map(|key| format!(", `{key}`"));
    let doc: Vec<_> = setting.doc.iter().map(|line| line.trim()).collect();
    format!(
        "| `{}`{} | {}| {} |",
        setting.key,
        file.unwrap_or_default(),
        code(&default(setting)),
        doc.join(" ")
    )
}

/// The default as a variable would hold it.
fn default(setting: &Setting) -> String {
    match (setting.default)() {
        list @ ValueKind::Array(_) => readers::entries(&list).unwrap().join(","),
        value => value.to_string(),
    }
}

#[rstest]
#[case(
    "server.bind = 'localhost'",
    "server.bind: localhost is not an IP address"
)]
#[case(
    "metrics.bind = '9090'",
    "metrics.bind: 9090 is not an address with a port, such as 127.0.0.1:9090"
)]
#[case(
    "server.port = 65536",
    "server.port: 65536 is not a number from 0 to 65535"
)]
#[case(
    "server.port = 0x10000",
    "server.port: 65536 is not a number from 0 to 65535"
)]
#[case("server.port = []", "server.port: is not a single value")]
#[case("server.port = {}", "server.port: is not a single value")]
#[case("server.port = 1979-05-27", "server.port: is a date")]
#[case("server.timezone = 1979-05-27", "server.timezone: is a date")]
#[case("server = 80", "server: is a section, not a value")]
#[case(
    "server.allowed_hosts = ['photos.example.com', 'http://b']",
    "server.allowed_hosts: http://b is not a host name such as photos.example.com"
)]
#[case(
    "server.allowed_hosts = 'photos.example.com:443'",
    "server.allowed_hosts: photos.example.com:443 is not a host name such as photos.example.com"
)]
#[case(
    "server.allowed_hosts = [1]",
    "server.allowed_hosts: must be written in quotes"
)]
#[case(
    "server.allowed_hosts = {}",
    "server.allowed_hosts: is not a single value"
)]
#[case(
    "server.timezone = 'Madrid'",
    "server.timezone: Madrid is not an IANA time zone such as Europe/Madrid"
)]
#[case(
    "server.shutdown_timeout = '2h'",
    "server.shutdown_timeout: 2h is not a duration from 0s to 1h"
)]
#[case("server.umask = 0o077", "server.umask: must be written in quotes")]
#[case(
    "server.umask = '077a'",
    "server.umask: 077a is not three octal digits such as 077, of which the first is 0"
)]
#[case("database.url = ' '", "database.url: is empty")]
#[case(
    "database.max_connections = 0",
    "database.max_connections: 0 is not a number from 1 to 1000"
)]
#[case("originals.url = ''", "originals.url: is empty")]
#[case(
    "tagging.provider = 'imaga'",
    "tagging.provider: imaga is not one of auto, imagga, local, openai"
)]
#[case(
    "tagging.provider = 'local, imaga'",
    "tagging.provider: imaga is not one of auto, imagga, local, openai"
)]
#[case(
    "tagging.provider = 'local,local'",
    "tagging.provider: local is named twice"
)]
#[case(
    "tagging.provider = 'local, auto'",
    "tagging.provider: `auto` goes with no other provider"
)]
#[case(
    "tagging.provider = ''",
    "tagging.provider: \"\" is not one of auto, imagga, local, openai"
)]
#[case(
    "tagging.provider = ['local', 'openai']",
    "openai.base_url: is missing, and tagging.provider openai needs it"
)]
#[case(
    "tagging.provider = 'openai'",
    "openai.base_url: is missing, and tagging.provider openai needs it"
)]
#[case(
    "tagging.provider = 'openai'\nopenai.base_url = 'http://localhost:11434/v1'",
    "openai.model: is missing, and tagging.provider openai needs it"
)]
#[case(
    "openai.output = 'xml'",
    "openai.output: xml is not one of structured, json, plain"
)]
#[case(
    "tagging.provider = 'imagga'",
    "imagga.api_key: is missing, and tagging.provider imagga needs it"
)]
#[case(
    "tagging.min_confidence = 120",
    "tagging.min_confidence: 120 is not a number from 0 to 100"
)]
#[case(
    "tagging.min_confidence = nan",
    "tagging.min_confidence: NaN is not a number from 0 to 100"
)]
#[case(
    "tagging.min_confidence = 'high'",
    "tagging.min_confidence: high is not a number from 0 to 100"
)]
#[case(
    "tagging.min_confidence = ''",
    "tagging.min_confidence: \"\" is not a number from 0 to 100"
)]
#[case(
    "tagging.max_side = -1",
    "tagging.max_side: -1 is not a number from 0 to 65535"
)]
#[case(
    "tagging.language = 'en,es'",
    "tagging.language: en,es is not a language such as en"
)]
#[case(
    "imagga.base_url = 'api.imagga.com'",
    "imagga.base_url: is not the address of a service, such as https://api.example.com"
)]
#[case(
    "imagga.base_url = 'https://key:hush@imagga.com'",
    "imagga.base_url: is not the address of a service, such as https://api.example.com"
)]
#[case(
    "imagga.api_key = 'hush'",
    "imagga.api_secret: is missing, and imagga.api_key needs it"
)]
#[case(
    "imagga.api_secret = 'hush'",
    "imagga.api_key: is missing, and imagga.api_secret needs it"
)]
#[case("imagga.api_key = 1234", "imagga.api_key: must be written in quotes")]
#[case(
    "imagekit.private_key = \"hush\\nhush\"",
    "imagekit.private_key: is not a text of one line"
)]
#[case(
    "imagekit.purge = 'yes'",
    "imagekit.purge: yes is not one of true, false"
)]
#[case(
    "imagekit.concurrency = 1.5",
    "imagekit.concurrency: 1.5 is not a number from 1 to 10000"
)]
#[case(
    "upkeep.interval = '300'",
    "upkeep.interval: 300 is not a duration such as 30s, 5m or 1h"
)]
#[case(
    "upkeep.original_age = '1ms'",
    "upkeep.original_age: 1ms is not a duration from 1s to 30days"
)]
#[case(
    "server.trusted_proxies = ['10.0.0.1', '10.0.0.0/33']",
    "server.trusted_proxies: 10.0.0.0/33 is not an IP address or a network such as 10.0.0.0/8"
)]
#[case(
    "limits.upload_rate = -1",
    "limits.upload_rate: -1 is not a number from 0 to 1073741824"
)]
#[case(
    "limits.image_bytes = 99999999999999999999",
    "limits.image_bytes: 99999999999999999999 is not a number from 1 to 1073741824"
)]
#[case(
    "limits.memory_bytes = 1024",
    "limits.memory_bytes: 1024 is less than limits.image_bytes, which is 26214400"
)]
#[case(
    "limits.pixel_bytes = 1024",
    "limits.pixel_bytes: 1024 is not a number from 1048576 to 1099511627776"
)]
#[case(
    "limits.image_work = 0",
    "limits.image_work: 0 is not a number from 1 to 1099511627776"
)]
#[case(
    "limits.decode_timeout = '0s'",
    "limits.decode_timeout: 0s is not a duration from 1ms to 1h"
)]
#[case(
    "log.format = 'xml'",
    "log.format: xml is not one of auto, human, json"
)]
#[case(
    "log.filter = 'etiqueta=loud'",
    "log.filter: etiqueta=loud is not a level (error, warn, info, debug, trace), or levels by target"
)]
#[case(
    "tagging.min_confidance = 1",
    "tagging.min_confidance: no such setting; did you mean tagging.min_confidence?"
)]
#[case(
    "auth.required = 'always'",
    "auth.required: always is not one of auto, false, writes, true"
)]
#[case(
    "auth.admin_key = 'hush'",
    "auth.admin_key: is not a key: an admin key has 32 to 512 visible ASCII characters and no blanks"
)]
#[case(
    "server.cors_origins = ['*']",
    "server.cors_origins: * is not the origin of a site such as https://photos.example.com"
)]
#[case(
    "limits.requests_per_minute = -1",
    "limits.requests_per_minute: -1 is not a number from 0 to 1000000"
)]
#[case("colour = 1", "colour: no such setting")]
#[case("[colour]", "colour: no such setting")]
#[case(
    "server.port.number = 80",
    "server.port.number: no such setting; did you mean server.port?"
)]
fn an_impossible_file_is_refused_by_key_and_line(#[case] line: &str, #[case] refusal: &str) {
    let fixture = Fixture::new().file("etiqueta.toml", &format!("# first line\n{line}\n"));
    let text = fixture.refusal();
    let origins = [" (from etiqueta.toml line 2)", " (from default)"];
    let found = origins.iter().find_map(|origin| text.strip_suffix(origin));
    assert_eq!(found, Some(refusal), "{text}");
    assert!(!text.contains("hush"), "{text}");
}

#[test]
fn an_impossible_variable_is_refused_by_key_and_variable() {
    let fixture = Fixture::new().variable("ETIQUETA__TAGGING__MIN_CONFIDENCE", "120");
    assert_eq!(
        fixture.refusal(),
        "tagging.min_confidence: 120 is not a number from 0 to 100 \
            (from ETIQUETA__TAGGING__MIN_CONFIDENCE)"
    );
    let fixture = Fixture::new().variable("RUST_LOG", "etiqueta=loud");
    assert!(fixture.refusal().ends_with("(from RUST_LOG)"));
}

#[rstest]
#[case(
    "TAGGING__PROVDER",
    "tagging.provder: no such setting; did you mean tagging.provider?"
)]
#[case(
    "TAGGING_PROVIDER",
    "tagging_provider: no such setting; did you mean tagging.provider?"
)]
#[case(
    "server__port",
    "server.port: no such setting; did you mean server.port?"
)]
#[case("", ": no such setting")]
#[case("COLOUR", "colour: no such setting")]
fn an_unknown_variable_of_ours_is_refused(#[case] rest: &str, #[case] refusal: &str) {
    let name = format!("ETIQUETA__{rest}");
    let fixture = Fixture::new().variable(&name, "1");
    assert_eq!(fixture.refusal(), format!("{refusal} (from {name})"));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;

    let mut fixture = Fixture::new();
    let value = OsString::from_vec(vec![0xff]);
    let name = "ETIQUETA__SERVER__BIND";
    fixture.environment.variables.push((name.into(), value));
    assert_eq!(
        fixture.refusal(),
        "ETIQUETA__SERVER__BIND: is not UTF-8 text"
    );
}

#[test]
fn toml_syntax_error_names_the_line_and_hides_the_text() {
    let fixture = Fixture::new().file("etiqueta.toml", "[imagga]\napi_key = hush\n");
    let text = fixture.refusal();
    assert!(text.starts_with("etiqueta.toml: line 2: "), "{text}");
    assert!(!text.contains("hush"), "{text}");
}

#[test]
fn a_named_file_must_be_there() {
    let fixture = Fixture::new().config("other.toml");
    assert_eq!(fixture.refusal(), "other.toml: no such file");
    let fixture = fixture.folder("other.toml");
    assert_eq!(fixture.refusal(), "other.toml: no such file");
    let fixture = Fixture::new().variable("ETIQUETA_CREDENTIALS", "keys.json");
    assert_eq!(fixture.refusal(), "keys.json: no such file");
}

#[rstest]
#[case("db", "db:3306")]
#[case("db:3307", "db:3307")]
#[case("mysql_server", "mysql_server:3306")]
#[case("10.0.0.7", "10.0.0.7:3306")]
#[case("::1", "[::1]:3306")]
#[case("[::1]", "[::1]:3306")]
#[case("[::1]:3307", "[::1]:3307")]
fn the_names_of_mysql_make_a_url(#[case] server: &str, #[case] place: &str) {
    let settings = Fixture::new().mysql(server).settings();
    assert_eq!(
        settings.database.url.expose_secret(),
        format!("mysql://api%20user:p%40ss%3Aw%2Frd%25@{place}/pictures")
    );
}

#[rstest]
#[case("db:port")]
#[case("db:")]
#[case("db/name")]
#[case("user:hush@db")]
#[case(" db")]
fn an_impossible_server_is_refused(#[case] server: &str) {
    let refusal = Fixture::new().mysql(server).refusal();
    assert_eq!(refusal, "MYSQL_SERVER: is not a host or host:port");
}

#[test]
fn a_server_needs_a_user_and_a_database_but_no_password() {
    let fixture = Fixture::new().variable("MYSQL_SERVER", "db");
    let needs = "is missing, and MYSQL_SERVER needs it";
    assert_eq!(fixture.refusal(), format!("MYSQL_USERNAME: {needs}"));
    let fixture = fixture.variable("MYSQL_USERNAME", "api");
    assert_eq!(fixture.refusal(), format!("MYSQL_USER_DATABASE: {needs}"));
    let fixture = fixture
        .variable("MYSQL_USER_DATABASE", "pictures")
        .variable("MYSQL_USER_PASSWORD", "");
    let url = fixture.settings().database.url;
    assert_eq!(url.expose_secret(), "mysql://api@db:3306/pictures");
}

#[test]
fn without_a_server_mysql_is_not_used() {
    let fixture = Fixture::new().mysql("");
    let url = fixture.settings().database.url;
    assert_eq!(url.expose_secret(), "sqlite://data/etiqueta.db");
    let warning = "MYSQL_USERNAME is not read, because MYSQL_SERVER is not set";
    assert_eq!(fixture.warnings(), [warning]);
}

#[test]
fn an_almost_right_variable_is_warned_about() {
    let fixture = Fixture::new()
        .variable("ETIQUETA_SERVER_PORT", "80")
        .variable("ETIQUETA_HOME", "/home")
        .variable("PATH", "/bin");
    let warning = "ETIQUETA_SERVER_PORT is not read; the variable is called ETIQUETA__SERVER__PORT";
    assert_eq!(fixture.warnings(), [warning]);
    assert_eq!(fixture.settings().server.port, 8080);
}

#[rstest]
#[case("imaggan")]
#[case("imagga")]
fn credentials_are_read_in_both_spellings(#[case] name: &str) {
    let text = format!(
        r#"{{
            "imagekitio": {{"public_key": "public", "private_key": "private", "url_endpoint": "x"}},
            "{name}": {{"api_key": "key", "api_secret": " secret "}}
        }}"#
    );
    let fixture = Fixture::new().file("credentials.json", &text);
    let settings = fixture.settings();
    let account = settings.imagga.credentials().unwrap();
    assert_eq!(account.api_key.expose_secret(), "key");
    assert_eq!(account.api_secret.expose_secret(), "secret");
    let private_key = settings.imagekit.private_key.unwrap();
    assert_eq!(private_key.expose_secret(), "private");
    assert_eq!(fixture.warnings(), [""; 0]);
}

#[test]
fn credentials_may_be_elsewhere() {
    let fixture = Fixture::new()
        .file("keys.json", r#"{"imagekitio": {"private_key": "private"}}"#)
        .variable("ETIQUETA_CREDENTIALS", "keys.json");
    assert!(fixture.settings().imagekit.private_key.is_some());
}

#[test]
fn the_example_unchanged_counts_as_missing() {
    let text = r#"{
        "imagekitio": {
            "public_key": "<your_public_key>",
            "private_key": "<your_private_key>",
            "url_endpoint": "<your_url>"
        },
        "imaggan": {"api_key": "<your_key>", "api_secret": ""}
    }"#;
    let fixture = Fixture::new().file("credentials.json", text);
    let settings = fixture.settings();
    assert!(settings.imagga.credentials().is_none());
    assert!(settings.imagekit.private_key.is_none());
    assert_eq!(
        fixture.warnings(),
        [
            "imagekitio.private_key",
            "imaggan.api_key",
            "imaggan.api_secret"
        ]
        .map(|field| format!("credentials.json: {field} is not filled in; it is taken as missing"))
    );
}

#[test]
fn an_empty_file_and_a_folder_count_as_missing() {
    let fixture = Fixture::new()
        .file("credentials.json", " \n")
        .folder("etiqueta.toml");
    assert_eq!(
        fixture.warnings(),
        [
            "etiqueta.toml is a folder, not a file; it is taken as missing",
            "credentials.json is empty; it is taken as missing",
        ]
    );
    let fixture = Fixture::new().folder("credentials.json");
    let warning = "credentials.json is a folder, not a file; it is taken as missing";
    assert_eq!(fixture.warnings(), [warning]);
}

#[rstest]
#[case("{\n\"imagga\": hush}", "credentials.json: line 2: not a JSON object")]
#[case("[\"hush\"]", "credentials.json: line 1: not a JSON object")]
#[case(r#"{"imaga": {}}"#, "imaga: no such field (from credentials.json)")]
#[case(
    r#"{"imagga": "hush"}"#,
    "imagga: is not an object (from credentials.json)"
)]
#[case(
    r#"{"imagga": {"api_kee": "hush"}}"#,
    "imagga.api_kee: no such field (from credentials.json)"
)]
#[case(
    r#"{"imagga": {"api_key": 17}}"#,
    "imagga.api_key: is not a text (from credentials.json)"
)]
#[case(
    r#"{"imagga": {"api_key": "hush"}}"#,
    "imagga.api_secret: is missing, and imagga.api_key needs it (from default)"
)]
#[case(
    r#"{"imagga": {}, "imaggan": {}}"#,
    "imagga: is given more than once, as imaggan too (from credentials.json)"
)]
fn impossible_credentials_are_refused(#[case] text: &str, #[case] refusal: &str) {
    let fixture = Fixture::new().file("credentials.json", text);
    assert_eq!(fixture.refusal(), refusal);
}

/// Settings with a secret wherever one is possible.
fn full_of_secrets() -> Fixture {
    let credentials = r#"{
        "imagekitio": {"private_key": "hush-1"},
        "imaggan": {"api_key": "hush-2", "api_secret": "hush-3"}
    }"#;
    Fixture::new()
        .file(
            "etiqueta.toml",
            "[server]\ntimezone = 'Europe/Madrid'\nbind = '::'\n",
        )
        .file("credentials.json", credentials)
        .mysql("db")
        .variable("MYSQL_USER_PASSWORD", "hush-4")
        .variable("ETIQUETA__SERVER__PORT", "080")
        .variable("ETIQUETA__TAGGING__MIN_CONFIDENCE", "72.5")
        .variable("ETIQUETA__ORIGINALS__URL", "s3://key:hush@5@bucket/prefix")
}

#[test]
fn config_prints_every_setting_without_secrets() {
    let printed = full_of_secrets().settings().to_toml();
    assert_eq!(printed, include_str!("tests/printed.toml"));
}

#[rstest]
#[case("mysql://me:hush@db:3306/name", "mysql://me:********@db:3306/name")]
#[case("mysql://me:hush@hush/h:ush@db/name", "mysql://me:********@db/name")]
#[case("mysql:me:hush@db/name", "mysql:me:********@db/name")]
#[case("postgres:/me:hush@db/name", "postgres:/me:********@db/name")]
#[case("mysql://me@db/name", "mysql://me@db/name")]
#[case("mysql://db/name", "mysql://db/name")]
#[case("sqlite://data/a:b@c.db", "sqlite://data/a:b@c.db")]
#[case("nonsense", "nonsense")]
fn a_password_in_a_url_is_masked(#[case] url: &str, #[case] printed: &str) {
    let settings = Fixture::new()
        .variable("ETIQUETA__DATABASE__URL", url)
        .settings();
    let line = format!("\nurl = \"{printed}\" # ");
    assert!(settings.to_toml().contains(&line), "{}", settings.to_toml());
}

#[test]
fn lists_are_lists_of_toml_or_texts_with_commas() {
    let hosts = |fixture: &Fixture| fixture.settings().server.allowed_hosts;
    assert!(hosts(&Fixture::new()).is_empty());
    let file = "server.allowed_hosts = ['A.example.com', 'b.example.com.']";
    let fixture = Fixture::new().file("etiqueta.toml", file);
    assert_eq!(hosts(&fixture), ["a.example.com", "b.example.com"]);
    let fixture = fixture.variable("ETIQUETA__SERVER__ALLOWED_HOSTS", "c.example.com, ,d");
    assert_eq!(hosts(&fixture), ["c.example.com", "d"]);
}

#[test]
fn proxies_are_addresses_and_networks() {
    let proxies = "10.0.0.0/8, 192.0.2.1, ::ffff:192.0.2.2, 2001:db8::/32";
    let fixture = Fixture::new().variable("ETIQUETA__SERVER__TRUSTED_PROXIES", proxies);
    let proxies = fixture.settings().server.trusted_proxies;
    let texts: Vec<_> = proxies.iter().map(ToString::to_string).collect();
    let expected = [
        "10.0.0.0/8",
        "192.0.2.1/32",
        "192.0.2.2/32",
        "2001:db8::/32",
    ];
    assert_eq!(texts, expected);
}

#[rstest]
#[case("true", KeysRequired::Always)]
#[case("false", KeysRequired::Never)]
#[case("'true'", KeysRequired::Always)]
#[case("'writes'", KeysRequired::Writes)]
#[case("'auto'", KeysRequired::Auto)]
fn keys_may_be_required_by_a_truth_value(#[case] value: &str, #[case] required: KeysRequired) {
    let line = format!("auth.required = {value}");
    let settings = Fixture::new().file("etiqueta.toml", &line).settings();
    assert_eq!(settings.auth.required, required);
}

#[test]
fn the_admin_key_is_never_printed() {
    let key = "hush-hush-hush-hush-hush-hush-hush";
    let settings = Fixture::new()
        .variable("ETIQUETA__AUTH__ADMIN_KEY", key)
        .settings();
    assert!(settings.auth.admin_key.is_some());
    let printed = format!("{settings:?}{}", settings.to_toml());
    assert!(!printed.contains("hush"), "{printed}");
}

#[test]
fn printed_settings_can_be_read_again() {
    let fixture = Fixture::new()
        .variable("ETIQUETA__SERVER__PORT", "80")
        .variable("ETIQUETA__SERVER__ALLOWED_HOSTS", "a.example.com,b");
    let printed = fixture.settings().to_toml();
    let again = Fixture::new().file("etiqueta.toml", &printed).settings();
    let values = |text: &str| text.parse::<toml::Table>().unwrap();
    assert_eq!(values(&again.to_toml()), values(&printed));
}

mod probe {
    //! A table to which a secret was added without any further step.

    use super::super::{
        in_force::InForce,
        readers::{secret, secret_url},
        schema::{Setting, SettingType, settings},
        types::SecretUrl,
    };
    use secrecy::SecretString;

    settings! {
        /// Everything.
        pub(super) struct Probe {
            /// Where messages go.
            queue: QueueProbe {
                /// Its address.
                url: SecretUrl = "amqp://queue", "secret_url";
                /// What it asks for.
                pass: Option<SecretString> = "", "secret";
            }
        }
    }
}

#[test]
fn a_setting_with_the_type_of_a_secret_is_never_printed() {
    let mut layer = Layer::default();
    layer.set("queue.pass", "hush", "etiqueta.toml line 1");
    layer.set("queue.url", "amqp://me:hush@queue", "etiqueta.toml line 2");
    let table = probe::Probe::TABLE;
    let in_force = merge(defaults(table).unwrap().add_source(layer)).unwrap();
    let mut probe: probe::Probe = in_force.config().clone().try_deserialize().unwrap();
    assert_eq!(
        render::to_toml(table, &in_force),
        "[queue]\npass = \"********\" # etiqueta.toml line 1\n\
            url = \"amqp://me:********@queue\" # etiqueta.toml line 2\n"
    );
    probe.in_force = in_force;
    assert!(!format!("{probe:?}").contains("hush"), "{probe:?}");
    assert_eq!(probe.queue.pass.unwrap().expose_secret(), "hush");
    assert_eq!(probe.queue.url.expose_secret(), "amqp://me:hush@queue");
}

#[test]
fn settings_named_like_secrets_have_the_type_of_one() {
    for setting in Settings::TABLE {
        let words = ["key", "secret", "password", "token", "credential"];
        if words.iter().any(|word| setting.key.contains(word)) {
            assert_eq!(setting.visibility, Visibility::Secret, "{}", setting.key);
        }
    }
}

#[test]
fn secrets_are_read_from_files() {
    let fixture = Fixture::new()
        .file("key", "the key\n")
        .file("secret", "the secret\r\n")
        .file("url", "mysql://me:hush@db/name")
        .file(
            "etiqueta.toml",
            "[imagga]\napi_key_file = 'key'\napi_key = ''",
        )
        .variable("ETIQUETA__IMAGGA__API_SECRET_FILE", "secret")
        .variable("ETIQUETA__DATABASE__URL_FILE", "url")
        .variable("ETIQUETA__IMAGEKIT__PRIVATE_KEY_FILE", "");
    let settings = fixture.settings();
    let account = settings.imagga.credentials().unwrap();
    assert_eq!(account.api_key.expose_secret(), "the key");
    assert_eq!(account.api_secret.expose_secret(), "the secret");
    assert!(settings.imagekit.private_key.is_none());
    let printed = settings.to_toml();
    for line in [
        "api_key = \"********\" # key",
        "api_secret = \"********\" # secret",
        "url = \"mysql://me:********@db/name\" # url",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
}

#[rstest]
#[case(
    "nowhere",
    "nowhere cannot be read: No such file or directory (os error 2)"
)]
#[case("folder", "folder cannot be read: Is a directory (os error 21)")]
#[case("large", "large is larger than 65536 bytes")]
#[case("empty", "empty is empty")]
fn an_impossible_secret_file_is_refused_by_key_and_path(#[case] path: &str, #[case] problem: &str) {
    let name = "ETIQUETA__IMAGGA__API_KEY_FILE";
    let fixture = Fixture::new()
        .folder("folder")
        .file("large", &"hush".repeat(16 << 10 | 1))
        .file("empty", "\n")
        .variable(name, path);
    let refusal = format!("imagga.api_key_file: {problem} (from {name})");
    assert_eq!(fixture.refusal(), refusal);
}

#[test]
fn the_text_of_a_secret_file_is_checked_like_any_other() {
    let fixture = Fixture::new()
        .file("key", "hush\nhush\n")
        .variable("ETIQUETA__IMAGEKIT__PRIVATE_KEY_FILE", "key");
    let refusal = "imagekit.private_key: is not a text of one line (from key)";
    assert_eq!(fixture.refusal(), refusal);
}

#[test]
fn a_secret_and_its_file_are_refused_together() {
    let fixture = Fixture::new()
        .file("etiqueta.toml", "imagga.api_secret_file = 'secret'")
        .file("secret", "hush")
        .variable("ETIQUETA__IMAGGA__API_SECRET", "hush");
    assert_eq!(
        fixture.refusal(),
        "imagga.api_secret_file: is set, and so is imagga.api_secret by \
            ETIQUETA__IMAGGA__API_SECRET (from etiqueta.toml line 1)"
    );
    let fixture = Fixture::new()
        .mysql("db")
        .variable("ETIQUETA__DATABASE__URL_FILE", "url");
    assert_eq!(
        fixture.refusal(),
        "database.url_file: is set, and so is database.url by MYSQL_SERVER \
            (from ETIQUETA__DATABASE__URL_FILE)"
    );
}

#[test]
fn only_secrets_are_read_from_files() {
    let fixture = Fixture::new().file("etiqueta.toml", "server.port_file = 'port'");
    let refusal = "server.port_file: no such setting; did you mean server.port? \
        (from etiqueta.toml line 1)";
    assert_eq!(fixture.refusal(), refusal);
    let fixture = Fixture::new().file("etiqueta.toml", "imagga.api_key_file = 1");
    let refusal = "imagga.api_key_file: must be written in quotes (from etiqueta.toml line 1)";
    assert_eq!(fixture.refusal(), refusal);
}

#[test]
fn debug_shows_no_secret() {
    let fixture = full_of_secrets();
    let shown = format!("{:?} {:?}", fixture.environment, fixture.loaded());
    assert!(!shown.contains("hush"), "{shown}");
    assert!(!shown.contains("/pictures"), "{shown}");
}

#[test]
fn refuse_names_the_origin() {
    let settings = Fixture::new()
        .variable("ETIQUETA__TAGGING__LANGUAGE", "xx")
        .settings();
    let refusal = settings.refuse(
        "tagging.language",
        std::io::Error::other("no such language"),
    );
    assert_eq!(
        refusal.to_string(),
        "tagging.language: no such language (from ETIQUETA__TAGGING__LANGUAGE)"
    );
}
